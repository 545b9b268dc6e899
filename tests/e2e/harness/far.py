# SPDX-License-Identifier: MIT
"""A long way to somewhere: a relay of bytes that arrive some time after they were sent, in either direction."""
import queue
import socket
import threading
import time


class Far:
    """Connections to .address come out at `address`, `delay` seconds each way."""

    def __init__(self, address, delay):
        host, _, port = address.rpartition(":")
        self.target = (host, int(port))
        self.delay = delay
        self.socks = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.socks.append(sock)
            for source, sink in ((near, far), (far, near)):
                line = queue.Queue()
                threading.Thread(target=self._read, args=(source, line), daemon=True).start()
                threading.Thread(target=self._write, args=(sink, line), daemon=True).start()

    def _read(self, source, line):
        while True:
            try:
                piece = source.recv(262144)
            except OSError:
                piece = b""
            line.put((time.monotonic() + self.delay, piece))
            if not piece:
                return

    @staticmethod
    def _write(sink, line):
        while True:
            due, piece = line.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(piece)
            except OSError:
                return

    def stop(self):
        for sock in [self.listener, *self.socks]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
