# SPDX-License-Identifier: MIT
"""Purging by request (proxy_cache_purge): what is purged, that it is gone when the answer comes and stays so,
and what is refused."""
import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client import Client, request
from harness.origin import reply
from harness.shim import shim_environment
from test_control import reload

pytestmark = pytest.mark.ours

METHOD = "map $request_method $is_purge { PURGE 1; default 0; }\n"
SITE = METHOD + """
proxy_cache one;
proxy_cache_tag Surrogate-Key;
proxy_cache_purge $is_purge;
server {
    listen @P@;
    location / { proxy_pass http://@O@; }
}
"""


def store(path="store"):
    return f"proxy_cache_path @DIR@/{path} keys_zone=one:10m;"


def answer(request):
    """Numbered, so that one who gets the same twice has it from the cache; told by the query how it is marked."""
    said = {"Cache-Control": "max-age=600"}
    for word in filter(None, request.target.partition("?")[2].split("&")):
        name, _, value = word.partition("=")
        said.update({"tag": {"Surrogate-Key": value.replace("+", " ")}, "vary": {"Vary": value},
                     "swr": {"Cache-Control": f"max-age=600, stale-while-revalidate={value}"},
                     "etag": {"ETag": f'"{value}"'}}.get(name, {}))
    if "ETag" in said and request.get("If-None-Match") == said["ETag"]:
        return reply(304, fields=said)
    size = int(request.target.partition("size=")[2] or 0)
    return reply(fields=said, body=f"{request.connection} {request.number} {request.at} {request.target}".ljust(size, "x"))


class Bench:
    """A proxy with its origin; is_kept() tells whether the answer is the one that came before."""

    def __init__(self, proxy, origin, http, **more):
        self.origin = origin(answer)
        self.proxy = proxy(http, O=self.origin, **more)
        self.last = {}

    def get(self, target, **rest):
        done = self.proxy.get(target, **rest)
        assert done.status == 200, done
        return done.text

    def fill(self, *targets, **rest):
        for target in targets:
            self.last[target, str(rest)] = text = self.get(target, **rest)
            assert self.get(target, **rest) == text, f"{target} is not cached"

    def is_kept(self, target, **rest):
        """Asks once: afterwards a new one is stored."""
        text, former = self.get(target, **rest), self.last[target, str(rest)]
        self.last[target, str(rest)] = text
        return text == former

    def purge(self, target="/", *fields, status=204, method="PURGE", **rest):
        seen = len(self.origin.requests)
        done = self.proxy.fetch(method, target, fields, **rest)
        assert done.status == status, done
        assert status != 204 or done.body == b""
        assert len(self.origin.requests) == seen, "a purge is nothing for the origin"
        return done.text

    def wait_on_disk(self, target):
        """A large body may still be on its way there when all of it was served; TERM does not wait for it."""
        self.proxy.wait_for(lambda: "on disk" in self.proxy.run("cache", "show", f"http://localhost{target}").stdout, 20,
                            f"{target} to be written")

    def forget_memory(self):
        """What comes afterwards comes from the disk."""
        self.proxy.stop()
        self.restart()

    def restart(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.proxy.pid_file)          # of one that was killed
        self.proxy.start()


@pytest.fixture
def bench(proxy, origin):
    def make(http, **more):
        return Bench(proxy, origin, http, **more)
    return make


@pytest.fixture
def site(bench, tier):
    return bench(tier + SITE)


# ---- what goes --------------------------------------------------------------------------------------

def test_a_key(site):
    site.fill("/a", "/b", "/a?q")
    site.purge("/a")
    assert not site.is_kept("/a") and site.is_kept("/b") and site.is_kept("/a?q")
    assert site.is_kept("/a"), "what came after the purge stays"
    site.proxy.wait_error(r'cache "one": purged key http://localhost/a,')


def test_a_key_of_which_nothing_is_cached(site):
    site.purge("/never")
    site.fill("/never")
    assert site.is_kept("/never")


def test_another_host_has_other_keys(site):
    site.fill("/a", host="one.test")
    site.fill("/a", host="two.test")
    site.purge("/a", host="one.test")
    assert not site.is_kept("/a", host="one.test") and site.is_kept("/a", host="two.test")


def test_all_variants_of_a_key(site):
    german, english = (("X-L", "de"),), (("X-L", "en"),)
    site.fill("/a?vary=X-L", fields=german)
    site.fill("/a?vary=X-L", fields=english)
    site.purge("/a?vary=X-L")
    assert not site.is_kept("/a?vary=X-L", fields=german) and not site.is_kept("/a?vary=X-L", fields=english)


def test_a_prefix(site):
    site.fill("/i/a", "/i/b?c", "/i/", "/i", "/j")
    site.purge("/i/*")
    assert not any(map(site.is_kept, ("/i/a", "/i/b?c", "/i/"))) and site.is_kept("/i") and site.is_kept("/j")


def test_tags(site):
    site.fill("/1?tag=a+b", "/2?tag=b", "/3?tag=c", "/4?tag=d", "/5")
    site.purge("/", ("Surrogate-Key", "a"))
    assert not site.is_kept("/1?tag=a+b") and site.is_kept("/2?tag=b") and site.is_kept("/5")
    site.purge("/5", ("Purge-Tag", "b, c"), ("Purge-Tag", "e"))
    assert not site.is_kept("/1?tag=a+b") and not site.is_kept("/2?tag=b") and not site.is_kept("/3?tag=c")
    assert site.is_kept("/4?tag=d") and site.is_kept("/5"), "the URL is not meant where tags are"


def test_an_answer_with_more_tags_than_are_kept_is_not_stored(site):
    most = "/many?tag=" + "+".join(f"t{i}" for i in range(255))
    site.fill(most)
    site.purge("/", ("Purge-Tag", "t254"))
    assert not site.is_kept(most)
    for more in (most + "+t255", "/long?tag=" + "x" * 257):
        done = [site.proxy.get(more) for _ in range(2)]
        assert done[0].body != done[1].body and "more tags or groups" in done[1].get("Cache-Status")


def test_more_groups_than_are_kept(bench, tier):
    """As of tags; they are of RFC 9875, which leaves a limit to the cache."""
    site = bench(tier + SITE)
    for count, is_stored in ((255, True), (256, False)):
        groups = ", ".join(f'"g{i}"' for i in range(count))
        site.origin.handle = lambda seen: reply(fields={"Cache-Control": "max-age=600", "Cache-Groups": groups}, body=f"{seen.at}")
        assert (site.get(f"/{count}") == site.get(f"/{count}")) == is_stored


def test_a_host(site):
    site.fill("/a", "/b", host="one.test")
    site.fill("/a", host="two.test")
    site.purge("/", ("Purge-Host", "ONE.test.:8080"))
    assert not site.is_kept("/a", host="one.test") and not site.is_kept("/b", host="one.test")
    assert site.is_kept("/a", host="two.test")


def test_everything(site):
    site.fill("/a", "/b?tag=t")
    site.purge("/", ("Purge-All", "1"))
    assert not site.is_kept("/a") and not site.is_kept("/b?tag=t")
    assert site.is_kept("/a")


def test_a_large_body(site):
    site.fill("/a?size=3000000")
    site.purge("/a?size=3000000")
    assert not site.is_kept("/a?size=3000000")


@pytest.mark.parametrize("method", ["PURGE", "GET", "HEAD", "POST", "DELETE"])
def test_by_whatever_method(bench, tier, method):
    """Any request is a purge when its string is neither empty nor 0."""
    site = bench(tier + SITE.replace("$is_purge;", "'' $http_x_purge;"))
    site.fill("/a")
    site.purge("/a", ("X-Purge", "yes"), method=method)
    assert not site.is_kept("/a")


def test_others_are_no_purges(bench, tier):
    site = bench(tier + SITE.replace("$is_purge;", "$http_x_purge 0;"))
    site.fill("/a")
    for fields in ((), (("X-Purge", "0"),), (("X-Purge", ""),)):
        assert site.proxy.fetch("PURGE", "/a", fields).status == 200
        assert site.origin.last.method == "PURGE", "it is the origin's"
    site.fill("/c")
    assert site.get("/c", fields=(("X-Purge", "0"), ("Purge-All", "1"))) == site.last["/c", "{}"]


@pytest.mark.parametrize("key", ["$request_method$host$request_uri", "$verb$host$uri", "$host$uri-$http_x_k", "fixed"])
def test_keys_of_ones_own(bench, tier, key):
    """Made as for the requests whose answers are kept, maps included."""
    site = bench("map $request_method $verb { PURGE wrong; default $request_method; }" +
                 tier + SITE.replace("proxy_cache one;", f"proxy_cache one; proxy_cache_key '{key}';"))
    fields = (("X-K", "k"),)
    site.fill("/a", fields=fields)
    if "x_k" in key:
        site.purge("/a")
        assert site.is_kept("/a", fields=fields), "of another key"
    site.purge("/a", *fields)
    assert not site.is_kept("/a", fields=fields)


def test_what_head_is_kept_under(bench, tier):
    """Without proxy_cache_convert_head a key may tell HEAD and GET apart: both go."""
    site = bench(tier + SITE.replace("proxy_cache one;", "proxy_cache one; proxy_cache_convert_head off; "
                                                         "proxy_cache_key $request_method$host$uri;"))
    site.fill("/a")
    site.purge("/a")
    assert not site.is_kept("/a")
    site.proxy.wait_error("purged key HEADlocalhost/a,")


def test_a_key_that_does_not_end_with_the_path(bench, tier):
    site = bench(tier + SITE.replace("proxy_cache one;", "proxy_cache one; proxy_cache_key '$uri $host';"))
    site.fill("/a/b")
    assert "does not end with the path" in site.purge("/a/*", status=400)
    assert site.is_kept("/a/b")
    site.purge("/a/b")
    assert not site.is_kept("/a/b")


def test_zones_by_variable(bench):
    site = bench("""proxy_cache_path memory: keys_zone=one:8m; proxy_cache_path memory: keys_zone=two:8m;
                    map $http_x_zone $zone { default one; two two; no off; }""" +
                 SITE.replace("proxy_cache one;", "proxy_cache $zone;"))
    two = (("X-Zone", "two"),)
    site.fill("/a?tag=t")
    site.fill("/a?tag=t", fields=two)
    site.purge("/a?tag=t", *two)
    assert site.is_kept("/a?tag=t") and not site.is_kept("/a?tag=t", fields=two)
    site.purge("/", ("Purge-All", "1"))
    assert not site.is_kept("/a?tag=t") and site.is_kept("/a?tag=t", fields=two)
    site.purge("/", ("Purge-Tag", "t"), *two)
    assert not site.is_kept("/a?tag=t", fields=two)
    assert site.purge("/a", ("X-Zone", "no"), status=404) == "no cache here\n"


def test_what_has_gone_from_memory(bench):
    """What lies on the disk alone is purged like everything."""
    site = bench(store() + SITE)
    names = ("/a", "/b", "/c?tag=t", "/d/e", "/f", "/g?size=3000000")
    site.fill(*names)
    site.forget_memory()
    assert site.is_kept("/f"), "a disk keeps"
    site.forget_memory()
    site.purge("/a")
    site.purge("/", ("Purge-Tag", "t"))
    site.purge("/d/*")
    site.purge("/g?size=3000000")
    assert not any(map(site.is_kept, ("/a", "/c?tag=t", "/d/e", "/g?size=3000000")))
    assert site.is_kept("/b") and site.is_kept("/f")


# ---- who may ----------------------------------------------------------------------------------------

def test_access_comes_first(bench, tier):
    site = bench(tier + SITE.replace("location / {", """location / { error_page 403 /page; deny all; proxy_pass http://@O@; }
        location /page { proxy_pass http://@O@; } location /open {"""))
    site.fill("/open", "/page")
    seen = len(site.origin.requests)
    assert site.proxy.fetch("PURGE", "/a", (("Purge-All", "1"),)).status == 403
    assert len(site.origin.requests) == seen, "the page came from the cache"
    assert site.is_kept("/open") and site.is_kept("/page"), "nobody was let in by way of the error page"
    site.purge("/open")
    assert not site.is_kept("/open")


def test_from_the_inside_only(bench, tier):
    """An example of docs/caching.md; what others send is an ordinary request."""
    site = bench(r"""map "$request_method $remote_addr" $may_purge { default 0; "~^PURGE (127\.|10\.|::1$)" 1; }""" + "\n" +
                 tier + SITE.replace("$is_purge;", "$may_purge;").replace("listen @P@;", """listen @P@;
                 set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;"""))
    site.fill("/a")
    assert site.proxy.fetch("PURGE", "/b", (("X-Real-IP", "192.0.2.1"), ("Purge-All", "1"))).status == 200
    assert site.origin.last.method == "PURGE"
    site.fill("/a")
    site.purge("/a")
    assert not site.is_kept("/a")


def test_a_server_for_purges_alone(bench, tier):
    """The other example: the key is made of the Host field, so it is the public server's."""
    site = bench(tier + """proxy_cache one;
        server { listen @P@; location / { proxy_pass http://@O@; } }
        server { listen @INSIDE@; allow 127.0.0.1; deny all;
                 location / { proxy_cache_purge 1; proxy_pass http://@O@; } }""")
    site.fill("/a", "/b", host="h.test")
    site.purge("/a", to="INSIDE", host="h.test", method="GET")
    assert not site.is_kept("/a", host="h.test") and site.is_kept("/b", host="h.test")
    site.purge("/*", to="INSIDE", host="h.test")
    assert not site.is_kept("/a", host="h.test") and not site.is_kept("/b", host="h.test")


def test_limits_apply(bench, tier):
    site = bench("limit_req_zone $is_purge zone=purges:1m rate=1r/m;" + tier +
                 SITE.replace("listen @P@;", "listen @P@; limit_req zone=purges;"))
    site.purge("/a")
    assert site.purge("/a", status=503)


# ---- what is refused --------------------------------------------------------------------------------

@pytest.mark.parametrize("fields, words", [
    ((("Purge-Tags", "a"),), "no such field"),
    ((("Purge-All", "yes"),), "no other value than 1"),
    ((("Purge-Soft", "0"),), "no other value than 1"),
    ((("Purge-Tag", " , "),), "no tag"),
    ((("Purge-Tag", " ".join(map(str, range(256)))),), "more tags"),
    ((("Purge-Host", "a b"),), "no name of a host"),
    ((("Purge-Host", "a"), ("Surrogate-Key", "b")), "more than one"),
])
def test_nothing_is_purged_that_is_not_understood(site, fields, words):
    site.fill("/a?tag=a", "/b")
    assert words in site.purge("/a?tag=a", *fields, status=400)
    assert site.is_kept("/a?tag=a") and site.is_kept("/b")


def test_a_field_of_purges_in_another_request(site):
    site.fill("/a")
    assert site.get("/a", fields=(("Purge-All", "1"), ("Purge-Nonsense", "1"))) == site.last["/a", "{}"]


# ---- softly -----------------------------------------------------------------------------------------

def test_softly_is_validated(site):
    site.fill("/a?etag=e", "/b")
    site.purge("/a?etag=e", ("Purge-Soft", "1"))
    assert site.is_kept("/a?etag=e") and site.origin.last.get("If-None-Match") == '"e"'
    seen = len(site.origin.requests)
    assert site.is_kept("/a?etag=e") and site.is_kept("/b") and len(site.origin.requests) == seen


@pytest.mark.parametrize("fields", [(), (("Purge-Host", "localhost"),), (("Purge-All", "1"),), (("Purge-Tag", "t"),)])
def test_softly_is_served_while_it_is_renewed(site, fields):
    site.fill("/a?swr=60&tag=t")
    site.purge("/a?swr=60&tag=t", ("Purge-Soft", "1"), *fields)
    seen = len(site.origin.requests)
    assert site.is_kept("/a?swr=60&tag=t"), "stale"
    site.origin.wait_requests(seen + 1)
    before = site.last["/a?swr=60&tag=t", "{}"]
    site.proxy.wait_for(lambda: site.get("/a?swr=60&tag=t") != before, 20, "the new one")


def test_softly_without_leave_is_not_served(site):
    site.fill("/a")
    site.purge("/a", ("Purge-Soft", "1"))
    assert not site.is_kept("/a")


def test_softly_helps_in_need(bench, tier):
    site = bench(tier + SITE.replace("proxy_cache one;", "proxy_cache one; proxy_cache_use_stale error http_500;"))
    site.fill("/a", "/b")
    site.purge("/*", ("Purge-Soft", "1"))
    site.origin.handle = lambda _: reply(500)
    assert site.is_kept("/a")
    site.purge("/b")
    assert site.proxy.get("/b").status == 500, "what is purged hard helps nobody"


def test_softly_on_disk_and_after_a_restart(bench):
    site = bench(store() + SITE)
    site.fill("/a?etag=e", "/b")
    site.forget_memory()
    site.purge("/a?etag=e", ("Purge-Soft", "1"))
    site.forget_memory()
    seen = len(site.origin.requests)
    assert site.is_kept("/a?etag=e") and len(site.origin.requests) == seen + 1, "validated"
    assert site.is_kept("/b") and len(site.origin.requests) == seen + 1


# ---- what is on its way -----------------------------------------------------------------------------

class Gate:
    """Answers of which the first ones wait, at the head or behind the first half of the body."""

    def __init__(self, closed=1, in_body=False, fields=()):
        self.closed, self.in_body, self.fields = closed, in_body, fields
        self.open = threading.Event()
        self.count, self.lock = 0, threading.Lock()

    def handle(self, _):
        with self.lock:
            self.count += 1
            number = self.count
        body = f"{number}".encode() * 20000
        said = reply(fields={"Cache-Control": "max-age=600", **dict(self.fields)}, body=body)
        half = len(said) // 2 if self.in_body else 0

        def slowly(conn):
            conn.send(said[:half])
            assert self.open.wait(10)
            conn.send(said[half:])
        return slowly if number <= self.closed else said


def digit(done):
    assert done.status == 200 and len(set(done.text)) == 1 and len(done.body) == 20000, done
    return done.text[0]


WAYS = {"key": (), "prefix": (), "host": (("Purge-Host", "localhost"),), "tag": (("Purge-Tag", "t"),),
        "all": (("Purge-All", "1"),), "soft": (("Purge-Soft", "1"),),
        "soft tag": (("Purge-Soft", "1"), ("Purge-Tag", "t"))}


@pytest.mark.parametrize("in_body", [False, True], ids=["head", "body"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_being_fetched(site, way, in_body):
    """Whoever asked before the purge gets what was asked for then; whoever comes later does not, nor is it kept."""
    gate = Gate(in_body=in_body, fields={"Surrogate-Key": "t"})
    site.origin.handle = gate.handle
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(site.proxy.get, "/a", timeout=10)
        site.origin.wait_requests(1)
        if in_body:
            site.proxy.wait_for(lambda: len(site.origin.requests) == 1, 20, "the first")
            time.sleep(0.1)
        site.purge("/a*" if way == "prefix" else "/a", *WAYS[way])
        later = threads.submit(site.proxy.get, "/a", timeout=10)
        if in_body or "tag" not in way:
            assert digit(later.result(5)) == "2", "it need not wait for what is outdated"
        else:
            time.sleep(0.2)             # only the head tells that it bears the tag
        gate.open.set()
        assert digit(first.result(5)) == "1"
        assert digit(later.result(5)) == "2"
    assert digit(site.proxy.get("/a")) == "2"
    assert gate.count == 2


def test_what_is_being_fetched_and_not_meant(site):
    gate = Gate(fields={"Surrogate-Key": "t"})
    site.origin.handle = gate.handle
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(site.proxy.get, "/a", timeout=10)
        site.origin.wait_requests(1)
        for target, fields in (("/b", ()), ("/b*", ()), ("/", (("Purge-Tag", "u"),)), ("/", (("Purge-Host", "h"),))):
            site.purge(target, *fields)
        later = threads.submit(site.proxy.get, "/a", timeout=10)
        time.sleep(0.2)
        gate.open.set()
        assert digit(first.result(5)) == digit(later.result(5)) == digit(site.proxy.get("/a")) == "1"


def test_a_crowd_after_a_purge_asks_once(site):
    gate = Gate(closed=2, fields={"Surrogate-Key": "t"})
    site.origin.handle = lambda seen: gate.handle(seen) if seen.target == "/a" else answer(seen)
    with contextlib.ExitStack() as open_ones:
        def crowd(count):
            clients = [open_ones.enter_context(site.proxy.connect(timeout=10)) for _ in range(count + 1)]
            for client in clients:
                client.ask("GET", "/ready")             # a loop knows it
            for client in clients[:-1]:
                client.send(request("GET", "/a"))
            clients[-1].ask("GET", "/ready")            # what was sent before was read before
            return clients[:-1]
        before = crowd(8)
        site.proxy.wait_for(lambda: gate.count == 1, 20, "the first")
        site.purge("/a", ("Purge-Tag", "t"))
        after = crowd(16)
        gate.open.set()
        assert {digit(client.response()) for client in before} == {"1"}
        assert {digit(client.response()) for client in after} == {"2"}
    assert gate.count == 2


def test_while_it_is_validated(site):
    """A 304 that was asked for before the purge renews nothing."""
    site.fill("/a?etag=e")
    site.purge("/a?etag=e", ("Purge-Soft", "1"))
    opened, came = threading.Event(), threading.Event()

    def late(request):
        def answer_late(conn):
            came.set()
            assert opened.wait(10)
            conn.send(reply(304, fields={"ETag": '"e"', "Cache-Control": "max-age=600"}))
        return answer_late if request.has("If-None-Match") else answer(request)
    site.origin.handle = late
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(site.proxy.get, "/a?etag=e", timeout=10)
        assert came.wait(5)
        site.purge("/a?etag=e")
        opened.set()
        assert first.result(5).status == 200
    assert not site.is_kept("/a?etag=e")


# ---- the disk ---------------------------------------------------------------------------------------

def test_it_survives_the_death_of_all(bench):
    """kill -9 behind the 204: what was purged is not served again."""
    site = bench(store() + SITE)
    for number, (target, purged, fields) in enumerate((
            ("/a", "/a", ()), ("/b", "/b*", ()), ("/c?tag=t", "/", WAYS["tag"]), ("/d", "/", WAYS["host"]),
            ("/e", "/", WAYS["all"]), ("/f?size=3000000", "/f?size=3000000", ()))):
        site.fill(target)
        site.forget_memory() if number % 2 else None
        site.purge(purged, *fields)
        site.proxy.kill()
        site.restart()
        assert not site.is_kept(target), target
        site.wait_on_disk(target)
        site.forget_memory()
        assert site.is_kept(target), f"the new {target}"


@pytest.mark.parametrize("end", ["reload", "stop", "kill"])
def test_what_an_unsafe_request_took_out_stays_out(bench, end):
    """RFC 9111 4.4: nor does what comes after the worker have it from the disk. A purge of another key, whose
    answer waits for the disk, stands in the log behind it."""
    site = bench(store() + SITE)
    site.fill("/a", "/b?size=3000000", "/c")
    for target in ("/a", "/b?size=3000000", "/c"):
        site.wait_on_disk(target)
    site.forget_memory()
    for target in ("/a", "/b?size=3000000"):
        assert site.proxy.fetch("POST", target, body=b"x").status == 200
    site.purge("/other")
    if end == "reload":
        reload(site.proxy)
    else:
        site.proxy.kill() if end == "kill" else site.proxy.stop()
        site.restart()
    site.wait_on_disk("/c")                         # the index has been read
    assert not site.is_kept("/a") and not site.is_kept("/b?size=3000000") and site.is_kept("/c")


def test_the_answer_waits_for_the_disk(bench):
    site = bench(store() + SITE, environment=shim_environment("slow_sync", SLOW_SYNC_MS="1500"))
    site.fill("/a")
    start = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(site.proxy.fetch, "PURGE", "/a")
        site.proxy.wait_error("purged key .*/a")
        assert not done.done() and not site.is_kept("/a"), "in memory it holds at once"
        assert done.result(10).status == 204
    assert time.monotonic() - start >= 1.5


@pytest.mark.slow
def test_a_disk_that_does_not_end(bench):
    site = bench(store() + SITE, environment=shim_environment("slow_sync", SLOW_SYNC_MS="60000"))
    site.fill("/a")
    start = time.monotonic()
    assert "not for good" in site.purge("/a", status=500, timeout=50)
    assert 9 < time.monotonic() - start < 45
    assert not site.is_kept("/a")
    site.proxy.kill()


def test_a_client_that_does_not_wait(bench):
    site = bench(store() + SITE, environment=shim_environment("slow_sync", SLOW_SYNC_MS="500"))
    site.fill("/a", "/b")
    for how in ("reset", "close"):
        client = Client(site.proxy.address())
        client.send(request("PURGE", "/" + {"reset": "a", "close": "b"}[how], host="localhost"))
        site.proxy.wait_error("purged key .*/" + {"reset": "a", "close": "b"}[how])
        if how == "reset":
            client.reset()
        else:
            client.close()
    assert not site.is_kept("/a") and not site.is_kept("/b")
    time.sleep(1.2)
    site.proxy.kill()
    site.restart()
    site.fill("/c")


def test_a_disk_that_cannot_write_it(bench):
    site = bench(store() + SITE, environment=shim_environment("slow_sync", SLOW_SYNC_FAILS="1"))
    site.fill("/a")
    assert "not for good" in site.purge("/a", status=500)
    assert not site.is_kept("/a"), "it holds all the same"


def test_while_the_configuration_changes(bench, tier):
    site = bench(tier + SITE)
    targets = [f"/{number}" for number in range(20)]
    site.fill(*targets)
    for number, target in enumerate(targets):
        if number % 5 == 0:
            thread = threading.Thread(target=reload, args=(site.proxy,), kwargs={"http": tier + SITE})
            thread.start()
        site.purge(target)
        assert not site.is_kept(target)
        if number % 5 == 4:
            thread.join()
    assert all(map(site.is_kept, targets)), "caches outlive configurations"
