# SPDX-License-Identifier: MIT
"""proxy_store: copies of answers as files."""
import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import is_nginx

ours = pytest.mark.ours
THEN = "Thu, 01 Jan 2015 00:00:00 GMT"
THEN_S = 1420070400
CONF = """
server {
    listen @P@;
    location / { proxy_pass http://@O@; proxy_store @DIR@/copies$uri; }
    location /open/ { proxy_pass http://@O@; proxy_store @DIR@/copies$uri; proxy_store_access user:rw group:rw all:r; }
    location /named/ { proxy_pass http://@O@; proxy_store @DIR@/named/$arg_name; }
    location /off/ { proxy_pass http://@O@; proxy_store off; }
    location /forced/ { proxy_pass http://@O@; proxy_store @DIR@/copies$uri; proxy_force_ranges on; }
}
"""


@pytest.fixture
def back(origin):
    return origin(lambda seen: reply(body="copy of " + seen.target, fields={"Last-Modified": THEN}))


@pytest.fixture
def desk(proxy, back):
    desk = proxy(CONF, O=back, start=False)
    if is_nginx():                              # which leaves that to the administrator
        for name in ("copies", "named"):
            os.mkdir(path_of(desk, name))
            os.chmod(path_of(desk, name), 0o777)
    desk.start()
    return desk


def path_of(desk, name):
    return os.path.join(desk.directory, name)


def wait_file(desk, name):
    path = path_of(desk, name)
    desk.wait_for(lambda: os.path.exists(path), what=name)
    with open(path, "rb") as file:
        return file.read()


def files(desk, name="copies"):
    return sorted(os.path.join(place, file) for place, _, found in os.walk(path_of(desk, name)) for file in found)


def test_a_copy(desk, back):
    for number in range(2):
        assert desk.get("/a.txt").body == b"copy of /a.txt"
        assert wait_file(desk, "copies/a.txt") == b"copy of /a.txt"
    assert len(back.requests) == 2, "it is no cache"
    state = os.stat(path_of(desk, "copies/a.txt"))
    assert state.st_mode & 0o777 == 0o600
    assert state.st_mtime == THEN_S


def test_a_newer_one_replaces_it(desk, back):
    desk.get("/a.txt")
    wait_file(desk, "copies/a.txt")
    back.handle = lambda _: reply(body="newer")
    desk.get("/a.txt")
    desk.wait_for(lambda: wait_file(desk, "copies/a.txt") == b"newer", what="the newer one")
    assert time.time() - os.stat(path_of(desk, "copies/a.txt")).st_mtime < 60
    assert len(files(desk)) == 1


def test_directories_and_access(desk):
    desk.get("/open/b/c/d.txt")
    wait_file(desk, "copies/open/b/c/d.txt")
    assert os.stat(path_of(desk, "copies/open/b/c/d.txt")).st_mode & 0o777 == 0o664
    assert os.stat(path_of(desk, "copies/open/b/c")).st_mode & 0o777 == (0o755 if is_nginx() else 0o775)
    desk.get("/e/f.txt")
    wait_file(desk, "copies/e/f.txt")
    assert os.stat(path_of(desk, "copies/e")).st_mode & 0o777 == 0o700


def test_a_name_by_variable(desk):
    desk.get("/named/?name=x.txt")
    assert wait_file(desk, "named/x.txt") == b"copy of /named/?name=x.txt"


@ours
@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "..", "", "a/", "a%00b"])
def test_names_that_lead_elsewhere(desk, name):
    assert desk.get(f"/named/?name={name}").status == 200
    desk.get("/named/?name=last")
    wait_file(desk, "named/last")
    assert files(desk, "named") in ([path_of(desk, "named/last")], sorted(path_of(desk, "named/" + n) for n in ("last", name)))
    assert not os.path.exists(path_of(desk, "out.txt"))


def test_off(desk):
    desk.get("/off/a.txt")
    desk.get("/last.txt")
    wait_file(desk, "copies/last.txt")
    assert len(files(desk)) == 1


@ours
@pytest.mark.parametrize("answer", [reply(404, body="x"), reply(206, body="x", fields={"Content-Range": "bytes 0-0/9"}),
                                    reply(304, reason="Not Modified"), reply(301, fields={"Location": "/"})])
def test_other_answers(desk, back, answer):
    back.handle = lambda seen: answer if seen.target == "/a.txt" else reply(body="x")
    desk.get("/a.txt")
    desk.get("/last.txt")
    wait_file(desk, "copies/last.txt")
    assert len(files(desk)) == 1


@ours
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_other_methods(desk, method):
    desk.fetch(method, "/a.txt", body=None if method == "HEAD" else "x")
    desk.get("/last.txt")
    wait_file(desk, "copies/last.txt")
    assert len(files(desk)) == 1


@pytest.mark.parametrize("shape", [{}, {"chunked": True}, {"length": False}])
@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_sizes_and_framings(desk, back, shape, size):
    body = bytes(i % 251 for i in range(size))
    back.handle = lambda _: reply(body=body, **shape)
    assert desk.get("/a.bin", timeout=20).body == body
    desk.wait_for(lambda: len(files(desk)) == 1 and not files(desk)[0].endswith(".part"), what="the file")
    assert wait_file(desk, "copies/a.bin") == body


@pytest.mark.parametrize("shape", [{}, {"chunked": True}])
def test_what_is_cut_is_not_kept(desk, back, shape):
    def script(conn):
        conn.request()
        conn.send(reply(body=b"x" * 200000, **shape)[:-100])
    back.script = script
    with desk.connect() as client:
        client.send(request("GET", "/a.bin"))
        client.rest()
    back.script = None
    desk.get("/last.txt")
    wait_file(desk, "copies/last.txt")
    desk.wait_for(lambda: len(files(desk)) == 1, what="no part left")


@ours
def test_a_client_that_leaves(desk, back):
    """The copy goes with it."""
    back.handle = lambda seen: reply(body=b"x" * (20_000_000 if seen.target == "/a.bin" else 1))
    with desk.connect(receive_buffer=4096) as client:
        client.send(request("GET", "/a.bin"))
        client.take(1000)
    desk.get("/last.txt")
    wait_file(desk, "copies/last.txt")
    desk.wait_for(lambda: len(files(desk)) == 1, what="no part left")


@ours
def test_with_a_range(desk, back):
    """The client gets a part, the file the whole."""
    answer = desk.get("/forced/a.txt", fields={"Range": "bytes=0-3"})
    assert (answer.status, answer.body) == (206, b"copy")
    assert wait_file(desk, "copies/forced/a.txt") == b"copy of /forced/a.txt"


@ours
def test_many_at_once(desk, back):
    body = bytes(i % 251 for i in range(1_000_000))
    back.handle = lambda _: reply(body=body)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda i: desk.get(f"/{i % 4}.bin", timeout=20), range(24)))
    assert all(answer.body == body for answer in answers)
    desk.wait_for(lambda: len(files(desk)) == 4, what="all are there")
    assert all(wait_file(desk, f"copies/{i}.bin") == body for i in range(4))


@ours
def test_a_file_that_cannot_be(desk, back):
    """A directory in its place: a line, and the answer is not touched."""
    os.makedirs(path_of(desk, "copies/a.txt/b"))
    desk.may_alert = True
    assert desk.get("/a.txt").body == b"copy of /a.txt"
    desk.wait_error("rename.. of a copy for .*a.txt")
    assert not files(desk)


@pytest.fixture
def small_disk():
    """A file system of a megabyte."""
    place = tempfile.mkdtemp()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "none", place], capture_output=True,
                             check=False).returncode == 0
    try:
        if not mounted:
            pytest.skip("may not mount")
        yield place
    finally:
        if mounted:
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(place, ignore_errors=True)


@ours
def test_a_full_disk(proxy, origin, small_disk):
    body = bytes(i % 251 for i in range(4_000_000))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; proxy_store %s$uri; } }" % small_disk,
                 O=origin(lambda seen: reply(body=body if seen.target == "/large" else b"small")))
    desk.may_alert = True
    for _ in range(2):
        assert desk.get("/large", timeout=20).body == body
    desk.wait_error("write.. of a copy for .*large.*No space left")
    assert desk.errors().count("of a copy for") <= 2
    desk.get("/small")
    desk.wait_for(lambda: os.listdir(small_disk) == ["small"], what="room for others")
