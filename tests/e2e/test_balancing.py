# SPDX-License-Identifier: MIT
"""Balancing methods: hash methods choose as Debian's nginx does, key by key; the others are measured,
with bounds that a broken method does not keep."""
import collections
import os
import threading
import time

import pytest

from harness import netns
from harness.client import Client
from harness.origin import reply
from harness.proxy import Proxy

ours = pytest.mark.ours
NGINX = "/usr/sbin/nginx"
needs_nginx = pytest.mark.skipif(not os.path.exists(NGINX), reason="nginx is not installed")


class Nginx(Proxy):
    """The same configuration in Debian's nginx."""

    calm = ""

    def command(self, *arguments):
        return [NGINX, *super().command(*arguments)[1:]]


def dead_address():
    """A loopback address at which nobody listens."""
    return "127.0.0.9:9"


@pytest.fixture
def both(proxy, tmp_path_factory):
    """Starts a configuration twice: ours and nginx's."""
    started = []

    def start(http, **names):
        mine = proxy(http, **names)
        directory = tmp_path_factory.mktemp("nginx")
        os.chmod(directory.parent, 0o755)
        other = Nginx(directory)
        other.names = {name: value for name, value in mine.names.items() if not name.startswith("P")}
        other.write(http, workers=1)     # its processes know nothing of each other
        started.append(other.start())
        return mine, other

    yield start
    for other in started:
        other.kill()


def choices(proxy, targets, to="P", source=None):
    """Whom each of the requests went to, all tries in order."""
    made = []
    with Client(proxy.address(to), source=source) as client:
        for target in targets:
            made.append(client.ask("GET", target).get("X-Chosen"))
            if len(made) % 500 == 0:
                client.close()
                client = Client(proxy.address(to), source=source)
    return made


def site(method, servers, listen="listen @P@;"):
    return f"""upstream u {{ {method} {servers} }}
        server {{ {listen} keepalive_requests 100000;
            location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
                          add_header X-Chosen $upstream_addr always; }} }}"""


def reload_until_new(desk, text):
    """The same text once more, and nobody has the old one any more."""
    desk.reload(http=text.replace("location / {", "location = /version { return 200 new; } location / {"))
    desk.wait_for(lambda: desk.get("/version").text == "new", 20, "the reload")


def few(origin, names="ABC"):
    return {name: origin(name=name) for name in names}


KEYS = [f"/?k=key-{i * i * 7919}" for i in range(600)]
HASHES = ["hash $arg_k;", "hash $arg_k consistent;", "hash $host$request_uri;"]
GROUPS = {
    "equal": "server @A@; server @B@; server @C@;",
    "weights": "server @A@ weight=5; server @B@ weight=2; server @C@;",
    "one is down": "server @A@ weight=3; server @B@ down; server @C@;",
    "two are down": "server @A@ down; server @B@; server @C@ down;",
    "one refuses": "server @A@; server @DEAD@ weight=2 max_fails=0; server @B@; server @C@;",
    "one has failed": "server @A@; server @DEAD@ weight=4 fail_timeout=60s; server @B@; server @C@;",
    "the same twice": "server @A@; server @A@; server @B@; server @C@ weight=2;",
    "nearly all down": "server @DEAD@ weight=900 down; server @A@; server @B@; server @C@;",
}


# ---- as nginx does ----------------------------------------------------------------------------------

@needs_nginx
@pytest.mark.parametrize("servers", GROUPS.values(), ids=GROUPS.keys())
@pytest.mark.parametrize("method", HASHES)
def test_a_key_goes_where_nginx_sends_it(both, origin, method, servers):
    mine, nginx = both(site(method, servers), DEAD=dead_address(), **few(origin))
    expected = choices(nginx, KEYS)
    assert choices(mine, KEYS) == expected
    assert len(set(expected)) > 1 or "two are down" in servers or servers.count("down") == 2


@needs_nginx
@pytest.mark.parametrize("method", HASHES[:2])
def test_names_are_hashed_as_they_are_written(both, proxy, origin, method):
    """With a port, without one, a name, a unix socket."""
    if not netns.IS_ISOLATED:
        pytest.skip("port 80 needs a network namespace")
    path = proxy(start=False).path("socket")
    made = {"A": origin(), "B": origin(address="127.0.0.2", port=80),
            "U": origin(address=f"unix:{path}")}
    os.chmod(path, 0o777)
    mine, nginx = both(site(method, "server localhost:@A.port@; server 127.0.0.2; server @U@; server 127.0.0.1:@A.port@;"),
                       **made)
    expected = choices(nginx, KEYS)
    mine.wait_for(lambda: choices(mine, KEYS[:50]) == expected[:50], 20, "localhost to be known")
    assert choices(mine, KEYS) == expected
    assert len(set(expected)) == 3 and not any("," in name for name in expected)


@needs_nginx
@pytest.mark.parametrize("method", HASHES[:2])
def test_more_servers_than_are_looked_at_one_by_one(both, origin, method):
    made = {f"S{i}": origin(address=f"127.0.1.{i + 1}") for i in range(40)}
    servers = " ".join(f"server @{name}@ weight={1 + i % 4}{' down' if i % 7 == 3 else ''};"
                       for i, name in enumerate(made))
    mine, nginx = both(site(method, servers), **made)
    expected = choices(nginx, KEYS)
    assert choices(mine, KEYS) == expected
    assert len(set(expected)) > 25


@needs_nginx
@pytest.mark.parametrize("method", HASHES[:2])
def test_without_a_key_servers_take_turns(both, origin, method):
    mine, nginx = both(site(method, "server @A@ weight=2; server @B@; server @C@;"), **few(origin))
    assert choices(mine, ["/"] * 24) == choices(nginx, ["/"] * 24)


@needs_nginx
@pytest.mark.parametrize("servers", [GROUPS[name] for name in GROUPS if name != "one has failed"])
def test_a_network_goes_where_nginx_sends_it(both, origin, servers):
    mine, nginx = both(site("ip_hash;", servers), DEAD=dead_address(), **few(origin))
    sources = [f"127.{(i * 37) % 250}.{(i * 91) % 251}.{1 + i % 200}" for i in range(500)]
    assert [choices(mine, ["/"], source=source) for source in sources] == \
        [choices(nginx, ["/"], source=source) for source in sources]


@needs_nginx
def test_ip_hash_knows_three_bytes_of_four(both, origin):
    mine, nginx = both(site("ip_hash;", GROUPS["equal"]), **few(origin))
    for proxy in mine, nginx:
        seen = {choices(proxy, ["/"], source=f"127.3.4.{i}")[0] for i in range(1, 60)}
        assert len(seen) == 1


@needs_nginx
def test_ip_hash_of_other_families(both, origin):
    """IPv6 counts whole, a unix socket's client has no address."""
    mine, nginx = both(site("ip_hash;", GROUPS["weights"],
                            "listen @P@; listen [::1]:@P6.port@; listen unix:@DIR@/front;"), **few(origin))
    for to in "six", "unix":
        made = []
        for proxy in mine, nginx:
            proxy.names["six"] = f"[::1]:{proxy.port('P6')}"
            proxy.names["unix"] = f"unix:{proxy.directory}/front"
            made.append(choices(proxy, ["/"] * 3, to=to))
        assert made[0] == made[1]


# ---- hash, beyond what nginx shows -------------------------------------------------------------------

@ours
def test_a_reload_moves_no_key(proxy, origin):
    made = few(origin)
    text = site("hash $arg_k consistent;", GROUPS["weights"])
    desk = proxy(text, **made)
    before = choices(desk, KEYS[:200])
    reload_until_new(desk, text)
    assert choices(desk, KEYS[:200]) == before


def test_consistent_hashing_moves_few_keys(proxy, origin):
    made = {f"S{i}": origin(address=f"127.0.1.{i + 1}") for i in range(8)}
    servers = " ".join(f"server @{name}@;" for name in made)
    one = proxy(site("hash $arg_k consistent;", servers), **made)
    other = proxy(site("hash $arg_k consistent;", servers.replace("server @S3@;", "")), **made)
    before, after = choices(one, KEYS), choices(other, KEYS)
    gone = made["S3"].address
    moved = [i for i, name in enumerate(before) if name != after[i]]
    assert all(before[i] == gone for i in moved) and 0 < len(moved) < len(KEYS) / 4


def hold(made, release):
    """Origins that answer /hold... when they are told to, and everything else at once."""
    for name, one in made.items():
        one.handle = lambda r, n=name: ("hold" in r.target and release.wait(20), reply(body=n))[1]


def held(desk, count, target):
    """That many requests in flight, each begun when the one before has reached a server."""
    clients = []
    for _ in range(count):
        clients.append(desk.send_raw(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    return clients


def in_flight(made):
    return [len(one.requests) for one in made.values()]


def wait_in_flight(desk, made, count):
    desk.wait_for(lambda: sum(in_flight(made)) >= count, 20, f"{count} requests at the servers: {in_flight(made)}")


@ours
@pytest.mark.parametrize("bounded, most", [("", 40), ("bounded=1.25", 13), ("bounded=2", 20), ("bounded=1", 10)])
def test_a_hot_key_is_spread_by_bounded_loads(proxy, origin, bounded, most):
    """40 requests for one key at 4 servers: 10 for each would be even."""
    made, release = few(origin, "ABCD"), threading.Event()
    hold(made, release)
    desk = proxy(site(f"hash $uri consistent {bounded};", "server @A@; server @B@; server @C@; server @D@;"), **made)
    clients = []
    for i in range(40):
        clients += held(desk, 1, "/hold")
        wait_in_flight(desk, made, i + 1)
    assert max(in_flight(made)) == most
    release.set()
    for client in clients:
        assert client.response().status == 200
        client.close()


@ours
def test_bounded_loads_count_only_who_is_there(proxy, origin):
    """Two of four are down: the others may take all, in even parts."""
    made, release = few(origin, "ABCD"), threading.Event()
    hold(made, release)
    desk = proxy(site("hash $uri consistent bounded=1.5;", "server @A@; server @B@ down; server @C@; server @D@ down;"), **made)
    clients = []
    for i in range(20):
        clients += held(desk, 1, "/hold")
        wait_in_flight(desk, made, i + 1)
    assert max(in_flight(made)) == 15
    release.set()
    for client in clients:
        client.response()
        client.close()


@ours
def test_bounded_loads_leave_a_quiet_key_alone(proxy, origin):
    made = few(origin)
    bounded = proxy(site("hash $arg_k consistent bounded=1.25;", GROUPS["weights"]), **made)
    plain = proxy(site("hash $arg_k consistent;", GROUPS["weights"]), **made)
    assert choices(bounded, KEYS[:200]) == choices(plain, KEYS[:200])


# ---- random -----------------------------------------------------------------------------------------

def counted(desk, count):
    return collections.Counter(choices(desk, ["/"] * count))


def test_random_keeps_the_weights(proxy, origin):
    made = few(origin)
    desk = proxy(site("random;", "server @A@ weight=6; server @B@ weight=3; server @C@;"), **made)
    seen = counted(desk, 2000)
    for name, share in ("A", 0.6), ("B", 0.3), ("C", 0.1):
        assert abs(seen[made[name].address] - 2000 * share) < 110, seen      # five standard deviations
    order = choices(desk, ["/"] * 100)
    assert order != choices(desk, ["/"] * 100)


@pytest.mark.parametrize("method", ["random;", "random two;"])
def test_random_passes_over_the_down(proxy, origin, method):
    made = few(origin)
    desk = proxy(site(method, "server @A@ weight=50 down; server @B@; server @C@;"), **made)
    seen = counted(desk, 300)
    assert set(seen) == {made["B"].address, made["C"].address} and min(seen.values()) > 90


def test_random_two_of_one_is_that_one(proxy, origin):
    made = few(origin)
    desk = proxy(site("random two;", "server @A@ down; server @B@; server @C@ down;"), **made)
    assert set(counted(desk, 20)) == {made["B"].address}


def slow_group(origin, slow, seconds, count=4):
    """One server is slow, the others answer at once."""
    made = few(origin, "ABCDEFGH"[:count])
    made[slow].handle = lambda r: (time.sleep(seconds), reply(body="x"))[1]
    return made


def crowd(desk, clients, each, target="/"):
    """That many clients at the same time; returns whom the requests went to."""
    seen, lock = collections.Counter(), threading.Lock()

    def work():
        mine = choices(desk, [target] * each)
        with lock:
            seen.update(mine)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


@pytest.mark.parametrize("method, least, most", [
    ("random;", 0.17, 0.33),
    ("random two;", 0.0, 0.12),
    ("random two least_conn;", 0.0, 0.12),
    pytest.param("random two least_time;", 0.0, 0.12, marks=ours),
    pytest.param("random two least_time=header;", 0.0, 0.12, marks=ours),
    pytest.param("random two least_time=last_byte;", 0.0, 0.12, marks=ours),
])
def test_random_two_spares_the_slow(proxy, origin, method, least, most):
    made = slow_group(origin, "B", 0.05)
    desk = proxy(site(method, "server @A@; server @B@; server @C@; server @D@;"), **made)
    seen = crowd(desk, 8, 50)
    assert least <= seen[made["B"].address] / 400 <= most, seen


@pytest.mark.parametrize("method", ["random;", "random two;", pytest.param("least_time header;", marks=ours),
                                    pytest.param("least_time last_byte inflight;", marks=ours)])
def test_chance_among_many(proxy, origin, method):
    """More servers than are looked at one by one; down ones, weights."""
    made = {f"S{i}": origin(address=f"127.0.1.{i + 1}") for i in range(40)}
    servers = " ".join(f"server @{name}@{' down' if i % 4 == 0 else ''};" for i, name in enumerate(made))
    desk = proxy(site(method, servers), **made)
    seen = crowd(desk, 4, 250)
    assert sum(seen.values()) == 1000 and len(seen) == 30, seen
    if "least_time" not in method:
        assert 8 < min(seen.values()) and max(seen.values()) < 75, seen


@ours
def test_many_that_are_nearly_all_gone(proxy, origin):
    made = {"A": origin(), "B": origin()}
    servers = "".join(f"server 127.0.1.{i}:9 down;" for i in range(1, 60)) + "server @A@; server @B@;"
    for method in "random;", "random two;", "hash $uri;", "hash $uri consistent;", "ip_hash;", "least_time header;":
        desk = proxy(site(method, servers), **made)
        seen = set(choices(desk, [f"/{i}" for i in range(20)]))
        assert seen <= {made["A"].address, made["B"].address}, (method, seen)


# ---- least_time -------------------------------------------------------------------------------------

@ours
@pytest.mark.parametrize("method", ["least_time header;", "least_time last_byte;", "least_time header inflight;",
                                    "least_time last_byte inflight;"])
def test_least_time_prefers_the_quick(proxy, origin, method):
    made = slow_group(origin, "B", 1)
    desk = proxy(site(method, "server @A@; server @B@; server @C@; server @D@;"), **made)
    seen = counted(desk, 60)
    assert 1 <= seen[made["B"].address] <= 2, seen             # a fair first try
    assert all(seen[made[name].address] >= 1 for name in "ACD"), seen


@ours
def test_least_time_of_the_head_or_of_the_whole(proxy, origin):
    """A says its head at once and its body late; B is the other way round."""
    made = few(origin, "AB")

    def late_body(conn):
        while True:
            conn.request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            time.sleep(0.12)
            conn.send(b"aa")

    made["A"].script = late_body
    made["B"].handle = lambda r: (time.sleep(0.05), reply(body="b"))[1]
    for method, better in ("least_time header;", "A"), ("least_time last_byte;", "B"):
        desk = proxy(site(method, "server @A@; server @B@;"), **made)
        seen = counted(desk, 12)
        assert seen[made[better].address] >= 10, (method, seen)


@ours
def test_least_time_counts_who_waits(proxy, origin):
    """Under load a slow server gets its share of what it can do, no more."""
    made = slow_group(origin, "A", 0.06, 3)
    for name in "BC":
        made[name].handle = lambda r: (time.sleep(0.02), reply(body="x"))[1]
    desk = proxy(site("least_time header;", "server @A@; server @B@; server @C@;"), **made)
    seen = crowd(desk, 12, 30)
    assert seen[made["A"].address] < 0.2 * 360, seen
    assert min(seen[made[name].address] for name in "BC") > 0.3 * 360, seen


@ours
@pytest.mark.parametrize("method, goes_on", [("least_time header;", True), ("least_time header inflight;", False)])
def test_inflight_tells_of_what_is_not_answered_yet(proxy, origin, method, goes_on):
    """A was the quicker one by far, and now hangs: with `inflight` B is next before A has answered."""
    made, release = few(origin, "AB"), threading.Event()
    made["A"].handle = lambda r: ("hold" in r.target and release.wait(20), reply(body="a"))[1]
    made["B"].handle = lambda r: (time.sleep(0.2), reply(body="b"))[1]
    desk = proxy(site(method, "server @A@ weight=50; server @B@;"), **made)
    choices(desk, ["/"] * 10)
    assert counted(desk, 5) == {made["A"].address: 5}
    with desk.send_raw(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        desk.wait_for(lambda: any("hold" in r.target for r in made["A"].requests), 20, "A hangs")
        time.sleep(1.5 if goes_on else 25 * 0.2 + 0.5)
        assert (counted(desk, 1) == {made["A"].address: 1}) == goes_on
        release.set()
        assert client.response().status == 200


@ours
def test_failing_fast_does_not_draw_requests(proxy, origin):
    """The quickest answer is an error: least_time must not love it."""
    made = few(origin)
    made["A"].handle = lambda r: reply(500, body="no")
    for name in "BC":
        made[name].handle = lambda r: (time.sleep(0.02), reply(body="x"))[1]
    for method in "least_time header;", "least_time last_byte;", "random two least_time;", "random two;":
        desk = proxy(site(method, "server @A@; server @B@; server @C@;"), **made)
        seen = crowd(desk, 6, 30)
        assert seen[made["A"].address] < 0.5 * 180, (method, seen)


@ours
def test_times_are_known_after_a_reload(proxy, origin):
    made = slow_group(origin, "A", 0.15, 3)
    text = site("least_time header;", "server @A@; server @B@; server @C@;")
    desk = proxy(text, **made)
    counted(desk, 10)
    count = len(made["A"].requests)
    assert count == 1
    pid = desk.worker()
    reload_until_new(desk, text)
    counted(desk, 10)
    assert desk.worker() == pid and len(made["A"].requests) == count


@ours
def test_two_loops_share_what_they_know(proxy, origin):
    """What one loop learns of a slow server spares the clients of the other."""
    made = slow_group(origin, "A", 2, 3)
    desk = proxy(site("least_time header;", "server @A@; server @B@; server @C@;"), workers=2, **made)
    for _ in range(40):                     # connections of their own: both loops have some
        desk.get()
    assert len(made["A"].requests) <= 2


@pytest.mark.parametrize("method", HASHES[:2])
def test_two_loops_agree_on_keys(proxy, origin, method):
    desk = proxy(site(method, GROUPS["weights"]), workers=2, **few(origin))
    for key in KEYS[:20]:
        assert len({desk.get(key).get("X-Chosen") for _ in range(6)}) == 1


@ours
def test_the_name_of_the_last_server(proxy, origin):
    """$upstream_last_server_name: as its `server` line says it, the last of all tries."""
    made = few(origin, "AB")
    desk = proxy("""log_format names '$upstream_addr|$upstream_last_server_name'; access_log logs/names.log names;
        upstream u { server 127.0.0.9:9 max_fails=0; server localhost:@A.port@; }
        server { listen @P@; location / { proxy_pass http://u; add_header X-Name $upstream_last_server_name always; }
            location /none { return 204; } }""", **made)
    name = "localhost:" + made["A"].address.partition(":")[2]
    desk.wait_for(lambda: desk.get().get("X-Name") == name, 20, "localhost to be known")
    assert [desk.get().get("X-Name") for _ in range(2)] == [name] * 2
    desk.get("/none")
    desk.wait_for(lambda: "-|-" in desk.read("logs/names.log"), 20, "the last line")
    assert f"127.0.0.9:9, {made['A'].address}|{name}" in desk.read("logs/names.log").splitlines()
