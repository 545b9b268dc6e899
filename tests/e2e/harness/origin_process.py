# SPDX-License-Identifier: MIT
"""An origin that is a process of its own, to be killed and started again: what the kernel does with its
connections then is what happens to real ones. It answers as checked_answer() does, and 200 to a check.

As a program: origin_process.py PORT."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class OriginProcess:
    def __init__(self, port):
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-m", "harness.origin_process", str(self.port)],
                                        cwd=os.path.dirname(HERE), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        assert self.process.stdout.readline() == "ready\n", "the origin did not start"

    def kill(self):
        """SIGKILL, and gone when this returns."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None

    stop = kill


def main():
    from .load import checked_answer
    from .origin import Origin

    Origin(handle=checked_answer, port=int(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.read()                    # until the test ends, one way or the other


if __name__ == "__main__":
    main()
