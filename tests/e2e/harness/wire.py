# SPDX-License-Identifier: MIT
"""One side of a byte stream, read exactly: what client and origin have in common."""
import re
import socket
import struct

# For what must happen, in seconds: its own work takes milliseconds, but there are machines with a load of ten per core.
# What must not happen has its proof elsewhere, in a limit that is far beyond it.
PATIENCE = 20.0
TOKEN = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")


class Closed(Exception):
    """The other side ended the stream before what was wanted had come."""


class Malformed(AssertionError):
    """The other side sent what HTTP/1.1 does not allow."""


class Wire:
    """A socket with a read buffer. Every wait has a deadline (the socket's timeout)."""

    def __init__(self, sock, timeout=PATIENCE):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.buffer = b""
        self.ended = False

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.sock.sendall(data)
        return self

    def fill(self):
        """Reads once; raises Closed at the end of the stream."""
        if self.ended:
            raise Closed(f"end of stream; unread: {self.buffer[:200]!r}")
        try:
            more = self.sock.recv(65536)
        except ConnectionError as error:
            self.ended = True
            raise Closed(f"{error}; unread: {self.buffer[:200]!r}") from error
        if not more:
            self.ended = True
            raise Closed(f"end of stream; unread: {self.buffer[:200]!r}")
        self.buffer += more
        self.took(len(more))

    def took(self, count):
        """Bytes came."""

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        out, self.buffer = self.buffer[:count], self.buffer[count:]
        return out

    def take_until(self, mark):
        searched = 0
        while True:
            at = self.buffer.find(mark, searched)
            if at >= 0:
                return self.take(at + len(mark))
            searched = max(0, len(self.buffer) - len(mark) + 1)
            self.fill()

    def take_line(self):
        line = self.take_until(b"\n")
        if not line.endswith(b"\r\n"):
            raise Malformed(f"line without CRLF: {line!r}")
        return line[:-2]

    def rest(self):
        """Everything until the other side closes."""
        while True:
            try:
                self.fill()
            except Closed:
                out, self.buffer = self.buffer, b""
                return out

    def is_silent(self, seconds):
        """Nothing comes for that long (and the stream stays open)."""
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.fill()
        except TimeoutError:
            return not self.buffer
        except Closed:
            return False
        finally:
            self.sock.settimeout(old)
        return False

    def expect_closed(self, timeout=None):
        """The other side closes and sends nothing more."""
        if timeout is not None:
            self.sock.settimeout(timeout)
        try:
            left = self.rest()
        except TimeoutError:
            raise AssertionError("the connection is still open") from None
        assert left == b"", f"unexpected bytes before the close: {left[:300]!r}"

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    # ---- messages -------------------------------------------------------------------------

    def take_fields(self):
        fields = []
        while True:
            line = self.take_line()
            if not line:
                return fields
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.match(name):
                raise Malformed(f"bad field line {line!r}")
            if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise Malformed(f"control character in {line!r}")
            fields.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def take_chunked(self):
        """Decodes a chunked body strictly. Returns content, trailers, sizes of the chunks."""
        content, sizes = [], []
        while True:
            line = self.take_line()
            if not re.fullmatch(rb"[0-9A-Fa-f]+", line):
                raise Malformed(f"bad chunk line {line!r}")
            size = int(line, 16)
            if size == 0:
                return b"".join(content), self.take_fields(), sizes
            content.append(self.take(size))
            sizes.append(size)
            if self.take(2) != b"\r\n":
                raise Malformed("chunk does not end with CRLF")


class Message:
    """What requests and responses share: start line, fields in order, body."""

    def __init__(self, fields, body=b"", trailers=(), framing="none"):
        self.fields = fields
        self.body = body
        self.trailers = list(trailers)
        self.framing = framing

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    def has(self, name):
        return bool(self.all(name))

    @property
    def text(self):
        return self.body.decode("latin-1")


def framing_of(fields):
    """'chunked', a length, or None; Malformed when the fields conflict."""
    codings = [v for n, v in fields if n.lower() == "transfer-encoding"]
    lengths = [v for n, v in fields if n.lower() == "content-length"]
    if codings and lengths:
        raise Malformed("Transfer-Encoding and Content-Length")
    if codings:
        if codings != ["chunked"]:
            raise Malformed(f"Transfer-Encoding: {codings}")
        return "chunked"
    if len(lengths) > 1:
        raise Malformed(f"several Content-Length: {lengths}")
    if lengths:
        if not re.fullmatch("[0-9]+", lengths[0]):
            raise Malformed(f"Content-Length: {lengths[0]!r}")
        return int(lengths[0])
    return None
