# SPDX-License-Identifier: MIT
"""Conditional requests of clients that a stored response answers: RFC 9111 section 4.3.2, RFC 9110 section 13."""
import pytest

from .case import (ASKED, EITHER, HIT, MISS, NOW, UNASKED, Case, ago, ahead, ask, asctime, get, head, imf, ok, present,
                   rfc850, says, unmodified)

pytestmark = pytest.mark.ours

OLD = ago(10000)
MODIFIED = {"If-Modified-Since": OLD}


def match(value):
    return {"If-None-Match": value}


def since(value):
    return {"If-Modified-Since": value}


def no_body(answer):
    assert answer.body == b"" and answer.get("Content-Length") in (None, "60")


def tagged(tag, send, status, source="9111 4.3.2 SHOULD"):
    expect = UNASKED if status == 304 else HIT
    return Case(f"ETag {tag}, If-None-Match {send}: {status}", source,
                get(MISS, ok("max-age=60", ETag=tag)), get(expect, send=match(send), status=status))


def dated(title, send, status, source="9111 4.3.2 SHOULD", **fields):
    fields = fields or {"Last_Modified": OLD}
    return Case(f"{title}: {status}", source, get(MISS, ok("max-age=600", **fields)),
                get(UNASKED if status == 304 else HIT, send=since(send), status=status))


def by_tag(request):
    if request.get("If-None-Match") == '"a"':
        return unmodified("max-age=60", ETag='"a"')
    return ok("max-age=60", ETag='"a"')


CASES = [
    # ---- If-None-Match ----
    tagged('"a"', '"a"', 304), tagged('"a"', '"b"', 200), tagged('"a"', '"b", "a"', 304), tagged('"a"', '"a", "b"', 304),
    tagged('"a"', '"b","c" ,\t"a"', 304, "9110 5.6.1"), tagged('"a"', ', "a",', 304, "9110 5.6.1"), tagged('"a"', '"b", "c"', 200),
    tagged('"a"', "*", 304), tagged('W/"a"', '"a"', 304, "9110 13.1.2 MUST"), tagged('"a"', 'W/"a"', 304, "9110 13.1.2 MUST"),
    tagged('W/"a"', 'W/"a"', 304, "9110 13.1.2 MUST"), tagged('W/"a"', 'W/"b"', 200), tagged('"a"', '"A"', 200, "9110 8.8.3"),
    tagged('"a,b"', '"a,b"', 304, "9110 8.8.3"), tagged('"a,b"', '"a", "b"', 200, "9110 8.8.3"),
    tagged('"a"', '"b, \\"a"', 200, "9110 8.8.3"), tagged('""', '""', 304, "9110 8.8.3"), tagged('"a"', '""', 200, "9110 8.8.3"),
    tagged('"a"', '"aa"', 200), tagged('"aa"', '"a"', 200), tagged('"W/a"', 'W/"a"', 200, "9110 8.8.3"),
    tagged('"a"', 'w/"a"', 200, "9110 8.8.3"),
    Case("If-None-Match on two lines", "9110 5.3", get(MISS, ok("max-age=60", ETag='"a"')),
         get(UNASKED, send=[("If-None-Match", '"b"'), ("If-None-Match", '"a"')], status=304)),
    Case("If-None-Match, and no tag is stored", "9111 4.3.2", get(MISS, ok("max-age=60")), get(HIT, send=match('"a"'), status=200)),
    Case("If-None-Match: *, and no tag is stored", "9111 4.3.2 SHOULD", get(MISS, ok("max-age=60")), get(UNASKED, send=match("*"), status=304)),
    Case("If-None-Match, the tag is that of an earlier one", "9111 4.3.2",
         get(MISS, ok("max-age=60", ETag='"a"')), get(MISS, ok("max-age=60", ETag='"b"'), send={"Cache-Control": "no-cache"}),
         get(HIT, send=match('"a"'), status=200, of=2)),

    # ---- If-Modified-Since ----
    dated("equal", OLD, 304), dated("later", ago(100), 304), dated("one second earlier", ago(10001), 200),
    dated("one second later", ago(9999), 304), dated("long before", ago(10**8), 200),
    *[dated(f"equal, as {form.__name__}", ago(10000, form), 304, "9110 5.6.7 MUST") for form in (imf, rfc850, asctime)],
    *[dated(f"earlier, as {form.__name__}", ago(20000, form), 200, "9110 5.6.7 MUST") for form in (imf, rfc850, asctime)],
    *[dated(f"Last-Modified as {form.__name__}", OLD, 304, "9110 5.6.7 MUST", Last_Modified=ago(10000, form)) for form in (rfc850, asctime)],
    *[dated(f"no date: {value}", value, 200, "9110 13.1.3 MUST") for value in
      ("yesterday", "0", "Thu, 01 Foo 2099 00:00:00 GMT", "Thu, 01 Jan 2099")],
    dated("without Last-Modified, after Date", NOW, 304, "9111 4.3.2 SHOULD", Date=ago(100)),
    dated("without Last-Modified, equal to Date", ago(100), 304, "9111 4.3.2 SHOULD", Date=ago(100)),
    dated("without Last-Modified, before Date", ago(200), 200, "9111 4.3.2", Date=ago(100)),
    Case("without Last-Modified and Date", "9111 4.3.2 SHOULD", get(MISS, ok("max-age=60", Date=None)),
         get(UNASKED, send=since(ahead(5)), status=304)),
    Case("without Last-Modified and Date, before it came", "9111 4.3.2", get(MISS, ok("max-age=60", Date=None)),
         get(HIT, send=since(ago(100)), status=200)),

    # ---- precedence ----
    Case("If-None-Match goes before If-Modified-Since: differs", "9110 13.1.3 MUST",
         get(MISS, ok("max-age=60", ETag='"a"', Last_Modified=OLD)), get(HIT, send={**match('"b"'), **MODIFIED}, status=200)),
    Case("If-None-Match goes before If-Modified-Since: is the same", "9110 13.1.3 MUST",
         get(MISS, ok("max-age=60", ETag='"a"', Last_Modified=OLD)),
         get(UNASKED, send={**match('"a"'), **since(ago(99999))}, status=304)),
    Case("If-None-Match goes before If-Modified-Since, without a tag", "9110 13.1.3 MUST",
         get(MISS, ok("max-age=60", Last_Modified=OLD)), get(HIT, send={**match('"b"'), **MODIFIED}, status=200)),
    Case("If-Match is for the origin", "9111 4.3.2 MUST NOT",
         get(MISS, ok("max-age=60", ETag='"a"')), get(EITHER, send={"If-Match": '"b"'}, status=200)),
    Case("If-Unmodified-Since is for the origin", "9111 4.3.2 MUST NOT",
         get(MISS, ok("max-age=60", Last_Modified=OLD)), get(EITHER, send={"If-Unmodified-Since": ago(20000)}, status=200)),
    Case("If-Match with another method goes to the origin", "9110 13.2.1",
         get(MISS, ok("max-age=60", ETag='"a"')),
         ask("PUT", ASKED, says(412), send={"If-Match": '"b"'}, content=b"x", status=412, sent={"If-Match": '"b"'})),
    Case("If-None-Match: * of a PUT goes to the origin", "9111 4.3.2 MUST NOT",
         get(MISS, ok("max-age=60", ETag='"a"')),
         ask("PUT", ASKED, says(412), send=match("*"), content=b"x", status=412, sent=match("*"))),
    Case("If-Modified-Since of a POST goes to the origin", "9110 13.1.3 MUST",
         get(MISS, ok("max-age=60", Last_Modified=OLD)), ask("POST", ASKED, ok(), send=MODIFIED, content=b"x", status=200)),

    # ---- the 304 ----
    Case("304 has no body", "9110 15.4.5", get(MISS, ok("max-age=60", ETag='"a"')), get(UNASKED, send=match('"a"'), status=304, check=no_body)),
    *[Case(f"304 has {name}", "9110 15.4.5 MUST", get(MISS, ok("max-age=60", ETag='"a"', more=[(name, value)] if name != "ETag" else [])),
           get(UNASKED, send=match('"a"'), status=304, has={name: value})) for name, value in (
        ("ETag", '"a"'), ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT"), ("Content-Location", "/x"), ("Vary", "X-Lang"))],
    Case("304 has Cache-Control", "9110 15.4.5 MUST",
         get(MISS, ok("max-age=60, x-new", ETag='"a"')), get(UNASKED, send=match('"a"'), status=304, has={"Cache-Control": "max-age=60, x-new"})),
    Case("304 has Date", "9110 15.4.5 MUST",
         get(MISS, ok("max-age=600", ETag='"a"', Date=ago(100))), get(UNASKED, send=match('"a"'), status=304, has={"Date": ago(100)})),
    Case("304 by date has Last-Modified", "9110 15.4.5",
         get(MISS, ok("max-age=60", Last_Modified=OLD)), get(UNASKED, send=MODIFIED, status=304, has={"Last-Modified": OLD})),
    Case("304 has Age", "9111 4 MUST", get(MISS, ok("max-age=60", ETag='"a"')), get(UNASKED, send=match('"a"'), status=304, has={"Age": present})),
    Case("a 304 leaves the connection usable", "9112 6.3",
         get(MISS, ok("max-age=60", ETag='"a"')), get(UNASKED, send=match('"a"'), status=304), get(HIT)),
    Case("HEAD with a condition", "9110 13.1.2", get(MISS, ok("max-age=60", ETag='"a"')), head(UNASKED, send=match('"a"'), status=304)),
    Case("HEAD with a condition that fails", "9110 13.1.2", get(MISS, ok("max-age=60", ETag='"a"')), head(UNASKED, send=match('"b"'), status=200)),
    *[Case(f"a stored {code} is not turned into 304", "9110 13.2.1 MUST",
           get(MISS, says(code, "max-age=60", ETag='"a"'), status=code), get(HIT, send=match('"a"'), status=code))
      for code in (301, 404, 410, 500)],

    # ---- nothing is stored ----
    Case("a condition on a miss", "9111 4.3.2 MUST NOT",
         get(ASKED, by_tag, send=match('"a"'), status=304), get(EITHER, status=200), get(HIT)),
    Case("a condition on a miss that fails", "9111 4.3.2", get(ASKED, by_tag, send=match('"b"'), status=200), get(HIT)),
    Case("the 304 to a client is no answer to others", "9111 3 MUST NOT",
         get(ASKED, by_tag, send=match('"a"'), status=304), get(EITHER, send=match('"b"'), status=200), get(HIT, status=200)),
    Case("a date on a miss", "9111 4.3.2 MUST NOT",
         get(ASKED, lambda request: unmodified("max-age=60") if request.has("If-Modified-Since") else ok("max-age=60", Last_Modified=OLD),
             send=MODIFIED, status=304), get(EITHER, status=200), get(HIT)),
    Case("a condition on what is not stored", "9111 4.3.2",
         get(ASKED, lambda request: by_tag(request) if request.has("If-None-Match") else ok("no-store", ETag='"a"'),
             send=match('"a"'), check=lambda answer: answer.status in (200, 304) or pytest.fail("status")),
         get(MISS, ok("no-store", ETag='"a"'))),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_conditionals(check, case):
    check(case)
