# SPDX-License-Identifier: MIT
"""Command line, signals, pid file, and what happens when a process dies."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness.client import Client, request
from harness.load import CheckedLoad, checked_answer
from harness.proxy import BINARY, ENVIRONMENT, children_of, freeze, is_nginx, state_of
from harness.wire import Closed

ours = pytest.mark.ours
NAME = "nginx" if is_nginx() else "frontdesk"

CONF = "server { listen @P@; location / { return 200 ok; } }"


def run(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=10, check=False, env=ENVIRONMENT)


# ---- versions and help ------------------------------------------------------------------------------

def test_v():
    done = run("-v")
    assert done.returncode == 0 and done.stdout == ""
    assert re.fullmatch(rf"{NAME} version: {NAME}/\d+\.\d+\.\d+\n", done.stderr)


def test_big_v():
    done = run("-V")
    assert done.returncode == 0 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert re.fullmatch(rf"{NAME} version: {NAME}/\d+\.\d+\.\d+", lines[0])
    assert any(re.match(r"built (by|with) ", line) for line in lines)
    assert any(re.match(r"built with OpenSSL \d", line) for line in lines)
    assert "TLS SNI support enabled" in lines
    assert any(line.startswith("configure arguments: --") or line == "configure arguments:" for line in lines)


def test_h():
    done = run("-h")
    assert done.returncode == 0
    said = done.stdout + done.stderr
    for option in ("-v", "-V", "-t", "-T", "-q", "-s signal", "-p prefix", "-e filename", "-c filename", "-g directives"):
        assert option in said


@pytest.mark.parametrize("arguments, words", [
    (["-x"], 'invalid option: "x"'), (["what"], 'invalid option: "what"'), (["-s", "dance"], 'invalid option: "-s dance"'),
    (["-c"], 'option "-c" requires file name'), (["-g"], 'option "-g" requires parameter'), (["-p"], 'option "-p" requires directory name'),
])
def test_bad_options(arguments, words):
    done = run(*arguments)
    assert done.returncode == 1
    assert words in done.stderr


def test_options_may_be_joined(proxy):
    desk = proxy(CONF, start=False)
    done = run(f"-p{desk.directory}/", f"-c{desk.conf}", f"-e{desk.error_path}", "-tq")
    assert done.returncode == 0
    assert done.stdout + done.stderr == ""


# ---- -t, -T -----------------------------------------------------------------------------------------

def test_t(proxy):
    desk = proxy(CONF, start=False)
    done = desk.run("-t")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-2:] == [f"{NAME}: the configuration file {desk.conf} syntax is ok",
                                             f"{NAME}: configuration file {desk.conf} test is successful"]


def test_t_of_a_missing_file(proxy):
    desk = proxy(start=False, http=CONF)
    os.unlink(desk.conf)
    done = desk.run("-t")
    assert done.returncode == 1
    assert re.search(rf'{NAME}: \[emerg\] open\(\) "{desk.conf}" failed \(2: No such file or directory\)', done.stderr)
    assert f"{NAME}: configuration file {desk.conf} test failed" in done.stderr


@ours
def test_a_relative_c_that_was_meant_from_here(proxy):
    """It starts at the prefix, as nginx's does; whoever stands beside the file is told."""
    desk = proxy(CONF, start=False)
    os.mkdir(desk.path("sub"))

    def t(prefix):
        return subprocess.run([BINARY, "-t", "-p", prefix, "-c", "nginx.conf", "-e", "stderr"], text=True, timeout=10,
                              capture_output=True, check=False, env=ENVIRONMENT, cwd=desk.directory)
    done = t("sub")
    assert done.returncode == 1
    assert f"did you mean -c {desk.conf}?" in done.stderr and f'open() "{desk.path("sub/nginx.conf")}"' in done.stderr
    done = t(".")
    assert done.returncode == 0 and "did you mean" not in done.stderr


@pytest.mark.parametrize("conf, words, line", [
    ("events {}\nhttp {\n  nonsense on;\n}\n", 'unknown directive "nonsense"', 3),
    ("events {}\nhttp { server { listen 80\n } }\n", 'unexpected "}"', 3),
    ("events {}\nhttp {\n server { }\n", 'unexpected end of file, expecting "}"', 4),
    ("events {}\nhttp { } }\n", 'unexpected "}"', 2),
    ("events {}\nhttp { server { ; } }\n", 'unexpected ";"', 2),
    ("events {}\nhttp { server_tokens; }\n", 'invalid number of arguments in "server_tokens" directive', 2),
    ("events {}\nhttp { server_tokens maybe; }\n", 'invalid value "maybe"', 2),
    ("events {}\nhttp {\n keepalive_timeout soon;\n}\n", '"keepalive_timeout" directive invalid value', 3),
    ("events {}\nhttp { client_max_body_size 1x; }\n", '"client_max_body_size" directive invalid value', 2),
    ("events {}\nlisten 80;\n", '"listen" directive is not allowed here', 2),
    ("events {}\nhttp { worker_processes 1; }\n", '"worker_processes" directive is not allowed here', 2),
    ("events {}\nhttp { sendfile on; sendfile on; }\n", '"sendfile" directive is duplicate', 2),
    ("events {}\nhttp { server { location { } } }\n", 'invalid number of arguments in "location" directive', 2),
    ("events {}\nhttp { server \"x { } }\n", 'unexpected end of file', None),
    ("events {}\nhttp { include missing.conf; }\n", 'failed (2: No such file or directory)', 2),
    ("events {}\nhttp { proxy_connect_timeout 1h30; server { } }\n", None, None),
    ("worker_processes many;\nevents {}\n", "invalid value", 1),
    ("events { use nonsense; }\n", 'invalid event type "nonsense"', 1),
])
def test_t_finds(proxy, conf, words, line):
    desk = proxy(conf=conf, start=False)
    done = desk.run("-t")
    if words is None:
        assert done.returncode in (0, 1)
        return
    assert done.returncode == 1
    assert words in done.stderr
    if line:
        assert re.search(rf"{NAME}: \[emerg\] .*{re.escape(words)}.* in {re.escape(desk.conf)}:{line}$", done.stderr, re.M)


@ours
def test_t_shows_the_line_with_a_caret_and_a_guess(proxy):
    desk = proxy(conf="events {}\nhttp {\n  server {\n    proxy_pas http://127.0.0.1;\n  }\n}\n", start=False)
    done = desk.run("-t")
    assert done.returncode == 1
    assert f'[emerg] unknown directive "proxy_pas" in {desk.conf}:4' in done.stderr
    lines = done.stderr.splitlines()
    at = next(i for i, text in enumerate(lines) if "proxy_pas http://127.0.0.1;" in text)
    assert "^" in lines[at + 1]
    assert lines[at + 1].index("^") == lines[at].index("proxy_pas")
    assert re.search(r'did you mean "?proxy_pass"?', done.stderr)


@ours
def test_t_shows_every_error(proxy):
    desk = proxy(conf="events {}\nhttp {\n  nonsens on;\n  server {\n    listen 99999999;\n    keepalive_timeout soon;\n  }\n  servr_tokens off;\n}\n",
                 start=False)
    done = desk.run("-t")
    assert done.returncode == 1
    for line in (3, 5, 6, 8):
        assert f"{desk.conf}:{line}" in done.stderr, done.stderr


@ours
def test_a_directive_of_nginx_that_we_lack_is_named_as_such(proxy):
    """Not a typo of the user's: the message says that it is known and missing."""
    desk = proxy("server { location / { memcached_pass 127.0.0.1:11211; } }", start=False)
    done = desk.run("-t")
    assert done.returncode == 1
    assert '"memcached_pass"' in done.stderr
    assert "unknown directive" not in done.stderr


def test_include_names_its_own_file(proxy):
    desk = proxy("include parts/x.conf;", start=False)
    path = desk.put("parts/x.conf", "\nserver {\n  bogus;\n}\n")
    done = desk.run("-t")
    assert f'unknown directive "bogus" in {path}:3' in done.stderr


def test_big_t_dumps(proxy):
    desk = proxy("include parts/*.conf;", start=False)
    path = desk.put("parts/x.conf", CONF + " # a comment\n")
    done = desk.run("-T")
    assert done.returncode == 0
    assert f"# configuration file {desk.conf}:\n" in done.stdout
    assert f"# configuration file {path}:\n" in done.stdout
    assert "# a comment" in done.stdout
    assert "test is successful" in done.stderr


def test_t_opens_no_port(proxy):
    desk = proxy(CONF)
    assert desk.run("-t").returncode == 0
    assert desk.get().text == "ok"


# ---- start ------------------------------------------------------------------------------------------

def test_the_pid_file_is_the_started_process(proxy):
    desk = proxy(CONF)
    assert int(desk.read("frontdesk.pid")) == desk.pid
    assert desk.read("frontdesk.pid").endswith("\n")
    desk.stop()
    assert not os.path.exists(desk.pid_file)


def test_when_the_pid_file_is_there_the_ports_listen(proxy):
    desk = proxy(CONF, start=False)
    for _ in range(5):
        desk.start(wait=False)
        while not os.path.exists(desk.pid_file) or not desk.read("frontdesk.pid"):
            time.sleep(0.0005)
        Client(desk.address()).close()
        desk.stop()


def test_daemon(proxy):
    desk = proxy(CONF, start=False)
    with Daemon(desk) as daemon:
        assert desk.get().text == "ok"
        assert os.getsid(daemon.pid) == daemon.pid
        os.kill(daemon.pid, signal.SIGTERM)
        daemon.has_ended(daemon.pid)


def test_g_and_relative_paths(proxy):
    desk = proxy(conf="events {} http { access_log logs/x.log; include inc.conf; " + CONF + " }", start=False)
    desk.put("inc.conf", "server_tokens off;")
    desk.start("-g", "daemon off; pid frontdesk.pid; error_log logs/mine.log notice;")
    assert not re.search(r"\d", desk.get().get("Server"))
    assert desk.log_lines(1, "logs/x.log")
    assert os.path.exists(desk.path("logs/mine.log"))


def test_includes_resolve_against_the_configuration(proxy):
    """Includes from the configuration's directory, logs from the prefix."""
    desk = proxy(CONF, start=False)
    os.mkdir(desk.path("etc"))
    desk.conf = desk.path("etc/other.conf")
    desk.put("etc/inc.conf", CONF)
    desk.write("include inc.conf;")
    desk.start()
    assert desk.get().text == "ok"
    assert desk.log_lines(1)


def test_master_process_off(proxy):
    desk = proxy(CONF, main="master_process off;")
    assert desk.get().text == "ok"
    assert desk.workers() == []


@ours
def test_master_process_off_takes_signals(proxy):
    """nginx's single process closes and opens its listeners at a reload: ours keeps them."""
    desk = proxy(CONF, main="master_process off;")
    desk.reload(http=CONF.replace("ok", "new"), main="master_process off;")
    desk.wait_for(lambda: desk.get().text == "new", 20, "the reload")
    os.rename(desk.path("logs/access.log"), desk.path("logs/moved.log"))
    desk.tell(signal.SIGUSR1)
    desk.wait_for(lambda: os.path.exists(desk.path("logs/access.log")), 20, "a new log")
    desk.stop(signal.SIGQUIT)
    assert not os.path.exists(desk.pid_file)


@ours
def test_the_pid_file_moves_with_the_configuration(proxy):
    desk = proxy(CONF)
    with open(desk.conf, encoding="utf-8") as file:
        text = file.read()
    desk.reload(conf=text.replace("pid frontdesk.pid", "pid other.pid"))
    desk.wait_for(lambda: desk.read("other.pid").strip() == str(desk.pid), 20, "the new pid file")
    desk.wait_for(lambda: not os.path.exists(desk.pid_file), 20, "the end of the old one")
    desk.stop()
    assert not os.path.exists(desk.path("other.pid"))


def test_a_second_start_leaves_the_first_alone(proxy):
    desk = proxy(CONF)
    done = desk.run()
    assert done.returncode == 1
    assert f"bind() to {desk.address()} failed (98: Address already in use)" in done.stderr
    assert desk.read("frontdesk.pid").strip() == str(desk.pid)
    assert desk.get().text == "ok"


@ours
@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_service_manager_is_told(proxy, is_abstract):
    """systemd's Type=notify and notify-reload: ready when it serves, at each reload, and at the end."""
    desk = proxy(CONF, start=False)
    path = f"\0{desk.directory}" if is_abstract else desk.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(20)

        def heard():
            return dict(line.split("=") for line in manager.recv(1000).decode().splitlines())
        desk.start(environment={"NOTIFY_SOCKET": path.replace("\0", "@")}, wait=False)
        assert heard() == {"READY": "1", "MAINPID": str(desk.pid)}
        assert desk.get().text == "ok"
        for http in (CONF, "nonsense;"):
            desk.reload(http=http)
            begun = heard()
            assert begun["RELOADING"] == "1" and int(begun["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            assert heard()["READY"] == "1"
        desk.stop(signal.SIGQUIT)
        assert heard() == {"STOPPING": "1"}


def test_worker_is_not_root(proxy):
    if os.getuid() != 0:
        pytest.skip("needs root")
    desk = proxy(CONF, main="user nobody nogroup;")

    def dropped():
        with open(f"/proc/{desk.worker()}/status", encoding="ascii") as file:
            text = file.read()
        return re.search(r"^Uid:\s+65534\s+65534\s+65534\s+65534$", text, re.M) and re.search(r"^Gid:\s+65534\s", text, re.M)
    desk.wait_for(dropped, 20, "the worker to become nobody")
    assert desk.get().text == "ok"


def test_missing_temporary_directories_are_made(proxy):
    desk = proxy("client_body_temp_path made/body 1 2; proxy_temp_path made2;" + CONF, start=False, preamble="access_log off;")
    os.mkdir(desk.path("made"))
    desk.start()
    assert os.path.isdir(desk.path("made2"))


def test_worker_rlimit_nofile(proxy):
    desk = proxy(CONF, main="worker_rlimit_nofile 777;")

    def limited():
        with open(f"/proc/{desk.worker()}/limits", encoding="ascii") as file:
            return re.search(r"^Max open files\s+777\s+777\s", file.read(), re.M)
    desk.wait_for(limited, 20, "the limit")


@ours
def test_worker_processes_is_the_number_of_loops(proxy):
    """One worker process; its threads are the loops."""
    desk = proxy(CONF, workers=3)
    assert len(desk.workers()) == 1
    assert desk.wait_for(lambda: len(os.listdir(f"/proc/{desk.worker()}/task")) >= 3, 20, "threads")
    for _ in range(30):
        assert desk.get().text == "ok"


def test_worker_processes_auto(proxy):
    desk = proxy(CONF, workers="auto")
    assert [desk.get().text for _ in range(10)] == ["ok"] * 10


# ---- signals ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_idle_stop_is_quick(proxy, number):
    desk = proxy(CONF)
    with desk.connect() as client:
        client.ask()
        begin = time.monotonic()
        desk.stop(number)
        assert time.monotonic() - begin < 15
        client.expect_closed()
    with pytest.raises(OSError):
        desk.connect()


def test_quit_finishes_what_runs(proxy, origin):
    """F23: new connections are refused, downloads are finished, then it ends."""
    go = threading.Event()

    def script(conn):
        conn.request()
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        go.wait(60)
        conn.send("world")
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; proxy_buffering off; } }", O=origin(script=script))
    with desk.send_raw(request()) as client:
        client.take_head()
        assert client.take(5) == b"hello"
        desk.tell(signal.SIGQUIT)

        def refused():
            try:
                desk.connect().close()
                return False
            except OSError:
                return True
        desk.wait_for(refused, 20, "the port to close")
        assert desk.process.poll() is None
        go.set()
        assert client.take(5) == b"world"
        assert desk.process.wait(20) == 0


def test_term_does_not_wait(proxy, origin):
    back = origin(script=lambda conn: (conn.request(), conn.hang()))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } }", O=back)
    with desk.send_raw(request()) as client:
        back.wait_requests(1)
        begin = time.monotonic()
        desk.stop(signal.SIGTERM)
        assert time.monotonic() - begin < 15
        client.rest()


@pytest.mark.parametrize("word", ["stop", "quit"])
def test_s_stop_and_quit(proxy, word):
    desk = proxy(CONF)
    assert desk.run("-s", word).returncode == 0
    assert desk.process.wait(5) == 0


def test_s_reload_and_reopen(proxy):
    desk = proxy(CONF)
    desk.write(CONF.replace("ok", "new"))
    assert desk.run("-s", "reload").returncode == 0
    desk.wait_for(lambda: desk.get().text == "new", 20, "the reload")
    os.rename(desk.path("logs/access.log"), desk.path("logs/moved.log"))
    assert desk.run("-s", "reopen").returncode == 0
    desk.wait_for(lambda: os.path.exists(desk.path("logs/access.log")), 20, "a new log")


def test_s_without_a_process(proxy):
    done = proxy(CONF, start=False).run("-s", "stop")
    assert done.returncode == 1
    assert 'failed (2: No such file or directory)' in done.stderr


class Daemon:
    """The proxy as a daemon (nginx takes USR2 and WINCH only then), ended by the pids of its files."""

    def __init__(self, desk, http=CONF, **names):
        self.desk = desk
        desk.write(conf="pid frontdesk.pid; error_log logs/error.log info; worker_processes 1; events {} "
                        "http { access_log off; client_body_temp_path b; proxy_temp_path p; " + http + " }", **names)
        self.desk.start(wait=False)
        assert desk.process.wait(10) == 0, desk.stderr() + desk.errors()
        desk.process = None
        self.pid = self.pid_of("frontdesk.pid")
        self.seen = {self.pid}
        desk.wait_for(self.workers, 20, "a worker")

    def pid_of(self, name):
        pid = int(self.desk.wait_for(lambda: self.desk.read(name).strip(), 8, name))
        return pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for pid in self.seen:
            for one in [pid, *children_of(pid)]:
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        # A daemon's worker has no standard error: its status is what tells of a sanitizer's report.
        failed = re.search(r"worker process \d+ exited with code [1-9].*", self.desk.errors())
        assert not failed, failed[0]

    def workers(self, pid=None):
        return [c for c in children_of(pid or self.pid) if state_of(c) not in ("", "Z")]

    def has_ended(self, pid, seconds=10):
        self.desk.wait_for(lambda: state_of(pid) in ("", "Z"), seconds, f"process {pid} to end")

    def upgrade(self):
        """USR2: the old supervisor keeps its sockets, the new one has its own pid file."""
        os.kill(self.pid, signal.SIGUSR2)
        old = self.pid_of("frontdesk.pid.oldbin")
        self.desk.wait_for(lambda: self.desk.read("frontdesk.pid").strip() not in ("", str(self.pid)), 20, "a new pid")
        new = self.pid_of("frontdesk.pid")
        self.seen.add(new)
        assert old == self.pid != new
        self.desk.wait_for(lambda: self.workers(new), 20, "the new worker")
        return new


def test_a_daemon_lets_go_of_the_terminal(proxy):
    """Whoever starts it and reads what it says until the end (ssh, a script) must not wait for ever."""
    desk = proxy(CONF, start=False)
    desk.write(conf="pid frontdesk.pid; error_log logs/error.log info; events {} http { access_log off; "
                    "client_body_temp_path b; proxy_temp_path p; " + CONF + " }")
    try:
        done = desk.run(timeout=10)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert desk.get().text == "ok"
    finally:
        pid = int(desk.wait_for(lambda: desk.read("frontdesk.pid").strip(), 20, "the pid file"))
        os.kill(pid, signal.SIGTERM)
    desk.wait_for(lambda: state_of(pid) in ("", "Z"), 20, "its end")


@ours
@pytest.mark.parametrize("daemon", ["on", "off"])
def test_started_with_closed_descriptors(proxy, daemon):
    """No socket and no log gets the numbers that messages for people are written to."""
    desk = proxy(CONF, start=False)
    desk.write(conf=f"daemon {daemon}; pid frontdesk.pid; error_log logs/error.log info; events {{}} http {{ access_log off; "
                    "client_body_temp_path b; proxy_temp_path p; " + CONF + " }")
    with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *desk.command()], env=ENVIRONMENT) as shell:
        pid = int(desk.wait_for(lambda: desk.read("frontdesk.pid").strip(), 20, "the pid file"))
        try:
            assert desk.get().text == "ok"
            if daemon == "on":               # it waits until a worker has said that it serves
                assert shell.wait(5) == 0
            for process in [pid, *children_of(pid)]:
                assert {os.readlink(f"/proc/{process}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
        finally:
            os.kill(pid, signal.SIGTERM)
        assert shell.wait(5) == 0


PROXIED = "server { listen @P@; location / { proxy_pass http://@O@; } }"


def test_usr2_upgrades_without_losing_a_request(proxy, origin):
    """F05: the new binary inherits the listeners; then the old one quits."""
    desk = proxy(CONF, start=False)
    with Daemon(desk, PROXIED, O=origin(handle=checked_answer)) as daemon, CheckedLoad(desk.address(), clients=4) as load:
        load.wait(30)
        new = daemon.upgrade()
        load.wait(30)
        os.kill(daemon.pid, signal.SIGQUIT)
        daemon.has_ended(daemon.pid)
        load.wait(100)
        assert daemon.pid_of("frontdesk.pid") == new
        os.kill(new, signal.SIGHUP)
        load.wait(30)
    assert load.failures == []


def test_usr2_winch_and_roll_back(proxy, origin):
    """F05: WINCH the old one's workers, HUP them back, QUIT the new one: as if nothing had been."""
    desk = proxy(CONF, start=False)
    with Daemon(desk, PROXIED, O=origin(handle=checked_answer)) as daemon, CheckedLoad(desk.address(), clients=2) as load:
        new = daemon.upgrade()
        os.kill(daemon.pid, signal.SIGWINCH)
        desk.wait_for(lambda: [w for w in daemon.workers() if w != new and new not in (w,)] == [], 20, "the old workers to end")
        load.wait(30)
        os.kill(daemon.pid, signal.SIGHUP)
        desk.wait_for(lambda: [w for w in daemon.workers() if w != new], 20, "old workers again")
        os.kill(new, signal.SIGQUIT)
        daemon.has_ended(new)
        load.wait(100)
        desk.wait_for(lambda: desk.read("frontdesk.pid").strip() == str(daemon.pid), 20, "the pid file to come back")
    assert load.failures == []


def test_usr2_with_a_broken_file_keeps_the_old_one(proxy):
    desk = proxy(CONF, start=False)
    with Daemon(desk) as daemon:
        with open(desk.conf, "w", encoding="ascii") as file:
            file.write("nonsense;")
        os.kill(daemon.pid, signal.SIGUSR2)
        desk.wait_error("nonsense")
        desk.wait_for(lambda: desk.read("frontdesk.pid").strip() == str(daemon.pid), 20, "the pid file to come back")
        assert desk.get().text == "ok"


def test_usr2_with_a_binary_that_does_not_run(proxy):
    """The old one goes on as if nothing had been, and takes the next one."""
    desk = proxy(CONF, start=False)
    desk.may_alert = True                   # nginx's level for a failed execve()
    copy, plain = desk.path("binary"), desk.command
    shutil.copy(BINARY, copy)
    desk.command = lambda *arguments: [copy, *plain(*arguments)[1:]]
    with Daemon(desk) as daemon:
        os.rename(copy, copy + ".good")
        with open(copy, "w", encoding="ascii") as file:
            file.write("garbage")
        os.chmod(copy, 0o755)
        os.kill(daemon.pid, signal.SIGUSR2)
        desk.wait_error(r"execve\(\) failed while executing new binary process")
        desk.wait_for(lambda: desk.read("frontdesk.pid").strip() == str(daemon.pid), 20, "the pid file to come back")
        assert desk.get().text == "ok"
        os.rename(copy + ".good", copy)
        new = daemon.upgrade()
        os.kill(daemon.pid, signal.SIGQUIT)
        daemon.has_ended(daemon.pid)
        assert desk.get().text == "ok"
        os.kill(new, signal.SIGQUIT)
        daemon.has_ended(new)


@pytest.mark.parametrize("how", [signal.SIGQUIT, pytest.param(signal.SIGTERM), pytest.param(signal.SIGKILL, marks=ours)])
def test_a_unix_socket_survives_an_upgrade(proxy, how):
    """However the old one ends, it doesn't take the path away from the new one."""
    desk = proxy(CONF, start=False)
    with Daemon(desk, CONF.replace("listen @P@;", "listen @P@; listen unix:@DIR@/sock;")) as daemon:
        new = daemon.upgrade()
        os.kill(daemon.pid, how)
        daemon.has_ended(daemon.pid)
        with Client(f"unix:{desk.path('sock')}") as client:
            assert client.ask().text == "ok"
        os.kill(new, signal.SIGQUIT)
        daemon.has_ended(new)
        assert not os.path.exists(desk.path("sock"))


@ours
def test_the_new_binary_dies_and_the_old_one_goes_on(proxy):
    desk = proxy(CONF, start=False)
    with Daemon(desk) as daemon:
        new = daemon.upgrade()
        os.kill(daemon.pid, signal.SIGWINCH)
        desk.wait_for(lambda: [w for w in daemon.workers() if w != new] == [], 20, "the old workers to end")
        os.kill(new, signal.SIGKILL)
        desk.wait_for(lambda: [w for w in daemon.workers() if w != new], 20, "old workers again")
        desk.wait_for(lambda: desk.read("frontdesk.pid").strip() == str(daemon.pid), 20, "the pid file to come back")
        assert desk.get().text == "ok"


# ---- death of a worker ------------------------------------------------------------------------------

def kill_worker(desk):
    worker = desk.worker()
    begin = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    desk.wait_for(lambda: [w for w in desk.workers() if w != worker], 20, "a new worker")
    return begin


def test_a_killed_worker_is_replaced(proxy):
    """Within 100 ms; on a loaded machine at least once in five."""
    desk = proxy(CONF)
    desk.may_alert = True
    took = []
    for _ in range(5):
        begin = kill_worker(desk)
        assert desk.get().text == "ok"
        took.append(time.monotonic() - begin)
    assert min(took) < 0.1 and max(took) < 5, took
    desk.wait_error(r"exited on signal 9")


@ours
def test_a_reload_behind_a_kill_is_not_lost(proxy):
    """The worker dies while the new configuration is made: its successor gets it. Only when the worker had been
    given it before is the former one safer; then the log says so."""
    desk = proxy(CONF, workers=16)
    desk.may_alert = True
    for i in range(4):
        before = desk.log_size()
        desk.write(CONF.replace("ok", f"v{i}"), workers=16)
        os.kill(desk.worker(), signal.SIGKILL)
        desk.tell(signal.SIGHUP)
        desk.wait_for(lambda at=before: re.search("is in force|not taken over", desk.errors()[at:]), what="an end of it")
        if "not taken over" in desk.errors()[before:]:
            desk.wait_error("not taken over: the worker ended; the former one stays")
        else:
            desk.wait_for(lambda words=f"v{i}": desk.get().text == words, what="the reload")


def test_signals_that_the_parent_ignores(proxy):
    """Inherited, an ignored SIGCHLD would let a worker end unseen; nohup's SIGHUP must still reload."""
    def ignore_all():
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
    desk = proxy(CONF, before=ignore_all)
    desk.may_alert = True
    kill_worker(desk)
    assert desk.get().text == "ok"
    desk.reload(http=CONF.replace("ok", "new"))
    desk.wait_for(lambda: desk.get().text == "new", 20, "the reload")
    desk.stop(signal.SIGQUIT)


def test_waiting_connections_are_served_by_the_new_worker(proxy):
    """Those in the backlog: connected while no worker was there."""
    desk = proxy(CONF)
    desk.may_alert = True
    worker = desk.worker()
    freeze(worker)
    waiting = [desk.send_raw(request()) for _ in range(20)]
    os.kill(worker, signal.SIGKILL)
    for client in waiting:
        assert client.response().text == "ok"
        client.close()


def test_a_crash_with_a_broken_file_on_disk(proxy):
    """The last good configuration is kept in memory."""
    desk = proxy(CONF + "server { listen @Q@; location / { return 200 $mapped; } } map $arg_a $mapped { 1 one; default other; }")
    desk.may_alert = True
    with open(desk.conf, "w", encoding="ascii") as file:
        file.write("this is { not a configuration")
    for _ in range(2):
        kill_worker(desk)
        assert desk.get().text == "ok"
        assert desk.get("/?a=1", to="Q").text == "one"
    os.unlink(desk.conf)
    kill_worker(desk)
    assert desk.get().text == "ok"


@pytest.mark.slow
def test_workers_die_under_load(proxy, origin):
    """F01: only requests on the dead worker's connections fail; the next accept is quick; nothing grows."""
    back = origin(handle=checked_answer)
    desk = proxy("""upstream u { server @O@; keepalive 16; } server { listen @P@; location / { proxy_pass http://u;
        proxy_http_version 1.1; proxy_set_header Connection ""; } location /v { return 200 load; } }""", O=back)
    desk.may_alert = True
    rounds = 30 if os.environ.get("FULL") else 5
    slow = []
    with CheckedLoad(desk.address(), clients=6) as load:
        load.wait(200)
    supervisor = desk.footprint(desk.pid)
    time.sleep(0.9)                     # its connections are parked, its memory goes back
    before = desk.footprint()
    with CheckedLoad(desk.address(), clients=6, may_cut=True) as load:
        for _ in range(rounds):
            load.wait(50)
            worker = desk.worker()
            begin = time.monotonic()
            os.kill(worker, signal.SIGKILL)
            while True:
                try:
                    assert desk.get("/v").text == "load"
                    break
                except (Closed, ConnectionError):
                    continue
            slow.append(time.monotonic() - begin)
            time.sleep(2.0 if rounds == 30 else 0.6)
        load.wait(50)
        load.wait(200)
    assert load.failures == []
    assert min(slow) < 0.2 and max(slow) < 10, slow
    desk.wait_settled(before)
    desk.wait_settled(supervisor, pid=desk.pid)


@ours
def test_repeated_crashes_back_off_and_say_so(proxy):
    desk = proxy(CONF)
    desk.may_alert = True
    for _ in range(6):
        worker = desk.wait_for(lambda: (desk.workers() or [0])[0], 20, "a worker")
        try:
            os.kill(worker, signal.SIGKILL)
        except ProcessLookupError:
            pass
        desk.wait_for(lambda: worker not in desk.workers(), 20, "its end")
    desk.wait_for(lambda: desk.errors().count("exited on signal 9") == 6, 20, "six lines")
    assert re.search(r"too often|delay|back off|backs off", desk.errors(), re.I)
    desk.wait_for(desk.workers, 20, "a worker after the pause")
    assert desk.get(timeout=10).text == "ok"


def test_the_worker_ends_with_its_supervisor(proxy):
    """kill -9 of the supervisor must not leave a worker that holds the ports (or it must go on serving)."""
    desk = proxy(CONF)
    worker = desk.worker()
    desk.process.kill()
    desk.process.wait()
    desk.process = None
    time.sleep(0.2)
    try:
        if not is_nginx():
            desk.wait_for(lambda: state_of(worker) in ("", "Z"), 20, "the worker to end")
    finally:
        if state_of(worker) not in ("", "Z"):
            os.kill(worker, signal.SIGKILL)


@ours
@pytest.mark.slow
def test_a_worker_that_stands_still_is_replaced(proxy):
    """F24: the supervisor's watchdog ends a stopped worker; the next one has its sockets."""
    desk = proxy(CONF)
    desk.may_alert = True
    worker = desk.worker()
    freeze(worker)
    with desk.send_raw(request(), timeout=25) as client:
        desk.wait_for(lambda: [w for w in desk.workers() if w != worker], 20, "another worker")
        assert client.response().text == "ok"
    desk.wait_error("not answered")
