# SPDX-License-Identifier: MIT
"""Names of origins: resolved through the system's resolver, several addresses, some not there yet."""
import os
import signal
import socket
import time

import pytest

from harness.client import request
from harness.hosts import with_hosts, with_name_server

ours = pytest.mark.ours

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs a mount namespace (root)")


def test_all_addresses_of_a_name_are_used(proxy, origin):
    one = origin(name="1", address="127.0.0.1")
    two = origin(name="2", address="127.0.0.2", port=one.port)
    desk = proxy("""upstream u { server two.test:@PORT@; }
        server { listen @P@; location / { proxy_pass http://u; } location /direct { proxy_pass http://two.test:@PORT@; } }""",
                 start=False, PORT=str(one.port))
    with_hosts(desk, "127.0.0.1 localhost two.test\n127.0.0.2 two.test\n")
    desk.start()
    seen = [desk.get().json["origin"] for _ in range(4)]
    assert sorted(seen) == ["1", "1", "2", "2"] and seen[0] != seen[1]
    assert {desk.get("/direct").json["origin"] for _ in range(4)} == {"1", "2"}
    assert two.last.get("Host") == f"two.test:{one.port}"
    two.stop()
    assert [desk.get().json["origin"] for _ in range(4)] == ["1"] * 4


def test_a_name_with_ipv6(proxy, origin):
    back = origin(address="::1")
    desk = proxy("server { listen @P@; location / { proxy_pass http://six.test:@PORT@; } }", start=False, PORT=str(back.port))
    with_hosts(desk, "::1 six.test\n127.0.0.1 localhost\n")
    desk.start()
    assert desk.get().status == 200


@ours
@pytest.mark.slow
def test_a_name_that_resolves_later_is_tried_again(proxy, origin):
    """It doesn't stop the start; it says so; it comes to life without a reload."""
    back = origin()
    desk = proxy("""upstream u { server later.test:@PORT@; }
        server { listen @P@; location / { proxy_pass http://u; } location /local { return 200 up; } }""",
                 start=False, PORT=str(back.port))
    path = with_hosts(desk, "127.0.0.1 localhost\n")
    desk.start()
    assert desk.get("/local").text == "up"
    assert desk.get().status == 502
    desk.wait_error("later.test")
    with open(path, "a", encoding="ascii") as file:
        file.write("127.0.0.1 later.test\n")
    desk.wait_for(lambda: desk.get().status == 200, 30, "the name to be tried again")


@ours
@pytest.mark.skipif("E2E_NO_NETNS" in os.environ, reason="needs port 53")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_name_server_that_does_not_answer_holds_up_nothing(proxy, how):
    """Neither the start, nor other requests, nor a reload, nor the end, with all that has been logged."""
    desk = proxy("""server { listen @P@; proxy_connect_timeout 500ms; resolver_timeout 500ms; access_log logs/late.log combined buffer=64k flush=1h;
        location / { proxy_pass http://slow.test; } location /dynamic { set $name $arg_n; proxy_pass http://$name.test; }
        location /local { return 200 up; } }""", start=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        with_name_server(desk, "127.0.0.1")
        begin = time.monotonic()
        desk.start()
        with desk.connect() as client:
            client.send(request("GET", "/") + request("GET", "/dynamic?n=a"))
            for _ in range(3):
                assert desk.get("/local").text == "up"
            desk.reload()
            desk.wait_error("the new configuration is in force")
            assert desk.get("/local").text == "up"
            assert time.monotonic() - begin < 8
            assert [client.response().status for _ in range(2)] == [502, 502]
        begin = time.monotonic()
        desk.stop(how)
        assert time.monotonic() - begin < 8
    assert len(desk.log_lines(6, "logs/late.log")) == 6
    assert "exited on signal" not in desk.errors()


@ours
def test_t_with_a_name_that_does_not_resolve(proxy):
    """No error: the machine that tests may not know the name."""
    done = proxy("server { listen @P@; location / { proxy_pass http://never.invalid; } }", start=False).run("-t")
    assert done.returncode == 0


# ---- listen -----------------------------------------------------------------------------------------

def test_listen_on_a_name(proxy):
    """All its addresses, as they are at the start."""
    desk = proxy("""server { listen desk.test:@PORT@; return 200 $server_addr; }
        server { listen 127.0.0.3:@PORT@; return 200 other; }""", start=False, PORT="8085")
    with_hosts(desk, "127.0.0.1 localhost desk.test\n127.0.0.2 desk.test\n::1 desk.test\n")
    desk.start()
    desk.names.update(A="127.0.0.1:8085", B="127.0.0.2:8085", C="127.0.0.3:8085", D="[::1]:8085")
    assert [desk.get(to=name).text for name in "ABC"] == ["127.0.0.1", "127.0.0.2", "other"]
    with pytest.raises(OSError):
        desk.names["E"] = "127.0.0.4:8085"
        desk.get(to="E")


def test_a_name_for_listen_must_exist(proxy):
    desk = proxy("server { listen never.invalid:8085; return 200; }", start=False)
    done = desk.run("-t")
    assert done.returncode == 1
    assert f'host not found in "never.invalid:8085" of the "listen" directive in {desk.conf}:' in done.stderr


def test_a_reload_asks_for_the_name_again(proxy):
    desk = proxy("server { listen desk.test:8086; return 200 $server_addr; }", start=False)
    path = with_hosts(desk, "127.0.0.1 localhost desk.test\n")
    desk.start()
    desk.names.update(A="127.0.0.1:8086", B="127.0.0.2:8086")
    assert desk.get(to="A").text == "127.0.0.1"
    with open(path, "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n127.0.0.2 desk.test\n")
    desk.reload()

    def moved():
        try:
            return desk.get(to="B").text == "127.0.0.2"
        except OSError:
            return False
    desk.wait_for(moved, 20, "the new address")


@ours
def test_a_worker_comes_back_without_the_name(proxy):
    """What the name stood for is part of what the supervisor keeps."""
    desk = proxy("server { listen desk.test:8087; return 200 $server_addr; }", start=False)
    path = with_hosts(desk, "127.0.0.1 localhost desk.test\n")
    desk.start()
    desk.names.update(A="127.0.0.1:8087")
    with open(path, "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n")
    first = desk.worker()
    os.kill(first, 9)
    desk.wait_for(lambda: desk.workers() not in ([], [first]), 20, "another worker")
    assert desk.get(to="A").text == "127.0.0.1"
