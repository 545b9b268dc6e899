# SPDX-License-Identifier: MIT
"""A closed-loop load of keep-alive clients that checks each answer and counts what failed."""
import threading
import time

from .client import Client, request
from .wire import Closed


class Load:
    """with Load(address, clients=8) as load: ...; then load.failures, load.count, load.gap."""

    def __init__(self, address, clients=8, per_connection=50, target="/load", expect=None, may_cut=False,
                 host="localhost", pause=0.0, timeout=10.0):
        self.address = address
        self.per_connection = per_connection
        self.target = target
        self.expect = expect
        self.may_cut = may_cut
        self.host = host
        self.pause = pause
        self.timeout = timeout
        self.failures = []
        self.cuts = 0
        self.connections = 0
        self.count = 0
        self.last = time.monotonic()
        self.gap = 0.0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(clients)]

    def __enter__(self):
        self.last = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join(self.timeout + 5)

    def wait(self, count, timeout=15.0):
        """Until that many more requests were answered."""
        goal, deadline = self.count + count, time.monotonic() + timeout
        while self.count < goal:
            assert time.monotonic() < deadline, f"only {self.count} answers; {self.failures[:3]}"
            time.sleep(0.002)

    def _work(self):
        while not self.stopping.is_set():
            try:
                with Client(self.address, self.timeout) as client:
                    with self.lock:
                        self.connections += 1
                    for i in range(self.per_connection):
                        if self.stopping.is_set():
                            return
                        if not self._ask(client, i):
                            break
            except OSError as error:
                self._failed(f"connect: {error!r}", isinstance(error, ConnectionError))

    def _ask(self, client, i):
        """False: the connection is over, in good order or not."""
        try:
            client.send(request("GET", self.target, host=self.host))
            answer = client.response()
        except (Closed, OSError) as error:
            # A kept connection may be closed by the other side while idle; a fresh one may not.
            if i > 0 and not client.buffer and (isinstance(error, (Closed, ConnectionError))):
                with self.lock:
                    self.cuts += 1
                return False
            self._failed(f"request {i}: {error!r}", True)
            return False
        if answer.status != 200 or (self.expect is not None and answer.body != self.expect):
            self._failed(f"answer: {answer!r}", False)
        now = time.monotonic()
        with self.lock:
            self.count += 1
            self.gap = max(self.gap, now - self.last)
            self.last = now
        if self.pause:
            time.sleep(self.pause)
        return answer.get("Connection") != "close"

    def _failed(self, what, is_cut):
        with self.lock:
            if is_cut and self.may_cut:
                self.cuts += 1
            else:
                self.failures.append(what)
        time.sleep(0.005)
