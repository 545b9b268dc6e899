# SPDX-License-Identifier: MIT
"""The PROXY protocol: in (`listen ... proxy_protocol`) and out (`proxy_send_proxy_protocol`)."""
import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import time

import pytest

from harness.client import request
from harness.origin import reply
from harness.proxy import PORTS

ours = pytest.mark.ours

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"


def value(kind, data):
    return bytes([kind]) + struct.pack(">H", len(data)) + data


def v2(source="192.0.2.1", destination="192.0.2.2", ports=(4711, 443), values=b"", command=0x21, kind=None):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack(">HH", *ports) + values
    if kind is None:
        kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([command, kind]) + struct.pack(">H", len(body)) + body


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


# ---- in --------------------------------------------------------------------------------------------

WHO = '"$remote_addr $remote_port,$realip_remote_addr,$proxy_protocol_addr $proxy_protocol_port,' \
      '$proxy_protocol_server_addr $proxy_protocol_server_port"'

CONF = """
client_header_timeout 1s;
log_format who "$remote_addr,$proxy_protocol_addr,$proxy_protocol_port,$request_length,$request_uri";
server {                                    # told, and trusted
    listen @P@ proxy_protocol;
    listen unix:@DIR@/in.sock proxy_protocol;
    set_real_ip_from 127.0.0.1;
    set_real_ip_from unix:;
    real_ip_header proxy_protocol;
    access_log logs/who.log who;
    location / { return 200 @WHO@; }
    location /pass { proxy_set_header X-Real-IP $remote_addr; proxy_pass http://@O@; }
    location /deny { deny 192.0.2.1; proxy_pass http://@O@; }
}
server { listen @Q@ proxy_protocol; return 200 @WHO@; }                # told, and not trusted
server { listen @R@; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol; return 200 @WHO@; }   # not told
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    return shared_proxy(CONF, O=back, WHO=WHO)


def ask(desk, header, to="P"):
    with desk.send_raw(header + GET, to=to) as client:
        return client.response().body.decode()


@pytest.mark.parametrize("header, source, destination", [
    (V1, "192.0.2.1 4711", "192.0.2.2 443"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "2001:db8::1 1", "2001:db8::2 65535"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 0 443\r\n", "192.0.2.1 ", "192.0.2.2 443"),
    (v2(), "192.0.2.1 4711", "192.0.2.2 443"),
    (v2("2001:db8::1", "2001:db8::2"), "2001:db8::1 4711", "2001:db8::2 443"),
    (v2(values=value(1, b"http/1.1") + value(4, b"\0" * 100)), "192.0.2.1 4711", "192.0.2.2 443"),
], ids=["v1", "v1-ipv6", "v1-no-port", "v2", "v2-ipv6", "v2-values"])
def test_a_header_says_who_the_client_is(desk, header, source, destination):
    assert ask(desk, header) == f"{source},127.0.0.1,{source},{destination}"


@pytest.mark.parametrize("header", [V1, v2()], ids=["v1", "v2"])
def test_without_trust_it_is_only_told(desk, header):
    remote, sender, source, _ = ask(desk, header, to="Q").split(",")
    assert remote.startswith("127.0.0.1 ") and sender == "127.0.0.1" and source == "192.0.2.1 4711"


@pytest.mark.parametrize("header", [
    b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n", SIGNATURE + b"\x20\0\0\0", v2(command=0x20),
    v2(kind=0x12), SIGNATURE + b"\x21\x31\0\xd8" + b"\0" * 216,
], ids=["v1-unknown", "v1-unknown-more", "v2-local", "v2-local-more", "v2-udp", "v2-unix"])
def test_a_header_that_says_nothing(desk, header):
    remote, sender, source, destination = ask(desk, header).split(",")
    assert re.fullmatch(r"127\.0\.0\.1 \d+", remote)
    assert (sender, source, destination) == ("127.0.0.1", " ", " ")


def test_where_none_is_expected_none_is_read(desk):
    remote, _, source, _ = ask(desk, b"", to="R").split(",")
    assert remote.startswith("127.0.0.1 ") and source == " "
    with desk.send_raw(V1 + GET, to="R") as client:
        assert client.response().status == 400


def test_over_a_unix_socket(desk):
    desk.names["UNIX"] = f"unix:{desk.path('in.sock')}"
    assert ask(desk, V1, to="UNIX") == "192.0.2.1 4711,unix:,192.0.2.1 4711,192.0.2.2 443"


@pytest.mark.parametrize("header", [
    b"", b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n", b"PROXY TCP4  192.0.2.1 192.0.2.2 1 443\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443 \r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\n", b"PROXY TCP5 1 2 3 4\r\n",
    v2(command=0x31), SIGNATURE + b"\x21\x11\0\x0b" + b"\1" * 11,
    SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 500,
], ids=["none", "port", "spaces", "space", "lf", "tcp5", "version", "short", "large"])
def test_what_is_no_header_is_closed(desk, header):
    with desk.send_raw(header + GET) as client:
        client.expect_closed()


@ours
@pytest.mark.parametrize("header", [
    b"PROXY TCP4 abc 192.0.2.2 1 443\r\n", b"PROXY TCP4 2001:db8::1 ::2 1 443\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 01 443\r\n",
    b"PROXY UNKNOWN " + b"x" * 100, v2(command=0x22), v2(kind=0x41), v2(values=b"\1\0\5h2"), v2(values=value(3, b"\0\0\0\0")),
], ids=["address", "family", "zero", "long", "command", "kind", "value", "checksum"])
def test_what_nginx_would_take(desk, header):
    with desk.send_raw(header + GET) as client:
        client.expect_closed()


@ours
def test_the_log_says_what_came(desk):
    before = desk.log_size()
    with desk.send_raw(GET) as client:
        client.expect_closed()
    with desk.send_raw(v2(command=0x31) + GET) as client:
        client.expect_closed()
    for line in (r'\[error\] \S+ \*\d+ broken header: "G[^"]*" while reading PROXY protocol, '
                 rf'client: 127\.0\.0\.1, server: {re.escape(desk.address())}\n',
                 "unknown PROXY protocol version while reading PROXY protocol, client: 127\\.0\\.0\\.1"):
        desk.wait_for(lambda: re.search(line, desk.errors()[before:]), 20, line)


@ours
def test_a_checksum(desk):
    header = v2(values=value(3, b"\0\0\0\0"))
    header = header[:-4] + struct.pack(">I", crc32c(header))
    assert ask(desk, header).startswith("192.0.2.1 4711,")


@ours
@pytest.mark.parametrize("header", [V1, v2(values=value(1, b"h2"))], ids=["v1", "v2"])
def test_byte_by_byte(desk, header):
    with desk.connect() as client:
        for at in range(len(header)):
            client.send(header[at:at + 1])
            if at % 8 == 0:
                time.sleep(0.002)
        client.send(GET)
        assert client.response().body.startswith(b"192.0.2.1 4711,")


def test_a_header_that_is_late(desk):
    started = time.monotonic()
    before = desk.log_size()
    with desk.connect() as client:
        client.expect_closed()
    assert 0.8 < time.monotonic() - started < 15
    desk.wait_for(lambda: re.search(r"\[info\] .*client timed out \(110: Connection timed out\) while reading PROXY protocol, "
                                    r"client: 127\.0\.0\.1, server: ", desk.errors()[before:]), 20, "its line")


@ours
def test_a_header_that_stops_half_way(desk):
    started = time.monotonic()
    with desk.send_raw(V1[:20]) as client:
        client.expect_closed()
    assert 0.8 < time.monotonic() - started < 15


@ours
def test_the_request_has_its_own_time(desk):
    """A proxy may connect ahead: the deadline of the head begins behind the header."""
    with desk.connect() as client:
        time.sleep(0.7)
        client.send(V1)
        time.sleep(0.7)
        client.send(GET)
        assert client.response().status == 200


@ours
def test_who_connects_and_leaves(desk):
    before = desk.log_size()
    desk.connect().close()
    desk.wait_for(lambda: "[info]" in desk.errors()[before:] and
                  "client closed connection while reading PROXY protocol" in desk.errors()[before:], 20, "its line")
    assert ask(desk, V1).startswith("192.0.2.1")


def test_the_header_is_in_no_request(desk, back):
    before = len(desk.read("logs/who.log").splitlines())
    message = b"POST /pass?posted HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    with desk.send_raw(V1 + message) as client:
        assert client.response().status == 200
    assert back.last.body == b"body" and back.last.get("X-Real-IP") == "192.0.2.1"
    assert desk.log_line(before, lambda line: "posted" in line, name="logs/who.log") == \
        f"192.0.2.1,192.0.2.1,4711,{len(message)},/pass?posted"


def test_access_rules(desk):
    for header, status in ((V1, 403), (v2("192.0.2.9"), 200)):
        with desk.send_raw(header + GET.replace(b"GET /", b"GET /deny")) as client:
            assert client.response().status == status


def test_pipelined_behind_the_header(desk):
    with desk.send_raw(v2() + GET + GET + GET) as client:
        for _ in range(3):
            assert client.response().body.startswith(b"192.0.2.1 4711,127.0.0.1,192.0.2.1 4711,")


def test_it_holds_for_the_whole_connection(desk, back):
    """Also after a rest, when the connection has been parked."""
    with desk.send_raw(v2() + GET) as client:
        first = client.response().body
        for rest in (0, 0.1, 0.8, 0.8):
            time.sleep(rest)
            client.send(GET)
            assert client.response().body == first
        client.send(request("GET", "/pass", host="a"))
        assert client.response().status == 200
    assert back.last.get("X-Real-IP") == "192.0.2.1"


def test_many_at_once(desk):
    """Each connection has its own; those that end leave nothing behind."""
    clients = [desk.send_raw(v2(f"192.0.2.{n}", values=value(5, b"x" * 500)) + GET) for n in range(1, 100)]
    for n, client in enumerate(clients, 1):
        assert client.response().body.startswith(b"192.0.2.%d 4711," % n)
    for n, client in enumerate(clients, 1):
        client.send(GET)
        assert client.response().body.startswith(b"192.0.2.%d 4711," % n)
        client.close()


@ours
def test_values(proxy):
    tls = value(0x20, b"\1\0\0\0\x12" + value(0x21, b"TLSv1.3") + value(0x22, b"someone") + value(0x23, b"AES"))
    names = ["alpn", "authority", "unique_id", "ssl_version", "ssl_cn", "ssl_cipher", "ssl_sig_alg", "ssl_verify", "netns",
             "0xea", "0x05", "ssl_0x22"]
    desk = proxy("server { listen @P@ proxy_protocol; return 200 '%s'; }"
                 % ",".join(f"$proxy_protocol_tlv_{name}" for name in names))
    header = v2(values=value(1, b"h2") + value(2, b"a.example") + value(5, b"id") + tls + value(0xea, b"vpc"))
    assert ask(desk, header).split(",") == ["h2", "a.example", "id", "TLSv1.3", "someone", "AES", "", "18", "", "vpc", "id",
                                            "someone"]
    assert ask(desk, v2()) == "," * (len(names) - 1)
    assert ask(desk, V1) == "," * (len(names) - 1)


def test_one_listen_for_all_its_servers(proxy):
    """The listen has it as soon as one of its servers says so."""
    desk = proxy("""
        server { listen @P@; server_name one; return 200 "one $proxy_protocol_addr"; }
        server { listen @P@ proxy_protocol; server_name two; return 200 "two $proxy_protocol_addr"; }
        server { listen @P@; server_name three; return 200 "three $proxy_protocol_addr"; }""")
    for name in (b"one", b"two", b"three"):
        with desk.send_raw(V1 + GET.replace(b"Host: a", b"Host: " + name)) as client:
            assert client.response().body == name + b" 192.0.2.1"


@ours
def test_reload_changes_who_must_say(proxy):
    conf = 'server { listen @P@ %s; return 200 "said: $proxy_protocol_addr"; }'
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    desk = proxy(conf % "proxy_protocol")

    def answer(data):
        with desk.send_raw(data) as client:
            return client.rest()

    with desk.send_raw(V1 + GET) as kept:
        assert kept.response().body == b"said: 192.0.2.1"
        desk.reload(http=conf % "")
        desk.wait_for(lambda: answer(last).endswith(b"said: "), 20, "the listen without it")
    desk.reload(http=conf % "proxy_protocol")
    desk.wait_for(lambda: answer(V1 + last).endswith(b"said: 192.0.2.1"), 20, "the listen with it")
    assert answer(last) == b""


@ours
def test_draining_waits_for_a_header_only_briefly(proxy):
    desk = proxy('server { listen @P@ proxy_protocol; return 200 "x"; }')
    with desk.connect() as silent, desk.send_raw(V1 + GET) as client:
        assert client.response().status == 200
        started = time.monotonic()
        desk.stop(3)                            # QUIT
        assert time.monotonic() - started < 15
        silent.expect_closed()


# ---- out -------------------------------------------------------------------------------------------

OUT = """
server {
    listen @P@;
    listen [::1]:@P.port@;
    listen unix:@DIR@/out.sock;
    set_real_ip_from 127.0.0.1;
    set_real_ip_from unix:;
    location / { proxy_pass http://back; }
    location /v1 { proxy_send_proxy_protocol v1; proxy_pass http://back; }
    location /v2 { proxy_send_proxy_protocol v2; proxy_pass http://back; }
    location /v1/off { proxy_send_proxy_protocol off; proxy_pass http://back; }
    location /variable { set $where back; proxy_send_proxy_protocol v1; proxy_pass http://$where; }
    location /error { error_page 404 = /v1/page; proxy_intercept_errors on; proxy_pass http://back; }
}
upstream back { server @O@; keepalive 16; }
"""


class Introduced:
    """An origin that reads a PROXY header, if one comes, and answers as the harness does."""

    def __init__(self, origin):
        self.origin = origin
        self.headers = []                       # per connection: the header's bytes, or b""
        origin.script = self.serve

    def serve(self, conn):
        while len(conn.buffer) < 16:
            conn.fill()
        header = b""
        if conn.buffer.startswith(b"PROXY "):
            header = conn.take_until(b"\r\n")
        elif conn.buffer.startswith(SIGNATURE):
            header = conn.take(16)
            header += conn.take(struct.unpack(">H", header[14:16])[0])
        self.headers.append(header)
        while True:
            got = conn.request()
            conn.send(reply(404 if got.target == "/error" else 200, body=got.body or b"answer"))
            if "close" in (got.get("Connection") or ""):
                return


@pytest.fixture
def introduced(origin):
    return Introduced(origin())


@pytest.fixture
def out(proxy, introduced):
    desk = proxy(OUT, workers=1, O=introduced.origin)   # which kept connection is taken depends on the loop
    desk.names["V6"] = f"[::1]:{desk.port()}"
    desk.names["UNIX"] = f"unix:{desk.path('out.sock')}"
    return desk


def client_at(desk, target, to="P", **options):
    """The client's own address, as the header should tell it."""
    with desk.connect(to) as client:
        name = client.sock.getsockname()
        client.send(request("GET", target, host="a", **options))
        assert client.response().body == b"answer"
    return name


@ours
def test_version_1(out, introduced):
    _, port = client_at(out, "/v1")
    assert introduced.headers == [b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (port, out.port())]
    _, port, *_ = client_at(out, "/v1", to="V6")
    assert introduced.headers[1] == b"PROXY TCP6 ::1 ::1 %d %d\r\n" % (port, out.port())


@ours
def test_version_2(out, introduced):
    _, port = client_at(out, "/v2")
    assert introduced.headers == [v2("127.0.0.1", "127.0.0.1", (port, out.port()))]
    _, port, *_ = client_at(out, "/v2", to="V6")
    assert introduced.headers[1] == v2("::1", "::1", (port, out.port()))


@ours
def test_off_and_not_said(out, introduced):
    client_at(out, "/")
    client_at(out, "/v1/off")
    assert introduced.headers == [b""]          # one connection for both


@ours
def test_the_real_client_is_introduced(out, introduced):
    client_at(out, "/v1", fields={"X-Real-IP": "192.0.2.1:4711"})
    client_at(out, "/v1", fields={"X-Real-IP": "192.0.2.1"})
    client_at(out, "/v1", fields={"X-Real-IP": "2001:db8::1"})
    assert introduced.headers == [b"PROXY TCP4 192.0.2.1 127.0.0.1 4711 %d\r\n" % out.port(),
                                  b"PROXY TCP4 192.0.2.1 127.0.0.1 0 %d\r\n" % out.port(),
                                  b"PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 0 %d\r\n" % out.port()]


@ours
def test_unix_has_no_addresses(out, introduced):
    client_at(out, "/v1", to="UNIX")
    client_at(out, "/v2", to="UNIX")
    assert introduced.headers == [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"]


@ours
def test_no_connection_serves_two_clients(out, introduced):
    """Neither one that was introduced, nor a kept one that was not."""
    client_at(out, "/")
    ports = [client_at(out, path)[1] for path in ("/v1", "/v1", "/variable")]
    client_at(out, "/")
    assert introduced.headers == [b""] + [b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (port, out.port())
                                          for port in ports]
    assert all(got.get("Connection") == "close" for got in introduced.origin.requests[1:4])


@ours
def test_each_request_of_a_client_too(out, introduced):
    with out.connect() as client:
        for _ in range(3):
            client.send(request("GET", "/v2", host="a"))
            assert client.response().status == 200
    assert len(introduced.headers) == 3 and len(set(introduced.headers)) == 1 and introduced.headers[0] != b""


@ours
def test_a_body_behind_the_header(out, introduced):
    body = os.urandom(300000).replace(b"\r", b"x")
    assert out.fetch("POST", "/v1", body=body).body == body
    assert out.fetch("POST", "/v1", body=body, chunked=True).body == body
    assert all(header.startswith(b"PROXY TCP4 ") for header in introduced.headers)


@ours
def test_an_error_page_is_introduced_as_well(out, introduced):
    assert out.get("/error").body == b"answer"
    assert introduced.headers[0] == b"" and introduced.headers[1].startswith(b"PROXY TCP4 ")


@ours
def test_the_next_server_is_told_as_well(proxy, introduced, origin):
    gone = origin(script=lambda conn: conn.take_line() and None)
    desk = proxy("""upstream two { server @A@; server @B@ backup; }
        server { listen @P@; proxy_send_proxy_protocol v1; location / { proxy_pass http://two; } }""",
                 A=gone, B=introduced.origin)
    assert desk.get("/").body == b"answer"
    assert introduced.headers[0].startswith(b"PROXY TCP4 127.0.0.1 ")


@ours
def test_two_of_us(proxy, origin):
    """What one sends the other understands."""
    back = origin()
    desk = proxy("""
        server { listen @P@; location /1 { proxy_send_proxy_protocol v1; proxy_pass http://@Q@; }
                 location /2 { proxy_send_proxy_protocol v2; proxy_pass http://@Q@; } }
        server { listen @Q@ proxy_protocol; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
                 proxy_set_header X-Seen "$remote_addr:$remote_port"; location / { proxy_pass http://@O@; } }""", O=back)
    for path in ("/1", "/2"):
        with desk.connect(source="127.0.0.5") as client:
            port = client.sock.getsockname()[1]
            client.send(request("GET", path, host="a"))
            assert client.response().status == 200
        assert back.last.get("X-Seen") == f"127.0.0.5:{port}"


# ---- with haproxy ----------------------------------------------------------------------------------

HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
with_haproxy = pytest.mark.skipif(HAPROXY is None, reason="haproxy is missing")


@contextlib.contextmanager
def haproxy(desk, port, mode, section):
    conf = desk.put("haproxy.cfg", f"""
defaults
    mode {mode}
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen it
{section}
""")

    def is_up():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with subprocess.Popen([HAPROXY, "-db", "-f", conf], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            desk.wait_for(is_up, 20, "haproxy")
            yield
        finally:
            process.terminate()


@with_haproxy
@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"],
                         ids=["v1", "v2", "v2-values"])
def test_behind_haproxy(desk, option):
    port = PORTS.get()
    desk.names["HAPROXY"] = f"127.0.0.1:{port}"
    with haproxy(desk, port, "tcp", f"    bind 127.0.0.1:{port}\n    server desk {desk.address()} {option}"), \
            desk.connect("HAPROXY", source="127.0.0.5") as client:
        own = client.sock.getsockname()[1]
        client.send(GET)
        assert client.response().body.decode() == \
            f"127.0.0.5 {own},127.0.0.1,127.0.0.5 {own},127.0.0.1 {port}"


@ours
@with_haproxy
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_before_haproxy(proxy, origin, version):
    back, port = origin(), PORTS.get()
    desk = proxy(f"""server {{ listen @P@; proxy_send_proxy_protocol {version};
                               location / {{ proxy_pass http://127.0.0.1:{port}; }} }}""")
    with haproxy(desk, port, "http", f"""    bind 127.0.0.1:{port} accept-proxy
    http-request set-header X-Seen %[src]:%[src_port]
    server origin {back.address}"""), desk.connect(source="127.0.0.5") as client:
        own = client.sock.getsockname()[1]
        client.send(GET)
        assert client.response().status == 200
        assert back.last.get("X-Seen") == f"127.0.0.5:{own}"
