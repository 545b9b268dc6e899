# SPDX-License-Identifier: MIT
"""What HTTP/2 can carry and HTTP/1 cannot is refused (RFC 9113 8): nothing of it comes to the server."""
import pytest

from harness.h2 import H2Client
from harness.h2_wire import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PROTOCOL_ERROR,
                             WITH_PRIORITY, frame)
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
server {
    listen @P@ http2;
    server_name localhost;
    location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; }
}
"""


@pytest.fixture
def client(desk, back):
    back.errors.clear()
    with H2Client(desk.address()) as client:
        yield client
    assert not back.errors, back.errors


def verdict(client, stream):
    """What became of a request: a status, "reset", "goaway" or "closed", with the code."""
    try:
        client.wait(lambda: stream.is_over or client.goaways, what="a verdict")
        if stream.reset is not None:
            return "reset", stream.reset
        if stream.fields:
            return "status", int(stream.get(":status"))
        return "goaway", client.goaways[-1][1]
    except (Closed, ConnectionError):
        return "closed", client.goaways[-1][1] if client.goaways else None


def expect_refusal(client, stream, back, code=None):
    how, what = verdict(client, stream)
    if how == "status":
        assert 400 <= what < 500 or what == 501, f"answered with {what}"
    else:
        assert what != 0, f"{how} without an error"
        assert code is None or what == code, f"{how} with {what}, not {code}"
    if how in ("status", "reset"):
        assert client.ask("GET", "/after").status == 200, "the connection does not go on"
        assert [one.target for one in back.requests] == ["/after"]
    else:
        assert not back.requests


BASE = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/bad")]


def but(*changes, more=()):
    """BASE with other values; None takes one out."""
    changes = dict(changes)
    fields = [(name, changes.get(name, value)) for name, value in BASE]
    return [(name, value) for name, value in fields if value is not None] + list(more)


# nginx 1.22 refuses these, too.
REFUSED = {
    "upper case in a name": but(more=[("X-Upper", "1")]),
    "space in a name": but(more=[("x y", "1")]),
    "CR in a name": but(more=[("x\ry", "1")]),
    "LF in a name": but(more=[("x\ny", "1")]),
    "NUL in a name": but(more=[("x\0y", "1")]),
    "a line in a name": but(more=[("x: 1\r\nsmuggled", "1")]),
    "colon in a name": but(more=[("x:y", "1")]),
    "LF in a value": but(more=[("x", "1\n2")]),
    "CR in a value": but(more=[("x", "1\r2")]),
    "NUL in a value": but(more=[("x", "1\0002")]),
    "a line in a value": but(more=[("x", "1\r\nTransfer-Encoding: chunked")]),
    "a request in a value": but(more=[("x", "1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")]),
    "no :method": but((":method", None)),
    "no :scheme": but((":scheme", None)),
    "no :path": but((":path", None)),
    "empty :path": but((":path", "")),
    "empty :method": but((":method", "")),
    "space in :method": but((":method", "GET /smuggled HTTP/1.1\r\nX: ")),
    "LF in :path": but((":path", "/ HTTP/1.1\r\nX: y")),
    "space in :scheme": but((":scheme", "ht tp")),
    ":scheme with a host": but((":scheme", "http://a/")),
    "two :method": but(more=[(":method", "POST")]),
    "two :path": but(more=[(":path", "/other")]),
    "two :scheme": but(more=[(":scheme", "https")]),
    "unknown pseudo-field": but(more=[(":other", "1")]),
    ":status": but(more=[(":status", "200")]),
    "no host at all": but((":authority", None)),
    "space in :authority": but((":authority", "local host")),
    "LF in :authority": but((":authority", "localhost\r\nX: y")),
    "a path in :authority": but((":authority", "localhost/x")),
    "CONNECT": [(":method", "CONNECT"), (":authority", "localhost:80")],
}

# Older nginx let these through in one way or another.
REFUSED_BY_US = {
    "empty name": but(more=[("", "1")]),
    "tab in a name": but(more=[("x\ty", "1")]),
    "DEL in a name": but(more=[("x\x7fy", "1")]),
    "8 bit in a name": but(more=[("x\xe9", "1")]),
    "parenthesis in a name": but(more=[("x(y)", "1")]),
    "space before a value": but(more=[("x", " 1")]),
    "space behind a value": but(more=[("x", "1 ")]),
    "tab behind a value": but(more=[("x", "1\t")]),
    "lone control character in a value": but(more=[("x", "1\x012")]),
    "connection": but(more=[("connection", "close")]),
    "connection that names a field": but(more=[("connection", "x-secret"), ("x-secret", "1")]),
    "keep-alive": but(more=[("keep-alive", "timeout=5")]),
    "proxy-connection": but(more=[("proxy-connection", "keep-alive")]),
    "transfer-encoding": but(more=[("transfer-encoding", "chunked")]),
    "upgrade": but(more=[("upgrade", "h2c")]),
    "te: gzip": but(more=[("te", "gzip")]),
    "te: trailers, gzip": but(more=[("te", "trailers, gzip")]),
    "space in :path": but((":path", "/a b")),
    "NUL in :path": but((":path", "/a\0b")),
    "DEL in :path": but((":path", "/a\x7fb")),
    "fragment in :path": but((":path", "/a#b")),
    ":path that is no path": but((":path", "bad")),
    ":path in absolute form": but((":path", "http://localhost/bad")),
    ":path above the root": but((":path", "/../../x")),
    "* for GET": but((":path", "*")),
    "pseudo-field behind a field": but((":path", None), more=[("x", "1"), (":path", "/bad")]),
    "two :authority": but(more=[(":authority", "localhost")]),
    "two host": but(more=[("host", "localhost"), ("host", "localhost")]),
    ":authority and another host": but(more=[("host", "evil")]),
    "user in :authority": but((":authority", "user@localhost")),
    "user and password in :authority": but((":authority", "user:pw@localhost")),
    "port that is none in :authority": but((":authority", "localhost:80x")),
    "empty :authority": but((":authority", "")),
    "space in :method only": but((":method", "GE T")),
    ":protocol without CONNECT": but(more=[(":protocol", "websocket")]),
    "CONNECT without path": [(":method", "CONNECT"), (":authority", "localhost"), (":scheme", "http"),
                             (":protocol", "websocket")],
    "CONNECT with a path and no protocol": [(":method", "CONNECT"), *BASE[1:]],
    "TRACE": but((":method", "TRACE")),
    "upper case in a pseudo-field": but((":path", None), more=[(":Path", "/bad")]),
    "a pseudo-field without a name": but(more=[(":", "1")]),
    "an empty pseudo-field": but(more=[(":protocol", "")]),
    "te: empty": but(more=[("te", "")]),
    "te twice, one of them not trailers": but(more=[("te", "trailers"), ("te", "gzip")]),
    "connection: empty": but(more=[("connection", "")]),
    "transfer-encoding: identity": but(more=[("transfer-encoding", "identity")]),
    "another scheme": but((":scheme", "ftp")),
    "empty :scheme": but((":scheme", "")),
    "asterisk with a query": but((":method", "OPTIONS"), (":path", "*?a")),
    ":path of a query alone": but((":path", "?a=b")),
    "fragment alone in :path": but((":path", "#")),
    "space around :path": but((":path", " /bad")),
    "tab in :path": but((":path", "/a\tb")),
    "query in :authority": but((":authority", "localhost?a")),
    "fragment in :authority": but((":authority", "localhost#a")),
    "backslash in :authority": but((":authority", "localhost\\a")),
    "a port too large in :authority": but((":authority", "localhost:65536")),
    "a bracket left open in :authority": but((":authority", "[::1")),
    "user in :authority, none before @": but((":authority", "@localhost")),
    "user in host, and no :authority": but((":authority", None), more=[("host", "user@localhost")]),
    "a path in host, and no :authority": but((":authority", None), more=[("host", "localhost/x")]),
    "two host, and no :authority": but((":authority", None), more=[("host", "localhost"), ("host", "evil")]),
    ":authority and another port in host": but((":authority", "localhost:80"), more=[("host", "localhost:81")]),
    ":authority and an empty host": but(more=[("host", "")]),
    "CONNECT without :authority": [(":method", "CONNECT")],
    "CONNECT with a scheme": [(":method", "CONNECT"), (":scheme", "http"), (":authority", "localhost:80")],
    "CONNECT with a user": [(":method", "CONNECT"), (":authority", "user@localhost:80")],
    "extended CONNECT for what is unknown": [(":method", "CONNECT"), (":protocol", "connect-udp"), *BASE[1:]],
    "extended CONNECT that ends": [(":method", "CONNECT"), (":protocol", "websocket"), *BASE[1:]],
    "extended CONNECT with a length": [(":method", "CONNECT"), (":protocol", "websocket"), *BASE[1:],
                                       ("content-length", "1")],
    "LF in a crumb": but(more=[("cookie", "a=1"), ("cookie", "b=2\nx: y")]),
    "a length for GET without a body": but(more=[("content-length", "5")]),
    "a length for HEAD without a body": but((":method", "HEAD"), more=[("content-length", "5")]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_server_may_take(client, back, name):
    expect_refusal(client, client.open(raw=REFUSED[name]), back)


@ours
@pytest.mark.parametrize("name", REFUSED_BY_US)
def test_what_we_do_not_take_either(client, back, name):
    expect_refusal(client, client.open(raw=REFUSED_BY_US[name]), back)


@ours
@pytest.mark.parametrize("name", [name for name in [*REFUSED, *REFUSED_BY_US] if "CONNECT" not in name])
def test_the_same_with_a_body(client, back, name):
    """Nobody waits for the end of a body to refuse a head, and none of the body is taken for a request."""
    stream = client.open(raw={**REFUSED, **REFUSED_BY_US}[name], end=False)
    client.send_data(stream, b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n", True)
    expect_refusal(client, stream, back)


# ---- lengths -------------------------------------------------------------------------------------

LENGTHS = {
    "more than the length": (["4"], b"12345", True),
    "less than the length": (["6"], b"12345", True),
    "length and no body": (["5"], None, True),
    "length and an empty body": (["5"], b"", True),
    "less, ended by trailers": (["6"], b"12345", False),
    "two lengths": (["5", "5"], b"12345", True),
    "two differing lengths": (["5", "6"], b"12345", True),
    "a list of lengths": (["5, 5"], b"12345", True),
    "plus": (["+5"], b"12345", True),
    "minus": (["-5"], b"12345", True),
    "hexadecimal": (["0x5"], b"12345", True),
    "empty": ([""], b"12345", True),
    "beyond 64 bits": (["18446744073709551621"], b"12345", True),
}


@ours
@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_that_do_not_match(client, back, name):
    """A body in excess or short of content-length never looks whole to the server (9113 8.1.1)."""
    lengths, body, ends = LENGTHS[name]
    stream = client.open("POST", "/bad", [("content-length", value) for value in lengths], end=body is None)
    if body is not None:
        client.send_data(stream, body, ends)
    if not ends:
        client.send_headers(stream.id, [("x-trailer", "1")], True)
    expect_refusal(client, stream, back)


@pytest.mark.parametrize("fields, body, length", [
    ([("content-length", "5")], b"12345", 5), ([], b"12345", 5), ([("content-length", "0")], b"", 0), ([], b"", 0),
    ([("content-length", "0")], None, 0)])
def test_lengths_that_match(client, back, fields, body, length):
    stream = client.open("POST", "/good", fields, end=body is None)
    if body is not None:
        client.send_data(stream, body, True)
    assert client.answer(stream).json["length"] == length
    assert back.last.framing in ("length", "chunked", "none")


def test_a_body_in_many_frames(client, back):
    stream = client.open("POST", "/good", end=False)
    for byte in b"0123456789":
        client.send_data(stream, bytes([byte]))
    client.send(frame(DATA, END_STREAM | PADDED, stream.id, b"\x05abc" + bytes(5)))
    client.answer(stream)
    assert back.last.body == b"0123456789abc"


# ---- trailers ------------------------------------------------------------------------------------

BAD_TRAILERS = {
    "pseudo-field": [(":path", "/other")], "upper case": [("X-T", "1")], "a line": [("x", "1\r\ny: 2")],
    "connection": [("connection", "close")], "transfer-encoding": [("transfer-encoding", "chunked")],
    "space in a name": [("a b", "1")], "NUL": [("x", "\0")],
}


@ours
@pytest.mark.parametrize("name", BAD_TRAILERS)
def test_trailers_that_cannot_be(client, back, name):
    stream = client.open("POST", "/bad", end=False)
    client.send_data(stream, b"body")
    client.send_headers(stream.id, BAD_TRAILERS[name], True)
    expect_refusal(client, stream, back)


@ours
def test_trailers_must_end_the_stream(client, back):
    stream = client.open("POST", "/bad", end=False)
    client.send_data(stream, b"body")
    client.send_headers(stream.id, [("x-t", "1")], False)
    expect_refusal(client, stream, back, PROTOCOL_ERROR)


@ours
@pytest.mark.parametrize("name", ["content-length", "host", "authorization", "cookie", "te", "x-forwarded-for"])
def test_trailers_never_become_fields(client, back, name):
    stream = client.open("POST", "/ok", end=False)
    client.send_data(stream, b"body")
    client.send_headers(stream.id, [(name, "1234")], True)
    how, what = verdict(client, stream)
    for one in back.requests:
        assert "1234" not in [value for _, value in one.fields]
        assert one.body == b"body" and not one.trailers
    assert how == "reset" or what in (200, 400)


# ---- what is right -------------------------------------------------------------------------------

ACCEPTED = {
    "te: trailers": but(more=[("te", "trailers")]),
    "host and no :authority": but((":authority", None), more=[("host", "localhost")]),
    "host with a port": but((":authority", "localhost:8080")),
    "an empty value": but(more=[("x-empty", "")]),
    "8 bit in a value": but(more=[("x", "caf\xe9")]),
    "tab in a value": but(more=[("x", "a\tb")]),
    "a query": but((":path", "/bad?a=b&c=/?d")),
    "another method": but((":method", "PATCH")),
    "a colon in a value": but(more=[("x", "a: b")]),
    "an unknown priority": but(more=[("priority", "u=9, nonsense")]),
    "scheme in upper case": but((":scheme", "HTTP")),
    "another scheme than the connection's": but((":scheme", "https")),
    "two slashes at the start": but((":path", "//bad")),
    "a length of nothing": but(more=[("content-length", "0")]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_right(client, back, name):
    answer = client.answer(client.open(raw=ACCEPTED[name]))
    assert answer.status == 200
    assert back.last.has("Host")
    assert not back.last.has("TE")


@ours
def test_an_equal_host(client, back):
    assert client.answer(client.open(raw=but(more=[("host", "localhost")]))).status == 200
    assert back.last.get("Host")


def test_cookies_are_one_again(client, back):
    client.ask("GET", "/", [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3; d=4")])
    assert back.last.all("Cookie") == ["a=1; b=2; c=3; d=4"]


@ours
@pytest.mark.parametrize("crumbs, whole", [
    (["a=1", "", "b=2"], "a=1; b=2"), (["", ""], None), ([""], ""), (["a=1; ", "b"], "refused"), (["a=1;", "b"], "a=1;; b")])
def test_crumbs_that_are_nothing(client, back, crumbs, whole):
    """None of them leaves a separator at an end; a space at an end is malformed (8.2.1)."""
    stream = client.open("GET", "/", [("cookie", one) for one in crumbs])
    if whole == "refused":
        assert verdict(client, stream) == ("reset", PROTOCOL_ERROR)
        return
    assert client.answer(stream).status == 200
    assert back.last.all("Cookie") == ([] if whole is None else [whole])


def test_many_crumbs_of_cookies_are_joined_quickly(client, back):
    client.ask("GET", "/", [("cookie", f"c{i}=1") for i in range(90)])
    assert back.last.get("Cookie") == "; ".join(f"c{i}=1" for i in range(90))


def test_a_head_in_pieces(client, back):
    """HEADERS with padding and priority, a block over three frames, one of them empty."""
    block = client.encoder.encode([(n.encode(), v.encode()) for n, v in client.head(fields=[("x-long", "v" * 3000)])])
    stream = client.new_stream()
    stream.method = "GET"
    client.send(frame(HEADERS, END_STREAM | PADDED | WITH_PRIORITY, 1, b"\x03" + bytes(4) + b"\x10" + block[:7] + bytes(3)))
    client.send(frame(CONTINUATION, 0, 1, block[7:7]))
    client.send(frame(CONTINUATION, 0, 1, block[7:1000]))
    client.send(frame(CONTINUATION, END_HEADERS, 1, block[1000:]))
    assert client.answer(stream).status == 200
    assert back.last.get("x-long") == "v" * 3000


def test_a_head_byte_by_byte(client, back):
    data = client.headers_frame(1, client.head(path="/slow"), True)
    stream = client.new_stream()
    stream.method = "GET"
    for i in range(len(data)):
        client.send(data[i:i + 1])
    assert client.answer(stream).json["target"] == "/slow"


def test_the_compression_state_is_kept(client, back):
    """The same fields again are few bytes: indexed in the table that both sides keep."""
    fields = [("x-some-field", "some value that is long enough"), ("user-agent", "tests")]
    sizes = []
    for i in range(3):
        stream = client.new_stream()
        stream.method = "GET"
        data = client.headers_frame(stream.id, client.head(path="/same", fields=fields), True)
        sizes.append(len(data))
        client.send(data)
        assert client.answer(stream).status == 200
        assert back.last.get("x-some-field") == fields[0][1]
    assert sizes[1] < sizes[0] / 3


@ours
def test_a_shrinking_table(client, back):
    """The proxy may not index what we said we would not remember."""
    from harness.h2_wire import HEADER_TABLE_SIZE
    client.decoder.max_allowed_table_size = 0
    client.send_settings({HEADER_TABLE_SIZE: 0})
    client.wait(lambda: client.acknowledged == 2)
    client.decoder.header_table_size = 0
    for _ in range(3):
        assert client.ask("GET", "/").status == 200
