# SPDX-License-Identifier: MIT
"""The files in conf/ do what their comments say."""
import json
import os
import ssl
import time

import pytest

from harness import netns
from harness.client import request
from harness.h2 import H2Client
from harness.h2_origin import H2Origin
from harness.origin import echo, reply
from harness.proxy import ROOT
from harness.tls import Tls

pytestmark = pytest.mark.skipif("E2E_NO_NETNS" in os.environ, reason="needs port 8080")


@pytest.fixture
def example(proxy):
    """Starts an example as it is, but for the places of files."""
    assert netns.IS_ISOLATED, "a network namespace is needed (root)"

    def start(name, place="", instead=""):
        desk = proxy(start=False, http="")
        with open(os.path.join(ROOT, "conf", name), encoding="utf-8") as file:
            text = file.read()
        with open(desk.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(place, instead) if place else text)
        desk.names["P"] = "127.0.0.1:8080"
        return desk.start("-g", "daemon off; pid frontdesk.pid;")
    return start


def at(origin, *ports, **options):
    return [origin(port=port, name=str(port), **options) for port in ports]


@pytest.mark.ours
def test_load_balance(example, origin):
    apps = at(origin, 3001, 3002, 3003)
    at(origin, 3009, 4001, 4002)
    desk = example("load-balance.conf")
    seen = [desk.get().json["origin"] for _ in range(8)]
    assert sorted(seen) == ["3001"] * 4 + ["3002"] * 2 + ["3003"] * 2
    assert {desk.get("/reports/x").json["origin"] for _ in range(4)} == {"4001", "4002"}
    for app in apps:
        app.close_all()
        app.stop()
    assert desk.get().json["origin"] == "3009"


def test_health_checks(example, origin):
    unready = set()

    def handle(port):
        def answer(one):
            if one.target != "/ready":
                return reply(body=str(port))
            return reply(body='{"ready": %s}' % ("false" if port in unready else "true"),
                         fields={"Content-Type": "application/json"})
        return answer
    for port in (3001, 3002, 3003):
        origin(port=port, handle=handle(port))
    desk = example("health-checks.conf")
    desk.wait_for(lambda: {desk.get().text for _ in range(6)} == {"3001", "3002", "3003"}, 20, "all three")
    unready.add(3002)
    desk.wait_for(lambda: {desk.get().text for _ in range(12)} == {"3001", "3003"}, 20, "it is left out")
    unready.clear()
    desk.wait_for(lambda: desk.get().text == "3002", 20, "its return")


def test_microservices(example, origin):
    at(origin, 5001, 5002, 5003, 3000)
    desk = example("microservices.conf")
    for target, seen, origins in (("/api/users/7", "/7", {"5001"}), ("/api/orders/7", "/api/orders/7", {"5002", "5003"}),
                                  ("/page", "/page", {"3000"})):
        answer = desk.get(target).json
        assert answer["target"] == seen and answer["origin"] in origins
        fields = dict(answer["fields"])
        assert fields["X-Real-IP"] == fields["X-Forwarded-For"] == "127.0.0.1"
        assert fields["X-Forwarded-Proto"] == "http" and len(fields["X-Request-ID"]) == 32
    answer = desk.get("/api/what")
    assert (answer.status, answer.json["error"]) == (404, "no such service")
    assert answer.get("Content-Type") == "application/json"
    assert desk.get("/alive").body == b"yes\n"
    assert desk.fetch("POST", "/api/files/a", body=b"x" * 3_000_000).json["length"] == 3_000_000
    assert desk.fetch("POST", "/api/orders/a", body=b"x" * 3_000_000).status == 413


def test_virtual_hosts(example, origin):
    at(origin, 3000, 3001, 3002)
    desk = example("virtual-hosts.conf")
    assert desk.get(host="unknown.example").status == 404
    answer = desk.get("/a?b", host="example.com")
    assert (answer.status, answer.get("Location")) == (301, "http://www.example.com/a?b")
    for host, name in (("www.example.com", "3000"), ("static.example.com", "3000"), ("x.shop.example.com", "3001"),
                       ("alice.people.example.com", "3002")):
        assert desk.get(host=host).json["origin"] == name
    assert dict(desk.get(host="alice.people.example.com").json["fields"])["X-Person"] == "alice"


def test_websocket(example, origin):
    def script(conn):
        seen = conn.request()
        if not seen.has("Upgrade"):
            conn.send(echo(seen))
            return
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        while True:
            conn.send(conn.take(1))
    back = origin(port=3000, script=script)
    desk = example("websocket.conf")
    assert desk.get("/socket").json["target"] == "/socket"
    assert not [name for name, _ in desk.get("/socket").json["fields"] if name == "Upgrade"]
    with desk.send_raw(request("GET", "/socket", fields={"Upgrade": "websocket", "Connection": "Upgrade"})) as client:
        assert client.response().status == 101
        client.send("x")
        assert client.take(1) == b"x"
    assert back.last.get("Upgrade") == "websocket"


def test_limits_and_logs(example, origin):
    back = origin(port=3000, handle=lambda r: reply(body=b"x" * 2_500_000) if r.target == "/downloads/big" else echo(r))
    desk = example("limits-and-logs.conf")
    answer = desk.get()
    assert answer.get("X-Frame-Options") == "DENY" and not any(c.isdigit() for c in answer.get("Server"))
    assert desk.get("/alive").body == b"yes\n"
    begin = time.monotonic()
    assert len(desk.get("/downloads/big", timeout=20).body) == 2_500_000
    assert 1.5 < time.monotonic() - begin < 20
    busy = [desk.send_raw(request("GET", "/downloads/big")) for _ in range(2)]
    back.wait_requests(4)
    assert desk.get("/downloads/third").status == 429
    for client in busy:
        client.close()
    back.stop()
    back.close_all()
    sorry = desk.get("/page")
    assert sorry.status == 502 and b"rest" in sorry.body and sorry.get("Content-Type") == "text/plain"
    assert desk.get("/sorry").status == 404
    lines = [json.loads(line) for line in desk.log_lines(7, "logs/access.json")]
    requests = [line["request"] for line in lines]
    assert requests[:2] == ["GET / HTTP/1.1", "GET /downloads/big HTTP/1.1"]
    assert sorted(requests[2:]) == sorted(["GET /downloads/third HTTP/1.1", *["GET /downloads/big HTTP/1.1"] * 2,
                                           "GET /page HTTP/1.1", "GET /sorry HTTP/1.1"])
    assert lines[0]["server"] == "127.0.0.1:3000" and lines[0]["status"] == 200
    with desk.connect() as client:
        assert 429 in [client.ask("GET", "/page").status for _ in range(150)]


@pytest.mark.ours
def test_cache(example, origin):
    film = bytes(range(256)) * 12000

    def handle(one):
        if one.target.startswith("/films/"):
            first, last = (int(n) for n in one.get("Range").partition("=")[2].split("-"))
            part = film[first:last + 1]
            return reply(206, body=part, fields={"ETag": '"film"', "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(film)}"})
        return reply(body=str(len(back.requests)), fields={"Set-Cookie": "a=b"} if one.target.startswith("/assets") else {})
    back = origin(port=3000, handle=handle)
    desk = example("cache.conf")

    assert {desk.get("/page").body for _ in range(3)} == {b"1"}
    assert desk.get("/page", fields={"Cookie": "session=x"}).body == b"2"
    assert desk.get("/page").body == b"1"
    assert desk.fetch("PURGE", "/page").status == 204
    assert desk.get("/page").body == b"3"
    asset = [desk.get("/assets/a.1.css") for _ in range(2)]
    assert [(one.body, one.get("Set-Cookie")) for one in asset] == [(b"4", None)] * 2
    assert int(asset[1].get("Cache-Control").partition("=")[2]) >= 30 * 86400
    assert len({desk.get("/account/me").body for _ in range(2)}) == 2
    for _ in range(2):
        assert desk.get("/films/a", fields={"Range": "bytes=2000000-2000009"}).body == film[2000000:2000010]
    assert len([one for one in back.requests if one.target == "/films/a"]) == 1, "the slice alone, once"
    desk.log_line(0, lambda line: "/page" in line and line.endswith(" 200 HIT origin=-"), name="logs/access.log")


@pytest.mark.ours
def test_https(example, origin, authority, tmp_path):
    at(origin, 3000)
    for name in ("example.com", "www.example.com"):
        os.mkdir(tmp_path / name)
        pair = authority.issue(name)
        os.rename(pair.certificate, tmp_path / name / "fullchain.pem")
        os.rename(pair.key, tmp_path / name / "privkey.pem")
    feed, greeter = H2Origin(port=3002), H2Origin(port=50051)
    try:
        desk = example("https.conf", "/etc/letsencrypt/live", str(tmp_path))
        desk.names["S"] = "127.0.0.1:8443"
        for answer in (desk.get("/a?b", host="example.com"), desk.get("/a?b", host="example.com:8443", to="S")):
            assert (answer.status, answer.get("Location")) == (301, "https://example.com:8443/a?b")
        with desk.connect("S", tls=Tls("example.com", ca=authority.certificate, alpn=["http/1.1"])) as client:
            answer = client.ask("GET", "/page", host="example.com")
            assert answer.json["origin"] == "3000" and answer.get("Strict-Transport-Security")
            assert dict(answer.json["fields"])["X-Forwarded-Proto"] == "https"
        with H2Client(desk.address("S"), tls=Tls("www.example.com", ca=authority.certificate, alpn=["h2"])) as client:
            assert client.ask("GET", "/page", authority="www.example.com").json["origin"] == "3000"
            for _ in range(3):
                assert client.ask("GET", "/feed/1", authority="www.example.com").status == 200
            assert client.ask("POST", "/example.Greeter/Hello", {"content-type": "application/grpc", "te": "trailers"},
                              authority="www.example.com", body=b"\0\0\0\0\0").status == 200
        assert feed.connections == 1
        assert greeter.requests[-1].path == "/example.Greeter/Hello"
        for name in ("other.example", None):
            with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
                desk.connect("S", tls=Tls(name))
    finally:
        feed.stop()
        greeter.stop()
