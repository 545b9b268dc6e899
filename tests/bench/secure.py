# SPDX-License-Identifier: MIT
"""What `make bench-tls` and `make bench-h2` share: proxies with a certificate, their load, rounds and tables.

The same rules as in bench.py: one worker each, pinned to the first core, load generator and origin on the
second; the figure is CPU time of the proxy's whole process tree per request or handshake; rounds alternate,
and the ratio is to nginx in the same round. All have one ECDSA P-256 certificate, one key exchange (X25519)
and one cipher (AES-128-GCM, which browsers want first), so what differs is not the arithmetic that was
chosen."""
import argparse
import math
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import bench
from bench import FIRST_PORT, HERE, LOAD_CORE, ORIGIN_PORT, REFERENCE, ROOT, TOOLS, binary_of, cpu_seconds, pinned, spread

DOCUMENT = os.path.join(ROOT, "docs", "performance.md")
END = "<!-- /measured -->\n"
TLS13_CIPHER = "TLS_AES_128_GCM_SHA256"
MOST_FILES = 40000
CLIENT_ENVIRONMENT = dict(os.environ)
NOTHING = {"figure": math.nan, "rate": 0, "failures": 1}


class Refused(Exception):
    """This frontdesk can't do yet what the configuration asks for."""


class SecureProxy(bench.Proxy):
    """nginx, haproxy, h2o, frontdesk (or another build of it), or the relay that parses nothing."""

    workers = 1

    def __init__(self, name, index, directory, is_http2):
        base = FIRST_PORT + 3 * index
        self.secure_ports = {"tls": base, "clear": base + 1, "plain": base + 2}
        self.is_http2 = is_http2
        self.pair_directory = directory
        self.warm = set()
        super().__init__(name, index, directory)

    def prepare(self):
        self.ports = {"http": self.secure_ports["tls"], **self.secure_ports}
        certificate, key, both = (os.path.join(self.pair_directory, name)
                                  for name in ("certificate.pem", "key.pem", "both.pem"))
        if self.name == "floor":
            return [os.path.join(TOOLS, "bench_tls_relay"), str(self.ports["tls"]), str(ORIGIN_PORT), certificate, key]
        names = {"DIR": self.directory, "ORIGIN": ORIGIN_PORT, "TLS": self.ports["tls"], "CLEAR": self.ports["clear"],
                 "PLAIN": self.ports["plain"], "WORKERS": self.workers,
                 "CERTIFICATE": certificate, "KEY": key, "BOTH": both, "ONLY_NGINX": "", "HTTP2": ""}
        if self.is_http2:
            names["HTTP2"] = " proto h2" if self.name == "haproxy" else " http2"
        if self.name == "nginx":
            temporary = " ".join(f"{kind}_temp_path {self.directory}/{kind};"
                                 for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            names["ONLY_NGINX"] = f"sendfile on; proxy_max_temp_file_size 0; {temporary}"
        path = self.fill_in({"haproxy": "tls-haproxy.cfg", "h2o": "tls-h2o.conf"}.get(self.name, "tls.conf"), names)
        if self.name == "haproxy":
            return [binary_of("haproxy"), "-db", "-f", path]
        if self.name == "h2o":
            return [binary_of("h2o"), "-c", path]
        words = [binary_of(self.name), "-p", self.directory + "/", "-c", path, "-e", self.directory + "/error.log"]
        if self.name != "nginx":
            check = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False, timeout=30)
            if check.returncode != 0:
                raise Refused((check.stderr + check.stdout).strip().split("\n")[0])
        return words

    def is_cold(self, arguments):
        """The first time that it is asked for these."""
        is_new = tuple(arguments) not in self.warm
        self.warm.add(tuple(arguments))
        return is_new

    def fill_in(self, template, names):
        with open(os.path.join(HERE, template), encoding="utf-8") as file:
            text = re.sub(r"@([A-Z0-9_]+)@", lambda match: str(names.get(match[1], match[0])), file.read())
        path = os.path.join(self.directory, template)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def make_files(directory):
    """An ECDSA P-256 key with a certificate of its own; haproxy wants both in one file. And what makes wrk,
    which has no option for it, offer the one cipher: OpenSSL's own configuration."""
    with open(os.path.join(directory, "client.cnf"), "w", encoding="ascii") as file:
        file.write("openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n"
                   f"[all]\nCiphersuites = {TLS13_CIPHER}\n")
    CLIENT_ENVIRONMENT["OPENSSL_CONF"] = file.name
    key, certificate = os.path.join(directory, "key.pem"), os.path.join(directory, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True, timeout=30)
    with open(os.path.join(directory, "both.pem"), "w", encoding="ascii") as both:
        for path in (certificate, key):
            with open(path, encoding="ascii") as file:
                both.write(file.read())


# ---- load ---------------------------------------------------------------------------------------

def run_load(words, seconds):
    """What a load generator printed, or None if it failed or hung."""
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=seconds * 5 + 30,
                              preexec_fn=pinned(LOAD_CORE), env=CLIENT_ENVIRONMENT).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"  {words[0]}: {error} {(error.stderr or b'')[-300:]}", file=sys.stderr)
        return None


def run_h2load(arguments, url, requests):
    """(requests per second, failures); (0, all of them) if none was answered. `requests`: a number, or "1s"."""
    amount = ["-D", requests[:-1]] if isinstance(requests, str) else ["-n", str(requests)]
    output = run_load(["h2load", "-t1", *amount, f"--tls13-ciphers={TLS13_CIPHER}", *arguments, url], 10)
    if output is None or "status codes" not in output:
        return 0, requests
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", output)[1])
    return rate, int(re.search(r"requests: (\d+) total", output)[1]) - int(re.search(r"(\d+) 2xx", output)[1])


def measure_h2load(proxy, listener, arguments, options):
    """A second to get warm says how many requests fill the time; so that each that was paid for is counted."""
    *words, target = arguments
    scheme = "https" if listener == "tls" else "http"
    url = f"{scheme}://127.0.0.1:{proxy.ports[listener]}{target}"
    rate, _ = run_h2load(words, url, "1s")
    count = int(rate * options.seconds)
    if count == 0:
        return NOTHING
    before = cpu_seconds(proxy.process.pid)
    rate, failures = run_h2load(words, url, count)
    used = cpu_seconds(proxy.process.pid) - before
    return {"figure": 1e6 * used / max(1, count - failures), "rate": rate, "failures": failures}


# ---- rounds and report --------------------------------------------------------------------------

def run_scenario(name, scenario, measures, proxies, options):
    """{proxy: [result of each round]}; the order turns with the rounds, so that drift hits all."""
    _, kind, listener, arguments = scenario
    results = {proxy.name: [] for proxy in proxies}
    for i in range(1 if kind == "idle" else options.rounds):
        turn = i % len(proxies)
        order = proxies[turn:] + proxies[:turn]
        for proxy in reversed(order) if i % 2 else order:
            result = measures[kind](proxy, listener, arguments, options)
            results[proxy.name].append(result)
            print(f"  {name} round {i + 1}: {proxy.name:9} {result['figure']:9.2f}"
                  f"{'  FAILURES ' + str(result['failures']) if result['failures'] else ''}", file=sys.stderr)
    return results


# kind: (its figure, its last column, how that is made of the results)
COLUMNS = {
    "handshakes": ("CPU µs/handshake", "handshakes per CPU second", lambda one: 1e6 / one["figure"]),
    "idle": ("bytes/connection", "all its memory, KB", lambda one: one["kilobytes"]),
}
REQUESTS = ("CPU µs/request", "requests/s", lambda one: one["rate"])


def table(name, scenario, results):
    title, kind, _, _ = scenario
    unit, last, value = COLUMNS.get(kind, REQUESTS)
    lines = [f"### {name}: {title}", "", f"| proxy | {unit} | ratio to {REFERENCE} | {last} | failures |",
             "|---|--:|--:|--:|--:|"]
    for proxy, rounds in results.items():
        ratios = [one["figure"] / other["figure"] for one, other in zip(rounds, results.get(REFERENCE, []))
                  if other["figure"] > 0]
        cells = [proxy, spread([one["figure"] for one in rounds], 0 if kind == "idle" else 1),
                 spread(ratios) if ratios else "-", f"{statistics.median(map(value, rounds)):,.0f}",
                 str(sum(one["failures"] for one in rounds))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_document(target, tables, names, options):
    """Into the place of docs/performance.md that `make TARGET DOCS=1` owns."""
    begin = f"<!-- measured: make {target} DOCS=1 -->\n"
    with open(DOCUMENT, encoding="utf-8") as file:
        before, found, rest = file.read().partition(begin)
    if not found:
        sys.exit(f"docs/performance.md has no line {begin}")
    versions = "".join(f"- {name}: {bench.version_of(name)}\n" for name in names if name != "floor")
    words = (f"{time.strftime('%Y-%m-%d')}, median of {options.rounds} alternating rounds of {options.seconds} s "
             f"(in brackets the least and the most):\n\n{versions}\n")
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(before + begin + words + "\n".join(tables) + END + rest.partition(END)[2])
    print("wrote docs/performance.md", file=sys.stderr)


def parse_options(document, scenarios, proxies, add_options, usual):
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--only", default=",".join(usual or scenarios), help=", ".join(scenarios))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--proxies", default=proxies, help="name or name=/another/frontdesk")
    add_options(parser)
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in scenarios]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    return options


def make_proxies(names, directory, is_http2):
    """Those that can do it; of the others a line says why."""
    for i, name in enumerate(names):
        try:
            yield SecureProxy(name, i, directory, is_http2)
        except Refused as reason:
            print(f"SKIPPED: {name}: its -t refuses the configuration: {reason}", flush=True)


def main(target, document, scenarios, measures, proxies, is_http2, add_options, usual=None):
    """All of a bench: `scenarios` as in bench.py, `usual` of them unless told, `measures` by their kind."""
    options = parse_options(document, scenarios, proxies, add_options, usual)
    bench.isolate()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MOST_FILES, hard) if hard >= 0 else MOST_FILES, hard))
    bench.OTHER_BINARIES.update(name.split("=", 1) for name in options.proxies.split(",") if "=" in name)
    names = [name.partition("=")[0] for name in options.proxies.split(",")]
    with tempfile.TemporaryDirectory(prefix="frontdesk-bench-") as directory:
        os.chmod(directory, 0o755)
        make_files(directory)
        running, tables = list(make_proxies(names, directory, is_http2)), []
        origin = subprocess.Popen([os.path.join(TOOLS, "bench_origin"), str(ORIGIN_PORT)],
                                  preexec_fn=pinned(LOAD_CORE))
        try:
            for proxy in running:
                proxy.start()
            for name in options.only.split(","):
                results = run_scenario(name, scenarios[name], measures, running, options)
                tables.append(table(name, scenarios[name], results))
                print(tables[-1], flush=True)
        finally:
            for proxy in running:
                proxy.stop()
            origin.kill()
            origin.wait()
    if options.docs:
        write_document(target, tables, [proxy.name for proxy in running], options)
