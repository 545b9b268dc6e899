# SPDX-License-Identifier: MIT
"""The promise of the first page: that very file, port 80, a Node.js app on port 3000."""
import hashlib
import os
import subprocess

import pytest

from harness import netns
from harness.client import Client, chunk, request
from harness.node import Node
from harness.proxy import is_nginx

QUICKSTART = """\
# This nginx config makes it act as a reverse proxy
server {
  listen 80;
  server_name mysite.com;

  # Everything sent here gets forwarded to port 3000
  location / {
    proxy_pass http://localhost:3000;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
  }
}
"""

pytestmark = pytest.mark.skipif(bool(os.environ.get("E2E_NO_NETNS")), reason="needs port 80")


@pytest.fixture(scope="module")
def node():
    assert netns.IS_ISOLATED, "a network namespace is needed (root)"
    app = Node(3000)
    yield app
    app.stop()


@pytest.fixture(scope="module")
def desk(shared_proxy, node):
    """Word for word; nginx gets the braces that it insists on."""
    made = shared_proxy.new()
    conf = QUICKSTART
    if is_nginx():
        conf = "events {}\nhttp {\n" + QUICKSTART + "}\n"
    made.write(conf=conf)
    made.names["P"] = "127.0.0.1:80"
    made.start("-g", "daemon off; pid frontdesk.pid; ")
    return made


def test_host_address_and_answer_come_through(desk):
    answer = desk.get("/some/page?x=1&y=%20", host="mysite.com", fields={"X-Mine": "1"})
    assert answer.status == 200
    seen = answer.json
    assert seen["target"] == "/some/page?x=1&y=%20"
    assert seen["headers"]["host"] == "mysite.com"
    assert seen["headers"]["x-real-ip"] == "127.0.0.1"
    assert seen["headers"]["x-mine"] == "1"


def test_host_loses_its_port(desk):
    assert desk.get("/", host="MySite.com:80").json["headers"]["host"] == "mysite.com"


def test_a_client_cannot_forge_the_address(desk):
    seen = desk.get("/", host="mysite.com", fields={"X-Real-IP": "6.6.6.6"}).json
    assert [v for n, v in zip(seen["raw"][::2], seen["raw"][1::2]) if n.lower() == "x-real-ip"] \
        == ["127.0.0.1"]


@pytest.mark.parametrize("target", ["/", "/redirect", "/stream", "/none?x"])
def test_port_3000_is_nowhere_in_the_answer_head(desk, target):
    answer = desk.get(target, host="mysite.com")
    assert not [pair for pair in answer.fields if "3000" in pair[1]]


def test_location_and_refresh_are_rewritten(desk):
    answer = desk.get("/redirect", host="mysite.com")
    assert answer.status == 302
    assert answer.get("Location") == "http://mysite.com/next?x=1"
    assert answer.get("Refresh") == "5; url=/fresh"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
                                    "REPORT", "M-SEARCH"])
def test_every_method_with_a_body(desk, method):
    body = os.urandom(5000)
    seen = desk.fetch(method, "/m", host="mysite.com", body=body).json
    assert seen["method"] == method
    assert seen["sha"] == hashlib.sha256(body).hexdigest()


def test_head_has_no_body(desk):
    with desk.connect() as client:
        first = client.ask("HEAD", "/x", host="mysite.com")
        assert first.status == 200 and int(first.get("Content-Length")) > 0
        assert client.ask("GET", "/y", host="mysite.com").json["target"] == "/y"


@pytest.mark.parametrize("size", [0, 1, 100, 16384, 300000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_both_ways(desk, size, chunked):
    body = os.urandom(size)
    answer = desk.fetch("POST", "/mirror", host="mysite.com", body=body, chunked=chunked)
    assert answer.status == 200
    assert answer.body == body


def test_a_chunked_answer(desk):
    answer = desk.get("/stream", host="mysite.com")
    assert answer.body == b"".join(b"piece %d\n" % i for i in range(5))
    assert answer.framing == "chunked"


def test_odd_chunks(desk):
    with desk.connect() as client:
        client.send(request("POST", "/mirror", host="mysite.com",
                            fields={"Transfer-Encoding": "chunked"}))
        for size in (1, 2, 3, 1000, 1):
            client.send(chunk(b"x" * size))
        client.send("0\r\n\r\n")
        assert client.response().body == b"x" * 1007


def test_keep_alive(desk):
    with desk.connect() as client:
        for i in range(20):
            assert client.ask("GET", f"/{i}", host="mysite.com").json["target"] == f"/{i}"


def test_pipelining_keeps_the_order(desk):
    with desk.connect() as client:
        client.send(b"".join(request("GET", f"/{i}", host="mysite.com") for i in range(30)))
        for i in range(30):
            assert client.response().json["target"] == f"/{i}"


def test_pipelined_bodies(desk):
    with desk.connect() as client:
        client.send(b"".join(
            request("POST", f"/{i}", host="mysite.com", body=b"b" * i * 100, chunked=i % 2 == 1)
            for i in range(10)))
        for i in range(10):
            seen = client.response().json
            assert (seen["target"], seen["length"]) == (f"/{i}", i * 100)


def test_http_1_0_and_connection_close(desk):
    with desk.connect() as client:
        client.send("GET /old HTTP/1.0\r\nHost: mysite.com\r\n\r\n")
        answer = client.response()
        assert answer.json["target"] == "/old"
        client.expect_closed()
    with desk.connect() as client:
        client.send(request("GET", "/c", host="mysite.com", close=True))
        assert client.response().get("Connection") == "close"
        client.expect_closed()


def test_curl(desk):
    done = subprocess.run(["curl", "-sS", "-i", "-H", "Host: mysite.com", "-d", "a=b",
                           "http://127.0.0.1/form"], capture_output=True, timeout=10, check=True)
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"method":"POST"' in done.stdout


UPGRADE = {"Connection": "Upgrade", "Sec-WebSocket-Key": "x"}


def test_upgrades_are_not_passed_without_being_asked_for(desk):
    seen = desk.get("/ws", host="mysite.com", fields={"Upgrade": "h2c", **UPGRADE}).json
    assert "upgrade" not in seen["headers"]


@pytest.mark.ours
def test_websockets_work_without_being_asked_for(desk):
    """What nginx needs four lines of configuration for."""
    with desk.connect() as client:
        client.send(request("GET", "/ws", host="mysite.com", fields={"Upgrade": "websocket", **UPGRADE}))
        assert client.response().status == 101
        client.send("ping")
        assert client.take(4) == b"ping"


def test_a_file_with_an_http_block_works_too(shared_proxy, node):
    made = shared_proxy.new()
    made.write(conf="events {}\nhttp {\n" + QUICKSTART.replace("listen 80", "listen @Q@") + "}\n")
    made.start("-g", "daemon off; pid frontdesk.pid;")
    with Client(made.address("Q")) as client:
        assert client.ask("GET", "/q", host="mysite.com").json["headers"]["host"] == "mysite.com"


@pytest.mark.ours
def test_a_file_with_two_bare_servers_and_an_upstream(shared_proxy, node):
    made = shared_proxy.new()
    made.write(conf="""
        upstream app { server 127.0.0.1:3000; }
        map $host $who { default other; b.example b; }
        server { listen @Q@; server_name a.example; location / { proxy_pass http://app; } }
        server { listen @Q@; server_name b.example; return 200 $who; }
        """)
    made.start("-g", "daemon off; pid frontdesk.pid;")
    assert made.get("/z", host="a.example", to="Q").json["target"] == "/z"
    assert made.get("/z", host="b.example", to="Q").body == b"b"
