# SPDX-License-Identifier: MIT
"""Validation with the origin, and what its answer does to what is stored: RFC 9111 sections 4.3.1, 4.3.3 to 4.3.5."""
import pytest

from .case import (ASKED, EITHER, EXPIRE, HIT, MISS, VALIDATED, Case, ago, ask, asctime, between, get, head, ok,
                   present, rfc850, says, unmodified)

pytestmark = pytest.mark.ours

SAME = unmodified("max-age=60", ETag='"a"')
RELOAD = {"Cache-Control": "no-cache"}


def tagged(cache_control="max-age=2", ETag='"a"', **rest):
    return ok(cache_control, ETag=ETag, **rest)


def other_tag(request):
    """304 about a response that nobody here has, and the new one to who asks without a condition."""
    return unmodified("max-age=60", ETag='"b"') if request.has("If-None-Match") else ok("max-age=60", ETag='"b"')


def by_tag(tag, cache_control="max-age=60"):
    """304 to who has this tag, else the whole."""
    def answer(request):
        is_known = tag in (request.get("If-None-Match") or "")
        return unmodified(cache_control, ETag=tag) if is_known else ok(cache_control, ETag=tag)
    return answer


CASES = [
    # ---- 4.3.1: the request ----
    Case("If-None-Match with the stored tag", "9111 4.3.1 MUST",
         get(MISS, tagged()), EXPIRE, get(VALIDATED, SAME, sent={"If-None-Match": '"a"'})),
    Case("a weak tag is sent as it is", "9111 4.3.1 MUST",
         get(MISS, tagged(ETag='W/"a"')), EXPIRE, get(VALIDATED, unmodified("max-age=60", ETag='W/"a"'), sent={"If-None-Match": 'W/"a"'})),
    Case("If-Modified-Since with the stored date", "9111 4.3.1 SHOULD",
         get(MISS, ok("max-age=2", Last_Modified=ago(5000))), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", Last_Modified=ago(5000)), sent={"If-Modified-Since": ago(5000), "If-None-Match": None})),
    Case("both", "9110 13.1.3",
         get(MISS, tagged(Last_Modified=ago(5000))), EXPIRE,
         get(VALIDATED, SAME, sent={"If-None-Match": '"a"', "If-Modified-Since": ago(5000)})),
    *[Case(f"If-Modified-Since as the origin wrote it, {form.__name__}", "9110 13.1.3",
           get(MISS, ok("max-age=2", Last_Modified=ago(5000, form))), EXPIRE,
           get(VALIDATED, unmodified("max-age=60"), sent={"If-Modified-Since": present})) for form in (rfc850, asctime)],
    Case("without a validator there is no condition", "9111 4.3.1",
         get(MISS, ok("max-age=2")), EXPIRE, get(MISS, sent={"If-None-Match": None, "If-Modified-Since": None})),
    Case("no condition on a miss", "9111 4.3.1", get(MISS, tagged(), sent={"If-None-Match": None, "If-Modified-Since": None})),
    Case("a tag with a comma", "9110 8.8.3",
         get(MISS, tagged(ETag='"a,b"')), EXPIRE, get(VALIDATED, unmodified("max-age=60", ETag='"a,b"'), sent={"If-None-Match": '"a,b"'})),
    Case("an empty tag", "9110 8.8.3",
         get(MISS, tagged(ETag='""')), EXPIRE, get(VALIDATED, unmodified("max-age=60", ETag='""'), sent={"If-None-Match": '""'})),
    Case("other fields of the request stay", "9111 4.3.1",
         get(MISS, tagged()), EXPIRE, get(VALIDATED, SAME, send={"X-A": "1"}, sent={"X-A": "1"})),
    Case("a stored 404 with a tag", "9111 4.3.1",
         get(MISS, says(404, "max-age=2", ETag='"a"'), status=404), EXPIRE, get(ASKED, says(404, "max-age=60", ETag='"a"'), status=404)),
    Case("validating a variant", "9111 4.3.1",
         get(MISS, tagged(Vary="X-Lang"), send={"X-Lang": "a"}), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', Vary="X-Lang"), send={"X-Lang": "a"}), get(HIT, send={"X-Lang": "a"})),

    # ---- 4.3.2: the client has a condition too, and ours is stale ----
    Case("the client has what is stored, and it is still right", "9111 4.3.2",
         get(MISS, tagged()), EXPIRE, get(ASKED, SAME, send={"If-None-Match": '"a"'}, status=304), get(HIT)),
    Case("the client has another, ours is still right", "9111 4.3.2 MUST",
         get(MISS, tagged()), EXPIRE, get(ASKED, by_tag('"a"'), send={"If-None-Match": '"x"'}, status=200), get(EITHER)),
    Case("the client has the new one", "9111 4.3.2",
         get(MISS, tagged()), EXPIRE, get(ASKED, by_tag('"b"'), send={"If-None-Match": '"b"'}, status=304), get(EITHER, not_of=1)),
    Case("the client has an old one, ours too", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, by_tag('"b"'), send={"If-None-Match": '"a"'}, status=200), get(EITHER, not_of=1)),
    Case("the client has none", "9111 4.3.2 MUST", get(MISS, tagged()), EXPIRE, get(VALIDATED, SAME, status=200)),
    Case("the client has a date, and ours is still right", "9111 4.3.2",
         get(MISS, ok("max-age=2", Last_Modified=ago(5000))), EXPIRE,
         get(ASKED, unmodified("max-age=60", Last_Modified=ago(5000)), send={"If-Modified-Since": ago(5000)}, status=304), get(HIT)),
    Case("the client has an older date", "9111 4.3.2",
         get(MISS, ok("max-age=2", Last_Modified=ago(5000))), EXPIRE,
         get(ASKED, lambda request: unmodified("max-age=60") if request.get("If-Modified-Since") == request.get("X-New")
             else ok("max-age=60", Last_Modified=ago(5000)),
             send={"If-Modified-Since": ago(9000), "X-New": ago(5000)}, status=200)),

    # ---- 4.3.3: the answer ----
    Case("304: the stored response is reused", "9111 4.3.3", get(MISS, tagged()), EXPIRE, get(VALIDATED, SAME, of=1), get(HIT, of=1)),
    Case("200: the new response is used", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, ok("max-age=60", ETag='"b"'), has={"ETag": '"b"'}), get(HIT, of=2, has={"ETag": '"b"'})),
    Case("200 with the same tag is a new response", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, ok("max-age=60", ETag='"a"')), get(HIT, of=2)),
    Case("200 that may not be stored", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, ok("no-store", ETag='"b"')), get(EITHER, ok("max-age=60"), not_of=2)),
    Case("404: the old response is over", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, says(404, "max-age=60"), status=404), get(HIT, of=2, status=404)),
    Case("410 that is not stored", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, says(410, "no-store"), status=410), get(MISS, says(410, "no-store"), status=410)),
    Case("301: the old response is over", "9111 4.3.3 MUST",
         get(MISS, tagged()), EXPIRE, get(MISS, says(301, "max-age=60", Location="/x"), status=301), get(HIT, of=2, status=301)),
    Case("500 goes to the client", "9111 4.3.3", get(MISS, tagged()), EXPIRE, get(MISS, says(500), status=500)),
    Case("500, then the old one is still right", "9111 4.3.3",
         get(MISS, tagged()), EXPIRE, get(MISS, says(500), status=500), get(EITHER, by_tag('"a"'))),
    Case("a reload validates", "9111 4.3.3", get(MISS, tagged("max-age=60")), get(VALIDATED, SAME, send=RELOAD), get(HIT, of=1)),
    Case("many rounds", "9111 4.3.3",
         get(MISS, tagged("no-cache")), *[get(VALIDATED, unmodified("no-cache", ETag='"a"', X_Round=i), has={"X-Round": str(i)})
                                          for i in range(5)]),

    # ---- 4.3.4: freshening ----
    Case("304 with another strong tag changes nothing", "9111 4.3.4 MUST NOT",
         get(MISS, tagged()), EXPIRE, get(MISS, other_tag, status=200, has={"ETag": '"b"'}), get(HIT, of=2)),
    Case("304 with the same weak tag", "9111 4.3.4",
         get(MISS, tagged(ETag='W/"a"')), EXPIRE, get(VALIDATED, unmodified("max-age=60", ETag='W/"a"', X_A="2"), has={"X-A": "2"}), get(HIT, has={"X-A": "2"})),
    Case("304 without a validator to the one stored response that has none", "9111 4.3.4",
         get(MISS, ok("max-age=60")), get(ASKED, send=RELOAD), get(HIT, of=2)),
    Case("304 that repeats only the date", "9111 4.3.4",
         get(MISS, ok("max-age=2", Last_Modified=ago(5000))), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", Last_Modified=ago(5000))), get(HIT, of=1)),
    Case("the age begins anew", "9111 4.3.4",
         get(MISS, tagged("max-age=30", Age=20)), get(VALIDATED, SAME, send=RELOAD), get(HIT, has={"Age": between(0, 4)})),
    Case("the age of the 304 counts", "9111 4.2.3",
         get(MISS, tagged("max-age=30", Age=5)), get(VALIDATED, unmodified("max-age=60", ETag='"a"', Age=20), send=RELOAD),
         get(HIT, has={"Age": between(20, 24)})),
    Case("the date of the 304 counts", "9111 4.2.3",
         get(MISS, tagged("max-age=300")), get(VALIDATED, unmodified("max-age=300", ETag='"a"', Date=ago(100)), send=RELOAD),
         get(HIT, has={"Age": between(100, 104), "Date": ago(100)})),
    Case("Date is the one of the 304", "9111 4.3.4 MUST",
         get(MISS, tagged("max-age=300", Date=ago(100))),
         get(VALIDATED, unmodified("max-age=300", ETag='"a"', Date=ago(50)), send=RELOAD), get(HIT, has={"Date": ago(50)})),
    Case("the lifetime is the one of the 304", "9111 4.3.4 MUST",
         get(MISS, tagged("max-age=60")), get(VALIDATED, unmodified("max-age=0", ETag='"a"'), send=RELOAD), get(ASKED, unmodified("max-age=0", ETag='"a"'))),
    Case("a 304 without a lifetime leaves the old one", "9111 4.3.4",
         get(MISS, tagged("max-age=300", Age=100)), get(VALIDATED, unmodified(ETag='"a"'), send=RELOAD),
         get(HIT, has={"Cache-Control": "max-age=300", "Age": between(0, 4)})),
    Case("no-store in a 304", "9111 4.3.4 MUST",
         get(MISS, tagged("max-age=60")), get(EITHER, by_tag('"a"', "no-store"), send=RELOAD), get(ASKED)),
    Case("private in a 304", "9111 4.3.4 MUST",
         get(MISS, tagged("max-age=60")), get(EITHER, by_tag('"a"', "private"), send=RELOAD), get(ASKED)),
    Case("Expires in a 304", "9111 4.3.4 MUST",
         get(MISS, ok(ETag='"a"', Expires=ago(5), Cache_Control="no-cache")),
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', Expires="0"), has={"Expires": "0"}), get(HIT, has={"Expires": "0"})),
    Case("Content-Type stays if the 304 does not say it", "9111 4.3.4",
         get(MISS, tagged(Content_Type="text/x")), EXPIRE, get(VALIDATED, SAME, has={"Content-Type": "text/x"}), get(HIT, has={"Content-Type": "text/x"})),
    Case("Set-Cookie in a 304 is not stored", "9111 7.3",
         get(MISS, tagged("max-age=60")), get(VALIDATED, unmodified("max-age=60", ETag='"a"', Set_Cookie="a=b"), send=RELOAD),
         get(EITHER, ok("max-age=60", ETag='"a"'), has={"Set-Cookie": None})),
    Case("one variant is freshened, the other is not", "9111 4.3.4 MUST NOT",
         get(MISS, tagged("max-age=60", Vary="X-Lang", X_V="1"), send={"X-Lang": "a"}),
         get(MISS, tagged("max-age=60", ETag='"b"', Vary="X-Lang", X_V="1"), send={"X-Lang": "b"}),
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', Vary="X-Lang", X_V="2"), send={"X-Lang": "a", **RELOAD}, of=1),
         get(HIT, send={"X-Lang": "a"}, of=1, has={"X-V": "2"}), get(HIT, send={"X-Lang": "b"}, of=2, has={"X-V": "1"})),
    Case("a Vary that a 304 brings", "9111 4.1 MUST NOT",
         get(MISS, tagged()), EXPIRE, get(VALIDATED, unmodified("max-age=60", ETag='"a"', Vary="X-Lang"), send={"X-Lang": "a"}),
         get(HIT, send={"X-Lang": "a"}, of=1), get(MISS, tagged("max-age=60", Vary="X-Lang"), send={"X-Lang": "b"})),
    Case("another Vary that a 304 brings", "9111 4.1 MUST NOT",
         get(MISS, tagged(Vary="X-Lang"), send={"X-Lang": "a", "X-Two": "1"}), EXPIRE,
         get(VALIDATED, unmodified("max-age=60", ETag='"a"', Vary="X-Two"), send={"X-Lang": "a", "X-Two": "1"}),
         get(HIT, send={"X-Lang": "b", "X-Two": "1"}, of=1), get(MISS, tagged(Vary="X-Two"), send={"X-Lang": "a", "X-Two": "2"})),
    Case("Vary: * that a 304 brings", "9111 4.1 MUST NOT",
         get(MISS, tagged()), EXPIRE,
         get(MISS, lambda request: (unmodified if request.has("If-None-Match") else ok)("max-age=60", ETag='"a"', Vary="*"), status=200),
         get(MISS, tagged("max-age=60"))),
    Case("a 304 for one variant that chooses the other", "9111 4.3.3",
         get(MISS, tagged("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}),
         get(ASKED, by_tag('"a"'), send={"X-Lang": "b"}, status=200, has={"ETag": '"a"'})),
    Case("HEAD of a stale response validates it", "9111 4.3.1",
         get(MISS, tagged(X_V="1")), EXPIRE, head(ASKED, by_tag('"a"'), status=200), get(EITHER)),

    # ---- 4.3.5: HEAD ----
    Case("HEAD with another tag", "9111 4.3.5 SHOULD",
         get(MISS, tagged("max-age=60")), head(ASKED, tagged("max-age=60", ETag='"b"'), send=RELOAD, status=200), get(EITHER, not_of=1)),
    Case("HEAD with another Last-Modified", "9111 4.3.5 SHOULD",
         get(MISS, ok("max-age=60", Last_Modified=ago(500))),
         head(ASKED, ok("max-age=60", Last_Modified=ago(100)), send=RELOAD, status=200), get(EITHER, not_of=1)),
    Case("HEAD with another length", "9111 4.3.5 SHOULD",
         get(MISS, ok("max-age=60")), head(ASKED, ok("max-age=60", body=b"another"), send=RELOAD, status=200), get(EITHER, not_of=1)),
    Case("HEAD with the same validators updates the fields", "9111 4.3.5 SHOULD",
         get(MISS, tagged("max-age=60", X_A="1")), head(ASKED, tagged("max-age=60", X_A="2"), send=RELOAD, status=200),
         get(HIT, has={"X-A": "2", "ETag": '"a"'})),
    Case("HEAD 404", "9111 4.3.5", get(MISS, ok("max-age=60")), head(ASKED, says(404, "max-age=60"), send=RELOAD, status=404)),
    Case("HEAD never leaves a body of nothing behind", "9111 4 MUST NOT",
         head(ASKED, tagged("max-age=60"), status=200), head(EITHER), get(EITHER), get(HIT)),
    Case("HEAD has no effect on other variants", "9111 4.3.5",
         get(MISS, tagged("max-age=60", Vary="X-Lang"), send={"X-Lang": "a"}),
         head(ASKED, tagged("max-age=60", ETag='"b"', Vary="X-Lang"), send={"X-Lang": "b"}), get(HIT, send={"X-Lang": "a"}, of=1)),
    Case("OPTIONS has no effect", "9111 4.3.5", get(MISS, ok("max-age=60")), ask("OPTIONS", ASKED, ok(ETag='"b"')), get(HIT, of=1)),
]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_validation(check, case):
    check(case)
