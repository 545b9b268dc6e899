#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Balancing methods side by side: four application servers (app.py), requests at a fixed rate by
chance (open loop, Poisson), and what the clients see. Three cases: equal servers; one five times slower;
one that is up for a second and down for a second. And how often a connection is used again with 16
servers and 4 loops. Runs in a network namespace of its own as root; times of neighbours are comparable,
since working is sleeping.

Usage: balancing.py [--docs] [--seconds 10] [--only reuse,equal,slow,flapping]"""
import argparse
import asyncio
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench import ROOT, TOOLS, isolate, binary_of

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(ROOT, "docs", "balancing.md")
BEGIN, END = "<!-- measured: make bench-balancing DOCS=1 -->\n", "<!-- /measured -->\n"
APP_PORT, PROXY_PORT = 18100, 18000
SERVERS, WORKERS, SERVICE_MS, SLOW_MS, FLAP_S = 4, 4, 20, 100, 1
GIVE_UP_S = 2.0

# case: (title, requests per second, arguments of each app)
CASES = {
    "equal": ("four equal servers", 480, [[]] * 4),
    "slow": ("one of four is five times slower", 400, [[], [], [], [SLOW_MS]]),
    "flapping": ("one of four is up and down by turns of a second", 300, [[], [], [], [SERVICE_MS, FLAP_S]]),
}

# name: (binary, what stands in the upstream block)
METHODS = {
    "nginx, round robin": ("nginx", ""),
    "nginx, least_conn": ("nginx", "least_conn;"),
    "frontdesk, default": ("frontdesk", ""),
    "frontdesk, least_time": ("frontdesk", "least_time header;"),
    "frontdesk, random two": ("frontdesk", "random two least_conn;"),
    "frontdesk, hash": ("frontdesk", "hash $arg_key consistent;"),
    "frontdesk, hash bounded": ("frontdesk", "hash $arg_key consistent bounded=1.25;"),
}

CONFIG = """worker_processes {loops};
error_log {directory}/error.log; pid {directory}/pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; {temporary}
  upstream app {{ {method} {servers} keepalive 64; }}
  server {{ listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


# ---- processes ----------------------------------------------------------------------------------

def wait_for_port(port):
    import socket
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nobody listens on port {port}")


class Running:
    """Processes that end with the block."""
    def __init__(self):
        self.processes = []

    def start(self, command):
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_proxy(running, directory, binary, method, ports, loops):
    temporary = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) if binary == "nginx" else ""
    path = os.path.join(directory, "proxy.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(loops=loops, directory=directory, temporary=temporary, method=method,
                                 servers=" ".join(f"server 127.0.0.1:{port};" for port in ports), port=PROXY_PORT))
    running.start([binary_of(binary), "-p", directory + "/", "-c", path, "-g", "daemon off;"])
    wait_for_port(PROXY_PORT)


# ---- clients ------------------------------------------------------------------------------------

class Clients:
    """An open loop: requests are due by the clock; latencies count from then."""
    def __init__(self, rate):
        self.rate = rate
        self.free, self.latencies, self.errors = [], [], 0

    async def ask(self, key):
        reader, writer = self.free.pop() if self.free else \
            await asyncio.open_connection("127.0.0.1", PROXY_PORT)
        writer.write(f"GET /?key={key} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        await reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head)
        self.free.append((reader, writer))

    async def one(self, due):
        try:
            await asyncio.wait_for(self.ask(random.randrange(1000)), GIVE_UP_S)
            self.latencies.append(asyncio.get_running_loop().time() - due)
        except (asyncio.TimeoutError, OSError, asyncio.IncompleteReadError):
            self.errors += 1

    async def run(self, seconds):
        loop = asyncio.get_running_loop()
        due, tasks = loop.time(), []
        end = due + seconds
        while due < end:
            await asyncio.sleep(max(0, due - loop.time()))
            tasks.append(asyncio.create_task(self.one(due)))
            due += random.expovariate(self.rate)
        await asyncio.gather(*tasks)
        for _, writer in self.free:
            writer.close()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def measure(case, name, seconds):
    _, rate, servers = CASES[case]
    binary, method = METHODS[name]
    random.seed(case)
    with Running() as running, tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory:
        os.chmod(directory, 0o755)
        ports = [APP_PORT + i for i in range(SERVERS)]
        for port, extra in zip(ports, servers):
            service_ms, *flap = extra or [SERVICE_MS]
            running.start([sys.executable, os.path.join(HERE, "app.py"), str(port), str(service_ms), str(WORKERS),
                           *map(str, flap)])
        for port in ports:
            wait_for_port(port)
        start_proxy(running, directory, binary, method, ports, 1)
        asyncio.run(Clients(rate).run(1))
        clients = Clients(rate)
        asyncio.run(clients.run(seconds))
    return {"mean": 1000 * statistics.fmean(clients.latencies), "p99": 1000 * percentile(clients.latencies, 0.99),
            "errors": 100 * clients.errors / (clients.errors + len(clients.latencies))}


def table(case, seconds):
    title, rate, _ = CASES[case]
    lines = [f"**{title[0].upper()}{title[1:]}**, {rate} requests per second:", "",
             "| method | mean | p99 | errors |", "|---|--:|--:|--:|"]
    for name, (binary, _) in METHODS.items():
        if shutil.which(binary_of(binary) or "") is None:
            continue
        seen = measure(case, name, seconds)
        lines.append(f"| {name} | {seen['mean']:.0f} ms | {seen['p99']:.0f} ms | {seen['errors']:.2f} % |")
        print(f"  {case:9} {name:24} mean {seen['mean']:6.0f} ms  p99 {seen['p99']:6.0f} ms  errors {seen['errors']:5.2f} %",
              flush=True)
    return "\n".join(lines) + "\n"


# ---- reuse --------------------------------------------------------------------------------------

def active_opens():
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


def reuse(binary, connections, seconds):
    """Share of requests that went over a connection that was there already."""
    with Running() as running, tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory:
        os.chmod(directory, 0o755)
        ports = [APP_PORT + i for i in range(16)]
        for port in ports:
            running.start([os.path.join(TOOLS, "bench_origin"), str(port)])
        for port in ports:
            wait_for_port(port)
        start_proxy(running, directory, binary, "", ports, 4)
        before = active_opens()
        result = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{PROXY_PORT}/1k"],
                                capture_output=True, text=True, check=True, timeout=seconds + 30)
        opens = active_opens() - before - connections
        requests = int(re.search(r"(\d+) requests in", result.stdout)[1])
    return 100 * (1 - max(0, opens) / requests), requests


def reuse_table(seconds):
    lines = ["**Connections used again**, 16 servers, 4 loops, `keepalive 64`:", "",
             "| proxy | 16 clients | 64 clients | 256 clients |", "|---|--:|--:|--:|"]
    for binary in ("nginx", "frontdesk"):
        if shutil.which(binary_of(binary) or "") is None:
            continue
        shares = [reuse(binary, connections, seconds)[0] for connections in (16, 64, 256)]
        print(f"  reuse     {binary:24} " + "  ".join(f"{share:.3f} %" for share in shares), flush=True)
        lines.append(f"| {binary} | " + " | ".join(f"{share:.2f} %" for share in shares) + " |")
    return "\n".join(lines) + "\n"


def write_document(tables, seconds):
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    words = (f"Each server has {WORKERS} workers and takes {SERVICE_MS} ms on average (the slow one {SLOW_MS}); "
             f"requests come by chance at a fixed rate, {seconds} s for each line. Who waits longer than "
             f"{GIVE_UP_S:.0f} s gives up: an error.\n\n")
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + words + "\n".join(tables) + END + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/balancing.md")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    parser.add_argument("--only", default="equal,slow,flapping,reuse")
    options = parser.parse_args()
    isolate()
    tables = []
    for name in options.only.split(","):
        print(f"{name}:", flush=True)
        tables.append(reuse_table(min(5, options.seconds)) if name == "reuse" else table(name, options.seconds))
    if options.docs:
        write_document(tables, options.seconds)


if __name__ == "__main__":
    main()
