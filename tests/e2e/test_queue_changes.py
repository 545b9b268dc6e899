# SPDX-License-Identifier: MIT
"""The queue while its configuration changes, and requests for which there is nobody to wait."""
import threading
import time

import pytest

from harness.origin import reply
from test_queue import QUEUE, Gate, ask, fill, gate, start   # noqa: F401  (gate is a fixture)

pytestmark = pytest.mark.ours

NO_QUEUE = QUEUE.replace("queue {queue};", "")


def reload(desk, http, **names):
    desk.reload(http=http, workers=2, **names)
    desk.wait_error("the new configuration is in force")


def test_a_reload_without_queue_lets_nobody_else_in(proxy, gate):
    """Who waits goes on waiting; newcomers are told at once."""
    desk = start(proxy, gate, "10 target=0")
    clients = fill(desk, gate, ["/0", "/1", "/2"])
    reload(desk, NO_QUEUE.format(conns=1, more="", inside="", beside=""), O=gate.made)
    begin = time.monotonic()
    assert [desk.get("/new").status for _ in range(4)] == [502] * 4
    assert time.monotonic() - begin < 10
    time.sleep(0.3)                      # some looks at the clock
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 3
    assert desk.get("/after").status == 200


def test_a_request_from_before_a_reload_that_brings_a_queue(proxy, origin, gate):
    """Its configuration has no queue: refused as that says, although the group has one by now."""
    dead = threading.Event()

    def fails_late(asked):
        dead.wait(60)
    made = origin(handle=fails_late)
    conf = """upstream u {{ server @A@ weight=100 max_fails=0; server @B@ max_conns=1; {queue} }}
        server {{ listen @P@; location / {{ proxy_pass http://u; }}
                  location /b {{ proxy_pass http://u; proxy_next_upstream off; }} }}"""
    desk = proxy(conf.format(queue=""), workers=2, A=made, B=gate.made)
    old = ask(desk, "/old")
    made.wait_requests(1)
    reload(desk, conf.format(queue="queue 10 target=0;"), A=made, B=gate.made)
    held = []
    while not gate.seen():
        held.append(ask(desk, "/held"))
        time.sleep(0.02)
    dead.set()
    assert old.response().status == 502
    gate.let_all()
    for client in held:
        assert client.response().status in (200, 502)


def test_who_has_tried_all_that_are_up_does_not_wait(proxy, gate):
    """Others wait for the one that is full; this one has been there, and the other one is down."""
    held = gate.made.handle
    gate.made.handle = lambda asked: held(asked) and None if asked.target == "/a" else held(asked)
    desk = proxy("""upstream u { server @O@ max_conns=1 max_fails=0; server 127.0.0.1:1 down; queue 10 target=0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", workers=2, O=gate.made)
    clients = fill(desk, gate, ["/a", "/1", "/2", "/3"])
    begin = time.monotonic()
    gate.let("/a")                       # which is cut off there; /1 has its place
    assert clients[0].response().status == 502
    assert time.monotonic() - begin < 10
    gate.let_all()
    assert [client.response().status for client in clients[1:]] == [200] * 3


def test_nobody_waits_for_servers_that_drain(proxy, gate):
    conf = """upstream u {{ server @O@ max_conns=1 {drain}; sticky cookie c; queue 10 target=0; }}
        server {{ listen @P@; location / {{ proxy_pass http://u; }} }}"""
    desk = proxy(conf.format(drain=""), workers=2, O=gate.made)
    holder = ask(desk, "/0")
    gate.made.wait_requests(1)
    waiting = ask(desk, "/1")
    time.sleep(0.1)
    reload(desk, conf.format(drain="drain"), O=gate.made)
    begin = time.monotonic()
    assert waiting.response().status == 502
    assert desk.get("/2").status == 502
    assert time.monotonic() - begin < 10
    gate.let_all()
    assert holder.response().status == 200


def test_who_waits_is_not_sent_where_no_check_has_passed(proxy, origin, gate):
    """A reload adds a server with room; its mandatory checks fail."""
    sick = origin(handle=lambda asked: reply(500 if asked.target == "/check" else 200, body="sick"))
    conf = """upstream u {{ server @O@ max_conns=1; {more} queue 20 target=0; }}
        server {{ listen @P@; location / {{ proxy_pass http://u; }}
                  location /check {{ proxy_pass http://u; health_check uri=/check interval=1s mandatory persistent; }} }}"""
    gate.let("/check")
    desk = proxy(conf.format(more=""), workers=4, O=gate.made)
    gate.made.wait_requests(1)
    desk.wait_error("peer is healthy")
    holder = ask(desk, "/0")
    gate.made.wait_requests(2)
    waiting = [ask(desk, f"/{i}") for i in range(10)]
    time.sleep(0.2)
    desk.reload(http=conf.format(more="server @S@;"), workers=4, O=gate.made, S=sick)
    desk.wait_error("peer is unhealthy")
    gate.let_all()
    assert [client.response().status for client in [holder, *waiting]] == [200] * 11
    assert {asked.target for asked in sick.requests} == {"/check"}
