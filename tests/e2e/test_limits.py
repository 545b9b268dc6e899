# SPDX-License-Identifier: MIT
"""limit_req and limit_conn: how much one client may have. Where nginx is the definition, it checks the test."""
import re
import signal
import threading
import time

import pytest

from harness.client import request
from harness.origin import reply

ours = pytest.mark.ours
LOG = 'log_format limits "$uri $status $limit_req_status $limit_conn_status"; access_log logs/access.log limits;'


@pytest.fixture(name="desk")
def desk_(proxy, origin):
    """Key is the field X-Key; one request per minute, so that no test depends on how fast it runs."""
    def make(inside, zones="", workers=1, **more):     # an answer may be read a moment before its place is free
        made = proxy("limit_req_zone $http_x_key zone=r:1m rate=1r/m; limit_conn_zone $http_x_key zone=c:1m;"
                     f"{zones} {LOG} server {{ listen @P@; {inside} }}", preamble="client_body_temp_path tmp_body; "
                     "proxy_temp_path tmp_proxy;", O=more.pop("to", None) or origin(), workers=workers, **more)
        return made
    return make


def ask(desk, key="k", target="/", **more):
    return desk.get(target, fields=[("X-Key", key)] if key else [], **more)


def statuses(desk, count, key="k", target="/"):
    return [ask(desk, key, target).status for _ in range(count)]


def outcome(desk, count=1):
    """What the last line of the access log says of the limits."""
    return desk.log_lines(count)[count - 1].split()[1:]


class Hold:
    """Requests to /hold stay under way until open() is called."""

    def __init__(self, origin):
        self.go = threading.Event()
        self.origin = origin(handle=self.handle)

    def handle(self, one):
        if one.target.startswith("/hold"):
            self.go.wait(20)
        return reply(body="ok")


@pytest.fixture
def hold(origin):
    made = Hold(origin)
    yield made
    made.go.set()


# ---- limit_req --------------------------------------------------------------------------------------

def test_one_and_no_more(desk):
    made = desk("location / { limit_req zone=r; proxy_pass http://@O@; }")
    assert statuses(made, 3) == [200, 503, 503]
    assert statuses(made, 2, "other") == [200, 503]
    assert [line.split()[1:] for line in made.log_lines(5)] == [["200", "PASSED", "-"], ["503", "REJECTED", "-"],
        ["503", "REJECTED", "-"], ["200", "PASSED", "-"], ["503", "REJECTED", "-"]]
    made.wait_error(r'\[error\] .*limiting requests, excess: 1\.000 by zone "r", client: 127\.0\.0\.1, .*request: "GET / ')


def test_an_empty_key_is_not_limited(desk):
    made = desk("location / { limit_req zone=r; limit_conn c 1; proxy_pass http://@O@; }")
    assert statuses(made, 5, None) == [200] * 5
    assert outcome(made, 5) == ["200", "-", "-"]


def test_burst_without_delay(desk):
    made = desk("location / { limit_req zone=r burst=3 nodelay; proxy_pass http://@O@; }")
    assert statuses(made, 6) == [200] * 4 + [503] * 2


def test_a_burst_is_delayed(desk):
    """One a second: two that come with the first one are served a second and two seconds later."""
    made = desk("location / { limit_req zone=q burst=2; proxy_pass http://@O@; }",
                zones="limit_req_zone $http_x_key zone=q:1m rate=1r/s;")
    begin, clients = time.monotonic(), []
    for _ in range(4):
        clients.append(made.send_raw(request("GET", "/", fields=[("X-Key", "k")])))
        time.sleep(0.005)                               # in this order
    answers = [(clients[i].response().status, time.monotonic() - begin) for i in (0, 3, 1, 2)]
    assert [status for status, _ in answers] == [200, 503, 200, 200]
    assert 0.8 < answers[2][1] < 15 and 1.8 < answers[3][1] < 15
    made.wait_error(r'\[warn\] .*delaying request, excess: [01]\.\d\d\d, by zone "q"')
    assert sorted(line.split()[2] for line in made.log_lines(4)) == ["DELAYED", "DELAYED", "PASSED", "REJECTED"]
    for client in clients:
        client.close()


def test_delay_says_how_many_go_at_once(desk):
    made = desk("location / { limit_req zone=q burst=3 delay=2; proxy_pass http://@O@; }",
                zones="limit_req_zone $http_x_key zone=q:1m rate=20r/m;")
    begin = time.monotonic()
    assert statuses(made, 3) == [200] * 3
    assert time.monotonic() - begin < 2.8, "a delay would be three seconds"
    assert ask(made).status == 200
    assert 2.8 < time.monotonic() - begin < 15
    assert "DELAYED" in outcome(made, 4)


@pytest.mark.parametrize("client_closes", ["at once", "its side"])
def test_a_client_that_leaves_meanwhile_is_not_forwarded(desk, origin, client_closes):
    to = origin()
    made = desk("location / { limit_req zone=q burst=2; proxy_pass http://@O@; proxy_ignore_client_abort on; }", to=to,
                zones="limit_req_zone $http_x_key zone=q:1m rate=30r/m;")
    assert ask(made).status == 200
    client = made.send_raw(request("GET", "/left", fields=[("X-Key", "k")]))
    made.wait_error("delaying request")
    if client_closes == "at once":
        client.close()
    else:
        client.sock.shutdown(1)
    line = made.log_line(1, lambda line: line.startswith("/left"), timeout=1.8)    # before its turn
    assert line.split()[1:] == ["499", "DELAYED", "-"]
    time.sleep(2.1)
    assert [one.target for one in to.requests] == ["/"]
    client.close()


def test_a_body_waits_with_its_request(desk, origin):
    """One that is there before its turn, and one that comes late; all of it is forwarded."""
    to, body = origin(), b"x" * 300_000
    made = desk("location / { limit_req zone=q burst=2; proxy_pass http://@O@; }", to=to,
                zones="client_max_body_size 1m; limit_req_zone $http_x_key zone=q:1m rate=4r/s;")
    assert ask(made).status == 200
    whole = request("POST", "/", fields=[("X-Key", "k")], body=body)
    with made.connect() as client:
        client.send(whole[:100_000])
        time.sleep(0.4)
        client.send(whole[100_000:])
        assert client.response().status == 200
    assert to.last.body == body
    assert made.log_lines(2)[1].split()[2] == "DELAYED"


def test_status_and_error_page(desk):
    made = desk("""limit_req_status 429; location / { limit_req zone=r; proxy_pass http://@O@; }
                   location /page { limit_req zone=r; error_page 429 =200 /calm; proxy_pass http://@O@; }
                   location /calm { limit_req zone=r; return 200 "calm down"; }""")
    assert statuses(made, 2) == [200, 429]
    refused = ask(made)
    assert refused.status == 429 and refused.get("Retry-After") is None
    page = ask(made, target="/page")
    assert (page.status, page.text) == (200, "calm down")


@pytest.mark.parametrize("level, refusal, delay", [("info", "info", "info"), ("notice", "notice", "info"),
                                                   ("warn", "warn", "notice"), ("error", "error", "warn")])
def test_log_levels(desk, level, refusal, delay):
    made = desk("location / { limit_req zone=r; proxy_pass http://@O@; }"
                "location /d { limit_req zone=q burst=1; proxy_pass http://@O@; }"
                "location /c { limit_conn c 1; proxy_pass http://@O@; }",
                zones=f"limit_req_log_level {level}; limit_req_zone $http_x_key zone=q:1m rate=2r/s;")
    assert statuses(made, 2) == [200, 503]
    made.wait_error(rf"\[{refusal}\] .*limiting requests, ")
    made.wait_for(lambda: ask(made, target="/d") and re.search(rf"\[{delay}\] .*delaying request, ", made.errors()),
                  20, "one that comes within half a second")


def test_dry_run(desk):
    made = desk("""location / { limit_req zone=r; limit_req_dry_run on; proxy_pass http://@O@; }
                   location /d { limit_req zone=r burst=9; limit_req_dry_run on; proxy_pass http://@O@; }""")
    assert statuses(made, 2) == [200, 200]
    assert outcome(made, 2) == ["200", "REJECTED_DRY_RUN", "-"]
    begin = time.monotonic()
    assert ask(made, target="/d").status == 200
    assert time.monotonic() - begin < 15
    assert outcome(made, 3) == ["200", "DELAYED_DRY_RUN", "-"]
    made.wait_error(r'limiting requests, dry run, excess: \d\.\d\d\d by zone "r"')
    made.wait_error(r'delaying request, dry run, excess: \d\.\d\d\d, by zone "r"')


def test_several_limits(desk):
    """Whom one of them rejects counts in none."""
    made = desk("""location / { limit_req zone=r burst=1 nodelay; limit_req zone=s; proxy_pass http://@O@; }
                   location /one { limit_req zone=r burst=1 nodelay; proxy_pass http://@O@; }""",
                zones="limit_req_zone $http_x_key zone=s:1m rate=1r/m;")
    assert statuses(made, 4) == [200, 503, 503, 503]
    assert statuses(made, 2, target="/one") == [200, 503]
    made.wait_error(r'limiting requests, .* by zone "s"')


def test_inheritance_replaces(desk):
    made = desk("""limit_req zone=r; limit_conn c 1;
                   location /a { proxy_pass http://@O@; }
                   location /b { limit_req zone=r burst=2 nodelay; proxy_pass http://@O@; }""")
    assert statuses(made, 2, target="/a") == [200, 503]
    assert statuses(made, 3, target="/b") == [200, 200, 503]


def test_once_per_request(desk):
    """An internal redirect is not asked again."""
    made = desk("""location / { limit_req zone=r burst=1 nodelay; error_page 404 = /b; return 404; }
                   location /a { limit_req zone=r burst=1 nodelay; error_page 403 = /b; deny all; }
                   location /b { limit_req zone=r; proxy_pass http://@O@; }""")
    assert statuses(made, 3, target="/a") == [200, 200, 503]    # /b does not count them again


def test_return_comes_before_limits_and_deny_after(desk):
    made = desk("""location / { limit_req zone=r; return 204; }
                   location /deny { limit_req zone=r; deny all; }""")
    assert statuses(made, 3) == [204] * 3
    assert statuses(made, 2, target="/deny") == [403, 503]


def test_too_long_a_key(desk):
    made = desk("location / { limit_req zone=l; limit_conn m 1; proxy_pass http://@O@; }",
                zones="""limit_req_zone $long zone=l:1m rate=1r/m; limit_conn_zone $http_x_key zone=m:1m;
                         large_client_header_buffers 4 32k; map $http_x_key $long { default "$http_x_key$http_x_key$http_x_key"; }""")
    assert statuses(made, 2, "k" * 22000) == [200, 200]
    made.wait_error('the value of the "\\$long" key is more than 65535 bytes: "kkkk')
    made.wait_error('the value of the "\\$http_x_key" key is more than 255 bytes: "kkkk')
    assert outcome(made, 2) == ["200", "-", "-"]
    assert statuses(made, 2, "k" * 21000) == [200, 503]


def test_a_full_zone_forgets_the_oldest(desk):
    """Of 32 KB a zone has room for less than 300 keys."""
    made = desk("location / { limit_req zone=small; proxy_pass http://@O@; }",
                zones="limit_req_zone $http_x_key zone=small:32k rate=1r/m;")
    assert statuses(made, 2, "first") == [200, 503]
    with made.connect() as client:
        for i in range(300):
            client.send(request("GET", "/", fields=[("X-Key", f"key {i:06}")]))
            assert client.response().status == 200
    assert statuses(made, 2, "first") == [200, 503]


# ---- limit_conn -------------------------------------------------------------------------------------

def test_as_many_as_may_be(desk, hold):
    made = desk("location / { limit_conn c 2; proxy_pass http://@O@; }", to=hold.origin)
    busy = [made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])) for _ in range(2)]
    hold.origin.wait_requests(2)
    assert ask(made).status == 503
    assert outcome(made) == ["503", "-", "REJECTED"]
    made.wait_error(r'\[error\] .*limiting connections by zone "c", client: 127\.0\.0\.1')
    assert ask(made, "other").status == 200
    hold.go.set()
    assert [client.response().status for client in busy] == [200, 200]
    assert statuses(made, 5) == [200] * 5               # one after the other, on connections that rest or not
    for client in busy:
        client.close()


@pytest.mark.parametrize("end", ["client leaves", "server fails", "head is late"])
def test_a_place_is_given_back_however_it_ends(desk, origin, end):
    def script(conn):
        conn.request()
        if end == "client leaves":
            conn.hang()
        elif end == "head is late":
            conn.hang(1)
        conn.sock.close()
    to = origin(script=script)
    made = desk("location / { limit_conn c 1; proxy_pass http://@O@; proxy_read_timeout 200ms; proxy_next_upstream off; }", to=to)
    for i in range(3):
        client = made.send_raw(request("GET", f"/{i}", fields=[("X-Key", "k")]))
        to.wait_requests(i + 1)
        if end == "client leaves":
            client.close()
            made.log_lines(i + 1)
        else:
            assert client.response().status in (502, 504)
            client.close()


def test_a_tunnel_has_its_place_as_long_as_it_lives(desk, origin):
    def script(conn):
        if conn.request().get("Upgrade"):
            conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            conn.hang(10)
        else:
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    made = desk("""location / { limit_conn c 1; proxy_pass http://@O@; proxy_http_version 1.1;
                                proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }""",
                to=origin(script=script))
    with made.send_raw(request("GET", "/socket", fields={"Upgrade": "websocket", "Connection": "Upgrade", "X-Key": "k"})) as client:
        assert client.response().status == 101
        assert ask(made).status == 503
    made.log_line(0, lambda line: line.startswith("/socket"))
    assert ask(made).status == 200


def test_conn_status_and_dry_run(desk, hold):
    made = desk("""limit_conn_status 429; limit_conn_log_level notice;
                   location / { limit_conn c 1; proxy_pass http://@O@; }
                   location /dry { limit_conn c 1; limit_conn_dry_run on; proxy_pass http://@O@; }""", to=hold.origin)
    with made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])) as busy:
        hold.origin.wait_requests(1)
        assert ask(made).status == 429
        assert ask(made, target="/dry").status == 200
        assert outcome(made, 2) == ["200", "-", "REJECTED_DRY_RUN"]
        made.wait_error(r'\[notice\] .*limiting connections by zone "c"')
        made.wait_error(r'\[notice\] .*limiting connections, dry run, by zone "c"')
        hold.go.set()
        assert busy.response().status == 200
    assert outcome(made, 3) == ["200", "-", "PASSED"]


def test_several_zones_give_back_what_they_took(desk, hold):
    made = desk("""location / { limit_conn c 9; limit_conn d 1; proxy_pass http://@O@; }
                   location /c { limit_conn c 2; proxy_pass http://@O@; }""", to=hold.origin,
                zones="limit_conn_zone $server_port zone=d:1m;")
    with made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])) as busy:
        hold.origin.wait_requests(1)
        assert statuses(made, 5) == [503] * 5
        assert ask(made, target="/c").status == 200     # one place is taken, not six
        hold.go.set()
        assert busy.response().status == 200


def test_rate_is_asked_before_places(desk, hold):
    """nginx's handlers run in the reverse order of its modules; and who waits is not under way."""
    made = desk("""limit_req_status 429; limit_conn_status 509;
                   location / { limit_req zone=r burst=1 nodelay; limit_conn c 1; proxy_pass http://@O@; }""", to=hold.origin)
    with made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])) as busy:
        hold.origin.wait_requests(1)
        assert statuses(made, 3) == [509, 429, 429]
        hold.go.set()
        assert busy.response().status == 200


def test_a_full_conn_zone_refuses(proxy, origin):
    """Keys of 255 bytes take 512 each: 32 KB have room for 64 at most."""
    to = origin(script=lambda conn: conn.hang(20))
    made = proxy("limit_conn_zone $http_x_key zone=c:32k; server { listen @P@; location / { limit_conn c 1; proxy_pass http://@O@; } }",
                 O=to)
    clients = [made.send_raw(request("GET", "/", fields=[("X-Key", f"{i:0255}")])) for i in range(64)]
    clients.append(made.send_raw(request("GET", "/", fields=[("X-Key", f"{64:0255}")])))
    made.wait_error(r"\[crit\] .*no memory in limit_conn_zone \"c\"")
    for client in clients:
        client.close()
    made.wait_settled((made.rss_kb(), 64))


# ---- all loops, and all configurations --------------------------------------------------------------

def spread(desk, count, key="k"):
    """Requests on connections that are open at once, so that both loops have some."""
    clients = [desk.connect() for _ in range(count)]
    for client in clients:
        client.send(request("GET", "/", fields=[("X-Key", key)]))
    found = [client.response().status for client in clients]
    for client in clients:
        client.close()
    return found


@ours
def test_loops_share_rates(desk):
    made = desk("location / { limit_req zone=r burst=20 nodelay; proxy_pass http://@O@; }", workers=2,
                events="worker_connections 200;")
    found = spread(made, 60)
    assert found.count(200) == 21 and found.count(503) == 39


@ours
def test_loops_share_places(desk, hold):
    made = desk("location / { limit_conn c 10; proxy_pass http://@O@; }", workers=2, to=hold.origin)
    clients = [made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])) for _ in range(30)]
    made.log_lines(20)
    hold.origin.wait_requests(10)
    hold.go.set()
    found = [client.response().status for client in clients]
    assert found.count(200) == 10 and found.count(503) == 20
    assert spread(made, 5) == [200] * 5
    for client in clients:
        client.close()


@ours
def test_a_reload_forgets_nothing(desk, hold):
    inside = "location / { limit_req zone=r burst=3 nodelay; limit_conn c 2; proxy_pass http://@O@; } location /v { return 200 one; }"
    made = desk(inside, to=hold.origin)
    with open(made.conf, encoding="utf-8") as file:
        text = file.read()
    busy = [made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])) for _ in range(2)]
    hold.origin.wait_requests(2)

    def load(changed, answer):
        made.write(conf=changed.replace("200 one", f"200 {answer}"))
        made.tell(signal.SIGHUP)
        made.wait_for(lambda: made.get("/v").text == answer, 20, "the new configuration")
    load(text.replace("burst=3", "burst=4").replace("rate=1r/m", "rate=2r/m"), "two")
    assert statuses(made, 2) == [503, 503]              # no place; they count in the rate
    hold.go.set()
    assert [client.response().status for client in busy] == [200, 200]
    assert statuses(made, 2) == [200, 503]              # the fifth in the rate, and the first too many
    load(text.replace("zone=r:1m", "zone=r:2m"), "three")
    assert statuses(made, 5) == [200] * 4 + [503]       # of another size: another zone
    for client in busy:
        client.close()


@ours
def test_a_worker_that_ends_gives_nothing_wrong_back(desk, hold):
    """Places belong to the worker; the next one begins with none."""
    made = desk("location / { limit_conn c 1; proxy_pass http://@O@; }", to=hold.origin)
    with made.send_raw(request("GET", "/hold", fields=[("X-Key", "k")])):
        hold.origin.wait_requests(1)
        assert ask(made).status == 503
        made.may_alert = True
        made.tell(signal.SIGKILL, made.worker())
        made.wait_for(lambda: is_served(made), 20, "the next worker")
    hold.go.set()


def is_served(desk):
    try:
        return ask(desk).status == 200
    except OSError:
        return False


def test_limit_rate_with_two_loops(proxy, origin):
    """Each response has the whole rate, whichever loop it is on."""
    to = origin(handle=lambda _: reply(body="x" * 220000))
    made = proxy("server { listen @P@; location / { limit_rate 100k; limit_rate_after 20k; proxy_pass http://@O@; } }",
                 O=to, workers=2)
    begin = time.monotonic()
    clients = [made.send_raw(request("GET", "/")) for _ in range(6)]
    for client in clients:
        assert len(client.response().body) == 220000
        client.close()
    assert 0.8 < time.monotonic() - begin < 15
