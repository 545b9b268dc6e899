#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The cache beside those of Debian's nginx, haproxy and Varnish, and what it promises by itself.

    make bench-cache                                        # all, about fifteen minutes
    make bench-cache BENCH="--only hit64,crowd --rounds 3"  # some
    make bench-cache DOCS=1                                 # writes its part of docs/performance.md

What is compared is measured as `make bench` does: CPU time of the whole process tree (all threads) per
request, on one core, in alternating rounds; the ratio is to nginx in the same round. `floor` is the
origin in the proxy's place: it reads a request, looks at nothing, and sends bytes that lie ready.
crowd, start and objects are about frontdesk alone."""
import argparse
import http.client
import os
import random
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import bench
from bench import (FIRST_PORT, HERE, LOAD_CORE, ORIGIN_PORT, PROXY_CORE, REFERENCE, ROOT, TOOLS, binary_of,
                   cpu_seconds, isolate, memory_bytes, pinned, spread, version_of)

DOCUMENT = os.path.join(ROOT, "docs", "performance.md")
BEGIN, END = "<!-- measured: make bench-cache DOCS=1 -->\n", "<!-- /measured -->\n"
MILLION = 1_000_000
CROWD, CROWD_BYTES, CROWD_S = 1000, 10_000_000, 3
FIRST_HIT_S = 2.0                        # at most, after a start

ALL, KEEPERS = ("nginx", "haproxy", "varnish", "frontdesk", "floor"), ("nginx", "haproxy", "varnish", "frontdesk")
# name: (title, listener, connections, target, how many targets, who)
# A target of which there are many has its number behind it; -1: each request has one of its own.
SCENARIOS = {
    "hit64":    ("1 KB from memory, 64 connections", "http", 64, "/c/1k", 1, ALL),
    "hit1000":  ("1 KB from memory, 1,000 connections", "http", 1000, "/c/1k", 1, ALL),
    "hits64":   ("1 KB from memory, 10,000 objects by turns, 64 connections", "http", 64, "/c/1k?", 10000, KEEPERS),
    "hit64k":   ("64 KB from memory, 64 connections", "http", 64, "/c/64k", 1, ALL),
    "disk1k":   ("1 KB from disk, 10,000 objects by turns, 64 connections", "disk", 64, "/c/1k?", 10000,
                 ("nginx", "frontdesk")),
    "disk1m":   ("1 MB from disk, 50 objects by turns, 8 connections", "disk", 8, "/c/1m?", 50, ("nginx", "frontdesk")),
    "plain":    ("1 KB without a cache, 64 connections", "plain", 64, "/1k?", -1, ("nginx", "haproxy", "frontdesk")),
    "miss":     ("a cache that may not keep it, a URL each, 64 connections", "http", 64, "/1k?", -1,
                 ("nginx", "haproxy", "frontdesk")),
    "missone":  ("a cache that may not keep it, one URL, 64 connections", "http", 64, "/1k", 1,
                 ("nginx", "haproxy", "frontdesk")),
    "store":    ("1 KB that is kept in memory, a URL each, 64 connections", "http", 64, "/c/1k?", -1, KEEPERS),
    "storedisk": ("1 KB that is kept on disk, a URL each, 64 connections", "disk", 64, "/c/1k?", -1,
                  ("nginx", "frontdesk")),
}
ALONE = {"crowd": "1,000 clients for one slow answer", "start": "a start with a million objects on disk",
         "objects": "a million objects in memory"}

NGINX_HTTP = """sendfile on; proxy_max_temp_file_size 0;
    open_file_cache max=12000 inactive=600s; open_file_cache_valid 600s;"""
VCL = 'vcl 4.1;\nbackend origin {{ .host = "127.0.0.1"; .port = "{port}"; }}\n'
LUA = """local n, count = {first}, {count}
function request()
    n = n + 1
    return wrk.format("GET", "{target}" .. (count > 0 and n % count or n))
end
"""


class CacheProxy(bench.Proxy):
    """One of those that are compared, or a frontdesk with zones of its own (`zones`)."""

    def __init__(self, name, index, directory, ram, loops=1, zones=None, origin=ORIGIN_PORT):
        base = FIRST_PORT + 4 * index
        self.cache_ports = {"http": base, "disk": base + 1, "plain": base + 2}
        self.ram = os.path.join(ram, name)
        self.loops, self.zones, self.origin = loops, zones, origin
        os.makedirs(self.ram, exist_ok=True)
        super().__init__(name, index, directory)

    def prepare(self):
        self.ports = self.cache_ports
        if self.name == "floor":
            return [os.path.join(TOOLS, "bench_origin"), str(self.ports["http"])]
        if self.name == "varnish":
            return self.prepare_varnish()
        if self.name == "haproxy":
            path = self.fill_in("cache-haproxy.cfg", {})
            return [binary_of("haproxy"), "-db", "-f", path]
        path = self.fill_in("cache.conf", self.nginx_names() if self.name == "nginx" else self.our_names())
        return [binary_of(self.name), "-p", self.directory + "/", "-c", path, "-e", self.directory + "/error.log"]

    def prepare_varnish(self):
        path = os.path.join(self.directory, "origin.vcl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(VCL.format(port=ORIGIN_PORT))
        parameters = {"thread_pools": 1, "thread_pool_min": 100, "thread_pool_max": 1100, "timeout_idle": 600,
                      "listen_depth": 4096, "first_byte_timeout": 600}
        return [binary_of("varnishd"), "-F", "-j", "none", "-n", os.path.join(self.ram, "n"), "-f", path,
                "-a", f"127.0.0.1:{self.ports['http']}", "-s", "default,512m",
                *(word for key, value in parameters.items() for word in ("-p", f"{key}={value}"))]

    def nginx_names(self):
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in kinds)
        common = "levels=1:2 inactive=1h use_temp_path=off"
        return {"ONLY_NGINX": f"{NGINX_HTTP} {temporary}",
                "HOT": f"{self.ram}/hot {common} keys_zone=hot:64m max_size=2g",
                "COLD": f"{self.directory}/cold {common} keys_zone=cold:64m max_size=4g",
                # One read and one writev are less than a writev and a sendfile, when there is little.
                "SMALL": "sendfile off;", "LARGE": "sendfile on;"}

    def our_names(self):
        hot, cold = self.zones or ("memory: keys_zone=hot:512m",
                                   "{cold} keys_zone=cold:1m memory=1m max_object=2k max_size=4g inactive=1h")
        cold_directory = os.path.join(self.directory, "cold")
        return {"ONLY_NGINX": "", "SMALL": "", "LARGE": "", "HOT": hot, "COLD": cold.format(cold=cold_directory)}

    def fill_in(self, template, names):
        names = {"DIR": self.directory, "ORIGIN": self.origin, "LOOPS": self.loops,
                 **{key.upper(): port for key, port in self.ports.items()}, **names}
        with open(os.path.join(HERE, template), encoding="utf-8") as file:
            text = re.sub(r"@([A-Z_]+)@", lambda match: str(names.get(match[1], match[0])), file.read())
        path = os.path.join(self.directory, template)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def crash(self):
        """kill -9 for every process of it, the worker first or it would end in peace."""
        for pid in reversed(bench.tree(self.process.pid)):
            os.kill(pid, 9)
        self.process.wait()
        self.process = None


# ---- side by side -------------------------------------------------------------------------------

class Targets:
    """Numbers that no request has had before, whatever was measured meanwhile."""

    def __init__(self, directory):
        self.directory = directory
        self.first = 10_000_000

    def arguments(self, port, conns, target, count, seconds):
        """The words of a wrk that asks for them."""
        words = ["wrk", "-t1", f"-c{conns}", f"-d{seconds}s"]
        if count != 1:
            path = os.path.join(self.directory, "targets.lua")
            with open(path, "w", encoding="utf-8") as file:
                file.write(LUA.format(first=self.first if count < 0 else 0, count=count, target=target))
            words += ["-s", path]
        self.first += 1_000_000
        return [*words, f"http://127.0.0.1:{port}{target}"]


def run_wrk(words, timeout):
    """(answers, failures) of a closed loop."""
    result = subprocess.run(words, capture_output=True, text=True, check=True, timeout=timeout,
                            preexec_fn=pinned(LOAD_CORE))
    answers = int(re.search(r"(\d+) requests in", result.stdout)[1])
    failures = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", result.stdout)))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", result.stdout)
    return answers, failures + sum(map(int, errors.groups() if errors else []))


def warm(proxy, listener, target, count):
    """Every object has been asked for twice: it is stored, and has been served from where it lies."""
    conn = http.client.HTTPConnection("127.0.0.1", proxy.ports[listener], timeout=30)
    for number in [*range(count)] * 2:
        conn.request("GET", target if count == 1 else f"{target}{number}")
        conn.getresponse().read()
    conn.close()


def measure(proxy, name, targets, options):
    _, listener, conns, target, count, _ = SCENARIOS[name]
    port = proxy.ports[listener]
    run_wrk(targets.arguments(port, conns, target, count, 1), 60)
    before = cpu_seconds(proxy.process.pid)
    answers, failures = run_wrk(targets.arguments(port, conns, target, count, options.seconds), options.seconds + 60)
    used = cpu_seconds(proxy.process.pid) - before
    return {"figure": 1e6 * used / max(1, answers), "rate": answers / options.seconds, "failures": failures}


def run_scenario(name, proxies, targets, options):
    """{proxy: [result of each round]}; the order turns with the rounds, so that drift hits all."""
    proxies = [proxy for proxy in proxies if proxy.name in SCENARIOS[name][5] or proxy.name in bench.OTHER_BINARIES]
    results = {proxy.name: [] for proxy in proxies}
    _, listener, _, target, count, _ = SCENARIOS[name]
    for proxy in proxies:
        warm(proxy, listener, target, max(0, count))
    for i in range(options.rounds):
        turn = i % len(proxies)
        order = proxies[turn:] + proxies[:turn]
        for proxy in reversed(order) if i % 2 else order:
            result = measure(proxy, name, targets, options)
            results[proxy.name].append(result)
            print(f"  {name} round {i + 1}: {proxy.name:9} {result['figure']:9.2f}"
                  f"{'  FAILURES ' + str(result['failures']) if result['failures'] else ''}", file=sys.stderr)
    return results


def table(name, results):
    lines = [f"### {name}: {SCENARIOS[name][0]}", "",
             f"| proxy | CPU µs/request | ratio to {REFERENCE} | requests/s | failures |", "|---|--:|--:|--:|--:|"]
    for proxy, rounds in results.items():
        ratios = [result["figure"] / other["figure"] for result, other in zip(rounds, results.get(REFERENCE, []))]
        cells = [proxy, spread([result["figure"] for result in rounds], 1), spread(ratios) if ratios else "-",
                 f"{statistics.median(result['rate'] for result in rounds):,.0f}",
                 str(sum(result["failures"] for result in rounds))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def side_by_side(names, directory, ram, options):
    proxies = [CacheProxy(name, i, directory, ram) for i, name in enumerate(bench_names(options))]
    targets = Targets(directory)
    try:
        for proxy in proxies:
            proxy.start()
        for name in names:
            yield table(name, run_scenario(name, proxies, targets, options))
    finally:
        for proxy in proxies:
            proxy.stop()


# ---- frontdesk alone ----------------------------------------------------------------------------

def run_crowd(directory, ram, options):
    """One slow answer, asked for by all at once, with two loops: in memory, and on disk."""
    zones = ("memory: keys_zone=hot:256m", "{cold} keys_zone=cold:256m max_size=4g")
    lines = [f"### crowd: {CROWD:,} clients for one answer of {CROWD_BYTES // 1_000_000} MB that takes {CROWD_S} s, "
             "two loops", "",
             "| zone | requests at the origin | first byte: median ms | p99 ms | max ms | all have all after ms | failures |",
             "|---|--:|--:|--:|--:|--:|--:|"]
    for listener, words in (("http", "memory"), ("disk", "memory and disk")):
        found = []
        for _ in range(options.rounds):
            proxy = CacheProxy("frontdesk", 10, os.path.join(directory, "crowd"), ram, loops=2, zones=zones,
                               origin=ORIGIN_PORT + 1)
            proxy.start()
            result = subprocess.run([os.path.join(TOOLS, "bench_crowd"), str(proxy.ports[listener]),
                                     str(ORIGIN_PORT + 1), str(CROWD), str(CROWD_BYTES), str(CROWD_S), "/slow"],
                                    capture_output=True, text=True, timeout=120, check=False)
            proxy.stop()
            shutil.rmtree(os.path.join(directory, "crowd"))
            values = result.stdout.split()
            if result.returncode != 0 or not values:
                sys.exit(f"bench_crowd: {result.stderr}")
            found.append(dict(zip(values[::2], map(int, values[1::2]))))
            print(f"  crowd {words}: {result.stdout.strip()}", file=sys.stderr)
        median = {key: statistics.median(one[key] for one in found) for key in found[0]}
        lines.append(f"| {words} | {max(one['requests'] for one in found)} | {median['p50'] / 1000:.1f} | "
                     f"{median['p99'] / 1000:.1f} | {median['max'] / 1000:.1f} | {median['total']:,.0f} | "
                     f"{sum(one['wrong'] for one in found)} |")
    return "\n".join(lines) + "\n"


def fill(proxy, listener, targets):
    """A million objects of 1 KB, numbers 0 to a million: as many as were answered, then on from there."""
    done = failed = 0
    while done < MILLION:
        targets.first = done
        answers, failures = run_wrk(targets.arguments(proxy.ports[listener], 64, "/c/1k?", -1, 2), 60)
        done, failed = done + answers, failed + failures
    print(f"  {done:,} objects asked for, {failed} failures", file=sys.stderr)
    return done


def is_hit(port, number):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    conn.request("GET", f"/c/1k?{number}")
    answer = conn.getresponse()
    answer.read()
    conn.close()
    return "; hit" in (answer.getheader("Cache-Status") or "")


def timed_start(proxy):
    """(seconds from exec to the first answer, to the first hit, to 100 hits in a row, hits of 1,000 at the
    end). Each ask is for another object: one that was missed lies in memory afterwards."""
    numbers = iter(random.sample(range(MILLION), 20000))
    port, begin = proxy.ports["disk"], time.monotonic()
    first_answer = first_hit = row = 0
    with open(os.path.join(proxy.directory, "stderr"), "wb") as stderr:
        proxy.process = subprocess.Popen(proxy.command, stdout=stderr, stderr=stderr, stdin=subprocess.DEVNULL)
    while row < 100:
        try:
            hit = is_hit(port, next(numbers))
        except ConnectionRefusedError:
            time.sleep(0.005)
            continue
        first_answer = first_answer or time.monotonic() - begin
        row = row + 1 if hit else 0
        if hit and not first_hit:
            first_hit = time.monotonic() - begin
        if time.monotonic() - begin > 60:
            break
        time.sleep(0 if hit else 0.005)
    warm_s = time.monotonic() - begin
    return first_answer, first_hit, warm_s, sum(is_hit(port, next(numbers)) for _ in range(1000))


def run_start(directory, ram, _options):
    zones = ("memory: keys_zone=hot:1m", "{cold} keys_zone=cold:1m memory=1m max_object=2k max_size=4g inactive=1d")
    proxy = CacheProxy("frontdesk", 11, os.path.join(directory, "start"), ram, zones=zones)
    proxy.start()
    fill(proxy, "disk", Targets(directory))
    cold = os.path.join(proxy.directory, "cold")

    def without_snapshot():
        proxy.crash()
        for name in os.listdir(cold):
            if "snapshot" in name or name.startswith("index"):
                os.unlink(os.path.join(cold, name))

    lines = ["### start: a million objects of 1 KB on disk, in the page cache", "",
             "| after | first answer s | first hit s | 100 hits in a row s | hits of 1,000 |", "|---|--:|--:|--:|--:|"]
    for words, end in (("kill -9, right after they were stored", proxy.crash), ("a usual end", proxy.stop),
                       ("kill -9, without a snapshot: all is read", without_snapshot)):
        end()
        answer, hit, all_warm, hits = timed_start(proxy)
        print(f"  start after {words}: {answer:.2f} {hit:.2f} {all_warm:.2f} {hits}"
              f"{'' if hit <= FIRST_HIT_S else '  TOO LATE'}", file=sys.stderr)
        lines.append(f"| {words} | {answer:.2f} | {hit:.2f} | {all_warm:.2f} | {hits} |")
    proxy.stop()
    shutil.rmtree(proxy.directory)
    return "\n".join(lines) + "\n"


def run_objects(directory, ram, _options):
    """What a million objects in memory cost beside their bodies, heads and keys."""
    proxy = CacheProxy("frontdesk", 12, os.path.join(directory, "objects"), ram, zones=("memory: keys_zone=hot:4g",
                       "{cold} keys_zone=cold:1m memory=1m"))
    proxy.start()
    warm(proxy, "http", "/c/warm", 1)
    before = memory_bytes(proxy.process.pid)
    stored = fill(proxy, "http", Targets(directory))
    each = (memory_bytes(proxy.process.pid) - before) / stored
    proxy.stop()
    body, key = 1024, len("http://127.0.0.1:19958/c/1k?10000000")
    head = len("Server: origin\r\nContent-Type: text/plain\r\nCache-Control: max-age=3600\r\nETag: \"65920080\"\r\n"
               "Content-Length: 1024\r\n")
    return "\n".join([
        "### objects: a million objects of 1 KB in memory", "",
        "| growth of its memory, bytes per object | of these body, fields and key as sent | beside |",
        "|--:|--:|--:|", f"| {each:,.0f} | {body + head + key:,} | {each - body - head - key:,.0f} |"]) + "\n"


RUNS = {"crowd": run_crowd, "start": run_start, "objects": run_objects}


# ---- all of it ----------------------------------------------------------------------------------

def bench_names(options):
    return [name.partition("=")[0] for name in options.proxies.split(",")]


def version(name):
    if name != "varnish":
        return version_of(name)
    result = subprocess.run([binary_of("varnishd"), "-V"], capture_output=True, text=True, check=False)
    return result.stderr.split("\n")[0]


def write_document(tables, options):
    with open(DOCUMENT, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    _, _, after = rest.partition(END)
    versions = "".join(f"- {name}: {version(name)}\n" for name in bench_names(options) if name != "floor")
    words = (f"{time.strftime('%Y-%m-%d')}, median of {options.rounds} alternating rounds of {options.seconds} s "
             f"(in brackets the least and the most):\n\n{versions}\n")
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + words + "\n".join(tables) + END + after)
    print("wrote docs/performance.md", file=sys.stderr)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--only", default=",".join([*SCENARIOS, *ALONE]), help=", ".join([*SCENARIOS, *ALONE]))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--proxies", default=",".join(ALL), help="name or name=/another/frontdesk")
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in SCENARIOS and name not in ALONE]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    return options


def run_all(options):
    """Tables, as they come."""
    wanted = options.only.split(",")
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory, \
            tempfile.TemporaryDirectory(prefix="frontdesk-bench-", dir="/dev/shm") as ram:
        os.chmod(directory, 0o755)
        os.chmod(ram, 0o755)
        origin = subprocess.Popen([os.path.join(TOOLS, "bench_origin"), str(ORIGIN_PORT)],
                                  preexec_fn=pinned(LOAD_CORE))
        try:
            names = [name for name in wanted if name in SCENARIOS]
            if names:
                yield from side_by_side(names, directory, ram, options)
            for name in wanted:
                if name in RUNS:
                    yield RUNS[name](directory, ram, options)
        finally:
            origin.kill()
            origin.wait()


def main():
    options = parse_options()
    isolate()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(40000, hard) if hard >= 0 else 40000, hard))
    bench.OTHER_BINARIES.update(name.split("=", 1) for name in options.proxies.split(",") if "=" in name)
    tables = []
    for one in run_all(options):
        print(one, flush=True)
        tables.append(one)
    if options.docs:
        write_document(tables, options)


if __name__ == "__main__":
    main()
