# SPDX-License-Identifier: MIT
"""gRPC through grpc_pass, between a real client and a real server: every kind of call, trailers, status, deadlines,
cancelling, and what becomes of the proxy's own failures."""
import hashlib
import os
import socket
import threading
import time

import grpc
import pytest

from harness.grpc_app import NOT_SERVING, SERVING, GrpcApp, GrpcClient
from harness.h2 import H2Client
from harness.h2_wire import CANCEL, NO_ERROR, REFUSED_STREAM
from harness.proxy import PORTS, is_nginx

ours = pytest.mark.ours

CONF = """
ssl_certificate @CERT@;
ssl_certificate_key @KEY@;
ssl_protocols TLSv1.2 TLSv1.3;
upstream app { server @O@; keepalive 4; }
server {
    listen @P@ http2;
    listen @T@ ssl http2;
    server_name localhost;
    client_max_body_size 0;
    access_log logs/grpc.log;
    location / { grpc_pass grpc://app; }
    location /e2e.Secure { grpc_pass grpcs://@S@; grpc_ssl_name localhost;
        grpc_ssl_verify on; grpc_ssl_trusted_certificate @CA@; grpc_ssl_server_name on; }
    location /e2e.Nobody { grpc_pass grpc://127.0.0.1:1; }
    location /e2e.App/Hang { grpc_read_timeout 700ms; grpc_pass grpc://app; }
    location /e2e.Hang { grpc_pass @O@; }
    location /e2e.Denied { deny all; }
    location /e2e.Added { grpc_set_header x-added yes; grpc_pass app; }
}
"""


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1", label="grpc")


def texts(pair):
    with open(pair.key, "rb") as key, open(pair.certificate, "rb") as certificate:
        return key.read(), certificate.read()


@pytest.fixture(scope="module")
def app():
    one = GrpcApp()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def secure_app(pair):
    one = GrpcApp(pair=texts(pair))
    yield one
    one.stop()


@pytest.fixture(scope="module")
def desk(shared_proxy, app, secure_app, pair):
    return shared_proxy(CONF, O=app, S=secure_app, CERT=pair.certificate, KEY=pair.key, CA=pair.ca)


@pytest.fixture(params=["clear", "tls"])
def client(request, desk, app, pair):
    app.calls.clear()
    app.gone.clear()
    if request.param == "clear":
        one = GrpcClient(desk.address())
    else:
        with open(pair.ca, "rb") as file:
            one = GrpcClient(desk.address("T"), ca=file.read())
    with one:
        yield one


# ---- calls ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 16384, 3_000_000])
def test_unary(client, size):
    message = os.urandom(size)
    assert client.echo(message, timeout=30) == message


def test_metadata_both_ways(client, app):
    answer, call = client.call("unary_unary", "Echo").with_call(
        b"x", timeout=10, metadata=[("x-mine", "yes"), ("x-raw-bin", b"\0\1\xff")])
    assert answer == b"x"
    assert ("x-mine", "yes") in [tuple(one) for one in call.initial_metadata()]
    assert ("tx-raw-bin", b"\0\1\xff") in [tuple(one) for one in call.trailing_metadata()]
    assert ("x-mine", "yes") in app.calls[-1][1]
    assert call.code() == grpc.StatusCode.OK


@pytest.mark.parametrize("count, size", [(0, 0), (1, 10), (1000, 100), (20, 200_000)])
def test_server_streaming(client, count, size):
    got = list(client.call("unary_stream", "Expand")(b"%d %d" % (count, size), timeout=30))
    assert got == [b"%d " % i + bytes(size) for i in range(count)]


@pytest.mark.parametrize("count, size", [(0, 0), (1, 10), (500, 100), (20, 200_000)])
def test_client_streaming(client, count, size):
    messages = [b"%d" % i + bytes(size) for i in range(count)]
    answer = client.call("stream_unary", "Gather")(iter(messages), timeout=30)
    assert answer.decode() == f"{count} {hashlib.sha256(b''.join(messages)).hexdigest()}"


def test_both_ways_in_turn(client):
    """Each message is answered before the next is said: nothing may be kept back on the way."""
    turn = threading.Semaphore(1)

    def say():
        for i in range(20):
            assert turn.acquire(timeout=10)
            yield b"message %d" % i
    got = []
    for message in client.call("stream_stream", "Chat")(say(), timeout=30):
        got.append(message)
        turn.release()
    assert got == [b"message %d" % i for i in range(20)]


def test_many_at_once(client):
    calls = [client.call("unary_unary", "Echo").future(b"%d" % i, timeout=20) for i in range(100)]
    assert [call.result() for call in calls] == [b"%d" % i for i in range(100)]


def test_over_tls_to_the_server(client, secure_app):
    assert client.call("unary_unary", "Echo", "e2e.Secure")(b"x" * 1000, timeout=10) == b"x" * 1000
    got = list(client.call("unary_stream", "Expand", "e2e.Secure")(b"10 10000", timeout=10))
    assert len(got) == 10
    assert secure_app.calls


def test_fields_of_our_own(client, app):
    assert client.call("unary_unary", "Echo", "e2e.Added")(b"x", timeout=10) == b"x"
    assert ("x-added", "yes") in app.calls[-1][1]


# ---- status --------------------------------------------------------------------------------------

@pytest.mark.parametrize("code", ["NOT_FOUND", "PERMISSION_DENIED", "UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED",
                                  "UNAUTHENTICATED", "DATA_LOSS"])
def test_status_and_details(client, code):
    error = client.failure("Fail", f"{code} what went wrong: 100 % \u00fc".encode())
    assert error.code().name == code
    assert error.details() == "what went wrong: 100 % \u00fc"
    assert ("x-why", "because") in [tuple(one) for one in error.trailing_metadata()]
    assert ("x-raw-bin", b"\0\1\xff") in [tuple(one) for one in error.trailing_metadata()]


def test_a_method_that_is_not_there(client):
    assert client.failure("Nothing").code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_deadline_of_the_client(client, app):
    """The server learns of it by grpc-timeout, and of the client's leaving by RST_STREAM."""
    start = time.monotonic()
    error = _failure(client, "Hang", "e2e.Hang", timeout=0.4)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - start < 15
    assert app.gone.wait(20)


def test_cancel(client, app):
    call = client.call("unary_unary", "Hang", "e2e.Hang").future(b"", timeout=20)
    deadline = time.monotonic() + 20
    while not app.calls and time.monotonic() < deadline:
        time.sleep(0.01)
    call.cancel()
    assert app.gone.wait(20)
    assert client.echo() == b"hello"


# ---- the proxy's own failures --------------------------------------------------------------------

def test_no_server(client):
    error = _failure(client, "Echo", "e2e.Nobody")
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert client.echo() == b"hello"


def test_a_server_that_says_nothing(client):
    """504 is UNAVAILABLE to a client of gRPC."""
    assert client.failure("Hang", timeout=10).code() == grpc.StatusCode.UNAVAILABLE


def test_denied(client):
    """403 is PERMISSION_DENIED."""
    assert _failure(client, "Echo", "e2e.Denied").code() == grpc.StatusCode.PERMISSION_DENIED


def _failure(client, name, service, timeout=10):
    try:
        client.call("unary_unary", name, service)(b"", timeout=timeout)
    except grpc.RpcError as error:
        return error
    raise AssertionError("no failure")


# ---- by hand -------------------------------------------------------------------------------------

def alone(proxy, back, more=""):
    return proxy(f"upstream app {{ server @O@; keepalive 4; }} server {{ listen @P@ http2; {more}"
                 " location / { grpc_pass grpc://app; } }", O=back)


GRPC = {"content-type": "application/grpc", "te": "trailers"}


def test_what_the_server_sees(proxy, h2_origin):
    back = h2_origin(lambda one: one.reply(200, {"content-type": "application/grpc"}, b"\0\0\0\0\0",
                                           [("grpc-status", "0"), ("grpc-message", "ok")]))
    with H2Client(alone(proxy, back).address()) as client:
        answer = client.ask("POST", "/a.B/C", {**GRPC, "grpc-timeout": "5S"}, body=b"\0\0\0\0\3abc")
    one = back.requests[-1]
    assert (one.method, one.path, bytes(one.body)) == ("POST", "/a.B/C", b"\0\0\0\0\3abc")
    assert one.get("te") == "trailers" and one.get("content-type") == "application/grpc"
    assert one.get("grpc-timeout") == "5S"
    assert answer.trailers == [("grpc-status", "0"), ("grpc-message", "ok")]
    assert answer.body == b"\0\0\0\0\0" and answer.get("content-type") == "application/grpc"


def test_only_trailers(proxy, h2_origin):
    """An answer of one HEADERS frame, as servers say errors."""
    back = h2_origin(lambda one: one.head(200, {"content-type": "application/grpc", "grpc-status": "5",
                                                "grpc-message": "gone"}, end=True))
    with H2Client(alone(proxy, back).address()) as client:
        answer = client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0")
        assert is_nginx() or not client.data_order, "the end belongs to the head"
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) == (200, "5", "gone")


def test_an_early_answer(proxy, h2_origin):
    """The server has said all while the client still speaks: RST_STREAM(NO_ERROR) is no failure."""
    def handle(one):
        one.reply(200, {"content-type": "application/grpc"}, b"", [("grpc-status", "8")])
        one.refuse(NO_ERROR)
    back = h2_origin(handle, handle_early=True)
    with H2Client(alone(proxy, back, "client_max_body_size 0;").address()) as client:
        stream = client.open("POST", "/a.B/C", GRPC, end=False)
        client.send_data(stream, b"\0\0\0\0\5ab")
        client.wait(lambda: stream.is_over)
        assert ("grpc-status", "8") in stream.trailers


@ours
def test_a_refused_call_is_said_again(proxy, h2_origin):
    def handle(one):
        one.refuse(REFUSED_STREAM) if len(back.requests) == 1 else one.reply(
            200, {"content-type": "application/grpc"}, b"", [("grpc-status", "0")])
    back = h2_origin(handle)
    desk = alone(proxy, back)
    with H2Client(desk.address()) as client:
        assert ("grpc-status", "0") in client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0").trailers


def test_the_server_dies_in_an_answer(proxy, h2_origin):
    def handle(one):
        one.head(200, {"content-type": "application/grpc"})
        one.write(b"\0\0\0\0\5ab")
        time.sleep(0.1)
        one.conn.sock.shutdown(2)
    with H2Client(alone(proxy, h2_origin(handle)).address()) as client:
        stream = client.open("POST", "/a.B/C", GRPC)
        client.wait(lambda: stream.is_over)
        assert stream.reset not in (None, NO_ERROR) and not stream.trailers


def test_a_client_that_resets(proxy, h2_origin):
    resets = []
    back = h2_origin(lambda one: (one.wait(lambda: one.reset is not None, 10), resets.append(one.reset)))
    desk = alone(proxy, back)
    with H2Client(desk.address()) as client:
        stream = client.open("POST", "/a.B/C", GRPC)
        back.wait_requests(1)
        client.send_reset(stream.id, CANCEL)
        desk.wait_for(lambda: resets or (is_nginx() and back.conns[0].is_gone), 20, "a reset")


ANSWER = {"content-type": "application/grpc", "x-secret": "1", "server": "app"}


def done(one):
    one.reply(200, ANSWER, b"\0\0\0\0\0", [("grpc-status", "0")])


@pytest.mark.parametrize("more, name, is_there", [
    ("", "x-secret", True), ("grpc_hide_header X-Secret;", "x-secret", False)])
def test_grpc_hide_header(proxy, h2_origin, more, name, is_there):
    with H2Client(alone(proxy, h2_origin(done), more).address()) as client:
        assert client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0").has(name) == is_there


def test_grpc_pass_header(proxy, h2_origin):
    with H2Client(alone(proxy, h2_origin(done), "grpc_pass_header Server;").address()) as client:
        assert client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0").get("server") == "app"


def test_errors_in_the_words_of_grpc(proxy):
    """As nginx's manual has it: a page for the proxy's own failures, made of fields."""
    desk = proxy("""server { listen @P@ http2; error_page 502 504 = /unavailable;
        location / { grpc_pass grpc://127.0.0.1:1; }
        location = /unavailable { internal; default_type application/grpc; add_header grpc-status 14;
            add_header grpc-message "nobody is there"; return 204; } }""")
    with GrpcClient(desk.address()) as client:
        error = client.failure("Echo")
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "nobody is there")


@pytest.mark.parametrize("more, status", [("grpc_intercept_errors on;", b"page"), ("", b"from the server")])
def test_grpc_intercept_errors(proxy, h2_origin, more, status):
    desk = alone(proxy, h2_origin(lambda one: one.reply(503, {}, b"from the server")),
                 f"error_page 503 /page; location = /page {{ return 200 page; }} {more}")
    with H2Client(desk.address()) as client:
        assert client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0").body == status


@pytest.mark.parametrize("more, statuses", [("", {200}), ("grpc_next_upstream off;", {200, 502})])
def test_grpc_next_upstream(proxy, h2_origin, more, statuses):
    good = h2_origin(done)
    desk = proxy(f"upstream app {{ server 127.0.0.1:1 max_fails=0; server {good.address}; }} server {{ listen @P@ http2; {more}"
                 " location / { grpc_pass grpc://app; } }")
    with H2Client(desk.address()) as client:
        seen = {client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0").status for _ in range(6)}
    assert seen == statuses


def test_grpc_connect_timeout(proxy):
    """A server whose queue is full does not answer to the SYN."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        fillers.append(one)
    desk = proxy(f"server {{ listen @P@ http2; grpc_connect_timeout 500ms;"
                 f" location / {{ grpc_pass grpc://127.0.0.1:{listener.getsockname()[1]}; }} }}")
    with H2Client(desk.address()) as client:
        assert client.ask("POST", "/a.B/C", GRPC, body=b"\0\0\0\0\0").status == 504
    for one in [listener, *fillers]:
        one.close()


# ---- health checks -------------------------------------------------------------------------------

@ours
def test_health_checks(proxy):
    """health_check type=grpc: SERVING is healthy, NOT_SERVING is not."""
    app = GrpcApp(port=PORTS.get())
    try:
        desk = proxy("""upstream app { zone app 1m; server @O@; }
            server { listen @P@ http2; location / { grpc_pass grpc://app;
                health_check type=grpc interval=200ms fails=1 passes=1 grpc_service=e2e.App; } }""", O=app)
        with GrpcClient(desk.address()) as client:
            desk.wait_for(lambda: app.checked, 20, "a check")
            assert app.checked[-1] == "e2e.App"
            assert client.echo() == b"hello"
            app.health = NOT_SERVING
            desk.wait_for(lambda: _code(client) == grpc.StatusCode.UNAVAILABLE, 20, "the server to be taken out")
            app.health = SERVING
            desk.wait_for(lambda: _code(client) is None, 20, "the server to be back")
    finally:
        app.stop()


def _code(client):
    try:
        client.echo(timeout=5)
        return None
    except grpc.RpcError as error:
        return error.code()
