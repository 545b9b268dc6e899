# SPDX-License-Identifier: MIT
"""slice: a large response is fetched and cached in pieces of one size."""
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import request
from harness.origin import reply

from .case import imf

ours = pytest.mark.ours

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


@ours
def test_a_range_of_an_origin_without_ranges(desk, back):
    back.handle = lambda request: reply(body=BODY)
    answer = desk.get(fields={"Range": "bytes=15-25"})
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, BODY[15:26], "bytes 15-25/94")


def test_an_origin_without_ranges_in_chunks(desk, back):
    back.handle = lambda request: reply(body=BODY, chunked=True)
    answer = desk.get(fields={"Range": "bytes=15-25"})
    assert (answer.status, answer.body) in ((200, BODY), (206, BODY[15:26]))


def test_head(desk, back):
    answer = desk.fetch("HEAD", "/")
    assert (answer.status, answer.get("Content-Length"), answer.body) == (200, "94", b"")
    assert not answer.has("Content-Range")
    assert ranges(back) == ["bytes=0-9"]


def test_the_last_bytes(desk, back):
    """The length is not known before the first piece is there."""
    answer = desk.get(fields={"Range": "bytes=-6"})
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, BODY[-6:], "bytes 88-93/94")
    assert ranges(back)[-2:] == ["bytes=80-89", "bytes=90-99"]
    assert len(ranges(back)) <= 3


def test_several_ranges_are_the_whole(desk):
    answer = desk.get(fields={"Range": "bytes=0-1,50-51"})
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.parametrize("value", ["bytes=94-", "bytes=200-300", "bytes=-0"])
def test_behind_the_end(desk, value):
    for _ in range(2):
        answer = desk.get(fields={"Range": value})
        assert (answer.status, answer.get("Content-Range")) == (416, "bytes */94")


@ours
def test_behind_the_end_of_what_has_no_ranges(desk, back):
    back.handle = lambda request: reply(body=BODY)
    answer = desk.get(fields={"Range": "bytes=94-"})
    assert (answer.status, answer.get("Content-Range"), answer.body) == (416, "bytes */94", b"")


@pytest.mark.parametrize("tag, status, body", [('"a"', 206, BODY[15:26]), ('"b"', 200, BODY), ('W/"a"', 200, BODY)])
def test_if_range(desk, tag, status, body):
    answer = desk.get(fields={"Range": "bytes=15-25", "If-Range": tag})
    assert (answer.status, answer.body) == (status, body)


def test_if_none_match(desk):
    for _ in range(2):
        answer = desk.get(fields={"If-None-Match": '"a"'})
        assert (answer.status, answer.body) == (304, b"")
    assert desk.get(fields={"If-None-Match": '"b"'}).body == BODY


def piece(content_range, body=b"x" * 10, tag='"a"'):
    return reply(206, body=body, fields={"ETag": tag, "Content-Range": content_range})


@pytest.mark.parametrize("answer, words", [
    (piece("bytes 10-19/94"), "unexpected range"), (piece("bytes 0-9/*"), "no complete length"),
    (piece("bytes 0-8/94", b"x" * 9), "unexpected range"), (piece("items 0-9/94"), "invalid range")])
def test_a_first_piece_that_is_something_else(desk, back, answer, words):
    back.handle = lambda request: answer
    desk.may_alert = True
    with desk.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = client.rest().partition(b"\r\n")[0]
    assert head == b"" or int(head.split()[1]) >= 500
    desk.wait_error(words + ".* in slice response")


@ours
@pytest.mark.parametrize("answer, words", [
    (reply(body=BODY, fields={"ETag": '"a"'}), "unexpected status code"), (reply(503, body="no"), "unexpected status code"),
    (piece("bytes 20-29/95"), "length mismatch"), (piece("bytes 20-29/94", tag='"b"'), "etag mismatch"),
    (piece("bytes 20-29/94", tag='"a"', body=b"x" * 9), "unexpected range"), (piece("bytes 0-9/94"), "unexpected range")])
def test_a_later_piece_that_does_not_fit(desk, back, answer, words):
    """What came before it is sent, then the answer is cut."""
    back.handle = lambda request: answer if request.get("Range") == "bytes=20-29" else serve(request)
    desk.may_alert = True
    with desk.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, _, body = client.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and body == BODY[:20]
    desk.wait_error(words + ".* in slice response")
    back.handle = serve


@ours
def test_a_piece_that_is_cut(desk, back):
    back.handle = lambda request: serve(request)[:-3] if request.get("Range") == "bytes=20-29" else serve(request)
    desk.may_alert = True

    def script(conn):
        asked = conn.request()
        conn.send(back.handle(asked))
    back.script = script
    with desk.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        body = client.rest().partition(b"\r\n\r\n")[2]
    assert BODY[:20] == body[:20] and len(body) < 30
    back.script, back.handle = None, serve
    assert desk.get().body == BODY, "what was cut is not stored"


def test_failures_are_passed(desk, back):
    back.handle = lambda request: reply(404, body="nothing here", reason="Not Found")
    answer = desk.get()
    assert (answer.status, answer.body) == (404, b"nothing here")
    back.handle = lambda request: None
    assert desk.get("/other").status == 502


def test_what_may_not_be_stored(desk, back):
    def handle(request):
        return serve(request).replace(b"ETag:", b"Cache-Control: no-store\r\nETag:")
    back.handle = handle
    for _ in range(2):
        assert desk.get(fields={"Range": "bytes=15-25"}).body == BODY[15:26]
    assert ranges(back) == ["bytes=10-19", "bytes=20-29"] * 2


@ours
def test_stale_pieces_are_validated(desk, back):
    def handle(request):
        if request.get("If-None-Match") == '"a"':
            return reply(304, reason="Not Modified", fields={"Cache-Control": "max-age=60", "ETag": '"a"'})
        return serve(request).replace(b"ETag:", b"Cache-Control: max-age=1\r\nETag:")
    back.handle = handle
    assert desk.get(fields={"Range": "bytes=15-25"}).body == BODY[15:26]
    time.sleep(2.1)
    for _ in range(2):
        answer = desk.get(fields={"Range": "bytes=15-25"})
        assert (answer.status, answer.body) == (206, BODY[15:26])
    count = len(ranges(back))
    assert count == 4 and back.requests[-1].get("If-None-Match") == '"a"'


@ours
def test_clients_share_pieces_on_their_way(desk, back):
    def handle(request):
        time.sleep(0.1)
        return serve(request)
    back.handle = handle
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: desk.get(timeout=20), range(10)))
    assert all(answer.body == BODY for answer in answers)
    assert sorted(ranges(back)) == sorted(f"bytes={i}-{i + 9}" for i in range(0, 94, 10))


@ours
@ours
def test_a_client_that_has_said_all_and_closed_its_side(desk, back):
    """It still gets the rest: an exchange that takes it for neither there nor gone would never end."""
    back.handle = lambda seen: time.sleep(0.3) or serve(seen)
    with desk.connect() as client:
        client.send(request())
        client.take_until(BODY[:10])
        client.sock.shutdown(socket.SHUT_WR)
        assert client.take(84) == BODY[10:]


def test_by_last_modified(desk, back):
    """Without tags another Last-Modified is another version."""
    def handle(request):
        then = imf(1420070400 + (request.get("Range") == "bytes=20-29"))
        return serve(request).replace(b'ETag: "a"', f"Last-Modified: {then}".encode())
    back.handle = handle
    desk.may_alert = True
    with desk.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.rest().partition(b"\r\n\r\n")[2] == BODY[:20]


LARGE = bytes(i * 7 % 251 for i in range(3_500_000))
LARGE_CONF = """
log_format pieces '$status $body_bytes_sent $upstream_cache_status $upstream_status';
%s
server {
    listen @P@ sndbuf=64k;
    access_log logs/pieces.log pieces;
    location / {
        slice 1m;
        proxy_cache_key $uri$slice_range;
        proxy_set_header Range $slice_range;
        proxy_cache_valid 200 206 1m;
        proxy_pass http://@O@;
        location /slow/ { limit_rate 500k; proxy_pass http://@O@; }
    }
}
"""


@pytest.fixture
def large(origin):
    return origin(lambda request: serve(request, body=LARGE))


@pytest.mark.parametrize("cache", ["proxy_cache one;", ""])
def test_large(proxy, tier, large, cache):
    """Also where nothing is cached."""
    desk = proxy((tier if cache else "") + LARGE_CONF % cache, O=large)
    for _ in range(2):
        assert desk.get(timeout=20).body == LARGE
    assert desk.get(fields={"Range": "bytes=1000000-1100000"}).body == LARGE[1000000:1100001]
    lines = desk.log_lines(3, name="logs/pieces.log")
    if cache:
        assert lines == ["200 3500000 MISS 206", "200 3500000 HIT -", "206 100001 HIT -"]
        assert len(large.requests) == 4
    else:
        assert [line.split()[:2] for line in lines] == [["200", "3500000"]] * 2 + [["206", "100001"]]


@ours
def test_a_client_that_leaves(proxy, tier, large):
    """The pieces on their way are stored, no others are asked for."""
    desk = proxy(tier + LARGE_CONF % "proxy_cache one;", O=large)
    with desk.connect(receive_buffer=4096) as client:
        client.send(request("GET", "/"))
        client.take(1000)
    desk.log_lines(1, name="logs/pieces.log")
    time.sleep(0.5)
    count = len(large.requests)
    assert count <= 2
    assert desk.get(timeout=20).body == LARGE
    assert len(large.requests) == 4


@ours
def test_one_piece_is_looked_ahead(proxy, tier, large):
    """A client that reads slowly makes nobody fetch the whole."""
    desk = proxy(tier + LARGE_CONF % "proxy_cache one;", O=large)
    with desk.connect(receive_buffer=4096, timeout=20) as client:
        client.send(request("GET", "/slow/"))
        client.take(100000)
        time.sleep(0.5)
        assert len(large.requests) == 2


@ours
def test_pages_of_errors(proxy, tier, origin):
    back = origin(lambda request: reply(500, body="broken"))
    desk = proxy(tier + """proxy_cache one; server { listen @P@; error_page 500 502 = /page; proxy_intercept_errors on;
        location / { slice 10; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range; proxy_pass http://@O@; }
        location /page { return 200 "page"; } }""", O=back)
    answer = desk.get()
    assert (answer.status, answer.body) == (200, b"page")
    back.handle = lambda request: piece("bytes 5-14/94")
    assert desk.get("/x").body == b"page"
