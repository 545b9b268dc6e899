# SPDX-License-Identifier: MIT
"""What unsafe requests do to what is stored: RFC 9111 section 4.4, and groups: RFC 9875."""
import pytest

from .case import ASKED, DOWN, ERROR, HIT, MISS, Case, ask, get, head, ok, says

pytestmark = pytest.mark.ours

UNSAFE = ("POST", "PUT", "DELETE", "PATCH", "FROB")
FRESH = ok("max-age=60")


def post(expect, *answer, **rest):
    return ask("POST", expect, *answer, content=b"x", **rest)


def grouped(*members):
    return ok("max-age=60", Cache_Groups=", ".join(f'"{member}@CASE@"' for member in members))


def ends(*groups, **rest):
    return ok(Cache_Group_Invalidation=", ".join(f'"{group}@CASE@"' for group in groups), **rest)


CASES = [
    *[Case(f"{method}", "9111 4.4 MUST", get(MISS, FRESH), ask(method, ASKED, ok(), content=b"x"), get(MISS, FRESH), get(HIT))
      for method in UNSAFE],
    *[Case(f"POST answered with {code}", "9111 4.4 MUST", get(MISS, FRESH), post(ASKED, says(code), status=code), get(MISS, FRESH))
      for code in (200, 201, 202, 204, 299, 301, 302, 303, 307, 399)],
    *[Case(f"POST answered with {code}", "9111 4.4", get(MISS, FRESH), post(ASKED, says(code), status=code), get(HIT))
      for code in (400, 403, 404, 409, 499, 500, 503, 599)],
    Case("POST that nobody answers", "9111 4.4", get(MISS, FRESH), post(ERROR, DOWN), get(HIT)),
    Case("OPTIONS is safe", "9111 4.4", get(MISS, FRESH), ask("OPTIONS", ASKED, ok()), get(HIT, of=1)),
    Case("GET and HEAD are safe", "9111 4.4", get(MISS, FRESH), get(HIT), head(HIT), get(HIT, of=1)),
    Case("a stored response is never sent again without validation", "9111 4.4 MUST",
         get(MISS, ok("max-age=60", ETag='"a"')), post(ASKED, ok()), get(MISS, FRESH), get(HIT)),
    Case("not even with max-stale", "9111 4.4 MUST", get(MISS, FRESH), post(ASKED, ok()), get(MISS, FRESH, send={"Cache-Control": "max-stale"})),
    Case("not even behind an error", "9111 4.4 MUST",
         get(MISS, ok("max-age=60, stale-if-error=600")), post(ASKED, ok()), get(ERROR, DOWN)),
    Case("not even while it is updated", "9111 4.4 MUST",
         get(MISS, ok("max-age=60, stale-while-revalidate=600")), post(ASKED, ok()), get(MISS, FRESH)),
    Case("not even for HEAD", "9111 4.4 MUST", get(MISS, FRESH), post(ASKED, ok()), head(ASKED)),
    Case("all variants", "9111 4.4 MUST",
         get(MISS, ok("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}), get(MISS, send={"X-Lang": "b"}),
         post(ASKED, ok(), send={"X-Lang": "c"}), get(MISS, FRESH, send={"X-Lang": "a"}), get(MISS, ok("max-age=60", Vary="X-Lang"), send={"X-Lang": "b", "Cache-Control": "no-cache"})),
    Case("a stored 404", "9111 4.4 MUST", get(MISS, says(404, "max-age=60"), status=404), ask("PUT", ASKED, says(201), content=b"x"), get(MISS, FRESH)),
    Case("another query stays", "9111 4.4", get(MISS, FRESH, path="?a=1"), post(ASKED, ok(), path="?a=2"), get(HIT, path="?a=1")),
    Case("the very query goes", "9111 4.4 MUST", get(MISS, FRESH, path="?a=1"), post(ASKED, ok(), path="?a=1"), get(MISS, FRESH, path="?a=1")),
    Case("another host stays", "9111 4.4", get(MISS, FRESH, host="a.test"), post(ASKED, ok(), host="b.test"), get(HIT, host="a.test")),
    Case("what the answer to POST says of its own lifetime does not matter", "9111 4.4 MUST",
         get(MISS, FRESH), post(ASKED, ok("max-age=600")), get(MISS, FRESH)),
    Case("no-store in the POST does not matter", "9111 4.4 MUST",
         get(MISS, FRESH), post(ASKED, ok(), send={"Cache-Control": "no-store"}), get(MISS, FRESH)),
    Case("what is stored behind it stays", "9111 4.4", get(MISS, FRESH), post(ASKED, ok()), get(MISS, FRESH), get(HIT), get(HIT)),

    *[Case(f"{field}: {value}", "9111 4.4 MAY",
           get(MISS, FRESH, path="/b"), post(ASKED, ok(more=[(field, value)]), path="/a"), get(MISS, FRESH, path="/b"))
      for field in ("Location", "Content-Location")
      for value in ("/@CASE@/b", "b", "./b", "../@CASE@/b", "http://localhost/@CASE@/b", "http://LOCALHOST/@CASE@/b",
                    "http://localhost:80/@CASE@/b", "//localhost/@CASE@/b", "/@CASE@/b#part")],
    *[Case(f"{field}: {value}, elsewhere", "9111 4.4 MUST NOT",
           get(MISS, FRESH, path="/b"), post(ASKED, ok(more=[(field, value)]), path="/a"), get(HIT, path="/b"))
      for field in ("Location", "Content-Location")
      for value in ("http://other.test/@CASE@/b", "https://localhost/@CASE@/b", "http://localhost:8080/@CASE@/b",
                    "//other.test/@CASE@/b", "http://localhost.other.test/@CASE@/b", "http://other.test@localhost.test/@CASE@/b",
                    "mailto:x@localhost", "http://localhost@other.test/@CASE@/b")],
    Case("Location names a URI of another host that is stored here as well", "9111 4.4 MUST NOT",
         get(MISS, FRESH, path="/b", host="b.test"),
         post(ASKED, ok(Location="http://b.test/@CASE@/b"), path="/a", host="a.test"), get(HIT, path="/b", host="b.test")),
    Case("Location of an error", "9111 4.4",
         get(MISS, FRESH, path="/b"), post(ASKED, says(500, Location="/@CASE@/b"), path="/a"), get(HIT, path="/b")),
    Case("Location of a safe request", "9111 4.4",
         get(MISS, FRESH, path="/b"), get(ASKED, says(302, Location="/@CASE@/b"), path="/a", status=302), get(HIT, path="/b")),
    Case("Location with a query", "9111 4.4 MAY",
         get(MISS, FRESH, path="/b?x=1"), post(ASKED, says(303, Location="/@CASE@/b?x=1"), path="/a"), get(MISS, FRESH, path="/b?x=1")),
    Case("Location and Content-Location at once", "9111 4.4 MAY",
         get(MISS, FRESH, path="/b"), get(MISS, FRESH, path="/c"),
         post(ASKED, says(201, Location="/@CASE@/b", Content_Location="/@CASE@/c"), path="/a"),
         get(MISS, FRESH, path="/b"), get(MISS, FRESH, path="/c")),

    # ---- RFC 9875 ----
    Case("a group is invalidated", "9875 3 MAY",
         get(MISS, grouped("g"), path="/b"), post(ASKED, ends("g"), path="/a"), get(MISS, FRESH, path="/b")),
    Case("one of several groups, and of several that are named", "9875 2.1",
         get(MISS, grouped("f", "g"), path="/b"), post(ASKED, ends("h", "g"), path="/a"), get(MISS, FRESH, path="/b")),
    Case("all members of the group", "9875 2.2.2",
         get(MISS, grouped("g"), path="/b"), get(MISS, grouped("g"), path="/c"), get(MISS, grouped("f"), path="/d"),
         post(ASKED, ends("g"), path="/a"), get(MISS, FRESH, path="/b"), get(MISS, FRESH, path="/c"), get(HIT, path="/d")),
    Case("another group stays", "9875 2.1", get(MISS, grouped("g"), path="/b"), post(ASKED, ends("f"), path="/a"), get(HIT, path="/b")),
    Case("the case of the name counts", "9875 2.1", get(MISS, grouped("g"), path="/b"), post(ASKED, ends("G"), path="/a"), get(HIT, path="/b")),
    Case("a part of the name does not count", "9875 2.1", get(MISS, grouped("gg"), path="/b"), post(ASKED, ends("g"), path="/a"), get(HIT, path="/b")),
    Case("another origin stays", "9875 2.1", get(MISS, grouped("g"), path="/b", host="b.test"),
         post(ASKED, ends("g"), path="/a", host="a.test"), get(HIT, path="/b", host="b.test")),
    Case("a safe request invalidates nothing", "9875 3 MUST",
         get(MISS, grouped("g"), path="/b"), get(ASKED, ends("g"), path="/a"), head(ASKED, ends("g"), path="/c"), get(HIT, path="/b")),
    Case("an error", "9875 3", get(MISS, grouped("g"), path="/b"),
         post(ASKED, says(500, Cache_Group_Invalidation='"g@CASE@"'), path="/a"), get(HIT, path="/b")),
    Case("groups on two lines", "9110 5.3",
         get(MISS, ok("max-age=60", more=[("Cache-Groups", '"f@CASE@"'), ("Cache-Groups", '"g@CASE@"')]), path="/b"),
         post(ASKED, ends("g"), path="/a"), get(MISS, FRESH, path="/b")),
    Case("a parameter that is not known", "9875 2",
         get(MISS, ok("max-age=60", Cache_Groups='"g@CASE@";x=1'), path="/b"), post(ASKED, ends("g"), path="/a"), get(MISS, FRESH, path="/b")),
    *[Case(f"no list of strings: {value}", "9875 2",
           get(MISS, ok("max-age=60", Cache_Groups=value), path="/b"), post(ASKED, ends("g"), path="/a"), get(HIT, path="/b"))
      for value in ('"g@CASE@', '"g@CASE@",', 'g@CASE@', '"g@CASE@" "f"', "")],
    Case("what names groups is no list of strings", "9875 3",
         get(MISS, grouped("g"), path="/b"), post(ASKED, ok(Cache_Group_Invalidation='"g@CASE@'), path="/a"), get(HIT, path="/b")),
    Case("a member that is invalidated takes its group with it", "9875 2.2.2 MAY",
         get(MISS, grouped("g"), path="/b"), get(MISS, grouped("g"), path="/c"), post(ASKED, ok(), path="/b"), get(MISS, FRESH, path="/c")),
    Case("Cache-Groups reaches the client", "9111 3.1 MUST",
         get(MISS, grouped("g"), has={"Cache-Groups": '"g@CASE@"'}), get(HIT, has={"Cache-Groups": '"g@CASE@"'})),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_invalidation(check, case):
    check(case)
