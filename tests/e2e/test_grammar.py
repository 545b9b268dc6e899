# SPDX-License-Identifier: MIT
"""The configuration's grammar, read as nginx reads it (nginx-grammar.md)."""
import pytest

BODY = [
    # how it is written, what it means
    ("return 200 plain;", "plain"),
    ("return 200 'single quoted';", "single quoted"),
    ('return 200 "double quoted";', "double quoted"),
    ('return 200 "a;b{c}d#e";', "a;b{c}d#e"),
    ("return 200 a#b;", "a#b"),
    ("return 200 a'b;", "a'b"),
    ('return 200 a"b"c;', 'a"b"c'),
    (r'return 200 "a\"b";', 'a"b'),
    (r"return 200 'a\'b';", "a'b"),
    (r'return 200 "a\\b";', "a\\b"),
    (r'return 200 "a\tb\nc\rd";', "a\tb\nc\rd"),
    (r'return 200 "a\db\.c";', r"a\db\.c"),
    (r"return 200 a\ b;", r"a\ b"),
    (r"return 200 a\;b;", r"a\;b"),
    ('return 200 "two\nlines";', "two\nlines"),
    ("return\n\t200\r\n  spread  ;", "spread"),
    ("return 200 x; # a comment }", "x"),
    ("# a comment ; {\nreturn 200 x;", "x"),
    ("return 200 ${arg_none}y;", "y"),
    ('return 200 "${scheme}s";', "https"),
    ("return 200 $scheme:x;", "http:x"),
    ("return 200 a}b;", "a}b"),
    ("return 200 '';", ""),
    ('return 200 ""; ', ""),
    ("return 200 \"ü\";", "\xc3\xbc"),
    ("return 200 -;", "-"),
]


@pytest.mark.parametrize("text, meaning", BODY, ids=ascii)
def test_words(proxy, text, meaning):
    desk = proxy("server { listen @P@; location / { " + text + "\n} }")
    assert desk.get().text == meaning


@pytest.mark.parametrize("http, words", [
    ("server { listen @P@; return 200 'a'b; }", 'unexpected "b"'),
    ("server { listen @P@; { } }", 'unexpected "{"'),
    ("server { listen @P@; return 200 'open; }", "unexpected end of file"),
    ("server { listen @P@ }", 'unexpected "}"'),
    ("server { listen @P@;; }", 'unexpected ";"'),
    ("server { server_name " + "a" * 4200 + "; }", "too long parameter"),
    ("server listen @P@;", '"server" has no opening "{"'),
    ("server_tokens on { }", 'directive "server_tokens" is not terminated by ";"'),
])
def test_errors(proxy, http, words):
    done = proxy(http, start=False).run("-t")
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.parametrize("text", ["90", "90s", "1m30s", "1m 30s", "1h", "1d", "500ms", "1w", "1h30m10s500ms"])
def test_times(proxy, text):
    if " " in text:
        text = f'"{text}"'
    assert proxy(f"server {{ listen @P@; keepalive_timeout {text}; client_body_timeout {text}; }}", start=False).run("-t").returncode == 0


@pytest.mark.parametrize("text", ["s", "1x", "1M", "1y", "1s1m", "-1", "1.5s", "1ms1s", "", "99999999999999999999"])
def test_bad_times(proxy, text):
    assert proxy(f"server {{ listen @P@; client_body_timeout '{text}'; }}", start=False).run("-t").returncode == 1


@pytest.mark.parametrize("text, good", [("1M", True), ("1y2M", True), ("10", True), ("1m", True), ("10ms", False)])
def test_times_in_seconds(proxy, text, good):
    """Where the unit is the second, months and years exist and milliseconds don't."""
    done = proxy(f"upstream u {{ server 127.0.0.1:1 fail_timeout={text}; }}", start=False).run("-t")
    assert (done.returncode == 0) == good


@pytest.mark.parametrize("text, good", [("1", True), ("1k", True), ("1K", True), ("1m", True), ("1M", True), ("1g", True),
                                        ("1G", True), ("0", True), ("k", False), ("1kb", False), ("-1", False), ("1.5m", False)])
def test_sizes(proxy, text, good):
    done = proxy(f"server {{ listen @P@; client_max_body_size {text}; }}", start=False).run("-t")
    assert (done.returncode == 0) == good


def test_includes(proxy):
    """Globs in sorted order; an empty glob is no error; any context; nested."""
    desk = proxy("include none/*.conf; include parts/*.conf;", start=False)
    desk.put("parts/b.conf", "server { listen @P@; server_name b; include inside.inc; }")
    desk.put("parts/a.conf", "server { listen @P@; server_name a; location / { include parts/return.inc; } }")
    desk.put("parts/return.inc", "return 200\n")
    desk.put("inside.inc", "return 200 $server_name-inside;")
    assert desk.run("-t").returncode == 1       # an included file cannot end in the middle of a directive
    desk.put("parts/return.inc", "return 200 $server_name;")
    desk.start()
    assert desk.get(host="z").text == "a"       # first of the sorted files
    assert desk.get(host="b").text == "b-inside"


def test_what_only_tunes_is_accepted(proxy):
    """Directives of common configurations that have no effect here, checked for form."""
    desk = proxy("""
        sendfile on; tcp_nopush on; tcp_nodelay on; types_hash_max_size 2048; types_hash_bucket_size 64;
        server_names_hash_bucket_size 64; server_names_hash_max_size 512; variables_hash_max_size 2048;
        variables_hash_bucket_size 64; map_hash_max_size 2048; map_hash_bucket_size 64;
        proxy_headers_hash_max_size 1024; proxy_headers_hash_bucket_size 128; proxy_max_temp_file_size 0;
        proxy_temp_file_write_size 64k; client_body_in_file_only off; connection_pool_size 512; request_pool_size 4k;
        reset_timedout_connection on; lingering_close on; lingering_time 30s; lingering_timeout 5s;
        server { listen @P@; location / { return 200 ok; } }""",
        events="use epoll; multi_accept on; accept_mutex off; worker_connections 100;",
        main="worker_cpu_affinity auto; worker_priority 0; timer_resolution 100ms; pcre_jit on; worker_aio_requests 32;"
             .replace("worker_aio_requests 32;", ""))
    assert desk.get().text == "ok"


def test_a_usual_configuration(proxy, origin):
    """What Debian ships plus what people add."""
    desk = proxy("""
        include mime.types;
        default_type application/octet-stream;
        log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                        '$status $body_bytes_sent "$http_referer" '
                        '"$http_user_agent" "$http_x_forwarded_for"';
        access_log logs/main.log main;
        sendfile on; keepalive_timeout 65; server_tokens off; client_max_body_size 20M;
        map $http_upgrade $connection_upgrade { default upgrade; '' close; }
        upstream backend { least_conn; server @O@ max_fails=3 fail_timeout=30s; server @DEAD@ backup; keepalive 16; }
        server {
            listen @P@ default_server;
            server_name example.com www.example.com;
            add_header X-Frame-Options "SAMEORIGIN" always;
            location /health { access_log off; return 200 "healthy\\n"; }
            location / {
                proxy_pass http://backend;
                proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $connection_upgrade;
                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Proto $scheme;
                proxy_cache_bypass $http_upgrade;
                proxy_connect_timeout 60s; proxy_send_timeout 60s; proxy_read_timeout 60s;
                proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;
            }
        }""".replace("proxy_cache_bypass $http_upgrade;", ""), start=False, O=origin(name="app"), preamble="")
    desk.put("mime.types", "types { text/html html htm; text/css css; application/javascript js; }")
    desk.write(open(desk.conf, encoding="utf-8").read().split("http {", 1)[1].rsplit("}", 1)[0], preamble="client_body_temp_path b; proxy_temp_path p;")
    desk.start()
    answer = desk.get("/app", host="example.com")
    assert answer.json["origin"] == "app"
    assert answer.get("X-Frame-Options") == "SAMEORIGIN"
    assert desk.get("/health").body == b"healthy\n"
    assert len(desk.log_lines(1, "logs/main.log")) == 1
