# SPDX-License-Identifier: MIT
"""`proxy_http_version 2`: requests share few connections to the server; what it refuses is said again where that
is safe; a server that breaks the rules or dies harms no more than its streams."""
import hashlib
import os
import signal
import ssl
import subprocess
import threading
import time

import pytest

from harness.client import Client, request
from harness.h2 import H2Client
from harness.h2_origin import echo
from harness.h2_wire import (CANCEL, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
                             INTERNAL_ERROR, MAX_CONCURRENT_STREAMS, NO_ERROR, PING, PUSH_PROMISE, REFUSED_STREAM,
                             SETTINGS, frame)
from harness.proxy import PORTS, Proxy, is_memory_odd
from harness.tls import server_context
from harness.wire import Closed

pytestmark = pytest.mark.ours

CONF = """
proxy_http_version 2;
upstream u {{ server @O@; keepalive 16; }}
proxy_cache_path @DIR@/store keys_zone=z:1m;
server {{
    listen @P@ http2;
    client_max_body_size 0;
    {more}
    location / {{ proxy_pass {scheme}://u; }}
    location /stream {{ proxy_request_buffering off; proxy_buffering off; proxy_pass {scheme}://u; }}
    location /short {{ proxy_read_timeout 500ms; proxy_pass {scheme}://u; }}
    location /stored {{ proxy_cache z; proxy_cache_valid 1m; proxy_pass {scheme}://u; }}
}}
"""


def conf(more="", scheme="http"):
    return CONF.format(more=more, scheme=scheme)


@pytest.fixture
def strict_origin(h2_origin):
    """One whose own sins are held against us."""
    yield h2_origin
    assert not [error for one in h2_origin.made for error in one.errors], [one.errors for one in h2_origin.made]


def sized(stream):
    stream.reply(200, {}, bytes(int(stream.path.rpartition("/")[2])))


# ---- requests ------------------------------------------------------------------------------------

def test_a_request(proxy, strict_origin):
    back = strict_origin()
    desk = proxy(conf("proxy_set_header X-Mine yes;"), O=back)
    answer = desk.get("/path?a=b", fields={"X-Client": "1", "Cookie": "a=1; b=2", "Keep-Alive": "x"})
    assert answer.status == 200 and answer.json["target"] == "/path?a=b"
    one = back.requests[-1]
    assert one.fields[:4] and [one.get(name) for name in (":method", ":scheme", ":path")] == ["GET", "http", "/path?a=b"]
    assert one.get(":authority") == "u"
    assert one.get("x-client") == "1" and one.get("x-mine") == "yes"
    assert "; ".join(value for name, value in one.fields if name == "cookie") == "a=1; b=2"
    for name in ("host", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length"):
        assert one.get(name) in (None, one.get(":authority") if name == "host" else None)


def test_the_host_of_the_client(proxy, strict_origin):
    back = strict_origin()
    desk = proxy(conf("proxy_set_header Host $host:99;"), O=back)
    desk.get("/")
    assert back.requests[-1].get(":authority") == "localhost:99"


@pytest.mark.parametrize("size", [0, 1, 16384, 65536, 700_000])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/x", "/stream"])
def test_bodies_to_the_server(proxy, strict_origin, size, chunked, path):
    back = strict_origin()
    desk = proxy(conf(), O=back)
    body = os.urandom(size)
    answer = desk.fetch("POST", path, body=body, chunked=chunked, timeout=20)
    assert (answer.json["length"], answer.json["sha"]) == (size, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("size", [0, 1, 16384, 65536, 3_000_000])
@pytest.mark.parametrize("has_length", [False, True])
def test_bodies_to_the_client(proxy, strict_origin, size, has_length):
    body = os.urandom(size)
    back = strict_origin(lambda one: one.reply(200, {"content-length": size} if has_length else {}, body))
    desk = proxy(conf(), O=back)
    assert desk.get(timeout=20).body == body
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/", timeout=20).body == body


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_answers_without_a_body(proxy, strict_origin, method, status):
    back = strict_origin(lambda one: one.head(status, {"content-length": 1234} if method == "HEAD" else {}, end=True))
    answer = proxy(conf(), O=back).fetch(method, "/")
    assert (answer.status, answer.body) == (status, b"")


def test_interim_answers_and_trailers(proxy, strict_origin):
    def handle(one):
        one.head(102, {"x-step": "1"})
        one.reply(200, {}, b"body", [("x-end", "1")])
    desk = proxy(conf(), O=strict_origin(handle))
    with H2Client(desk.address()) as client:
        answer = client.ask("GET", "/stream")
        assert [one.get("x-step") for one in answer.interim] == ["1"]
        assert answer.body == b"body" and answer.trailers in ([("x-end", "1")], [])


def test_what_is_stored(proxy, strict_origin):
    back = strict_origin(lambda one: one.reply(200, {"cache-control": "max-age=60"}, b"x" * 50_000))
    desk = proxy(conf(), O=back)
    for _ in range(3):
        assert desk.get("/stored").body == b"x" * 50_000
    assert len(back.requests) == 1


# ---- sharing -------------------------------------------------------------------------------------

def together(desk, count, path="/"):
    """So many requests at once, over one HTTP/2 connection; the answers."""
    with H2Client(desk.address()) as client:
        streams = [client.open("GET", f"{path}{i}") for i in range(count)]
        return [client.answer(stream, 30) for stream in streams]


def test_many_share_one_connection(proxy, strict_origin):
    """All wait at the server at the same time, on one connection, or two."""
    here = threading.Barrier(40)

    def handle(one):
        here.wait(15)
        echo(one)
    back = strict_origin(handle)
    answers = together(proxy(conf(), O=back, workers=1), 40)
    assert [answer.json["target"] for answer in answers] == [f"/{i}" for i in range(40)]
    assert back.connections <= 2


def test_http1_clients_share_as_well(proxy, strict_origin):
    here = threading.Barrier(10)
    back = strict_origin(lambda one: (here.wait(15), echo(one)))
    desk = proxy(conf(), O=back, workers=1)
    clients = [desk.connect(timeout=20) for _ in range(10)]
    for client in clients:
        client.send(request("GET", "/"))
    assert [client.response().status for client in clients] == [200] * 10
    assert back.connections <= 2
    for client in clients:
        client.close()


def test_one_after_the_other(proxy, strict_origin):
    back = strict_origin()
    desk = proxy(conf(), O=back, workers=1)
    for i in range(20):
        assert desk.get(f"/{i}").json["target"] == f"/{i}"
    assert back.connections == 1


@pytest.mark.parametrize("most", [1, 3])
def test_the_servers_limit_of_streams(proxy, strict_origin, most):
    back = strict_origin(lambda one: (time.sleep(0.05), echo(one)), settings={MAX_CONCURRENT_STREAMS: most})
    desk = proxy(conf(), O=back)
    assert desk.get("/first").status == 200
    assert [answer.status for answer in together(desk, 20)] == [200] * 20
    assert max(conn.most for conn in back.conns) <= most


# ---- said again ----------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_stream_is_said_again(proxy, strict_origin, method):
    """REFUSED_STREAM: nothing was done with it, so even a POST may be said again."""
    def handle(one):
        one.refuse(REFUSED_STREAM) if len(back.requests) == 1 else echo(one)
    back = strict_origin(handle)
    answer = proxy(conf(), O=back).fetch(method, "/", body=b"abc" if method == "POST" else None)
    assert answer.status == 200 and answer.json["length"] == (3 if method == "POST" else 0)
    assert len(back.requests) == 2


def test_one_that_always_refuses(proxy, strict_origin):
    back = strict_origin(lambda one: one.refuse(REFUSED_STREAM))
    desk = proxy(conf(), O=back)
    assert desk.get().status == 502
    assert len(back.requests) <= 6


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_above_a_goaway_is_said_again(proxy, strict_origin, method):
    def handle(one):
        if len(back.requests) == 1:
            one.conn.send_goaway(0, NO_ERROR)
        else:
            echo(one)
    back = strict_origin(handle)
    answer = proxy(conf(), O=back).fetch(method, "/", body=b"abc" if method == "POST" else None)
    assert answer.status == 200
    assert back.connections == 2


def test_what_is_below_a_goaway_goes_on(proxy, strict_origin):
    go = threading.Event()

    def handle(one):
        if one.path == "/first":
            one.conn.send_goaway(one.id, NO_ERROR)
            go.wait(10)
        echo(one)
    back = strict_origin(handle)
    desk = proxy(conf(), O=back)
    with H2Client(desk.address()) as client:
        first = client.open("GET", "/first")
        back.wait_requests(1)
        client.is_quiet(0.1)
        assert client.ask("GET", "/second").json["connection"] == 2
        go.set()
        assert client.answer(first).json["connection"] == 1


@pytest.mark.parametrize("code", [INTERNAL_ERROR, ENHANCE_YOUR_CALM, CANCEL])
def test_a_post_that_was_begun_is_not_said_again(proxy, strict_origin, code):
    back = strict_origin(lambda one: one.refuse(code))
    assert proxy(conf(), O=back).fetch("POST", "/", body=b"x").status == 502
    assert len(back.requests) == 1


def test_another_server_is_asked(proxy, strict_origin):
    bad, good = strict_origin(lambda one: one.refuse(INTERNAL_ERROR)), strict_origin()
    desk = proxy(f"proxy_http_version 2; upstream v {{ server {bad.address}; server {good.address}; }}"
                 "server { listen @P@; location / { proxy_pass http://v; } }")
    for _ in range(6):
        assert desk.get().status == 200


def test_a_kept_connection_that_was_closed(proxy, strict_origin):
    back = strict_origin()
    desk = proxy(conf(), O=back)
    assert desk.get().status == 200
    back.close_all()
    time.sleep(0.1)
    assert desk.get().status == 200
    assert back.connections == 2


# ---- windows -------------------------------------------------------------------------------------

@pytest.mark.parametrize("window", [1, 100, 65535])
def test_uploads_obey_the_servers_window(proxy, strict_origin, window):
    """The origin of the tests gives back what has come, and calls it a violation if more came than was given."""
    back = strict_origin(settings={INITIAL_WINDOW_SIZE: window})
    size = 200 if window == 1 else 100_000
    answer = proxy(conf(), O=back).fetch("POST", "/stream", body=bytes(size), timeout=30)
    assert answer.json["length"] == size


def test_a_slow_client_stalls_its_stream_only(proxy, strict_origin):
    """The body waits at the server; another on the same connection comes through; memory stays."""
    sent = []

    def handle(one):
        if one.path == "/stream/big":
            one.head(200)
            for _ in range(3000):
                one.write(bytes(16384))
                sent.append(16384)
            one.write(b"", end=True)
        else:
            sized(one)
    desk = proxy(conf(), O=strict_origin(handle), workers=1)
    assert desk.get("/1").status == 200
    before = desk.rss_kb()
    with H2Client(desk.address(), gives=False) as slow:
        stream = slow.open("GET", "/stream/big")
        slow.wait(lambda: len(stream.body) >= 65535)
        desk.wait_for(lambda: _is_steady(sent), 20, "the server to wait")
        assert sum(sent) < 4_000_000
        assert len(desk.get("/300000", timeout=15).body) == 300_000
        if not is_memory_odd():
            assert desk.rss_kb() - before < 10_000
        slow.gives = True
        slow.give(stream, 65535)
        slow.wait(lambda: len(stream.body) > 1_000_000)


def _is_steady(sent):
    before = len(sent)
    time.sleep(0.3)
    return len(sent) == before


def test_a_server_without_windows_stalls_its_stream_only(proxy, strict_origin):
    def handle(one):
        if one.path == "/stream/never":
            one.conn.gives = False
            one.wait(lambda: one.is_over, 20)
        else:
            echo(one)
    back = strict_origin(handle, handle_early=True)
    desk = proxy(conf(), O=back)
    with H2Client(desk.address()) as client:
        stream = client.open("POST", "/stream/never", end=False)
        back.wait_requests(1)
        while min(stream.send_window, client.send_window) > 0 and client.is_quiet(0.02):
            client.send_data(stream, bytes(min(stream.send_window, client.send_window, 16384)))
        assert client.ask("GET", "/other").status == 200
        client.send_reset(stream.id)


# ---- servers that break the rules, hang, die -----------------------------------------------------

MALFORMED = {
    "upper case": [(":status", "200"), ("X-A", "1")], "no :status": [("x-a", "1")], "two :status": [(":status", "200")] * 2,
    "status 99": [(":status", "99")], "status abc": [(":status", "abc")], "connection": [(":status", "200"), ("connection", "close")],
    "transfer-encoding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "a line": [(":status", "200"), ("x", "a\r\nset-cookie: b=1")], "NUL": [(":status", "200"), ("x", "a\0b")],
    "request pseudo-field": [(":status", "200"), (":path", "/")], "101": [(":status", "101")],
    "late :status": [("x", "1"), (":status", "200")], "two lengths": [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    "length that is none": [(":status", "200"), ("content-length", "+5")],
    "space in a name": [(":status", "200"), ("a b", "1")],
    "no name": [(":status", "200"), ("", "1")], "colon in a name": [(":status", "200"), ("a:b", "1")],
    "LF in a name": [(":status", "200"), ("a\nb", "1")], "DEL in a name": [(":status", "200"), ("a\x7f", "1")],
    "8 bit in a name": [(":status", "200"), ("\xe9", "1")], "CR in a value": [(":status", "200"), ("x", "a\rb")],
    "space before a value": [(":status", "200"), ("x", " a")], "tab behind a value": [(":status", "200"), ("x", "a\t")],
    "control character in a value": [(":status", "200"), ("x", "a\x02b")],
    "unknown pseudo-field": [(":status", "200"), (":other", "1")], ":authority": [(":status", "200"), (":authority", "a")],
    "upper case in a pseudo-field": [(":Status", "200")], "a pseudo-field without a name": [(":status", "200"), (":", "1")],
    "keep-alive": [(":status", "200"), ("keep-alive", "timeout=5")], "upgrade": [(":status", "200"), ("upgrade", "h2c")],
    "proxy-connection": [(":status", "200"), ("proxy-connection", "close")], "te": [(":status", "200"), ("te", "trailers")],
    "empty :status": [(":status", "")], "status 0": [(":status", "0")], "status 20": [(":status", "20")],
    "status 2000": [(":status", "2000")], "status 0200": [(":status", "0200")], "status +20": [(":status", "+20")],
    "space before the status": [(":status", " 200")], "status 099": [(":status", "099")], "status 20a": [(":status", "20a")],
    "100 that ends": [(":status", "100")], "103 that ends": [(":status", "103")],
    "a length and no body": [(":status", "200"), ("content-length", "5")],
    "two equal lengths that are wrong": [(":status", "200"), ("content-length", "5"), ("content-length", "5")],
    "a list of lengths": [(":status", "200"), ("content-length", "0, 0")], "negative length": [(":status", "200"), ("content-length", "-1")],
    "a length beyond 64 bits": [(":status", "200"), ("content-length", "18446744073709551616")],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_heads_that_cannot_be(proxy, h2_origin, name):
    back = h2_origin(lambda one: one.conn.send_headers(one.id, MALFORMED[name], True))
    answer = proxy(conf(), O=back).get()
    assert answer.status == 502, answer
    assert not answer.has("set-cookie")


@pytest.mark.parametrize("method, status, length, body", [
    ("HEAD", 200, "5", b""), ("HEAD", 200, None, b""), ("GET", 204, None, b""), ("GET", 304, "5", b""), ("GET", 304, None, b""),
    ("GET", 204, "0", b""), ("GET", 204, "5", b""), ("GET", 200, "0", b""),
    ("HEAD", 200, "5", b"12345"), ("GET", 204, None, b"1"), ("GET", 204, "1", b"1"), ("GET", 304, "1", b"1"), ("GET", 304, None, b"1")])
@pytest.mark.parametrize("by", ["h1", "h2"])
def test_answers_that_never_have_content(proxy, h2_origin, method, status, length, body, by):
    """A length is allowed there and means nothing (RFC 9113 8.1.1); DATA never comes out, and the next answer is its own."""
    def handle(one):
        if one.path == "/next":
            echo(one)
        else:
            one.reply(status, {"content-length": length} if length else {}, body)
    desk = proxy(conf(), O=h2_origin(handle))
    if by == "h2":
        with H2Client(desk.address()) as client:
            stream = client.open(method, "/x")
            client.wait(lambda: stream.is_over)
            assert not stream.body and stream.get(":status") in (str(status), *(["502", None] if body else []))
            assert client.ask("GET", "/next").json["target"] == "/next"
        return
    with desk.connect() as client:
        client.send(request(method, "/x"))
        try:
            answer = client.response(method)
        except Closed:
            assert body
            return
        if answer.status != 502:
            assert answer.status == status and answer.body == b""
            assert answer.get("content-length") == (length if method == "HEAD" or status in (200, 304) else None)
        if not body:                     # else the connection may have been cut for it
            assert client.ask("GET", "/next").json["target"] == "/next"
        assert answer.status != 502 or body


@pytest.mark.parametrize("fields", [[("x-a", "")], [("x-a", "caf\xe9")], [("x-a", "a\tb")], [("set-cookie", "a=1"), ("set-cookie", "b=2")],
                                    [("x-a", "1"), ("x-a", "2")]])
def test_heads_that_can_be(proxy, h2_origin, fields):
    answer = proxy(conf(), O=h2_origin(lambda one: one.reply(200, fields, b"x"))).get()
    assert answer.status == 200
    assert [(n.lower(), v) for n, v in answer.fields if n.lower() in ("x-a", "set-cookie")] == fields


@pytest.mark.parametrize("length", [4, 6])
def test_a_length_that_does_not_match(proxy, h2_origin, length):
    back = h2_origin(lambda one: one.reply(200, {"content-length": length}, b"12345"))
    desk = proxy(conf(), O=back)
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/stream")
        client.wait(lambda: stream.is_over)
        assert stream.reset or stream.get(":status") == "502"


def test_a_head_that_is_too_large(proxy, h2_origin):
    back = h2_origin(lambda one: one.reply(200, [(f"x{i}", "v" * 2000) for i in range(100)]))
    desk = proxy(conf(), O=back)
    assert desk.get().status == 502


BROKEN = {
    "push": lambda one: one.conn.send(frame(PUSH_PROMISE, END_HEADERS, one.id, b"\0\0\0\2\x82")),
    "a frame that is too long": lambda one: one.conn.send(frame(0, 0, one.id, bytes(20_000))),
    "garbage": lambda one: one.conn.send(b"\xff" * 100),
    "DATA before HEADERS": lambda one: one.conn.send(frame(0, END_STREAM, one.id, b"x")),
    "SETTINGS of five bytes": lambda one: one.conn.send(frame(SETTINGS, 0, 0, bytes(5))),
    "GOAWAY with an error": lambda one: one.conn.send(frame(GOAWAY, 0, 0, one.id.to_bytes(4, "big") + b"\0\0\0\2")),
    "compression": lambda one: one.conn.send(frame(HEADERS, END_HEADERS | END_STREAM, one.id, b"\xff\xff\xff\xff\xff\x7f")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_frames_that_cannot_be(proxy, h2_origin, name):
    def handle(one):
        if one.path == "/bad":
            BROKEN[name](one)
            time.sleep(0.2)
            one.conn.sock.shutdown(2)
        else:
            echo(one)
    back = h2_origin(handle)
    desk = proxy(conf(), O=back)
    assert desk.get("/bad").status == 502
    assert desk.get("/good").status == 200


@pytest.mark.parametrize("what", ["PING", "SETTINGS", "WINDOW_UPDATE", "empty DATA"])
def test_floods_from_the_server(proxy, h2_origin, what):
    def handle(one):
        one.head(200)
        flood = {"PING": frame(PING, 0, 0, bytes(8)), "SETTINGS": frame(SETTINGS),
                 "WINDOW_UPDATE": frame(8, 0, 0, b"\0\0\0\1"), "empty DATA": frame(0, 0, one.id)}[what]
        for _ in range(100):
            one.conn.send(flood * 1000)
        one.write(b"", end=True)
    desk = proxy(conf(), O=h2_origin(handle))
    before = desk.rss_kb()
    with desk.connect(timeout=20) as client:
        client.send(request("GET", "/x"))
        try:
            client.response()
        except (Closed, TimeoutError):
            pass
    if not is_memory_odd():
        assert desk.rss_kb() - before < 30_000


def test_a_server_that_speaks_http1(proxy, origin):
    desk = proxy(conf(), O=origin(script=lambda conn: (conn.take(10), conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))))
    assert desk.get().status == 502


def test_a_server_that_hangs(proxy, strict_origin):
    """504, its stream is cancelled, and the connection is still good for others."""
    resets = []

    def handle(one):
        if one.path == "/short":
            one.wait(lambda: one.reset is not None, 10)
            resets.append(one.reset)
        else:
            echo(one)
    back = strict_origin(handle)
    desk = proxy(conf(), O=back)
    assert desk.get("/short").status == 504
    desk.wait_for(lambda: resets, 20, "a reset")
    assert resets == [CANCEL]
    assert desk.get("/other").json["connection"] == 1


def test_a_client_that_leaves(proxy, strict_origin):
    resets = []
    back = strict_origin(lambda one: (one.wait(lambda: one.reset is not None, 10), resets.append(one.reset)))
    desk = proxy(conf(), O=back)
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/")
        back.wait_requests(1)
        client.send_reset(stream.id)
        desk.wait_for(lambda: resets, 20, "a reset")
    assert resets == [CANCEL]


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_piece_never_looks_whole(proxy, strict_origin, how):
    """F22."""
    def handle(one):
        one.head(200)
        one.write(bytes(30_000))
        time.sleep(0.1)
        one.refuse(INTERNAL_ERROR) if how == "reset" else one.conn.sock.shutdown(2)
    desk = proxy(conf(), O=strict_origin(handle))
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/stream")
        client.wait(lambda: stream.is_over)
        assert stream.reset not in (None, NO_ERROR) and not stream.is_ended
    with desk.connect() as client:
        client.send(request("GET", "/stream"))
        with pytest.raises(Closed):
            client.response()


def test_a_dying_connection_harms_its_streams_only(proxy, strict_origin):
    """All streams of it fail or are said again; the next ones are served by a new connection."""
    def handle(one):
        if one.conn.number == 1:
            if len(back.requests) >= 10:
                one.conn.sock.shutdown(2)
            else:
                one.conn.lock.acquire()
                one.conn.lock.wait(10)
                one.conn.lock.release()
        else:
            echo(one)
    back = strict_origin(handle)
    desk = proxy(conf(), O=back)
    statuses = [answer.status for answer in together(desk, 10)]
    assert set(statuses) <= {200, 502}
    assert desk.get("/after").status == 200


# ---- TLS -----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", label="h2-upstream")


def test_over_tls(proxy, strict_origin, pair):
    back = strict_origin(tls=server_context((pair.certificate, pair.key), alpn=["h2"]))
    desk = proxy(conf(f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {pair.ca}; proxy_ssl_name localhost;"
                      " proxy_ssl_server_name on;", "https"), O=back, workers=1)
    assert [answer.status for answer in together(desk, 20)] == [200] * 20
    assert back.connections <= 2
    assert back.conns[0].tls.alpn == "h2" and back.conns[0].tls.asked_name == "localhost"
    assert back.requests[-1].get(":scheme") == "https"


def test_settings_that_come_with_the_last_of_the_handshake(proxy, origin, pair):
    """With TLS 1.2 the server has the last word in it."""
    context = server_context((pair.certificate, pair.key), alpn=["h2"], version="1.2")

    def script(conn):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)

        def until(act):
            while True:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    conn.send(outgoing.read())
                    incoming.write(conn.sock.recv(65536))
        until(tls.do_handshake)
        tls.write(frame(SETTINGS))
        conn.send(outgoing.read())
        said = b""
        while bytes([HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, 1]) not in said:
            said += until(lambda: tls.read(65536))
        tls.write(frame(SETTINGS, 1) + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x89"))     # :status 204
        conn.send(outgoing.read())
        conn.hang(5)
    assert proxy(conf(scheme="https"), O=origin(script=script)).get().status == 204


def test_a_server_that_chooses_http1(proxy, origin, pair):
    """ALPN decides: HTTP/1.1 it is, then."""
    back = origin(tls=server_context((pair.certificate, pair.key), alpn=["http/1.1"]))
    answer = proxy(conf(scheme="https"), O=back).get()
    assert answer.status == 200 and answer.json["version"] == "HTTP/1.1"


def test_a_server_without_alpn(proxy, origin, pair):
    back = origin(tls=server_context((pair.certificate, pair.key)))
    answer = proxy(conf(scheme="https"), O=back).get()
    assert answer.status == 200 and answer.json["version"] == "HTTP/1.1"


# ---- real servers --------------------------------------------------------------------------------

@pytest.fixture
def nghttpd(tmp_path, pair):
    started = []

    def start(is_tls):
        port = PORTS.get()
        (tmp_path / "big").write_bytes(b"0123456789" * 300_000)
        (tmp_path / "small").write_bytes(b"small")
        words = ["nghttpd", "-d", str(tmp_path), "-a", "127.0.0.1", str(port)]
        words += [pair.key, pair.certificate] if is_tls else ["--no-tls"]
        started.append(subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        Proxy.wait_for(lambda: _accepts(port), 20, "nghttpd")
        return f"127.0.0.1:{port}"
    yield start
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _accepts(port):
    try:
        Client(f"127.0.0.1:{port}").close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("is_tls", [False, True])
def test_nghttpd(proxy, nghttpd, is_tls):
    desk = proxy(conf(scheme="https" if is_tls else "http"), O=nghttpd(is_tls))
    assert desk.get("/small").body == b"small"
    assert desk.get("/big", timeout=20).body == b"0123456789" * 300_000
    assert desk.get("/none").status == 404
    with H2Client(desk.address()) as client:
        streams = [client.open("GET", "/small") for _ in range(50)] + [client.open("GET", "/big") for _ in range(3)]
        assert [len(client.answer(stream, 30).body) for stream in streams] == [5] * 50 + [3_000_000] * 3


NODE_SERVER = """
const http2 = require('http2');
const server = http2.createServer();
server.on('stream', (stream, fields) => {
  let length = 0;
  stream.on('data', (piece) => { length += piece.length; });
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-length': String(length) }));
    stream.end(fields[':method'] + ' ' + fields[':path'] + ' ' + length);
  });
});
server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log('ready'));
"""


def test_node(proxy):
    port = PORTS.get()
    node = subprocess.Popen(["node", "-e", NODE_SERVER, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert node.stdout.readline() == "ready\n"
        desk = proxy(conf(), O=f"127.0.0.1:{port}")
        assert desk.get("/x").text == "GET /x 0"
        for size in (1, 100_000, 900_000):
            assert desk.fetch("POST", "/up", body=bytes(size), timeout=20).text == f"POST /up {size}"
    finally:
        node.kill()
        node.wait()
        node.stdout.close()
