# SPDX-License-Identifier: MIT
"""Certificates of the test's own: an authority, what it issues (RSA, ECDSA, Ed25519; expired, for other names,
with an OCSP responder), revocation lists, and the responder itself."""
import datetime
import ipaddress
import os
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

ONE_DAY = datetime.timedelta(days=1)
MAKERS = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def x509_name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "frontdesk tests"),
                      x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_pem(key, password=None):
    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


def general_name(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def put(path, text, mode=0o644):
    """Writes beside and renames: who reads the file finds the one or the other."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)
    return path


class Pair:
    """A certificate and its key: `certificate`, `key` and `ca` are paths of files; `pem`, `key_pem` their texts."""

    def __init__(self, authority, label, certificate, key, password=None):
        self.authority = authority
        self.x509 = certificate
        self.private_key = key
        self.serial = certificate.serial_number
        self.leaf_pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.pem = self.leaf_pem + authority.chain_pem
        self.key_pem = key_pem(key, password)
        self.certificate = authority.path(label + ".pem")
        self.key = authority.path(label + ".key")
        self.ca = authority.certificate
        self.write(self.certificate, self.key)

    def write(self, certificate, key):
        """Key first, so that whoever looks in between finds a pair that does not match, as in real life."""
        put(key, self.key_pem, 0o600)
        put(certificate, self.pem)

    @property
    def fingerprint(self):
        """SHA-1 in lower case hex, as in $ssl_client_fingerprint."""
        return self.x509.fingerprint(hashes.SHA1()).hex()


class Authority:
    """A CA with its files in `directory`: `certificate` is the path of its certificate. With `parent` it is an
    intermediate one, and what it issues comes with the chain."""

    def __init__(self, directory, name="frontdesk test CA", kind="ecdsa", parent=None):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.parent = parent
        self.name = x509_name(name)
        self.private_key = MAKERS[kind]()
        self.issued = []
        self.revoked = []
        signer = parent or self
        self.x509 = (x509.CertificateBuilder().subject_name(self.name).issuer_name(signer.name)
                     .public_key(self.private_key.public_key()).serial_number(x509.random_serial_number())
                     .not_valid_before(now() - ONE_DAY).not_valid_after(now() + 3650 * ONE_DAY)
                     .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                     .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=False,
                                                  key_encipherment=False, data_encipherment=False,
                                                  key_agreement=False, key_cert_sign=True, crl_sign=True,
                                                  encipher_only=False, decipher_only=False), critical=True)
                     .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.private_key.public_key()),
                                    critical=False)
                     .sign(signer.private_key, self._hash(signer.private_key)))
        self.pem = self.x509.public_bytes(serialization.Encoding.PEM).decode()
        self.chain_pem = self.pem + parent.chain_pem if parent else ""
        label = name.replace(" ", "-")
        self.certificate = put(self.path(label + ".pem"), self.pem)
        self.key = put(self.path(label + ".key"), key_pem(self.private_key), 0o600)

    @staticmethod
    def _hash(key):
        return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()

    def path(self, name):
        return os.path.join(self.directory, name)

    def issue(self, *names, label=None, kind="ecdsa", days=30, since=None, for_client=False, ocsp=None,
              must_staple=False, password=None, common_name=None, usage=None):
        """A pair for these DNS names or addresses (the first is the CN). Expired: days=-1 (it was valid until then).
        `ocsp`: the responder's URL in the certificate; `for_client`: for client authentication."""
        names = names or ("localhost",)
        key = MAKERS[kind]()
        until = now() + days * ONE_DAY
        since = since or min(now(), until) - ONE_DAY
        uses = usage or [ExtendedKeyUsageOID.CLIENT_AUTH if for_client else ExtendedKeyUsageOID.SERVER_AUTH]
        builder = (x509.CertificateBuilder().subject_name(x509_name(common_name or names[0]))
                   .issuer_name(self.name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                   .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                       self.private_key.public_key()), critical=False))
        if not for_client:
            builder = builder.add_extension(x509.SubjectAlternativeName([general_name(n) for n in names]),
                                            critical=False)
        if ocsp:
            builder = builder.add_extension(x509.AuthorityInformationAccess([x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))]), critical=False)
        if must_staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        certificate = builder.sign(self.private_key, self._hash(self.private_key))
        label = label or f"{names[0].replace('*', '_').replace(':', '_')}-{kind}-{len(self.issued)}"
        pair = Pair(self, label, certificate, key, password)
        self.issued.append(pair)
        return pair

    def client(self, name="client", **how):
        return self.issue(name, for_client=True, **how)

    # ---- revocation ----

    def revoke(self, pair):
        self.revoked.append(pair)

    def crl(self, label="revoked", days=30):
        """Writes a list of what was revoked so far; returns its path."""
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name)
                   .last_update(now() - ONE_DAY).next_update(now() + days * ONE_DAY))
        for pair in self.revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(pair.serial)
                                                      .revocation_date(now() - ONE_DAY).build())
        crl = builder.sign(self.private_key, self._hash(self.private_key))
        return put(self.path(label + ".crl"), crl.public_bytes(serialization.Encoding.PEM).decode())

    def index(self):
        """What was issued, as `openssl ca` and `openssl ocsp` keep it; returns its path."""
        lines = []
        for pair in self.issued:
            until = pair.x509.not_valid_after.strftime("%y%m%d%H%M%SZ")
            state, when = ("R", (now() - ONE_DAY).strftime("%y%m%d%H%M%SZ")) if pair in self.revoked else ("V", "")
            digits = f"{pair.serial:X}"
            lines.append(f"{state}\t{until}\t{when}\t{digits.zfill(len(digits) + len(digits) % 2)}\tunknown\t/CN={digits}\n")
        return put(self.path("index.txt"), "".join(lines))


class Responder:
    """`openssl ocsp` for what `authority` has issued: with Responder(authority, port) as it: ... it.url.
    `signer`: a Pair with another key for the answers; `minutes`: how long they are good."""

    def __init__(self, authority, port, minutes=60, signer=None, address="127.0.0.1"):
        self.authority = authority
        self.port = port
        self.url = f"http://{address}:{port}/"
        self.minutes = minutes
        self.signer = signer or authority
        self.process = None

    def start(self):
        log = self.authority.path("ocsp.log")
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                ["openssl", "ocsp", "-index", self.authority.index(), "-CA", self.authority.certificate,
                 "-rsigner", self.signer.certificate, "-rkey", self.signer.key, "-port", str(self.port),
                 "-nmin", str(self.minutes), "-ignore_err", "-text"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        # A connection without a request would make OpenSSL 3.0's responder spin: its log says when it is there.
        for _ in range(1000):
            with open(log, "rb") as file:
                if b"waiting for OCSP client connections" in file.read():
                    return self
            assert self.process.poll() is None, "the responder has ended"
            time.sleep(0.01)
        raise AssertionError("the responder does not come up")

    def log(self):
        with open(self.authority.path("ocsp.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()
