# SPDX-License-Identifier: MIT
"""F18: the wall clock jumps, while the proxy runs and between a stop and a start. What is stored gets old by
the time that passes, never younger than nothing, and nothing lives for ever. The origin's clock is right."""
import os
import struct
import time

import pytest

from harness.proxy import is_sanitized
from harness.shim import shim_environment

from .shelf import CACHED, Shelf

pytestmark = [pytest.mark.ours, pytest.mark.skipif(is_sanitized(), reason="sanitizers have a clock of their own")]

HOUR = 3600
JUMPS = {"an hour on": HOUR, "an hour back": -HOUR, "1970": -int(time.time()) + 1000, "twenty years on": 20 * 365 * 86400}
TIERS = {"disk": "proxy_cache_path store keys_zone=one:1m memory=1m max_object=100k;",
         "memory": "proxy_cache_path memory: keys_zone=one:8m max_object=4m;"}
SITE = """
proxy_cache one;
add_header X-Status $upstream_cache_status;
server { listen @P@; location / { proxy_pass http://@O@; } }
"""


class Bench:
    def __init__(self, proxy, origin, tier):
        self.shelf = Shelf()
        self.desk = proxy(TIERS[tier] + SITE, O=origin(handle=self.shelf.handle), start=False)
        self.clock = self.desk.put("clock", "\0" * 8)
        os.chmod(self.clock, 0o644)

    def start(self):
        self.desk.start(environment=shim_environment("wall_clock", WALL_CLOCK=self.clock))
        return self

    def restart(self, offset):
        self.desk.stop()
        self.jump(offset)
        return self.start()

    def jump(self, offset):
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("=q", offset))

    def get(self, target):
        """True: from the cache. The answer is right, and its age is one."""
        floor = self.shelf.floor(target)
        answer = self.desk.get(target)
        self.shelf.check(answer, target, floor)
        if answer.get("X-Status") in CACHED:
            assert 0 <= int(answer.get("Age")) <= 1 << 31, answer
        return answer.get("X-Status") in CACHED


@pytest.fixture(params=TIERS)
def bench(request, proxy, origin):
    return Bench(proxy, origin, request.param)


@pytest.fixture
def disk(proxy, origin):
    return Bench(proxy, origin, "disk")


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_it_jumps_under_the_running_proxy(bench, jump):
    bench.start()
    targets = ["/small/1", "/middle/2", "/large/3"]
    for target in targets:
        bench.get(target)
    bench.desk.wait_for(lambda: all(map(bench.get, targets)), 20, "all to be stored")
    bench.jump(jump)
    assert all(map(bench.get, targets)), "it is as old as before: time passed, not the clock"
    bench.jump(0)
    assert all(map(bench.get, targets))


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
@pytest.mark.parametrize("is_set_right", [False, True])
def test_what_comes_by_a_wrong_clock_does_not_live_for_ever(bench, jump, is_set_right):
    bench.start()
    bench.jump(jump)
    bench.shelf.control = "max-age=1"
    for target in ("/small/1", "/large/2"):
        bench.get(target)
    bench.jump(0 if is_set_right else jump)
    time.sleep(2.2)
    before = next(bench.shelf.asked)
    for target in ("/small/1", "/large/2"):
        bench.get(target)
    assert next(bench.shelf.asked) - before == 3, "both are asked for again"


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_a_start_by_another_clock(disk, jump):
    """What came in the future is new; it is stale when its time is over."""
    disk.start()
    targets = ["/small/1", "/middle/2", "/large/3"]
    for target in targets:
        disk.get(target)
    disk.shelf.control = "max-age=1"
    disk.get("/small/9")
    disk.desk.wait_for(lambda: all(map(disk.get, targets)), 20, "all to be stored")
    disk.restart(jump)
    if jump > 0:
        assert not any(map(disk.get, targets)), "too old by this clock"
    else:
        assert all(map(disk.get, targets))
    disk.get("/small/9")
    time.sleep(2.2)
    before = next(disk.shelf.asked)
    disk.get("/small/9")
    assert next(disk.shelf.asked) - before == 2, "asked for again"
    disk.restart(0)
    for target in targets:
        disk.get(target)


@pytest.mark.parametrize("jump", JUMPS.values(), ids=JUMPS)
def test_purges_hold_whatever_the_clock_says(disk, jump):
    """What was stored before is purged, and what is stored afterwards is not."""
    disk.start()
    disk.get("/middle/1")
    disk.desk.wait_for(lambda: disk.get("/middle/1"), 20, "it to be stored")
    for offset in (jump, 0, jump):
        disk.restart(offset)
        version = disk.shelf.renew("/middle/1")
        assert disk.desk.run("cache", "purge", "http://localhost/middle/1").returncode == 0
        disk.shelf.purged("/middle/1", version)
        disk.get("/middle/1")
        if jump <= 0 or offset == 0:        # else it is too old when it comes, by the origin's Date
            assert disk.get("/middle/1")
