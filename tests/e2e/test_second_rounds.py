# SPDX-License-Identifier: MIT
"""What a first attempt leaves behind for the second: bodies read already, answers half way, doors
that are gone, clients that left. Each of these once hung, mixed bytes up or freed twice."""
import hashlib
import os
import socket
import threading
import time

import pytest

from harness.client import chunk, request
from harness.origin import Origin, echo, reply
from harness.wire import Closed

ours = pytest.mark.ours


def sha(body):
    return hashlib.sha256(body).hexdigest()


# ---- a body for the next one ------------------------------------------------------------------------

@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_goes_along_after_a_503(proxy, origin, chunked):
    bad = origin(handle=lambda _: reply(503, reason="No"))
    desk = proxy("""upstream u { server @A@; server @B@ backup; }
        server { listen @P@; location / { proxy_next_upstream http_503; proxy_pass http://u; } }""",
                 A=bad, B=origin())
    for body in (b"small", b"abc" * 4000):
        answer = desk.fetch("PUT", "/x", body=body, chunked=chunked)
        assert answer.status == 200 and answer.json["sha"] == sha(body)
    assert bad.requests


def test_accel_redirect_after_a_post(proxy, origin):
    first = origin(handle=lambda _: reply(fields={"X-Accel-Redirect": "/second?a=1"}))
    second = origin()
    desk = proxy("""server { listen @P@; location / { proxy_pass http://@A@; }
        location /second { internal; proxy_pass http://@B@; } }""", A=first, B=second)
    answer = desk.fetch("POST", "/", body=b"abc" * 3000)
    assert answer.status == 200 and answer.json["method"] == "GET"
    assert answer.json["target"] == "/second?a=1"


def test_an_error_page_for_a_body_too_large(proxy):
    desk = proxy("""server { listen @P@; client_max_body_size 100; error_page 413 /large;
        location / { return 200 in; } location = /large { return 200 "smaller, please"; } }""")
    answer = desk.fetch("POST", "/", body=b"x" * 200)
    assert answer.status == 413 and answer.text == "smaller, please"


def test_a_named_location_takes_over_a_body_that_streams(proxy, origin):
    """Nobody has read of it when the first server refuses; the second location buffers more."""
    dead = origin()
    dead.stop()
    desk = proxy("""server { listen @P@; client_max_body_size 0;
        location / { client_body_buffer_size 1k; proxy_pass http://@DEAD@; error_page 502 = @next; }
        location @next { client_body_buffer_size 200k; proxy_pass http://@O@; } }""",
                 DEAD=dead, O=origin())
    body = os.urandom(150000)
    with desk.connect() as client:
        client.send(request("PUT", "/", fields={"Content-Length": len(body)}) + body[:40000])
        time.sleep(0.2)
        for at in range(40000, len(body), 10000):
            client.send(body[at:at + 10000])
            time.sleep(0.01)
        assert client.response().json["sha"] == sha(body)


def test_a_chunked_body_for_http_1_0(proxy, origin):
    """It is collected whole, however many pieces it comes in."""
    desk = proxy("""server { listen @P@; location / { proxy_http_version 1.0; proxy_pass http://@O@; } }""",
                 O=origin())
    body = os.urandom(900000)
    with desk.connect() as client:
        client.send(request("PUT", "/", fields={"Transfer-Encoding": "chunked"}))
        for at in range(0, len(body), 9000):
            client.send(chunk(body[at:at + 9000]))
        client.send(b"0\r\n\r\n")
        answer = client.response()
    assert answer.json["length"] == len(body) and answer.json["sha"] == sha(body)


@pytest.mark.parametrize("servers", [3, 8, 9, 12])
def test_every_server_of_many_is_tried_once(proxy, origin, servers):
    """More servers than an exchange remembers: the number of tries still ends."""
    made = {f"O{i}": origin(handle=lambda _: None) for i in range(servers)}
    desk = proxy("upstream u { " + "".join(f"server @{name}@ max_fails=0;" for name in made) + " }" +
                 "server { listen @P@; location / { proxy_pass http://u; } }", **made)
    assert desk.get().status == 502
    time.sleep(0.2)
    assert sum(len(one.requests) for one in made.values()) == servers


# ---- clients that leave -----------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("size", [10, 5000000])
def test_an_ignored_abort_still_ends(proxy, origin, how, size):
    """The origin may finish its answer; the exchange must not wait for a client that is gone."""
    go = threading.Event()

    def handle(_):
        go.wait(20)
        return reply(body=b"x" * size)
    back = origin(handle=handle)
    desk = proxy("""server { listen @P@; location / { proxy_ignore_client_abort on; proxy_pass http://@O@; } }""",
                 O=back)
    client = desk.send_raw(request())
    back.wait_requests(1)
    getattr(client, how)()
    time.sleep(0.1)
    assert back.conns, "the origin was cut off"
    go.set()
    assert desk.log_lines(1)


@pytest.mark.parametrize("location", ["/text", "/page", "/none"])
def test_half_close_gets_a_local_answer(proxy, location):
    """Shutting the sending side after the request is no abort when nobody else has to be asked."""
    desk = proxy("""server { listen @P@; location /text { return 200 "x"; } location /page { return 404; } }""")
    with desk.connect() as client:
        client.send(request("GET", location))
        client.sock.shutdown(socket.SHUT_WR)
        assert client.response().status == (200 if location == "/text" else 404)
        client.expect_closed()


# ---- doors that close while clients rest ------------------------------------------------------------

@ours
def test_a_listener_goes_while_its_clients_rest(proxy):
    one = "server { listen @P@; location / { return 200 one; } }"
    desk = proxy(one + "server { listen @Q@; location / { return 200 two; } }")
    before = desk.worker()
    resting = [desk.connect("Q") for _ in range(3)]
    for client in resting:
        assert client.ask().text == "two"
    time.sleep(1.2)                                  # at rest: without conn and codec
    desk.reload(http=one)
    for client in resting:
        client.expect_closed(3)
    assert desk.get().text == "one" and desk.worker() == before


@ours
def test_resting_clients_make_room_while_they_speak(proxy):
    """Those that are closed for a newcomer may have sent their next request in the same moment."""
    desk = proxy("""server { listen @P@; location / { return 200 in; } }""",
                 events="worker_connections 20;")
    before = desk.worker()
    for _ in range(6):
        resting = [desk.connect() for _ in range(18)]
        for client in resting:
            assert client.ask().status == 200
        time.sleep(0.8)
        fresh = []
        for client in resting:
            try:
                client.send(request())
                fresh.append(socket.create_connection(("127.0.0.1", desk.port()), timeout=2))
            except OSError:
                pass
        for client in resting + fresh:
            client.close()
        time.sleep(0.1)
    assert desk.worker() == before and desk.get().status == 200


def test_a_stop_while_clients_rest(proxy):
    import signal
    desk = proxy("server { listen @P@; location / { return 200 in; } }")
    resting = [desk.connect() for _ in range(5)]
    for client in resting:
        assert client.ask().status == 200
    time.sleep(0.8)
    desk.stop(signal.SIGQUIT)
    for client in resting:
        client.expect_closed()


# ---- bytes in order ---------------------------------------------------------------------------------

def test_limit_rate_keeps_the_order_of_a_large_answer(proxy, origin):
    """The kernel may have moved some of the body before the rate is known."""
    body = os.urandom(400000)

    def script(conn):
        while True:
            conn.request()
            head = reply(body=body)[:-len(body)]
            conn.send(head + body[:70000])
            for at in range(70000, len(body), 6000):
                conn.send(body[at:at + 6000])
                time.sleep(0.001)
    desk = proxy("""server { listen @P@; location / { limit_rate 300k; proxy_pass http://@O@; } }""",
                 O=origin(script=script))
    for _ in range(3):
        assert sha(desk.get("/", timeout=10).body) == sha(body)


# ---- early answers ----------------------------------------------------------------------------------

@ours
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [10, 20000, 300000])
def test_an_early_answer_and_the_next_request(proxy, origin, size, chunked):
    """The origin answers before it has the body, and keeps the connection. The client's next request
    must never reach it on the connection that still lacks bytes of the first."""
    def script(conn):
        head = conn.request_head()
        conn.origin.record(head)
        if head.target == "/early":
            conn.send(reply(403, body="no", reason="No"))
            conn.hang(2)
            return
        conn.request_body(head)
        conn.send(echo(head))
    back = origin(script=script)
    desk = proxy("""server { listen @P@; location / { proxy_request_buffering off; proxy_pass http://@O@; } }""",
                 O=back)
    with desk.connect() as client:
        body = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" * (size // 35 + 1)
        client.send(request("POST", "/early", body=body[:size], chunked=chunked)[:-5])
        assert client.response().status == 403
        try:
            client.send(request("POST", "/early", body=body[:size], chunked=chunked)[-5:])
            client.send(request("GET", "/next"))
            assert client.response().json["target"] == "/next"
        except (Closed, OSError):
            pass
    assert not [one for one in back.requests if one.target == "/smuggled"]
    assert not back.errors


def test_the_load_returns_to_nothing(proxy, origin):
    """Whatever happens to a request, its server counts as idle afterwards: max_conns=1 shows it."""
    def handle(one):
        if one.target == "/die":
            return None
        if one.target == "/cut":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
        if one.target == "/bad":
            return b"nonsense\r\n\r\n"
        if one.target == "/slow":
            time.sleep(0.6)
        if one.target == "/accel":
            return reply(fields={"X-Accel-Redirect": "/local"})
        if one.target == "/busy":
            return reply(503, reason="No")
        return reply(body="ok")
    back = origin(handle=handle)
    desk = proxy("""upstream u { server @O@ max_conns=1 max_fails=0; }
        server { listen @P@; client_max_body_size 1000; proxy_read_timeout 300ms;
        location / { proxy_pass http://u; proxy_next_upstream error timeout http_503; }
        location /local { return 200 local; } }""", O=back)
    for target in ("/die", "/cut", "/bad", "/slow", "/accel", "/busy", "/ok"):
        for how in ("read", "close", "reset"):
            client = desk.send_raw(request("GET", target))
            if how == "read":
                try:
                    client.response()
                except (Closed, OSError, Exception):     # noqa: BLE001 - cut on purpose
                    pass
            else:
                time.sleep(0.03)
                getattr(client, how)()
            client.close()
            time.sleep(0.7 if target == "/slow" else 0.05)
            assert desk.get("/ok").text == "ok", (target, how)


# ---- stalls while the kernel moves the body ---------------------------------------------------------

def test_an_origin_that_stalls_in_a_large_body(proxy, origin):
    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        conn.send(b"x" * 1000000)
        conn.hang()
    desk = proxy("""server { listen @P@; location / { proxy_read_timeout 700ms; proxy_pass http://@O@; } }""",
                 O=origin(script=script))
    begin = time.monotonic()
    with desk.send_raw(request()) as client:
        client.take_head()
        assert len(client.rest()) == 1000000
    assert 0.5 < time.monotonic() - begin < 15


def test_a_client_that_stalls_in_a_large_body(proxy, origin):
    def script(conn):
        conn.request_head()
        conn.hang()
    back = origin(script=script)
    desk = proxy("""server { listen @P@; client_max_body_size 0; client_body_timeout 700ms; lingering_close off;
        location / { proxy_pass http://@O@; } }""", O=back)
    begin = time.monotonic()
    with desk.send_raw(request("PUT", fields={"Content-Length": 10000000}) + b"x" * 1000000) as client:
        assert client.response().status == 408
        client.expect_closed()
    assert 0.5 < time.monotonic() - begin < 15


def test_an_origin_that_stops_reading_a_large_body(proxy, origin):
    def script(conn):
        conn.request_head()
        time.sleep(60)
    back = origin(script=script, receive_buffer=4096)
    desk = proxy("""server { listen @P@; client_max_body_size 0; lingering_close off;
        location / { proxy_send_timeout 700ms; proxy_pass http://@O@; } }""", O=back)
    begin = time.monotonic()
    with desk.connect() as client:
        def pour():
            try:
                client.send(request("PUT", fields={"Content-Length": 30000000}) + b"x" * 30000000)
            except OSError:
                pass
        threading.Thread(target=pour, daemon=True).start()
        assert client.response().status == 504
    assert 0.5 < time.monotonic() - begin < 15


@pytest.mark.skipif("E2E_SHORT_IO" in os.environ, reason="the reset comes before the answer can be read")
def test_a_large_early_answer_before_a_reset(proxy, origin):
    """An origin that closes with a body unread resets; what it answered before still counts."""
    def script(conn):
        conn.request_head()
        conn.send(reply(403, body=b"n" * 400000, reason="No", close=True))
    desk = proxy("""server { listen @P@; client_max_body_size 0;
        location / { proxy_request_buffering off; proxy_pass http://@O@; } }""", O=origin(script=script))
    for _ in range(5):
        with desk.connect(receive_buffer=4096) as client:
            client.send(request("PUT", fields={"Content-Length": 3000}) + b"x" * 2900)
            time.sleep(0.3)
            answer = client.response()
            assert answer.status == 403 and len(answer.body) == 400000


# ---- tunnels ----------------------------------------------------------------------------------------

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
UPGRADE = {"Upgrade": "websocket", "Connection": "upgrade"}
TUNNEL = """server { listen @P@; location / { proxy_http_version 1.1; proxy_read_timeout 2s;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass http://@O@; } }"""


def test_a_tunnel_may_be_closed_in_halves(proxy, origin):
    body = os.urandom(3000000)

    def script(conn):
        conn.request_head()
        conn.send(SWITCH + b"early")
        assert conn.rest() == body
        conn.send(body)
    back = origin(script=script)
    desk = proxy(TUNNEL, O=back)
    with desk.send_raw(request(fields=UPGRADE)) as client:
        assert client.response().status == 101
        client.send(body)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest() == b"early" + body
    assert not back.errors
    assert desk.log_lines(1)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("side", ["client", "origin"])
def test_a_tunnel_ends_with_either_side(proxy, origin, how, side):
    ended = threading.Event()

    def script(conn):
        conn.request_head()
        conn.send(SWITCH)
        conn.send(conn.take(4))
        if side == "origin":
            time.sleep(0.1)                  # a reset may overtake what was sent before it
            getattr(conn, how)()
            return
        if conn.hang(3):
            ended.set()
    desk = proxy(TUNNEL, O=origin(script=script))
    client = desk.send_raw(request(fields=UPGRADE))
    assert client.response().status == 101
    client.send(b"ping")
    assert client.take(4) == b"ping"
    if side == "client":
        getattr(client, how)()
        assert ended.wait(1.5)
    else:
        try:
            client.expect_closed(1.5)
        except OSError:
            pass
        client.close()
    assert desk.log_lines(1, timeout=4)


def test_a_full_tunnel_and_a_reset(proxy, origin):
    """Neither side reads: both pipes are full when the client is reset."""
    full, go, ended = threading.Event(), threading.Event(), threading.Event()

    def script(conn):
        conn.request_head()
        conn.send(SWITCH)
        _pour(conn.sock)
        full.set()
        go.wait(5)
        conn.sock.settimeout(3)
        try:
            while conn.sock.recv(65536):
                pass
        except TimeoutError:
            return
        except OSError:
            pass
        ended.set()
    desk = proxy(TUNNEL, O=origin(script=script))
    client = desk.send_raw(request(fields=UPGRADE))
    client.take_head()
    _pour(client.sock)
    assert full.wait(5)
    client.reset()
    assert desk.log_lines(1)
    go.set()
    assert ended.wait(4)


def _pour(sock):
    """Until nobody takes any more."""
    sock.settimeout(0.3)
    try:
        while True:
            sock.sendall(b"x" * 65536)
    except TimeoutError:
        pass
