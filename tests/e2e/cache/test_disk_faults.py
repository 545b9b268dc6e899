# SPDX-License-Identifier: MIT
"""F12, F13: the cache's disk is full, or its files are damaged, gone or somebody else's. Clients get whole
and right answers, what is damaged is a miss, and one line in the log says what is wrong."""
import os
import random
import re
import shutil
import time

import pytest

from harness import tmpfs
from harness.client import Client, request
from harness.shim import shim_environment
from harness.wire import Closed

from .shelf import Shelf
from .test_crashes import verify

pytestmark = pytest.mark.ours

# Memory for a part of them only: the rest must be read from the disk.
TARGETS = [f"/small/{i}" for i in range(60)] + [f"/middle/{i}" for i in range(60)] + [f"/large/{i}" for i in range(6)]
FILES = """
proxy_cache_path @DIR@/disk/store keys_zone=one:1m memory=1m max_object=100k max_size=64m;
proxy_cache one;
add_header X-Status $upstream_cache_status;
server { listen @P@; location / { proxy_pass http://@O@; } }
"""
FAILING = "nothing is stored for now"
COMPLAINT = r"\[(?:error|crit)\].*cache .*"


class Bench:
    def __init__(self, proxy, origin, files=FILES):
        self.shelf = Shelf()
        self.desk = proxy(files, O=origin(handle=self.shelf.handle), start=False)
        self.store = self.desk.path("disk/store")

    def start(self, **environment):
        self.desk.start(environment=environment)
        return self

    def restart(self):
        self.desk.stop()
        return self.start()

    def verify(self, targets=None):
        """Right all of them; so many came from the cache."""
        return verify(self.desk, self.shelf, TARGETS if targets is None else targets)

    def verify_damaged(self):
        """The same where files were damaged: a long body is found to be so when some of it has gone, and
        is cut; once. What is read whole before it is sent is a miss."""
        hits = cuts = 0
        for target in TARGETS:
            try:
                hits += self.verify([target])
            except Closed:
                assert target.startswith("/large/"), target
                cuts += 1
                assert not self.verify([target]), "what was found damaged is asked for anew at once"
        return hits, cuts

    def wait_hit(self, target, seconds=15):
        self.desk.wait_for(lambda: self.verify([target]), seconds, f"{target} to be stored")

    def wait_failing(self):
        """Now and then it tries again: so long it does not."""
        def is_failing():
            self.verify()
            return "failing, nothing is stored on it" in self.desk.run("cache", "stat").stdout
        self.desk.wait_for(is_failing, 20, "the disk to fail")

    def settle(self):
        """All of them lie on the disk, and nothing is being written: what memory lost on its way there was asked for anew."""
        def written():
            return re.search(rf"disk objects: {len(TARGETS)}\n(?s:.*) written bytes: (\d+),", self.desk.run("cache", "stat").stdout)

        def is_settled():
            before, hits, after = written(), self.verify(), written()
            return before and after and before[1] == after[1] and hits == len(TARGETS)
        self.desk.wait_for(is_settled, 20, "everything to be stored")

    def segments(self):
        return sorted(os.path.join(self.store, name) for name in os.listdir(self.store) if name.startswith("segment-"))

    def files(self):
        large = os.path.join(self.store, "large")
        return self.segments() + sorted(os.path.join(large, name) for name in os.listdir(large))

    def says(self, words):
        return self.desk.errors().count(words)


@pytest.fixture
def bench(proxy, origin):
    return Bench(proxy, origin)


# ---- full -------------------------------------------------------------------------------------------

@pytest.fixture
def disk(bench):
    if not tmpfs.enter():
        pytest.skip("no mount namespaces here")
    with tmpfs.Tmpfs(bench.desk.path("disk"), "24m") as made:
        yield made


def test_a_disk_that_gets_full_and_has_room_again(bench, disk):
    bench.start().verify(TARGETS[:30])
    disk.fill()
    for _ in range(3):
        bench.verify()
    bench.wait_failing()
    assert bench.says(FAILING) == 1
    disk.free()
    bench.wait_hit("/large/0", 40)
    bench.desk.wait_error(r"\[notice\].*is stored to again")
    bench.desk.wait_for(lambda: bench.verify() == len(TARGETS), 20, "everything to be stored, be it in memory")
    bench.restart()
    assert bench.verify() > len(TARGETS) // 2
    assert bench.says("[alert]") == bench.says("[emerg]") == 0


@pytest.mark.parametrize("spare", [20_000, 300_000, 1_000_000, 1_495_000])
def test_it_gets_full_in_the_middle_of_a_large_body(bench, disk, spare):
    bench.start()
    disk.fill(spare)
    with Client(bench.desk.address()) as other:         # beside what is cut on the disk
        bench.verify(["/large/1"])
        bench.shelf.check(other.ask("GET", "/small/1"), "/small/1", 1)
    bench.desk.wait_error(FAILING)
    assert bench.says(FAILING) == 1
    left = [os.path.join(bench.store, "large", name) for name in os.listdir(os.path.join(bench.store, "large"))]
    bench.desk.wait_for(lambda: not any(map(os.path.exists, left)), 20, "what was begun to be deleted")
    disk.free()
    bench.wait_hit("/large/1", 40)
    bench.restart().verify()


def test_it_is_said_though_nobody_asks_for_more(bench, disk):
    """It fails behind the answer; loops, which could tell, have nothing to do with the disk any more."""
    bench.start()
    disk.fill()
    bench.verify(TARGETS[:1])
    bench.desk.wait_error(r"\[crit\].*" + FAILING)
    bench.verify(TARGETS[:1])
    assert bench.says(FAILING) == 1


def test_it_is_full_when_the_snapshot_is_due(bench, disk):
    bench.start().settle()
    disk.fill()
    bench.restart()
    assert bench.says("writing the index failed") == 1, "the last words"
    assert bench.verify() > len(TARGETS) // 2, "it is read without a snapshot"
    disk.free()
    bench.restart()
    assert bench.verify() > len(TARGETS) // 2
    assert not os.path.exists(os.path.join(bench.store, "index.new"))


def test_it_is_full_at_the_start(bench, disk):
    disk.fill()
    bench.start()
    assert bench.verify() == 0
    assert bench.verify(TARGETS[:1] * 2) >= 1, "memory is there"
    bench.desk.wait_error(COMPLAINT)
    assert "failing, nothing is stored on it" in bench.desk.run("cache", "stat").stdout
    purge = bench.desk.run("cache", "purge", "http://localhost/small/0")
    assert purge.returncode != 0 and "not for good" in purge.stdout + purge.stderr
    disk.free()
    bench.wait_hit("/large/0", 40)
    bench.desk.wait_error(r"\[notice\].*is stored to again")
    bench.settle()
    assert len(re.findall(COMPLAINT, bench.desk.errors())) == 1
    bench.restart()
    assert bench.verify() > len(TARGETS) // 2


# ---- many at a time ---------------------------------------------------------------------------------

def test_one_read_for_all_who_ask_at_a_time(proxy, origin):
    """A body of the log, of 1.5 MB, which only the disk has."""
    bench = Bench(proxy, origin, FILES.replace("one:1m memory=1m max_object=100k", "one:64m"))
    bench.start().verify(["/large/0"])
    bench.restart()
    clients = [Client(bench.desk.address(), timeout=20) for _ in range(200)]
    for client in clients:
        client.send(request(target="/large/0"))
    assert all(bench.shelf.check(client.response(), "/large/0", 1) for client in clients)
    for client in clients:
        client.close()
    assert re.search(r"disk reads: (\d+),", bench.desk.run("cache", "stat").stdout)[1] == "1"


# ---- slow ---------------------------------------------------------------------------------------------

def test_a_disk_that_is_too_slow_for_the_end(proxy, origin):
    """4 MB wait for it, of which it writes one a second."""
    bench = Bench(proxy, origin, FILES.replace("one:1m memory=1m", "one:16m memory=16m"))
    targets = [f"/middle/{i}" for i in range(150)]
    bench.start(**shim_environment("slow_sync", SLOW_WRITE_KB="1000")).verify(targets)
    start = time.monotonic()
    bench.desk.stop()                   # with status 0: nobody had to kill it
    assert time.monotonic() - start < 5
    assert re.search(r"\[warn\].*too slow for the end: \d+ answers that waited to be written were dropped", bench.desk.errors())
    assert 5 < bench.start().verify(targets) < 150


# ---- other faults under a running proxy ---------------------------------------------------------------

def test_the_directory_is_removed_under_the_running_proxy(bench):
    bench.start().settle()
    shutil.rmtree(bench.store)
    for i in range(3):
        for target in TARGETS[i::3]:
            bench.shelf.renew(target)       # whatever is asked for anew is another one
        bench.verify()
    assert bench.says(FAILING) <= 1
    bench.desk.stop()
    bench.start().settle()


@pytest.mark.skipif(os.getuid() != 0, reason="the worker is another user then")
def test_the_directory_is_made_read_only(bench):
    bench.start().verify(TARGETS[:10])
    for path in (bench.store, os.path.join(bench.store, "large")):
        os.chmod(path, 0o500)
    for _ in range(2):
        bench.verify()
    bench.desk.wait_error(FAILING)
    assert bench.says(FAILING) == 1
    for path in (bench.store, os.path.join(bench.store, "large")):
        os.chmod(path, 0o700)
    bench.wait_hit("/large/3", 40)


def truncate(path, chance):
    os.truncate(path, int(os.path.getsize(path) * chance.random()))


def empty(path, _):
    os.truncate(path, 0)


def flip(path, chance):
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        for _ in range(1 + size // 20_000):
            file.seek(chance.randrange(max(1, size)))
            byte = file.read(1) or b"x"
            file.seek(-len(byte), os.SEEK_CUR) if file.tell() else None
            file.write(bytes([byte[0] ^ 1 << chance.randrange(8)]))


def lengthen(path, chance):
    with open(path, "ab") as file:
        file.write(chance.randbytes(chance.randrange(1, 70_000)))


def overwrite(path, chance):
    """With what looks like records, for it was one elsewhere."""
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        file.seek(chance.randrange(max(1, size // 2)) // 16 * 16)
        piece = file.read(size // 4)
        file.seek(chance.randrange(max(1, size // 2)) // 16 * 16)
        file.write(piece)


DAMAGES = [truncate, empty, flip, lengthen, overwrite]


@pytest.mark.parametrize("damage", DAMAGES)
def test_files_are_damaged_under_the_running_proxy(bench, damage):
    """None of them was read since the start."""
    chance = random.Random(7)
    bench.start().settle()
    bench.restart()
    for path in bench.files():
        damage(path, chance)
    bench.verify_damaged()
    bench.desk.wait_for(lambda: bench.verify() == len(TARGETS), 20, "everything to be stored anew")
    bench.restart().verify()


@pytest.mark.parametrize("damage", DAMAGES)
def test_files_that_were_read_before_are_damaged_under_the_running_proxy(bench, damage):
    chance = random.Random(5)
    bench.start().settle()
    bench.verify()
    for path in bench.files():
        damage(path, chance)
    bench.verify_damaged()
    bench.desk.wait_for(lambda: bench.verify() == len(TARGETS), 20, "everything to be stored anew")


@pytest.mark.parametrize("damage", DAMAGES + [lambda path, _: os.unlink(path)])
@pytest.mark.parametrize("index", ["kept", "damaged", "removed"])
def test_files_are_damaged_between_stop_and_start(bench, damage, index):
    chance = random.Random(11)
    bench.start().settle()
    bench.desk.stop()
    for path in bench.files():
        if chance.random() < 0.7:
            damage(path, chance)
    if index != "kept":
        (os.unlink if index == "removed" else lambda path: flip(path, chance))(os.path.join(bench.store, "index"))
    bench.start()
    hits, _ = bench.verify_damaged()
    assert hits < len(TARGETS) or damage is lengthen
    bench.desk.wait_for(lambda: bench.verify() == len(TARGETS), 20, "everything to be stored anew")
    bench.restart().verify()


def test_files_change_places_between_stop_and_start(bench):
    bench.start().settle()
    bench.desk.stop()
    large = bench.files()[len(bench.segments()):]
    segments = bench.segments()
    for files in (large, segments):
        for path, other in zip(files, files[1:]):
            shutil.copy(path, path + ".other")
            shutil.copy(other, path)
            os.rename(path + ".other", other)
    bench.start().verify_damaged()


@pytest.mark.parametrize("content", [b"", b"frontdesk cache, format 2\n", b"frontdesk cache, format 1\nseed 12\n",
                                     b"frontdesk cache, format 1\nseed zzzzzzzzzzzzzzzz\n", b"\0" * 4096])
def test_the_first_file_is_damaged_or_of_another_version(bench, content):
    bench.start().settle()
    bench.desk.stop()
    with open(os.path.join(bench.store, "frontdesk-cache"), "wb") as file:
        file.write(content)
    bench.start()
    assert bench.verify() == 0
    bench.desk.wait_error(r"\[warn\].*it starts empty")
    bench.settle()


@pytest.mark.parametrize("content", [b"", b"12", b"x" * 21, b"\0" * 21, None])
def test_the_count_of_starts_is_damaged(bench, content):
    """By it, what is purged is told from what came later."""
    bench.start().settle()
    bench.desk.stop()
    path = os.path.join(bench.store, "starts")
    os.unlink(path)
    if content is not None:
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o666)
    bench.start()
    for target in TARGETS[:3]:
        version = bench.shelf.renew(target)
        assert bench.desk.run("cache", "purge", f"http://localhost{target}").returncode == 0
        bench.shelf.purged(target, version)
    bench.verify()
    bench.settle()


# ---- somebody else's --------------------------------------------------------------------------------

FOREIGN = {"nginx": {"c/29/b7f54b2df7773722d382f4809d65029c": b"\5\0\0\0\0\0\0\0KEY: http://x/\n"},
           "a home": {"letter.txt": b"Dear", "photos/1.jpg": b"\xff\xd8"},
           "an older cache without its first file": {"segment-0000000001": b"x" * 100}}


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
def test_a_directory_of_somebody_else_is_refused_and_left_alone(bench, files):
    for name, content in files.items():
        path = os.path.join(bench.store, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    for at, _, names in os.walk(bench.store):
        os.chmod(at, 0o777)
        for name in names:
            os.chmod(os.path.join(at, name), 0o666)
    before = tree(bench.store)
    bench.start().verify()
    bench.desk.wait_error(r"\[error\].*stays in memory only: it is not empty and no cache of ours")
    assert bench.verify(TARGETS[:1] * 2) >= 1, "memory is there"
    bench.desk.stop()
    assert tree(bench.store) == before


def tree(path):
    found = {}
    for at, _, names in os.walk(path):
        found[at] = os.stat(at).st_mode
        for name in names:
            with open(os.path.join(at, name), "rb") as file:
                found[os.path.join(at, name)] = (os.stat(file.fileno()).st_mode, file.read())
    return found
