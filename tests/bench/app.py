#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An application server behind the balancing benchmarks: a few workers, a queue before them, and
service times by chance (exponential). Working is sleeping, so that the machine's cores do not decide.

Usage: app.py PORT SERVICE_MS WORKERS [FLAP_S]    with FLAP_S it is up so long, then down so long"""
import asyncio
import random
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"


class App:
    def __init__(self, port, service_s, workers):
        self.port, self.service_s = port, service_s
        self.workers = asyncio.Semaphore(workers)
        self.writers = set()
        self.server = None

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                async with self.workers:
                    await asyncio.sleep(random.expovariate(1 / self.service_s))
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def up(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1024)

    def down(self):
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()


async def main(port, service_ms, workers, flap_s=None):
    app = App(port, service_ms / 1000, workers)
    await app.up()
    while flap_s is not None:
        await asyncio.sleep(flap_s)
        app.down()
        await asyncio.sleep(flap_s)
        await app.up()
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:])))
    except KeyboardInterrupt:
        pass
