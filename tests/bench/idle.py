# SPDX-License-Identifier: MIT
"""What a resting connection over TLS 1.3 costs in memory, for tls.py (HTTP/1.1) and h2.py."""
import math
import os
import socket
import ssl
import sys
import time

from bench import LOAD_CORE, memory_bytes
from secure import NOTHING

WARM = 20                                # connections before the first count
REST_S = 1.5
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, SETTINGS_ACK = b"\0\0\0\4\0\0\0\0\0", b"\0\0\0\4\1\0\0\0\0"
# :method GET, :scheme https, :path /64b, :authority localhost
FIELDS = b"\x82\x87\x04\x04/64b\x41\x09localhost"
HEADERS = len(FIELDS).to_bytes(3, "big") + b"\1\5\0\0\0\1" + FIELDS
DATA_TYPE, END_STREAM = 0, 1


def receive(conn):
    piece = conn.recv(65536)
    if not piece:
        raise ConnectionError("a connection was closed instead of answered")
    return piece


def ask_h1(conn):
    conn.sendall(b"GET /64b HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer) < answer.index(b"\r\n\r\n") + 4 + 64:
        answer += receive(conn)


def ask_h2(conn):
    conn.sendall(PREFACE + SETTINGS + HEADERS)
    answer = b""
    while True:
        while len(answer) < 9 or len(answer) < 9 + int.from_bytes(answer[:3], "big"):
            answer += receive(conn)
        if answer[3] == DATA_TYPE and answer[4] & END_STREAM:
            break
        answer = answer[9 + int.from_bytes(answer[:3], "big"):]
    conn.sendall(SETTINGS_ACK)


PROTOCOLS = {"http/1.1": ask_h1, "h2": ask_h2}


def hold(port, protocol, count):
    """Connections, each of which has had a request answered."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.check_hostname, settings.verify_mode = False, ssl.CERT_NONE
    settings.minimum_version = ssl.TLSVersion.TLSv1_3
    settings.set_alpn_protocols([protocol])
    conns = []
    for _ in range(count):
        conn = settings.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")
        PROTOCOLS[protocol](conn)
        conns.append(conn)
    return conns


def is_closed(conn):
    conn.setblocking(False)
    try:
        while conn.recv(65536):
            pass
    except ssl.SSLWantReadError:
        return False
    except OSError:
        pass
    return True


def measure_idle(proxy, listener, arguments, options):
    """A fresh proxy; growth of its memory by connections that have made a request and rest."""
    proxy.stop()
    proxy.start()
    os.sched_setaffinity(0, {LOAD_CORE})
    port, protocol = proxy.ports[listener], arguments[0]
    try:
        return growth(proxy, port, protocol, options.idle_conns)
    except OSError as error:
        print(f"  {proxy.name}: {error}", file=sys.stderr)
        return {**NOTHING, "kilobytes": math.nan}


def growth(proxy, port, protocol, count):
    warm = hold(port, protocol, WARM)
    time.sleep(REST_S)
    before = memory_bytes(proxy.process.pid)
    held = hold(port, protocol, count)
    time.sleep(REST_S)
    total = memory_bytes(proxy.process.pid)
    lost = sum(map(is_closed, held))
    for conn in warm + held:
        conn.close()
    return {"figure": (total - before) / count, "kilobytes": total / 1024, "failures": lost}


def add_options(parser):
    parser.add_argument("--idle-conns", type=int, default=1000, help="connections that rest (at most 10,000)")
