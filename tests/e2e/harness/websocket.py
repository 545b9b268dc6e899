# SPDX-License-Identifier: MIT
"""An HTTP/1 origin's end of a WebSocket: the switch, and a sender that gets back what it said."""
import base64
import hashlib
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def switch(conn, fields=""):
    """Reads the request and answers 101; returns the request."""
    one = conn.request()
    conn.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{fields}"
              f"Sec-WebSocket-Accept: {accept_key(one.get('Sec-WebSocket-Key') or '')}\r\n\r\n")
    return one


def mirror_bytes(conn):
    """A script for Origin: every byte comes back as it was."""
    switch(conn)
    while True:
        if conn.buffer:
            data, conn.buffer = conn.buffer, b""
            conn.send(data)
        conn.fill()


def mirror_messages(conn):
    """The same with frames, as a browser wants it: what comes masked goes back unmasked."""
    while True:
        first, second = conn.take(2)
        size = second & 127
        if size > 125:
            size = struct.unpack(">H", conn.take(2))[0] if size == 126 else struct.unpack(">Q", conn.take(8))[0]
        mask = conn.take(4)
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(conn.take(size)))
        head = bytes([first, size]) if size < 126 else bytes([first, 126]) + struct.pack(">H", size)
        conn.send(head + payload)
        if first & 15 == 8:
            return
