# SPDX-License-Identifier: MIT
"""How Cache-Control is read, and the directives of responses: RFC 9111 sections 5.2, 5.2.2, 5.2.3, 5.4, 5.5."""
import pytest

from .case import (DOWN, ERROR, EXPIRE, HIT, MISS, VALIDATED, Case, get, ok, says, unmodified)

pytestmark = pytest.mark.ours

RELOAD = {"Cache-Control": "no-cache"}


def stored(value, source="9111 5.2", **fields):
    return Case(f"stored: {value}", source, get(MISS, ok(value, **fields)), get(HIT))


def not_stored(value, source="9111 5.2", **fields):
    return Case(f"not reused: {value}", source, get(MISS, ok(value, **fields)), get(MISS))


def lines(*values):
    return ok(more=[("Cache-Control", value) for value in values])


CASES = [
    # ---- 5.2: syntax ----
    stored("MAX-AGE=60"), stored("Max-Age=60"), stored("max-age=60,public"), stored("public ,\tmax-age=60"),
    stored(", ,,max-age=60, ,", "9110 5.6.1"), stored("   max-age=60   "), stored("S-MaxAge=60"),
    not_stored("NO-STORE, max-age=60"), not_stored("No-Store"), not_stored("PRIVATE, max-age=60"),
    not_stored("max-age=60,no-store"), not_stored("max-age=60 ,\tno-store"), not_stored(",no-store,, max-age=60"),
    not_stored("max-age=60, NO-CACHE"), not_stored("no-store;max-age=60"),
    Case("several lines are one list", "9110 5.3",
         get(MISS, lines("public", "max-age=60")), get(HIT)),
    Case("no-store on the third line", "9110 5.3",
         get(MISS, lines("public", "max-age=60", "no-store")), get(MISS)),
    Case("an empty line", "9110 5.3", get(MISS, lines("", "max-age=60")), get(HIT)),
    Case("an empty Cache-Control", "9111 5.2", get(MISS, ok("")), get(MISS)),

    # ---- 5.2.3: what is not known is ignored ----
    stored("max-age=60, x-new", "9111 5.2.3 MUST"), stored("x-new=1, max-age=60", "9111 5.2.3 MUST"),
    stored('x-new="1", max-age=60', "9111 5.2.3 MUST"), stored('x-new="a, no-store", max-age=60', "9111 5.2.3 MUST"),
    stored('x-new="a\\", no-store, b=\\"", max-age=60', "9111 5.2.3 MUST"), stored('x-new="", max-age=60', "9111 5.2.3 MUST"),
    stored("no-storeroom, max-age=60", "9111 5.2.3 MUST"), stored("xno-store, max-age=60", "9111 5.2.3 MUST"),
    stored("private-ish, max-age=60", "9111 5.2.3 MUST"), stored("no-cache-ever, max-age=60", "9111 5.2.3 MUST"),
    stored("max-age=60, max-aged=0", "9111 5.2.3 MUST"), stored("xs-maxage=0, max-age=60", "9111 5.2.3 MUST"),
    stored("x-new=no-store, max-age=60", "9111 5.2.3 MUST"), stored("community=UCI, max-age=60", "9111 5.2.3 MUST"),
    not_stored('private, community="UCI", max-age=60', "9111 5.2.3"), stored("immutable, max-age=60", "8246 2"),
    not_stored("x-new, no-store", "9111 5.2.3"), not_stored("max-stale=60", "9111 5.2.2"),
    not_stored("only-if-cached", "9111 5.2.2"), not_stored("min-fresh=60", "9111 5.2.2"),
    stored("max-age=60, " + ", ".join(f"x{i}=1" for i in range(200)), "9111 5.2.3 MUST"),
    not_stored(", ".join(f"x{i}=1" for i in range(200)) + ", max-age=60, no-store", "9111 5.2.3 MUST"),
    stored("x-" + "n" * 1000 + ", max-age=60", "9111 5.2.3 MUST"),

    # ---- what is not well formed is read with caution ----
    not_stored('max-age=60, x="unfinished, no-store'), not_stored("max-age=60, no-store=1"),
    not_stored('max-age=60, no-store="x"'), not_stored("max-age=60, private=x-a, no-store"),
    not_stored("max-age=60 no-store"), not_stored("no-store max-age=60"),

    # ---- 5.2.2: each directive of a response ----
    not_stored("no-cache", "9111 5.2.2.4 MUST NOT"), not_stored("no-cache, max-age=60", "9111 5.2.2.4 MUST NOT"),
    not_stored("no-cache, s-maxage=60", "9111 5.2.2.4 MUST NOT"), not_stored("no-cache, public, max-age=60", "9111 5.2.2.4 MUST NOT"),
    Case("no-cache, validated each time", "9111 5.2.2.4 MUST NOT",
         get(MISS, ok("no-cache, max-age=60", ETag='"a"')), get(VALIDATED, unmodified("no-cache, max-age=60", ETag='"a"')),
         get(VALIDATED)),
    Case("no-cache when the origin is down", "9111 5.2.2.4 MUST NOT",
         get(MISS, ok("no-cache, max-age=60, stale-if-error=600", ETag='"a"')), get(ERROR, DOWN)),
    Case("no-cache that a 304 brings", "9111 4.3.4 MUST",
         get(MISS, ok("max-age=60", ETag='"a"')), get(VALIDATED, unmodified("no-cache", ETag='"a"'), send=RELOAD),
         get(VALIDATED)),
    Case("no-cache with a field that is not there", "9111 5.2.2.4",
         get(MISS, ok('max-age=60, no-cache="X-A"', X_B="1")), get(HIT, has={"X-B": "1"})),
    Case("no-cache with a field, unquoted", "9111 5.2.2.4",
         get(MISS, ok("max-age=60, no-cache=X-A", X_A="1", X_B="1")), get(HIT, has={"X-A": None, "X-B": "1"})),
    Case("private with a field, unquoted", "9111 5.2.2.7 MUST NOT",
         get(MISS, ok("max-age=60, private=X-A", X_A="1", X_B="1")), get(HIT, has={"X-A": None, "X-B": "1"})),
    Case("private with Set-Cookie", "9111 5.2.2.7 MUST NOT",
         get(MISS, ok('max-age=60, private="Set-Cookie"', Set_Cookie="a=b"), has={"Set-Cookie": "a=b"}),
         get(HIT, has={"Set-Cookie": None})),
    Case("private with a field and without", "9111 5.2.2.7 MUST NOT",
         get(MISS, ok('max-age=60, private="X-A", private', X_A="1")), get(MISS)),
    Case("private with fields on two lines", "9111 5.2.2.7 MUST NOT",
         get(MISS, lines("max-age=60", 'private="X-A"', 'private="X-B"')), get(HIT)),
    *[Case(f"{directive}, when stale", f"9111 {section} MUST NOT", get(MISS, ok(f"max-age=2, {directive}")), EXPIRE, get(MISS))
      for directive, section in (("must-revalidate", "5.2.2.2"), ("proxy-revalidate", "5.2.2.8"), ("s-maxage=2", "5.2.2.10"))],
    *[Case(f"{directive}, when stale and the origin is down", f"9111 {section} MUST NOT",
           get(MISS, ok(f"max-age=2, {directive}")), EXPIRE, get(ERROR, DOWN,
               check=lambda answer: answer.status in (502, 504) or pytest.fail("502 or 504")))
      for directive, section in (("must-revalidate, stale-if-error=600", "5.2.2.2"), ("proxy-revalidate, stale-if-error=600", "5.2.2.8"),
                                 ("s-maxage=2", "5.2.2.10"))],
    stored("must-revalidate, max-age=60", "9111 5.2.2.2"), stored("proxy-revalidate, max-age=60", "9111 5.2.2.8"),
    not_stored("must-revalidate", "9111 5.2.2.2"), not_stored("proxy-revalidate", "9111 5.2.2.8"),
    not_stored("public", "9111 5.2.2.9"),
    stored("no-transform, max-age=60", "9111 5.2.2.6"),
    Case("must-understand undoes no-store where the status is understood", "9111 5.2.2.3 SHOULD",
         get(MISS, ok("max-age=60, must-understand, no-store")), get(HIT)),
    Case("must-understand behind no-store", "9111 5.2.2.3 SHOULD",
         get(MISS, ok("no-store, max-age=60, must-understand")), get(HIT)),
    Case("must-understand with a 404", "9111 5.2.2.3 SHOULD",
         get(MISS, says(404, "max-age=60, must-understand, no-store"), status=404), get(HIT, status=404)),
    Case("must-understand and no-store with an unknown status", "9111 5.2.2.3 MUST NOT",
         get(MISS, says(499, "max-age=60, must-understand, no-store"), status=499), get(MISS, status=499)),
    Case("must-understand does not undo private", "9111 3 MUST NOT",
         get(MISS, ok("max-age=60, must-understand, no-store, private")), get(MISS)),
    Case("directives reach the client", "9111 5.2 MUST",
         get(MISS, ok("max-age=60, x-new, no-transform"), has={"Cache-Control": "max-age=60, x-new, no-transform"}),
         get(HIT, has={"Cache-Control": "max-age=60, x-new, no-transform"})),
    Case("directives reach the origin", "9111 5.2 MUST",
         get(MISS, ok("max-age=60"), send={"Cache-Control": "x-new, max-stale=5"},
             sent={"Cache-Control": "x-new, max-stale=5"})),

    # ---- 5.4 Pragma, 5.5 Warning ----
    Case("Pragma in a response means nothing", "9111 5.4", get(MISS, ok("max-age=60", Pragma="no-cache")), get(HIT)),
    Case("Pragma in a response gives no lifetime", "9111 5.4", get(MISS, ok(Pragma="max-age=60")), get(MISS)),
    Case("Pragma in a request does not go before Cache-Control", "9111 5.4",
         get(MISS, ok("max-age=60")), get(HIT, send={"Pragma": "no-cache", "Cache-Control": "max-age=60"})),
    Case("no Warning is made", "9111 5.5", get(MISS, ok("max-age=60", Age=50)), get(HIT, has={"Warning": None})),
    Case("a Warning that came is passed", "9111 3.1 MUST",
         get(MISS, ok("max-age=60", Warning='199 - "x"')), get(HIT, has={"Warning": '199 - "x"'})),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_cache_control(check, case):
    check(case)
