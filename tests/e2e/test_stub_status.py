# SPDX-License-Identifier: MIT
"""stub_status and $connections_...: nginx's page of counts, compared to the byte."""
import re
import threading

from harness.client import request
from harness.h2 import H2Client
from harness.origin import reply

CONF = """
server {
    listen @P@;
    location = /status { stub_status; }
    location = /old { stub_status on; add_header X-Counts "$connections_active/$connections_reading/$connections_writing/$connections_waiting"; }
    location / { proxy_pass http://@O@; }
}
server { listen @S@; stub_status; location /in { return 200 inside; } }
"""
PAGE = re.compile(r"Active connections: (\d+) \n"
                  r"server accepts handled requests\n (\d+) (\d+) (\d+) \n"
                  r"Reading: (\d+) Writing: (\d+) Waiting: (\d+) \n")
NAMES = ("active", "accepts", "handled", "requests", "reading", "writing", "waiting")


def counts(desk, to="P"):
    answer = desk.get("/status", to=to)
    assert answer.status == 200 and answer.get("content-type") == "text/plain"
    match = PAGE.fullmatch(answer.body.decode())
    assert match, answer.body
    return dict(zip(NAMES, map(int, match.groups())))


def wait_counts(desk, **wanted):
    def are_so():
        now = counts(desk)
        return all(now[name] == number for name, number in wanted.items())
    desk.wait_for(are_so, 20, f"{wanted}, not {counts(desk)}")


def test_the_page(proxy, origin):
    desk = proxy(CONF, O=origin())
    first = counts(desk)
    assert first == {"active": 1, "accepts": first["accepts"], "handled": first["accepts"],
                     "requests": first["requests"], "reading": 0, "writing": 1, "waiting": 0}
    for _ in range(3):
        assert desk.get("/").status == 200
    after = counts(desk)
    assert after["accepts"] == after["handled"] == first["accepts"] + 4
    assert after["requests"] == first["requests"] + 4


def test_what_connections_do(proxy, origin):
    asked, go_on = threading.Event(), threading.Event()

    def handle(_):
        asked.set()
        go_on.wait(10)
        return reply(body="done")

    desk = proxy(CONF, O=origin(handle))
    wait_counts(desk, active=1, reading=0, writing=1, waiting=0)
    idle, half, busy, fresh = (desk.connect() for _ in range(4))
    assert idle.ask("GET", "/old").status == 200
    half.send(b"GET / HTTP/1.1\r\nHost: a")
    busy.send(request("GET", "/"))
    assert asked.wait(5)
    wait_counts(desk, active=5, reading=1, writing=2, waiting=2)
    desk.wait_for(lambda: idle.ask("GET", "/old").get("x-counts") == "4/1/2/1", 20, "itself among those at work")
    half.close()
    wait_counts(desk, active=4, reading=0, writing=2, waiting=2)
    go_on.set()
    assert busy.response().status == 200
    wait_counts(desk, active=4, reading=0, writing=1, waiting=3)
    busy.send(b"GET / HTTP/1.1\r\n")
    wait_counts(desk, active=4, reading=1, writing=1, waiting=2)
    busy.send(b"Host: a\r\n\r\n")
    assert busy.response().status == 200
    for client in (idle, busy, fresh):
        client.close()
    wait_counts(desk, active=1, reading=0, writing=1, waiting=0)


def test_methods_and_levels(proxy, origin):
    desk = proxy(CONF, O=origin())
    assert desk.fetch("POST", "/status", body=b"x").status == 405
    head = desk.fetch("HEAD", "/status")
    assert head.status == 200 and head.body == b"" and int(head.get("content-length")) > 80
    assert counts(desk, to="S")["writing"] == 1         # of the server: where no location is meant
    assert desk.get("/in", to="S").body == b"inside"
    assert desk.get("/old").body.startswith(b"Active connections: ")


def test_streams_are_requests(proxy, origin):
    desk = proxy(CONF.replace("listen @P@;", "listen @P@; listen @H@ http2;"), O=origin())
    with H2Client(desk.address("H")) as client:
        answer = client.ask("GET", "/status")
        page = dict(zip(NAMES, map(int, PAGE.fullmatch(answer.body.decode()).groups())))
        assert page["active"] == 1 and page["writing"] == 1 and page["waiting"] == 0
