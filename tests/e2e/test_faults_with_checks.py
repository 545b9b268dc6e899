# SPDX-License-Identifier: MIT
"""F06 to F10 of the fault plan with servers that are processes of their own, killed by SIGKILL, and with
active checks at work: docs/testing.md has the table."""
import os
import subprocess
import time

import pytest

from harness import netns
from harness.load import CheckedLoad
from harness.origin_process import OriginProcess
from harness.proxy import PORTS, is_sanitized

pytestmark = [pytest.mark.ours, pytest.mark.slow]

FULL = bool(os.environ.get("FULL"))
CHECKS = ["", "health_check uri=/h interval=200ms;",
          "health_check uri=/h interval=200ms keepalive_time=1h fails=2 mandatory persistent;"]
CONF = """
upstream u {{ server @A@ {server}; server @B@ {server}; server @C@ {server}; {ejection} }}
server {{ listen @P@; location / {{ proxy_pass http://u; proxy_connect_timeout 500ms; proxy_read_timeout 1s; {check} }}
    location /v {{ return 200 v; }} }}
"""


@pytest.fixture
def servers():
    made = [OriginProcess(PORTS.get()) for _ in range(3)]
    yield made
    for one in made:
        one.kill()


def start(proxy, servers, check="", server="", ejection=""):
    desk = proxy(CONF.format(check=check, server=server, ejection=ejection), **dict(zip("ABC", servers)))
    desk.wait_for(lambda: desk.get("/checked/1").status == 200, 20, "service")
    return desk


@pytest.mark.parametrize("check", CHECKS, ids=["unchecked", "checked", "kept"])
def test_servers_are_killed_and_restarted(proxy, servers, check):
    """F06: a GET is always served by somebody else. A check sees the return before fail_timeout is over."""
    desk = start(proxy, servers, check, server="" if check else "fail_timeout=1s")
    with CheckedLoad(desk.address(), clients=6, posts=False) as load:
        for number in range(20 if FULL else 4):
            victim = servers[number % 3]
            victim.kill()
            load.wait(150)
            time.sleep(5 if FULL else 0.5)
            victim.start()
            time.sleep(1.2)
            load.wait(150)
    assert load.failures == []


@pytest.mark.parametrize("check", CHECKS[:2], ids=["unchecked", "checked"])
def test_one_of_three_flaps(proxy, servers, check):
    """F07: a second up, a second down: fewer than one error in a thousand, and no crowd at its return."""
    desk = start(proxy, servers, check, server="slow_start=2s fail_timeout=1s", ejection="outlier_ejection;")
    with CheckedLoad(desk.address(), clients=6, posts=False, may_answer=(200, 502, 504)) as load:
        for _ in range(10 if FULL else 3):
            servers[2].kill()
            time.sleep(1)
            servers[2].start()
            time.sleep(1)
    assert load.failures == []
    assert load.count > 100 and len(load.refusals) <= load.count / 1000, (load.count, load.refusals[:3])


@pytest.mark.parametrize("check", CHECKS[:2], ids=["unchecked", "checked"])
def test_all_are_killed_and_restarted(proxy, servers, check):
    """F08: 502 at once while all are down; served within a second of the first one's return."""
    desk = start(proxy, servers, check, server="fail_timeout=60s")
    for one in servers:
        one.kill()
    desk.wait_for(lambda: desk.get("/checked/1").status == 502, 20, "502")
    time.sleep(0.5)
    slow, end = [], time.monotonic() + (20 if FULL else 2)
    while time.monotonic() < end:
        begin = time.monotonic()
        assert desk.get("/checked/1").status == 502
        slow.append(time.monotonic() - begin)
        time.sleep(0.01)
    assert sorted(slow)[len(slow) // 4] < (0.25 if is_sanitized() else 0.05) and max(slow) < 5, sorted(slow)
    servers[1].start()
    begin = time.monotonic()
    desk.wait_for(lambda: desk.get("/checked/1").status == 200, 20, "service")
    assert time.monotonic() - begin < 8


def times_of(desk, count=40):
    found = []
    for number in range(count):
        begin = time.monotonic()
        assert desk.get(f"/checked/{number}").status == 200
        found.append(time.monotonic() - begin)
    return sorted(found)


def test_a_check_finds_the_route_into_nowhere(proxy, servers):
    """F09: nobody waits for proxy_connect_timeout once a check has."""
    if not netns.IS_ISOLATED:
        pytest.skip("needs a network namespace of its own")
    for line in ("link add hole type veth peer name bottom", "addr add 10.98.0.1/24 dev hole", "link set hole up",
                 "link set bottom up", "neigh add 10.98.0.2 lladdr 02:00:00:00:00:63 dev hole nud permanent"):
        subprocess.run(["ip", *line.split()], check=True)
    try:
        desk = proxy(CONF.format(check=CHECKS[2], server="max_fails=0", ejection=""),
                     A=servers[0], B="10.98.0.2:80", C=servers[2])
        desk.wait_error("peer is unhealthy: upstream timed out .* while connecting to upstream")
        desk.wait_for(lambda: desk.get("/checked/1").status == 200, 20, "service")
        assert times_of(desk)[-1] < 0.4
    finally:
        subprocess.run(["ip", "link", "del", "hole"], check=True)


@pytest.mark.parametrize("pause", [None, 0.3], ids=["silent", "dribbling"])
def test_a_check_finds_who_says_nothing_or_too_little(proxy, servers, origin, pause):
    """F10: a head that comes byte by byte is as late as none."""
    def script(conn):
        conn.request()
        if pause is None:
            conn.hang()
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
            conn.send(bytes([byte]))
            if conn.hang(pause):
                return
    desk = proxy(CONF.format(check=CHECKS[1].replace(";", " mandatory;"), server="max_fails=0", ejection=""),
                 A=servers[0], B=origin(script=script), C=servers[2])
    desk.wait_error("peer is unhealthy: upstream timed out .* while reading response header")
    assert times_of(desk)[-1] < 0.8
