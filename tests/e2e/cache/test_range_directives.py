# SPDX-License-Identifier: MIT
"""proxy_force_ranges for answers that no cache has, and where proxy_cache_max_range_offset draws the line."""
import pytest

from harness.client import request
from harness.origin import reply

ours = pytest.mark.ours
BODY = bytes(range(65, 91)) * 20                 # 520 bytes
FRESH = {"Cache-Control": "max-age=60", "ETag": '"a"'}


@pytest.fixture
def back(origin):
    return origin(lambda _: reply(body=BODY, fields=FRESH))


# ---- proxy_force_ranges without a cache ------------------------------------------------------------

@pytest.fixture
def desk(proxy, back):
    return proxy("""server { listen @P@; proxy_force_ranges on;
        location / { proxy_pass http://@O@; }
        location /slow/ { proxy_pass http://@O@; limit_rate 100k; }
        location /off/ { proxy_pass http://@O@; proxy_force_ranges off; } }""", O=back)


@pytest.mark.parametrize("value, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=500-", 500, 519), ("bytes=-5", 515, 519), ("bytes=0-", 0, 519),
    ("bytes=500-1000", 500, 519)])
def test_a_range_of_what_is_passed(desk, value, first, last):
    with desk.connect() as client:
        for _ in range(2):
            answer = client.ask("GET", "/", fields={"Range": value})
            assert (answer.status, answer.body) == (206, BODY[first:last + 1])
            assert answer.get("Content-Range") == f"bytes {first}-{last}/520"
            assert answer.get("Content-Length") == str(last - first + 1)


def test_nothing_there(desk):
    answer = desk.get(fields={"Range": "bytes=520-"})
    assert (answer.status, answer.get("Content-Range")) == (416, "bytes */520")


@pytest.mark.parametrize("value", ["bytes=0-1,5-6", "items=0-1", pytest.param("bytes=9-0", marks=ours), ""])
def test_the_whole(desk, value):
    answer = desk.get(fields={"Range": value} if value else {})
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize("tag, status", [('"a"', 206), ('"b"', 200)])
def test_if_range(desk, tag, status):
    assert desk.get(fields={"Range": "bytes=10-19", "If-Range": tag}).status == status


def test_off(desk):
    answer = desk.get("/off/", fields={"Range": "bytes=10-19"})
    assert (answer.status, answer.body) == (200, BODY)


def test_other_answers_stay(desk, back):
    back.handle = lambda _: reply(404, body="nothing")
    answer = desk.get(fields={"Range": "bytes=1-2"})
    assert (answer.status, answer.body) == (404, b"nothing")
    back.handle = lambda _: reply(206, body=b"xy", fields={"Content-Range": "bytes 1-2/520"})
    answer = desk.get(fields={"Range": "bytes=1-2"})
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, b"xy", "bytes 1-2/520")


def test_what_has_no_length(desk, back):
    back.handle = lambda _: reply(body=BODY, chunked=True)
    answer = desk.get(fields={"Range": "bytes=1-2"})
    assert (answer.status, answer.body) == (200, BODY)


@ours
def test_a_large_one(desk, back):
    large = bytes(i * 7 % 251 for i in range(3_000_000))
    back.handle = lambda _: reply(body=large)
    for first, last in ((2_900_000, 2_999_999), (100, 2_500_000), (0, 2_999_999)):
        assert desk.get(fields={"Range": f"bytes={first}-{last}"}, timeout=20).body == large[first:last + 1]
    assert desk.get("/slow/", fields={"Range": "bytes=50000-99999"}, timeout=20).body == large[50000:100000]
    assert desk.is_alive()


def test_an_origin_that_dies(desk, back):
    def script(conn):
        conn.request()
        conn.send(reply(body=BODY)[:-100])
    back.script = script
    with desk.connect() as client:
        client.send(request("GET", "/", {"Range": "bytes=10-510"}))
        body = client.rest().partition(b"\r\n\r\n")[2]
    assert len(body) < 501 and BODY[10:].startswith(body)


@ours
def test_an_origin_that_dies_behind_the_range(desk, back):
    def script(conn):
        conn.request()
        conn.send(reply(body=BODY)[:-100])
        conn.hang(3)
    back.script = script
    assert desk.get(fields={"Range": "bytes=10-19"}).body == BODY[10:20]


# ---- proxy_cache_max_range_offset -------------------------------------------------------------------

@pytest.fixture
def limited(proxy, tier, back):
    return proxy(tier + """proxy_cache one; server { listen @P@; location / {
        proxy_pass http://@O@; proxy_cache_max_range_offset 100; } }""", O=back)


@ours
@pytest.mark.parametrize("value, is_far", [
    ("bytes=100-", False), ("bytes=101-", True), ("bytes=0-300", False), ("bytes=5-6,101-102", True), ("bytes=-5", True),
    ("items=500-", False)])
def test_the_line(limited, back, value, is_far):
    limited.get(fields={"Range": value})
    assert back.requests[-1].has("Range") == is_far
    limited.get(fields={"Range": value})
    assert len(back.requests) == (2 if is_far else 1)


@ours
def test_what_is_stored_is_served_from_anywhere(limited, back):
    limited.get()
    answer = limited.get(fields={"Range": "bytes=300-309"})
    assert (answer.status, answer.body) == (206, BODY[300:310])
    assert len(back.requests) == 1
