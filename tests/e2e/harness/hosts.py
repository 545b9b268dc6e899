# SPDX-License-Identifier: MIT
"""Names of the test's own: the binary runs with another /etc/hosts, in a mount namespace of its own."""
import os
import shlex


def with_hosts(proxy, text):
    """Makes proxy.start() run behind unshare; returns the path of the hosts file, to change it later."""
    path = proxy.path("hosts")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    plain = proxy.command

    def command(*arguments):
        line = " ".join(shlex.quote(word) for word in plain(*arguments))
        return ["unshare", "-m", "sh", "-c", f"mount --bind {shlex.quote(path)} /etc/hosts && exec {line}"]
    proxy.command = command
    os.chmod(path, 0o644)
    return path
