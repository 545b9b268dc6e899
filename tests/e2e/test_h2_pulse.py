# SPDX-License-Identifier: MIT
"""Connections to HTTP/2 servers that have fallen silent: asked by PING, given up when nobody hears it, and left alone
when the server is merely busy. The delays are the codec's (10 s of silence, 10 s for an answer), so these wait."""
import subprocess
import threading
import time

import pytest

from harness import netns
from harness.h2_origin import H2Origin, echo
from harness.wire import Closed

pytestmark = [pytest.mark.ours, pytest.mark.slow]

CONF = """
proxy_http_version 2;
upstream u { server @O@ max_fails=0; keepalive 16; keepalive_timeout 120s; }
server { listen @P@; location / { proxy_pass http://u; } }
"""
SILENCE_S = ANSWER_S = 10


class Far:
    """An address that can be taken off the network: what is sent there is lost, and no word comes back."""

    def __init__(self, address):
        self.address = address
        self("add")

    def __call__(self, what):
        subprocess.run(["ip", "address", what, f"{self.address}/32", "dev", "lo"], check=True)


@pytest.fixture
def far():
    if not netns.IS_ISOLATED:
        pytest.skip("addresses can be taken away in a namespace only")
    made = []

    def make(address):
        made.append(Far(address))
        return made[-1]
    yield make
    for one in made:
        subprocess.run(["ip", "address", "del", f"{one.address}/32", "dev", "lo"], check=False)


@pytest.fixture
def back():
    made = []

    def make(*args, **kwargs):
        made.append(H2Origin(*args, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.stop()


def in_background(desk, path, results, timeout=70):
    def run():
        began = time.monotonic()
        try:
            answer = desk.get(path, timeout=timeout)
            results[path] = (answer.status, time.monotonic() - began)
        except (Closed, OSError, TimeoutError) as error:
            results[path] = (error, time.monotonic() - began)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def pings(origin):
    return [one.pings for one in origin.conns]


def test_a_server_that_vanishes_under_requests(proxy, back, far):
    """They fail as soon as it is clear that nobody is there, long before proxy_read_timeout (60 s)."""
    address = far("10.55.1.1")
    origin = back(lambda stream: echo(stream) if stream.path == "/" else None, host=address.address)
    desk = proxy(CONF, O=origin, workers=1)
    assert desk.get("/").status == 200
    results = {}
    threads = [in_background(desk, f"/wait{i}", results) for i in range(3)]
    origin.wait_requests(4)
    address("del")
    for thread in threads:
        thread.join(50)
    assert sorted(results) == ["/wait0", "/wait1", "/wait2"]
    for status, seconds in results.values():
        assert status == 504 and SILENCE_S + ANSWER_S - 1 <= seconds < 45
    address("add")


def test_a_server_that_vanishes_while_it_rests(proxy, back, far):
    """The connection is given up at rest, so the next request meets a new one at once."""
    address = far("10.55.1.2")
    origin = back(host=address.address)
    desk = proxy(CONF, O=origin, workers=1)
    assert desk.get("/").status == 200
    address("del")
    desk.wait_for(lambda: not is_connected(origin.address), 45, "the end of the connection")
    address("add")
    began = time.monotonic()
    assert desk.get("/").status == 200 and time.monotonic() - began < 5
    assert origin.connections == 2


def is_connected(address):
    said = subprocess.run(["ss", "-Htn", "state", "established", "dst", address], capture_output=True, text=True,
                          check=True).stdout
    return bool(said.strip())


def test_a_busy_server_is_waited_for(proxy, back):
    """It does not answer PING, but its kernel acknowledges: whoever waits is served in the end. New requests go
    elsewhere until it speaks again, then to it as before."""
    def script(conn):
        conn.answers_pings = conn.number > 1
        conn.serve()
    free = threading.Event()

    def handle(stream):
        if stream.path == "/long":
            free.wait(60)
            stream.conn.answers_pings = True
        echo(stream)
    origin = back(handle, script=script)
    desk = proxy(CONF, O=origin, workers=1)
    results = {}
    thread = in_background(desk, "/long", results)
    origin.wait_requests(1)
    desk.wait_for(lambda: origin.conns[0].pings == 1, 20, "PING")
    assert desk.get("/early").json["connection"] == 1          # it may still answer
    desk.wait_for(lambda: desk.get("/other").json["connection"] == 2, 40, "another connection")
    free.set()
    thread.join(20)
    assert results["/long"][0] == 200
    assert origin.conns[0].pings <= 2
    assert not origin.errors


def test_one_at_rest_is_asked_once(proxy, back):
    """Servers of gRPC count what they are asked when they have nothing to say."""
    origin = back()
    desk = proxy(CONF, O=origin, workers=1)
    assert desk.get("/").status == 200
    desk.wait_for(lambda: pings(origin) == [1], 25, "PING")
    time.sleep(SILENCE_S + 3)                # nothing is to come, so there is no condition
    assert pings(origin) == [1]
    assert desk.get("/").status == 200       # and with the request that comes after a long rest
    desk.wait_for(lambda: pings(origin) == [2], 5, "PING")
    assert origin.connections == 1
