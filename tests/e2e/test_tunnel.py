# SPDX-License-Identifier: MIT
"""Upgrade: WebSocket and other tunnels, byte for byte."""
import base64
import hashlib
import os
import signal
import threading
import time

import pytest

from harness.client import request
from harness.node import Node
from harness.origin import reply
from harness.proxy import PORTS

ours = pytest.mark.ours

CONF = """
map $http_upgrade $connection_upgrade { default upgrade; "" close; }
server {
    listen @P@;
    location / {
        proxy_pass http://@O@;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_read_timeout 10s;
    }
    location /short { proxy_pass http://@O@; proxy_http_version 1.1; proxy_read_timeout 2s;
                      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
    location /plain { proxy_pass http://@O@; proxy_http_version 1.1; }
}
"""
KEY = base64.b64encode(b"0123456789abcdef").decode()
ASK = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Mine: 1\r\n\r\n"


def mirror(conn):
    """101, then everything back."""
    conn.request()
    conn.send(SWITCH)
    while True:
        if conn.buffer:
            data, conn.buffer = conn.buffer, b""
            conn.send(data)
        conn.fill()


def opened(desk, target="/", **options):
    client = desk.connect(**options)
    client.send(request("GET", target, fields=ASK))
    answer = client.response()
    assert answer.status == 101
    assert answer.get("Upgrade").lower() == "websocket"
    assert answer.get("Connection").lower() == "upgrade"
    return client, answer


def test_node_websocket(proxy):
    node = Node(PORTS.get())
    try:
        desk = proxy(CONF, O=node)
        client, answer = opened(desk)
        wanted = hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert answer.get("Sec-WebSocket-Accept") == base64.b64encode(wanted).decode()
        frame = b"\x81\x85\x00\x00\x00\x00hello"
        client.send(frame)
        assert client.take(len(frame)) == frame
        client.close()
    finally:
        node.stop()


def test_the_origin_sees_the_upgrade(proxy, origin):
    back = origin(script=mirror)
    client, answer = opened(proxy(CONF, O=back))
    assert answer.get("X-Mine") == "1"
    assert back.last.get("Upgrade") == "websocket"
    assert back.last.get("Connection").lower() == "upgrade"
    client.close()


def test_bytes_pass_both_ways_unchanged(proxy, origin):
    client, _ = opened(proxy(CONF, O=origin(script=mirror)))
    with client:
        client.sock.settimeout(20)
        for size in (1, 100, 5000, 1):
            data = os.urandom(size)
            client.send(data)
            assert client.take(size) == data
        data = os.urandom(5_000_000)
        writer = threading.Thread(target=lambda: client.sock.sendall(data))
        writer.start()
        assert client.take(len(data)) == data
        writer.join()


def test_bytes_right_behind_the_heads(proxy, origin):
    """The client's first frame with its request, the origin's first with the 101."""
    def script(conn):
        conn.request()
        conn.send(SWITCH + b"early from origin")
        conn.send(b"|" + conn.take(17))
    desk = proxy(CONF, O=origin(script=script))
    with desk.connect() as client:
        client.send(request("GET", "/", fields=ASK) + b"early from client")
        assert client.response().status == 101
        assert client.take(17 + 1 + 17) == b"early from origin|early from client"


def test_the_origin_closes(proxy, origin):
    def script(conn):
        conn.request()
        conn.send(SWITCH + b"bye")
    client, _ = opened(proxy(CONF, O=origin(script=script)))
    assert client.take(3) == b"bye"
    client.expect_closed()


def test_the_client_closes(proxy, origin):
    ended = threading.Event()

    def script(conn):
        conn.request()
        conn.send(SWITCH)
        if conn.hang():
            ended.set()
    client, _ = opened(proxy(CONF, O=origin(script=script)))
    client.close()
    assert ended.wait(20)


def test_half_close(proxy, origin):
    """What the origin sends after the client's FIN may still arrive or not; nothing hangs."""
    import socket
    client, _ = opened(proxy(CONF, O=origin(script=mirror)))
    client.send("last")
    assert client.take(4) == b"last"
    client.sock.shutdown(socket.SHUT_WR)
    client.expect_closed()


def test_an_idle_tunnel_is_closed(proxy, origin):
    client, _ = opened(proxy(CONF, O=origin(script=mirror)), "/short")
    for _ in range(6):
        time.sleep(0.5)
        begin = time.monotonic()
        client.send("x")
        assert client.take(1) == b"x"
    client.expect_closed()
    assert 1.8 < time.monotonic() - begin < 15


@ours
def test_a_101_that_nobody_asked_for_is_502(proxy, origin):
    desk = proxy(CONF, O=origin(script=mirror))
    assert desk.get("/plain").status == 502
    assert desk.get("/plain", fields={"Upgrade": "other", "Connection": "upgrade"}).status == 502


@ours
def test_a_101_to_another_protocol_is_502(proxy, origin):
    def script(conn):
        conn.request()
        conn.send(SWITCH.replace(b"websocket", b"h2c"))
    desk = proxy(CONF, O=origin(script=script))
    assert desk.get("/", fields=ASK).status == 502


def test_a_refused_upgrade_is_an_ordinary_answer(proxy, origin):
    back = origin(handle=lambda r: reply(426, body="no", reason="Upgrade Required"))
    desk = proxy(CONF, O=back)
    with desk.connect() as client:
        client.send(request("GET", "/", fields=ASK))
        answer = client.response()
        assert (answer.status, answer.body) == (426, b"no")
        back.handle = None
        assert client.ask("GET", "/next").json["target"] == "/next"


def test_a_literal_connection_upgrade_on_plain_requests(proxy, origin):
    """A common mistake in configurations: the field is always set; plain requests must still work."""
    desk = proxy(CONF, O=origin())
    with desk.connect() as client:
        for i in range(3):
            assert client.ask("POST", f"/short/{i}", body=b"abc").json["length"] == 3


@ours
def test_h2c_is_never_passed(proxy, origin):
    back = origin()
    desk = proxy(CONF, O=back)
    desk.get(fields={"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"})
    assert (back.last.get("Upgrade") or "").lower() != "h2c"
    assert not back.last.has("HTTP2-Settings")


@ours
@pytest.mark.parametrize("asked, passed", [
    ("websocket", "websocket"), ("websocket, h2c", "websocket"), ("H2C", None), ("h2c , ,h2c", None), ("h2c/2", None),
    ("h2c;x=1", None), ('"h2c"', None), ("foo/1, h2c/1", "foo/1"), ("foo/", None), ("a b", None)])
def test_which_protocols_are_asked_for(proxy, origin, asked, passed):
    """Names with a version or without, as RFC 9110 7.8 writes them; h2c in no dress."""
    back = origin()
    desk = proxy(CONF, O=back)
    desk.get(fields={"Upgrade": asked, "Connection": "Upgrade"})
    assert back.last.get("Upgrade") == passed
    assert (back.last.get("Connection") or "").lower() == ("upgrade" if passed else "")


@ours
def test_http_1_0_has_no_upgrade(proxy, origin):
    back = origin()
    desk = proxy(CONF, O=back)
    assert desk.get(fields=ASK, version="1.0").status == 200
    assert not back.last.has("Upgrade")


def test_the_log_line_comes_at_the_end(proxy, origin):
    desk = proxy(CONF, O=origin(script=mirror))
    client, _ = opened(desk)
    client.send("12345")
    client.take(5)
    assert desk.read("logs/access.log") == ""
    client.close()
    assert '" 101 5 ' in desk.log_lines()[0]


def test_many_tunnels(proxy, origin):
    desk = proxy(CONF, O=origin(script=mirror))
    clients = [opened(desk)[0] for _ in range(50)]
    for i, client in enumerate(clients):
        client.send(f"{i:04}")
    for i, client in enumerate(clients):
        assert client.take(4) == f"{i:04}".encode()
        client.close()


@ours
def test_a_tunnel_lives_through_a_reload(proxy, origin):
    """And it is the same worker that goes on: nothing lingers."""
    desk = proxy(CONF, O=origin(script=mirror))
    client, _ = opened(desk)
    worker = desk.worker()
    for _ in range(3):
        desk.tell(signal.SIGHUP)
        time.sleep(0.1)
        client.send("ping")
        assert client.take(4) == b"ping"
    assert desk.workers() == [worker]
    client.close()
