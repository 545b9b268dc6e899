# SPDX-License-Identifier: MIT
"""Trailers over all four combinations of versions, of requests and of answers (RFC 9110 6.5): where they pass, what of
them does, and that none becomes a field."""
import pytest

from harness.client import chunk, request
from harness.h2 import H2Client
from harness.h2_origin import H2Origin, echo
from harness.origin import reply

pytestmark = pytest.mark.ours

CONF = """
proxy_http_version @VERSION@;
server {
    listen @P@ http2;
    underscores_in_headers on;
    location / { proxy_pass http://@O@; }
    location /on { proxy_pass_request_trailers on; proxy_pass http://@O@; }
    location /stream { proxy_pass_request_trailers on; proxy_request_buffering off; proxy_pass http://@O@; }
    location /set { proxy_pass_request_trailers on; proxy_set_header X-User ""; proxy_set_header X-Plan free;
        proxy_pass http://@O@; }
    location /own { proxy_pass_request_trailers on; proxy_set_body mine; proxy_pass http://@O@; }
    location /bare { proxy_pass_request_trailers on; proxy_pass_request_headers off; proxy_pass http://@O@; }
    location /old { proxy_pass_request_trailers on; proxy_http_version 1.0; proxy_pass http://@O@; }
    location /hide { proxy_hide_header X-Secret; proxy_pass http://@O@; }
    location /off { proxy_pass_trailers off; proxy_pass http://@O@; }
}
"""
GOOD = [("x-sum", "abc"), ("etag", '"1"'), ("x-more", "2")]
# What is known, or may be taken for another name, never comes behind a body.
BAD = [("content-length", "9"), ("host", "evil"), ("authorization", "x"), ("cookie", "a=b"), ("x-forwarded-for", "::1"),
       ("x-real-ip", "::1"), ("content-type", "a/b"), ("expect", "100-continue"), ("x_odd", "1"), ("range", "bytes=0-1"),
       ("via", "x"), ("user-agent", "x"), ("accept", "x"), ("forwarded", "for=x"), ("trailer", "x-sum")]
OF_CONNECTION = [("transfer-encoding", "chunked"), ("connection", "x-sum"), ("keep-alive", "1"), ("te", "trailers")]


@pytest.fixture(scope="module", params=["1.1", "2"], ids=["at h1", "at h2"])
def version(request):
    return request.param


@pytest.fixture(scope="module")
def back(version, shared_origin):
    if version == "1.1":
        yield shared_origin()
        return
    origin = H2Origin()
    yield origin
    origin.stop()
    assert not origin.errors, origin.errors


@pytest.fixture(scope="module")
def desk(shared_proxy, back, version):
    return shared_proxy(CONF, O=back, VERSION=version)


@pytest.fixture(autouse=True)
def clean(back, version):
    if version == "1.1":
        back.reset()
    else:
        back.handle = echo


def seen(back):
    """Of the last request: body, trailers, what was announced."""
    one = back.requests[-1]
    return bytes(one.body), [(n.lower(), v) for n, v in one.trailers], one.get("trailer")


def says(back, version, trailers, body=b"body"):
    if version == "1.1":
        back.handle = lambda _: reply(body=body, chunked=True, trailers=trailers)
    else:
        back.handle = lambda stream: stream.reply(200, {}, body, trailers)


@pytest.fixture(params=["h1", "h2"], ids=["by h1", "by h2"])
def send(request, desk):
    """Sends a body of unknown length and these trailers."""
    def sending(path, trailers, fields=(), body=b"body"):
        if request.param == "h2":
            with H2Client(desk.address()) as client:
                return client.ask("POST", path, [(n.lower(), v) for n, v in fields], body=body, trailers=trailers)
        head = ("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n").encode()
        tail = b"0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in trailers).encode() + b"\r\n"
        with desk.send_raw(head + (chunk(body) if body else b"") + tail) as client:
            return client.response()
    sending.is_h2 = request.param == "h2"
    return sending


# ---- requests ------------------------------------------------------------------------------------

def test_http1_servers_get_none_unasked(send, back, version):
    """One may mix them with the fields of the head. In HTTP/2 they have a place of their own."""
    assert send("/", GOOD, [("Trailer", "x-sum")]).status == 200
    assert seen(back) == ((b"body", [], None) if version == "1.1" else (b"body", GOOD, "x-sum"))


@pytest.mark.parametrize("path", ["/on", "/stream"])
@pytest.mark.parametrize("body", [b"body", b"x" * 300_000])
def test_trailers_reach_the_server(send, back, path, body):
    assert send(path, GOOD, body=body).status == 200
    assert seen(back) == (body, GOOD, None)


def test_what_is_announced(send, back):
    """Only what may come: what is known, of the connection, or no name at all is not."""
    fields = [("Trailer", "X-Sum, Content-Length, ETag"), ("Trailer", "x_odd, a b, , Host,x-more")]
    assert send("/on", GOOD, fields).status == 200
    body, trailers, said = seen(back)
    assert (trailers, said) == (GOOD, "X-Sum, ETag, x-more")
    assert send("/on", GOOD, [("Trailer", "Host")]).status == 200
    assert seen(back)[2] is None


def test_announced_and_not_sent(send, back):
    """Known before the server is asked, so the body has a length and nothing is announced."""
    assert send("/on", [], [("Trailer", "x-sum")]).status == 200
    assert seen(back) == (b"body", [], None) and back.requests[-1].get("content-length") == "4"


@pytest.mark.parametrize("bad", BAD, ids=lambda pair: pair[0])
@pytest.mark.parametrize("path", ["/on", "/stream"])
def test_fields_that_are_no_trailers(send, back, bad, path):
    assert send(path, [*GOOD, bad]).status == 200
    assert seen(back)[:2] == (b"body", GOOD)
    assert bad not in [(n.lower(), v) for n, v in back.requests[-1].fields]


@pytest.mark.parametrize("bad", OF_CONNECTION, ids=lambda pair: pair[0])
def test_fields_of_the_connection(send, back, bad):
    """In HTTP/1.1 they are left out; in HTTP/2 they are malformed."""
    if send.is_h2:
        with pytest.raises(AssertionError, match="reset with"):
            send("/on", [*GOOD, bad])
        return
    assert send("/on", [*GOOD, bad]).status == 200
    assert seen(back)[:2] == (b"body", GOOD)


def test_connection_names_a_trailer(send, back):
    """RFC 9110 7.6.1: fields and trailers alike."""
    if send.is_h2:
        pytest.skip("HTTP/2 has no Connection")
    assert send("/on", GOOD, [("Connection", "close, X-Sum"), ("Trailer", "x-sum")]).status == 200
    assert seen(back) == (b"body", GOOD[1:], None)


def test_what_the_configuration_says_is_not_said_again(send, back):
    """A server that takes trailers for fields would believe the client what proxy_set_header keeps from it."""
    assert send("/set", [("x-user", "admin"), ("x-plan", "gold"), *GOOD], [("Trailer", "X-User")]).status == 200
    assert seen(back) == (b"body", GOOD, None)
    assert back.requests[-1].get("x-plan") == "free"


def test_where_none_may_be(send, back):
    assert send("/own", GOOD, [("Trailer", "x-sum")]).status == 200
    assert seen(back) == (b"mine", [], None)
    assert send("/bare", GOOD, [("Trailer", "x-sum")]).status == 200
    assert seen(back) == (b"body", [], None)


def test_none_in_http10(send, back, version):
    if version == "2":
        pytest.skip("of HTTP/1")
    send("/old", GOOD, [("Trailer", "x-sum")])
    assert all(not one.trailers and not one.has("trailer") for one in back.requests)


def test_a_body_with_a_length(desk, back, version):
    """In HTTP/2 it may have trailers all the same; as a sized body it goes on, and has no place for them."""
    with H2Client(desk.address()) as client:
        assert client.ask("POST", "/on", {"content-length": "4"}, body=b"body", trailers=GOOD).status == 200
    assert seen(back) == (b"body", [], None)
    assert back.requests[-1].get("content-length") == "4"


@pytest.mark.parametrize("path", ["/on", "/stream"])
def test_trailers_alone(send, back, path):
    """Nothing but trailers: an empty body is one."""
    assert send(path, GOOD, body=b"").status == 200
    assert seen(back)[:2] == (b"", GOOD)


def test_another_request_on_the_same_connection(desk, back):
    """A connection carries on behind trailers, and its next request has none of them."""
    with desk.connect() as client:
        for i in range(3):
            client.send(request("POST", "/on", {"Transfer-Encoding": "chunked"}) + chunk(b"body") + b"0\r\n")
            client.send(b"x-n: %d\r\n\r\n" % i)
            assert client.response().status == 200
            assert seen(back)[1] == [("x-n", str(i))]
        assert client.ask("POST", "/on", body=b"body").status == 200
        assert seen(back)[1] == []


def test_late_trailers(desk, back, version):
    """The body is with the server already; its end comes with the trailers, and not before."""
    with H2Client(desk.address()) as client:
        stream = client.open("POST", "/stream", end=False)
        client.send_data(stream, b"body")
        client.ping()
        client.ping()
        client.send_headers(stream.id, GOOD, True)
        assert client.answer(stream).status == 200
    assert seen(back)[:2] == (b"body", GOOD)


def test_trailers_that_break_off(desk, back, version):
    """The client goes between body and trailers: the request never seems whole."""
    before = len(back.requests)
    with desk.send_raw(request("POST", "/stream", {"Transfer-Encoding": "chunked"}) + chunk(b"body") + b"0\r\nx-sum: a") as one:
        one.sock.shutdown(1)
        one.expect_closed()
    desk.wait_error("client prematurely closed connection")
    assert all(not one.is_ended for one in back.requests[before:]) if version == "2" else len(back.requests) == before


# ---- answers -------------------------------------------------------------------------------------

def ask(desk, by, path):
    if by == "h2":
        with H2Client(desk.address()) as client:
            return client.ask("GET", path)
    return desk.get(path, fields={"TE": "trailers", "Connection": "TE"})


@pytest.mark.parametrize("by", ["h1", "h2"])
def test_trailers_reach_the_client(desk, back, version, by):
    says(back, version, [*GOOD, *(pair for pair in BAD if pair[0] != "host"), ("set-cookie", "a=b")])
    answer = ask(desk, by, "/")
    assert (answer.body, [(n.lower(), v) for n, v in answer.trailers]) == (b"body", GOOD)
    assert not answer.has("x-sum") and not answer.has("set-cookie")


@pytest.mark.parametrize("by", ["h1", "h2"])
def test_proxy_pass_trailers_off(desk, back, version, by):
    says(back, version, GOOD)
    answer = ask(desk, by, "/off")
    assert (answer.body, answer.trailers) == (b"body", [])


@pytest.mark.parametrize("by", ["h1", "h2"])
def test_hidden_fields_are_hidden_behind_the_body(desk, back, version, by):
    says(back, version, [("X-Secret" if version == "1.1" else "x-secret", "1"), *GOOD])
    answer = ask(desk, by, "/hide")
    assert [(n.lower(), v) for n, v in answer.trailers] == GOOD


@pytest.mark.parametrize("by", ["h1", "h2"])
def test_connection_of_the_server_names_a_trailer(desk, back, version, by):
    if version == "2":
        pytest.skip("HTTP/2 has no Connection")
    back.handle = lambda _: reply(body=b"body", chunked=True, trailers=GOOD, fields={"Connection": "X-Sum"})
    assert [(n.lower(), v) for n, v in ask(desk, by, "/").trailers] == GOOD[1:]


def test_http1_clients_must_want_them(desk, back, version):
    says(back, version, GOOD)
    answer = desk.get("/")
    assert (answer.body, answer.trailers) == (b"body", [])
