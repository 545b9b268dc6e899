# SPDX-License-Identifier: MIT
"""Requests that must be refused before a byte of them reaches an origin, and their neighbours on
the right side of the limit (RFC 9110, RFC 9112; hostile-input.md 2.1)."""
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import is_nginx

ours = pytest.mark.ours

CONF = """
server {
    listen @P@;
    server_name a.example b.example;
    large_client_header_buffers 4 8k;
    location / {
        proxy_pass http://@O@;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
    }
    location /small/ { client_max_body_size 10; proxy_pass http://@O@; }
    location /small/direct/ { client_max_body_size 10; proxy_request_buffering off; proxy_pass http://@O@; }
}
"""


def refused(desk, back, raw, status, may_go_on=False):
    """It is answered with the status, the connection ends, and the origin heard nothing of it.
    may_go_on: where the end of the request is beyond doubt, the connection may be kept."""
    before = back.bytes
    with desk.send_raw(raw) as client:
        answer = client.response()
        assert answer.status == status
        if not may_go_on or answer.get("Connection") == "close":
            assert answer.get("Connection") == "close"
            client.expect_closed()
    assert back.bytes == before, "bytes reached the origin"
    return answer


def accepted(desk, back, raw, method="GET"):
    """It goes through, and the connection can be used again."""
    with desk.send_raw(raw) as client:
        answer = client.response(method)
        assert answer.status == 200, answer
        if method != "HEAD":
            client.send(request("GET", "/again", host="a.example"))
            assert client.response().json["target"] == "/again"
    return answer


def head(*lines, line="POST / HTTP/1.1", host="Host: a.example"):
    lines = [line] + ([host] if host else []) + list(lines)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


# ---- Content-Length and Transfer-Encoding -----------------------------------------------------------

@pytest.mark.parametrize("fields", [
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 0", "Transfer-Encoding: chunked"],
    ["content-length: 5", "TRANSFER-ENCODING: chunked"],
], ids=["cl-te", "te-cl", "zero", "case"])
def test_both_framings(desk, back, fields):
    refused(desk, back, head(*fields) + b"0\r\n\r\n", 400)


@pytest.mark.parametrize("value", [
    "+5", "-5", "0x5", "5,5", "5, 6", "", " ", "5 5", "5a", "a", "5;", "5.0", "\"5\"",
    "18446744073709551616", "9223372036854775808", "99999999999999999999999", "5\xa0", "\x0b5",
    "1_0",
], ids=ascii)
def test_malformed_length(desk, back, value):
    refused(desk, back, head(f"Content-Length: {value}") + b"hello", 400)


@pytest.mark.parametrize("fields", [
    ["Content-Length: 5", "Content-Length: 6"],
    ["Content-Length: 6", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: 5", "content-length: 05"],
], ids=["5-6", "6-5", "5-5", "case"])
def test_repeated_length(desk, back, fields):
    refused(desk, back, head(*fields) + b"hello!", 400)


@pytest.mark.parametrize("value", ["5", "05", "0000000000005", " 5", "5 ",
                                   pytest.param("\t5\t", marks=ours)], ids=ascii)
def test_lengths_that_are_fine(desk, back, value):
    answer = accepted(desk, back, head(f"Content-Length: {value}") + b"hello")
    assert answer.json["length"] == 5


@pytest.mark.parametrize("value, status", [
    ("chunked, chunked", 400), ("chunked, identity", 400), ("chunked; a=b", 400),
    ("\"chunked\"", 400), ("chunked chunked", 400), ("", 400),
    ("xchunked", 501), ("gzip", 501), ("gzip, chunked", 501), ("identity", 501), ("chunke", 501),
    ("deflate, chunked", 501), ("\x0bchunked", 400), ("chunked\xa0", 400), ("ch\x00unked", 400),
], ids=ascii)
def test_transfer_codings(desk, back, value, status):
    """Anything but a single final chunked. Which of 400 and 501 is a matter of taste for names that
    are no tokens; that it is one of them is not."""
    before = back.bytes
    with desk.send_raw(head(f"Transfer-Encoding: {value}") + b"0\r\n\r\n") as client:
        answer = client.response()
        assert answer.status in ((status,) if status == 501 else (400, 501))
        client.expect_closed()
    assert back.bytes == before


def test_transfer_encoding_twice(desk, back):
    before = back.bytes
    with desk.send_raw(head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")
                       + b"0\r\n\r\n") as client:
        assert client.response().status in (400, 501)
        client.expect_closed()
    assert back.bytes == before


def test_transfer_encoding_in_http_1_0(desk, back):
    before = back.bytes
    with desk.send_raw(head("Transfer-Encoding: chunked", line="POST / HTTP/1.0")
                       + b"0\r\n\r\n") as client:
        assert client.response().status in (400, 501)
        client.expect_closed()
    assert back.bytes == before


@pytest.mark.parametrize("value", ["chunked", "Chunked", "CHUNKED", " chunked ",
                                   *(pytest.param(v, marks=ours) for v in (
                                       "\t chunked\t", ",chunked", "chunked,", ", ,\tChunked ,,",
                                       "\r\nTransfer-Encoding: chunked"))], ids=ascii)
def test_chunked_in_any_case(desk, back, value):
    """Alone, whatever its case and the white space around it; empty members of a list are nothing."""
    answer = accepted(desk, back, head(f"Transfer-Encoding: {value}") + b"5\r\nhello\r\n0\r\n\r\n")
    assert answer.json["length"] == 5


# ---- chunks -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("body", [
    b"z\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhelloX\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    pytest.param(b"5 5\r\nhello\r\n0\r\n\r\n", marks=ours),
    pytest.param(b"5\nhello\r\n0\r\n\r\n", marks=ours),
    pytest.param(b"5\r\nhello\n0\r\n\r\n", marks=ours),
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    pytest.param(b"5;a\x00b\r\nhello\r\n0\r\n\r\n", marks=ours),
    pytest.param(b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", marks=ours),
    pytest.param(b"5\r\nhello\r\n0\r\nT : x\r\n\r\n", marks=ours),
    pytest.param(b"5\r\nhello\r\n0\r\nT: x\n\r\n", marks=ours),
], ids=ascii)
def test_bad_chunks(desk, back, body):
    with desk.send_raw(head("Transfer-Encoding: chunked") + body) as client:
        answer = client.response()
        assert answer.status == 400
        client.expect_closed()
    assert back.requests == [], "the origin took it for a whole request"


@ours
def test_chunk_extensions_without_end(desk, back):
    with desk.send_raw(head("Transfer-Encoding: chunked") + b"5;" + b"a" * 20000) as client:
        assert client.response().status == 400
    assert back.requests == []


def extended(sizes):
    """A chunked body of one byte per chunk, with extensions of so many bytes, their CR included."""
    return b"".join(b"1;" + b"a" * (size - 1) + b"\r\nx\r\n" for size in sizes) + b"0\r\n\r\n"


@ours
@pytest.mark.parametrize("fits, too_long", [([16384], [16385]), ([1024] * 16, [1024] * 16 + [2])],
                         ids=["one chunk", "many chunks"])
def test_chunk_extensions_on_both_sides_of_the_limit(desk, back, fits, too_long):
    """16 KB in a whole body: none of it is of use to anybody."""
    answer = accepted(desk, back, head("Transfer-Encoding: chunked") + extended(fits))
    assert answer.json["length"] == len(fits)
    back.reset()
    with desk.send_raw(head("Transfer-Encoding: chunked") + extended(too_long)) as client:
        assert client.response().status == 400
        client.expect_closed()
    assert back.requests == []


@ours
def test_digits_of_a_chunk_size_on_both_sides_of_the_limit(desk, back):
    accepted(desk, back, head("Transfer-Encoding: chunked") + b"0000000000000005\r\nhello\r\n0\r\n\r\n")
    back.reset()
    for size in (b"00000000000000005", b"8000000000000000", b"ffffffffffffffff"):
        with desk.send_raw(head("Transfer-Encoding: chunked") + size + b"\r\nhello\r\n0\r\n\r\n") as client:
            assert client.response().status == 400
            client.expect_closed()
    assert back.requests == []


@ours
def test_trailers_on_both_sides_of_the_limit(desk, back):
    """As large as a head may be, and no larger."""
    def body(count):
        return (head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n"
                + b"".join(b"T%d: %s\r\n" % (i, b"a" * 8000) for i in range(count)) + b"\r\n")
    assert accepted(desk, back, body(4)).json["length"] == 5
    back.reset()
    with desk.send_raw(body(5)) as client:
        assert client.response().status == 431
        client.expect_closed()
    assert back.requests == []


@pytest.mark.parametrize("body", [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"00005\r\nhello\r\n000\r\n\r\n",
    b"5;a=b;c\r\nhello\r\n0;d\r\n\r\n",
    b"5;a=\"b c\"\r\nhello\r\n0\r\n\r\n",
    b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX-Trailer: a\r\nX-Other: b\r\n\r\n",
], ids=ascii)
def test_chunks_that_are_fine(desk, back, body):
    answer = accepted(desk, back, head("Transfer-Encoding: chunked") + body)
    assert answer.json["length"] == 5


def test_trailers_never_become_fields(desk, back):
    accepted(desk, back, head("Transfer-Encoding: chunked", "Trailer: X-Smuggled")
             + b"5\r\nhello\r\n0\r\nX-Smuggled: 1\r\nContent-Length: 99\r\nHost: evil\r\n\r\n")
    seen = back.requests[0]
    assert not seen.has("X-Smuggled")
    assert seen.get("Host") == "a.example"
    assert not [n for n, _ in seen.trailers if n.lower() in ("content-length", "host")]


def test_trailers_end_here(desk, back):
    """The rule: read, checked and dropped, whoever says that he would take them."""
    accepted(desk, back, head("Transfer-Encoding: chunked", "TE: trailers", "Connection: TE", "Trailer: X-T")
             + b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
    assert back.requests[0].trailers == [] and not back.requests[0].has("X-T")


def test_one_byte_at_a_time(desk, back):
    raw = head("Transfer-Encoding: chunked") + b"5;x\r\nhello\r\na\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
    with desk.connect() as client:
        for i in range(len(raw)):
            client.send(raw[i:i + 1])
        assert client.response().json["length"] == 15


# ---- lines and fields -------------------------------------------------------------------------------

@pytest.mark.parametrize("raw", [
    pytest.param(b"GET / HTTP/1.1\nHost: a.example\n\n", id="bare LF", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n", id="bare LF in fields", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\rb\r\n\r\n", id="bare CR in value"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\r\n\r\n", id="CR CR LF", marks=ours),
    pytest.param(b"GET /\r HTTP/1.1\r\nHost: a.example\r\n\r\n", id="bare CR in line"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n b\r\n\r\n", id="obs-fold"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n\tb\r\n\r\n", id="obs-fold tab"),
    pytest.param(b"GET / HTTP/1.1\r\n X: a\r\nHost: a.example\r\n\r\n", id="fold of the line"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX : a\r\n\r\n", id="space before colon"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX\t: a\r\n\r\n", id="tab before colon"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\n: a\r\n\r\n", id="no name"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nXY\r\n\r\n", id="no colon", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX(Y): a\r\n\r\n", id="no token", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX\x80: a\r\n\r\n", id="high byte in name", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX\x01: a\r\n\r\n", id="control in name"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX\x00: a\r\n\r\n", id="NUL in name"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\x00b\r\n\r\n", id="NUL in value"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\x01b\r\n\r\n", id="control in value", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\x0bb\r\n\r\n", id="VT in value", marks=ours),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a.example\r\nX: a\x7fb\r\n\r\n", id="DEL in value", marks=ours),
    pytest.param(b"GET /a\x00b HTTP/1.1\r\nHost: a.example\r\n\r\n", id="NUL in target"),
    pytest.param(b"GET /a\x01b HTTP/1.1\r\nHost: a.example\r\n\r\n", id="control in target"),
    pytest.param(b"GET /a\x7fb HTTP/1.1\r\nHost: a.example\r\n\r\n", id="DEL in target"),
    pytest.param(b"GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n", id="space in target"),
    pytest.param(b"GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n", id="two spaces", marks=ours),
    pytest.param(b"GET /  HTTP/1.1\r\nHost: a.example\r\n\r\n", id="two spaces behind", marks=ours),
    pytest.param(b"GET / HTTP/1.1 \r\nHost: a.example\r\n\r\n", id="space at the end", marks=ours),
    pytest.param(b"GET\t/ HTTP/1.1\r\nHost: a.example\r\n\r\n", id="tab"),
    pytest.param(b" GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", id="space first"),
    pytest.param(b"GET / http/1.1\r\nHost: a.example\r\n\r\n", id="small http"),
    pytest.param(b"GET / HTTP/1\r\nHost: a.example\r\n\r\n", id="HTTP/1"),
    pytest.param(b"GET / HTTP/1.\r\nHost: a.example\r\n\r\n", id="HTTP/1."),
    pytest.param(b"GET / HTTP/01.1\r\nHost: a.example\r\n\r\n", id="HTTP/01.1"),
    pytest.param(b"GET / XTTP/1.1\r\nHost: a.example\r\n\r\n", id="XTTP"),
    pytest.param(b"GET /\r\nHost: a.example\r\n\r\n", id="HTTP/0.9 with fields", marks=ours),
    pytest.param(b"GE(T / HTTP/1.1\r\nHost: a.example\r\n\r\n", id="bad method"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS hello"),
])
def test_malformed_heads(desk, back, raw):
    refused(desk, back, raw, 400)


@ours
def test_no_http_0_9(desk, back):
    before = back.bytes
    with desk.send_raw(b"GET /\r\n\r\n") as client:
        data = client.rest()
    assert data == b"" or data.startswith(b"HTTP/1.1 400")
    assert back.bytes == before


@pytest.mark.parametrize("version, status", [
    ("2.0", 505), ("3.0", 505), ("9.9", 505),
    pytest.param("1.2", 505, marks=ours), pytest.param("1.10", 505, marks=ours), ("0.9", 505),
    ("1.1", 200), ("1.0", 200)])
def test_versions(desk, back, version, status):
    before = back.bytes
    with desk.send_raw(head(line=f"GET / HTTP/{version}")) as client:
        answer = client.response()
        if status == 505 and version[0] in "01":
            assert answer.status in (400, 505)
        else:
            assert answer.status == status
        if status == 505:
            client.expect_closed()
    if status != 200:
        assert back.bytes == before


def test_http_2_with_prior_knowledge(desk, back):
    """Its preface on a port that speaks HTTP/1."""
    before = back.bytes
    with desk.send_raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0") as client:
        assert client.response().status in ((505,) if not is_nginx() else (400, 405, 505))
        client.expect_closed()
    assert back.bytes == before


def test_values_that_are_fine(desk, back):
    raw = (b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Tab: a\tb\r\nX-High: \xe4\xff\r\n"
           b"X-Empty:\r\nX-Spaces:   v   \r\nX-Same: 1\r\nX-Same: 2\r\n\r\n")
    answer = accepted(desk, back, raw)
    fields = [tuple(pair) for pair in answer.json["fields"]]
    assert ("X-Tab", "a\tb") in fields
    assert ("X-High", "\xe4\xff") in fields
    assert ("X-Spaces", "v") in fields
    assert ("X-Empty", "") in fields
    assert [v for n, v in fields if n == "X-Same"] == ["1", "2"]


def test_names_that_nginx_calls_invalid_are_dropped(desk, back):
    """Tokens by RFC 9110, but not of letters, digits and hyphens: ignore_invalid_headers is on."""
    answer = accepted(desk, back, b"GET / HTTP/1.1\r\nHost: a.example\r\nX.Y!: v\r\nX_Z: w\r\nX: u\r\n\r\n")
    names = [n for n, _ in answer.json["fields"]]
    assert "X" in names and "X.Y!" not in names and "X_Z" not in names


def test_ignore_invalid_headers_and_underscores(shared_proxy, back):
    odd = shared_proxy("""server { listen @P@; ignore_invalid_headers off; underscores_in_headers on;
                           location / { proxy_pass http://@O@; } }""", O=back)
    seen = odd.get(fields={"X.Y!": "v", "X_Z": "w"}).json["fields"]
    assert ["X.Y!", "v"] in seen and ["X_Z", "w"] in seen


def test_empty_lines_before_a_request(desk, back):
    accepted(desk, back, b"\r\n\r\n" + head(line="GET / HTTP/1.1"))


@ours
def test_empty_lines_on_both_sides_of_the_limit(desk, back):
    """Four before a request are a fault of its sender, five a flood; on a used connection as well."""
    get = head(line="GET / HTTP/1.1")
    accepted(desk, back, b"\r\n" * 4 + get)
    for first in (b"", get):
        back.reset()
        with desk.send_raw(first + b"\r\n" * 5 + get) as client:
            if first:
                assert client.response().status == 200
            client.expect_closed()
        assert len(back.requests) == len(first[:1])
    with desk.send_raw((get + b"\r\n" * 4) * 3) as client:
        assert [client.response().status for _ in range(3)] == [200] * 3


@ours
def test_too_many_empty_lines(desk, back):
    before = back.bytes
    with desk.send_raw(b"\r\n" * 4000) as client:
        data = client.rest()
    assert data == b"" or data.startswith(b"HTTP/1.1 400 ")
    assert back.bytes == before


def test_the_refused_request_ends_the_pipeline(desk, back):
    """What follows a refused request is never taken for another one."""
    with desk.send_raw(head("Content-Length: 5", "Transfer-Encoding: chunked")
                       + b"0\r\n\r\n" + head(line="GET /second HTTP/1.1")) as client:
        assert client.response().status == 400
        client.expect_closed()
    assert back.requests == []


def test_a_bad_request_behind_good_ones(desk, back):
    """The good ones are answered first, in order."""
    good = request("GET", "/1", host="a.example") + request("POST", "/2", host="a.example", body=b"abc")
    with desk.send_raw(good + b"BAD\x00\r\n\r\n" + good) as client:
        assert client.response().json["target"] == "/1"
        assert client.response().json["target"] == "/2"
        assert client.response().status == 400
        client.expect_closed()
    assert len(back.requests) == 2


def test_answers_keep_the_order_of_requests(desk, back):
    """A slow first one is not overtaken by quick ones behind it."""
    back.handle = lambda r: (time.sleep(0.2 if r.target == "/0" else 0), reply(body=r.target))[1]
    with desk.send_raw(b"".join(request("GET", f"/{i}", host="a.example") for i in range(4))) as client:
        assert [client.response().text for _ in range(4)] == ["/0", "/1", "/2", "/3"]


# ---- Host and target --------------------------------------------------------------------------------

@pytest.mark.parametrize("host", [
    pytest.param(None, id="missing"),
    pytest.param("Host:", id="empty in 1.1"),
    pytest.param("Host: a.example\r\nHost: a.example", id="twice"),
    pytest.param("Host: a.example\r\nHost: b.example", id="two"),
    pytest.param("Host: a.example\r\nhost: b.example", id="two in any case"),
    pytest.param("Host: a/b", id="slash"),
    pytest.param("Host: a b", id="space"),
    pytest.param("Host: a?b", id="question", marks=ours),
    pytest.param("Host: a#b", id="hash", marks=ours),
    pytest.param("Host: u@a", id="userinfo", marks=ours),
    pytest.param("Host: a\\b", id="backslash", marks=ours),
    pytest.param("Host: [zz]", id="bad v6", marks=ours),
    pytest.param("Host: [::1", id="open v6", marks=ours),
    pytest.param("Host: a:99999", id="port", marks=ours),
    pytest.param("Host: a:65536", id="port too large", marks=ours),
    pytest.param("Host: a:000080", id="port of six digits", marks=ours),
    pytest.param("Host: a:-1", id="negative port", marks=ours),
    pytest.param("Host: a\x80", id="high byte", marks=ours),
    pytest.param("Host: :80", id="port alone", marks=ours),
    pytest.param("Host: a:b", id="port is no number", marks=ours),
    pytest.param("Host: a:1:2", id="two ports", marks=ours),
    pytest.param("Host: a%zz", id="percent", marks=ours),
    pytest.param("Host: a<b", id="angle", marks=ours),
    pytest.param("Host: a\"b", id="quote", marks=ours),
])
def test_bad_host(desk, back, host):
    refused(desk, back, head(line="GET / HTTP/1.1", host=host), 400)


@pytest.mark.parametrize("host", ["a.example", "A.EXAMPLE", "a.example:80", "a.example:", "a.example.",
                                  "127.0.0.1", "[::1]", "[::1]:8080", "x_y.z-1", "a.example:65535", "a.example:0"])
def test_good_host(desk, back, host):
    assert accepted(desk, back, head(line="GET / HTTP/1.1", host=f"Host: {host}"))
    assert back.requests[0].get("Host") == host


def test_http_1_0_needs_no_host(desk, back):
    with desk.send_raw(b"GET /x HTTP/1.0\r\n\r\n") as client:
        assert client.response().status == 200


@pytest.mark.parametrize("target", [
    pytest.param("/a#b", marks=ours), pytest.param("/#", marks=ours),
    "a", "?a", "//../..", "/../a", "/a/../../b", "/%00", "/a%0", "/a%zz", "/%",
    "http://", "http:///a",
    "http://u@a.example/", "http://a b/",
    "http://a.example:x/",
    "*", "",
], ids=ascii)
def test_bad_targets(desk, back, target):
    refused(desk, back, head(line=f"GET {target} HTTP/1.1"), 400, may_go_on=True)


@pytest.mark.parametrize("target, seen", [
    ("/", "/"), ("/a?b#c".replace("#", "%23"), "/a?b%23c"), ("/a?", "/a?"), ("/?%zz", "/?%zz"),
    ("/a;b=c,d:e@f!$&'()*+~", "/a;b=c,d:e@f!$&'()*+~"), ("/%41%2f", "/%41%2f"),
    ("/a?/../..", "/a?/../.."), ("/\xe4", "/\xe4"),
], ids=ascii)
def test_good_targets(desk, back, target, seen):
    assert accepted(desk, back, head(line=f"GET {target} HTTP/1.1")).json["target"] == seen


@pytest.mark.parametrize("target", ["http://b.example/x?y", "HTTP://b.example/x?y", "http://b.example:80/x?y"])
def test_absolute_form(desk, back, target):
    answer = accepted(desk, back, head(line=f"GET {target} HTTP/1.1"))
    assert answer.json["target"] == "/x?y"


@ours
def test_the_authority_replaces_host(desk, back):
    """RFC 9112 3.2.2; Host must still be there, and be one."""
    accepted(desk, back, head(line="GET http://b.example/x HTTP/1.1"))
    assert back.requests[0].get("Host") == "b.example"


def test_absolute_form_without_path(desk, back):
    assert accepted(desk, back, head(line="GET http://b.example HTTP/1.1")).json["target"] in ("/", "")


@ours
@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_connect_and_trace(desk, back, method):
    target = "a.example:443" if method == "CONNECT" else "/"
    before = back.bytes
    with desk.send_raw(head(line=f"{method} {target} HTTP/1.1")) as client:
        assert client.response().status == 405
    assert back.bytes == before


@ours
def test_what_follows_connect_is_no_request(desk, back):
    """An eager client sends into the tunnel before it has been refused."""
    before = back.bytes
    with desk.send_raw(head(line="CONNECT a.example:443 HTTP/1.1") + head(line="GET /in-tunnel HTTP/1.1")) as client:
        answer = client.response()
        assert (answer.status, answer.get("Connection")) == (405, "close")
        client.expect_closed()
    assert back.bytes == before


@ours
def test_options_of_the_server_itself(desk, back):
    accepted(desk, back, head(line="OPTIONS * HTTP/1.1"))
    assert (back.requests[0].method, back.requests[0].target) == ("OPTIONS", "*")


# ---- sizes ------------------------------------------------------------------------------------------

def test_request_line_on_both_sides_of_the_limit(desk, back):
    """8 KB, nginx's with the line's end."""
    fits = 8192 - (2 if is_nginx() else 0) - len("GET / HTTP/1.1")
    assert accepted(desk, back, head(line=f"GET /{'a' * fits} HTTP/1.1"))
    refused(desk, back, head(line=f"GET /{'a' * (fits + 1)} HTTP/1.1"), 414)


def test_an_endless_request_line(desk, back):
    before = back.bytes
    with desk.connect() as client:
        try:
            client.send(b"GET /" + b"a" * 200000)
        except ConnectionError:
            pass
        assert client.take_head().status == 414
    assert back.bytes == before


@ours
def test_a_field_on_both_sides_of_the_limit(desk, back):
    assert accepted(desk, back, head(f"X: {'a' * (8192 - 3)}", line="GET / HTTP/1.1"))
    refused(desk, back, head(f"X: {'a' * (8192 - 2)}", line="GET / HTTP/1.1"), 431)


@ours
def test_a_head_on_both_sides_of_the_limit(desk, back):
    def sized(size):
        rest = head(*[f"X{i}: {'a' * 7000}" for i in range(4)], "Y: ", line="GET / HTTP/1.1")
        return rest[:-4] + b"a" * (size - len(rest)) + rest[-4:]
    assert accepted(desk, back, sized(32768))
    refused(desk, back, sized(32769), 431)


@ours
@pytest.mark.parametrize("most", [1000, 128])
def test_the_number_of_fields_on_both_sides_of_the_limit(shared_proxy, back, most):
    """1000 is nginx's default of max_headers; 128 is plenty."""
    directive = "" if most == 1000 else f"max_headers {most};"
    strict = shared_proxy("server { listen @P@; %s location / { proxy_pass http://@O@; } }" % directive, O=back)
    assert accepted(strict, back, head(*[f"X{i}: a" for i in range(most - 1)], line="GET / HTTP/1.1"))
    refused(strict, back, head(*[f"X{i}: a" for i in range(most)], line="GET / HTTP/1.1"), 431)
    strict.stop()


def test_sizes_of_header_buffers(shared_proxy, back):
    """large_client_header_buffers of the server's own."""
    desk = shared_proxy("""server { listen @P@; client_header_buffer_size 256; large_client_header_buffers 2 1k;
                           location / { proxy_pass http://@O@; } }""", O=back)
    assert desk.get("/" + "a" * 900).status == 200
    assert desk.get("/" + "a" * 1100).status == 414
    assert desk.get("/", fields={"X": "a" * 900}).status == 200
    assert desk.get("/", fields={"X": "a" * 1100}).status in (400, 431)
    assert desk.get("/", fields={"X": "a" * 800, "Y": "a" * 800, "Z": "a" * 800}).status in (400, 431)
    desk.stop()


def test_the_body_limit_can_be_switched_off(shared_proxy, back):
    desk = shared_proxy("""server { listen @P@; client_max_body_size 0; location / { proxy_pass http://@O@; } }""", O=back)
    assert desk.fetch("POST", "/", body=b"x" * 3_000_000).json["length"] == 3_000_000
    desk.stop()


@pytest.mark.parametrize("chunked", [False, True])
def test_client_max_body_size(desk, back, chunked):
    with desk.connect() as client:
        assert client.ask("POST", "/small/", host="a.example", body=b"x" * 10,
                          chunked=chunked).json["length"] == 10
    with desk.send_raw(request("POST", "/small/", host="a.example", body=b"x" * 11,
                               chunked=chunked)) as client:
        answer = client.response()
        assert answer.status == 413
        if answer.get("Connection") == "close":
            client.expect_closed()
        else:                           # drained to its end: then the next one is in step
            assert client.ask("GET", "/", host="a.example").status == 200
            assert len(back.requests) == 2
            return
    assert len(back.requests) == 1


@pytest.mark.parametrize("target", ["/small/", pytest.param("/small/direct/", marks=ours)])
def test_a_chunked_body_crosses_the_limit_in_the_middle(desk, back, target):
    """It was fine up to its last piece: the origin still never sees a whole request."""
    with desk.send_raw(request("POST", target, host="a.example", fields={"Transfer-Encoding": "chunked"})) as client:
        for _ in range(10):
            client.send(b"1\r\nx\r\n")
            time.sleep(0.005)
        assert client.is_silent(0.1)
        client.send(b"1\r\nx\r\n")
        assert client.response().status == 413
        client.expect_closed()
    assert back.requests == []


def test_the_default_body_limit_is_1m(desk, back):
    with desk.connect() as client:
        assert client.ask("POST", "/", host="a.example", body=b"x" * 1048576).status == 200
    with desk.send_raw(head("Content-Length: 1048577")) as client:
        assert client.response().status == 413
    assert len(back.requests) == 1


def test_a_refused_body_is_not_read_for_ever(desk, back):
    """413 at the head; what the client still sends is drained within bounds or the connection ends."""
    with desk.send_raw(head("Content-Length: 100000000")) as client:
        assert client.response().status == 413
        sent = 0
        try:
            while sent < 100_000_000:
                client.send(b"x" * 1_000_000)
                sent += 1_000_000
                if client.ended:
                    break
        except OSError:
            pass
    assert back.requests == []


@pytest.mark.parametrize("size", [50_000, 5_000_000])
def test_a_late_reader_still_sees_the_413(desk, back, size):
    """Who sends his whole body first and reads then: no reset destroys the answer."""
    with desk.send_raw(head(f"Content-Length: {size}", line="POST /small/ HTTP/1.1")) as client:
        client.send(b"x" * size)
        time.sleep(0.3)
        answer = client.response()
        assert (answer.status, answer.get("Connection")) == (413, "close")
        client.expect_closed()
    assert back.requests == []
