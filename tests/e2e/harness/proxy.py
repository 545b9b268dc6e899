# SPDX-License-Identifier: MIT
"""The binary under test: configuration from text, start, signals, logs, and a clean end.

@NAME@ in a configuration is replaced by what the test passed as NAME (an origin's address, a text),
else by a loopback address with a free port of its own; @NAME.port@ is the port alone."""
import json
import os
import re
import signal
import socket
import subprocess
import time

from .client import Client, fetch, request
from .shim import shim_environment
from .wire import PATIENCE

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BINARY = os.path.abspath(os.path.join(ROOT, os.environ.get("FRONTDESK", "build/release/frontdesk")))
# The binary has variables of its own by these names (the listeners that an upgrade inherits).
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("FRONTDESK", "NGINX")}
WORKERS = os.environ.get("E2E_WORKERS", "1")
REPORTS = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer"
                     r"|runtime error:|\*\*\* .* \*\*\*: terminated).*")

HTTP_PREAMBLE = """
    access_log logs/access.log;
    client_body_temp_path tmp_body;
    proxy_temp_path tmp_proxy;
"""


def is_sanitized():
    """Sanitizers multiply memory: figures mean nothing then."""
    with open(BINARY, "rb") as file:
        return re.search(rb"__[at]san_init", file.read()) is not None


def is_memory_odd():
    """Sanitizers multiply it, reads of few bytes cut it into small pieces."""
    return is_sanitized() or "E2E_SHORT_IO" in os.environ


def is_nginx():
    return os.path.basename(BINARY).startswith("nginx")


class Ports:
    """Free loopback ports, none twice in this process."""

    def __init__(self):
        self.next = 10000 + (os.getpid() * 37) % 9000

    def get(self):
        while True:
            self.next = self.next + 1 if self.next < 31000 else 10000
            try:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", self.next))
                return self.next
            except OSError:
                continue


PORTS = Ports()


class Proxy:
    # What others on this machine do to our loops is not what a test asks about, unless it says so.
    calm = "" if is_nginx() else " worker_lag off;"

    def __init__(self, directory):
        self.directory = str(directory)
        os.makedirs(os.path.join(self.directory, "logs"), exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.names = {}
        self.process = None
        self.may_alert = False
        self.may_fail = False
        self.may_report = False
        self.conf = self.path("nginx.conf")
        self.pid_file = self.path("frontdesk.pid")
        self.error_path = self.path("logs/error.log")

    # ---- configuration ------------------------------------------------------------------------

    def path(self, name):
        return os.path.join(self.directory, name)

    def fill_in(self, text, names=None):
        for name, value in (names or {}).items():
            self.names[name] = getattr(value, "address", value)

        def value(match):
            name, part = match[1], match[2]
            if name == "DIR":
                return self.directory
            if name not in self.names:
                self.names[name] = f"127.0.0.1:{PORTS.get()}"
            address = str(self.names[name])
            return address.rpartition(":")[2] if part else address

        return re.sub(r"@([A-Za-z_][A-Za-z0-9_]*)(\.port)?@", value, text)

    def write(self, http=None, main="", events="", conf=None, level="info", preamble=HTTP_PREAMBLE,
              workers=None, **names):
        """Writes the configuration file; http is the inside of http{}, conf the whole file."""
        if conf is None:
            calm = "" if "worker_lag" in main else self.calm
            conf = (f"daemon off;{calm}\npid frontdesk.pid;\nworker_processes {workers or WORKERS};\n"
                    f"error_log logs/error.log {level};\n{main}\n"
                    f"events {{ {events} }}\nhttp {{{preamble}{http}\n}}\n")
        with open(self.conf + ".new", "w", encoding="utf-8") as file:
            file.write(self.fill_in(conf, names))
        os.replace(self.conf + ".new", self.conf)       # a reload may read it at any moment

    def put(self, name, text, **names):
        """Another file beside the configuration."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.fill_in(text, names))
        return path

    # ---- running ------------------------------------------------------------------------------

    def command(self, *arguments):
        return [BINARY, "-p", self.directory + "/", "-c", self.conf,
                "-e", self.error_path, *arguments]

    def run(self, *arguments, timeout=60):
        """Runs the binary to its end (-t, -s, -v...)."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True,
                              errors="replace", timeout=timeout, check=False, env=ENVIRONMENT)

    def start(self, *arguments, environment=None, before=None, wait=True):
        self.stderr_path = self.path("stderr")
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                self.command(*arguments), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env={**ENVIRONMENT, **short_io_environment(), **(environment or {})}, preexec_fn=before,
                start_new_session=True)
        if wait:
            self.wait_for(self._is_up, 20, "start")
            if self._has_disks():
                self.wait_disks(*arguments)
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended at start with {self.process.returncode}:\n"
                                 f"{self.stderr()}\n{self.errors()}")
        try:
            with open(self.pid_file, encoding="ascii") as file:
                return file.read().strip().isdigit()
        except FileNotFoundError:
            return False

    def _has_disks(self):
        return not is_nginx() and re.search(r"proxy_cache_path\s+(?!memory:)", self.read(self.conf)) is not None

    def wait_disks(self, *arguments):
        """Its caches know what lies on their disks: until then nothing there is found, and nothing is stored there.
        `arguments` as at the start: they say where it listens."""
        def have_loaded():
            done = self.run(*arguments, "cache", "stat")
            return done.returncode == 0 and "is still being read" not in done.stdout
        self.wait_for(have_loaded, 20, "the disks to know what they have")

    @staticmethod
    def wait_for(condition, seconds=PATIENCE, what="condition"):
        deadline = time.monotonic() + seconds
        while True:
            result = condition()
            if result:
                return result
            assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
            time.sleep(0.005)

    @property
    def pid(self):
        return self.process.pid

    def workers(self, pid=None):
        """Children of the supervisor that still live."""
        pid = pid or self.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                found = [int(word) for word in file.read().split()]
        except OSError:
            found = children_of(pid)
        return [child for child in found if state_of(child) not in ("Z", "")]

    def worker(self):
        return self.wait_for(lambda: (self.workers() or [0])[0], PATIENCE, "a worker")

    def tell(self, number, pid=None):
        os.kill(pid or self.pid, number)

    def reload(self, **write):
        """HUP, and waits until a worker has the new configuration."""
        if write:
            self.write(**write)
        before = self.log_size()
        self.tell(signal.SIGHUP)
        return before

    def log_size(self):
        return len(self.errors())

    def stop(self, how=signal.SIGTERM, timeout=30):
        """Ends it and checks that it ended well."""
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.pid, how)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"did not end within {timeout} s of signal {how}") from None
        code, self.process = self.process.returncode, None
        self.check(code)

    def kill(self):
        if self.process is None:
            return
        workers = self.workers()
        self.process.kill()
        self.process.wait()
        for pid in workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process = None

    def check(self, code):
        said = self.stderr() + self.errors()
        report = REPORTS.search(said)
        assert not report or self.may_report, f"sanitizer report: {said[report.start():report.start() + 4000]}"
        if not self.may_alert:
            alerts = [line for line in said.splitlines()
                      if "[alert]" in line and "open socket" not in line]
            assert not alerts, "\n".join(alerts)
        if not self.may_fail:
            assert code == 0, f"exit status {code}; {self.stderr()[-2000:]}"

    # ---- what it wrote ------------------------------------------------------------------------

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def stderr(self):
        return self.read("stderr")

    def errors(self):
        return self.read("logs/error.log")

    def wait_error(self, pattern, timeout=PATIENCE):
        """Waits for a line of the error log; returns the match."""
        return self.wait_for(lambda: re.search(pattern, self.errors(), re.M), timeout,
                             f"error log: {pattern}")

    def log_lines(self, count=1, name="logs/access.log", timeout=PATIENCE):
        """Waits until the log has that many lines."""
        def enough():
            lines = self.read(name).splitlines()
            return lines if len(lines) >= count else None
        return self.wait_for(enough, timeout, f"{count} lines in {name}: {self.read(name)!r}")

    def log_line(self, after, is_it, name="logs/access.log", timeout=PATIENCE):
        """Waits for a line behind the first `after` ones; those of earlier requests may still come."""
        return self.wait_for(lambda: next(filter(is_it, self.read(name).splitlines()[after:]), None),
                             timeout, f"a line in {name}")

    # ---- talking to it ------------------------------------------------------------------------

    def address(self, name="P"):
        return self.names[name]

    def port(self, name="P"):
        return int(self.address(name).rpartition(":")[2])

    def connect(self, name="P", **options):
        return Client(self.address(name), **options)

    def fetch(self, *args, to="P", **kwargs):
        """One request on a connection of its own."""
        return fetch(self.address(to), *args, **kwargs)

    def get(self, target="/", to="P", **kwargs):
        return fetch(self.address(to), "GET", target, **kwargs)

    def send_raw(self, data, to="P", **options):
        client = self.connect(to, **options)
        client.send(data)
        return client

    def is_alive(self):
        """It still answers: any response at all to a plain request."""
        with self.connect() as client:
            client.send(request("GET", "/", host="localhost", close=True))
            return client.response().status

    def footprint(self, pid=None):
        """Memory in KB and open descriptors of the worker."""
        pid = pid or self.worker()
        return self.rss_kb(pid), len(os.listdir(f"/proc/{pid}/fd"))

    def status(self):
        """What `frontdesk status` knows (docs/control.md)."""
        done = self.run("status", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def wait_nothing_under_way(self):
        """Clients have gone, and whatever was counted in for them is counted out."""
        def left():
            said = self.status()
            counts = [said["connections"][name] for name in ("open", "reading", "at_work", "waiting")]
            counts.append(said["requests"]["under_way"])
            for group in said["upstreams"]:
                counts += [group["in_flight"], group["retries_in_budget"], group["queue"]["waiting"]]
                counts += [server["in_flight"] for server in group["servers"]]
            counts += [zone["keys"] for zone in said["limits"] if zone["of"] == "limit_conn"]
            return sum(counts)
        self.wait_for(lambda: left() == 0, 10, "nothing under way")

    def wait_settled(self, before, seconds=30.0, spare_kb=512, spare_fds=3, pid=None):
        """The worker's footprint is back within a tenth of what it was (the fault plan's rule)."""
        def is_back():
            rss_kb, fds = self.footprint(pid)
            return fds <= before[1] * 1.1 + spare_fds and \
                (is_memory_odd() or rss_kb <= before[0] * 1.1 + spare_kb)
        self.wait_for(is_back, seconds, f"{self.footprint(pid)} to come back to {before} (KB, descriptors)")

    def rss_kb(self, pid=None):
        with open(f"/proc/{pid or self.worker()}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])

    def pss_kb(self, pid=None):
        """What is shared with other processes counts in part: what a worker really costs."""
        with open(f"/proc/{pid or self.worker()}/smaps_rollup", encoding="ascii") as file:
            return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])


def freeze(pid):
    """SIGSTOP, and waits until every thread stands: until then one may still accept."""
    os.kill(pid, signal.SIGSTOP)
    Proxy.wait_for(lambda: all(state_of(f"{pid}/task/{thread}") in ("T", "") for thread in
                               os.listdir(f"/proc/{pid}/task")), PATIENCE, "every thread to stop")


def short_io_environment():
    """With E2E_SHORT_IO=seed every test has the kernel of F28 (test_short_io.py has its own)."""
    seed = os.environ.get("E2E_SHORT_IO")
    return shim_environment("short_io", SHORT_IO_SEED=seed) if seed else {}


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def children_of(parent):
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry))
        except OSError:
            continue
    return found
