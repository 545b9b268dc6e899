# SPDX-License-Identifier: MIT
"""Bodies over a long path: a window that did not grow would allow its own size for each time there and back, and no
more, however fast the machine is. So each limit here is a time that only larger windows can keep."""
import time

import pytest

from harness.far import Far
from harness.h2 import H2Client
from harness.h2_origin import H2Origin
from harness.h2_wire import INITIAL_WINDOW_SIZE
from harness.proxy import Proxy, is_memory_odd

pytestmark = [pytest.mark.ours, pytest.mark.slow]

CONF = """
proxy_http_version 2;
server {
    listen @P@ http2;
    client_max_body_size 0;
    location / { proxy_pass http://@O@; }
    location /stream { proxy_request_buffering off; proxy_pass http://@O@; }
}
"""
THERE_S = 0.1
MB = 1024 * 1024


@pytest.fixture
def far():
    made = []

    def make(address, there_s=THERE_S):
        made.append(Far(address, there_s))
        return made[-1]
    yield make
    for one in made:
        one.stop()


@pytest.fixture
def origin():
    made = []

    def make(handle):
        made.append(H2Origin(handle))
        return made[-1]
    yield make
    for one in made:
        one.stop()
    assert not [error for one in made for error in one.errors]


@pytest.mark.parametrize("path", ["/", "/stream"])
def test_an_upload_from_far_away(proxy, origin, far, path):
    """64 KB in 0.2 s would be 50 s for 16 MB."""
    back = origin(lambda stream: stream.reply(200, {}, str(len(stream.body))))
    desk = proxy(CONF, O=back)
    with H2Client(far(desk.address()).address, timeout=30) as client:
        stream = client.open("POST", path, end=False)
        began = time.monotonic()
        client.write(stream, bytes(16 * MB))
        assert client.answer(stream, 40).body == str(16 * MB).encode()
        assert time.monotonic() - began < 40


def test_a_download_from_far_away(proxy, origin, far):
    """256 KB in 0.2 s would be 50 s for 64 MB."""
    back = origin(lambda stream: stream.reply(200, {}, bytes(64 * MB)))
    desk = proxy(CONF, O=far(back.address))
    with H2Client(desk.address(), timeout=60) as client:
        stream = client.open("GET", "/")
        answer = client.answer(stream, 40)
        assert len(answer.body) == 64 * MB


def test_what_has_grown_is_not_kept_by_who_stalls(proxy, origin, far):
    """They read until their windows are as large as they get, then never again: what came above their shares is no
    more than the pot."""
    back = origin(lambda stream: stream.reply(200, {}, bytes(64 * MB)))
    desk = proxy(CONF, O=far(back.address, 0.05))
    with H2Client(desk.address()) as client:
        stream = client.open("GET", "/")
        client.wait(lambda: len(stream.body) > MB)
    before = desk.pss_kb()
    attackers = [H2Client(desk.address(), settings={INITIAL_WINDOW_SIZE: MB}, timeout=30) for _ in range(6)]
    for attacker in attackers:
        attacker.send_window_update(0, MB)
        stream = attacker.open("GET", "/")
        attacker.wait(lambda seen=stream: len(seen.body) > 6 * MB, 30)
        attacker.gives = False
    Proxy.wait_for(lambda: all(attacker.is_quiet(0.1) for attacker in attackers), 30, "their windows to be shut")
    held = desk.pss_kb() - before
    if not is_memory_odd():
        assert held < 12_000
    for attacker in attackers:
        attacker.close()
