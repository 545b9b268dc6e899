#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What one attacker costs the others: floods over HTTP/2 and of TLS handshakes, beside nginx and haproxy.

    make bench-abuse                                                  # frontdesk with one loop and two
    make bench-abuse BENCH="--only ping,hello --rounds 3"
    make bench-abuse BENCH="--proxies nginx,haproxy,frontdesk --loops 1"
    make bench-abuse DOCS=1                                           # writes its part of docs/performance.md

An ordinary client (pace.c: HTTP/1.1 in clear, open loop) asks while the attacker (attack.c) does its worst on
the second core. `none` is nobody else; `load` is h2load with ordinary requests as fast as it can, since a
client that fills a core costs others something whatever it says."""
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import bench
import secure
from bench import LOAD_CORE, ORIGIN_PORT, TOOLS, cpu_seconds, memory_bytes, pinned

CONNS, HELD_CONNS = 4, 16
ATTACKS = {                              # name: connections
    "none": 0, "load": CONNS, "rapid-reset": CONNS, "made-reset": CONNS, "continuation": CONNS,
    "continuation-empty": CONNS, "hpack-bomb": CONNS, "hpack-small-bomb": CONNS, "large-heads": CONNS,
    "empty-data": CONNS, "tiny-data": CONNS, "settings": CONNS, "ping": CONNS, "ping-unread": CONNS,
    "ping-deaf": CONNS, "window-update": CONNS, "priority": CONNS, "priority-update": CONNS, "unknown": CONNS,
    "stalled-windows": HELD_CONNS, "unread": HELD_CONNS, "hello": 64,
}
PACE_CONNS, SAMPLE_S, MARGIN_S = "32", 0.2, 0.3
PROXY_NICE, ATTACKER_NICE = -20, -5      # before the machine's other users; pace and origin run before all
ORIGIN_BUFFER = "65536"                  # else a thousand stalled answers fill the kernel's memory for TCP
MEGABYTE = 1 << 20


def placed(cores, nice=None):
    """For preexec_fn: where it runs, and (as root) before whom; without `nice`: at once, since it does little.
    Where sessions are scheduled as groups, a nice value is the group's."""
    def place():
        os.sched_setaffinity(0, cores)
        if os.geteuid() != 0:
            return
        if nice is None:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            return
        os.setsid()
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        try:
            with open("/proc/self/autogroup", "w", encoding="ascii") as file:
                file.write(str(nice))
        except OSError:
            pass
    return place


class Target(secure.SecureProxy):
    def __init__(self, name, index, directory, workers):
        self.workers = workers
        super().__init__(name, index, directory, True)
        self.label = f"{name}, {workers} loop{'s' if workers > 1 else ''}"

    def settle(self):
        cores = {bench.PROXY_CORE} if self.workers == 1 else {bench.PROXY_CORE, LOAD_CORE}
        placed(cores, PROXY_NICE)()


class Memory(threading.Thread):
    """The most that the proxy had while it ran."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.most, self.over = pid, 0, threading.Event()

    def run(self):
        while not self.over.wait(SAMPLE_S):
            self.most = max(self.most, memory_bytes(self.pid))

    def stop(self):
        self.over.set()
        self.join()
        return self.most


def attacker(proxy, attack, seconds):
    count = ATTACKS[attack]
    if attack == "none":
        return None
    port = proxy.ports["tls" if attack == "hello" else "clear"]
    words = [os.path.join(TOOLS, "bench_attack"), str(port), str(count), str(seconds), attack]
    if attack == "load":
        words = ["h2load", "-t1", f"-c{count}", "-m100", f"-D{int(seconds + 1)}", f"http://127.0.0.1:{port}/64b"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=placed({LOAD_CORE}, ATTACKER_NICE))


def words_to_numbers(output):
    words = output.split()
    return dict(zip(words[::2], map(int, words[1::2])))


def pace(proxy, rate, seconds):
    """{} if the proxy did not serve it."""
    done = subprocess.run([os.path.join(TOOLS, "bench_pace"), str(proxy.ports["plain"]), PACE_CONNS, str(rate),
                           str(seconds), "/1k"], capture_output=True, text=True, timeout=seconds + 60, check=False,
                          preexec_fn=placed({LOAD_CORE}))
    if done.returncode != 0:
        print(f"  {proxy.label}: {done.stderr.strip()}", file=sys.stderr)
        return {}
    return words_to_numbers(done.stdout)


def frames_until_cut(proxy, attack):
    """On one connection, slowly."""
    if ATTACKS[attack] == 0 or attack in ("load", "hello"):
        return {}
    done = subprocess.run([os.path.join(TOOLS, "bench_attack"), str(proxy.ports["clear"]), "1", "0", attack],
                          capture_output=True, text=True, timeout=120, check=False, preexec_fn=pinned(LOAD_CORE))
    return words_to_numbers(done.stdout)


def measure(proxy, attack, options):
    """A fresh proxy, one second of ordinary requests, then the attack."""
    proxy.start()
    try:
        pid = proxy.process.pid
        pace(proxy, options.rate, 1)
        before, memory, used = memory_bytes(pid), Memory(pid), cpu_seconds(pid)
        memory.start()
        evil = attacker(proxy, attack, options.seconds + 2 * MARGIN_S)
        time.sleep(MARGIN_S)
        found = pace(proxy, options.rate, options.seconds)
        output, complaint = evil.communicate(timeout=60) if evil else ("", "")
        used = cpu_seconds(pid) - used
        most = memory.stop()
        time.sleep(1)
        after = memory_bytes(pid)
        result = words_to_numbers(output) if attack not in ("none", "load") and output else {}
        if complaint:
            print(f"  {attack}: {complaint.strip()}", file=sys.stderr)
        return {"p50": found.get("p50", 10**7), "p99": found.get("p99", 10**7), "is_served": bool(found),
                "most": most - before, "after": after - before, "cpu": used, **result}
    finally:
        proxy.stop()


def line(attack, rounds, nones, probe, seconds):
    def middle(key):
        return statistics.median(one.get(key, 0) for one in rounds)

    extra = max(0, middle("cpu") - statistics.median(one["cpu"] for one in nones))
    conns, sent = middle("connections"), middle("bytes")
    ratio = statistics.median(one["p99"] / none["p99"] for one, none in zip(rounds, nones))
    served = all(one["is_served"] for one in rounds)
    cells = [attack, f"{middle('p50'):,.0f}", f"{middle('p99'):,.0f}" if served else "not served",
             f"{ratio:.2f}" if served else "-", f"{middle('most') / MEGABYTE:.1f}", f"{middle('after') / MEGABYTE:.1f}",
             f"{extra / (seconds + 2 * MARGIN_S):.0%}", f"{conns:,.0f}" if conns else "-",
             f"{1e6 * extra / conns:,.0f}" if conns else "-",
             f"{1e9 * extra / sent:,.1f}" if sent else "-",
             f"{probe['frames']:,}{'' if probe['goaways'] else ' (no GOAWAY)'}" if probe else "-"]
    return "| " + " | ".join(cells) + " |"


HEADINGS = ["attack", "p50 µs", "p99 µs", "p99 to none", "memory at most +MB", "after it +MB", "CPU of a core",
            "connections", "CPU µs each", "CPU ns/byte", "frames until GOAWAY"]


def run(proxy, options):
    names = ["none"] + [name for name in options.only.split(",") if name != "none"]
    results = {name: [] for name in names}
    for i in range(options.rounds):
        for name in names:
            results[name].append(measure(proxy, name, options))
            print(f"  {proxy.label} round {i + 1}: {name} {results[name][-1]}", file=sys.stderr)
    lines = [f"### {proxy.label}", "", "| " + " | ".join(HEADINGS) + " |", "|---" + "|--:" * (len(HEADINGS) - 1) + "|"]
    proxy.start()
    for name in names:
        probe = frames_until_cut(proxy, name)
        lines.append(line(name, results[name], results["none"], probe, options.seconds))
    proxy.stop()
    return "\n".join(lines) + "\n"


def add_options(parser):
    parser.add_argument("--rate", type=int, default=1000, help="ordinary requests per second")
    parser.add_argument("--loops", default="1,2", help="of frontdesk (nginx: processes, haproxy: threads)")


def main():
    options = secure.parse_options(__doc__, ATTACKS, "frontdesk", add_options, None)
    bench.isolate()
    bench.OTHER_BINARIES.update(name.split("=", 1) for name in options.proxies.split(",") if "=" in name)
    names = [name.partition("=")[0] for name in options.proxies.split(",")]
    tables = []
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory:
        os.chmod(directory, 0o755)
        secure.make_files(directory)
        origin = subprocess.Popen([os.path.join(TOOLS, "bench_origin"), str(ORIGIN_PORT), ORIGIN_BUFFER],
                                  preexec_fn=placed({LOAD_CORE}))
        try:
            for name in names:
                for loops in map(int, options.loops.split(",")):
                    tables.append(run(Target(name, names.index(name), directory, loops), options))
                    print(tables[-1], flush=True)
        finally:
            origin.kill()
            origin.wait()
    if options.docs:
        secure.write_document("bench-abuse", tables, names, options)


if __name__ == "__main__":
    main()
