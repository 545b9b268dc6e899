# SPDX-License-Identifier: MIT
"""sticky cookie, route, learn: a client stays with its server while that can be asked; server ... route drain."""
import email.utils
import hashlib
import os
import threading
import time

import pytest

from harness.client import Client, request
from harness.origin import reply

pytestmark = pytest.mark.ours            # NGINX Plus, and nginx since 1.29.6

THREE = "server @A@; server @B@; server @C@;"
ROUTES = "server @A@ route=a; server @B@ route=b; server @C@ route=c;"


def few(origin, names="ABC"):
    return {name: origin(name=name.lower()) for name in names}


def site(sticky, servers=THREE, rest=""):
    return f"""upstream u {{ {servers} {sticky} }}
        server {{ listen @P@; location / {{ proxy_pass http://u; proxy_next_upstream error timeout http_503 non_idempotent; {rest}
                  add_header X-Chosen $upstream_addr always; }}
                  location = /version {{ return 200 old; }} }}"""


def reload_until_new(desk, text):
    desk.reload(http=text.replace("return 200 old", "return 200 new"))
    desk.wait_for(lambda: desk.get("/version").text == "new", 20, "the reload")


def set_cookie(answer):
    """Name, value, attributes of the only Set-Cookie."""
    found = [value for name, value in answer.fields if name.lower() == "set-cookie"]
    assert len(found) == 1, found
    pair, *attributes = found[0].split("; ")
    return pair.partition("=")[0], pair.partition("=")[2], attributes


def identity(server):
    return hashlib.md5(server.address.encode()).hexdigest()


def who(answer):
    return answer.json["origin"]


def ask(desk, cookie=None, target="/", to="P"):
    return desk.get(target, to=to, fields={"Cookie": cookie} if cookie else ())


# ---- cookie -----------------------------------------------------------------------------------------

def test_the_cookie_names_the_server(proxy, origin):
    made = few(origin)
    desk = proxy(site("sticky cookie srv_id;"), **made)
    for name in "ABC":
        answer = ask(desk)
        assert who(answer) == name.lower()
        assert set_cookie(answer) == ("srv_id", identity(made[name]), [])
    for name in "CABBACCA":
        answer = ask(desk, f"x=1; srv_id={identity(made[name])}; y=2")
        assert who(answer) == name.lower() and set_cookie(answer)[1] == identity(made[name])


def test_the_route_is_the_cookie(proxy, origin):
    desk = proxy(site("sticky cookie id;", ROUTES), **few(origin))
    assert [set_cookie(ask(desk))[1] for _ in range(3)] == ["a", "b", "c"]
    assert [who(ask(desk, f"id={name}")) for name in "cabbac"] == list("cabbac")


def test_a_unix_socket_has_an_identity(proxy, origin):
    path = proxy(start=False).path("socket")
    made = {"A": origin(name="a", address=f"unix:{path}"), "B": origin(name="b")}
    os.chmod(path, 0o777)
    desk = proxy(site("sticky cookie id;", "server @A@; server @B@;"), **made)
    assert set_cookie(ask(desk))[1] == identity(made["A"])
    assert [who(ask(desk, f"id={identity(made['A'])}")) for _ in range(4)] == list("aaaa")


@pytest.mark.parametrize("cookie", [None, "id=", "id=nobody", "id=" + "0" * 32, "idx=a", "ID=b", "id=\"a\"", "id=" + "x" * 3000])
def test_who_is_bound_to_nobody_is_balanced(proxy, origin, cookie):
    desk = proxy(site("sticky cookie id;", ROUTES), **few(origin))
    assert [who(ask(desk, cookie)) for _ in range(6)] == list("abcabc")


@pytest.mark.parametrize("parameters, expected", [
    ("httponly", ["httponly"]),
    ("secure", ["secure"]),
    ("domain=.example.com", ["domain=.example.com"]),
    ("path=/app", ["path=/app"]),
    ("samesite=strict", ["samesite=strict"]),
    ("samesite=Lax", ["samesite=lax"]),
    ("samesite=NONE", ["samesite=none"]),
    ("domain=.$host", ["domain=.localhost"]),
    ("path=/$arg_p", ["path=/here"]),
    ("samesite=$arg_lax", ["samesite=lax"]),
    ("samesite=$arg_other", ["samesite=strict"]),
    ("samesite=$arg_nothing domain=$arg_nothing path=$arg_nothing expires=$arg_nothing", []),
    ("domain=$arg_evil", []),
    ("path=/ secure httponly domain=x samesite=lax", ["domain=x", "httponly", "secure", "samesite=lax", "path=/"]),
])
def test_the_attributes_of_the_cookie(proxy, origin, parameters, expected):
    desk = proxy(site(f"sticky cookie id {parameters};"), **few(origin))
    assert set_cookie(ask(desk, target="/?p=here&lax=Lax&other=wild&evil=x;secure"))[2] == expected


@pytest.mark.parametrize("value, seconds", [("1h", 3600), ("1d12h", 129600), ("90", 90), ("$arg_e", 120), ("0", 0)])
def test_the_cookie_expires(proxy, origin, value, seconds):
    desk = proxy(site(f"sticky cookie id expires={value};"), **few(origin))
    expires, age = set_cookie(ask(desk, target="/?e=2m"))[2]
    assert age == f"max-age={seconds}"
    assert expires.startswith("expires=")
    date = email.utils.parsedate_to_datetime(expires[8:]).timestamp()
    assert abs(date - time.time() - seconds) < 30


@pytest.mark.parametrize("value", ["max", "$arg_m"])
def test_the_cookie_lives_for_ever(proxy, origin, value):
    desk = proxy(site(f"sticky cookie id expires={value};"), **few(origin))
    assert set_cookie(ask(desk, target="/?m=max"))[2] == ["expires=Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"]


def test_a_peers_own_cookie_stays(proxy, origin):
    made = few(origin, "A")
    made["A"].handle = lambda r: reply(fields={"Set-Cookie": "own=1; Path=/"}, body="x")
    desk = proxy(site("sticky cookie id;", "server @A@ route=a;"), **made)
    assert [value for name, value in ask(desk).fields if name.lower() == "set-cookie"] == ["own=1; Path=/", "id=a"]


def test_a_failure_moves_the_client(proxy, origin):
    """The server that answers at last is the one of the cookie; the one that failed is not asked again."""
    made = few(origin)
    made["B"].stop()
    desk = proxy(site("sticky cookie id;", ROUTES.replace("route=b", "route=b fail_timeout=30s")), **made)
    answer = ask(desk, "id=b")
    moved = set_cookie(answer)[1]
    assert answer.status == 200 and moved in "ac" and who(answer) == moved
    assert [who(ask(desk, f"id={moved}")) for _ in range(4)] == [moved] * 4
    assert "," not in ask(desk, "id=b").get("X-Chosen")


def test_an_answer_that_is_passed_on_moves_the_client(proxy, origin):
    made = few(origin)
    made["B"].handle = lambda r: reply(503, body="no")
    desk = proxy(site("sticky cookie id;", ROUTES), **made)
    assert set_cookie(ask(desk, "id=b"))[1] in "ac"


def test_when_all_are_dead_there_is_an_answer(proxy, origin):
    desk = proxy(site("sticky cookie id;", "server 127.0.0.9:9 route=a; server 127.0.0.9:8 route=b;"))
    for _ in range(3):
        assert desk.get(fields={"Cookie": "id=a"}).status == 502


@pytest.mark.parametrize("parameter", ["down", "max_conns=1"])
def test_who_cannot_take_it_is_left(proxy, origin, parameter):
    made, release = few(origin), threading.Event()
    made["B"].handle = lambda r: ("hold" in r.target and release.wait(20), reply(body='{"origin": "b"}'))[1]
    desk = proxy(site("sticky cookie id;", ROUTES.replace("route=b", f"route=b {parameter}")), **made)
    held = None
    if parameter != "down":
        held = desk.send_raw(request("GET", "/hold", fields={"Cookie": "id=b"}))
        made["B"].wait_requests(1)
    answer = ask(desk, "id=b")
    assert who(answer) in "ac" and set_cookie(answer)[1] == who(answer)
    if held:
        release.set()
        assert held.response().status == 200
        held.close()
        desk.wait_for(lambda: who(ask(desk, "id=b")) == "b", 20, "b to be free again")


def test_a_busy_server_keeps_its_clients(proxy, origin):
    made, release = few(origin), threading.Event()
    made["B"].handle = lambda r: ("hold" in r.target and release.wait(20), reply(body='{"origin": "b"}'))[1]
    desk = proxy(site("least_conn; sticky cookie id;", ROUTES), **made)
    clients = [desk.send_raw(request("GET", "/hold", fields={"Cookie": "id=b"})) for _ in range(5)]
    made["B"].wait_requests(5)
    assert [who(ask(desk, "id=b")) for _ in range(4)] == list("bbbb")
    assert "b" not in [who(ask(desk)) for _ in range(6)]
    release.set()
    for client in clients:
        client.response()
        client.close()


def test_drain_keeps_whom_it_has(proxy, origin):
    desk = proxy(site("sticky cookie id;", ROUTES.replace("route=b", "route=b drain")), **few(origin))
    assert [who(ask(desk)) for _ in range(6)] == list("acacac")
    assert [who(ask(desk, "id=b")) for _ in range(3)] == list("bbb")


@pytest.mark.parametrize("method", ["", "least_conn;", "ip_hash;", "hash $uri;", "hash $uri consistent;", "random;", "random two;",
                                    "least_time header;"])
def test_drain_under_each_method(proxy, origin, method):
    desk = proxy(site(f"{method} sticky route $arg_r;", ROUTES.replace("route=b", "route=b drain")), **few(origin))
    assert "b" not in {who(ask(desk, target=f"/{i}")) for i in range(20)}
    assert {who(ask(desk, target=f"/{i}?r=b")) for i in range(5)} == {"b"}
    assert [who(ask(desk, target=f"/?r={name}")) for name in "ac"] == ["a", "c"]


def test_drain_of_all_is_nobody(proxy, origin):
    desk = proxy(site("sticky route $arg_r;", "server @A@ route=a drain;"), **few(origin, "A"))
    assert ask(desk).status == 502
    assert who(ask(desk, target="/?r=a")) == "a"


def test_drain_begins_with_a_reload(proxy, origin):
    made = few(origin)
    text = site("sticky cookie id;", ROUTES)
    desk = proxy(text, **made)
    assert who(ask(desk, "id=b")) == "b"
    reload_until_new(desk, text.replace("route=b", "route=b drain"))
    assert who(ask(desk, "id=b")) == "b"
    assert "b" not in [who(ask(desk)) for _ in range(6)]


def test_a_backup_keeps_whom_it_has(proxy, origin):
    desk = proxy(site("sticky cookie id;", "server @A@ route=a; server @B@ route=b backup; server @C@ route=c;"), **few(origin))
    assert [who(ask(desk)) for _ in range(4)] == list("acac")
    assert who(ask(desk, "id=b")) == "b"


def test_more_servers_than_are_looked_at_one_by_one(proxy, origin):
    made = {f"S{i}": origin(name=str(i), address=f"127.0.1.{i + 1}") for i in range(40)}
    servers = " ".join(f"server @{name}@{' drain' if i % 2 else ''};" for i, name in enumerate(made))
    desk = proxy(site("sticky cookie id;", servers), **made)
    for name in list(made)[::7]:
        assert who(ask(desk, f"id={identity(made[name])}")) == made[name].name
    assert len({who(ask(desk)) for _ in range(40)}) == 20


def test_a_shared_route_is_all_that_have_it(proxy, origin):
    made = few(origin)
    made["A"].stop()
    desk = proxy(site("sticky cookie id;", "server @A@ route=x; server @B@ route=x; server @C@ route=c;"), **made)
    assert [who(ask(desk, "id=x")) for _ in range(3)] == list("bbb")


# ---- route ------------------------------------------------------------------------------------------

def test_the_first_variable_that_says_something_is_the_route(proxy, origin):
    desk = proxy(r"""map $cookie_jsessionid $of_cookie { ~.+\.(?P<route>\w+)$ $route; }
        """ + site("sticky route $of_cookie $arg_route;", ROUTES), **few(origin))
    assert [who(ask(desk, f"JSESSIONID=77.{name}; x=y")) for name in "bca"] == list("bca")
    assert [who(ask(desk, target=f"/?route={name}")) for name in "bca"] == list("bca")
    assert who(ask(desk, "JSESSIONID=77.c", target="/?route=a")) == "c"
    assert [who(ask(desk)) for _ in range(3)] == list("abc")
    assert "Set-Cookie" not in dict(ask(desk).fields)


def test_a_route_without_a_name_is_the_address(proxy, origin):
    made = few(origin)
    desk = proxy(site("sticky route $arg_r;"), **made)
    assert {who(ask(desk, target=f"/?r={identity(made['C'])}")) for _ in range(4)} == {"c"}


# ---- learn ------------------------------------------------------------------------------------------

LEARN = "sticky learn create=$upstream_cookie_app lookup=$cookie_app zone=clients:1m {};"


def application(made):
    """Servers that give a new client a cookie of their own, and answer at the path /login only."""
    for name, one in made.items():
        def handle(r, n=name.lower(), one=one):
            body = '{"origin": "%s"}' % n
            if r.target.startswith("/login"):
                return reply(fields={"Set-Cookie": f"app=of-{n}-{len(one.requests)}; Path=/"}, body=body)
            return reply(body=body)
        one.handle = handle


def login(desk):
    answer = ask(desk, target="/login")
    return who(answer), answer.get("Set-Cookie").partition(";")[0]


@pytest.mark.parametrize("parameters", ["", "header", "sync", "timeout=1h header sync"])
def test_learn(proxy, origin, parameters):
    made = few(origin)
    application(made)
    desk = proxy(site(LEARN.format(parameters)), **made)
    known = [login(desk) for _ in range(7)]
    assert len({name for name, _ in known}) == 3
    for name, cookie in known + known[::-1]:
        assert who(ask(desk, cookie)) == name
    assert [who(ask(desk, "app=unknown")) for _ in range(6)] in (list("bcabca"), list("abcabc"), list("cabcab"))


def test_several_variables_create_and_find(proxy, origin):
    made = few(origin)
    for name in "ABC":
        made[name].handle = lambda r, n=name.lower(): reply(fields={"X-Key": f"key-{n}"}, body='{"origin": "%s"}' % n)
    desk = proxy(site("sticky learn create=$upstream_cookie_none create=$upstream_http_x_key lookup=$cookie_none lookup=$arg_key zone=z:64k;"),
                 **made)
    for _ in range(3):
        ask(desk)
    assert [who(ask(desk, target=f"/?key=key-{name}")) for name in "bbaccb"] == list("bbaccb")


def test_header_learns_before_the_body_is_there(proxy, origin):
    made = few(origin)

    def script(conn):
        while True:
            asked = conn.request()
            name = conn.origin.name
            if asked.target != "/login":
                conn.send(reply(body='{"origin": "%s"}' % name))
                continue
            conn.send(f"HTTP/1.1 200 OK\r\nSet-Cookie: app={name}\r\nContent-Length: 4\r\n\r\n".encode() + b"1")
            conn.origin.release.wait(10)
            conn.send(b"234")

    for one in made.values():
        one.script, one.release = script, threading.Event()
    for parameter, is_known in ("header", True), ("", False):
        desk = proxy(site(LEARN.format(parameter)), **made)
        with desk.send_raw(request("GET", "/login")) as client:
            answer = client.take_head()
            name = answer.get("Set-Cookie")[4:]
            seen = {who(ask(desk, f"app={name}")) for _ in range(6)}
            assert (seen == {name}) == is_known, (parameter, seen)
            for one in made.values():
                one.release.set()
            assert client.take(4) == b"1234"
        desk.wait_for(lambda: {who(ask(desk, f"app={name}")) for _ in range(4)} == {name}, 20, "the binding")
        for one in made.values():
            one.release.clear()


def test_a_binding_is_forgotten_after_its_timeout(proxy, origin):
    made = few(origin)
    application(made)
    desk = proxy(site(LEARN.format("timeout=1500ms")), **made)
    name, cookie = login(desk)
    for _ in range(5):                      # each use renews it
        time.sleep(0.5)
        assert who(ask(desk, cookie)) == name
    time.sleep(1.8)
    assert len({who(ask(desk, cookie)) for _ in range(3)}) == 3


def test_the_table_is_bounded(proxy, origin):
    """32k are 256 bindings; those of long ago make room."""
    made = few(origin)
    application(made)
    desk = proxy(site("sticky learn create=$upstream_cookie_app lookup=$cookie_app zone=clients:32k;"), **made)
    first = [login(desk) for _ in range(6)]
    with desk.connect() as client:
        for _ in range(900):
            client.ask("GET", "/login")
    last = [login(desk) for _ in range(6)]
    assert sum(who(ask(desk, cookie)) == name for name, cookie in last) == 6
    assert any(len({who(ask(desk, cookie)) for _ in range(3)}) > 1 for _, cookie in first)


def test_learning_again_after_a_failure(proxy, origin):
    """The new server is remembered although it sets no cookie of its own."""
    made = few(origin)
    application(made)
    desk = proxy(site(LEARN.format(""), THREE.replace(";", " fail_timeout=1s;")), **made)
    name, cookie = login(desk)
    made[name.upper()].stop()
    made[name.upper()].close_all()
    moved = who(ask(desk, cookie))
    assert moved != name
    assert {who(ask(desk, cookie)) for _ in range(4)} == {moved}


def test_a_failed_answer_teaches_nothing(proxy, origin):
    made = few(origin, "AB")
    made["A"].handle = lambda r: reply(503, fields={"Set-Cookie": "app=bad"}, body="no")
    made["B"].handle = lambda r: reply(fields={"Set-Cookie": "app=good"} if r.target == "/login" else (), body='{"origin": "b"}')
    desk = proxy(site(LEARN.format("header"), "server @A@ max_fails=0; server @B@;"), **made)
    assert ask(desk, target="/login").status == 200
    before = len(made["A"].requests)
    for _ in range(4):
        ask(desk, "app=good")
    assert len(made["A"].requests) == before
    for _ in range(4):
        ask(desk, "app=bad")
    assert len(made["A"].requests) > before


def test_bindings_live_through_a_reload(proxy, origin):
    made = few(origin)
    application(made)
    text = site(LEARN.format(""))
    desk = proxy(text, **made)
    known = [login(desk) for _ in range(3)]
    reload_until_new(desk, text.replace(THREE, THREE + "server 127.0.0.9:9 down;"))
    for name, cookie in known + known:
        assert who(ask(desk, cookie)) == name


def test_two_loops_know_the_same_clients(proxy, origin):
    made = few(origin)
    application(made)
    desk = proxy(site(LEARN.format("")), workers=2, **made)
    known = [login(desk) for _ in range(4)]
    for name, cookie in known * 8:
        assert who(ask(desk, cookie)) == name


def test_a_crowd_of_clients_stays(proxy, origin):
    """Both loops at once: every client keeps its server while others come and go."""
    made = few(origin)
    application(made)
    desk = proxy(site(LEARN.format("header")), workers=2, **made)
    wrong = []

    def work():
        for _ in range(4):
            name, cookie = login(desk)
            with Client(desk.address()) as client:
                for _ in range(20):
                    answer = client.ask("GET", "/", fields={"Cookie": cookie})
                    if answer.json["origin"] != name:
                        wrong.append((name, cookie, answer))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
