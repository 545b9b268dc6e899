# SPDX-License-Identifier: MIT
"""`proxy_cache_path` before anything is cached: what a start makes, hands over and refuses."""
import ctypes
import os
import stat

import pytest

from harness.origin import reply
from harness.proxy import BINARY, is_sanitized
from harness.shim import shim_environment

pytestmark = pytest.mark.ours

IS_ROOT = os.getuid() == 0
SANDBOXED = not is_sanitized() and ctypes.CDLL(None).syscall(444, None, 0, 1) > 0 and \
    os.path.basename(os.path.dirname(BINARY)) != "cover"
CONF = """proxy_cache_path %s keys_zone=one:10m;
          server { listen @P@; location / { return 200 %s; } }"""


def owner_of_worker(desk):
    with open(f"/proc/{desk.worker()}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("Uid:")).split()[1])


def test_a_start_makes_it_for_the_worker(proxy):
    desk = proxy(CONF % ("caches/a/b", "ok"))
    assert desk.get().text == "ok"
    made = os.stat(desk.path("caches/a/b"))
    assert stat.S_IMODE(made.st_mode) == 0o700
    assert made.st_uid == owner_of_worker(desk)
    assert os.stat(desk.path("caches/a")).st_uid == os.getuid()


def test_a_cache_in_memory_alone_makes_none(proxy):
    desk = proxy(CONF % ("memory:", "ok"))
    assert desk.get().text == "ok"
    assert not os.path.exists(desk.path("memory:"))


def test_what_cannot_be_made_fails_the_test_of_the_configuration(proxy):
    desk = proxy(CONF % ("file/cache", "ok"), start=False)
    desk.put("file", "")
    done = desk.run("-t")
    assert done.returncode == 1
    assert f'mkdir() "{desk.path("file/cache")}" failed (20: Not a directory)' in done.stderr


@pytest.mark.skipif(not IS_ROOT, reason="root hands over")
def test_an_empty_directory_is_handed_over_and_another_is_not(proxy):
    desk = proxy(CONF % ("cache", "ok"), start=False)
    os.mkdir(desk.path("cache"), 0o755)
    assert desk.run("-t").returncode == 0
    assert os.stat(desk.path("cache")).st_uid != 0
    os.chown(desk.path("cache"), 0, 0)
    os.chmod(desk.path("cache"), 0o755)
    desk.put("cache/kept", "somebody's")
    done = desk.run("-t")
    assert done.returncode == 1
    assert f'the worker may not write to the cache\'s directory "{desk.path("cache")}" in {desk.conf}:' in done.stderr
    assert os.stat(desk.path("cache")).st_uid == 0 and desk.read("cache/kept") == "somebody's"


def test_directories_for_bodies_are_not_made_within_it(proxy):
    """Where packages of nginx put them; what is in a cache's directory is the cache's alone."""
    desk = proxy(CONF.replace("server {", "server { proxy_temp_path cache/temp; client_body_temp_path cache2;", 1)
                 % ("cache", "ok"))
    assert desk.get().text == "ok"
    assert not os.path.exists(desk.path("cache/temp")) and os.path.isdir(desk.path("cache2"))


def test_caches_larger_than_the_machine_are_warned_of(proxy):
    desk = proxy("proxy_cache_path memory: keys_zone=big:90000g; server { listen @P@; location / { return 200 ok; } }", start=False)
    done = desk.run("-t")
    assert done.returncode == 0
    assert "[warn] caches may take 96636764160000 bytes of memory, and there are " in done.stderr


@pytest.mark.skipif(not SANDBOXED, reason="no Landlock here")
def test_a_reload_cannot_open_another_directory_and_says_so(proxy):
    desk = proxy(CONF % ("cache", "one"))
    desk.reload(http=CONF % ("cache", "two"))
    desk.wait_for(lambda: desk.get().text == "two", 20, "the new configuration")
    assert "closed to the running worker" not in desk.errors()
    desk.reload(http=CONF % ("other", "three"))
    desk.wait_for(lambda: desk.get().text == "three", 20, "the new configuration")
    assert os.path.isdir(desk.path("other"))
    desk.wait_error(rf'\[warn\].*the cache in "{desk.path("other")}" is closed to the running worker')


@pytest.mark.skipif(not SANDBOXED, reason="no Landlock here")
@pytest.mark.parametrize("directory, can", [("cache", "done"), ("beside", "EACCES")])
def test_the_worker_uses_its_directory_and_no_other(proxy, origin, directory, can):
    desk = proxy("""proxy_cache_path cache keys_zone=one:10m;
                    server { listen @P@; location / { proxy_pass http://@O@; }
                             location /intrude { proxy_pass http://127.0.8.1:9; } }""",
                 O=origin(handle=lambda _: reply(body="ok")), start=False)
    for name in ("cache", "beside"):
        os.mkdir(desk.path(name))
        os.chmod(desk.path(name), 0o777)
        desk.put(f"{name}/bait", "secret")
        os.chmod(desk.path(f"{name}/bait"), 0o666)
    desk.start(environment=shim_environment("intruder", INTRUDER_DIR=desk.path(directory)))
    assert desk.get("/intrude").status == 502
    said = desk.wait_for(lambda: desk.stderr() if "intruder null" in desk.stderr() else None, 20, "the intruder's report")
    for attempt in ("read", "write", "create", "mkdir", "unlink"):
        assert f"intruder {attempt}: {can}\n" in said, said
    for attempt in ("symlink", "list", "execute"):
        assert f"intruder {attempt}: EACCES\n" in said, said
