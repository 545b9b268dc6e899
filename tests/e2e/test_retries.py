# SPDX-License-Identifier: MIT
"""Second tries: within the upstream's budget, for nothing when they cost nothing, and no more."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import PORTS

pytestmark = pytest.mark.ours            # nginx has no such budget

BUSY = reply(503, body="busy", reason="Service Unavailable")


def flood(desk, clients, each, target="/"):
    """So many clients, each with so many requests one after the other; the statuses."""
    statuses, lock = [], threading.Lock()

    def work():
        with desk.connect() as client:
            for _ in range(each):
                status = client.ask("GET", target).status
                with lock:
                    statuses.append(status)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def start(proxy, servers, budget="", policy="error timeout http_503", **names):
    return proxy(f"""log_format r '$request_uri $status $upstream_status';
        upstream u {{ {servers} {budget} }}
        server {{ listen @P@; access_log logs/r.log r;
            location / {{ proxy_pass http://u; proxy_next_upstream {policy}; }} }}""", workers=2, **names)


def busy(request_):
    time.sleep(0.02)
    return BUSY


THREE = "server @A@ max_fails=0; server @B@ max_fails=0; server @C@ max_fails=0;"


@pytest.mark.parametrize("budget, least, most", [
    ("", 1.05, 1.25), ("retry_budget 50% min=1;", 1.2, 1.55), ("retry_budget 0% min=0;", 1.0, 1.0),
    ("retry_budget off;", 3.0, 3.0)], ids=["default", "half", "none", "off"])
def test_an_outage_is_not_multiplied(proxy, origin, budget, least, most):
    """All say 503, and all would be asked: with 100 at a time, a fifth more at the origins."""
    made = {name: origin(handle=busy) for name in "ABC"}
    desk = start(proxy, THREE, budget, **made)
    statuses = flood(desk, 100, 10)
    assert statuses == [503] * 1000
    asked = sum(len(one.requests) for one in made.values())
    assert least * 1000 <= asked <= most * 1000 + 10, asked


def test_over_budget_the_answer_in_hand_is_given_at_once(proxy, origin):
    made = {name: origin(handle=lambda asked: BUSY) for name in "ABC"}
    desk = start(proxy, THREE, "retry_budget 0% min=0;", **made)
    begin = time.monotonic()
    answer = desk.get()
    assert (answer.status, answer.text) == (503, "busy") and time.monotonic() - begin < 10
    desk.wait_error("the retry budget is used up, upstream's 503 is the answer")
    assert sum(len(one.requests) for one in made.values()) == 1


def test_a_chain_of_tries_is_one_retry_at_a_time(proxy, origin):
    made = {"A": origin(handle=lambda asked: BUSY), "B": origin(handle=lambda asked: BUSY),
            "C": origin(handle=lambda asked: reply(body="well"))}
    desk = start(proxy, THREE, "retry_budget 0% min=1;", **made)
    assert [desk.get().text for _ in range(6)] == ["well"] * 6


def test_without_an_answer_a_retry_waits_a_moment(proxy, origin):
    made = {name: origin(handle=lambda asked: None) for name in "AB"}
    desk = start(proxy, "server @A@ max_fails=0; server @B@ max_fails=0;", "retry_budget 0% min=0;", **made)
    begin = time.monotonic()
    assert desk.get().status == 502
    assert 0.2 <= time.monotonic() - begin <= 15
    desk.wait_error("the retry budget is used up, no other upstream is tried")
    assert sum(len(one.requests) for one in made.values()) == 1


def test_a_retry_that_waits_has_its_turn(proxy, origin):
    """Room for one: the second goes when the first is over."""
    seen = threading.Event()

    def slow(asked):
        seen.set()
        time.sleep(0.1)
        return reply(body="well")

    made = {"A": origin(handle=lambda asked: None), "B": origin(handle=slow)}
    desk = start(proxy, "server @A@ max_fails=0 weight=100; server @B@ max_fails=0;", "retry_budget 0% min=1;", **made)
    first = desk.send_raw(request("GET", "/1"))
    seen.wait(5)
    second = desk.send_raw(request("GET", "/2"))
    assert (first.response().text, second.response().text) == ("well", "well")
    assert len(made["A"].requests) == 2


def test_what_nobody_was_sent_costs_nothing(proxy, origin):
    made = origin(handle=lambda asked: reply(body="well"))
    desk = start(proxy, "server @DEAD@ max_fails=0; server @GONE@ max_fails=0; server @A@ max_fails=0;",
                 "retry_budget 0% min=0;", A=made)
    assert [desk.get().status for _ in range(9)] == [200] * 9


def test_leaving_who_is_taken_out_costs_nothing(proxy, origin):
    made = {"A": origin(handle=lambda asked: None), "B": origin(handle=lambda asked: reply(body="well"))}
    desk = start(proxy, "server @A@; server @B@;", "retry_budget 0% min=0;", **made)
    assert [desk.get().status for _ in range(4)] == [200] * 4
    assert len(made["A"].requests) == 1


def test_places_in_the_budget_come_back(proxy, origin):
    """Clients that leave during a retry, retries that succeed and fail: then there is still room for one."""
    def slow(asked):
        time.sleep(0.05)
        return None if asked.target == "/fail" else reply(body="well")

    made = {"A": origin(handle=lambda asked: None), "B": origin(handle=slow)}
    desk = start(proxy, "server @A@ max_fails=0 weight=100; server @B@ max_fails=0;", "retry_budget 0% min=1;", **made)
    for i in range(9):
        client = desk.send_raw(request("GET", "/fail" if i % 3 == 0 else "/"))
        if i % 3 == 1:
            time.sleep(0.02)
        else:
            client.response()
        client.close()
    desk.wait_for(lambda: desk.get("/last").status == 200, 20, "a retry")


ORIGIN = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(4)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"well")
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 200
    daemon_threads = True
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_that_is_killed_fails_nobody(proxy):
    """One of three, with 20 of 60 requests in it; the others take over what can be said again."""
    ports = [PORTS.get() for _ in range(3)]
    made = [subprocess.Popen([sys.executable, "-c", ORIGIN, str(port)]) for port in ports]
    try:
        desk = start(proxy, "server @A@; server @B@; server @C@;", policy="error timeout",
                     **{name: f"127.0.0.1:{port}" for name, port in zip("ABC", ports)})
        for port in ports:
            desk.wait_for(lambda at=port: is_open(at), 20, "an origin")
        clients = [desk.send_raw(request("GET", "/"), timeout=30) for _ in range(60)]
        time.sleep(1)
        os.kill(made[1].pid, signal.SIGKILL)
        assert [client.response().status for client in clients] == [200] * 60
        desk.wait_for(lambda: desk.read("logs/r.log").count("502, 200") >= 15, 20, "second tries")
    finally:
        for one in made:
            one.kill()
            one.wait()


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
