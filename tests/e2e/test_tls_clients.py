# SPDX-License-Identifier: MIT
"""Certificates of clients: who is let in, what the configuration knows of them, and no way around the rules."""
import re
import socket
import ssl
import struct
import subprocess
import time
import urllib.parse

import pytest

from harness.certs import Authority
from harness.h2 import H2Client
from harness.origin import reply
from harness.tls import Tls, s_client
from harness.wire import Closed

ours = pytest.mark.ours

REQUIRED = "400 No required SSL certificate was sent"
FAILED = "400 The SSL certificate error"


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost")


@pytest.fixture(scope="module")
def people(authority):
    return Authority(authority.directory, "people CA")


@pytest.fixture(scope="module")
def stranger(authority):
    return Authority(authority.directory, "strange CA").client("mallory")


def site(pair, verify, more="", name="localhost", port="P", location='return 200 "$ssl_client_verify";'):
    return (f"server {{ listen @{port}@ ssl; server_name {name}; ssl_protocols TLSv1.2 TLSv1.3;"
            f" ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}; ssl_verify_client {verify};"
            f" {more} location / {{ {location} }} }}\n")


def ask(desk, pair=None, name="localhost", host=None, **options):
    """The answer to a client with that certificate."""
    tls = Tls(name, pair=(pair.certificate, pair.key) if pair else None, **options)
    with desk.connect(tls=tls) as client:
        return client.ask("GET", "/", host=host or name)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("verify, none, good, bad", [
    ("off", "NONE", "NONE", "NONE"), ("on", REQUIRED, "SUCCESS", FAILED), ("optional", "NONE", "SUCCESS", FAILED),
    ("optional_no_ca", "NONE", "SUCCESS", "FAILED:")])
def test_who_is_let_in(proxy, pair, people, stranger, version, verify, none, good, bad):
    desk = proxy(site(pair, verify, f"ssl_client_certificate {people.certificate};"))
    assert none in ask(desk, version=version).text
    assert good in ask(desk, people.client("alice"), version=version).text
    answer = ask(desk, stranger, version=version)
    assert bad in answer.text
    assert (answer.status == 400) == (bad == FAILED)


def test_expired_certificates(proxy, pair, people):
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate};"))
    assert FAILED in ask(desk, people.client("old", days=-1)).text
    desk.wait_error(r"client SSL certificate verify error: \(10:certificate has expired\)")


def test_a_server_certificate_is_none_of_a_client(proxy, pair, people):
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate};"))
    assert FAILED in ask(desk, people.issue("server")).text


@pytest.mark.parametrize("depth, taken", [(1, False), (2, True)])
def test_ssl_verify_depth(proxy, pair, people, depth, taken):
    middle = Authority(people.directory, "middle people CA", parent=people)
    lower = Authority(people.directory, "lower people CA", parent=middle)
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate}; ssl_verify_depth {depth};"))
    assert ask(desk, middle.client("carol")).text == "SUCCESS"
    assert ("SUCCESS" in ask(desk, lower.client("dave")).text) == taken


def test_ssl_crl(proxy, pair, people):
    good, bad = people.client("good"), people.client("bad")
    people.revoke(bad)
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate}; ssl_crl {people.crl()};"))
    assert ask(desk, good).text == "SUCCESS"
    assert FAILED in ask(desk, bad).text
    desk.wait_error(r"verify error: \(23:certificate revoked\)")


def test_trusted_certificates_are_not_announced(proxy, pair, people, authority):
    """ssl_client_certificate is named to clients, ssl_trusted_certificate is not; both are trusted."""
    desk = proxy(site(pair, "on", f"ssl_client_certificate {authority.certificate};"
                                  f" ssl_trusted_certificate {people.certificate};"))
    said = s_client(desk.address(), "-servername", "localhost", send=b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert "frontdesk test CA" in said.split("Acceptable client certificate CA names")[1].split("\n\n")[0]
    assert "people CA" not in said
    assert ask(desk, people.client("alice")).text == "SUCCESS"


@pytest.mark.parametrize("code, who", [(495, "stranger"), (496, None)])
def test_error_pages_of_49x(proxy, pair, people, stranger, code, who):
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate}; error_page {code} =403 /page;"
                                  " location = /page { internal; return 403 mine; }"))
    answer = ask(desk, stranger if who else None)
    assert answer.status == 403


def test_the_failed_one_stays_outside_for_all_requests(proxy, pair, people, origin):
    back = origin()
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate};",
                      location="proxy_pass http://@O@;"), O=back)
    for _ in range(3):
        ask(desk)
    assert not back.requests


@ours
def test_http2_clients_are_judged_as_well(proxy, pair, people, stranger):
    desk = proxy("http2 on;" + site(pair, "on", f"ssl_client_certificate {people.certificate};"))
    alice = people.client("alice")
    for who, status in ((None, 400), (stranger, 400), (alice, 200)):
        tls = Tls(alpn=["h2"], pair=(who.certificate, who.key) if who else None)
        with H2Client(desk.address(), tls=tls) as client:
            assert client.ask("GET", "/").status == status


# ---- no way around -------------------------------------------------------------------------------

def guarded(pair, people):
    return (site(pair, "off", name="open.test", location="return 200 open;")
            + site(pair, "on", f"ssl_client_certificate {people.certificate};", name="closed.test",
                   location="return 200 closed;"))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_who_goes_at_once_is_not_let_in(proxy, pair, people, origin, version):
    """A request is done without its client (proxy_ignore_client_abort), but not without knowing whose it is."""
    back = origin()
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate};",
                      location="proxy_ignore_client_abort on; proxy_pass http://@O@;"), O=back)
    for _ in range(60):
        client = desk.connect(tls=Tls(ca=pair.ca, version=version))
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        client.close()
    assert ask(desk, people.client("alice")).status == 200
    assert [one.method for one in back.requests] == ["GET"]


def test_host_of_a_server_with_other_rules(proxy, pair, people):
    """SNI says open, Host says closed: 421, not closed."""
    desk = proxy(guarded(pair, people))
    answer = ask(desk, name="open.test", host="closed.test")
    assert answer.status == 421
    assert ask(desk, people.client("alice"), name="closed.test").text == "closed"
    assert REQUIRED in ask(desk, name="closed.test").text


@ours
def test_host_of_a_server_without_a_certificate_of_its_own(proxy, pair, people):
    """Its handshake is the default server's: who comes by another's rules was not let in by its own."""
    desk = proxy(site(pair, "off") + site(pair, "on", f"ssl_client_certificate {people.certificate};", "own.test")
                 + f"server {{ listen @P@ ssl; server_name bare.test; ssl_verify_client on;"
                   f" ssl_client_certificate {pair.ca}; location / {{ return 200 bare; }} }}")
    assert ask(desk, people.client("alice"), "own.test").status == 200
    assert ask(desk, people.client("alice"), "own.test", host="bare.test").status == 421
    assert ask(desk, people.client("alice"), "bare.test").status == 400


def test_host_of_a_server_with_other_rules_over_http2(proxy, pair, people):
    desk = proxy("http2 on;" + guarded(pair, people))
    with H2Client(desk.address(), tls=Tls("open.test", alpn=["h2"])) as client:
        assert client.ask("GET", "/", authority="open.test").body == b"open"
        assert client.ask("GET", "/", authority="closed.test").status == 421
        assert client.ask("GET", "/", authority="open.test").body == b"open"


@ours
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_of_another_server_is_no_key(proxy, pair, people, version):
    """CVE-2025-23419: what was resumed under another name must not be let in without a certificate."""
    desk = proxy("ssl_session_cache shared:s:1m;" + guarded(pair, people))
    tls = Tls("open.test", version=version)
    with desk.connect(tls=tls) as client:
        assert client.ask("GET", "/", host="open.test").text == "open"
        tls.session = client.sock.session
    tls.name = "closed.test"
    try:
        with desk.connect(tls=tls) as client:
            answer = client.ask("GET", "/", host="closed.test")
            assert not client.sock.session_reused
            assert answer.status == 400 and REQUIRED in answer.text
    except (ssl.SSLError, Closed):
        pass


@ours
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_remembers_who_it_was(proxy, pair, people, version):
    """Resumed on the same server, the client is who it was in the full handshake."""
    desk = proxy(site(pair, "optional", f"ssl_client_certificate {people.certificate};",
                      location='return 200 "$ssl_session_reused $ssl_client_verify $ssl_client_s_dn";'))
    alice = people.client("alice")
    tls = Tls(pair=(alice.certificate, alice.key), version=version)
    for reused in (".", "r"):
        with desk.connect(tls=tls) as client:
            answer = client.ask("GET", "/")
            assert answer.text == f"{reused} SUCCESS CN=alice,O=frontdesk tests"
            tls.session = client.sock.session


@ours
def test_two_guarded_servers_have_their_own_authorities(proxy, pair, people, authority):
    other = Authority(authority.directory, "other people CA")
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate};", name="one.test", location="return 200 one;")
                 + site(pair, "on", f"ssl_client_certificate {other.certificate};", name="two.test",
                        location="return 200 two;"))
    alice, bob = people.client("alice"), other.client("bob")
    assert ask(desk, alice, name="one.test").text == "one"
    assert ask(desk, bob, name="two.test").text == "two"
    assert ask(desk, alice, name="one.test", host="two.test").status == 421
    assert FAILED in ask(desk, alice, name="two.test").text


# ---- variables -----------------------------------------------------------------------------------

VARIABLES = """$ssl_protocol
$ssl_cipher
$ssl_ciphers
$ssl_curve
$ssl_curves
$ssl_server_name
$ssl_session_reused
$ssl_alpn_protocol
$ssl_client_s_dn
$ssl_client_i_dn
$ssl_client_s_dn_legacy
$ssl_client_i_dn_legacy
$ssl_client_serial
$ssl_client_fingerprint
$ssl_client_verify
$ssl_client_v_start
$ssl_client_v_end
$ssl_client_v_remain
$ssl_early_data""".splitlines()


def said_of(desk, who, version):
    answer = ask(desk, who, version=version, alpn=["http/1.1"])
    assert answer.status == 200, answer
    return dict(zip(VARIABLES, answer.text.split("|"), strict=True))


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_variables_of_the_connection_and_the_client(proxy, pair, people, version):
    desk = proxy(site(pair, "optional", f"ssl_client_certificate {people.certificate};",
                      location=f'return 200 "{"|".join(VARIABLES)}";'))
    alice = people.client("alice")
    said = said_of(desk, alice, version)
    openssl = dict(line.split("=", 1) for line in subprocess.run(
        ["openssl", "x509", "-in", alice.certificate, "-noout", "-dates", "-serial"],
        capture_output=True, text=True, check=True).stdout.splitlines())
    assert said["$ssl_protocol"] == f"TLSv{version}"
    assert said["$ssl_cipher"] in said["$ssl_ciphers"].split(":")
    assert said["$ssl_curve"] in said["$ssl_curves"].split(":")
    assert said["$ssl_server_name"] == "localhost"
    assert said["$ssl_session_reused"] == "."
    assert said["$ssl_alpn_protocol"] == "http/1.1"
    assert said["$ssl_client_s_dn"] == "CN=alice,O=frontdesk tests"
    assert said["$ssl_client_i_dn"] == "CN=people CA,O=frontdesk tests"
    assert said["$ssl_client_s_dn_legacy"] == "/O=frontdesk tests/CN=alice"
    assert said["$ssl_client_i_dn_legacy"] == "/O=frontdesk tests/CN=people CA"
    assert said["$ssl_client_serial"] == openssl["serial"]
    assert said["$ssl_client_fingerprint"] == alice.fingerprint
    assert said["$ssl_client_verify"] == "SUCCESS"
    assert said["$ssl_client_v_start"] == openssl["notBefore"]
    assert said["$ssl_client_v_end"] == openssl["notAfter"]
    assert said["$ssl_client_v_remain"] in ("29", "30")
    assert said["$ssl_early_data"] == ""


def test_variables_without_a_certificate(proxy, pair, people):
    desk = proxy(site(pair, "optional", f"ssl_client_certificate {people.certificate};",
                      location=f'return 200 "{"|".join(VARIABLES)}";'))
    said = said_of(desk, None, "1.3")
    assert said["$ssl_client_verify"] == "NONE"
    assert not [value for name, value in said.items() if "client" in name and "verify" not in name and value]


def test_variables_without_tls(proxy):
    desk = proxy(f'server {{ listen @P@; return 200 "{"|".join(VARIABLES)}"; }}')
    assert set(desk.get().text) <= {"|"}


def test_the_certificate_for_the_server_behind(proxy, pair, people, origin):
    back = origin()
    desk = proxy(site(pair, "on", f"ssl_client_certificate {people.certificate};", location="""
        proxy_set_header X-Escaped $ssl_client_escaped_cert;
        proxy_pass http://@O@;"""), O=back)
    alice = people.client("alice")
    assert ask(desk, alice).status == 200
    assert urllib.parse.unquote(back.last.get("X-Escaped")) == alice.leaf_pem


def test_the_certificate_in_the_log(proxy, pair, people):
    desk = proxy('log_format cert escape=json "$ssl_client_raw_cert|$ssl_client_cert|$ssl_session_id";'
                 + site(pair, "on", f"ssl_client_certificate {people.certificate}; access_log logs/cert.log cert;"))
    alice = people.client("alice")
    ask(desk, alice, version="1.2")
    raw, indented, session = desk.log_lines(1, "logs/cert.log")[0].split("|")
    assert raw.replace("\\n", "\n").strip() == alice.leaf_pem.strip()
    assert indented.replace("\\n", "\n").replace("\\t", "\t").strip() == alice.leaf_pem.strip().replace("\n", "\n\t")
    assert re.fullmatch("[0-9a-f]*", session)


PARTS = b"0123456789" * 1000


def part_of(one):
    first, last = (int(number) for number in one.get("Range")[6:].split("-"))
    part = PARTS[first:last + 1]
    return reply(206, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(PARTS)}"}, part)


def test_parts_are_asked_for_in_the_clients_name(proxy, pair, people, origin):
    """What asks for a client in the background says who he is, and keeps what it gets for nobody else."""
    back = origin(part_of)
    desk = proxy("proxy_cache_path memory: keys_zone=z:4m;"
                 + site(pair, "on", f"ssl_client_certificate {people.certificate};", location="""
        slice 4k; proxy_cache z; proxy_cache_valid 1m; proxy_cache_key $ssl_client_s_dn$uri$slice_range;
        proxy_set_header Range $slice_range; proxy_set_header X-Who "$ssl_client_verify $ssl_client_s_dn";
        proxy_http_version 1.1; proxy_pass http://@O@;"""), O=back)
    for name in ("alice", "bob"):
        before = len(back.requests)
        assert ask(desk, people.client(name)).body == PARTS
        asked = [one.get("X-Who") for one in back.requests[before:]]
        assert len(asked) == 3 and len(set(asked)) == 1, asked
        assert asked[0].startswith("SUCCESS") and f"CN={name}" in asked[0]


def test_the_log_knows_who_has_gone(proxy, pair, people, origin):
    back = origin(lambda one: time.sleep(0.5))
    desk = proxy('log_format who "$status $ssl_protocol $ssl_client_verify $ssl_client_s_dn";'
                 + site(pair, "on", f"ssl_client_certificate {people.certificate}; access_log logs/who.log who;",
                        location="proxy_pass http://@O@;"), O=back)
    alice = people.client("alice")
    client = desk.connect(tls=Tls(ca=pair.ca, pair=(alice.certificate, alice.key), version="1.3"))
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    desk.wait_for(lambda: back.requests, 20, "the request")
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    said = desk.log_lines(1, "logs/who.log")[0]
    assert said.startswith("499 TLSv1.3 SUCCESS ") and "CN=alice" in said
