# SPDX-License-Identifier: MIT
"""Names of servers while they change: a name server of the test's own says what they stand for."""
import os
import threading
import time

import pytest

from harness import dns
from harness.client import request
from harness.hosts import with_hosts, with_name_server
from harness.load import CheckedLoad, checked_answer
from harness.origin import echo
from harness.proxy import is_sanitized

ours = pytest.mark.ours

GROUP = """upstream u { zone u 64k; resolver @DNS@ @PARAMETERS@; server app.test:@PORT@ resolve; }
    server { listen @P@; location / { proxy_pass http://u; } location /local { return 200 up; } }"""
VARIABLE = """resolver @DNS@ @PARAMETERS@;
    server { listen @P@; set $name app.test; location / { proxy_pass http://$name:@PORT@; } location /local { return 200 up; } }"""


@pytest.fixture
def names():
    made = []

    def make(*args, **kwargs):
        made.append(dns.NameServer(*args, **kwargs))
        return made[-1]
    yield make
    for server in made:
        server.stop()


@pytest.fixture
def name_server(names):
    return names()


@pytest.fixture
def trio(origin):
    """Three origins on one port, at 127.0.0.2 and on."""
    one = origin(name="2", address="127.0.0.2")
    return [one] + [origin(name=str(i), address=f"127.0.0.{i}", port=one.port) for i in (3, 4)]


@pytest.fixture
def start(proxy, name_server, trio):
    def make(http, parameters="", **names):
        return proxy(http, DNS=str(name_server), PARAMETERS=parameters, PORT=str(trio[0].port), **names)
    return make


def who(desk, target="/"):
    answer = desk.get(target)
    return answer.json["origin"] if answer.status == 200 else answer.status


def crowd(desk, count=12, target="/"):
    return {who(desk, target) for _ in range(count)}


def wait_who(desk, name, seconds=20.0, target="/"):
    desk.wait_for(lambda: who(desk, target) == name, seconds, f"an answer of {name}")


# ---- times -----------------------------------------------------------------------------------------

@ours
@pytest.mark.parametrize("conf", [GROUP, VARIABLE], ids=["group", "variable"])
def test_a_change_is_found_when_its_time_is_over(start, name_server, conf):
    name_server.say("app.test", "127.0.0.2", ttl=1)
    desk = start(conf)
    assert who(desk) == "2"
    name_server.say("app.test", "127.0.0.3", ttl=1)
    begin = time.monotonic()
    wait_who(desk, "3")
    assert time.monotonic() - begin < 10
    assert crowd(desk) == {"3"}


@ours
@pytest.mark.parametrize("conf", [GROUP, VARIABLE], ids=["group", "variable"])
@pytest.mark.slow
def test_nobody_asks_before_the_time_is_over(start, name_server, conf):
    name_server.say("app.test", "127.0.0.2", ttl=6)
    desk = start(conf)
    assert who(desk) == "2"
    begin = time.monotonic()
    name_server.say("app.test", "127.0.0.3", ttl=6)
    while time.monotonic() - begin < 2:
        assert who(desk) == "2"
        time.sleep(0.1)
    assert len(name_server.questions("app.test")) == 1
    wait_who(desk, "3")


@ours
@pytest.mark.slow
def test_valid_replaces_the_time(start, name_server):
    name_server.say("app.test", "127.0.0.2", ttl=3600)
    desk = start(GROUP, "valid=1s")
    assert who(desk) == "2"
    name_server.say("app.test", "127.0.0.3", ttl=3600)
    wait_who(desk, "3", 3)
    name_server.say("app.test", "127.0.0.2", ttl=1)
    desk.reload(http=GROUP, DNS=str(name_server), PARAMETERS="valid=1h", PORT=str(desk.names["PORT"]))
    wait_who(desk, "2", 3)                    # a reload asks
    name_server.say("app.test", "127.0.0.3", ttl=1)
    time.sleep(2.5)
    assert crowd(desk) == {"2"}


@ours
@pytest.mark.slow
def test_a_time_of_nothing_is_a_second(start, name_server):
    name_server.say("app.test", "127.0.0.2", ttl=0)
    desk = start(GROUP)
    assert who(desk) == "2"
    time.sleep(2.5)
    assert 2 <= len(name_server.questions("app.test")) <= 4


@ours
@pytest.mark.parametrize("conf", [GROUP, VARIABLE], ids=["group", "variable"])
def test_a_server_that_fails_has_its_name_asked_for_at_once(start, name_server, trio, conf):
    """A container that comes back under another address, with a name server that gives it ten minutes."""
    name_server.say("app.test", "127.0.0.2", ttl=600)
    desk = start(conf)
    assert who(desk) == "2"
    name_server.say("app.test", "127.0.0.3", ttl=600)
    time.sleep(1.2)
    assert who(desk) == "2"
    trio[0].stop()
    wait_who(desk, "3", 3)
    assert len(name_server.questions("app.test")) <= 4


# ---- what an answer holds --------------------------------------------------------------------------

@ours
def test_addresses_join_and_leave(start, name_server):
    name_server.say("app.test", "127.0.0.2", "127.0.0.3")
    desk = start(GROUP)
    desk.wait_for(lambda: crowd(desk) == {"2", "3"}, 20, "both")
    name_server.say("app.test", "127.0.0.3", "127.0.0.4")
    desk.wait_for(lambda: crowd(desk) == {"3", "4"}, 20, "the others")


@ours
def test_who_leaves_may_finish(start, name_server, trio, origin):
    """An exchange with an address that is gone goes on."""
    go = threading.Event()

    def slow(call):
        return go.wait(10) and echo(call, "5") if call.target == "/slow" else echo(call, "5")
    back = origin(slow, address="127.0.0.5", port=trio[0].port)
    name_server.say("app.test", "127.0.0.5")
    desk = start(GROUP)
    with desk.connect() as client:
        client.send(request("GET", "/slow"))
        back.wait_requests(1)
        name_server.say("app.test", "127.0.0.3")
        wait_who(desk, "3")
        go.set()
        assert client.response().json["origin"] == "5"


@ours
def test_families_may_be_off(start, name_server, origin, trio):
    origin(name="six", address="::1", port=trio[0].port)
    name_server.say("app.test", "127.0.0.2", "::1")
    desk = start(GROUP, "ipv6=off")
    assert crowd(desk) == {"2"}
    assert not name_server.questions("app.test", dns.AAAA)
    desk.reload(http=GROUP, DNS=str(name_server), PARAMETERS="ipv4=off", PORT=desk.names["PORT"])
    wait_who(desk, "six")
    assert crowd(desk) == {"six"}
    desk.reload(http=GROUP, DNS=str(name_server), PARAMETERS="", PORT=desk.names["PORT"])
    desk.wait_for(lambda: crowd(desk) == {"2", "six"}, 20, "both")


@ours
def test_a_chain_of_aliases(start, name_server):
    """The least time of the chain counts."""
    name_server.say("real.test", "127.0.0.2", ttl=3600)
    name_server.say_alias("app.test", "real.test", ttl=1)
    desk = start(GROUP)
    assert who(desk) == "2"
    name_server.say("other.test", "127.0.0.3", ttl=3600)
    name_server.say_alias("app.test", "other.test", ttl=1)
    wait_who(desk, "3", 3)


@ours
def test_what_does_not_fit_comes_by_tcp(start, name_server):
    name_server.say("app.test", "127.0.0.2")
    name_server.mode = "truncated"
    desk = start(GROUP)
    wait_who(desk, "2")
    assert "tcp" in name_server.questions("app.test")


@ours
@pytest.mark.slow
def test_a_thousand_addresses(start, name_server):
    """A bounded number is used, and said once."""
    name_server.say("app.test", *[f"127.1.{i // 250}.{i % 250 + 1}" for i in range(1000)])
    desk = start("""upstream u { resolver @DNS@; server app.test:@PORT@ resolve; server 127.0.0.2:@PORT@ backup; }
        server { listen @P@; location / { proxy_pass http://u; proxy_next_upstream_tries 2; } location /local { return 200 up; } }""")
    desk.wait_error("more than 256 addresses in upstream \"app.test:")
    assert desk.get("/local").text == "up"
    name_server.say("app.test", "127.0.0.3")
    wait_who(desk, "3")
    name_server.say("app.test", *[f"127.1.{i // 250}.{i % 250 + 1}" for i in range(1000)])
    time.sleep(2.5)
    assert desk.errors().count("more than 256 addresses") == 1


@ours
def test_a_hundred_addresses_of_a_variable(start, name_server):
    """Fewer are used when a client may have chosen the name."""
    name_server.say("app.test", *[f"127.1.0.{i + 1}" for i in range(100)])
    desk = start(VARIABLE + "log_format tries $upstream_addr; access_log logs/tries.log tries;")
    assert desk.get().status == 502
    desk.wait_error("more than 64 addresses in upstream \"app.test:")
    assert len(desk.log_lines(1, "logs/tries.log")[0].split(", ")) == 64


@ours
@pytest.mark.slow
def test_checks_follow_the_name(start, name_server, trio):
    """Who is new is checked, who has left is not any more."""
    name_server.say("app.test", "127.0.0.2")
    desk = start("""upstream u { zone u 64k; resolver @DNS@; server app.test:@PORT@ resolve; }
        server { listen @P@; location / { proxy_pass http://u; health_check interval=200ms uri=/check; } }""")
    trio[0].wait_requests(2)
    name_server.say("app.test", "127.0.0.3")
    wait_who(desk, "3")
    trio[1].wait_requests(4)
    trio[0].reset()
    time.sleep(1)
    assert [call.target for call in trio[0].requests] in ([], ["/check"])
    assert "/check" in [call.target for call in trio[1].requests]


# ---- failures --------------------------------------------------------------------------------------

@ours
@pytest.mark.slow
@pytest.mark.parametrize("conf", [GROUP, VARIABLE], ids=["group", "variable"])
@pytest.mark.parametrize("mode", ["servfail", "nxdomain", "silent", "garbage", "wrong_id", "refused", "empty", "cut"])
def test_the_last_good_answer_stays(start, name_server, conf, mode):
    name_server.say("app.test", "127.0.0.2")
    desk = start("resolver_timeout 1s; " + conf)
    assert who(desk) == "2"
    if mode == "empty":
        name_server.say("app.test")
    elif mode == "cut":
        name_server.records["app.test", dns.A] = []
        name_server.records["app.test", dns.AAAA] = [(1, b"short", dns.AAAA)]
    else:
        name_server.mode = mode
    desk.wait_error("the last known addresses stay in use")
    assert crowd(desk) == {"2"}
    name_server.mode = "good"
    name_server.say("app.test", "127.0.0.3")
    wait_who(desk, "3", 10)
    assert desk.errors().count("the last known addresses stay in use") == 1
    desk.wait_error("host found in upstream")


@ours
@pytest.mark.parametrize("conf", [GROUP, VARIABLE], ids=["group", "variable"])
def test_liars_are_not_believed(start, name_server, conf):
    """What carries another id is another question's."""
    name_server.mode = "lies"
    name_server.say("app.test", "127.0.0.2")
    desk = start(conf)
    assert crowd(desk) == {"2"}


@ours
def test_one_family_fails(start, name_server):
    """What the other says counts, and nothing of the one that fails is lost."""
    name_server.say("app.test", "127.0.0.2")
    name_server.records["app.test", dns.AAAA] = [(1, b"short", dns.AAAA)]
    desk = start(GROUP)
    wait_who(desk, "2")


@ours
def test_a_name_that_is_not_there_yet(start, name_server):
    desk = start(GROUP)
    assert desk.get().status == 502
    desk.wait_error("host not found in upstream \"app.test")
    name_server.say("app.test", "127.0.0.2")
    wait_who(desk, "2", 8)


@ours
def test_a_dead_name_server_holds_up_nothing(proxy, names, trio):
    """The other one is asked; requests for other names and reloads go on."""
    silent, good = names(), names()
    silent.mode = "silent"
    good.say("app.test", "127.0.0.2")
    desk = proxy("""resolver_timeout 500ms;
        upstream both { resolver @SILENT@ @GOOD@; resolver_timeout 5s; server app.test:@PORT@ resolve; }
        server { listen @P@; location /local { return 200 up; } location /both { proxy_pass http://both; }
            location /dead { resolver @SILENT@; set $name app.test; proxy_pass http://$name:@PORT@; } }""",
                 SILENT=str(silent), GOOD=str(good), PORT=str(trio[0].port))
    begin = time.monotonic()
    with desk.connect() as client:
        client.send(request("GET", "/dead"))
        assert desk.get("/local").text == "up"
        desk.reload()
        desk.wait_error("the new configuration is in force")
        assert desk.get("/local").text == "up"
        assert client.response().status == 502
        assert time.monotonic() - begin < 4.5
    wait_who(desk, "2", target="/both")


@ours
def test_a_reload_keeps_names(start, name_server):
    """Until the new answer comes, and when none does."""
    name_server.say("app.test", "127.0.0.2", ttl=60)
    desk = start(GROUP)
    assert who(desk) == "2"
    name_server.mode = "silent"
    desk.reload()
    desk.wait_error("the new configuration is in force")
    assert crowd(desk, 30) == {"2"}


@ours
@pytest.mark.slow
@pytest.mark.parametrize("conf", [GROUP, VARIABLE], ids=["group", "variable"])
def test_names_change_under_load(proxy, name_server, origin, conf):
    """On four loops, while configurations come and go and the name server fails now and then."""
    one = origin(handle=checked_answer, address="127.0.0.2")
    for i in (3, 4):
        origin(handle=checked_answer, address=f"127.0.0.{i}", port=one.port)
    name_server.say("app.test", "127.0.0.2")
    write = {"DNS": str(name_server), "PARAMETERS": "", "PORT": str(one.port), "workers": 4}
    desk = proxy(conf, **write)
    with CheckedLoad(desk.address(), clients=8) as load:
        for i in range(8):
            name_server.mode = ["good", "good", "servfail", "good"][i % 4]
            name_server.say("app.test", *[f"127.0.0.{2 + (i + k) % 3}" for k in range(1 + i % 2)])
            if i % 3 == 1:
                desk.reload(http=conf, **write)
            load.wait(150, 30)
            time.sleep(0.6)
    assert load.failures == []


# ---- services --------------------------------------------------------------------------------------

SERVICE = """upstream u { resolver @DNS@; server app.test service=@SERVICE@ resolve @MORE@; @OTHER@ }
    server { listen @P@; location / { proxy_pass http://u; } }"""


def served(start, name_server, service="http", more="", other=""):
    return start(SERVICE, SERVICE=service, MORE=more, OTHER=other)


@pytest.fixture
def targets(name_server, origin):
    """Origins at ports of their own, by name."""
    made = {}
    for name in "abc":
        made[name] = origin(name=name)
        name_server.say(f"{name}.test", "127.0.0.1")
    return made


def services(targets, names_, **how):
    return [dns.service(f"{name}.test", targets[name].port, **how) for name in names_]


@ours
@pytest.mark.parametrize("written, asked", [("http", "_http._tcp.app.test"), ("_http._udp", "_http._udp.app.test"),
                                            ("a.b", "a.b.app.test")])
def test_the_name_of_a_service(start, name_server, targets, written, asked):
    name_server.say_services(asked, *services(targets, "ab"))
    desk = served(start, name_server, written)
    desk.wait_for(lambda: crowd(desk) == {"a", "b"}, 20, "both")


@ours
def test_weights_of_a_service(start, name_server, targets):
    name_server.say_services("_http._tcp.app.test", *services(targets, "a", weight=3), *services(targets, "b", weight=1))
    desk = served(start, name_server)
    desk.wait_for(lambda: crowd(desk) == {"a", "b"}, 20, "both")
    seen = [who(desk) for _ in range(40)]
    assert seen.count("a") == 30 and seen.count("b") == 10
    desk.reload(http=SERVICE, DNS=str(name_server), SERVICE="http", MORE="weight=2", OTHER="")
    desk.wait_for(lambda: [who(desk) for _ in range(8)].count("a") == 4, 20, "the server's weight to win")


@ours
def test_priorities_of_a_service(start, name_server, targets):
    """The least number is the first choice; the others are backups."""
    name_server.say_services("_http._tcp.app.test", *services(targets, "a", priority=5), *services(targets, "b", priority=9))
    desk = served(start, name_server)
    assert crowd(desk) == {"a"}
    targets["a"].stop()
    assert crowd(desk) == {"b"}
    name_server.say_services("_http._tcp.app.test", *services(targets, "b", priority=9), *services(targets, "c", priority=2))
    wait_who(desk, "c", 3)
    assert crowd(desk) == {"c"}


@ours
def test_a_service_that_is_a_backup(start, name_server, targets, trio):
    """Its first choice is a backup, the rest is left out."""
    name_server.say_services("_http._tcp.app.test", *services(targets, "a", priority=5), *services(targets, "b", priority=9))
    desk = served(start, name_server, more="backup", other=f"server 127.0.0.2:{trio[0].port};")
    assert crowd(desk) == {"2"}
    trio[0].stop()
    wait_who(desk, "a")                  # its name may still be asked for
    assert crowd(desk) == {"a"}
    targets["a"].stop()
    assert desk.get().status == 502


@ours
def test_a_service_that_ends(start, name_server, targets):
    """"." as the target says so: no answer, so the last one stays."""
    name_server.say_services("_http._tcp.app.test", *services(targets, "a"))
    desk = served(start, name_server)
    assert who(desk) == "a"
    name_server.say_services("_http._tcp.app.test", dns.service("", 0))
    desk.wait_error("the last known addresses stay in use")
    assert crowd(desk) == {"a"}


@ours
def test_a_service_whose_name_leads_in_circles(start, name_server, targets):
    name_server.say_services("_http._tcp.app.test", b"\0\0\0\0\0\x50\xc0\x3b", b"\0\0\0\0\0\x50\xff\xff")
    desk = served(start, name_server)
    assert desk.get().status == 502
    name_server.say_services("_http._tcp.app.test", *services(targets, "a"))
    wait_who(desk, "a", 8)


# ---- variables -------------------------------------------------------------------------------------

@ours
def test_each_location_asks_its_own(proxy, names, trio):
    one, other = names(), names()
    one.say("app.test", "127.0.0.2")
    other.say("app.test", "127.0.0.3")
    desk = proxy("""resolver @ONE@; server { listen @P@; set $name app.test; location / { proxy_pass http://$name:@PORT@; }
        location /other { resolver @OTHER@; proxy_pass http://$name:@PORT@; } }""",
                 ONE=str(one), OTHER=str(other), PORT=str(trio[0].port))
    assert crowd(desk) == {"2"} and crowd(desk, target="/other") == {"3"}


def test_the_timeout_bounds_the_wait(proxy, name_server):
    name_server.mode = "silent"
    desk = proxy("""resolver @DNS@; resolver_timeout 1s;
        server { listen @P@; location / { set $name app.test; proxy_pass http://$name; } }""", DNS=str(name_server))
    begin = time.monotonic()
    assert desk.get().status == 502
    assert 0.9 < time.monotonic() - begin < 15


def test_the_hosts_file_is_not_asked(proxy, name_server, trio):
    """Not by a `resolver`; literal addresses need none."""
    name_server.say("app.test", "127.0.0.3")
    desk = proxy("""resolver @DNS@; server { listen @P@; location / { set $name $arg_n; proxy_pass http://$name:@PORT@/; } }""",
                 start=False, DNS=str(name_server), PORT=str(trio[0].port))
    with_hosts(desk, "127.0.0.1 localhost\n127.0.0.2 app.test\n")
    desk.start()
    assert who(desk, "/?n=app.test") == "3"
    assert who(desk, "/?n=127.0.0.2") == "2"


@ours
@pytest.mark.slow
def test_many_hosts_do_not_fill_the_table(proxy, name_server, trio):
    """Old ones make room for new ones."""
    desk = proxy("""resolver @DNS@; server { listen @P@; location / { set $name $arg_n; proxy_pass http://$name.test:@PORT@/; } }""",
                 DNS=str(name_server), PORT=str(trio[0].port))
    for i in range(1100):
        name_server.say(f"n{i}.test", "127.0.0.2", ttl=600)
    for first in range(0, 1100, 100):
        with desk.connect() as client:
            for i in range(first, first + 100):
                client.send(request("GET", f"/?n=n{i}"))
                assert client.response().status == 200, i
    assert who(desk, "/?n=n0") == "2"
    assert "different hosts" not in desk.errors()


# ---- the system's way ------------------------------------------------------------------------------

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs a mount namespace (root)")


@ours
@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("conf", [
    "upstream u { server app.test:@PORT@; } server { listen @P@; location / { proxy_pass http://u; } }",
    "server { listen @P@; location / { proxy_pass http://app.test:@PORT@; } }",
    "server { listen @P@; set $name app.test; location / { proxy_pass http://$name:@PORT@; } }",
    "upstream u { server app.test:@PORT@ resolve; } server { listen @P@; location / { proxy_pass http://u; } }",
], ids=["group", "pass", "variable", "resolve"])
def test_a_container_comes_back_under_another_address(proxy, trio, conf):
    """Without `resolver`: the hosts file."""
    desk = proxy(conf, start=False, PORT=str(trio[0].port))
    path = with_hosts(desk, "127.0.0.1 localhost\n127.0.0.2 app.test\n")
    desk.start()
    assert who(desk) == "2"
    with open(path, "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n127.0.0.3 app.test\n")
    wait_who(desk, "3", 10)
    assert crowd(desk) == {"3"}


@ours
@needs_root
@pytest.mark.slow
@pytest.mark.skipif("E2E_NO_NETNS" in os.environ, reason="needs port 53")
def test_the_systems_name_servers(proxy, names, trio):
    """With their search list; another resolv.conf is seen without a reload."""
    one, other = names("127.0.0.7", 53), names("127.0.0.8", 53)
    one.say("app.inner.test", "127.0.0.2", ttl=1)
    other.say("app.inner.test", "127.0.0.3", ttl=1)
    desk = proxy("upstream u { server app:@PORT@; } server { listen @P@; location / { proxy_pass http://u; } }",
                 start=False, PORT=str(trio[0].port))
    path = with_name_server(desk, "127.0.0.7", "search inner.test\n")
    desk.start()
    assert who(desk) == "2"
    with open(path, "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.8\nsearch inner.test\n")
    wait_who(desk, "3")


@ours
def test_an_upstream_has_its_own(proxy, names, trio):
    """Its `resolver` wins over http's; without one it has http's."""
    outer, inner = names(), names()
    outer.say("app.test", "127.0.0.2")
    inner.say("app.test", "127.0.0.3")
    desk = proxy("""upstream has { resolver @INNER@; server app.test:@PORT@ resolve; }
        upstream none { server app.test:@PORT@ resolve; }
        server { listen @P@; location / { proxy_pass http://has; } location /none { proxy_pass http://none; } }
        resolver @OUTER@;""", INNER=str(inner), OUTER=str(outer), PORT=str(trio[0].port))
    assert crowd(desk) == {"3"} and crowd(desk, target="/none") == {"2"}


# ---- servers in a file -----------------------------------------------------------------------------

@ours
def test_a_state_file_may_come_later(proxy, trio):
    desk = proxy("upstream u { zone u 64k; state state/u.conf; } server { listen @P@; location / { proxy_pass http://u; } }", start=False)
    os.mkdir(desk.path("state"))
    desk.start()
    assert desk.get().status == 502

    def put(text):
        with open(desk.path("state/u.conf"), "w", encoding="ascii") as file:
            file.write(text)
    put(f"server 127.0.0.2:{trio[0].port};\n")
    desk.reload()
    wait_who(desk, "2")
    put("server nonsense=1;\nlisten 80;\n")
    desk.reload()
    desk.wait_error("\"listen\" is not allowed in a \"state\" file")
    assert who(desk) == "2"
    put(f"server 127.0.0.3:{trio[0].port};\n")
    desk.reload()
    wait_who(desk, "3")
    desk.wait_for(lambda: desk.errors().count("the new configuration is in force") == 2, 20, "the supervisor to know")
    os.unlink(desk.path("state/u.conf"))      # what was read is kept for a worker that dies
    first = desk.worker()
    os.kill(first, 9)
    desk.wait_for(lambda: desk.workers() not in ([], [first]), 20, "another worker")
    wait_who(desk, "3")


# ---- what a variable may say ----

SAID = """upstream named { server @A@; }
    server { listen @P@; location / { set $where $arg_to; proxy_pass http://$where; } }"""


@pytest.mark.parametrize("to, target", [
    ("named?x", "/?x"),                  # a query alone is asked of the root
    ("NAMED/y?x", "/y?x"),
    ("@A@?x", "/?x"),
    ("@A@/y", "/y"),
])
def test_a_variable_with_a_uri(proxy, origin, to, target):
    desk = proxy(SAID, A=origin())
    assert desk.get("/?to=" + desk.fill_in(to)).json["target"] == target


@pytest.mark.parametrize("uri, target", [("", "/?to="), (":", "/?to="), (":/y?x", "/y?x"), (":?x", "/?x")])
def test_a_variable_with_a_unix_socket(proxy, origin, uri, target):
    desk = proxy(SAID + """
        log_format where '$proxy_host $proxy_port $upstream_addr'; access_log logs/where.log where;""",
                 A=origin(), start=False)
    path = desk.path("origin.sock")
    origin(address="unix:" + path)
    os.chmod(path, 0o777)
    desk.start()
    answer = desk.get(f"/?to=unix:{path}{uri}").json
    assert answer["target"].startswith(target)
    assert dict(answer["fields"])["Host"] == "localhost"
    assert desk.log_lines(1, "logs/where.log")[0] == f"localhost  unix:{path}"


@pytest.mark.parametrize("to, words", [
    ("127.0.0.1:0", "invalid port"),
    ("127.0.0.1:65536", "invalid host"),
    ("unix:", "invalid path of a unix domain socket"),
    ("unix::/y", "invalid path of a unix domain socket"),
    ("unix:/" + 108 * "x", "invalid path of a unix domain socket"),
    (256 * "x", "too long host"),
])
def test_a_variable_that_makes_no_sense(proxy, origin, to, words):
    desk = proxy(SAID, A=origin())
    assert desk.get("/?to=" + to).status == 500
    desk.wait_error(words + ' in proxy_pass "http://')


@pytest.mark.parametrize("conf", [GROUP, VARIABLE, GROUP.replace("zone u 64k;", "resolver_timeout 0;")],
                         ids=["group", "variable", "upstream"])
def test_no_timeout(start, name_server, conf):
    """0 is not "at once": it waits for the answer (nginx)."""
    name_server.say("app.test", "127.0.0.2")
    desk = start("resolver_timeout 0; " + conf)
    assert who(desk) == "2"


@pytest.mark.skipif(is_sanitized(), reason="measures time")
def test_a_new_name_is_no_detour(start, name_server):
    """A name server that is near costs no more than it takes."""
    took = []
    for i in range(20):
        name_server.say(f"n{i}.test", "127.0.0.2", ttl=60)
    desk = start(VARIABLE.replace("set $name app.test", "set $name $arg_n"))
    for i in range(20):
        begin = time.monotonic()
        assert who(desk, f"/?n=n{i}.test") == "2"
        took.append(time.monotonic() - begin)
    assert min(took) < 0.008
