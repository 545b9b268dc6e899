# SPDX-License-Identifier: MIT
"""A name server that says what a test tells it, over UDP and TCP."""
import select
import socket
import struct
import threading

A, CNAME, AAAA, SRV = 1, 5, 28, 33
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split(".") if label) + b"\0"


def service(target, port, priority=0, weight=0):
    return struct.pack(">3H", priority, weight, port) + name_bytes(target)


class NameServer:
    """`say(name, "127.0.0.2", ...)` sets addresses; `mode` is how all is answered, or per name in `modes`."""

    def __init__(self, address="127.0.0.1", port=0):
        self.records = {}          # (name, type) -> [(ttl, payload, type)]
        self.modes = {}            # name -> mode
        self.mode = "good"         # good, silent, servfail, nxdomain, garbage, wrong_id, lies, truncated, cut
        self.asked = []            # (name, type, "udp" or "tcp")
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((address, port))
        self.address, self.port = self.tcp.getsockname()
        self.tcp.listen(16)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, self.port))
        self.end_read, self.end_write = socket.socketpair()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __str__(self):
        return f"{self.address}:{self.port}"

    # ---- what it says ----

    def say(self, name, *addresses, ttl=1):
        self.records[name, A] = [(ttl, socket.inet_aton(a), A) for a in addresses if ":" not in a]
        self.records[name, AAAA] = [(ttl, socket.inet_pton(socket.AF_INET6, a), AAAA) for a in addresses if ":" in a]

    def say_alias(self, name, to, ttl=1):
        """A CNAME, with the addresses of what it leads to behind it."""
        for type_ in (A, AAAA):
            self.records[name, type_] = [(ttl, name_bytes(to), CNAME)] + self.records.get((to, type_), [])

    def say_services(self, name, *payloads, ttl=1):
        self.records[name, SRV] = [(ttl, payload, SRV) for payload in payloads]

    def questions(self, name, type_=A):
        return [how for asked, asked_type, how in list(self.asked) if (asked, asked_type) == (name, type_)]

    # ---- the protocol ----

    def _answer(self, message, how):
        """None: nothing is said."""
        end, labels = 12, []
        while message[end]:
            labels.append(message[end + 1:end + 1 + message[end]].decode("ascii").lower())
            end += 1 + message[end]
        name, type_ = ".".join(labels), struct.unpack(">H", message[end + 1:end + 3])[0]
        question = message[12:end + 5]
        self.asked.append((name, type_, how))
        mode = self.modes.get(name, self.mode)
        if mode == "silent":
            return None
        if mode == "garbage":
            return message[:2] + b"\x81\x80" + b"\xff" * 40
        ident = struct.unpack(">H", message[:2])[0] ^ (1 if mode == "wrong_id" else 0)
        code = {"servfail": SERVFAIL, "nxdomain": NXDOMAIN, "refused": REFUSED}.get(mode, NOERROR)
        records = self.records.get((name, type_))
        if records is None and code == NOERROR and not any(asked == name for asked, _ in self.records):
            code = NXDOMAIN
        records = (records or []) if code == NOERROR else []
        body = b"".join(b"\xc0\x0c" + struct.pack(">2HIH", kind, 1, ttl, len(payload)) + payload
                        for ttl, payload, kind in records)
        flags, count = 0x8180 | code, len(records)
        if how == "udp" and (mode == "truncated" or len(body) > 400):
            flags, count, body = flags | 0x0200, 0, b""
        answer = struct.pack(">6H", ident, flags, 1, count, 0, 0) + question + body
        return answer[:-3] if mode == "cut" else answer

    def _run(self):
        while True:
            ready, _, _ = select.select([self.udp, self.tcp, self.end_read], [], [])
            if self.end_read in ready:
                return
            if self.udp in ready:
                message, peer = self.udp.recvfrom(4096)
                answer = self._answer(message, "udp")
                if answer is not None and self.mode == "lies":
                    self.udp.sendto(bytes([answer[0] ^ 1]) + answer[1:].replace(b"\x7f\0\0", b"\x0a\0\0"), peer)
                if answer is not None:
                    self.udp.sendto(answer, peer)
            if self.tcp in ready:
                connection, _ = self.tcp.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            while True:
                head = stream.read(2)
                if len(head) < 2:
                    return
                answer = self._answer(stream.read(struct.unpack(">H", head)[0]), "tcp")
                if answer is None:
                    continue
                answer = struct.pack(">H", len(answer)) + answer
                for at in range(0, len(answer), 1000):       # in pieces, as a real one may come
                    connection.sendall(answer[at:at + 1000])

    def stop(self):
        self.end_write.close()
        self.end_read.close()
        self.thread.join(5)
        for sock in (self.udp, self.tcp):
            sock.close()
