# SPDX-License-Identifier: MIT
"""HTTP/2 towards clients: what HTTP/1 clients get, they get."""
import hashlib
import threading
import time

import pytest

from harness.client import Client, request
from harness.h2 import H2Client
from harness.h2_wire import CANCEL, INTERNAL_ERROR, MAX_CONCURRENT_STREAMS, NO_ERROR, REFUSED_STREAM
from harness.origin import reply
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
log_format h2 "$request|$server_protocol|$http2|$status|$body_bytes_sent|$request_method|$scheme|$host";
proxy_cache_path @DIR@/store keys_zone=z:1m;
server {
    listen @P@ http2;
    server_name localhost a.test;
    access_log logs/h2.log h2;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    error_page 404 /missing.html;
    location / { proxy_pass http://@O@; }
    location /stream { proxy_pass http://@O@; proxy_request_buffering off; proxy_buffering off; client_max_body_size 0; }
    location /small { client_max_body_size 1000; proxy_pass http://@O@; }
    location /stored { proxy_cache z; proxy_cache_valid 1m; add_header X-Cache $upstream_cache_status; proxy_pass http://@O@; }
    location /slow { limit_rate 20k; proxy_pass http://@O@; }
    location /says { add_header X-Proto "$server_protocol $http2 $scheme $request_method $request_uri"; return 200 said; }
    location /to { return 301 /there; }
    location /gone { return 404; }
    location /short { proxy_read_timeout 400ms; proxy_pass http://@O@; }
    location = /missing.html { return 200 "sorry"; }
    location /refused { return 444; }
    location /nowhere { proxy_pass http://127.0.0.1:1; }
}
server { listen @P@ http2; server_name b.test; location / { return 200 "this is b"; } }
"""


@pytest.fixture
def client(desk, back):
    with H2Client(desk.address()) as client:
        yield client


def test_a_request(client, back):
    answer = client.ask("GET", "/path?a=b", {"x-mine": "1"}, authority="a.test")
    assert answer.status == 200
    assert answer.json["target"] == "/path?a=b"
    assert back.last.version == "HTTP/1.1"
    assert back.last.get("x-mine") == "1"
    assert not back.last.has("content-length") and not back.last.has("transfer-encoding")
    assert all(name == name.lower() for name, _ in answer.fields)


@pytest.mark.parametrize("size", [0, 1, 16384, 65535, 65536, 300000])
@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("path", ["/", "/stream"])
def test_bodies_to_the_server(client, back, size, has_length, path):
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    answer = client.ask("POST", path, {"content-length": str(size)} if has_length else {}, body=body)
    assert answer.json["length"] == size
    assert answer.json["sha"] == hashlib.sha256(body).hexdigest()
    if has_length and size:
        assert back.last.get("Content-Length") == str(size)


@pytest.mark.parametrize("size", [1, 8192, 16385, 65536, 1_000_000, 5_000_000])
@pytest.mark.parametrize("chunked", [True, False])
def test_bodies_to_the_client(client, back, size, chunked):
    body = hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1)
    back.handle = lambda one: reply(body=body[:size], chunked=chunked)
    answer = client.ask("GET", "/")
    assert answer.body == body[:size]
    assert not answer.has("transfer-encoding")
    assert chunked or answer.get("content-length") == str(size)


def test_a_body_that_ends_with_the_connection(client, back):
    back.handle = lambda one: reply(body=b"to the end", length=False)
    answer = client.ask("GET", "/")
    assert answer.body == b"to the end" and not answer.has("connection")


def test_connection_fields_of_the_server_stay_there(client, back):
    back.handle = lambda one: reply(fields={"Keep-Alive": "timeout=5", "Connection": "keep-alive, X-Hop", "X-Hop": "1",
                                            "X-Kept": "Yes"}, body=b"x")
    answer = client.ask("GET", "/")
    assert answer.get("x-kept") == "Yes"
    for name in ("keep-alive", "connection", "proxy-connection", "upgrade"):
        assert not answer.has(name)


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)])
def test_answers_without_a_body(client, back, method, status):
    def handle(one):
        if method == "HEAD":
            return f"HTTP/1.1 {status} X\r\nContent-Length: 1234\r\n\r\n".encode()
        return reply(status, {"ETag": '"x"'})
    back.handle = handle
    stream = client.open(method, "/")
    answer = client.answer(stream)
    assert (answer.status, answer.body) == (status, b"")
    if method == "HEAD" and status == 200:
        assert answer.get("content-length") == "1234"
    assert not [size for number, size in client.data_order if number == stream.id and size]


def test_several_values_stay_several(client, back):
    back.handle = lambda one: reply(fields=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Link", "<a>"), ("Link", "<b>")])
    answer = client.ask("GET", "/")
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert ", ".join(answer.all("link")) == "<a>, <b>"


def test_variables_and_the_log(client, desk):
    before = len(desk.read("logs/h2.log").splitlines())
    answer = client.ask("GET", "/says?q=1", authority="a.test")
    assert answer.get("x-proto") == "HTTP/2.0 h2c http GET /says?q=1"
    line = desk.log_line(before, lambda text: "/says" in text, "logs/h2.log")
    assert line == "GET /says?q=1 HTTP/2.0|HTTP/2.0|h2c|200|4|GET|http|a.test"


def test_a_server_is_found_by_its_name(client):
    assert client.ask("GET", "/", authority="b.test").body == b"this is b"
    assert client.ask("GET", "/", authority="b.test:8443").body == b"this is b"
    assert client.ask("GET", "/says", authority="a.test").body == b"said"
    assert client.ask("GET", "/", [("host", "b.test")], authority=None).body == b"this is b"


def test_redirects(client):
    answer = client.ask("GET", "/to", authority="a.test")
    assert answer.status == 301 and answer.get("location").startswith("http://a.test")


def test_error_pages(client):
    answer = client.ask("GET", "/gone")
    assert (answer.status, answer.body) == (404, b"sorry")


def test_no_server(client):
    assert client.ask("GET", "/nowhere").status == 502
    assert client.ask("GET", "/says").status == 200


def test_a_server_that_says_nothing(client, back):
    back.handle = lambda one: time.sleep(1.5)
    assert client.ask("GET", "/short").status == 504


def test_a_server_that_closes(client, back):
    back.handle = lambda one: None
    assert client.ask("GET", "/").status == 502


@ours
@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_a_server_that_makes_no_sense(client, back, answer):
    back.handle = lambda one: answer
    assert client.ask("GET", "/").status == 502


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"])
def test_a_piece_never_looks_whole(client, back, framing):
    """F22: the server dies in a download: RST_STREAM, and the others go on."""
    back.handle = lambda one: lambda conn: (conn.send(b"HTTP/1.1 200 OK\r\n" + framing + bytes(5000)), conn.close())
    stream = client.open("GET", "/stream/torn")
    client.wait(lambda: stream.is_over)
    assert not stream.is_ended and stream.reset not in (None, NO_ERROR)
    assert client.ask("GET", "/says").status == 200


def test_444_is_a_reset(client):
    stream = client.open("GET", "/refused")
    try:
        client.wait(lambda: stream.is_over)
        assert stream.fields is None
    except Closed:
        pass


# ---- several at once -----------------------------------------------------------------------------

def test_a_hundred_streams_at_once(client, back):
    streams = [client.open("POST", f"/n/{i}", end=False) for i in range(100)]
    for stream in streams:
        client.send_data(stream, b"%d" % stream.id, True)
    for i, stream in enumerate(streams):
        answer = client.answer(stream)
        assert answer.json["target"] == f"/n/{i}"
        assert answer.json["sha"] == hashlib.sha256(b"%d" % stream.id).hexdigest()


def test_answers_come_as_they_are_ready(client, back):
    last = threading.Event()

    def handle(one):
        if one.target == "/waits":
            assert last.wait(10)
        return reply(body=one.target)
    back.handle = handle
    first, second = client.open("GET", "/waits"), client.open("GET", "/quick")
    assert client.answer(second).text == "/quick"
    assert not first.is_over
    last.set()
    assert client.answer(first).text == "/waits"


def test_many_streams_on_one_connection(client):
    for i in range(0, 900, 30):
        for stream in [client.open("GET", "/says") for _ in range(30)]:
            assert client.answer(stream).status == 200


@pytest.mark.parametrize("most", [1, 5])
def test_no_more_streams_than_were_allowed(proxy, origin, most):
    go = threading.Event()
    back = origin(handle=lambda one: (go.wait(10), reply(body=b"x"))[1])
    desk = proxy("server { listen @P@ http2; http2_max_concurrent_streams %d; location / { proxy_pass http://@O@; } }"
                 % most, O=back)
    with H2Client(desk.address()) as client:
        client.settled()
        assert client.peer_settings[MAX_CONCURRENT_STREAMS] == most
        streams = [client.open("GET", "/") for _ in range(most + 2)]
        client.wait(lambda: all(stream.is_over for stream in streams[most:]))
        assert [stream.reset for stream in streams[most:]] == [REFUSED_STREAM] * 2
        go.set()
        assert [client.answer(stream).status for stream in streams[:most]] == [200] * most
        assert client.ask("GET", "/").status == 200
        assert len(back.requests) == most + 1


# ---- limits --------------------------------------------------------------------------------------

def test_a_body_that_is_too_large_by_its_length(client, back):
    stream = client.open("POST", "/small", {"content-length": "1001"}, end=False)
    client.wait(lambda: stream.fields is not None)
    assert stream.get(":status") == "413"
    assert client.ask("POST", "/small", {"content-length": "1000"}, body=bytes(1000)).json["length"] == 1000
    assert len(back.requests) == 1


@pytest.mark.parametrize("size", [1001, 200_000])
def test_a_body_that_is_too_large_as_it_comes(client, back, size):
    stream = client.open("POST", "/small", end=False)
    client.write(stream, bytes(size))
    client.wait(lambda: stream.fields is not None)
    assert stream.get(":status") == "413"
    assert client.ask("POST", "/small", body=bytes(1000)).json["length"] == 1000
    assert len(back.requests) == 1


@pytest.mark.parametrize("fields", [[("x", "v" * 40000)], [(f"x{i}", "v" * 4000) for i in range(12)]])
def test_a_head_that_is_too_large(client, back, fields):
    stream = client.new_stream()
    stream.method = "GET"
    block = client.encoder.encode([(n.encode(), v.encode()) for n, v in client.head(fields=fields)], huffman=False)
    for at in range(0, len(block), 16384):
        last = at + 16384 >= len(block)
        client.send_frame(1 if at == 0 else 9, (4 if last else 0) | (1 if at == 0 else 0), stream.id, block[at:at + 16384])
    try:
        client.wait(lambda: stream.is_over or client.goaways)
        assert stream.reset or client.goaways or stream.get(":status") in ("400", "431", "494")
    except (Closed, ConnectionError):
        pass
    assert not back.requests


def test_a_head_that_is_just_small_enough(client, back):
    answer = client.ask("GET", "/", [(f"x{i}", "v" * 3000) for i in range(8)])
    assert answer.status == 200 and back.last.get("x7") == "v" * 3000


@ours
@pytest.mark.parametrize("count, is_taken", [(40, True), (60, False)])
def test_too_many_fields(proxy, origin, count, is_taken):
    back = origin()
    desk = proxy("server { listen @P@ http2; max_headers 50; location / { proxy_pass http://@O@; } }", O=back)
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/", [(f"x{i}", "1") for i in range(count)])
        client.wait(lambda: stream.is_over)
        assert (stream.get(":status") == "200") == is_taken
        assert is_taken or stream.reset or stream.get(":status") in ("400", "431", "494")
    assert len(back.requests) == is_taken


def test_limit_rate(client, back):
    back.handle = lambda one: reply(body=bytes(60000))
    start = time.monotonic()
    stream = client.open("GET", "/slow")
    assert client.ask("GET", "/says").status == 200 and not stream.is_over
    assert len(client.answer(stream).body) == 60000
    assert time.monotonic() - start > 1.5


# ---- the cache -----------------------------------------------------------------------------------

def test_what_is_stored_is_for_every_version(client, desk, back):
    back.handle = lambda one: reply(body=b"0123456789" * 1000, fields={"Cache-Control": "max-age=60", "ETag": '"e"', "Accept-Ranges": "bytes"})
    assert client.ask("GET", "/stored/x").get("x-cache") == "MISS"
    answer = client.ask("GET", "/stored/x")
    assert answer.get("x-cache") == "HIT" and answer.body == b"0123456789" * 1000
    part = client.ask("GET", "/stored/x", {"range": "bytes=5-14"})
    assert (part.status, part.body, part.get("content-range")) == (206, b"5678901234", "bytes 5-14/10000")
    assert client.ask("GET", "/stored/x", {"if-none-match": '"e"'}).status == 304
    assert client.ask("HEAD", "/stored/x").get("content-length") == "10000"
    assert len(back.requests) == 1


# ---- leaving -------------------------------------------------------------------------------------

def test_a_client_that_changes_its_mind(client, back):
    """RST_STREAM ends the server's side; the connection goes on."""
    gone = threading.Event()

    def script(conn):
        conn.request()
        if conn.hang():
            gone.set()
    back.script = script
    stream = client.open("GET", "/stream/hang")
    back.wait_requests(1)
    client.send_reset(stream.id, CANCEL)
    assert gone.wait(5)
    assert client.ask("GET", "/says").status == 200


def test_a_client_that_goes_in_its_upload(client, back):
    stream = client.open("POST", "/", {"content-length": "100000"}, end=False)
    client.send_data(stream, bytes(1000))
    client.send_reset(stream.id, INTERNAL_ERROR)
    assert client.ask("GET", "/says").status == 200
    assert not back.requests


# ---- HTTP/1 on the same port ---------------------------------------------------------------------

@ours
def test_both_versions_on_one_port(desk):
    with Client(desk.address()) as client:
        assert client.ask("GET", "/says").get("X-Proto") == "HTTP/1.1  http GET /says"
        assert client.ask("GET", "/says", {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings",
                                           "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"}).status == 200


@ours
def test_http2_on(proxy):
    """The directive instead of the parameter; and without either the preface is no request."""
    desk = proxy("""server { listen @P@; http2 on; location / { return 200 "$server_protocol"; } }
                    server { listen @Q@; location / { return 200 "$server_protocol"; } }""")
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/").body == b"HTTP/2.0"
    with desk.connect() as client:
        assert client.ask("GET", "/").body == b"HTTP/1.1"
    with desk.connect("Q") as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + request("GET", "/"))
        assert b"HTTP/1.1 200" not in client.rest()


# ---- trailers, interim answers -------------------------------------------------------------------

@ours
def test_added_trailers(proxy):
    desk = proxy('server { listen @P@ http2; location / { add_trailer X-End "done $status"; return 200 body; } }')
    with H2Client(desk.address()) as client:
        answer = client.ask("GET", "/")
        assert (answer.body, answer.trailers) == (b"body", [("x-end", "done 200")])


@ours
def test_interim_answers_pass(client, back):
    back.handle = lambda one: b"HTTP/1.1 102 Processing\r\nX-Step: 1\r\n\r\n" * 2 + reply(body=b"x")
    answer = client.ask("GET", "/stream")
    assert answer.status == 200
    assert [(one.status, one.get("x-step")) for one in answer.interim] == [(102, "1")] * 2


def test_expect_continue(client):
    stream = client.open("POST", "/", {"expect": "100-continue", "content-length": "4"}, end=False)
    client.send_data(stream, b"body", True)
    answer = client.answer(stream)
    assert answer.status == 200 and answer.json["length"] == 4


@ours
def test_expect_continue_is_answered_before_the_body(client):
    stream = client.open("POST", "/", {"expect": "100-continue", "content-length": "4"}, end=False)
    client.wait(lambda: stream.interim or stream.is_over)
    assert stream.interim[0][0] == (":status", "100")
    client.send_data(stream, b"body", True)
    assert client.answer(stream).json["length"] == 4
