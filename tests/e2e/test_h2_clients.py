# SPDX-License-Identifier: MIT
"""Real clients over HTTP/2: curl, nghttp, h2load, Node, Chromium, openssl; and testssl.sh on the defaults."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

from harness.node import Node
from harness.origin import reply
from harness.proxy import PORTS
from harness.tls import Tls, s_client
from harness.websocket import mirror_messages, switch

ours = pytest.mark.ours

CONF = """
ssl_certificate @CERT@;
ssl_certificate_key @KEY@;
server {
    listen @P@ ssl http2;
    listen @Q@ http2;
    server_name localhost;
    client_max_body_size 20m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location / { proxy_pass http://@N@; }
    location /o/ { proxy_pass http://@O@; }
    location /small { client_max_body_size 1m; proxy_pass http://@O@; }
    location /o/ws { proxy_set_header Host $host; proxy_pass http://@O@; }
    location /proto { return 200 "$server_protocol $http2 $ssl_alpn_protocol"; }
}
"""


@pytest.fixture(scope="module")
def node():
    app = Node(PORTS.get())
    yield app
    app.stop()


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def desk(shared_proxy, node, back, pair):
    return shared_proxy(CONF, N=node, O=back, CERT=pair.certificate, KEY=pair.key)


def run(desk, *arguments, timeout=60, check=True):
    """@P@ is the TLS address, @Q@ the plain one."""
    words = [argument.replace("@P@", f"https://{desk.address()}").replace("@Q@", f"http://{desk.address('Q')}")
             for argument in arguments]
    return subprocess.run(words, capture_output=True, timeout=timeout, check=check)


# ---- curl ----------------------------------------------------------------------------------------

@pytest.fixture
def curl(desk, pair):
    def ask(*arguments, **options):
        return run(desk, "curl", "-sS", "--max-time", "30", "--cacert", pair.ca, *arguments, **options)
    return ask


def test_curl_takes_http2_by_itself(curl):
    assert curl("-w", " %{http_version}", "@P@/proto").stdout == b"HTTP/2.0 h2 h2 2"
    assert curl("--http1.1", "-w", " %{http_version}", "@P@/proto").stdout == b"HTTP/1.1  http/1.1 1.1"
    assert curl("--http2-prior-knowledge", "-w", " %{http_version}", "@Q@/proto").stdout == b"HTTP/2.0 h2c  2"


@pytest.mark.parametrize("size", [0, 10, 2_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_curl_uploads(curl, tmp_path, size, chunked):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(size))
    more = ["-H", "Content-Length:"] if chunked else []
    seen = json.loads(curl("-T", str(path), *more, "@P@/up").stdout)
    assert (seen["method"], seen["length"]) == ("PUT", size)
    assert seen["sha"] == hashlib.sha256(path.read_bytes()).hexdigest()


@ours
def test_curl_mirrors(curl, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(5_000_000))
    assert curl("-X", "POST", "--data-binary", f"@{path}", "@P@/mirror").stdout == path.read_bytes()


@pytest.mark.parametrize("how", [["-T", "@BODY@"], ["-X", "POST", "-H", "Content-Length:", "-T", "@BODY@"]])
def test_curl_shows_a_refusal_of_a_large_upload(curl, tmp_path, how):
    """The answer comes long before the body has ended."""
    path = tmp_path / "body"
    path.write_bytes(bytes(40_000_000))
    words = [str(path) if word == "@BODY@" else word for word in how]
    said = curl("-w", " %{http_code}", *words, "@P@/small", check=False).stdout
    assert said.endswith(b" 413") and b"413 Request Entity Too Large" in said


def test_curl_in_parallel(curl, back, tmp_path):
    back.handle = lambda one: reply(body=one.target.encode() * 3000)
    words = ["-Z", "--parallel-max", "30"]
    for i in range(60):
        words += ["-o", str(tmp_path / str(i)), f"@P@/o/{i}"]
    curl(*words)
    for i in range(60):
        assert (tmp_path / str(i)).read_bytes() == b"/o/%d" % i * 3000


def test_curl_head_and_status(curl):
    head = curl("-I", "@P@/x").stdout
    assert head.startswith(b"HTTP/2 200")
    assert b"transfer-encoding" not in head.lower() and b"connection:" not in head.lower()


def test_a_cut_body_is_an_error_for_curl(curl, back):
    back.handle = lambda one: lambda conn: (conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), conn.close())
    assert curl("@P@/o/x", check=False).returncode in (18, 92, 56)


# ---- nghttp, h2load ------------------------------------------------------------------------------

def test_nghttp(desk):
    said = run(desk, "nghttp", "-nv", "--no-verify-peer", *[f"@P@/proto?{i}" for i in range(20)]).stdout.decode()
    assert said.count(":status: 200") == 20
    assert "The negotiated protocol: h2" in said
    assert "error_code=NO_ERROR" in said and "PROTOCOL_ERROR" not in said


@ours
def test_nghttp_uploads_with_padding_and_trailers(desk, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(200_000))
    said = run(desk, "nghttp", "--no-verify-peer", "-b", "64", "--trailer", "x-end: 1", "-d", str(path), "@P@/up").stdout
    assert json.loads(said)["length"] == 200_000


@pytest.mark.parametrize("to", ["@P@", "@Q@"])
@pytest.mark.parametrize("path", ["/proto", "/o/x"])
def test_h2load(desk, to, path):
    said = run(desk, "h2load", "-n", "2000", "-c", "10", "-m", "20", to + path).stdout.decode()
    assert "2000 succeeded, 0 failed, 0 errored" in said, said


def test_h2load_uploads(desk, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(30_000))
    said = run(desk, "h2load", "-n", "300", "-c", "4", "-m", "10", "-d", str(path), "@P@/o/up").stdout.decode()
    assert "300 succeeded, 0 failed, 0 errored" in said, said


# ---- Node ----------------------------------------------------------------------------------------

NODE_CLIENT = """
const http2 = require('http2');
const client = http2.connect(process.argv[1], { rejectUnauthorized: false });
let left = 50, good = 0;
for (let i = 0; i < 50; i += 1) {
  const request = client.request({ ':path': '/n/' + i, ':method': 'POST' });
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (piece) => { text += piece; });
  request.on('end', () => {
    const seen = JSON.parse(text);
    if (seen.target === '/n/' + i && seen.length === i * 1000) good += 1;
    left -= 1;
    if (left === 0) { console.log('good ' + good); client.close(); }
  });
  request.end(Buffer.alloc(i * 1000));
}
"""


def test_node(desk):
    assert run(desk, "node", "-e", NODE_CLIENT, "@P@").stdout == b"good 50\n"


# ---- openssl, testssl.sh -------------------------------------------------------------------------

def test_s_client(desk):
    said = s_client(desk.address(), "-alpn", "http/1.1", "-servername", "localhost", "-status",
                    send=b"GET /proto HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert "ALPN protocol: http/1.1" in said and "HTTP/1.1  http/1.1" in said


@pytest.mark.parametrize("asked, chosen", [(["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"),
                                           (["h2"], "h2"), ([], None)])
def test_alpn(desk, asked, chosen):
    with desk.connect(tls=Tls(alpn=asked)) as client:
        assert client.sock.selected_alpn_protocol() == chosen


@ours
@pytest.mark.slow
def test_the_defaults_have_grade_a(proxy, authority):
    """testssl.sh without any directive but the certificate's; FULL=1 is its whole list."""
    if not shutil.which("testssl"):
        pytest.skip("no testssl.sh")
    pair = authority.issue("localhost", "127.0.0.1", kind="rsa")
    desk = proxy(f"server {{ listen @P@ ssl; http2 on; server_name localhost; ssl_certificate {pair.certificate};"
                 f" ssl_certificate_key {pair.key}; add_header Strict-Transport-Security max-age=31536000;"
                 f" return 200 ok; }}")
    report = desk.path("testssl.json")
    wanted = [] if os.environ.get("FULL") else ["--protocols", "--server-defaults", "--fs", "--std"]
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1", "--nodns", "none",
                    "--add-ca", authority.certificate, "--jsonfile", report, *wanted, f"localhost:{desk.port()}"],
                   capture_output=True, timeout=600, check=False)
    with open(report, encoding="utf-8") as file:
        found = json.load(file)
    by_id = {one["id"]: one for one in found}
    for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert by_id[version]["finding"].startswith("not offered"), by_id[version]
    for version in ("TLS1_2", "TLS1_3"):
        assert by_id[version]["finding"].startswith("offered"), by_id[version]
    # A list of strong ciphers only needs no order (the client knows what its hardware does best).
    bad = [one for one in found if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL")
           and not one["id"].startswith("cert") and one["id"] != "cipher_order"]
    assert not bad, bad
    assert by_id["ALPN_HTTP2"]["finding"] == "h2"
    if "overall_grade" in by_id:
        assert by_id["overall_grade"]["finding"][0] == "A", by_id["overall_grade"]


# ---- Chromium ------------------------------------------------------------------------------------

PAGE = """<!DOCTYPE html><title>x</title><script>
async function main() {
  const texts = await Promise.all([...Array(100).keys()].map(async (i) => (await fetch('/o/asset/' + i)).text()));
  const right = texts.filter((text, i) => text === 'asset ' + i + 'x'.repeat(i * 200)).length;
  const entries = performance.getEntriesByType('resource').filter((one) => one.name.includes('/o/asset/'));
  const versions = [...new Set(entries.map((one) => one.nextHopProtocol))].join(',');
  const said = await new Promise((done) => {
    const socket = new WebSocket('wss://' + location.host + '/o/ws');
    socket.onopen = () => socket.send('hello'.repeat(100));
    socket.onmessage = (message) => done(message.data === 'hello'.repeat(100) ? 'echo' : 'wrong');
    socket.onerror = () => done('error');
  });
  await fetch('/o/result?' + [right, versions, said].join('/'));
}
main().catch((error) => fetch('/o/result?' + encodeURIComponent(error)));
</script>"""


@ours
def test_chromium(desk, back, tmp_path):
    """A page with 100 assets and a WebSocket, each over HTTP/2."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no chromium")
    result, switched = [], []
    told = threading.Event()

    def script(conn):
        while True:
            if conn.buffer == b"":
                conn.fill()
            head = conn.buffer.split(b"\r\n")[0].decode()
            if " /o/ws" in head:
                switched.append(switch(conn))
                return mirror_messages(conn)
            one = conn.request()
            if one.target.startswith("/o/asset/"):
                i = int(one.target.rpartition("/")[2])
                conn.send(reply(body=f"asset {i}" + "x" * (i * 200)))
            elif one.target.startswith("/o/result"):
                result.append(one.target.partition("?")[2])
                conn.send(reply())
                told.set()
            else:
                conn.send(reply(body=PAGE, fields={"Content-Type": "text/html"}))
    back.script = script
    before = len(desk.read("logs/access.log").splitlines())
    browser = subprocess.Popen(
        [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
         "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
         f"--user-data-dir={tmp_path}/profile", f"https://{desk.address()}/o/page"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert told.wait(60), desk.read("logs/access.log")[-2000:]
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
    assert result == ["100/h2/echo"]
    assert switched
    line = desk.log_line(before, lambda text: "/o/ws" in text)
    assert re.search(r'"(GET|CONNECT) /o/ws HTTP/2.0"', line)
