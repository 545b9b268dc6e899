# SPDX-License-Identifier: MIT
"""F28: the same requests on a kernel that moves few bytes at a time, interrupts and says EAGAIN."""
import hashlib
import os
import subprocess
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import is_nginx
from harness.shim import shim_environment

# nginx takes an interrupted recv() of no bytes for a client that left: it passes most of the time only.
pytestmark = pytest.mark.ours

CONF = """
upstream u { server @O@; keepalive 4; }
server { listen @P@;
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location /direct/ { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
                        proxy_buffering off; proxy_request_buffering off; }
    location /local { return 200 local; }
    location /introduced { proxy_send_proxy_protocol v1; proxy_pass http://u; }
    location /ws { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection upgrade;
                   proxy_set_header Upgrade $http_upgrade; }
}
"""


@pytest.fixture(params=[1, 2, 3])
def desk(request, proxy, origin):
    seed = os.environ.get("SHORT_IO_SEED", str(request.param))
    made = proxy(CONF, O=origin(), environment=shim_environment("short_io", SHORT_IO_SEED=seed))
    made.back = request.getfixturevalue("origin").made[0]
    made.may_alert = is_nginx()         # it takes an interrupted accept4() for a fault
    return made


def test_the_shim_is_at_work(desk):
    with open(f"/proc/{desk.worker()}/maps", encoding="ascii") as file:
        assert "short_io.so" in file.read()


def test_requests_of_all_kinds(desk):
    body = os.urandom(20000)
    for target in ("/", "/direct/"):
        with desk.connect() as client:
            for chunked in (False, True):
                for _ in range(3):
                    assert client.ask("GET", target + "x?y").json["target"] == target + "x?y"
                    seen = client.ask("POST", target, body=body, chunked=chunked).json
                    assert seen["sha"] == hashlib.sha256(body).hexdigest()
                    assert client.ask("HEAD", target).status == 200
            client.send(b"".join(request("GET", f"{target}{i}") for i in range(10)))
            for i in range(10):
                assert client.response().json["target"] == f"{target}{i}"


def test_bodies_down(desk):
    body = os.urandom(200000)
    for target in ("/", "/direct/"):
        for options in ({}, {"chunked": True}, {"length": False}):
            desk.back.handle = lambda _, o=options: reply(body=body, **o)
            answer = desk.get(target, timeout=20)
            assert answer.body == body


def test_many_at_once(desk):
    problems = []

    def work(number):
        try:
            with desk.connect(timeout=20) as client:
                for i in range(15):
                    assert client.ask("GET", f"/{number}/{i}").json["target"] == f"/{number}/{i}"
        except Exception as error:      # noqa: BLE001
            problems.append(repr(error))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_refusals(desk):
    for raw, status in ((b"BAD\r\n\r\n", 400), (request("POST", body=b"x" * 2_000_000), 413),
                        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400)):
        with desk.connect() as client:
            try:
                client.send(raw)
            except OSError:
                pass
            assert client.take_head().status == status


@pytest.mark.parametrize("framing", ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"])
def test_an_answer_that_is_cut_anywhere_is_an_error_for_curl(desk, framing):
    """In the head too, which curl takes for whole when the connection ends in good order."""
    for _ in range(40):
        desk.back.script = lambda conn: (conn.request(), conn.send("HTTP/1.1 200 OK\r\nX-Long: " + "y" * 80 + "\r\n" + framing))
        done = subprocess.run(["curl", "-sS", "--max-time", "10", f"http://{desk.address()}/"], capture_output=True, check=False)
        assert done.returncode in (18, 52, 56), done


def test_a_tunnel(desk):
    def mirror(conn):
        conn.request()
        conn.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        while True:
            if conn.buffer:
                data, conn.buffer = conn.buffer, b""
                conn.send(data)
            conn.fill()
    desk.back.script = mirror
    with desk.connect() as client:
        client.send(request("GET", "/ws", fields={"Upgrade": "websocket", "Connection": "Upgrade"}))
        assert client.response().status == 101
        data = os.urandom(30000)
        client.send(data)
        assert client.take(len(data)) == data


def test_the_header_that_goes_first(desk):
    def script(conn):
        first = conn.take_until(b"\r\n")
        conn.request()
        conn.send(reply(body=first))
    desk.back.script = script
    for _ in range(30):
        with desk.connect() as client:
            port = client.sock.getsockname()[1]
            wanted = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (port, desk.port())
            assert client.ask("GET", "/introduced").body == wanted


def test_origin_failures(desk):
    desk.back.script = lambda conn: conn.request()
    assert desk.get().status == 502
    desk.back.script = lambda conn: (conn.request(), conn.reset())
    assert desk.get().status == 502
    desk.back.script = None
    begin = time.monotonic()
    assert desk.get().status == 200
    assert time.monotonic() - begin < 10
