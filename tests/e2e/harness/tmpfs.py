# SPDX-License-Identifier: MIT
"""A small disk of the test's own: a tmpfs over a directory, in a mount namespace that the test process
enters for good (nobody else sees it). As small as the kernel lets it be, so that it is full soon."""
import ctypes
import os
import subprocess

CLONE_NEWNS = 0x00020000
MS_REC_PRIVATE = (1 << 14) | (1 << 18)
_is_entered = False


def enter():
    """Moves this thread, and all that it starts later, into a mount namespace; False: not allowed."""
    global _is_entered
    libc = ctypes.CDLL(None, use_errno=True)
    if not _is_entered:
        _is_entered = libc.unshare(CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0
    return _is_entered


class Tmpfs:
    """with Tmpfs(path, "4m") as disk: ...; fill() and free() take and give room."""

    def __init__(self, path, size):
        self.path = path
        self.size = size
        self.ballast = os.path.join(path, "..ballast")

    def __enter__(self):
        os.makedirs(self.path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0777", "none", self.path], check=True)
        return self

    def __exit__(self, *unused):
        subprocess.run(["umount", "-l", self.path], check=False)

    def fill(self, spare=0):
        """Somebody else takes all room but so many bytes."""
        room = self.room() - spare
        if room > 0:
            with open(self.ballast, "ab") as file:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room)

    def free(self):
        os.unlink(self.ballast)

    def room(self):
        at = os.statvfs(self.path)
        return at.f_bavail * at.f_frsize
