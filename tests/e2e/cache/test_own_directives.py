# SPDX-License-Identifier: MIT
"""Directives of the cache that nginx does not have."""
import itertools
import time

import pytest

from harness.origin import reply

pytestmark = pytest.mark.ours

CONF = """
add_header X-Status $upstream_cache_status always;
proxy_cache one;
server {
    listen @P@;
    location / { proxy_pass http://@O@; }
    location /deaf/ { proxy_pass http://@O@; proxy_cache_ignore_request on; }
    location /untargeted/ { proxy_pass http://@O@; proxy_cache_targeted off; }
    location /targeted/ { proxy_pass http://@O@; proxy_cache_targeted Our-Cache-Control CDN-Cache-Control; }
    location /passed/ { proxy_pass http://@O@; proxy_cache_targeted_hide off; }
    location /silent/ { proxy_pass http://@O@; proxy_cache_status off; }
    location /token/ { proxy_pass http://@O@; proxy_cache_status edge-1; }
    location /key/ { proxy_pass http://@O@; proxy_cache_status edge key; }
    location /min/ { proxy_pass http://@O@; proxy_cache_min_uses 2; }
    location /no/ { proxy_pass http://@O@; proxy_no_cache $http_x_no; }
    location /posts/ {
        proxy_pass http://@O@; proxy_cache_methods POST; proxy_cache_valid 1m; proxy_cache_key $uri$request_body;
    }
    location /stale_most/ { proxy_pass http://@O@; proxy_cache_stale_most 2s; }
}
"""
FRESH = {"Cache-Control": "max-age=60"}
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def shared(shared_proxy, back, tier):
    return shared_proxy(tier + CONF, O=back)


@pytest.fixture
def get(shared, back):
    """get(location, fields) asks for one thing twice: the answers, and how often the origin was asked."""
    def twice(location, fields=(), **rest):
        back.reset()
        back.handle = lambda _: reply(body=f"body {len(back.requests)}", fields=rest)
        target = f"/{location}/{next(NUMBERS)}"
        return shared.get(target), shared.get(target, fields=fields), len(back.requests)
    yield twice
    back.reset()


def test_ignore_request(get):
    for value in ("no-cache", "max-age=0", "no-store", "only-if-cached"):
        first, second, asked = get("deaf", {"Cache-Control": value}, **FRESH)
        assert (second.get("X-Status"), asked) == ("HIT", 1), value
    assert get("deaf", {"Pragma": "no-cache"}, **FRESH)[2] == 1
    assert get("heard", {"Cache-Control": "no-cache"}, **FRESH)[2] == 2


def test_ignored_requests_go_on_as_they_are(shared, back):
    back.reset()
    shared.get(f"/deaf/{next(NUMBERS)}", fields={"Cache-Control": "no-cache"})
    assert back.last.get("Cache-Control") == "no-cache"


def test_targeted_off(get):
    assert get("untargeted", **{"CDN-Cache-Control": "max-age=60"})[2] == 2
    assert get("untargeted", **FRESH, **{"CDN-Cache-Control": "no-store"})[2] == 1


@pytest.mark.parametrize("fields, asked", [
    ({"Our-Cache-Control": "max-age=60", "CDN-Cache-Control": "no-store", "Cache-Control": "no-store"}, 1),
    ({"Our-Cache-Control": "no-store", "CDN-Cache-Control": "max-age=60", "Cache-Control": "max-age=60"}, 2),
    ({"Our-Cache-Control": "", "CDN-Cache-Control": "max-age=60", "Cache-Control": "no-store"}, 1),
    ({"Our-Cache-Control": "no store", "CDN-Cache-Control": "max-age=60", "Cache-Control": "no-store"}, 1),
    ({"CDN-Cache-Control": "max-age=60", "Cache-Control": "no-store"}, 1), ({"Cache-Control": "max-age=60"}, 1)])
def test_a_list_of_targeted_fields(get, fields, asked):
    """RFC 9213 2.2: the first of the list that is valid and not empty."""
    assert get("targeted", **fields)[2] == asked


@pytest.mark.parametrize("location, is_there", [("hidden", False), ("passed", True)])
def test_targeted_hide(get, location, is_there):
    first, second, _ = get(location, **{"CDN-Cache-Control": "max-age=60"})
    assert first.has("CDN-Cache-Control") == second.has("CDN-Cache-Control") == is_there


def test_status_off(get):
    first, second, _ = get("silent", **FRESH)
    assert not first.has("Cache-Status") and not second.has("Cache-Status")


@pytest.mark.parametrize("location, name", [("default", "frontdesk"), ("token", "edge-1"), ("key", "edge")])
def test_status_name(get, location, name):
    for answer in get(location, **FRESH)[:2]:
        assert answer.get("Cache-Status").split(";")[0] == name


def test_status_with_key(get):
    for answer in get("key", **FRESH)[:2]:
        assert "key=\"" in answer.get("Cache-Status") and "/key/" in answer.get("Cache-Status")
    assert "key=" not in get("default", **FRESH)[1].get("Cache-Status")


def test_nothing_is_served_that_has_been_stale_for_too_long(shared, back):
    """A bound for what the client allows; what the origin allows has its own number."""
    back.reset()
    back.handle = lambda _: reply(body=f"body {len(back.requests)}", fields={"Cache-Control": "max-age=1"})
    soon, late = [f"/stale_most/{next(NUMBERS)}" for _ in range(2)]
    assert [shared.get(soon).body, shared.get(late).body] == [b"body 1", b"body 2"]
    time.sleep(2.1)
    assert shared.get(soon, fields={"Cache-Control": "max-stale"}).body == b"body 1"
    time.sleep(3)
    assert shared.get(late, fields={"Cache-Control": "max-stale"}).body == b"body 3"


def test_status_says_why_nothing_is_stored(get):
    assert "min_uses" in get("min", **FRESH)[0].get("Cache-Status")
    first, second, _ = get("no", {"X-No": "1"}, **FRESH)
    assert "detail" not in first.get("Cache-Status") and "detail" not in second.get("Cache-Status"), "it was a hit"
    first, second, _ = get("no", {"X-No": "1"}, **{"Cache-Control": "max-age=0"})
    assert second.get("Cache-Status").endswith("detail=proxy_no_cache")
    assert "no-store" in get("heard", {"Cache-Control": "no-store"}, **{"Cache-Control": "max-age=0"})[1].get("Cache-Status")


def test_a_body_that_is_too_long_for_the_key(shared, back):
    """Else all long bodies would get one answer, as with nginx."""
    for size, asked in ((100, 2), (100_000, 4)):
        back.reset()
        back.handle = lambda request: reply(body=request.body[:4])
        target = f"/posts/{next(NUMBERS)}"
        for body in (b"one ", b"two ") * 2:
            assert shared.fetch("POST", target, body=body * size).body == body, size
        assert len(back.requests) == asked, size
    back.reset()
