# SPDX-License-Identifier: MIT
"""No client waits for the end of a timeout that the proxy knows already; and what proves nothing about
a server changes nothing."""
import socket
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply


@pytest.fixture
def nowhere(origin):
    """An address that takes no connection and refuses none: its backlog is full."""
    deaf = origin(accepting=False, backlog=0)
    fill = [socket.socket() for _ in range(3)]
    for one in fill:
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", deaf.port))
    yield deaf
    for one in fill:
        one.close()


def ask_many(desk, count, method="GET", body=b""):
    return [desk.send_raw(request(method, body=body or None))
            for _ in range(count)]


@pytest.mark.ours
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("workers", [1, 4])
def test_who_connects_to_a_server_that_has_failed_is_given_another(proxy, origin, nowhere, method, workers):
    """Fifty come just before the first one finds out; nginx lets each wait for the end of its own time."""
    made = origin(handle=lambda asked: reply(body="b"))
    desk = proxy("""upstream u { server @A@ weight=1000; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; proxy_connect_timeout 6s; } }""",
                 workers=workers, A=nowhere, B=made)
    begin = time.monotonic()
    first = ask_many(desk, 1, method, b"1")
    time.sleep(3)
    others = ask_many(desk, 50, method, b"2")
    assert [client.response().text for client in first + others] == ["b"] * 51
    assert time.monotonic() - begin < 8.5, "each with its own time would be nine seconds"
    assert sorted(asked.body for asked in made.requests) == [b"1"] + [b"2"] * 50


@pytest.mark.ours
def test_when_all_have_failed_who_connects_is_refused(proxy, nowhere):
    desk = proxy("""upstream u { server @A@; server 127.0.0.1:1 down; }
        server { listen @P@; location / { proxy_pass http://u; proxy_connect_timeout 6s; } }""",
                 workers=2, A=nowhere)
    begin = time.monotonic()
    first = ask_many(desk, 1)
    time.sleep(3)
    others = ask_many(desk, 10)
    assert first[0].response().status in (502, 504)
    assert {client.response().status for client in others} <= {502, 504}
    assert time.monotonic() - begin < 8.5
    desk.wait_error("upstream is known to be unreachable by now, while connecting to upstream, client")


@pytest.mark.ours
def test_a_check_that_fails_frees_who_connects(proxy, origin, nowhere):
    made = origin(handle=lambda asked: reply(body="b"))
    desk = proxy("""upstream u { server @A@ weight=1000; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; proxy_connect_timeout 60s; }
                 location /check { proxy_pass http://u; proxy_connect_timeout 3s; proxy_read_timeout 3s;
                                   health_check interval=1s; } }""", A=nowhere, B=made)
    begin = time.monotonic()
    assert desk.get().text == "b" and time.monotonic() - begin < 15


@pytest.mark.ours
def test_a_lone_server_has_its_time(proxy, nowhere):
    """Nobody else is there, so nothing is gained by giving up."""
    desk = proxy("""upstream u { server @A@; }
        server { listen @P@; location / { proxy_pass http://u; proxy_connect_timeout 3s; } }""", A=nowhere)
    first = ask_many(desk, 1)
    time.sleep(1.5)
    second = ask_many(desk, 1)
    assert first[0].response().status == 504
    begin = time.monotonic()
    assert second[0].response().status == 504 and time.monotonic() - begin > 0.3


@pytest.mark.ours
def test_a_client_that_leaves_does_not_make_a_server_well(proxy, origin):
    """It has failed, is tried once more, and that request is given up by its client. In nginx this is a
    success, and the next requests all wait for the sick server."""
    def sick(asked):
        if asked.target != "/fail":
            time.sleep(60)
    a, b = origin(handle=sick), origin(handle=lambda asked: reply(body="b"))
    desk = proxy("""upstream u { server @A@ weight=1000 fail_timeout=1s; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", A=a, B=b)
    assert desk.get("/fail").text == "b"
    time.sleep(1.1)                      # fail_timeout is over
    while len(a.requests) < 2:
        with desk.send_raw(request(target="/leaves")) as client:
            desk.wait_for(lambda: len(a.requests) == 2 or not client.is_silent(0.02))
    desk.wait_error("client prematurely closed")
    begin = time.monotonic()
    assert [desk.get().text for _ in range(5)] == ["b"] * 5
    assert time.monotonic() - begin < 15


def test_next_upstream_timeout_begins_anew_with_an_error_page(proxy, origin):
    """The first location's servers take all of the time; the spare one's second server may be tried."""
    slow = [origin(handle=lambda asked: threading.Event().wait(0.9) and None) for _ in range(2)]
    bad = origin(handle=lambda asked: None)
    good = origin(handle=lambda asked: reply(body="good"))
    desk = proxy("""upstream first { server @A@; server @B@; }
        upstream spare { server @C@ weight=1000; server @D@; }
        server { listen @P@; proxy_next_upstream_timeout 600ms; proxy_read_timeout 800ms;
            location / { proxy_pass http://first; error_page 502 504 = @spare; }
            location @spare { proxy_pass http://spare; } }""",
                 A=slow[0], B=slow[1], C=bad, D=good)
    assert desk.get().text == "good"
