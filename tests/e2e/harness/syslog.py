# SPDX-License-Identifier: MIT
"""A syslog server: datagrams on UDP or a unix socket, kept as text."""
import os
import socket
import threading


class Syslog:
    """address: "unix:/path" or "host:port" (0: any free one); reading=False lets its queue fill."""

    def __init__(self, address="127.0.0.1:0", reading=True):
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            if os.path.exists(address[5:]):
                os.unlink(address[5:])
            self.sock.bind(address[5:])
            os.chmod(address[5:], 0o666)
            self.address = address
        else:
            host, _, port = address.rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            self.sock = socket.socket(family, socket.SOCK_DGRAM)
            self.sock.bind((host.strip("[]"), int(port)))
            self.address = f"{host}:{self.sock.getsockname()[1]}"
        self.messages = []
        self.sock.settimeout(0.05)
        self.stopping = False
        self.thread = threading.Thread(target=self._work, daemon=True)
        if reading:
            self.thread.start()

    def read(self):
        self.thread.start()

    def _work(self):
        while not self.stopping:
            try:
                self.messages.append(self.sock.recv(65536).decode("latin-1"))
            except TimeoutError:
                continue
            except OSError:
                return

    def stop(self):
        self.stopping = True
        if self.thread.ident is not None:
            self.thread.join()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()
