# SPDX-License-Identifier: MIT
"""Bodies in motion: backpressure keeps memory small, pieces arrive when they are sent."""
import hashlib
import os
import threading
import time

import pytest

from harness.client import chunk, request
from harness.origin import reply
from harness.proxy import is_sanitized

ours = pytest.mark.ours
SIZE = 2 << 30 if os.environ.get("FULL") else 300 << 20
RSS_KB = 20 * 1024
PIECE = bytes(range(256)) * 1024            # 256 KB

CONF = """
server {
    listen @P@;
    client_max_body_size 0;
    location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_read_timeout 60s; }
    location /unbuffered { proxy_pass http://@O@; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off; }
}
"""


class RssWatch:
    """The highest resident size of the worker while the block runs."""

    def __init__(self, desk):
        self.desk, self.peak, self.done = desk, 0, threading.Event()

    def __enter__(self):
        self.pid = self.desk.worker()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, self.desk.rss_kb(self.pid))

    def __exit__(self, *unused):
        self.done.set()
        self.thread.join()

    def check(self):
        if not is_sanitized():
            assert self.peak < RSS_KB, f"resident size rose to {self.peak} KB"


def pour(conn, size):
    """Sends `size` bytes of the pattern."""
    left = size
    while left:
        piece = PIECE[:min(left, len(PIECE))]
        conn.sock.sendall(piece)
        left -= len(piece)


def drain(wire, size, pause_every=0, pause=0.0):
    """Reads `size` bytes, checks the pattern by its hash; sleeps now and then."""
    digest, left, since = hashlib.sha256(), size, 0
    buffer = wire.take(min(len(wire.buffer), left))
    digest.update(buffer)
    left -= len(buffer)
    while left:
        got = wire.sock.recv(min(left, 1 << 20))
        assert got, f"ended {left} bytes early"
        digest.update(got)
        left -= len(got)
        since += len(got)
        if pause_every and since >= pause_every:
            since = 0
            time.sleep(pause)
    return digest.hexdigest()


def pattern(size):
    digest = hashlib.sha256()
    for _ in range(size // len(PIECE)):
        digest.update(PIECE)
    digest.update(PIECE[:size % len(PIECE)])
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/unbuffered", "/"])
def test_a_big_download_to_a_slow_client(proxy, origin, target):
    def script(conn):
        conn.request()
        conn.sock.settimeout(60)
        conn.send(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")
        pour(conn, SIZE)
    desk = proxy(CONF, O=origin(script=script))
    with RssWatch(desk) as watch, desk.connect(timeout=60) as client:
        client.send(request("GET", target))
        assert client.take_head().get("Content-Length") == str(SIZE)
        assert drain(client, SIZE, SIZE // 20, 0.05) == pattern(SIZE)
    watch.check()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["/unbuffered", "/"])
def test_a_big_upload_to_a_slow_origin(proxy, origin, target):
    seen = []

    def script(conn):
        conn.request_head()
        conn.sock.settimeout(60)
        seen.append(drain(conn, SIZE, SIZE // 20, 0.05))
        conn.send(reply(body="got it"))
    desk = proxy(CONF, O=origin(script=script))
    with RssWatch(desk) as watch, desk.connect(timeout=60) as client:
        client.send(request("PUT", target, fields={"Content-Length": SIZE}))
        pour(client, SIZE)
        assert client.response().body == b"got it"
    assert seen == [pattern(SIZE)]
    watch.check()


@ours
@pytest.mark.slow
def test_chunked_both_ways_at_once(proxy, origin):
    """A mirror that answers while it reads: neither direction waits for the other's end."""
    size = SIZE // 10

    def script(conn):
        conn.request_head()
        conn.sock.settimeout(60)
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            line = conn.take_line()
            length = int(line, 16)
            body = conn.take(length)
            conn.take(2)
            if not length:
                conn.send(b"0\r\n\r\n")
                return
            conn.send(chunk(body))
    desk = proxy(CONF, O=origin(script=script))
    with RssWatch(desk) as watch, desk.connect(timeout=20) as client:
        client.send(request("POST", "/unbuffered", fields={"Transfer-Encoding": "chunked"}))

        def write():
            for _ in range(size // len(PIECE)):
                client.sock.sendall(chunk(PIECE))
            client.sock.sendall(b"0\r\n\r\n")
        writer = threading.Thread(target=write)
        writer.start()
        answer = client.response()
        writer.join()
    assert hashlib.sha256(answer.body).hexdigest() == pattern(size // len(PIECE) * len(PIECE))
    watch.check()


def test_the_origin_feels_a_client_that_does_not_read(proxy, origin):
    """Backpressure reaches the origin: it cannot send everything into our memory."""
    sent = [0]

    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                sent[0] += conn.sock.send(PIECE)
        except OSError:
            pass
    desk = proxy(CONF, O=origin(script=script))
    with desk.connect(receive_buffer=65536) as client:
        client.send(request("GET", "/unbuffered"))
        client.take(10)
        time.sleep(0.7)
        first = sent[0]
        time.sleep(0.3)
        assert sent[0] == first, "still flowing"
        assert first < 30_000_000


def kernel_holds():
    """What the buffers of both connections grow to: ours to send and receive, the client's to send."""
    most = {}
    for name in ("rmem", "wmem"):
        with open(f"/proc/sys/net/ipv4/tcp_{name}", encoding="ascii") as file:
            most[name] = int(file.read().split()[2])
    return most["rmem"] + 2 * most["wmem"]


def test_the_client_feels_an_origin_that_does_not_read(proxy, origin):
    desk = proxy(CONF, O=origin(script=lambda conn: (conn.request_head(), time.sleep(60)), receive_buffer=65536))
    with desk.connect(timeout=2) as client:
        client.send(request("PUT", "/unbuffered", fields={"Content-Length": 1000000000}))
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 200_000_000:
                sent += client.sock.send(PIECE)
        assert sent < kernel_holds() + 4_000_000


@pytest.mark.skipif("E2E_SHORT_IO" in os.environ, reason="a piece may come as several chunks")
@pytest.mark.parametrize("target", ["/unbuffered", "/"])
def test_pieces_arrive_as_they_are_sent(proxy, origin, target):
    """Server-sent events: no piece waits for the next."""
    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n")
        for i in range(5):
            conn.send(chunk(b"data: %d\n\n" % i))
            conn.go.wait(60)
            conn.go.clear()
        conn.send("0\r\n\r\n")
    go = threading.Event()

    def with_go(conn):
        conn.go = go
        script(conn)
    desk = proxy(CONF, O=origin(script=with_go))
    with desk.connect() as client:
        client.send(request("GET", target))
        assert client.take_head().get("Transfer-Encoding") == "chunked"
        for i in range(5):
            begin = time.monotonic()
            client.take_until(b"data: %d\n\n" % i)
            assert time.monotonic() - begin < 15
            go.set()
        client.take_until(b"0\r\n\r\n")


@pytest.mark.skipif("E2E_SHORT_IO" in os.environ, reason="a piece may come as several chunks")
def test_pieces_arrive_without_being_asked(proxy, origin):
    """A proxy that holds back an event until a buffer is full breaks event streams."""
    go = threading.Event()

    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "a\r\ndata: 0\n\n\n\r\n")
        go.wait(60)
        conn.send("0\r\n\r\n")
    desk = proxy(CONF, O=origin(script=script))
    with desk.connect() as client:
        client.send(request())
        client.take_until(b"data: 0")
        go.set()
        client.take_until(b"0\r\n\r\n")


def test_the_head_arrives_before_the_body(proxy, origin):
    go = threading.Event()

    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        go.wait(60)
        conn.send("hello")
    desk = proxy(CONF, O=origin(script=script))
    with desk.connect() as client:
        client.send(request("GET", "/unbuffered"))
        assert client.take_head().status == 200
        go.set()
        assert client.take(5) == b"hello"


def test_request_buffering_off_streams_the_upload(proxy, origin):
    arrived = threading.Event()

    def script(conn):
        conn.request_head()
        conn.take(3)
        arrived.set()
        conn.take(3)
        conn.send(reply(body="all"))
    desk = proxy(CONF, O=origin(script=script))
    with desk.connect() as client:
        client.send(request("PUT", "/unbuffered", fields={"Content-Length": 6}) + b"abc")
        assert arrived.wait(20), "the first half did not arrive by itself"
        client.send("def")
        assert client.response().body == b"all"


def test_request_buffering_on_waits_for_the_body(proxy, origin):
    """The default: an origin never waits for a slow client's body."""
    back = origin()
    desk = proxy(CONF, O=back)
    with desk.connect() as client:
        client.send(request("PUT", "/", fields={"Content-Length": 6}) + b"abc")
        time.sleep(0.2)
        assert back.bytes == 0
        client.send("def")
        assert client.response().json["length"] == 6


def test_request_buffering_on_with_a_body_larger_than_its_buffer(proxy, origin):
    """client_body_buffer_size bounds what is held; the whole body arrives all the same."""
    back = origin()
    desk = proxy("""server { listen @P@; client_max_body_size 50m; client_body_buffer_size 16k;
        location / { proxy_pass http://@O@; } }""", O=back)
    body = os.urandom(5_000_000)
    for chunked in (False, True):
        answer = desk.fetch("POST", "/", body=body, chunked=chunked)
        assert answer.json["sha"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 8192, 16384, 65535, 65536, 65537, 131072, 1000003])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_sizes_around_the_buffers(proxy, origin, size, framing):
    body = os.urandom(size)
    back = origin(handle=lambda _: reply(body=body, chunked=framing == "chunked", length=framing == "length"))
    desk = proxy(CONF, O=back)
    for target in ("/", "/unbuffered"):
        answer = desk.get(target)
        assert answer.body == body
        assert answer.framing == ("length" if framing == "length" else "chunked")


def test_many_bodies_at_once_are_not_mixed_up(proxy, origin):
    back = origin(handle=lambda r: reply(body=hashlib.sha256(r.target.encode() + r.body).hexdigest().encode() * 2000))
    desk = proxy(CONF, O=back)
    problems = []

    def work(number):
        try:
            with desk.connect(timeout=20) as client:
                for i in range(10):
                    body = os.urandom(20000)
                    target = f"/{number}/{i}"
                    answer = client.ask("POST", target, body=body, chunked=i % 2 == 0)
                    assert answer.body == hashlib.sha256(target.encode() + body).hexdigest().encode() * 2000
        except Exception as error:      # noqa: BLE001
            problems.append(error)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_small_buffers(proxy, origin):
    """proxy_buffer_size holds the head; a body of any size passes through few and small buffers."""
    body = os.urandom(300000)
    back = origin(handle=lambda _: reply(body=body, fields={"X-Long": "a" * 3000}))
    desk = proxy("""server { listen @P@; proxy_buffers 2 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 4k;
        location / { proxy_pass http://@O@; } }""", O=back)
    assert desk.get().body == body
    back.handle = lambda _: reply(body=body, fields={"X-Long": "a" * 5000})
    assert desk.get().status == 502
