# SPDX-License-Identifier: MIT
"""An HTTP/2 origin, over TCP or TLS, that answers as a test says: handle(stream) speaks on its stream in a
thread of its own; script(conn) has the whole connection. What the proxy sends is judged strictly."""
import hashlib
import json
import select
import socket
import ssl
import threading

from .h2_wire import (DATA, END_STREAM, PREFACE, SETTINGS, H2Wire, Malformed, Stream, check_fields, frame)
from .tls import facts_of
from .wire import PATIENCE, Closed

REQUEST_FIELDS = (":method", ":scheme", ":authority", ":path", ":protocol")


class H2Conn(H2Wire):
    """The origin's end of a connection."""

    def __init__(self, sock, origin, number):
        super().__init__(sock, timeout=30.0)
        self.origin = origin
        self.number = number
        self.most = 0                    # streams at work at one time
        self.lock = threading.Condition()
        self.last_id = 0
        self.is_gone = False
        self.tls = facts_of(sock)

    def fill(self):
        """Reads once. An SSLSocket may be used by one thread at a time, so the wait is outside of the lock."""
        while True:
            if not getattr(self.sock, "pending", int)():
                select.select([self.sock], [], [], 30)
            with self.lock:
                self.sock.settimeout(0)
                try:
                    return super().fill()
                except (BlockingIOError, ssl.SSLWantReadError):
                    if self.is_gone:
                        raise Closed("stopped") from None
                finally:
                    self.sock.settimeout(30)

    def send(self, data):
        with self.lock:
            return super().send(data)

    def send_headers(self, *args, **options):
        with self.lock:                  # blocks must go out in the order in which they were encoded
            super().send_headers(*args, **options)

    def begin(self):
        if self.take(len(PREFACE)) != PREFACE:
            raise Malformed("not the preface of HTTP/2")
        self.send_settings(self.origin.settings)
        first = self.step()
        if first.kind != SETTINGS or first.flags:
            raise Malformed(f"the first frame is {first}")

    def serve(self):
        while True:
            self.step()

    def step(self):
        one = self.take_frame()
        with self.lock:
            self.dispatch(one)
            self.lock.notify_all()
        return one

    def opened(self, number):
        if number % 2 == 0 or number <= self.last_id:
            raise Malformed(f"stream {number} after {self.last_id}")
        self.last_id = number
        stream = self.streams[number] = H2Request(self, number)
        return stream

    def headed(self, stream, fields, has_ended):
        if stream.fields is not None:
            if not has_ended:
                raise Malformed(f"trailers without END_STREAM: {fields}")
            check_fields(fields, ())
            stream.trailers = fields
            return
        seen = check_fields(fields, REQUEST_FIELDS)
        if not {":method", ":scheme", ":path"} <= seen:
            raise Malformed(f"pseudo-fields are missing: {fields}")
        stream.fields = fields
        if has_ended and int(stream.get("content-length") or 0):
            raise Malformed(f"END_STREAM and {fields}")
        self.most = max(self.most, sum(not (one.is_over and one.is_answered) for one in self.streams.values()))
        self.origin.record(stream)
        if self.origin.handle_early:
            self._start(stream)

    def finished(self, stream):
        length = stream.get("content-length")
        if stream.is_ended and length is not None and int(length) != len(stream.body):
            raise Malformed(f"content-length {length}, and {len(stream.body)} bytes came")
        if stream.is_ended and stream.reset is None and not self.origin.handle_early:
            self._start(stream)

    def _start(self, stream):
        threading.Thread(target=self.origin.answer, args=(stream,), daemon=True).start()


class H2Request(Stream):
    """A request, and the means to answer it."""

    def __init__(self, conn, number):
        super().__init__(conn, number)
        self.conn = conn
        self.is_answered = False

    method = property(lambda self: self.get(":method"))
    path = property(lambda self: self.get(":path"))

    def head(self, status=200, fields=(), end=False):
        fields = fields.items() if isinstance(fields, dict) else fields
        self.conn.send_headers(self.id, [(":status", str(status)), *((n, str(v)) for n, v in fields)], end)

    def write(self, body, end=False, size=16384):
        """DATA as the windows allow; Closed when the stream was reset."""
        at = 0
        while at < len(body) or (end and not body):
            with self.conn.lock:
                self.conn.lock.wait_for(lambda: self.reset is not None or self.conn.is_gone or not body
                                        or min(self.send_window, self.conn.send_window) > 0, 30)
                if self.reset is not None or self.conn.is_gone:
                    raise Closed("the stream is over")
                piece = body[at:at + max(0, min(size, self.send_window, self.conn.send_window))]
                at += len(piece)
                self.send_window -= len(piece)
                self.conn.send_window -= len(piece)
                last = end and at == len(body)
                self.conn.send(frame(DATA, END_STREAM if last else 0, self.id, piece))
            if last:
                return

    def reply(self, status=200, fields=(), body=b"", trailers=()):
        body = body.encode() if isinstance(body, str) else body
        self.head(status, fields, end=not body and not trailers)
        if body:
            self.write(body, end=not trailers)
        if trailers:
            self.conn.send_headers(self.id, trailers, True)

    def refuse(self, code):
        self.conn.send_reset(self.id, code)

    def wait(self, condition, timeout=PATIENCE):
        with self.conn.lock:
            assert self.conn.lock.wait_for(condition, timeout), f"waited {timeout} s on {self}"

    def wait_end(self, timeout=PATIENCE):
        self.wait(lambda: self.is_over, timeout)


def echo(stream):
    stream.reply(200, {"content-type": "application/json"}, json.dumps({
        "method": stream.method, "target": stream.path, "fields": stream.fields, "length": len(stream.body),
        "sha": hashlib.sha256(stream.body).hexdigest(), "trailers": stream.trailers, "stream": stream.id,
        "connection": stream.conn.number}))


class H2Origin:
    """handle_early: handle() is called with the head, not when the whole request has come."""

    def __init__(self, handle=echo, script=None, tls=None, settings=(), handle_early=False, port=0,
                 host="127.0.0.1"):
        self.handle, self.script, self.tls = handle, script, tls
        self.settings = dict(settings)
        self.handle_early = handle_early
        self.requests, self.errors, self.handshakes, self.conns = [], [], [], []
        self.lock = threading.Condition()
        self.listener = socket.create_server((host, port), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def record(self, stream):
        with self.lock:
            self.requests.append(stream)
            self.lock.notify_all()

    def wait_requests(self, count, timeout=PATIENCE):
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.requests) >= count, timeout), \
                f"{len(self.requests)} requests came, {count} wanted"
            return list(self.requests)

    @property
    def connections(self):
        return len(self.conns)

    def answer(self, stream):
        try:
            self.handle(stream)
        except (Closed, OSError):
            pass
        except Exception as error:       # noqa: BLE001 - it is the test's to see
            self.errors.append(error)
        stream.is_answered = True

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        conn = None
        try:
            sock.settimeout(30.0)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            conn = H2Conn(sock, self, len(self.conns) + 1)
            self.conns.append(conn)
            conn.begin()
            self.script(conn) if self.script else conn.serve()
        except (Closed, OSError) as error:
            if conn is None:
                self.handshakes.append(error)
        except Exception as error:       # noqa: BLE001 - a violation is the test's to see
            self.errors.append(error)
        finally:
            if conn:
                with conn.lock:
                    conn.is_gone = True
                    conn.lock.notify_all()
            sock.close()

    def close_all(self):
        """Ends each connection, without a word."""
        for conn in self.conns:
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.close_all()
