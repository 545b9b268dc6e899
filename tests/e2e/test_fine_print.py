# SPDX-License-Identifier: MIT
"""Small things that a configuration written for nginx may count on."""
import pytest

from harness.client import request
from harness.origin import echo, reply
from harness.proxy import is_nginx

ours = pytest.mark.ours


# ---- X-Accel-Redirect -------------------------------------------------------------------------------

ACCEL = (("X-Accel-Redirect", "/files/x"), ("Set-Cookie", "c=1; Path=/app/"), ("Set-Cookie", "d=2"),
         ("Content-Disposition", "attachment"), ("Cache-Control", "private"), ("Expires", "0"),
         ("Content-Type", "application/zip"), ("X-Other", "lost"))


def test_what_stands_beside_an_accel_redirect(proxy, origin):
    """Cookies, caching and Content-Disposition stay; the rest is the new answer's."""
    back = origin(handle=lambda _: reply(body="not this", fields=ACCEL))
    files = origin(handle=lambda _: reply(body="file", fields=(
        ("Content-Type", "text/plain"), ("Set-Cookie", "e=3"), ("X-Mine", "1"))))
    desk = proxy("""server { listen @P@; proxy_cookie_path /app/ /;
        location / { proxy_pass http://@O@; }
        location /files/ { internal; proxy_pass http://@F@; }
        location /local { proxy_pass http://@L@; } location /text { internal; return 200 text; } }""",
                 O=back, F=files,
                 L=origin(handle=lambda _: reply(fields=(("X-Accel-Redirect", "/text"), ("Content-Type", "a/b"),
                                                         ("Content-Disposition", "inline")))))
    answer = desk.get("/")
    assert answer.text == "file" and answer.get("X-Other") is None and answer.get("X-Mine") == "1"
    assert sorted(value for name, value in answer.fields if name == "Set-Cookie") == ["c=1; Path=/", "d=2", "e=3"]
    assert answer.get("Content-Type") == "text/plain"
    assert (answer.get("Content-Disposition"), answer.get("Cache-Control"), answer.get("Expires")) == \
        ("attachment", "private", "0")
    answer = desk.get("/local")
    assert (answer.text, answer.get("Content-Type"), answer.get("Content-Disposition")) == ("text", "a/b", "inline")


# ---- add_trailer ------------------------------------------------------------------------------------

TRAILERS = """server { listen @P@; add_trailer X-T "$upstream_status"; add_trailer X-C const;
    location / { proxy_pass http://@O@; } location /text { return 200 hello; }
    location /not { return 404; } location /off { chunked_transfer_encoding off; return 200 hello; }
    location /none { add_trailer X-E $arg_e; return 200 hello; } }"""


def test_trailers_make_chunks(proxy, origin):
    desk = proxy(TRAILERS, O=origin(handle=lambda _: reply(body="sized")))
    answer = desk.get("/")
    assert (answer.framing, answer.text) == ("chunked", "sized")
    assert answer.trailers == [("X-T", "200"), ("X-C", "const")]
    answer = desk.get("/text")
    assert (answer.framing, answer.text, answer.trailers) == ("chunked", "hello", [("X-C", "const")])
    answer = desk.get("/none?e=1")
    assert (answer.framing, answer.trailers) == ("chunked", [("X-E", "1")])


def test_where_trailers_cannot_be(proxy, origin):
    desk = proxy(TRAILERS, O=origin(handle=lambda _: reply(body="sized")))
    assert desk.get("/not").trailers == []
    assert desk.get("/", version="1.0").framing == "length" or is_nginx()
    assert desk.get("/off").trailers == []
    with desk.connect() as client:
        answer = client.ask("HEAD", "/text")
        assert answer.status == 200
        assert client.ask("GET", "/text").text == "hello"


# ---- variables --------------------------------------------------------------------------------------

def test_who_was_asked_is_forgotten_elsewhere(proxy, origin):
    back = origin(handle=lambda _: reply(404, body="x"))
    desk = proxy("""upstream group { server @O@; } server { listen @P@;
        location / { proxy_intercept_errors on; error_page 404 /page; proxy_pass http://@O@; }
        location /page { return 200 "[$proxy_host][$proxy_port][$upstream_status]"; }
        location /var { set $to group; proxy_pass http://$to; add_header X-P $proxy_host:$proxy_port always; } }""",
                 O=back)
    assert desk.get("/").text == "[][][404]"
    assert desk.get("/var").get("X-P") == "group:80"


@pytest.mark.parametrize("rate, value", [("200k", "204800"), ("1m", "1048576"), ("5000", "5000"), ("0", "0")])
def test_limit_rate_is_a_number(proxy, rate, value):
    desk = proxy(f"""server {{ listen @P@; location / {{ set $limit_rate {rate}; return 200 $limit_rate; }} }}""")
    assert desk.get().text == value


def test_the_address_of_a_unix_socket(proxy):
    desk = proxy("""server { listen unix:@DIR@/s.sock; return 200 "$server_addr|$server_port|$remote_addr"; }""")
    desk.names["S"] = f"unix:{desk.directory}/s.sock"
    assert desk.get(to="S").text == f"unix:{desk.directory}/s.sock||unix:"


def test_lengths_of_what_was_not_sent(proxy, origin):
    """$upstream_response_length counts what went to the client; 204 has no length."""
    one = origin(handle=lambda _: reply(503, body="first"))
    two = origin(handle=lambda _: reply(body="ok"))
    desk = proxy("""log_format f '$upstream_status|$upstream_response_length|$sent_http_content_length';
        upstream u { server @ONE@; server @TWO@; }
        server { listen @P@; access_log logs/f.log f; location / { proxy_next_upstream http_503; proxy_pass http://u; }
                 location /204 { return 204; } }""", ONE=one, TWO=two)
    desk.get()
    desk.get("/204")
    assert desk.log_lines(2, "logs/f.log") == ["503, 200|0, 2|2", "-|-|-"]


# ---- answers ----------------------------------------------------------------------------------------

def test_server_of_a_server_that_has_none(proxy, origin):
    """proxy_pass_header Server: whatever it says, also nothing."""
    back = origin(handle=lambda request: reply(fields=[("Server", "app")] if "named" in request.target else []))
    desk = proxy("server { listen @P@; location / { proxy_pass_header Server; proxy_pass http://@O@; } }", O=back)
    assert desk.get("/named").get("Server") == "app"
    assert desk.get("/").get("Server") is None


def test_return_without_text_is_empty(proxy):
    desk = proxy("""error_page 404 /e; server { listen @P@; location / { return 404; } location /e { return 200; } }""")
    answer = desk.get("/")
    assert (answer.status, answer.body) == (404, b"")


# ---- the error log ----------------------------------------------------------------------------------

def test_connect_says_why(proxy):
    desk = proxy("""server { listen @P@; location / { proxy_pass http://unix:@DIR@/none.sock:/uri/; } }""")
    assert desk.get("/x").status == 502
    sock = f"unix:{desk.directory}/none.sock"
    desk.wait_error(rf"\[crit\] .* connect\(\) to {sock} failed \(2: No such file or directory\) while connecting to "
                    rf'upstream, .* upstream: "http://{sock}:/uri/x"')


def test_a_single_server_is_never_disabled(proxy, origin):
    back = origin(handle=lambda _: None)
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    for _ in range(3):
        assert desk.get().status == 502
    desk.wait_error("prematurely closed")
    assert "temporarily disabled" not in desk.errors()


def test_of_two_one_is_disabled(proxy, origin):
    back = origin(handle=lambda _: None)
    other = origin(handle=echo)
    desk = proxy("""upstream u { server @O@; server @T@; }
        server { listen @P@; location / { proxy_pass http://u; } }""", O=back, T=other)
    with desk.connect() as client:
        for _ in range(3):
            client.send(request())
            assert client.response().status == 200
    desk.wait_error(r"\[warn\] .* upstream server temporarily disabled")


# ---- proxy_bind -------------------------------------------------------------------------------------

def test_bind_with_a_port(proxy, origin):
    seen = []
    back = origin(handle=echo)

    def note(conn):
        seen.append(conn.sock.getpeername())
        conn.send(reply(close=True) if conn.request() else b"")
    back.script = note
    desk = proxy("""server { listen @P@; location / { proxy_bind 127.0.0.9:@PORT@; proxy_pass http://@O@; }
        location /var { proxy_bind $arg_a; proxy_pass http://@O@; } }""", O=back, PORT="24567")
    assert desk.get().status == 200
    assert desk.get("/var?a=127.0.0.8").status == 200
    assert desk.get("/var?a=junk").status == 200
    assert seen[0] == ("127.0.0.9", 24567)
    assert [host for host, _ in seen[1:]] == ["127.0.0.8", "127.0.0.1"]


@pytest.mark.parametrize("line, words", [
    ("expires modified @3h;", "daily time cannot be used with \"modified\" parameter"),
    ("proxy_cookie_flags a;", 'invalid parameter "a"'),
    ("proxy_bind name:80;", 'invalid address "name:80"'),
])
def test_refused_at_load(proxy, line, words):
    done = proxy(f"server {{ location / {{ {line} }} }}", start=False).run("-t")
    assert done.returncode == 1 and words in done.stderr


@pytest.mark.parametrize("cookie, values", [
    ("a=1; b=2", "1|2"), ("A=1;B=2", "1|2"), ("a=1,b=2", "1,b=2|2"), ("b=x; a = 1 ", "1|x"), ("aa=2; a=1", "1|"),
    ("a=", "|"), ("a", "|"), ('a="q"; b==', '"q"|='), (";a=1", "1|"), ("a=1; a=2", "1|"),
])
def test_cookies(proxy, cookie, values):
    desk = proxy("""server { listen @P@; return 200 "$cookie_a|$cookie_b"; }""")
    assert desk.get(fields={"Cookie": cookie}).text == values
