# SPDX-License-Identifier: MIT
"""How long a response is fresh, and how old it is: RFC 9111 sections 4.2.1 to 4.2.3, 5.1 and 5.3.

Nothing here waits: an Age or a Date in the past makes a response old when it comes."""
import calendar

import pytest

from .case import (HIT, MISS, NOW, Case, ago, ahead, asctime, between, get, imf, ok, rfc850, says)

pytestmark = pytest.mark.ours

YEAR = 365 * 86400


def fresh(title, source, *answers, **rest):
    return Case(title, source, get(MISS, *answers), get(HIT, **rest))


def stale(title, source, *answers):
    return Case(title, source, get(MISS, *answers), get(MISS))


def no_zone(seconds):
    return imf(seconds)[:-4]


def in_zone(zone):
    return lambda seconds: imf(seconds)[:-3] + zone


def lower(seconds):
    return imf(seconds).lower()


def upper(seconds):
    return imf(seconds).upper()


def new_year(year):
    """The first second of a year as RFC 850 wrote it."""
    return rfc850(calendar.timegm((year, 1, 1, 0, 0, 0)))


CASES = [
    # ---- 4.2.1: which lifetime ----
    fresh("max-age", "9111 4.2.1", ok("max-age=60", Age=10)),
    stale("max-age, and older", "9111 4.2.1", ok("max-age=60", Age=70)),
    stale("as old as it may get is no longer fresh", "9111 4.2", ok("max-age=60", Age=60)),
    stale("max-age=0", "9111 4.2.1", ok("max-age=0")),
    fresh("s-maxage overrides a shorter max-age", "9111 5.2.2.10", ok("max-age=5, s-maxage=60", Age=10)),
    stale("s-maxage overrides a longer max-age", "9111 5.2.2.10", ok("max-age=60, s-maxage=5", Age=10)),
    stale("s-maxage in front", "9111 5.2.2.10", ok("s-maxage=5, max-age=60", Age=10)),
    stale("s-maxage=0", "9111 5.2.2.10", ok("s-maxage=0, max-age=60")),
    fresh("s-maxage overrides Expires", "9111 5.3 MUST", ok("s-maxage=60", Expires=ago(60))),
    stale("s-maxage overrides a later Expires", "9111 5.3 MUST", ok("s-maxage=0", Expires=ahead(60))),
    fresh("max-age overrides Expires", "9111 5.3 MUST", ok("max-age=60", Expires=ago(60))),
    fresh("max-age overrides an Expires that is no date", "9111 5.3 MUST", ok("max-age=60", Expires="0")),
    stale("max-age overrides a later Expires", "9111 5.3 MUST", ok("max-age=0", Expires=ahead(60))),
    fresh("Expires after Date", "9111 4.2.1", ok(Expires=ahead(60))),
    stale("Expires before Date", "9111 4.2.1", ok(Expires=ago(60))),
    stale("Expires equal to Date", "9111 4.2.1", ok(Expires=NOW)),
    fresh("Expires minus Date, both in the past, still counts", "9111 4.2.1", ok(Date=ago(100), Expires=ahead(100))),
    stale("Expires against the origin's clock, which is behind", "9111 4.2.1", ok(Date=ago(7200), Expires=ago(3600))),
    fresh("Expires against the origin's clock, which is ahead", "9111 4.2.1", ok(Date=ahead(3600), Expires=ahead(3660))),
    stale("Expires in our future, but not after Date", "9111 4.2.1", ok(Date=ahead(3600), Expires=ahead(3600))),
    stale("Expires in our future, but before Date", "9111 4.2.1", ok(Date=ahead(3600), Expires=ahead(60))),
    fresh("Expires without a Date", "9111 4.2.1", ok(Date=None, Expires=ahead(60))),
    stale("Expires, and older by Age", "9111 4.2.3", ok(Expires=ahead(60), Age=70)),
    fresh("Expires in another thousand years", "9111 5.3", ok(Expires="Fri, 31 Dec 9999 23:59:59 GMT")),
    stale("two max-age, the first is short", "9111 4.2.1", ok("max-age=5, max-age=60", Age=10)),
    stale("two max-age on two lines, the first is short", "9111 4.2.1",
          ok("max-age=5", Age=10, more=[("Cache-Control", "max-age=60")])),
    stale("two Expires, the first is over", "9111 4.2.1", ok(more=[("Expires", ago(60)), ("Expires", ahead(60))])),
    stale("max-age beside no-cache", "9111 4.2.1", ok("max-age=60, no-cache")),
    fresh("404 with max-age", "9111 4.2.1", says(404, "max-age=60", Age=10), status=404),
    stale("404 with max-age, and older", "9111 4.2.1", says(404, "max-age=60", Age=70)),

    # ---- 1.2.2, 4.2.1: values of max-age and s-maxage ----
    *[fresh(f"max-age={value}", source, ok(f"max-age={value}", Age=10)) for value, source in (
        ("060", "9111 1.2.2"), ("0000000000000000000060", "9111 1.2.2"), ("2147483647", "9111 1.2.2"),
        ("2147483648", "9111 1.2.2 MUST"), ("2147483649", "9111 1.2.2 MUST"), ("4294967295", "9111 1.2.2 MUST"),
        ("4294967296", "9111 1.2.2 MUST"), ("9223372036854775807", "9111 1.2.2 MUST"),
        ("9223372036854775808", "9111 1.2.2 MUST"), ("18446744073709551616", "9111 1.2.2 MUST"),
        ("9" * 40, "9111 1.2.2 MUST"), ('"60"', "9111 5.2"), ('"6\\0"', "9111 5.2"))],
    *[fresh(f"s-maxage={value}", source, ok(f"s-maxage={value}, max-age=0", Age=10)) for value, source in (
        ("2147483648", "9111 1.2.2 MUST"), ("18446744073709551616", "9111 1.2.2 MUST"), ('"60"', "9111 5.2"))],
    *[stale(f"max-age{value}", "9111 4.2.1", ok(f"max-age{value}", Expires=ahead(60))) for value in (
        "=-1", "=1.5", "=60.0", "=+60", "=0x3c", "=60s", "=1e3", "=", "", '=""', '="60', '="-1"', '="1.5"', "=abc",
        "=60;a", "=6 0", " = 60", "=' 60'", "=$60")],
    *[stale(f"s-maxage={value} beside max-age", "9111 4.2.1", ok(f"s-maxage={value}, max-age=60"))
      for value in ("-1", "1.5", "abc", "", '""')],

    # ---- 4.2.2: heuristics ----
    fresh("a tenth of the time since Last-Modified", "9111 4.2.2", ok(Last_Modified=ago(10000), Age=100)),
    stale("not more than a tenth of it", "9111 4.2.2", ok(Last_Modified=ago(10000), Age=1100)),
    fresh("by the origin's clock", "9111 4.2.2", ok(Date=ahead(3600), Last_Modified=ago(6400))),
    stale("Last-Modified is now", "9111 4.2.2", ok(Last_Modified=NOW)),
    stale("Last-Modified is to come", "9111 4.2.2", ok(Last_Modified=ahead(YEAR))),
    stale("Last-Modified is no date", "9111 4.2.2", ok(Last_Modified="yesterday")),
    stale("an old Last-Modified is not trusted without bound", "9111 4.2.2", ok(Last_Modified=ago(20 * YEAR), Age=YEAR)),
    stale("ETag alone gives no lifetime", "9111 4.2.2", ok(ETag='"a"')),
    Case("with a query", "9111 4.2.2", get(MISS, ok(Last_Modified=ago(10000)), path="?a=1"), get(HIT, path="?a=1")),
    stale("Expires is there", "9111 4.2.2 MUST NOT", ok(Last_Modified=ago(YEAR), Expires=ago(60))),
    stale("Expires is there, and no date", "9111 4.2.2 MUST NOT", ok(Last_Modified=ago(YEAR), Expires="0")),
    stale("max-age is there", "9111 4.2.2 MUST NOT", ok("max-age=0", Last_Modified=ago(YEAR))),
    stale("max-age is there, and no number", "9111 4.2.2 MUST NOT", ok("max-age=x", Last_Modified=ago(YEAR))),
    stale("s-maxage is there", "9111 4.2.2 MUST NOT", ok("s-maxage=0", Last_Modified=ago(YEAR))),
    stale("no-cache is there", "9111 5.2.2.4 MUST NOT", ok("no-cache", Last_Modified=ago(YEAR))),
    stale("private is there", "9111 5.2.2.7 MUST NOT", ok("private", Last_Modified=ago(YEAR))),

    # ---- 4.2.3: age ----
    fresh("Age is younger", "9111 4.2.3", ok("max-age=60", Age=39), has={"Age": between(39, 42)}),
    stale("Date is older", "9111 4.2.3", ok("max-age=60", Date=ago(70))),
    fresh("Date is younger", "9111 4.2.3", ok("max-age=60", Date=ago(30)), has={"Age": between(30, 33)}),
    fresh("Date is older than Age says", "9111 4.2.3", ok("max-age=600", Date=ago(100), Age=30), has={"Age": between(100, 103)}),
    fresh("Age is older than Date says", "9111 4.2.3", ok("max-age=600", Date=ago(30), Age=100), has={"Age": between(100, 103)}),
    stale("Date is older than Age says, and too old", "9111 4.2.3", ok("max-age=60", Date=ago(70), Age=10)),
    fresh("Date is to come", "9111 4.2.3", ok("max-age=60", Date=ahead(3600)), has={"Age": between(0, 3)}),
    fresh("no Date", "9111 4.2.3", ok("max-age=60", Date=None), has={"Age": between(0, 3)}),
    fresh("Date is no date", "9110 6.6.1", ok("max-age=60", Date="today")),
    fresh("the time that the answer took counts", "9111 4.2.3 MUST", ok("max-age=60", Age=10, delay=2), has={"Age": between(12, 15)}),
    stale("the time that the answer took makes it stale", "9111 4.2.3 MUST", ok("max-age=12", Age=10, delay=2.1)),

    # ---- 5.1: Age ----
    *[fresh(f"Age: {value or 'nothing'} is ignored", "9111 5.1 SHOULD", ok("max-age=60", Age=value), has={"Age": between(0, 3)})
      for value in ("-1", "abc", "1.5", "", "70s", "0x70", '"70"', "-70, 10")],
    fresh("the first of a list", "9111 5.1 SHOULD", ok("max-age=60", Age="10, 70"), has={"Age": between(10, 13)}),
    stale("the first of a list is too old", "9111 5.1 SHOULD", ok("max-age=60", Age="70, 10")),
    fresh("the first of two lines", "9111 5.1 SHOULD", ok("max-age=60", more=[("Age", "10"), ("Age", "70")]), has={"Age": between(10, 13)}),
    stale("the first of two lines is too old", "9111 5.1 SHOULD", ok("max-age=60", more=[("Age", "70"), ("Age", "10")])),
    *[stale(f"Age: {value}", "9111 1.2.2 MUST", ok("max-age=60", Age=value))
      for value in ("2147483648", "4294967296", "4294967306", "9223372036854775807", "18446744073709551616", "9" * 40)],
    fresh("Age with zeros in front", "9111 5.1", ok("max-age=60", Age="0010"), has={"Age": between(10, 13)}),

    # ---- 5.3, 9110 5.6.7: dates ----
    *[fresh(f"Expires as {form.__name__}", "9110 5.6.7 MUST", ok(Expires=ahead(3600, form))) for form in (imf, rfc850, asctime)],
    *[stale(f"Expires as {form.__name__}, over", "9110 5.6.7 MUST", ok(Expires=ago(3600, form))) for form in (imf, rfc850, asctime)],
    *[fresh(f"Date as {form.__name__}", "9110 5.6.7 MUST", ok(Date=ahead(3600, form), Expires=ahead(3700)))
      for form in (imf, rfc850, asctime)],
    *[stale(f"Date as {form.__name__}, Expires is not after it", "9110 5.6.7 MUST",
            ok(Date=ahead(3600, form), Expires=ahead(3500))) for form in (imf, rfc850, asctime)],
    *[fresh(f"Last-Modified as {form.__name__}", "9110 5.6.7 MUST", ok(Last_Modified=ago(YEAR, form))) for form in (imf, rfc850, asctime)],
    fresh("Expires in lower case", "9111 4.2 SHOULD", ok(Expires=ahead(3600, lower))),
    fresh("Expires in upper case", "9111 4.2 SHOULD", ok(Expires=ahead(3600, upper))),
    stale("two digits of a year more than 50 years ahead are the past", "9110 5.6.7 MUST", ok(Expires=new_year(1994))),
    fresh("two digits of a year less than 50 years ahead", "9110 5.6.7 MUST", ok(Expires=new_year(2060))),
    *[stale(f"Expires with the zone {zone}", "9111 4.2 SHOULD", ok(Expires=ahead(86400, in_zone(zone))))
      for zone in ("UTC", "EST", "PST", "CET", "+0000", "Z", "GMT+1")],
    stale("Expires without a zone", "9111 4.2 SHOULD", ok(Expires=ahead(86400, no_zone))),
    *[stale(f"Expires: {value or 'nothing'}", "9111 5.3 MUST", ok(Expires=value)) for value in (
        "0", "-1", "", "never", "86400", "2099-01-01T00:00:00Z", "Thu, 01 Jan 2099", "Thu, 01 Foo 2099 00:00:00 GMT",
        "Thu, 32 Jan 2099 00:00:00 GMT", "Thu, 00 Jan 2099 00:00:00 GMT", "Thu, 01 Jan 2099 24:00:00 GMT",
        "Thu, 01 Jan 2099 00:60:00 GMT", "Thu, 01 Jan 2099 00:00:61 GMT", "Thu, 01 Jan 99 00:00:00 GMT",
        "01 Jan 2099 00:00:00 GMT", "Thu 01 Jan 2099 00:00:00 GMT", "Thu, 01 Jan 2099 0:00:00 GMT",
        "Thu, 01 Jan 2099 00:00:00 GMT trailing", "Thu, 30 Feb 2099 00:00:00 GMT", "Thu, 01-Jan-2099 00:00:00 GMT",
        "Thu, 01 Jan 20990 00:00:00 GMT", '"Thu, 01 Jan 2099 00:00:00 GMT"', "1 Jan 2099")],
    stale("Expires with one digit for the day", "9110 5.6.7", ok(Expires="Fri, 2 Jan 2099 00:00:00 GMT")),
    stale("Expires with a year before 1970", "9111 5.3", ok(Expires="Mon, 01 Jan 1900 00:00:00 GMT")),
    stale("Expires in the year 0", "9111 5.3", ok(Expires="Sat, 01 Jan 0000 00:00:00 GMT")),
    fresh("Expires beyond 2038", "9111 5.3", ok(Expires="Thu, 01 Jan 2099 00:00:00 GMT")),
    fresh("Expires beyond 2106", "9111 5.3", ok(Expires="Tue, 01 Jan 2199 00:00:00 GMT")),
    fresh("Expires on a leap day", "9110 5.6.7", ok(Expires="Wed, 29 Feb 2096 00:00:00 GMT")),
    stale("Expires on a leap day that is none", "9110 5.6.7", ok(Expires="Sun, 29 Feb 2099 00:00:00 GMT")),
    fresh("white space around Expires", "9110 5.5", ok(Expires="   Thu, 01 Jan 2099 00:00:00 GMT  ")),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_freshness(check, case):
    check(case)
