#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A long, mixed load at a moderate rate: does anything grow, stick or fail?

    make soak TIME=1200                          # seconds; the release build
    make soak TIME=900 SOAK="--build tsan --kill"

Checked clients (HTTP/1, TLS, HTTP/2, gRPC, a cache with purges) must be answered, and rightly: each answer carries
the number of its request and the hash of its body. Others are hostile, slow, or leave. One origin is killed and
started again, and the configuration is loaded anew all the time. At the end everybody leaves, and memory, descriptors
and connections must be what they were after the first lap. With --kill the worker is killed now and then: what was
cut by that is forgiven, all the rest is not. A sanitizer's report, an [alert] or an exit status fail the run."""
import argparse
import collections
import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--time", type=int, default=1200, help="seconds")
    parser.add_argument("--build", default="release", help="a folder under build/")
    parser.add_argument("--loops", type=int, default=4)
    parser.add_argument("--reload", type=float, default=0, help="seconds between reloads; by default a twentieth")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


OPTIONS = options()
os.environ["FRONTDESK"] = os.path.join(ROOT, "build", OPTIONS.build, "frontdesk")
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from harness import netns                                                       # noqa: E402
from harness.certs import Authority                                             # noqa: E402
from harness.client import Client, request                                      # noqa: E402
from harness.h2 import H2Client                                                 # noqa: E402
from harness.h2_origin import H2Origin                                          # noqa: E402
from harness.load import CheckedLoad, checked_answer                            # noqa: E402
from harness.origin import Origin, reply                                        # noqa: E402
from harness.origin_process import OriginProcess                                # noqa: E402
from harness.proxy import PORTS, Proxy                                          # noqa: E402
from harness.tls import Tls, server_context                                     # noqa: E402
from harness.wire import Closed                                                 # noqa: E402

CONF = """
    log_format soak '$request $status $bytes_sent $request_time $ssl_protocol $upstream_addr $upstream_cache_status';
    access_log logs/access.log soak;
    proxy_cache_path memory: keys_zone=fast:4m;
    proxy_cache_path @DIR@/store keys_zone=disk:4m memory=32m max_size=64m;
    limit_conn_zone $binary_remote_addr zone=conns:1m;
    client_header_timeout 5s; client_body_timeout 5s; send_timeout 5s; keepalive_timeout 5s;
    proxy_connect_timeout 5s; proxy_read_timeout 10s; proxy_next_upstream error timeout non_idempotent;
    upstream app {{ server @A@ max_conns=64; server @B@ max_conns=64; keepalive 16; keepalive_timeout 3s; queue 200 timeout=10s; }}
    upstream mortal {{ server @A@; server @B@; server @C@ fail_timeout=1s; keepalive 16; keepalive_timeout 3s; outlier_ejection; }}
    upstream odd {{ server @ODD@ max_fails=0; keepalive 4; keepalive_timeout 3s; }}
    upstream secure {{ server @S@; keepalive 4; keepalive_timeout 3s; }}
    upstream grpc {{ server @G@; keepalive 4; keepalive_timeout 3s; }}
    map $request_method $purges {{ PURGE 1; default ""; }}
    server {{
        listen @P@; listen @H2C@; listen @TLS@ ssl; http2 on;
        ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key}; ssl_session_cache shared:soak:1m;
        client_max_body_size 0;
        location /checked {{ proxy_pass http://mortal; }}
        location /secure {{ proxy_pass https://secure; }}
        location /soak.Echo {{ grpc_pass grpcs://grpc; }}
        location /fast {{ proxy_cache fast; proxy_cache_valid 1s; proxy_cache_purge $purges; proxy_pass http://app; }}
        location /disk {{ proxy_cache disk; proxy_cache_valid 2s; proxy_cache_purge $purges; proxy_cache_lock on;
                          proxy_pass http://app; }}
        location /odd {{ limit_conn conns 100; proxy_pass http://odd; }}
        location /unbuffered {{ proxy_request_buffering off; proxy_buffering off; proxy_pass http://odd; }}
        location = /counts {{ stub_status; access_log off; }}
        location = /version {{ return 200 {version}; access_log off; }}
    }}
"""
COUNTS = re.compile(rb"Active connections: (\d+) \n.*\n.*\nReading: \d+ Writing: (\d+) Waiting: (\d+)")
BIG = os.urandom(400_000)


def body_of(target):
    seed = hashlib.sha256(target.encode()).digest()
    return seed * (1 + seed[0] * 2)


def app_answer(one):
    """checked_answer() for what has a number; for all other targets a body that is a function of the target."""
    if one.get("X-Id"):
        return checked_answer(one)
    return reply(body=body_of(one.target), chunked=len(one.target) % 2 == 0)


def odd_answer(one):
    """Slow, large, cut, or nothing at all."""
    chance = random.random()
    if chance < 0.3:
        return reply(body=BIG, chunked=chance < 0.15)
    if chance < 0.5:
        time.sleep(chance)
        return reply(body="late")
    if chance < 0.7:
        return lambda conn: (conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart"), conn.sock.close())
    return None if chance < 0.8 else reply(500, body="bad")


def grpc_answer(stream):
    stream.head(200, {"content-type": "application/grpc"})
    stream.write(bytes(stream.body))
    stream.conn.send_headers(stream.id, [("grpc-status", "0")], True)


class Callers:
    """Threads that do one thing again and again, with a pause; what went wrong is counted by its words."""

    def __init__(self):
        self.stopping = threading.Event()
        self.killed = threading.Event()  # the worker may have been: connections may end
        self.counts, self.failures = collections.Counter(), collections.Counter()
        self.lock = threading.Lock()
        self.threads = []

    def start(self, act, desk, pause, many=1, may_fail=False):
        for number in range(many):
            chance = random.Random(f"{OPTIONS.seed} {act.__name__} {number}")
            self.threads.append(threading.Thread(target=self._run, args=(act, desk, chance, pause, may_fail), daemon=True))
            self.threads[-1].start()

    def _run(self, act, desk, chance, pause, may_fail):
        while not self.stopping.is_set():
            words = None
            try:
                act(desk, chance)
            except (Closed, OSError, AssertionError, ValueError) as error:
                is_cut = isinstance(error, (Closed, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError))
                words = None if may_fail or (is_cut and OPTIONS.kill) else f"{act.__name__}: {error!r}"[:300]
            with self.lock:
                self.counts[act.__name__] += 1
                if words:
                    self.failures[words] += 1
            self.stopping.wait(chance.random() * 2 * pause)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(40)


# ---- who must be answered ---------------------------------------------------------------------------

def over_tls(desk, chance):
    """One that resumes its session, for two requests on a connection."""
    tls = Tls("localhost", version=chance.choice(["1.2", "1.3"]))
    for _ in range(2):
        with desk.connect("TLS", tls=tls) as client:
            target = f"/secure/{chance.randrange(50)}"
            answer = client.ask("GET", target)
            assert (answer.status, answer.body) == (200, body_of(target)), answer
            tls.session = client.sock.session


# What a slow machine says late may meet the connection's end: finish() looks for the GOAWAY that told of it.
SAYING = contextlib.suppress(Closed, ConnectionError, ssl.SSLError)


def finish(client):
    """Waits for the end of all that the other side has begun; returns those streams. The connection may end before
    that only if a GOAWAY has said so."""
    streams = list(client.streams.values())
    try:
        client.wait(lambda: all(stream.is_over or is_refused(client, stream) for stream in streams))
    except (Closed, ConnectionError, ssl.SSLError):
        assert client.goaways or OPTIONS.kill, "cut without a word"
    begun = [stream for stream in streams if not is_refused(client, stream)]
    return [stream for stream in begun if stream.is_over] if OPTIONS.kill else begun


def is_refused(client, stream):
    return bool(client.goaways) and stream.id > client.goaways[-1][0]


def over_h2(desk, chance):
    """Streams side by side, over TLS or not."""
    to = chance.choice(["TLS", "H2C"])
    with H2Client(desk.address(to), tls=Tls(alpn=["h2"]) if to == "TLS" else None) as client:
        targets = [f"/{chance.choice(['secure', 'fast', 'disk'])}/{chance.randrange(50)}"
                   for _ in range(chance.randrange(1, 12))]
        with SAYING:
            for target in targets:
                client.open("GET", target)
        for stream in finish(client):
            assert stream.get(":status") == "200" and bytes(stream.body) == body_of(targets[stream.id // 2]), stream


def over_grpc(desk, chance):
    message = os.urandom(chance.randrange(1, 40_000))
    with H2Client(desk.address("TLS"), tls=Tls(alpn=["h2"])) as client:
        with SAYING:
            fields = {"content-type": "application/grpc", "te": "trailers"}
            client.write(client.open("POST", "/soak.Echo/Say", fields, end=False), message)
        for one in finish(client):
            assert bytes(one.body) == message and ("grpc-status", "0") in (one.trailers or ()), one


def from_the_cache(desk, chance):
    target = f"/{chance.choice(['fast', 'disk'])}/{chance.randrange(50)}"
    if chance.random() < 0.1:
        assert desk.fetch("PURGE", target).status in (204, 404, 412)
    answer = desk.get(target)
    assert (answer.status, answer.body) == (200, body_of(target)), answer


# ---- who may do as he likes -------------------------------------------------------------------------

def leave(client, chance):
    sock = client.sock
    if chance.random() < 0.5:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def half_a_request(desk, chance):
    client = Client(desk.address(chance.choice(["P", "TLS", "H2C"])))
    data = chance.choice([request(), request("POST", "/odd", body=b"x" * 50_000), chance.randbytes(300),
                          request("POST", "/unbuffered", body=b"x" * 50_000, chunked=True)])
    client.send(data[:chance.randrange(len(data))])
    time.sleep(chance.choice([0, 0, 0.2, 2]))
    leave(client, chance)


def half_an_answer(desk, chance):
    tls = Tls() if chance.random() < 0.5 else None
    client = desk.connect("TLS" if tls else "P", tls=tls, receive_buffer=4096)
    client.send(request("GET", chance.choice(["/odd", "/unbuffered", "/disk/big", "/checked/1"])))
    client.take(chance.choice([1, 100]))
    time.sleep(chance.choice([0, 0.1, 1]))
    leave(client, chance)


def odd_streams(desk, chance):
    client = H2Client(desk.address("TLS"), tls=Tls(alpn=["h2"]), gives=chance.random() < 0.7, timeout=3)
    for _ in range(chance.randrange(1, 30)):
        stream = client.open("POST", chance.choice(["/odd", "/unbuffered", "/soak.Echo/Say", "/disk/x"]), end=False)
        client.send_data(stream, chance.randbytes(chance.randrange(2000)), chance.random() < 0.5)
        if chance.random() < 0.5:
            client.send_reset(stream.id)
    time.sleep(chance.choice([0, 0.1, 1]))
    leave(client, chance)


# ---- the run ----------------------------------------------------------------------------------------

class Soak:
    def __init__(self, directory):
        self.chance = random.Random(OPTIONS.seed)
        self.pair = Authority(os.path.join(directory, "authority")).issue("localhost", "127.0.0.1", label="localhost")
        tls = (self.pair.certificate, self.pair.key)
        self.mortal = OriginProcess(PORTS.get())
        self.odd, self.said = Origin(handle=odd_answer), H2Origin(grpc_answer, tls=server_context(tls, alpn=["h2"]))
        self.version = 0
        self.desk = Proxy(os.path.join(directory, "desk"))
        self.names = {"A": Origin(handle=app_answer), "B": Origin(handle=app_answer), "C": self.mortal,
                      "S": Origin(handle=app_answer, tls=server_context(tls)), "ODD": self.odd, "G": self.said}
        self.desk.may_alert = OPTIONS.kill
        self.desk.write(self.conf(), workers=OPTIONS.loops, **self.names)
        self.desk.start()
        self.started = time.monotonic()

    def conf(self):
        return CONF.format(pair=self.pair, version=self.version)

    def reload(self):
        self.version += 1
        before = self.desk.reload(http=self.conf(), workers=OPTIONS.loops, **self.names)

        def is_over():
            return self.is_in_force() or "not taken over: the worker ended" in self.desk.errors()[before:]
        self.desk.wait_for(is_over, 60, "the reload")
        if not self.is_in_force():       # it was killed while it had it in hand, and the former one stayed
            self.desk.tell(signal.SIGHUP)
            self.desk.wait_for(self.is_in_force, 60, "the second reload")

    def is_in_force(self):
        try:
            return self.desk.get("/version").text == str(self.version)
        except (Closed, OSError):
            return False

    def counts(self):
        return tuple(int(word) for word in COUNTS.search(self.desk.get("/counts").body).groups())

    def row(self, what, callers):
        rss, fds = self.desk.footprint()
        print(f"{time.monotonic() - self.started:6.0f} s  {what:12} worker {rss / 1024:6.1f} MB {fds:5} fds, supervisor "
              f"{self.desk.rss_kb(self.desk.pid) / 1024:5.1f} MB, {sum(callers.counts.values()):7} done, "
              f"{sum(callers.failures.values())} failed", flush=True)

    def lap(self, seconds, every):
        """The whole load for so long, with reloads; then everybody leaves. Returns what failed."""
        desk, callers = self.desk, Callers()
        for act in (over_tls, over_h2, over_grpc, from_the_cache):
            callers.start(act, desk, 0.1, many=2)
        for act in (half_a_request, half_an_answer, odd_streams):
            callers.start(act, desk, 0.2, many=2, may_fail=True)
        end = time.monotonic() + seconds
        with CheckedLoad(desk.address(), clients=4, pause=0.05, may_cut=OPTIONS.kill, timeout=30) as load:
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, every * self.chance.uniform(0.5, 1.5)))
                act = self.chance.choice(["reload", "reload", "origin", "kill" if OPTIONS.kill else "reload"])
                if act == "origin":
                    self.mortal.kill()
                    time.sleep(0.5)
                    self.mortal.start()
                elif act == "kill":
                    os.kill(desk.worker(), signal.SIGKILL)
                if act != "origin":
                    self.reload()
                self.row(act, callers)
        callers.stop()
        return callers.failures + collections.Counter(load.failures)

    def settle(self, before=None):
        """Waits until nobody is there but who asks, and all that rests has been given back; returns the footprint."""
        self.desk.wait_for(lambda: self.counts()[:2] == (1, 1), 60, "connections to end")
        time.sleep(5)                    # upstream's keepalive_timeout, and parking
        if before:
            self.desk.wait_settled(before, 30, spare_kb=2048)
        return self.desk.footprint()


def judge(soak, problems):
    """Adds what is wrong, in words."""
    every = OPTIONS.reload or OPTIONS.time / 20
    failures = soak.lap(OPTIONS.time * 0.2, every)
    before = soak.settle()
    print(f"after the first lap: {before[0]} KB, {before[1]} descriptors", flush=True)
    failures += soak.lap(OPTIONS.time * 0.8, every)
    problems += [f"{count} times: {words}" for words, count in failures.most_common(20)]
    after = soak.settle(before)
    print(f"at the end: {after[0]} KB, {after[1]} descriptors; {soak.version} reloads", flush=True)


def main():
    netns.enter()
    directory = tempfile.mkdtemp(prefix="frontdesk-soak.", dir=os.environ.get("E2E_DIR"))
    os.chmod(directory, 0o755)
    print(f"{OPTIONS.build}, {OPTIONS.loops} loops, {OPTIONS.time} s, --seed {OPTIONS.seed}, in {directory}", flush=True)
    soak, problems = Soak(directory), []
    for act in (lambda: judge(soak, problems), lambda: soak.desk.stop(signal.SIGQUIT, timeout=60)):
        try:
            act()
        except AssertionError as error:
            problems.append(str(error))
    soak.desk.kill()
    soak.mortal.kill()
    if not problems:
        shutil.rmtree(directory)
    print("\n".join(problems) or "nothing grew, nothing stuck, nothing failed")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
