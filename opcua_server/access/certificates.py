"""Our own application instance certificates, laid out as OPC 10000-6 6.2.2 asks: a self-signed one a role, made at the first start."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opcua_server.access.state import AccessError, Both, locked, printable, read_secret, write_file
from opcua_server.access.x509_checks import KEY_BITS, alternative_names, der_of, load_certificate, thumbprint

Role = Literal["server", "client", "bridge"]

VALIDITY = timedelta(days=5 * 365)
SOON = timedelta(days=30)
SKEW = timedelta(days=1)  # a peer's clock may be behind ours
MAKER = "batchtwin"


class Own(NamedTuple):
    """A certificate of ours with its key; `notice` is what the user should be told about it."""

    certificate: Path
    key: Path
    der: bytes
    private_key: rsa.RSAPrivateKey
    notice: Both | None


def own_certificate(folder: Path, application_uri: str, hosts: Iterable[str], role: Role = "server") -> Own:
    """Our certificate of a role; made when there is none, and anew for the same key when it has expired or lacks URI or hosts.

    Args:
        folder: the state folder.
        hosts: names and addresses by which peers reach us.

    Raises:
        AccessError: key or certificate is damaged, others can read the key, or somebody else issued it and it does not fit.
    """
    names = list(dict.fromkeys(_general_name(h) for h in hosts if h))
    certificate, key = (folder / "pki" / "own" / p for p in (f"certs/{role}.der", f"private/{role}.pem"))
    with locked(key):
        private = _load_key(key)
        found = load_certificate(certificate) if certificate.exists() else None
        fault = _misfit(found, private, application_uri, names) if found else None
        if found and fault and not _made_by_us(found):
            raise AccessError(
                (f"{certificate} {fault[0]}", f"{certificate} {fault[1]}"),
                ("replace it and its key, or remove it to have one made", "请更换证书及其私钥，或删除证书以自动生成"),
            )
        if found and private and not fault:
            return Own(certificate, key, der_of(found), private, _expiry(found, role))
        if private is None:
            private = rsa.generate_private_key(65537, KEY_BITS[0])
            pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            write_file(key, pem)
        der = der_of(_self_signed(private, application_uri, names, role))
        write_file(certificate, der)
    notice: Both | None = None
    if fault:
        notice = (
            f"a new {role} certificate was made, as the old one {fault[0]}; peers must trust {thumbprint(der)[:16]}",
            f"旧的 {role} 证书{fault[1]}，已生成新证书；对方需信任 {thumbprint(der)[:16]}",
        )
    return Own(certificate, key, der, private, notice)


def _load_key(path: Path) -> rsa.RSAPrivateKey | None:
    with suppress(FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        private = serialization.load_pem_private_key(read_secret(path), None)
        if isinstance(private, rsa.RSAPrivateKey):
            return private
    if not path.exists():
        return None
    raise AccessError(
        (f"{path} is no RSA key in PEM without password", f"{path} 不是无密码的 PEM 格式 RSA 私钥"),
        ("put the right one there, or remove it to have a new one made", "请放入正确的私钥，或删除以自动生成"),
    )


def _expiry(certificate: x509.Certificate, role: Role) -> Both | None:
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    if left > SOON:
        return None
    return (
        f"the {role} certificate expires in {left.days} days; then a new one is made that peers must trust",
        f"{role} 证书将在 {left.days} 天后到期；届时将生成新证书，对方需重新信任",
    )


def _misfit(
    certificate: x509.Certificate, key: rsa.RSAPrivateKey | None, application_uri: str, names: Sequence[x509.GeneralName]
) -> Both | None:
    """Why a certificate does not fit us any more."""
    if key is None or key.public_key() != certificate.public_key():
        return ("has lost its key", "缺少对应的私钥")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        return (f"has expired on {certificate.not_valid_after_utc:%Y-%m-%d}", f"已于 {certificate.not_valid_after_utc:%Y-%m-%d} 过期")
    alternative = alternative_names(certificate)
    if x509.UniformResourceIdentifier(application_uri) not in alternative:
        return (f"does not name {application_uri}", f"不含 {application_uri}")
    missing = [str(n.value) for n in names if n not in alternative]
    return (f"does not name {', '.join(missing)}", f"不含 {'、'.join(missing)}") if missing else None


def _made_by_us(certificate: x509.Certificate) -> bool:
    organization = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return certificate.subject == certificate.issuer and bool(organization) and organization[0].value == MAKER


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        return x509.DNSName(host if host.isascii() else host.encode("idna").decode("ascii"))
    except UnicodeError:
        problem = (f"'{printable(host)}' is no name of a host", f"“{printable(host)}”不是主机名")
        raise AccessError(problem, ("give a name or an address", "请给出主机名或地址")) from None


def _self_signed(key: rsa.RSAPrivateKey, application_uri: str, names: Sequence[x509.GeneralName], role: str) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"{MAKER} {role}"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, MAKER),
            *(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, str(n.value)) for n in names[:1] if isinstance(n, x509.DNSName)),
        ]
    )
    usage = x509.KeyUsage(digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True, key_cert_sign=True,
                          key_agreement=False, crl_sign=False, encipher_only=False, decipher_only=False)  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder(
            issuer_name=subject, subject_name=subject, public_key=key.public_key(), serial_number=x509.random_serial_number()
        )
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(application_uri), *names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)  # signs itself, and nobody else
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
