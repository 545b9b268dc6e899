# SPDX-License-Identifier: MIT
"""Who is fit to be asked: outlier ejection, slow start, active checks; docs/health.md says what holds."""
import collections
import time

import pytest

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
    desk = proxy("upstream u { server @A@; server @B@; server @C@; outlier_ejection consecutive=4 rate=off base=700ms; }"
                 + SERVE, **made)
    assert names_of(desk, 30).count("b") == 4
    desk.wait_error(r"\[warn\].*server [0-9.:]+ in upstream \"u\" is ejected for 700 ms: 4 bad answers in a row")
    assert desk.errors().count("is ejected") == 1
    made["B"].handle = named("b")
    time.sleep(0.75)
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
    begin = time.monotonic()
    while time.monotonic() - begin < 1.7:
        names_of(desk, 4)
        time.sleep(0.01)
    lengths = [line.split("ejected for ")[1].split(":")[0] for line in desk.errors().splitlines() if "is ejected" in line]
    assert lengths[:3] == ["300 ms", "600 ms", "1200 ms"]


def test_a_reload_keeps_it_out(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy("upstream u { server @A@; server @B@; outlier_ejection consecutive=1 rate=off; }" + SERVE, **made)
    names_of(desk, 8)
    mark = desk.reload()
    desk.wait_for(lambda: "reconfigur" in desk.errors()[mark:] or len(desk.workers()) == 1, 5, "reload")
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
    """Of two equal servers one takes 4 s to grow into its half."""
    found = shares(desk, 5, 1)
    assert share_of(name, found[0]) < 0.25, found
    assert share_of(name, found[0]) < share_of(name, found[2]) + 0.05, found
    assert 0.4 < share_of(name, found[4]) < 0.6, found


def test_slow_start_after_failures(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].script = lambda conn: conn.request()
    desk = proxy("upstream u { server @A@; server @B@ fail_timeout=1s slow_start=4s; }" + SERVE, **made)
    assert names_of(desk, 6) == "a" * 6
    made["B"].script = None
    desk.wait_for(lambda: names_of(desk, 1) == "b", 5, "its return")
    assert_ramp(desk, "b")


def test_without_slow_start_it_has_its_share_at_once(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].script = lambda conn: conn.request()
    desk = proxy("upstream u { server @A@; server @B@ fail_timeout=1s; }" + SERVE, **made)
    assert names_of(desk, 6) == "a" * 6
    made["B"].script = None
    desk.wait_for(lambda: names_of(desk, 1) == "b", 5, "its return")
    assert names_of(desk, 40).count("b") >= 18


def test_slow_start_after_an_ejection(proxy, origin):
    made = group(origin, "ab", handle=named)
    made["B"].handle = named("b", 500)
    desk = proxy("""upstream u { server @A@; server @B@ slow_start=4s; outlier_ejection consecutive=1 rate=off base=1s; }"""
                 + SERVE, **made)
    assert names_of(desk, 9).count("b") == 1
    made["B"].handle = named("b")
    time.sleep(1)
    assert_ramp(desk, "b")


@pytest.mark.parametrize("before", ["server @A@; server @B@ down slow_start=4s;", "server @A@;"], ids=["down", "new"])
def test_slow_start_of_one_that_joins(proxy, origin, before):
    made = group(origin, "ab", handle=named)
    desk = proxy(f"upstream u {{ {before} }}" + SERVE, **made)
    assert names_of(desk, 6) == "a" * 6
    desk.reload(http="upstream u { server @A@; server @B@ slow_start=4s; }" + SERVE, **made)
    desk.wait_for(lambda: names_of(desk, 1) == "b", 5, "the newcomer")
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
    desk.wait_for(lambda: names_of(desk, 1) == "a", 5, "the server")
    assert names_of(desk, 20) == "a" * 20
