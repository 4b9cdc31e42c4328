"""A certificate for the service: a given one, or one that it makes itself once, so that a phone can reach it safely.

Nobody vouches for a certificate of one's own: the browser warns, and whoever uses it compares the fingerprint once.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.errors import BadArgument, ExtraMissing

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

DAYS, RENEW_DAYS = 397, 30
"""What browsers accept at most, and how long before its end a certificate is made anew."""


@dataclass(frozen=True)
class Certificate:
    """Files that a server needs, and the SHA-256 that browsers show."""

    cert: Path
    key: Path
    fingerprint: str


def given(cert: Path, key: Path) -> Certificate:
    """The certificate of two PEM files.

    Raises:
        BadArgument: when they are none, or do not belong together.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: b"")
        first = cert.read_text(encoding="ascii").partition("-----END CERTIFICATE-----")
        start = first[0].index("-----BEGIN CERTIFICATE-----")
        data = ssl.PEM_cert_to_DER_cert(first[0][start:] + first[1])
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadArgument(
            f"{cert} and {key} are no certificate and its key in PEM without a password ({reason})"
        ) from error
    return Certificate(cert, key, _fingerprint(data))


def self_made(folder: Path, names: frozenset[str]) -> Certificate:
    """The certificate of that folder, made when there is none for all these names, or its end is near.

    Args:
        folder: where it is kept, for this user alone.
        names: host names and addresses of the service.

    Raises:
        ExtraMissing: when the package that makes it is not installed.
        BadArgument: when it cannot be written.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise ExtraMissing("--tls self needs the package cryptography; pip install cryptography") from error
    cert, key = folder / "cert.pem", folder / "key.pem"
    with suppress(OSError, ValueError, BadArgument):
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        if _is_good(found, names):
            return given(cert, key)
    made, secret = _make(names)
    pem = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(key, pem)
        _write_private(cert, made.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise BadArgument(f"{folder}: no certificate can be kept there ({error.strerror})") from error
    return given(cert, key)


def names_of(host: str) -> frozenset[str]:
    """Under which names and addresses a service at that address is reached."""
    own = socket.gethostname()
    names = {"localhost", "127.0.0.1", "::1", own, f"{own.partition('.')[0]}.local"}
    return frozenset(names | ({host} if host not in ("0.0.0.0", "::") else set(addresses())))  # noqa: S104


def addresses() -> tuple[str, ...]:
    """The addresses of this machine that other machines would see; nothing is sent to find out."""
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            found.append(probe.getsockname()[0])
    return tuple(found)


def _make(names: frozenset[str]) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    secret, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "NearBeat")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    return made, secret


def _is_good(found: x509.Certificate, names: frozenset[str]) -> bool:
    from cryptography import x509

    try:
        kept = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    fresh = found.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)
    return fresh and all(_general(name) in list(kept) for name in names)


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).digest().hex(":").upper()


def _write_private(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
        file.write(data)
    beside.replace(path)
