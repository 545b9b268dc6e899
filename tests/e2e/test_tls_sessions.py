# SPDX-License-Identifier: MIT
"""Sessions that are resumed: tickets and caches, over reloads and crashes; and early data (RFC 8470)."""
import os
import re
import signal
import ssl
import time

import pytest

from harness.tls import Tls, s_client

ours = pytest.mark.ours

WHO = 'return 200 "$ssl_session_reused $ssl_session_id";'


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost")


def site(pair, more="", name="localhost", location=WHO, port="P"):
    return (f"server {{ listen @{port}@ ssl; server_name {name}; ssl_protocols TLSv1.2 TLSv1.3;"
            f" ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}; {more}"
            f" location / {{ {location} }} }}\n")


def resumes(desk, tls):
    """Connects; the session is kept for the next time. Was the former one taken up?"""
    with desk.connect(tls=tls) as client:
        said = client.ask("GET", "/", host=tls.name).text
        tls.session = client.sock.session
        assert said.startswith("r" if client.sock.session_reused else "."), said
        return client.sock.session_reused


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("more", ["", "ssl_session_cache shared:s:1m;", "ssl_session_cache builtin;"])
def test_sessions_are_resumed(proxy, pair, version, more):
    desk, tls = proxy(site(pair, more)), Tls(version=version)
    assert not resumes(desk, tls)
    assert [resumes(desk, tls) for _ in range(3)] == [True] * 3


def test_sessions_by_id(proxy, pair):
    """Without tickets the server remembers."""
    desk, tls = proxy(site(pair, "ssl_session_tickets off; ssl_session_cache shared:s:1m;")), Tls(version="1.2")
    assert not resumes(desk, tls)
    assert resumes(desk, tls)
    assert not tls.session.has_ticket


@ours
def test_sessions_by_id_over_loops(proxy, pair):
    """The cache is every loop's."""
    desk = proxy(site(pair, "ssl_session_tickets off; ssl_session_cache shared:s:1m;"), workers=4)
    tls = Tls(version="1.2")
    assert not resumes(desk, tls)
    assert [resumes(desk, tls) for _ in range(12)] == [True] * 12


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_no_tickets_and_no_cache_no_session(proxy, pair, version):
    desk, tls = proxy(site(pair, "ssl_session_tickets off; ssl_session_cache off;")), Tls(version=version)
    assert not resumes(desk, tls)
    assert not resumes(desk, tls)


def test_ssl_session_timeout(proxy, pair):
    desk, tls = proxy(site(pair, "ssl_session_timeout 1s;")), Tls(version="1.2")
    assert not resumes(desk, tls)
    time.sleep(2.2)
    assert not resumes(desk, tls)


def test_sessions_outlive_a_reload(proxy, pair, authority):
    """With a key from a file even nginx keeps them."""
    path = authority.path("ticket.key")
    with open(path, "wb") as file:
        file.write(os.urandom(80))
    more = f"ssl_session_ticket_key {path};"
    desk, tls = proxy(site(pair, more)), Tls(version="1.2")
    assert not resumes(desk, tls)
    desk.reload(http=site(pair, more, location='return 200 "$ssl_session_reused new";'))
    desk.wait_for(lambda: _says(desk, "new"), 20, "the new configuration")
    assert resumes(desk, tls)


def _says(desk, text):
    with desk.connect(tls=Tls()) as client:
        return text in client.ask("GET", "/").text


@ours
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tickets_outlive_reloads_and_crashes(proxy, pair, version):
    """The supervisor makes the keys; neither a reload nor a worker's death changes them."""
    desk, tls = proxy(site(pair)), Tls(version=version)
    desk.may_alert = True                # a worker that was killed
    assert not resumes(desk, tls)
    desk.reload(http=site(pair, location='return 200 "$ssl_session_reused new";'))
    desk.wait_for(lambda: _says(desk, "new"), 20, "the new configuration")
    assert resumes(desk, tls)
    worker = desk.worker()
    os.kill(worker, signal.SIGKILL)
    desk.wait_for(lambda: desk.workers() and desk.workers() != [worker], 20, "another worker")
    assert resumes(desk, tls)


def test_two_keys_from_files(proxy, pair, authority):
    """The first encrypts, the others still decrypt: how keys are changed by hand."""
    paths = []
    for name in ("one", "two"):
        path = authority.path(f"ticket-{name}.key")
        with open(path, "wb") as file:
            file.write(os.urandom(48))
        paths.append(path)
    one, two = paths
    desk, tls = proxy(site(pair, f"ssl_session_ticket_key {one};")), Tls(version="1.2")
    assert not resumes(desk, tls)
    desk.reload(http=site(pair, f"ssl_session_ticket_key {two}; ssl_session_ticket_key {one};",
                          location='return 200 "$ssl_session_reused new";'))
    desk.wait_for(lambda: _says(desk, "new"), 20, "the new configuration")
    assert resumes(desk, tls)


@pytest.mark.parametrize("size", [47, 81])
def test_a_ticket_key_of_another_size(proxy, pair, authority, size):
    path = authority.path(f"bad-{size}.key")
    with open(path, "wb") as file:
        file.write(bytes(size))
    run = proxy(site(pair, f"ssl_session_ticket_key {path};"), start=False).run("-t")
    assert run.returncode != 0 and path in run.stderr


# ---- early data ----------------------------------------------------------------------------------

EARLY = 'return 200 "early=$ssl_early_data;";'
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class EarlyClient:
    """openssl s_client, that sends a request with its ClientHello."""

    def __init__(self, desk, tmp_path):
        self.desk = desk
        self.session, self.data = tmp_path / "session", tmp_path / "data"
        time.sleep(1.1)                  # what a former process may have let pass is not early enough
        self.said = s_client(desk.address(), "-tls1_3", "-servername", "localhost", "-sess_out", str(self.session),
                             send=GET)

    def send(self, early, late=b""):
        self.data.write_bytes(early)
        return s_client(self.desk.address(), "-tls1_3", "-servername", "localhost", "-sess_in", str(self.session),
                        "-early_data", str(self.data), send=late)


def test_early_data_is_off(proxy, pair, tmp_path):
    client = EarlyClient(proxy(site(pair, location=EARLY)), tmp_path)
    assert "early=;" in client.said
    assert re.search("Max Early Data: 0|Early data was not sent", client.said)


def test_early_data(proxy, pair, tmp_path):
    client = EarlyClient(proxy(site(pair, "ssl_early_data on;", location=EARLY)), tmp_path)
    assert "early=;" in client.said
    said = client.send(GET)
    assert "Early data was accepted" in said, said[-3000:]
    assert "early=1;" in said


@ours
@pytest.mark.parametrize("method, status", [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("POST", 425), ("PUT", 425),
                                            ("DELETE", 425), ("PATCH", 425)])
def test_only_safe_methods_may_be_early(proxy, pair, origin, tmp_path, method, status):
    """Early data can be said again by anybody who has heard it; not once the handshake is over, which may be by then."""
    back = origin()
    desk = proxy(site(pair, "ssl_early_data on;", location="proxy_pass http://@O@;"), O=back)
    client = EarlyClient(desk, tmp_path)
    before = len(back.requests)
    said = client.send(f"{method} /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n".encode())
    came = back.requests[before:]
    if status == 425 and came:
        assert not came[0].has("Early-Data")
        status = 200
    assert f"HTTP/1.1 {status}" in said, said[-2000:]
    assert len(came) == (status == 200)


def test_what_came_early_and_what_came_late(proxy, pair, tmp_path):
    """A request whose first half was early is whole."""
    desk = proxy(site(pair, "ssl_early_data on;", location='return 200 "$request_uri";'))
    client = EarlyClient(desk, tmp_path)
    said = client.send(b"GET /half HTTP/1.1\r\nHost: loc", b"alhost\r\nConnection: close\r\n\r\n")
    assert "/half" in said


def test_ssl_errors_do_not_end_the_worker(proxy, pair):
    """Tickets that are garbage are a full handshake."""
    desk = proxy(site(pair))
    tls = Tls(version="1.2")
    assert not resumes(desk, tls)
    other = proxy(site(pair))
    assert not resumes(other, tls)       # made by another instance: its keys are unknown here
    with pytest.raises((ssl.SSLError, ConnectionError)):
        desk.connect(tls=Tls(version="1.2", ciphers="ECDHE-RSA-AES128-GCM-SHA256"))
    assert _says(desk, ".")
