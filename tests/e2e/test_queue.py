# SPDX-License-Identifier: MIT
"""max_conns and queue: who waits for a place, who is next, who is refused; on two loops and more."""
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.wire import Closed

pytestmark = pytest.mark.ours            # nginx has no queue, and answers 502 at once


class Gate:
    """An origin's handle: each request is held until it is let go by its target, or all are."""

    def __init__(self, made):
        self.made = made
        self.open = threading.Event()
        self.lock = threading.Condition()
        self.allowed = set()
        self.inside = self.most = 0
        made.handle = self.handle

    def handle(self, asked):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.lock.wait_for(lambda: self.open.is_set() or asked.target in self.allowed, 60)
            self.inside -= 1
        return reply(body=asked.target)

    def let(self, *targets):
        with self.lock:
            self.allowed.update(targets)
            self.lock.notify_all()

    def let_all(self):
        with self.lock:
            self.open.set()
            self.lock.notify_all()

    def seen(self):
        return [asked.target for asked in self.made.requests]


def ask(desk, target, host="a"):
    return desk.send_raw(request("GET", target, host=host))


@pytest.fixture
def gate(origin):
    made = Gate(origin())
    yield made
    made.let_all()


QUEUE = """log_format q '$request_uri $status [$upstream_addr] $upstream_queue_time';
    upstream u {{ server @O@ max_conns={conns}; queue {queue}; {more} }}
    server {{ listen @P@; access_log logs/q.log q; location / {{ proxy_pass http://u; {inside} }} {beside} }}"""


def start(proxy, gate, queue, conns=1, more="", inside="", beside="", workers=2):
    return proxy(QUEUE.format(queue=queue, conns=conns, more=more, inside=inside, beside=beside),
                 workers=workers, O=gate.made)


def fill(desk, gate, targets, host="a", held=1):
    """The first `held` of them are at the origin, the others in the queue, in this order."""
    clients = []
    for number, target in enumerate(targets):
        clients.append(ask(desk, target, host))
        if number < held:
            gate.made.wait_requests(number + 1)
        else:
            time.sleep(0.03)             # they come on different loops: no other order is promised
    return clients


def test_who_finds_no_place_waits_for_it(proxy, gate):
    desk = start(proxy, gate, "10 target=0")
    clients = fill(desk, gate, ["/0", "/1", "/2", "/3"])
    time.sleep(0.2)
    assert gate.seen() == ["/0"]
    gate.let_all()
    assert [client.response().text for client in clients] == ["/0", "/1", "/2", "/3"]
    assert gate.seen() == ["/0", "/1", "/2", "/3"] and gate.most == 1
    desk.wait_for(lambda: desk.read("logs/q.log").count("\n") == 4, 20, "four lines")
    times = {line.split()[0]: line.split()[3] for line in desk.read("logs/q.log").splitlines()}
    assert times["/0"] == "-" and 0.2 <= float(times["/1"]) < 2.0


def test_max_conns_holds_for_all_loops_together(proxy, gate):
    desk = start(proxy, gate, "50 target=0", conns=3, workers=4)
    clients = [ask(desk, f"/{i}") for i in range(20)]
    gate.made.wait_requests(3)
    for i in range(20):
        gate.let(gate.seen()[i])
        gate.made.wait_requests(min(i + 4, 20))
    assert sorted(client.response().status for client in clients) == [200] * 20
    assert gate.most == 3
    # Every place is free again, and not one more.
    gate.allowed.clear()
    again = [ask(desk, f"/again/{i}") for i in range(4)]
    gate.made.wait_requests(23)
    time.sleep(0.1)
    assert len(gate.made.requests) == 23
    gate.let_all()
    assert [client.response().status for client in again] == [200] * 4


def test_when_the_queue_is_full_the_last_is_refused(proxy, gate):
    desk = start(proxy, gate, "2 target=0")
    clients = fill(desk, gate, ["/0", "/1", "/2"])
    with ask(desk, "/3") as refused:
        answer = refused.response()
    assert answer.status == 503 and 1 <= int(answer.get("Retry-After")) <= 5
    desk.wait_error("upstream queue is full while connecting to upstream, client: ")
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 3
    desk.wait_for(lambda: "/3 503 [u] 0.000" in desk.read("logs/q.log"), 20, "the line of the refused")


def test_the_time_in_the_queue_is_bounded(proxy, gate):
    desk = start(proxy, gate, "10 timeout=300ms target=0")
    holder, waiting = fill(desk, gate, ["/0", "/1"])
    begin = time.monotonic()
    answer = waiting.response()
    assert answer.status == 503 and 0.2 <= time.monotonic() - begin <= 15
    assert answer.get("Retry-After")
    desk.wait_error("upstream queue timed out .110: Connection timed out. while connecting to upstream")
    gate.let_all()
    assert holder.response().status == 200
    assert gate.seen() == ["/0"]


def test_error_page_stands_in_for_a_refusal(proxy, gate):
    desk = start(proxy, gate, "1 target=0", inside="error_page 503 = @busy;",
                 beside="location @busy { return 429 'come again'; }")
    clients = fill(desk, gate, ["/0", "/1"])
    with ask(desk, "/2") as refused:
        answer = refused.response()
    assert (answer.status, answer.text) == (429, "come again")
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 2


@pytest.mark.parametrize("key, hosts", [("", "ab"), ("key=$arg_k", "aa")], ids=["host", "argument"])
def test_keys_take_turns(proxy, gate, key, hosts):
    desk = start(proxy, gate, f"50 target=0 {key}")
    crowd = fill(desk, gate, [f"/crowd{i}?k=1" for i in range(8)], hosts[0])
    other = fill(desk, gate, ["/other0?k=2", "/other1?k=2"], hosts[1], held=0)
    gate.let_all()
    assert [client.response().status for client in crowd + other] == [200] * 10
    order = [target.split("?")[0] for target in gate.seen()]
    assert order[:5] == ["/crowd0", "/crowd1", "/other0", "/crowd2", "/other1"]


def test_one_crowd_does_not_fill_the_queue(proxy, gate):
    desk = start(proxy, gate, "4 target=0")
    crowd = fill(desk, gate, [f"/crowd{i}" for i in range(5)])
    other = ask(desk, "/other", "b")
    answer = crowd[4].response()         # who would have been served last gives way
    assert answer.status == 503
    gate.let_all()
    assert other.response().status == 200
    assert [client.response().status for client in crowd[:4]] == [200] * 4
    assert gate.seen().index("/other") == 2


def test_a_crowd_waits_shortly(proxy, gate):
    desk = start(proxy, gate, "50 target=400ms interval=500ms")
    clients = fill(desk, gate, ["/0", "/1", "/2"])
    begin = time.monotonic()
    assert [client.response().status for client in clients[1:]] == [503, 503]
    assert 0.2 <= time.monotonic() - begin <= 15


def test_in_a_crowd_the_newest_go_first(proxy, gate):
    desk = start(proxy, gate, "50 target=10s interval=300ms")
    clients = fill(desk, gate, ["/0", "/1", "/2", "/3"])
    time.sleep(0.4)
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 4
    assert gate.seen() == ["/0", "/3", "/2", "/1"]


def test_a_client_that_has_left_is_not_served(proxy, gate):
    desk = start(proxy, gate, "10 target=0")
    clients = fill(desk, gate, ["/0", "/1", "/2", "/3"])
    clients[1].close()
    clients[2].close()
    desk.wait_for(lambda: desk.read("logs/q.log").count(" 499 ") == 2, 20, "two have left")
    gate.let_all()
    assert clients[0].response().text == "/0" and clients[3].response().text == "/3"
    assert gate.seen() == ["/0", "/3"]


def test_nobody_waits_for_the_dead(proxy, origin, gate):
    """The last server that was up fails: who waits is told at once."""
    other = origin(handle=lambda asked: None)
    desk = proxy("""upstream u { server @A@ max_conns=1; server @B@ max_conns=1; queue 10 target=0; }
        server { listen @P@; location / { proxy_pass http://u; proxy_read_timeout 1s; proxy_next_upstream off; } }""",
                 workers=2, A=other, B=gate.made)
    desk.wait_for(lambda: desk.get("/x").status == 502, 20, "one has failed")
    holder = ask(desk, "/hold")
    desk.wait_for(lambda: "/hold" in gate.seen(), 20, "one holds the place")
    waiting = [ask(desk, f"/{i}") for i in range(3)]
    begin = time.monotonic()
    assert holder.response().status == 504
    assert [client.response().status for client in waiting] == [502] * 3
    assert time.monotonic() - begin < 15


def test_without_anybody_alive_nobody_waits(proxy):
    desk = proxy("""upstream u { server @A@ max_conns=1; server @B@ max_conns=1; queue 10; }
        server { listen @P@; location / { proxy_pass http://u; } }""", workers=2)
    begin = time.monotonic()
    assert [desk.get().status for _ in range(5)] == [502] * 5
    assert time.monotonic() - begin < 15


def test_a_reload_that_gives_room_serves_the_queue(proxy, gate):
    desk = start(proxy, gate, "10 target=0")
    clients = fill(desk, gate, ["/0", "/1", "/2"])
    desk.reload(http=QUEUE.format(queue="10 target=0", conns=3, more="", inside="", beside=""), workers=2,
                O=gate.made)
    gate.made.wait_requests(3)
    gate.let_all()
    assert [client.response().status for client in clients] == [200] * 3


def test_a_server_that_is_well_again_serves_the_queue(proxy, origin, gate):
    """By the clock: fail_timeout is over while requests wait for the other one."""
    other = origin(handle=lambda asked: None)
    desk = proxy("""upstream u { server @A@ max_conns=1 fail_timeout=1s; server @B@ max_conns=1; queue 10 target=0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", workers=2, A=other, B=gate.made)
    gate.let("/warm")
    assert [desk.get("/warm").status for _ in range(2)] == [200, 200]
    other.handle = lambda asked: reply(body="other")
    holder = ask(desk, "/hold")
    desk.wait_for(lambda: "/hold" in gate.seen(), 20, "one holds the place")
    with ask(desk, "/waits") as waiting:
        assert waiting.response().text == "other"
    gate.let_all()
    holder.response()


def test_a_second_try_waits_as_well(proxy, origin, gate):
    """Refused by one, and the other is full: in the queue for that one alone."""
    desk = proxy("""upstream u { server @DEAD@ max_fails=0; server @B@ max_conns=1; queue 10 target=0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", workers=2, B=gate.made)
    holder = ask(desk, "/hold")
    desk.wait_for(lambda: "/hold" in gate.seen(), 20, "one holds the place")
    waiting = ask(desk, "/waits")
    time.sleep(0.1)
    gate.let_all()
    assert waiting.response().text == "/waits"
    assert holder.response().status == 200


def test_no_place_is_lost_in_a_storm(proxy, origin):
    """Clients that leave at any moment, on four loops: afterwards every place is still there."""
    made = origin()
    gate = Gate(made)
    inside = [0]
    lock = threading.Lock()

    def handle(asked):
        with lock:
            inside[0] += 1
        time.sleep(0.002)
        with lock:
            inside[0] -= 1
        return reply(body="x")

    made.handle = handle
    desk = start(proxy, gate, "20", conns=4, workers=4)

    def storm(seed):
        for i in range(60):
            client = ask(desk, "/s", f"h{(seed + i) % 5}")
            if (seed * 7 + i) % 3 == 0:
                time.sleep(0.001 * (i % 5))
                client.close()
                continue
            try:
                assert client.response().status in (200, 503)
            except Closed:
                pass
            client.close()

    threads = [threading.Thread(target=storm, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.wait_for(lambda: inside[0] == 0, 20, "the origin is idle")
    before = len(made.requests)
    gate = Gate(made)
    last = [ask(desk, f"/last{i}") for i in range(5)]
    made.wait_requests(before + 4)
    time.sleep(0.1)
    assert len(made.requests) == before + 4
    gate.let_all()
    assert [client.response().status for client in last].count(200) >= 4
