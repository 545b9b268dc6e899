# SPDX-License-Identifier: MIT
"""Who is fit to be asked: outlier ejection, slow start, active checks; docs/health.md says what holds."""
import collections
import time

import pytest

from harness import dns
from harness.load import Load
from harness.origin import reply

pytestmark = pytest.mark.ours


def group(origin, names="abc", handle=None):
    return {name.upper(): origin(name=name, handle=handle and handle(name)) for name in names}


def names_of(desk, count, path="/"):
    """Who answered, one request after the other on one connection: "abcabc"; "-" for a 502."""
    with desk.connect() as client:
        answers = [client.ask("GET", path) for _ in range(count)]
    return "".join("-" if one.status == 502 else one.text[:1] for one in answers)


def named(name, status=200):
    return lambda _: reply(status=status, body=name)


# ---- outlier ejection ---------------------------------------------------------------------------------

SERVE = "server { listen @P@; location / { proxy_pass http://u; } }"


def test_bad_answers_in_a_row(proxy, origin):
    made = group(origin, handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy("upstream u { server @A@; server @B@; server @C@; outlier_ejection consecutive=4 rate=off base=3s; }"
                 + SERVE, **made)
    assert names_of(desk, 30).count("b") == 4
    desk.wait_error(r"\[warn\].*server [0-9.:]+ in upstream \"u\" is ejected for 3000 ms: 4 bad answers in a row")
    assert desk.errors().count("is ejected") == 1
    made["B"].handle = named("b")
    desk.wait_for(lambda: names_of(desk, 1) == "b", what="its return")
    assert names_of(desk, 9).count("b") == 3
    desk.wait_error(r"\[notice\].*server [0-9.:]+ in upstream \"u\" is back after its ejection")


def test_a_good_answer_ends_the_row(proxy, origin):
    count = iter(range(1000))
    made = group(origin, "ab", handle=named)
    made["B"].handle = lambda _: reply(status=200 if next(count) % 3 == 2 else 503, body="b")
    desk = proxy("upstream u { server @A@; server @B@; outlier_ejection consecutive=3 rate=off; }" + SERVE, **made)
    assert names_of(desk, 40).count("b") == 20


def test_failures_count_as_well(proxy, origin):
    """max_fails=0 would leave it in for ever."""
    made = group(origin, "ab", handle=named)
    made["B"].script = lambda conn: conn.request()
    desk = proxy("upstream u { server @A@; server @B@ max_fails=0; outlier_ejection consecutive=3 rate=off; }" + SERVE,
                 **made)
    assert names_of(desk, 30) == "a" * 30
    assert made["B"].connections == 3


def test_a_share_of_bad_answers_far_above_the_others(proxy, origin):
    """Every second answer is bad, so there are never five in a row."""
    count = iter(range(100000))
    made = group(origin, handle=named)
    made["B"].handle = lambda _: reply(status=500 if next(count) % 2 else 200, body="b")
    desk = proxy("""upstream u { server @A@; server @B@; server @C@;
        outlier_ejection rate=20% requests=10 interval=300ms; }""" + SERVE, **made)
    names_of(desk, 60)
    time.sleep(0.31)
    names_of(desk, 3)
    assert "b" not in names_of(desk, 30)
    desk.wait_error(r"\[warn\].*is ejected for 30000 ms: (4|5)\d% of its answers were bad, 0% of the others'")


@pytest.mark.parametrize("parameters", ["rate=60% requests=10 interval=100ms", "rate=20% requests=1000 interval=100ms",
                                        "rate=20% requests=10 interval=1h", "rate=off", "off"])
def test_a_share_that_is_not_enough(proxy, origin, parameters):
    count = iter(range(100000))
    made = group(origin, handle=named)
    made["B"].handle = lambda _: reply(status=500 if next(count) % 2 else 200, body="b")
    desk = proxy(f"upstream u {{ server @A@; server @B@; server @C@; outlier_ejection {parameters}; }}" + SERVE, **made)
    for _ in range(3):
        assert names_of(desk, 60).count("b") == 20
        time.sleep(0.11)


@pytest.mark.parametrize("most, left", [("", 2), ("most=25%", 3)])
def test_never_too_many(proxy, origin, most, left):
    made = group(origin, "abcd", handle=lambda name: named(name, 500))
    desk = proxy(f"""upstream u {{ server @A@; server @B@; server @C@; server @D@;
        outlier_ejection consecutive=2 rate=off {most}; }}""" + SERVE, **made)
    names_of(desk, 40)
    assert len(set(names_of(desk, 40))) == left


def test_the_second_time_is_twice_as_long(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy("upstream u { server @A@; server @B@; outlier_ejection consecutive=1 rate=off base=300ms; }" + SERVE,
                 **made)

    def ejected_three_times():
        names_of(desk, 4)
        return desk.errors().count("is ejected") >= 3
    desk.wait_for(ejected_three_times, what="three ejections")
    lengths = [line.split("ejected for ")[1].split(":")[0] for line in desk.errors().splitlines() if "is ejected" in line]
    assert lengths[:3] == ["300 ms", "600 ms", "1200 ms"]


def test_a_reload_keeps_it_out(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy("upstream u { server @A@; server @B@; outlier_ejection consecutive=1 rate=off; }" + SERVE, **made)
    names_of(desk, 8)
    mark = desk.reload()
    desk.wait_for(lambda: "reconfigur" in desk.errors()[mark:] or len(desk.workers()) == 1, 20, "reload")
    time.sleep(0.3)
    assert names_of(desk, 8) == "a" * 8


# ---- who fails fast draws nobody ----------------------------------------------------------------------

def test_one_that_fails_at_once_gets_no_more_than_its_share(proxy, origin):
    """It is idle because it answers 500 at once; the good ones take 30 ms. Two loops, twelve clients."""
    def slow(name):
        return lambda _: (time.sleep(0.03), reply(body=name))[1]
    made = group(origin, handle=slow)
    made["B"].handle = named("b", 500)
    desk = proxy("upstream u { server @A@; server @B@; server @C@; }" + SERVE, workers=2, **made)
    with Load(desk.address(), clients=12) as load:
        load.wait(50)
        for one in made.values():
            with one.lock:
                one.requests.clear()
        load.wait(900)
    seen = {name: len(one.requests) for name, one in made.items()}
    share = seen["B"] / sum(seen.values())
    # Without the rule it answers nearly all of them.
    assert 0.02 < share < 0.45, seen


# ---- slow start ---------------------------------------------------------------------------------------

def shares(desk, seconds, step):
    """Who answered in each stretch of time: a list of Counters."""
    found, begin = [], time.monotonic()
    while (now := time.monotonic() - begin) < seconds:
        while len(found) <= now / step:
            found.append(collections.Counter())
        found[int(now / step)][desk.get("/").text[:1]] += 1
    return found


def share_of(name, counter):
    return counter[name] / max(1, sum(counter.values()))


def assert_ramp(desk, name):
    """Of two equal servers one takes 8 s to grow into its half."""
    found = shares(desk, 10, 2)
    assert share_of(name, found[0]) < 0.25, found
    assert share_of(name, found[0]) < share_of(name, found[2]) + 0.05, found
    assert 0.4 < share_of(name, found[4]) < 0.6, found


def test_slow_start_after_failures(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].script = lambda conn: conn.request()
    desk = proxy("upstream u { server @A@; server @B@ fail_timeout=1s slow_start=8s; }" + SERVE, **made)
    assert names_of(desk, 6) == "a" * 6
    made["B"].script = None
    desk.wait_for(lambda: names_of(desk, 1) == "b", 20, "its return")
    assert_ramp(desk, "b")


def test_without_slow_start_it_has_its_share_at_once(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].script = lambda conn: conn.request()
    desk = proxy("upstream u { server @A@; server @B@ fail_timeout=1s; }" + SERVE, **made)
    assert names_of(desk, 6) == "a" * 6
    made["B"].script = None
    desk.wait_for(lambda: names_of(desk, 1) == "b", 20, "its return")
    assert names_of(desk, 40).count("b") >= 18


def test_slow_start_after_an_ejection(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy("""upstream u { server @A@; server @B@ slow_start=8s; outlier_ejection consecutive=1 rate=off base=1s; }"""
                 + SERVE, **made)
    assert names_of(desk, 9).count("b") == 1
    made["B"].handle = named("b")
    time.sleep(1)
    assert_ramp(desk, "b")


@pytest.mark.parametrize("before", ["server @A@; server @B@ down slow_start=8s;", "server @A@;"], ids=["down", "new"])
def test_slow_start_of_one_that_joins(proxy, origin, before):
    made = group(origin, "ab", handle=named)
    desk = proxy(f"upstream u {{ {before} }}" + SERVE, **made)
    assert names_of(desk, 6) == "a" * 6
    desk.reload(http="upstream u { server @A@; server @B@ slow_start=8s; }" + SERVE, **made)
    desk.wait_for(lambda: names_of(desk, 1) == "b", 20, "the newcomer")
    assert_ramp(desk, "b")


def test_slow_start_does_not_flood_who_is_idle(proxy, origin):
    """Under concurrency the newcomer is the quietest; it must not draw all requests for that."""
    def slow(name):
        return lambda _: (time.sleep(0.02), reply(body=name))[1]
    made = group(origin, "ab", handle=slow)
    desk = proxy("upstream u { server @A@; server @B@ down slow_start=6s; }" + SERVE, **made)
    with Load(desk.address(), clients=3) as load:
        load.wait(30)
        desk.reload(http="upstream u { server @A@; server @B@ slow_start=6s; }" + SERVE, **made)
        made["B"].wait_requests(1)
        first = len(made["A"].requests), len(made["B"].requests)
        time.sleep(1)
        second = len(made["A"].requests) - first[0], len(made["B"].requests) - first[1]
        assert second[1] / sum(second) < 0.2, second     # a third, if it were asked whenever it is idle
        time.sleep(5.3)
        first = len(made["A"].requests), len(made["B"].requests)
        time.sleep(1)
        second = len(made["A"].requests) - first[0], len(made["B"].requests) - first[1]
        assert 0.3 < second[1] / sum(second) < 0.6, second
    assert load.failures == []


def test_a_lone_server_ignores_slow_start(proxy, origin):
    made = group(origin, "a", handle=named)
    desk = proxy("upstream u { server @A@ down slow_start=1h; }" + SERVE, **made)
    assert names_of(desk, 2) == "--"
    desk.reload(http="upstream u { server @A@ slow_start=1h; }" + SERVE, **made)
    desk.wait_for(lambda: names_of(desk, 1) == "a", 20, "the server")
    assert names_of(desk, 20) == "a" * 20


# ---- active checks: states ----------------------------------------------------------------------------

class Patient:
    """An origin whose health is told at other paths than "/"; `health` is the answer to a check."""

    def __init__(self, origin, name):
        self.name = name
        self.health = reply(body="fine")
        self.origin = origin(name=name, handle=self.answer)
        self.checks = []

    def answer(self, one):
        if one.target == "/":
            return reply(body=self.name)
        self.checks.append(one)
        return self.health

    @property
    def address(self):
        return self.origin.address

    def wait_checks(self, count, timeout=20):
        goal, deadline = len(self.checks) + count, time.monotonic() + timeout
        while len(self.checks) < goal:
            assert time.monotonic() < deadline, f"{len(self.checks)} checks came, {goal} wanted"
            time.sleep(0.005)
        time.sleep(0.03)                 # for the answer to be judged


@pytest.fixture
def patients(origin):
    return {name.upper(): Patient(origin, name) for name in "abc"}


SICK = reply(status=500, body="sick")


def checked(parameters, more="", match="", servers="server @A@; server @B@; server @C@;"):
    return f"""{match} upstream u {{ {servers} }}
        server {{ listen @P@; location / {{ proxy_pass http://u; {more} health_check uri=/h interval=50ms {parameters}; }} }}"""


def test_an_unhealthy_server_is_left_out_and_comes_back(proxy, patients):
    desk = proxy(checked(""), **patients)
    patients["B"].wait_checks(2)
    assert names_of(desk, 6) == "abcabc"
    patients["B"].health = SICK
    patients["B"].wait_checks(2)
    assert "b" not in names_of(desk, 12)
    desk.wait_error(r'\[warn\].*peer is unhealthy: 500 came while checking status code, health check "/h" of peer '
                    r'[0-9.:]+ in upstream "u"')
    patients["B"].health = reply(status=302)
    patients["B"].wait_checks(2)
    assert names_of(desk, 12).count("b") == 4
    desk.wait_error(r'\[notice\].*peer is healthy, health check "/h" of peer [0-9.:]+ in upstream "u"')
    assert desk.errors().count("peer is") == 2, "only changes are worth a line"


def test_checks_come_once_per_server_and_not_once_per_loop(proxy, patients):
    desk = proxy(checked("").replace("50ms", "200ms"), workers=3, **patients)
    patients["A"].wait_checks(1)
    begin = time.monotonic()
    patients["A"].wait_checks(6)
    assert time.monotonic() - begin > 0.7, "three loops would be done in 0.4 s"
    assert names_of(desk, 3) != ""


def test_fails_and_passes(proxy, patients):
    desk = proxy(checked("fails=3 passes=2"), **patients)
    patients["B"].wait_checks(1)
    script = iter([SICK, SICK, reply(), SICK, SICK, SICK, reply(), SICK, reply(), reply(), reply(), reply()])
    seen = []

    def answer(one):
        if one.target == "/":
            return reply(body="b")
        seen.append("peer is unhealthy" in desk.errors())
        return next(script, reply())
    patients["B"].origin.handle = answer
    desk.wait_error("peer is healthy")
    # It is sick after the third in a row, the sixth in all, and well after two in a row.
    assert seen[:6] == [False] * 6
    assert 9 <= len(seen) <= 12
    assert desk.errors().count("peer is unhealthy") == 1


def test_refused_is_unhealthy(proxy, patients):
    desk = proxy(checked("", servers="server @A@; server @DEAD@ max_fails=0; server @C@;"), **patients)
    desk.wait_error(r"peer is unhealthy: connect\(\) failed \(111: Connection refused\) while connecting to upstream, "
                    r'health check "/h" of peer')
    assert names_of(desk, 8).replace("-", "") == "acacacac"


@pytest.mark.parametrize("script, words", [
    (lambda conn: (conn.request(), conn.hang()), "upstream timed out"),
    (lambda conn: conn.request(), "prematurely closed"),
    (lambda conn: (conn.request(), conn.send(b"nonsense\r\n\r\n")), "invalid response"),
    (lambda conn: (conn.request(), [(conn.send(b"HTTP/1.1 2"[i:i + 1]), conn.hang(0.2)) for i in range(10)]), "timed out"),
], ids=["silent", "closed", "nonsense", "dribble"])
def test_what_goes_wrong_is_unhealthy(proxy, origin, script, words):
    desk = proxy(checked("", more="proxy_read_timeout 500ms;", servers="server @A@; server @B@;"),
                 A=origin(handle=named("a")), B=origin(script=script))
    desk.wait_error(f"peer is unhealthy: .*{words}")
    assert names_of(desk, 4) == "aaaa"


def test_a_lone_unhealthy_server_is_no_live_upstream(proxy, patients):
    patients["A"].health = SICK
    desk = proxy(checked("", servers="server @A@;"), **patients)
    desk.wait_error("peer is unhealthy")
    begin = time.monotonic()
    assert desk.get("/").status == 502
    assert time.monotonic() - begin < 10
    desk.wait_error("no live upstreams")
    assert not [one for one in patients["A"].origin.requests if one.target == "/"]
    patients["A"].health = reply()
    desk.wait_error("peer is healthy")
    assert desk.get("/").text == "a"


def test_backups_stand_in_for_the_unhealthy(proxy, patients):
    patients["A"].health = SICK
    desk = proxy(checked("", servers="server @A@; server @B@ backup;"), **patients)
    desk.wait_error("peer is unhealthy")
    assert names_of(desk, 4) == "bbbb"


def test_down_servers_are_not_checked(proxy, patients):
    desk = proxy(checked("", servers="server @A@; server @B@ down;"), **patients)
    patients["A"].wait_checks(4)
    assert patients["B"].checks == []
    assert names_of(desk, 2) == "aa"


METHODS = ["", "least_conn;", "least_time header;", "random;", "random two;", "hash $request_id;",
           "hash $request_id consistent;", "ip_hash;"]


@pytest.mark.parametrize("method", METHODS)
def test_no_method_asks_the_unhealthy(proxy, patients, method):
    patients["B"].health = SICK
    desk = proxy(checked("", servers=method + "server @A@; server @B@; server @C@;"), **patients)
    desk.wait_error("peer is unhealthy")
    assert "b" not in names_of(desk, 30)


@pytest.mark.parametrize("method", METHODS)
def test_no_method_asks_the_ejected(proxy, origin, method):
    made = group(origin, handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy(f"upstream u {{ {method} server @A@; server @B@; server @C@; outlier_ejection consecutive=1 rate=off; }}"
                 + SERVE, **made)
    assert names_of(desk, 60).count("b") <= 1


def test_many_servers_of_which_one_is_unhealthy(proxy, patients, origin):
    """Enough of them for the heap."""
    made = {f"S{i}": origin(handle=lambda one: reply(body="s")) for i in range(40)}
    patients["B"].health = SICK
    servers = "".join(f"server @S{i}@;" for i in range(40)) + "server @B@;"
    desk = proxy(checked("", servers=servers), **made, **patients)
    desk.wait_error("peer is unhealthy")
    time.sleep(0.15)
    assert names_of(desk, 82) == "s" * 82
    patients["B"].health = reply()
    desk.wait_error("peer is healthy")
    time.sleep(0.15)
    assert names_of(desk, 82).count("b") >= 1


def test_several_checks_must_all_pass(proxy, patients):
    desk = proxy("""match m { body ~ fine; } upstream u { server @A@; server @B@; server @C@; }
        server { listen @P@; location / { proxy_pass http://u; health_check uri=/one interval=50ms; }
                             location /x { proxy_pass http://u; health_check uri=/two interval=50ms match=m; } }""", **patients)
    patients["B"].wait_checks(4)
    assert {one.target for one in patients["B"].checks} == {"/one", "/two"}
    patients["B"].health = reply(body="other")
    desk.wait_error('peer is unhealthy: 200 came while checking response body, health check "m"')
    assert "b" not in names_of(desk, 9)


# ---- active checks: the request -----------------------------------------------------------------------

def test_what_a_check_asks(proxy, patients):
    proxy(checked("", more='proxy_set_header X-Probe yes; proxy_set_header X-To $proxy_host; '
                           'proxy_set_header X-None $host; proxy_set_header Connection upgrade;'), **patients)
    patients["A"].wait_checks(1)
    one = patients["A"].checks[0]
    assert (one.method, one.target, one.version) == ("GET", "/h", "HTTP/1.1")
    assert one.get("Host") == "u" and one.get("X-Probe") == "yes" and one.get("X-To") == "u"
    assert one.get("X-None") is None
    assert one.get("Connection") == "close"


@pytest.mark.parametrize("value, host", [("shop.example", "shop.example"), ("$host", "u"), ("$proxy_host", "u")])
def test_host_of_a_check(proxy, patients, value, host):
    proxy(checked("", more=f"proxy_set_header Host {value};"), **patients)
    patients["A"].wait_checks(1)
    assert patients["A"].checks[0].get("Host") == host


def test_the_default_uri_is_the_root(proxy, origin):
    one = origin()
    proxy("upstream u { server @A@; } server { listen @P@; location / { proxy_pass http://u; health_check interval=50ms; } }",
          A=one)
    assert one.wait_requests(1)[0].target == "/"


def test_port(proxy, patients):
    """Health is asked for elsewhere."""
    desk = proxy(checked("port=@C.port@", servers="server @A@; server @B@;"), **patients)
    patients["C"].wait_checks(2)
    assert not patients["A"].checks and not patients["B"].checks
    patients["C"].health = SICK
    desk.wait_for(lambda: desk.errors().count("peer is unhealthy") == 2, 20, "both")
    assert names_of(desk, 2) == "--"


@pytest.mark.parametrize("parameters, connections", [("", 6), ("keepalive_time=1h", 1), ("keepalive_time=1ms", 6)])
def test_keepalive_time(proxy, patients, parameters, connections):
    proxy(checked(parameters, servers="server @A@;"), **patients)
    patients["A"].wait_checks(6)
    if connections == 1:
        assert patients["A"].origin.connections == 1
        assert patients["A"].checks[0].get("Connection") is None
    else:
        assert patients["A"].origin.connections >= 6


def test_a_kept_connection_that_closes_is_not_a_failure(proxy, patients):
    desk = proxy(checked("keepalive_time=1h", servers="server @A@;"), **patients)
    for _ in range(5):
        patients["A"].wait_checks(1)
        patients["A"].origin.close_all()
    patients["A"].wait_checks(1)
    assert "unhealthy" not in desk.errors()


@pytest.mark.parametrize("version, header", [("v1", b"PROXY UNKNOWN\r\n"),
                                             ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")])
def test_a_check_says_that_it_is_the_proxy(proxy, origin, version, header):
    """Once on a connection, before its first request."""
    seen = []

    def script(conn):
        seen.append(conn.take(len(header)))
        while True:
            conn.request()
            conn.send(reply())
    one = origin(script=script)
    desk = proxy(checked("keepalive_time=1h mandatory", more=f"proxy_send_proxy_protocol {version};", servers="server @A@;"),
                 A=one)
    one.wait_requests(3)
    desk.wait_error("peer is healthy")
    assert seen == [header] and one.errors == []


def test_nor_is_one_that_closes_as_it_is_used(proxy, origin):
    """Every second request on a connection is its end: it is asked again on a new one."""
    one = origin(script=lambda conn: (conn.request(), conn.send(reply()), conn.request()))
    desk = proxy(checked("keepalive_time=1h", servers="server @A@;"), A=one)
    one.wait_requests(7)
    assert one.connections >= 3
    assert "unhealthy" not in desk.errors()


def gaps(patient, count):
    patient.wait_checks(count, 10)
    times = [one.at for one in patient.checks][-count:]
    return [later - earlier for earlier, later in zip(times, times[1:])]


def test_interval(proxy, patients):
    proxy(checked("").replace("50ms", "300ms"), **patients)
    found = gaps(patients["A"], 5)
    assert all(0.28 < one < 0.6 for one in found), found


def test_jitter(proxy, patients):
    proxy(checked("jitter=500ms"), **patients)
    found = gaps(patients["A"], 12)
    assert max(found) - min(found) > 0.1 and min(found) > 0.03, found
    assert max(found) < 1, found


def test_type_tcp(proxy, origin):
    """A connection is enough; nothing is asked."""
    made = group(origin, "ab", handle=named)
    desk = proxy("""upstream u { server @A@; server @B@; server @DEAD@ max_fails=0; }
        server { listen @P@; location / { proxy_pass http://u; health_check type=tcp interval=50ms; } }""", **made)
    desk.wait_error('peer is unhealthy: connect.. failed .*health check "tcp"')
    desk.wait_for(lambda: made["A"].connections > 2, 20, "checks")
    assert made["A"].requests == []
    assert set(names_of(desk, 6)) == {"a", "b"}


def test_one_check_at_a_time(proxy, origin):
    """It takes longer than the interval: the next one waits for its end."""
    open_now, most = [0], [0]

    def script(conn):
        open_now[0] += 1
        most[0] = max(most[0], open_now[0])
        conn.request()
        conn.hang(0.3)
        conn.send(reply(close=True))
        open_now[0] -= 1
    one = origin(script=script)
    desk = proxy(checked("", servers="server @A@;"), A=one)
    desk.wait_for(lambda: one.connections >= 4, what="four checks")
    assert most[0] == 1


# ---- active checks: mandatory, persistent, reloads ----------------------------------------------------

def slow_to_answer(patient, seconds):
    def answer(one):
        if one.target == "/":
            return reply(body=patient.name)
        patient.checks.append(one)
        time.sleep(seconds)
        return patient.health
    patient.origin.handle = answer


def test_mandatory_waits_for_the_first_check(proxy, patients):
    slow_to_answer(patients["B"], 3)
    desk = proxy(checked("mandatory", servers="server @A@; server @B@;"), **patients)
    desk.wait_for(lambda: names_of(desk, 1) == "a", 20, "the first")
    assert names_of(desk, 6) == "aaaaaa"
    desk.wait_for(lambda: "b" in names_of(desk, 4), 20, "the other")


def test_without_mandatory_unknown_is_healthy(proxy, patients):
    slow_to_answer(patients["B"], 1)
    desk = proxy(checked("", servers="server @A@; server @B@;"), **patients)
    assert "b" in names_of(desk, 4)


@pytest.mark.parametrize("parameters, expected", [("mandatory", "--"), ("mandatory persistent", "aa"), ("", "aa")])
def test_after_a_reload(proxy, patients, parameters, expected):
    desk = proxy(checked(parameters, servers="server @A@;"), **patients)
    desk.wait_for(lambda: names_of(desk, 1) == "a", 20, "the server")
    slow_to_answer(patients["A"], 15)
    desk.reload(http=checked(parameters, servers="server @A@;") + " server { listen @Q@; return 204; }", **patients)
    desk.wait_for(lambda: listens(desk, "Q"), 20, "the reload")
    assert names_of(desk, 2) == expected


def listens(desk, name):
    try:
        return desk.get("/", to=name).status == 204
    except OSError:
        return False


def test_the_unhealthy_stay_so_over_a_reload(proxy, patients):
    patients["B"].health = SICK
    desk = proxy(checked(""), **patients)
    desk.wait_error("peer is unhealthy")
    slow_to_answer(patients["B"], 15)
    desk.reload(http=checked("") + " server { listen @Q@; return 204; }", **patients)
    desk.wait_for(lambda: listens(desk, "Q"), 20, "the reload")
    assert "b" not in names_of(desk, 9)


def test_checks_end_with_their_configuration(proxy, patients):
    patients["B"].health = SICK
    desk = proxy(checked(""), **patients)
    desk.wait_error("peer is unhealthy")
    plain = "upstream u { server @A@; server @B@; server @C@; } server { listen @P@; location / { proxy_pass http://u; } }"
    desk.reload(http=plain + " server { listen @Q@; return 204; }", **patients)
    desk.wait_for(lambda: listens(desk, "Q"), 20, "the reload")
    time.sleep(0.1)
    before = len(patients["A"].checks)
    assert "b" in names_of(desk, 6)
    time.sleep(0.3)
    assert len(patients["A"].checks) == before


def test_slow_start_after_a_check(proxy, patients):
    patients["B"].health = SICK
    desk = proxy(checked("", servers="server @A@; server @B@ slow_start=8s;"), **patients)
    desk.wait_error("peer is unhealthy")
    assert names_of(desk, 4) == "aaaa"
    patients["B"].health = reply()
    desk.wait_error("peer is healthy")
    assert_ramp(desk, "b")


def test_checks_follow_names(proxy, origin):
    """Whoever a name newly stands for is checked from then on, and who has left it is not."""
    seen = {"2": 0, "3": 0, "4": 0}

    def handle(name):
        def answer(one):
            if one.target == "/":
                return reply(body=name)
            seen[name] += 1
            return SICK if name == "4" else reply()
        return answer
    first = origin(address="127.0.0.2", handle=handle("2"))
    for name in "34":
        origin(address=f"127.0.0.{name}", port=first.port, handle=handle(name))
    server = dns.NameServer()
    try:
        server.say("app.test", "127.0.0.2", "127.0.0.3", ttl=1)
        desk = proxy(checked("mandatory", servers=f"zone u 64k; resolver {server}; server app.test:{first.port} resolve;"))
        desk.wait_for(lambda: set(names_of(desk, 6)) == {"2", "3"}, 20, "both")
        server.say("app.test", "127.0.0.3", "127.0.0.4", ttl=1)
        desk.wait_error("peer is unhealthy: 500 came while checking status code, health check \"/h\" of peer 127.0.0.4")
        assert set(names_of(desk, 6)) == {"3"}
        time.sleep(0.1)
        before = dict(seen)
        desk.wait_for(lambda: seen["3"] > before["3"] + 3, 20, "checks")
        assert seen["2"] == before["2"] and seen["4"] > before["4"]
    finally:
        server.stop()


# ---- match --------------------------------------------------------------------------------------------

GOOD, BAD = True, False


@pytest.mark.parametrize("tests, answer, verdict", [
    ("status 200;", reply(200), GOOD), ("status 200;", reply(204), BAD),
    ("status ! 500;", reply(404), GOOD), ("status ! 500;", reply(500), BAD),
    ("status 200 204;", reply(204), GOOD), ("status 200 204;", reply(201), BAD),
    ("status ! 301 302;", reply(200), GOOD), ("status ! 301 302;", reply(302), BAD),
    ("status 200-399;", reply(399), GOOD), ("status 200-399;", reply(400), BAD),
    ("status ! 400-599;", reply(399), GOOD), ("status ! 400-599;", reply(503), BAD),
    ("status 301-303 307;", reply(307), GOOD), ("status 301-303 307;", reply(304), BAD),
    ("header X-A;", reply(fields={"x-a": "1"}), GOOD), ("header X-A;", reply(), BAD),
    ("header ! X-A;", reply(), GOOD), ("header ! X-A;", reply(fields={"X-A": "1"}), BAD),
    ("header X-A = one;", reply(fields={"X-A": "one"}), GOOD), ("header X-A = one;", reply(fields={"X-A": "two"}), BAD),
    ("header X-A = one;", reply(), BAD),
    ("header X-A != one;", reply(fields={"X-A": "two"}), GOOD), ("header X-A != one;", reply(fields={"X-A": "one"}), BAD),
    ("header X-A != one;", reply(), BAD),
    ("header X-A ~ ^o;", reply(fields={"X-A": "one"}), GOOD), ("header X-A ~ ^o;", reply(fields={"X-A": "two"}), BAD),
    ("header X-A !~ ^o;", reply(fields={"X-A": "two"}), GOOD), ("header X-A !~ ^o;", reply(fields={"X-A": "one"}), BAD),
    ("header X-A !~ ^o;", reply(), BAD),
    ("header Connection ~ close;", reply(close=True), GOOD), ("header Connection !~ close;", reply(close=True), BAD),
    ("body ~ 'W.lcome';", reply(body="x Welcome y"), GOOD), ("body ~ 'W.lcome';", reply(body="welcome"), BAD),
    ("body !~ maintenance;", reply(body="all well"), GOOD), ("body !~ maintenance;", reply(body="in maintenance"), BAD),
    ("body ~ end;", reply(body=b"x" * 200000 + b"end", chunked=True), GOOD),
    ("body ~ end;", reply(body=b"x" * 262144 + b"end"), BAD),
    ("body ~ end$;", reply(body=b"x" * 262141 + b"end" + b"x" * 1000000), GOOD),
    ("body ~ fine;", reply(503, body="fine"), GOOD),
    ("require $upstream_http_x_ok;", reply(fields={"X-Ok": "1"}), GOOD),
    ("require $upstream_http_x_ok;", reply(fields={"X-Ok": "0"}), BAD),
    ("require $upstream_http_x_ok $upstream_http_x_b;", reply(fields={"X-Ok": "1"}), BAD),
    ("status 200; header X-A = one; body ~ fine;", reply(fields={"X-A": "one"}, body="fine"), GOOD),
    ("status 200; header X-A = one; body ~ fine;", reply(fields={"X-A": "one"}, body="sad"), BAD),
])
def test_match(proxy, patients, tests, answer, verdict):
    """From the other verdict to this one, so that each is seen to change."""
    patients["B"].health = answer
    desk = proxy(checked("match=m mandatory", match=f"match m {{ {tests} }}", servers="server @B@;"), **patients)
    if verdict is GOOD:
        desk.wait_error('peer is healthy, health check "m"')
        assert names_of(desk, 2) == "bb"
    else:
        desk.wait_error('peer is unhealthy: .*health check "m"')
        assert names_of(desk, 2) == "--"


def test_a_reload_that_asks_more_often_does_so_at_once(proxy, patients):
    conf = """upstream u {{ server @A@; }}
        server {{ listen @P@; location / {{ proxy_pass http://u; health_check uri=/h interval={}; }} }}"""
    desk = proxy(conf.format("60s"), **patients)
    desk.wait_for(lambda: patients["A"].checks, 20, "the first check")
    desk.reload(http=conf.format("100ms"), **patients)
    patients["A"].wait_checks(3)
