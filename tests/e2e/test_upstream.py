# SPDX-License-Identifier: MIT
"""Groups of servers: who is chosen, who is spared, when another one is tried, what is kept open."""
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import is_nginx
from harness.wire import Closed

ours = pytest.mark.ours


def sequence(desk, count, to="P"):
    with desk.connect(to) as client:
        return "".join(client.ask("GET", f"/{i}").json["origin"] for i in range(count))


def group(origin, names="abc"):
    return {name.upper(): origin(name=name) for name in names}


# ---- choice -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("servers, expected", [
    ("server @A@; server @B@; server @C@;", "abcabcabc"),
    ("server @A@ weight=5; server @B@; server @C@;", "aabacaaaabacaa"),
    ("server @A@ weight=3; server @B@ weight=2; server @C@ weight=1;", "abacbaabacba"),
    ("server @A@ weight=2; server @B@ weight=2;", "abababab"),
    ("server @A@ down; server @B@; server @C@;", "bcbcbc"),
    ("server @A@ backup; server @B@; server @C@ down;", "bbbb"),
    ("server @A@ backup; server @B@ down; server @C@ backup;", "acacac"),
    ("server @A@ weight=10; server @B@;", "aaaaabaaaaaaaaaabaaaaaaa"),
    ("server @A@ weight=4; server @B@ weight=2; server @C@;", "abacabaabacaba"),
])
@pytest.mark.parametrize("keepalive", ["", "keepalive 8;"], ids=["fresh", "kept"])
def test_smooth_weighted_round_robin(proxy, origin, servers, expected, keepalive):
    desk = proxy(f"""upstream u {{ {servers} {keepalive} }}
        server {{ listen @P@; location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}""",
                 **group(origin))
    assert sequence(desk, len(expected)) == expected


def test_the_order_goes_on_across_connections(proxy, origin):
    desk = proxy("""upstream u { server @A@; server @B@; server @C@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **group(origin))
    assert "".join(desk.get().json["origin"] for _ in range(6)) == "abcabc"


def test_a_name_with_several_addresses_counts_as_several(proxy, origin):
    """localhost is 127.0.0.1 here; a literal twice makes two peers."""
    made = group(origin, "ab")
    desk = proxy("""upstream u { server @A@; server @A@; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **made)
    assert "".join(desk.get().json["origin"] for _ in range(6)) == "aabaab"


@ours
def test_a_busy_server_is_avoided(proxy, origin):
    """Without a directive: if one is busy, a quieter one is picked."""
    release = threading.Event()
    made = group(origin, "ab")
    made["A"].handle = lambda r: (release.wait(10), reply(body="a"))[1] if r.target == "/hold" else reply(body="a")
    made["B"].handle = lambda r: reply(body="b")
    desk = proxy("""upstream u { server @A@; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **made)
    with desk.send_raw(request("GET", "/hold")) as holder:
        made["A"].wait_requests(1)
        assert "".join(desk.get().text for _ in range(8)) == "bbbbbbbb"
        release.set()
        assert holder.response().text == "a"
    assert set(desk.get().text for _ in range(4)) == {"a", "b"}


def test_busy_is_measured_by_weight(proxy, origin):
    """weight=3 with two in flight is quieter than weight=1 with one."""
    release = threading.Event()
    made = group(origin, "ab")
    for name in "AB":
        made[name].handle = lambda r, n=name: (release.wait(10) if r.target == "/hold" else 0, reply(body=n))[1]
    desk = proxy("""upstream u { server @A@ weight=3; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **made)
    held = [desk.send_raw(request("GET", "/hold")) for _ in range(4)]
    made["A"].wait_requests(3)
    made["B"].wait_requests(1)
    release.set()
    for client in held:
        client.response()
        client.close()


@pytest.mark.parametrize("servers", ["server @A@; server @B@;", "server @A@ weight=1; server @B@ weight=1;"])
def test_least_conn(proxy, origin, servers):
    release = threading.Event()
    made = group(origin, "ab")
    for name in "AB":
        made[name].handle = lambda r, n=name: (release.wait(10) if r.target == "/hold" else 0, reply(body=n))[1]
    desk = proxy(f"""upstream u {{ least_conn; {servers} }}
        server {{ listen @P@; location / {{ proxy_pass http://u; }} }}""", **made)
    held = [desk.send_raw(request("GET", "/hold"))]
    desk.wait_for(lambda: made["A"].requests or made["B"].requests, 20, "the first request")
    busy = "A" if made["A"].requests else "B"
    free = "B" if busy == "A" else "A"
    assert "".join(desk.get().text for _ in range(6)) == free * 6
    release.set()
    for client in held:
        client.response()
        client.close()


# ---- failures ---------------------------------------------------------------------------------------

def test_a_refusing_server_is_passed_over(proxy, origin):
    desk = proxy("""upstream u { server @DEAD@; server @A@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **group(origin, "a"))
    assert [desk.get().status for _ in range(6)] == [200] * 6


def test_max_fails_takes_a_server_out(proxy, origin):
    made = group(origin, "ab")
    made["A"].script = lambda conn: conn.request()
    desk = proxy("""upstream u { server @A@ max_fails=2 fail_timeout=30s; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **made)
    for _ in range(10):
        assert desk.get().json["origin"] == "b"
    assert made["A"].connections == 2


def test_fail_timeout_brings_it_back(proxy, origin):
    made = group(origin, "ab")
    made["A"].script = lambda conn: conn.request()
    desk = proxy("""upstream u { server @A@ max_fails=1 fail_timeout=3s; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **made)
    for _ in range(4):
        assert desk.get().json["origin"] == "b"
    assert made["A"].connections == 1
    made["A"].script = None
    desk.wait_for(lambda: desk.get().json["origin"] == "a", what="its return")


def test_max_fails_zero_never_takes_it_out(proxy, origin):
    made = group(origin, "ab")
    made["A"].script = lambda conn: conn.request()
    desk = proxy("""upstream u { server @A@ max_fails=0; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **made)
    for _ in range(6):
        assert desk.get().json["origin"] == "b"
    assert made["A"].connections >= 3


def test_backup_serves_when_the_others_fail(proxy, origin):
    desk = proxy("""upstream u { server @DEAD@; server @DEAD2@; server @A@ backup; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **group(origin, "a"))
    assert [desk.get().json["origin"] for _ in range(4)] == ["a"] * 4


def test_all_dead_is_502_at_once_and_recovers(proxy, origin):
    """F08."""
    desk = proxy("""upstream u { server @A@ fail_timeout=1s; server @B@ fail_timeout=1s; }
        server { listen @P@; location / { proxy_pass http://u; } }""")
    begin = time.monotonic()
    assert [desk.get().status for _ in range(10)] == [502] * 10
    assert time.monotonic() - begin < 10
    desk.wait_error("no live upstreams while connecting to upstream, client: ")
    revived = origin(port=desk.port("A"), name="a")
    desk.wait_for(lambda: desk.get().status == 200, 20, "recovery")
    assert revived.requests


@ours
def test_when_all_have_failed_one_is_asked_now_and_then(proxy, origin):
    """Not before half a second has passed for it, one request at a time, and backups too; nginx waits for
    fail_timeout."""
    hang = threading.Event()
    desk = proxy("""upstream u { server @A@ fail_timeout=60s; server @B@ fail_timeout=60s backup; server @C@ down; }
        server { listen @P@; location / { proxy_pass http://u; } }""")
    begin = time.monotonic()
    assert desk.get().status == 502
    asked = [origin(port=desk.port(name), script=lambda conn: (conn.request(), hang.wait(60))) for name in "ABC"]
    stuck = []

    def both_are_asked():
        stuck.append(desk.send_raw(request()))
        time.sleep(0.05)
        return asked[0].requests and asked[1].requests
    desk.wait_for(both_are_asked, what="both to be asked")
    assert min(asked[0].requests[0].at, asked[1].requests[0].at) - begin > 0.45
    time.sleep(0.6)
    assert desk.get().status == 502
    assert [len(one.requests) for one in asked] == [1, 1, 0]
    hang.set()
    for client in stuck:
        client.close()


def test_a_single_server_is_never_taken_out(proxy, origin):
    desk = proxy("""upstream u { server @A@; } server { listen @P@; location / { proxy_pass http://u; } }""")
    for _ in range(3):
        assert desk.get().status == 502
    origin(port=desk.port("A"))
    assert desk.get().status == 200


NEXT = """
upstream u { server @A@ max_fails=0; server @B@ max_fails=0; server @C@ max_fails=0; }
server { listen @P@;
    location / { proxy_pass http://u; }
    location /off { proxy_next_upstream off; proxy_pass http://u; }
    location /503 { proxy_next_upstream http_503 http_404; proxy_pass http://u; }
    location /tries { proxy_next_upstream error http_503; proxy_next_upstream_tries 2; proxy_pass http://u; }
    location /time { proxy_next_upstream error timeout; proxy_next_upstream_timeout 600ms; proxy_read_timeout 400ms; proxy_pass http://u; }
    location /timeout { proxy_read_timeout 300ms; proxy_pass http://u; }
    location /invalid { proxy_next_upstream invalid_header; proxy_pass http://u; }
    location /non { proxy_next_upstream error timeout non_idempotent; proxy_pass http://u; }
}
"""


@pytest.fixture
def three(proxy, origin):
    made = group(origin)
    desk = proxy(NEXT, **made)
    desk.origins = list(made.values())
    return desk


def times(desk):
    return sum(len(one.requests) for one in desk.origins)


def all_do(desk, script=None, handle=None):
    for one in desk.origins:
        one.script, one.handle = script, handle


def die(conn):
    conn.request()


def test_every_server_is_tried_once(three):
    all_do(three, die)
    assert three.get().status == 502
    assert times(three) == 3


@pytest.mark.parametrize("method, count", [("GET", 3), ("HEAD", 3), ("PUT", 3), ("DELETE", 3), ("OPTIONS", 3),
                                           ("POST", 1), ("PATCH", 1), ("LOCK", 1)])
def test_what_is_not_idempotent_is_not_sent_twice(three, method, count):
    all_do(three, die)
    with three.connect() as client:
        assert client.ask(method, "/x", body=b"once").status == 502
    if method != "PATCH" or not is_nginx():      # nginx counts PATCH as repeatable
        assert times(three) == count


def test_non_idempotent_may_be_allowed(three):
    all_do(three, die)
    assert three.fetch("POST", "/non", body=b"x").status == 502
    assert times(three) == 3


def test_a_post_goes_on_when_nothing_was_sent(proxy, origin):
    """A refused connection has sent nothing: another server may have the request."""
    desk = proxy("""upstream u { server @DEAD@; server @A@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", **group(origin, "a"))
    assert desk.fetch("POST", "/", body=b"body" * 1000).json["length"] == 4000


def test_a_body_is_sent_again_to_the_next_one(three):
    three.origins[0].script = die
    three.origins[1].script = die
    body = b"abc" * 20000
    answer = three.fetch("PUT", "/x", body=body)
    assert answer.status == 200 and answer.json["length"] == 60000
    answer = three.fetch("PUT", "/x", body=body, chunked=True)
    assert answer.status == 200 and answer.json["length"] == 60000


def test_off(three):
    all_do(three, die)
    assert three.get("/off").status == 502
    assert times(three) == 1


def test_by_status(three):
    all_do(three, handle=lambda _: reply(503, body="busy"))
    answer = three.get("/503")
    assert answer.status == 503
    assert times(three) == 3
    all_do(three, handle=lambda _: reply(500, body="own"))
    assert three.get("/503").text == "own"
    assert times(three) == 4


def test_a_good_one_after_503(three):
    three.origins[0].handle = lambda _: reply(503, body="busy")
    assert three.get("/503").json["origin"] == "b"


def test_tries(three):
    all_do(three, handle=lambda _: reply(503, body="busy"))
    assert three.get("/tries").status == 503
    assert times(three) == 2


def test_time_limit_of_the_tries(three):
    all_do(three, lambda conn: (conn.request(), conn.hang()))
    begin = time.monotonic()
    assert three.get("/time").status == 504
    assert time.monotonic() - begin < 15
    assert times(three) == 2


def test_timeout_is_tried_elsewhere(three):
    three.origins[0].script = lambda conn: (conn.request(), conn.hang())
    assert three.get("/timeout").json["origin"] == "b"


def test_invalid_head(three):
    three.origins[0].script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\nX\x00: y\r\n\r\n"))
    assert three.get("/invalid").json["origin"] == "b"
    all_do(three, die)
    assert three.get("/invalid").status == 502


@pytest.mark.parametrize("others", ["server 127.0.0.1:1 down;", "server 127.0.0.1:1 down; server 127.0.0.1:2 backup down;",
                                    pytest.param("server 127.0.0.1:1; # checked", marks=ours)])
def test_who_is_down_is_no_other_to_be_tried(proxy, origin, others):
    """So what the only one that is left said is the answer, and not that nobody was found."""
    check = "health_check interval=200ms type=tcp;" if "checked" in others else ""
    busy, silent = origin(handle=lambda _: reply(503, body="busy")), origin(script=lambda conn: conn.expect_closed(10))
    desk = proxy(f"""upstream u {{ server @A@;
            {others}
        }} upstream v {{ server @B@;
            {others}
        }}
        server {{ listen @P@; proxy_next_upstream error timeout http_503 non_idempotent; proxy_read_timeout 300ms;
            add_header X-Up $upstream_addr always;
            location / {{ proxy_pass http://u; {check} }}
            location /v {{ proxy_pass http://v; {check} }} }}""", A=busy, B=silent)
    if check:
        desk.wait_for(lambda: desk.errors().count("peer is unhealthy") == 2, 20, "the checks")
    answer = desk.get("/")
    assert (answer.status, answer.text, answer.get("X-Up")) == (503, "busy", desk.address("A"))
    answer = desk.get("/v")
    assert (answer.status, answer.get("X-Up")) == (504, desk.address("B"))
    assert "no live upstreams" not in desk.errors()


def test_no_retry_after_the_head(three):
    three.origins[0].script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))
    with three.send_raw(request()) as client:
        with pytest.raises(Closed):
            client.response()
    assert times(three) == 1


# ---- connections kept open (each loop keeps its own: one loop here) --------------------------------------------------------------------------

KEPT = """
upstream u { server @O@; keepalive 4; }
server { listen @P@; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } }
"""


def test_connections_are_used_again(proxy, origin):
    back = origin()
    desk = proxy(KEPT, O=back, workers=1)
    for _ in range(10):
        assert desk.get().status == 200
    assert back.connections == 1


@ours
def test_kept_by_default(proxy, origin):
    back = origin()
    desk = proxy(workers=1, http="""upstream u { server @O@; }
        server { listen @P@; location / { proxy_pass http://u; } location /direct { proxy_pass http://@O@; } }""", O=back)
    for _ in range(5):
        desk.get()
    assert back.connections == 1
    for _ in range(5):
        desk.get("/direct")
    assert back.connections <= 2


@ours
def test_keepalive_zero_keeps_none(proxy, origin):
    back = origin()
    desk = proxy("""upstream u { server @O@; keepalive 0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", O=back)
    for _ in range(3):
        desk.get()
    assert back.connections == 3


def test_no_more_than_keepalive_stay_open(proxy, origin):
    gate = threading.Barrier(8)
    back = origin(handle=lambda _: (gate.wait(20), reply(body="x"))[1])
    desk = proxy(KEPT, O=back, workers=1)
    held = [desk.send_raw(request()) for _ in range(8)]
    for client in held:
        assert client.response().status == 200
    desk.wait_for(lambda: len(back.conns) <= 4, 20, "the others to close")
    for client in held:
        client.close()


def test_keepalive_requests_of_the_upstream(proxy, origin):
    back = origin()
    desk = proxy(KEPT.replace("keepalive 4;", "keepalive 4; keepalive_requests 3;"), O=back, workers=1)
    for _ in range(7):
        desk.get()
    assert back.connections == 3
    assert [r.number for r in back.requests] == [1, 2, 3, 1, 2, 3, 1]


def test_keepalive_timeout_of_the_upstream(proxy, origin):
    back = origin()
    desk = proxy(KEPT.replace("keepalive 4;", "keepalive 4; keepalive_timeout 400ms;"), O=back, workers=1)
    desk.get()
    desk.wait_for(lambda: not back.conns, 20, "the idle connection to close")
    desk.get()
    assert back.connections == 2


def test_what_may_not_be_kept_is_not(proxy, origin):
    back = origin()
    desk = proxy(KEPT, O=back, workers=1)
    back.handle = lambda _: reply(body="x", close=True)
    desk.get()
    desk.get()
    assert back.connections == 2
    back.handle = lambda _: reply(body="x", version="1.0")
    desk.get()
    desk.get()
    assert back.connections == 4


def test_a_closed_idle_connection_is_noticed(proxy, origin):
    back = origin()
    desk = proxy(KEPT, O=back, workers=1)
    for _ in range(5):
        assert desk.get().status == 200
        back.close_all()
        time.sleep(0.03)
    assert "prematurely" not in desk.errors()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_race_with_a_closing_connection_is_no_502(proxy, origin, method):
    """The origin closes exactly when the second request arrives: sent again on a fresh connection."""
    back = origin()

    def script(conn):
        conn.request()
        conn.send(reply(body="first"))
        if conn.id == 1:
            conn.take(1)            # the next request has begun to arrive: gone
            conn.close()
            return
        while True:
            conn.request()
            conn.send(reply(body="again"))
    back.script = script
    desk = proxy(KEPT, O=back, workers=1)
    assert desk.get().text == "first"
    body = b"x" * 3000 if method == "PUT" else None
    answer = desk.fetch(method, "/", body=body)
    assert (answer.status, answer.text) == (200, "first")
    assert back.connections == 2


def test_the_race_with_a_reset(proxy, origin):
    back = origin()

    def script(conn):
        conn.request()
        conn.send(reply(body="first"))
        if conn.id == 1:
            conn.take(1)
            conn.reset()
    back.script = script
    desk = proxy(KEPT, O=back, workers=1)
    assert desk.get().text == "first"
    assert desk.get().status == 200


def test_a_post_in_the_race_is_not_sent_twice(proxy, origin):
    back = origin()

    def script(conn):
        conn.request()
        conn.send(reply(body="first"))
        if conn.id == 1:
            conn.request()
    back.script = script
    desk = proxy(KEPT, O=back, workers=1)
    desk.get()
    assert desk.fetch("POST", "/", body=b"pay").status == 502
    assert [r.method for r in back.requests].count("POST") == 1


def test_a_fresh_connection_that_closes_is_502(proxy, origin):
    back = origin(script=lambda conn: conn.request())
    desk = proxy(KEPT, O=back, workers=1)
    assert desk.get().status == 502
    assert len(back.requests) == 1


def test_many_idle_origins_restart(proxy, origin):
    """A burst of kept connections dies at once: the next requests are all served."""
    back = origin()
    desk = proxy(KEPT, O=back, workers=1)
    for _ in range(10):
        clients = [desk.send_raw(request()) for _ in range(4)]
        for client in clients:
            assert client.response().status == 200
            client.close()
        back.close_all()
        answers = [desk.get().status for _ in range(4)]
        assert answers == [200] * 4


# ---- names ------------------------------------------------------------------------------------------

@ours
def test_a_name_that_does_not_resolve_yet(proxy, origin):
    desk = proxy("""upstream u { server no-such-host.invalid:80; server @A@; }
        server { listen @P@; location / { proxy_pass http://u; }
                 location /only { proxy_pass http://no-such-host.invalid; } }""", **group(origin, "a"))
    assert [desk.get().json["origin"] for _ in range(4)] == ["a"] * 4
    assert desk.get("/only").status == 502
    desk.wait_error("no-such-host.invalid")


@pytest.mark.parametrize("http, words", [
    ("upstream u { } server { location / { proxy_pass http://u; } }", "no servers are inside upstream"),
    ("upstream u { server 127.0.0.1:1 weight=0; }", 'invalid parameter "weight=0"'),
    ("upstream u { server 127.0.0.1:1 weight=x; }", 'invalid parameter "weight=x"'),
    ("upstream u { server 127.0.0.1:1 fail_timeout=x; }", 'invalid parameter "fail_timeout=x"'),
    ("upstream u { server 127.0.0.1:1 nonsense; }", 'invalid parameter "nonsense"'),
    ("upstream u { server 127.0.0.1:1; } upstream u { server 127.0.0.1:1; }", 'duplicate upstream "u"'),
    ("upstream u { server 127.0.0.1:1/x; }", "in upstream \"127.0.0.1:1/x\""),
    ("upstream u { server 127.0.0.1:1; keepalive x; }", 'invalid value "x" in "keepalive" directive'),
    ("upstream u { server 127.0.0.1:1; } server { location / { proxy_pass http://u:80; } }", 'upstream "u" may not have port 80'),
])
def test_refused_at_load(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr
