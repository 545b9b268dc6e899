# SPDX-License-Identifier: MIT
"""When connections or descriptors run short (F15): who rests makes room, nothing spins, and it ends well."""
import os
import threading
import time

import pytest

from harness.client import Client, request
from harness.origin import reply
from harness.proxy import is_sanitized
from harness.wire import Closed

pytestmark = pytest.mark.ours

CONF = """server { listen @P@; location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; }
                   location /local { return 200 local; } }"""


class Gate:
    """An origin whose answers wait until open() is called, except those to /now."""

    def __init__(self, origin):
        self.go = threading.Event()
        self.origin = origin(handle=self.handle)

    def handle(self, one):
        if one.target != "/now":
            self.go.wait(20)
        return reply(body="ok")


@pytest.fixture
def gate(origin):
    made = Gate(origin)
    yield made
    made.go.set()


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_closed(client):
    client.sock.settimeout(0.001)
    try:
        return client.sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


# ---- worker_connections -----------------------------------------------------------------------------

def test_worker_connections_counts_both_sides(proxy, gate):
    """Nine clients and their nine servers make 18 of 20: who comes then waits until one has gone."""
    desk = proxy(CONF, O=gate.origin, events="worker_connections 20;", workers=1)
    busy = [desk.send_raw(request("GET", f"/{i}")) for i in range(8)]
    gate.origin.wait_requests(8)
    assert desk.get("/now").text == "ok"                # the 17th and 18th for a moment; one rests now
    busy.append(desk.send_raw(request("GET", "/8")))
    gate.origin.wait_requests(10)
    late = desk.send_raw(request("GET", "/local"), timeout=0.5)
    with pytest.raises(TimeoutError):
        late.response()
    desk.wait_error(r"\[warn\] .*worker_connections are not enough: idle connections are closed")
    gate.go.set()
    begin = time.monotonic()
    late.sock.settimeout(20)
    assert late.response().text == "local"
    assert time.monotonic() - begin < 15
    for client in busy:
        assert client.response().text == "ok"
        client.close()
    late.close()


@pytest.mark.parametrize("most, status", [(3, 503), (4, 200)])
def test_a_connect_at_the_limit(proxy, gate, most, status):
    """Two clients want two servers: with three connections nothing rests that could make room."""
    desk = proxy(CONF, O=gate.origin, events=f"worker_connections {most};", workers=1)
    with desk.send_raw(request("GET", "/busy")) as busy:
        gate.origin.wait_requests(1)
        with desk.send_raw(request("GET", "/now")) as client:
            assert client.response().status == status
        gate.go.set()
        assert busy.response().text == "ok"
    if status == 503:
        desk.wait_error(r"\[error\] .*worker_connections are not enough while connecting to upstream, client: .*/now")
    assert desk.get("/now").text == "ok"


def test_a_connect_makes_room_among_clients(proxy, gate):
    desk = proxy(CONF, O=gate.origin, events="worker_connections 2;", workers=1)
    with desk.connect() as rests, desk.connect() as asks:
        assert rests.ask("GET", "/local").text == "local"
        assert asks.ask("GET", "/now").text == "ok"
        rests.expect_closed()


def test_a_connect_makes_room_among_upstream_connections(proxy, gate, origin):
    """Those that rest towards one server go when another one is needed."""
    other = origin(handle=lambda _: reply(body="other"))
    desk = proxy(CONF.replace("location /local", "location /other { proxy_pass http://@B@; } location /local"),
                 O=gate.origin, B=other, events="worker_connections 6;", workers=1)
    clients = [desk.connect() for _ in range(3)]
    for client in clients:
        client.send(request("GET", "/busy"))
    gate.origin.wait_requests(3)                        # three clients, three servers: full
    gate.go.set()
    for client in clients:
        assert client.response().text == "ok"
        client.close()                                  # nobody else rests: it was its last answer
    assert len(gate.origin.conns) == 3
    clients = [desk.send_raw(request("GET", "/other")) for _ in range(3)]
    for client in clients:
        assert client.response().text == "other"
        client.close()
    desk.wait_for(lambda: len(gate.origin.conns) < 3, 20, "the origin to hear of it")


def test_the_oldest_rest_first(proxy):
    desk = proxy("server { listen @P@; location / { return 200 ok; } }", events="worker_connections 100;", workers=1)
    crowd = []
    for _ in range(120):
        client = Client(desk.address(), timeout=2)
        assert client.ask().text == "ok"
        crowd.append(client)
    closed = [is_closed(client) for client in crowd]
    assert closed == sorted(closed, reverse=True), "a younger one went before an older one"
    assert 120 - 80 <= sum(closed) <= 120 - 80 + 16
    assert crowd[-1].sock.gettimeout() is not None
    for client in crowd:
        client.close()


# ---- descriptors ------------------------------------------------------------------------------------

def served(desk, target="/now"):
    try:
        return desk.get(target, timeout=1).status == 200
    except (Closed, OSError):
        return False


def room_is_short(desk):
    return "descriptors are nearly used up" in desk.errors()


def test_resting_clients_make_room_at_the_limit_of_descriptors(proxy, gate):
    """F15: 256 descriptors, 400 clients one after the other, each of which rests after its answer."""
    desk = proxy(CONF, O=gate.origin, main="worker_rlimit_nofile 256;", events="worker_connections 4096;", workers=1)
    crowd = []
    for i in range(400):
        client = Client(desk.address(), timeout=3)
        assert client.ask("GET", "/now" if i % 4 == 0 else "/local").status == 200, i
        crowd.append(client)
    assert len(os.listdir(f"/proc/{desk.worker()}/fd")) <= 256 - 40
    desk.wait_error(r"\[warn\] .*1[5-9]\d of 192 descriptors are used: for each connection that is kept an idle one is closed")
    assert "accept4() failed" not in desk.errors()
    for client in crowd:
        client.close()


def test_busy_clients_at_the_limit_of_descriptors(proxy, gate):
    """Nobody rests: accepting pauses before the reserve, every client that is in gets its server, nothing spins."""
    desk = proxy(CONF, O=gate.origin, main="worker_rlimit_nofile 256;", events="worker_connections 4096;", workers=1)
    assert served(desk)
    worker = desk.worker()
    before = desk.footprint(worker)
    crowd = []
    for i in range(150):
        client = Client(desk.address(), timeout=10)
        client.send(request("GET", f"/{i}"))
        crowd.append(client)
        if room_is_short(desk):
            continue                                    # it waits outside
        desk.wait_for(lambda: len(gate.origin.requests) > len(crowd) or room_is_short(desk), 20, "its server")
    assert room_is_short(desk) and 80 < len(gate.origin.requests) < 120
    spent = cpu(worker)
    time.sleep(1)
    if not is_sanitized():
        assert cpu(worker) - spent < 0.2, "it spins"
    assert len(os.listdir(f"/proc/{worker}/fd")) <= 256 - 40
    assert "no file descriptor" not in desk.errors()
    gate.go.set()
    for client in crowd:
        assert client.response().status == 200
        client.close()
    begin = time.monotonic()
    desk.wait_for(lambda: served(desk), 20, "service after the crowd")
    assert time.monotonic() - begin < 10
    assert desk.worker() == worker
    desk.wait_settled((before[0] + 1500, before[1] + 64), 10)


def test_a_connect_without_descriptors(proxy, gate):
    """Silent clients hold all but the reserve; then all ask at once: some are answered 503 at once and say why,
    the others are served, nothing spins, and all is well again within a second."""
    desk = proxy(CONF, O=gate.origin, main="worker_rlimit_nofile 256;", events="worker_connections 4096;", workers=1)
    worker = desk.worker()
    crowd = [Client(desk.address(), timeout=10) for _ in range(180)]
    desk.wait_for(lambda: len(os.listdir(f"/proc/{worker}/fd")) > 180, 20, "a crowd")
    for client in crowd:
        client.send(request("GET", "/busy"))
    desk.wait_for(lambda: len(gate.origin.requests) >= 20, 20, "those who found a descriptor")
    spent = cpu(worker)
    time.sleep(0.5)
    if not is_sanitized():
        assert cpu(worker) - spent < 0.15, "it spins"
    gate.go.set()
    statuses = [client.response().status for client in crowd]
    assert set(statuses) == {200, 503} and statuses.count(200) >= 30, statuses
    desk.wait_error(r"\[error\] .*no file descriptor left for a connection to an upstream, client: ")
    begin = time.monotonic()
    assert [desk.get("/now").status for _ in range(20)] == [200] * 20
    assert time.monotonic() - begin < 10
    for client in crowd:
        client.close()
    assert served(desk) and desk.worker() == worker


def test_large_bodies_pass_without_descriptors_for_pipes(proxy, gate):
    """Kernel pipes are a luxury: when the reserve is reached bodies are copied."""
    body = os.urandom(3_000_000)
    gate.handle = None
    gate.origin.handle = lambda one: reply(body=body if one.target == "/large" else b"ok")
    desk = proxy(CONF, O=gate.origin, main="worker_rlimit_nofile 128;", events="worker_connections 1000;", workers=1)
    worker = desk.worker()
    crowd = [Client(desk.address(), timeout=10) for _ in range(95)]
    desk.wait_for(lambda: len(os.listdir(f"/proc/{worker}/fd")) > 95, 20, "a crowd")
    for client in crowd[:10]:
        assert client.ask("GET", "/large").body == body
    for client in crowd:
        client.close()
