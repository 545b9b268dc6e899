# SPDX-License-Identifier: MIT
"""A closed-loop load of keep-alive clients that checks each answer and counts what failed."""
import hashlib
import itertools
import threading
import time

from .client import Client, request
from .origin import reply
from .wire import PATIENCE, Closed


class Load:
    """with Load(address, clients=8) as load: ...; then load.failures, load.count, load.gap."""

    def __init__(self, address, clients=8, per_connection=50, target="/load", expect=None, may_cut=False,
                 host="localhost", pause=0.0, timeout=PATIENCE):
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

    def wait(self, count, timeout=60.0):
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
            check = self._send(client)
            answer = client.response()
        except (Closed, OSError) as error:
            # A kept connection may be closed by the other side while idle; a fresh one may not.
            if i > 0 and not client.buffer and (isinstance(error, (Closed, ConnectionError))):
                with self.lock:
                    self.cuts += 1
                return False
            self._failed(f"request {i}: {error!r}", True)
            return False
        if not check(answer):
            self._failed(f"answer: {answer!r}", False)
        now = time.monotonic()
        with self.lock:
            self.count += 1
            self.gap = max(self.gap, now - self.last)
            self.last = now
        if self.pause:
            time.sleep(self.pause)
        return answer.get("Connection") != "close"

    def _send(self, client):
        """Sends a request; what comes back says whether an answer is the right one."""
        client.send(request("GET", self.target, host=self.host))
        return lambda answer: answer.status == 200 and self.expect in (None, answer.body)

    def _failed(self, what, is_cut):
        with self.lock:
            if is_cut and self.may_cut:
                self.cuts += 1
            else:
                self.failures.append(what)
        time.sleep(0.005)


class CheckedLoad(Load):
    """Each request has an id of its own, every fifth a body of 64 KB; the answer of checked_answer()
    must carry that id, the hash of what was sent, and a body with the hash that it names: no foreign
    answer and no damaged body goes unseen."""

    ids = itertools.count(1)

    def __init__(self, address, posts=True, may_answer=(200,), **options):
        super().__init__(address, **options)
        self.posts = posts
        self.may_answer = may_answer
        self.refusals = []              # (when, status) of answers in may_answer other than 200

    def _send(self, client):
        number = next(self.ids)
        body = _bytes_of(number, 65536) if self.posts and number % 5 == 0 else None
        client.send(request("GET" if body is None else "POST", f"/checked/{number}", {"X-Id": str(number)}, body,
                            host=self.host))
        sent = hashlib.sha256(body or b"").hexdigest()
        return lambda answer: self._is_right(answer, number, sent)

    def _is_right(self, answer, number, sent):
        if answer.status != 200 and answer.status in self.may_answer:
            with self.lock:
                self.refusals.append((time.monotonic(), answer.status))
            return True
        return (answer.status == 200 and answer.get("X-Id") == str(number) and answer.get("X-Got") == sent
                and answer.get("X-Sum") == hashlib.sha256(answer.body).hexdigest())


def checked_answer(one):
    """An origin's handle() for CheckedLoad."""
    number = int(one.get("X-Id") or 0)
    body = _bytes_of(number, number * 7919 % 40000)
    return reply(body=body, fields={"X-Id": number, "X-Got": hashlib.sha256(one.body).hexdigest(),
                                    "X-Sum": hashlib.sha256(body).hexdigest()}, chunked=number % 3 == 0)


def _bytes_of(number, size):
    seed = hashlib.sha256(str(number).encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]
