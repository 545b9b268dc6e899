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
    location /stream/ { proxy_pass http://@O@; proxy_http_version 1.1; proxy_request_buffering off; }
}
"""


def answers(back, raw, close=True):
    """The origin answers every request with exactly these bytes, then closes (or hangs)."""
    def script(conn):
        conn.request()
        conn.send(raw)
        if not close:
            conn.hang()
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


@ours
def test_a_malformed_chunk_right_behind_the_head(desk, back):
    """Nothing of the answer is on its way yet, so the client gets one of ours."""
    answers(back, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n")
    assert desk.get().status == 502


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@ours
@pytest.mark.parametrize("fits, too_long", [
    (b"0000000000000005", b"00000000000000005"),
    (b"5;" + b"a" * 16383, b"5;" + b"a" * 16384),
], ids=["digits", "extension"])
def test_chunk_lines_on_both_sides_of_the_limit(desk, back, fits, too_long):
    answers(back, CHUNKED + fits + b"\r\nhello\r\n0\r\n\r\n")
    assert desk.get().body == b"hello"
    answers(back, CHUNKED + too_long + b"\r\nhello\r\n0\r\n\r\n")
    with desk.send_raw(request()) as client:
        try:
            assert client.response().status == 502
        except Closed:
            pass


@pytest.mark.parametrize("size, most", [pytest.param("", 4096, id="default"), pytest.param("proxy_buffer_size 32k; proxy_buffers 8 32k;", 32768, id="32k")])
def test_a_head_on_both_sides_of_proxy_buffer_size(shared_proxy, back, size, most):
    desk = shared_proxy("server { listen @P@; %s location / { proxy_pass http://@O@; } }" % size, O=back)
    for length, status in ((most - 2, 200), (most + 1, 502)):
        answers(back, OK + b"X: " + b"a" * (length - len(OK) - 7) + b"\r\n\r\nok")
        assert desk.get().status == status
    desk.stop()


@pytest.mark.parametrize("raw, how", [
    (b"HTTP/1.1 200 OK\r\n\r\nhello", "reset"),
    (CHUNKED + b"5\r\nhello\r\n", "close"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n", "garbage", marks=ours),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", "hang"),
], ids=["reset", "chunked cut", "bad chunk", "timeout"])
@ours
def test_a_cut_body_is_no_clean_end_for_http_1_0(desk, back, raw, how):
    """Where the end of the connection is the end of the body, a cut one ends with a reset."""
    def script(conn):
        conn.request()
        conn.send(raw)
        time.sleep(0.05)
        if how == "reset":
            conn.reset()
        elif how == "garbage":
            conn.send(b"zz\r\n")
        if how in ("garbage", "hang"):
            conn.hang()
    back.script = script
    with desk.send_raw(request(version="1.0")) as client:
        assert client.take_head().status == 200
        with pytest.raises(ConnectionResetError):
            while client.sock.recv(100):
                pass


def test_a_reset_of_a_body_without_length(desk, back):
    """Half of it came, and no more: chunked without its last chunk."""
    def script(conn):
        conn.request()
        conn.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        time.sleep(0.05)
        conn.reset()
    back.script = script
    with desk.send_raw(request()) as client:
        with pytest.raises(Closed):
            client.response()


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
    assert 1.5 < time.monotonic() - begin < 15


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


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
], ids=["204 sized", "204 chunked", "304 chunked"])
@ours
def test_framing_of_an_answer_without_body_is_dropped(desk, back, raw):
    """And so is the body that was sent all the same; the next answer is the next one's."""
    answers(back, raw, close=False)
    with desk.connect() as client:
        answer = client.ask()
        assert answer.status in (204, 304)
        assert not answer.has("Transfer-Encoding") and not (answer.status == 204 and answer.has("Content-Length"))
        back.reset()
        assert client.ask("GET", "/next").json["target"] == "/next"


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
@pytest.mark.parametrize("status", [100, 102])
def test_interim_answers_on_both_sides_of_the_limit(desk, back, status):
    """Eight for one request; 100 counts too, although it is for us and not passed on."""
    interim = f"HTTP/1.1 {status} Wait\r\n\r\n".encode()
    back.handle = lambda _: interim * 8 + reply(body="final")
    answer = desk.get()
    assert (answer.status, answer.body) == (200, b"final")
    assert [one.status for one in answer.interim] == ([102] * 8 if status == 102 else [])
    back.handle = lambda _: interim * 9 + reply(body="final")
    assert desk.get().status == 502


@ours
def test_what_of_an_interim_answer_is_passed_on(desk, back):
    """102 and unknown ones without what belongs to the origin's connection; 103 not unasked; none to HTTP/1.0."""
    back.handle = lambda _: (b"HTTP/1.1 102 Processing\r\nX: 1\r\nConnection: Y\r\nY: 2\r\nKeep-Alive: 3\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n"
                             b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                             b"HTTP/1.1 150 What\r\nContent-Length: 5\r\n\r\n" + reply(body="final"))
    answer = desk.get()
    assert answer.body == b"final" and not answer.has("Link")
    assert [(one.status, one.fields) for one in answer.interim] == [(102, [("X", "1")]), (150, [])]
    with desk.send_raw(request(version="1.0")) as client:
        answer = client.response()
        assert answer.body == b"final" and answer.interim == []


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
        for _ in range(60):
            conn.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            if conn.hang(0.6):
                return
    back.script = script
    begin = time.monotonic()
    assert desk.get().status in (502, 504)
    assert time.monotonic() - begin < 15


# ---- trailers, early answers ------------------------------------------------------------------------

def test_trailers_of_an_answer_never_become_fields(desk, back):
    back.handle = lambda _: reply(body="x", chunked=True, trailers=[("X-Trailer", "1"), ("Content-Length", "9"), ("Set-Cookie", "a=b")])
    for fields, trailers in (((), []), ({"TE": "trailers", "Connection": "TE"}, [("X-Trailer", "1")])):
        answer = desk.get(fields=fields)
        assert answer.body == b"x" and answer.trailers == trailers
        assert not answer.has("X-Trailer") and not answer.has("Set-Cookie")


def test_an_answer_before_the_body_was_read(desk, back):
    """The origin refuses at the head: its answer reaches the client although the upload runs on."""
    def script(conn):
        conn.request_head()
        conn.send(reply(403, body="no", reason="Forbidden", close=True))
        conn.hang()
    back.script = script
    with desk.send_raw(request("POST", "/direct/", body=b"x" * 100000)) as client:
        assert client.response().status == 403


@ours
@pytest.mark.parametrize("size, keeps", [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_an_unread_body_on_both_sides_of_the_limit(desk, back, size, keeps):
    """What is left of a refused upload is swallowed up to 64 KB; beyond that the connection ends."""
    def script(conn):
        conn.request_head()
        conn.send(reply(403, body="no", reason="Forbidden"))
        conn.hang()
    back.script = script
    with desk.send_raw(request("POST", "/stream/", fields={"Content-Length": str(size)})) as client:
        answer = client.response()
        assert (answer.status, answer.get("Connection")) == (403, "keep-alive" if keeps else "close")
        back.reset()
        client.send(b"G" * size + request("GET", "/next"))
        if keeps:
            assert client.response().json["target"] == "/next"
        else:
            client.expect_closed()
    assert [one.target for one in back.requests] == (["/next"] if keeps else [])


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
