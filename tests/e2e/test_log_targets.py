# SPDX-License-Identifier: MIT
"""Logs that go elsewhere than to a file with a fixed name: syslog servers, paths with variables; and
whatever happens to them, requests don't notice (F17)."""
import os
import re
import signal
import socket
import time

import pytest

from harness.client import request
from harness.syslog import Syslog

ours = pytest.mark.ours

HOST = socket.gethostname().lower()
DATE = r"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}"


def wait_messages(desk, server, count=1):
    return desk.wait_for(lambda: server.messages[:] if len(server.messages) >= count else None, 20,
                         f"{count} messages: {server.messages}")


# ---- syslog: what is sent ---------------------------------------------------------------------------

@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:@DIR@/log.sock"])
def test_a_line_of_the_access_log(proxy, address):
    desk = proxy("""log_format f '$request_method "$uri" $status'; server { listen @P@;
        access_log syslog:server=@SERVER@ f; return 200; }""", start=False, SERVER="later")
    with Syslog(address.replace("@DIR@", desk.directory)) as server:
        desk.write("""log_format f '$request_method "$uri" $status'; server { listen @P@;
            access_log syslog:server=@SERVER@ f; return 200; }""", SERVER=server.address)
        os.chmod(desk.directory, 0o755)
        desk.start()
        desk.get("/x%22y%0Az")
        line, = wait_messages(desk, server)
        assert re.fullmatch(rf"<190>{DATE} {re.escape(HOST)} nginx: " + r'GET "/x\\x22y\\x0Az" 200', line)


@pytest.mark.parametrize("parameters, head", [
    ("facility=user,severity=debug,tag=my_App1", f"<15>D {HOST} my_App1: "),
    ("tag=,nohostname", "<190>D : "),
    ("nohostname,facility=kern,severity=emerg", "<0>D nginx: "),
    ("facility=local0,severity=error", f"<131>D {HOST} nginx: "),
])
def test_parameters(proxy, parameters, head):
    with Syslog() as server:
        desk = proxy(f"""log_format f x; server {{ listen @P@;
            access_log syslog:server=@SERVER@,{parameters} f; return 200; }}""", SERVER=server.address)
        desk.get()
        line, = wait_messages(desk, server)
        assert re.sub(DATE, "D", line) == head + "x"


def test_the_error_log(proxy):
    """Each level has its severity; a file beside it gets the same line."""
    with Syslog() as server:
        desk = proxy("""server { listen @P@; location / { proxy_pass http://@DEAD@;
            error_log syslog:server=@SERVER@,facility=daemon,tag=app info; error_log logs/beside.log; }
            location /deny { deny all; proxy_pass http://@DEAD@; } error_log syslog:server=@SERVER@ info; }""",
                     SERVER=server.address)
        desk.get("/dead")
        desk.get("/deny")
        lines = wait_messages(desk, server, 2)
        beside = desk.log_lines(1, "logs/beside.log")[0]
        assert any(re.fullmatch(rf"<27>{DATE} {re.escape(HOST)} app: {re.escape(beside)}", line) for line in lines)
        assert any(re.match(rf"<187>{DATE} {re.escape(HOST)} nginx: .* access forbidden by rule", line) for line in lines)


def test_the_main_error_log(proxy):
    """Supervisor and worker both send; with nothing written the file beside it is not there."""
    with Syslog() as server:
        desk = proxy(conf="""daemon off; pid frontdesk.pid; error_log syslog:server=@SERVER@,tag=desk notice;
            events { } http { access_log off; client_body_temp_path t; proxy_temp_path u;
            server { listen @P@; location / { proxy_pass http://@DEAD@; } } }""", SERVER=server.address)
        desk.get()
        lines = wait_messages(desk, server, 2)
        desk.wait_for(lambda: any("connect() failed" in line for line in server.messages), 20, "the worker's")
        assert any(re.match(rf"<189>{DATE} \S+ desk: \S+ \S+ \[notice\] ", line) for line in lines)
        desk.reload()
        desk.wait_for(lambda: any("reconfiguring" in line for line in server.messages), 20, "the reload")
        desk.tell(signal.SIGUSR1)
        desk.wait_for(lambda: any("reopening logs" in line for line in server.messages), 20, "USR1")
        desk.get()
        desk.wait_for(lambda: sum("connect() failed" in line for line in server.messages) >= 2, 20, "a line after both")


def test_conditions_and_several(proxy):
    with Syslog() as one, Syslog() as two:
        desk = proxy("""log_format f '$uri'; map $arg_log $is_one { yes 1; default 0; } server { listen @P@;
            access_log syslog:server=@ONE@ f if=$is_one; access_log syslog:server=@TWO@ f;
            access_log logs/beside.log f; return 200; location /off { access_log off; } }""",
                     ONE=one.address, TWO=two.address, workers=1)
        for target in ("/a?log=yes", "/b", "/c?log=yes"):
            desk.get(target)
        assert [line.rpartition(" ")[2] for line in wait_messages(desk, two, 3)] == ["/a", "/b", "/c"]
        assert [line.rpartition(" ")[2] for line in wait_messages(desk, one, 2)] == ["/a", "/c"]
        assert desk.log_lines(3, "logs/beside.log") == ["/a", "/b", "/c"]


def test_a_reload_keeps_it(proxy):
    with Syslog() as server:
        text = """log_format f '$uri'; server { listen @P@; access_log syslog:server=@SERVER@ f; return %s; }"""
        desk = proxy(text % 200, SERVER=server.address)
        desk.get("/before")
        desk.reload(http=text % 201)
        desk.wait_for(lambda: desk.get("/during").status == 201, 20, "the new configuration")
        desk.get("/after")
        desk.wait_for(lambda: any(line.endswith(" /after") for line in server.messages), 20, "the line")
        assert any(line.endswith(" /before") for line in server.messages)


@pytest.mark.parametrize("word, words", [
    ("syslog:", 'unknown syslog parameter ""'),
    ("syslog:server=", 'no host in syslog server ""'),
    ("syslog:server=127.0.0.1:0", 'invalid port in syslog server "127.0.0.1:0"'),
    ("syslog:server=127.0.0.1/x", 'invalid host in syslog server "127.0.0.1/x"'),
    ("syslog:server=never.invalid", 'host not found in syslog server "never.invalid"'),
    ("syslog:server=unix:", 'no path in the unix domain socket in syslog server "unix:"'),
    ("syslog:tag=x", "no syslog server specified"),
    ("syslog:server=127.0.0.1,server=127.0.0.1", 'duplicate syslog "server"'),
    ("syslog:server=127.0.0.1,facility=x", 'unknown syslog facility "x"'),
    ("syslog:server=127.0.0.1,severity=warning", 'unknown syslog severity "warning"'),
    ("syslog:server=127.0.0.1,tag=a-b", 'syslog "tag" only allows alphanumeric characters and underscore'),
    ("syslog:server=127.0.0.1,tag=" + "a" * 33, "syslog tag length exceeds 32"),
    ("syslog:server=127.0.0.1,tag=a,tag=b", 'duplicate syslog "tag"'),
    ("syslog:server=127.0.0.1,nohost", 'unknown syslog parameter "nohost"'),
])
@pytest.mark.parametrize("log", ["access_log", "error_log"])
def test_refused_words(proxy, log, word, words):
    desk = proxy(f"server {{ {log} {word}; }}", start=False)
    done = desk.run("-t")
    assert done.returncode == 1 and words in done.stderr


@pytest.mark.parametrize("line, words", [
    ("syslog:server=127.0.0.1 combined buffer=1k", "logs to syslog cannot be buffered"),
    ("logs/$host.log combined buffer=1k", "buffered logs cannot have variables in name"),
    ("logs/$nothing.log", 'unknown "nothing" variable'),
    ("off x", 'invalid parameter "x"'),
    ("logs/a.log combined buffer=1k; access_log logs/a.log combined buffer=2k", "already defined with conflicting parameters"),
])
def test_refused_lines(proxy, line, words):
    done = proxy(f"server {{ access_log {line}; }}", start=False).run("-t")
    assert done.returncode == 1 and words in done.stderr


# ---- paths with variables ---------------------------------------------------------------------------

NAMED = """log_format plain '$uri'; server { listen @P@;
    location / { access_log logs/var-$arg_n.log plain; return 200; } }"""


@pytest.fixture
def named(proxy):
    desk = proxy(NAMED, start=False)
    os.chmod(desk.path("logs"), 0o777)
    os.mkdir(desk.path("html"))         # nginx wants the document root there
    return desk.start()


def test_a_path_with_variables(named):
    for name in ("one", "two", "one"):
        named.get(f"/{name}?n={name}")
    assert named.log_lines(2, "logs/var-one.log") == ["/one", "/one"]
    assert named.log_lines(1, "logs/var-two.log") == ["/two"]


def test_a_renamed_file_is_made_anew(named):
    named.get("/a?n=x")
    named.log_lines(1, "logs/var-x.log")
    os.rename(named.path("logs/var-x.log"), named.path("logs/old.log"))
    named.get("/b?n=x")
    assert named.log_lines(1, "logs/var-x.log") == ["/b"]
    assert named.read("logs/old.log") == "/a\n"


def test_many_names_at_once(named):
    with named.connect() as client:
        for i in range(60):
            client.ask("GET", f"/{i}?n={i % 20}")
    for i in range(20):
        assert named.log_lines(3, f"logs/var-{i}.log") == [f"/{i}", f"/{i + 20}", f"/{i + 40}"]


@ours
@pytest.mark.parametrize("name", ["/../../escaped", "%00x", "no/such/directory"])
def test_names_that_are_no_place(named, name):
    """Nothing is written outside, and the error log says that lines were lost."""
    named.get(f"/lost?n={name}")
    named.get("/kept?n=kept")
    assert named.log_lines(1, "logs/var-kept.log") == ["/kept"]
    assert not os.path.exists(named.path("../escaped.log")) and not os.path.exists(named.path("escaped.log"))
    if "%" not in name:
        named.wait_error(r'\[error\] .* logging to ".*/logs/var-\$arg_n\.log" failed \(\d+: ')
        named.wait_error(r"\[error\] .*: \d+ bytes of log lines could not be written to")


@ours
def test_a_pipe_is_no_place(named):
    os.mkfifo(named.path("logs/var-pipe.log"), 0o666)
    os.mkdir(named.path("logs/var-dir.log"))
    for name in ("pipe", "dir", "kept"):
        named.get(f"/{name}?n={name}")
    assert named.log_lines(1, "logs/var-kept.log") == ["/kept"]


# ---- F17: nothing of it holds up a request ----------------------------------------------------------

FLOOD = 4000


def flood(desk, limit=60.0):
    """Many long lines; each answer comes at once. Returns the slowest's time."""
    slowest, started = 0.0, time.monotonic()
    with desk.connect() as client:
        for _ in range(FLOOD // 20):
            before = time.monotonic()
            client.send(b"".join(request("GET", "/" + "x" * 1000) for _ in range(20)))
            for _ in range(20):
                assert client.response().status == 200
            slowest = max(slowest, time.monotonic() - before)
    assert time.monotonic() - started < limit
    return slowest


LOST = r"\[error\] .*: [1-9]\d+ bytes of log lines could not be written to \"%s"


@ours
def test_a_full_disk(proxy):
    desk = proxy("server { listen @P@; keepalive_requests 9999; access_log /dev/full; return 200 x; }")
    assert flood(desk) < 10
    desk.wait_error(LOST % "/dev/full")


@ours
def test_a_blocked_pipe(proxy):
    desk = proxy("server { listen @P@; keepalive_requests 9999; access_log @DIR@/pipe; return 200 x; }", start=False)
    os.mkfifo(desk.path("pipe"), 0o666)
    reader = os.open(desk.path("pipe"), os.O_RDONLY | os.O_NONBLOCK)
    try:
        desk.start()
        assert flood(desk) < 10
        desk.wait_error(LOST % re.escape(desk.path("pipe")))
    finally:
        os.close(reader)


@ours
@pytest.mark.parametrize("kind", ["udp", "unix"])
def test_syslog_gone_from_the_start(proxy, kind):
    """Lines are kept while there is room, the rest is counted, and what was kept arrives later."""
    where = "127.0.0.1:8514" if kind == "udp" else "unix:@DIR@/log.sock"
    desk = proxy(f"""log_format f '$uri'; keepalive_requests 9999;
        server {{ listen @P@; access_log syslog:server={where} f; return 200 x; }}""")
    for _ in range(3):      # UDP learns from the second one that nobody had the first
        desk.get("/first")
        time.sleep(0.05)
    desk.wait_error(r'\[error\] .* logging to "syslog:.* failed \((111|2): ')
    assert flood(desk) < 10
    desk.wait_error(LOST % "syslog:server=")
    with Syslog(where.replace("@DIR@", desk.directory)) as server:
        desk.wait_for(lambda: len(server.messages) > 50, 20, "lines that were kept")

        def arrives():          # the burst of old lines may fill the server's queue
            desk.get("/after")
            return server.messages[-1].endswith(" /after")
        desk.wait_for(arrives, 20, "the line after it came back")


@ours
@pytest.mark.parametrize("kind", ["udp", "unix"])
def test_syslog_that_goes_and_comes_back(proxy, kind):
    where = "127.0.0.1:8515" if kind == "udp" else "unix:@DIR@/log.sock"
    desk = proxy(f"""log_format f '$uri'; server {{ listen @P@; access_log syslog:server={where} f; return 200 x; }}""")
    where = where.replace("@DIR@", desk.directory)
    with Syslog(where) as server:
        desk.get("/one")
        wait_messages(desk, server)
    for i in range(5):
        assert desk.get(f"/gone{i}").status == 200
        time.sleep(0.03)
    with Syslog(where) as server:
        desk.get("/back")
        desk.wait_for(lambda: any(line.endswith(" /back") for line in server.messages), 20, "the line")
        if kind == "unix":
            assert sum("/gone" in line for line in server.messages) == 5     # kept until it was back
        else:
            desk.wait_error(LOST % "syslog:server=")     # nobody says in time that UDP reaches nobody


@ours
def test_syslog_that_does_not_read(proxy):
    desk = proxy("""server { listen @P@; keepalive_requests 9999; access_log syslog:server=unix:@DIR@/log.sock; return 200 x; }""", start=False)
    with Syslog(f"unix:{desk.directory}/log.sock", reading=False) as server:
        desk.start()
        assert flood(desk) < 10
        desk.wait_error(LOST % "syslog:server=unix:")
        server.read()
        desk.wait_for(lambda: len(server.messages) > 500, 20, "what was kept")


@ours
def test_an_error_log_in_trouble(proxy):
    """Its own losses are told on standard error."""
    desk = proxy("""error_log syslog:server=unix:@DIR@/none.sock info;
        server { listen @P@; location / { proxy_pass http://@DEAD@; } location /up { return 200 up; } }""")
    for _ in range(20):
        assert desk.get().status == 502
    assert desk.get("/up").text == "up"


@ours
def test_a_stop_does_not_wait_for_syslog(proxy):
    desk = proxy("""server { listen @P@; access_log syslog:server=unix:@DIR@/none.sock; return 200 x; }""")
    desk.get()
    started = time.monotonic()
    desk.stop(signal.SIGTERM)
    assert time.monotonic() - started < 15
