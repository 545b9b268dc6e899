# SPDX-License-Identifier: MIT
"""What goes to the origin and what comes back: proxy_set_header, proxy_hide_header, proxy_redirect,
cookies, method, body."""
import pytest

from harness.origin import reply

ours = pytest.mark.ours

CONF = """
proxy_set_header X-Outer outer;
server {
    listen @P@;
    proxy_http_version 1.1;
    location /inherit/ { proxy_pass http://@O@; }
    location /replace/ { proxy_set_header X-Inner "$scheme-$request_method"; proxy_pass http://@O@; }
    location /empty/ { proxy_set_header Accept ""; proxy_set_header X-None $nothing_here; proxy_pass http://@O@; }
    location /host/ { proxy_set_header Host "other.example:99"; proxy_pass http://@O@; }
    location /forward/ {
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Host $http_host;
        proxy_set_header User-Agent "front $http_user_agent";
        proxy_set_header X-Two one;
        proxy_set_header X-Two two;
        proxy_pass http://@O@;
    }
    location /method/ { proxy_method POST; proxy_pass http://@O@; }
    location /methodvar/ { proxy_method $arg_m; proxy_pass http://@O@; }
    location /body/ { proxy_set_body "made: $request_method $arg_x"; proxy_pass http://@O@; }
    location /nohead/ { proxy_pass_request_headers off; proxy_pass http://@O@; }
    location /nobody/ { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://@O@; }
    location /hide/ { proxy_hide_header X-Secret; proxy_pass_header Server; proxy_pass_header Date; proxy_pass http://@O@; }
    location /hide/deeper/ { proxy_hide_header X-Other; proxy_pass http://@O@; }
    location /cl/ { proxy_set_header Content-Length 99; proxy_pass http://@O@; }
}
map $arg_never $nothing_here { default ""; }
"""


def test_default_host_is_the_proxy_pass_one(desk, back):
    desk.get("/inherit/", host="asked.example")
    assert back.last.get("Host") == back.address
    assert back.last.get("X-Outer") == "outer"


def test_one_directive_at_a_level_replaces_all(desk, back):
    desk.fetch("PUT", "/replace/", host="asked.example", body=b"")
    assert back.last.get("X-Inner") == "http-PUT"
    assert not back.last.has("X-Outer")
    assert back.last.get("Host") == back.address


def test_an_empty_value_drops_the_field(desk, back):
    desk.get("/empty/", fields={"Accept": "*/*", "X-None": "forged"})
    assert not back.last.has("Accept") and not back.last.has("X-None")


def test_host_is_set(desk, back):
    desk.get("/host/")
    assert back.last.all("Host") == ["other.example:99"]


def test_forwarding(desk, back):
    desk.get("/forward/", host="asked.example:8080", fields={"User-Agent": "me"})
    seen = back.last
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Host") == "asked.example:8080"
    assert seen.get("User-Agent") == "front me"
    assert seen.all("X-Two") == ["one", "two"]
    desk.get("/forward/", fields={"X-Forwarded-For": "1.2.3.4, 5.6.7.8"})
    assert back.last.get("X-Forwarded-For") == "1.2.3.4, 5.6.7.8, 127.0.0.1"
    desk.get("/forward/", fields=[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "5.6.7.8")])
    assert back.last.get("X-Forwarded-For") == "1.2.3.4, 5.6.7.8, 127.0.0.1"


def test_method(desk, back):
    desk.get("/method/")
    assert back.last.method == "POST"
    desk.get("/methodvar/?m=PATCH")
    assert back.last.method == "PATCH"


def test_set_body(desk, back):
    desk.fetch("POST", "/body/?x=1", body=b"the client's own, longer body")
    assert back.last.body == b"made: POST 1"
    assert back.last.get("Content-Length") == "12"
    desk.fetch("POST", "/body/?x=2", body=b"chunks", chunked=True)
    assert back.last.body == b"made: POST 2"
    assert not back.last.has("Transfer-Encoding")


def test_pass_request_headers_off(desk, back):
    desk.fetch("POST", "/nohead/", fields={"X-Mine": "1"}, body=b"kept")
    assert not back.last.has("X-Mine")
    assert back.last.get("X-Outer") == "outer"
    assert back.last.body == b"kept"


def test_pass_request_body_off(desk, back):
    desk.fetch("POST", "/nobody/", body=b"dropped")
    assert back.last.body == b"" and not back.last.has("Content-Length")


def test_hide_and_pass(desk, back):
    back.handle = lambda _: reply(fields=[("X-Secret", "1"), ("x-secret", "2"), ("X-Other", "3"), ("Server", "mine"),
                                          ("Date", "Mon, 01 Jan 2024 00:00:00 GMT")], body="x")
    answer = desk.get("/hide/")
    assert not answer.has("X-Secret") and answer.get("X-Other") == "3"
    assert answer.get("Server") == "mine" and answer.get("Date") == "Mon, 01 Jan 2024 00:00:00 GMT"
    answer = desk.get("/hide/deeper/")
    assert answer.has("X-Secret") and not answer.has("X-Other")


@ours
def test_framing_cannot_be_set_by_directive(desk, back):
    """A Content-Length of the configuration's must not break the framing of what is sent."""
    desk.fetch("POST", "/cl/", body=b"five!", timeout=3)
    assert back.last.body == b"five!"


# ---- proxy_redirect ---------------------------------------------------------------------------------

REDIRECT = """
server {
    listen @P@;
    server_name front.example;
    location / { proxy_pass http://@O@; }
    location /two/ { proxy_pass http://@O@/one/; }
    location /off/ { proxy_redirect off; proxy_pass http://@O@; }
    location /pairs/ {
        proxy_redirect http://a.example/x/ http://$host:8000/y/;
        proxy_redirect http://b.example/ /b/;
        proxy_redirect ~^http://([a-z]+)\\.internal(:\\d+)?/(.*)$ https://$1.public/$3;
        proxy_redirect ~*^HTTP://UPPER/ /upper/;
        proxy_pass http://@O@/pairs/;
        proxy_redirect default;
    }
    location /var/ { set $to @O@; proxy_pass http://$to; }
    location /name/ { proxy_pass http://group/; }
}
upstream group { server @O@; }
"""


@pytest.fixture(scope="module")
def redirecting(shared_proxy, back):
    return shared_proxy(REDIRECT, O=back)


@pytest.mark.parametrize("target, sent, got", [
    ("/", "http://{o}/x", "http://{f}/x"),
    ("/", "/x", "/x"),
    ("/", "http://other.example/x", "http://other.example/x"),
    ("/", "https://{o}/x", "https://{o}/x"),
    ("/", "x/y", "x/y"), ("/", "//o.example/x", "//o.example/x"),
    ("/two/", "http://{o}/one/x?y", "http://{f}/two/x?y"),
    ("/two/", "http://{o}/other/x", "http://{o}/other/x"),
    ("/two/", "/one/x", "/one/x"),
    ("/off/", "http://{o}/x", "http://{o}/x"),
    ("/pairs/", "http://a.example/x/z", "http://front.example:8000/y/z"),
    ("/pairs/", "http://b.example/z", "http://{f}/b/z"),
    ("/pairs/", "http://abc.internal:81/z?q", "https://abc.public/z?q"),
    ("/pairs/", "http://upper/z", "http://{f}/upper/"),
    ("/pairs/", "http://{o}/pairs/z", "http://{f}/pairs/z"),
    ("/name/", "http://group/z", "http://{f}/name/z"),
], ids=ascii)
def test_location(redirecting, back, target, sent, got):
    def fill(text):
        return text.format(o=back.address, f=f"front.example:{redirecting.port()}")
    back.handle = lambda _: reply(302, fields={"Location": fill(sent)}, body="x")
    answer = redirecting.get(target, host="front.example")
    assert answer.status == 302
    assert answer.get("Location") == fill(got)


@pytest.mark.parametrize("target, sent, got", [
    ("/", "5; url=http://{o}/x", "5; url=/x"), ("/", "5;URL=http://{o}/x", "5;URL=/x"),
    ("/", "5", "5"), ("/two/", "0; url=http://{o}/one/a", "0; url=/two/a"),
    ("/", "5; url=http://other.example/", "5; url=http://other.example/"),
    ("/off/", "5; url=http://{o}/x", "5; url=http://{o}/x"),
])
def test_refresh(redirecting, back, target, sent, got):
    back.handle = lambda _: reply(200, fields={"Refresh": sent.format(o=back.address)}, body="x")
    assert redirecting.get(target, host="front.example").get("Refresh") == got.format(o=back.address)


def test_absolute_redirect_and_port(proxy, origin):
    back = origin()
    back.handle = lambda _: reply(302, fields={"Location": f"http://{back.address}/x"}, body="")
    desk = proxy("""
        server { listen @P@; absolute_redirect off; location / { proxy_pass http://@O@; } }
        server { listen @Q@; port_in_redirect off; location / { proxy_pass http://@O@; } }
        server { listen @R@; server_name_in_redirect on; server_name primary.example;
                 location / { proxy_pass http://@O@; } }""", O=back)
    assert desk.get(host="h").get("Location") == "/x"
    assert desk.get(host="h", to="Q").get("Location") == "http://h/x"
    assert desk.get(host="h", to="R").get("Location") == f"http://primary.example:{desk.port('R')}/x"


# ---- cookies ----------------------------------------------------------------------------------------

COOKIES = """
server {
    listen @P@;
    location /domain/ { proxy_cookie_domain internal.example public.example; proxy_cookie_domain ~\\.(?<s>[a-z]+)\\.lan$ $s.example;
                        proxy_pass http://@O@; }
    location /path/ { proxy_cookie_path /app/ /; proxy_cookie_path ~^/re/(.+)$ /$1; proxy_pass http://@O@; }
    location /flags/ { proxy_cookie_flags one secure httponly samesite=strict; proxy_cookie_flags ~^two nosecure nohttponly nosamesite;
                       proxy_pass http://@O@; }
    location /off/ { proxy_pass http://@O@; }
}
"""


@pytest.fixture(scope="module")
def cookies(shared_proxy, back):
    return shared_proxy(COOKIES, O=back)


@pytest.mark.parametrize("target, sent, got", [
    ("/domain/", "a=b; Domain=internal.example; Path=/", "a=b; Domain=public.example; Path=/"),
    ("/domain/", "a=b; domain=.Internal.Example", None),
    ("/domain/", "a=b; domain=x.site.lan; secure", "a=b; domain=site.example; secure"),
    ("/domain/", "a=b; domain=else.example", "a=b; domain=else.example"),
    ("/domain/", "a=b", "a=b"),
    ("/path/", "a=b; path=/app/x", "a=b; path=/x"),
    ("/path/", "a=b; Path=/re/y; HttpOnly", "a=b; Path=/y; HttpOnly"),
    ("/path/", "a=b; path=/other", "a=b; path=/other"),
    ("/flags/", "one=1", "one=1; Secure; HttpOnly; SameSite=Strict"),
    ("/flags/", "two=1; Secure; HttpOnly; SameSite=Lax; Path=/", "two=1; Path=/"),
    ("/flags/", "three=1; Secure", "three=1; Secure"),
    ("/off/", "a=b; Domain=internal.example; Path=/app/", "a=b; Domain=internal.example; Path=/app/"),
], ids=ascii)
def test_cookies(cookies, back, target, sent, got):
    back.handle = lambda _: reply(200, fields=[("Set-Cookie", sent), ("Set-Cookie", "z=z")], body="x")
    values = cookies.get(target).all("Set-Cookie")
    assert len(values) == 2 and values[1] == "z=z"
    if got is not None:
        assert values[0] == got


# ---- where it goes ----------------------------------------------------------------------------------

def test_unix_origin(proxy, origin, tmp_path):
    desk = proxy(start=False)
    path = desk.path("o.sock")
    back = origin(address=f"unix:{path}")
    import os
    os.chmod(path, 0o777)
    desk.write("""
        upstream u { server unix:@DIR@/o.sock; }
        server { listen @P@;
            location / { proxy_pass http://unix:@DIR@/o.sock; }
            location /sub/ { proxy_pass http://unix:@DIR@/o.sock:/there/; }
            location /up/ { proxy_pass http://u; } }""")
    desk.start()
    assert desk.get("/x").json["target"] == "/x"
    assert back.last.get("Host") == "localhost"
    assert desk.get("/sub/x").json["target"] == "/there/x"
    assert desk.get("/up/x").json["target"] == "/up/x"
    assert back.last.get("Host") == "u"


def test_ipv6_origin(proxy, origin):
    back = origin(address="::1")
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    assert desk.get("/six").json["target"] == "/six"
    assert back.last.get("Host") == back.address


def test_the_origin_by_variable(proxy, origin):
    one, two = origin(name="one"), origin(name="two")
    desk = proxy("""
        map $arg_to $to { one first; two second; addr @ONE@; }
        upstream first { server @ONE@; }
        upstream second { server @TWO@; }
        server { listen @P@; location / { proxy_pass http://$to; }
                 location /uri/ { proxy_pass http://$to/fixed; } }""", ONE=one, TWO=two)
    assert desk.get("/a%20b?to=one").json["origin"] == "one"
    assert one.last.target == "/a%20b?to=one"
    assert desk.get("/?to=two").json["origin"] == "two"
    assert desk.get("/uri/x?to=two").json["target"] == "/fixed"
    assert desk.get("/?to=addr").json["origin"] == "one"
    assert desk.get("/?to=").status == 500


def test_proxy_bind(proxy, origin):
    desk = proxy("""server { listen @P@;
        location / { proxy_bind 127.0.0.7; proxy_pass http://@O@; } }""", O=origin(
            script=lambda conn: (conn.request(), conn.send(reply(body=conn.sock.getpeername()[0])))))
    assert desk.get().text == "127.0.0.7"


def test_ranges_and_conditions_pass(proxy, origin):
    back = origin(handle=lambda r: reply(206, fields={"Content-Range": "bytes 0-4/10", "ETag": "\"e\"", "Accept-Ranges": "bytes"},
                                         body="01234", reason="Partial Content"))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    answer = desk.get(fields={"Range": "bytes=0-4", "If-Range": "\"e\"", "If-None-Match": "\"x\""})
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, b"01234", "bytes 0-4/10")
    assert back.last.get("Range") == "bytes=0-4" and back.last.get("If-Range") == "\"e\""
    assert back.last.get("If-None-Match") == "\"x\""


@pytest.mark.parametrize("reason", ["", "Fine", "Very  odd (reason)!"])
def test_reasons_and_odd_statuses(proxy, origin, reason):
    back = origin(handle=lambda r: reply(int(r.target[1:]), body="x", reason=reason))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    with desk.connect() as client:
        for status in (200, 201, 299, 418, 451, 499, 599, 600, 999):
            answer = client.ask("GET", f"/{status}")
            assert (answer.status, answer.body) == (status, b"x")


def test_intercept_errors(proxy, origin):
    back = origin(handle=lambda r: reply(int(r.target[1:]), body="origin's own"))
    desk = proxy("""server { listen @P@; proxy_intercept_errors on; error_page 404 /mine; error_page 503 =200 /mine;
        location / { proxy_pass http://@O@; }
        location = /mine { internal; return 200 "mine $status $upstream_status"; } }""", O=back)
    answer = desk.get("/404")
    assert (answer.status, answer.text) == (404, "mine 404 404")
    assert desk.get("/503").status == 200
    assert desk.get("/500").text == "origin's own"
    assert desk.get("/200").text == "origin's own"


def test_accel_limits_are_read_from_the_answer(proxy, origin):
    """X-Accel-Redirect goes to an internal location; proxy_ignore_headers leaves it alone."""
    back = origin(handle=lambda r: reply(200, fields={"X-Accel-Redirect": "/inner?a=1", "X-Mine": "1"}, body="outer"))
    desk = proxy("""server { listen @P@;
        location / { proxy_pass http://@O@; }
        location /ignored/ { proxy_ignore_headers X-Accel-Redirect; proxy_pass http://@O@; }
        location = /inner { internal; return 200 "inner $args"; } }""", O=back)
    assert desk.get("/").text == "inner a=1"
    assert desk.get("/ignored/").text == "outer"
    assert desk.get("/inner").status == 404


@pytest.mark.parametrize("http, words", [
    ("server { location ~ /x { proxy_pass http://127.0.0.1/y; } }", 'cannot have URI part in location given by regular expression'),
    ("server { location / { proxy_pass ftp://127.0.0.1; } }", "invalid URL prefix"),
    ("server { location / { proxy_pass 127.0.0.1; } }", "invalid URL prefix"),
    ("server { location / { proxy_pass http://; } }", " host in"),
    ("server { location / { proxy_pass http://127.0.0.1; proxy_pass http://127.0.0.1; } }", '"proxy_pass" directive is duplicate'),
    ("server { location / { proxy_pass http://127.0.0.1:99999; } }", "invalid port"),
    ("server { location / { proxy_buffers 1 4k; } }", "there must be at least 2 \"proxy_buffers\""),
    ("server { location / { proxy_busy_buffers_size 1k; } }", '"proxy_busy_buffers_size" must be equal to or greater than'),
    ("server { location / { proxy_http_version 3; } }", 'invalid value "3"'),
    ("server { proxy_pass http://127.0.0.1; }", '"proxy_pass" directive is not allowed here'),
])
def test_refused_at_load(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr
