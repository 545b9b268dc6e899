# SPDX-License-Identifier: MIT
"""The proxy protects itself: past its marks it stops keep-alive first, then accepting, says so, and recovers."""
import os
import signal
import time

import pytest

from harness.client import Client, request
from harness.origin import reply
from harness.proxy import freeze
from harness.shim import shim_environment
from harness.wire import Closed

pytestmark = pytest.mark.ours

CONF = "server { listen @P@; location / { return 200 ok; } location /o { proxy_pass http://@O@; } }"
HIGH = r"\[warn\] .*event loop 0 lags (\d+) ms: connections are closed after their answers"
CRITICAL = r"\[error\] .*event loop 0 lags (\d+) ms: nobody is let in until it is better"
CALM = r"\[notice\] .*event loop 0 lags (\d+) ms: connections are kept again"


@pytest.fixture(name="desk")
def desk_(proxy, origin):
    def make(main="", **more):
        return proxy(CONF, main=main, workers=1, O=origin(handle=lambda _: reply(body="ok")),
                     environment=shim_environment("stall"), **more)
    return make


def stall(desk, ms, times=1):
    """Turns of that length, one after the other."""
    last = None
    for _ in range(times):
        with desk.connect(timeout=20) as client:
            client.send(request("GET", "/", fields=[("X-Stall", ms)]))
            last = client.response()
    return last


def is_kept(desk):
    with desk.connect() as client:
        return client.ask().get("Connection") != "close"


def test_a_late_loop_ends_keep_alive(desk):
    made = desk("worker_lag close=100ms stop=10s;")
    with made.connect() as early:
        assert early.ask().get("Connection") == "keep-alive"
        assert stall(made, 300, 3).get("Connection") == "close"     # the first one alone is forgiven
        found = made.wait_error(HIGH)
        assert 100 <= int(found[1]) <= 300
        assert early.ask().get("Connection") == "close"
        early.expect_closed()
    made.wait_for(lambda: is_kept(made), 20, "keep-alive")
    assert int(made.wait_error(CALM)[1]) < 50
    assert len([line for line in made.errors().splitlines() if "event loop 0 lags" in line]) == 2


def test_a_very_late_loop_lets_nobody_in(desk):
    """Who waits outside is served as soon as it is better; who is in is served meanwhile."""
    made = desk("worker_lag close=50ms stop=150ms;")
    with made.connect(timeout=10) as early:
        early.send(request("GET", "/", fields=[("X-Stall", 1200)]))
        early.response()
        late = made.send_raw(request("GET", "/"))
        assert late.response().text == "ok"
        found = made.wait_error(CRITICAL)
        assert 150 <= int(found[1]) <= 1200
        late.close()
    made.wait_for(lambda: is_kept(made), 20, "keep-alive")
    made.wait_error(CALM)


def test_off_is_off(desk):
    made = desk("worker_lag off;")
    for _ in range(3):
        assert stall(made, 1000).get("Connection") == "keep-alive"
    assert "lags" not in made.errors()


def test_usual_pauses_are_forgiven(desk):
    """By default a turn of half a second now and then means nothing."""
    made = desk()
    assert stall(made, 500).get("Connection") == "keep-alive"
    assert is_kept(made)
    assert "lags" not in made.errors()


def test_a_worker_that_stood_still_is_late(proxy):
    """SIGSTOP: its alarm rings late, here the one of a client whose head does not come."""
    desk = proxy("client_header_timeout 300ms; server { listen @P@; location / { return 200 ok; } }", workers=1,
                 main="worker_lag close=50ms stop=10s;")
    assert is_kept(desk)
    worker = desk.worker()
    with desk.connect() as silent:
        silent.send(b"GET / HTTP/1.1\r\n")
        desk.wait_for(lambda: is_in(desk, 1), 20, "a client")
        freeze(worker)
        time.sleep(1.5)
        desk.tell(signal.SIGCONT, worker)
        desk.wait_error(HIGH)


def test_a_reload_sets_the_marks(desk):
    made = desk("worker_lag off;")
    stall(made, 1000)
    assert "lags" not in made.errors()
    made.write(http=CONF + " server { listen @Q@; }", main="worker_lag close=50ms;", workers=1)
    made.tell(signal.SIGHUP)
    made.wait_for(lambda: is_open(made, "Q"), 20, "the new configuration")
    stall(made, 400, 2)
    made.wait_error(HIGH)


def is_open(desk, name):
    try:
        desk.get("/", to=name)
        return True
    except (Closed, OSError):
        return False


# ---- connections and descriptors --------------------------------------------------------------------

def crowd_of(desk, count):
    """Silent clients: they are busy, from where we see them, so nobody rests."""
    crowd = [Client(desk.address(), timeout=5) for _ in range(count)]
    for client in crowd:
        client.send(b"GET / HTTP/1.1\r\n")
    return crowd


def finish(crowd):
    """The rest of the heads; who says close in its answers?"""
    ends = []
    for client in crowd:
        client.send(b"Host: localhost\r\n\r\n")
        ends.append(client.response().get("Connection"))
    return ends


@pytest.mark.parametrize("main, events, least, words", [
    ("", "worker_connections 50;", 40, r"event loop 0 has 4\d of 50 worker_connections"),
    ("worker_rlimit_nofile 128;", "worker_connections 1000;", 77, r"\d\d of 96 descriptors are used"),
])
def test_keep_alive_stops_first(desk, main, events, least, words):
    """Below the mark connections are kept; above it, and nobody rests, an answer is the last; all are served, and
    it ends with the crowd."""
    made = desk(main, events=events)
    crowd = crowd_of(made, least - 2)
    made.wait_for(lambda: is_in(made, least - 2), 20, "a crowd")
    assert is_kept(made)
    crowd += crowd_of(made, 3)
    made.wait_error(rf"\[warn\] .*{words}: for each connection that is kept an idle one is closed")
    ends = finish(crowd)
    assert "close" in ends[:10] and ends[-1] == "keep-alive"        # as some have gone, the others may stay
    for client in crowd:
        client.close()
    made.wait_for(lambda: is_kept(made), 20, "keep-alive")
    made.wait_for(lambda: is_said_by_a_turn(made), 20, "its end")


def is_said_by_a_turn(desk):
    """A loop that sleeps says nothing; a kind speaks once a second."""
    desk.get("/")
    return "[notice]" in desk.errors() and "connections are kept again" in desk.errors()


def is_in(desk, count):
    return len(os.listdir(f"/proc/{desk.worker()}/fd")) > count


def test_memory_ends_keep_alive_before_it_refuses(proxy, origin):
    """Bodies of which the end does not come, until three quarters of worker_memory are held."""
    desk = proxy("server { listen @P@; location / { return 200 ok; } "
                 "location /o { client_body_buffer_size 128k; proxy_pass http://@O@; } }",
                 main="worker_memory 8m;", workers=1, O=origin())
    assert is_kept(desk)
    crowd = []
    while is_kept(desk):
        assert len(crowd) < 100
        crowd.append(desk.send_raw(request("POST", "/o", fields=[("Content-Length", 100000)]) + b"x" * 90000))
    assert desk.get("/").status == 200
    desk.wait_error(r"\[warn\] .* \d+ of 8388608 bytes of worker_memory are held: connections are closed after their answers")
    for client in crowd:
        client.close()
    desk.wait_for(lambda: is_kept(desk), 20, "keep-alive")
    desk.wait_error(r"\[notice\] .* bytes of worker_memory are held: connections are kept again")
