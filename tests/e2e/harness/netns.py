# SPDX-License-Identifier: MIT
"""A network namespace of the test process's own: every port free, port 80 included, no way out."""
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
IS_ISOLATED = False


def enter():
    """Moves this thread (and all that it starts later) into a fresh namespace; False: not allowed."""
    global IS_ISOLATED
    if os.environ.get("E2E_NO_NETNS") or IS_ISOLATED:
        return IS_ISOLATED
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        return False
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    IS_ISOLATED = True
    return True
