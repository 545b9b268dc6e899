# SPDX-License-Identifier: MIT
"""nginx's directives for its cache, by what nginx does. What is not marked `ours` passes with nginx too."""
import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.origin import reply

from .case import imf

ours = pytest.mark.ours

CONF = """
proxy_cache_path @DIR@/other keys_zone=other:1m;
log_format cached '$upstream_cache_status $uri';
add_header X-Status $upstream_cache_status always;
proxy_cache one;
proxy_read_timeout 700ms;
server {
    listen @P@;
    access_log logs/cached.log cached;
    location / { proxy_pass http://@O@; }
    location /off/ { proxy_pass http://@O@; proxy_cache off; proxy_cache_valid any 1m; }
    location /valid/ { proxy_pass http://@O@; proxy_cache_valid 200 203 1m; proxy_cache_valid 404 2s; }
    location /plain/ { proxy_pass http://@O@; proxy_cache_valid 1m; }
    location /any_first/ { proxy_pass http://@O@; proxy_cache_valid any 1m; proxy_cache_valid 200 0; }
    location /any/ { proxy_pass http://@O@; proxy_cache_valid 404 0; proxy_cache_valid any 1m; }
    location /methods/ { proxy_pass http://@O@; proxy_cache_methods POST; proxy_cache_valid 1m; }
    location /min/ { proxy_pass http://@O@; proxy_cache_min_uses 3; proxy_cache_valid 1m; }
    location /bypass/ { proxy_pass http://@O@; proxy_cache_bypass $http_x_bypass $http_x_also; proxy_cache_valid 1m; }
    location /no/ { proxy_pass http://@O@; proxy_no_cache $http_x_no $http_x_also; proxy_cache_valid 1m; }
    location /stale/ {
        proxy_pass http://@O@;
        location /stale/error/ { proxy_pass http://@O@; proxy_cache_use_stale error; }
        location /stale/timeout/ { proxy_pass http://@O@; proxy_cache_use_stale timeout; }
        location /stale/invalid_header/ { proxy_pass http://@O@; proxy_cache_use_stale invalid_header; }
        location /stale/http_500/ { proxy_pass http://@O@; proxy_cache_use_stale http_500; }
        location /stale/http_502/ { proxy_pass http://@O@; proxy_cache_use_stale http_502; }
        location /stale/http_503/ { proxy_pass http://@O@; proxy_cache_use_stale http_503; }
        location /stale/http_504/ { proxy_pass http://@O@; proxy_cache_use_stale http_504; }
        location /stale/http_403/ { proxy_pass http://@O@; proxy_cache_use_stale http_403; }
        location /stale/http_404/ { proxy_pass http://@O@; proxy_cache_use_stale http_404; }
        location /stale/http_429/ { proxy_pass http://@O@; proxy_cache_use_stale http_429; }
        location /stale/off/ { proxy_pass http://@O@; proxy_cache_use_stale off; }
        location /stale/all/ {
            proxy_pass http://@O@;
            proxy_cache_use_stale error timeout invalid_header http_500 http_502 http_503 http_504 http_404;
        }
        location /stale/updating/ { proxy_pass http://@O@; proxy_cache_use_stale updating; proxy_read_timeout 5s; }
        location /stale/background/ {
            proxy_pass http://@O@; proxy_cache_use_stale updating; proxy_cache_background_update on; proxy_read_timeout 5s;
        }
    }
    location /revalidate/ { proxy_pass http://@O@; proxy_cache_revalidate on; }
    location /no_revalidate/ { proxy_pass http://@O@; proxy_cache_revalidate off; }
    location /head_freshens/ { proxy_pass http://@O@; proxy_cache_convert_head off; }
    location /head/ { proxy_pass http://@O@; proxy_cache_valid 1m; }
    location /head_as_it_is/ {
        proxy_pass http://@O@; proxy_cache_convert_head off; proxy_cache_key $request_method$uri; proxy_cache_valid 1m;
    }
    location /ignore_lifetime/ {
        proxy_pass http://@O@; proxy_ignore_headers Cache-Control Expires X-Accel-Expires; proxy_cache_valid 1m;
    }
    location /ignore_expires/ { proxy_pass http://@O@; proxy_ignore_headers Expires; }
    location /ignore_cookie/ { proxy_pass http://@O@; proxy_ignore_headers Set-Cookie; }
    location /ignore_vary/ { proxy_pass http://@O@; proxy_ignore_headers Vary; }
    location /ignore_accel/ { proxy_pass http://@O@; proxy_ignore_headers X-Accel-Expires; }
    location /key/ { proxy_pass http://@O@; proxy_cache_key key$uri; proxy_cache_valid 1m; }
    location /same_key/ { proxy_pass http://@O@; proxy_cache_key same$arg_k; proxy_cache_valid 1m; }
    location /same_too/ { proxy_pass http://@O@; proxy_cache_key same$arg_k; proxy_cache_valid 1m; }
    location /other/ { proxy_pass http://@O@; proxy_cache other; proxy_cache_key same$arg_k; proxy_cache_valid 1m; }
    location /variable/ { set $zone other; proxy_pass http://@O@; proxy_cache $zone; proxy_cache_valid 1m; }
    location /no_lock/ { proxy_pass http://@O@; proxy_cache_lock off; }
    location /lock/ { proxy_pass http://@O@; proxy_cache_lock on; proxy_read_timeout 5s; }
    location /lock_timeout/ { proxy_pass http://@O@; proxy_cache_lock on; proxy_cache_lock_timeout 300ms; proxy_read_timeout 5s; }
    location /lock_age/ { proxy_pass http://@O@; proxy_cache_lock on; proxy_cache_lock_age 300ms; proxy_read_timeout 5s; }
    location /ranges/ { proxy_pass http://@O@; proxy_force_ranges on; }
    location /offset/ { proxy_pass http://@O@; proxy_cache_max_range_offset 100; proxy_force_ranges on; }
    location /unbuffered/ { proxy_pass http://@O@; proxy_buffering off; proxy_cache_valid 1m; }
    location /ignore_buffering/ { proxy_pass http://@O@; proxy_buffering off; proxy_ignore_headers X-Accel-Buffering; proxy_cache_valid 1m; }
    location /hide/ { proxy_pass http://@O@; proxy_hide_header X-Secret; }
    location /expires/ { proxy_pass http://@O@; expires 5m; }
    location /socket/ {
        proxy_pass http://@O@; proxy_cache_valid 1m; proxy_http_version 1.1; proxy_read_timeout 5s;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;
    }
    location /pages/ {
        proxy_pass http://@O@; proxy_cache_valid any 1m; proxy_intercept_errors on; proxy_read_timeout 5s;
        error_page 404 /said;
        error_page 500 =200 /page;
    }
    location /dead/ { proxy_pass http://127.0.0.1:1; proxy_cache_valid 1m; error_page 502 = @alive; }
    location @alive { proxy_pass http://@O@; proxy_cache_key alive$uri; proxy_cache_valid 1m; }
    location = /said { internal; return 404 "ours"; }
    location = /page { proxy_pass http://@O@; proxy_cache_valid 1m; }
}
"""

FRESH = {"Cache-Control": "max-age=60"}
SHORT = {"Cache-Control": "max-age=1"}
EXPIRY = 2.1


class Bench:
    def __init__(self, desk, back):
        self.desk = desk
        self.back = back
        self.numbers = itertools.count(1)

    def path(self, location):
        return f"/{location}/{next(self.numbers)}"

    def get(self, target, method="GET", **rest):
        answer = self.desk.fetch(method, target, **rest)
        answer.cached = answer.get("X-Status")
        return answer

    def statuses(self, target, count=2, **rest):
        """What $upstream_cache_status says to that many requests."""
        return [self.get(target, **rest).cached for _ in range(count)]

    def says(self, *answers, **fields):
        """The origin answers so, in turn, and goes on with the last; a body of its own for each."""
        answers = answers or (reply(body="1", fields=fields),)

        def handle(_):
            number = len(self.back.requests)
            answer = answers[min(number, len(answers)) - 1]
            return answer() if callable(answer) else answer
        self.back.reset()
        self.back.handle = handle

    @property
    def count(self):
        return len(self.back.requests)


@pytest.fixture(scope="module")
def shared(shared_proxy, shared_origin, tier):
    back = shared_origin()
    return Bench(shared_proxy(tier + CONF, O=back), back)


@pytest.fixture
def bench(shared):
    shared.back.reset()
    yield shared
    shared.back.reset()


# ---- proxy_cache, status ---------------------------------------------------------------------------

def test_a_miss_and_hits(bench):
    bench.says(reply(body="x", fields=FRESH))
    assert bench.statuses(bench.path("a"), 3) == ["MISS", "HIT", "HIT"]
    assert bench.count == 1


def test_nothing_to_cache_is_a_miss_each_time(bench):
    bench.says(reply(body="x"))
    assert bench.statuses(bench.path("a"), 3) == ["MISS", "MISS", "MISS"]


def test_off(bench):
    bench.says(reply(body="x", fields=FRESH))
    assert bench.statuses(bench.path("off")) == [None, None]
    assert bench.count == 2


def test_the_status_is_logged(bench):
    bench.says(reply(body="x", fields=FRESH))
    path = bench.path("a")
    bench.statuses(path)
    for status in ("MISS", "HIT"):
        bench.desk.log_line(0, lambda line, status=status: line == f"{status} {path}", name="logs/cached.log")


def test_other_methods_have_no_status(bench):
    bench.says(reply(body="x", fields=FRESH))
    assert bench.get(bench.path("a"), "POST", body="x").cached in (None, "")


def test_expired(bench):
    bench.says(reply(body="x", fields=SHORT))
    path = bench.path("a")
    assert bench.statuses(path, 1) == ["MISS"]
    time.sleep(EXPIRY)
    assert bench.statuses(path, 1) == ["EXPIRED"]


def test_hidden_fields_stay_hidden(bench):
    bench.says(reply(body="x", fields={**FRESH, "X-Secret": "1", "X-Open": "2"}))
    path = bench.path("hide")
    for _ in range(2):
        answer = bench.get(path)
        assert not answer.has("X-Secret") and answer.get("X-Open") == "2"


def test_a_zone_by_variable(bench):
    bench.says(reply(body="x"))
    assert bench.statuses(bench.path("variable")) == ["MISS", "HIT"]


@pytest.mark.parametrize("conf, said", [
    ("proxy_cache nowhere;", "nowhere"), ("proxy_cache_valid x;", "x"), ("proxy_cache_min_uses no;", "no"),
    ("proxy_cache_use_stale sometimes;", "sometimes"), ("proxy_cache_methods BREW;", "BREW"),
    ("proxy_ignore_headers X-Odd;", "X-Odd"), ("proxy_cache_path @DIR@/x;", "keys_zone"),
    ("proxy_cache_path @DIR@/x keys_zone=z;", "z"), ("proxy_cache_path @DIR@/x keys_zone=z:1m odd=1;", "odd"),
    ("proxy_cache_valid 99 1m;", "99")])
def test_t_finds(proxy, conf, said):
    desk = proxy(conf + " server { listen @P@; }", start=False)
    result = desk.run("-t")
    assert result.returncode != 0
    assert said in result.stderr


# ---- proxy_cache_valid, X-Accel-Expires, proxy_ignore_headers ----------------------------------------

@pytest.mark.parametrize("location, code, is_stored", [
    ("valid", 200, True), ("valid", 203, True), ("valid", 404, True), ("valid", 301, False), ("valid", 500, False),
    ("plain", 200, True), ("plain", 301, True), ("plain", 302, True), ("plain", 404, False), ("plain", 203, False),
    ("any", 200, True), ("any", 403, True), ("any", 500, True), ("any", 404, False),
    ("any_first", 200, True)])
def test_valid(bench, location, code, is_stored):
    bench.says(reply(code, body="x"))
    assert bench.statuses(bench.path(location)) == ["MISS", "HIT" if is_stored else "MISS"]


def test_valid_for_a_short_time(bench):
    bench.says(reply(404, body="x"))
    path = bench.path("valid")
    assert bench.statuses(path) == ["MISS", "HIT"]
    time.sleep(3.1)
    assert bench.get(path).cached == "EXPIRED"


@pytest.mark.parametrize("fields", [
    {"Cache-Control": "no-store"}, {"Cache-Control": "no-cache"}, {"Cache-Control": "private"}, {"Cache-Control": "max-age=0"},
    {"Expires": "Thu, 01 Jan 1970 00:00:01 GMT"}, {"Set-Cookie": "a=b"}, {"Vary": "*"}, {"X-Accel-Expires": "0"}])
def test_what_the_response_says_goes_before_valid(bench, fields):
    bench.says(reply(body="x", fields=fields))
    assert bench.statuses(bench.path("any")) == ["MISS", "MISS"]


def test_the_lifetime_of_the_response_goes_before_valid(bench):
    bench.says(reply(body="x", fields=SHORT))
    path = bench.path("any")
    assert bench.statuses(path, 1) == ["MISS"]
    time.sleep(EXPIRY)
    assert bench.get(path).cached == "EXPIRED"


@pytest.mark.parametrize("fields, is_stored", [
    ({"X-Accel-Expires": "60"}, True), ({"X-Accel-Expires": "0"}, False), ({"X-Accel-Expires": "60", "Cache-Control": "max-age=0"}, True),
    ({"X-Accel-Expires": "60", "Cache-Control": "no-cache"}, True), ({"X-Accel-Expires": "0", "Cache-Control": "max-age=60"}, False),
    ({"X-Accel-Expires": "60", "Expires": "Thu, 01 Jan 1970 00:00:01 GMT"}, True),
    ({"X-Accel-Expires": "@1", "Cache-Control": "max-age=60"}, False), ({"X-Accel-Expires": "@4000000000"}, True)])
def test_x_accel_expires(bench, fields, is_stored):
    bench.says(reply(body="x", fields=fields))
    path = bench.path("a")
    first = bench.get(path)
    assert not first.has("X-Accel-Expires")
    assert first.cached == "MISS"
    assert (bench.get(path).cached == "HIT") == is_stored


def test_x_accel_expires_ends(bench):
    bench.says(reply(body="x", fields={"X-Accel-Expires": "1", "Cache-Control": "max-age=60"}))
    path = bench.path("a")
    assert bench.statuses(path, 1) == ["MISS"]
    time.sleep(EXPIRY)
    assert bench.get(path).cached == "EXPIRED"


@pytest.mark.parametrize("location, fields", [
    ("ignore_lifetime", {"Cache-Control": "no-store"}), ("ignore_lifetime", {"Cache-Control": "private, max-age=0"}),
    ("ignore_lifetime", {"Expires": "Thu, 01 Jan 1970 00:00:01 GMT"}), ("ignore_lifetime", {"X-Accel-Expires": "0"}),
    ("ignore_expires", {"Expires": "0", "Cache-Control": "max-age=60"}),
    ("ignore_cookie", {"Set-Cookie": "a=b", "Cache-Control": "max-age=60"}),
    ("ignore_vary", {"Vary": "*", "Cache-Control": "max-age=60"}),
    ("ignore_accel", {"X-Accel-Expires": "0", "Cache-Control": "max-age=60"})])
def test_ignored_fields(bench, location, fields):
    bench.says(reply(body="x", fields=fields))
    assert bench.statuses(bench.path(location)) == ["MISS", "HIT"]


@pytest.mark.parametrize("location, said, is_stored", [
    ("unbuffered", None, False), ("unbuffered", "no", False), ("unbuffered", "yes", True), ("unbuffered", "YES", True),
    ("plain", None, True), ("plain", "no", False), ("plain", "No", False), ("plain", "x", True),
    ("ignore_buffering", "yes", False)])
def test_what_is_not_buffered_is_not_stored(bench, location, said, is_stored):
    bench.says(reply(body="x", fields={"X-Accel-Buffering": said} if said else {}))
    assert bench.statuses(bench.path(location)) == ["MISS", "HIT" if is_stored else "MISS"]


def test_ignored_vary_makes_no_variants(bench):
    bench.says(reply(body="x", fields={**FRESH, "Vary": "X-Lang"}))
    path = bench.path("ignore_vary")
    assert bench.get(path, fields={"X-Lang": "a"}).cached == "MISS"
    assert bench.get(path, fields={"X-Lang": "b"}).cached == "HIT"


def test_an_ignored_cookie_is_sent_to_all(bench):
    bench.says(reply(body="x", fields={**FRESH, "Set-Cookie": "a=b"}))
    path = bench.path("ignore_cookie")
    bench.get(path)
    assert bench.get(path).get("Set-Cookie") == "a=b"


def test_ignored_expires_gives_no_lifetime(bench):
    bench.says(reply(body="x", fields={"Expires": imf(time.time() + 60)}))
    assert bench.statuses(bench.path("ignore_expires")) == ["MISS", "MISS"]
    assert bench.statuses(bench.path("a")) == ["MISS", "HIT"]


# ---- what is cached: methods, min_uses, bypass, no_cache, key ----------------------------------------

def test_methods(bench):
    bench.says(reply(body="x"))
    path = bench.path("methods")
    assert bench.statuses(path, method="POST", body="y") == ["MISS", "HIT"]
    assert bench.statuses(bench.path("methods")) == ["MISS", "HIT"]


def test_min_uses(bench):
    bench.says(reply(body="x"))
    assert bench.statuses(bench.path("min"), 5) == ["MISS", "MISS", "MISS", "HIT", "HIT"]


@pytest.mark.parametrize("value, is_bypassed", [("1", True), ("yes", True), ("00", True), ("0", False), ("", False)])
def test_bypass(bench, value, is_bypassed):
    bench.says(reply(body="old"), reply(body="new"))
    path = bench.path("bypass")
    assert bench.statuses(path) == ["MISS", "HIT"]
    answer = bench.get(path, fields={"X-Bypass": value})
    assert answer.cached == ("BYPASS" if is_bypassed else "HIT")
    assert bench.get(path).body == (b"new" if is_bypassed else b"old"), "what a bypass brings is stored"


def test_bypass_by_the_second_value(bench):
    bench.says(reply(body="x"))
    path = bench.path("bypass")
    bench.get(path)
    assert bench.get(path, fields={"X-Bypass": "0", "X-Also": "1"}).cached == "BYPASS"


@pytest.mark.parametrize("value, is_stored", [("1", False), ("yes", False), ("0", True), ("", True)])
def test_no_cache(bench, value, is_stored):
    bench.says(reply(body="x"))
    path = bench.path("no")
    assert bench.get(path, fields={"X-No": value}).cached == "MISS"
    assert bench.get(path).cached == ("HIT" if is_stored else "MISS")


@pytest.mark.ours
@pytest.mark.parametrize("value, outcome", [("1", "MISS"), ("0", "HIT")])
def test_no_cache_of_a_post(bench, value, outcome):
    """RFC 9110 9.3.3: an answer that would be one to later GETs."""
    path = bench.path("no")
    bench.says(reply(body="x", fields={**FRESH, "Content-Location": path}))
    assert bench.get(path, "POST", fields={"X-No": value}, body=b"y").status == 200
    assert bench.get(path).cached == outcome


def test_no_cache_takes_what_is_stored(bench):
    bench.says(reply(body="x"))
    path = bench.path("no")
    bench.get(path)
    assert bench.get(path, fields={"X-No": "1"}).cached == "HIT"


def test_key(bench):
    bench.says(reply(body="x"))
    path = bench.path("key")
    assert bench.get(path + "?a=1").cached == "MISS"
    assert bench.get(path + "?a=2").cached == "HIT"
    assert bench.get(path, host="another.test").cached == "HIT"


def test_locations_of_one_zone_share_a_key(bench):
    bench.says(reply(body="x"))
    key = next(bench.numbers)
    assert bench.get(f"/same_key/?k={key}").cached == "MISS"
    assert bench.get(f"/same_too/?k={key}").cached == "HIT"
    assert bench.get(f"/other/?k={key}").cached == "MISS"
    assert bench.get(f"/other/?k={key}").cached == "HIT"


def test_an_empty_key_part_is_a_key(bench):
    bench.says(reply(body="x"))
    bench.get("/same_key/")
    assert bench.get("/same_too/").cached == "HIT"


def test_vary(bench):
    bench.says(reply(body="x", fields={**FRESH, "Vary": "X-Lang"}))
    path = bench.path("a")
    assert [bench.get(path, fields={"X-Lang": lang}).cached for lang in "abab"] == ["MISS", "MISS", "HIT", "HIT"]


# ---- use_stale, background_update, revalidate --------------------------------------------------------

FAILURES = {"error": None, "invalid_header": b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", **{f"http_{code}": reply(code, body="no")
            for code in (500, 502, 503, 504, 403, 404, 429)}}


def test_use_stale(bench):
    """Each condition lets its own failure be covered up, and no other one."""
    bench.says(reply(body="old", fields=SHORT))
    conditions = [*FAILURES, "off", "all"]
    paths = {(condition, failure): bench.path("stale/" + condition) for condition in conditions for failure in FAILURES}
    for path in paths.values():
        assert bench.get(path).cached == "MISS"
    time.sleep(EXPIRY)
    wrong = []
    for (condition, failure), path in paths.items():
        bench.back.reset()
        bench.back.handle = lambda _, failure=failure: FAILURES[failure]
        answer = bench.get(path)
        covered = {"off": False, "all": failure not in ("http_403", "http_429")}.get(condition, condition == failure)
        if (answer.cached, answer.body) != ("STALE", b"old") and covered:
            wrong.append(f"{condition}, {failure}: {answer} is not the stale one")
        if not covered and (answer.body == b"old" or answer.status < 400):
            wrong.append(f"{condition}, {failure}: {answer} is the stale one")
    assert not wrong, "\n".join(wrong)


def test_use_stale_timeout(bench):
    bench.says(reply(body="old", fields=SHORT))
    covered, plain = bench.path("stale/timeout"), bench.path("stale/error")
    assert [bench.get(path).cached for path in (covered, plain)] == ["MISS", "MISS"]
    time.sleep(EXPIRY)
    bench.back.handle = lambda _: lambda conn: conn.hang(2)
    answer = bench.get(covered)
    assert (answer.cached, answer.body) == ("STALE", b"old")
    assert bench.get(plain).status == 504


@ours
@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "s-maxage=1", "no-cache"])
def test_use_stale_does_not_go_over_what_forbids_it(bench, directive):
    """RFC 9111 4.2.4: no configuration does."""
    bench.says(reply(body="old", fields={"Cache-Control": f"max-age=1, {directive}"}))
    path = bench.path("stale/all")
    bench.get(path)
    time.sleep(EXPIRY)
    bench.back.handle = lambda _: None
    assert bench.get(path).status >= 500


def slow_then(seconds, first, second):
    """The first answer at once, each later one after a while."""
    answers = iter([first])

    def handle(_):
        answer = next(answers, None)
        if answer is None:
            time.sleep(seconds)
            return second
        return answer
    return handle


def test_use_stale_updating(bench):
    """One goes to the origin and waits; others get the stale one meanwhile."""
    bench.back.handle = slow_then(1, reply(body="old", fields=SHORT), reply(body="new", fields=FRESH))
    path = bench.path("stale/updating")
    assert bench.get(path).cached == "MISS"
    time.sleep(EXPIRY)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(bench.get, path)
        bench.back.wait_requests(2)
        second = bench.get(path)
        assert (second.cached, second.body) == ("UPDATING", b"old")
        assert (first.result().cached, first.result().body) in (("EXPIRED", b"new"), ("STALE", b"old"))
    time.sleep(0.2)
    assert bench.get(path).body == b"new"
    assert bench.count == 2


def test_background_update(bench):
    bench.back.handle = slow_then(1, reply(body="old", fields=SHORT), reply(body="new", fields=FRESH))
    path = bench.path("stale/background")
    assert bench.get(path).cached == "MISS"
    time.sleep(EXPIRY)
    first = bench.get(path)
    assert (first.cached, first.body) == ("STALE", b"old")
    bench.back.wait_requests(2)
    second = bench.get(path)
    assert (second.cached, second.body) == ("UPDATING", b"old")
    time.sleep(1.5)
    third = bench.get(path)
    assert (third.cached, third.body) == ("HIT", b"new")
    assert bench.count == 2


def unmodified(*fields):
    return reply(304, reason="Not Modified", fields=[("Cache-Control", "max-age=60"), *fields])


def test_revalidate(bench):
    fields = [("Cache-Control", "max-age=1"), ("ETag", '"a"'), ("Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT")]
    bench.says(reply(body="old", fields=fields), unmodified(("ETag", '"a"')))
    path = bench.path("revalidate")
    bench.get(path)
    time.sleep(EXPIRY)
    answer = bench.get(path)
    assert (answer.status, answer.cached, answer.body) == (200, "REVALIDATED", b"old")
    assert bench.back.last.get("If-None-Match") == '"a"'
    assert bench.back.last.get("If-Modified-Since") == "Thu, 01 Jan 2015 00:00:00 GMT"
    assert bench.get(path).cached == "HIT"


def test_revalidate_off(bench):
    bench.says(reply(body="old", fields={**SHORT, "ETag": '"a"'}), reply(body="new", fields=FRESH))
    path = bench.path("no_revalidate")
    bench.get(path)
    time.sleep(EXPIRY)
    answer = bench.get(path)
    assert (answer.cached, answer.body) == ("EXPIRED", b"new")
    assert not bench.back.last.has("If-None-Match")


# ---- HEAD, ranges, lock -----------------------------------------------------------------------------

def test_head_is_asked_as_get(bench):
    bench.says(reply(body="whole"))
    path = bench.path("head")
    answer = bench.get(path, "HEAD")
    assert (answer.cached, answer.body) == ("MISS", b"")
    assert bench.back.last.method == "GET"
    answer = bench.get(path)
    assert (answer.cached, answer.body) == ("HIT", b"whole")


def test_head_as_it_is(bench):
    bench.back.handle = lambda seen: reply(body=b"whole")[:None if seen.method == "GET" else -5]
    path = bench.path("head_as_it_is")
    assert bench.get(path, "HEAD").cached == "MISS"
    assert bench.back.last.method == "HEAD"
    assert bench.get(path, "HEAD").cached == "MISS"   # RFC 9111 3: it is no answer to GET, so it is not kept
    assert bench.get(path).cached == "MISS"
    assert bench.get(path).body == b"whole"


@pytest.mark.ours
@pytest.mark.parametrize("fields", [{}, {"ETag": '"a"'}], ids=["without a validator", "with one"])
def test_head_freshens_what_is_stored(bench, fields):
    """RFC 9111 4.3.5: the stored answer is as good as the HEAD's from then on, with its fields."""
    bench.says(reply(body="whole", fields={**SHORT, **fields, "X-A": "1"}))
    path = bench.path("head_freshens")
    assert bench.get(path).cached == "MISS"
    time.sleep(EXPIRY)
    bench.says(reply(body="whole", fields={**FRESH, **fields, "X-A": "2"})[:-5])
    assert bench.get(path, "HEAD").cached == "EXPIRED"
    assert bench.back.last.method == "HEAD"
    answer = bench.get(path)
    assert (answer.cached, answer.body, answer.get("X-A")) == ("HIT", b"whole", "2")


@pytest.mark.ours
@pytest.mark.parametrize("fields, body", [
    ({"ETag": '"b"'}, "whole"), ({"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}, "whole"), ({}, "longer"),
    ({"Cache-Control": "no-store"}, "whole")])
def test_head_of_another_version_makes_stale_what_is_stored(bench, fields, body):
    """RFC 9111 4.3.5; also one that may not be kept itself."""
    bench.says(reply(body="whole", fields={**FRESH, "ETag": '"a"'}))
    path = bench.path("head_freshens")
    assert bench.statuses(path) == ["MISS", "HIT"]
    bench.says(reply(body=body, fields={**FRESH, "ETag": '"a"', **fields})[:-len(body)])
    assert bench.get(path, "HEAD", fields={"Cache-Control": "no-cache"}).status == 200
    bench.says(reply(body="new", fields=FRESH))
    answer = bench.get(path)
    assert (answer.cached, answer.body) == ("EXPIRED", b"new")


def test_force_ranges(bench):
    bench.says(reply(body="0123456789", fields=FRESH))
    path = bench.path("ranges")
    for status in ("MISS", "HIT"):
        answer = bench.get(path, fields={"Range": "bytes=2-4"})
        assert (answer.status, answer.body, answer.cached) == (206, b"234", status)


def test_max_range_offset(bench):
    """A range that begins behind the offset goes to the origin as it is, and is not stored."""
    body = bytes(range(65, 91)) * 20
    bench.says(reply(body=body, fields=FRESH))
    near, far = bench.path("offset"), bench.path("offset")
    assert bench.get(near, fields={"Range": "bytes=50-59"}).status == 206
    assert not bench.back.last.has("Range")
    bench.back.handle = lambda _: reply(206, body=body[300:310], fields={**FRESH, "Content-Range": "bytes 300-309/520"})
    answer = bench.get(far, fields={"Range": "bytes=300-309"})
    assert (answer.status, answer.body) == (206, body[300:310])
    assert bench.back.last.get("Range") == "bytes=300-309"
    before = bench.count
    bench.get(far, fields={"Range": "bytes=300-309"})
    assert bench.count == before + 1


def together(bench, path, count=3):
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: bench.get(path), range(count)))


def slow(seconds):
    def handle(_):
        time.sleep(seconds)
        return reply(body="x", fields=FRESH)
    return handle


def test_lock(bench):
    bench.back.handle = slow(0.5)
    answers = together(bench, bench.path("lock"))
    assert bench.count == 1
    assert sorted(answer.cached for answer in answers) == ["HIT", "HIT", "MISS"]


def test_lock_off(bench):
    bench.back.handle = slow(0.4)
    together(bench, bench.path("no_lock"))
    assert bench.count == 3


def test_lock_timeout(bench):
    """Who has waited long enough asks for himself, and what he gets is not stored."""
    bench.back.handle = slow(1.5)
    before = time.monotonic()
    together(bench, bench.path("lock_timeout"))
    assert bench.count == 3
    assert time.monotonic() - before < 12


def test_lock_age(bench):
    """When the first has not come back for so long, one more is sent."""
    bench.back.handle = slow(1.2)
    together(bench, bench.path("lock_age"))
    assert bench.count >= 2


# ---- X-Accel, log variables --------------------------------------------------------------------------

@ours
def test_variables_of_what_is_stored(proxy, tier, origin):
    back = origin(lambda _: reply(body="x", fields={**FRESH, "Age": "7", "Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}))
    desk = proxy(tier + """
        proxy_cache one; log_format v '$upstream_cache_status|$upstream_cache_age|$upstream_cache_last_modified';
        server { listen @P@; access_log logs/v.log v; location / { proxy_pass http://@O@; } }""", O=back)
    desk.get()
    desk.get()
    line = desk.log_line(0, lambda line: line.startswith("HIT"), name="logs/v.log")
    assert re.fullmatch(r"HIT\|(7|8|9)\|Thu, 01 Jan 2015 00:00:00 GMT", line)


# ---- beside other directives ------------------------------------------------------------------------

def test_an_error_page_instead_of_what_is_stored(bench):
    bench.says(reply(404, body="theirs" * 10000))
    path = bench.path("pages")
    assert [bench.get(path).body for _ in range(3)] == [b"ours"] * 3
    assert bench.count == 1


@ours
def test_an_error_page_for_all_who_wait(bench):
    def late():
        time.sleep(0.5)
        return reply(404, body="theirs" * 10000)
    bench.says(late)
    path = bench.path("pages")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: bench.get(path).body, range(8))) == {b"ours"}
    assert bench.count == 1


def test_an_error_page_that_is_stored_itself(bench):
    bench.back.handle = lambda request: (reply(200, body="page") if request.target == "/page" else
                                         reply(500, body="theirs"))
    answers = [bench.get(bench.path("pages")) for _ in range(2)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"page")] * 2
    assert [request.target for request in bench.back.requests].count("/page") == 1


def test_another_location_when_the_first_has_no_answer(bench):
    bench.says(reply(body="x" * 100000))
    path = bench.path("dead")
    answers = [bench.get(path) for _ in range(2)]
    assert [(answer.status, len(answer.body), answer.cached) for answer in answers] == [
        (200, 100000, "MISS"), (200, 100000, "HIT")]


def test_what_is_not_stored_has_its_error_page(bench):
    bench.says(reply(404, body="theirs", fields={"Cache-Control": "no-store"}))
    path = bench.path("pages")
    assert [bench.get(path).body for _ in range(2)] == [b"ours"] * 2


@ours
def test_expires_is_from_now_on(bench):
    bench.says(reply(body="x", fields={"Cache-Control": "max-age=600", "Age": "100"}))
    path = bench.path("expires")
    for _ in range(2):
        answer = bench.get(path)
        left = int(answer.get("Cache-Control").partition("=")[2]) - int(answer.get("Age"))
        assert left == 300, answer.fields
        time.sleep(1.1)
    assert answer.cached == "HIT"


@ours
def test_a_web_socket_beside_a_stored_page(bench):
    bench.says(reply(body="page"))
    path = bench.path("socket")
    assert bench.statuses(path) == ["MISS", "HIT"]
    bench.back.handle = lambda _: b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = bench.get(path, fields={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert (answer.status, answer.get("Cache-Status")) == (101, None)
    assert bench.get(path).cached == "HIT"
