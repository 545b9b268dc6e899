# SPDX-License-Identifier: MIT
"""What is in keys is nobody's business: neither -T nor -t nor a log shows any of it."""
import re

import pytest

from harness.tls import Tls

pytestmark = pytest.mark.ours


def secrets_of(*paths):
    """Lines of the files' insides that must not be seen."""
    found = set()
    for path in paths:
        with open(path, encoding="ascii") as file:
            found |= {line for line in file.read().splitlines() if not line.startswith("-----")}
    return found


@pytest.fixture
def keys(authority):
    pair, tickets, words = authority.issue("localhost"), authority.path("tickets.key"), authority.path("words")
    with open(tickets, "w", encoding="ascii") as file:
        file.write("0123456789abcdef" * 3)
    with open(words, "w", encoding="ascii") as file:
        file.write("open sesame please\n")
    return pair, tickets, words


def site(keys, certificate=None, more=""):
    pair, tickets, words = keys
    return (f"error_log stderr debug;\nserver {{ listen @P@ ssl; server_name localhost;"
            f" ssl_certificate {certificate or pair.certificate}; ssl_certificate_key {pair.key};"
            f" ssl_session_ticket_key {tickets}; ssl_password_file {words}; {more}"
            f' location / {{ return 200 "$ssl_protocol"; }} }}\n')


def assert_hidden(text, keys):
    pair, tickets, words = keys
    for secret in secrets_of(pair.key, tickets, words):
        assert secret not in text
    assert "PRIVATE KEY" not in text


def test_t_and_its_dump(proxy, keys):
    run = proxy(site(keys), start=False).run("-T")
    assert run.returncode == 0 and keys[0].key in run.stdout
    assert_hidden(run.stdout + run.stderr, keys)


def test_complaints(proxy, authority, keys):
    run = proxy(site(keys, authority.issue("localhost").certificate), start=False).run("-t")
    assert run.returncode == 1 and re.search(r"SSL_CTX_use_PrivateKey\(.*\) failed", run.stderr)
    assert_hidden(run.stderr, keys)


def test_the_log_of_a_server(proxy, keys):
    desk = proxy(site(keys))
    with desk.connect(tls=Tls("localhost", ca=keys[0].ca)) as client:
        assert client.ask("GET", "/", host="localhost").status == 200
    desk.reload()
    assert_hidden(desk.errors() + desk.stderr(), keys)
