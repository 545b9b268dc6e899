# SPDX-License-Identifier: MIT
"""What is stored, and what is not: RFC 9111 section 3."""
import pytest

from .case import (ASKED, BROKEN, EITHER, EXPIRE, HIT, MISS, UNASKED, VALIDATED, Case, ago, ahead, ask, get, head,
                   ok, present, says, unmodified)

pytestmark = pytest.mark.ours

OLD = ago(1000000)
AUTH = {"Authorization": "Basic eDp5"}
HEURISTIC = (200, 203, 300, 301, 308, 404, 405, 410, 414, 501)        # RFC 9110 15.1, those with a body
NOT_HEURISTIC = (201, 202, 205, 302, 303, 307, 400, 402, 403, 409, 415, 500, 502, 503, 504)
UNKNOWN = (299, 399, 499, 599)


def no_trailer_in_the_head(answer):
    assert not answer.has("X-Late")


CASES = [
    # ---- 3: conditions ----
    Case("GET with explicit freshness", "9111 3", get(MISS, ok("max-age=60")), get(HIT), get(HIT)),
    Case("Expires alone is explicit freshness", "9111 3", get(MISS, ok(Expires=ahead(60))), get(HIT)),
    Case("s-maxage alone is explicit freshness", "9111 3", get(MISS, ok("s-maxage=60")), get(HIT)),
    Case("public with a heuristic lifetime", "9111 3", get(MISS, ok("public", Last_Modified=OLD)), get(HIT)),
    Case("nothing explicit and no Last-Modified", "9111 3", get(MISS, ok()), get(MISS)),
    *[Case(f"{code} with max-age", "9111 3", get(MISS, says(code, "max-age=60"), status=code),
           get(HIT, status=code)) for code in HEURISTIC + NOT_HEURISTIC if code != 205],
    Case("204 with max-age", "9111 3", get(MISS, says(204, "max-age=60"), status=204), get(UNASKED, status=204)),
    *[Case(f"{code} is heuristically cacheable", "9111 4.2.2", get(MISS, says(code, Last_Modified=OLD), status=code),
           get(HIT, status=code)) for code in HEURISTIC],
    Case("204 is heuristically cacheable", "9111 4.2.2", get(MISS, says(204, Last_Modified=OLD), status=204),
         get(UNASKED, status=204)),
    *[Case(f"{code} is not heuristically cacheable", "9111 3 MUST NOT",
           get(ASKED, says(code, Last_Modified=OLD), status=code), get(ASKED, status=code))
      for code in NOT_HEURISTIC if code != 205],
    *[Case(f"the unknown {code} with max-age", "9111 3", get(MISS, says(code, "max-age=60"), status=code),
           get(HIT, status=code)) for code in UNKNOWN],
    *[Case(f"the unknown {code} without explicit freshness", "9111 3 MUST NOT",
           get(MISS, says(code, Last_Modified=OLD), status=code), get(MISS, status=code)) for code in UNKNOWN],
    *[Case(f"must-understand with the unknown {code}", "9111 5.2.2.3",
           get(MISS, says(code, "max-age=60, must-understand"), status=code), get(MISS, status=code))
      for code in UNKNOWN],
    Case("an uninvited 206 is no answer for others", "9111 3 MUST NOT",
         get(ASKED, says(206, "max-age=60", body=b"01234", Content_Range="bytes 0-4/60")), get(MISS, ok("max-age=60"))),
    Case("an uninvited 304 is no answer for others", "9111 3 MUST NOT",
         get(ASKED, unmodified("max-age=60", ETag='"a"')), get(MISS, ok("max-age=60"))),

    Case("no-store", "9111 3 MUST NOT", get(MISS, ok("no-store")), get(MISS)),
    Case("no-store beside max-age", "9111 3 MUST NOT", get(MISS, ok("no-store, max-age=60")), get(MISS)),
    Case("max-age beside no-store", "9111 3 MUST NOT", get(MISS, ok("max-age=60, no-store")), get(MISS)),
    Case("no-store on a line of its own", "9111 3 MUST NOT",
         get(MISS, ok("max-age=60", more=[("Cache-Control", "no-store")])), get(MISS)),
    Case("no-store beside Expires", "9111 3 MUST NOT", get(MISS, ok("no-store", Expires=ahead(60))), get(MISS)),
    Case("no-store keeps what was stored before from being replaced by it", "9111 5.2.2.5",
         get(MISS, ok("max-age=60")), get(MISS, ok("no-store"), send={"Cache-Control": "no-cache"}),
         get(EITHER, not_of=2)),
    Case("private", "9111 3 MUST NOT", get(MISS, ok("private, max-age=60")), get(MISS)),
    Case("private beside s-maxage", "9111 3 MUST NOT", get(MISS, ok("private, s-maxage=60")), get(MISS)),
    Case("private beside public", "9111 4.2.1", get(MISS, ok("public, private, max-age=60")), get(MISS)),

    *[Case(f"{method} is not stored for GET", "9111 3 MUST NOT",
           ask(method, ASKED, ok("max-age=60"), content=b"x"), get(MISS)) for method in
      ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "FROB")],
    *[Case(f"{method} is written through", "9111 4 MUST",
           get(MISS, ok("max-age=60")), ask(method, ASKED, content=b"x"), ask(method, ASKED, content=b"x"))
      for method in ("POST", "PUT", "DELETE", "PATCH", "FROB")],
    Case("OPTIONS is not answered from a stored GET", "9111 4 MUST NOT",
         get(MISS, ok("max-age=60")), ask("OPTIONS", ASKED)),
    Case("HEAD is answered from a stored GET", "9110 9.3.2",
         get(MISS, ok("max-age=60", X_A="1")), head(HIT, status=200, has={"X-A": "1", "Content-Length": "60"})),
    Case("GET is never answered from a stored HEAD", "9111 4 MUST NOT",
         head(ASKED, ok("max-age=60")), get(EITHER), get(HIT)),
    *[Case(f"POST with a Content-Location of its own, {how}", "9110 9.3.3",
           ask("POST", ASKED, ok(body=b"posted", **said), content=b"x"), get(UNASKED, status=200, body=b"posted", has={"Age": present}), head(HIT))
      for how, said in {
          "fresh by max-age": {"cache_control": "max-age=60", "Content_Location": "/@CASE@"},
          "fresh by Expires": {"Expires": ahead(60), "Content_Location": "/@CASE@"},
          "absolute": {"cache_control": "s-maxage=60", "Content_Location": "http://localhost/@CASE@"},
          "in chunks": {"cache_control": "max-age=60", "Content_Location": "/@CASE@", "how": "chunked"}}.items()],
    *[Case(f"POST, {how}", "9110 9.3.3", ask("POST", ASKED, says(status, **{"cache_control": "max-age=60", "Content_Location": "/@CASE@", **said}),
                                            content=b"x", send=send), get(MISS, ok()))
      for how, status, send, said in (
          ("without a Content-Location", 200, (), {"Content_Location": None}), ("with that of another", 200, (), {"Content_Location": "/@CASE@/b"}),
          ("with that of another host", 200, (), {"Content_Location": "http://other.test/@CASE@"}),
          ("with two", 200, (), {"more": [("Content-Location", "/@CASE@")]}),
          ("by heuristics", 200, (), {"cache_control": "public", "Last_Modified": OLD}), ("201", 201, (), {}), ("404", 404, (), {}),
          ("no-store", 200, (), {"cache_control": "max-age=60, no-store"}), ("private", 200, (), {"cache_control": "max-age=60, private"}),
          ("Set-Cookie", 200, (), {"Set_Cookie": "a=b"}), ("no-store of the request", 200, {"Cache-Control": "no-store"}, {}),
          ("Authorization", 200, AUTH, {}))],
    Case("PUT with a Content-Location of its own", "9110 9.3.4",
         ask("PUT", ASKED, ok("max-age=60", Content_Location="/@CASE@"), content=b"x"), get(MISS, ok())),
    Case("a POST is never answered from what a POST left", "9111 4 MUST",
         ask("POST", ASKED, ok("max-age=60", Content_Location="/@CASE@"), content=b"x"), ask("POST", ASKED, content=b"x")),
    Case("what POST leaves takes the place of what was stored", "9111 4.4 MUST",
         get(MISS, ok("max-age=60")), ask("POST", ASKED, ok("max-age=60", Content_Location="/@CASE@", body=b"posted"), content=b"x"),
         get(UNASKED, status=200, body=b"posted")),
    Case("what POST leaves is a variant", "9111 4.1 MUST NOT",
         ask("POST", ASKED, ok("max-age=60", Content_Location="/@CASE@", Vary="X-Lang", body=b"posted"), content=b"x", send={"X-Lang": "a"}),
         get(MISS, ok(), send={"X-Lang": "b"}), get(UNASKED, status=200, body=b"posted", send={"X-Lang": "a"})),
    Case("a POST that is cut short leaves nothing", "9111 3.3 MUST NOT",
         ask("POST", BROKEN, ok("max-age=60", Content_Location="/@CASE@", how="short"), content=b"x"), get(MISS, ok())),
    Case("Set-Cookie is not stored by default", "9111 7.3", get(MISS, ok("max-age=60", Set_Cookie="a=b")), get(MISS)),

    # ---- 3.1: fields ----
    Case("unknown fields are stored", "9111 3.1 MUST", get(MISS, ok("max-age=60", X_Unheard_Of="1")),
         get(HIT, has={"X-Unheard-Of": "1"})),
    Case("fields on several lines are stored", "9111 3.1 MUST",
         get(MISS, ok("max-age=60", more=[("Link", "<a>"), ("Link", "<b>")])),
         get(HIT, check=lambda answer: [*answer.all("Link")] == ["<a>", "<b>"] or pytest.fail("Link"))),
    Case("an empty field is stored", "9111 3.1 MUST", get(MISS, ok("max-age=60", X_Empty="")),
         get(HIT, has={"X-Empty": ""})),
    *[Case(f"{name} is stored", "9111 3.1 MUST", get(MISS, ok("max-age=60", more=[(name, value)])),
           get(HIT, has={name: value})) for name, value in (
        ("Content-Type", "text/x-odd; charset=\"a,b\""), ("Content-Language", "en, fr"), ("ETag", '"a b"'),
        ("Content-Location", "/elsewhere"), ("Content-Security-Policy", "default-src 'self'"),
        ("Strict-Transport-Security", "max-age=2"), ("Location", "/there"), ("Retry-After", "5"),
        ("WWW-Authenticate", "Basic realm=x"), ("Content-Encoding", "x-odd"), ("Content-Disposition", "inline"),
        ("Access-Control-Allow-Origin", "*"), ("Clear-Site-Data", '"cache"'), ("Public-Key-Pins", "x"))],
    Case("Connection is not stored", "9111 3.1",
         get(MISS, ok("max-age=60", Connection="X-Hop", X_Hop="1")), get(HIT, has={"X-Hop": None})),
    Case("Connection names a field in another case", "9111 3.1",
         get(MISS, ok("max-age=60", Connection="x-hop", X_Hop="1")), get(HIT, has={"X-Hop": None})),
    *[Case(f"{name} is not stored", "9111 3.1 MUST NOT", get(MISS, ok("max-age=60", more=[(name, "x")])),
           get(EITHER, has={name: None} if name in ("Proxy-Connection", "Keep-Alive") else {}),
           get(HIT, has={name: None})) for name in
      ("Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Connection", "Keep-Alive")],
    Case("trailers are not combined with the head", "9111 3.1 MUST NOT",
         get(MISS, ok("max-age=60", how="chunked", trailers=[("X-Late", "1")])),
         get(HIT, check=no_trailer_in_the_head)),
    Case("Cache-Control in a trailer says nothing", "9111 3.1 MUST NOT",
         get(MISS, ok(how="chunked", trailers=[("Cache-Control", "max-age=60")])), get(MISS)),
    Case("no-store in a trailer says nothing", "9111 3.1 MUST NOT",
         get(MISS, ok("max-age=60", how="chunked", trailers=[("Cache-Control", "no-store")])), get(HIT)),
    Case("fields that no-cache names are not reused", "9111 3.1",
         get(MISS, ok('max-age=60, no-cache="X-A"', X_A="1", X_B="2")), get(EITHER, has={"X-B": "2"}),
         get(HIT, has={"X-A": None, "X-B": "2"})),
    Case("fields that private names are not stored", "9111 3.1 MUST NOT",
         get(MISS, ok('max-age=60, private="x-a, X-C"', X_A="1", X_B="2", X_C="3"), has={"X-A": "1"}),
         get(HIT, has={"X-A": None, "X-B": "2", "X-C": None})),

    # ---- 3.2: updating stored fields ----
    Case("304 replaces fields and adds new ones", "9111 3.2 MUST",
         get(MISS, ok("max-age=2", ETag='"a"', X_A="1", X_B="1")), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', X_A="2", X_C="3"),
             has={"X-A": "2", "X-B": "1", "X-C": "3"}),
         get(HIT, has={"X-A": "2", "X-B": "1", "X-C": "3", "ETag": '"a"'})),
    Case("304 replaces all lines of a field", "9111 3.2 MUST",
         get(MISS, ok("max-age=2", ETag='"a"', more=[("X-A", "1"), ("X-A", "2")])), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', X_A="3")),
         get(HIT, check=lambda answer: answer.all("X-A") == ["3"] or pytest.fail("X-A"))),
    *[Case(f"304 does not replace {name}", "9111 3.2",
           get(MISS, ok("max-age=2", ETag='"a"', more=[(name, first)] if first else [])), EXPIRE,
           get(VALIDATED, unmodified("max-age=60", ETag='"a"', more=[(name, second)]), has={name: wanted}),
           get(HIT, has={name: wanted})) for name, first, second, wanted in (
        ("Content-Length", None, "7", "60"), ("Content-Encoding", "x-odd", "x-even", "x-odd"),
        ("Content-Range", None, "bytes 0-6/7", None), ("Content-Length", "60", "61", "60"))],
    Case("304 with fields that belong to one connection", "9111 3.2",
         get(MISS, ok("max-age=2", ETag='"a"')), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', Connection="X-Hop", X_Hop="1"), has={"X-Hop": None}),
         get(HIT, has={"X-Hop": None})),

    # ---- 3.3: incomplete ----
    Case("shorter than Content-Length", "9111 3.3 MUST NOT",
         get(BROKEN, ok("max-age=60", how="short")), get(MISS, ok("max-age=60")), get(HIT)),
    Case("chunked without its end", "9111 3.3 MUST NOT",
         get(BROKEN, ok("max-age=60", how="cut")), get(MISS, ok("max-age=60")), get(HIT)),
    Case("shorter than Content-Length, stored one is stale", "9111 3.3 MUST NOT",
         get(MISS, ok("max-age=2")), EXPIRE, get(BROKEN, ok("max-age=60", how="short")),
         get(MISS, ok("max-age=60")), get(HIT)),
    Case("a whole chunked response", "9112 8", get(MISS, ok("max-age=60", how="chunked")), get(HIT)),
    Case("the end of the connection ends a whole response", "9112 8",
         get(MISS, ok("max-age=60", how="close")), get(HIT)),
    Case("an empty body", "9111 3", get(MISS, ok("max-age=60", body=b"")), get(UNASKED, status=200, body=b"")),

    # ---- 3.5: Authorization ----
    Case("with Authorization", "9111 3.5 MUST NOT", get(MISS, ok("max-age=60"), send=AUTH), get(MISS)),
    Case("with Authorization, for the same user", "9111 3.5 MUST NOT",
         get(MISS, ok("max-age=60"), send=AUTH), get(MISS, send=AUTH)),
    Case("with Authorization and Expires", "9111 3.5 MUST NOT", get(MISS, ok(Expires=ahead(60)), send=AUTH), get(MISS)),
    Case("with Authorization and a heuristic lifetime", "9111 3.5 MUST NOT",
         get(MISS, ok(Last_Modified=OLD), send=AUTH), get(MISS)),
    *[Case(f"with Authorization and {permission}", "9111 3.5",
           get(MISS, ok(f"max-age=60, {permission}"), send=AUTH), get(HIT, send=AUTH), get(HIT))
      for permission in ("public", "must-revalidate", "s-maxage=60")],
    Case("with Authorization and proxy-revalidate", "9111 3.5 MUST NOT",
         get(MISS, ok("max-age=60, proxy-revalidate"), send=AUTH), get(MISS)),
    Case("with Authorization and must-revalidate, when stale", "9111 5.2.2.2 MUST NOT",
         get(MISS, ok("max-age=2, must-revalidate"), send=AUTH), EXPIRE, get(MISS)),
    Case("what was stored without Authorization", "9111 3.5", get(MISS, ok("max-age=60")), get(HIT, send=AUTH)),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_storing(check, case):
    check(case)
