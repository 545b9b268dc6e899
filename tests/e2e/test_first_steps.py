# SPDX-License-Identifier: MIT
"""What a stranger does first: make help, make run, Ctrl-C; and what install-deps says and does."""
import os
import re
import signal
import socket
import subprocess

import pytest

from harness.client import fetch
from harness.proxy import PORTS, ROOT, Proxy, children_of, is_nginx, state_of

pytestmark = [pytest.mark.ours, pytest.mark.skipif(is_nginx(), reason="the project's own commands")]
RELEASE = os.path.join(ROOT, "build/release/frontdesk")


def test_help_lists_every_target():
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        targets = re.search(r"^\.PHONY: (.*)$", file.read(), re.M)[1].split()
    done = subprocess.run(["make", "-s", "-C", ROOT, "help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "MAKEFLAGS": ""})
    listed = [line.split("  ")[0].split() for line in done.stdout.splitlines()]
    assert sorted(sum(listed, [])) == sorted(targets)


# ---- make run ---------------------------------------------------------------------------------------

class Run:
    """tools/run, which is what `make run` does once all is built, with ports and files of the test's own."""

    def __init__(self, directory, port=None, app_port=None):
        if not os.path.exists(RELEASE):
            pytest.skip("there is no release build")
        self.port, self.app_port = port or PORTS.get(), app_port or PORTS.get()
        self.process = subprocess.Popen(
            [os.path.join(ROOT, "tools/run")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PORT": str(self.port), "APP_PORT": str(self.app_port), "RUN_DIR": str(directory)},
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))   # ignored where tests are in the background
        self.said = ""

    def read_until(self, words):
        while words not in self.said:
            line = self.process.stdout.readline()
            assert line, f"ended without saying {words!r}: {self.said}"
            self.said += line

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def is_free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_run_serves_and_ctrl_c_stops_everything(tmp_path):
    with Run(tmp_path) as run:
        run.read_until("Ctrl-C stops both")
        assert f"http://127.0.0.1:{run.port}/" in run.said and "curl -i" in run.said
        assert "quickstart.conf" in run.said
        answer = fetch(f"127.0.0.1:{run.port}", "POST", "/api/echo", body=b"hello")
        assert answer.status == 200 and "hello" in answer.text
        lines = (tmp_path / "logs/error.log").read_text().splitlines()
        assert lines and not [line for line in lines if "[error]" in line], lines
        os.killpg(run.process.pid, signal.SIGINT)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.process.wait(10) == 0
        assert "have stopped" in run.process.stdout.read()
        assert is_free(run.port) and is_free(run.app_port)


def test_ctrl_c_may_reach_the_app_first(tmp_path):
    """A terminal sends it to everybody; who is asked to run first is the kernel's choice."""
    with Run(tmp_path) as run:
        run.read_until("Ctrl-C stops both")
        app = next(pid for pid in children_of(run.process.pid) if "server.js" in command_of(pid))
        os.kill(app, signal.SIGINT)
        Proxy.wait_for(lambda: state_of(app) in ("", "Z"), 20, "the app to end")
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.process.wait(10) == 0
        assert "have stopped" in run.process.stdout.read()


def command_of(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("which", ["port", "app_port"])
def test_run_says_that_a_port_is_taken(tmp_path, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", PORTS.get()))
        taken.listen()
        port = taken.getsockname()[1]
        with Run(tmp_path, **{which: port}) as run:
            assert run.process.wait(10) == 1
            said = run.process.stdout.read()
            assert f"port {port}" in said and "is taken" in said
            assert f"make run {which.upper()}={port + 1}" in said
            assert "Error" not in said and "line " not in said
            assert is_free(run.port) or which == "port"


# ---- tools/install-deps -----------------------------------------------------------------------------

@pytest.fixture
def machine(tmp_path):
    """A PATH on which dpkg knows no package and apt-get only takes notes."""
    def put(name, text):
        (tmp_path / name).write_text("#!/bin/sh\n" + text, encoding="ascii")
        (tmp_path / name).chmod(0o755)
    put("dpkg-query", "exit 1\n")
    put("apt-get", f"echo \"$@\" >>{tmp_path}/notes\n")
    put("sudo", "exec \"$@\"\n")

    def install(*groups):
        return subprocess.run([os.path.join(ROOT, "tools/install-deps"), *groups], capture_output=True,
                              text=True, check=False, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    install.put = put
    install.notes = lambda: (tmp_path / "notes").read_text(encoding="ascii")
    return install


def test_missing_packages_are_named_with_a_reason_and_installed(machine):
    done = machine("build", "test")
    assert done.returncode == 0
    assert re.search(r"^  libpcre2-dev +\w.*", done.stdout, re.M)
    assert re.search(r"^  libcmocka-dev +\w.*", done.stdout, re.M)
    notes = machine.notes()
    assert re.search(r"^update", notes) and re.search(r"^install -y .*libpcre2-dev", notes, re.M)
    assert "clang" not in notes and "nginx" not in notes


def test_a_failed_installation_is_said(machine):
    machine.put("apt-get", "exit 100\n")
    done = machine("build")
    assert done.returncode == 1
    assert "Could not install: " in done.stderr and "libpcre2-dev" in done.stderr


def test_nothing_missing_nothing_said(machine):
    machine.put("dpkg-query", "printf installed\n")
    done = machine("build", "run", "test", "lint", "fuzz", "cover", "bench")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
