# SPDX-License-Identifier: MIT
"""WebSocket over HTTP/2 (RFC 8441): CONNECT with :protocol, in front of a server that knows HTTP/1 only."""
import os
import re
import threading
import time

import pytest

from harness.h2 import H2Client
from harness.h2_wire import CANCEL, ENABLE_CONNECT_PROTOCOL, NO_ERROR
from harness.origin import reply
from harness.websocket import mirror_bytes, switch

pytestmark = pytest.mark.ours

CONF = """
log_format ws "$request|$status|$server_protocol|$http_upgrade";
map $http_upgrade $connection_upgrade { default upgrade; "" close; }
server {
    listen @P@ http2;
    access_log logs/ws.log ws;
    location / { proxy_pass http://@O@; }
    location /said { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
                     proxy_set_header Connection $connection_upgrade; }
    location /short { proxy_pass http://@O@; proxy_read_timeout 500ms; }
    location /hello { return 200 hello; }
}
"""


@pytest.fixture
def client(desk, back):
    back.script = mirror_bytes
    with H2Client(desk.address()) as client:
        yield client.settled()


def opened(client, path="/", protocol="websocket", fields=(("sec-websocket-version", "13"),)):
    stream = client.open(raw=[(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"), (":path", path),
                              (":authority", "localhost"), *fields], end=False)
    client.wait(lambda: stream.fields is not None or stream.is_over)
    return stream


def test_it_is_announced(client):
    assert client.peer_settings[ENABLE_CONNECT_PROTOCOL] == 1


@pytest.mark.parametrize("path", ["/chat?a=b", "/said/chat"])
def test_what_the_server_sees(client, back, path):
    stream = opened(client, path, fields=[("sec-websocket-version", "13"), ("origin", "http://a"),
                                          ("sec-websocket-protocol", "chat")])
    assert stream.get(":status") == "200" and not stream.is_over
    one = back.last
    assert (one.method, one.target) == ("GET", path)
    assert one.get("Upgrade").lower() == "websocket" and one.get("Connection").lower() == "upgrade"
    assert one.get("Sec-WebSocket-Version") == "13" and one.get("Sec-WebSocket-Protocol") == "chat"
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}==", one.get("Sec-WebSocket-Key"))
    assert one.get("Host") and not one.has("Content-Length") and not one.has("Transfer-Encoding")


def test_fields_of_the_switch(client, back):
    back.script = lambda conn: (switch(conn, "Sec-WebSocket-Protocol: chat\r\nX-Mine: 1\r\n"), conn.hang())
    stream = opened(client)
    assert stream.get("sec-websocket-protocol") == "chat" and stream.get("x-mine") == "1"
    for name in ("upgrade", "connection", "sec-websocket-accept", "content-length"):
        assert stream.get(name) is None


def test_bytes_pass_both_ways(client):
    stream = opened(client)
    for size in (1, 100, 16384, 300_000):
        data = os.urandom(size)
        stream.body.clear()
        client.write(stream, data, end=False)
        client.wait(lambda: len(stream.body) == size)
        assert bytes(stream.body) == data
    assert not stream.is_over


def test_several_beside_ordinary_requests(client, back):
    streams = [opened(client, f"/{i}") for i in range(5)]
    for i, stream in enumerate(streams):
        client.send_data(stream, b"message %d" % i)
    assert client.ask("GET", "/hello").body == b"hello"
    for i, stream in enumerate(streams):
        client.wait(lambda: len(stream.body) >= 9)
        assert bytes(stream.body) == b"message %d" % i
    assert back.connections >= 5


def test_the_client_ends(client, back):
    """END_STREAM is the end of what the client says: FIN to the server."""
    ends = threading.Event()

    def script(conn):
        switch(conn)
        assert conn.rest() == b"bye"
        ends.set()
    back.script = script
    stream = opened(client)
    client.send_data(stream, b"bye", True)
    assert ends.wait(5)
    client.wait(lambda: stream.is_over)
    assert client.ask("GET", "/hello").status == 200


def test_the_client_resets(client, back):
    ends = threading.Event()
    back.script = lambda conn: (switch(conn), conn.hang() and ends.set())
    stream = opened(client)
    client.send_reset(stream.id, CANCEL)
    assert ends.wait(5)
    assert client.ask("GET", "/hello").status == 200


def test_the_server_ends(client, back):
    back.script = lambda conn: (switch(conn), conn.send(b"last words"))
    stream = opened(client)
    client.wait(lambda: stream.is_over)
    assert bytes(stream.body) == b"last words" and stream.is_ended
    assert stream.reset in (None, NO_ERROR, CANCEL)


def test_a_connection_that_goes_takes_its_tunnels(client, back):
    ends = threading.Event()
    back.script = lambda conn: (switch(conn), conn.hang() and ends.set())
    opened(client)
    client.close()
    assert ends.wait(5)


@pytest.mark.parametrize("status", [200, 403, 426, 301])
def test_a_server_that_does_not_want(client, back, status):
    back.script = lambda conn: (conn.request(), conn.send(reply(status, body=b"no", close=True)))
    stream = opened(client)
    client.wait(lambda: stream.is_over)
    if status == 200:
        assert stream.get(":status") in ("502", "403", "400") or stream.reset
    else:
        assert stream.get(":status") == str(status) and bytes(stream.body) == b"no"


def test_a_wrong_accept_or_protocol_is_502(client, back):
    back.script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n"
                                                          b"Connection: Upgrade\r\n\r\n"))
    stream = opened(client)
    assert stream.get(":status") == "502"


@pytest.mark.parametrize("protocol", ["connect-udp", "h2c", "", "websocket, x"])
def test_other_protocols(client, back, protocol):
    stream = opened(client, protocol=protocol)
    assert stream.reset or stream.get(":status") in ("400", "405", "501")
    assert not back.requests


def test_silence_ends_it(client, back):
    back.script = lambda conn: (switch(conn), conn.hang())
    stream = opened(client, "/short")
    client.wait(lambda: stream.is_over)
    assert client.ask("GET", "/hello").status == 200


def test_a_slow_server_stalls_its_tunnel_only(client, back):
    """Nobody reads there: that stream's window stays shut; the others are served, and memory stays."""
    def script(conn):
        switch(conn)
        time.sleep(3)
    back.script = script
    stream = opened(client)
    sent = 0
    while sent < 16 << 20:
        room = min(stream.send_window, client.send_window, 16384)
        if room <= 0 and client.is_quiet(0.2) and min(stream.send_window, client.send_window) <= 0:
            break
        if room > 0:
            client.send_data(stream, bytes(room))
            sent += room
    assert client.ask("GET", "/hello").status == 200


def test_the_log(client, desk):
    before = len(desk.read("logs/ws.log").splitlines())
    stream = opened(client, "/logged")
    client.send_data(stream, b"x", True)
    client.wait(lambda: stream.is_over)
    line = desk.log_line(before, lambda text: "/logged" in text, "logs/ws.log")
    assert line.endswith("HTTP/2.0|websocket") and ("|101|" in line or "|200|" in line)
