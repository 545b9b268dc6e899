# SPDX-License-Identifier: MIT
"""Windows both ways, memory behind stalled streams, and who is written first (RFC 9113 5.2, RFC 9218)."""
import hashlib
import os
import struct
import threading

import pytest

from harness.h2 import H2Client
from harness.h2_wire import INITIAL_WINDOW_SIZE, NO_RFC7540_PRIORITIES, PRIORITY_UPDATE
from harness.origin import reply
from harness.proxy import is_memory_odd

ours = pytest.mark.ours

CONF = """
proxy_cache_path @DIR@/kept keys_zone=kept:1m max_object=100k;
server {
    listen @P@ http2;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    client_max_body_size 0;
    location / { proxy_pass http://@O@; }
    location /stream { proxy_pass http://@O@; proxy_request_buffering off; }
    location /stall { send_timeout 700ms; proxy_pass http://@O@; }
    location /twice/ { proxy_pass http://@P@/; proxy_http_version 2; }
    location /cut/ { proxy_pass http://@O@/; proxy_force_ranges on; proxy_buffers 32 8k; }
    location /kept/ { proxy_pass http://@O@/; proxy_cache kept; proxy_cache_key $uri; proxy_cache_valid 1h; }
    location /hello { return 200 hello; }
}
"""
BIG = os.urandom(1 << 20)


def sized(one):
    """/SIZE is so many bytes of BIG."""
    return reply(body=BIG[:int(one.target.rpartition("/")[2])], fields={"Content-Type": "application/octet-stream"})


@pytest.fixture(scope="module")
def back(shared_origin):
    return shared_origin(receive_buffer=16384)


@pytest.fixture
def connect(desk, back):
    back.reset()
    back.handle = sized
    made = []

    def make(window=65535, gives=False, settings=(), connection_window=None):
        client = H2Client(desk.address(), settings={INITIAL_WINDOW_SIZE: window, NO_RFC7540_PRIORITIES: 1,
                                                    **dict(settings)}, gives=gives)
        if connection_window:
            client.send_window_update(0, connection_window)
        made.append(client)
        return client.settled()
    yield make
    for client in made:
        client.close()


# ---- towards the client --------------------------------------------------------------------------

def test_no_more_than_the_window(connect):
    client = connect(connection_window=1 << 24)
    stream = client.open("GET", "/1000000")
    client.wait(lambda: len(stream.body) == 65535)
    assert client.is_quiet(0.2) and len(stream.body) == 65535
    client.send_window_update(stream.id, 1)
    client.wait(lambda: len(stream.body) == 65536)
    client.send_window_update(stream.id, 1 << 20)
    assert client.answer(stream).body == BIG[:1000000]


def test_no_more_than_the_connections_window(connect):
    client = connect(window=1 << 20)
    streams = [client.open("GET", "/50000") for _ in range(3)]
    client.wait(lambda: sum(len(stream.body) for stream in streams) == 65535 and all(stream.fields for stream in streams))
    assert client.is_quiet(0.2)
    client.send_window_update(0, 1 << 20)
    for stream in streams:
        assert client.answer(stream).body == BIG[:50000]


@pytest.mark.parametrize("window", [1, 7, 100])
def test_tiny_windows(connect, window):
    client = connect(window=window)
    stream = client.open("GET", "/50")
    while not stream.is_over:
        before = len(stream.body)
        client.wait(lambda: stream.is_over or len(stream.body) > before)
        assert len(stream.body) - before <= window
        if not stream.is_over:
            client.send_window_update(stream.id, len(stream.body) - before)
    assert bytes(stream.body) == BIG[:50]


def test_a_window_that_opens_late(connect):
    client = connect(window=0)
    stream = client.open("GET", "/1000")
    client.wait(lambda: stream.fields is not None)
    assert client.is_quiet(0.2) and not stream.body
    client.send_settings({INITIAL_WINDOW_SIZE: 400})
    client.wait(lambda: len(stream.body) == 400)
    client.send_settings({INITIAL_WINDOW_SIZE: 1000})
    assert client.answer(stream).body == BIG[:1000]


def test_a_window_below_nothing(connect):
    client = connect(window=1000)
    stream = client.open("GET", "/3000")
    client.wait(lambda: len(stream.body) == 1000)
    client.send_settings({INITIAL_WINDOW_SIZE: 0})              # minus 1000 now
    client.ping()
    client.send_window_update(stream.id, 1000)
    assert client.is_quiet(0.2) and len(stream.body) == 1000
    client.send_window_update(stream.id, 5)
    client.wait(lambda: len(stream.body) == 1005)
    client.send_window_update(stream.id, 3000)
    assert client.answer(stream).body == BIG[:3000]


def test_an_empty_answer_needs_no_window(connect):
    client = connect(window=0)
    assert client.answer(client.open("GET", "/0")).body == b""


def test_a_stalled_stream_stalls_no_other(connect):
    client = connect(connection_window=1 << 28)
    stalled = [client.open("GET", "/1000000") for _ in range(20)]
    client.wait(lambda: all(len(stream.body) == 65535 for stream in stalled))
    other = client.open("GET", "/1000000")
    client.send_window_update(other.id, 1 << 20)
    assert client.answer(other).body == BIG[:1000000]
    for stream in stalled:
        client.send_window_update(stream.id, 1 << 20)
        assert client.answer(stream).body == BIG[:1000000]


@pytest.mark.parametrize("path, most_kb", [("/1000000", 4_000), ("/twice/1000000", 12_000), ("/cut/1000000", 5_000),
                                           ("/kept/1000000", 5_000)], ids=["h1", "h2", "range", "kept"])
def test_a_hundred_stalled_answers_hold_little_memory(connect, desk, path, most_kb):
    """What is read ahead of a window is bounded: 400 megabytes are on their way, few are in us. A server of HTTP/2 is
    asked through the proxy once more, which then holds something twice. What comes from a range that we cut out
    ourselves, or from a file of the cache, has the same bound."""
    clients = [connect(window=0) for _ in range(4)]
    fed = connect(window=1 << 21, connection_window=1 << 21)
    assert fed.answer(fed.open("GET", path)).body == BIG[:1000000]
    before = desk.rss_kb()
    for client in clients:
        streams = [client.open("GET", path, {"range": "bytes=0-"}) for _ in range(100)]
        client.wait(lambda held=streams: all(stream.fields for stream in held), 20)
        assert client.is_quiet(0.3)
    if not is_memory_odd():
        assert desk.rss_kb() - before < 4 * most_kb
    other = clients[0].open("GET", path)
    clients[0].send_window_update(other.id, 1 << 20)
    clients[0].send_window_update(0, 1 << 20)
    assert clients[0].answer(other).body == BIG[:1000000]
    for client in clients:
        client.close()


@ours
def test_memory_of_stalled_answers_is_given_back(connect, desk):
    """Those who held it have gone: soon the system has it again."""
    if is_memory_odd():
        pytest.skip("a sanitizer's malloc keeps what it likes")
    clients = [connect(window=0) for _ in range(16)]
    assert clients[0].answer(clients[0].open("GET", "/0")).status == 200
    before = desk.pss_kb()
    for client in clients:
        streams = [client.open("GET", "/1000000") for _ in range(100)]
        client.wait(lambda held=streams: all(stream.fields for stream in held), 20)
    held = desk.pss_kb() - before
    assert held > 15_000
    for client in clients:
        client.close()
    desk.wait_for(lambda: desk.pss_kb() - before < held / 3, 30, "the memory to be given back")


@ours
def test_a_stall_is_not_for_ever(connect):
    """send_timeout is the stream's: it is reset, the connection goes on."""
    client = connect(window=100)
    stream = client.open("GET", "/stall/1000")
    client.wait(lambda: stream.is_over)
    assert stream.reset and len(stream.body) == 100
    assert client.answer(client.open("GET", "/hello")).body == b"hello"


def test_a_stall_holds_no_server_for_ever(connect, back):
    """The connection to the server is given up with the stream."""
    over = threading.Event()

    def script(conn):
        conn.request()
        try:
            conn.send(reply(body=bytes(30_000_000)))
            conn.rest()
        except OSError:
            pass
        over.set()
    back.script = script
    client = connect(window=100)
    stream = client.open("GET", "/stall/1")
    client.wait(lambda: stream.is_over)
    assert stream.reset and over.wait(10)


# ---- towards the server --------------------------------------------------------------------------

def test_an_upload_waits_for_its_server_alone(connect, back):
    """One server reads nothing: that stream's window stays shut, the others' uploads pass."""
    go = threading.Event()
    held = []

    def script(conn):
        one = conn.request_head()
        if one.target == "/stream/held":
            held.append(conn)
            assert go.wait(20)
        conn.request_body(one)
        conn.send(reply(body=hashlib.sha256(one.body).hexdigest(), fields={"Connection": "close"}))
    back.script = script
    client = connect(gives=True)
    stream = client.open("POST", "/stream/held", end=False)
    sent = hashlib.sha256()
    total, quiet = 0, 0
    while quiet < 3 and total < 64 << 20:
        room = min(stream.send_window, client.send_window, 16384)
        if room <= 0:
            quiet += client.is_quiet(0.1) and min(stream.send_window, client.send_window) <= 0
            continue
        client.send_data(stream, BIG[:room])
        sent.update(BIG[:room])
        total += room
    assert total < 32 << 20, "nobody read, and no window closed"
    assert held
    for path in ("/stream/other", "/other"):
        assert client.ask("POST", path, body=BIG[:300_000], timeout=20).text == hashlib.sha256(BIG[:300_000]).hexdigest()
    go.set()
    client.write(stream, BIG[:100])
    sent.update(BIG[:100])
    assert client.answer(stream, 30).text == sent.hexdigest()


def test_stalled_uploads_hold_little_memory(connect, desk, back):
    back.script = lambda conn: conn.hang(8)
    client = connect(gives=True)
    before = desk.rss_kb()
    streams = [client.open("POST", f"/stream/{i}", end=False) for i in range(50)]
    for stream in streams:
        room = min(stream.send_window, client.send_window, 65536)
        if room > 0:
            client.send_data(stream, BIG[:min(room, 16384)])
    client.is_quiet(0.3)
    for stream in streams:
        while min(stream.send_window, client.send_window) > 16384 and stream.send_window > 40000:
            client.send_data(stream, BIG[:16384])
    client.is_quiet(0.3)
    if not is_memory_odd():
        assert desk.rss_kb() - before < 25_000
    client.close()


def test_http2_body_preread_size(proxy):
    """What may come of a body before anybody wants it is a stream's first window."""
    for size in (65536, 131072):
        desk = proxy(f"server {{ listen @P@ http2; http2_body_preread_size {size // 1024}k; return 200 x; }}")
        with H2Client(desk.address()) as client:
            client.settled()
            assert client.peer_settings.get(INITIAL_WINDOW_SIZE, 65535) == size


@pytest.mark.parametrize("size", [1024, 8192, 16384])
def test_http2_chunk_size(proxy, origin, size):
    desk = proxy(f"server {{ listen @P@ http2; http2_chunk_size {size}; location / {{ proxy_pass http://@O@; }} }}",
                 O=origin(handle=sized))
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/200000").body == BIG[:200000]
        assert size // 2 <= max(length for _, length in client.data_order) <= size


# ---- who is first --------------------------------------------------------------------------------

def emptied(connect, **options):
    """A client whose connection's window is used up, so that the next bytes wait for it."""
    client = connect(window=1 << 20, **options)
    assert len(client.answer(client.open("GET", "/65535")).body) == 65535
    client.data_order.clear()
    return client


def ready(client, streams):
    """Their answers wait in the proxy for the connection's window."""
    client.wait(lambda: all(stream.fields for stream in streams))
    client.is_quiet(0.3)
    assert not client.data_order


def order_of(client, streams, total):
    """Who got how much, in order, when the window opens for so many bytes in steps."""
    for _ in range(0, total, 4096):
        client.send_window_update(0, 4096)
        client.is_quiet(0.02)
    client.wait(lambda: all(stream.is_over for stream in streams))
    return [number for number, size in client.data_order if size]


@ours
def test_the_most_urgent_is_first(connect):
    client = emptied(connect)
    low, usual, high = (client.open("GET", "/12000", fields) for fields in
                        ({"priority": "u=7"}, {}, {"priority": "u=0"}))
    ready(client, [low, usual, high])
    order = order_of(client, [low, usual, high], 40000)
    assert sorted(order, key=[high.id, usual.id, low.id].index) == order


@ours
def test_one_after_the_other_unless_incremental(connect):
    client = emptied(connect)
    streams = [client.open("GET", "/20000", {"priority": "u=3"}) for _ in range(2)]
    ready(client, streams)
    order = order_of(client, streams, 45000)
    assert order == sorted(order)


@ours
def test_incremental_ones_take_turns(connect):
    client = emptied(connect)
    streams = [client.open("GET", "/30000", {"priority": "u=3, i"}) for _ in range(3)]
    ready(client, streams)
    order = order_of(client, streams, 95000)
    firsts = [order.index(stream.id) for stream in streams]
    lasts = [len(order) - 1 - order[::-1].index(stream.id) for stream in streams]
    assert max(firsts) < min(lasts), f"no turns: {order}"


@ours
def test_a_priority_can_change(connect):
    client = emptied(connect)
    first, second = client.open("GET", "/20000"), client.open("GET", "/20000", {"priority": "u=5"})
    ready(client, [first, second])
    client.send_frame(PRIORITY_UPDATE, 0, 0, struct.pack(">I", second.id) + b"u=0")
    client.ping()
    order = order_of(client, [first, second], 45000)
    assert order.index(first.id) > order.index(second.id)
