# SPDX-License-Identifier: MIT
"""proxy_hedge: a second server is asked as well when the first takes long; one answer, the other is
cancelled, nothing is left behind."""
import socket
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply

pytestmark = pytest.mark.ours


def start(proxy, servers, hedge="proxy_hedge 100ms;", more="", **names):
    return proxy(f"""log_format h '$request_uri $status [$upstream_addr] $upstream_status';
        upstream u {{ {servers} }}
        server {{ listen @P@; access_log logs/h.log h; location / {{ proxy_pass http://u; {hedge} {more} }} }}""",
                 workers=2, **names)


def after(seconds, body, status=200):
    def handle(asked):
        time.sleep(seconds)
        return reply(status, body=body)
    return handle


def gone(flag):
    """An origin that says nothing and notes when it has been left."""
    def script(conn):
        conn.request()
        if conn.hang():
            flag.set()
    return script


# The first by weight, until something is in flight there.
FIRST_A = "server @A@ weight=100; server @B@;"


def timed(desk, method="GET", target="/", **options):
    begin = time.monotonic()
    with desk.connect() as client:
        answer = client.ask(method, target, **options)
    return answer, time.monotonic() - begin


def test_the_second_answers_when_the_first_takes_long(proxy, origin):
    left = threading.Event()
    made = {"A": origin(script=gone(left)), "B": origin(handle=after(0, "b"))}
    desk = start(proxy, FIRST_A, **made)
    answer, seconds = timed(desk)
    assert (answer.status, answer.text) == (200, "b") and 0.08 <= seconds < 15
    assert left.wait(20), "the first is cancelled"
    a, b = made["A"].address, made["B"].address
    desk.wait_for(lambda: f"/ 200 [{a}, {b}] -, 200" in desk.read("logs/h.log"), 20, "both in the log")


@pytest.mark.parametrize("after_ms", [240, 260, 600, 1100])
def test_it_begins_in_time(proxy, origin, after_ms):
    """Whatever else the exchange's timer is for meanwhile."""
    made = {"A": origin(handle=after(30, "a")), "B": origin(handle=after(0, "b"))}
    desk = start(proxy, FIRST_A, f"proxy_hedge {after_ms}ms;", **made)
    answer, seconds = timed(desk)
    # The loop reads its clock once a turn: up to a busy turn earlier than by the client's.
    assert answer.text == "b" and after_ms / 1000 - 0.02 <= seconds < 15


def test_the_first_may_still_win(proxy, origin):
    left = threading.Event()
    made = {"A": origin(handle=after(0.4, "a")), "B": origin(script=gone(left))}
    desk = start(proxy, FIRST_A, **made)
    answer, _ = timed(desk)
    assert answer.text == "a"
    assert left.wait(20), "the second is cancelled"
    a, b = made["A"].address, made["B"].address
    desk.wait_for(lambda: f"/ 200 [{a}, {b}] 200, -" in desk.read("logs/h.log"), 20, "both in the log")


def test_a_quick_answer_is_not_hedged(proxy, origin):
    made = {"A": origin(handle=after(0, "a")), "B": origin(handle=after(0, "b"))}
    desk = start(proxy, FIRST_A, **made)
    assert [desk.get().text for _ in range(5)] == ["a"] * 5
    time.sleep(0.2)
    assert not made["B"].requests


@pytest.mark.parametrize("first, second, wins", [("a", "b", "B"), ("b", "a", "A")], ids=["first", "second"])
def test_when_one_fails_the_other_goes_on(proxy, origin, first, second, wins):
    def fail(asked):
        time.sleep(0.25)
        return None

    made = {"A": origin(), "B": origin()}
    made["B" if wins == "A" else "A"].handle = fail
    made[wins].handle = after(0.5, "well")
    desk = start(proxy, FIRST_A, **made)
    answer, seconds = timed(desk)
    assert answer.text == "well" and seconds < 15
    assert [len(made[name].requests) for name in "AB"] == [1, 1]


def test_when_both_fail_there_is_one_answer(proxy, origin):
    def fail(asked):
        time.sleep(0.2)
        return None

    made = {"A": origin(handle=fail), "B": origin(handle=fail)}
    desk = start(proxy, FIRST_A, **made)
    assert timed(desk)[0].status == 502


def test_a_status_that_lets_another_try_leaves_it_to_the_other(proxy, origin):
    made = {"A": origin(handle=after(0.5, "a")), "B": origin(handle=after(0, "busy", 503))}
    desk = start(proxy, FIRST_A, more="proxy_next_upstream error http_503;", **made)
    assert timed(desk)[0].text == "a"
    desk = start(proxy, FIRST_A, more="proxy_next_upstream error;", **made)
    assert timed(desk)[0].status == 503              # without that it is an answer like any other


@pytest.mark.parametrize("method, body, hedged", [
    ("GET", None, True), ("HEAD", None, True), ("OPTIONS", None, True), ("POST", b"x", False),
    ("PUT", b"x", False), ("DELETE", None, False), ("GET", b"x", False)])
def test_only_what_is_safe_and_has_no_body(proxy, origin, method, body, hedged):
    made = {"A": origin(handle=after(0.4, "a")), "B": origin(handle=after(0.4, "b"))}
    desk = start(proxy, FIRST_A, **made)
    assert timed(desk, method, body=body)[0].status == 200
    assert len(made["B"].requests) == hedged


@pytest.mark.parametrize("hedge, servers", [
    ("", FIRST_A), ("proxy_hedge off;", FIRST_A), ("proxy_hedge 50ms; proxy_next_upstream_tries 1;", FIRST_A),
    ("proxy_hedge 50ms;", FIRST_A + " retry_budget 0% min=0;"), ("proxy_hedge p95;", FIRST_A)],
    ids=["default", "off", "tries", "budget", "nothing known"])
def test_when_there_is_no_second(proxy, origin, hedge, servers):
    made = {"A": origin(handle=after(0.3, "a")), "B": origin(handle=after(0, "b"))}
    desk = start(proxy, servers, hedge, **made)
    assert timed(desk)[0].text == "a"
    assert not made["B"].requests


def test_the_same_server_is_not_asked_twice(proxy, origin):
    made = origin(handle=after(0.3, "a"))
    desk = start(proxy, "server @A@;", "proxy_hedge 50ms;", A=made)
    assert timed(desk)[0].text == "a" and len(made.requests) == 1


def test_the_percentile_is_learnt(proxy, origin):
    made = {"A": origin(handle=after(0.002, "a")), "B": origin(handle=after(0.002, "b"))}
    desk = start(proxy, FIRST_A, "proxy_hedge p95;", **made)
    with desk.connect() as client:
        for _ in range(150):
            client.ask("GET", "/")
    made["B"].reset()
    made["B"].handle = after(0, "b")
    made["A"].handle = after(1.0, "a")
    answer, seconds = timed(desk)
    assert answer.text == "b" and seconds < 0.8


def test_a_route_into_nowhere_is_gone_around(proxy, origin):
    """A connection that is not even made."""
    made = origin(handle=after(0, "b"))
    deaf = origin(accepting=False, backlog=0)
    fill = [desk_socket(deaf) for _ in range(3)]
    desk = start(proxy, FIRST_A, "proxy_hedge 100ms; proxy_connect_timeout 5s;", A=deaf, B=made)
    answer, seconds = timed(desk)
    assert answer.text == "b" and seconds < 2.0
    for one in fill:
        one.close()


def desk_socket(made):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", made.port))
    return one


def test_a_client_that_leaves_takes_both_along(proxy, origin):
    left = [threading.Event(), threading.Event()]
    made = {"A": origin(script=gone(left[0])), "B": origin(script=gone(left[1]))}
    desk = start(proxy, "server @A@ max_conns=1 weight=100; server @B@ max_conns=1; retry_budget 0% min=1;", **made)
    for _ in range(3):
        for flag in left:
            flag.clear()
        before = [made[name].connections for name in "AB"]
        with desk.send_raw(request("GET", "/")):
            desk.wait_for(lambda: [made[n].connections for n in "AB"] == [one + 1 for one in before], 20, "both asked")
        assert all(flag.wait(20) for flag in left)
    # Every place is back, at the servers and in the budget.
    made["A"].script, made["B"].script = gone(left[0]), None
    made["B"].handle = after(0, "b")
    assert timed(desk)[0].text == "b"


@pytest.mark.parametrize("more", ["", "limit_rate 8m;", "proxy_limit_rate 8m;", "proxy_buffering off;"])
def test_large_answers_are_whole_whoever_wins(proxy, origin, more):
    body = bytes(range(256)) * 4096

    def handle(asked):
        time.sleep(0.005 if int(asked.target[1:]) % 3 else 0.03)
        return reply(body=body)

    made = {"A": origin(handle=handle), "B": origin(handle=handle)}
    desk = start(proxy, "server @A@; server @B@; retry_budget off;", "proxy_hedge 8ms;", more, **made)

    def work(seed):
        with desk.connect() as client:
            for i in range(30):
                answer = client.ask("GET", f"/{seed + i}")
                if answer.status != 200 or answer.body != body:
                    wrong.append(answer)

    wrong = []
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert 180 < len(made["A"].requests) + len(made["B"].requests) <= 360


def test_what_follows_is_the_winners(proxy, origin):
    """X-Accel-Redirect, an intercepted status and an error page come from the attempt that won; a retry after
    both have failed goes to the third, and each server is asked once."""
    made = {"A": origin(handle=after(0.8, "a")),
            "B": origin(handle=lambda asked: reply(200, [("X-Accel-Redirect", "/other/x")]) if asked.target == "/accel"
                        else reply(404) if asked.target == "/page" else None),
            "C": origin(handle=after(0, "c"))}
    desk = proxy("""log_format h '$request_uri $status [$upstream_addr] $upstream_status';
        upstream u { server @A@ weight=1000 max_fails=0; server @B@ weight=100 max_fails=0; server @C@ max_fails=0;
                     retry_budget off; }
        server { listen @P@; access_log logs/h.log h; proxy_hedge 100ms; proxy_read_timeout 400ms;
            location / { proxy_pass http://u; }
            location /page { proxy_pass http://u; proxy_intercept_errors on; error_page 404 /told; }
            location /told { return 200 told; }
            location /other/ { internal; proxy_pass http://@C@; } }""", **made)
    a, b, c = (made[name].address for name in "ABC")
    assert desk.get("/accel").text == "c"
    assert desk.get("/page").text == "told"
    assert desk.get("/retry").text == "c"          # B breaks off, A takes too long, C is left
    desk.wait_for(lambda: desk.read("logs/h.log").count("\n") == 3, 20, "three lines")
    assert desk.read("logs/h.log").splitlines() == [
        f"/accel 200 [{a}, {b} : {c}] -, 200 : 200", f"/page 404 [{a}, {b}] -, 404",
        f"/retry 200 [{a}, {b}, {c}] 504, 502, 200"]
    assert len(made["A"].requests) == 3 and len(made["B"].requests) == 3 and len(made["C"].requests) == 2
