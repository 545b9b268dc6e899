# SPDX-License-Identifier: MIT
"""Fields that belong to one connection stay on it (RFC 9110 7.6.1)."""
import pytest

from harness.client import request
from harness.origin import reply

ours = pytest.mark.ours

CONF = """
server {
    listen @P@;
    location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location /default/ { proxy_pass http://@O@; }
    location /one/ { proxy_pass http://@O@; proxy_http_version 1.0; }
}
"""


@pytest.mark.parametrize("name, value", [
    ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("TE", "gzip"), ("Upgrade", "h2c"),
    pytest.param("Proxy-Connection", "keep-alive", marks=ours),
])
def test_the_request_loses_them(desk, back, name, value):
    desk.get(fields={name: value})
    assert not back.last.has(name)


@ours
def test_the_request_loses_what_connection_names(desk, back):
    desk.get(fields=[("Connection", "X-One, x-two"), ("Connection", "X-Three"), ("X-One", "1"),
                     ("X-Two", "2"), ("X-Three", "3"), ("X-Four", "4")])
    seen = back.last
    assert seen.has("X-Four")
    assert not (seen.has("X-One") or seen.has("X-Two") or seen.has("X-Three"))


@ours
@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Authorization",
                                  "Cookie", "X-Forwarded-For", "X-Forwarded-Proto"])
def test_connection_may_not_name_end_to_end_fields(desk, back, name):
    before = back.bytes
    assert desk.get(fields=[("Connection", name), ("Authorization", "x")]).status == 400
    assert back.bytes == before


def test_the_connection_fields_are_ours(desk, back):
    """Connection: close of the client ends its own connection, not the origin's."""
    with desk.connect() as client:
        answer = client.ask(close=True)
        assert answer.get("Connection") == "close"
    assert not back.last.has("Connection")


@ours
def test_default_is_keep_alive_http_1_1(desk, back):
    desk.get("/default/")
    assert back.last.version == "HTTP/1.1"
    assert not back.last.has("Connection")


def test_http_1_0_to_the_origin(desk, back):
    desk.get("/one/")
    assert back.last.version == "HTTP/1.0"


def test_a_chunked_upload_to_an_http_1_0_origin_is_sized(desk, back):
    desk.fetch("POST", "/one/", body=b"x" * 1000, chunked=True)
    assert back.last.framing == "length" and len(back.last.body) == 1000


def test_framing_is_written_anew(desk, back):
    desk.fetch("POST", "/", body=b"x" * 10, fields={"TE": "trailers"})
    assert back.last.all("Content-Length") == ["10"]
    assert not back.last.has("Transfer-Encoding")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_no_body_no_framing(desk, back, method):
    with desk.connect() as client:
        client.send(request(method, "/x"))
        client.response(method)
    assert not back.last.has("Transfer-Encoding")
    assert back.last.get("Content-Length") in (None, "0")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_empty_body_stays_sized(desk, back, method):
    desk.fetch(method, "/x", body=b"")
    assert back.last.get("Content-Length") == "0"


@pytest.mark.parametrize("name, value", [
    ("Keep-Alive", "timeout=5, max=10"), ("Connection", "keep-alive"),
    pytest.param("Proxy-Connection", "keep-alive", marks=ours),
    pytest.param("Upgrade", "h2c", marks=ours),
])
def test_the_answer_loses_them(desk, back, name, value):
    back.handle = lambda _: reply(fields={name: value}, body="x")
    answer = desk.get()
    assert answer.body == b"x"
    if name == "Connection":
        assert value != "close" and len(answer.all("Connection")) == 1
    else:
        assert not answer.has(name)


@ours
def test_the_answer_loses_what_connection_names(desk, back):
    back.handle = lambda _: reply(fields=[("Connection", "X-One"), ("X-One", "1"), ("X-Two", "2")], body="x")
    answer = desk.get()
    assert answer.has("X-Two") and not answer.has("X-One")


def test_the_origins_close_is_not_the_clients(desk, back):
    back.handle = lambda _: reply(body="x", close=True)
    with desk.connect() as client:
        assert client.ask().get("Connection") != "close"
        assert client.ask().body == b"x"


def test_other_fields_pass_in_order_and_as_they_are(desk, back):
    mine = [("X-b", "1"), ("x-A", "2"), ("Accept", "*/*"), ("X-b", "3"), ("Cookie", "a=b; c=d"),
            ("Authorization", "Basic eA=="), ("X-Long", "v" * 3000)]
    desk.get(fields=mine)
    assert [pair for pair in back.last.fields if pair in mine] == mine
    sent = [("X-b", "1"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("x-A", "2"), ("ETag", "\"x\"")]
    back.handle = lambda _: reply(fields=sent, body="x")
    assert [pair for pair in desk.get().fields if pair in sent] == sent


def test_expect_is_answered_here_and_not_passed(desk, back):
    with desk.connect() as client:
        client.send(request("POST", "/", fields={"Expect": "100-continue", "Content-Length": "5"}))
        assert client.take_head().status == 100
        client.send("hello")
        assert client.response().json["length"] == 5
    assert not back.last.has("Expect")


def test_no_100_when_the_body_is_here_or_unwanted(desk, back):
    with desk.connect() as client:
        client.send(request("POST", "/", fields={"Expect": "100-continue"}, body=b"hello"))
        answer = client.response()
        assert answer.json["length"] == 5
    with desk.connect() as client:
        client.send(request("POST", "/", version="1.0", fields={"Expect": "100-continue"}, body=b"x"))
        answer = client.response()
        assert answer.interim == [] and answer.status == 200


def test_expect_and_413(desk, back):
    """Too large: refused at once, without asking for the body."""
    with desk.connect() as client:
        client.send(request("POST", "/", fields={"Expect": "100-continue",
                                                 "Content-Length": "99999999"}))
        answer = client.response()
        assert answer.status == 413 and answer.interim == []


@ours
def test_unknown_expectation(desk, back):
    assert desk.get(fields={"Expect": "the-unexpected"}).status == 417
