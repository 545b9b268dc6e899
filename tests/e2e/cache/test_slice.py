# SPDX-License-Identifier: MIT
"""slice: a large response is fetched and cached in pieces of one size."""
import re

import pytest

from harness.origin import reply

BODY = bytes(range(33, 123)) + b"tail"          # 94 bytes
CONF = """
proxy_cache one;
server {
    listen @P@;
    location / {
        slice 10;
        proxy_cache_key $uri$is_args$args$slice_range;
        proxy_set_header Range $slice_range;
        proxy_cache_valid 200 206 1m;
        proxy_pass http://@O@;
    }
}
"""


def serve(request, tag='"a"', body=BODY):
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", request.get("Range") or "")
    if not match:
        return reply(body=body, fields={"ETag": tag})
    first, last = int(match[1]), min(int(match[2]), len(body) - 1)
    if first >= len(body):
        return reply(416, fields={"Content-Range": f"bytes */{len(body)}"})
    return reply(206, body=body[first:last + 1], fields={"ETag": tag, "Content-Range": f"bytes {first}-{last}/{len(body)}"})


@pytest.fixture
def back(origin):
    return origin(serve)


@pytest.fixture
def desk(proxy, tier, back):
    return proxy(tier + CONF, O=back)


def ranges(back):
    return [request.get("Range") for request in back.requests]


def test_the_whole(desk, back):
    for _ in range(2):
        answer = desk.get()
        assert (answer.status, answer.body) == (200, BODY)
    assert ranges(back) == [f"bytes={i}-{i + 9}" for i in range(0, 94, 10)]


@pytest.mark.parametrize("value, first, last, pieces", [
    ("bytes=15-25", 15, 25, (10, 20)), ("bytes=0-9", 0, 9, (0,)), ("bytes=90-", 90, 93, (90,)), ("bytes=39-40", 39, 40, (30, 40)),
    ("bytes=85-200", 85, 93, (80, 90))])
def test_a_range_asks_for_its_pieces_only(desk, back, value, first, last, pieces):
    for _ in range(2):
        answer = desk.get(fields={"Range": value})
        assert (answer.status, answer.body) == (206, BODY[first:last + 1])
        assert answer.get("Content-Range") == f"bytes {first}-{last}/94"
    assert ranges(back) == [f"bytes={i}-{i + 9}" for i in pieces]


def test_pieces_are_shared(desk, back):
    desk.get(fields={"Range": "bytes=10-29"})
    assert desk.get().body == BODY
    assert len(ranges(back)) == 10


def test_a_piece_of_another_version_ends_the_answer(desk, back):
    """Pieces with different tags are never put together."""
    def handle(request):
        return serve(request, f'"{len(back.requests) > 3}"')
    back.handle = handle
    desk.may_alert = True
    with desk.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert len(client.rest().partition(b"\r\n\r\n")[2]) < len(BODY)


def test_an_origin_without_ranges(desk, back):
    back.handle = lambda request: reply(body=BODY)
    assert desk.get().body == BODY
