"""What one X.509 certificate is and says: reading, names, strength, time and use; nothing about whom we trust."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

from asyncua import ua
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from opcua_server.access.state import AccessError

Peer = Literal["client", "server"]
Read = TypeVar("Read")

KEY_BITS = (2048, 4096)  # least and most of the security policies we offer, OPC 10000-7
GOOD_HASHES = ("sha256", "sha384", "sha512")
MOST_BYTES = 64 * 1024  # of a file, or of a chain that a peer sends
LONGEST_CHAIN = 5
BAD = ua.StatusCodes
# what parsing may raise
DAMAGED = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


def refuse(code: int) -> NoReturn:
    """Refuse with a StatusCode."""
    raise ua.UaStatusCodeError(code)


# --- reading ----------------------------------------------------------------------------------------------


def thumbprint(certificate: x509.Certificate | bytes) -> str:
    """SHA-256 of the DER encoding, in hexadecimal."""
    return hashlib.sha256(certificate if isinstance(certificate, bytes) else der_of(certificate)).hexdigest()


def der_of(certificate: x509.Certificate) -> bytes:
    """DER encoding."""
    return certificate.public_bytes(serialization.Encoding.DER)


def split(der: bytes) -> list[x509.Certificate]:
    """The certificates of a chain as it goes over the wire, one after the other, the peer's own first.

    Raises:
        ua.UaStatusCodeError: BadCertificateInvalid
    """
    found: list[x509.Certificate] = []
    rest = der if len(der) <= MOST_BYTES else b""
    try:
        while rest and len(found) < LONGEST_CHAIN:
            octets = rest[1] & 0x7F  # of the length, X.690 8.1.3; no certificate is so short that it needs none
            size = 2 + octets + int.from_bytes(rest[2 : 2 + octets], "big")
            found.append(x509.load_der_x509_certificate(rest[:size]))
            rest = rest[size:]
    except (IndexError, *DAMAGED):
        found = []
    return found or refuse(BAD.BadCertificateInvalid)


def load_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a DER or PEM file.

    Raises:
        AccessError: there is none.
    """
    return _load(path, lambda d: x509.load_pem_x509_certificate(d) if b"-----BEGIN" in d else x509.load_der_x509_certificate(d))


def load_crl(path: Path) -> x509.CertificateRevocationList:
    """A revocation list, DER or PEM.

    Raises:
        AccessError: it is none.
    """
    return _load(path, lambda d: x509.load_pem_x509_crl(d) if b"-----BEGIN" in d else x509.load_der_x509_crl(d))


def _load(path: Path, parse: Callable[[bytes], Read]) -> Read:
    mend = ("give a certificate, DER or PEM", "请给出 DER 或 PEM 格式的证书")
    try:
        with path.open("rb") as file:
            return parse(file.read(MOST_BYTES))
    except OSError as error:
        why = error.strerror or str(error)
        raise AccessError((f"{path}: {why}", f"{path}：{why}"), mend) from None
    except DAMAGED:
        raise AccessError((f"{path} holds no certificate", f"{path} 中没有证书"), mend) from None


def alternative_names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """Names beside the subject: URI, hosts, addresses."""
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def uris(certificate: x509.Certificate) -> list[str]:
    """URIs that it names; that of an application stands first."""
    return [n.value for n in alternative_names(certificate) if isinstance(n, x509.UniformResourceIdentifier)]


# --- checks -----------------------------------------------------------------------------------------------


def in_time(certificate: x509.Certificate) -> bool:
    """Whether it is valid now."""
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def check_strength(certificate: x509.Certificate) -> None:
    """RSA of 2048 to 4096 bit, signed with SHA-2.

    Raises:
        ua.UaStatusCodeError: BadCertificatePolicyCheckFailed
    """
    key, algorithm = certificate.public_key(), certificate.signature_hash_algorithm
    strong = isinstance(key, rsa.RSAPublicKey) and KEY_BITS[0] <= key.key_size <= KEY_BITS[1]
    if not strong or algorithm is None or algorithm.name not in GOOD_HASHES:
        refuse(BAD.BadCertificatePolicyCheckFailed)


def check_critical(certificate: x509.Certificate) -> None:
    """No extension is critical and unknown to us.

    Raises:
        ua.UaStatusCodeError: BadCertificateInvalid
    """
    if any(e.critical and isinstance(e.value, x509.UnrecognizedExtension) for e in certificate.extensions):
        refuse(BAD.BadCertificateInvalid)


def check_use(certificate: x509.Certificate, peer: Peer) -> None:
    """Its key may sign and encrypt, for a client or a server.

    Raises:
        ua.UaStatusCodeError: BadCertificateUseNotAllowed
    """
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        refuse(BAD.BadCertificateUseNotAllowed)
    if not (usage.digital_signature and usage.content_commitment and usage.key_encipherment and usage.data_encipherment):
        refuse(BAD.BadCertificateUseNotAllowed)
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return  # without it every use is allowed, RFC 5280 4.2.1.12
    if (ExtendedKeyUsageOID.CLIENT_AUTH if peer == "client" else ExtendedKeyUsageOID.SERVER_AUTH) not in extended:
        refuse(BAD.BadCertificateUseNotAllowed)


def has_issued(issuer: x509.Certificate, certificate: x509.Certificate, between: int) -> bool:
    """Whether an authority has signed a certificate, with so many other authorities between it and the chain's first.

    An application is no authority even if its certificate says so, as those of many toolkits do: who trusts it would
    else trust all it cares to sign.
    """
    if issuer.subject != certificate.issuer or uris(issuer):
        return False
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        check_strength(issuer)
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ua.UaStatusCodeError, *DAMAGED):
        return False
    return basic.ca and usage.key_cert_sign and (basic.path_length is None or between <= basic.path_length)
