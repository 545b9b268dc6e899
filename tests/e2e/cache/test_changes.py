# SPDX-License-Identifier: MIT
"""The proxy is reloaded, upgraded, stopped, or its worker crashes, while answers are on their way into the
cache. Zones may have another size then, or be gone. Whatever is served is what the origin said."""
import os
import signal
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.wire import Closed
from test_process import Daemon

from .shelf import Shelf
from .test_crashes import TARGETS, Traffic, kill_worker, verify

pytestmark = pytest.mark.ours

ZONE = "proxy_cache_path store keys_zone=one:1m memory=%s max_object=200k max_size=%s; proxy_cache one;"
SITE = """add_header X-Status $upstream_cache_status;
server { listen @P@; location / { proxy_pass http://@O@; } }"""


@pytest.fixture
def shelf():
    return Shelf()


def judged(traffic):
    assert not traffic.failures, traffic.failures[:3]


@pytest.mark.slow
def test_reloads_that_change_and_remove_the_zone(proxy, origin, shelf):
    desk = proxy(ZONE % ("2m", "16m") + SITE, O=origin(handle=shelf.handle))
    with Traffic(desk, shelf, 1, has_purger=False) as traffic:
        for zone in (ZONE % ("4m", "32m"), ZONE % ("1m", "8m"), "", ZONE % ("2m", "16m"), ZONE.replace("store", "other") % ("2m", "8m"),
                     ZONE % ("2m", "16m")) * 2:
            time.sleep(0.3)
            count = traffic.count
            desk.reload(http=zone + SITE)
            desk.wait_for(lambda: traffic.count > count + 50 or traffic.failures, 20, "answers")
    judged(traffic)
    desk.wait_disks()
    assert verify(desk, shelf, TARGETS) > 0
    desk.wait_for(lambda: disk_bytes(desk, "store") <= 16 * 1024 * 1024 * 1.01, 20, "the smaller size")


def disk_bytes(desk, name):
    return sum(os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(desk.path(name)) for name in names)


@pytest.mark.slow
def test_workers_die_under_load(proxy, origin, shelf):
    desk = proxy(ZONE % ("2m", "16m") + SITE, O=origin(handle=shelf.handle))
    desk.may_alert = desk.may_fail = True
    with Traffic(desk, shelf, 2) as traffic:
        for _ in range(4):
            time.sleep(0.5)
            kill_worker(desk)
            desk.wait_disks()
    judged(traffic)
    assert verify(desk, shelf, TARGETS) > 0


@pytest.mark.slow
def test_a_new_binary_takes_the_directory_over(proxy, origin, shelf):
    """While the old worker still serves a client the new one has misses, then the directory."""
    back = origin(handle=shelf.handle)
    desk = proxy(start=False)
    may_end = threading.Event()

    def slowly(conn):
        body = b"x" * 100_000
        conn.send(reply(body=body, fields={"Cache-Control": "max-age=600"})[:-1000])
        may_end.wait(20)
        conn.send(body[-1000:])

    back.handle = lambda seen: slowly if seen.target == "/slow" else shelf.handle(seen)
    with Daemon(desk, ZONE % ("2m", "16m") + SITE, O=back) as daemon:
        desk.wait_disks()
        verify(desk, shelf, TARGETS[:100])
        with desk.connect(timeout=20) as client:
            client.send(request(target="/slow"))
            client.take_until(b"xxx")
            daemon.upgrade()
            old = daemon.pid
            os.kill(old, signal.SIGQUIT)
            for target in TARGETS[:100] * 2:        # no kept connection: one that ends closes it when it likes
                shelf.check(desk.get(target, timeout=10), target, 1)
            may_end.set()
            assert len(client.take(90_000)) == 90_000
        desk.wait_for(lambda: not os.path.exists(f"/proc/{old}") or not daemon.workers(old), 20, "the old one's end")
        desk.wait_disks()
        assert verify(desk, shelf, TARGETS[:100]) > 50, "what the old one had stored is there"


@pytest.mark.parametrize("how, is_whole", [(signal.SIGQUIT, True), (signal.SIGTERM, False)])
def test_an_end_while_answers_come(proxy, origin, shelf, how, is_whole):
    """QUIT waits for what its clients are getting, TERM does not; neither leaves a part that is served."""
    body, control = b"x" * 600_000, "max-age=600"
    may_end = threading.Event()

    def slowly(conn):
        conn.send(reply(body=body, fields={"Cache-Control": control})[:-1000])
        may_end.wait(10)
        conn.send(body[-1000:])

    back = origin(handle=lambda seen: slowly if seen.target == "/slow" else shelf.handle(seen))
    desk = proxy(ZONE % ("2m", "16m") + SITE, O=back)
    verify(desk, shelf, TARGETS[:50])
    with desk.connect(timeout=15) as client:
        client.send(request(target="/slow"))
        head = client.take_head()
        client.take(1000)
        desk.tell(how)
        desk.wait_error(r"gracefully shutting down|exiting")
        if is_whole:
            may_end.set()
            assert client.take(int(head.get("Content-Length")) - 1000) == body[1000:]
        else:
            with pytest.raises(Closed):
                client.take(len(body) - 1000)
        assert desk.process.wait(5 if how == signal.SIGTERM else 10) == 0
        may_end.set()
    desk.start()
    asked = len(back.requests)
    assert desk.get("/slow", timeout=15).body == body
    assert len(back.requests) - asked == (0 if is_whole else 1), "what was whole is stored"
    assert verify(desk, shelf, TARGETS[:50]) > 40
