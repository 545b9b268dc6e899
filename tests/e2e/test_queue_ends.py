# SPDX-License-Identifier: MIT
"""The end of the world while requests wait for a place, or are hedged: stop, drain, upgrade, a group that
goes; and storms of all of it at once."""
import os
import random
import signal
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.wire import Closed
from test_process import Daemon
from test_queue import QUEUE, Gate, ask, fill, gate, start   # noqa: F401  (gate is a fixture)

pytestmark = pytest.mark.ours


def test_quit_serves_who_waits(proxy, gate):
    desk = start(proxy, gate, "10 target=0", workers=4)
    clients = fill(desk, gate, [f"/{i}" for i in range(5)])
    desk.tell(signal.SIGQUIT)
    time.sleep(0.3)
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 5
    desk.process.wait(30)


def test_term_with_a_full_queue_is_quick(proxy, gate):
    desk = start(proxy, gate, "10 target=0", workers=4, inside="proxy_hedge 50ms;")
    clients = fill(desk, gate, [f"/{i}" for i in range(5)])
    begin = time.monotonic()
    desk.stop(signal.SIGTERM)
    assert time.monotonic() - begin < 15
    for client in clients:
        with pytest.raises((Closed, ConnectionError)):
            client.response()


def test_a_drain_that_takes_too_long_cuts_who_waits(proxy, gate):
    desk = proxy(QUEUE.format(queue="10 target=0", conns=1, more="", inside="", beside=""),
                 main="worker_shutdown_timeout 1s;", workers=4, O=gate.made)
    clients = fill(desk, gate, [f"/{i}" for i in range(5)])
    desk.tell(signal.SIGQUIT)
    desk.process.wait(30)
    for client in clients:
        with pytest.raises((Closed, ConnectionError)):
            client.response()


@pytest.mark.parametrize("renamed", [True, False], ids=["another", "none"])
def test_a_reload_that_removes_the_group_serves_who_waits(proxy, gate, renamed):
    desk = start(proxy, gate, "10 target=0", workers=4)
    clients = fill(desk, gate, [f"/{i}" for i in range(5)])
    text = QUEUE.format(queue="10 target=0", conns=1, more="", inside="", beside="")
    if renamed:
        text = text.replace("upstream u", "upstream v").replace("http://u", "http://v")
    else:
        text = "server { listen @P@; return 200 new; }"
    desk.reload(http=text, workers=4, O=gate.made)
    desk.wait_error("the new configuration is in force")
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 5
    assert desk.get("/after").status == 200


def test_who_waits_in_the_old_binary_is_served_by_it(proxy, gate):
    desk = proxy(QUEUE, start=False)
    with Daemon(desk, QUEUE.format(queue="10 target=0", conns=1, more="", inside="", beside=""), O=gate.made) as daemon:
        clients = fill(desk, gate, [f"/{i}" for i in range(4)])
        new = daemon.upgrade()
        os.kill(daemon.pid, signal.SIGQUIT)
        time.sleep(0.3)
        gate.let_all()
        assert [client.response().status for client in clients] == [200] * 4
        daemon.has_ended(daemon.pid)
        daemon.pid = new
        assert desk.get("/after").status == 200


STORM = """log_format s '$request_uri $status [$upstream_addr] [$upstream_status] $upstream_queue_time';
    upstream u {{ server @A@ max_conns=2 fail_timeout=1s max_fails=3; server @B@ max_conns=2 fail_timeout=1s max_fails=3;
        server @C@ max_conns=2 fail_timeout=1s max_fails=3; {queue}
        outlier_ejection consecutive=3 base=100ms; retry_budget 30% min=2; {more} }}
    server {{ listen @P@; access_log logs/s.log s; location / {{ proxy_pass http://u; proxy_hedge 20ms; proxy_read_timeout 2s;
        proxy_next_upstream error timeout http_503; health_check interval=1s uri=/check; }} }}"""


@pytest.mark.parametrize("more", ["", "hash $request_uri;", "sticky cookie s;", "random two;"],
                         ids=["round_robin", "hash", "sticky", "random"])
def test_a_storm_of_everything(proxy, origin, more):
    """Hedges, queue, max_conns, resets, bad statuses, clients that leave, reloads with and without a queue,
    on four loops: each answer is its own, and afterwards every place is free and the budget is whole."""
    calm = threading.Event()

    def handler(name):
        def handle(asked):
            if asked.target == "/check":
                return reply(200)
            lot = 1.0 if calm.is_set() else random.random()
            time.sleep(0 if calm.is_set() else random.random() * 0.06)
            if lot < 0.05:
                return None
            if lot < 0.15:
                return reply(random.choice([500, 503]), body="bad")
            return reply(body=asked.target * 2000)
        return handle

    made = {name: origin(handle=handler(name)) for name in "ABC"}
    conf = [STORM.format(queue="queue 12 timeout=2s;", more=more), STORM.format(queue="", more=more)]
    desk = proxy(conf[0], workers=4, **made)
    stop, wrong, statuses = threading.Event(), [], {}

    def client(number):
        serial = 0
        while not stop.is_set():
            serial += 1
            target = f"/{number}/{serial}"
            try:
                with desk.send_raw(request(random.choice(["GET", "GET", "GET", "POST"]), target,
                                           host=f"h{number % 3}", body=None)) as made_client:
                    if random.random() < 0.15:
                        time.sleep(random.random() * 0.05)
                        if random.random() < 0.5:
                            made_client.reset()
                        continue
                    answer = made_client.response()
                    statuses[answer.status] = statuses.get(answer.status, 0) + 1
                    if answer.status == 200 and answer.text != target * 2000:
                        wrong.append(target)
            except Exception as error:   # noqa: BLE001
                wrong.append(f"{target}: {error!r}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for turn in range(6):
        time.sleep(0.7)
        desk.reload(http=conf[(turn + 1) % 2], workers=4, **made)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    assert statuses.get(200, 0) > 100, statuses
    desk.wait_nothing_under_way()
    calm.set()
    time.sleep(2.5)                      # ejections and failures are over, checks have passed;
    assert {desk.get(f"/calm/{number}").status for number in range(60)} == {200}   # one success each, and all are whole
    gates = {name: Gate(made[name]) for name in "ABC"}
    for held in gates.values():
        handle = held.handle
        held.made.handle = lambda asked, handle=handle: reply(200) if asked.target == "/check" else handle(asked)
    clients = [desk.send_raw(request("POST", "/last")) for _ in range(6)]   # which is not hedged
    desk.wait_for(lambda: sum(held.inside for held in gates.values()) == 6, 20, "all six places are there")
    assert {held.inside for held in gates.values()} == {2}
    for held in gates.values():
        held.let_all()
    assert [made_client.response().status for made_client in clients] == [200] * 6


@pytest.mark.parametrize("more", [request("POST", "/left", body=b"x" * 90000), request(target="/left") * 2300],
                         ids=["body", "pipelined"])
def test_who_leaves_behind_what_nobody_has_read(proxy, gate, more):
    """Its end hides behind bytes that are not read while it waits."""
    desk = start(proxy, gate, "10 target=0", inside="proxy_request_buffering off;")
    holder = fill(desk, gate, ["/0"])[0]
    with desk.send_raw(b"") as leaver:
        leaver.sock.setblocking(False)
        leaver.sock.send(more)           # more than we read, less than the kernel holds: the end is there
        time.sleep(0.2)
    desk.wait_for(lambda: "/left 499 [-] -" in desk.read("logs/q.log"), 20, "it has left")
    gate.let_all()
    assert holder.response().status == 200
    assert gate.seen() == ["/0"]


def test_a_stampede(proxy, origin):
    """A thousand at once: four at work, a hundred wait, the others know at once; nothing is left behind."""
    gate = Gate(origin(backlog=2048))
    desk = proxy("""upstream u { server @O@ max_conns=4; queue 100 timeout=20s target=0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", workers=4, O=gate.made)
    gate.let("/warm")
    assert {desk.get("/warm").status for _ in range(8)} == {200}
    before = desk.footprint()
    clients = [ask(desk, f"/{number}") for number in range(1000)]
    gate.made.wait_requests(8 + 4)
    begin = time.monotonic()
    desk.wait_for(lambda: desk.errors().count("upstream queue is full") == 896, 20, "whom there is no room for")
    assert time.monotonic() - begin < 20
    desk.wait_for(lambda: desk.errors().count("upstream queue timed out") == 100, 60, "the end of the wait")
    assert gate.inside == 4
    gate.let_all()
    statuses = [client.response() for client in clients]
    assert sorted(answer.status for answer in statuses) == [200] * 4 + [503] * 996
    assert all(answer.get("Retry-After") for answer in statuses if answer.status == 503)
    for client in clients:
        client.close()
    desk.wait_settled(before, spare_kb=4096)
