# SPDX-License-Identifier: MIT
"""OCSP staples: fetched beside the handshakes from a real responder, renewed, kept over reloads, taken away when they
have expired; and responders that are gone, slow, or say something else."""
import re
import signal
import subprocess
import time

import pytest

from harness.certs import Authority, Responder
from harness.dns import NameServer
from harness.proxy import PORTS
from harness.tls import s_client

ours = pytest.mark.ours


def site(pair, more="", port="P", name="localhost"):
    return (f"server {{ listen @{port}@ ssl; server_name {name}; ssl_certificate {pair.certificate};"
            f" ssl_certificate_key {pair.key}; ssl_stapling on; {more} location / {{ return 200 ok; }} }}\n")


def staple(desk, name="localhost", port="P"):
    """The status that comes with the certificate: "good", or "" without one."""
    said = s_client(desk.names[port], "-status", "-servername", name, send=b"HEAD / HTTP/1.0\r\n\r\n")
    assert "Verify return code" in said, said
    found = re.search(r"Cert Status: (\w+)", said)
    return found[1] if found else ""


def numbers(desk, name="localhost"):
    """Serial number and time of the answer that comes along."""
    said = s_client(desk.names["P"], "-status", "-servername", name, send=b"HEAD / HTTP/1.0\r\n\r\n")
    return re.findall(r"(?:Serial Number: \w+|Produced At: [^\n]+)", said.partition("---")[0])


def wait_stapled(desk, **how):
    desk.wait_for(lambda: staple(desk, **how) == "good", 20, "a staple")


@pytest.fixture
def ca(tmp_path):
    tmp_path.chmod(0o755)
    return Authority(tmp_path / "ca")


@pytest.fixture
def port():
    return PORTS.get()


@pytest.fixture
def names():
    server = NameServer()
    yield server
    server.stop()


def trust(ca, more=""):
    return f"ssl_trusted_certificate {ca.certificate}; {more}"


def test_a_staple(proxy, ca, port):
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    with Responder(ca, port):
        desk = proxy(site(pair, trust(ca, "ssl_stapling_verify on;")))
        wait_stapled(desk)


@ours
def test_it_is_asked_for_before_the_first_client_comes(proxy, ca, port):
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    with Responder(ca, port) as responder:
        desk = proxy(site(pair, trust(ca)))
        desk.wait_for(lambda: "Received request" in responder.log(), 20, "a question")
        wait_stapled(desk)


@ours
def test_the_responder_of_the_directive_comes_first(proxy, ca, port):
    pair = ca.issue("localhost", ocsp="http://127.0.0.1:1/")
    with Responder(ca, port) as responder:
        desk = proxy(site(pair, trust(ca, f"ssl_stapling_responder {responder.url};")))
        wait_stapled(desk)


@ours
def test_a_responder_by_name(proxy, ca, port, names):
    names.say("ocsp.test", "127.0.0.1")
    pair = ca.issue("localhost", ocsp=f"http://ocsp.test:{port}/")
    with Responder(ca, port):
        desk = proxy(site(pair, trust(ca, f"resolver {names};")))
        wait_stapled(desk)
    assert names.questions("ocsp.test")


@ours
def test_a_name_that_nobody_knows(proxy, ca, names):
    pair = ca.issue("localhost", ocsp="http://nowhere.test/")
    desk = proxy(site(pair, trust(ca, f"resolver {names};")))
    desk.wait_for(lambda: "nowhere.test could not be resolved" in desk.errors(), 20, "words")
    assert staple(desk) == ""


@ours
def test_each_certificate_has_its_own(proxy, ca, port):
    """RSA and ECDSA side by side, and another server."""
    url = f"http://127.0.0.1:{port}/"
    rsa, ecdsa, other = (ca.issue("localhost", ocsp=url, kind="rsa"), ca.issue("localhost", ocsp=url),
                         ca.issue("other.test", ocsp=url))
    with Responder(ca, port):
        desk = proxy(site(ecdsa, trust(ca, f"ssl_certificate {rsa.certificate}; ssl_certificate_key {rsa.key};"
                                           " ssl_protocols TLSv1.2;"))
                     + site(other, trust(ca), name="other.test"))
        wait_stapled(desk)
        wait_stapled(desk, name="other.test")
        for signature, pair in (("RSA", rsa), ("ECDSA", ecdsa)):
            def its_own():
                said = s_client(desk.names["P"], "-status", "-servername", "localhost", "-tls1_2", "-cipher",
                                f"ECDHE-{signature}-AES128-GCM-SHA256", send=b"HEAD / HTTP/1.0\r\n\r\n")
                return f"Serial Number: {pair.serial:X}".lower() in said.lower().replace("serial number: 0",
                                                                                        "serial number: ")
            desk.wait_for(its_own, 15, signature)


@ours
def test_no_responder_in_the_certificate(proxy, ca):
    """As Let's Encrypt's are: a warning that names the file, and all else works."""
    pair = ca.issue("localhost")
    desk = proxy(site(pair, trust(ca)))
    assert staple(desk) == ""
    words = f'"ssl_stapling" ignored, no OCSP responder URL in the certificate "{pair.certificate}"'
    assert desk.errors().count(words) == 1
    tested = desk.run("-t")
    assert tested.returncode == 0
    assert tested.stderr.count(words) == 1


@ours
def test_no_issuer(proxy, ca, port):
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    desk = proxy(site(pair), start=False)
    tested = desk.run("-t")
    assert tested.returncode == 0
    assert f'issuer certificate not found for certificate "{pair.certificate}"' in tested.stderr


@ours
def test_https_responders_are_not_asked(proxy, ca):
    pair = ca.issue("localhost", ocsp="https://127.0.0.1/")
    desk = proxy(site(pair, trust(ca)), start=False)
    assert "invalid URL prefix in OCSP responder" in desk.run("-t").stderr


@ours
def test_revoked_is_not_stapled(proxy, ca, port):
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    ca.revoke(pair)
    with Responder(ca, port):
        desk = proxy(site(pair, trust(ca)))
        desk.wait_for(lambda: 'certificate status "revoked"' in desk.errors(), 20, "words")
        assert staple(desk) == ""


@ours
def test_an_answer_of_somebody_else_is_no_answer(proxy, ca, tmp_path, port):
    """Signed by an authority that is not trusted: only with ssl_stapling_verify that is looked at."""
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    stranger = Authority(tmp_path / "stranger", "stranger")
    with Responder(ca, port, signer=stranger):
        desk = proxy(site(pair, trust(ca, "ssl_stapling_verify on;")))
        desk.wait_for(lambda: "OCSP_basic_verify() failed" in desk.errors(), 20, "words")
        assert staple(desk) == ""


# ---- responders that misbehave ----

BAD = {
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    "no type": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "garbage": b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 5\r\n\r\nhello",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 0\r\n\r\n",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 500\r\n\r\nhello",
    "not http": b"\x15\x03\x01\x00\x02\x02\x46",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 70000\r\n\r\n"
                + b"x" * 70000,
    "endless": b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n" + b"x" * 200000,
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100000,
    "closed": b"",
    "try later": b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 5\r\n\r\n"
                 + bytes.fromhex("30030a0103"),
}


@ours
@pytest.mark.parametrize("how", BAD)
def test_a_responder_that_says_something_else(proxy, origin, ca, how):
    def script(conn):
        conn.request()
        conn.send(BAD[how])
        conn.close()

    responder = origin(script=script)
    pair = ca.issue("localhost", ocsp=f"http://{responder.address}/")
    desk = proxy(site(pair, trust(ca)))
    desk.wait_for(lambda: "while requesting certificate status" in desk.errors(), 20, "words")
    assert staple(desk) == ""
    assert f'responder: http://{responder.address}/, certificate: "{pair.certificate}"' in desk.errors()


@ours
def test_a_responder_that_is_silent_delays_nobody(proxy, origin, ca):
    def script(conn):
        conn.request()
        conn.hang()

    responder = origin(script=script)
    pair = ca.issue("localhost", ocsp=f"http://{responder.address}/")
    desk = proxy(site(pair, trust(ca)))
    before = time.monotonic()
    assert staple(desk) == ""
    assert time.monotonic() - before < 10
    desk.wait_for(lambda: "it took too long while requesting certificate status" in desk.errors(), 20, "words")


@ours
def test_it_comes_when_the_responder_does(proxy, ca, port):
    """Refused at first, asked again after a pause."""
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    desk = proxy(site(pair, trust(ca)))
    desk.wait_for(lambda: "connect() failed" in desk.errors(), 20, "words")
    assert staple(desk) == ""
    with Responder(ca, port):
        wait_stapled(desk)


# ---- time and changes ----

@ours
def test_a_reload_keeps_it(proxy, ca, port):
    """The responder has gone by then."""
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    config = site(pair, trust(ca))
    with Responder(ca, port):
        desk = proxy(config)
        wait_stapled(desk)
    before = numbers(desk)
    assert before
    for _ in range(3):
        size = desk.reload(http=config)
        desk.wait_for(lambda: "is in force" in desk.errors()[size:], 20, "a reload")
        assert numbers(desk) == before


@ours
def test_another_certificate_gets_another(proxy, ca, port):
    url = f"http://127.0.0.1:{port}/"
    first, second = ca.issue("localhost", ocsp=url), ca.issue("localhost", ocsp=url)
    with Responder(ca, port):
        desk = proxy(site(first, trust(ca)))
        wait_stapled(desk)
        before = numbers(desk)
        size = desk.reload(http=site(second, trust(ca)))
        desk.wait_for(lambda: "is in force" in desk.errors()[size:], 20, "a reload")
        wait_stapled(desk)
        assert numbers(desk) != before


@ours
@pytest.mark.slow
def test_it_is_renewed_and_one_that_has_expired_goes(proxy, ca, port):
    """Good for a minute, renewed in half of it."""
    pair = ca.issue("localhost", ocsp=f"http://127.0.0.1:{port}/")
    with Responder(ca, port, minutes=1):
        desk = proxy(site(pair, trust(ca)))
        wait_stapled(desk)
        before = numbers(desk)
        desk.wait_for(lambda: numbers(desk) != before, 50, "another answer")
    desk.wait_for(lambda: staple(desk) == "", 75, "none")


@ours
def test_stop_and_quit_while_a_question_is_under_way(proxy, origin, ca):
    def script(conn):
        conn.request()
        conn.hang()

    for how in (signal.SIGQUIT, signal.SIGTERM):
        responder = origin(script=script)
        pair = ca.issue("localhost", ocsp=f"http://{responder.address}/")
        desk = proxy(site(pair, trust(ca)))
        assert staple(desk) == ""
        desk.stop(how)


def test_the_responder_of_the_tests_is_right(ca, port):
    pair = ca.issue("localhost")
    with Responder(ca, port) as responder:
        said = subprocess.run(["openssl", "ocsp", "-issuer", ca.certificate, "-cert", pair.certificate, "-url",
                               responder.url, "-VAfile", ca.certificate], capture_output=True, text=True, check=False,
                              timeout=20)
    assert ": good" in said.stdout
