# SPDX-License-Identifier: MIT
"""A real Node.js application as origin."""
import os
import subprocess

APP = os.path.join(os.path.dirname(__file__), "..", "node", "app.js")


class Node:
    def __init__(self, port):
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(["node", APP, str(port)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "node did not start"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
