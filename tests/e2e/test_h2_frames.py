# SPDX-License-Identifier: MIT
"""Frames that HTTP/2 does not allow end the stream or the connection with the right code; what it says to ignore
is ignored (RFC 9113 4 to 6)."""
import struct

import pytest

from harness.h2 import H2Client
from harness.h2_wire import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_STREAM,
                             FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
                             MAX_FRAME_SIZE, NO_ERROR, PADDED, PING, PREFACE, PRIORITY, PRIORITY_UPDATE,
                             PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE,
                             frame, settings_payload)
from harness.wire import Closed

ours = pytest.mark.ours

CONF = """
server {
    listen @P@ http2;
    client_body_timeout 5s;
    location / { proxy_pass http://@O@; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location /stream { proxy_pass http://@O@; proxy_http_version 1.1; proxy_request_buffering off;
                       client_max_body_size 0; }
    location /hello { return 200 hello; }
}
"""


@pytest.fixture(scope="module")
def back(shared_origin):
    return shared_origin(receive_buffer=16384)


@pytest.fixture
def client(desk, back):
    back.reset()
    with H2Client(desk.address()) as client:
        yield client


def number(value):
    return struct.pack(">I", value)


GET = b"\x82\x86\x84\x41\x09localhost"       # GET http / localhost, by the static table
TOO_MUCH = b"x" * 16385

CONNECTION_ERRORS = {
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "HEADERS on stream 0": (frame(HEADERS, 5, 0, GET), PROTOCOL_ERROR),
    "HEADERS on an even stream": (frame(HEADERS, 5, 2, GET), PROTOCOL_ERROR),
    "RST_STREAM on stream 0": (frame(RST_STREAM, 0, 0, number(8)), PROTOCOL_ERROR),
    "RST_STREAM of three bytes": (frame(HEADERS, 4, 1, GET) + frame(RST_STREAM, 0, 1, b"abc"), FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "SETTINGS of seven bytes": (frame(SETTINGS, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "SETTINGS ACK with payload": (frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "a window of 2^31": (frame(SETTINGS, 0, 0, settings_payload({INITIAL_WINDOW_SIZE: 1 << 31})), FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE 100": (frame(SETTINGS, 0, 0, settings_payload({MAX_FRAME_SIZE: 100})), PROTOCOL_ERROR),
    "MAX_FRAME_SIZE 2^24": (frame(SETTINGS, 0, 0, settings_payload({MAX_FRAME_SIZE: 1 << 24})), PROTOCOL_ERROR),
    "PING of nine bytes": (frame(PING, 0, 0, bytes(9)), FRAME_SIZE_ERROR),
    "GOAWAY of four bytes": (frame(GOAWAY, 0, 0, bytes(4)), FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of three bytes": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of nothing": (frame(WINDOW_UPDATE, 0, 0, number(0)), PROTOCOL_ERROR),
    "too large a window": (frame(WINDOW_UPDATE, 0, 0, number(0x7fffffff)), FLOW_CONTROL_ERROR),
    "CONTINUATION from nowhere": (frame(CONTINUATION, 4, 1, GET), PROTOCOL_ERROR),
    "CONTINUATION behind an end": (frame(HEADERS, 5, 1, GET) + frame(CONTINUATION, 4, 1, b""), PROTOCOL_ERROR),
    "PING within a block": (frame(HEADERS, 1, 1, GET[:3]) + frame(PING, 0, 0, bytes(8)), PROTOCOL_ERROR),
    "another stream within a block": (frame(HEADERS, 1, 1, GET[:3]) + frame(CONTINUATION, 4, 3, GET[3:]),
                                      PROTOCOL_ERROR),
    "HEADERS within a block": (frame(HEADERS, 1, 1, GET[:3]) + frame(HEADERS, 5, 3, GET), PROTOCOL_ERROR),
    "PUSH_PROMISE": (frame(HEADERS, 4, 1, GET) + frame(PUSH_PROMISE, 4, 1, number(2) + GET), PROTOCOL_ERROR),
    "padding of all of HEADERS": (frame(HEADERS, 5 | PADDED, 1, b"\x20" + GET), PROTOCOL_ERROR, FRAME_SIZE_ERROR),
    "padding of all of DATA": (frame(HEADERS, 4, 1, GET) + frame(DATA, PADDED, 1, b"\x20abc"), PROTOCOL_ERROR,
                               FRAME_SIZE_ERROR),
    "no room for the padding's length": (frame(HEADERS, 4, 1, GET) + frame(DATA, PADDED, 1, b""), FRAME_SIZE_ERROR,
                                         PROTOCOL_ERROR),
    "index 0": (frame(HEADERS, 5, 1, b"\x80"), COMPRESSION_ERROR),
    "an index that is not in the table": (frame(HEADERS, 5, 1, GET + b"\xff\x80\x01"), COMPRESSION_ERROR),
    "a number without end": (frame(HEADERS, 5, 1, GET + b"\xff" + b"\xff" * 30), COMPRESSION_ERROR),
    "half of a field": (frame(HEADERS, 5, 1, GET + b"\x40\x05abc"), COMPRESSION_ERROR, FRAME_SIZE_ERROR),
    "Huffman with EOS in it": (frame(HEADERS, 5, 1, GET + b"\x00\x84\xff\xff\xff\xff\x01x"), COMPRESSION_ERROR),
    "a table larger than allowed": (frame(HEADERS, 5, 1, b"\x3f\xff\xff\x7f" + GET), COMPRESSION_ERROR),
}

# What older nginx does not see.
STRICTER = {
    "DATA on an idle stream": (frame(DATA, 0, 7, b"x"), PROTOCOL_ERROR, STREAM_CLOSED),
    "a frame that is too long": (frame(DATA, 0, 1, TOO_MUCH), FRAME_SIZE_ERROR, PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (frame(RST_STREAM, 0, 7, number(8)), PROTOCOL_ERROR, STREAM_CLOSED),
    "WINDOW_UPDATE on an idle stream": (frame(WINDOW_UPDATE, 0, 7, number(8)), PROTOCOL_ERROR, STREAM_CLOSED),
    "PING on a stream": (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "ENABLE_PUSH 2": (frame(SETTINGS, 0, 0, settings_payload({2: 2})), PROTOCOL_ERROR),
    "ENABLE_CONNECT_PROTOCOL 2": (frame(SETTINGS, 0, 0, settings_payload({8: 2})), PROTOCOL_ERROR),
}


def expect_goaway(client, sent, codes):
    client.send(sent)
    code = client.until_closed()
    assert code in codes, f"GOAWAY with {code}"


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_what_ends_the_connection(client, back, name):
    sent, *codes = CONNECTION_ERRORS[name]
    expect_goaway(client, sent, codes)
    assert "smuggled" not in str(back.requests)


@ours
@pytest.mark.parametrize("name", STRICTER)
def test_what_ends_ours(client, name):
    sent, *codes = STRICTER[name]
    expect_goaway(client, sent, codes)


@ours
def test_a_block_without_fields_is_no_request(client, back):
    stream = client.open(raw=[])
    client.wait(lambda: stream.is_over or client.goaways)
    assert stream.reset == PROTOCOL_ERROR or stream.get(":status") == "400" or client.goaways
    assert not back.requests


# ---- the beginning -------------------------------------------------------------------------------

@pytest.mark.parametrize("first", [
    PREFACE[:-1] + b"X", PREFACE.replace(b"SM", b"XX"), b"\0" * 24, b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["end", "SM", "zeros", "target", "TLS"])
def test_a_preface_that_is_none(desk, back, first):
    back.reset()
    with H2Client(desk.address(), preface=None) as client:
        client.send(first + frame(SETTINGS) + frame(HEADERS, 5, 1, GET))
        client.sock.settimeout(10)
        assert b"200" not in client.rest()[:60]
    assert not back.requests


@ours
@pytest.mark.parametrize("first", [frame(PING, 0, 0, bytes(8)), frame(HEADERS, 5, 1, GET), frame(SETTINGS, ACK)],
                         ids=["PING", "HEADERS", "ACK"])
def test_settings_come_first(desk, first):
    with H2Client(desk.address(), preface=None) as client:
        client.send(PREFACE + first)
        assert client.until_closed() == PROTOCOL_ERROR


def test_a_preface_byte_by_byte(desk):
    with H2Client(desk.address(), preface=None) as client:
        for byte in PREFACE + frame(SETTINGS):
            client.send(bytes([byte]))
        assert client.ask("GET", "/hello").body == b"hello"


def test_our_settings(client):
    client.settled()
    assert client.peer_settings.get(INITIAL_WINDOW_SIZE, 65535) >= 65535
    assert client.acknowledged == 1


def test_a_stream_below_the_last_is_none(client, back):
    """It ends the connection, or is nothing at all."""
    client.open("GET", "/five", number=5)
    client.new_stream(3)
    try:
        client.send_headers(3, client.head(path="/three"), True)
        client.ping()
        client.ask("GET", "/hello")
    except Closed:
        assert client.goaways[-1][1] in (PROTOCOL_ERROR, STREAM_CLOSED)
    assert "/three" not in [one.target for one in back.requests]


# ---- streams that are over, windows --------------------------------------------------------------

def test_data_behind_the_end(client):
    stream = client.open("GET", "/hello")
    client.send_data(stream, b"more", True)
    client.wait(lambda: stream.is_over or client.goaways)
    assert stream.reset in (None, STREAM_CLOSED, NO_ERROR)
    assert not client.goaways or client.goaways[-1][1] in (STREAM_CLOSED, PROTOCOL_ERROR)


def test_headers_behind_the_end(client, back):
    """A second head on the same stream is not a second request."""
    stream = client.open("GET", "/one")
    client.send_headers(stream.id, client.head(path="/two"), True)
    try:
        client.wait(lambda: stream.is_over or client.goaways)
        client.ping()
    except Closed:
        assert client.goaways[-1][1] in (STREAM_CLOSED, PROTOCOL_ERROR)
    assert "/two" not in [one.target for one in back.requests]


def test_data_behind_a_reset_is_dropped(client):
    stream = client.open("POST", "/", end=False)
    client.send_reset(stream.id)
    client.send_data(stream, b"late", True)
    client.ping()
    assert client.ask("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("payload, code", [(0, PROTOCOL_ERROR), (0x7fffffff, FLOW_CONTROL_ERROR)])
def test_windows_of_a_stream(client, payload, code):
    stream = client.open("POST", "/", end=False)
    client.send_window_update(stream.id, payload)
    client.wait(lambda: stream.is_over or client.goaways)
    assert stream.reset == code or client.goaways[-1][1] == code


@ours
def test_a_window_that_grows_too_large_by_a_setting(client):
    stream = client.open("POST", "/", end=False)
    client.send_window_update(stream.id, 0x7fff0000)
    client.send_settings({INITIAL_WINDOW_SIZE: 0x7fffffff})
    client.wait(lambda: stream.is_over or client.goaways)
    assert stream.reset == FLOW_CONTROL_ERROR or client.goaways[-1][1] == FLOW_CONTROL_ERROR


def test_more_data_than_the_window(client, back):
    """The server reads nothing, so soon nothing is given back; what comes all the same is an error."""
    back.script = lambda conn: conn.hang()
    stream = client.open("POST", "/stream", end=False)
    if client.pour(frame(DATA, 0, stream.id, bytes(16384)) * 1000):
        client.wait(lambda: stream.is_over or client.goaways)
    assert FLOW_CONTROL_ERROR in (stream.reset, *(code for _, code, _ in client.goaways))


# ---- what is ignored -----------------------------------------------------------------------------

IGNORED = {
    "an unknown frame": frame(0x42, 0xff, 0, b"whatever"),
    "an unknown frame on a stream": frame(0x42, 0xff, 1, b"whatever"),
    "an unknown setting": frame(SETTINGS, 0, 0, settings_payload({0x4242: 77})),
    "unknown flags": frame(PING, 0xfe, 0, bytes(8)),
    "PRIORITY": frame(PRIORITY, 0, 9, number(0) + b"\x10"),
    "PRIORITY_UPDATE": frame(PRIORITY_UPDATE, 0, 0, number(1) + b"u=1, i"),
    "PRIORITY_UPDATE that makes no sense": frame(PRIORITY_UPDATE, 0, 0, number(1) + b"\xff,,=="),
    "the reserved bit": frame(PING, 0, 0x80000000, bytes(8)),
    "an answer to a PING that nobody sent": frame(PING, ACK, 0, b"surprise"),
    "SETTINGS twice": frame(SETTINGS) + frame(SETTINGS),
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_ignored(client, name):
    client.send(IGNORED[name])
    assert client.ask("GET", "/hello").body == b"hello"
    assert not client.goaways


def test_frames_of_any_size_up_to_the_most(client):
    stream = client.open("POST", "/", end=False)
    for size in (0, 1, 16384, 255):
        client.send(frame(DATA, 0, stream.id, bytes(size)))
    client.send(frame(DATA, END_STREAM, stream.id))
    assert client.answer(stream).json["length"] == 16640


@ours
def test_the_client_says_goodbye(client, back):
    """Its GOAWAY ends what is to come, not what is under way; then the connection is closed."""
    stream = client.open("GET", "/last")
    client.send_goaway(0)
    assert client.answer(stream).json["target"] == "/last"
    assert client.until_closed() in (None, NO_ERROR)


def test_a_self_dependency_is_no_harm(client):
    """RFC 7540 called it an error of the stream; nobody looks at dependencies any more."""
    client.send(frame(PRIORITY, 0, 1, number(1) + b"\x10"))
    try:
        assert client.ask("GET", "/hello").body == b"hello"
    except (AssertionError, Closed):
        assert PROTOCOL_ERROR in (client.streams[1].reset, *(code for _, code, _ in client.goaways))
