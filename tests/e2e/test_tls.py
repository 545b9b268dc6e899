# SPDX-License-Identifier: MIT
"""TLS towards clients: handshakes, which certificate for whom, HTTP/1 over it."""
import contextlib
import hashlib
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from harness.client import Client, request
from harness.h2_wire import PREFACE, SETTINGS, frame
from harness.origin import reply
from harness.proxy import is_memory_odd
from harness.tls import Tap, Tls, key_update, s_client, subject_of
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
ssl_certificate @CERT@;
ssl_certificate_key @KEY@;
ssl_protocols TLSv1.2 TLSv1.3;
server {
    listen @P@ ssl;
    server_name localhost;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location / { proxy_pass http://@O@; }
    location /stream { proxy_pass http://@O@; proxy_request_buffering off; proxy_buffering off; client_max_body_size 0; }
    location /says { return 200 "$scheme $https $ssl_protocol $ssl_server_name $server_port"; }
    location /to { return 301 /there; }
    location = /self { proxy_set_header X-Proto $scheme; proxy_pass http://@O@; }
}
"""


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def desk(shared_proxy, back, pair):
    return shared_proxy(CONF, O=back, CERT=pair.certificate, KEY=pair.key)


@pytest.fixture
def tls(pair):
    return Tls(ca=pair.ca)


def site(pair, more="", listen="", location="return 200 $server_name;", name="localhost", port="P"):
    return (f"server {{ listen @{port}@ ssl {listen}; server_name {name}; ssl_certificate {pair.certificate};"
            f" ssl_certificate_key {pair.key}; {more} location / {{ {location} }} }}\n")


# ---- the handshake -------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_request(desk, pair, version):
    with desk.connect(tls=Tls(ca=pair.ca, version=version)) as client:
        assert client.sock.version() == f"TLSv{version}"
        answer = client.ask("GET", "/says")
        assert answer.text == f"https on TLSv{version} localhost {desk.port()}"
        assert client.ask("GET", "/x").json["target"] == "/x"


def test_the_whole_chain_is_sent(proxy, authority):
    from harness.certs import Authority
    middle = Authority(authority.directory, "middle CA", parent=authority)
    pair = middle.issue("localhost")
    with proxy(site(pair)).connect(tls=Tls(ca=authority.certificate)) as client:
        assert client.ask("GET", "/").status == 200


@ours
def test_versions_by_default(proxy, pair):
    desk = proxy(site(pair))
    for version in ("1.2", "1.3"):
        with desk.connect(tls=Tls(version=version)) as client:
            assert client.ask("GET", "/").status == 200
    for version in ("1.0", "1.1"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            desk.connect(tls=Tls(version=version))


@pytest.mark.parametrize("said, good, bad", [("TLSv1.2", "1.2", "1.3"), ("TLSv1.3", "1.3", "1.2")])
def test_ssl_protocols(proxy, pair, said, good, bad):
    desk = proxy(site(pair, f"ssl_protocols {said};"))
    with desk.connect(tls=Tls(version=good)) as client:
        assert client.ask("GET", "/").status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        desk.connect(tls=Tls(version=bad))


def test_ssl_ciphers(proxy, pair):
    desk = proxy(site(pair, "ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384;"))
    with desk.connect(tls=Tls(version="1.2")) as client:
        assert client.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        desk.connect(tls=Tls(version="1.2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))


@pytest.mark.parametrize("prefers, chosen", [("on", "AES256"), ("off", "AES128")])
def test_whose_order_of_ciphers(proxy, pair, prefers, chosen):
    desk = proxy(site(pair, "ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;"
                            f" ssl_prefer_server_ciphers {prefers};"))
    both = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    with desk.connect(tls=Tls(version="1.2", ciphers=both)) as client:
        assert chosen in client.sock.cipher()[0]


def test_ssl_conf_command(proxy, pair):
    desk = proxy(site(pair, "ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256;"))
    with desk.connect(tls=Tls(version="1.3")) as client:
        assert client.sock.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_ssl_ecdh_curve(proxy, pair):
    desk = proxy(site(pair, "ssl_ecdh_curve secp384r1;", location="return 200 $ssl_curve;"))
    with desk.connect(tls=Tls()) as client:
        assert client.ask("GET", "/").text == "secp384r1"


def test_ssl_dhparam(proxy, authority):
    pair = authority.issue("localhost", kind="rsa")
    path = authority.path("dh.pem")
    subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048",
                    "-out", path], check=True)
    desk = proxy(site(pair, f"ssl_dhparam {path}; ssl_ciphers DHE-RSA-AES128-GCM-SHA256;"))
    with desk.connect(tls=Tls(version="1.2", ciphers="DHE-RSA-AES128-GCM-SHA256")) as client:
        assert client.sock.cipher()[0] == "DHE-RSA-AES128-GCM-SHA256"


def test_a_handshake_byte_by_byte(desk, tls):
    tap = Tap(desk.address(), tls, step=1)
    tap.send(request("GET", "/says", close=True))
    assert tap.read(12) == b"HTTP/1.1 200"
    tap.close()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_what_comes_with_the_last_of_the_handshake(proxy, pair, version):
    """Who has agreed on HTTP/1.1 speaks it, whatever comes in the same segment."""
    desk = proxy(site(pair, "http2 on;", location="return 200 $server_protocol;"))
    tap = Tap(desk.address(), Tls(ca=pair.ca, alpn=["http/1.1"], version=version), first=request("GET", "/"))
    assert b" 200 OK" in tap.read(100)
    tap.close()
    tap = Tap(desk.address(), Tls(ca=pair.ca, alpn=["http/1.1"], version=version), first=PREFACE + frame(SETTINGS))
    assert tap.read(9) == b"HTTP/1.1 "
    tap.close()



@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + bytes(300),
                                     b"\x16\x03\x01\x00\x00", b"\x15\x03\x03\x00\x02\x02\x28",
                                     b"\x17\x03\x03\x00\x05hello", b"\x80\x2e\x01\x03\x01"])
def test_garbage_for_a_handshake(desk, tls, garbage):
    with desk.connect() as client:
        client.send(garbage)
        client.sock.shutdown(socket.SHUT_WR)
        client.rest()
    with desk.connect(tls=tls) as client:
        assert client.ask("GET", "/says").status == 200


def test_renegotiation_is_refused(desk):
    """CVE-2011-1473: asking for it is not served."""
    said = s_client(desk.address(), "-tls1_2", "-servername", "localhost", "-no_ign_eof", send=b"R\n")
    assert "RENEGOTIATING" in said
    assert said.count("Certificate chain") == 1 and "error" in said, said


@ours
def test_who_says_nothing_is_closed(proxy, pair):
    """The handshake has the time of a head."""
    desk = proxy("client_header_timeout 500ms;" + site(pair))
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50)
    for first in (b"", hello[:3], hello):
        with desk.connect() as client:
            client.send(first)
            client.sock.settimeout(5)
            client.rest()


def test_a_handshake_that_failed_is_logged(desk):
    before = desk.log_size()
    with pytest.raises(ssl.SSLError):
        desk.connect(tls=Tls(version="1.2", ciphers="ECDHE-RSA-AES128-GCM-SHA256"))
    desk.wait_for(lambda: "SSL_do_handshake() failed" in desk.errors()[before:], 20, "the reason")
    line = next(line for line in desk.errors()[before:].splitlines() if "SSL_do_handshake" in line)
    assert re.search(r"\[info\].* while SSL handshaking, client: 127.0.0.1, server: 127.0.0.1:\d+", line)


# ---- which certificate ---------------------------------------------------------------------------

def names(authority):
    return {name: authority.issue(name) for name in ("first.test", "exact.test", "*.wild.test", "deep.test", "re.test")}


@pytest.fixture(scope="module")
def many(shared_proxy, authority):
    issued = names(authority)
    return shared_proxy(
        site(issued["first.test"], name="first.test") + site(issued["exact.test"], name="exact.test alias.test")
        + site(issued["*.wild.test"], name="*.wild.test") + site(issued["deep.test"], name="deep.*")
        + site(issued["re.test"], name=r"~^re\d+\.test$"))


@pytest.mark.parametrize("name, shown", [
    ("exact.test", "exact.test"), ("EXACT.TEST", "exact.test"), ("alias.test", "exact.test"), ("a.wild.test", "*.wild.test"),
    ("a.b.wild.test", "*.wild.test"), ("deep.org", "deep.test"), ("re12.test", "re.test"),
    ("unknown.test", "first.test"), ("wild.test", "first.test"), (None, "first.test"), ("first.test", "first.test")])
def test_a_certificate_by_name(many, name, shown):
    with many.connect(tls=Tls(name)) as client:
        assert subject_of(client.sock) == shown


def test_default_server(proxy, authority):
    one, two = authority.issue("one.test"), authority.issue("two.test")
    desk = proxy(site(one, name="one.test") + site(two, name="two.test", listen="default_server"))
    with desk.connect(tls=Tls("other.test")) as client:
        assert subject_of(client.sock) == "two.test"


def test_the_request_goes_by_host(many):
    """SNI chooses the certificate, Host the server, unless their rules differ."""
    with many.connect(tls=Tls("exact.test")) as client:
        assert client.ask("GET", "/", host="a.wild.test").text == "*.wild.test"
        assert client.ask("GET", "/", host="exact.test").text == "exact.test"


def test_rsa_and_ecdsa(proxy, authority):
    ecdsa, rsa = authority.issue("localhost"), authority.issue("localhost", kind="rsa")
    desk = proxy(site(ecdsa, f"ssl_certificate {rsa.certificate}; ssl_certificate_key {rsa.key};"))
    for kind in ("ECDSA", "RSA"):
        with desk.connect(tls=Tls(ca=ecdsa.ca, version="1.2", ciphers=f"ECDHE-{kind}-AES128-GCM-SHA256")) as client:
            assert kind in client.sock.cipher()[0]


def test_certificates_of_the_http_block_are_inherited(desk, pair):
    with desk.connect(tls=Tls(ca=pair.ca)) as client:
        assert client.sock.getpeercert()["serialNumber"].lower().lstrip("0") == f"{pair.serial:x}"


@ours
def test_a_certificate_with_variables(proxy, authority):
    a, b = authority.issue("a.test"), authority.issue("b.test")
    for one, name in ((a, "a.test"), (b, "b.test")):
        one.write(authority.path(f"v-{name}.crt"), authority.path(f"v-{name}.pkey"))
    desk = proxy(f"server {{ listen @P@ ssl; server_name a.test b.test; return 200 ok;"
                 f" ssl_certificate {authority.directory}/v-$ssl_server_name.crt;"
                 f" ssl_certificate_key {authority.directory}/v-$ssl_server_name.pkey; }}")
    for name in ("a.test", "b.test"):
        with desk.connect(tls=Tls(name)) as client:
            assert subject_of(client.sock) == name
            assert client.ask("GET", "/", host=name).text == "ok"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        desk.connect(tls=Tls("c.test"))


def test_a_certificate_in_the_configuration(proxy, authority):
    pair = authority.issue("localhost")
    desk = proxy(f'server {{ listen @P@ ssl; return 200 ok; ssl_certificate "data:{pair.pem}";'
                 f' ssl_certificate_key "data:{pair.key_pem}"; }}')
    with desk.connect(tls=Tls(ca=pair.ca)) as client:
        assert client.ask("GET", "/").text == "ok"


def test_an_encrypted_key(proxy, authority):
    pair = authority.issue("localhost", password="open sesame")
    with open(authority.path("passwords"), "w", encoding="ascii") as file:
        file.write("wrong\nopen sesame\n")
    with proxy(site(pair, f"ssl_password_file {authority.path('passwords')};")).connect(tls=Tls()) as client:
        assert client.ask("GET", "/").status == 200


@pytest.mark.parametrize("other", ["key", "nothing", "garbage"])
def test_t_names_the_file(proxy, authority, other):
    pair, second = authority.issue("localhost"), authority.issue("localhost")
    wrong = {"key": second.key, "nothing": authority.path("none.key"), "garbage": authority.path("garbage.key")}[other]
    with open(authority.path("garbage.key"), "w", encoding="ascii") as file:
        file.write("this is no key\n")
    desk = proxy(f"server {{ listen @P@ ssl; ssl_certificate {pair.certificate}; ssl_certificate_key {wrong}; }}",
                 start=False)
    run = desk.run("-t")
    assert run.returncode != 0
    assert (wrong if other != "key" else pair.certificate) in run.stderr or wrong in run.stderr


@pytest.mark.parametrize("name, taken", [("known.test", True), ("unknown.test", False), (None, False)])
def test_ssl_reject_handshake(proxy, authority, name, taken):
    desk = proxy("server { listen @P@ ssl default_server; ssl_reject_handshake on; }\n"
                 + site(authority.issue("known.test"), name="known.test"))
    if taken:
        with desk.connect(tls=Tls(name)) as client:
            assert client.ask("GET", "/", host=name).text == name
    else:
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            desk.connect(tls=Tls(name))


@pytest.mark.parametrize("asked, chosen", [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)])
def test_alpn_without_http2(desk, asked, chosen):
    with desk.connect(tls=Tls(alpn=asked)) as client:
        assert client.sock.selected_alpn_protocol() == chosen
        assert client.ask("GET", "/says").status == 200


@ours
def test_alpn_of_strangers_is_refused(desk):
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        desk.connect(tls=Tls(alpn=["spdy/9"]))


# ---- plain HTTP on a TLS port --------------------------------------------------------------------

def test_plain_http_to_a_tls_port(desk):
    answer = desk.get("/says")
    assert answer.status == 400
    assert "The plain HTTP request was sent to HTTPS port" in answer.text


def test_497_can_be_a_redirect(proxy, pair):
    desk = proxy(site(pair, "error_page 497 =307 https://localhost$request_uri;"))
    answer = desk.get("/a?b")
    assert (answer.status, answer.get("Location")) == (307, "https://localhost/a?b")


def test_plain_and_tls_ports_of_one_server(proxy, pair):
    desk = proxy(f"server {{ listen @P@ ssl; listen @Q@; server_name localhost; ssl_certificate {pair.certificate};"
                 f' ssl_certificate_key {pair.key}; return 200 "$scheme $https"; }}')
    assert desk.get("/", to="Q").text == "http "
    with desk.connect(tls=Tls()) as client:
        assert client.ask("GET", "/").text == "https on"


# ---- HTTP/1 over it ------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 100_000, 5_000_000])
@pytest.mark.parametrize("path", ["/x", "/stream"])
def test_bodies_both_ways(desk, back, tls, size, path):
    body = os.urandom(size)
    back.handle = lambda one: reply(body=one.body[::-1], chunked=size % 2 == 1)
    with desk.connect(tls=tls, timeout=20) as client:
        if path == "/x" and size > 1_000_000:
            assert client.ask("POST", path, body=body[:900_000]).body == body[:900_000][::-1]
            return
        assert client.ask("POST", path, body=body).body == body[::-1]


def test_many_requests_on_one_connection(desk, tls, back):
    with desk.connect(tls=tls) as client:
        for i in range(50):
            assert client.ask("GET", f"/{i}").json["target"] == f"/{i}"


def test_pipelined_requests(desk, tls):
    with desk.connect(tls=tls) as client:
        client.send(b"".join(request("GET", f"/p{i}") for i in range(10)))
        assert [client.response().json["target"] for _ in range(10)] == [f"/p{i}" for i in range(10)]


def test_a_kept_connection_that_rests(desk, tls):
    """Parked after half a second, and taken up again."""
    with desk.connect(tls=tls) as client:
        for _ in range(3):
            assert client.ask("GET", "/says").status == 200
            time.sleep(0.7)


def test_a_request_byte_by_byte(desk, tls):
    tap = Tap(desk.address(), tls)
    for byte in request("GET", "/says", close=True):
        tap.send(bytes([byte]))
    assert tap.read(12) == b"HTTP/1.1 200"
    tap.close()


def test_a_slow_reader_gets_all(desk, back, tls):
    body = os.urandom(3_000_000)
    back.handle = lambda one: reply(body=body)
    with Client(desk.address(), 20, receive_buffer=4096, tls=tls) as client:
        client.send(request("GET", "/stream"))
        time.sleep(0.5)
        assert hashlib.sha256(client.response().body).digest() == hashlib.sha256(body).digest()


def test_a_body_to_the_end_of_the_connection_ends_with_close_notify(desk, back, tls):
    """Without it nobody could tell the end from a cut."""
    back.handle = lambda one: reply(body=b"to the end", length=False)
    with desk.connect(tls=tls) as client:
        client.sock.suppress_ragged_eofs = False
        client.send(request("GET", "/x", version="1.0"))
        answer = client.response()
        assert answer.body == b"to the end"


def test_redirects_are_https(desk, tls):
    with desk.connect(tls=tls) as client:
        assert client.ask("GET", "/to").get("Location").startswith("https://localhost")


def test_scheme_goes_to_the_server(desk, back, tls):
    with desk.connect(tls=tls) as client:
        client.ask("GET", "/self")
    assert back.last.get("X-Proto") == "https"


@pytest.mark.parametrize("size, largest", [("4k", 4096), ("16k", 16384)])
def test_ssl_buffer_size(proxy, origin, pair, size, largest):
    back = origin(handle=lambda one: reply(body=bytes(400_000)))
    desk = proxy(site(pair, f"ssl_protocols TLSv1.3; ssl_buffer_size {size};", location="proxy_pass http://@O@;"), O=back)
    tap = Tap(desk.address(), Tls(version="1.3"))
    tap.send(request("GET", "/"))
    tap.read(400_000)
    lengths = [length for kind, length in tap.records if kind == 23]
    assert max(lengths) <= largest + 22
    if largest == 16384:
        assert max(lengths) > 8192, "long answers deserve long records"
    tap.close()


def test_a_client_that_resets(desk, back, tls):
    back.handle = lambda one: reply(body=bytes(2_000_000))
    for _ in range(5):
        client = desk.connect(tls=tls)
        client.send(request("GET", "/stream"))
        client.take(100)
        client.reset()
    with desk.connect(tls=tls) as client:
        assert client.ask("GET", "/says").status == 200


@ours
def test_websocket_over_tls(proxy, origin, pair):
    def mirror(conn):
        conn.request()
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while True:
            conn.fill()
            data, conn.buffer = conn.buffer, b""
            conn.send(data)
    desk = proxy(site(pair, location="proxy_pass http://@O@; proxy_http_version 1.1;"
                                     " proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"),
                 O=origin(script=mirror))
    with desk.connect(tls=Tls()) as client:
        client.send(request("GET", "/", fields={"Upgrade": "websocket", "Connection": "Upgrade",
                                                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                                                "Sec-WebSocket-Version": "13"}))
        assert client.response().status == 101
        data = os.urandom(300_000)
        client.send(data)
        assert client.take(len(data)) == data


# ---- PROXY protocol first ------------------------------------------------------------------------

V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12) + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + struct.pack(">HH", 4711, 443)


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_proxy_protocol_before_tls(proxy, pair, header):
    desk = proxy(site(pair, "set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;", listen="proxy_protocol",
                      location="return 200 $remote_addr;"))
    with desk.connect(tls=Tls(ca=pair.ca), before=header) as client:
        assert client.ask("GET", "/").text == "192.0.2.1"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_proxy_protocol_and_hello_in_one_segment(proxy, pair, header):
    desk = proxy(site(pair, "set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;", listen="proxy_protocol",
                      location="return 200 $remote_addr;"))
    tls = Tls(ca=pair.ca)

    class Late(Tap):
        def _flush(self):
            data = self.outgoing.read()
            if data:
                self.wire.send((header if not self.records else b"") + data)
    tap = Late(desk.address(), tls)
    tap.send(request("GET", "/", close=True))
    assert tap.read(12) == b"HTTP/1.1 200"
    tap.close()


def test_no_proxy_protocol_where_it_is_wanted(proxy, pair):
    desk = proxy(site(pair, listen="proxy_protocol"))
    with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
        desk.connect(tls=Tls())


# ---- reload, memory ------------------------------------------------------------------------------

def test_a_reload_takes_new_certificates(proxy, authority):
    pair = authority.issue("localhost")
    desk = proxy(site(pair))
    with desk.connect(tls=Tls()) as old:
        before = old.sock.getpeercert(True)
        new = authority.issue("localhost")
        new.write(pair.certificate, pair.key)
        desk.reload()

        def is_new():
            with desk.connect(tls=Tls()) as client:
                return client.sock.getpeercert(True) != before
        desk.wait_for(is_new, 20, "the new certificate")


@ours
def test_a_request_under_way_outlives_a_reload(proxy, origin, pair):
    go = threading.Event()
    back = origin(handle=lambda one: reply(body=b"late" if one.target == "/late" and go.wait(15) else b"old"))
    desk = proxy(site(pair, location="proxy_pass http://@O@;"), O=back)
    with desk.connect(tls=Tls(), timeout=15) as client:
        client.send(request("GET", "/late"))
        back.wait_requests(1)
        desk.reload(http=site(pair, location="return 200 new;"))
        desk.wait_for(lambda: _says(desk, "new"), 20, "the new configuration")
        go.set()
        assert client.response().body == b"late"


@ours
def test_handshakes_outlive_their_configuration(proxy, pair):
    """One that is done, and one that is under way: what they were made with stays for them."""
    desk = proxy(site(pair, location="return 200 word0;"))
    half = desk.connect()
    half.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32))
    with desk.connect(tls=Tls()) as client:
        for i in range(1, 4):
            assert client.ask("GET", "/").status == 200
            desk.reload(http=site(pair, location=f"return 200 word{i};"))
            desk.wait_for(lambda: _says(desk, f"word{i}"), 20, "the new configuration")
        assert client.ask("GET", "/", host="localhost").text == "word3"
    half.send(bytes(600))
    half.rest()


def _says(desk, text):
    with desk.connect(tls=Tls()) as client:
        return client.ask("GET", "/").text == text


@ours
def test_a_broken_certificate_changes_nothing(proxy, authority):
    pair = authority.issue("localhost")
    desk = proxy(site(pair, location="return 200 one;"))
    with open(pair.certificate, "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    desk.reload()
    desk.wait_error(r"\[emerg\]")
    assert _says(desk, "one")


@ours
def test_the_worker_cannot_read_the_key(desk, pair):
    """It got the text from the supervisor; to it the file is nothing."""
    status = open(f"/proc/{desk.worker()}/status", encoding="ascii").read()
    assert not re.search(r"^Uid:\s+0\b", status, re.M) or os.geteuid() != 0
    assert oct(os.stat(pair.key).st_mode & 0o777) == "0o600"


@ours
def test_idle_connections_are_small(proxy, pair):
    """At most 20 KB each."""
    desk = proxy(site(pair), events="worker_connections 4096;")
    tls = Tls()
    warm = [desk.connect(tls=tls) for _ in range(50)]
    before = desk.rss_kb()
    clients = [desk.connect(tls=tls) for _ in range(400)]
    for client in clients:
        assert client.ask("GET", "/").status == 200
    time.sleep(1.2)                      # they rest now
    if not is_memory_odd():
        assert (desk.rss_kb() - before) / len(clients) < 20
    for client in warm + clients:
        client.close()


def test_quit_waits_for_no_handshake(proxy, pair):
    """Whoever has not even shaken hands holds up nobody's leaving for long."""
    desk = proxy(site(pair, "client_header_timeout 60s;"))
    with desk.connect() as silent, desk.connect() as begun, desk.connect() as stalled:
        begun.send(b"\x16\x03\x01\x02\x00\x01")
        hello = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            Tls().context.wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
        stalled.send(hello.read())
        assert stalled.sock.recv(100)    # our part, of which we wait for the end
        desk.stop(signal.SIGQUIT, timeout=20)
        assert silent.sock.recv(100) == b""


def test_no_client_header_timeout(proxy, pair):
    desk = proxy(site(pair, "client_header_timeout 0;"))
    assert desk.fetch("GET", "/", tls=Tls()).status == 200


# ---- KeyUpdate -----------------------------------------------------------------------------------

def update_keys(client, most):
    """How many KeyUpdates went out before the other side had enough of them."""
    for count in range(most):
        try:
            key_update(client.sock)
        except OSError:
            return count
    return most


@ours
def test_keys_may_be_updated_but_not_for_ever(desk):
    with desk.connect(tls=Tls(version="1.3")) as client:
        for _ in range(3):
            assert update_keys(client, 5) == 5
            assert client.ask("GET", "/says").status == 200
        assert update_keys(client, 100_000) < 100_000


@ours
@pytest.mark.slow
def test_workers_die_amid_floods_of_key_updates(proxy, pair, origin):
    """Others are served all the while, by whichever worker there is."""
    desk = proxy(CONF, O=origin(), CERT=pair.certificate, KEY=pair.key, workers=4)
    desk.may_alert = True
    stopping, sent = threading.Event(), [0] * 4

    def flood(number):
        while not stopping.is_set():
            with contextlib.suppress(OSError, Closed), desk.connect(tls=Tls(version="1.3")) as client:
                sent[number] += update_keys(client, 1000)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            goal = [count + 100 for count in sent]
            desk.wait_for(lambda least=goal: all(map(int.__ge__, sent, least)), what="floods")
            assert desk.get("/says", tls=Tls()).status == 200
            worker = desk.worker()
            os.kill(worker, signal.SIGKILL)
            desk.wait_for(lambda dead=worker: desk.workers() not in ([], [dead]), what="another worker")
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert desk.get("/says", tls=Tls()).status == 200
