# SPDX-License-Identifier: MIT
"""error_page for requests that are refused while they are read: the page, and who learns what."""
import re

import pytest

from harness.client import request
from harness.origin import echo
from harness.proxy import is_nginx

ours = pytest.mark.ours

LONG = "x" * 40000
# What is sent, the status for the client, $request_uri and $request_method as the page sees them.
REFUSED = {
    "line": ("NONSENSE\r\n\r\n", 400, "", "GET"),
    "version": ("GET / HTTP/3.0\r\n\r\n", 505, "", "GET"),
    "no host": ("GET /x?y HTTP/1.1\r\n\r\n", 400, "/x?y", "GET"),
    "host": ("GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "/x", "GET"),
    "length": ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "/x", "GET"),
    "coding": ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "/x", "GET"),
    "uri": (f"GET /{LONG} HTTP/1.1\r\nHost: a\r\n\r\n", 414, "", "GET"),
    "body": ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413, "/x", "GET"),
}
CODES = "error_page 400 408 413 414 494 501 505"


@pytest.fixture(scope="module")
def pages(shared_proxy):
    return shared_proxy(f"""add_header X-Site default always; {CODES} /page;
        server {{ listen @P@; location = /page {{ internal;
            return 200 "page $status $uri [$request_uri] [$request_method] [$args]"; }} }}
        server {{ listen @P@; server_name other; {CODES} /other; location = /other {{ return 200 other; }} }}""")


@pytest.mark.parametrize("name", REFUSED)
def test_the_page_answers(pages, name):
    raw, status, uri, method = REFUSED[name]
    with pages.send_raw(raw) as client:
        answer = client.response()
    assert (answer.status, answer.get("Connection")) == (status, "close")
    assert answer.text == f"page {status} /page [{uri}] [{method}] []"


def test_the_page_of_the_server_that_was_meant(pages):
    with pages.send_raw("POST / HTTP/1.1\r\nHost: other\r\nContent-Length: x\r\n\r\n") as client:
        answer = client.response()
    assert (answer.status, answer.text) == (400, "other")


def test_a_head_that_is_too_large(pages):
    """nginx's own number for it is 494; it tells the client 400, we say 431."""
    with pages.send_raw(f"GET /x HTTP/1.1\r\nHost: a\r\nX: {LONG}\r\n\r\n") as client:
        answer = client.response()
    status = 400 if is_nginx() else 431
    assert (answer.status, answer.text) == (status, f"page {status} /page [/x] [GET] []")


def test_another_status_by_the_page(proxy):
    desk = proxy("""server { listen @P@; error_page 400 =200 /ok; error_page 505 http://else.example/;
        location = /ok { return 200 "$status"; } }""")
    with desk.send_raw("NONSENSE\r\n\r\n") as client:
        answer = client.response()
    assert (answer.status, answer.text, answer.get("Connection")) == (200, "200", "close")
    with desk.send_raw("GET / HTTP/3.0\r\n\r\n") as client:
        answer = client.response()
    assert (answer.status, answer.get("Location")) == (302, "http://else.example/")


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "body"])
def test_a_page_from_a_server(proxy, origin, name):
    """Its server learns that a page is wanted, and nothing of what was refused."""
    back = origin(handle=echo)
    desk = proxy(f"""server {{ listen @P@; {CODES} /page;
        location = /page {{ proxy_set_header X-Status $status; proxy_pass http://@O@; }} }}""", O=back)
    raw, status, _, _ = REFUSED[name]
    with desk.send_raw(raw) as client:
        answer = client.response()
    seen = back.requests[0]
    assert answer.status == status
    assert (seen.method, seen.target, seen.body) == ("GET", "/page", b"")
    assert seen.get("X-Status") == str(status)


@ours
@pytest.mark.parametrize("raw", [raw for raw, status, _, _ in REFUSED.values() if status != 413] + [
    "GET /x HTTP/1.1\r\nHost: a\r\nX-Evil: 1\r\nX : y\r\n\r\n",
    "POST /%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
])
def test_a_named_location_of_a_server(proxy, origin, raw):
    """nginx fails with 500 when there is no URI yet; we ask for the root."""
    back = origin(handle=echo)
    desk = proxy(f"""server {{ listen @P@; {CODES} @page; location @page {{ proxy_pass http://@O@; }} }}""",
                 O=back)
    with desk.send_raw(raw) as client:
        answer = client.response()
    seen = back.requests[0]
    assert answer.status >= 400 and answer.get("Connection") == "close"
    assert seen.target in ("/", "/x", "/x?y") and seen.body == b"" and seen.get("X-Evil") is None
    assert set(name for name, _ in seen.fields) <= {"Host", "Connection"}


def test_the_log_says_it_once(proxy):
    desk = proxy("""server { listen @P@; error_page 400 /page; location = /page { return 200 page; } }""")
    with desk.send_raw("GET / HTTP/1.1\r\n\r\n") as client:
        client.response()
    desk.wait_error('without "Host" header')
    desk.log_lines()
    assert desk.errors().count('without "Host" header') == 1
    assert '"GET / HTTP/1.1" 400 4 ' in desk.log_lines()[0]


@pytest.mark.parametrize("sent, line", [
    ("G", "G"), ("GET /half HT", "GET /half HT"), ("GET /half HTTP/1.1\r\nHo", "GET /half HTTP/1.1"),
])
def test_half_a_head_is_logged(proxy, sent, line):
    """Port scanners and broken clients: nothing is said to them, but 400 is logged."""
    desk = proxy("""error_page 400 /page; server { listen @P@; location = /page { return 200 page; } }""")
    with desk.send_raw(sent) as client:
        client.sock.shutdown(1)
        assert client.rest() == b""
    assert f'"{line}" 400 0 ' in desk.log_lines()[0]
    desk.wait_error(r"\[info\] .* client prematurely closed connection while reading client request")


def test_no_head_at_all_is_not_logged(proxy):
    desk = proxy("server { listen @P@; return 200 ok; }")
    with desk.connect() as client:
        client.sock.shutdown(1)
        assert client.rest() == b""
    with desk.connect() as client:
        assert client.ask("GET", "/after").text == "ok"
    assert [line.split('"')[1] for line in desk.log_lines(1)] == ["GET /after HTTP/1.1"]


def test_a_page_may_keep_no_connection(proxy):
    """After these nobody knows where the next request begins, whatever page says so."""
    desk = proxy("""server { listen @P@; error_page 400 403 /page; location = /page { return 200 page; }
        location /400 { return 400; } location /403 { return 403; } }""")
    for target, how in (("/%zz", "close"), ("/400", "close"), ("/403", "keep-alive")):
        with desk.send_raw(request("GET", target)) as client:
            assert client.response().get("Connection") == how


@ours
def test_slow_ones_get_the_page(proxy, origin):
    """nginx closes without a word."""
    desk = proxy("""client_header_timeout 300ms; client_body_timeout 300ms;
        server { listen @P@; error_page 408 /page; location / { proxy_pass http://@O@; }
                 location = /page { return 200 "page $status"; } }""", O=origin())
    for raw in ("GET /slow HTTP/1.1\r\nHost: a\r\n",
                "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"):
        with desk.send_raw(raw) as client:
            answer = client.response()
        assert (answer.status, answer.text) == (408, "page 408")
    assert all(re.search(r'"(GET|POST) /slow HTTP/1.1" 408', line) for line in desk.log_lines(2))


def test_a_chunked_body_that_is_too_large(proxy, origin):
    desk = proxy("""client_max_body_size 10;
        server { listen @P@; error_page 413 /page; location / { proxy_pass http://@O@; }
                 location = /page { return 200 "page $status"; } }""", O=origin())
    with desk.send_raw(request("POST", "/", body="x" * 20, chunked=True)) as client:
        answer = client.response()
    assert (answer.status, answer.text) == (413, "page 413")
