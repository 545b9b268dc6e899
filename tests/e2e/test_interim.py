# SPDX-License-Identifier: MIT
"""1xx over all four combinations of versions: what passes, what is ours to answer, what never goes out
(RFC 9110 15.2, RFC 8297, `early_hints`)."""
import socket

import pytest

from harness.client import request
from harness.h2 import H2Client
from harness.h2_origin import H2Origin
from harness.h2_wire import DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, frame
from harness.origin import reply

pytestmark = pytest.mark.ours

CONF = """
proxy_http_version @VERSION@;
proxy_cache_path @DIR@/store keys_zone=z:1m;
map $http_sec_fetch_mode $wants_hints { navigate 1; other 0; }
upstream two { server @O@ max_fails=0; server @SPARE@ backup; }
server {
    listen @P@ http2;
    location / { proxy_pass http://@O@; }
    location /on { early_hints 1; proxy_pass http://@O@; }
    location /on/off { early_hints ""; proxy_pass http://@O@; }
    location /asked { early_hints $wants_hints; proxy_pass http://@O@; }
    location /either { early_hints 0 "" $arg_x; early_hints $arg_y; proxy_pass http://@O@; }
    location /bare { early_hints 1; proxy_hide_header X-Secret; proxy_pass_header Server; proxy_pass http://@O@; }
    location /stored { early_hints 1; proxy_cache z; proxy_cache_valid 1m; proxy_pass http://@O@; }
    location /sliced { early_hints 1; proxy_cache z; proxy_cache_valid any 1m; slice 1k; proxy_cache_key $uri$slice_range;
        proxy_set_header Range $slice_range; proxy_pass http://@O@; }
    location /again { early_hints 1; proxy_next_upstream http_500; proxy_pass http://two; }
    location /page { early_hints 1; proxy_intercept_errors on; error_page 500 /sorry; proxy_pass http://@O@; }
    location /small { early_hints 1; proxy_buffer_size 1k; proxy_pass http://@O@; }
    location /sorry { return 200 sorry; }
    location /stream { early_hints 1; proxy_request_buffering off; proxy_pass http://@O@; }
}
server {
    listen @Q@ http2;
    early_hints 1;
    location / { proxy_pass http://@O@; }
    location /off { early_hints 0; proxy_pass http://@O@; }
}
"""
HINT = (103, [("link", "</a.css>; rel=preload")])
LINK = "</a.css>; rel=preload"


class H1Back:
    """What the tests say of an origin, in HTTP/1.1."""

    def __init__(self, shared_origin):
        self.origin = shared_origin()
        self.address = self.origin.address

    def reset(self):
        self.origin.reset()
        self.origin.handle = lambda _: reply(body="final")

    def says(self, *interim, **final):
        heads = b"".join(f"HTTP/1.1 {status} Some\r\n".encode() + b"".join(f"{n}: {v}\r\n".encode() for n, v in fields)
                         + b"\r\n" for status, fields in interim)
        final.setdefault("body", "final")
        self.origin.handle = lambda _: heads + reply(**final)

    def dies_after(self, *interim):
        self.says(*interim)
        heads = self.origin.handle(None).partition(b"HTTP/1.1 200")[0]

        def script(conn):
            conn.request()
            conn.send(heads)
        self.origin.script = script

    @property
    def count(self):
        return len(self.origin.requests)

    @property
    def last(self):
        return self.origin.last


class H2Back:
    """The same in HTTP/2."""

    def __init__(self):
        self.origin = H2Origin()
        self.address = self.origin.address

    def reset(self):
        self.origin.handle_early = False
        self.says()

    def says(self, *interim, status=200, fields=(), body="final"):
        def handle(stream):
            for one in interim:
                stream.head(*one)
            stream.reply(status, fields, body)
        self.origin.handle = handle

    def dies_after(self, *interim):
        def handle(stream):
            for one in interim:
                stream.head(*one)
            stream.conn.sock.shutdown(2)
        self.origin.handle = handle

    @property
    def count(self):
        return len(self.origin.requests)

    @property
    def last(self):
        return self.origin.requests[-1]


@pytest.fixture(scope="module", params=["1.1", "2"], ids=["from h1", "from h2"])
def version(request):
    return request.param


@pytest.fixture(scope="module")
def world(version, shared_origin, shared_proxy):
    back = H1Back(shared_origin) if version == "1.1" else H2Back()
    spare = H1Back(shared_origin) if version == "1.1" else H2Back()
    yield shared_proxy(CONF, O=back, SPARE=spare, VERSION=version), back, spare
    for one in (back, spare):
        if version == "2":
            one.origin.stop()
            assert not one.origin.errors, one.origin.errors


@pytest.fixture
def back(world):
    world[1].reset()
    world[2].reset()
    return world[1]


@pytest.fixture
def desk(world, back):
    return world[0]


@pytest.fixture(params=["h1", "h2"], ids=["to h1", "to h2"])
def ask(request, desk):
    def asking(path="/on", fields=None, name="P", **more):
        if request.param == "h1":
            return desk.fetch(more.pop("method", "GET"), path, fields=fields or {}, to=name, **more)
        with H2Client(desk.address(name)) as client:
            return client.ask(more.pop("method", "GET"), path, fields or {}, **more)
    return asking


def hints(answer):
    return [one.all("link") for one in answer.interim if one.status == 103]


# ---- early_hints ---------------------------------------------------------------------------------

@pytest.mark.parametrize("path, name, fields, passes", [
    ("/", "P", {}, False), ("/on", "P", {}, True), ("/on/off", "P", {}, False),
    ("/", "Q", {}, True), ("/off", "Q", {}, False),
    ("/asked", "P", {"sec-fetch-mode": "navigate"}, True), ("/asked", "P", {"sec-fetch-mode": "other"}, False),
    ("/asked", "P", {}, False),
    ("/either", "P", {}, False), ("/either?x=0", "P", {}, False), ("/either?x=00", "P", {}, True),
    ("/either?y=1", "P", {}, True), ("/either?x=&y=no", "P", {}, True),
])
def test_when_hints_pass(ask, back, path, name, fields, passes):
    back.says(HINT, fields={"link": LINK})
    answer = ask(path, fields, name)
    assert (answer.status, answer.body, answer.all("link")) == (200, b"final", [LINK])
    assert hints(answer) == ([[LINK]] if passes else [])


def test_what_of_a_hint_passes(ask, back):
    """Nothing that is the connection's, that we read ourselves, that is hidden, or that says who stands behind us."""
    secret = [("server", "secret/1"), ("date", "Mon, 01 Jan 2024 00:00:00 GMT"), ("x-accel-redirect", "/sorry"),
              ("x-secret", "1"), ("x-kept", "2"), *HINT[1], *HINT[1]]
    back.says((103, secret))
    seen = [(n.lower(), v) for n, v in ask("/on").interim[0].fields]
    assert seen == [("x-secret", "1"), ("x-kept", "2"), *HINT[1], *HINT[1]]
    seen = [(n.lower(), v) for n, v in ask("/bare").interim[0].fields]
    assert seen == [("server", "secret/1"), ("x-kept", "2"), *HINT[1], *HINT[1]]


@pytest.mark.parametrize("framing", [("Transfer-Encoding", "chunked"), ("Content-Length", "7")])
def test_hop_by_hop_fields_of_a_hint(ask, back, version, framing):
    if version == "2":
        pytest.skip("there they are malformed: test_h2_upstream.py")
    back.says((103, [("Connection", "X-Hop, close"), ("X-Hop", "1"), ("Keep-Alive", "9"), framing,
                     ("Upgrade", "x"), ("TE", "x"), ("X-Kept", "1")]))
    answer = ask()
    assert [(n.lower(), v) for n, v in answer.interim[0].fields] == [("x-kept", "1")]
    assert answer.body == b"final"
    back.says((103, [("Connection", "Host"), ("Link", "</a>")]))         # strips what must stay: not worth passing
    answer = ask()
    assert (answer.body, answer.interim) == (b"final", [])


def test_several_hints_in_a_row(ask, back):
    """Eight at most, of whatever status; they come in order, with others among them."""
    back.says(*[(status, [("x-n", str(i))]) for i, status in enumerate([103, 102, 103, 199, 103, 103, 103, 103])])
    answer = ask()
    assert [(one.status, one.get("x-n")) for one in answer.interim] == [
        (103, "0"), (102, "1"), (103, "2"), (199, "3"), (103, "4"), (103, "5"), (103, "6"), (103, "7")]
    assert answer.body == b"final"
    back.says(*[HINT] * 9)
    assert ask().status == 502
    back.says(*[HINT] * 9)
    assert ask("/").status == 502


def test_a_hint_beyond_the_buffer(ask, back):
    back.says((103, [("link", "<" + "a" * 900 + ">")]))
    assert len(hints(ask("/small"))) == 1
    back.says((103, [("link", "<" + "a" * 1100 + ">")]))
    answer = ask("/small")
    assert (answer.status, answer.interim) == (502, [])


def test_hints_never_go_to_http10(desk, back):
    back.says(HINT, (102, []))
    with desk.send_raw(request("GET", "/on", version="1.0")) as client:
        answer = client.response()
        assert (answer.body, answer.interim) == (b"final", [])


def test_hints_and_the_cache(ask, back, request):
    """Who leads gets them; what is stored is the answer alone, and from there none come."""
    path = "/stored/" + request.node.name.replace(" ", "")
    back.says(HINT, fields={"x-real": "1"})
    answer = ask(path)
    assert (hints(answer), answer.body) == ([[LINK]], b"final")
    before = back.count
    for _ in range(2):
        answer = ask(path)
        assert (answer.interim, answer.status, answer.body, answer.get("x-real")) == ([], 200, b"final", "1")
        assert not answer.has("link")
    assert back.count == before


def test_hints_and_slices(ask, back, request):
    path = "/sliced/" + request.node.name.replace(" ", "")
    back.says(HINT, status=206, fields={"content-range": "bytes 0-4/5"}, body="final")
    answer = ask(path)
    assert (answer.status, answer.body) == (200, b"final")


def test_hints_of_a_server_that_fails(ask, world, back):
    """What was hinted stands; the answer is another one's."""
    world[2].says((103, [("link", "</b>")]), body="spare")
    back.says(HINT, status=500)
    answer = ask("/again")
    assert (hints(answer), answer.status, answer.body) == ([[LINK], ["</b>"]], 200, b"spare")


def test_hints_before_a_page_of_ours(ask, back):
    back.says(HINT, status=500)
    answer = ask("/page")
    assert (hints(answer), answer.status, answer.body) == ([[LINK]], 500, b"sorry")


def test_hints_before_the_server_dies(ask, back):
    back.dies_after(HINT)
    answer = ask("/on")
    assert (hints(answer), answer.status) == ([[LINK]], 502)


def test_hints_for_head(ask, back, version):
    back.says(HINT, **({"body": ""} if version == "2" else {"length": False, "body": ""}))
    assert hints(ask(method="HEAD")) == [[LINK]]


def test_nothing_after_the_final_head(desk, back, version, ask):
    """In HTTP/1 what comes then is the body; in HTTP/2 it is no trailer section, so the stream is cut."""
    if version == "1.1":
        late = b"HTTP/1.1 103 Early Hints\r\n\r\n"
        back.origin.handle = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal" + late
        answer = ask()
        assert (answer.interim, answer.body) == ([], b"final")
        return

    def handle(stream):
        stream.head(200)
        stream.write(b"begun")
        stream.head(103, HINT[1])
    back.origin.handle = handle
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/stream")
        client.wait(lambda: stream.is_over, what="the end")
        assert stream.reset not in (None, NO_ERROR) and stream.interim == []


def test_hints_by_grpc_pass(proxy):
    """Towards HTTP/1.1 clients as well; answers of head and trailers stay what they are."""
    def handle(stream):
        stream.head(103, HINT[1])
        stream.reply(200, {"content-type": "application/grpc"}, b"\0\0\0\0\0", [("grpc-status", "0")])
    back = H2Origin(handle)
    try:
        desk = proxy("server { listen @P@ http2; location / { grpc_pass @O@; } location /on { early_hints 1; grpc_pass @O@; } }",
                     O=back)
        with H2Client(desk.address()) as client:
            for path, expected in (("/", []), ("/on", [[LINK]])):
                answer = client.ask("POST", path, {"te": "trailers", "content-type": "application/grpc"}, body=b"\0\0\0\0\0")
                assert (hints(answer), answer.trailers) == (expected, [("grpc-status", "0")])
        assert hints(desk.get("/on")) == [[LINK]]
    finally:
        back.stop()
    assert not back.errors, back.errors


def test_a_hint_arrives_before_the_answer(desk, back, version):
    """At once, while the server is still at work."""
    if version == "1.1":
        def script(conn):
            conn.request()
            conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: " + LINK.encode() + b"\r\n\r\n")
            conn.hang(10)
        back.origin.script = script
    else:
        back.origin.handle = lambda stream: stream.head(*HINT)
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/on")
        client.wait(lambda: stream.interim, what="the hint")
        assert stream.fields is None
    with desk.connect() as client:
        client.send(request("GET", "/on"))
        assert client.take_line() == b"HTTP/1.1 103 " + (b"Early Hints")


# ---- other ones ----------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [102, 104, 150, 199])
def test_others_pass_unasked(ask, back, status):
    """RFC 9110 15.2: a proxy passes what it did not ask for itself, unknown ones too; Server and Date are ours."""
    back.says((status, [("x-step", "1"), ("server", "secret"), ("date", "x")]))
    answer = ask("/")
    assert [(one.status, [(n.lower(), v) for n, v in one.fields]) for one in answer.interim] == [(status, [("x-step", "1")])]
    assert answer.body == b"final"


def test_a_100_of_the_server_is_not_passed(ask, back):
    """We did not ask for it, and whoever waits for one gets ours."""
    back.says((100, [("x", "1")]), (100, []))
    answer = ask("/", method="POST", body=b"abc")
    assert (answer.interim, answer.body) == ([], b"final")


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_expect_100_continue_to_h1(desk, back, path):
    """The client waits for our 100, and gets one; the server is never asked for its own."""
    back.says((100, []))
    with desk.connect() as client:
        client.send(request("POST", path, {"Expect": "100-continue", "Content-Length": "4"}))
        assert client.take_line() == b"HTTP/1.1 100 Continue" and client.take_line() == b""
        client.send(b"body")
        answer = client.response()
        assert (answer.status, answer.interim) == (200, [])
    assert (back.last.body, back.last.get("expect")) == (b"body", None)


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_expect_100_continue_to_h2(desk, back, path):
    back.says((100, []))
    with H2Client(desk.address()) as client:
        stream = client.open("POST", path, {"expect": "100-continue"}, end=False)
        client.wait(lambda: stream.interim, what="100")
        client.write(stream, b"body")
        answer = client.answer(stream)
        assert ([one.status for one in answer.interim], answer.status) == ([100], 200)
    assert (back.last.body, back.last.get("expect")) == (b"body", None)


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_no_100_for_who_did_not_expect_it_or_does_not_wait(ask, back, path):
    assert ask(path, method="POST", body=b"abc").interim == []
    assert back.last.body == b"abc"


@pytest.mark.parametrize("fields", [[], [("upgrade", "websocket"), ("connection", "upgrade")]])
def test_a_101_that_nobody_asked_for_is_502(ask, back, version, fields):
    """From an HTTP/2 server there is none at all (RFC 9113 8.6)."""
    if version == "2" and fields:
        pytest.skip("malformed already by the fields")
    back.says((101, fields))
    answer = ask("/on")
    assert (answer.status, answer.interim) == (502, [])


def test_a_101_for_who_asked_is_502_from_h2(desk, back, version):
    if version == "1.1":
        pytest.skip("that is how a tunnel begins: test_tunnel.py")
    back.says((101, []))
    wish = {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13"}
    answer = desk.get("/on", fields=wish)
    assert (answer.status, answer.interim) == (502, [])


def test_an_interim_answer_that_ends_its_stream_is_502(ask, back, version):
    if version == "1.1":
        pytest.skip("of HTTP/2")
    back.origin.handle = lambda stream: stream.head(103, HINT[1], end=True)
    answer = ask("/on")
    assert (answer.status, answer.interim) == (502, [])


def test_interim_answers_alone_are_502(ask, back):
    """The server closes without a final answer: the client still gets one."""
    back.dies_after((102, []), HINT)
    answer = ask("/on")
    assert answer.status == 502 and [one.status for one in answer.interim] in ([102], [102, 103])


def test_all_in_one_write_and_then_the_end(ask, back, version):
    """The final answer waits behind the hint for a moment, and is whole all the same."""
    if version == "1.1":
        back.says(HINT, (102, []), body="final", close=True)
    else:
        def handle(stream):
            conn = stream.conn
            with conn.lock:
                encode = conn.encoder.encode
                heads = b"".join(frame(HEADERS, END_HEADERS, stream.id, encode(fields)) for fields in (
                    [(":status", "103"), *HINT[1]], [(":status", "102")], [(":status", "200"), ("content-length", "5")]))
                conn.send(heads + frame(DATA, END_STREAM, stream.id, b"final"))
                conn.sock.shutdown(socket.SHUT_WR)
        back.origin.handle = handle
    answer = ask("/on")
    assert (answer.status, answer.body) == (200, b"final") and hints(answer) == [[LINK]]
