# SPDX-License-Identifier: MIT
"""Clients and origins that are slow: each wait has its end, and rates their limit."""
import os
import threading
import time

import pytest

from harness.client import Client, chunk, request
from harness.origin import reply
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
server {
    listen @P@;
    client_header_timeout 1s;
    client_body_timeout 2s;
    send_timeout 1s;
    keepalive_timeout 700ms;
    location / { proxy_pass http://@O@; proxy_connect_timeout 2s; proxy_read_timeout 2s; }
    location /patient { proxy_pass http://@O@; }
    location /unbuffered { proxy_pass http://@O@; proxy_buffering off; }
    location /full { proxy_pass http://@FULL@; proxy_connect_timeout 400ms; }
}
"""


@pytest.fixture(scope="module")
def full(shared_origin):
    """A listener whose backlog is full: connects hang."""
    origin = shared_origin(accepting=False, backlog=0)
    origin.plugs = []
    for _ in range(3):
        try:
            origin.plugs.append(Client(origin.address, timeout=0.2))
        except OSError:
            break
    return origin


@pytest.fixture(scope="module")
def desk(shared_proxy, back, full):
    return shared_proxy(CONF, O=back, FULL=full)


def spent(begin):
    return time.monotonic() - begin


@pytest.mark.parametrize("interval", [20, 0.1], ids=["silence", "slowloris"])
def test_the_head_has_a_deadline_in_total(desk, back, interval):
    before, begin = back.bytes, time.monotonic()
    with desk.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
        while spent(begin) < 20:
            try:
                if not client.is_silent(interval):
                    break
                client.send("a")
            except OSError:
                break
    assert 0.8 < spent(begin) < 15
    assert back.bytes == before


@ours
@pytest.mark.parametrize("start", ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"])
def test_a_slow_head_is_408(desk, start):
    with desk.send_raw(start) as client:
        assert client.response().status == 408
        client.expect_closed()


def test_a_silent_connection_is_closed_without_a_word(desk):
    begin = time.monotonic()
    with desk.connect() as client:
        client.expect_closed()
    assert 0.6 < spent(begin) < 15


def test_an_idle_connection_is_closed_after_keepalive_timeout(desk):
    with desk.connect() as client:
        begin = time.monotonic()
        client.ask()
        client.expect_closed()
    assert 0.6 < spent(begin) < 15


@pytest.mark.parametrize("chunked", [False, True])
def test_a_slow_body_is_408(desk, back, chunked):
    begin = time.monotonic()
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "100"}
    with desk.send_raw(request("POST", fields=framing) + (chunk(b"abc") if chunked else b"abc")) as client:
        try:
            assert client.response().status == 408
        except Closed:
            pass
    assert 1.8 < spent(begin) < 15
    assert back.requests == []


def test_the_body_timeout_is_between_two_reads(desk, back):
    with desk.connect() as client:
        client.send(request("POST", fields={"Content-Length": "6"}))
        for _ in range(6):
            time.sleep(0.5)
            client.send("x")
        assert client.response().json["length"] == 6


# ---- the least rate of a body -----------------------------------------------------------------------

RATES = """server { listen @P@; client_body_timeout 10s; client_body_buffer_size 1m;
    location / { proxy_pass http://@O@; client_body_min_rate 1000 after=1s; }
    location /direct { proxy_pass http://@O@; client_body_min_rate 1000 after=1s; proxy_request_buffering off; }
    location /any { proxy_pass http://@O@; client_body_min_rate 0; } }"""


@pytest.fixture(scope="module")
def paced(shared_proxy, back):
    return shared_proxy(RATES, O=back)


def trickle(client, pieces, size, pause):
    """What has been sent when the other side had enough; all: it never had."""
    for i in range(pieces):
        try:
            client.send(b"x" * size)
        except OSError:
            return i * size
        time.sleep(pause)
    return pieces * size


@ours
@pytest.mark.parametrize("target", ["/", "/direct"])
def test_a_body_that_trickles_is_408(paced, back, target):
    """Each pause is within client_body_timeout; all together are too much."""
    begin = time.monotonic()
    with paced.send_raw(request("POST", target, fields={"Content-Length": "20000"})) as client:
        sender = threading.Thread(target=trickle, args=(client, 200, 50, 0.1))      # 500 B/s
        sender.start()
        assert client.response().status == 408
        assert 0.9 < spent(begin) < 15
    sender.join()
    assert back.requests == []
    paced.wait_error(r'\[info\] .*client sent less than "client_body_min_rate" while reading client request body, client')
    assert paced.get("/any").status == 200


@ours
@pytest.mark.parametrize("target", ["/", "/direct"])
def test_a_body_above_the_least_rate_passes(paced, target):
    with paced.send_raw(request("POST", target, fields={"Content-Length": "15000"})) as client:
        assert trickle(client, 25, 600, 0.1) == 15000                              # 6000 B/s for 2.5 s
        assert client.response().json["length"] == 15000


@ours
def test_quick_bytes_buy_no_more_than_the_slack(paced):
    with paced.send_raw(request("POST", "/", fields={"Content-Length": "100000"}) + b"x" * 50000) as client:
        begin = time.monotonic()
        sender = threading.Thread(target=trickle, args=(client, 200, 1, 0.1))
        sender.start()
        assert client.response().status == 408
        assert 0.9 < spent(begin) < 15
    sender.join()


@ours
def test_without_a_least_rate_it_may_trickle(paced):
    with paced.send_raw(request("POST", "/any", fields={"Content-Length": "25"})) as client:
        assert trickle(client, 25, 1, 0.1) == 25
        assert client.response().json["length"] == 25


@ours
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("FULL"), reason="half a minute: FULL=1")
def test_the_least_rate_is_256_after_30_s_by_default(proxy, origin):
    """And with proxy_request_buffering off there is none."""
    desk = proxy("""server { listen @P@; client_body_timeout 2s; location / { proxy_pass http://@O@; }
                    location /direct { proxy_pass http://@O@; proxy_request_buffering off; } }""", O=origin())
    begin = time.monotonic()
    slow, direct, quick = (desk.send_raw(request("POST", target, fields={"Content-Length": "20000"}), timeout=60)
                           for target in ("/", "/direct", "/"))
    senders = [threading.Thread(target=trickle, args=(client, 40, size, 1))
               for client, size in ((slow, 1), (direct, 1), (quick, 500))]
    for sender in senders:
        sender.start()
    assert slow.response().status == 408
    assert 29 < spent(begin) < 35
    assert quick.response().status == 200
    for sender in senders:
        sender.join()
    direct.send(b"x" * 19960)
    assert direct.response().json["length"] == 20000


@ours
def test_a_slow_origin_is_not_blamed_on_the_client(proxy, origin):
    """While we do not read the client cannot send: that time does not count."""
    go = threading.Event()

    def script(conn):
        head = conn.request_head()
        go.wait(20)
        conn.request_body(head)
        conn.send(reply(body=str(len(head.body))))
    desk = proxy("""server { listen @P@; client_max_body_size 0; location / { proxy_pass http://@O@; proxy_request_buffering off;
                    client_body_min_rate 1000 after=500ms; } }""", O=origin(script=script, receive_buffer=4096))
    body = b"x" * 8_000_000
    with desk.connect(timeout=10) as client:
        sender = threading.Thread(target=client.send, args=(request("PUT", body=body),))
        sender.start()
        time.sleep(1.5)
        go.set()
        assert client.response().text == str(len(body))
        sender.join()


def test_a_client_that_does_not_read_is_cut(desk, back):
    """send_timeout between two writes."""
    size = desk.log_size()
    back.handle = lambda _: reply(body=b"x" * 30_000_000)
    with desk.connect(receive_buffer=4096) as client:
        client.send(request("GET", "/unbuffered"))
        client.take(1000)
        desk.wait_for(lambda: "client timed out" in desk.errors()[size:], what="the end of send_timeout")
        with pytest.raises(Closed):
            client.take(30_000_000)


def test_connect_timeout_is_504(desk, full):
    begin = time.monotonic()
    assert desk.get("/full").status == 504
    assert 0.3 < spent(begin) < 15
    desk.wait_error(r"upstream timed out \(110: Connection timed out\) while connecting to upstream, client: ")


def test_read_timeout_is_504(desk, back):
    back.script = lambda conn: (conn.request(), conn.hang())
    begin = time.monotonic()
    with desk.connect() as client:
        assert client.ask().status == 504
        assert 1.8 < spent(begin) < 15
        back.reset()
        assert client.ask().status == 200


def test_read_timeout_is_between_two_reads(desk, back):
    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            time.sleep(0.5)
            conn.send("x")
    back.script = script
    assert desk.get().body == b"xxxxx"


def test_send_timeout_to_the_origin_is_504(shared_proxy, shared_origin):
    """The origin reads the head and nothing more."""
    stuck = shared_origin(script=lambda conn: (conn.request_head(), time.sleep(60)), receive_buffer=4096)
    desk = shared_proxy("""server { listen @P@; client_max_body_size 0; location / { proxy_pass http://@O@;
                           proxy_send_timeout 500ms; } }""", O=stuck)
    begin = time.monotonic()
    with desk.connect() as client:
        client.send(request("POST", "/", fields={"Content-Length": "20000000"}))
        try:
            client.send(b"x" * 20_000_000)
        except OSError:
            pass
        try:
            assert client.response().status == 504
        except Closed:
            pass
    assert spent(begin) < 15
    desk.wait_error(r"upstream timed out \(110: Connection timed out\) while sending request to upstream, client: ")
    desk.stop()


def test_other_requests_do_not_wait_for_a_hanging_one(desk, back):
    """F10: one origin hangs, the others are as quick as ever."""
    def script(conn):
        wanted = conn.request()
        if wanted.target == "/patient/hang":
            conn.hang()
        else:
            conn.send(reply(body="quick", close=True))
    back.script = script
    hanging = [desk.send_raw(request("GET", "/patient/hang")) for _ in range(20)]
    begin = time.monotonic()
    for _ in range(20):
        assert desk.get("/patient/quick").body == b"quick"
    assert spent(begin) < 15
    for client in hanging:
        client.close()


# ---- rates ------------------------------------------------------------------------------------------

def test_limit_rate(proxy, origin):
    back = origin(handle=lambda _: reply(body=b"x" * 50000))
    desk = proxy("""server { listen @P@; limit_rate 1k; location / { limit_rate 20k; proxy_pass http://@O@; }
        location /after { limit_rate_after 50k; proxy_pass http://@O@; }
        location /off { limit_rate 0; proxy_pass http://@O@; }
        location /var { limit_rate $arg_r; proxy_pass http://@O@; } }""", O=back)
    begin = time.monotonic()
    assert len(desk.get().body) == 50000
    assert 1.2 < spent(begin) < 15
    for target in ("/after", "/off", "/var?r=0"):
        begin = time.monotonic()
        assert len(desk.get(target).body) == 50000
        assert spent(begin) < 15
    begin = time.monotonic()
    assert len(desk.get("/var?r=30k").body) == 50000
    assert 0.4 < spent(begin) < 15


def test_a_seconds_worth_goes_at_once(proxy, origin):
    """So that what is small is not slow: ten times takes no time, where each could take nearly a second."""
    back = origin(handle=lambda _: reply(body=b"x" * 20000))
    desk = proxy("server { listen @P@; location / { limit_rate 20k; proxy_pass http://@O@; } }", O=back)
    begin = time.monotonic()
    for _ in range(10):
        assert len(desk.get().body) == 20000
    assert spent(begin) < 6


def test_limit_rate_after(proxy, origin):
    back = origin(handle=lambda _: reply(body=b"x" * 100000))
    desk = proxy("""server { listen @P@; location / { limit_rate 4k; limit_rate_after 90000; proxy_pass http://@O@; } }""", O=back)
    begin = time.monotonic()
    with desk.send_raw(request()) as client:
        client.take_head()
        client.take(85000)
        assert spent(begin) < 15
        client.take(15000)
    assert 1 < spent(begin)


@ours
def test_limit_rate_holds_for_what_the_kernel_moved(proxy, origin):
    """Body bytes may have been spliced before the rate was known: they are paced as well."""
    back = origin(handle=lambda _: reply(body=b"x" * 5_000_000))
    desk = proxy("server { listen @P@; location / { limit_rate 100k; proxy_buffers 16 64k; proxy_pass http://@O@; } }", O=back)
    begin = time.monotonic()
    clients = [desk.send_raw(request()) for _ in range(5)]
    got = 0
    while spent(begin) < 1.5:
        for client in clients:
            client.sock.settimeout(0.01)
            try:
                got += len(client.sock.recv(1_000_000))
            except TimeoutError:
                pass
    for client in clients:
        client.close()
    assert 100_000 < got < 5 * 110_000 * (spent(begin) + 1.5), got     # a second's worth at once


def test_proxy_limit_rate(proxy, origin):
    back = origin(handle=lambda _: reply(body=b"x" * 60000))
    desk = proxy("""server { listen @P@; location / { proxy_limit_rate 30k; proxy_buffers 8 4k; proxy_pass http://@O@; } }""", O=back)
    begin = time.monotonic()
    assert len(desk.get().body) == 60000
    assert 0.7 < spent(begin) < 15


# ---- keep-alive -------------------------------------------------------------------------------------

def test_keepalive_requests(proxy):
    desk = proxy("server { listen @P@; keepalive_requests 3; location / { return 200 x; } }")
    with desk.connect() as client:
        assert [client.ask().get("Connection") for _ in range(3)] == ["keep-alive", "keep-alive", "close"]
        client.expect_closed()


def test_keepalive_timeout_zero(proxy):
    desk = proxy("server { listen @P@; keepalive_timeout 0; location / { return 200 x; } }")
    with desk.connect() as client:
        assert client.ask().get("Connection") == "close"
        client.expect_closed()


def test_keepalive_timeout_header(proxy):
    desk = proxy("server { listen @P@; keepalive_timeout 60s 45s; location / { return 200 x; } }")
    assert desk.get().get("Keep-Alive") == "timeout=45"


def test_keepalive_time(proxy):
    desk = proxy("server { listen @P@; keepalive_time 2s; location / { return 200 x; } }")
    with desk.connect() as client:
        assert client.ask().get("Connection") == "keep-alive"
        time.sleep(2.1)
        assert client.ask().get("Connection") == "close"
        client.expect_closed()


def test_http_1_0_keep_alive(proxy):
    desk = proxy("server { listen @P@; return 200 x; }")
    with desk.connect() as client:
        answer = client.ask("GET", "/", version="1.0", fields={"Connection": "keep-alive"})
        assert answer.get("Connection") == "keep-alive"
        assert client.ask("GET", "/", version="1.0", fields={"Connection": "keep-alive"}).body == b"x"
        assert client.ask("GET", "/", version="1.0").get("Connection") == "close"
        client.expect_closed()


def test_connection_close_in_any_form(proxy):
    desk = proxy("server { listen @P@; return 200 x; }")
    for fields in ([("Connection", "CLOSE")], [("connection", "close")]):
        with desk.connect() as client:
            assert client.ask("GET", "/", fields=fields).get("Connection") == "close"
            client.expect_closed()


def test_connection_close_in_a_list(proxy):
    desk = proxy("server { listen @P@; return 200 x; }")
    for fields in ([("Connection", "x, close")], [("Connection", "x"), ("Connection", "close")]):
        with desk.connect() as client:
            assert client.ask("GET", "/", fields=fields).get("Connection") == "close"
            client.expect_closed()


def test_half_close_after_the_request_still_gets_the_answer(proxy, origin):
    """A client that shuts its sending side (like nc) is served when the configuration ignores aborts."""
    import socket
    desk = proxy("""server { listen @P@; proxy_ignore_client_abort on; location / { proxy_pass http://@O@; } }""",
                 O=origin(handle=lambda _: (time.sleep(0.1), reply(body="late"))[1]))
    with desk.send_raw(request(close=True)) as client:
        client.sock.shutdown(socket.SHUT_WR)
        assert client.response().body == b"late"


def test_lingering_close_lets_the_answer_arrive(proxy):
    """The client still sends when it is refused: it must be able to read why (no RST)."""
    desk = proxy("server { listen @P@; client_max_body_size 1k; location / { proxy_pass http://@O@; } }")
    with desk.connect() as client:
        client.send(request("POST", "/", fields={"Content-Length": "200000"}))
        time.sleep(0.1)
        for _ in range(10):
            client.send(b"x" * 20000)
            time.sleep(0.01)
        assert client.response().status == 413


def test_reset_timedout_connection(proxy, origin):
    """With it a client that timed out gets RST, without it FIN."""
    back = origin(handle=lambda _: reply(body=b"x" * 20_000_000))
    desk = proxy("""server { listen @P@; reset_timedout_connection on; send_timeout 300ms;
                    location / { proxy_pass http://@O@; proxy_buffering off; } }""", O=back)
    with desk.connect(receive_buffer=4096) as client:
        client.send(request())
        client.take(100)
        desk.wait_error("client timed out")
        with pytest.raises(ConnectionResetError):
            while client.sock.recv(1 << 20):
                pass


def test_reset_for_444(proxy):
    desk = proxy("server { listen @P@; location / { reset_timedout_connection on; return 444; } }")
    with desk.send_raw(request()) as client:
        with pytest.raises(ConnectionResetError):
            client.sock.recv(10)
