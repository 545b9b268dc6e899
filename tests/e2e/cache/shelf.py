# SPDX-License-Identifier: MIT
"""An origin whose bodies follow from URL and version, so that whatever a client gets can be checked.

    /<kind>/<number>        kinds: small, middle, large (SIZES); odd numbers come in chunks

An answer names its version; a purge begins a new one, and once it was answered no older one may come."""
import hashlib
import itertools
import threading

from harness.origin import reply

SIZES = {"small": 300, "middle": 40_000, "large": 1_500_000}
CACHED = ("HIT", "STALE", "UPDATING", "REVALIDATED")


def body_of(target, version):
    kind, number = target.split("?")[0].split("/")[1:3]
    size = SIZES[kind] + int(number) % 97 * 7
    seed = hashlib.sha256(f"{target} {version}".encode()).digest()
    return (seed * (size // 32 + 1))[:size]


class Shelf:
    """handle() for an Origin, and the judge of what clients get."""

    def __init__(self, control="max-age=600"):
        self.control = control
        self.versions = {}
        self.floors = {}
        self.asked = itertools.count()
        self.lock = threading.Lock()

    def handle(self, request):
        next(self.asked)
        version = self.versions.get(request.target, 1)
        return reply(body=body_of(request.target, version), chunked=int(request.target.split("/")[2]) % 2 == 1,
                     fields={"Cache-Control": self.control, "X-Version": version, "ETag": f'"{version}"'})

    def renew(self, target):
        """The origin has another version from now on; its number."""
        with self.lock:
            self.versions[target] = self.versions.get(target, 1) + 1
            return self.versions[target]

    def purged(self, target, version):
        """The purge that followed renew() was answered."""
        with self.lock:
            self.floors[target] = max(self.floors.get(target, 1), version)

    def floor(self, target):
        """The oldest version that a request from now on may get."""
        return self.floors.get(target, 1)

    def check(self, answer, target, floor):
        assert answer.status == 200, f"{target}: {answer}"
        version = int(answer.get("X-Version"))
        assert floor <= version <= self.versions.get(target, 1), \
            f"{target}: version {version} came, {floor} is the oldest one that may ({answer.get('X-Status')})"
        wanted = body_of(target, version)
        if answer.body != wanted:
            at = next((i for i, (a, b) in enumerate(zip(answer.body, wanted)) if a != b), -1)
            raise AssertionError(f"{target}: {len(answer.body)} bytes for {len(wanted)}, another from {at} on {answer.fields} "
                                 f"({answer.get('X-Status')})")
        return answer.get("X-Status") in CACHED
