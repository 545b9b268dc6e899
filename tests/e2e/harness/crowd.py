# SPDX-License-Identifier: MIT
"""Many idle keep-alive connections, held by processes of their own: with Crowd(address, 20000) as crowd."""
import os
import resource
import socket
import subprocess
import sys

PROCESSES = 2
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Crowd:
    """Each connection has made one request when the crowd stands; leave() closes them all."""

    def __init__(self, address, count):
        host, _, port = address.rpartition(":")
        self.processes = [subprocess.Popen([sys.executable, os.path.abspath(__file__), host, port, str(count // PROCESSES), str(i)],
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                          for i in range(PROCESSES)]

    def __enter__(self):
        for process in self.processes:
            said = process.stdout.readline()
            assert said == "they stand\n", said
        return self

    def leave(self):
        for process in self.processes:
            process.stdin.close()
            process.wait(30)

    def __exit__(self, *unused):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()


def may_open(count):
    """How many descriptors the processes that this one starts may have: `count`, or what there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), max(hard, count)))
        return count
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count), hard))
        return min(hard, count)


def check(sock):
    answer = b""
    while len(answer) < 12:
        more = sock.recv(4096)
        assert more, "the connection was closed"
        answer += more
    assert answer.startswith(b"HTTP/1.1 200")


def hold(host, port, count, number):
    crowd = []
    for i in range(count):
        sock = socket.socket()
        sock.bind((f"127.0.{number + 1}.{i % 4 + 1}", 0))
        sock.connect((host, port))
        sock.sendall(REQUEST)
        crowd.append(sock)
        if i >= 32:                      # answers are read a little later: both sides have work
            check(crowd[i - 32])
    for sock in crowd[-32:]:
        check(sock)
    print("they stand", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    hold(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
