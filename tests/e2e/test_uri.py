# SPDX-License-Identifier: MIT
"""URIs: normalised for matching, forwarded unchanged or with the prefix replaced, as nginx does."""
import pytest

CONF = """
server {
    listen @P@;
    location / { return 200 "$uri"; }
    location /echo/ { return 200 "$request_uri|$uri|$args|$is_args|$query_string|$document_uri"; }
    location /plain/ { proxy_pass http://@O@; }
    location /slash/ { proxy_pass http://@O@/; }
    location /sub/ { proxy_pass http://@O@/there/; }
    location /cut { proxy_pass http://@O@/c; }
    location = /exact { proxy_pass http://@O@/one; }
    location ~ ^/re/ { proxy_pass http://@O@; }
    location ~ ^/var/(.*)$ { proxy_pass http://@O@/v/$1; }
    location ~ ^/varargs/(.*)$ { proxy_pass http://@O@/v/$1$is_args$args; }
    location /whole/ { proxy_pass http://@O@$request_uri; }
    location /named/ { error_page 418 = @name; return 418; }
    location @name { proxy_pass http://@O@; }
    location /sp%20ace/ { return 200 wrong; }
    location "/sp ace/" { return 200 space; }
}
server {
    listen @M@;
    merge_slashes off;
    location / { return 200 "$uri"; }
}
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    return shared_proxy(CONF, O=back, name="@name")


@pytest.mark.parametrize("target, uri", [
    ("/", "/"), ("/a/b", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/a/b/..", "/a/"),
    ("/a/b/.", "/a/b/"), ("/./", "/"), ("/a//b", "/a/b"), ("//a", "/a"), ("/a///b//", "/a/b/"),
    ("/%41", "/A"), ("/a%20b", "/a b"), ("/a%2fb", "/a/b"), ("/a%2Fb", "/a/b"), ("/%2e%2e/a", None),
    ("/a/%2e%2e/b", "/b"), ("/a/%2E./b", "/b"), ("/a/.../b", "/a/.../b"), ("/a/..b", "/a/..b"),
    ("/a/.b/", "/a/.b/"), ("/a+b", "/a+b"), ("/a%2bb", "/a+b"), ("/%25", "/%"), ("/%2541", "/%41"),
    ("/a%3fb", "/a?b"), ("/a%23b", "/a#b"), ("/a?b/../c", "/a"), ("/a;b/../c", "/c"),
    ("/%c3%a4", "/ä"), ("/a%5cb", "/a\\b"), ("/a/b/../../c", "/c"), ("/a/b/../../../c", None),
    ("/..", None), ("/%00", None), ("/a%0", None), ("/a%g0", None), ("/~a", "/~a"),
    ("/a%2f%2fb", "/a/b"), ("/a/%2e/b", "/a/b"), ("/..%2fa", None), ("/a..", "/a.."), ("/a.", "/a."),
    ("/a/..//b", "/b"), ("/a//../b", "/b"), ("/a?", "/a"),
], ids=ascii)
def test_normalised(desk, target, uri):
    answer = desk.get(target)
    if uri is None:
        assert answer.status == 400
    else:
        assert answer.body.decode() == uri


@pytest.mark.parametrize("target, uri", [("/a//b", "/a//b"), ("//", "//"), ("/a//../b", "/a/b"), ("/a//./b", "/a//b")])
def test_merge_slashes_off(desk, target, uri):
    assert desk.get(target, to="M").text == uri


def test_variables_of_the_target(desk):
    assert desk.get("/echo/%41?x=%20&y").text == "/echo/%41?x=%20&y|/echo/A|x=%20&y|?|x=%20&y|/echo/A"
    assert desk.get("/echo/").text == "/echo/|/echo/||||/echo/"
    assert desk.get("/echo/?").text == "/echo/?|/echo/||||/echo/"


@pytest.mark.parametrize("target, seen", [
    # without a URI: as it came
    ("/plain/x%20y?a=b", "/plain/x%20y?a=b"), ("/plain//x/../y", "/plain//x/../y"),
    ("/plain/%2e%2e/plain/%41", "/plain/%2e%2e/plain/%41"), ("/plain/?", "/plain/?"),
    ("/plain/%c3%a4;p", "/plain/%c3%a4;p"),
    # with one: the prefix replaced in the normalised path, escaped again
    ("/slash/a", "/a"), ("/slash/", "/"), ("/slash/a?b=c", "/a?b=c"), ("/slash//a", "/a"),
    ("/slash/a%20b", "/a%20b"), ("/slash/%41", "/A"), ("/slash/a%2fb", "/a/b"),
    ("/slash/a%3fb", "/a%3Fb"), ("/slash/a%23b", "/a%23b"), ("/slash/a%25b", "/a%25b"),
    ("/slash/x/../y", "/y"), ("/slash/%c3%a4", "/%C3%A4"), ("/slash/a+b", "/a+b"),
    ("/slash/a?x=%zz&y=%20", "/a?x=%zz&y=%20"), ("/slash/a\"b", "/a\"b"), ("/slash/a;b=c,d", "/a;b=c,d"),
    ("/slash/a|b?c=%41", "/a|b?c=%41"), ("/slash/a|%41", "/a%7CA"),
    ("/sub/a/b", "/there/a/b"), ("/sub/?q", "/there/?q"), ("/cut", "/c"), ("/cutter", "/cter"),
    ("/cut/x", "/c/x"), ("/exact", "/one"), ("/exact?a", "/one?a"),
    ("/re/x%20y//z?a", "/re/x%20y//z?a"),
    # with variables: as it evaluates, arguments only when named
    ("/varargs/x?y=z", "/v/x?y=z"), ("/var/x", "/v/x"),
    ("/whole/a%20b//c?d=e", "/whole/a%20b//c?d=e"),
    ("/named/%41?b", "/named/%41?b"),
], ids=ascii)
def test_forwarded(desk, back, target, seen):
    desk.get(target)
    assert back.last.target == seen


def test_a_prefix_location_is_matched_decoded(desk):
    assert desk.get("/sp%20ace/x").text == "space"
