# SPDX-License-Identifier: MIT
"""TLS towards servers: what we show, what we ask for, and words when it fails."""
import contextlib
import os
import re
import time

import pytest

from harness.certs import Authority
from harness.origin import reply
from harness.tls import Tls, server_context
from harness.wire import Closed

ours = pytest.mark.ours


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1", label="upstream")


@pytest.fixture
def https(origin):
    """Makes an origin behind TLS: https(pair, version="1.2")."""
    def make(pair, handle=None, script=None, **options):
        return origin(handle, script, tls=server_context((pair.certificate, pair.key), **options))
    return make


def site(more="", target="https://@O@"):
    return f"server {{ listen @P@; location / {{ proxy_http_version 1.1; proxy_set_header Connection \"\"; {more} proxy_pass {target}; }} }}"


def test_a_request(proxy, https, pair):
    back = https(pair)
    desk = proxy(site(), O=back)
    answer = desk.get("/path?a")
    assert (answer.status, answer.json["target"]) == (200, "/path?a")
    assert back.last.tls.version in ("TLSv1.2", "TLSv1.3")
    assert back.last.get("Host") == back.address


@pytest.mark.parametrize("size", [1, 16384, 300_000, 900_000])
def test_bodies_both_ways(proxy, https, pair, size):
    body = os.urandom(size)
    desk = proxy(site(), O=https(pair, lambda one: reply(body=one.body[::-1], chunked=size % 2 == 1)))
    assert desk.fetch("POST", "/", body=body, timeout=20).body == body[::-1]


def test_a_large_download_to_a_slow_client(proxy, https, pair):
    body = os.urandom(3_000_000)
    desk = proxy(site("proxy_max_temp_file_size 0;"), O=https(pair, lambda one: reply(body=body)))
    with desk.connect(receive_buffer=4096, timeout=30) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.3)
        assert client.response().body == body


# ---- who is on the other side --------------------------------------------------------------------

VERIFY = "proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca};"


def test_no_verification_by_default(proxy, https, authority):
    desk = proxy(site(), O=https(Authority(authority.directory, "nobody's CA").issue("other")))
    assert desk.get().status == 200


def test_verification(proxy, https, pair):
    desk = proxy(site(VERIFY.format(ca=pair.ca) + "proxy_ssl_name localhost;"), O=https(pair))
    assert desk.get().status == 200


def refused(desk, back, words):
    answer = desk.get()
    assert answer.status == 502
    desk.wait_error(words)
    assert not back.requests
    line = re.search(f".*{words}.*", desk.errors())[0]
    assert "[error]" in line and f'upstream: "https://{back.address}/"' in line


def test_an_authority_that_is_not_trusted(proxy, https, authority, pair):
    back = https(Authority(authority.directory, "nobody's CA").issue("localhost"))
    desk = proxy(site(VERIFY.format(ca=pair.ca) + "proxy_ssl_name localhost;"), O=back)
    refused(desk, back, r"upstream SSL certificate verify error: \(\d+:[a-z ]+\)")


def test_another_name(proxy, https, pair):
    back = https(pair)
    desk = proxy(site(VERIFY.format(ca=pair.ca) + "proxy_ssl_name other.test;"), O=back)
    refused(desk, back, r'upstream SSL certificate does not match "other.test"')


def test_an_expired_certificate(proxy, https, authority):
    old = authority.issue("localhost", days=-1)
    back = https(old)
    desk = proxy(site(VERIFY.format(ca=old.ca) + "proxy_ssl_name localhost;"), O=back)
    refused(desk, back, r"upstream SSL certificate verify error: \(10:certificate has expired\)")


def test_a_revoked_certificate(proxy, https, authority):
    own = Authority(authority.directory, "upstream CA")
    good, bad = own.issue("localhost"), own.issue("localhost")
    own.revoke(bad)
    desk = proxy(site(VERIFY.format(ca=own.certificate) + f"proxy_ssl_name localhost; proxy_ssl_crl {own.crl()};"),
                 O=https(good))
    assert desk.get().status == 200
    back = https(bad)
    desk = proxy(site(VERIFY.format(ca=own.certificate) + f"proxy_ssl_name localhost; proxy_ssl_crl {own.crl()};"),
                 O=back)
    refused(desk, back, r"upstream SSL certificate verify error: \(23:certificate revoked\)")


@pytest.mark.parametrize("depth, status", [(1, 502), (2, 200)])
def test_proxy_ssl_verify_depth(proxy, https, authority, depth, status):
    top = Authority(authority.directory, "top CA")
    middle = Authority(authority.directory, "middle upstream CA", parent=top)
    lower = Authority(authority.directory, "lower upstream CA", parent=middle)
    desk = proxy(site(VERIFY.format(ca=top.certificate) + f"proxy_ssl_name localhost; proxy_ssl_verify_depth {depth};"),
                 O=https(lower.issue("localhost")))
    assert desk.get().status == status


@ours
def test_a_failed_verification_is_no_reason_to_ask_nobody(proxy, https, pair, authority):
    """Another server of the group may have the right certificate."""
    bad = https(Authority(authority.directory, "nobody's CA").issue("localhost"))
    good = https(pair)
    desk = proxy(f"upstream u {{ server {bad.address}; server {good.address}; }}"
                 + site(VERIFY.format(ca=pair.ca) + "proxy_ssl_name localhost;", "https://u"))
    for _ in range(6):
        assert desk.get().status == 200
    assert not bad.requests


# ---- names ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("more, name", [
    ("", None), ("proxy_ssl_server_name on; proxy_ssl_name a.test;", "a.test"),
    ("proxy_ssl_server_name on; proxy_ssl_name $host;", "localhost"), ("proxy_ssl_name a.test;", None)])
def test_sni(proxy, https, pair, more, name):
    back = https(pair)
    assert proxy(site(more), O=back).get().status == 200
    assert back.last.tls.asked_name == name


def test_sni_is_the_host_of_proxy_pass(proxy, https, pair):
    back = https(pair)
    desk = proxy(site("proxy_ssl_server_name on;", f"https://localhost:{back.port}"))
    assert desk.get().status == 200
    assert back.last.tls.asked_name == "localhost"


def test_no_sni_for_an_address(proxy, https, pair):
    back = https(pair)
    assert proxy(site("proxy_ssl_server_name on;"), O=back).get().status == 200
    assert back.last.tls.asked_name is None


# ---- who we are ----------------------------------------------------------------------------------

def test_our_certificate(proxy, https, authority, pair):
    own = authority.client("frontdesk")
    back = https(pair, client_ca=authority.certificate)
    desk = proxy(site(f"proxy_ssl_certificate {own.certificate}; proxy_ssl_certificate_key {own.key};"), O=back)
    assert desk.get().status == 200
    assert back.last.tls.subject["commonName"] == "frontdesk"


def test_our_certificate_with_a_password(proxy, https, authority, pair):
    own = authority.client("frontdesk", password="secret")
    with open(authority.path("upstream-password"), "w", encoding="ascii") as file:
        file.write("secret\n")
    desk = proxy(site(f"proxy_ssl_certificate {own.certificate}; proxy_ssl_certificate_key {own.key};"
                      f" proxy_ssl_password_file {authority.path('upstream-password')};"),
                 O=https(pair, client_ca=authority.certificate))
    assert desk.get().status == 200


def test_no_certificate_where_one_is_wanted(proxy, https, authority, pair):
    back = https(pair, client_ca=authority.certificate, version="1.2")
    desk = proxy(site(), O=back)
    assert desk.get().status == 502
    desk.wait_error(r"SSL_do_handshake\(\) failed|upstream prematurely closed|SSL_read\(\) failed|peer closed")
    assert not back.requests


# ---- versions, ciphers ---------------------------------------------------------------------------

def test_proxy_ssl_protocols(proxy, https, pair):
    back = https(pair)
    assert proxy(site("proxy_ssl_protocols TLSv1.2;"), O=back).get().status == 200
    assert back.last.tls.version == "TLSv1.2"
    newer = https(pair, version="1.3")
    desk = proxy(site("proxy_ssl_protocols TLSv1.2;"), O=newer)
    refused(desk, newer, r"SSL_do_handshake\(\) failed")


def test_proxy_ssl_ciphers(proxy, https, pair):
    back = https(pair, version="1.2")
    assert proxy(site("proxy_ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;"), O=back).get().status == 200
    assert back.last.tls.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_proxy_ssl_conf_command(proxy, https, pair):
    back = https(pair, version="1.3")
    assert proxy(site("proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;"),
                 O=back).get().status == 200
    assert back.last.tls.cipher == "TLS_CHACHA20_POLY1305_SHA256"


# ---- sessions and connections --------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("reuse, reused", [("on", True), ("off", False)])
def test_proxy_ssl_session_reuse(proxy, https, pair, version, reuse, reused):
    back = https(pair, lambda one: reply(body=b"x", close=True), version=version)
    desk = proxy(site(f"proxy_ssl_session_reuse {reuse}; proxy_ssl_protocols TLSv1.2 TLSv1.3;"), O=back)
    for _ in range(4):
        assert desk.get().status == 200
    assert back.connections == 4
    said = [one.tls.is_reused for one in back.requests]
    assert said == [False] + [reused] * 3


def test_connections_are_kept(proxy, https, pair):
    back = https(pair)
    desk = proxy("upstream u { server @O@; keepalive 8; }" + site("", "https://u"), O=back)
    with desk.connect() as client:
        for _ in range(10):
            assert client.ask("GET", "/").status == 200
    assert back.connections == 1


@ours
def test_connections_are_kept_apart_by_their_rules(proxy, https, pair):
    """What was verified for one location is not taken for another with other rules, and plain is not TLS."""
    back = https(pair)
    conf = f"""upstream u {{ server @O@; keepalive 8; }}
    server {{ listen @P@; proxy_http_version 1.1; proxy_set_header Connection "";
        location /any {{ proxy_pass https://u; }}
        location /same {{ proxy_pass https://u; }}
        location /strict {{ {VERIFY.format(ca=pair.ca)} proxy_ssl_name localhost; proxy_pass https://u; }}
        location /wrong {{ {VERIFY.format(ca=pair.ca)} proxy_ssl_name other.test; proxy_pass https://u; }}
    }}"""
    desk = proxy(conf, O=back)
    with desk.connect() as client:
        for target, status, connections in (("/any", 200, 1), ("/same", 200, 1), ("/strict", 200, 2), ("/any", 200, 2),
                                            ("/strict", 200, 2), ("/wrong", 502, 3)):
            assert client.ask("GET", target).status == status, target
            assert back.connections == connections, target


@ours
def test_names_by_variable_are_kept_apart(proxy, https, pair):
    back = https(pair)
    desk = proxy("upstream u { server @O@; keepalive 8; }"
                 + site("proxy_ssl_server_name on; proxy_ssl_name $http_x_name;", "https://u"), O=back)
    with desk.connect() as client:
        for name in ("a.test", "b.test", "a.test"):
            client.ask("GET", "/", {"X-Name": name})
            assert back.last.tls.asked_name == name


def test_a_kept_connection_that_was_closed(proxy, https, pair):
    back = https(pair)
    desk = proxy("upstream u { server @O@; keepalive 8; }" + site("", "https://u"), O=back)
    assert desk.get().status == 200
    back.close_all()
    time.sleep(0.1)
    assert desk.get().status == 200


# ---- failures ------------------------------------------------------------------------------------

def test_a_server_that_does_not_speak_tls(proxy, origin):
    back = origin(script=lambda conn: (conn.take(5), conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), conn.hang()))
    desk = proxy(site(), O=back)
    assert desk.get().status == 502
    desk.wait_error(r"SSL_do_handshake\(\) failed \(SSL: error:.*wrong version number.*\) while SSL handshaking to upstream")


def test_a_server_that_closes_in_the_handshake(proxy, origin):
    desk = proxy(site(), O=origin(script=lambda conn: (conn.take(5), conn.close())))
    assert desk.get().status == 502
    desk.wait_error(r"peer closed connection in SSL handshake.* while SSL handshaking to upstream")


def test_a_server_that_hangs_in_the_handshake(proxy, origin):
    desk = proxy(site("proxy_connect_timeout 600ms;"), O=origin(script=lambda conn: conn.hang()))
    start = time.monotonic()
    assert desk.get().status == 504
    assert time.monotonic() - start < 15
    desk.wait_error(r"upstream timed out \(110: Connection timed out\) while SSL handshaking to upstream")


def test_another_server_is_tried(proxy, origin, https, pair):
    plain, good = origin(), https(pair)
    desk = proxy(f"upstream u {{ server {plain.address}; server {good.address}; }}" + site("", "https://u"))
    for _ in range(4):
        assert desk.get().status == 200


@pytest.mark.parametrize("said", [b"Content-Length: 10\r\n\r\n12345", b"\r\n12345"])
def test_a_cut_is_not_an_end(proxy, pair, https, said):
    """Without close_notify a body to the end of the connection is a piece, whoever has cut it."""
    back = https(pair, script=lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\n" + said), conn.sock.close()))
    desk = proxy(site(), O=back)
    with desk.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(Closed):
            client.response()


@ours
def test_plaintext_before_the_handshake_is_no_answer(proxy, origin, pair):
    """CVE-2026-1642: what came before the handshake never counts as said by the server."""
    context = server_context((pair.certificate, pair.key))

    def script(conn):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        conn.sock = context.wrap_socket(conn.sock, server_side=True)
        conn.buffer = b""
        conn.request()
        conn.send(reply(body=b"good"))
    desk = proxy(site(), O=origin(script=script))
    answer = desk.get()
    assert answer.status == 502 or answer.body == b"good"


@ours
def test_proxy_header_goes_out_before_tls(proxy, origin, pair):
    context = server_context((pair.certificate, pair.key))
    seen = []

    def script(conn):
        line = b""
        while not line.endswith(b"\r\n"):
            line += conn.sock.recv(1)
        seen.append(line)
        conn.sock = context.wrap_socket(conn.sock, server_side=True)
        conn.request()
        conn.send(reply(body=b"x", close=True))
    desk = proxy(site("proxy_send_proxy_protocol v1;"), O=origin(script=script))
    answer = desk.get()
    assert answer.body == b"x"
    assert re.fullmatch(rb"PROXY TCP4 127.0.0.1 127.0.0.1 \d+ \d+\r\n", seen[0])


def test_tls_on_both_sides(proxy, https, pair):
    back = https(pair, lambda one: reply(body=one.body))
    desk = proxy(f"server {{ listen @P@ ssl; ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"
                 f" client_max_body_size 0; location / {{ proxy_http_version 1.1; proxy_pass https://@O@; }} }}", O=back)
    body = os.urandom(2_000_000)
    with desk.connect(tls=Tls(ca=pair.ca), timeout=20) as client:
        assert client.ask("POST", "/", body=body).body == body


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_end_that_only_tls_tells(proxy, origin, pair, version):
    """Behind close_notify the server waits for ours, and does not close: no poller has news of that."""
    def script(conn):
        conn.request()
        conn.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        with contextlib.suppress(OSError):
            conn.sock.unwrap()
        conn.hang()
    back = origin(script=script, tls=server_context((pair.certificate, pair.key), version=version))
    desk = proxy(site("proxy_read_timeout 60s;"), O=back)
    assert desk.get("/", timeout=15).body == b"all of it"


@pytest.mark.parametrize("more", ["proxy_ssl_certificate @DIR@/none.pem; proxy_ssl_certificate_key @DIR@/none.key;",
                                  "proxy_ssl_verify on; proxy_ssl_trusted_certificate @DIR@/none.pem;",
                                  "proxy_ssl_verify on; proxy_ssl_trusted_certificate @CA@; proxy_ssl_crl @DIR@/none.pem;", "proxy_ssl_ciphers NONSENSE;",
                                  "proxy_ssl_conf_command Nonsense on;", "proxy_ssl_protocols TLSv9;"])
def test_t_finds(proxy, authority, more):
    run = proxy(site(more, "https://127.0.0.1:1"), start=False, CA=authority.certificate).run("-t")
    assert run.returncode != 0 and "[emerg]" in run.stderr
    assert ("none." in run.stderr) == ("none." in more)
