# SPDX-License-Identifier: MIT
"""F27: an allocation fails, whichever it is. F16: work holds all that worker_memory allows."""
import collections
import mmap
import os
import random
import re
import resource
import struct
import subprocess
import threading
import time

import pytest

from harness.client import chunk, request
from harness.origin import echo, reply
from harness.proxy import Proxy, is_sanitized
from harness.tls import Tls
from harness.wire import Closed

SOURCE = os.path.join(os.path.dirname(__file__), "shim", "fail_alloc.c")
FULL = os.environ.get("FULL")
FAR = 1 << 30

pytestmark = pytest.mark.ours

CONF = """
upstream u { server @O@; keepalive 2; }
upstream named { server localhost:@O.port@; }
server { listen @P@; error_page 404 /missing.html;
    location / { proxy_pass http://u; proxy_set_header X-Uri $request_uri; }
    location /fresh { proxy_pass http://u; proxy_set_header Connection close; }
    location /named { proxy_pass http://named; }
    location ~ ^/number/([0-9]+)$ { return 200 "number $1"; }
    location = /missing.html { internal; return 200 missing; }
    location /nowhere { return 404; }
}
"""
LARGE = bytes(range(256)) * 1500


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    path = tmp_path_factory.mktemp("shim") / "fail_alloc.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", "-fno-omit-frame-pointer", "-w", "-o", str(path), SOURCE],
                   check=True)
    os.chmod(path, 0o755)
    for parent in list(path.parents)[:3]:
        os.chmod(parent, 0o755)
    return str(path)


class Plan:
    """Which call fails, in which process: shared with the shim."""

    def __init__(self, path, shim):
        self.path = str(path)
        with open(self.path, "wb") as file:
            file.write(struct.pack("qq", -1, 0))
        os.chmod(self.path, 0o666)
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 16)
        # The sanitizer's own calls go through the shim too.
        options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.environment = {"LD_PRELOAD": shim, "FAIL_ALLOC_PLAN": self.path, "ASAN_OPTIONS": options}

    def arm(self, pid, nth):
        self.memory[8:16] = struct.pack("q", nth)
        self.memory[0:8] = struct.pack("q", pid)

    def disarm(self):
        """Whether a call has failed."""
        self.memory[0:8] = struct.pack("q", -1)
        return self.left <= 0

    @property
    def left(self):
        return struct.unpack("q", self.memory[8:16])[0]


@pytest.fixture
def plan(tmp_path, shim):
    for parent in [tmp_path, *list(tmp_path.parents)[:2]]:
        os.chmod(parent, 0o755)
    return Plan(tmp_path / "plan", shim)


def answer(seen):
    return reply(body=LARGE) if seen.target == "/large" else echo(seen)


def tell(client, data, method="GET"):
    """The answer; None: the connection was cut."""
    try:
        client.send(data)
        return client.response(method)
    except (Closed, OSError) as error:
        assert not isinstance(error, TimeoutError), f"no answer to {data[:60]!r}"
        return None


def chat(desk, *steps):
    """Requests on one connection, for as long as it is kept: what came must be right, a refusal, or
    the end."""
    with desk.connect() as client:
        for data, is_right, method in steps:
            seen = tell(client, data, method)
            if seen is None:
                return
            assert seen.status in (500, 503) or is_right(seen), f"{data[:60]!r}: {seen}"
            if seen.get("Connection") == "close":
                return


def is_echo(target, length=0):
    return lambda seen: (seen.status, seen.json["target"], seen.json["length"]) == (200, target, length)


def is_text(status, text):
    return lambda seen: (seen.status, seen.body) == (status, text)


def work(desk):
    """A bit of everything."""
    body = os.urandom(20000)
    chat(desk, (request("GET", "/a"), is_echo("/a"), "GET"),
         (request("POST", "/b", body=body), is_echo("/b", len(body)), "POST"),
         (request("POST", "/c", body=body, chunked=True), is_echo("/c", len(body)), "POST"),
         (request("HEAD", "/d"), lambda seen: seen.status == 200, "HEAD"))
    chat(desk, (request("GET", "/fresh"), is_echo("/fresh"), "GET"),
         (request("GET", "/named"), is_echo("/named"), "GET"),
         (request("GET", "/number/12"), is_text(200, b"number 12"), "GET"),
         (request("GET", "/nowhere"), is_text(404, b"missing"), "GET"),
         (request("GET", "/large"), is_text(200, LARGE), "GET"))


def reload(desk):
    before = desk.reload()
    Proxy.wait_for(lambda: re.search(r"is in force|former one stays", desk.errors()[before:]), 20,
                   "a reload's end")


def is_normal(desk):
    def serves():
        with desk.connect() as client:
            seen = tell(client, request("GET", "/normal"))
            return seen is not None and seen.status == 200
    Proxy.wait_for(serves, 20, "normal service")


def numbers(plan, pid, act):
    """Which calls shall fail: all that act() makes, or some of them, each time other ones."""
    plan.arm(pid, FAR)
    act()
    plan.disarm()
    count = FAR - plan.left
    assert count > 10
    return range(1, count + 1) if FULL else sorted(random.sample(range(1, count + 1), min(count, 25)))


@pytest.mark.slow
@pytest.mark.parametrize("process", ["worker", "supervisor"])
def test_an_allocation_fails(proxy, origin, plan, process):
    desk = proxy(CONF, O=origin(handle=answer), environment=plan.environment)
    worker = desk.worker()
    pid = worker if process == "worker" else desk.pid

    def act():
        work(desk)
        reload(desk)
    act()                               # pools and tables are filled
    fired = 0
    for nth in numbers(plan, pid, act):
        plan.arm(pid, nth)
        act()
        fired += plan.disarm()
        is_normal(desk)
        assert desk.workers() == [worker], f"the worker died of failure {nth}"
    assert fired > 5


@pytest.mark.slow
def test_an_allocation_fails_at_start(proxy, origin, plan):
    """It comes up, or ends with a message: a crash is neither."""
    def start(nth):
        desk = proxy(CONF, O=back, start=False)
        desk.may_fail = True
        plan.arm(0, nth)
        desk.start(environment=plan.environment, wait=False)
        Proxy.wait_for(lambda: desk.process.poll() is not None or is_up(desk), 20, "a start or an end")
        plan.disarm()
        if desk.process.poll() is None:
            is_normal(desk)
        else:
            assert desk.process.returncode > 0 and "[emerg]" in desk.stderr() + desk.errors(), \
                f"failure {nth}: {desk.process.returncode}, {desk.stderr()}"
        desk.stop()
        return desk

    def is_up(desk):
        return os.path.exists(desk.pid_file)

    back = origin()
    start(FAR)
    count = FAR - plan.left
    for nth in range(1, count + 1) if FULL else random.sample(range(1, count + 1), 12):
        start(nth)


# ---- when memory is really used up ---------------------------------------------------------------

def pattern(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.slow
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_the_budget(proxy, origin, authority, is_secure):
    """Slow readers hold what worker_memory allows: new requests are refused, those under way end
    whole, and then all is as before."""
    pair, tls = authority.issue("localhost", label="localhost"), Tls() if is_secure else None
    body = pattern(6 << 20)
    back = origin(handle=lambda seen: reply(body=body) if seen.target == "/large" else echo(seen))
    http = f"""server {{ listen @P@ {"ssl" if is_secure else ""}; ssl_certificate {pair.certificate};
        ssl_certificate_key {pair.key}; location / {{ proxy_pass http://@O@; proxy_buffers 8 64k; }} }}"""
    desk = proxy(http, main="worker_memory off;", O=back)
    desk.write(http, main="worker_memory 4m;")
    reload(desk)                        # which is when it begins to hold
    clients = [desk.connect(receive_buffer=16384, tls=tls) for _ in range(40)]
    for client in clients:
        client.send(request("GET", "/large"))
    desk.wait_error("4194304 bytes of worker_memory are used up")
    seen = Proxy.wait_for(lambda: next((seen for seen in [desk.get("/new", tls=tls)] if seen.status != 200), None),
                          20, "a refusal")
    assert (seen.status, seen.get("Connection")) == (503, "close")
    refused = 0
    for client in clients:
        seen = client.response()
        refused += seen.status == 503
        assert seen.status == 503 or seen.body == body
        client.close()
    assert refused < len(clients) - 10
    desk.wait_error(r"memory suffices again after \d+ ms, [1-9]\d* requests were refused")
    assert len(re.findall("worker_memory are used up", desk.errors())) == 1
    assert desk.get("/again", tls=tls).json["target"] == "/again"


def test_bodies_that_are_gathered_whole(proxy, origin):
    """An HTTP/1.0 server needs a body's length, so all of it waits here: that has an end."""
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; proxy_http_version 1.0; } }",
                 main="worker_memory 4m;", O=origin())
    most, rest = pattern(700000), b"the rest"
    clients = [desk.connect(timeout=20) for _ in range(20)]
    for client in clients:
        client.send(request("POST", "/", fields={"Transfer-Encoding": "chunked"}) + chunk(most))
    desk.wait_error("4194304 bytes of worker_memory are used up")
    statuses = collections.Counter()
    for client in clients:
        seen = tell(client, chunk(rest) + b"0\r\n\r\n", "POST")
        statuses[seen.status if seen else "cut"] += 1
        assert seen is None or seen.status == 503 or seen.json["length"] == len(most + rest)
        client.close()
    assert set(statuses) <= {200, 503, "cut"} and statuses[503] > 5, statuses
    desk.wait_error("memory suffices again")
    assert desk.fetch("POST", "/", body=most, chunked=True).json["length"] == len(most)


def data_limit(pid, more):
    """No more writable memory than it has now and `more`; None: as much as it likes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        held = int(re.search(r"VmData:\s+(\d+)", file.read())[1]) << 10
    limit = resource.RLIM_INFINITY if more is None else held + more
    resource.prlimit(pid, resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_the_system_has_no_more(proxy, origin):
    """malloc fails in earnest, again and again: connections are cut, requests refused, and the worker
    lives on."""
    if is_sanitized():
        pytest.skip("a sanitizer's malloc is not the system's")
    crowd = Crowd(100)
    back = origin(script=crowd.origin, receive_buffer=16384)
    desk = proxy("server { listen @P@ sndbuf=16k; client_max_body_size 0;"
                 "location / { proxy_pass http://@O@; proxy_buffers 8 64k; } }",
                 main="worker_memory off; user root;", O=back)     # so that its limit may be set
    back.script = None
    is_normal(desk)
    desk.log_lines(1)                   # the thread that writes them runs
    back.script = crowd.origin
    worker = desk.worker()
    data_limit(worker, 4 << 20)
    crowd.start(desk)
    try:
        desk.wait_error(r"malloc\(\) failed \(12: Cannot allocate memory\)")
        time.sleep(1)
    finally:
        crowd.end()
    assert desk.workers() == [worker]
    assert set(crowd.outcomes) <= {200, 503, "cut"} and len(crowd.outcomes) > 1, crowd.outcomes
    data_limit(worker, None)
    back.script = None
    is_normal(desk)
    desk.wait_error("memory suffices again")


class Cgroup:
    """A group with a memory limit for the process that calls enter(); version 1 or 2."""

    def __init__(self, limit):
        for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                           ("/sys/fs/cgroup", "memory.max")):
            self.path = f"{root}/frontdesk-test-{os.getpid()}"
            try:
                os.mkdir(self.path)
                with open(f"{self.path}/{file}", "r+", encoding="ascii") as knob:
                    knob.write(str(limit))
                return
            except OSError:
                self.remove()
        pytest.skip("no memory cgroup can be made here")

    def enter(self):
        with open(f"{self.path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def kills(self):
        """How many processes the kernel has ended for want of memory."""
        for name in ("memory.oom_control", "memory.events"):
            try:
                with open(f"{self.path}/{name}", encoding="ascii") as file:
                    return int(re.search(r"^oom_kill (\d+)", file.read(), re.M)[1])
            except FileNotFoundError:
                continue
        raise AssertionError("the cgroup does not say")

    def remove(self):
        try:
            os.rmdir(self.path)
        except OSError:
            pass


@pytest.fixture
def cgroup():
    if is_sanitized():
        pytest.skip("a sanitizer needs more than that")
    group = Cgroup(64 << 20)
    yield group
    group.remove()


class Crowd:
    """Clients with a large upload or download each, that neither read nor are read before the gate
    opens. Without uploads, no answer begins before every request has come."""

    LOAD = pattern(1 << 20)

    def __init__(self, count, has_uploads=True):
        self.gate = threading.Event()
        self.has_uploads = has_uploads
        self.all_in = threading.Barrier(1 if has_uploads else count)
        self.outcomes = collections.Counter()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]

    def start(self, desk):
        self.desk = desk
        for thread in self.threads:
            thread.start()

    def end(self):
        self.gate.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number):
        try:
            with self.desk.connect(timeout=60, receive_buffer=16384) as client:
                outcome = self._upload(client) if self.has_uploads and number % 2 else self._download(client)
        except (Closed, OSError) as error:
            outcome = f"hung: {error}" if isinstance(error, TimeoutError) else "cut"
        self.outcomes[outcome] += 1

    def _upload(self, client):
        client.send(request("POST", "/up", body=self.LOAD, chunked=True))
        return client.response("POST").status

    def _download(self, client):
        client.send(request("GET", "/down"))
        self.gate.wait(60)
        head = client.take_head()
        if head.status == 200:
            self.swallow(client)
        return head.status

    def swallow(self, wire):
        """Reads a chunked load; Closed: it does not come whole."""
        got = bytearray(wire.buffer)
        wire.buffer = b""
        while not got.endswith(b"\r\n0\r\n\r\n"):
            more = wire.sock.recv(1 << 20)
            if not more:
                raise Closed("before the end")
            got += more
        wire.buffer = bytes(got)
        assert wire.take_chunked()[0] == self.LOAD

    def origin(self, conn):
        conn.sock.settimeout(60)
        if conn.request_head().target == "/up":
            self.gate.wait(60)
            self.swallow(conn)
            conn.send(reply(close=True))
        else:
            self.all_in.wait(60)
            conn.send(reply(body=self.LOAD, chunked=True, close=True))


CROWDED = """server { listen @P@ backlog=1024 sndbuf=16k; client_max_body_size 0;
    location / { proxy_pass http://@O@; proxy_buffers 8 64k; } }"""


@pytest.mark.slow
def test_those_who_are_in_already(cgroup, proxy, origin):
    """They came while there was room, and their buffers would take more than there is."""
    back = origin(receive_buffer=16384)
    desk = proxy(CROWDED, events="worker_connections 4000;", O=back, before=cgroup.enter)
    worker = desk.worker()
    crowd = Crowd(200, has_uploads=False)
    back.script = crowd.origin
    crowd.start(desk)
    desk.wait_error("worker_memory are used up", 10)
    time.sleep(1)
    crowd.end()
    assert cgroup.kills() == 0 and desk.workers() == [worker]
    assert crowd.outcomes == {200: 200}


@pytest.mark.slow
def test_a_small_cgroup(cgroup, proxy, origin):
    """Nobody is ended for want of memory: what does not fit is refused."""
    back = origin(receive_buffer=16384)
    desk = proxy(CROWDED, events="worker_connections 4000;", O=back, before=cgroup.enter)
    worker = desk.worker()
    for _ in range(15 if FULL else 1):
        crowd = Crowd(500)
        back.script = crowd.origin
        crowd.start(desk)
        time.sleep(3)
        crowd.end()
        assert cgroup.kills() == 0 and desk.workers() == [worker]
        assert set(crowd.outcomes) <= {200, 503, "cut"}, crowd.outcomes
        assert crowd.outcomes[200] > 20 and crowd.outcomes[503] > 20, crowd.outcomes
        back.script = None
        is_normal(desk)
