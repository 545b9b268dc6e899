# SPDX-License-Identifier: MIT
"""What an attacker meets: how the binary is built, and what a worker that was taken over may still do."""
import ctypes
import os
import platform
import re
import signal
import subprocess

import pytest

from harness.origin import reply
from harness.proxy import BINARY, is_sanitized
from harness.shim import shim_environment

pytestmark = pytest.mark.ours

is_release = not is_sanitized() and os.path.basename(os.path.dirname(BINARY)) == "release"
needs_release = pytest.mark.skipif(not is_release, reason="of the release build")
SANDBOXED = not is_sanitized() and ctypes.CDLL(None).syscall(444, None, 0, 1) > 0 and \
    os.path.basename(os.path.dirname(BINARY)) != "cover"


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, BINARY], capture_output=True, text=True, check=True).stdout


# ---- the binary -------------------------------------------------------------------------------------

@needs_release
def test_position_independent():
    assert re.search(r"Type:\s+DYN \(Position-Independent Executable", readelf("-h"))
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", readelf("-d"))


@needs_release
def test_relocations_are_read_only_and_bound_at_start():
    assert re.search(r"^\s*GNU_RELRO\b", readelf("-l"), re.M)
    dynamic = readelf("-d")
    assert re.search(r"\(FLAGS\).*\bBIND_NOW\b|\(BIND_NOW\)", dynamic)
    assert re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic)
    assert "TEXTREL" not in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic


@needs_release
def test_no_memory_is_writable_and_executable():
    segments = readelf("-l")
    stack = re.search(r"GNU_STACK\s+(?:0x\w+\s+){5}(\S+)", segments)
    assert stack and stack[1] == "RW"
    for line in re.findall(r"^\s*LOAD\s.*$", segments, re.M):
        assert "RWE" not in line


@needs_release
def test_stack_protector_and_fortified_calls():
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    fortified = set(re.findall(r"__(\w+)_chk\b", symbols)) - {"stack"}
    assert {"memcpy", "snprintf", "vsnprintf"} & fortified, fortified


@needs_release
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86")
def test_control_flow_enforcement():
    """Whatever may be called through a pointer says so. (The mark on the whole file needs a C library that
    is built so, too; Debian 12's start files are not.)"""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", BINARY], capture_output=True, text=True, check=True).stdout
    for name in ("conn_run", "exchange_run", "door_run", "run_route", "run_deliver", "h1_fill", "server_feed"):
        assert re.search(rf"^\w+ <{name}(\.\w+)*>:\n\s*\w+:\s+endbr64$", code, re.M), name


@needs_release
def test_no_function_that_cannot_be_used_safely():
    wanted = set(re.findall(r"UND (\w+)", readelf("--dyn-syms")))
    assert not wanted & {"gets", "strcpy", "strcat", "sprintf", "vsprintf", "scanf", "sscanf", "system", "popen", "mktemp",
                         "tmpnam", "alloca", "__sprintf_chk", "__strcpy_chk", "__strcat_chk"}


# ---- the worker -------------------------------------------------------------------------------------

CONF = """server { listen @P@; location / { proxy_pass http://@O@; } location /intrude { proxy_pass http://127.0.8.1:9; }
                   location /name { proxy_pass http://localhost:@O.port@; } }"""


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return file.read()


def test_the_worker_is_nobody_and_stays_so(proxy):
    desk = proxy("server { listen @P@; location / { return 200 ok; } }")
    assert desk.get().text == "ok"                      # so it has taken all its first steps
    status = status_of(desk.worker())
    if os.getuid() == 0:
        assert re.search(r"^Uid:\s+(\d+)\s+\1\s+\1\s+\1$", status, re.M)[1] != "0"
        assert re.search(r"^Gid:\s+(\d+)\s+\1\s+\1\s+\1$", status, re.M)[1] != "0"
        assert re.search(r"^CapEff:\s+0+$", status, re.M) and re.search(r"^CapPrm:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)


@pytest.mark.skipif(not SANDBOXED, reason="no Landlock here")
def test_a_worker_that_was_taken_over_finds_no_file(proxy, origin):
    back = origin(handle=lambda _: reply(body="ok"))
    desk = proxy(CONF, O=back, start=False)
    os.mkdir(desk.path("open"))
    os.chmod(desk.path("open"), 0o777)
    with open(desk.path("open/bait"), "w", encoding="ascii") as file:
        file.write("secret")
    os.chmod(desk.path("open/bait"), 0o666)
    desk.start(environment=shim_environment("intruder", INTRUDER_DIR=desk.path("open")))
    assert desk.get("/intrude").status == 502
    said = desk.wait_for(lambda: desk.stderr() if "intruder null" in desk.stderr() else None, 20, "the intruder's report")
    came = dict(re.findall(r"^intruder (\w+): (\w+)$", said, re.M))
    assert came == {"read": "EACCES", "write": "EACCES", "create": "EACCES", "mkdir": "EACCES", "symlink": "EACCES",
                    "unlink": "EACCES", "list": "EACCES", "execute": "EACCES", "privileges": "done", "names": "done",
                    "null": "done", "root": "EPERM" if os.getuid() == 0 else came["root"]}
    assert os.listdir(desk.path("open")) == ["bait"]
    assert desk.get("/").text == "ok" and desk.get("/name").text == "ok"


@pytest.mark.skipif(not SANDBOXED, reason="no Landlock here")
def test_logs_are_written_and_reopened_without_access_to_them(proxy):
    desk = proxy("server { listen @P@; location / { return 200 ok; } }")
    desk.get()
    desk.log_lines(1)
    os.rename(desk.path("logs/access.log"), desk.path("logs/old.log"))
    desk.tell(signal.SIGUSR1)
    desk.wait_for(lambda: os.path.exists(desk.path("logs/access.log")), 20, "a new file")
    desk.wait_error("reopening logs")
    desk.get()
    desk.log_lines(1)
    assert "keeps its user's access" not in desk.errors()


@pytest.mark.skipif(not SANDBOXED, reason="no Landlock here")
def test_a_reload_cannot_open_another_directory_to_named_logs(proxy):
    """And says so; the requests go on."""
    site = "server { listen @P@; location / { access_log %s/$arg_n.log; return 200 %s; } }"
    desk = proxy(site % ("logs", "one"), start=False)
    for name in ("logs", "logs/x", "more"):
        os.makedirs(desk.path(name), exist_ok=True)
        os.chmod(desk.path(name), 0o777)
    desk.start()
    for directory, text in (("logs/x", "two"), ("more", "three")):
        desk.reload(http=site % (directory, text))
        desk.wait_for(lambda: desk.get("/?n=a").text == text, 20, "the new configuration")
    desk.log_lines(1, "logs/x/a.log")
    desk.wait_error(r'more/\S+ failed \(13: Permission denied\)')
    closed = re.findall(r'\[warn\].*access logs in "(\S+)" are closed to the running worker', desk.errors())
    assert closed == [desk.path("more/")]


@pytest.mark.skipif(SANDBOXED, reason="there is Landlock")
def test_without_landlock_it_says_so_and_serves(proxy):
    desk = proxy("server { listen @P@; location / { return 200 ok; } }")
    assert desk.get().text == "ok"
    desk.wait_error(r"\[info\] .*the worker keeps its user's access to files: Landlock \(38: Function not implemented\)")
