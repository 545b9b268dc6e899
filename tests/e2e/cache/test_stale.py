# SPDX-License-Identifier: MIT
"""When a stale response may be served: RFC 9111 section 4.2.4, and RFC 5861."""
import pytest

from .case import (ASKED, DOWN, EITHER, ERROR, EXPIRE, HIT, MISS, STALE, UPDATING, VALIDATED, Case, between, get, head, ok,
                   says, unmodified, wait)

pytestmark = pytest.mark.ours

SWR = "max-age=2, stale-while-revalidate=60"
SIE = "max-age=2, stale-if-error=60"
FAILING = (500, 502, 503, 504)
FORBIDDING = ("must-revalidate", "proxy-revalidate", "no-cache")


def failing(code):
    return says(code, "no-store")


CASES = [
    # ---- 4.2.4 ----
    Case("a stale response is not reused", "9111 4.2.4 MUST NOT", get(MISS, ok("max-age=2")), EXPIRE, get(MISS)),
    Case("by Expires", "9111 4.2.4 MUST NOT", get(MISS, ok(Expires="Thu, 01 Jan 1970 00:00:00 GMT")), get(MISS)),
    Case("a stale response is not reused for HEAD", "9111 4.2.4 MUST NOT",
         get(MISS, ok("max-age=2")), EXPIRE, head(ASKED)),
    Case("it is fresh, and then it is not", "9111 4.2",
         get(MISS, ok("max-age=3")), get(HIT), wait(4.1), get(MISS), get(HIT)),
    Case("the age goes on in the cache", "9111 4.2.3",
         get(MISS, ok("max-age=60", Age=10)), EXPIRE, get(HIT, has={"Age": between(12, 16)})),
    Case("it gets stale in the cache by its age", "9111 4.2.3", get(MISS, ok("max-age=60", Age=58)), EXPIRE, get(MISS)),
    *[Case(f"{code} without permission", "9111 4.2.4 MUST NOT", get(MISS, ok("max-age=2")), EXPIRE,
           get(MISS, failing(code), status=code)) for code in FAILING],
    Case("404 without permission", "9111 4.2.4 MUST NOT", get(MISS, ok("max-age=2")), EXPIRE, get(MISS, failing(404), status=404)),
    Case("a fresh response when the origin is down", "9111 4.2", get(MISS, ok("max-age=60")), get(HIT, DOWN)),

    # ---- 5861 3: stale-while-revalidate ----
    Case("stale at once, then new", "5861 3 SHOULD", get(MISS, ok(SWR)), EXPIRE, get(UPDATING, ok("max-age=60"), of=1), get(HIT, of=2)),
    Case("directives in capitals", "9111 5.2", get(MISS, ok("max-age=2, Stale-While-Revalidate=60")), EXPIRE, get(UPDATING, of=1)),
    Case("a number in quotes", "9111 5.2", get(MISS, ok('max-age=2, stale-while-revalidate="60"')), EXPIRE, get(UPDATING, of=1)),
    Case("behind Expires", "5861 3", get(MISS, ok("stale-while-revalidate=60", Expires="Thu, 01 Jan 2099 00:00:00 GMT")), get(HIT)),
    Case("the update has a condition", "9111 4.3.1",
         get(MISS, ok(SWR, ETag='"a"')), EXPIRE, get(UPDATING, unmodified("max-age=60", ETag='"a"'), of=1,
             sent={"If-None-Match": '"a"'}), get(HIT, of=1, has={"Age": between(0, 4), "Cache-Control": "max-age=60"})),
    Case("the stale answer has its age", "9111 4 MUST",
         get(MISS, ok(SWR, Age=0)), EXPIRE, get(UPDATING, of=1, has={"Age": between(1, 6)})),
    Case("the client need not wait", "5861 3 SHOULD",
         get(MISS, ok(SWR)), EXPIRE, get(UPDATING, ok("max-age=60", delay=1), of=1), get(HIT, of=2)),
    Case("while the update runs", "5861 3",
         get(MISS, ok(SWR)), EXPIRE, get(STALE, ok("max-age=60", delay=1), of=1), get(STALE, of=1), get(STALE, of=1),
         wait(1.5), get(HIT, of=2)),
    Case("the time is over", "5861 3",
         get(MISS, ok("max-age=2, stale-while-revalidate=1")), wait(4.1), get(MISS)),
    Case("the time is over when it comes from elsewhere", "5861 3",
         get(MISS, ok("max-age=60, stale-while-revalidate=10", Age=100)), get(MISS)),
    Case("stale-while-revalidate=0", "5861 3", get(MISS, ok("max-age=2, stale-while-revalidate=0")), EXPIRE, get(MISS)),
    *[Case(f"stale-while-revalidate{value} is no number", "5861 3",
           get(MISS, ok(f"max-age=2, stale-while-revalidate{value}")), EXPIRE, get(MISS)) for value in ("", "=", "=-1", "=x", "=1.5")],
    Case("stale-while-revalidate beyond all numbers", "9111 1.2.2 MUST",
         get(MISS, ok("max-age=2, stale-while-revalidate=99999999999999999999")), EXPIRE, get(UPDATING, of=1)),
    Case("both numbers beyond all numbers", "9111 1.2.2 MUST",
         get(MISS, ok("max-age=9223372036854775807, stale-while-revalidate=9223372036854775807")), get(HIT)),
    *[Case(f"stale-while-revalidate and {directive}", "9111 4.2.4 MUST NOT",
           get(MISS, ok(f"{SWR}, {directive}")), EXPIRE, get(MISS)) for directive in FORBIDDING],
    Case("the update fails, and the time is not over", "5861 3",
         get(MISS, ok(SWR)), EXPIRE, get(UPDATING, failing(500), of=1), get(STALE, of=1)),
    Case("the update finds nobody, and the time is not over", "5861 3",
         get(MISS, ok(SWR)), EXPIRE, get(UPDATING, DOWN, of=1), get(UPDATING, ok("max-age=60"), of=1), get(HIT, of=2)),
    Case("the update brings no-store", "9111 5.2.2.5",
         get(MISS, ok(SWR)), EXPIRE, get(UPDATING, ok("no-store"), of=1), get(EITHER, ok("max-age=60"), not_of=2)),
    Case("the update brings 404", "9111 4.3.3",
         get(MISS, ok(SWR)), EXPIRE, get(UPDATING, says(404, "max-age=60"), of=1), get(HIT, of=2, status=404)),
    Case("HEAD is answered with stale fields", "5861 3",
         get(MISS, ok(SWR, X_V="1")), EXPIRE, head(UPDATING, status=200, has={"X-V": "1"})),
    Case("a condition is answered with stale fields", "5861 3",
         get(MISS, ok(SWR, ETag='"a"')), EXPIRE,
         get(UPDATING, unmodified("max-age=60", ETag='"a"'), send={"If-None-Match": '"a"'}, status=304)),
    Case("a range of a stale response", "5861 3",
         get(MISS, ok(SWR, Accept_Ranges="bytes")), EXPIRE, get(UPDATING, send={"Range": "bytes=0-4"}, status=206, part=(0, 4), of=1)),
    Case("the update asks for the whole", "5861 3",
         get(MISS, ok(SWR, Accept_Ranges="bytes")), EXPIRE, get(UPDATING, ok("max-age=60"), send={"Range": "bytes=0-4"},
             status=206, part=(0, 4), of=1, sent={"Range": None}), get(HIT, of=2)),
    Case("the update is for the same variant", "9111 4.3.1",
         get(MISS, ok(SWR, Vary="X-Lang"), send={"X-Lang": "a"}), EXPIRE,
         get(UPDATING, ok("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}, of=1, sent={"X-Lang": "a"}), get(HIT, send={"X-Lang": "a"}, of=2)),
    Case("no-cache of the client waits for the new one", "9111 5.2.1.4",
         get(MISS, ok(SWR)), EXPIRE, get(MISS, send={"Cache-Control": "no-cache"})),
    Case("max-age of the client does not want stale ones", "9111 5.2.1.1",
         get(MISS, ok(SWR)), EXPIRE, get(MISS, send={"Cache-Control": "max-age=100"})),
    Case("a 304 of the update that names another tag changes nothing", "9111 4.3.4 MUST NOT",
         get(MISS, ok(SWR, ETag='"a"')), EXPIRE, get(UPDATING, unmodified("max-age=60", ETag='"b"', X_V="1"), of=1),
         get(STALE, ok("max-age=60"), of=1, has={"X-V": None, "ETag": '"a"'})),

    # s-maxage alone forbids what is stale; an extension in the same field modifies it (9111 4 and 5.2.3).
    Case("s-maxage alone, the origin is down", "9111 5.2.2.10 MUST NOT", get(MISS, ok("s-maxage=2")), EXPIRE, get(ERROR, DOWN)),
    Case("s-maxage and stale-while-revalidate", "9111 5.2.3",
         get(MISS, ok("s-maxage=2, stale-while-revalidate=60")), EXPIRE, get(UPDATING, ok("max-age=60"), of=1)),
    Case("s-maxage and stale-if-error", "9111 5.2.3",
         get(MISS, ok("s-maxage=2, stale-if-error=60")), EXPIRE, get(STALE, DOWN, of=1)),
    Case("s-maxage, and the client's stale-if-error", "9111 5.2.2.10 MUST NOT",
         get(MISS, ok("s-maxage=2")), EXPIRE, get(ERROR, DOWN, send={"Cache-Control": "stale-if-error=60"})),

    # ---- 5861 4: stale-if-error ----
    *[Case(f"stale on {code}", "5861 4", get(MISS, ok(SIE)), EXPIRE, get(STALE, failing(code), of=1)) for code in FAILING],
    Case("stale when the connection is closed", "5861 4", get(MISS, ok(SIE)), EXPIRE, get(STALE, DOWN, of=1)),
    Case("stale with its age", "9111 4 MUST", get(MISS, ok(SIE)), EXPIRE, get(STALE, DOWN, of=1, has={"Age": between(1, 6)})),
    Case("directives of stale-if-error in capitals", "9111 5.2",
         get(MISS, ok("max-age=2, STALE-IF-ERROR=60")), EXPIRE, get(STALE, DOWN, of=1)),
    *[Case(f"{code} is no error of this kind", "5861 4", get(MISS, ok(SIE)), EXPIRE, get(MISS, says(code), status=code))
      for code in (400, 403, 404, 410, 429, 501)],
    Case("the time of stale-if-error is over", "5861 4",
         get(MISS, ok("max-age=2, stale-if-error=1")), wait(4.1), get(MISS, failing(503), status=503)),
    Case("the time of stale-if-error is over, the origin is down", "5861 4",
         get(MISS, ok("max-age=2, stale-if-error=1")), wait(4.1), get(ERROR, DOWN)),
    Case("stale-if-error=0", "5861 4", get(MISS, ok("max-age=2, stale-if-error=0")), EXPIRE, get(MISS, failing(503), status=503)),
    Case("stale-if-error without a number", "5861 4",
         get(MISS, ok("max-age=2, stale-if-error")), EXPIRE, get(MISS, failing(503), status=503)),
    Case("stale-if-error beyond all numbers", "9111 1.2.2 MUST",
         get(MISS, ok("max-age=2, stale-if-error=99999999999999999999")), EXPIRE, get(STALE, DOWN, of=1)),
    *[Case(f"stale-if-error and {directive}", "9111 4.2.4 MUST NOT",
           get(MISS, ok(f"{SIE}, {directive}")), EXPIRE, get(ERROR, failing(503))) for directive in FORBIDDING],
    *[Case(f"stale-if-error and {directive}, the origin is down", "9111 4.2.4 MUST NOT",
           get(MISS, ok(f"{SIE}, {directive}")), EXPIRE, get(ERROR, DOWN)) for directive in FORBIDDING],
    Case("the error does not replace what is stored", "5861 4",
         get(MISS, ok(SIE)), EXPIRE, get(STALE, failing(503), of=1), get(STALE, failing(503), of=1),
         get(MISS, ok("max-age=60")), get(HIT)),
    Case("the origin is well again", "5861 4",
         get(MISS, ok(SIE)), EXPIRE, get(STALE, DOWN, of=1), get(MISS, ok("max-age=60")), get(HIT)),
    Case("stale-if-error is for errors only", "5861 4", get(MISS, ok(SIE)), EXPIRE, get(MISS)),
    Case("an error while validating", "9111 4.3.3",
         get(MISS, ok(SIE, ETag='"a"')), EXPIRE, get(STALE, failing(503), of=1, sent={"If-None-Match": '"a"'}),
         get(VALIDATED, unmodified("max-age=60", ETag='"a"'), of=1)),
    Case("a condition is answered with stale fields, the origin is down", "5861 4",
         get(MISS, ok(SIE, ETag='"a"')), EXPIRE, get(STALE, DOWN, send={"If-None-Match": '"a"'}, status=304)),
    Case("HEAD, the origin is down", "5861 4", get(MISS, ok(SIE)), EXPIRE, head(STALE, DOWN, status=200)),
    Case("stale-if-error in the request", "5861 4",
         get(MISS, ok("max-age=2")), EXPIRE, get(STALE, DOWN, send={"Cache-Control": "stale-if-error=60"}, of=1)),
    Case("stale-if-error in the request does not go over must-revalidate", "9111 4.2.4 MUST NOT",
         get(MISS, ok("max-age=2, must-revalidate")), EXPIRE, get(ERROR, DOWN, send={"Cache-Control": "stale-if-error=60"})),
    Case("stale-if-error on a stored 404", "5861 4",
         get(MISS, says(404, SIE), status=404), EXPIRE, get(STALE, DOWN, of=1, status=404)),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_stale(check, case):
    check(case)
