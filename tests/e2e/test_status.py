# SPDX-License-Identifier: MIT
"""`frontdesk status`: every number of it, made to change by what it counts."""
import json
import select
import threading

import pytest

from harness import dns
from harness.client import request
from harness.origin import reply
from harness.shim import shim_environment

pytestmark = pytest.mark.ours


def status(desk):
    return desk.status()


def wait_status(desk, holds, what):
    """The first status of which it holds."""
    found = []

    def look():
        found[:] = [status(desk)]
        return holds(found[0])
    try:
        desk.wait_for(look, 10, what)
    except AssertionError as error:
        raise AssertionError(f"{what}; but {json.dumps(found[0], indent=1)}") from error
    return found[0]


def upstream(said, name="u"):
    return next(one for one in said["upstreams"] if one["name"] == name)


def states(desk, name="u"):
    return [one["state"] for one in upstream(status(desk), name)["servers"]]


class Held:
    """An origin that answers when it is let."""

    def __init__(self, origin):
        self.go_on = threading.Event()
        self.made = origin(handle=self.handle)

    def handle(self, _):
        self.go_on.wait(20)
        return reply(body="done")


@pytest.fixture
def held(origin):
    made = Held(origin)
    yield made
    made.go_on.set()


# ---- its forms --------------------------------------------------------------------------------------

def test_for_people_and_for_programs(proxy, origin):
    desk = proxy("upstream u { server @O@; server 127.0.0.1:1 down; } server { listen @P@; location / { proxy_pass http://u; } }",
                 O=origin())
    assert desk.get("/").status == 200
    lines = desk.run("status").stdout.splitlines()
    assert lines[0].startswith("version: frontdesk/") and "" not in lines
    at = next(i for i, line in enumerate(lines) if line.split()[:3] == ["address", "server", "state"])
    assert lines[at + 1].split()[:3] == [desk.address("O"), desk.address("O"), "up"]
    assert lines[at + 2].split()[:3] == ["127.0.0.1:1", "127.0.0.1:1", "down"]
    said = status(desk)
    assert list(said) == ["version", "worker_process", "uptime_s", "event_loops", "configuration", "connections",
                          "requests", "pressure", "limits", "upstreams", "caches"]
    assert said["worker_process"] == desk.worker() and said["limits"] == said["caches"] == []


def test_words_that_it_does_not_know(proxy):
    desk = proxy("server { listen @P@; }")
    for words in (["--jsn"], ["--json", "more"], ["u"]):
        done = desk.run("status", *words)
        assert done.returncode == 1 and done.stdout == "" and "takes" in done.stderr


def test_texts_are_json_whatever_is_in_them(proxy):
    desk = proxy('upstream "a\\"b\\\\c é" { server 127.0.0.1:1; } server { listen @P@; }')
    assert [one["name"] for one in status(desk)["upstreams"]] == ['a"b\\c é']


def test_a_thousand_servers(proxy):
    servers = " ".join(f"server 127.0.{i // 250}.{i % 250 + 1}:1;" for i in range(1000))
    desk = proxy("upstream u { %s } server { listen @P@; }" % servers)
    assert len(upstream(status(desk))["servers"]) == 1000


# ---- clients ----------------------------------------------------------------------------------------

def test_connections_and_requests(proxy, origin):
    desk = proxy("""server { listen @P@; location / { proxy_pass http://@O@; } location /1 { return 301 /; }
        location /4 { return 404; } location /5 { return 500; } location /0 { return 444; } }""", O=origin(), workers=2)
    for target in ("/", "/", "/1", "/4", "/4", "/4", "/5"):
        desk.get(target)
    with desk.connect() as cut:
        cut.send(request("GET", "/0"))
        cut.expect_closed()
    idle, half = desk.connect(), desk.connect()
    idle.ask("GET", "/")
    half.send(b"GET / HT")
    said = wait_status(desk, lambda said: said["connections"]["open"] == 2 and said["connections"]["reading"] == 1
                       and said["requests"]["under_way"] == 0, "one that rests, one that begins")
    assert said["connections"] == {"open": 2, "reading": 1, "at_work": 0, "waiting": 1, "accepted": 10, "handled": 10}
    assert said["requests"] == {"under_way": 0, "begun": 9, "status_1xx": 0, "status_2xx": 3, "status_3xx": 1,
                                "status_4xx": 4, "status_5xx": 1, "no_answer": 0}     # 444 is one of 4xx


def test_requests_under_way(proxy, held):
    desk = proxy("upstream u { server @O@; } server { listen @P@; location / { proxy_pass http://u; } }", O=held.made, workers=2)
    clients = [desk.send_raw(request("GET", f"/{i}")) for i in range(3)]
    said = wait_status(desk, lambda said: upstream(said)["in_flight"] == 3, "three requests")
    assert said["requests"]["under_way"] == said["connections"]["at_work"] == 3
    assert upstream(said)["servers"][0]["in_flight"] == upstream(said)["servers"][0]["requests"] == 3
    held.go_on.set()
    assert [client.response().status for client in clients] == [200] * 3
    wait_status(desk, lambda said: upstream(said)["in_flight"] == 0 and upstream(said)["idle_connections"] == 3, "rest")


# ---- upstreams --------------------------------------------------------------------------------------

def test_states_of_servers(proxy, origin):
    good, bad = origin(), origin(handle=lambda _: reply(status=500, body="no"))
    conf = """
        upstream u { server @GOOD@; server 127.0.0.1:1 fail_timeout=60s; server 127.0.0.1:2 down; server 127.0.0.1:3 drain; }
        upstream e { server @GOOD@; server @BAD@; outlier_ejection consecutive=2; }
        upstream h { server @GOOD@; server 127.0.0.1:4; server 127.0.0.1:5 backup; }
        upstream s { server @GOOD@; server 127.0.0.1:6 slow_start=60s down; }
        server { listen @P@; location / { proxy_pass http://u; } location /e { proxy_pass http://e; }
            location /h { proxy_pass http://h; health_check interval=100ms; } location /s { proxy_pass http://s; } }"""
    desk = proxy(conf, GOOD=good, BAD=bad)
    for _ in range(6):
        assert desk.get("/").status == 200
        desk.get("/e")
    assert desk.get("/s").status == 200
    said = status(desk)
    servers = upstream(said)["servers"]
    assert [one["state"] for one in servers] == ["up", "failing", "down", "draining"]
    assert servers[1]["failures"] == 1 and 0 < servers[1]["state_left_ms"] <= 60000 and upstream(said)["retries"] == 1
    assert servers[0]["requests"] == 6 and servers[0]["failures"] == 0 and servers[0]["state_left_ms"] is None
    out = upstream(said, "e")["servers"][1]
    assert out["state"] == "ejected" and out["status_5xx"] == 2 and out["ejections"] == 1 and out["failures"] == 0
    assert 0 < out["state_left_ms"] <= 30000
    wait_status(desk, lambda said: states(desk, "h") == ["up", "unhealthy", "unhealthy"], "checks")
    assert upstream(status(desk), "h")["servers"][2]["role"] == "backup"
    desk.reload(http=conf.replace("slow_start=60s down", "slow_start=60s"))
    wait_status(desk, lambda said: states(desk, "s")[1] == "slow start", "slow start")
    assert states(desk)[1] == "failing"     # a reload forgets nothing


def test_a_lone_server_is_up_though_it_fails(proxy):
    desk = proxy("upstream u { server 127.0.0.1:1; } server { listen @P@; location / { proxy_pass http://u; } }")
    assert desk.get("/").status == 502
    server = upstream(status(desk))["servers"][0]
    assert server["state"] == "up" and server["failures"] == 1


def test_queues(proxy, held):
    desk = proxy("""upstream u { server @O@ max_conns=1; queue 2 timeout=300s target=0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", O=held.made, workers=2)
    clients = []
    for i in range(3):
        clients.append(desk.send_raw(request("GET", f"/{i}")))
        wait_status(desk, lambda said, i=i: upstream(said)["queue"]["waiting"] == i and upstream(said)["in_flight"] == 1, "a wait")
    assert desk.get("/full").status == 503
    clients.pop().close()
    queue = upstream(wait_status(desk, lambda said: upstream(said)["queue"]["clients_left"] == 1, "one has left"))["queue"]
    assert queue["places"] == 2 and queue["waiting"] == queue["refused_full"] == 1 and queue["served"] == 0
    assert queue["not_empty_ms"] > 0 and queue["mean_wait_ms"] is None
    held.go_on.set()
    assert [client.response().status for client in clients] == [200] * 2
    queue = upstream(wait_status(desk, lambda said: upstream(said)["queue"]["served"] == 1, "served"))["queue"]
    assert queue["waiting"] == 0 and queue["mean_wait_ms"] > 0 and queue["not_empty_ms"] is None
    assert queue["refused_late"] == queue["refused_no_server"] == 0


def test_a_wait_that_takes_too_long(proxy, held):
    desk = proxy("""upstream u { server @O@ max_conns=1; queue 2 timeout=100ms target=0; }
        server { listen @P@; location / { proxy_pass http://u; } }""", O=held.made)
    first = desk.send_raw(request("GET", "/"))
    wait_status(desk, lambda said: upstream(said)["in_flight"] == 1, "a full server")
    assert desk.get("/late").status == 503
    assert upstream(status(desk))["queue"]["refused_late"] == 1
    held.go_on.set()
    assert first.response().status == 200


def test_retries_and_their_budget(proxy, origin):
    bad = [origin(handle=lambda _: reply(status=503, body="no")) for _ in range(2)]
    conf = """upstream u { server @A@ max_fails=0; server @B@ max_fails=0; retry_budget %s; }
        server { listen @P@; location / { proxy_pass http://u; proxy_next_upstream http_503; } }"""
    desk = proxy(conf % "20% min=3", A=bad[0], B=bad[1])
    assert desk.get("/").status == 503
    said = upstream(status(desk))
    assert (said["retries"], said["retries_refused"], said["retries_in_budget"]) == (1, 0, 0)
    assert sum(one["status_5xx"] for one in said["servers"]) == 2
    desk.reload(http=conf % "0% min=0")
    wait_status(desk, lambda said: said["configuration"]["number"] == 2 and said["configuration"]["in_use"] == 1, "the reload")
    assert desk.get("/").status == 503
    said = upstream(status(desk))
    assert (said["retries"], said["retries_refused"]) == (1, 1)


def test_hedges(proxy, origin, held):
    desk = proxy("""upstream u { server @SLOW@; server @GOOD@; }
        server { listen @P@; location / { proxy_pass http://u; proxy_hedge 50ms; } }""", SLOW=held.made, GOOD=origin())
    assert desk.get("/").status == 200
    said = upstream(status(desk))
    assert (said["hedges"], said["retries"]) == (1, 0)
    assert [one["requests"] for one in said["servers"]] == [1, 1]


def test_times_of_answers(proxy, origin):
    desk = proxy("""upstream u { server @O@; least_time last_byte; } upstream v { server @O@; }
        server { listen @P@; location / { proxy_pass http://u; } location /v { proxy_pass http://v; } }""",
                 O=origin(handle=lambda _: (threading.Event().wait(0.05), reply(body="ok"))[1]))
    assert desk.get("/").status == desk.get("/v").status == 200
    said = status(desk)
    assert upstream(said)["method"] == "least_time" and upstream(said)["servers"][0]["whole_ms"] >= 40
    assert upstream(said, "v")["method"] == "round_robin" and upstream(said, "v")["servers"][0]["whole_ms"] is None


def test_names(proxy, origin):
    one = origin(name="2", address="127.0.0.2")
    server = dns.NameServer()
    try:
        server.say("app.test", "127.0.0.2")
        desk = proxy("""upstream u { resolver @DNS@ valid=1s; server app.test:@PORT@ resolve; server none.test:80 resolve; server 127.0.0.1:1; }
            server { listen @P@; location / { proxy_pass http://u; } }""", DNS=str(server), PORT=str(one.port))
        said = wait_status(desk, lambda said: upstream(said)["names"][1]["state"] == "unknown", "both answers")
        assert [one["name"] for one in upstream(said)["names"]] == [f"app.test:{one.port}", "none.test:80"]
        said = wait_status(desk, lambda said: upstream(said)["names"][0]["state"] == "known", "an address")
        assert upstream(said)["names"][0]["addresses"] == 1
        server.mode = "servfail"
        said = wait_status(desk, lambda said: upstream(said)["names"][0]["state"] == "last known", "a failure")
        assert upstream(said)["names"][0]["addresses"] == 1 and upstream(said)["names"][0]["failures"] >= 1
    finally:
        server.stop()


# ---- limits and pressure ----------------------------------------------------------------------------

def test_limits(proxy, held):
    desk = proxy("""limit_req_zone $binary_remote_addr zone=r:1m rate=1r/m; limit_conn_zone $server_name zone=c:1m;
        server { listen @P@; server_name a; location / { limit_conn c 1; proxy_pass http://@O@; }
            location /r { limit_req zone=r burst=1; proxy_pass http://@O@; } location /n { limit_req zone=r; return 200; proxy_pass http://@O@; } }""",
                 O=held.made)
    first = desk.send_raw(request("GET", "/"))
    zones = {one["zone"]: one for one in wait_status(desk, lambda said: said["limits"][1]["keys"] == 1, "a place")["limits"]}
    assert zones["c"]["of"] == "limit_conn" and zones["c"]["held_bytes"] == 64 and zones["c"]["most_bytes"] == 1 << 20
    assert desk.get("/").status == 503
    held.go_on.set()
    assert first.response().status == 200 and desk.get("/r").status == 200
    waits = desk.send_raw(request("GET", "/r"))
    wait_status(desk, lambda said: said["limits"][0]["delayed"] == 1, "a delay")
    assert desk.get("/r").status == 503
    waits.close()
    zones = {one["zone"]: one for one in wait_status(desk, lambda said: said["limits"][1]["keys"] == 0, "no place")["limits"]}
    assert [zones["r"][name] for name in ("asked", "delayed", "refused", "refused_no_room", "keys")] == [3, 1, 1, 0, 1]
    assert [zones["c"][name] for name in ("asked", "delayed", "refused", "refused_no_room")] == [2, 0, 1, 0]


def test_pressure(proxy):
    desk = proxy("server { listen @P@; location / { return 200 ok; } }", main="worker_lag close=100ms stop=10s;",
                 environment=shim_environment("stall"), workers=1)
    calm = {one["of"]: one for one in status(desk)["pressure"]["marks"]}
    assert list(calm) == ["loop lag", "connections of a loop", "memory", "descriptors"]
    assert all(one["level"] == "none" and one["for_s"] is None and one["highs"] == 0 for one in calm.values())
    with desk.connect(timeout=20) as client:
        client.send(request("GET", "/", fields=[("X-Stall", 300)]))
        client.response()
        client.send(request("GET", "/", fields=[("X-Stall", 300)]))
        client.response()
    said = wait_status(desk, lambda said: said["pressure"]["marks"][0]["highs"] >= 1, "a high")
    assert said["pressure"]["marks"][0]["criticals"] == 0
    wait_status(desk, lambda said: said["pressure"]["marks"][0]["level"] == "none", "its end")


def test_it_answers_while_a_loop_stands_still(proxy):
    desk = proxy("server { listen @P@; location / { return 200 ok; } }", environment=shim_environment("stall"), workers=1)
    client = desk.send_raw(request("GET", "/", fields=[("X-Stall", 4000)]))
    said = wait_status(desk, lambda said: said["connections"]["accepted"] == 1, "the client")
    assert said["event_loops"] == 1
    assert select.select([client.sock], [], [], 0)[0] == []
    assert client.response().status == 200
