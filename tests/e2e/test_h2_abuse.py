# SPDX-License-Identifier: MIT
"""What attackers do with HTTP/2: each attack ends with its connection; memory stays, others are served as before."""
import contextlib
import struct
import threading
import time

import pytest

from harness.client import Client
from harness.h2 import H2Client
from harness.h2_wire import (CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS,
                             INITIAL_WINDOW_SIZE, NO_ERROR, PING, PRIORITY, PRIORITY_UPDATE, RST_STREAM, SETTINGS,
                             WINDOW_UPDATE, frame, settings_payload)
from harness.origin import reply
from harness.proxy import is_memory_odd
from harness.wire import Closed

ours = pytest.mark.ours
GROWTH_KB = 50_000

CONF = """
server {
    listen @P@ http2;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    client_header_timeout 3s;
    client_body_timeout 2s;
    location / { proxy_pass http://@O@; proxy_request_buffering off; client_max_body_size 0; }
    location /hello { return 200 hello; }
}
"""


@pytest.fixture(scope="module")
def desk(shared_proxy, back):
    return shared_proxy(CONF, events="worker_connections 4096;", O=back)


class Bystander:
    """Asks over a connection of its own, again and again, while others attack."""

    def __init__(self, desk):
        self.desk = desk
        self.stopping = threading.Event()
        self.slowest, self.count, self.failures, self.most_kb = 0.0, 0, [], 0
        self.thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self):
        worker = self.desk.worker()
        while not self.stopping.is_set():
            start = time.monotonic()
            try:
                if self.count % 2:
                    with H2Client(self.desk.address()) as client:
                        answer = client.ask("GET", "/hello")
                else:
                    with H2Client(self.desk.address()) as client:
                        answer = client.ask("POST", "/kept", body=b"x")
                if answer.status != 200:
                    self.failures.append(answer)
            except (Closed, OSError, AssertionError) as error:
                self.failures.append(error)
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.count += 1
            self.most_kb = max(self.most_kb, self.desk.rss_kb(worker))
            time.sleep(0.01)


@contextlib.contextmanager
def bystander(desk):
    """Memory and other clients are judged when the attack is over."""
    with H2Client(desk.address()) as client:
        assert client.ask("GET", "/hello").status == 200
    before, worker = desk.rss_kb(), desk.worker()
    watch = Bystander(desk)
    watch.thread.start()
    try:
        yield watch
        goal = watch.count + 2
        desk.wait_for(lambda: watch.count >= goal, 20, "a bystander to be served")
    finally:
        watch.stopping.set()
        watch.thread.join(20)
    assert not watch.failures, watch.failures[:3]
    assert watch.slowest < 10, f"a bystander waited {watch.slowest} s"
    assert desk.worker() == worker
    if not is_memory_odd():
        assert watch.most_kb - before < GROWTH_KB, f"{before} KB grew to {watch.most_kb}"


@pytest.fixture
def client(desk, back):
    with H2Client(desk.address()) as client:
        yield client.settled()


def expect_end(client, sent, *codes):
    """The connection ends while that is sent, or soon after; GOAWAY, if the reset lets it through, says why."""
    client.pour(sent)
    code = end_of(client)
    assert code in (*codes, None), f"GOAWAY with {code}"
    return code


def end_of(client):
    """The code of the last GOAWAY. A notice that the connection will end (a loop is late, it has lasted) is none."""
    client.until_closed(8)
    codes = [code for last, code, _ in client.goaways if last != 0x7fffffff]
    return codes[-1] if codes else None


def number(value):
    return struct.pack(">I", value)


def heads(client, count, path="/hello", end=True, method="GET"):
    """HEADERS of so many streams, from the next one on."""
    for _ in range(count):
        stream = client.new_stream()
        yield stream.id, client.headers_frame(stream.id, client.head(method, path), end)


# ---- streams that come and go --------------------------------------------------------------------

def quietly(client):
    """Answers to streams that the attacker has forgotten are none of its business."""
    client.gives = False
    client.answers_pings = False


@ours
def test_rapid_reset(desk, client, back):
    """CVE-2023-44487: each stream is given up at once; the server behind must not see thousands of them."""
    quietly(client)
    back.handle = lambda one: (time.sleep(0.2), reply(body=b"x"))[1]
    with bystander(desk):
        sent = b"".join(head + frame(RST_STREAM, 0, number_, number(8)) for number_, head in
                        heads(client, 3000, "/rapid"))
        expect_end(client, sent, ENHANCE_YOUR_CALM)
    assert sum(one.target == "/rapid" for one in back.requests) <= 250


@ours
def test_rapid_reset_of_what_is_answered_here(desk, client):
    quietly(client)
    with bystander(desk):
        sent = b"".join(head + frame(RST_STREAM, 0, number_, number(8)) for number_, head in
                        heads(client, 5000, "/nothing", end=False, method="POST"))
        expect_end(client, sent, ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("how", ["window of nothing", "window too large", "data behind the end", "length"])
@ours
def test_made_you_reset(desk, client, back, how):
    """CVE-2025-8671: the proxy is made to reset the streams; it counts as if the client had."""
    quietly(client)
    back.handle = lambda one: (time.sleep(0.2), reply(body=b"x"))[1]
    fault = {"window of nothing": lambda n: frame(WINDOW_UPDATE, 0, n, number(0)),
             "window too large": lambda n: frame(WINDOW_UPDATE, 0, n, number(0x7fffffff)),
             "data behind the end": lambda n: frame(DATA, 0, n, b"x"),
             "length": lambda n: b""}[how]
    with bystander(desk):
        if how == "length":
            def made():
                for _ in range(3000):
                    stream = client.new_stream()
                    head = client.head("POST", "/made", {"content-length": "5"})
                    yield client.headers_frame(stream.id, head, False) + frame(DATA, END_STREAM, stream.id, b"x")
            sent = b"".join(made())
        else:
            sent = b"".join(head + fault(number_) for number_, head in heads(client, 3000, "/made"))
        client.pour(sent)
        assert end_of(client) != NO_ERROR
    assert sum(one.target == "/made" for one in back.requests) <= 250


@ours
def test_malformed_requests_without_end(desk, client, back):
    with bystander(desk):
        def made():
            for _ in range(5000):
                stream = client.new_stream()
                yield client.headers_frame(stream.id, client.head(fields={"X-Upper": "1"}), True)
        expect_end(client, b"".join(made()), ENHANCE_YOUR_CALM)
    assert not [one for one in back.requests if one.target != "/kept"]


# ---- header blocks -------------------------------------------------------------------------------

@ours
@pytest.mark.parametrize("piece", [b"", b"\x00\x01a\x01b", b"\x00\x01a\x7f\x81\x7e" + b"v" * 16000],
                         ids=["empty", "small", "large"])
def test_continuation_without_end(desk, client, piece):
    """VU#421644."""
    block = client.encoder.encode([(b":method", b"GET"), (b":path", b"/")])
    with bystander(desk):
        flood = frame(HEADERS, END_STREAM, 1, block)
        flood += frame(CONTINUATION, 0, 1, piece) * (1000 if len(piece) > 100 else 20000)
        code = expect_end(client, flood, ENHANCE_YOUR_CALM, *range(1, 14))
        assert code != NO_ERROR


@ours
def test_a_block_that_never_ends_has_its_time(desk, client):
    """HEADERS without END_HEADERS, and then silence."""
    client.send(frame(HEADERS, END_STREAM, 1, b"\x82"))
    client.until_closed(10)


@ours
@pytest.mark.parametrize("fields", [
    [(b"x", b"v" * 4000)] * 4000, [(b"cookie", b"a=b")] * 12000, [(b"", b"")] * 12000, [(b"a", b"")] * 14000],
    ids=["table", "cookies", "nothing", "names"])
def test_header_bombs(desk, client, back, fields):
    """Few bytes that unpack to many (CVE-2016-6581 and its like)."""
    with bystander(desk):
        for _ in range(20):
            stream = client.new_stream()
            block = client.encoder.encode([(n.encode(), v.encode()) for n, v in client.head(path="/bomb")] + fields)
            sent = b""
            for at in range(0, len(block), 16384):
                last = at + 16384 >= len(block)
                sent += frame(HEADERS if at == 0 else CONTINUATION, (END_STREAM if at == 0 else 0) |
                              (END_HEADERS if last else 0), stream.id, block[at:at + 16384])
            if not client.pour(sent):
                break
    assert not [one for one in back.requests if one.target == "/bomb"]


@ours
def test_many_large_heads_at_once(desk, client, back):
    """100 streams with a head each that is just allowed."""
    back.handle = lambda one: (time.sleep(0.3), reply(body=b"x"))[1]
    with bystander(desk):
        streams = [client.open("GET", "/large", [(f"x{i}", "v" * 3500) for i in range(8)]) for _ in range(100)]
        client.wait(lambda: all(stream.is_over for stream in streams), 30)


# ---- frames that mean nothing --------------------------------------------------------------------

FLOODS = {
    "SETTINGS": frame(SETTINGS, 0, 0, settings_payload({INITIAL_WINDOW_SIZE: 65535})),
    "empty SETTINGS": frame(SETTINGS),
    "PING": frame(PING, 0, 0, bytes(8)),
    "WINDOW_UPDATE": frame(WINDOW_UPDATE, 0, 0, number(1)),
    "PRIORITY": frame(PRIORITY, 0, 99, number(3) + b"\x10"),
    "PRIORITY_UPDATE": frame(PRIORITY_UPDATE, 0, 0, number(1) + b"u=1"),
    "unknown": frame(0x77, 0, 0, b""),
    "unknown and large": frame(0x77, 0, 0, bytes(64)),
}


@ours
@pytest.mark.parametrize("name", FLOODS)
def test_floods(desk, client, name):
    """CVE-2019-9511 and those after it: GOAWAY at the threshold."""
    with bystander(desk):
        code = expect_end(client, FLOODS[name] * 200_000, ENHANCE_YOUR_CALM)
        assert code != NO_ERROR


@ours
@pytest.mark.parametrize("one", [frame(DATA, 0, 1), frame(DATA, 8, 1, b"\x08" + bytes(8)),
                                 frame(WINDOW_UPDATE, 0, 1, number(1))],
                         ids=["empty DATA", "DATA of padding", "WINDOW_UPDATE"])
def test_floods_on_a_stream(desk, client, one):
    client.open("POST", "/", end=False)
    with bystander(desk):
        expect_end(client, one * 100_000, ENHANCE_YOUR_CALM, 3)


@ours
def test_frames_on_a_stream_that_is_over(desk, client):
    stream = client.open("GET", "/hello")
    client.answer(stream)
    with bystander(desk):
        expect_end(client, frame(RST_STREAM, 0, stream.id, number(8)) * 100_000, ENHANCE_YOUR_CALM, 5, 1)


@ours
@pytest.mark.parametrize("name", ["PING", "SETTINGS"])
def test_answers_that_nobody_reads(desk, name):
    """The answers to a flood are not piled up: soon the proxy reads no more, or says goodbye."""
    with bystander(desk):
        with H2Client(desk.address(), receive_buffer=4096) as client:
            client.sock.settimeout(2)
            with contextlib.suppress(OSError):
                for _ in range(2000):
                    client.send(FLOODS[name] * 1000)


def test_little_noise_is_no_attack(desk, client):
    """What honest clients do: a PING now and then, windows, priorities, a hundred requests given up."""
    for i in range(30):
        for name in ("PING", "WINDOW_UPDATE", "PRIORITY"):
            client.send(FLOODS[name])
        stream = client.open("GET", "/hello")
        client.send_window_update(stream.id, 1000)
        assert client.answer(stream).status == 200
    for _ in range(20):
        client.send_reset(client.open("POST", "/", end=False).id)
    assert client.ask("GET", "/hello").status == 200
    assert not client.goaways


def test_a_large_download_with_small_windows_is_no_attack(desk, client, back):
    """A WINDOW_UPDATE for each DATA frame is what many clients send."""
    back.handle = lambda one: reply(body=bytes(20_000_000))
    answer = client.ask("GET", "/big", timeout=30)
    assert len(answer.body) == 20_000_000 and not client.goaways


def test_an_upload_in_tiny_frames_is_no_attack(desk, client):
    stream = client.open("POST", "/", end=False)
    client.wait(lambda: client.greetings)
    for _ in range(20):
        client.pour(frame(DATA, 0, stream.id, b"x") * 50)
    client.send_data(stream, b"", True)
    assert client.answer(stream).json["length"] == 1000


def test_who_is_mistaken_reads_why(desk, client):
    """What he had on its way does not bring a reset that overtakes GOAWAY."""
    client.pour(FLOODS["PING"] * 20_000)
    assert end_of(client) == ENHANCE_YOUR_CALM


def test_who_is_deaf_is_cut_off(desk, client):
    """Beyond what may have been on its way nothing is swallowed."""
    piece = FLOODS["PING"] * 4000
    sent, most = 0, 64 << 20
    client.gives = client.answers_pings = False
    with bystander(desk), contextlib.suppress(OSError):
        while sent < most:
            client.sock.sendall(piece)
            sent += len(piece)
    assert sent < most


def test_heads_over_the_limits_without_end(desk, client, back):
    """Each is 431, and a hundred of them are enough."""
    fields = [(f"x{i}", "v" * 3500) for i in range(12)]
    with bystander(desk):
        streams = []
        with contextlib.suppress(OSError):
            for _ in range(300):
                streams.append(client.open("GET", "/hello", fields))
        assert end_of(client) == ENHANCE_YOUR_CALM
    assert streams[0].get(":status") == "431"


# ---- waiting -------------------------------------------------------------------------------------

@ours
def test_a_preface_and_no_more(desk):
    """A connection that asks nothing is closed in time."""
    with H2Client(desk.address(), preface=None) as client:
        client.send(b"PRI * HTTP/2.0\r\n")
        client.until_closed(10)


@ours
def test_bodies_that_never_come(desk, client):
    """client_body_timeout is each stream's: 408 or a reset, and the connection stays."""
    streams = [client.open("POST", "/kept", end=False) for _ in range(20)]
    client.wait(lambda: all(stream.fields or stream.reset is not None for stream in streams), 15)
    for stream in streams:
        assert stream.reset or stream.get(":status") == "408"
    assert client.ask("GET", "/hello").status == 200


@ours
def test_zero_windows_without_end(desk, client):
    """Many answers that nobody lets out: bounded memory, and the others pass."""
    with bystander(desk):
        attackers = []
        for _ in range(20):
            attacker = H2Client(desk.address(), settings={INITIAL_WINDOW_SIZE: 0})
            attackers.append(attacker)
            for _ in range(100):
                attacker.open("GET", "/kept")
        time.sleep(1)
        for attacker in attackers:
            attacker.close()


@ours
def test_slow_heads_on_many_connections(desk):
    with bystander(desk):
        slow = [Client(desk.address()) for _ in range(200)]
        for one in slow:
            one.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS) + frame(HEADERS, END_STREAM, 1, b"\x82"))
        for one in slow:
            one.sock.settimeout(10)
            one.rest()
            one.close()
