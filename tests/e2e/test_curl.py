# SPDX-License-Identifier: MIT
"""curl and Node as everybody uses them: nothing scripted, nothing lenient."""
import hashlib
import json
import os
import subprocess

import pytest

from harness.node import Node
from harness.origin import reply
from harness.proxy import PORTS

CONF = """
server { listen @P@; listen unix:@DIR@/c.sock; client_max_body_size 20m;
    location / { proxy_pass http://@N@; proxy_http_version 1.1; proxy_set_header Connection ""; }
    location /o/ { proxy_pass http://@O@; }
    location = /moved { return 301 /o/there; }
}
"""


@pytest.fixture(scope="module")
def node():
    app = Node(PORTS.get())
    yield app
    app.stop()


@pytest.fixture(scope="module")
def desk(shared_proxy, node, back):
    return shared_proxy(CONF, N=node, O=back)


def curl(desk, *arguments, check=True):
    words = [argument.replace("@P@", f"http://{desk.address()}") for argument in arguments]
    return subprocess.run(["curl", "-sS", "--max-time", "10", *words], capture_output=True, check=check)


def test_get_post_put_delete(desk):
    for arguments, method, length in ((["@P@/a"], "GET", 0), (["-d", "x=1", "@P@/a"], "POST", 3),
                                      (["-X", "PUT", "-d", "abc", "@P@/a"], "PUT", 3), (["-X", "DELETE", "@P@/a"], "DELETE", 0)):
        seen = json.loads(curl(desk, *arguments).stdout)
        assert (seen["method"], seen["length"]) == (method, length)


@pytest.mark.parametrize("chunked", [False, True])
def test_upload_with_expect(desk, chunked, tmp_path):
    """Bodies of this size make curl send Expect: 100-continue and wait."""
    path = tmp_path / "body"
    path.write_bytes(os.urandom(3_000_000))
    extra = ["-H", "Transfer-Encoding: chunked"] if chunked else []
    done = curl(desk, *extra, "-H", "Expect: 100-continue", "--expect100-timeout", "5", "-T", str(path), "@P@/up",
                "-w", "%{time_total}")
    text, _, spent = done.stdout.rpartition(b"}")
    seen = json.loads(text + b"}")
    assert seen["sha"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert float(spent) < 4, "the 100 did not come"


def test_mirror(desk, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(1_000_000))
    assert curl(desk, "-T", str(path), "@P@/mirror").stdout == path.read_bytes()


def test_form(desk, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(os.urandom(100000))
    seen = json.loads(curl(desk, "-F", f"f=@{path}", "-F", "a=b", "@P@/form").stdout)
    assert seen["length"] > 100000 and seen["headers"]["content-type"].startswith("multipart/form-data")


def test_head_and_verbose(desk):
    done = curl(desk, "-I", "@P@/h")
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n") and done.stdout.endswith(b"\r\n\r\n")


def test_one_connection_for_many(desk):
    done = curl(desk, "@P@/[1-20]", "-o", "/dev/null", "-w", "%{num_connects} %{http_code}\n")
    assert done.stdout.splitlines() == [b"1 200"] + [b"0 200"] * 19


def test_parallel(desk):
    done = curl(desk, "--parallel", "--parallel-max", "20", "@P@/[1-100]", "-o", "/dev/null", "-w", "%{http_code}\n")
    assert done.stdout.splitlines() == [b"200"] * 100


def test_http_1_0(desk):
    assert json.loads(curl(desk, "--http1.0", "@P@/old").stdout)["target"] == "/old"


def test_follow(desk):
    assert json.loads(curl(desk, "-L", "@P@/moved").stdout)["target"] == "/o/there"


def test_path_as_is(desk):
    assert json.loads(curl(desk, "--path-as-is", "@P@/o/../o/x").stdout)["target"] == "/o/../o/x"
    assert curl(desk, "--path-as-is", "@P@/../x", "-w", "%{http_code}", "-o", "/dev/null").stdout == b"400"


def test_unix_socket(desk):
    done = curl(desk, "--unix-socket", desk.path("c.sock"), "http://any/unix")
    assert json.loads(done.stdout)["target"] == "/unix"


def test_a_cut_body_is_an_error_for_curl(desk, back):
    back.script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
    assert curl(desk, "@P@/o/", check=False).returncode in (18, 52, 56)
    back.script = lambda conn: (conn.request(), conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"))
    assert curl(desk, "@P@/o/", check=False).returncode in (18, 52, 56)


def test_trailers_are_understood(desk, back):
    back.handle = lambda _: reply(body="x" * 100, chunked=True, trailers=[("X-T", "1")])
    assert curl(desk, "@P@/o/").stdout == b"x" * 100
    back.reset()


def test_compressed_bodies_pass_untouched(desk, back):
    import gzip
    packed = gzip.compress(b"hello" * 1000)
    back.handle = lambda _: reply(body=packed, fields={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
    assert curl(desk, "--compressed", "@P@/o/").stdout == b"hello" * 1000
    assert curl(desk, "@P@/o/", "-H", "Accept-Encoding: gzip").stdout == packed
    back.reset()
