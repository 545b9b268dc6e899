# SPDX-License-Identifier: MIT
"""access_log and error_log: exact lines, for the tools that read them."""
import os
import re
import signal
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import is_nginx

ours = pytest.mark.ours

DATE = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def test_combined(proxy):
    desk = proxy("""server { listen @P@; return 200 "hello"; }""")
    desk.get("/a?b=c", fields={"Referer": "http://r/", "User-Agent": "Agent/1.0"})
    desk.log_lines(1)                   # before the other loop writes of the next request
    desk.fetch("HEAD", "/h")
    lines = desk.log_lines(2)
    assert re.fullmatch(rf'127\.0\.0\.1 - - {DATE} "GET /a\?b=c HTTP/1\.1" 200 5 "http://r/" "Agent/1\.0"', lines[0])
    assert re.fullmatch(rf'127\.0\.0\.1 - - {DATE} "HEAD /h HTTP/1\.1" 200 0 "-" "-"', lines[1])


def test_combined_escapes_what_a_client_sends(proxy):
    desk = proxy("""server { listen @P@; return 200; }""")
    desk.get("/\"\\", fields={"User-Agent": "a\"b\\c\xe4\td"})
    line = desk.log_lines()[0]
    assert r'"GET /\x22\x5C HTTP/1.1"' in line
    assert line.endswith(r'"a\x22b\x5Cc\xC3\xA4\x09d"') or line.endswith(r'"a\x22b\x5Cc\xE4\x09d"')


FORMATS = r"""
log_format json escape=json '{"ua":"$http_user_agent","none":"$http_missing","uri":"$uri"}';
log_format none escape=none '$http_user_agent|$http_missing|';
log_format plain '$http_user_agent|$http_missing|"quoted" $status';
log_format parts '$remote_addr ' '$request_method'
                 ' end';
log_format explicit escape=default '$http_user_agent';
map $status $is_bad { ~^[23] 0; default 1; }
server {
    listen @P@;
    access_log logs/json.log json;
    access_log logs/none.log none;
    access_log logs/plain.log plain;
    access_log logs/parts.log parts;
    access_log logs/explicit.log explicit;
    access_log logs/bad.log plain if=$is_bad;
    location / { return 200; }
    location /bad { return 404; }
    location /off { access_log off; return 200; }
    location /own { access_log logs/own.log plain; return 200; }
}
"""


@pytest.fixture
def formats(proxy):
    return proxy(FORMATS)


def test_formats_and_escapes(formats):
    formats.get("/x", fields={"User-Agent": "a\"b\\c\td"})
    assert formats.log_lines(1, "logs/json.log")[0] == r'{"ua":"a\"b\\c\td","none":"","uri":"/x"}'
    assert formats.log_lines(1, "logs/none.log")[0] == 'a"b\\c\td||'
    assert formats.log_lines(1, "logs/plain.log")[0] == r'a\x22b\x5Cc\x09d|-|"quoted" 200'
    assert formats.log_lines(1, "logs/parts.log")[0] == "127.0.0.1 GET end"
    assert formats.log_lines(1, "logs/explicit.log")[0] == r"a\x22b\x5Cc\x09d"
    assert formats.read("logs/bad.log") == ""
    assert not formats.read("logs/access.log")


def test_if_off_and_levels(formats):
    formats.get("/bad")
    formats.get("/off")
    formats.get("/own")
    formats.get("/x")
    assert len(formats.log_lines(1, "logs/bad.log")) == 1
    assert len(formats.log_lines(2, "logs/plain.log")) == 2
    assert formats.log_lines(1, "logs/own.log") == ['-|-|"quoted" 200']


def test_json_escapes_controls(formats):
    formats.get("/%01%1f%7f%22", fields={"User-Agent": "x"})
    assert '"uri":"/\\u0001\\u001F\x7f\\""' in formats.log_lines(1, "logs/json.log")[0]


def test_buffer_and_flush(proxy):
    desk = proxy("""log_format f '$uri'; server { listen @P@;
        access_log logs/buffered.log f buffer=32k flush=1s; return 200; }""")
    desk.get("/a")
    time.sleep(0.15)
    assert desk.read("logs/buffered.log") == ""
    assert desk.log_lines(1, "logs/buffered.log", timeout=4) == ["/a"]


def test_a_buffer_is_written_at_the_end(proxy):
    desk = proxy("""log_format f '$uri'; server { listen @P@;
        access_log logs/buffered.log f buffer=32k; return 200; }""")
    with desk.connect() as client:
        for i in range(50):
            client.ask("GET", f"/{i}")
    desk.stop(signal.SIGQUIT)
    assert desk.read("logs/buffered.log").splitlines() == [f"/{i}" for i in range(50)]


def test_a_full_buffer_is_written(proxy):
    desk = proxy("""log_format f '$uri'; server { listen @P@;
        access_log logs/buffered.log f buffer=1k; return 200; }""")
    with desk.connect() as client:
        for _ in range(10):
            client.ask("GET", "/" + "x" * 300)
    assert all(line == "/" + "x" * 300 for line in desk.log_lines(3, "logs/buffered.log"))


def test_client_errors_are_logged(proxy):
    desk = proxy("server { listen @P@; return 200; }")
    with desk.send_raw("NONSENSE\r\n\r\n") as client:
        client.rest()
    line = desk.log_lines()[0]
    assert '"NONSENSE" 400 ' in line


def test_the_status_of_a_client_that_left(proxy, origin):
    back = origin(script=lambda conn: (conn.request(), conn.hang()))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    with desk.send_raw(request()) as client:
        back.wait_requests(1)
        client.close()
    assert '" 499 0 ' in desk.log_lines()[0]


def test_upstream_tries_in_the_log(proxy, origin):
    back = origin()
    desk = proxy("""log_format f '$upstream_addr|$upstream_status|$upstream_response_time|$upstream_connect_time';
        upstream u { server @DEAD@; server @O@; }
        server { listen @P@; access_log logs/f.log f; location / { proxy_pass http://u; } }""", O=back)
    desk.get()
    addr, status, spent, connect = desk.log_lines(1, "logs/f.log")[0].split("|")
    assert addr == f"{desk.address('DEAD')}, {back.address}"
    assert status == "502, 200"
    assert re.fullmatch(r"\d+\.\d{3}, \d+\.\d{3}", spent)
    assert re.fullmatch(r"-, \d+\.\d{3}", connect)


# ---- error log --------------------------------------------------------------------------------------

STAMP = r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d "


def test_an_error_names_everything(proxy):
    desk = proxy("""server { listen @P@; server_name s.example; location / { proxy_pass http://@DEAD@/uri; } }""")
    desk.get("/x?y=1", host="s.example:1", fields={"Referer": "http://r/"})
    dead = desk.address("DEAD")
    desk.wait_error(
        STAMP + r"\[error\] \d+#\d+: \*\d+ connect\(\) failed \(111: Connection refused\) while connecting to upstream, "
        r'client: 127\.0\.0\.1, server: s\.example, request: "GET /x\?y=1 HTTP/1\.1", '
        rf'upstream: "http://{re.escape(dead)}/urix\?y=1", host: "s\.example:1", referrer: "http://r/"$')


def test_levels(proxy):
    desk = proxy("""server { listen @P@; error_log logs/server.log error; location / { proxy_pass http://@DEAD@; }
        location /quiet { error_log logs/quiet.log crit; proxy_pass http://@DEAD@; }
        location /loud { error_log logs/loud.log info; proxy_pass http://@DEAD@; } }""")
    for target in ("/", "/quiet", "/loud"):
        desk.get(target)
    assert "connect() failed" in desk.log_lines(1, "logs/server.log")[0]
    assert "connect() failed" in desk.log_lines(1, "logs/loud.log")[0]
    assert "connect()" not in desk.read("logs/quiet.log")


def test_error_log_stderr(proxy):
    desk = proxy("error_log stderr; server { listen @P@; location / { proxy_pass http://@DEAD@; } }")
    desk.get()
    desk.wait_for(lambda: "connect() failed" in desk.stderr(), 20, "error on stderr")


def test_pid_of_the_worker_is_in_the_line(proxy):
    desk = proxy("server { listen @P@; location / { proxy_pass http://@DEAD@; } }")
    desk.get()
    match = desk.wait_error(r"\[error\] (\d+)#\d+: \*(\d+) connect")
    assert int(match[1]) == desk.worker()


@pytest.mark.parametrize("raw, words", [
    ("GET / HTTP/1.1\r\n\r\n", 'client sent HTTP/1.1 request without "Host" header while reading client request headers'),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "client sent invalid host header while reading client request headers"),
    ("BAD\r\n\r\n", "client sent invalid"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "client intended to send too large body: 99999999 bytes"),
])
def test_refusals_in_the_error_log(proxy, raw, words):
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }")
    with desk.send_raw(raw) as client:
        client.response()
    desk.wait_error(re.escape(words) + ".*, client: 127.0.0.1, server: ")


def test_upstream_errors_in_the_error_log(proxy, origin):
    back = origin(script=lambda conn: conn.request())
    desk = proxy("server { listen @P@; location / { proxy_read_timeout 300ms; proxy_pass http://@O@; } }", O=back)
    desk.get()
    desk.wait_error(r"upstream prematurely closed connection while reading response header from upstream, client: ")
    back.script = lambda conn: (conn.request(), conn.hang())
    assert desk.get().status == 504
    desk.wait_error(r"upstream timed out \(110: Connection timed out\) while reading response header from upstream, client: ")
    back.script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))
    with desk.send_raw(request()) as client:
        client.rest()
    desk.wait_error(r"upstream prematurely closed connection while reading upstream, client: ")
    back.script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 90000 + b"\r\n\r\n"))
    assert desk.get().status == 502
    desk.wait_error(r"upstream sent too big header while reading response header from upstream, client: ")


# ---- where logs go ----------------------------------------------------------------------------------

def test_reopen(proxy):
    """USR1 after a rename: the new file gets the lines, nothing is lost."""
    desk = proxy("server { listen @P@; return 200; }")
    desk.get("/before")
    desk.log_lines(1)
    os.rename(desk.path("logs/access.log"), desk.path("logs/old.log"))
    os.rename(desk.path("logs/error.log"), desk.path("logs/old-error.log"))
    desk.tell(signal.SIGUSR1)
    desk.wait_for(lambda: os.path.exists(desk.path("logs/access.log")), 20, "a new access log")

    def moved():
        desk.get("/after")
        return "/after" in desk.read("logs/access.log")
    desk.wait_for(moved, 20, "lines in the new log")
    desk.wait_for(lambda: os.path.exists(desk.path("logs/error.log")), 20, "a new error log")
    total = (desk.read("logs/old.log") + desk.read("logs/access.log")).count("/before")
    assert total == 1


def test_bodies_are_counted_as_sent(proxy, origin):
    back = origin(handle=lambda _: reply(body="x" * 1000, chunked=True))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; proxy_http_version 1.1; } }", O=back)
    desk.get()
    count = int(re.search(r'" 200 (\d+) ', desk.log_lines()[0])[1])
    assert 1000 <= count < 1030


@pytest.mark.parametrize("http, words", [
    ("log_format a $nothing_at_all; server { access_log x.log a; }", 'unknown "nothing_at_all" variable'),
    ("server { access_log x.log nosuch; }", 'unknown log format "nosuch"'),
    ("log_format a 1; log_format a 2; server { }", 'duplicate "log_format" name "a"'),
    ("log_format a escape=xml 1; server { }", 'unknown log format escaping "xml"'),
    ("server { access_log x.log combined buffer=x; }", 'invalid buffer size'),
    ("server { error_log x.log loud; }", 'invalid log level "loud"'),
    ("server { access_log /proc/none/x.log; }", 'open() "/proc/none/x.log" failed (2: No such file or directory)'),
])
def test_refused_at_load(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr
