#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""frontdesk beside Debian's nginx and haproxy, in alternating rounds of one run.

Every proxy has one worker, pinned to the first core; the C origin and the load generator have the
second. The figure is the CPU time of the proxy's whole process tree per request (from the
scheduler's own count), and its ratio to nginx's in the same round: on a shared machine absolute
figures drift, ratios of neighbours in time hold. Runs in a network namespace of its own as root.

Usage: bench.py [--docs] [--only get64,body1m] [--rounds 5] [--seconds 3] 
                [--proxies nginx,haproxy,frontdesk,before=/another/frontdesk]"""
import argparse
import os
import re
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TOOLS = os.path.join(ROOT, "build", "release", "tests")
PROXY_CORE, LOAD_CORE = 0, min(1, os.cpu_count() - 1)
ORIGIN_PORT, FIRST_PORT = 19900, 19910
IDLE_CONNS = 10000
REFERENCE = "nginx"
CACHE_PART = "\n## The cache\n"          # of docs/performance.md: cache.py's
OTHER_BINARIES = {}                      # label: path, for `--proxies label=path`

# name: (title, kind, listener, arguments)
SCENARIOS = {
    "get16":   ("1 KB, keep-alive, 16 connections", "wrk", "http", ["-c16", "/1k"]),
    "get64":   ("1 KB, keep-alive, 64 connections", "wrk", "http", ["-c64", "/1k"]),
    "get1000": ("1 KB, keep-alive, 1,000 connections", "wrk", "http", ["-c1000", "/1k"]),
    "log16":   ("the same with access log, 16 connections", "wrk", "log", ["-c16", "/1k"]),
    "log64":   ("the same with access log, 64 connections", "wrk", "log", ["-c64", "/1k"]),
    "log1000": ("the same with access log, 1,000 connections", "wrk", "log", ["-c1000", "/1k"]),
    "body64k": ("64 KB, 16 connections", "wrk", "http", ["-c16", "/64k"]),
    "body1m":  ("1 MB, 8 connections", "wrk", "http", ["-c8", "/1m"]),
    "connect": ("1 KB, a new connection per request", "wrk", "http",
                ["-c64", "-H", "Connection: close", "/1k"]),
    "idle":    (f"memory of an idle connection ({IDLE_CONNS:,} held)", "idle", "http", []),
    "rate":    ("1 KB, 64 connections, open loop", "rate", "http", ["64", "/1k"]),
}


# ---- processes ----------------------------------------------------------------------------------

def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def tree(pid):
    return [pid] + [below for child in children(pid) for below in tree(child)]


def cpu_seconds(pid):
    """Time on a processor of every thread of the tree."""
    total = 0
    for process in tree(pid):
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def memory_bytes(pid):
    """Proportional set size of the tree: shared pages are counted once."""
    total = 0
    for process in tree(pid):
        with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
            total += int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M)[1]) * 1024
    return total


class Proxy:
    def __init__(self, name, index, directory):
        self.name = name
        self.directory = os.path.join(directory, name)
        self.ports = {"http": FIRST_PORT + 2 * index, "log": FIRST_PORT + 2 * index + 1}
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.command = self.prepare()

    def prepare(self):
        """Writes its configuration; returns the command that starts it in the foreground."""
        template = "haproxy.cfg" if self.name == "haproxy" else "nginx.conf"
        is_nginx = self.name == "nginx"
        temporary = " ".join(f"{kind}_temp_path {self.directory}/{kind};"
                             for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        names = {"DIR": self.directory, "ORIGIN": ORIGIN_PORT, "HTTP": self.ports["http"],
                 "LOG": self.ports["log"], "ONLY_NGINX_MAIN": "",
                 "ONLY_NGINX_HTTP": f"sendfile on; proxy_max_temp_file_size 0; {temporary}" if is_nginx else ""}
        with open(os.path.join(HERE, template), encoding="utf-8") as file:
            text = re.sub(r"@([A-Z_]+)@", lambda match: str(names.get(match[1], match[0])), file.read())
        path = os.path.join(self.directory, template)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        binary = binary_of(self.name)
        if self.name == "haproxy":
            return [binary, "-db", "-f", path]
        return [binary, "-p", self.directory + "/", "-c", path, "-e", self.directory + "/error.log"]

    def settle(self):
        """In its process, before it begins."""
        os.sched_setaffinity(0, {PROXY_CORE})

    def start(self):
        with open(os.path.join(self.directory, "stderr"), "wb") as stderr:
            self.process = subprocess.Popen(self.command, stdout=stderr, stderr=stderr,
                                            stdin=subprocess.DEVNULL, preexec_fn=self.settle)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.ports["http"]), 1).close()
                return
            except OSError:
                time.sleep(0.05)
            if self.process.poll() is not None:
                break
        with open(os.path.join(self.directory, "stderr"), encoding="utf-8", errors="replace") as file:
            sys.exit(f"{self.name} does not start:\n{file.read()[-1500:]}")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                for pid in reversed(tree(self.process.pid)):
                    os.kill(pid, 9)
                self.process.wait()
        self.process = None


def binary_of(name):
    if name in OTHER_BINARIES:
        return OTHER_BINARIES[name]
    if name == "frontdesk":
        return os.path.join(ROOT, "build", "release", "frontdesk")
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")


# ---- measurements -------------------------------------------------------------------------------

def run_wrk(port, arguments, seconds):
    """(answers, failures) of a closed loop."""
    *options, target = arguments
    result = subprocess.run(["wrk", "-t1", f"-d{seconds}s", *options, f"http://127.0.0.1:{port}{target}"],
                            capture_output=True, text=True, check=True, timeout=seconds + 30,
                            preexec_fn=pinned(LOAD_CORE))
    answers = int(re.search(r"(\d+) requests in", result.stdout)[1])
    failures = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", result.stdout)))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", result.stdout)
    return answers, failures + sum(map(int, errors.groups() if errors else []))


def measure_wrk(proxy, listener, arguments, options):
    port = proxy.ports[listener]
    run_wrk(port, arguments, 1)
    before = cpu_seconds(proxy.process.pid)
    answers, failures = run_wrk(port, arguments, options.seconds)
    used = cpu_seconds(proxy.process.pid) - before
    return {"figure": 1e6 * used / max(1, answers), "rate": answers / options.seconds, "failures": failures}


def measure_rate(proxy, listener, arguments, options):
    conns, target = arguments
    before = cpu_seconds(proxy.process.pid)
    result = subprocess.run([os.path.join(TOOLS, "bench_pace"), str(proxy.ports[listener]), conns,
                             str(options.rate), str(options.seconds), target],
                            capture_output=True, text=True, timeout=options.seconds + 60, check=False,
                            preexec_fn=pinned(LOAD_CORE))
    used = cpu_seconds(proxy.process.pid) - before
    words = result.stdout.split()
    found = dict(zip(words[::2], map(int, words[1::2])))
    if result.returncode != 0 or not found:
        sys.exit(f"{proxy.name}: {result.stderr}")
    return {"figure": 1e6 * used / found["answered"], "failures": 0, **found}


def measure_idle(proxy, listener, _arguments, _options):
    """A fresh proxy; every connection has made a request, then rests."""
    proxy.stop()
    proxy.start()
    warm = hold(proxy.ports[listener], 10)
    before = memory_bytes(proxy.process.pid)
    held = hold(proxy.ports[listener], IDLE_CONNS)
    time.sleep(1)
    total = memory_bytes(proxy.process.pid)
    lost = sum(is_closed(conn) for conn in held)
    for conn in warm + held:
        conn.close()
    return {"figure": (total - before) / IDLE_CONNS, "kilobytes": total / 1024, "failures": lost}


def hold(port, count):
    conns = []
    for _ in range(count):
        conn = socket.create_connection(("127.0.0.1", port), 10)
        conn.sendall(b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while len(answer) < 1024 or len(answer) < answer.index(b"\r\n\r\n") + 4 + 1024:
            piece = conn.recv(65536)
            if not piece:
                sys.exit("a connection was closed instead of answered")
            answer += piece
        conns.append(conn)
    return conns


def is_closed(conn):
    poll = select.poll()
    poll.register(conn, select.POLLIN)
    return bool(poll.poll(0))


MEASURES = {"wrk": measure_wrk, "rate": measure_rate, "idle": measure_idle}


# ---- rounds and report --------------------------------------------------------------------------

def run_scenario(name, proxies, options):
    """{proxy: [result of each round]}; the order turns with the rounds, so that drift hits all."""
    _, kind, listener, arguments = SCENARIOS[name]
    results = {proxy.name: [] for proxy in proxies}
    rounds = 1 if kind == "idle" else options.rounds
    for i in range(rounds):
        turn = i % len(proxies)
        order = proxies[turn:] + proxies[:turn]
        for proxy in reversed(order) if i % 2 else order:
            result = MEASURES[kind](proxy, listener, arguments, options)
            results[proxy.name].append(result)
            print(f"  {name} round {i + 1}: {proxy.name:9} {result['figure']:9.2f}"
                  f"{'  FAILURES ' + str(result['failures']) if result['failures'] else ''}", file=sys.stderr)
    return results


def spread(values, digits=2):
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def table(name, results):
    title, kind, _, _ = SCENARIOS[name]
    unit = "bytes" if kind == "idle" else "CPU µs/request"
    extra = {"wrk": ["requests/s"], "rate": ["p50 µs", "p99 µs", "p99.9 µs"],
             "idle": ["all its memory, KB"]}[kind]
    head = ["proxy", unit, f"ratio to {REFERENCE}", *extra, "failures"]
    lines = [f"### {name}: {title}", "", "| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for proxy, rounds in results.items():
        ratios = [result["figure"] / other["figure"]
                  for result, other in zip(rounds, results.get(REFERENCE, [])) if other["figure"] > 0]
        keys = {"wrk": ["rate"], "rate": ["p50", "p99", "p999"], "idle": ["kilobytes"]}[kind]
        cells = [proxy, spread([result["figure"] for result in rounds], 0 if kind == "idle" else 1),
                 spread(ratios) if ratios else "-",
                 *(f"{statistics.median(result[key] for result in rounds):,.0f}" for key in keys),
                 str(sum(result["failures"] for result in rounds))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def version_of(name):
    result = subprocess.run([binary_of(name), "-v"], capture_output=True, text=True, check=False)
    return (result.stdout + result.stderr).strip().split("\n")[0]


def write_document(tables, names, options):
    path = os.path.join(ROOT, "docs", "performance.md")
    with open(path, encoding="utf-8") as file:
        _, heading, cache = file.read().partition(CACHE_PART)
    text = f"""# Performance

Written by `make bench DOCS=1`; how it is measured stands in [testing.md](testing.md#benchmarks).
Each figure is the median of {options.rounds} alternating rounds of {options.seconds} s (in brackets the least and
the most). The machine is shared: read the ratios, not the absolute figures. Less is better.

{time.strftime("%Y-%m-%d")}, Linux {os.uname().release}, {os.cpu_count()} cores, the proxy on one of them:

""" + "".join(f"- {name}: {version_of(name)}\n" for name in names) + "\n" + "\n".join(tables)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n" + heading.lstrip() + cache)
    print("wrote docs/performance.md", file=sys.stderr)


def isolate():
    """As root: a network namespace of our own, with room for many short connections."""
    if os.geteuid() != 0:
        return
    if os.environ.get("BENCH_ISOLATED") != "1":
        os.environ["BENCH_ISOLATED"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for key, value in (("net/ipv4/ip_local_port_range", "20000 65000"), ("net/core/somaxconn", "4096")):
        try:
            with open("/proc/sys/" + key, "w", encoding="ascii") as file:
                file.write(value)
        except OSError:
            print(f"(could not set {key})", file=sys.stderr)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write docs/performance.md")
    parser.add_argument("--only", default=",".join(SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rate", type=int, default=4000, help="requests per second of the open loop")
    parser.add_argument("--proxies", default="nginx,haproxy,frontdesk")
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    return options


def main():
    options = parse_options()
    isolate()
    wanted = IDLE_CONNS * 2 + 2000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard >= 0 else wanted, hard))
    OTHER_BINARIES.update(name.split("=", 1) for name in options.proxies.split(",") if "=" in name)
    names = [name.partition("=")[0] for name in options.proxies.split(",")]
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory:
        os.chmod(directory, 0o755)
        proxies = [Proxy(name, i, directory) for i, name in enumerate(names)]
        origin = subprocess.Popen([os.path.join(TOOLS, "bench_origin"), str(ORIGIN_PORT)],
                                  preexec_fn=pinned(LOAD_CORE))
        tables = []
        try:
            for proxy in proxies:
                proxy.start()
            for name in options.only.split(","):
                tables.append(table(name, run_scenario(name, proxies, options)))
                print(tables[-1], flush=True)
        finally:
            for proxy in proxies:
                proxy.stop()
            origin.kill()
            origin.wait()
    if options.docs:
        write_document(tables, names, options)


if __name__ == "__main__":
    main()
