# SPDX-License-Identifier: MIT
"""Things go wrong, in every step: origins, clients, descriptors (fault-plan.md)."""
import os
import signal
import socket
import threading
import time

import pytest

from harness.client import Client, chunk, request
from harness.load import Load
from harness.origin import reply
from harness.proxy import freeze, is_sanitized
from harness.wire import Closed, Malformed

ours = pytest.mark.ours

CONF = """
server {
    listen @P@;
    client_max_body_size 0;
    location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 5s; }
    location /direct { proxy_pass http://@O@; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; }
    location /ignore { proxy_pass http://@O@; proxy_ignore_client_abort on; }
    location /local { return 200 local; }
}
"""


# ---- the client aborts ------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("target", ["/", "/direct"])
def test_abort_while_waiting_for_the_head(desk, back, how, target):
    """The upstream request is cancelled: the origin sees its connection end."""
    ended = threading.Event()

    def script(conn):
        conn.request()
        if conn.hang():
            ended.set()
    back.script = script
    client = desk.send_raw(request("GET", target))
    back.wait_requests(1)
    getattr(client, how)()
    assert ended.wait(20)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_abort_while_the_body_comes(desk, back, how):
    ended = threading.Event()

    def script(conn):
        conn.request()
        try:
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                conn.send(b"x" * 10000)
        except OSError:
            ended.set()
    back.script = script
    client = desk.send_raw(request("GET", "/direct"))
    client.take(1000)
    getattr(client, how)()
    assert ended.wait(20)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("chunked", [False, True])
def test_abort_in_the_middle_of_an_upload(desk, back, how, chunked):
    """The origin never takes a cut upload for a whole one."""
    whole, ended = [], threading.Event()

    def script(conn):
        try:
            whole.append(conn.request())
        except (Closed, Malformed, OSError):
            pass
        ended.set()
    back.script = script
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "1000"}
    client = desk.send_raw(request("PUT", "/direct", fields=framing) + (chunk(b"abc") if chunked else b"abc"))
    desk.wait_for(lambda: back.bytes > 0, 20, "the head at the origin")
    time.sleep(0.05)
    getattr(client, how)()
    assert ended.wait(20)
    assert whole == []


@pytest.mark.parametrize("raw", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
                                 b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
                                 b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"], ids=ascii)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_abort_in_the_request(desk, back, raw, how):
    before = back.bytes
    client = desk.connect()
    if raw:
        client.send(raw)
    time.sleep(0.02)
    getattr(client, how)()
    time.sleep(0.02)
    assert desk.get("/local").text == "local"
    assert back.bytes == before


def test_abort_with_ignore_client_abort(desk, back):
    go, done = threading.Event(), threading.Event()

    def script(conn):
        conn.request()
        go.wait(60)
        try:
            conn.send(reply(body="late"))
            if not conn.hang(0.2):
                done.set()
            else:
                done.set()
        except OSError:
            pass
    back.script = script
    client = desk.send_raw(request("GET", "/ignore"))
    back.wait_requests(1)
    client.close()
    time.sleep(0.1)
    assert back.conns, "the origin's connection was cut"
    go.set()
    assert done.wait(20)


def test_aborts_leave_nothing_behind(desk, back):
    """F20: half of the clients reset, up and down; descriptors come back."""
    back.handle = lambda r: reply(body=b"x" * 200000)
    desk.get()
    worker = desk.worker()

    def count():
        return len(os.listdir(f"/proc/{worker}/fd"))
    before = count()
    for i in range(150):
        client = desk.connect()
        if i % 3 == 0:
            client.send(request("PUT", "/direct", fields={"Content-Length": "100000"}) + b"y" * 5000)
        else:
            client.send(request("GET", "/direct" if i % 2 else "/"))
            if i % 3 == 1:
                client.take(100)
        client.reset()
    desk.wait_for(lambda: count() <= before + 5, 20, f"descriptors to come back from {count()} to {before}")
    assert desk.get("/local").text == "local"


# ---- the origin fails -------------------------------------------------------------------------------

def refuse(conn):
    conn.reset()


def close_at_once(conn):
    conn.close()


def close_after_head(conn):
    conn.request_head()
    conn.close()


def reset_after_head(conn):
    conn.request_head()
    conn.reset()


def garbage(conn):
    conn.request()
    conn.send(os.urandom(3000).replace(b"HTTP", b"PTTH"))


def half_a_head(conn):
    conn.request()
    conn.send("HTTP/1.1 200 OK\r\nContent-")


@pytest.mark.parametrize("script", [refuse, close_at_once, close_after_head, reset_after_head, half_a_head,
                                    pytest.param(garbage, marks=ours)])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("target", ["/", "/direct"])
def test_a_failing_origin_is_502(desk, back, script, method, target):
    back.script = script
    body = b"x" * 100000 if method == "POST" else None
    with desk.send_raw(request(method, target, body=body)) as client:
        assert client.response().status == 502


def test_the_origin_dies_while_the_upload_streams(desk, back):
    """F21: 502; the body that was not read does not become a request."""
    def script(conn):
        conn.request_head()
        conn.take(5)
        conn.reset()
    back.script = script
    with desk.connect() as client:
        client.send(request("POST", "/direct", fields={"Content-Length": "1000"}) + b"x" * 10)
        answer = client.response()
        assert answer.status == 502
        try:
            client.send(request("GET", "/smuggled") * 8)
            rest = client.rest()
        except OSError:
            rest = b""
    assert b"smuggled" not in rest
    assert all(r.target != "/smuggled" for r in back.requests)


def test_origin_restarts(proxy, origin):
    """F06: killed and started again; POSTs are never doubled, the window of errors is short."""
    first = origin(name="1")
    desk = proxy("""upstream u { server @O@; keepalive 8; } server { listen @P@; location / { proxy_pass http://u;
        proxy_http_version 1.1; proxy_set_header Connection ""; } }""", O=first)
    port = first.port
    for round_ in range(5):
        assert desk.get().status == 200
        first.stop()
        desk.wait_for(lambda: not first.conns, 20, "connections to end")
        assert desk.get().status == 502
        first = origin(name=str(round_), port=port)
        assert desk.get().status == 200
        assert desk.fetch("POST", "/", body=b"once").status == 200
        assert [r.method for r in first.requests].count("POST") == 1


def test_a_flapping_origin(proxy, origin):
    """F07: one of three comes and goes; idempotent requests are all served."""
    stable = [origin(name=n, handle=lambda _: reply(body="ok")) for n in "ab"]
    flapping = origin(name="c", handle=lambda _: reply(body="ok"))
    port = flapping.port
    desk = proxy("""upstream u { server @A@; server @B@; server @C@ fail_timeout=1s; keepalive 8; }
        server { listen @P@; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
        } }""", A=stable[0], B=stable[1], C=flapping)
    with Load(desk.address(), clients=4, expect=b"ok") as load:
        for _ in range(4):
            load.wait(100)
            flapping.stop()
            time.sleep(0.2)
            load.wait(100)
            flapping = origin(name="c", port=port, handle=lambda _: reply(body="ok"))
            time.sleep(0.2)
    assert load.failures == []


def test_a_hanging_origin_does_not_touch_the_others(proxy, origin):
    """F09, F10."""
    plugged = origin(accepting=False, backlog=0)
    plugs = []
    for _ in range(3):
        try:
            plugs.append(Client(plugged.address, timeout=0.2))
        except OSError:
            break
    good = origin(handle=lambda _: reply(body="ok"))
    desk = proxy("""server { listen @P@; location / { proxy_pass http://@O@; }
        location /hole { proxy_pass http://@HOLE@; proxy_connect_timeout 20s; } }""", O=good, HOLE=plugged)
    stuck = [desk.send_raw(request("GET", "/hole")) for _ in range(30)]
    begin = time.monotonic()
    for _ in range(50):
        assert desk.get().text == "ok"
    assert time.monotonic() - begin < 15
    for client in stuck:
        client.close()
    for plug in plugs:
        plug.close()


# ---- descriptors ------------------------------------------------------------------------------------

def test_few_descriptors(proxy, origin):
    """F15: more connections than descriptors; those with idle ones are closed or wait, nothing spins,
    and it recovers."""
    desk = proxy("""server { listen @P@; location / { proxy_pass http://@O@; } location /local { return 200 local; } }""",
                 O=origin(handle=lambda _: reply(body="ok")), main="worker_rlimit_nofile 64;", events="worker_connections 1024;")
    desk.may_alert = True
    assert desk.get().text == "ok"
    crowd = []
    for _ in range(200):
        try:
            crowd.append(Client(desk.address(), timeout=1))
        except OSError:
            break
    time.sleep(0.3)
    worker = desk.worker()
    before = cpu(worker)
    time.sleep(0.5)
    if not is_sanitized():
        assert cpu(worker) - before < 0.3, "it spins"
    for client in crowd:
        client.close()

    def served():
        try:
            return desk.get(timeout=5).text == "ok"
        except (Closed, OSError):
            return False
    desk.wait_for(served, 20, "service after the crowd left")
    assert desk.worker() == worker


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_worker_connections(proxy, origin):
    """More clients than worker_connections: some wait or are turned away, it recovers."""
    desk = proxy("server { listen @P@; location / { return 200 ok; } }", events="worker_connections 20;")
    desk.may_alert = True
    crowd = [Client(desk.address(), timeout=1) for _ in range(60)]
    time.sleep(0.1)
    for client in crowd:
        client.close()

    def served():
        try:
            return desk.get(timeout=5).text == "ok"
        except (Closed, OSError):
            return False
    desk.wait_for(served, 20, "service after the crowd left")


# ---- odd clients ------------------------------------------------------------------------------------

def test_port_scanners_and_noise(desk):
    for _ in range(3):
        for noise in (b"\x00" * 1000, os.urandom(5000), b"\r\n" * 3, b"SSH-2.0-x\r\n", b"GET", b"\xff\xfb\x01",
                      b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"A" * 100000):
            with desk.connect(timeout=2) as client:
                try:
                    client.send(noise)
                    client.sock.shutdown(socket.SHUT_WR)
                    client.rest()
                except OSError:
                    pass
    assert desk.get("/local").text == "local"


def test_requests_split_at_every_byte(desk, back):
    raw = request("POST", "/a?b", fields={"X-Y": "z"}, body=b"hello", chunked=True)
    for at in range(1, len(raw)):
        with desk.connect() as client:
            client.send(raw[:at])
            time.sleep(0.001)
            client.send(raw[at:])
            assert client.response().json["length"] == 5


def test_answers_split_at_every_byte(desk, back):
    raw = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n"

    def script(conn):
        while True:
            at = int(conn.request().target[1:])
            conn.send(raw[:at])
            time.sleep(0.001)
            conn.send(raw[at:])
    back.script = script
    with desk.connect() as client:
        for at in range(1, len(raw)):
            answer = client.ask("GET", f"/{at}")
            assert (answer.body, answer.get("X-A")) == (b"helloabc", "b")


def test_a_long_pipeline_is_bounded(desk, back):
    """A client that sends and never reads: its requests stay in its socket, not in our memory."""
    back.handle = lambda _: reply(body=b"x" * 10000)
    worker = desk.worker()
    before = desk.rss_kb(worker)
    one = request("GET", "/" + "a" * 1000)
    with desk.connect(timeout=2, receive_buffer=4096) as client:
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                sent += client.sock.send(one * 50)
        assert sent < 30_000_000
        if not is_sanitized():
            assert desk.rss_kb(worker) - before < 15000
    assert desk.get("/local").text == "local"


def test_sigstop_of_the_worker_is_survived(proxy):
    """F24: a worker that stands still for a while is replaced or goes on; nothing is lost for good."""
    desk = proxy("server { listen @P@; location / { return 200 ok; } }")
    desk.may_alert = True
    worker = desk.worker()
    freeze(worker)
    time.sleep(0.3)
    try:
        os.kill(worker, signal.SIGCONT)
    except ProcessLookupError:
        pass
    assert desk.get().text == "ok"


def test_clock_independence_of_idle_loop(desk):
    """An idle worker uses no processor time."""
    worker = desk.worker()
    desk.get("/local")
    time.sleep(0.1)
    before = cpu(worker)
    time.sleep(0.6)
    assert cpu(worker) - before <= 0.03
