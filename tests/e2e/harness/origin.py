# SPDX-License-Identifier: MIT
"""Origins: a well-behaved one that echoes what it got as JSON, and one that follows a script.

A script is a function of one connection; it may read exactly, send exact bytes, hang, reset or
close. Each connection has a thread of its own."""
import hashlib
import json
import socket
import ssl
import threading
import time

from .tls import facts_of
from .wire import PATIENCE, Closed, Malformed, Message, Wire, framing_of


class Request(Message):
    def __init__(self, method, target, version, fields):
        super().__init__(fields)
        self.method = method
        self.target = target
        self.version = version
        self.connection = 0
        self.number = 0
        self.tls = None                  # what was agreed on
        self.at = time.monotonic()

    def __repr__(self):
        return f"<Request {self.method} {self.target} {self.fields} {self.body[:100]!r}>"


class Conn(Wire):
    """The origin's end of a connection from the proxy."""

    def __init__(self, sock, origin, number):
        super().__init__(sock)
        self.origin = origin
        self.id = number
        self.seen = 0

    def took(self, count):
        self.origin.bytes += count

    def request_head(self):
        line = self.take_line().decode("latin-1")
        parts = line.split(" ")
        if len(parts) != 3 or parts[2] not in ("HTTP/1.0", "HTTP/1.1"):
            raise Malformed(f"bad request line {line!r}")
        request = Request(parts[0], parts[1], parts[2], self.take_fields())
        self.seen += 1
        request.connection, request.number = self.id, self.seen
        request.tls = facts_of(self.sock)
        return request

    def request_body(self, request):
        framing = framing_of(request.fields)
        if framing == "chunked":
            request.framing = "chunked"
            request.body, request.trailers, _ = self.take_chunked()
        elif framing is not None:
            request.framing = "length"
            request.body = self.take(framing)

    def request(self):
        """The next whole request; recorded in origin.requests. Closed when there is none."""
        request = self.request_head()
        self.request_body(request)
        self.origin.record(request)
        return request

    def hang(self, seconds=60.0):
        """Waits until the proxy closes or the time is over; True: it closed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.origin.stopping:
            self.sock.settimeout(0.05)
            try:
                self.fill()
            except TimeoutError:
                continue
            except (Closed, OSError):
                return True
        return False


def reply(status=200, fields=(), body=b"", reason="OK", chunked=False, trailers=(), version="1.1",
          close=False, length=True):
    """The bytes of a response; length=False leaves the framing to the end of the connection."""
    if isinstance(body, str):
        body = body.encode()
    if isinstance(fields, dict):
        fields = fields.items()
    lines = [f"HTTP/{version} {status} {reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in fields]
    payload = body
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        payload = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n"
        payload += b"".join(f"{n}: {v}\r\n".encode() for n, v in trailers) + b"\r\n"
    elif length and status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    if close or not (length or chunked):
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + payload


def echo(request, name=""):
    """What came, as JSON."""
    return reply(body=json.dumps({
        "method": request.method, "target": request.target, "version": request.version,
        "fields": request.fields, "length": len(request.body), "framing": request.framing,
        "sha": hashlib.sha256(request.body).hexdigest(), "trailers": request.trailers,
        "connection": request.connection, "number": request.number, "origin": name,
    }), fields={"Content-Type": "application/json"})


class Origin:
    """Listens on a loopback port (or unix:/path). handle(request) returns the answer's bytes, or
    None to close; script(conn) takes the whole connection. tls: a context of harness.tls.server_context;
    each conn.sock is an SSLSocket then."""

    def __init__(self, handle=None, script=None, address="127.0.0.1", port=0, name="", backlog=512,
                 accepting=True, receive_buffer=None, tls=None):
        self.handle = handle
        self.tls = tls
        self.script = script
        self.name = name
        self.requests = []
        self.connections = 0
        self.errors = []
        self.handshakes = []             # those that failed
        self.bytes = 0
        self.stopping = False
        self.lock = threading.Condition()
        self.conns = set()
        if address.startswith("unix:"):
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(address[5:])
            self.address, self.port = address, 0
        else:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self.listener = socket.socket(family, socket.SOCK_STREAM)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if receive_buffer:
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.listener.bind((address, port))
            self.port = self.listener.getsockname()[1]
            self.address = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.listener.listen(backlog)
        if accepting:
            threading.Thread(target=self._accept, daemon=True).start()

    def record(self, request):
        with self.lock:
            self.requests.append(request)
            self.lock.notify_all()

    def reset(self):
        """Forgets what came and answers with the echo again."""
        self.handle = None
        self.script = None
        with self.lock:
            self.requests = []

    def wait_requests(self, count, timeout=PATIENCE):
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.requests) >= count, timeout), \
                f"{len(self.requests)} requests came, {count} wanted"
            return list(self.requests)

    @property
    def last(self):
        with self.lock:
            return self.requests[-1]

    def stop(self):
        self.stopping = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for conn in list(self.conns):
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close_all(self):
        """Closes every open connection, as an origin does that restarts or times out."""
        for conn in list(self.conns):
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            conn = Conn(sock, self, self.connections)
            self.conns.add(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            if self.tls:
                conn.sock.do_handshake()
            while True:
                # A script that is set later takes over kept connections with their next request.
                conn.sock.settimeout(60.0)
                if not conn.buffer and (conn.seen or not self.script):
                    conn.fill()
                if self.script:
                    conn.sock.settimeout(PATIENCE)
                    self.script(conn)
                    return
                if not self._answer(conn):
                    return
        except ssl.SSLError as error:
            self.handshakes.append(error)
        except (Closed, OSError):
            pass
        except Exception as error:       # noqa: BLE001 - a bad request is the test's to see
            self.errors.append(error)
        finally:
            self.conns.discard(conn)
            conn.close()

    def _answer(self, conn):
        request = conn.request()
        answer = self.handle(request) if self.handle else echo(request, self.name)
        if answer is None:
            return False
        if callable(answer):
            answer(conn)
            return True
        conn.send(answer)
        keeps = request.version == "HTTP/1.1"
        tokens = ",".join(request.all("Connection")).lower()
        if "close" in tokens or b"Connection: close" in answer.split(b"\r\n\r\n")[0]:
            keeps = False
        if "keep-alive" in tokens:
            keeps = True
        return keeps
