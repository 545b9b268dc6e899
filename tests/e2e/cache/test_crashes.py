# SPDX-License-Identifier: MIT
"""F14: the worker, or worker and supervisor, are killed while the disk tier fills, evicts, purges and writes
its snapshot, every other time amid a storm of reloads. Whatever is served afterwards is byte for byte what the
origin said, and nothing that was purged comes back."""
import os
import random
import re
import signal
import threading
import time

import pytest

from harness.client import Client
from harness.proxy import is_sanitized
from harness.wire import Closed

from .shelf import Shelf

pytestmark = pytest.mark.ours

FULL = bool(os.environ.get("FULL"))
KILLS = 200 if FULL else 15
CLIENTS = 5
TARGETS = [f"/small/{i}" for i in range(150)] + [f"/middle/{i}" for i in range(100)] + [f"/large/{i}" for i in range(14)]
CONF = """
proxy_cache_path store keys_zone=one:1m memory=2m max_object=200k max_size=16m;
proxy_cache one;
add_header X-Status $upstream_cache_status;
server { listen @P@; location / { proxy_pass http://@O@; } }
"""


class Traffic:
    """Clients and a purger, until somebody ends the proxy under them."""

    def __init__(self, desk, shelf, seed, has_purger=True, has_reloads=False):
        self.desk = desk
        self.shelf = shelf
        self.hits = self.count = self.purges = self.reloads = 0
        self.failures = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(seed * 100 + i), has_purger and i == 0), daemon=True)
                        for i in range(CLIENTS)]
        if has_reloads:
            self.threads.append(threading.Thread(target=self.reload, args=(random.Random(seed),), daemon=True))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join(15)

    def run(self, chance, is_purger):
        while not self.stopping.is_set():
            try:
                with Client(self.desk.address(), timeout=10) as client:
                    while not self.stopping.is_set():
                        # The lower its number, the more often it is asked for.
                        target = TARGETS[min(int(chance.expovariate(1 / 60)), len(TARGETS) - 1)] \
                            if chance.random() < 0.7 else chance.choice(TARGETS)
                        if is_purger:
                            self.purge(target)
                        self.get(client, target)
            except (Closed, OSError):
                time.sleep(0.01)        # killed, or not there yet
            except AssertionError as error:
                self.failures.append(str(error))

    def reload(self, chance):
        """One on the heels of the other; each has the same zone in another size."""
        while not self.stopping.is_set():
            try:
                self.desk.write(conf=re.sub(r"memory=\dm", f"memory={1 + self.reloads % 3}m", self.desk.read(self.desk.conf)))
                if self.desk.workers():     # before, the signal would be its end
                    self.desk.tell(signal.SIGHUP)
                    self.reloads += 1
            except (OSError, AttributeError):
                pass                    # killed, or not there yet
            time.sleep(0.01 + chance.random() * 0.05)

    def get(self, client, target):
        floor = self.shelf.floor(target)
        self.hits += self.shelf.check(client.ask("GET", target), target, floor)
        self.count += 1

    def purge(self, target):
        version = self.shelf.renew(target)
        if self.desk.run("cache", "purge", f"http://localhost{target}").returncode == 0:
            self.shelf.purged(target, version)
            self.purges += 1


def verify(desk, shelf, targets):
    """All of them, as one client, whom nobody may cut; how many came from the cache."""
    with Client(desk.address(), timeout=10) as client:
        return sum(shelf.check(client.ask("GET", target), target, shelf.floor(target)) for target in targets)


def kill_worker(desk):
    worker = desk.worker()
    os.kill(worker, signal.SIGKILL)
    desk.wait_for(lambda: worker not in desk.workers() and desk.workers(), 20, "another worker")


def kill_both(desk):
    desk.kill()
    desk.start()


def kill_in_snapshot(desk, chance):
    """It has been told to end, and writes what it needs for a quick start."""
    desk.tell(signal.SIGTERM)
    time.sleep(chance.random() * 0.05)
    kill_both(desk)


@pytest.mark.slow
def test_whatever_is_served_after_a_kill_is_right(proxy, origin):
    seed = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1, 1 << 30)
    chance, shelf = random.Random(seed), Shelf()
    desk = proxy(CONF, O=origin(handle=shelf.handle))
    desk.may_alert = desk.may_fail = True
    hits = purges = reloads = 0
    for round_ in range(KILLS):
        desk.wait_disks()
        hits += verify(desk, shelf, chance.sample(TARGETS, 40))
        with Traffic(desk, shelf, seed + round_, has_reloads=round_ % 2 == 1) as traffic:
            time.sleep(0.1 + chance.random() * (0.8 if is_sanitized() else 0.4))
            (kill_worker, kill_both, lambda proxy: kill_in_snapshot(proxy, chance))[round_ % 3](desk)
        assert not traffic.failures, f"CRASH_SEED={seed}, round {round_}: {traffic.failures[:3]}"
        purges += traffic.purges
        reloads += traffic.reloads
    desk.wait_disks()
    hits += verify(desk, shelf, TARGETS)
    assert hits > KILLS and purges > KILLS and reloads > KILLS, (hits, purges, reloads)
    assert disk_bytes(desk) <= 16 * 1024 * 1024 * 1.01


def disk_bytes(desk):
    return sum(os.stat(os.path.join(at, name)).st_size for at, _, names in os.walk(desk.path("store")) for name in names)
