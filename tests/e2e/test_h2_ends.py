# SPDX-License-Identifier: MIT
"""How HTTP/2 connections end: in time, after so many requests, at a reload and at the stop, and no request is lost."""
import signal
import socket
import threading
import time

import pytest

from harness.h2 import H2Client
from harness.h2_wire import INITIAL_WINDOW_SIZE, NO_ERROR, PING
from harness.origin import reply
from harness.tls import Tls
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
server {{
    listen @P@ http2;
    {more}
    location / {{ proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
    location /says {{ return 200 {word}; }}
}}
"""


def conf(more="", word="one"):
    return CONF.format(more=more, word=word)


@pytest.fixture
def held(origin):
    """An origin whose answers wait for `go`."""
    back = origin()
    back.go = threading.Event()
    back.handle = lambda one: (back.go.wait(20), reply(body=b"late"))[1]
    return back


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", label="h2-ends")


def test_keepalive_timeout(proxy, origin):
    desk = proxy(conf("keepalive_timeout 500ms;"), O=origin())
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/says").status == 200
        start = time.monotonic()
        assert client.until_closed() in (None, NO_ERROR)
        assert time.monotonic() - start < 15


@ours
def test_the_end_of_a_rest_is_said(proxy, origin):
    desk = proxy(conf("keepalive_timeout 500ms;"), O=origin())
    with H2Client(desk.address()) as client:
        client.ask("GET", "/says")
        assert client.until_closed() == NO_ERROR
        assert client.goaways[-1][0] == 1


def test_keepalive_timeout_is_the_last_locations(proxy, origin):
    desk = proxy(conf("keepalive_timeout 60s; location /short { keepalive_timeout 500ms; return 200 short; }"), O=origin())
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/says").status == 200
        time.sleep(1)                    # it rests
        assert client.ask("GET", "/short").status == 200
        assert client.until_closed() == NO_ERROR


def test_a_connection_with_a_request_does_not_rest(proxy, held):
    desk = proxy(conf("keepalive_timeout 300ms;"), O=held)
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/")
        held.wait_requests(1)
        assert client.is_quiet(1.0)
        held.go.set()
        assert client.answer(stream).body == b"late"


def test_keepalive_requests(proxy, origin):
    desk = proxy(conf("keepalive_requests 5;"), O=origin())
    with H2Client(desk.address()) as client:
        for _ in range(5):
            assert client.ask("GET", "/says").status == 200
        assert client.until_closed() == NO_ERROR
        assert client.goaways[-1][0] >= 9


def test_keepalive_requests_at_once(proxy, held):
    """What is beyond the last one was not touched, and may be said again elsewhere."""
    desk = proxy(conf("keepalive_requests 3;"), O=held)
    with H2Client(desk.address()) as client:
        streams = [client.open("GET", "/") for _ in range(3)]
        held.wait_requests(3)
        held.go.set()
        assert [client.answer(stream).body for stream in streams] == [b"late"] * 3
        assert client.until_closed() in (NO_ERROR, None)


# ---- reload --------------------------------------------------------------------------------------

def test_a_reload_lets_idle_ones_go(proxy, origin):
    desk = proxy(conf(), O=origin())
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/says").body == b"one"
        desk.reload(http=conf(word="two"))
        if client.until_closed(10) is not None:
            assert client.goaways[-1][1] == NO_ERROR
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/says").body == b"two"


def test_a_reload_lets_requests_end(proxy, held):
    desk = proxy(conf(), O=held)
    with H2Client(desk.address()) as client:
        streams = [client.open("GET", f"/{i}") for i in range(10)]
        held.wait_requests(10)
        desk.reload(http=conf(word="two"))
        client.wait(lambda: client.goaways)
        assert client.goaways[-1][1] == NO_ERROR
        assert client.goaways[-1][0] >= streams[-1].id
        held.go.set()
        assert [client.answer(stream).body for stream in streams] == [b"late"] * 10
        assert client.until_closed() in (NO_ERROR, None)


@ours
def test_requests_that_cross_a_goaway_are_not_lost(proxy, origin):
    """Each stream is answered, or is above the last one that GOAWAY names."""
    desk = proxy(conf(), O=origin())
    for round_ in range(5):
        with H2Client(desk.address()) as client:
            client.settled()
            streams = []
            desk.reload(http=conf(word=f"word{round_}"))
            deadline = time.monotonic() + 20
            try:
                while not client.goaways and time.monotonic() < deadline:
                    streams.append(client.open("GET", "/says"))
                    client.ping()
                streams.append(client.open("GET", "/says"))
                client.until_closed()
            except (Closed, ConnectionError):
                pass
            assert client.goaways, "no GOAWAY at a reload"
            last = client.goaways[-1][0]
            for stream in streams:
                assert stream.is_ended or stream.id > last, f"{stream} was lost; GOAWAY {client.goaways}"


def last_named(client):
    """Waits for the GOAWAY behind the notice; returns the number in it."""
    client.wait(lambda: client.goaways and client.goaways[-1][0] < 0x7fffffff, what="the last GOAWAY")
    return client.goaways[-1][0]


@ours
@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_what_a_client_says_late_costs_it_no_answer(proxy, held, pair, is_secure):
    """The last answer lies in the system's buffers, and the client, who has heard of the end, still sends: closing now
    would reset the connection, and the reset would throw away what it has not read yet."""
    body = bytes(range(256)) * 100
    held.handle = lambda one: (held.go.wait(20), reply(body=body))[1]
    secure = f" ssl; ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}; http2 on;"
    desk = proxy(conf().replace(" http2;", secure) if is_secure else conf(), O=held)
    with H2Client(desk.address(), tls=Tls(alpn=["h2"]) if is_secure else None, receive_buffer=4096,
                  settings={INITIAL_WINDOW_SIZE: 1 << 20}) as client:
        client.send_window_update(0, 1 << 20)
        stream = client.open("GET", "/")
        held.wait_requests(1)
        desk.tell(signal.SIGHUP)
        assert last_named(client) == 1
        held.go.set()
        desk.log_lines(1)                # for us it is over
        for _ in range(3):
            client.answer_frame(PING, payload=b"are you ")
        assert client.answer(stream).body == body


@ours
def test_a_head_under_way_is_still_served(proxy, origin):
    """It has begun before the last GOAWAY, which names it, and ends behind it."""
    desk = proxy(conf(), O=origin())
    with H2Client(desk.address()) as client:
        client.settled()
        client.answers_pings = False     # not within a frame
        stream = client.new_stream()
        head = client.headers_frame(stream.id, client.head("GET", "/says"), True)
        client.send(head[:-1])
        desk.tell(signal.SIGHUP)
        assert last_named(client) == stream.id
        client.send(head[-1:])
        assert client.answer(stream).body == b"one"


@ours
def test_what_is_above_the_last_one_is_not_begun(proxy, origin):
    """Also while that GOAWAY waits for a client who does not read: it may say such a request again."""
    body = bytes(range(256)) * 40_000
    back = origin(handle=lambda one: reply(body=body if one.target == "/big" else b"small"))
    desk = proxy(conf(), O=back)
    with H2Client(desk.address(), receive_buffer=4096, settings={INITIAL_WINDOW_SIZE: 1 << 24}) as client:
        client.send_window_update(0, 1 << 24)
        streams = [client.open("GET", "/big")]
        client.wait(lambda: streams[0].body)
        desk.tell(signal.SIGHUP)
        for number in range(1, 25):      # the last GOAWAY is due meanwhile
            streams.append(client.open("GET", f"/{number}"))
            time.sleep(0.1)
        client.until_closed()
        last = client.goaways[-1][0]
        begun = [stream for stream in streams if stream.id <= last]
        assert all(stream.is_ended for stream in begun) and streams[0].body == body
        assert {one.target for one in back.requests} == {"/big"} | {f"/{number}" for number in range(1, len(begun))}


@ours
def test_a_reload_loses_nothing(proxy, origin):
    """Clients that follow GOAWAY see no failure over many reloads."""
    desk = proxy(conf(), O=origin())
    stopping, failures, count = threading.Event(), [], [0]

    def work():
        while not stopping.is_set():
            try:
                with H2Client(desk.address()) as client:
                    while not client.goaways and not stopping.is_set():
                        streams = [client.open("GET", "/x") for _ in range(5)]
                        try:
                            client.wait(lambda: all(one.is_over for one in streams))
                        except Closed:
                            pass
                        last = client.goaways[-1][0] if client.goaways else 1 << 31
                        for one in streams:
                            if one.is_ended and one.get(":status") == "200":
                                count[0] += 1
                            elif one.id <= last:
                                failures.append((one, client.goaways))
            except (ConnectionError, Closed, TimeoutError, AssertionError) as error:
                failures.append(error)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(8):
        before = count[0]
        desk.reload(http=conf(word=f"w{i}"))
        desk.wait_for(lambda: count[0] > before + 50 or failures, 20, "more answers")
    stopping.set()
    for thread in threads:
        thread.join(15)
    assert not failures, failures[:3]


# ---- the end -------------------------------------------------------------------------------------

def test_quit_lets_downloads_end(proxy, origin):
    """F23: GOAWAY, the rest of the body, then the process ends."""
    body = bytes(range(256)) * 8000
    desk = proxy(conf(), O=origin(handle=lambda one: reply(body=body)))
    with H2Client(desk.address(), gives=False) as client:
        stream = client.open("GET", "/big")
        client.wait(lambda: len(stream.body) == 65535)
        desk.tell(signal.SIGQUIT)
        client.wait(lambda: client.goaways)
        assert client.goaways[-1][1] == NO_ERROR
        client.give(stream, len(body))
        assert client.answer(stream).body == body
        client.until_closed()
    desk.process.wait(10)


def test_quit_with_idle_connections(proxy, origin):
    desk = proxy(conf(), O=origin())
    clients = [H2Client(desk.address()) for _ in range(5)]
    for client in clients:
        assert client.ask("GET", "/says").status == 200
    desk.tell(signal.SIGQUIT)
    desk.process.wait(10)
    for client in clients:
        assert client.until_closed() in (NO_ERROR, None)
        client.close()


def test_term_with_open_streams(proxy, held):
    desk = proxy(conf(), O=held)
    with H2Client(desk.address()) as client:
        client.open("GET", "/")
        held.wait_requests(1)
        desk.stop(signal.SIGTERM)
        held.go.set()
        client.until_closed()


# ---- clients that vanish -------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["close", "reset"])
def test_clients_that_vanish(proxy, origin, how):
    """Everything of a connection ends with it: the servers' sides, memory, descriptors."""
    back = origin(script=lambda conn: (conn.request(), conn.hang(30)))
    desk = proxy(conf(), O=back)
    assert _says(desk) == b"one"
    before = desk.footprint()
    for _ in range(5):
        client = H2Client(desk.address())
        for i in range(20):
            client.open("GET", f"/{i}")
        client.ping()
        getattr(client, how)()
    desk.wait_for(lambda: not back.conns, 20, "the servers' sides to end")
    desk.wait_settled(before, spare_kb=4096)


def _says(desk):
    with H2Client(desk.address()) as client:
        return client.ask("GET", "/says").body


def test_half_closed_by_the_client(proxy, held):
    """A client that shuts its side down after its request still gets the answer, or at least no hang."""
    desk = proxy(conf(), O=held)
    with H2Client(desk.address()) as client:
        client.open("GET", "/says")
        client.ping()
        client.sock.shutdown(socket.SHUT_WR)
        held.go.set()
        client.until_closed()
