# SPDX-License-Identifier: MIT
"""Connections to servers that speak TLS or HTTP/2: how long they are used, by whom, and what checks do on them."""
import threading
import time

import pytest

from harness.h2 import H2Client
from harness.h2_origin import echo
from harness.origin import reply
from harness.tls import server_context

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1", label="upstream-connections")


def site(upstream, target, more=""):
    return (f"upstream u {{ server @O@; {upstream} }} server {{ listen @P@ http2; proxy_http_version 2; {more}"
            f" location / {{ proxy_pass {target}://u; }} }}")


def test_keepalive_requests_counts_streams(proxy, h2_origin):
    back = h2_origin()
    desk = proxy(site("keepalive_requests 5;", "http"), O=back, workers=1)
    assert [desk.get().json["connection"] for _ in range(12)] == [1] * 5 + [2] * 5 + [3] * 2


def test_without_keepalive_those_at_once_share(proxy, h2_origin):
    here = threading.Barrier(5)
    back = h2_origin(lambda one: (here.wait(15), echo(one)))
    desk = proxy(site("keepalive 0;", "http"), O=back, workers=1)
    for _ in range(2):
        with H2Client(desk.address()) as client:
            streams = [client.open("GET", "/") for _ in range(5)]
            assert [client.answer(stream, 20).status for stream in streams] == [200] * 5
    assert back.connections == 2


def test_a_reload_keeps_connections(proxy, h2_origin, pair):
    """What outlives the configuration that made it is used by the next one, and its sessions are resumed."""
    back = h2_origin(tls=server_context((pair.certificate, pair.key), alpn=["h2"]))
    desk = proxy(site("", "https"), O=back, workers=1)
    assert desk.get().status == 200
    desk.reload()
    time.sleep(0.5)
    assert desk.get().json["connection"] == 1
    back.close_all()
    time.sleep(0.2)
    assert desk.get().json["connection"] == 2


def test_grpc_insists_on_http2(proxy, origin, pair):
    back = origin(tls=server_context((pair.certificate, pair.key), alpn=["http/1.1"]))
    desk = proxy("server { listen @P@ http2; location / { grpc_pass grpcs://@O@; } }", O=back)
    with H2Client(desk.address()) as client:
        assert client.ask("POST", "/a.B/C", {"te": "trailers"}, body=b"").status == 502
    desk.wait_error(r"upstream does not speak HTTP/2|SSL_do_handshake\(\) failed")
    assert not back.requests


def test_many_at_once_where_the_server_chooses_http1(proxy, origin, pair):
    """Nobody waits for a connection that will not be shared, once that is known."""
    back = origin(lambda one: (time.sleep(1), reply(body=b"x"))[1],
                  tls=server_context((pair.certificate, pair.key), alpn=["http/1.1"]))
    desk = proxy(site("", "https"), O=back, workers=1)
    assert desk.get().status == 200
    start = time.monotonic()
    with H2Client(desk.address()) as client:
        streams = [client.open("GET", "/") for _ in range(20)]
        assert [client.answer(stream, 30).status for stream in streams] == [200] * 20
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_checks_speak_as_their_location(proxy, origin, h2_origin, pair, version):
    context = server_context((pair.certificate, pair.key), alpn=["h2" if version == "2" else "http/1.1"])
    back = h2_origin(tls=context) if version == "2" else origin(tls=context)
    desk = proxy(f"upstream u {{ zone u 1m; server @O@; }} server {{ listen @P@; proxy_http_version {version}; location / {{"
                 f" proxy_ssl_verify on; proxy_ssl_trusted_certificate {pair.ca}; proxy_ssl_name localhost;"
                 " health_check uri=/well interval=100ms mandatory; proxy_pass https://u; } }", O=back)
    desk.wait_for(lambda: desk.get().status == 200, 20, "a good check")
    assert any((one.path if version == "2" else one.target) == "/well" for one in back.requests)


def test_a_check_that_does_not_trust(proxy, origin, pair):
    back = origin(tls=server_context((pair.certificate, pair.key)))
    desk = proxy(f"upstream u {{ zone u 1m; server @O@; }} server {{ listen @P@; location / {{ proxy_ssl_verify on;"
                 f" proxy_ssl_trusted_certificate {pair.ca}; proxy_ssl_name other.test;"
                 " health_check interval=100ms; proxy_pass https://u; } }", O=back)
    desk.wait_error(r'peer is unhealthy: upstream SSL certificate does not match "other.test" while SSL handshaking')
    assert desk.get().status == 502 and not back.requests


def test_grpc_status_of_a_check(proxy, h2_origin):
    """A server without grpc.health.v1 says UNIMPLEMENTED, in a head alone; grpc_status=12 is content with that."""
    back = h2_origin(lambda one: one.head(200, {"content-type": "application/grpc", "grpc-status": "12"}, end=True))
    desk = proxy("upstream u { zone u 1m; server @O@; } server { listen @P@ http2; location / { grpc_pass u;"
                 " health_check mandatory interval=100ms type=grpc grpc_status=12; } }", O=back)
    with H2Client(desk.address()) as client:
        desk.wait_for(lambda: client.ask("POST", "/a.B/C").status == 200, 20, "a good check")
    one = back.requests[0]
    assert (one.method, one.path, bytes(one.body)) == ("POST", "/grpc.health.v1.Health/Check", bytes(5))
    assert one.get("te") == "trailers"


@pytest.mark.parametrize("words", ["type=grpc uri=/x", "grpc_service=a", "type=grpc grpc_status=x", "type=http grpc_status=1",
                                   "type=grpc grpc_status=0", "type=grpc grpc_service="])
def test_t_finds(proxy, words):
    run = proxy("upstream u { zone u 1m; server 127.0.0.1:1; } server { listen @P@; location / { grpc_pass u;"
                f" health_check {words}; }} }}", start=False).run("-t")
    assert run.returncode != 0 and "[emerg]" in run.stderr
