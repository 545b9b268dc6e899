# SPDX-License-Identifier: MIT
"""Connections to servers that rest: shared by all loops, closed before the server closes them."""
import time

import pytest

from harness.origin import reply
from harness.proxy import is_nginx

pytestmark = pytest.mark.skipif(is_nginx(), reason="ours")

KEPT = """upstream u { server @O@; PARAMETERS }
server { listen @P@; location / { proxy_pass http://u; } }
"""


def kept(parameters=""):
    return KEPT.replace("PARAMETERS", parameters)


def one_each(desk, times, pause):
    """Requests by clients of their own, so that they come in on any loop."""
    for number in range(times):
        if number > 0:
            time.sleep(pause)
        assert desk.get().status == 200


def test_a_connection_that_rests_serves_every_loop(proxy, origin):
    """With reuseport the kernel deals clients out to the loops by chance."""
    back = origin()
    desk = proxy(kept().replace("@P@", "@P@ reuseport"), O=back, workers=4)
    desk.get()
    time.sleep(1.7)                      # it lies on the shelf by now
    one_each(desk, 6, 1.7)
    assert back.connections == 1


def test_a_server_that_says_how_long_it_waits_is_never_kept_waiting(proxy, origin):
    """Keep-Alive: timeout=2: we close after a second, at rest on a loop or on the shelf."""
    back = origin(handle=lambda _: reply(fields=[("Keep-Alive", "max=100, timeout=2")], body="x"))
    desk = proxy(kept(), O=back, workers=1)
    desk.get()
    started = time.monotonic()
    desk.wait_for(lambda: not back.conns, 20, "the idle connection to close")
    assert 0.5 < time.monotonic() - started < 1.9
    assert back.connections == 1


def test_four_seconds_of_patience_end_on_the_shelf(proxy, origin):
    back = origin(handle=lambda _: reply(fields=[("Keep-Alive", "timeout=4")], body="x"))
    desk = proxy(kept(), O=back, workers=2)
    desk.get()
    started = time.monotonic()
    time.sleep(1.8)
    assert len(back.conns) == 1          # it is on the shelf
    desk.wait_for(lambda: not back.conns, 20, "the idle connection to close")
    assert 2.5 < time.monotonic() - started < 3.95


@pytest.mark.parametrize("field", ["timeout=x", "timeout=-1", "timeout=99999999999999999999", "", "max=5", ",,,"])
def test_nonsense_in_keep_alive_means_nothing(proxy, origin, field):
    back = origin(handle=lambda _: reply(fields=[("Keep-Alive", field)], body="x"))
    desk = proxy(kept(), O=back, workers=1)
    one_each(desk, 3, 0)
    time.sleep(1.2)
    assert back.connections == 1 and len(back.conns) == 1


def closing_after(seconds):
    """An origin script that closes connections after so long a rest, without a word about it."""
    def script(conn):
        conn.sock.settimeout(seconds)
        try:
            while True:
                conn.request()
                conn.send(reply(body="x"))
        except (OSError, EOFError):
            pass
    return script


def test_what_a_server_does_is_learned(proxy, origin):
    back = origin(script=closing_after(3))
    desk = proxy(kept(), O=back, workers=1)
    for _ in range(2):                   # it closes twice, after the same time
        desk.get()
        desk.wait_for(lambda: not back.conns, 20, "the server to close")
        time.sleep(0.7)                  # until the shelf has noticed
    desk.get()
    started = time.monotonic()
    desk.wait_for(lambda: not back.conns, 20, "us to close")
    assert time.monotonic() - started < 2.95


def test_keepalive_bounds_all_that_rest(proxy, origin):
    back = origin()
    desk = proxy(kept("keepalive 1;"), O=back, workers=2)
    clients = [desk.connect() for _ in range(12)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    for client in clients:
        assert client.response().status == 200
    desk.wait_for(lambda: len(back.conns) <= 2, 20, "all but one per loop to close")
    time.sleep(1.8)
    assert len(back.conns) <= 2


def test_a_server_that_closes_on_the_shelf_is_asked_anew(proxy, origin):
    back = origin()
    desk = proxy(kept(), O=back, workers=2)
    one_each(desk, 4, 0)
    time.sleep(1.8)
    back.close_all()
    assert desk.get().status == 200      # before a sweep, perhaps: whoever takes one looks
    time.sleep(1.2)
    assert desk.get().status == 200


def test_a_reload_keeps_what_rests(proxy, origin):
    back = origin()
    desk = proxy(kept(), O=back, workers=2)
    desk.get()
    time.sleep(1.8)
    desk.reload(http=kept("keepalive 8;"), O=back, workers=2)
    desk.get()
    assert back.connections == 1
