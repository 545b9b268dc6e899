# SPDX-License-Identifier: MIT
"""Variables, map and set."""
import os
import re
import socket
import time

import pytest

from harness.client import request
from harness.origin import reply

ours = pytest.mark.ours

CONF = """
map $arg_m $mapped {
    default "other $arg_m";
    one 1;
    "two words" 2;
    ~^re(?<tail>.*)$ "regex $tail";
    ~*^CASE(.)$ "case $1";
    "" empty;
    \\default literal;
    include @DIR@/extra.map;
}
map $host $hosted { hostnames; default none; a.example exact; *.example suffix; www.* prefix; .dot.test dot; }
map $mapped $second { ~^other "chain other"; default "chain $mapped"; }
map "$request_method:$arg_m" $both { "GET:x" getx; default no; }
map $arg_v $volatile { volatile; default $arg_v; }
map $http_upgrade $connection_upgrade { default upgrade; "" close; }
log_format all escape=none "$status|$body_bytes_sent|$bytes_sent|$request_length|$request_time|$upstream_addr|$upstream_status|$upstream_response_time|$upstream_connect_time|$upstream_header_time|$upstream_bytes_received|$upstream_bytes_sent|$upstream_response_length|$sent_http_content_type|$sent_http_x_mine|$upstream_http_x_mine|$request_completion|$upstream_cookie_sid|$sent_http_set_cookie|$connection_requests|$pipe";
server {
    listen @P@;
    server_name vars.example *.example;
    set $mine "set at server";
    access_log logs/all.log all;
    location / { return 200 "$echo"; }
    set $echo "";
    location /basic { return 200 "$request_method|$scheme|$host|$http_host|$server_name|$server_port|$server_addr|$remote_addr|$server_protocol|$request|$https|$remote_user"; }
    location /fields { return 200 "$http_x_one|$http_user_agent|$http_referer|$http_cookie|$cookie_a|$cookie_b|$content_length|$content_type|$http_x_forwarded_for|$http_missing"; }
    location /args { return 200 "$arg_a|$arg_B|$arg_missing|$args|$arg_a_b"; }
    location /maps { return 200 "$mapped|$second|$both|$hosted|$connection_upgrade"; }
    location /set { set $mine "in $uri"; set $two "${mine}x"; return 200 "$mine|$two"; }
    location /setouter { return 200 $mine; }
    location /times { return 200 "$msec|$time_local|$time_iso8601|$request_time"; }
    location /ids { return 200 "$request_id|$connection|$connection_requests|$pid|$hostname|$nginx_version|$remote_port|$connection_time|$pipe"; }
    location /dollar { return 200 "cost: ${arg_a}USD"; }
    location /bin { return 200 "$binary_remote_addr"; }
    location /proxied { proxy_set_header X-Vars "$proxy_host|$proxy_port|$proxy_add_x_forwarded_for"; proxy_pass http://@O@; }
    location /up { add_header X-Up "$upstream_status $upstream_addr $upstream_http_x_mine"; proxy_pass http://@O@; }
    location /body { proxy_set_header X-Body $request_body; client_body_buffer_size 64k; proxy_pass http://@O@; }
    location ~ ^/rex/(?<name>[^/]+)/(.*)$ { return 200 "$name|$1|$2"; }
}
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    made = shared_proxy.new()
    made.put("extra.map", "extra from-include;\n")
    made.write(CONF, O=back)
    return made.start()


def test_basic(desk):
    port = desk.port()
    text = desk.get("/basic?q=%20", host=f"Vars.Example:{port}").text
    assert text == (f"GET|http|vars.example|Vars.Example:{port}|vars.example|{port}|127.0.0.1|127.0.0.1|HTTP/1.1|"
                    "GET /basic?q=%20 HTTP/1.1||")


def test_remote_user(desk):
    text = desk.get("/basic", fields={"Authorization": "Basic dXNlcjpwYXNz"}).text
    assert text.endswith("|user")


def test_fields(desk):
    text = desk.fetch("POST", "/fields", body=b"12345", fields=[
        ("X-One", "1"), ("User-Agent", "me/1"), ("Referer", "r"), ("Cookie", "a=1; b=\"2\"; ab=3"),
        ("Content-Type", "text/x"), ("X-Forwarded-For", "1.1.1.1")]).text
    assert text == '1|me/1|r|a=1; b="2"; ab=3|1|"2"|5|text/x|1.1.1.1|'


@ours
def test_repeated_fields_are_joined(desk):
    """As nginx does since 1.23."""
    text = desk.get("/fields", fields=[("X-One", "1"), ("X-One", "2")]).text
    assert text.startswith("1, 2|")


def test_several_cookie_fields(desk):
    text = desk.get("/fields", fields=[("Cookie", "a=1"), ("Cookie", "b=2")]).text
    assert text.split("|")[3:6] == ["a=1; b=2", "1", "2"]


@pytest.mark.parametrize("target, text", [
    ("/args?a=1&b=2", "1|2||a=1&b=2|"), ("/args?A=x", "x|||A=x|"), ("/args?a=1&a=2", "1|||a=1&a=2|"),
    ("/args?a", "|||a|"), ("/args?a=", "|||a=|"), ("/args?a=%20+", "%20+|||a=%20+|"),
    ("/args?xa=1", "|||xa=1|"), ("/args?a_b=1", "|||a_b=1|1"), ("/args?a=b=c", "b=c|||a=b=c|"),
])
def test_args(desk, target, text):
    assert desk.get(target).text == text


@pytest.mark.parametrize("value, mapped, second", [
    ("one", "1", "chain 1"), ("ONE", "1", "chain 1"), ("two%20words", None, None), ("x", "other x", "chain other"),
    ("reform", "regex form", "chain regex form"), ("casex", "case x", "chain case x"), ("", "empty", "chain empty"),
    ("default", "literal", "chain literal"), ("extra", "from-include", "chain from-include"),
])
def test_map(desk, value, mapped, second):
    if mapped is None:
        return
    got = desk.get(f"/maps?m={value}", host="a.example").text.split("|")
    assert got[:2] == [mapped, second]
    assert got[2] == ("getx" if value == "x" else "no")
    assert got[3:] == ["exact", "close"]


@pytest.mark.parametrize("host, value", [("a.example", "exact"), ("b.example", "suffix"), ("www.x", "prefix"),
                                         ("dot.test", "dot"), ("x.dot.test", "dot"), ("z", "none")])
def test_map_hostnames(desk, host, value):
    assert desk.get("/maps", host=host).text.split("|")[3] == value


def test_connection_upgrade_map(desk):
    assert desk.get("/maps", fields={"Upgrade": "websocket", "Connection": "upgrade"}).text.endswith("|upgrade")


def test_set(desk):
    assert desk.get("/set").text == "in /set|in /setx"
    assert desk.get("/setouter").text == "set at server"


def test_braces(desk):
    assert desk.get("/dollar?a=5").text == "cost: 5USD"


def test_captures(desk):
    assert desk.get("/rex/one/two/three").text == "one|one|two/three"


def test_times(desk):
    now = time.time()
    msec, local, iso, spent = desk.get("/times").text.split("|")
    assert re.fullmatch(r"\d+\.\d{3}", msec) and abs(float(msec) - now) < 3
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", local)
    assert abs(time.mktime(time.strptime(local[:20], "%d/%b/%Y:%H:%M:%S")) - now) < 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", iso)
    assert re.fullmatch(r"\d+\.\d{3}", spent) and float(spent) < 1


def test_ids(desk):
    with desk.connect() as client:
        first = client.ask("GET", "/ids").text.split("|")
        client.send(request("GET", "/ids") + request("GET", "/ids"))
        second = client.response().text.split("|")
        third = client.response().text.split("|")
        port = client.sock.getsockname()[1]
    other = desk.get("/ids").text.split("|")
    assert re.fullmatch("[0-9a-f]{32}", first[0])
    assert len({first[0], second[0], third[0], other[0]}) == 4
    assert first[1] == second[1] != other[1]
    assert (first[2], second[2], third[2], other[2]) == ("1", "2", "3", "1")
    assert int(first[3]) in desk.workers() + [desk.pid]
    assert first[4].lower() == socket.gethostname().lower()
    assert re.fullmatch(r"\d+\.\d+\.\d+", first[5])
    assert first[6] == str(port)
    assert re.fullmatch(r"\d+\.\d{3}", first[7])
    assert first[8] == "." and {second[8], third[8]} <= {"p", "."}


def test_binary_remote_addr(desk):
    assert desk.get("/bin").body == b"\x7f\x00\x00\x01"


def test_proxy_variables(desk, back):
    desk.get("/proxied")
    assert back.last.get("X-Vars") == f"{back.address}|{back.port}|127.0.0.1"


def test_upstream_variables_in_a_field(desk, back):
    back.handle = lambda _: reply(201, fields={"X-Mine": "theirs"}, body="x")
    assert desk.get("/up").get("X-Up") == f"201 {back.address} theirs"


def test_request_body(desk, back):
    desk.fetch("POST", "/body", body=b"small=1")
    assert back.last.get("X-Body") == "small=1"


def test_measures_in_the_log(desk, back):
    before = len(desk.read("logs/all.log").splitlines())
    back.handle = lambda _: reply(200, fields={"X-Mine": "theirs", "Content-Type": "a/b", "Set-Cookie": "sid=42; Path=/"}, body="x" * 500)
    with desk.connect() as client:
        raw = request("POST", "/up", body=b"y" * 300)
        client.send(raw)
        answer = client.response()
    head = len(f"HTTP/1.1 200 OK\r\n") + sum(len(n) + len(v) + 4 for n, v in answer.fields) + 2
    line = desk.log_line(before, lambda line: line.split("|")[1] == "500", "logs/all.log").split("|")
    assert line[0] == "200"
    assert line[2] == str(head + 500)
    assert line[3] == str(len(raw))
    assert re.fullmatch(r"\d+\.\d{3}", line[4])
    assert line[5:7] == [back.address, "200"]
    for spent in line[7:10]:
        assert re.fullmatch(r"\d+\.\d{3}", spent)
    assert int(line[10]) >= 500 and int(line[11]) >= 300 and line[12] == "500"
    assert line[13:16] == ["a/b", "theirs", "theirs"]
    assert line[16] == "OK"
    assert line[17:19] == ["42", "sid=42; Path=/"]
    assert line[19:] == ["1", "."]


def test_variables_without_an_upstream_are_empty(desk):
    before = len(desk.read("logs/all.log").splitlines())
    desk.get("/")
    assert desk.log_line(before, lambda line: line.split("|")[5:13] == [""] * 8, "logs/all.log")


def test_capture_of_the_server_name(proxy):
    desk = proxy("""server { listen @P@; server_name ~^(?<user>.+)\\.site\\.test$; return 200 "$user $1"; }""")
    assert desk.get(host="joe.site.test").text == "joe joe"


@pytest.mark.parametrize("http, words", [
    ("map $a $b { x 1; x 2; } server { set $a 1; }", 'conflicting parameter "x"'),
    ("map $nothing $b { x 1; } server { return 200 $b; }", 'unknown "nothing" variable'),
    ("map x $b { ~( 1; } server { }", "pcre2_compile() failed"),
    ("map $host b { x 1; } server { }", 'invalid variable name "b"'),
    ("server { set mine 1; }", 'invalid variable name "mine"'),
    ("server { set $host 1; }", 'the duplicate "host" variable'),
    ("map $host $x { default a; default b; } server { }", "duplicate default map parameter"),
    ("server { return 200 ${open; }", 'the closing bracket in "open" variable is missing'),
])
def test_refused_at_load(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr.replace("pcre_compile", "pcre2_compile")


def test_limit_rate_variable(proxy):
    desk = proxy("""server { listen @P@; set $limit_rate 0; return 200 "$limit_rate"; }""")
    assert desk.get().text in ("0", "")
    assert os.path.exists(desk.pid_file)
