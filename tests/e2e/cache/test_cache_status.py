# SPDX-License-Identifier: MIT
"""What Cache-Status says: RFC 9211. Here, and only here, the proxy's own words are judged."""
import re

import pytest

from .case import (ASKED, DOWN, ERROR, EXPIRE, HIT, MISS, STALE, UNASKED, UPDATING, VALIDATED, Case, ask, get, head, ok,
                   says, unmodified)

pytestmark = pytest.mark.ours

# RFC 8941: a bare item, a parameter.
ITEM = r'(?:"(?:[ !#-\[\]-~]|\\["\\])*"|\?[01]|-?\d+(?:\.\d+)?|[A-Za-z*][!#$%&\'*+.^_`|~:/0-9A-Za-z-]*)'
MEMBER = re.compile(rf'({ITEM})((?:; *[a-z*][a-z0-9_.*-]*(?:={ITEM})?)*)')
PARAMETER = re.compile(rf'; *([a-z*][a-z0-9_.*-]*)(?:=({ITEM}))?')
REASONS = {"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}
TYPES = {"hit": r"\?[01]|", "fwd": "|".join(REASONS), "fwd-status": r"\d{3}", "ttl": r"-?\d+", "stored": r"\?[01]|",
         "collapsed": r"\?[01]|", "key": '".*"', "detail": '[A-Za-z*"].*'}


def members(value):
    """[(identifier, {parameter: value})], checked against RFC 8941 and the types of RFC 9211."""
    found, at = [], 0
    while True:
        match = MEMBER.match(value, at)
        assert match, f"no member at {at} of {value!r}"
        parameters = {name: text or "" for name, text in PARAMETER.findall(match[2])}
        assert match[1][0] in '"*' or match[1][0].isalpha(), "the identifier is a string or a token (2 MUST)"
        for name, text in parameters.items():
            assert re.fullmatch(TYPES.get(name, ".*"), text), f"{name}={text}"
        assert not ("hit" in parameters and "fwd" in parameters), "hit and fwd exclude each other (2.2)"
        found.append((match[1], parameters))
        at = match.end()
        if at == len(value):
            return found
        comma = re.compile(r"[ \t]*,[ \t]*").match(value, at)
        assert comma, f"no comma at {at} of {value!r}"
        at = comma.end()


def says_(count=1, **wanted):
    """Judges the last member: fwd="stale", hit=True; None: not there; a function: judges the value."""
    def check(answer):
        value = ", ".join(answer.all("Cache-Status"))
        assert value, "there is no Cache-Status"
        found = members(value)
        assert len(found) == count, f"{len(found)} members in {value!r}"
        parameters = found[-1][1]
        for name, text in wanted.items():
            name = name.replace("_", "-")
            got = parameters.get(name)
            if callable(text):
                assert got is not None and text(int(got)), f"{name} is {got!r} in {value!r}"
            else:
                text = {True: "", None: None}.get(text, text)
                assert (got if got != "?1" else "") == text, f"{name} is {got!r} in {value!r}, {text!r} wanted"
    return check


def chain(answer):
    found = members(", ".join(answer.all("Cache-Status")))
    assert [name for name, _ in found[:-1]] == ["Origin", '"Other One"'], found
    assert found[0][1] == {"hit": "", "ttl": "1100"}


def no_status(answer):
    assert not answer.has("Cache-Status")


RELOAD = {"Cache-Control": "no-cache"}
MISSED = says_(fwd="uri-miss", hit=None)

CASES = [
    Case("a miss", "9211 2.2", get(MISS, ok("max-age=60"), check=MISSED)),
    Case("a miss says that it was stored", "9211 2.5", get(MISS, ok("max-age=60"), check=says_(stored=True))),
    Case("a miss that was not stored", "9211 2.5",
         get(MISS, ok("no-store"), check=lambda answer: members(answer.get("Cache-Status"))[0][1].get("stored") in (None, "?0") or pytest.fail("stored"))),
    Case("a hit", "9211 2.1", get(MISS, ok("max-age=60")), get(HIT, check=says_(hit=True, fwd=None))),
    Case("the ttl of a hit", "9211 2.4", get(MISS, ok("max-age=60", Age=10)), get(HIT, check=says_(ttl=lambda ttl: 45 <= ttl <= 50))),
    Case("the ttl by Expires", "9211 2.4", get(MISS, ok(Expires="Thu, 01 Jan 2099 00:00:00 GMT")), get(HIT, check=says_(ttl=lambda ttl: ttl > 10**9))),
    Case("the ttl by s-maxage", "9211 2.4", get(MISS, ok("max-age=5, s-maxage=60")), get(HIT, check=says_(ttl=lambda ttl: 55 <= ttl <= 60))),
    Case("304 from the cache is a hit", "9211 2.1", get(MISS, ok("max-age=60", ETag='"a"')),
         get(UNASKED, send={"If-None-Match": '"a"'}, status=304, check=says_(hit=True))),
    Case("206 from the cache is a hit", "9211 2.1", get(MISS, ok("max-age=60", Accept_Ranges="bytes")),
         get(HIT, send={"Range": "bytes=0-4"}, status=206, part=(0, 4), check=says_(hit=True))),
    Case("HEAD from the cache is a hit", "9211 2.1", get(MISS, ok("max-age=60")), head(HIT, check=says_(hit=True))),
    Case("a stored 404 is a hit", "9211 2.1", get(MISS, says(404, "max-age=60"), status=404, check=MISSED), get(HIT, status=404, check=says_(hit=True))),
    Case("another variant", "9211 2.2 SHOULD", get(MISS, ok("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}),
         get(MISS, send={"X-Lang": "b"}, check=says_(fwd="vary-miss"))),
    Case("the client's no-cache", "9211 2.2 SHOULD", get(MISS, ok("max-age=60")), get(MISS, send=RELOAD, check=says_(fwd="request"))),
    Case("the client's max-age", "9211 2.2 SHOULD", get(MISS, ok("max-age=60", Age=10)),
         get(MISS, send={"Cache-Control": "max-age=5"}, check=says_(fwd="request"))),
    Case("POST", "9211 2.2 SHOULD", ask("POST", MISS, ok(), content=b"x", check=says_(fwd="method"))),
    Case("stale", "9211 2.2 SHOULD", get(MISS, ok("max-age=2")), EXPIRE, get(MISS, check=says_(fwd="stale", hit=None))),
    Case("stale since this very second", "9211 2.2", get(MISS, ok("max-age=10", Age=10, ETag='"a"')), get(MISS, check=says_(fwd="stale"))),
    Case("stale, and validated", "9211 2.3", get(MISS, ok("max-age=2", ETag='"a"')), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"'), check=says_(fwd="stale", fwd_status="304"))),
    Case("stale, and replaced", "9211 2.3", get(MISS, ok("max-age=2", ETag='"a"')), EXPIRE,
         get(MISS, ok("max-age=60", ETag='"b"'), check=says_(fwd="stale"))),
    Case("stale while it is updated", "9211 2.4", get(MISS, ok("max-age=2, stale-while-revalidate=60")), EXPIRE,
         get(UPDATING, check=says_(hit=True, ttl=lambda ttl: ttl < 0))),
    Case("stale on an error", "9211 2.3", get(MISS, ok("max-age=2, stale-if-error=60")), EXPIRE,
         get(STALE, says(503, "no-store"), check=says_(fwd="stale", fwd_status="503"))),
    Case("stale because nobody answers", "9211 2.2", get(MISS, ok("max-age=2, stale-if-error=60")), EXPIRE,
         get(STALE, DOWN, check=says_(hit=None, fwd="stale", fwd_status=None, detail='"no answer"', ttl=lambda ttl: ttl < 0))),
    Case("an error while validating", "9211 2.2", get(MISS, ok("max-age=2")), EXPIRE, get(MISS, says(500), status=500, check=says_(fwd="stale"))),
    Case("no-cache of the response", "9211 2.2", get(MISS, ok("no-cache", ETag='"a"')),
         get(VALIDATED, unmodified("no-cache", ETag='"a"'), check=says_(hit=None, fwd="stale", fwd_status="304"))),
    Case("no-cache of a response that is fresh", "9211 2.2", get(MISS, ok("max-age=60, no-cache", ETag='"a"')),
         get(VALIDATED, unmodified("no-cache", ETag='"a"'), check=says_(fwd="stale"))),
    Case("a part of a miss", "9211 2.2", get(ASKED, ok("max-age=60", Accept_Ranges="bytes"), send={"Range": "bytes=0-4"}, status=206, check=MISSED)),
    Case("what other caches said stays in front", "9211 2 SHOULD",
         get(MISS, ok("max-age=60", more=[("Cache-Status", 'Origin; hit; ttl=1100, "Other One"; fwd=stale')]), check=says_(3, fwd="uri-miss")),
         get(HIT, check=says_(3, hit=True))),
    Case("what other caches said, unchanged", "9211 2 SHOULD",
         get(MISS, ok("max-age=60", more=[("Cache-Status", "Origin; hit; ttl=1100"), ("Cache-Status", '"Other One"; fwd=stale')]), check=chain),
         get(HIT, check=chain)),
    Case("our own word of the miss is not in the hit", "9211 2", get(MISS, ok("max-age=60"), check=says_(1)), get(HIT, check=says_(1)), get(HIT, check=says_(1))),
    Case("our own 504 is not from a cache", "9211 2 SHOULD NOT",
         get(UNASKED, ok("max-age=60"), send={"Cache-Control": "only-if-cached"}, status=504, check=no_status)),
    Case("our own 502 is not from a cache", "9211 2 SHOULD NOT", get(ERROR, DOWN, status=502, check=no_status)),
    Case("a request that is refused", "9211 2 SHOULD NOT", get(UNASKED, ok(), send={"Content-Length": "x"}, status=400, check=no_status)),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_cache_status(check, case):
    check(case)
