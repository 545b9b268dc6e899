# SPDX-License-Identifier: MIT
"""An HTTP/2 client that sends exactly what it is told, over TCP or TLS.

    with H2Client(desk.address()) as client:
        answer = client.ask("GET", "/")             # or: stream = client.open(...); client.answer(stream)

It reads only while a test waits for something, so nothing happens behind a test's back."""
import select
import socket

from .client import Client, Response
from .h2_wire import (END_STREAM, DATA, INITIAL_WINDOW_SIZE, PING, PREFACE, H2Wire, Stream, check_fields, frame)
from .wire import PATIENCE, Closed, Malformed


class H2Client(H2Wire):
    """tls: how to wrap the socket (harness.tls.Tls, which should offer "h2"); settings: ours, sent at once."""

    def __init__(self, address, tls=None, settings=(), timeout=PATIENCE, gives=True, preface=PREFACE, before=b"",
                 receive_buffer=None):
        sock = Client(address, timeout, receive_buffer=receive_buffer, tls=tls, before=before).sock
        super().__init__(sock, timeout, gives)
        self.settings = dict(settings)
        self.next_id = 1
        self.scheme = "https" if tls else "http"
        if preface is not None:
            self.send(preface)
            self.send_settings(self.settings)

    # ---- requests -----------------------------------------------------------------------------

    def head(self, method="GET", path="/", fields=(), authority="localhost", scheme=None):
        """The list of fields of a request; what is None is left out."""
        pseudo = [(":method", method), (":scheme", scheme or self.scheme), (":authority", authority), (":path", path)]
        if isinstance(fields, dict):
            fields = fields.items()
        return [(name, value) for name, value in pseudo if value is not None] + list(fields)

    def new_stream(self, number=None):
        """A stream of ours, for frames that the test makes itself."""
        stream = Stream(self, number or self.next_id)
        self.next_id = max(self.next_id, stream.id + 2)
        self.streams[stream.id] = stream
        return stream

    def open(self, *args, end=True, raw=None, number=None, **kwargs):
        """Sends HEADERS of head(...), or of the list `raw`; returns the stream."""
        stream = self.new_stream(number)
        fields = raw if raw is not None else self.head(*args, **kwargs)
        stream.method = next((value for name, value in fields if name in (":method", b":method")), "GET")
        self.send_headers(stream.id, fields, end)
        return stream

    def write(self, stream, body, end=True, size=16384):
        """DATA as the windows allow; reads what comes meanwhile. False: the stream was over before."""
        at = 0
        while at < len(body):
            self.wait(lambda: stream.is_over or min(stream.send_window, self.send_window) > 0, what="a window")
            if stream.is_over:
                return False
            piece = body[at:at + min(size, stream.send_window, self.send_window)]
            at += len(piece)
            self.send_data(stream, piece, end and at == len(body))
        if end and not body:
            self.send_data(stream, b"", True)
        return True

    def send_data(self, stream, body, end=False):
        """One DATA frame, whatever the windows say."""
        stream.send_window -= len(body)
        self.send_window -= len(body)
        self.send(frame(DATA, END_STREAM if end else 0, stream.id, body))

    def answer(self, stream, timeout=PATIENCE):
        """The whole response; AssertionError when the stream was reset."""
        self.wait(lambda: stream.is_over, timeout, f"the end of stream {stream.id}")
        assert stream.reset is None or stream.is_ended, f"reset with {stream.reset}: {stream}"
        return response_of(stream)

    def ask(self, *args, body=None, timeout=PATIENCE, trailers=None, **kwargs):
        stream = self.open(*args, end=body is None and not trailers, **kwargs)
        if body is not None:
            self.write(stream, body, end=not trailers)
        if trailers:
            self.send_headers(stream.id, trailers, True)
        return self.answer(stream, timeout)

    # ---- waiting ------------------------------------------------------------------------------

    def settled(self):
        """SETTINGS have been exchanged."""
        self.wait(lambda: self.acknowledged and self.greetings, what="SETTINGS")
        return self

    def ping(self, payload=b"are you "):
        """Whatever was sent before has been read when this returns."""
        before = len(self.pongs)
        self.send_frame(PING, payload=payload)
        self.wait(lambda: len(self.pongs) > before, what="the answer to PING")
        return self.pongs[-1]

    def until_closed(self, timeout=PATIENCE):
        """Reads to the end of the connection; returns the last GOAWAY's code, or None."""
        try:
            self.wait(lambda: False, timeout, "the end of the connection")
        except (Closed, ConnectionError):
            pass
        return self.goaways[-1][1] if self.goaways else None

    def pour(self, data, chunk=65536):
        """Sends as much as goes while reading what comes, which is not answered: that would go into the middle of a
        frame. False: the other side closed. TCP only."""
        answers = self.answers_settings, self.answers_pings, self.gives
        self.answers_settings = self.answers_pings = self.gives = False
        try:
            return self._pour(memoryview(data), chunk)
        finally:
            self.answers_settings, self.answers_pings, self.gives = answers

    def _pour(self, view, chunk):
        at = 0
        self.sock.settimeout(10.0)
        while at < len(view):
            readable, writable, _ = select.select([self.sock], [self.sock], [], 10.0)
            if not readable and not writable:
                raise TimeoutError("nothing is read and nothing comes")
            try:
                if readable:
                    self.fill()
                    self._drain_frames()
                elif writable:
                    at += self.sock.send(view[at:at + chunk], socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except (Closed, ConnectionError):
                return False
        return True

    def _drain_frames(self):
        while len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big"):
            self.step()

    # ---- what comes ---------------------------------------------------------------------------

    def opened(self, number):
        """A test that makes its frames itself may have opened it."""
        if number % 2 == 0:
            raise Malformed(f"frame on stream {number}, which is not ours")
        return self.new_stream(number)

    def headed(self, stream, fields, has_ended):
        if stream.fields is not None:
            if not has_ended:
                raise Malformed(f"trailers without END_STREAM: {fields}")
            check_fields(fields, ())
            stream.trailers = fields
            return
        if check_fields(fields, (":status",)) != {":status"}:
            raise Malformed(f"no :status in {fields}")
        if fields[0][1].startswith("1"):
            if has_ended:
                raise Malformed(f"END_STREAM on {fields}")
            stream.interim.append(fields)
        else:
            stream.fields = fields

    def _settings(self, one):
        super()._settings(one)
        if not one.flags and self.peer_settings.get(INITIAL_WINDOW_SIZE, 0) > 0x7fffffff:
            raise Malformed("a window beyond 2^31-1")


def response_of(stream):
    """A stream's answer as the HTTP/1 client has it."""
    answer = Response(int(stream.get(":status")), "", stream.fields[1:], "2")
    answer.interim = [Response(int(fields[0][1]), "", fields[1:], "2") for fields in stream.interim]
    answer.body, answer.trailers, answer.framing = bytes(stream.body), stream.trailers, "frames"
    length = answer.get("content-length")
    method = getattr(stream, "method", "GET")
    if stream.is_ended and length is not None and method != "HEAD" and answer.status != 304:
        if int(length) != len(answer.body):
            raise Malformed(f"content-length {length} with {len(answer.body)} bytes of DATA")
    return answer
