# SPDX-License-Identifier: MIT
"""Origins that answer malformed, conflicting, oversized or cut: 502 to the client, or a cut
connection where an answer is on its way already; never something that looks complete
(hostile-input.md 2.5)."""
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
server {
    listen @P@;
    location / {
        proxy_pass http://@O@;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_read_timeout 2s;
    }
    location /one/ { proxy_pass http://@O@; proxy_http_version 1.0; }
    location /direct/ { proxy_pass http://@O@; proxy_http_version 1.1; proxy_buffering off; }
}
"""


@pytest.fixture(scope="module")
def back(shared_origin):
    return shared_origin()


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    return shared_proxy(CONF, O=back)


@pytest.fixture(autouse=True)
def clean(back):
    back.reset()


def answers(back, raw, close=True):
    """The origin answers every request with exactly these bytes, then closes (or hangs)."""
    def script(conn):
        conn.request()
        conn.send(raw)
        if not close:
            conn.hang(5)
    back.script = script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


@pytest.mark.parametrize("raw", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", id="head cut"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="field cut"),
    pytest.param(b"garbage\r\n\r\n", id="garbage", marks=ours),
    pytest.param(b"<html>hello</html>", id="HTTP/0.9", marks=ours),
    pytest.param(b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", id="empty line first", marks=ours),
    pytest.param(b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/2.0", marks=ours),
    pytest.param(b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok", id="ICY", marks=ours),
    pytest.param(b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", id="099", marks=ours),
    pytest.param(b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", id="20", marks=ours),
    pytest.param(b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", id="2000", marks=ours),
    pytest.param(b"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok", id="no code", marks=ours),
    pytest.param(b"HTTP/1.1\t200\tOK\r\nContent-Length: 2\r\n\r\nok", id="tabs", marks=ours),
    pytest.param(b"HTTP/1.1 200 O\x00K\r\nContent-Length: 2\r\n\r\nok", id="NUL in reason", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", id="bare LF", marks=ours),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", id="CL and TE", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", id="two lengths", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", id="length x", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", id="length -2", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", id="length +2", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", id="length huge", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", id="coding gzip", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nok", id="chunked not last", marks=ours),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked twice", marks=ours),
    pytest.param(OK + b"X\x00: y\r\n\r\nok", id="NUL in name"),
    pytest.param(OK + b"X: a\x00b\r\n\r\nok", id="NUL in value"),
    pytest.param(OK + b"X: a\rb\r\n\r\nok", id="CR in value"),
    pytest.param(OK + b"X : y\r\n\r\nok", id="space before colon"),
    pytest.param(OK + b"X Y\r\n\r\nok", id="no colon"),
    pytest.param(OK + b": y\r\n\r\nok", id="no name"),
    pytest.param(OK + b"X: " + b"a" * 60000 + b"\r\n\r\nok", id="oversize field"),
    pytest.param(OK + b"".join(b"X%d: aaaaaaaaaaaa\r\n" % i for i in range(5000)) + b"\r\nok", id="oversize head"),
    pytest.param(b"HTTP/1.1 200 " + b"a" * 60000 + b"\r\n\r\n", id="oversize reason"),
    pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101 unasked", marks=ours),
])
def test_a_bad_head_is_502(desk, back, raw):
    answers(back, raw)
    with desk.send_raw(request()) as client:
        answer = client.response()
        assert answer.status == 502
        assert b"ok" not in answer.body.split(b"nginx")[0][:2]
    back.reset()
    assert desk.get().status == 200


def test_reset_instead_of_an_answer_is_502(desk, back):
    def script(conn):
        conn.request()
        conn.reset()
    back.script = script
    assert desk.get().status == 502


def test_the_client_can_go_on_after_502(desk, back):
    answers(back, b"")
    with desk.connect() as client:
        assert client.ask().status == 502
        back.reset()
        assert client.ask("GET", "/next").json["target"] == "/next"


@ours
def test_obs_fold_becomes_a_space(desk, back):
    answers(back, OK + b"X: a\r\n  b\r\n\r\nok")
    answer = desk.get()
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.get("X").split() == ["a", "b"]


def test_equal_lengths_twice_are_502_or_one(desk, back):
    answers(back, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")
    answer = desk.get()
    assert answer.status == 502 or answer.body == b"ok"


# ---- bodies -----------------------------------------------------------------------------------------

def cut(desk, back, raw, target="/", version="1.1"):
    """The client's connection ends without the answer being complete."""
    answers(back, raw)
    with desk.send_raw(request("GET", target, version=version)) as client:
        with pytest.raises(Closed):
            client.response()
            if version == "1.0":
                raise Closed        # an end is all that 1.0 without a length can have


@pytest.mark.parametrize("target", ["/", "/direct/"])
def test_a_body_cut_short_of_its_length(desk, back, target):
    cut(desk, back, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", target)


@pytest.mark.parametrize("target", ["/", "/direct/"])
@pytest.mark.parametrize("rest", [
    b"5\r\nhello\r\n", b"5\r\nhel", b"5\r\nhello\r\n0\r\n", b"5", b"", b"5\r\nhello\r\n0\r\nX: y\r\n",
], ids=ascii)
def test_a_chunked_body_cut_short(desk, back, rest, target):
    cut(desk, back, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest, target)


@pytest.mark.parametrize("rest", [
    b"z\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"-1\r\n", b"fffffffffffffffff\r\n",
    pytest.param(b"5\nhello\r\n0\r\n\r\n", marks=ours),
    pytest.param(b"5 5\r\nhello\r\n0\r\n\r\n", marks=ours),
    pytest.param(b"5\r\nhello\r\n0\r\nbad\r\n\r\n", marks=ours),
], ids=ascii)
def test_a_malformed_chunk(desk, back, rest):
    """Whether anything was sent or not: 502 or a cut, never an end that looks clean."""
    answers(back, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n" + rest)
    with desk.send_raw(request()) as client:
        try:
            assert client.response().status == 502
        except Closed:
            pass


def test_a_reset_in_the_middle_of_a_body(desk, back):
    def script(conn):
        conn.request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000)
        time.sleep(0.05)
        conn.reset()
    back.script = script
    with desk.send_raw(request()) as client:
        with pytest.raises(Closed):
            client.response()


def test_a_hang_in_the_middle_of_a_body(desk, back):
    """proxy_read_timeout between two reads: the client is cut, not kept waiting."""
    answers(back, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", close=False)
    begin = time.monotonic()
    with desk.send_raw(request()) as client:
        with pytest.raises(Closed):
            client.response()
    assert 1.5 < time.monotonic() - begin < 4


def test_a_body_that_ends_with_the_connection(desk, back):
    answers(back, b"HTTP/1.1 200 OK\r\n\r\nhello")
    answer = desk.get()
    assert answer.body == b"hello"
    assert answer.framing == "chunked"


def test_a_close_delimited_body_for_an_http_1_0_client(desk, back):
    answers(back, b"HTTP/1.0 200 OK\r\n\r\nhello")
    with desk.send_raw(request(version="1.0")) as client:
        answer = client.response()
        assert (answer.body, answer.framing) == (b"hello", "close")
        assert not answer.has("Transfer-Encoding")


def test_chunked_answer_to_an_http_1_0_client(desk, back):
    back.handle = lambda _: reply(body=b"hello", chunked=True)
    with desk.send_raw(request(version="1.0")) as client:
        answer = client.response()
        assert answer.body == b"hello"
        assert not answer.has("Transfer-Encoding")


@pytest.mark.parametrize("raw", [
    OK + b"\r\nokSURPLUS",
    OK + b"\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
], ids=["bytes", "answer", "chunked", "204", "304"])
def test_surplus_bytes_never_become_an_answer(shared_proxy, back, raw):
    """The queue is not poisoned: the connection is not used again."""
    keep = shared_proxy("""
        upstream u { server @O@; keepalive 4; }
        server { listen @P@; location / { proxy_pass http://u; proxy_http_version 1.1;
                 proxy_set_header Connection ""; } }""", O=back)
    answers(back, raw, close=False)
    with keep.connect() as client:
        client.send(request())
        assert b"poison" not in client.response().body
        back.reset()
        for i in range(3):
            assert client.ask("GET", f"/{i}").json["target"] == f"/{i}"
    keep.stop()


def test_a_pooled_connection_that_speaks_unasked(shared_proxy, back):
    """An early 408 of an idle connection is no answer to the next request."""
    keep = shared_proxy("""
        upstream u { server @O@; keepalive 4; }
        server { listen @P@; location / { proxy_pass http://u; proxy_http_version 1.1;
                 proxy_set_header Connection ""; } }""", O=back)

    def script(conn):
        conn.request()
        conn.send(reply(body="first"))
        time.sleep(0.02)
        conn.send(reply(408, body="late", reason="Request Timeout"))
        conn.hang(5)
    back.script = script
    assert keep.get().body == b"first"
    time.sleep(0.1)
    back.reset()
    assert keep.get("/second").json["target"] == "/second"
    keep.stop()


# ---- what has no body -------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(desk, back, status):
    back.handle = lambda _: reply(status, fields={"X-Mine": "1"}, reason="Quiet")
    with desk.connect() as client:
        answer = client.ask()
        assert (answer.status, answer.body, answer.get("X-Mine")) == (status, b"", "1")
        assert not answer.has("Transfer-Encoding")
        back.handle = None
        assert client.ask("GET", "/n").json["target"] == "/n"


def test_head_keeps_the_length_and_has_no_body(desk, back):
    back.handle = lambda r: (b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n" if r.method == "HEAD"
                             else reply(body="full"))
    with desk.connect() as client:
        answer = client.ask("HEAD")
        assert answer.get("Content-Length") == "12345"
        assert client.ask().body == b"full"


def test_head_answered_with_chunked(desk, back):
    back.handle = lambda r: (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             if r.method == "HEAD" else reply(body="full"))
    with desk.connect() as client:
        assert client.ask("HEAD").status == 200
        assert client.ask().body == b"full"


# ---- 1xx --------------------------------------------------------------------------------------------

@ours
def test_interim_answers_do_not_end_the_exchange(desk, back):
    back.handle = lambda _: (b"HTTP/1.1 102 Processing\r\nX: 1\r\n\r\n"
                             b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply(body="final"))
    answer = desk.get()
    assert (answer.status, answer.body) == (200, b"final")


@ours
def test_a_flood_of_interim_answers_is_502(desk, back):
    back.handle = lambda _: b"HTTP/1.1 102 Processing\r\n\r\n" * 50 + reply(body="final")
    assert desk.get().status == 502


@ours
def test_an_endless_flood_of_interim_answers_is_502(desk, back):
    def script(conn):
        conn.request()
        for _ in range(10000):
            conn.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    back.script = script
    assert desk.get().status == 502


@ours
def test_interim_answers_do_not_stretch_the_deadline(desk, back):
    def script(conn):
        conn.request()
        for _ in range(7):
            conn.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            if conn.hang(0.6):
                return
    back.script = script
    begin = time.monotonic()
    assert desk.get(timeout=10).status in (502, 504)
    assert time.monotonic() - begin < 4


# ---- trailers, early answers ------------------------------------------------------------------------

def test_trailers_of_an_answer_never_become_fields(desk, back):
    back.handle = lambda _: reply(body="x", chunked=True, trailers=[("X-Trailer", "1"), ("Content-Length", "9"), ("Set-Cookie", "a=b")])
    answer = desk.get()
    assert answer.body == b"x"
    assert not answer.has("X-Trailer") and not answer.has("Set-Cookie")
    assert not [n for n, _ in answer.trailers if n.lower() == "content-length"]


def test_an_answer_before_the_body_was_read(desk, back):
    """The origin refuses at the head: its answer reaches the client although the upload runs on."""
    def script(conn):
        conn.request_head()
        conn.send(reply(403, body="no", reason="Forbidden", close=True))
        conn.hang(2)
    back.script = script
    with desk.send_raw(request("POST", "/direct/", body=b"x" * 100000)) as client:
        assert client.response().status == 403


def test_a_slow_origin_sends_byte_by_byte(desk, back):
    def script(conn):
        conn.request()
        for byte in OK + b"X-Slow: 1\r\n\r\nok":
            conn.send(bytes([byte]))
    back.script = script
    answer = desk.get()
    assert (answer.body, answer.get("X-Slow")) == (b"ok", "1")


@pytest.mark.parametrize("fields, sent", [
    ({"X-Pad": "1"}, None), ({"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}, "own"), ({"Server": "mine"}, "own"),
    ({"X-Accel-Expires": "1"}, None), ({"X-Accel-Redirect": ""}, None)], ids=ascii)
def test_fields_hidden_by_default(desk, back, fields, sent):
    back.handle = lambda _: reply(fields=fields, body="x")
    answer = desk.get()
    name, value = next(iter(fields.items()))
    if sent is None:
        assert not answer.has(name)
    else:
        assert answer.get(name) not in (None, value)
