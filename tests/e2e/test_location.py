# SPDX-License-Identifier: MIT
"""Which location takes a request: nginx's order."""
import pytest

CONF = """
server {
    listen @P@;
    location / { return 200 root; }
    location = / { return 200 exact-root; }
    location = /exact { return 200 exact; }
    location /exact { return 200 exact-prefix; }
    location /images/ { return 200 images; }
    location ^~ /static/ { return 200 static; }
    location /static/deep/ { return 200 static-deep; }
    location ~ \\.gif$ { return 200 gif; }
    location ~* \\.(jpg|png)$ { return 200 "pic $1"; }
    location ~ ^/first/ { return 200 first; }
    location ~ ^/first/second/ { return 200 never; }
    location ~ ^/cap/(?<kind>[a-z]+)/(\\d+)$ { return 200 "$kind $2"; }
    location /nest/ {
        location /nest/in/ { return 200 inner; }
        location = /nest/in/one { return 200 inner-exact; }
        location ~ \\.txt$ { return 200 "nested regex"; }
        return 200 outer;
    }
    location /deep/ {
        location /deep/a/ { location /deep/a/b/ { return 200 abb; } return 200 ab; }
        return 200 a;
    }
    location /dir/ { proxy_pass http://@O@; }
    location /Case/ { return 200 case; }
    location "/quo ted/" { return 200 quoted; }
    location /tail { return 200 tail; }
    location /tail/ { return 200 tail-slash; }
    location = /nobody { }
    location ~ /~user { return 200 tilde; }
}
server {
    listen @E@;
    location /only/ { return 200 only; }
}
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, shared_origin):
    return shared_proxy(CONF, O=shared_origin())


@pytest.mark.parametrize("target, body", [
    ("/", "exact-root"), ("/?a", "exact-root"), ("//", "exact-root"), ("/x", "root"),
    ("/exact", "exact"), ("/exact/", "exact-prefix"), ("/exactly", "exact-prefix"), ("/exact?x", "exact"),
    ("/images/x", "images"), ("/images", "root"), ("/images/x.gif", "gif"), ("/images/x.GIF", "images"),
    ("/images/x.JPG", "pic JPG"), ("/a.png", "pic png"), ("/a.pngx", "root"),
    ("/static/x.gif", "static"), ("/static/deep/x.gif", "gif"), ("/static/deep/x", "static-deep"),
    ("/first/second/x", "first"), ("/cap/abc/12", "abc 12"), ("/cap/abc/x", "root"),
    ("/nest/", "outer"), ("/nest/x", "outer"), ("/nest/in/", "inner"), ("/nest/in/one", "inner-exact"),
    ("/nest/in/one/", "inner"), ("/nest/x.txt", "nested regex"), ("/nest/in/x.txt", "nested regex"),
    ("/nest/x.gif", "gif"),
    ("/deep/", "a"), ("/deep/a/", "ab"), ("/deep/a/b/c", "abb"), ("/deep/a/x", "ab"),
    ("/Case/", "case"), ("/case/", "root"), ("/quo%20ted/x", "quoted"), ("/tail", "tail"),
    ("/tail/", "tail-slash"), ("/tailor", "tail"), ("/%69mages/x", "images"), ("/images/../exact", "exact"),
    ("/x/~user", "tilde"), ("/nest//in///one", "inner-exact"),
])
def test_location(desk, target, body):
    assert desk.get(target).text == body


def test_nothing_matches(desk):
    assert desk.get("/other", to="E").status == 404
    assert desk.get("/only/x", to="E").text == "only"


def test_a_missing_slash_is_a_redirect(desk):
    """location /dir/ with proxy_pass: /dir goes to /dir/ by 301."""
    answer = desk.get("/dir?x=1", host="h.example")
    assert answer.status == 301
    assert answer.get("Location") == f"http://h.example:{desk.port()}/dir/?x=1"


@pytest.mark.parametrize("http, words", [
    ("server { listen @P@; location /a { } location /a { } }", 'duplicate location "/a"'),
    ("server { listen @P@; location = /a { } location = /a { } }", 'duplicate location "/a"'),
    ("server { listen @P@; location /a { location /b { } } }", 'location "/b" is outside location "/a"'),
    ("server { listen @P@; location = /a { location /a/b { } } }", 'cannot be inside the exact location "/a"'),
    ("server { listen @P@; location ~ ( { } }", "pcre2_compile() failed"),
    ("server { listen @P@; location ~! /a { } }", 'invalid location modifier "~!"'),
])
def test_refused_at_load(proxy, http, words):
    desk = proxy(http, start=False)
    done = desk.run("-t")
    assert done.returncode == 1
    assert words in done.stderr.replace("pcre_compile", "pcre2_compile")
