#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""HTTP/2 towards clients beside Debian's nginx, haproxy and h2o, to an HTTP/1.1 origin in clear.

    make bench-h2                                           # all, about four minutes
    make bench-h2 BENCH="--only tls1x64 --rounds 5"         # some
    make bench-h2 DOCS=1                                    # writes its part of docs/performance.md

tls: over TLS 1.3, clear: with prior knowledge. 1x64 is one connection with 64 requests at a time, 64x10 are
64 connections with ten each; h2load asks."""
import secure
from idle import add_options, measure_idle
from secure import measure_h2load

# name: (title, kind, listener, arguments)
SCENARIOS = {
    "tls1x64":    ("64 B over TLS, one connection, 64 streams", "h2load", "tls", ["-c1", "-m64", "/64b"]),
    "tls64x10":   ("64 B over TLS, 64 connections, 10 streams each", "h2load", "tls", ["-c64", "-m10", "/64b"]),
    "tls64k":     ("64 KB over TLS, 8 connections, 8 streams each", "h2load", "tls", ["-c8", "-m8", "/64k"]),
    "clear1x64":  ("64 B in clear, one connection, 64 streams", "h2load", "clear", ["-c1", "-m64", "/64b"]),
    "clear64x10": ("64 B in clear, 64 connections, 10 streams each", "h2load", "clear", ["-c64", "-m10", "/64b"]),
    "idle":       ("memory of an idle connection over TLS, after one request", "idle", "tls", ["h2"]),
}
MEASURES = {"h2load": measure_h2load, "idle": measure_idle}

if __name__ == "__main__":
    secure.main("bench-h2", __doc__, SCENARIOS, MEASURES, "nginx,haproxy,h2o,frontdesk", True, add_options)
