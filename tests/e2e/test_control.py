# SPDX-License-Identifier: MIT
"""The control socket, its life beside that of the processes, its protocol, and the command line that uses it."""
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from harness.proxy import BINARY, ENVIRONMENT, children_of, state_of
from test_process import Daemon

pytestmark = pytest.mark.ours

CONF = "server { listen @P@; location / { return 200 ok; } }"


def inode(path):
    return os.lstat(path).st_ino


def status(desk, *arguments):
    """What `frontdesk status` prints first, by name."""
    done = desk.run(*arguments, "status")
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.strip().split(": ", 1) for line in done.stdout.split("connections:")[0].splitlines() if ": " in line)


def number(desk):
    said = status(desk, "--socket", desk.path("frontdesk.sock"))
    return int(said["number"])


def reload(desk, **write):
    """HUP, and until it is in force."""
    count = desk.errors().count("the new configuration is in force")
    desk.reload(**write)
    desk.wait_for(lambda: desk.errors().count("the new configuration is in force") > count, 20, "the reload")


def ask(path, data, timeout=5.0):
    """Raw bytes in, everything that comes until the end."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        try:
            sock.sendall(data)
        except BrokenPipeError:
            pass                                    # refused before it was read: the reason is there
        said = b""
        try:
            while piece := sock.recv(65536):
                said += piece
        except ConnectionResetError:
            pass                                    # more was sent than it wanted to read
        return said.decode()


# ---- its life ---------------------------------------------------------------------------------------

def test_it_is_there_from_start_to_end(proxy):
    desk = proxy(CONF, workers=2)
    path = desk.path("frontdesk.sock")
    mode = os.lstat(path)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600 and mode.st_uid == os.getuid()
    said = status(desk)
    assert int(said["worker process"]) == desk.worker()
    assert said["event loops"] == "2" and said["version"].startswith("frontdesk/")
    assert not os.path.exists(path + ".new")
    desk.stop(signal.SIGQUIT)
    assert not os.path.exists(path)


def test_it_stays_over_reloads(proxy):
    desk = proxy(CONF)
    path = desk.path("frontdesk.sock")
    before, first = inode(path), number(desk)
    for _ in range(3):
        reload(desk)
    assert inode(path) == before and number(desk) == first + 3
    desk.reload(http="nonsense;")
    desk.wait_error(r"\[emerg\]")
    assert inode(path) == before and number(desk) == first + 3


def test_a_reload_moves_it_and_turns_it_off(proxy):
    desk = proxy(CONF)
    old, new = desk.path("frontdesk.sock"), desk.path("other.sock")
    reload(desk, http=CONF, main="control_socket other.sock;")
    assert not os.path.exists(old) and status(desk)
    reload(desk, http=CONF, main="control_socket off;")
    assert not os.path.exists(new)
    done = desk.run("status")
    assert done.returncode == 1 and 'the configuration says "control_socket off"' in done.stderr
    reload(desk, http=CONF)
    assert os.path.exists(old) and status(desk)


def test_a_reload_that_fails_leaves_nothing_of_it(proxy):
    desk = proxy(CONF)
    desk.reload(http=CONF, main="control_socket missing/other.sock;")
    desk.wait_error(r'\[emerg\].*the control socket ".*/missing/other.sock" cannot be made \(2: No such file')
    assert status(desk, "--socket", desk.path("frontdesk.sock"))


def test_a_file_that_somebody_removed_comes_back_with_a_reload(proxy):
    desk = proxy(CONF)
    os.unlink(desk.path("frontdesk.sock"))
    assert desk.run("status").returncode == 1
    reload(desk)
    assert status(desk)


def test_the_next_worker_answers(proxy):
    desk = proxy(CONF)
    desk.may_alert = True
    path, worker = desk.path("frontdesk.sock"), desk.worker()
    before = inode(path)
    os.kill(worker, signal.SIGKILL)
    said = status(desk)                             # waits in the socket until there is one
    assert int(said["worker process"]) != worker and inode(path) == before


def test_without_a_master_process(proxy):
    desk = proxy(CONF, main="master_process off;")
    assert int(status(desk)["worker process"]) == desk.pid
    desk.stop()
    assert not os.path.exists(desk.path("frontdesk.sock"))


def test_what_a_crash_of_everything_left_is_replaced(proxy):
    desk = proxy(CONF)
    path = desk.path("frontdesk.sock")
    before, worker = inode(path), desk.worker()
    desk.kill()
    desk.wait_for(lambda: state_of(worker) in ("Z", ""), 20, "the worker's end")
    assert inode(path) == before
    done = desk.run("status")
    assert done.returncode == 1 and "no frontdesk is running that listens on " + path in done.stderr
    os.unlink(desk.pid_file)
    desk.start()
    assert status(desk)


def test_only_the_supervisor_was_killed(proxy):
    """Its worker leaves too and lets go of the socket; who starts at once waits for that."""
    desk = proxy(CONF)
    worker = desk.worker()
    desk.process.kill()
    desk.process.wait()
    os.unlink(desk.pid_file)
    desk.start()
    assert int(status(desk)["worker process"]) != worker
    desk.wait_for(lambda: state_of(worker) in ("Z", ""), 20, "the orphan to end")


def test_a_test_of_the_configuration_makes_none(proxy):
    desk = proxy(CONF, start=False)
    assert desk.run("-t").returncode == 0
    assert not os.path.exists(desk.path("frontdesk.sock"))


# ---- places where it cannot be ----------------------------------------------------------------------

def test_a_directory_that_is_missing(proxy):
    desk = proxy(CONF, main="control_socket nowhere/x.sock;", start=False)
    for arguments in (["-t"], []):
        done = desk.run(*arguments)
        assert done.returncode == 1
        assert re.search(r'\[emerg\] the control socket ".*/nowhere/x.sock" cannot be made \(2: No such', done.stderr)


def test_a_path_that_is_too_long(proxy):
    desk = proxy(CONF, start=False)
    room = 103 - len(desk.path(""))
    desk.write(CONF, main=f"control_socket {'x' * (room + 1)};")
    done = desk.run("-t")
    assert done.returncode == 1 and "the path of the control socket is too long: 104 bytes, 103 are possible" in done.stderr
    desk.write(CONF, main=f"control_socket {'x' * room};")
    desk.start()
    assert status(desk)


def test_one_that_nobody_asked_for_stops_no_start(proxy):
    """A long pid path is fine for nginx, so it must be for us: a warning, and no commands."""
    desk = proxy(CONF, start=False)
    name = "p" * 120 + ".pid"
    desk.write(conf=f"daemon off; pid {name}; error_log logs/error.log info; events {{}} http {{ access_log off; "
                    "client_body_temp_path b; proxy_temp_path p; " + CONF + " }")
    desk.pid_file = desk.path(name)
    desk.start()
    desk.wait_error(r"\[warn\].*the control socket .* cannot be made .*commands will not reach this process")
    assert desk.get().text == "ok"


def test_a_file_that_is_no_socket_is_left_alone(proxy):
    desk = proxy(CONF, main="control_socket precious;", start=False)
    desk.put("precious", "text")
    done = desk.run()
    assert done.returncode == 1 and "cannot be made: it is no socket" in done.stderr
    assert desk.read("precious") == "text"


def test_another_process_that_listens_keeps_it(proxy):
    one = proxy(CONF)
    before = inode(one.path("frontdesk.sock"))
    other = proxy(CONF, main=f"control_socket {one.path('frontdesk.sock')};", start=False)
    done = other.run()
    assert done.returncode == 1 and "cannot be made: another process listens there" in done.stderr
    assert inode(one.path("frontdesk.sock")) == before and status(one)


# ---- a new binary -----------------------------------------------------------------------------------

def worker_of(desk, path):
    return int(status(desk, "--socket", path)["worker process"])


def test_a_new_binary_takes_the_path(proxy):
    desk = proxy(CONF, start=False)
    path = desk.path("frontdesk.sock")
    with Daemon(desk) as daemon:
        old = worker_of(desk, path)
        new = daemon.upgrade()
        desk.wait_for(lambda: worker_of(desk, path) in children_of(new), 20, "the new worker to answer")
        assert worker_of(desk, path + ".oldbin") == old
        os.kill(daemon.pid, signal.SIGQUIT)
        daemon.has_ended(daemon.pid)
        assert not os.path.exists(path + ".oldbin")
        assert worker_of(desk, path) in children_of(new)
        os.kill(new, signal.SIGQUIT)
        daemon.has_ended(new)
        assert not os.path.exists(path)


@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGKILL])
def test_the_former_binary_has_it_back(proxy, how):
    """Reloaded meanwhile, as one does who goes back."""
    desk = proxy(CONF, start=False)
    path = desk.path("frontdesk.sock")
    with Daemon(desk) as daemon:
        before, old = inode(path), worker_of(desk, path)
        new = daemon.upgrade()
        os.kill(daemon.pid, signal.SIGHUP)
        desk.wait_error("the new configuration is in force")
        os.kill(new, how)
        daemon.has_ended(new)
        desk.wait_for(lambda: os.path.exists(path) and inode(path) == before, 20, "the path to come back")
        assert not os.path.exists(path + ".oldbin")
        assert worker_of(desk, path) == old
        os.kill(daemon.pid, signal.SIGQUIT)
        daemon.has_ended(daemon.pid)
        assert not os.path.exists(path)


def test_a_new_binary_that_fails_takes_nothing(proxy):
    desk = proxy(CONF, start=False)
    path = desk.path("frontdesk.sock")
    with Daemon(desk) as daemon:
        before = inode(path)
        with open(desk.conf, "w", encoding="ascii") as file:
            file.write("nonsense;")
        os.kill(daemon.pid, signal.SIGUSR2)
        desk.wait_error("nonsense")
        desk.wait_for(lambda: desk.read("frontdesk.pid").strip() == str(daemon.pid), 20, "the pid file to come back")
        desk.wait_for(lambda: not os.path.exists(path + ".oldbin"), 20, "the other name to go")
        assert inode(path) == before and status(desk, "--socket", path)


# ---- who may ----------------------------------------------------------------------------------------

def as_nobody(desk, *arguments):
    return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", BINARY, *arguments],
                          capture_output=True, text=True, timeout=10, check=False, env=ENVIRONMENT, cwd=desk.directory)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_others_may_not(proxy):
    """The mode keeps them out, and where somebody has changed it the worker does."""
    desk = proxy(CONF)
    path = desk.path("frontdesk.sock")
    done = as_nobody(desk, "--socket", path, "status")
    assert done.returncode == 1 and done.stderr.startswith(f"frontdesk: permission denied for {path}: only root")
    os.chmod(path, 0o666)
    done = as_nobody(desk, "--socket", path, "status")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "frontdesk: permission denied\n")
    desk.wait_error(r"\[warn\].*control: user 65534 \(process \d+\) may not give commands")
    assert status(desk)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_the_user_that_started_it_may(proxy):
    desk = proxy(CONF, start=False)
    os.chown(desk.directory, 65534, 65534)
    os.chown(desk.path("logs"), 65534, 65534)
    desk.start(before=lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)))
    done = as_nobody(desk, "--socket", desk.path("frontdesk.sock"), "status")
    assert done.returncode == 0 and done.stderr == ""
    assert status(desk)                             # root may as well


# ---- the protocol -----------------------------------------------------------------------------------

@pytest.mark.parametrize("line, answer", [
    (b"version\n", r"frontdesk/\d+\.\d+\.\d+\nok\n"),
    (b'"version"\n', r"frontdesk/\d+\.\d+\.\d+\nok\n"),
    (b"help\n", r"(?s).*^status [^\n]*$.*^version$.*^ok\n"),
    (b"\n", "error: no command\n"),
    (b"version \n", "error: a word is missing\n"),
    (b"version\r\n", "error: a control character\n"),
    (b"version \xff\n", 'error: "version" takes no more words\n'),
    (b"version\nversion\n", "error: one connection takes one command\n"),
    (b"verzion\n", 'error: unknown command "verzion"; did you mean "version"\\?\n'),
    (b"dance\n", 'error: unknown command "dance"; "help" lists what there is\n'),
    (b"x" * 16383 + b"\n", 'error: unknown command "x{16383}"; "help" lists what there is\n'),
    (b"x" * 16384 + b"\n", "error: the command is too long\n"),
    (b"x" * 100000 + b"\n", "error: the command is too long\n"),
])
def test_lines(proxy, line, answer):
    desk = proxy(CONF)
    said = ask(desk.path("frontdesk.sock"), line)
    assert re.fullmatch(answer, said, re.M), said


def test_a_line_in_pieces(proxy):
    desk = proxy(CONF)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(desk.path("frontdesk.sock"))
        for piece in (b"ver", b"sion", b"\n"):
            sock.sendall(piece)
        sock.shutdown(socket.SHUT_WR)
        assert sock.makefile().read().endswith("\nok\n")


def test_eight_at_a_time(proxy):
    desk = proxy(CONF)
    path = desk.path("frontdesk.sock")
    waiting = []
    for _ in range(8):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(path)
        waiting.append(sock)
    assert ask(path, b"version\n") == "error: too many commands at a time\n"
    waiting[0].close()                              # one leaves without a word
    desk.wait_for(lambda: ask(path, b"version\n").endswith("ok\n"), 20, "room")
    waiting[1].sendall(b"version\n")
    assert waiting[1].makefile().read().endswith("ok\n")
    for sock in waiting:
        sock.close()


@pytest.mark.slow
def test_who_says_nothing_is_cut_off(proxy):
    desk = proxy(CONF)
    assert ask(desk.path("frontdesk.sock"), b"ver", timeout=20) == "error: no command has come\n"


def test_nothing_is_left_of_a_thousand(proxy):
    desk = proxy(CONF)
    path = desk.path("frontdesk.sock")
    assert ask(path, b"version\n")
    before = desk.footprint()
    for i in range(1000):
        said = ask(path, b"version\n" if i % 2 else b"dance " + b"x" * 5000 + b"\n")
        assert said.endswith("ok\n") == bool(i % 2)
    desk.wait_settled(before)


# ---- the command line -------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, words", [
    (["cahce"], 'invalid option: "cahce"; did you mean "cache"?'),
    (["cache"], "cache what? purge, show or stat"),
    (["cache", "purg"], 'unknown "cache purg"; did you mean "purge"?'),
    (["cache", "dance"], 'unknown "cache dance"; there are purge, show and stat'),
    (["cache", "purge"], "purge what? A URL"),
    (["cache", "purge", "--al"], 'unknown option "--al"; did you mean "--all"?'),
    (["cache", "purge", "--all", "--tag", "x"], "one target is enough"),
    (["cache", "purge", "--tag"], '"--tag" requires a value'),
    (["cache", "purge", "example.com/x"], '"example.com/x" is no URL: it begins with http://HOST or https://HOST'),
    (["cache", "show", "http://a/*"], "one URL can be shown, no prefix"),
    (["cache", "show", "http://a/", "-H", "x"], '"x" is no field: Name: value'),
    (["cache", "stat", "x"], '"x" is too much here'),
    (["cache", "stat", "--socket"], 'option "--socket" requires a path'),
    (["status", "--socket", "/no/such.sock"], "no frontdesk is running that listens on /no/such.sock"),
    (["status", "--socket", "/" + "x" * 200], "the path of the control socket is too long"),
    (["status", "a\nb", "--socket", "x"], "this cannot be sent: a control character"),
])
def test_mistakes_are_told_without_a_running_one(proxy, arguments, words):
    desk = proxy(CONF, start=False)
    done = desk.run(*arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert words in done.stderr and done.stderr.startswith("frontdesk: ")


def test_help_needs_nothing():
    for arguments in (["cache", "--help"], ["cache", "purge", "-h"]):
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=10, check=False,
                              env=ENVIRONMENT)
        assert done.returncode == 0 and done.stdout.startswith("Usage: frontdesk") and "--soft" in done.stdout


def test_a_configuration_that_does_not_compile(proxy):
    desk = proxy(CONF)
    path = desk.path("frontdesk.sock")
    desk.write("nonsense;")
    done = desk.run("status")
    assert done.returncode == 1
    assert 'unknown directive "nonsense"' in done.stderr and "--socket PATH" in done.stderr
    assert status(desk, "--socket", path)


def test_the_place_is_found_from_anywhere(proxy):
    """-c and --socket may stand before or behind the command."""
    desk = proxy(CONF)
    for arguments in (["status", "-c", desk.conf, "-p", desk.directory], ["-c", desk.conf, "-p", desk.directory, "status"],
                      ["status", "--socket", "frontdesk.sock"], ["--socket", "frontdesk.sock", "status"]):
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=10, check=False,
                              env=ENVIRONMENT, cwd=desk.directory)
        assert (done.returncode, done.stderr) == (0, "") and "uptime: " in done.stdout


def test_a_worker_that_stops_in_the_middle(proxy):
    """An answer without its last line is none."""
    path = proxy(CONF, start=False).path("fake")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with subprocess.Popen([BINARY, "--socket", path, "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env=ENVIRONMENT) as asking:
            conn, _ = server.accept()
            with conn:
                assert conn.makefile().readline() == "status\n"
                conn.sendall(b"progress: half\nuptime: 1 s\n")
            said, complaint = asking.communicate(timeout=10)
    assert asking.returncode == 1 and said == "uptime: 1 s\n"
    assert complaint == "frontdesk: half\nfrontdesk: the answer has no end: frontdesk has stopped or was started anew\n"
