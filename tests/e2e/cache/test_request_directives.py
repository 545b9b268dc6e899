# SPDX-License-Identifier: MIT
"""Directives of requests: RFC 9111 section 5.2.1. We follow them by default."""
import pytest

from .case import ASKED, EITHER, EXPIRE, HIT, MISS, UNASKED, VALIDATED, Case, between, get, head, ok, unmodified

pytestmark = pytest.mark.ours


def with_(*values):
    return [("Cache-Control", value) for value in values]


def asked(*values, source, answer=ok("max-age=60")):
    return Case(f"asks the origin: {'; '.join(values)}", source, get(MISS, answer), get(MISS, send=with_(*values)))


def unasked(*values, source, answer=ok("max-age=60")):
    return Case(f"answered from the cache: {'; '.join(values)}", source, get(MISS, answer), get(HIT, send=with_(*values)))


AGED = ok("max-age=60", Age=20)
STALE_FOR = ok("max-age=2")

CASES = [
    # ---- 5.2.1.1 max-age ----
    asked("max-age=0", source="9111 5.2.1.1"), asked("max-age=10", source="9111 5.2.1.1", answer=AGED),
    unasked("max-age=30", source="9111 5.2.1.1", answer=AGED), unasked("max-age=9999999999999", source="9111 1.2.2"),
    asked("MAX-AGE=0", source="9111 5.2"), asked('max-age="0"', source="9111 5.2"),
    asked("x-new, max-age=0", source="9111 5.2"), asked("x-new", "max-age=0", source="9110 5.3"),
    Case("max-age does not make stale ones fresh", "9111 5.2.1.1",
         get(MISS, STALE_FOR), EXPIRE, get(MISS, send=with_("max-age=60"))),
    Case("max-age=0 validates", "9111 5.2.1.1",
         get(MISS, ok("max-age=60", ETag='"a"')), get(VALIDATED, unmodified("max-age=60", ETag='"a"'), send=with_("max-age=0"))),
    Case("what max-age=0 brought is stored", "9111 5.2.1.1",
         get(MISS, ok("max-age=60")), get(MISS, send=with_("max-age=0")), get(HIT, of=2)),

    # ---- 5.2.1.2 max-stale ----
    Case("max-stale with a number that is enough", "9111 5.2.1.2",
         get(MISS, STALE_FOR), EXPIRE, get(HIT, send=with_("max-stale=60"), has={"Age": between(1, 10)})),
    Case("max-stale without a number", "9111 5.2.1.2", get(MISS, STALE_FOR), EXPIRE, get(HIT, send=with_("max-stale"))),
    Case("max-stale with a number that is too small", "9111 5.2.1.2",
         get(MISS, STALE_FOR), EXPIRE, EXPIRE, get(MISS, send=with_("max-stale=1"))),
    Case("max-stale=0", "9111 5.2.1.2", get(MISS, STALE_FOR), EXPIRE, get(MISS, send=with_("max-stale=0"))),
    Case("max-stale beyond all numbers", "9111 1.2.2 MUST",
         get(MISS, STALE_FOR), EXPIRE, get(HIT, send=with_("max-stale=99999999999999999999"))),
    *[Case(f"max-stale does not go over {directive}", "9111 4.2.4 MUST NOT",
           get(MISS, ok(f"max-age=2, {directive}")), EXPIRE, get(MISS, send=with_("max-stale=60")))
      for directive in ("must-revalidate", "proxy-revalidate", "s-maxage=2", "no-cache")],
    unasked("max-stale=60", source="9111 5.2.1.2"),
    Case("max-stale is for one request only", "9111 5.2.1.2",
         get(MISS, STALE_FOR), EXPIRE, get(HIT, send=with_("max-stale=60")), get(MISS)),

    # ---- 5.2.1.3 min-fresh ----
    asked("min-fresh=60", source="9111 5.2.1.3", answer=AGED), asked("min-fresh=41", source="9111 5.2.1.3", answer=AGED),
    unasked("min-fresh=30", source="9111 5.2.1.3", answer=AGED), unasked("min-fresh=0", source="9111 5.2.1.3"),
    asked("min-fresh=99999999999999999999", source="9111 1.2.2 MUST"),

    # ---- 5.2.1.4 no-cache ----
    asked("no-cache", source="9111 5.2.1.4"), asked("NO-CACHE", source="9111 5.2"),
    asked("max-age=60, no-cache", source="9111 5.2.1.4"), asked("max-stale=60, no-cache", source="9111 5.2.1.4"),
    unasked('x-new="no-cache"', source="9111 5.2.3 MUST"), unasked("no-cached", source="9111 5.2.3 MUST"),
    unasked('x-new="a, no-cache"', source="9111 5.2.3 MUST"),
    Case("no-cache validates", "9111 5.2.1.4",
         get(MISS, ok("max-age=60", ETag='"a"')), get(VALIDATED, unmodified("max-age=60", ETag='"a"'), send=with_("no-cache"))),
    Case("what no-cache brought is stored", "9111 5.2.1.4",
         get(MISS, ok("max-age=60")), get(MISS, send=with_("no-cache")), get(HIT, of=2)),
    Case("no-cache on a miss", "9111 5.2.1.4", get(MISS, ok("max-age=60"), send=with_("no-cache")), get(HIT)),
    Case("no-cache on HEAD", "9111 5.2.1.4", get(MISS, ok("max-age=60")), head(ASKED, send=with_("no-cache"), status=200)),

    # ---- 5.2.1.5 no-store ----
    Case("no-store", "9111 5.2.1.5 MUST NOT", get(MISS, ok("max-age=60"), send=with_("no-store")), get(MISS)),
    Case("NO-STORE among others", "9111 5.2.1.5 MUST NOT",
         get(MISS, ok("max-age=60"), send=with_("max-age=60, NO-STORE")), get(MISS)),
    Case("no-store does not touch what is stored", "9111 5.2.1.5",
         get(MISS, ok("max-age=60")), get(HIT, send=with_("no-store")), get(HIT)),
    Case("no-store on a reload", "9111 5.2.1.5 MUST NOT",
         get(MISS, ok("max-age=60")), get(MISS, send=with_("no-cache, no-store")), get(EITHER, not_of=2)),

    # ---- 5.2.1.6 no-transform, 5.2.1.7 only-if-cached, 5.2.3 ----
    unasked("no-transform", source="9111 5.2.1.6"),
    unasked("only-if-cached", source="9111 5.2.1.7 SHOULD"),
    Case("only-if-cached, nothing is stored", "9111 5.2.1.7 SHOULD",
         get(UNASKED, ok("max-age=60"), send=with_("only-if-cached"), status=504)),
    Case("only-if-cached, HEAD", "9111 5.2.1.7 SHOULD",
         head(UNASKED, ok("max-age=60"), send=with_("only-if-cached"), status=504)),
    Case("only-if-cached, what is stored is stale", "9111 5.2.1.7 SHOULD",
         get(MISS, STALE_FOR), EXPIRE, get(UNASKED, send=with_("only-if-cached"), status=504)),
    Case("only-if-cached, stale is welcome", "9111 5.2.1.7 SHOULD",
         get(MISS, STALE_FOR), EXPIRE, get(HIT, send=with_("only-if-cached, max-stale=60"))),
    Case("only-if-cached, what is stored is too old", "9111 5.2.1.7 SHOULD",
         get(MISS, AGED), get(UNASKED, send=with_("only-if-cached, max-age=10"), status=504)),
    Case("only-if-cached and no-cache", "9111 5.2.1.7 SHOULD",
         get(MISS, ok("max-age=60")), get(UNASKED, send=with_("only-if-cached, no-cache"), status=504)),
    Case("only-if-cached, another variant", "9111 5.2.1.7 SHOULD",
         get(MISS, ok("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}),
         get(UNASKED, send=[("X-Lang", "b"), ("Cache-Control", "only-if-cached")], status=504)),
    Case("only-if-cached with a condition", "9111 5.2.1.7 SHOULD",
         get(MISS, ok("max-age=60", ETag='"a"')),
         get(UNASKED, send=[("If-None-Match", '"a"'), ("Cache-Control", "only-if-cached")], status=304)),
    Case("only-if-cached leaves nothing behind", "9111 5.2.1.7",
         get(UNASKED, ok("max-age=60"), send=with_("only-if-cached"), status=504), get(MISS), get(HIT)),
    unasked("x-new=1, max-stale", source="9111 5.2.3 MUST"), unasked("s-maxage=0", source="9111 5.2.1"),
    unasked("private", source="9111 5.2.1"), unasked("must-revalidate", source="9111 5.2.1"),
    Case("no-cache goes on to the origin", "9111 5.2 MUST",
         get(MISS, ok("max-age=60")), get(MISS, send=with_("no-cache"), sent={"Cache-Control": "no-cache"})),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_request_directives(check, case):
    check(case)
