# SPDX-License-Identifier: MIT
"""A client that sends exactly what it is told and reads answers strictly."""
import json
import re
import socket

from .wire import PATIENCE, Malformed, Message, Wire, framing_of


class Response(Message):
    def __init__(self, status, reason, fields, version="1.1"):
        super().__init__(fields)
        self.status = status
        self.reason = reason
        self.version = version
        self.interim = []

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Response {self.status} {self.fields} {self.body[:200]!r}>"


class Client(Wire):
    """address: "host:port", "[v6]:port", "unix:/path" or (host, port). tls: what wraps the socket (harness.tls.Tls);
    before: bytes that go out ahead of its handshake."""

    def __init__(self, address, timeout=PATIENCE, receive_buffer=None, source=None, tls=None, before=b""):
        if isinstance(address, tuple):
            sock = _connect(socket.AF_INET, address, timeout, receive_buffer, source)
        elif address.startswith("unix:"):
            sock = _connect(socket.AF_UNIX, address[5:], timeout, receive_buffer, source)
        else:
            host, _, port = address.rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            sock = _connect(family, (host.strip("[]"), int(port)), timeout, receive_buffer, source)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if before:
            sock.sendall(before)
        try:
            super().__init__(tls(sock) if tls else sock, timeout)
        except OSError:
            sock.close()
            raise

    def take_head(self):
        line = self.take_line()
        match = re.fullmatch(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ?(.*)", line)
        if not match:
            raise Malformed(f"bad status line {line!r}")
        return Response(int(match[2]), match[3].decode("latin-1"), self.take_fields(),
                        "1." + match[1].decode())

    def response(self, method="GET"):
        """One final response, interim ones collected in .interim."""
        interim = []
        while True:
            response = self.take_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        framing = framing_of(response.fields)
        if method == "HEAD" or response.status in (101, 204, 304):
            if response.status in (101, 204) and framing is not None:
                raise Malformed(f"{response.status} with body framing {framing}")
            return response
        if framing == "chunked":
            response.framing = "chunked"
            response.body, response.trailers, _ = self.take_chunked()
        elif framing is not None:
            response.framing = "length"
            response.body = self.take(framing)
        else:
            response.framing = "close"
            response.body = self.rest()
        return response

    def ask(self, *args, **kwargs):
        """Sends request(...) and returns the response."""
        method = args[0] if args else kwargs.get("method", "GET")
        self.send(request(*args, **kwargs))
        return self.response(method)


def request(method="GET", target="/", fields=(), body=None, host="localhost", version="1.1",
            chunked=False, close=False):
    """The bytes of a request. host=None leaves Host out."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    if isinstance(fields, dict):
        fields = fields.items()
    lines += [f"{name}: {value}" for name, value in fields]
    payload = b""
    if body is not None:
        if isinstance(body, str):
            body = body.encode()
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            payload = chunk(body) + b"0\r\n\r\n" if body else b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(body)}")
            payload = body
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + payload


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


def fetch(address, *args, timeout=PATIENCE, tls=None, **kwargs):
    """One request on a connection of its own."""
    with Client(address, timeout, tls=tls) as client:
        return client.ask(*args, **kwargs)


def _connect(family, address, timeout, receive_buffer, source):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        sock.bind((source, 0))
    sock.connect(address)
    return sock
