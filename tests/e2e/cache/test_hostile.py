# SPDX-License-Identifier: MIT
"""Clients that want others to get what is not theirs (hostile-input 2.6), that want the cache to choke, or
that merely behave badly in great numbers (F20, F25)."""
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import Client, chunk, request
from harness.origin import reply
from harness.wire import Closed

from .shelf import CACHED

pytestmark = pytest.mark.ours

FRESH = {"Cache-Control": "max-age=600"}


class Bench:
    def __init__(self, proxy, origin, tier):
        self.origin = origin(handle=self.handle)
        self.fields = dict(FRESH)
        self.number = 0
        self.lock = threading.Lock()
        self.desk = proxy(tier + """
            proxy_cache one; proxy_cache_tag cache-tag;
            add_header X-Status $upstream_cache_status always;
            keepalive_requests 100000; large_client_header_buffers 8 64k; proxy_buffer_size 128k; proxy_buffers 8 128k; proxy_busy_buffers_size 256k;
            server { listen @P@ default_server; server_name a.test; location / { proxy_pass http://@O@; } }""", O=self.origin)

    def handle(self, seen):
        """What the origin was asked for stands in the body, and a number."""
        with self.lock:
            self.number += 1
            return reply(body=f"{self.number} {seen.method} {seen.get('Host')} {seen.target} {seen.body.decode()}",
                         fields=self.fields)

    def get(self, target="/", method="GET", **rest):
        answer = self.desk.fetch(method, target, **{"host": "a.test", **rest})
        answer.is_cached = answer.get("X-Status") in CACHED
        return answer

    def count(self):
        return len(self.origin.requests)


@pytest.fixture
def bench(proxy, tier, origin):
    return Bench(proxy, origin, tier)


# ---- poisoning --------------------------------------------------------------------------------------

@pytest.mark.parametrize("chunked", [False, True])
def test_a_get_with_content_is_neither_stored_nor_served_from_the_cache(bench, chunked):
    evil = bench.get("/a", body="evil", chunked=chunked)
    assert evil.text.endswith("evil") and not evil.is_cached
    good = bench.get("/a")
    assert not good.is_cached and "evil" not in good.text
    assert bench.get("/a").is_cached
    assert bench.get("/a", body="evil").text.endswith("evil"), "it is asked for by itself"
    assert bench.get("/a").text == good.text


def test_a_head_fills_nothing_that_a_get_would_get(bench):
    for _ in range(2):
        assert bench.get("/h", method="HEAD").body == b""
    answer = bench.get("/h")
    assert answer.status == 200 and answer.body and int(answer.get("Content-Length")) == len(answer.body)


def test_an_answer_to_authorization_is_for_its_client(bench):
    mine = bench.get("/p", fields={"Authorization": "Basic eHg6eHg="})
    other = bench.get("/p")
    assert not other.is_cached and other.text != mine.text


def test_a_part_is_never_taken_for_the_whole(bench):
    bench.origin.handle = lambda seen: reply(206, {**FRESH, "Content-Range": "bytes 0-3/10"}, "0123") \
        if seen.has("Range") else reply(body="0123456789", fields=FRESH)
    for fields in ({"Range": "bytes=0-3"}, {"Range": "bytes=0-3"}, {}):
        answer = bench.get("/r", fields=fields)
        assert answer.body == (b"0123" if answer.status == 206 and fields else b"0123456789"), answer
    assert bench.get("/r").body == b"0123456789"


def test_vary_on_several_lines_counts_as_one(bench):
    bench.origin.handle = lambda seen: reply(body=f"{seen.get('X-A')} {seen.get('X-B')}",
                                             fields=[*FRESH.items(), ("Vary", "X-A"), ("Vary", "X-B")])
    for a in "12":
        for b in "12":
            assert bench.get("/v", fields={"X-A": a, "X-B": b}).text == f"{a} {b}"
    assert bench.count() == 4
    bench.origin.handle = lambda seen: reply(body=f"{seen.get('X-A')}",
                                             fields=[*FRESH.items(), ("Vary", "Accept"), ("Vary", "*")])
    assert [bench.get("/w", fields={"X-A": a}).text for a in "123"] == ["1", "2", "3"]


@pytest.mark.parametrize("host", ["a.test", "A.TEST", "a.test:80", "a.test.", "b.test", "b.test:8080", "a.test:8080", "[::1]",
                                  "a.test%2e", "a.test,b.test"])
def test_whose_host_it_is_never_matters_for_another(bench, host):
    """Whoever is answered from the cache gets what was said to a host that means the same."""
    bench.get("/x", host="a.test")
    answer = bench.get("/x", host=host)
    if answer.status == 200 and answer.is_cached:
        assert host.lower().rstrip(".").removesuffix(":80").rstrip(".") == "a.test", answer


@pytest.mark.parametrize("line, host", [("http://b.test/x", "a.test"), ("http://b.test/x", "b.test"),
                                        ("http://a.test:81/x", "a.test"), ("http://A.test/x", "a.test"),
                                        ("http://b.test@a.test/x", "a.test"), ("https://a.test/x", "a.test")])
def test_targets_in_absolute_form_are_what_they_say(bench, line, host):
    first = bench.get("/x", host="a.test")
    answer = bench.get(line, host=host)
    if answer.status == 200 and answer.is_cached:
        assert line.lower() in ("http://a.test/x", "https://a.test/x") and answer.text == first.text
    assert bench.get("/x", host="a.test").text == first.text


PATHS = ["/a/b", "//a/b", "/a//b", "/a/./b", "/a/../a/b", "/a%2fb", "/a%2Fb", "/a/b?", "/a/b?x", "/a/b%3fx", "/a/b%23", "/a/b;x",
         "/a/b%3bx", "/A/b", "/a/%62", "/a/b%20", "/a/b/", "/a/b%2e", "/a%252fb", "/a\\b", "/a%5cb", "/account.php/x.css",
         "/account.php;x.css", "/account.php%3bx.css", "/account.php%0ax.css"]


def test_odd_paths_are_never_taken_for_each_other(bench):
    """An answer from the cache is what the origin said to a target that a server may take for the same."""
    for _ in range(2):
        for path in random.Random(3).sample(PATHS, len(PATHS)):
            answer = bench.get(path)
            if answer.status == 200:
                said = answer.text.split()[3]
                assert said == path or bench.desk.address() and equal(said, path), f"{path} was answered by {said}"


def equal(said, path):
    """RFC 3986 6.2.2: dots removed, and %XX in capitals or, where it need not be, written out."""
    def plain(target):
        return target.replace("%62", "b").replace("%2e", ".").replace("%2f", "%2F").replace("%3b", "%3B").replace("%3f", "%3F") \
            .replace("%5c", "%5C").replace("/./", "/").replace("/a/../", "/")
    return plain(said) == plain(path)


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Scheme", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
                                  "Forwarded", "X-Host"])
def test_fields_that_are_no_part_of_the_key_change_nothing_here(bench, name):
    first = bench.get("/k")
    assert bench.get("/k", fields={name: "evil.test"}).text == first.text
    assert bench.count() == 1


@pytest.mark.parametrize("connection", ["Cache-Control", "Authorization, close", "Host", "Cookie", "X-Forwarded-For"])
def test_connection_takes_no_field_away_that_matters(bench, connection):
    answer = bench.get("/c", fields={"Connection": connection, "Authorization": "Basic eHg6eHg=", "Cache-Control": "no-store"})
    assert answer.status == 400 or bench.origin.last.get("Authorization") is not None
    assert not bench.get("/c").is_cached


def test_smuggled_heads_in_stored_ones(bench):
    """What an origin may not say is not stored either."""
    bench.origin.handle = lambda _: b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX: a\rSet-Cookie: b\r\nContent-Length: 1\r\n\r\nx"
    assert bench.get("/s").status == 502
    bench.origin.handle = bench.handle
    assert bench.get("/s").status == 200


# ---- too much of everything ---------------------------------------------------------------------------

def test_keys_of_all_lengths(bench):
    for length in (1, 1000, 8000, 30_000, 60_000):
        target = "/" + "k" * length
        first = bench.get(target)
        assert first.status in (200, 414), length
        if first.status == 200:
            assert bench.get(target).text == first.text
            assert bench.get(target[:-1] + "j").text != first.text


def test_a_thousand_variants_of_a_key(bench):
    """Each is right; the key's others stay quick."""
    count = 2_000
    bench.origin.handle = lambda seen: reply(body=f"for {seen.get('X-V')}", fields={**FRESH, "Vary": "X-V"})
    bench.get("/plain")
    with bench.desk.connect(timeout=20) as client:
        for i in [*range(count), *range(count - 20, count), *range(20)]:
            assert client.ask("GET", "/v", {"X-V": str(i)}).text == f"for {i}"
        begin = time.monotonic()
        for _ in range(20):
            client.ask("GET", "/plain", {"X-V": "none"})
        assert time.monotonic() - begin < 15
    assert bench.desk.worker()


def test_many_tags_and_large_heads(bench):
    tags = " ".join(f"tag{i}" for i in range(400))
    for name, fields in {"tags": {"Cache-Tag": tags}, "control": {"Cache-Control": "max-age=600, " + "x=\"y\", " * 1000 + "z"},
                         "heads": {f"X-{i}": "v" * 400 for i in range(60)}, "vary": {"Vary": ", ".join(f"X-{i}" for i in range(500))},
                         "etag": {"ETag": '"' + "e" * 8000 + '"'}}.items():
        bench.fields = {**FRESH, **fields}
        first = bench.get(f"/{name}")
        assert first.status in (200, 502), (name, first)
        if first.status == 200:
            again = bench.get(f"/{name}")
            assert all(again.get(field) == value for field, value in fields.items() if field != "Cache-Tag"), name
            assert not again.is_cached or again.text == first.text
    bench.fields = dict(FRESH)
    assert bench.get("/after").status == 200


def test_thousands_of_ranges(bench):
    body = bytes(range(256)) * 40
    bench.origin.handle = lambda _: reply(body=body, fields=FRESH)
    bench.get("/r")
    for value in ("bytes=" + ",".join(f"{i}-{i}" for i in range(2000)), "bytes=" + ",".join(["0-"] * 1500),
                  "bytes=" + ",".join(["-1"] * 1000), "bytes=0-18446744073709551615", "bytes=18446744073709551614-", "bytes=5-3",
                  "bytes=-0", "bytes=" + "9" * 4000 + "-"):
        answer = bench.get("/r", fields={"Range": value})
        assert answer.status in (200, 206, 416), value[:40]
        assert len(answer.body) <= 2 * len(body), "no amplification"
        assert answer.status != 200 or answer.body == body
    assert bench.count() == 1


def test_keys_that_look_alike(bench):
    """Many that a hash without a secret would throw together: all are found again."""
    targets = [f"/{'%c%c' % (97 + i % 26, 97 + i // 26 % 26)}?{i:06}" for i in range(1500)] + [f"/{'0' * i}" for i in range(1, 300)]
    with bench.desk.connect(timeout=20) as client:
        first = [client.ask("GET", target).text for target in targets]
        assert all(text.split()[3] == target for text, target in zip(first, targets))
        again = [client.ask("GET", target).text for target in targets]
    assert sum(a == b for a, b in zip(first, again)) > len(targets) * 0.95
    assert all(text.split()[3] == target for text, target in zip(again, targets))


# ---- crowds -----------------------------------------------------------------------------------------

@pytest.mark.slow
def test_a_stampede_on_what_is_expired(proxy, tier, origin):
    """F25: 500 clients, one request to the origin."""
    bench = Bench(proxy, origin, tier)
    bench.fields = {"Cache-Control": "max-age=1", "ETag": '"x"'}
    bench.get("/e")
    time.sleep(2.1)

    def slowly(seen):
        time.sleep(0.7)
        return bench.handle(seen)

    bench.origin.handle = slowly
    clients = [bench.desk.connect(timeout=15) for _ in range(500)]
    bench.fields = dict(FRESH)
    try:
        for client in clients:
            client.send(request(target="/e", host="a.test"))
        answers = {client.response().text for client in clients}
    finally:
        for client in clients:
            client.close()
    assert bench.count() == 2 and len(answers) == 1 and answers.pop().startswith("2 ")


@pytest.mark.slow
def test_some_stalled_clients_slow_nobody(proxy, tier, origin):
    """10 of 60 take nothing of what is being filled: it is kept in memory, or in a file."""
    body = random.Random(1).randbytes(3_000_000)
    bench = Bench(proxy, origin, tier.replace("keys_zone=one:10m", "keys_zone=one:64m"))
    begin = threading.Event()

    def script(conn):
        conn.request()
        begin.wait(10)
        conn.send(reply(body=body, fields=FRESH))
        conn.hang(10)

    bench.origin.script = script
    stalled = [bench.desk.connect(receive_buffer=4096) for _ in range(10)]
    for client in stalled:
        client.send(request(target="/s", host="a.test"))
    with ThreadPoolExecutor(50) as threads:
        answers = [threads.submit(bench.get, "/s", timeout=20) for _ in range(50)]
        time.sleep(0.3)
        begin.set()
        assert all(answer.result().body == body for answer in answers)
    for client in stalled:
        client.sock.settimeout(20)
        assert client.response().body == body
        client.close()
    assert bench.count() == 1


@pytest.mark.slow
def test_clients_reset_in_the_middle(proxy, tier, origin):
    """F20: every second one; nothing is left of them, and what they asked for is whole."""
    bodies = {f"/{i}": random.Random(i).randbytes(20_000 + 150_000 * (i % 4)) for i in range(12)}
    bench = Bench(proxy, origin, tier)
    bench.origin.handle = lambda seen: reply(body=bodies[seen.target.split("?")[0]], fields=FRESH, chunked=len(seen.target) % 2 == 1)

    def one(number):
        chance = random.Random(number)
        target = f"/{chance.randrange(12)}?{chance.randrange(12)}"
        with Client(bench.desk.address(), timeout=20) as client:
            client.send(request(target=target, host="a.test"))
            if number % 2 == 0:
                assert client.response().body == bodies[target.split("?")[0]]
                return
            try:
                client.take(1 + chance.randrange(15_000))
            except Closed:
                pass
            client.reset()

    def crowd(numbers):
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(one, numbers))
    crowd(range(600))
    before = bench.desk.footprint()
    crowd(range(600, 1600))
    bench.desk.wait_settled(before, spare_kb=6000)


def test_clients_that_send_bodies_and_leave(bench):
    """Uploads that end early for a key that is stored: neither the key nor the worker minds."""
    first = bench.get("/u")
    for i in range(30):
        client = bench.desk.connect()
        client.send(b"GET /u HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * 100))
        client.reset() if i % 2 else client.close()
    assert bench.get("/u").text == first.text


def test_a_client_that_closes_its_side_has_what_is_stored(bench):
    first = bench.get("/f")
    with bench.desk.connect() as client:
        client.send(request(target="/f", host="a.test"))
        client.sock.shutdown(socket.SHUT_WR)
        assert client.response().text == first.text
