# SPDX-License-Identifier: MIT
"""Answers of our own: return, error_page, internal, access, add_header, expires."""
import re
import time
from email.utils import parsedate_to_datetime

import pytest

from harness.origin import reply

ours = pytest.mark.ours

CONF = """
server {
    listen @P@;
    location /200 { return 200; }
    location /204 { return 204; }
    location /text { return 200 "plain $arg_x"; }
    location /json { default_type application/json; return 200 '{"a":1}'; }
    location /types.html { types { text/html html; } return 200 x; }
    location /404t { return 404 "mine"; }
    location /403 { return 403; }
    location /444 { return 444; }
    location /499 { return 499; }
    location /500t { return 500 ""; }
    location /status { return 222 "$status"; }
    error_page 410 = /status; error_page 411 /status; error_page 412 =299 /status; error_page 416 @none;
    location /410 { return 410; }
    location /411 { return 411; }
    location /412 { return 412; }
    location /416 { return 416; }
    location /301 { return 301 /there?x; }
    location /302 { return 302 https://$host/there; }
    location /url { return http://else.example/x; }
    location /scheme { return $scheme://else.example$request_uri; }
    location /303 { return 303 /x; }
    location /307 { return 307 /x; }
    location /308 { return 308 /x; }
    location /rel { return 302 relative; }
    location /500 { return 500; }
    location /299 { return 299 odd; }
    location /empty { return 200 ""; }
    location /tokens { server_tokens off; return 404; }
    location /nest { return 200 outer; location /nest/in { } }
}
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    return shared_proxy(CONF)


@pytest.mark.parametrize("target, status, body, kind", [
    ("/200", 200, b"", None), ("/204", 204, b"", None), ("/text?x=1", 200, b"plain 1", "text/plain"),
    ("/json", 200, b'{"a":1}', "application/json"), ("/types.html", 200, b"x", "text/html"),
    ("/404t", 404, b"mine", "text/plain"), ("/299", 299, b"odd", "text/plain"), ("/empty", 200, b"", None),
])
def test_return_text(desk, target, status, body, kind):
    with desk.connect() as client:
        answer = client.ask("GET", target)
        assert (answer.status, answer.body) == (status, body)
        if kind:
            assert answer.get("Content-Type") == kind
        if status != 204:
            assert answer.get("Content-Length") == str(len(body))
        assert client.ask("GET", "/text").status == 200


@pytest.mark.parametrize("target, status, location", [
    ("/301", 301, "http://h.example:{p}/there?x"), ("/302", 302, "https://h.example/there"),
    ("/url", 302, "http://else.example/x"), ("/scheme?a", 302, "http://else.example/scheme?a"),
    ("/303", 303, "http://h.example:{p}/x"), ("/307", 307, "http://h.example:{p}/x"),
    ("/308", 308, "http://h.example:{p}/x"), ("/rel", 302, "relative"),
])
def test_return_url(desk, target, status, location):
    answer = desk.get(target, host="h.example")
    assert answer.status == status
    assert answer.get("Location") == location.format(p=desk.port())
    assert answer.get("Content-Type") == "text/html"
    assert str(status).encode() in answer.body


@pytest.mark.parametrize("target, status, body", [
    ("/status", 222, "222"), ("/410", 222, "222"), ("/411", 411, "411"), ("/412", 299, "299"),
])
def test_the_text_may_name_its_status(desk, target, status, body):
    answer = desk.get(target)
    assert (answer.status, answer.text) == (status, body)


def test_an_empty_text_is_no_page(desk):
    assert "500 Internal Server Error" in desk.get("/500t").text


def test_a_missing_named_location(desk):
    answer = desk.get("/416")
    assert answer.status == 500 and "500 Internal Server Error" in answer.text
    desk.wait_error('could not find named location "@none"')


@pytest.mark.parametrize("target", ["/444", "/499"])
def test_these_close_without_a_word(desk, target):
    with desk.connect() as client:
        client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
        client.expect_closed()


def test_a_redirect_for_a_client_without_host(desk):
    """$host falls back to the server's name; Location names where the client really is."""
    answer = desk.get("/303", host=None, version="1.0")
    assert answer.get("Location") == f"http://{desk.address()}/x"


@pytest.mark.parametrize("status, words", [(403, "403 Forbidden"), (404, "404 Not Found"), (500, "500 Internal Server Error")])
def test_error_pages_of_our_own(desk, status, words):
    answer = desk.get(f"/{status}" if status != 404 else "/tokens")
    assert answer.status == status
    assert answer.get("Content-Type") == "text/html"
    assert f"<title>{words}</title>" in answer.text


def test_server_tokens(desk):
    version = re.compile(r"/\d+\.\d+")
    assert version.search(desk.get("/403").get("Server"))
    assert version.search(desk.get("/403").text)
    answer = desk.get("/tokens")
    assert not version.search(answer.get("Server"))
    assert not version.search(answer.text)


def test_head_of_a_local_answer(desk):
    with desk.connect() as client:
        answer = client.ask("HEAD", "/text")
        assert answer.get("Content-Length") == "6"
        assert client.ask("GET", "/text").body == b"plain "


def test_date(desk):
    date = parsedate_to_datetime(desk.get("/200").get("Date")).timestamp()
    assert abs(date - time.time()) < 30


def test_a_post_to_a_local_answer_keeps_the_connection_in_step(desk):
    with desk.connect() as client:
        assert client.ask("POST", "/text?x=1", body=b"y" * 5000).body == b"plain 1"
        assert client.ask("POST", "/text?x=2", body=b"y" * 5000, chunked=True).body == b"plain 2"
        assert client.ask("GET", "/text?x=3").body == b"plain 3"


# ---- error_page -------------------------------------------------------------------------------------

ERROR_PAGES = """
error_page 500 /outer;
server {
    listen @P@;
    error_page 404 /404.html;
    error_page 502 504 @fallback;
    location = /404.html { internal; return 200 "page for $request_uri is $uri, was $request_method"; }
    location = /outer { return 200 outer; }
    location @fallback { return 200 "fallback $status"; }
    location @up { proxy_pass http://@O@; }
    location /missing { return 404; }
    location /dead { proxy_pass http://@DEAD@; }
    location /dead/code { error_page 502 =503 /sorry; proxy_pass http://@DEAD@; }
    location /dead/keep { error_page 502 = /teapot; proxy_pass http://@DEAD@; }
    location /dead/empty { error_page 502 =204 /nothing; proxy_pass http://@DEAD@; }
    location /dead/url { error_page 502 http://else.example/; proxy_pass http://@DEAD@; }
    location /dead/url301 { error_page 502 =301 http://else.example/; proxy_pass http://@DEAD@; }
    location /dead/named { error_page 502 = @up; proxy_pass http://@DEAD@; }
    location /dead/var { error_page 502 /page/$arg_p; proxy_pass http://@DEAD@; }
    location /own { error_page 500 /own500; return 404; }
    location /recursive { error_page 404 /again; return 404; }
    location = /again { error_page 403 /never; return 403; }
    location /recursiveon { recursive_error_pages on; error_page 404 /againon; return 404; }
    location = /againon { recursive_error_pages on; error_page 403 /second; return 403; }
    location = /second { return 200 second; }
    location = /never { return 200 never; }
    location = /sorry { return 200 sorry; }
    location = /teapot { return 418 teapot; }
    location = /nothing { return 200 nothing; }
    location /page/ { return 200 "page $uri"; }
    location /cycle { error_page 404 /cycle; return 404; }
    location /int { internal; return 200 inside; }
}
"""


@pytest.fixture(scope="module")
def pages(shared_proxy, back):
    return shared_proxy(ERROR_PAGES, O=back)


@pytest.mark.parametrize("target, status, body", [
    ("/missing", 404, "page for /missing is /404.html, was GET"),
    ("/dead", 502, "fallback 502"), ("/dead/code", 503, "sorry"), ("/dead/keep", 418, "teapot"),
    ("/dead/var?p=x", 502, "page /page/x"),
    ("/recursiveon", 403, "second"),
    ("/int", 404, None),
], ids=ascii)
def test_error_page(pages, target, status, body):
    answer = pages.get(target)
    assert answer.status == status
    if body is not None:
        assert answer.text == body


def test_error_page_204(pages):
    with pages.connect() as client:
        assert client.ask("GET", "/dead/empty").status == 204
        assert client.ask("GET", "/outer").text == "outer"


def test_error_page_url(pages):
    answer = pages.get("/dead/url")
    assert (answer.status, answer.get("Location")) == (302, "http://else.example/")
    assert pages.get("/dead/url301").status == 301


def test_error_page_named_proxies_on(pages, back):
    answer = pages.fetch("POST", "/dead/named/x?y", body=b"kept")
    assert answer.status == 200
    assert answer.json["target"] == "/dead/named/x?y"
    assert answer.json["method"] == "POST"


def test_a_redirect_to_a_page_is_a_get(pages):
    assert pages.fetch("POST", "/missing", body=b"x").text.endswith("was GET")


def test_levels_replace(pages):
    answer = pages.get("/own")
    assert answer.status == 404 and "page for" not in answer.text
    assert pages.get("/recursive").text != "never"


def test_error_pages_do_not_cycle(pages):
    assert pages.get("/cycle").status in (404, 500)


# ---- access -----------------------------------------------------------------------------------------

ACCESS = """
server {
    listen @P@; listen [::1]:@P.port@; listen unix:@DIR@/a.sock;
    location / { return 200 open; }
    location /none { deny all; proxy_pass http://@O@; }
    location /me { allow 127.0.0.1; deny all; proxy_pass http://@O@; }
    location /first { deny 127.0.0.1; allow all; proxy_pass http://@O@; }
    location /net { allow 127.0.0.0/28; deny all; proxy_pass http://@O@; }
    location /six { allow ::1; deny all; proxy_pass http://@O@; }
    location /six64 { deny ::/64; allow all; proxy_pass http://@O@; }
    location /unix { allow unix:; deny all; proxy_pass http://@O@; }
    location /outer { deny all; location /outer/in { proxy_pass http://@O@; }
                      location /outer/open { allow all; proxy_pass http://@O@; } }
    location /any { satisfy any; allow 10.0.0.1; deny all; proxy_pass http://@O@; }
    location /anyme { satisfy any; allow 127.0.0.1; deny all; proxy_pass http://@O@; }
    location /ret { deny all; return 200 "return comes first"; }
    location /page { error_page 403 /denied; deny all; proxy_pass http://@O@; }
    location = /denied { return 200 "denied page"; }
}
"""


@pytest.fixture(scope="module")
def access(shared_proxy, back):
    return shared_proxy(ACCESS, O=back)


@pytest.mark.parametrize("target, source, status", [
    ("/none", "127.0.0.1", 403), ("/me", "127.0.0.1", 200), ("/me", "127.0.0.2", 403),
    ("/first", "127.0.0.1", 403), ("/first", "127.0.0.2", 200), ("/net", "127.0.0.15", 200),
    ("/net", "127.0.0.16", 403), ("/six", "127.0.0.1", 403), ("/unix", "127.0.0.1", 403),
    ("/outer", "127.0.0.1", 403), ("/outer/in", "127.0.0.1", 403), ("/outer/open", "127.0.0.1", 200),
    ("/any", "127.0.0.1", 403), ("/anyme", "127.0.0.1", 200), ("/ret", "127.0.0.1", 200),
])
def test_allow_deny(access, target, source, status):
    with access.connect(source=source) as client:
        assert client.ask("GET", target).status == status


def test_allow_deny_of_other_families(access):
    from harness.client import fetch
    six = f"[::1]:{access.port()}"
    assert fetch(six, "GET", "/six").status == 200
    assert fetch(six, "GET", "/six64").status == 403
    assert fetch(six, "GET", "/me").status == 403
    unix = f"unix:{access.path('a.sock')}"
    assert fetch(unix, "GET", "/unix").status == 200
    assert fetch(unix, "GET", "/none").status == 403
    assert fetch(unix, "GET", "/me").status == 403


def test_denied_never_reaches_the_origin(access, back):
    before = back.bytes
    access.fetch("POST", "/none", body=b"x")
    assert back.bytes == before
    access.wait_error("access forbidden by rule, client: 127.0.0.1, server: , request: \"POST /none HTTP/1.1\"")


def test_the_page_of_a_denied_one(access):
    answer = access.get("/page")
    assert (answer.status, answer.text) == (403, "denied page")


# ---- add_header, expires ----------------------------------------------------------------------------

HEADERS = """
add_header X-Outer "1";
server {
    listen @P@;
    location / { proxy_pass http://@O@; }
    location /own/ { add_header X-Own "$request_method $status" always; add_header X-Empty ""; proxy_pass http://@O@; }
    location /some/ { add_header X-Some 1; proxy_pass http://@O@; }
    location /twice/ { add_header X-A 1; add_header X-A 2; proxy_pass http://@O@; }
    location /up/ { add_header X-Up "$upstream_http_x_mine"; proxy_pass http://@O@; }
    location /lm/ { add_header Last-Modified ""; add_header Cache-Control "private"; proxy_pass http://@O@; }
    location /local/ { add_header X-Local 1; return 200 x; }
    location /trailer/ { add_trailer X-T "end $status"; proxy_pass http://@O@; }
    location /e/1h { expires 1h; proxy_pass http://@O@; }
    location /e/-1 { expires -1; proxy_pass http://@O@; }
    location /e/0 { expires 0; proxy_pass http://@O@; }
    location /e/max { expires max; proxy_pass http://@O@; }
    location /e/epoch { expires epoch; proxy_pass http://@O@; }
    location /e/off { expires off; proxy_pass http://@O@; }
    location /e/mod { expires modified +1h; proxy_pass http://@O@; }
    location /e/at { expires @15h30m; proxy_pass http://@O@; }
    location /e/map { expires $life; proxy_pass http://@O@; }
}
map $sent_http_content_type $life { default off; text/css 10m; ~image/ max; }
"""


@pytest.fixture(scope="module")
def headers(shared_proxy, back):
    return shared_proxy(HEADERS, O=back)


@pytest.mark.parametrize("status", [200, 201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 404, 500, 503, 203, 202])
def test_add_header_by_status(headers, back, status):
    back.handle = lambda _: reply(status)
    answer = headers.get("/some/")
    good = status in (200, 201, 204, 206, 301, 302, 303, 304, 307, 308)
    assert answer.has("X-Some") == good
    answer = headers.get("/own/")
    assert answer.get("X-Own") == f"GET {status}"
    assert not answer.has("X-Outer") and not answer.has("X-Empty")
    back.reset()


def test_add_header_inheritance_and_repetition(headers, back):
    assert headers.get("/").get("X-Outer") == "1"
    assert headers.get("/twice/").all("X-A") == ["1", "2"]
    assert headers.get("/local/").get("X-Local") == "1"


def test_add_header_reads_the_origins(headers, back):
    back.handle = lambda _: reply(fields={"X-Mine": "theirs", "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
    assert headers.get("/up/").get("X-Up") == "theirs"
    answer = headers.get("/lm/")
    assert not answer.has("Last-Modified") and answer.get("Cache-Control") == "private"
    back.reset()


def test_add_trailer(headers, back):
    back.handle = lambda _: reply(body="x", chunked=True)
    answer = headers.get("/trailer/")
    assert answer.framing == "chunked" and answer.trailers == [("X-T", "end 200")]
    back.reset()


def test_expires(headers, back):
    def ask(target, **fields):
        back.handle = lambda _: reply(fields={n.replace("_", "-"): v for n, v in fields.items()}, body="x")
        return headers.get(target)

    def offset(answer):
        return parsedate_to_datetime(answer.get("Expires")).timestamp() - time.time()

    answer = ask("/e/1h")
    assert answer.get("Cache-Control") == "max-age=3600" and 3597 <= offset(answer) <= 3602
    answer = ask("/e/-1")
    assert answer.get("Cache-Control") == "no-cache" and offset(answer) < 0
    assert ask("/e/0").get("Cache-Control") in ("max-age=0", "no-cache")
    answer = ask("/e/max")
    assert answer.get("Expires") == "Thu, 31 Dec 2037 23:55:55 GMT" and answer.get("Cache-Control") == "max-age=315360000"
    answer = ask("/e/epoch")
    assert answer.get("Expires") == "Thu, 01 Jan 1970 00:00:01 GMT" and answer.get("Cache-Control") == "no-cache"
    assert not ask("/e/off").has("Expires")
    answer = ask("/e/mod", Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")
    assert answer.get("Expires") == "Mon, 01 Jan 2024 01:00:00 GMT"
    answer = ask("/e/at")
    assert re.search(r" 15:30:00 GMT$", answer.get("Expires")) or time.timezone
    assert 0 < int(answer.get("Cache-Control").split("=")[1]) <= 86400
    assert ask("/e/map", Content_Type="text/css").get("Cache-Control") == "max-age=600"
    assert ask("/e/map", Content_Type="image/png").get("Expires") == "Thu, 31 Dec 2037 23:55:55 GMT"
    assert not ask("/e/map", Content_Type="text/html").has("Expires")
    back.handle = lambda _: reply(404, body="x")
    assert not headers.get("/e/1h").has("Expires")
    back.reset()


@pytest.mark.parametrize("http, words", [
    ("server { return 1000; }", 'invalid return code "1000"'),
    ("server { return abc; }", 'invalid return code "abc"'),
    ("server { location / { error_page 200 /x; } }", "must be between 300 and 599"),
    ("server { location / { error_page 404; } }", "invalid number of arguments in \"error_page\" directive"),
    ("server { location / { error_page 499 =abc /x; } }", 'invalid value "=abc"'),
    ("server { location / { deny 300.1.1.1; } }", 'invalid parameter "300.1.1.1"'),
    ("server { location / { allow 10.0.0.0/33; } }", 'invalid parameter "10.0.0.0/33"'),
    ("server { location / { expires soon; } }", "invalid value"),
    ("server { location / { satisfy some; } }", 'invalid value "some"'),
    ("server { location / { add_header X 1 sometimes; } }", 'invalid parameter "sometimes"'),
    ("server { location / { return 200 $nosuchvariable; } }", 'unknown "nosuchvariable" variable'),
    ("server { internal; }", '"internal" directive is not allowed here'),
])
def test_refused_at_load(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr


def test_a_net_with_host_bits_is_a_warning(proxy):
    done = proxy("server { listen @P@; location / { allow 10.0.0.1/8; } }", start=False).run("-t")
    assert done.returncode == 0
    assert "low address bits of 10.0.0.1/8 are meaningless" in done.stderr
