# SPDX-License-Identifier: MIT
"""Reload: a bad file changes nothing, a good one takes over without losing a request."""
import os
import signal
import threading
import time

import pytest

from harness.client import Client, request
from harness.load import CheckedLoad, Load, checked_answer
from harness.origin import reply
from harness.proxy import freeze
from harness.wire import Closed

ours = pytest.mark.ours

ONE = "server { listen @P@; location / { return 200 one; } }"
TWO = "server { listen @P@; location / { return 200 two; } }"


def until(desk, text, to="P", **options):
    desk.wait_for(lambda: desk.get(to=to, **options).text == text, 20, f"the answer {text!r}")


def test_a_new_configuration_takes_over(proxy):
    desk = proxy(ONE)
    assert desk.get().text == "one"
    desk.reload(http=TWO)
    until(desk, "two")
    assert desk.process.poll() is None


@pytest.mark.parametrize("broken", [
    "server { listen @P@; location / { return 200 two } }", "nonsense;", "server {",
    "server { listen @P@; location / { proxy_pass nonsense; } }", "include no-such-file.conf;",
    "server { listen @P@; access_log /proc/none/file; }",
])
def test_a_broken_file_changes_nothing(proxy, broken):
    desk = proxy(ONE)
    worker = desk.worker()
    desk.reload(http=broken)
    desk.wait_error(r"\[emerg\]")
    assert desk.get().text == "one"
    assert desk.workers() == [worker]
    desk.reload(http=TWO)
    until(desk, "two")


def test_an_empty_file_changes_nothing(proxy):
    """What an editor or a deployment leaves for a moment: no configuration is no configuration."""
    desk = proxy(ONE)
    desk.reload(conf="")
    desk.wait_error(r"\[emerg\]")
    assert desk.get().text == "one"


def test_the_reason_names_file_and_line(proxy):
    desk = proxy(ONE)
    desk.reload(http="\nserver {\n  listen @P@;\n  nonsense on;\n}\n")
    line = next(i for i, text in enumerate(desk.read("nginx.conf").splitlines(), 1) if "nonsense" in text)
    desk.wait_error(rf'\[emerg\] \d+#\d+: unknown directive "nonsense" in {desk.conf}:{line}$')


def test_an_occupied_port_changes_nothing(proxy):
    import socket
    desk = proxy(ONE)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        desk.reload(http=TWO + f"server {{ listen {address}; }}")
        desk.wait_error(rf"bind\(\) to {address} failed \(98: Address already in use\)", timeout=20)
        time.sleep(0.1)
        assert desk.get().text == "one"


def test_kept_connections_go_on_or_end_in_order(proxy):
    """A connection with a request on its way gets its answer; an idle one may be closed, not reset."""
    desk = proxy(ONE)
    with desk.connect() as client:
        assert client.ask().text == "one"
        desk.reload(http=TWO)
        until(desk, "two")
        try:
            client.send(request())
            assert client.response().text in ("one", "two")
        except (Closed, OSError):
            assert client.buffer == b""


@ours
def test_idle_connections_live_through_a_reload(proxy):
    desk = proxy(ONE)
    with desk.connect() as client:
        assert client.ask().text == "one"
        desk.reload(http=TWO)
        until(desk, "two")
        assert client.ask().text == "two"


@ours
def test_the_worker_stays(proxy):
    desk = proxy(ONE)
    worker = desk.worker()
    for http, text in ((TWO, "two"), (ONE, "one")) * 3:
        desk.reload(http=http)
        until(desk, text)
    assert desk.workers() == [worker]


def test_requests_in_flight_are_finished_with_the_old_one(proxy, origin):
    go = threading.Event()
    back = origin(handle=lambda _: (go.wait(5), reply(body="slow"))[1])
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; } location /v { return 200 one; } }", O=back)
    with desk.send_raw(request()) as client:
        back.wait_requests(1)
        desk.reload(http="server { listen @P@; location / { return 404; } location /v { return 200 two; } }")
        desk.wait_for(lambda: desk.get("/v").text == "two", 20, "the new one")
        go.set()
        assert client.response().body == b"slow"


def test_uploads_and_downloads_go_on(proxy, origin):
    """F26."""
    def script(conn):
        request_seen = conn.request_head()
        if request_seen.method == "GET":
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            for _ in range(50):
                conn.send(b"x" * 100)
                time.sleep(0.01)
        else:
            conn.request_body(request_seen)
            conn.send(reply(body=str(len(request_seen.body)), close=True))
    conf = """server { listen @P@; location / { proxy_pass http://@O@; proxy_buffering off; proxy_request_buffering off; }
                     location /v { return 200 %s; } }"""
    desk = proxy(conf % "0", O=origin(script=script))
    down = desk.send_raw(request("GET"))
    up = desk.send_raw(request("PUT", fields={"Content-Length": "5000"}))
    for i in range(1, 6):
        up.send(b"y" * 500)
        desk.reload(http=conf % i)
        desk.wait_for(lambda: desk.get("/v").text == str(i), 20, "the new one")
    up.send(b"y" * 2500)
    assert up.response().text == "5000"
    assert down.response().body == b"x" * 5000
    up.close()
    down.close()


def test_listeners_come_and_go(proxy):
    desk = proxy(ONE)
    desk.reload(http=ONE + "server { listen @Q@; location / { return 200 new; } }")
    desk.wait_for(lambda: _answers(desk, "Q") == "new", 20, "the new listener")
    desk.reload(http=ONE)
    desk.wait_for(lambda: _answers(desk, "Q") is None, 20, "the listener to go")
    assert desk.get().text == "one"


def _answers(desk, to):
    try:
        return desk.get(to=to).text
    except (Closed, OSError):
        return None


@ours
@pytest.mark.parametrize("how", ["reload", "quit"])
def test_who_already_waits_at_a_listener_that_goes_is_served(proxy, how):
    """nginx resets them."""
    desk = proxy(ONE + "server { listen @Q@; location / { return 200 old; } }")
    worker = desk.worker()
    desk.wait_for(lambda: _answers(desk, "Q") == "old", 20, "the listener")
    freeze(worker)
    waiting = [desk.send_raw(request(), to="Q") for _ in range(20)]
    if how == "reload":
        desk.reload(http=TWO)
    else:
        desk.tell(signal.SIGQUIT)
    time.sleep(0.1)
    os.kill(worker, signal.SIGCONT)
    for client in waiting:
        assert client.response().text == "old"
        client.close()
    desk.wait_for(lambda: _answers(desk, "Q") is None, 20, "the listener to go")


def test_a_listener_that_stays_loses_nobody(proxy):
    """The waiting connections of a listener are served by the next configuration."""
    desk = proxy(ONE)
    inode = _inode(desk)
    desk.reload(http=TWO)
    until(desk, "two")
    assert _inode(desk) == inode


def _inode(desk):
    port = f":{desk.port():04X} "
    with open(f"/proc/{desk.pid}/net/tcp", encoding="ascii") as file:
        return [line.split()[9] for line in file if port in line.split(" st ")[0] and " 0A " in line]


@ours
def test_upstream_state_survives(proxy, origin):
    """A server that was taken out stays out, and kept connections are kept."""
    back = origin(name="b")
    bad = origin(script=lambda conn: conn.request())
    conf = """upstream u { server @A@ fail_timeout=30s; server @B@; }
        server { listen @P@; location / { proxy_pass http://u; } location /v { return 200 %s; } }"""
    desk = proxy(conf % 0, A=bad, B=back, workers=1)    # each loop keeps connections of its own
    for _ in range(4):
        assert desk.get().status == 200
    assert bad.connections == 1
    connections = back.connections
    desk.reload(http=conf % 1, workers=1)
    desk.wait_for(lambda: desk.get("/v").text == "1", 20, "the new one")
    for _ in range(4):
        assert desk.get().status == 200
    assert bad.connections == 1
    assert back.connections == connections


@pytest.mark.slow
def test_a_hundred_reloads_under_load(proxy, origin):
    """F03: servers and listeners come and go; not one request fails, nothing grows."""
    desk = proxy(start=False)
    backs = [origin(name=name, handle=checked_answer) for name in "abc"]
    names = dict(zip("ABC", backs))
    pieces = ["server @A@;", "server @B@ weight=2;", "server @C@;"]

    def conf(i):
        servers = " ".join(piece for n, piece in enumerate(pieces) if (i + n) % 3 or n == 0)
        extra = "server { listen @X@; location / { return 200 x; } }" if i % 2 else ""
        return f"""upstream u {{ {servers} keepalive 16; keepalive_timeout 1s; }}
            server {{ listen @P@; location / {{ proxy_pass http://u; proxy_http_version 1.1;
                      proxy_set_header Connection ""; }} location /v {{ return 200 "v{i}"; }} }}
            {extra}"""
    desk.write(conf(0), **names)
    desk.start()
    with CheckedLoad(desk.address(), clients=6) as load:
        load.wait(300)
    for i in range(1, 4):               # what a first reload takes for good counts as before
        desk.reload(http=conf(i))
        desk.wait_for(lambda: desk.get("/v").text == f"v{i}", 20, f"configuration {i}")
    time.sleep(0.9)
    before, supervisor = desk.footprint(), desk.footprint(desk.pid)
    with CheckedLoad(desk.address(), clients=6) as load:
        load.wait(50)
        for i in range(4, 104):
            desk.reload(http=conf(i))
            if i % 10 == 0:
                desk.wait_for(lambda: desk.get("/v").text == f"v{i}", 20, f"configuration {i}")
            else:
                time.sleep(0.01)
        load.wait(50)
    assert load.failures == []
    desk.wait_for(lambda: len(desk.workers()) == 1, 20, "old workers to end")
    desk.wait_settled(before)
    desk.wait_settled(supervisor, pid=desk.pid)


@ours
def test_reuseport_comes_and_goes_under_load(proxy):
    """A connection of its own for each request: the sockets of the loops lose none of them."""
    conf = "server { listen @P@ %s; location / { return 200 same; } location /v { return 200 v%d; } }"
    desk = proxy(conf % ("", 0), workers=2)
    with Load(desk.address(), clients=6, per_connection=1, expect=b"same") as load:
        load.wait(50)
        for i in range(1, 41):
            desk.reload(http=conf % ("reuseport" if i % 2 else "", i), workers=2)
            desk.wait_for(lambda: desk.get("/v").text == f"v{i}", 20, "the new one")
        load.wait(50)
    assert load.failures == []


@ours
def test_a_reload_cuts_nobody_at_all(proxy):
    """In place: kept connections are not even closed in good order."""
    conf = "server { listen @P@; keepalive_requests 1000000; location / { return 200 same; } location /v { return 200 v%d; } }"
    desk = proxy(conf % 0)
    with Load(desk.address(), clients=4, per_connection=10 ** 9, expect=b"same") as load:
        load.wait(50)
        for i in range(1, 11):
            desk.reload(http=conf % i)
            desk.wait_for(lambda: desk.get("/v").text == f"v{i}", 20, "the new one")
            load.wait(20)
    assert load.failures == [] and load.cuts == 0
    assert load.connections == 4


@ours
def test_descriptors_stay_flat(proxy):
    desk = proxy(ONE)
    worker = desk.worker()

    def count(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))
    for i in range(5):
        desk.reload(http=ONE.replace("one", f"x{i}"))
        until(desk, f"x{i}")
    before = count(worker), count(desk.pid)
    for i in range(5, 25):
        desk.reload(http=ONE.replace("one", f"x{i}"))
        until(desk, f"x{i}")
    # The former configuration, and its connections, may take a moment to go.
    desk.wait_for(lambda: count(worker) <= before[0] + 2 and count(desk.pid) <= before[1] + 2, 20,
                  f"{count(worker)}, {count(desk.pid)} descriptors to be {before} again")


@ours
@pytest.mark.parametrize("main, name", [
    ("user daemon;", "user"), ("worker_rlimit_nofile 777;", "worker_rlimit_nofile"), ("worker_priority 1;", "worker_priority"),
    ("working_directory /;", "working_directory"), ("master_process off;", "master_process")])
def test_what_a_reload_cannot_change_is_said(proxy, main, name):
    """The worker goes on, so what it was born with stays; the rest of the file takes over."""
    if name == "user" and os.getuid() != 0:
        pytest.skip("needs root")
    desk = proxy(ONE)
    desk.reload(http=TWO, main=main)
    until(desk, "two")
    desk.wait_error(rf"\[warn\] \d+#\d+: {name} stays as it is until the next start or binary upgrade$")
    before = desk.log_size()
    desk.reload(http=ONE, main=main)
    until(desk, "one")
    assert "stays as it is" not in desk.errors()[before:]


def test_includes_are_read_again(proxy):
    desk = proxy("include parts/*.conf;", start=False)
    desk.put("parts/a.conf", ONE)
    desk.start()
    assert desk.get().text == "one"
    desk.put("parts/a.conf", TWO)
    desk.put("parts/b.conf", "server { listen @Q@; location / { return 200 b; } }")
    desk.tell(signal.SIGHUP)
    until(desk, "two")
    assert _answers(desk, "Q") == "b"


def test_worker_shutdown_timeout(proxy, origin):
    """Tunnels and slow requests of an old configuration end at the latest then, at QUIT."""
    back = origin(script=lambda conn: (conn.request(), conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"), conn.hang()))
    desk = proxy("server { listen @P@; location / { proxy_pass http://@O@; proxy_buffering off; } }", O=back,
                 main="worker_shutdown_timeout 500ms;")
    with desk.send_raw(request()) as client:
        client.take_head()
        client.take(1)
        begin = time.monotonic()
        desk.stop(signal.SIGQUIT)
        assert time.monotonic() - begin < 15
        client.expect_closed()


def test_logs_of_a_new_configuration(proxy):
    desk = proxy(ONE)
    desk.get()
    desk.reload(http="server { listen @P@; access_log logs/second.log; location / { return 200 two; } }")
    until(desk, "two")
    assert desk.log_lines(1, "logs/second.log")


def test_connecting_during_reload_is_never_refused(proxy):
    desk = proxy(ONE)
    stop, problems, count = threading.Event(), [], [0]

    def connect():
        while not stop.is_set():
            try:
                Client(desk.address(), timeout=5).close()
                count[0] += 1
            except OSError as error:
                problems.append(error)
    thread = threading.Thread(target=connect)
    thread.start()
    for i in range(15):
        desk.reload(http=TWO if i % 2 else ONE)
        time.sleep(0.03)
    stop.set()
    thread.join()
    assert not problems and count[0] > 50
