# SPDX-License-Identifier: MIT
"""Libraries that are preloaded into the binary under test: built once per process."""
import atexit
import os
import shutil
import subprocess
import tempfile

SOURCES = os.path.join(os.path.dirname(__file__), "..", "shim")
_built = {}


def shim_build(name):
    """Path of shim/NAME.c as a shared library that any user may read."""
    if name not in _built:
        directory = tempfile.mkdtemp(prefix="frontdesk-shim.")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        os.chmod(directory, 0o755)
        path = os.path.join(directory, f"{name}.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-w", "-o", path, os.path.join(SOURCES, f"{name}.c")], check=True)
        os.chmod(path, 0o755)
        _built[name] = path
    return _built[name]


def shim_environment(name, **more):
    # A sanitizer's own calls go through the shim too, as the kernel's would.
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {"LD_PRELOAD": shim_build(name), "ASAN_OPTIONS": options, **more}
