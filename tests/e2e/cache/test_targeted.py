# SPDX-License-Identifier: MIT
"""Targeted fields: RFC 9213. CDN-Cache-Control is on the list by default."""
import pytest

from .case import (ASKED, DOWN, ERROR, EXPIRE, HIT, MISS, STALE, UPDATING, VALIDATED, Case, ago, ahead, get, ok, says,
                   unmodified)

pytestmark = pytest.mark.ours

AUTH = {"Authorization": "Basic eDp5"}


def cdn(value, cache_control=None, **rest):
    return ok(cache_control, CDN_Cache_Control=value, **rest)


def stored(value, cache_control, source="9213 2.2 MUST", **rest):
    return Case(f"stored: {value}; Cache-Control: {cache_control}", source, get(MISS, cdn(value, cache_control, **rest)), get(HIT))


def not_stored(value, cache_control, source="9213 2.2 MUST", **rest):
    return Case(f"not reused: {value}; Cache-Control: {cache_control}", source,
                get(MISS, cdn(value, cache_control, **rest)), get(MISS))


def falls_back(value, source="9213 2.1 MUST"):
    """The field counts as if it were not there: both ways are tried."""
    return [stored(value, "max-age=60", source), not_stored(value, "no-store", source)]


CASES = [
    # ---- 2.2: it goes before the others ----
    stored("max-age=60", None), stored("max-age=60", "no-store"), stored("max-age=60", "private"), stored("max-age=60", "max-age=0"),
    stored("max-age=60", "no-cache"), stored("max-age=60", "s-maxage=0"), stored("max-age=60", "max-age=5", Age=10),
    not_stored("max-age=5", "max-age=60", Age=10), not_stored("max-age=0", "max-age=60"), not_stored("max-age=0", "s-maxage=60"),
    not_stored("no-store", "max-age=60"), not_stored("private", "max-age=60"), not_stored("no-cache", "max-age=60"),
    not_stored("max-age=60, no-store", "max-age=60", "9213 2.2"), not_stored("max-age=60, no-cache", "max-age=60", "9213 2.2"),
    not_stored("max-age=60, private", None, "9213 2.2"),
    Case("Expires does not count", "9213 2.2 MUST", get(MISS, cdn("max-age=60", Expires="0")), get(HIT)),
    Case("Expires does not count where there is no lifetime", "9213 2.2 MUST", get(MISS, cdn("none", Expires=ahead(60))), get(MISS)),
    Case("Cache-Control does not count where there is no lifetime", "9213 2.2 MUST", get(MISS, cdn("none", "max-age=60")), get(MISS)),
    Case("a heuristic lifetime in spite of no-store", "9213 3.1", get(MISS, cdn("none", "no-store", Last_Modified=ago(100000))), get(HIT)),
    Case("unknown directives are ignored", "9213 2.2", get(MISS, cdn("x-new=1, max-age=60, x-other", "no-store")), get(HIT)),
    Case("each response for itself", "9213 2.2",
         get(MISS, cdn("max-age=60", "no-store"), path="/a"), get(MISS, ok("no-store"), path="/b"), get(HIT, path="/a"), get(MISS, path="/b")),
    Case("a 404", "9213 2.2 MUST", get(MISS, says(404, "no-store", CDN_Cache_Control="max-age=60"), status=404), get(HIT, status=404)),
    Case("s-maxage", "9213 2.2 SHOULD", get(MISS, cdn("s-maxage=60, max-age=0", "no-store")), get(HIT)),
    Case("stale-while-revalidate", "9213 2.2 SHOULD",
         get(MISS, cdn("max-age=2, stale-while-revalidate=60", "max-age=0")), EXPIRE, get(UPDATING, of=1)),
    Case("stale-while-revalidate of Cache-Control does not count", "9213 2.2 MUST",
         get(MISS, cdn("max-age=2", "max-age=2, stale-while-revalidate=60")), EXPIRE, get(MISS)),
    Case("stale-if-error", "9213 2.2 SHOULD", get(MISS, cdn("max-age=2, stale-if-error=60", "max-age=0")), EXPIRE, get(STALE, DOWN, of=1)),
    Case("must-revalidate", "9213 2.2 MUST",
         get(MISS, cdn("max-age=2, stale-if-error=60, must-revalidate", "max-age=2")), EXPIRE, get(ERROR, DOWN)),
    Case("must-revalidate of Cache-Control does not count", "9213 2.2 MUST",
         get(MISS, cdn("max-age=2, stale-if-error=60", "max-age=2, must-revalidate")), EXPIRE, get(STALE, DOWN, of=1)),
    Case("no-cache validates", "9213 2.2 MUST", get(MISS, cdn("no-cache", "max-age=60", ETag='"a"')),
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', CDN_Cache_Control="no-cache")), get(VALIDATED)),
    Case("no-cache with fields", "9213 2.1",
         get(MISS, cdn('max-age=60, no-cache="X-A"', "no-store", X_A="1", X_B="1")), get(HIT, has={"X-A": None, "X-B": "1"})),
    Case("private with fields", "9213 2.2 MUST",
         get(MISS, cdn('max-age=60, private="X-A"', "no-store", X_A="1", X_B="1")), get(HIT, has={"X-A": None, "X-B": "1"})),
    Case("a 304 brings a new one", "9111 4.3.4 MUST",
         get(MISS, cdn("max-age=60", ETag='"a"')), get(VALIDATED, unmodified(ETag='"a"', CDN_Cache_Control="max-age=0"), send={"Cache-Control": "no-cache"}),
         get(ASKED, unmodified(ETag='"a"'))),
    Case("Authorization and public", "9111 3.5", get(MISS, cdn("max-age=60, public"), send=AUTH), get(HIT)),
    Case("Authorization and nothing that allows it", "9111 3.5 MUST NOT", get(MISS, cdn("max-age=60"), send=AUTH), get(MISS)),
    Case("Cache-Control stays as the origin sent it", "9111 5.2 MUST",
         get(MISS, cdn("max-age=60", "max-age=5")), get(HIT, has={"Cache-Control": "max-age=5"})),

    # ---- 2.1: syntax ----
    stored("max-age=60;x=1", "no-store", "9213 2.1"), stored("max-age=60;x", "no-store", "9213 2.1"),
    stored("max-age=0, max-age=60", "no-store", "8941 3.2"), not_stored("max-age=60, max-age=0", "max-age=60", "8941 3.2"),
    stored("  max-age=60  ", "no-store", "8941 4.2"), stored("public,\tmax-age=60", "no-store", "8941 4.2"),
    stored("max-age=060", "no-store", "8941 4.2.4"), stored("x-new, max-age=60", "no-store", "9213 2.1"),
    stored('x-new="a, no-store", max-age=60', "no-store", "8941 3.3.3"), stored("x=:aGk=:, max-age=60", "no-store", "8941 3.3.5"),
    stored("x=(a b), max-age=60", "no-store", "8941 3.1.1"), stored("x=1.5, max-age=60", "no-store", "8941 3.3.2"),
    stored("x=?0, max-age=60", "no-store", "8941 3.3.6"), stored("x=*/a:b, max-age=60", "no-store", "8941 3.3.4"),
    Case("two lines are one dictionary", "8941 4.2", get(MISS, ok("no-store", more=[("CDN-Cache-Control", "public"), ("CDN-Cache-Control", "max-age=60")])), get(HIT)),
    Case("a later line goes before", "8941 3.2", get(MISS, ok(more=[("CDN-Cache-Control", "max-age=60"), ("CDN-Cache-Control", "max-age=0")])), get(MISS)),
    Case("the field's name in another case", "9110 5.1", get(MISS, ok("no-store", more=[("cdn-cache-CONTROL", "max-age=60")])), get(HIT)),
    *[not_stored(value, "max-age=60", "9213 2.1 SHOULD NOT") for value in ('max-age="60"', "max-age=1.5", "max-age=60.0", "max-age=abc", "max-age", "max-age=?1", "max-age=-1", "max-age=(60)")],
    *falls_back(""), *falls_back("   "),
    *[case for value in ("max-age=60,", ",max-age=60", "max-age=60,,public", "Max-Age=60", "max-age=60 public", "max-age=", "max-age=60;",
                         "max-age = 60", 'x="unfinished, max-age=60', "max-age=9999999999999999", "max-age=60; ;x", "=60", "max-age=--60",
                         "NO-STORE", "max-age=60, x=\xe9", "max-age='60'", "1max-age=60", "max-age=60 ;x", "x=?2, max-age=60")
      for case in falls_back(value)],

    # ---- 2.2, 2.4: fields that are not on the list ----
    *[Case(f"{name} is not on the list", "9213 2.2 MUST NOT",
           get(MISS, ok("max-age=60", more=[(name, "no-store")])), get(HIT, has={name: "no-store"}))
      for name in ("Example-Cache-Control", "X-CDN-Cache-Control", "CDN-Cache-Controls", "Surrogate-Control", "Cache-Control-CDN")],
    Case("not on the list, it gives no lifetime", "9213 2.4 MUST NOT",
         get(MISS, ok(more=[("Example-Cache-Control", "max-age=60")])), get(MISS)),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_targeted(check, case):
    check(case)
