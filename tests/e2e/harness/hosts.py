# SPDX-License-Identifier: MIT
"""Names of the test's own: the binary runs with another /etc/hosts or /etc/resolv.conf, in a mount
namespace of its own."""
import os
import shlex


def with_hosts(proxy, text):
    """Makes proxy.start() run behind unshare; returns the path of the hosts file, to change it later."""
    return _with_file(proxy, "hosts", text)


def with_name_server(proxy, address, more=""):
    """The same with a name server of the test's own (on port 53, in the test's network namespace)."""
    return _with_file(proxy, "resolv.conf", f"nameserver {address}\noptions timeout:10 attempts:2\n{more}")


def _with_file(proxy, name, text):
    path = proxy.path(name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    plain = proxy.command

    def command(*arguments):
        line = " ".join(shlex.quote(word) for word in plain(*arguments))
        return ["unshare", "-m", "sh", "-c", f"mount --bind {shlex.quote(path)} /etc/{name} && exec {line}"]
    proxy.command = command
    os.chmod(path, 0o644)
    return path
