# SPDX-License-Identifier: MIT
"""F02, F24: the worker crashes or hangs inside a request; the error log says in which one."""
import os
import re
import resource
import signal
import time

import pytest

from harness.client import request
from harness.load import CheckedLoad, checked_answer
from harness.proxy import is_sanitized
from harness.shim import shim_environment
from harness.wire import Closed

pytestmark = pytest.mark.ours

DEEP, ENDLESS = 253, 254

CONF = """
server { listen @P@; server_name desk.example;
    location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location ~ ^/crash/(\\d+)/ { proxy_pass http://127.0.7.$1:80; proxy_set_header X-Request-ID $request_id; }
    location /local { return 200 local; }
}
"""


@pytest.fixture
def desk(proxy, origin):
    made = proxy(CONF, O=origin(handle=checked_answer), environment=shim_environment("crash"))
    made.may_alert = made.may_fail = True
    made.may_report = True              # a sanitizer that is told of a signal reports it, too
    return made


def crash(desk, number, target="x"):
    """One request that ends the worker; the connection that it came on."""
    worker = desk.worker()
    with desk.connect() as client:
        local = client.sock.getsockname()[1]
        client.send(request("GET", f"/crash/{number}/{target}", host="desk.example"))
        with pytest.raises((Closed, ConnectionError)):
            client.response()
    desk.wait_for(lambda: worker not in desk.workers(), 20, "the end of the worker")
    return worker, local


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT])
def test_the_crash_line_names_the_request(desk, number):
    for i in range(3):
        assert desk.get("/local").text == "local"       # connections 1 to 3
    worker, _ = crash(desk, int(number), "a?b=c")
    line = desk.wait_error(r".*worker process crashed.*")[0]
    found = re.fullmatch(
        r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[alert\] (\d+)#\d+: \*(\d+) worker process crashed: "
        r"signal (\d+) \((\w+)\)( at address 0x[0-9a-f]+)? in loop \d in step \"connect\", client: 127\.0\.0\.1, "
        r"server: desk\.example, upstream: \"127\.0\.7\.\d+:80\", host: \"desk\.example\", "
        r"request: \"GET /crash/\d+/a\?b=c HTTP/1\.1\"", line)
    assert found, line
    age = time.time() - time.mktime(time.strptime(found[1], "%Y/%m/%d %H:%M:%S"))
    assert -1 < age < 30
    assert (int(found[2]), int(found[3]), int(found[4])) == (worker, 4, number)
    assert found[5] == signal.Signals(number).name
    if number == signal.SIGSEGV:
        assert found[6] == " at address 0x10"
    if not is_sanitized():              # they end the process in their own way
        desk.wait_error(rf"\[alert\] .* worker process {worker} exited on signal {int(number)}")
    assert desk.get("/local").text == "local"


def test_a_stack_that_overflows(desk):
    crash(desk, DEEP)
    desk.wait_error(r'\[alert\] .*\*1 worker process crashed: signal 11 \(SIGSEGV\).* in step "connect"')


def test_what_the_client_sent_stays_one_line(desk):
    crash(desk, int(signal.SIGSEGV), "\\x1b[31m%0a" + "y" * 5000)
    lines = [line for line in desk.errors().splitlines() if "crashed" in line]
    assert len(lines) == 1 and len(lines[0]) < 2048
    assert re.search(r'request: "GET /crash/11/.*y+"$', lines[0])


def test_the_request_id_stands_there_once_it_is_made(proxy, origin):
    conf = CONF.replace("location ~ ^/crash", "set $id $request_id; add_header X-ID $id; location ~ ^/crash")
    made = proxy(conf, O=origin(), environment=shim_environment("crash"))
    made.may_alert = made.may_fail = made.may_report = True
    crash(made, int(signal.SIGSEGV))
    made.wait_error(r'worker process crashed.* request id: "[0-9a-f]{32}"')


@pytest.mark.skipif(is_sanitized(), reason="it dumps none")
def test_a_core_file_can_be_made(proxy, origin):
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
        if file.read().strip() != "core":
            pytest.skip("core files go elsewhere")
    made = proxy(CONF, O=origin(), start=False)
    os.mkdir(made.path("cores"))
    os.chmod(made.path("cores"), 0o777)
    made.write(CONF, main="working_directory @DIR@/cores;")
    made.may_alert = made.may_fail = made.may_report = True
    made.start(environment=shim_environment("crash"),
               before=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
    worker, _ = crash(made, int(signal.SIGSEGV))
    made.wait_error(rf"worker process {worker} exited on signal 11 \(core dumped\)")
    assert any(name.startswith("core") for name in os.listdir(made.path("cores")))


@pytest.mark.slow
def test_crashes_under_load(desk):
    """As F01: only requests on that worker's connections fail, the next accept is quick, nothing grows."""
    gaps = []
    with CheckedLoad(desk.address(), clients=8, may_cut=True) as load:
        load.wait(200)
        desk.wait_for(lambda: desk.footprint()[1] > 10, 20, "connections")
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS, signal.SIGILL):
            load.wait(100)
            crash(desk, int(number))
            begin = time.monotonic()
            desk.wait_for(lambda: answers(desk), 20, "service again")
            gaps.append(time.monotonic() - begin)
            load.wait(100)
            time.sleep(2.1)             # five in ten seconds are no pattern yet
        load.wait(200)
    assert load.failures == []
    assert desk.errors().count("worker process crashed") == 5
    if not is_sanitized():
        assert min(gaps) < 0.2 and max(gaps) < 10, gaps


def answers(desk):
    try:
        return desk.get("/local", timeout=5).text == "local"
    except (Closed, OSError):
        return False


@pytest.mark.slow
def test_a_worker_that_crashes_at_each_start_is_given_pauses(desk):
    """Six ends in ten seconds: the log says so, and service comes back once the cause is gone."""
    for _ in range(6):
        desk.wait_for(desk.workers, 20, "a worker")
        crash(desk, int(signal.SIGSEGV))
    desk.wait_error(r"\[error\] .*worker processes end too often, the next one starts in 1 s")
    begin = time.monotonic()
    desk.wait_for(lambda: answers(desk), 20, "service after the pause")
    assert time.monotonic() - begin > 0.5


def test_an_abort_from_outside_names_what_each_loop_did(proxy, origin):
    """What the watchdog does to a worker of which one loop is stuck in a request."""
    made = proxy(CONF, O=origin(), environment=shim_environment("crash"), workers=2)
    made.may_alert = made.may_fail = made.may_report = True
    worker = made.worker()
    with made.send_raw(request("GET", f"/crash/{ENDLESS}/stuck", host="desk.example")):
        made.wait_for(lambda: cpu(worker) > 0.1, 20, "an endless loop")
        os.kill(worker, signal.SIGABRT)
        made.wait_for(lambda: made.workers() != [worker] and made.workers(), 20, "another worker")
    said = made.errors()
    stuck = re.findall(r"\[alert\] .*\*\d+ worker process is aborted: signal 6 \(SIGABRT\) in loop (\d) "
                       r'in step "connect", client: 127.0.0.1, .*request: "GET /crash/254/stuck HTTP/1.1"', said)
    rest = re.findall(r"\[alert\] .*: worker process is aborted: signal 6 \(SIGABRT\) in loop (\d) at rest", said)
    assert sorted(stuck + rest) == ["0", "1"] and len(stuck) == 1, said


@pytest.mark.slow
def test_the_watchdog_ends_a_loop_that_is_stuck(desk):
    """10 s without an answer: the log names the request, another worker has the sockets."""
    worker = desk.worker()
    with desk.send_raw(request("GET", f"/crash/{ENDLESS}/stuck", host="desk.example")):
        desk.wait_for(lambda: [w for w in desk.workers() if w != worker], 20, "another worker")
    desk.wait_error(r"event loop \d does not turn")
    desk.wait_error(r"has not answered for 10 s and is replaced")
    desk.wait_error(r'worker process is aborted: .* in step "connect", .*request: "GET /crash/254/stuck HTTP/1.1"')
    assert desk.get("/local").text == "local"


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
