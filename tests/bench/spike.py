#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A viral spike: one host gets ten times what the upstream can serve, the others are as ever.

    make bench-spike

The origin is what applications are: so many workers, and beyond that each request in it slows down all
others, and it goes on working for clients that have left. Clients leave after two seconds. The same
minute of traffic with and without max_conns and queue; measured are the answers that somebody still
waited for, as a share of what the origin can do, and how many requests of the other hosts were served
within their usual time (twice their median before the spike). Ratios, so that a shared machine will do."""
import argparse
import asyncio
import heapq
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
WORKERS, SERVICE_S = 20, 0.2             # of the origin
CAPACITY = WORKERS / SERVICE_S           # requests per second
MAX_CONNS = WORKERS + 1                  # one is on its way while a place is handed over
OTHERS, OTHERS_SHARE = 5, 0.3            # hosts besides the viral one, and their part of the capacity
SPIKE = 10                               # times the capacity
PATIENCE_S = 2.0
FILLING_S = 1.0
GOALS = {"useful": 0.95, "usual": 0.90, "without": 0.50}

CONF = """daemon off; pid {dir}/pid; worker_processes 2; error_log {dir}/error.log crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    upstream app {{ server 127.0.0.1:{origin}{max_conns}; keepalive 64; {queue} }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off; }}
    }}
}}
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Work:
    """Requests share the workers; beyond as many as there are workers, each one more costs all."""

    def __init__(self):
        self.active = []                 # (work at which it is done, serial, future)
        self.serial = 0
        self.done = 0.0                  # work that each has been given so far
        self.at = time.monotonic()
        self.timer = None

    def speed(self):
        count = len(self.active)
        if count <= WORKERS:
            return 1.0
        return WORKERS / count / (1 + ((count - WORKERS) / WORKERS) ** 2)

    def advance(self):
        now = time.monotonic()
        self.done += (now - self.at) * self.speed()
        self.at = now
        while self.active and self.active[0][0] <= self.done + 1e-4:
            future = heapq.heappop(self.active)[2]
            if not future.done():
                future.set_result(None)
        if self.timer:
            self.timer.cancel()
        if self.active:
            wait = max(0.0, (self.active[0][0] - self.done) / self.speed())
            self.timer = asyncio.get_running_loop().call_later(wait, self.advance)

    async def serve(self):
        self.advance()
        future = asyncio.get_running_loop().create_future()
        self.serial += 1
        heapq.heappush(self.active, (self.done + SERVICE_S * random.uniform(0.5, 1.5), self.serial, future))
        self.advance()
        await future


def origin_run(port):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work = Work()

    async def connection(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await work.serve()
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main():
        server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=4096)
        async with server:
            await server.serve_forever()

    asyncio.run(main())


class Tally:
    def __init__(self):
        self.sent = self.refused = self.left = 0
        self.times = []
        self.ends = []                   # when they were served

    def served_within(self, seconds):
        return sum(one <= seconds for one in self.times) / max(1, self.sent)


async def visit(port, host, tally):
    """One visitor: one connection, one request, and no more patience than that."""
    begin = time.monotonic()
    tally.sent += 1
    writer = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n")
            if b" 200 " in head:
                tally.ends.append(time.monotonic())
                tally.times.append(tally.ends[-1] - begin)
            else:
                tally.refused += 1
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        tally.left += 1
    finally:
        if writer:
            writer.transport.abort()


async def traffic(port, host, per_second, until, tally):
    """Open loop: visitors come by the clock, whatever became of those before."""
    due, coming = time.monotonic(), set()
    while due < until:
        due += random.expovariate(per_second)
        await asyncio.sleep(max(0, due - time.monotonic()))
        task = asyncio.create_task(visit(port, host, tally))
        coming.add(task)
        task.add_done_callback(coming.discard)
    if coming:
        await asyncio.wait(coming)


def phase(port, seconds, spike):
    """Tallies of the others and of the viral host, and for how long it was."""
    others, viral = Tally(), Tally()

    async def main():
        until = time.monotonic() + seconds
        rate = CAPACITY * OTHERS_SHARE / OTHERS
        streams = [traffic(port, f"host{i}.example", rate, until, others) for i in range(OTHERS)]
        if spike:
            streams.append(traffic(port, "viral.example", CAPACITY * SPIKE, until, viral))
        await asyncio.gather(*streams)

    asyncio.run(main())
    return others, viral


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def median(values):
    return sorted(values)[len(values) // 2] if values else float("nan")


def run(binary, has_limits, quiet_s, spike_s):
    origin_port, port = free_port(), free_port()
    origin = multiprocessing.Process(target=origin_run, args=(origin_port,), daemon=True)
    origin.start()
    with tempfile.TemporaryDirectory(prefix="frontdesk-spike-") as directory:
        conf = os.path.join(directory, "spike.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(CONF.format(dir=directory, origin=origin_port, port=port,
                                   max_conns=f" max_conns={MAX_CONNS}" if has_limits else "",
                                   queue="queue 200;" if has_limits else ""))
        proxy = subprocess.Popen([binary, "-p", directory, "-c", conf], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1.0)
            quiet, _ = phase(port, quiet_s, False)
            usual = 2 * median(quiet.times)
            begin = time.monotonic()
            others, viral = phase(port, spike_s, True)
        finally:
            proxy.terminate()
            proxy.wait(20)
            origin.terminate()
            origin.join()
    # From when the spike has filled the upstream to when the last visitor has come.
    useful = sum(begin + FILLING_S <= end <= begin + spike_s for end in others.ends + viral.ends)
    useful /= CAPACITY * (spike_s - FILLING_S)
    return {"useful": useful, "usual": others.served_within(usual), "usual_ms": usual * 1000,
            "others": others, "viral": viral}


def line(name, result):
    others, viral = result["others"], result["viral"]
    print(f"{name:<24} {result['useful']:>7.1%} {result['usual']:>9.1%} {result['usual_ms']:>8.0f} ms"
          f" {len(others.times):>6}/{others.sent:<6} {median(others.times) * 1000:>6.0f} ms"
          f" {len(viral.times):>6}/{viral.sent:<6} {viral.refused:>7} {viral.left:>6}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build/release/frontdesk"))
    parser.add_argument("--quiet", type=float, default=5, help="seconds before the spike")
    parser.add_argument("--spike", type=float, default=15, help="seconds of it")
    options = parser.parse_args()
    random.seed(1)
    print(f"{'':<24} {'useful':>7} {'others in usual time':>21} {'others served':>14} {'median':>7}"
          f" {'viral served':>13} {'refused':>8} {'left':>6}")
    with_limits = run(options.binary, True, options.quiet, options.spike)
    line("max_conns and queue", with_limits)
    without = run(options.binary, False, options.quiet, options.spike)
    line("without", without)
    is_good = (with_limits["useful"] >= GOALS["useful"] and with_limits["usual"] >= GOALS["usual"]
               and without["useful"] < GOALS["without"] and without["usual"] < GOALS["without"])
    print("as it should be" if is_good else f"NOT as it should be: {GOALS}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
