# SPDX-License-Identifier: MIT
"""HTTP/2 frames, made and read by hand: what the client and the origin of the tests have in common.

Whatever a test says is sent as it is, malformed or not; what comes is judged strictly (RFC 9113), and a
violation fails the test. Only HPACK is a library's (python3-hpack)."""
import contextlib
import ssl
import struct
import time
from typing import NamedTuple

from hpack import Decoder, Encoder

from .wire import PATIENCE, Closed, Malformed, Wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 16
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY,
 HTTP_1_1_REQUIRED) = range(14)
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)
ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES = 8, 9

CONNECTION_FIELDS = ("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade")


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind, flags=0, stream=0, payload=b""):
    """The bytes of a frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings_payload(settings):
    return b"".join(struct.pack(">HI", name, value) for name, value in settings.items())


class Stream:
    """One stream as this end sees it."""

    def __init__(self, wire, number):
        self.wire = wire
        self.id = number
        self.fields = None               # of the head
        self.interim = []                # fields of heads before it
        self.body = bytearray()
        self.trailers = []
        self.is_ended = False            # the other side has sent all
        self.reset = None                # the code of its RST_STREAM
        self.was_seen_at = time.monotonic()
        self.send_window = wire.peer_settings.get(INITIAL_WINDOW_SIZE, 65535)
        self.owed = 0                    # bytes that came and were not given back

    def get(self, name):
        values = [value for n, value in self.fields or () if n == name]
        assert len(values) <= 1, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def is_over(self):
        return self.is_ended or self.reset is not None

    def __repr__(self):
        return (f"<Stream {self.id} {self.fields} {len(self.body)} bytes ended={self.is_ended} reset={self.reset}"
                f" trailers={self.trailers}>")


class H2Wire(Wire):
    """gives: what came of DATA is given back to the sender's windows at once; else the test does it."""

    def __init__(self, sock, timeout=PATIENCE, gives=True):
        super().__init__(sock, timeout)
        self.gives = gives
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.streams = {}
        self.peer_settings = {}
        self.greetings = 0               # SETTINGS of the other side
        self.acknowledged = 0            # SETTINGS of ours
        self.pings = 0                   # of the other side
        self.pongs = []
        self.goaways = []                # (last stream, code, words)
        self.data_order = []             # (stream, size) of each DATA frame
        self.others = []                 # frames of unknown kinds, PRIORITY_UPDATE
        self.send_window = 65535
        self.owed = 0
        self.answers_settings = self.answers_pings = True
        self.block = None                # (stream, flags, bytes) of a header block that goes on

    # ---- sending ------------------------------------------------------------------------------

    def send_frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(frame(kind, flags, stream, payload))

    def answer_frame(self, *one, **more):
        """What goes out because of what came; who is gone need not have it, and may have left words to be read."""
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            self.send_frame(*one, **more)

    def send_settings(self, settings=()):
        self.send_frame(SETTINGS, payload=settings_payload(dict(settings)))

    def headers_frame(self, stream, fields, end=False, flags=END_HEADERS):
        """The bytes of HEADERS; fields are encoded as they are."""
        block = self.encoder.encode([(_bytes(n), _bytes(v)) for n, v in fields])
        flags |= END_STREAM if end else 0
        if len(block) <= 16384:
            return frame(HEADERS, flags, stream, block)
        pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
        return frame(HEADERS, flags & ~END_HEADERS, stream, pieces[0]) + b"".join(
            frame(CONTINUATION, END_HEADERS if piece is pieces[-1] else 0, stream, piece) for piece in pieces[1:])

    def send_headers(self, stream, fields, end=False, **options):
        self.send(self.headers_frame(stream, fields, end, **options))

    def send_reset(self, stream, code=CANCEL):
        self.send_frame(RST_STREAM, 0, stream, struct.pack(">I", code))

    def send_goaway(self, last, code=NO_ERROR, words=b""):
        self.send_frame(GOAWAY, payload=struct.pack(">II", last, code) + words)

    def send_window_update(self, stream, size):
        self.send_frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))

    # ---- reading ------------------------------------------------------------------------------

    def take_frame(self):
        head = self.take(9)
        size = int.from_bytes(head[:3], "big")
        if size > 16384:
            raise Malformed(f"a frame of {size} bytes, more than was allowed")
        return Frame(head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, self.take(size))

    def step(self):
        """Reads a frame and does what it asks for; returns it."""
        one = self.take_frame()
        self.dispatch(one)
        return one

    def dispatch(self, one):
        if self.block is not None and (one.kind != CONTINUATION or one.stream != self.block[0]):
            raise Malformed(f"{one} within a header block")
        handle = {DATA: self._data, HEADERS: self._headers, RST_STREAM: self._reset, SETTINGS: self._settings,
                  PING: self._ping, GOAWAY: self._goaway, WINDOW_UPDATE: self._window,
                  CONTINUATION: self._continuation}.get(one.kind, self.others.append)
        handle(one)

    def wait(self, condition, timeout=PATIENCE, what="what the test waits for"):
        """Reads until condition() holds. Closed: the other side ended first."""
        deadline = time.monotonic() + timeout
        old = self.sock.gettimeout()
        try:
            while not condition():
                self.sock.settimeout(max(0.001, deadline - time.monotonic()))
                self.step()
        except TimeoutError:
            raise TimeoutError(f"waited {timeout} s for {what}; {list(self.streams.values())[-3:]},"
                               f" goaway {self.goaways}") from None
        finally:
            self.sock.settimeout(old)
        return condition()

    def is_quiet(self, seconds):
        """Handles what comes for that long; True: the connection is still open, and nothing but windows came."""
        kinds = []
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                self.sock.settimeout(max(0.01, deadline - time.monotonic()))
                kinds.append(self.step().kind)
        except TimeoutError:
            pass
        except Closed:
            return False
        finally:
            self.sock.settimeout(10.0)
        return all(kind in (WINDOW_UPDATE, SETTINGS, PING) for kind in kinds)

    def give(self, stream, size):
        """Windows for that many bytes more, of the stream and of the connection."""
        self.send_window_update(stream.id, size)
        self.send_window_update(0, size)

    def opened(self, number):
        """A stream that the other side speaks on for the first time."""
        raise Malformed(f"frame on stream {number}, which nobody opened")

    def headed(self, stream, fields, has_ended):
        """A whole header block has come."""
        raise NotImplementedError

    def finished(self, stream):
        """END_STREAM or RST_STREAM has come."""

    def _stream(self, number):
        return self.streams.get(number) or self.opened(number)

    def _end(self, stream):
        stream.is_ended = True
        self.finished(stream)

    def _data(self, one):
        stream = self._stream(one.stream)
        if stream.is_ended:
            raise Malformed(f"DATA behind the end of stream {stream.id}")
        if stream.fields is None:
            raise Malformed(f"DATA before the head of stream {stream.id}")
        payload = one.payload
        if one.flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        stream.body += payload
        self.data_order.append((stream.id, len(payload)))
        self.owed += len(one.payload)
        stream.owed += len(one.payload)
        if self.gives and one.payload:
            size = len(one.payload)
            self.owed -= size
            stream.owed -= size
            self.answer_frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", size))
            if not one.flags & END_STREAM:
                self.answer_frame(WINDOW_UPDATE, 0, stream.id, struct.pack(">I", size))
        if one.flags & END_STREAM:
            self._end(stream)

    def _headers(self, one):
        payload = one.payload
        if one.flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        if one.flags & WITH_PRIORITY:
            payload = payload[5:]
        self.block = (one.stream, one.flags, payload)
        if one.flags & END_HEADERS:
            self._block_done()

    def _continuation(self, one):
        if self.block is None:
            raise Malformed("CONTINUATION without HEADERS")
        self.block = (self.block[0], self.block[1], self.block[2] + one.payload)
        if one.flags & END_HEADERS:
            self._block_done()

    def _block_done(self):
        number, flags, block = self.block
        self.block = None
        fields = [(_text(n), _text(v)) for n, v in self.decoder.decode(block, raw=True)]
        stream = self._stream(number)
        if stream.is_ended:
            raise Malformed(f"HEADERS behind the end of stream {number}")
        self.headed(stream, fields, bool(flags & END_STREAM))
        if flags & END_STREAM:
            self._end(stream)

    def _reset(self, one):
        stream = self._stream(one.stream)
        stream.reset = int.from_bytes(one.payload, "big")
        self.finished(stream)

    def _settings(self, one):
        if one.flags & ACK:
            self.acknowledged += 1
            return
        if len(one.payload) % 6:
            raise Malformed("SETTINGS of a size that cannot be")
        self.greetings += 1
        old = self.peer_settings.get(INITIAL_WINDOW_SIZE, 65535)
        self.peer_settings.update(struct.iter_unpack(">HI", one.payload))
        for stream in self.streams.values():
            stream.send_window += self.peer_settings.get(INITIAL_WINDOW_SIZE, 65535) - old
        if self.answers_settings:
            self.encoder.header_table_size = min(4096, self.peer_settings.get(HEADER_TABLE_SIZE, 4096))
            self.answer_frame(SETTINGS, ACK)

    def _ping(self, one):
        if one.flags & ACK:
            self.pongs.append(one.payload)
            return
        self.pings += 1
        if self.answers_pings:
            self.answer_frame(PING, ACK, 0, one.payload)

    def _goaway(self, one):
        last, code = struct.unpack(">II", one.payload[:8])
        self.goaways.append((last, code, one.payload[8:]))

    def _window(self, one):
        size = int.from_bytes(one.payload, "big")
        if size == 0:
            raise Malformed("WINDOW_UPDATE of nothing")
        if one.stream == 0:
            self.send_window += size
        elif one.stream in self.streams:
            self.streams[one.stream].send_window += size


def check_fields(fields, pseudo):
    """What RFC 9113 8.2 and 8.3 ask of a list of fields; pseudo: the names that may stand in front."""
    seen, is_regular = set(), False
    for name, value in fields:
        if name.startswith(":"):
            if name not in pseudo or name in seen or is_regular:
                raise Malformed(f"{name} in {fields}")
            seen.add(name)
            continue
        is_regular = True
        if not name or name != name.lower() or any(c in name for c in " :\r\n\0\t"):
            raise Malformed(f"the name {name!r}")
        if name in CONNECTION_FIELDS or (name == "te" and value != "trailers"):
            raise Malformed(f"{name}: {value} in HTTP/2")
        if any(c in value for c in "\r\n\0") or value != value.strip(" \t"):
            raise Malformed(f"{name} with the value {value!r}")
    return seen


def _bytes(text):
    return text.encode("latin-1") if isinstance(text, str) else text


def _text(text):
    return text.decode("latin-1")
