#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""TLS towards clients beside Debian's nginx, haproxy and h2o, to an HTTP/1.1 origin in clear.

    make bench-tls                                          # all but resumed12, about four minutes
    make bench-tls BENCH="--only get64b,full --rounds 5"    # some
    make bench-tls BENCH="--only idle --idle-conns 10000"
    make bench-tls DOCS=1                                   # writes its part of docs/performance.md

`floor` is a relay that decrypts and encrypts and looks at nothing (tls_relay.c): what is above it is the
proxy's own work. A handshake's figure holds its connection, one tiny request and the close."""
import os
import re

import secure
from bench import TOOLS, cpu_seconds
from idle import add_options, measure_idle
from secure import NOTHING, TLS13_CIPHER, run_load

WARM_S = 0.3
PLACES = 32                              # connections at a time that shake hands

# name: (title, kind, listener, arguments)
SCENARIOS = {
    "get64b":    ("64 B, TLS 1.3, keep-alive, 64 connections", "wrk", "tls", ["-c64", "/64b"]),
    "get64k":    ("64 KB, TLS 1.3, keep-alive, 64 connections", "wrk", "tls", ["-c64", "/64k"]),
    "full":      ("full handshakes, TLS 1.3, ECDSA P-256", "handshakes", "tls", ["full", "1.3"]),
    "resumed":   ("resumed handshakes, TLS 1.3 tickets", "handshakes", "tls", ["resumed", "1.3"]),
    "resumed12": ("resumed handshakes, TLS 1.2 tickets", "handshakes", "tls", ["resumed", "1.2"]),
    "idle":      ("memory of an idle TLS 1.3 connection, after one request", "idle", "tls", ["http/1.1"]),
}


def run_wrk(port, arguments, seconds):
    """(answers, failures) of a closed loop."""
    *words, target = arguments
    output = run_load(["wrk", "-t1", f"-d{seconds}s", *words, f"https://127.0.0.1:{port}{target}"], seconds)
    if output is None:
        return 0, 1
    failures = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", output)))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return int(re.search(r"(\d+) requests in", output)[1]), failures + sum(map(int, errors.groups() if errors else []))


def measure_wrk(proxy, listener, arguments, options):
    if proxy.is_cold(arguments):
        run_wrk(proxy.ports[listener], arguments, 1)
    before = cpu_seconds(proxy.process.pid)
    answers, failures = run_wrk(proxy.ports[listener], arguments, options.seconds)
    used = cpu_seconds(proxy.process.pid) - before
    if answers == 0:
        return NOTHING
    return {"figure": 1e6 * used / answers, "rate": answers / options.seconds, "failures": failures}


def measure_handshakes(proxy, listener, arguments, options):
    """Who does not resume what it should, or took another cipher, has not done the same work: failures."""
    mode, version = arguments
    words = [os.path.join(TOOLS, "bench_handshakes"), str(proxy.ports[listener]), str(PLACES)]
    if proxy.is_cold(arguments):
        run_load([*words, str(WARM_S), mode, version], 1)
    before = cpu_seconds(proxy.process.pid)
    output = run_load([*words, str(options.seconds), mode, version], options.seconds)
    used = cpu_seconds(proxy.process.pid) - before
    if not output:
        return NOTHING
    found = dict(zip(output.split()[::2], output.split()[1::2]))
    done, failures, resumed = (int(found[key]) for key in ("done", "failed", "resumed"))
    wrong = max(0, done - resumed - PLACES) if mode == "resumed" else resumed
    if version == "1.3" and found["cipher"] != TLS13_CIPHER:
        wrong = done
    return {"figure": 1e6 * used / max(1, done), "rate": done / options.seconds, "failures": failures + wrong}


MEASURES = {"wrk": measure_wrk, "handshakes": measure_handshakes, "idle": measure_idle}

if __name__ == "__main__":
    secure.main("bench-tls", __doc__, SCENARIOS, MEASURES, "nginx,haproxy,h2o,frontdesk,floor", False, add_options,
                usual=[name for name in SCENARIOS if name != "resumed12"])
