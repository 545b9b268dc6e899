# SPDX-License-Identifier: MIT
"""What the supervisor does for TLS: keys of session tickets that turn and outlive everything, certificates that are
read anew when they have changed (ssl_certificate_watch, F29), and secrets that stay where they belong."""
import os
import re
import signal
import ssl
import time

import pytest

from harness.proxy import is_sanitized, state_of
from harness.tls import Tls, subject_of
from test_process import Daemon

pytestmark = pytest.mark.ours


def site(pair, more="", name="localhost", port="P"):
    return (f"server {{ listen @{port}@ ssl; server_name {name}; ssl_certificate {pair.certificate};"
            f" ssl_certificate_key {pair.key}; {more} location / {{ return 200 \"$ssl_session_reused\"; }} }}\n")


@pytest.fixture
def pair(authority):
    return authority.issue("localhost")


def resumes(desk, tls):
    """Connects; the session is kept for the next time. Was the former one taken up?"""
    with desk.connect(tls=tls) as client:
        client.ask("GET", "/", host=tls.name)
        tls.session = client.sock.session
        return client.sock.session_reused


def old_session_resumes(desk, tls, session):
    tls.session = session
    with desk.connect(tls=tls) as client:
        client.ask("GET", "/", host=tls.name)
        return client.sock.session_reused


# ---- tickets ----

@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_keys_turn_and_the_two_before_still_open(proxy, pair, version):
    """A ticket that is renewed all the time goes on; one that is three turns old does not."""
    desk, tls = proxy("ssl_session_ticket_rotate 2s;" + site(pair)), Tls(version=version)
    assert not resumes(desk, tls)
    first, since = tls.session, time.monotonic()
    assert resumes(desk, tls)
    desk.wait_for(lambda: not old_session_resumes(desk, tls, first), 20, "the first key to go")
    assert time.monotonic() - since > 2
    tls.session = None
    assert not resumes(desk, tls)
    assert resumes(desk, tls)


def test_every_loop_opens_the_tickets_of_every_other(proxy, pair):
    desk, tls = proxy(site(pair), workers=4), Tls(version="1.2")
    assert not resumes(desk, tls)
    assert [resumes(desk, tls) for _ in range(12)] == [True] * 12


def test_tickets_outlive_a_binary_upgrade(proxy, pair):
    desk = proxy(site(pair), start=False)
    tls = Tls(version="1.3")
    with Daemon(desk, site(pair)) as daemon:
        assert not resumes(desk, tls)
        daemon.upgrade()
        os.kill(daemon.pid, signal.SIGQUIT)
        daemon.has_ended(daemon.pid)
        assert resumes(desk, tls)
    assert "not taken over" not in desk.errors()


def test_a_start_makes_others(proxy, pair):
    desk, tls = proxy(site(pair)), Tls(version="1.2")
    assert not resumes(desk, tls)
    desk.stop()
    desk.start()
    assert not resumes(desk, tls)
    assert resumes(desk, tls)


def test_nonsense_in_the_environment(proxy, pair):
    for value in ("x", "0", "77", "999999999999"):
        desk = proxy(site(pair), environment={"FRONTDESK_TICKETS": value})
        tls = Tls(version="1.2")
        assert not resumes(desk, tls)
        assert resumes(desk, tls)
        desk.stop()


def test_without_a_master_process(proxy, pair):
    desk, tls = proxy("ssl_session_ticket_rotate 1s;" + site(pair), main="master_process off;"), Tls(version="1.2")
    assert not resumes(desk, tls)
    assert resumes(desk, tls)
    first = tls.session
    desk.wait_for(lambda: not old_session_resumes(desk, tls, first), 20, "the first key to go")


# ---- reloads ----

def shown(desk, name="localhost"):
    """The serial number of the certificate that is sent."""
    from cryptography import x509
    with desk.connect(tls=Tls(name)) as client:
        return x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True)).serial_number


def test_a_reload_reads_certificates_anew(proxy, authority, pair):
    config = site(pair)
    desk, other = proxy(config), authority.issue("localhost")
    assert shown(desk) == pair.serial
    other.write(pair.certificate, pair.key)
    assert shown(desk) == pair.serial
    desk.reload(http=config)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")


def spoil_mismatch(authority, pair):
    other = authority.issue("localhost")
    with open(pair.certificate, "w", encoding="ascii") as file:
        file.write(other.pem)


def spoil_garbage(_, pair):
    with open(pair.certificate, "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")


def spoil_cut(_, pair):
    with open(pair.key, "r+", encoding="ascii") as file:
        file.truncate(60)


def spoil_empty(_, pair):
    with open(pair.certificate, "w", encoding="ascii"):
        pass


def spoil_gone(_, pair):
    os.unlink(pair.key)


SPOIL = {"mismatch": spoil_mismatch, "garbage": spoil_garbage, "cut": spoil_cut, "empty": spoil_empty,
         "gone": spoil_gone}


@pytest.mark.parametrize("how", SPOIL)
def test_a_reload_with_a_broken_pair_changes_nothing(proxy, authority, pair, how):
    """F29: one line names the file, the former certificate goes on, -t fails; mended, it is taken."""
    config = site(pair)
    desk = proxy(config)
    desk.may_alert = True
    SPOIL[how](authority, pair)
    size = desk.reload(http=config)
    desk.wait_for(lambda: "is not used, the former one stays" in desk.errors()[size:], 20, "a refusal")
    said = [line for line in desk.errors()[size:].splitlines() if "[emerg]" in line]
    assert len(said) == 1 and (pair.certificate in said[0] or pair.key in said[0]), said
    assert shown(desk) == pair.serial
    tested = desk.run("-t")
    assert tested.returncode == 1 and ("localhost" in tested.stderr)
    other = authority.issue("localhost")
    other.write(pair.certificate, pair.key)
    desk.reload(http=config)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the mended pair")


@pytest.mark.parametrize("how", SPOIL)
def test_a_crash_with_a_broken_pair_on_disk(proxy, authority, pair, how):
    """The next worker gets what the former one had."""
    desk = proxy(site(pair))
    desk.may_alert = True
    SPOIL[how](authority, pair)
    worker = desk.worker()
    os.kill(worker, signal.SIGKILL)
    desk.wait_for(lambda: desk.workers() and desk.workers() != [worker], 20, "another worker")
    assert shown(desk) == pair.serial


# ---- ssl_certificate_watch ----

WATCH = "ssl_certificate_watch 100ms;"


def refusals(desk):
    return desk.errors().count("the new configuration is not used")


def test_a_renewed_pair_is_picked_up(proxy, authority, pair):
    """Key first, then the certificate, each renamed into its place."""
    desk = proxy(WATCH + site(pair))
    assert shown(desk) == pair.serial
    for _ in range(3):
        other = authority.issue("localhost")
        other.write(pair.certificate, pair.key)
        desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")
    assert desk.errors().count("certificates have changed, reading them anew") >= 3


def test_written_in_place(proxy, authority, pair):
    desk, other = proxy(WATCH + site(pair)), authority.issue("localhost")
    for path, text in ((pair.key, other.key_pem), (pair.certificate, other.pem)):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")


def test_through_a_symbolic_link(proxy, authority, pair, tmp_path):
    """As certbot has them: live/x/fullchain.pem leads into archive/."""
    tmp_path.chmod(0o755)
    other = authority.issue("localhost")
    for name, to in (("cert", pair.certificate), ("key", pair.key)):
        os.symlink(to, tmp_path / name)
    config = site(pair).replace(pair.certificate, str(tmp_path / "cert")).replace(pair.key, str(tmp_path / "key"))
    desk = proxy(WATCH + config)
    assert shown(desk) == pair.serial
    for name, to in (("key", other.key), ("cert", other.certificate)):
        os.symlink(to, tmp_path / "new")
        os.replace(tmp_path / "new", tmp_path / name)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")


def test_a_key_that_comes_long_before_its_certificate(proxy, authority, pair):
    """The pair does not match meanwhile: said once, then it is right again."""
    desk, other = proxy(WATCH + site(pair)), authority.issue("localhost")
    desk.may_alert = True
    with open(pair.key, "w", encoding="ascii") as file:
        file.write(other.key_pem)
    desk.wait_for(lambda: refusals(desk) == 1, 20, "a refusal")
    time.sleep(1)
    assert refusals(desk) == 1
    assert shown(desk) == pair.serial
    with open(pair.certificate, "w", encoding="ascii") as file:
        file.write(other.pem)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")
    assert refusals(desk) == 1


@pytest.mark.parametrize("how", SPOIL)
def test_what_is_broken_is_tried_once(proxy, authority, pair, how):
    desk = proxy(WATCH + site(pair))
    desk.may_alert = True
    SPOIL[how](authority, pair)
    desk.wait_for(lambda: refusals(desk) == 1, 20, "a refusal")
    time.sleep(1)
    assert refusals(desk) == 1
    assert shown(desk) == pair.serial
    other = authority.issue("localhost")
    other.write(pair.certificate, pair.key)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the mended pair")


def test_the_configuration_is_left_alone(proxy, authority, pair):
    """What somebody is typing into it meanwhile does not come into force."""
    desk, other = proxy(WATCH + site(pair)), authority.issue("localhost")
    with open(desk.conf, "a", encoding="ascii") as file:
        file.write("half of a direc")
    other.write(pair.certificate, pair.key)
    desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")
    assert refusals(desk) == 0


def test_off_by_default(proxy, authority, pair):
    desk = proxy(site(pair))
    authority.issue("localhost").write(pair.certificate, pair.key)
    time.sleep(1.5)
    assert shown(desk) == pair.serial
    assert "certificates have changed" not in desk.errors()


def test_connections_live_on(proxy, authority, pair):
    """Nobody is cut, and a session of before is resumed after."""
    desk, tls = proxy(WATCH + site(pair)), Tls(version="1.3")
    assert not resumes(desk, tls)
    with desk.connect(tls=Tls()) as client:
        assert client.ask("GET", "/").status == 200
        other = authority.issue("localhost")
        other.write(pair.certificate, pair.key)
        desk.wait_for(lambda: shown(desk) == other.serial, 20, "the other certificate")
        assert client.ask("GET", "/").status == 200


def test_a_certificate_of_a_name_that_comes_later(proxy, authority, tmp_path):
    """With variables: what the pattern finds changes, and that is a change."""
    tmp_path.chmod(0o755)
    first = authority.issue("a.test")
    first.write(str(tmp_path / "a.test.pem"), str(tmp_path / "a.test.key"))
    config = (f"{WATCH} server {{ listen @P@ ssl; ssl_certificate {tmp_path}/$ssl_server_name.pem;"
              f" ssl_certificate_key {tmp_path}/$ssl_server_name.key; location / {{ return 200 ok; }} }}")
    desk = proxy(config)
    assert shown(desk, "a.test") == first.serial
    with pytest.raises((ssl.SSLError, OSError)):
        shown(desk, "b.test")
    second = authority.issue("b.test")
    second.write(str(tmp_path / "b.test.pem"), str(tmp_path / "b.test.key"))

    def is_there():
        try:
            return shown(desk, "b.test") == second.serial
        except OSError:
            return False
    desk.wait_for(is_there, 20, "the second certificate")
    assert shown(desk, "a.test") == first.serial


# ---- secrets ----

def memory_of(pid):
    """What a process may read and write of its own."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if area is None or "[v" in line:
                continue
            start, end = int(area[1], 16), int(area[2], 16)
            memory.seek(start)
            try:
                yield memory.read(end - start)
            except OSError:
                continue


def secret_of(pair):
    """A line of the key's text: base64, of the secret itself."""
    return pair.key_pem.splitlines()[1].encode()


def test_keys_are_not_printed(proxy, pair):
    desk = proxy(site(pair))
    printed = desk.run("-T")
    assert printed.returncode == 0 and pair.key in printed.stdout
    assert "PRIVATE KEY" not in printed.stdout and "PRIVATE KEY" not in desk.errors()


@pytest.mark.skipif(is_sanitized(), reason="what was freed is kept on purpose, and terabytes are mapped")
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_texts_of_keys_do_not_stay_in_the_worker(proxy, authority, kind):
    """It has the keys, in OpenSSL's form; what was read from the files is overwritten."""
    pair = authority.issue("localhost", kind=kind)
    desk = proxy(site(pair))
    desk.may_alert = True
    assert shown(desk) == pair.serial
    assert any(secret_of(pair) in area for area in memory_of(desk.pid))      # it could be found
    for _ in range(2):
        assert not any(secret_of(pair) in area for area in memory_of(desk.worker()))
        size = desk.reload(http=site(pair))
        desk.wait_for(lambda: "is in force" in desk.errors()[size:], 20, "a reload")
        assert shown(desk) == pair.serial
    worker = desk.worker()
    os.kill(worker, signal.SIGKILL)
    desk.wait_for(lambda: desk.workers() and desk.workers() != [worker], 20, "another worker")
    assert shown(desk) == pair.serial
    assert not any(secret_of(pair) in area for area in memory_of(desk.worker()))


def test_the_worker_opens_no_key(proxy, pair):
    """It needs no access: the file is root's alone."""
    os.chmod(pair.key, 0o600)
    desk = proxy(site(pair))
    assert shown(desk) == pair.serial
    desk.wait_for(lambda: state_of(desk.worker()) != "Z", 20, "the worker")


def test_the_certificate_is_whose_it_should_be(proxy, authority):
    one, two = authority.issue("one.test"), authority.issue("two.test")
    desk = proxy(site(one, name="one.test") + site(two, name="two.test"))
    for name in ("one.test", "two.test"):
        with desk.connect(tls=Tls(name)) as client:
            assert subject_of(client.sock) == name
