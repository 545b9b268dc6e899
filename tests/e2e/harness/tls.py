# SPDX-License-Identifier: MIT
"""TLS for the tests' clients and origins, by Python's ssl module.

    tls = Tls("a.test", ca=ca_path, alpn=["h2"])
    client = desk.connect(tls=tls)                  # client.sock is an SSLSocket: version(), cipher(), session...
"""
import ctypes
import ssl
import subprocess
from types import SimpleNamespace

from .client import Client
from .wire import PATIENCE, Wire

VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2,
            "1.3": ssl.TLSVersion.TLSv1_3}


class Tls:
    """What a client says and asks for; called with a connected socket it makes the handshake.

    name: SNI (None: none is sent). ca: file of who is trusted (None: anybody). pair: (certificate, key) files.
    version: "1.2" or "1.3", and no other. session: of a former SSLSocket, made by the same Tls."""

    def __init__(self, name="localhost", ca=None, alpn=(), pair=None, version=None, ciphers=None, versions=None):
        self.name = name
        self.session = None
        context = self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if ca is None:
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(ca)
            context.check_hostname = name is not None
        if pair:
            context.load_cert_chain(*pair)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        low, high = versions or (version, version)
        if low:
            if low in ("1.0", "1.1"):
                ciphers = ciphers or "ALL:@SECLEVEL=0"
            context.minimum_version, context.maximum_version = VERSIONS[low], VERSIONS[high]
        if ciphers:
            context.set_ciphers(ciphers)

    def __call__(self, sock):
        return self.context.wrap_socket(sock, server_hostname=self.name, session=self.session)


def server_context(pair, alpn=(), client_ca=None, version=None, tickets=2):
    """For an origin behind https://. pair: (certificate, key) files; client_ca: who must sign the proxy's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.num_tickets = tickets
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)

    def named(sock, name, unused):
        sock.asked_name = name
    context.sni_callback = named
    return context


def facts_of(sock):
    """What an origin's handshake agreed on, to be looked at when the socket is closed; None without TLS."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    return SimpleNamespace(version=sock.version(), cipher=sock.cipher()[0], is_reused=sock.session_reused,
                           alpn=sock.selected_alpn_protocol(), asked_name=getattr(sock, "asked_name", None),
                           subject=dict(row[0] for row in (sock.getpeercert() or {}).get("subject", ())))


def key_update(sock):
    """Sends KeyUpdate and asks for one. Python has no word for it: the SSL behind its object is told."""
    library = ctypes.CDLL("libssl.so.3")
    library.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
    behind = ctypes.c_void_p.from_address(id(sock._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p))
    assert library.SSL_key_update(behind, 1) == 1
    sock.do_handshake()


def subject_of(sock):
    """The common name that the other side has shown, of a certificate that was not verified as well."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID
    shown = x509.load_der_x509_certificate(sock.getpeercert(binary_form=True))
    return shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def s_client(address, *arguments, send=b"", timeout=20):
    """openssl s_client, which goes on until the server closes; returns what it printed."""
    run = subprocess.run(["openssl", "s_client", "-connect", address, "-ign_eof", *arguments], input=send,
                         capture_output=True, timeout=timeout, check=False)
    return (run.stdout + run.stderr).decode("latin-1")


class Tap:
    """A TLS client that sees its records and can send as slowly as it likes; `first` goes out with the last bytes of
    the handshake."""

    def __init__(self, address, tls, timeout=PATIENCE, step=None, first=b""):
        self.wire = Wire(Client(address, timeout).sock, timeout)
        self.step = step                 # bytes per write
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = tls.context.wrap_bio(self.incoming, self.outgoing, server_hostname=tls.name)
        self.records = []                # (type, length) of those that came
        self._until(lambda: (self.object.do_handshake(), self.object.write(first) if first else 0))

    def send(self, data):
        self.object.write(data)
        self._flush()

    def read(self, count):
        out = b""
        while len(out) < count:
            out += self._until(lambda: self.object.read(count - len(out)))
        return out

    def _flush(self):
        data = self.outgoing.read()
        for at in range(0, len(data), self.step or max(len(data), 1)):
            self.wire.send(data[at:at + (self.step or len(data))])

    def _until(self, act):
        while True:
            try:
                result = act()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                head = self.wire.take(5)
                size = int.from_bytes(head[3:], "big")
                self.records.append((head[0], size))
                self.incoming.write(head + self.wire.take(size))

    def close(self):
        self.wire.close()
