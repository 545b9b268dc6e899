# SPDX-License-Identifier: MIT
"""Ranges of stored responses: RFC 9110 section 14 and 13.1.5, RFC 9111 sections 3.3 and 3.4."""
import re

import pytest

from .case import (ASKED, EITHER, EXPIRE, HIT, MISS, UNASKED, VALIDATED, Answer, Case, ago, ask, between, get, head, says,
                   unmodified)

pytestmark = pytest.mark.ours

OLD = ago(10000)
BODY = b"0123456789" * 6


def ok(cache_control=None, **rest):
    """An origin that can do ranges says so; who does not is a matter of proxy_force_ranges."""
    return Answer(200, cache_control, Accept_Ranges="bytes", **rest)


def range_(value, **more):
    return {"Range": value, **{name.replace("_", "-"): field for name, field in more.items()}}


def part(value, first, last, source="9110 14.2"):
    return Case(f"{value}: bytes {first} to {last}", source, get(MISS, ok("max-age=60")),
                get(HIT, send=range_(value), status=206, part=(first, last),
                    has={"Content-Range": f"bytes {first}-{last}/60", "Content-Length": str(last - first + 1)}))


def whole(value, source="9110 14.2 MUST"):
    return Case(f"{value}: the whole", source, get(MISS, ok("max-age=60")),
                get(HIT, send=range_(value), status=200, has={"Content-Range": None}))


def invalid(value):
    """May be ignored or refused, but is no range."""
    return Case(f"{value}: no range", "9110 14.2", get(MISS, ok("max-age=60", body=BODY)),
                get(UNASKED, send=range_(value), check=lambda answer: answer.status in (400, 416) or (
                    answer.status == 200 and answer.body == BODY) or pytest.fail(f"{answer.status}")))


def none(value, source="9110 15.5.17"):
    return Case(f"{value}: not satisfiable", source, get(MISS, ok("max-age=60")),
                get(UNASKED, send=range_(value), status=416, has={"Content-Range": "bytes */60"}))


def parts(*wanted):
    """Judges a multipart/byteranges of BODY with these pieces."""
    def check(answer):
        boundary = re.fullmatch(r'multipart/byteranges; ?boundary="?([^"]+)"?', answer.get("Content-Type"))[1].encode()
        assert not answer.has("Content-Range"), "RFC 9110 15.3.7.2 MUST NOT"
        pieces = answer.body.split(b"--" + boundary)
        assert pieces[-1].strip() == b"--", "the end of the last part"
        found = []
        for piece in pieces[1:-1]:
            head_, _, content = piece[2:].partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head_.decode().split("\r\n"))
            first, last = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/60", fields["Content-Range"]).groups())
            assert fields["Content-Type"] == "text/x"
            assert content[:-2] == BODY[first:last + 1]
            found.append((first, last))
        assert found == list(wanted), found
    return check


def multi(value, *wanted, source="9110 15.3.7.2"):
    return Case(f"{value}: parts", source, get(MISS, ok("max-age=60", body=BODY, Content_Type="text/x")),
                get(UNASKED, send=range_(value), status=206, check=parts(*wanted)))


def serves_ranges(request):
    """An origin that can do ranges."""
    return origin_range(request, '"a"')


def origin_range(request, tag):
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", request.get("Range") or "")
    if not match:
        return ok("max-age=60", body=BODY, ETag=tag)
    first, last = int(match[1]), int(match[2])
    return Answer(206, "max-age=60", body=BODY[first:last + 1], ETag=tag, Accept_Ranges="bytes",
                  Content_Range=f"bytes {first}-{last}/60")


def if_range(title, value, status, source="9110 13.1.5 MUST", **fields):
    rest = {"part": (0, 4)} if status == 206 else {}
    return Case(f"If-Range {title}: {status}", source, get(MISS, ok("max-age=600", **fields)),
                get(HIT, send=range_("bytes=0-4", If_Range=value), status=status, **rest))


CASES = [
    # ---- one range ----
    part("bytes=0-4", 0, 4), part("bytes=0-0", 0, 0), part("bytes=5-9", 5, 9), part("bytes=59-59", 59, 59),
    part("bytes=55-", 55, 59), part("bytes=0-", 0, 59), part("bytes=-5", 55, 59), part("bytes=-1", 59, 59),
    part("bytes=-100", 0, 59), part("bytes=50-100", 50, 59), part("bytes=0-59", 0, 59),
    part("bytes=50-18446744073709551616", 50, 59), part("bytes=-18446744073709551616", 0, 59),
    part("bytes=50-9223372036854775807", 50, 59), part("Bytes=0-4", 0, 4, "9110 14.1"), part("BYTES=0-4", 0, 4, "9110 14.1"),
    part("bytes=00-04", 0, 4), part("bytes= 0-4", 0, 4, "9110 5.6.1"), part("bytes=0-4 ", 0, 4, "9110 5.5"),
    part("bytes=,0-4", 0, 4, "9110 5.6.1"), part("bytes=0-4,", 0, 4, "9110 5.6.1"),
    none("bytes=60-"), none("bytes=60-70"), none("bytes=-0"), none("bytes=18446744073709551616-"), none("bytes=100-200,300-"),
    whole("lines=0-4"), whole("byte=0-4"), whole("bytesx=0-4"),
    *[invalid(value) for value in (
        "bytes=4-0", "bytes=a-b", "bytes=-", "bytes=", "bytes", "0-4", "bytes=0-4-5", "bytes=--4", "bytes=0-4;5-6",
        "bytes=0 - 4", "bytes=1.0-4", "bytes=0x0-4", "bytes=+0-4", "bytes=0-4,a", "bytes=5-4,0-1", "bytes =0-4")],
    Case("an empty body", "9110 14.1.2", get(MISS, ok("max-age=60", body=b"")),
         get(UNASKED, send=range_("bytes=0-"), check=lambda answer: answer.status in (200, 416) or pytest.fail("status"))),
    Case("two Range lines", "9110 14.2", get(MISS, ok("max-age=60")),
         get(UNASKED, send=[("Range", "bytes=0-4"), ("Range", "bytes=5-9")],
             check=lambda answer: answer.status in (200, 206, 400) or pytest.fail("status"))),

    # ---- several ----
    multi("bytes=0-4,10-14", (0, 4), (10, 14)), multi("bytes=10-14, 0-4", (10, 14), (0, 4)), multi("bytes=0-0,-1", (0, 0), (59, 59)),
    multi("bytes=0-4,\t50-", (0, 4), (50, 59)),
    Case("several, one is satisfiable", "9110 15.3.7.2", get(MISS, ok("max-age=60")),
         get(HIT, send=range_("bytes=0-4,100-200"), status=206, part=(0, 4), has={"Content-Range": "bytes 0-4/60"})),
    Case("several, none is satisfiable", "9110 15.5.17", get(MISS, ok("max-age=60")),
         get(UNASKED, send=range_("bytes=60-,70-80"), status=416, has={"Content-Range": "bytes */60"})),
    *[Case(f"too many: {title}", "9110 14.2, 17.15", get(MISS, ok("max-age=60", body=BODY * 100)),
           get(UNASKED, send=range_("bytes=" + value),
               check=lambda answer: len(answer.body) <= 2 * 6000 or pytest.fail(f"{len(answer.body)} bytes of 6000")))
      for title, value in (("the same", ",".join(["0-"] * 200)), ("overlapping", ",".join(f"{i}-" for i in range(200))),
                           ("small", ",".join(f"{2 * i}-{2 * i}" for i in range(1000))))],

    # ---- the 206 ----
    *[Case(f"206 has {name}", "9110 15.3.7 MUST", get(MISS, ok("max-age=60", more=[(name, value)])),
           get(HIT, send=range_("bytes=0-4"), status=206, part=(0, 4), has={name: value})) for name, value in (
        ("ETag", '"a"'), ("Expires", "Thu, 01 Jan 2099 00:00:00 GMT"), ("Content-Location", "/x"), ("Vary", "X-Lang"),
        ("Content-Type", "text/x"), ("Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT"))],
    Case("206 has Cache-Control, Date and Age", "9110 15.3.7 MUST", get(MISS, ok("max-age=600, x-new", Date=ago(100))),
         get(HIT, send=range_("bytes=0-4"), status=206, part=(0, 4),
             has={"Cache-Control": "max-age=600, x-new", "Date": ago(100), "Age": between(100, 103)})),
    Case("a chunked response", "9110 14.2", get(MISS, ok("max-age=60", how="chunked")),
         get(HIT, send=range_("bytes=-5"), status=206, part=(55, 59), has={"Content-Range": "bytes 55-59/60"})),
    Case("a large response", "9110 14.2", get(MISS, ok("max-age=60", body=BODY * 20000)),
         get(HIT, send=range_("bytes=1000000-1000009"), status=206, body=BODY[40:50],
             has={"Content-Range": "bytes 1000000-1000009/1200000"})),
    Case("the whole is still whole", "9111 3.3 MUST NOT",
         get(MISS, ok("max-age=60")), get(HIT, send=range_("bytes=0-4"), status=206, part=(0, 4)), get(HIT, status=200)),
    Case("HEAD has no ranges", "9110 14.2 MUST", get(MISS, ok("max-age=60")),
         head(HIT, send=range_("bytes=0-4"), status=200, has={"Content-Length": "60", "Content-Range": None})),
    *[Case(f"a stored {code} has no ranges", "9110 14.2", get(MISS, says(code, "max-age=60"), status=code),
           get(HIT, send=range_("bytes=0-4"), status=code)) for code in (301, 404, 500)],
    Case("POST has no ranges", "9110 14.2 MUST", get(MISS, ok("max-age=60")),
         ask("POST", MISS, ok(), send=range_("bytes=0-4"), content=b"x", status=200)),
    Case("a variant", "9111 4.1 MUST NOT",
         get(MISS, ok("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}), get(MISS, send={"X-Lang": "b"}),
         get(HIT, send={"X-Lang": "a", "Range": "bytes=0-9"}, status=206, part=(0, 9), of=1)),
    Case("a stale response is validated first", "9111 4", get(MISS, ok("max-age=2", ETag='"a"')), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"'), send=range_("bytes=0-4"), status=206, part=(0, 4)), get(HIT)),
    Case("a stale response that is replaced", "9111 4.3.3 MUST", get(MISS, ok("max-age=2", ETag='"a"')), EXPIRE,
         get(MISS, ok("max-age=60", ETag='"b"'), send=range_("bytes=0-9"), status=206, part=(0, 9)), get(HIT, of=2)),

    # ---- conditions ----
    Case("If-None-Match goes first: 304", "9110 13.2.2 MUST", get(MISS, ok("max-age=60", ETag='"a"')),
         get(UNASKED, send=range_("bytes=0-4", If_None_Match='"a"'), status=304)),
    Case("If-None-Match goes first: 206", "9110 13.2.2 MUST", get(MISS, ok("max-age=60", ETag='"a"')),
         get(HIT, send=range_("bytes=0-4", If_None_Match='"b"'), status=206, part=(0, 4))),
    Case("If-None-Match goes before what is not satisfiable", "9110 13.2.2 MUST", get(MISS, ok("max-age=60", ETag='"a"')),
         get(UNASKED, send=range_("bytes=100-", If_None_Match='"a"'), status=304)),
    if_range("with the tag", '"a"', 206, ETag='"a"'), if_range("with another tag", '"b"', 200, ETag='"a"'),
    if_range("with a weak tag", 'W/"a"', 200, ETag='W/"a"'), if_range("with a weak tag for a strong one", 'W/"a"', 200, ETag='"a"'),
    if_range("with a strong tag for a weak one", '"a"', 200, ETag='W/"a"'), if_range("with a tag, and none is stored", '"a"', 200),
    if_range("with the date", OLD, 206, Last_Modified=OLD), if_range("with a later date", ago(9000), 200, Last_Modified=OLD),
    if_range("with an earlier date", ago(11000), 200, Last_Modified=OLD), if_range("with a date, and none is stored", OLD, 200),
    if_range("with what is neither", "a", 200, ETag='"a"'), if_range("with a list", '"a", "b"', 200, ETag='"a"'),
    if_range("with *", "*", 200, ETag='"a"'),
    if_range("with a date that is not a strong one", ago(100), 200, Last_Modified=ago(100), Date=ago(100)),
    Case("If-Range without Range", "9110 13.1.5 MUST", get(MISS, ok("max-age=60", ETag='"a"')), get(HIT, send={"If-Range": '"b"'}, status=200)),
    Case("If-Range goes before what is not satisfiable", "9110 13.1.5 MUST", get(MISS, ok("max-age=60", ETag='"a"')),
         get(HIT, send=range_("bytes=100-", If_Range='"b"'), status=200)),

    # ---- a miss, and a 206 of the origin ----
    Case("on a miss the whole is fetched", "9111 3.3",
         get(ASKED, serves_ranges, send=range_("bytes=5-9"), status=206, body=BODY[5:10], sent={"Range": None, "If-Range": None}),
         get(UNASKED, status=200, body=BODY)),
    Case("on a miss that cannot be satisfied", "9110 15.5.17",
         get(ASKED, serves_ranges, send=range_("bytes=100-"), status=416), get(EITHER, status=200)),
    Case("on a miss with If-Range", "9110 13.1.5 MUST",
         get(ASKED, serves_ranges, send=range_("bytes=5-9", If_Range='"b"'), status=200, body=BODY), get(UNASKED, status=200, body=BODY)),
    Case("on a miss that is not stored", "9110 14.2",
         get(ASKED, ok("no-store", body=BODY), send=range_("bytes=5-9"),
             check=lambda answer: answer.body == (BODY if answer.status == 200 else BODY[5:10]) or pytest.fail("body"))),
    Case("a 206 of the origin is never the whole", "9111 3.3 MUST NOT",
         get(ASKED, Answer(206, "max-age=60", body=BODY[:5], ETag='"a"', Content_Range="bytes 0-4/60"), send=range_("bytes=0-4")),
         get(ASKED, serves_ranges, status=200, body=BODY), get(UNASKED, status=200, body=BODY)),
    Case("a 206 that nobody asked for is never the whole", "9111 3.3 MUST NOT",
         get(ASKED, Answer(206, "max-age=60", body=BODY[:5], ETag='"a"', Content_Range="bytes 0-4/60")),
         get(ASKED, serves_ranges, status=200, body=BODY)),
    Case("a 206 is no answer for another range", "9111 3.3 MUST NOT",
         get(ASKED, Answer(206, "max-age=60", body=BODY[:5], ETag='"a"', Content_Range="bytes 0-4/60"), send=range_("bytes=0-4")),
         get(ASKED, serves_ranges, send=range_("bytes=5-9"), status=206, body=BODY[5:10])),
    Case("a 416 of the origin is no answer for others", "9111 3",
         get(ASKED, lambda request: says(416, "max-age=60", Content_Range="bytes */60") if request.has("Range")
             else serves_ranges(request), send=range_("bytes=100-"), status=416),
         get(EITHER, serves_ranges, status=200, body=BODY)),
    Case("a 206 does not replace what is stored", "9111 3.4 MUST",
         get(MISS, ok("max-age=60", body=BODY, ETag='"a"')),
         get(ASKED, lambda request: origin_range(request, '"b"'), send={"Range": "bytes=0-4", "Cache-Control": "no-cache"}),
         get(EITHER, status=200, body=BODY)),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_ranges(check, case):
    check(case)
