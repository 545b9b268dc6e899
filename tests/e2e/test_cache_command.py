# SPDX-License-Identifier: MIT
"""`frontdesk cache purge`, `show` and `stat`: what they find, that it is gone when they end, and what they say."""
import re
import threading
import time

import pytest

from harness.origin import reply
from test_control import reload

pytestmark = pytest.mark.ours

MEMORY = "proxy_cache_path memory: keys_zone=pages:8m;"
DISK = "proxy_cache_path store keys_zone=pages:8m;"
SITE = """server { listen @P@; server_name h.test; proxy_cache pages;
                   location / { proxy_pass http://@O@; } }"""
HOST = (("Host", "h.test"),)


def answer(request):
    """Numbered, so that one who gets the same twice has it from the cache; told by the query how it is marked."""
    said = {"Cache-Control": "max-age=600"}
    for word in filter(None, request.target.partition("?")[2].split("&")):
        name, _, value = word.partition("=")
        said.update({"tag": {"Cache-Tag": value.replace("+", " ")}, "vary": {"Vary": value},
                     "age": {"Cache-Control": f"max-age={value}"},
                     "swr": {"Cache-Control": f"max-age=600, stale-while-revalidate={value}"}}.get(name, {}))
    return reply(fields=said, body=f"{request.number} {request.connection} {request.at} {request.target}")


class Desk:
    """The proxy with its origin; get() tells whether the answer is the one that came before."""

    def __init__(self, proxy, origin, http, **names):
        self.origin = origin(answer)
        self.proxy = proxy(http, O=self.origin, **names)
        self.last = {}

    def get(self, target, host="h.test", fields=()):
        done = self.proxy.get(target, host=host, fields=fields)
        assert done.status == 200, done
        return done.text

    def post(self, target):
        return self.proxy.fetch("POST", target, host="h.test", body=b"x")

    def fill(self, *targets, **options):
        for target in targets:
            self.last[target, str(options)] = text = self.get(target, **options)
            assert self.get(target, **options) == text, f"{target} is not cached"

    def is_kept(self, target, **options):
        """Asks once: afterwards a new one is stored."""
        text, former = self.get(target, **options), self.last[target, str(options)]
        self.last[target, str(options)] = text
        return text == former

    def run(self, *arguments, fails=False):
        done = self.proxy.run("cache", *arguments)
        assert done.returncode == int(fails), done.stdout + done.stderr
        return done.stderr if fails else done.stdout


@pytest.fixture
def desk(proxy, origin):
    def make(http, **names):
        return Desk(proxy, origin, http, **names)
    return make


# ---- purge ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("cache", [MEMORY, DISK])
def test_a_url_is_gone_when_the_command_ends(desk, cache):
    desk = desk(cache + SITE)
    desk.fill("/a", "/b", "/a?q")
    assert desk.run("purge", "http://h.test/a") == "pages: purged key http://h.test/a\n"
    assert not desk.is_kept("/a") and desk.is_kept("/b") and desk.is_kept("/a?q")
    assert desk.is_kept("/a"), "what came after the purge stays"


def test_all_its_variants(desk):
    desk = desk(MEMORY + SITE)
    german, english = (("X-L", "de"),), (("X-L", "en"),)
    desk.fill("/a?vary=X-L", fields=german)
    desk.fill("/a?vary=X-L", fields=english)
    desk.run("purge", "http://h.test/a?vary=X-L")
    assert not desk.is_kept("/a?vary=X-L", fields=german) and not desk.is_kept("/a?vary=X-L", fields=english)


@pytest.mark.parametrize("cache", [MEMORY, DISK])
def test_a_prefix(desk, cache):
    desk = desk(cache + SITE)
    desk.fill("/i/a", "/i/b?c", "/j")
    said = desk.run("purge", "http://h.test/i/*").splitlines()
    assert said == ["pages: purged keys that begin with http://h.test/i/",
                    f"pages: swept out 2 in memory, {2 if cache is DISK else 0} on disk"]
    desk.proxy.wait_error(f"2 objects went from memory, {2 if cache is DISK else 0} from the disk")
    desk.proxy.wait_for(lambda: "  purges remembered: 0\n" in desk.run("stat"), 20, "forgetting")
    assert not desk.is_kept("/i/a") and not desk.is_kept("/i/b?c") and desk.is_kept("/j")


@pytest.mark.parametrize("cache", [MEMORY, DISK])
def test_a_post_to_what_is_nowhere_leaves_no_purge(desk, cache):
    """RFC 9111 4.4: what is stored goes; for a site that mostly writes nothing piles up."""
    desk = desk(cache + SITE)
    desk.fill("/a", "/b")
    for number in range(20):
        assert desk.post(f"/nowhere/{number}").status == 200
    assert "  purges remembered: 0\n" in desk.run("stat")
    assert desk.post("/a").status == 200
    assert "  purges remembered: 1\n" in desk.run("stat")
    assert not desk.is_kept("/a") and desk.is_kept("/b")


@pytest.mark.parametrize("cache", [MEMORY, DISK])
def test_what_nobody_asks_for_goes(desk, cache):
    desk = desk(cache.replace("8m;", "8m inactive=2s;") + SITE)
    desk.fill("/a", "/b")
    for _ in range(30):
        assert desk.is_kept("/a"), "is asked for"
        time.sleep(0.1)
    desk.proxy.wait_for(lambda: "  nobody asked for: 1 in memory\n" in desk.run("stat"), 20, "it leaves memory")
    assert desk.is_kept("/a")
    desk.proxy.wait_for(lambda: "  nobody asked for: 2 in memory\n" in desk.run("stat"), 20, "the other one, too")
    if cache is DISK:
        desk.proxy.wait_for(lambda: "  disk objects: 0\n" in desk.run("stat"), 20, "and the disk")
    assert not desk.is_kept("/a") and not desk.is_kept("/b")


def test_by_tag(desk):
    desk = desk(MEMORY + "proxy_cache_tag cache-tag;" + SITE)
    desk.fill("/1?tag=a+b", "/2?tag=b", "/3?tag=A", "/4")
    desk.run("purge", "--tag", "a")
    assert not desk.is_kept("/1?tag=a+b") and desk.is_kept("/2?tag=b") and desk.is_kept("/3?tag=A") and desk.is_kept("/4")
    desk.run("purge", "--tag", "b")
    assert not desk.is_kept("/2?tag=b") and desk.is_kept("/3?tag=A")


def test_by_host(desk):
    desk = desk(MEMORY + SITE)
    desk.fill("/a", "/b")
    desk.fill("/a", host="other.test")
    assert desk.run("purge", "--host", "H.test.:8080") == "pages: purged host h.test\n"
    assert not desk.is_kept("/a") and not desk.is_kept("/b") and desk.is_kept("/a", host="other.test")


def test_everything_and_one_zone(desk):
    desk = desk(MEMORY + "proxy_cache_path memory: keys_zone=other:8m;" + SITE.replace(
        "location /", "location /o/ { proxy_cache other; proxy_pass http://@O@; } location /"))
    desk.fill("/a", "/o/a")
    assert desk.run("purge", "--all", "--zone", "other") == "other: purged everything\n"
    assert desk.is_kept("/a") and not desk.is_kept("/o/a")
    assert sorted(desk.run("purge", "--all").splitlines()) == ["other: purged everything", "pages: purged everything"]
    assert not desk.is_kept("/a") and not desk.is_kept("/o/a")


def test_by_key(desk):
    desk = desk(MEMORY + SITE.replace("proxy_cache pages;", "proxy_cache pages; proxy_cache_key 'k e y$uri';"))
    desk.fill("/a", "/b", "/b/c")
    assert desk.run("purge", "--key", "k e y/a") == "pages: purged key k e y/a\n"
    assert not desk.is_kept("/a") and desk.is_kept("/b")
    desk.run("purge", "--key", "k e y/b*")
    assert desk.is_kept("/a") and not desk.is_kept("/b") and not desk.is_kept("/b/c")


def test_softly(desk):
    """What may be served stale while it is renewed is; the rest is asked for."""
    desk = desk(MEMORY + SITE.replace("proxy_cache pages;", "proxy_cache pages; proxy_cache_background_update on; "
                                                            "proxy_cache_use_stale updating;"))
    desk.fill("/a?swr=60", "/b")
    assert desk.run("purge", "--soft", "http://h.test/a?swr=60") == "pages: stale from now on: key http://h.test/a?swr=60\n"
    assert "  stale: purged softly\n" in desk.run("show", "http://h.test/a?swr=60")
    assert desk.is_kept("/b")
    before = desk.last["/a?swr=60", "{}"]
    desk.proxy.wait_for(lambda: desk.get("/a?swr=60") != before, 20, "the new one")


def restarted(desk):
    desk.proxy.stop()
    desk.proxy.start()


def test_a_purge_outlives_a_restart(desk):
    desk = desk(DISK + SITE)
    desk.fill("/a", "/b")
    desk.run("purge", "http://h.test/a")
    restarted(desk)
    assert not desk.is_kept("/a") and desk.is_kept("/b")


# ---- which key a URL has ----------------------------------------------------------------------------

@pytest.mark.parametrize("key, target, url", [
    ("$scheme$proxy_host$request_uri", "/a?b", "http://h.test/a?b"),
    ("$host$uri$is_args$args", "/a%20b?c", "http://h.test/a%20b?c"),
    ("$host$uri", "/x/../a", "http://h.test/a?whatever"),
    ("$host:$arg_id", "/a?id=7", "http://h.test/z?id=7"),
    ("$http_host$uri", "/a", "http://h.test/a"),
    ("$request_method$host$request_uri", "/a", "http://h.test/a"),
    ("$server_name$request_uri", "/a", "http://h.test/a"),
    ("$host$uri", "/a", "http://H.TEST./a"),
    ("$host$uri", "/a", "https://h.test/a"),
    ("$host$uri$remote_port$connection$request_time", "/none", None),
])
def test_keys_of_ones_own(desk, key, target, url):
    desk = desk(MEMORY + SITE.replace("proxy_cache pages;", f"proxy_cache pages; proxy_cache_key '{key}';"))
    if url is None:                                 # what only a connection knows is no reason to fail
        desk.run("purge", "http://h.test/none")
        return
    desk.fill(target, "/other?id=8")
    desk.run("purge", url)
    assert not desk.is_kept(target) and desk.is_kept("/other?id=8")


def test_captures_and_set_variables(desk):
    desk = desk(MEMORY + """server { listen @P@; server_name h.test; proxy_cache pages; set $site s1;
        location ~ ^/p/([a-z]+)/ { set $kind pages; proxy_cache_key $site-$kind-$1; proxy_pass http://@O@; }
        location / { proxy_cache_key $site$uri; proxy_pass http://@O@; } }""")
    desk.fill("/p/abc/1", "/p/def/1", "/x")
    desk.run("purge", "http://h.test/p/abc/anything")
    assert not desk.is_kept("/p/abc/1") and desk.is_kept("/p/def/1") and desk.is_kept("/x")
    desk.run("purge", "http://h.test/x")
    assert not desk.is_kept("/x") and desk.is_kept("/p/def/1")


def test_a_location_that_is_reached_by_a_detour(desk):
    desk = desk(MEMORY + """server { listen @P@; server_name h.test;
        location / { error_page 418 = @app; return 418; }
        location @app { proxy_cache pages; proxy_cache_key app$request_uri; proxy_pass http://@O@; } }""")
    desk.fill("/a", "/b")
    assert desk.run("purge", "http://h.test/a") == "pages: purged key app/a\n"
    assert not desk.is_kept("/a") and desk.is_kept("/b")


def test_several_servers(desk):
    """The host decides, and a port that is not the usual one belongs to the key."""
    desk = desk(MEMORY + """
        server { listen @P@; server_name one.test; proxy_cache pages; location / { proxy_pass http://@O@; } }
        server { listen @P@; server_name two.test; proxy_cache pages; proxy_cache_key two$uri;
                 location / { proxy_pass http://@O@; } }
        server { listen @P@; server_name three.test; location / { proxy_pass http://@O@; } }""")
    assert desk.run("purge", "http://one.test/a") == "pages: purged key http://one.test/a\n"
    assert desk.run("purge", "http://two.test/a") == "pages: purged key two/a\n"
    assert desk.run("purge", "http://one.test:8080/a") == "pages: purged key http://one.test:8080/a\n"
    assert "no server of the configuration caches for this host" in desk.run("purge", "http://three.test/a", fails=True)
    desk.fill("/a", host="one.test:8080")
    desk.run("purge", "http://one.test:8080/a")
    assert not desk.is_kept("/a", host="one.test:8080")


def test_a_key_that_does_not_end_with_the_path(desk):
    desk = desk(MEMORY + SITE.replace("proxy_cache pages;", "proxy_cache pages; proxy_cache_key $uri$host;"))
    desk.fill("/a")
    assert "does not end with the path" in desk.run("purge", "http://h.test/*", fails=True)
    assert desk.is_kept("/a")


@pytest.mark.parametrize("url, words", [
    ("http://h.test*", "a prefix needs a path"),
    ("http://h.test:99999/", "no URL with a host"),
    ("http://user@h.test/", "no URL with a host"),
    ("http://h.test/a b", "escape what is no plain character"),
    ("http://h.test/%zz", "no path that a server would take"),
    ("http://h.test/../..", "no path that a server would take"),
])
def test_urls_that_are_none(desk, url, words):
    desk = desk(MEMORY + SITE)
    assert words in desk.run("purge", url, fails=True)
    if not url.endswith("*"):
        assert words in desk.run("show", url, fails=True)


# ---- mistakes that the running one tells ------------------------------------------------------------

def test_zones_that_are_not_there(desk):
    desk = desk(MEMORY + SITE)
    assert desk.run("purge", "--all", "--zone", "pagse", fails=True) == \
        'frontdesk: there is no cache "pagse"; did you mean "pages"?\n'
    assert desk.run("stat", "--zone", "nothing", fails=True) == 'frontdesk: there is no cache "nothing"\n'
    reload(desk.proxy, http=SITE.replace("proxy_cache pages;", ""))
    for arguments in (["stat"], ["purge", "--all"], ["show", "http://h.test/"]):
        desk.proxy.wait_for(lambda words=arguments: "has no cache (proxy_cache_path)" in
                            desk.proxy.run("cache", *words).stderr, 20, "the cache to go")


# ---- show and stat ----------------------------------------------------------------------------------

@pytest.mark.parametrize("cache, place", [(MEMORY, "in memory"), (DISK, "in memory and on disk")])
def test_show(desk, cache, place):
    desk = desk(cache + "proxy_cache_tag cache-tag;" + SITE)
    desk.fill("/a?tag=x+y")
    size = len(desk.last["/a?tag=x+y", "{}"])

    def shown():
        said = desk.run("show", "http://h.test/a?tag=x+y")
        return said if f"{size} bytes, {place}\n" in said else None
    said = desk.proxy.wait_for(shown, 5, place)
    for line in (r"pages: http://h\.test/a\?tag=x\+y", r"  status: 200", r"  came: \w+, \d\d \w+ \d{4} [0-9:]{8} GMT",
                 r"  age: \d+ s", r"  lifetime: 600 s", r"  fresh: for \d+ s more", r"  uses of late: [1-3]",
                 r"  tags: x y", r"  field: Cache-Tag: x y"):
        assert re.search(f"^{line}$", said, re.M), line
    assert desk.is_kept("/a?tag=x+y"), "looking changes nothing"
    assert desk.run("show", "http://h.test/b") == "pages: nothing is stored for http://h.test/b\n"


def test_show_which_variant_is_meant(desk):
    desk = desk(MEMORY + SITE)
    desk.fill("/a?vary=X-L", fields=(("X-L", "de"),))
    desk.fill("/a?vary=X-L", fields=(("X-L", "en"),))
    said = desk.run("show", "http://h.test/a?vary=X-L", "-H", "X-L: en")
    assert said.count("pages: ") == 2 and said.count("  vary: x-l\n") == 2 and said.count("  meant: ") == 1
    meant = next(part for part in said.split("pages: ") if "  meant: " in part)
    assert re.search(r"  variant: .*en", meant)
    assert "  meant: " not in desk.run("show", "http://h.test/a?vary=X-L", "-H", "X-L: fr")


def test_show_why_it_is_stale(desk):
    desk = desk(MEMORY + SITE)
    desk.get("/a?age=1")
    desk.proxy.wait_for(lambda: re.search(r"^  stale: for \d+ s$", desk.run("show", "http://h.test/a?age=1"), re.M), 20,
                        "it to get stale")


def test_stat(desk):
    desk = desk(MEMORY + "proxy_cache_path store keys_zone=kept:8m max_size=100m;" + SITE)
    desk.fill("/a", "/b")
    said = desk.run("stat")
    assert said.count("memory objects") == 2 and said.count("disk objects") == 1
    said = desk.run("stat", "--zone", "pages")
    assert said.startswith("pages\n  memory objects: 2\n")
    used = re.search(r"^  memory bytes: (\d+) of (\d+) \(\d+\.\d %\)$", said, re.M)
    assert 0 < int(used[1]) < int(used[2]) == 8 * 1024 * 1024
    assert re.search(r"^  memory hits: 2 of 4 \(50\.0 %\)$", said, re.M)
    desk.run("purge", "--tag", "x")
    assert "  purges remembered: 1\n" in desk.run("stat", "--zone", "pages")


def test_show_what_only_the_disk_has(desk):
    desk = desk(DISK + SITE)
    desk.fill("/a?vary=X-L", fields=(("X-L", "de"),))
    desk.proxy.wait_for(lambda: "in memory and on disk" in desk.run("show", "http://h.test/a?vary=X-L"), 20, "the disk")
    restarted(desk)
    said = desk.run("show", "http://h.test/a?vary=X-L", "-H", "X-L: de")
    assert said.count("pages: ") == 1 and " bytes, on disk\n" in said and "  meant: " in said
    assert desk.run("show", "http://h.test/a?vary=X-L").startswith("pages: nothing is stored for ")
    assert desk.is_kept("/a?vary=X-L", fields=(("X-L", "de"),))


def test_what_is_on_its_way_is_older_than_the_purge(proxy, origin):
    asked, go = threading.Event(), threading.Event()

    def slow(request):
        asked.set()
        go.wait(10)
        return answer(request)
    served = origin(slow)
    desk = proxy(MEMORY + SITE, O=served)
    said = []
    client = threading.Thread(target=lambda: said.append(desk.get("/a", host="h.test").text))
    client.start()
    assert asked.wait(5)
    assert desk.run("cache", "purge", "http://h.test/a").returncode == 0
    go.set()
    client.join(10)
    assert said and desk.get("/a", host="h.test").text != said[0]
