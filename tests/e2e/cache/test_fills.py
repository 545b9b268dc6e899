# SPDX-License-Identifier: MIT
"""How a response gets into the cache while others want it, or while something goes wrong on the way:
RFC 9111 sections 3.3 and 4 (collapsed requests), RFC 9110 section 15.2 (interim responses)."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import Client, request
from harness.origin import reply
from harness.wire import Closed

pytestmark = pytest.mark.ours

FRESH = {"Cache-Control": "max-age=60"}


class Bench:
    """An origin of the test's own behind the shared configuration."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.origin = proxy.origin

    def get(self, target="/", **rest):
        return self.proxy.get(target, **rest)

    def many(self, count, target="/", fields=(), after=0.0):
        """The answers to that many clients at a time; None for one whose answer was cut."""
        def one(number):
            time.sleep(after * number)
            try:
                return self.proxy.get(target, fields=fields)
            except Closed:
                return None
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(one, range(count)))

    def count(self):
        return len(self.origin.requests)


@pytest.fixture
def bench(proxy, tier, origin):
    back = origin()
    desk = proxy(tier + """
        proxy_cache one;
        server { listen @P@; location / { proxy_pass http://@O@; } }""", O=back)
    desk.origin = back
    return Bench(desk)


def slowly(seconds, answer):
    """An answer that takes its time, with a body that counts."""
    lock, numbers = threading.Lock(), []

    def handle(_):
        with lock:
            numbers.append(1)
            number = len(numbers)
        time.sleep(seconds)
        return answer(number)
    return handle


def test_concurrent_misses_are_one_request(bench):
    bench.origin.handle = slowly(0.5, lambda number: reply(body=f"body {number}", fields=FRESH))
    answers = bench.many(20)
    assert {answer.body for answer in answers} == {b"body 1"}
    assert bench.count() == 1


def test_concurrent_misses_of_different_uris_do_not_wait_for_each_other(bench):
    bench.origin.handle = slowly(2, lambda number: reply(body="x", fields=FRESH))
    before = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bench.get, [f"/{i}" for i in range(8)]))
    assert bench.count() == 8
    assert time.monotonic() - before < 12, "one after the other would be sixteen seconds"


def test_what_may_not_be_stored_is_not_shared(bench):
    bench.origin.handle = slowly(0.3, lambda number: reply(body=f"body {number}", fields={"Cache-Control": "no-store"}))
    answers = bench.many(6)
    assert len({answer.body for answer in answers}) == 6
    assert bench.count() == 6
    says = [answer.get("Cache-Status") for answer in answers]       # RFC 9211 2.2: the wait was in vain
    assert all("fwd-status=200" in one for one in says), says
    assert any("collapsed=?0" in one for one in says) and not any(one.endswith("collapsed") for one in says), says


def test_those_who_waited_for_what_is_private_do_not_go_one_by_one(bench):
    bench.origin.handle = slowly(1.5, lambda number: reply(body=f"body {number}", fields={"Cache-Control": "private"}))
    before = time.monotonic()
    bench.many(10)
    assert time.monotonic() - before < 12, "one after the other would be fifteen seconds"


def test_those_who_waited_for_an_internal_redirect_do_not_go_one_by_one(proxy, tier, origin):
    back = origin()
    desk = proxy(tier + """
        proxy_cache one;
        server { listen @P@; location / { proxy_pass http://@O@; }
                 location = /inside { internal; return 200 inside; } }""", O=back)
    desk.origin = back
    back.handle = slowly(1.5, lambda number: reply(body="x", fields={**FRESH, "X-Accel-Redirect": "/inside"}))
    before = time.monotonic()
    assert {answer.body for answer in Bench(desk).many(12)} == {b"inside"}
    assert time.monotonic() - before < 14, "one after the other would be eighteen seconds"


def test_variants_are_not_mixed_among_those_who_wait(bench):
    def handle(seen):
        time.sleep(0.3)
        return reply(body=f"for {seen.get('X-Lang')}", fields={**FRESH, "Vary": "X-Lang"})
    bench.origin.handle = handle
    with ThreadPoolExecutor(9) as threads:
        answers = list(threads.map(lambda i: (i % 3, bench.get(fields={"X-Lang": str(i % 3)})), range(9)))
    assert all(answer.body == f"for {lang}".encode() for lang, answer in answers)


def test_an_origin_that_varies_now_by_this_and_now_by_that(bench):
    """Who is sent from the fill of one variant to that of another, and back, does not go in circles."""
    may_end = threading.Event()
    varies = {"0": "X-A", "9": "X-B", "8": "X-B", "2": "X-A"}

    def script(conn):
        seen = conn.request()
        b = seen.get("X-B")
        slow = b in ("9", "8") or (seen.get("X-A"), b) == ("5", "2")
        body = (seen.get("X-A") + b) * 10
        answer = reply(body=body, fields={**FRESH, "Vary": varies[b]})
        conn.send(answer[:-10] if slow else answer)
        if slow:
            may_end.wait(15)
            conn.send(answer[-10:])

    bench.origin.script = script
    bench.get(fields={"X-A": "0", "X-B": "0"})
    clients = []
    for a, b in (("1", "9"), ("5", "8"), ("5", "2"), ("1", "2")):
        clients.append(Client(bench.proxy.address(), timeout=10))
        clients[-1].send(request(fields={"X-A": a, "X-B": b}))
        clients[-1].take_until(b"\r\n\r\n" + (a + b).encode() * 5)
    may_end.set()
    for client in clients:
        client.close()
    assert bench.count() == 5


def test_followers_read_while_the_leader_fills(bench):
    """The second client has the first bytes before the origin has sent the last."""
    may_end = threading.Event()

    def script(conn):
        conn.request()
        conn.send(reply(body="x" * 20, fields=FRESH)[:-10])
        may_end.wait(5)
        conn.send("x" * 10)

    bench.origin.script = script
    with Client(bench.proxy.address()) as leader, Client(bench.proxy.address()) as follower:
        leader.send(request())
        leader.take_until(b"xxxxxxxxxx")
        follower.send(request())
        follower.take_until(b"xxxxxxxxxx")
        may_end.set()
        assert leader.take(10) == follower.take(10) == b"x" * 10
    assert bench.count() == 1


def test_the_leader_leaves_and_the_response_is_stored(bench):
    may_end = threading.Event()

    def script(conn):
        conn.request()
        conn.send(reply(body="x" * 20, fields=FRESH)[:-10])
        may_end.wait(5)
        conn.send("x" * 10)

    bench.origin.script = script
    leader = Client(bench.proxy.address())
    leader.send(request())
    leader.take_until(b"xxxxxxxxxx")
    leader.close()
    time.sleep(0.2)
    may_end.set()
    assert bench.get().body == b"x" * 20
    assert bench.get().body == b"x" * 20
    assert bench.count() == 1


def test_the_leader_leaves_and_the_answer_is_an_internal_redirect(proxy, tier, origin):
    """There is nobody for whom to follow it: what it leads to has no reader, and would wait for one for ever."""
    back = origin()
    desk = proxy(tier + """
        server { listen @P@; location / { proxy_pass http://@O@; proxy_cache one; }
                 location = /inside { internal; proxy_pass http://@O@; } }""", O=back)
    asked, may_go_on = threading.Event(), threading.Event()

    def handle(seen):
        if seen.target == "/":
            asked.set()
            may_go_on.wait(5)
            return reply(fields={**FRESH, "X-Accel-Redirect": "/inside"})
        return reply(body="x" * 3_000_000)

    back.handle = handle
    leader = Client(desk.address())
    leader.send(request())
    assert asked.wait(5)
    leader.close()
    desk.log_lines(1)                    # it has left
    may_go_on.set()
    time.sleep(0.5)
    assert [seen.target for seen in back.requests] == ["/"]
    assert desk.get("/next").status == 200


def test_the_leader_leaves_in_its_own_body(proxy, tier, origin):
    """What it has not said nobody can: the origin is not left waiting for the rest."""
    ended = threading.Event()

    def script(conn):
        try:
            conn.request()
        except Closed:
            ended.set()

    desk = proxy(tier + """
        server { listen @P@; proxy_request_buffering off; proxy_http_version 1.1;
                 location / { proxy_pass http://@O@; proxy_cache one; proxy_cache_methods POST; } }""", O=origin(script=script))
    with desk.connect() as leader:
        leader.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + "x" * 500)
        time.sleep(0.3)
    assert ended.wait(5)


def test_the_leader_leaves_and_followers_stay(bench):
    may_end = threading.Event()

    def script(conn):
        conn.request()
        conn.send(reply(body="x" * 20, fields=FRESH)[:-10])
        may_end.wait(5)
        conn.send("x" * 10)

    bench.origin.script = script
    with Client(bench.proxy.address()) as leader, Client(bench.proxy.address()) as follower:
        leader.send(request())
        leader.take_until(b"xxxxxxxxxx")
        follower.send(request())
        follower.take_until(b"xxxxxxxxxx")
        leader.close()
        time.sleep(0.1)
        may_end.set()
        assert follower.take(10) == b"x" * 10
    assert bench.count() == 1


def test_a_leader_that_is_cut_cuts_its_followers_and_leaves_nothing(bench):
    """Whoever has begun to read sees that it is not whole; nobody later gets a piece for the whole."""
    def script(conn):
        conn.request()
        conn.send(reply(body="x" * 2000, fields=FRESH)[:-1000])
        time.sleep(0.5)

    bench.origin.script = script
    answers = bench.many(5, after=0.02)
    assert all(answer is None or answer.status >= 500 for answer in answers), answers
    bench.origin.script = None
    bench.origin.handle = lambda _: reply(body="y" * 2000, fields=FRESH)
    assert bench.get().body == b"y" * 2000


def test_a_leader_without_an_answer_is_not_the_end_of_those_who_wait(bench):
    """The first request is dropped without a word; the others are served all the same."""
    lock, numbers = threading.Lock(), []

    def handle(_):
        with lock:
            numbers.append(1)
            number = len(numbers)
        time.sleep(0.3)
        return None if number == 1 else reply(body="whole", fields=FRESH)

    bench.origin.handle = handle
    answers = bench.many(8, after=0.01)
    assert sum(answer.body == b"whole" for answer in answers) >= 7
    assert bench.count() <= 4, "a stampede"


def test_concurrent_validations_are_one_request(bench):
    fresh = [False]

    def handle(seen):
        if seen.has("If-None-Match"):
            time.sleep(0.4)
            fresh[0] = True
            return reply(304, reason="Not Modified", fields={**FRESH, "ETag": '"a"'})
        return reply(body="old", fields={"Cache-Control": "max-age=1", "ETag": '"a"'})

    bench.origin.handle = handle
    bench.get()
    time.sleep(2.1)
    answers = bench.many(10)
    assert {answer.body for answer in answers} == {b"old"}
    assert bench.count() == 2


def test_one_update_in_the_background_for_many(bench):
    numbers, may_end = [], threading.Event()

    def handle(_):
        numbers.append(1)
        if len(numbers) > 1:
            may_end.wait(15)
        return reply(body=f"body {len(numbers)}", fields={"Cache-Control": "max-age=1, stale-while-revalidate=60"})

    bench.origin.handle = handle
    bench.get()
    time.sleep(2.1)
    answers = bench.many(20)             # nobody waits for it, or it would be cut
    assert {answer.body for answer in answers} == {b"body 1"}
    bench.origin.wait_requests(2)
    assert bench.count() == 2
    may_end.set()


def test_unsafe_requests_are_never_collapsed(bench):
    bench.origin.handle = slowly(0.2, lambda number: reply(body=f"body {number}", fields=FRESH))
    with ThreadPoolExecutor(5) as threads:
        answers = list(threads.map(lambda _: bench.proxy.fetch("POST", "/", body=b"x"), range(5)))
    assert len({answer.body for answer in answers}) == 5


def test_an_invalidation_during_a_fill_is_not_lost(bench):
    """RFC 9111 4.4: what was asked for before a POST was answered must not answer requests behind it."""
    may_end = threading.Event()

    def handle(seen):
        if seen.method == "POST":
            return reply(204, reason="No Content")
        if len(bench.origin.requests) == 1:
            may_end.wait(5)
            return reply(body="old", fields=FRESH)
        return reply(body="new", fields=FRESH)

    bench.origin.handle = handle
    with Client(bench.proxy.address()) as leader:
        leader.send(request())
        bench.origin.wait_requests(1)
        assert bench.proxy.fetch("POST", "/", body=b"x").status == 204
        may_end.set()
        leader.response()
    assert bench.get().body == b"new"


@pytest.mark.parametrize("interim", [
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nCache-Control: no-store\r\nX-Early: 1\r\n\r\n" * 2, "HTTP/1.1 199 Odd\r\n\r\n"])
def test_interim_responses_are_not_stored(bench, interim):
    """RFC 9111 3: only a final response is; and what an interim one says is not about the final one."""
    def script(conn):
        conn.request()
        conn.send(interim.encode() + reply(body="final", fields=FRESH))
        conn.hang()

    bench.origin.script = script
    first = bench.get()
    assert first.body == b"final" and first.status == 200
    second = bench.get()
    assert second.body == b"final" and second.status == 200 and not second.interim
    assert second.get("Cache-Control") == "max-age=60" and not second.has("Link") and not second.has("X-Early")
    assert bench.count() == 1


def test_a_slow_head_of_the_response(bench):
    """A head that comes byte by byte is stored as one that comes at once."""
    def script(conn):
        conn.request()
        for byte in reply(body="whole", fields={**FRESH, "X-A": "1"}):
            conn.send(bytes([byte]))
            time.sleep(0.002)
        conn.hang()

    bench.origin.script = script
    assert bench.get().body == b"whole"
    second = bench.get()
    assert second.body == b"whole" and second.get("X-A") == "1"
    assert bench.count() == 1


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 65535, 65536, 65537, 1000003, 5000000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_bodies_of_many_sizes(bench, size, framing):
    body = bytes(i * 7 % 251 for i in range(1009)) * (size // 1009 + 1)
    body = body[:size]
    bench.origin.handle = lambda _: reply(body=body, fields=FRESH, chunked=framing == "chunked", length=framing == "length")
    assert bench.get().body == body
    assert bench.get().body == body
    assert bench.count() == 1


def test_many_objects_keep_apart(bench):
    bench.origin.handle = lambda seen: reply(body=f"this is {seen.target} " * 50, fields=FRESH)
    targets = [f"/{i}/{i * i}?{i}" for i in range(300)]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(2):
            for target, answer in zip(targets, threads.map(bench.get, targets)):
                assert answer.body == f"this is {target} ".encode() * 50
    assert bench.count() == 300


def test_the_client_reads_slowly(bench):
    """A client that does not read keeps nobody else from the response."""
    body = b"x" * 3000000
    bench.origin.handle = lambda _: reply(body=body, fields=FRESH)
    with Client(bench.proxy.address(), receive_buffer=4096) as slow:
        slow.send(request())
        slow.take(1000)
        assert bench.get(timeout=10).body == body
    assert bench.count() == 1


def test_a_reload_keeps_what_is_stored(bench):
    bench.origin.handle = lambda _: reply(body=f"body {bench.count()}", fields=FRESH)
    assert bench.get().body == b"body 1"
    bench.proxy.reload()
    bench.proxy.wait_error(r"signal 1|HUP|reload")
    time.sleep(0.5)
    assert bench.get().body == b"body 1"


def test_an_origin_of_http_1_0(bench):
    bench.origin.handle = lambda _: reply(body="old school", fields={"Expires": "Thu, 01 Jan 2099 00:00:00 GMT"}, version="1.0")
    assert bench.get().body == b"old school"
    assert bench.get().body == b"old school"
    assert bench.count() == 1


def test_a_client_of_http_1_0(bench):
    bench.origin.handle = lambda _: reply(body="whole", fields=FRESH, chunked=True)
    for _ in range(2):
        assert bench.get(version="1.0").body == b"whole"
    assert bench.count() == 1


def test_pipelined_hits_come_in_order(bench):
    bench.origin.handle = lambda seen: reply(body=f"this is {seen.target}", fields=FRESH)
    targets = ["/a", "/b", "/c", "/a", "/b", "/c", "/a"]
    with Client(bench.proxy.address()) as client:
        for _ in range(2):
            client.send(b"".join(request(target=target) for target in targets))
            assert [client.response().body for _ in targets] == [f"this is {target}".encode() for target in targets]
    assert bench.count() == 3


def test_a_head_that_is_large(bench):
    fields = {**FRESH, **{f"X-Field-{i}": "v" * 40 for i in range(60)}}
    bench.origin.handle = lambda _: reply(body="x", fields=fields)
    bench.get()
    answer = bench.get()
    assert all(answer.get(name) == value for name, value in fields.items())
    assert bench.count() == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_that_are_too_large_to_keep(bench, framing):
    """Larger than the zone's memory: each client gets the whole, whether or not it is kept."""
    body = bytes(range(256)) * 40000
    bench.origin.handle = lambda _: reply(body=body, fields=FRESH, chunked=framing == "chunked")
    for _ in range(3):
        assert bench.get(timeout=10).body == body
    assert all(answer.body == body for answer in bench.many(3, "/another"))
