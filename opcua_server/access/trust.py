"""Whom we trust: the certificates of peers, checked in the order of OPC 10000-4 6.1.3.

In `pki/` of the state folder stand

    own/certs, own/private        ours, one pair a role
    trusted/certs, trusted/crl    applications, or authorities, that we trust
    issuers/certs, issuers/crl    authorities that complete a chain without being trusted for themselves
    rejected                      who was turned away last, to be looked at and trusted

All of it is read anew at each check: what the administrator changes holds at once. What this state folder's own
applications show each other is trusted too: who can read their keys can write the trust list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from opcua_server.access import x509_checks as checks
from opcua_server.access.state import AccessError, printable, private_folder, write_file
from opcua_server.access.x509_checks import BAD, DAMAGED, LONGEST_CHAIN, Peer, der_of, load_certificate, load_crl, refuse, thumbprint

PLACES = ("own/certs", "trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl", "rejected")
EIGHT = "at least 8 digits of a thumbprint, see 'batchtwin access certificates'"
MOST_REJECTED, MOST_REJECTED_BYTES = 50, 16 * 1024


@dataclass(frozen=True, slots=True)
class Listed:
    """A file below `pki/`; all but place and file is empty where it cannot be read."""

    where: str
    thumbprint: str
    sha1: str  # as most other tools show it
    subject: str
    issuer: str
    uri: str
    valid_from: datetime | None
    valid_to: datetime | None
    file: Path


class TrustList:
    """Trusted certificates, authorities and revocations in a state folder.

    Args:
        folder: the state folder.
    """

    def __init__(self, folder: Path) -> None:
        self.pki = folder / "pki"

    def prepare(self) -> None:
        """Make the folders, so that the administrator finds where files go."""
        for where in PLACES:
            private_folder(self.pki / where)

    def check(self, der: bytes, uri: str = "", peer: Peer = "client") -> None:
        """Check the certificate of a peer; one that nobody vouches for is kept among the rejected.

        Args:
            der: what the peer sent: its certificate, perhaps followed by those of its authorities.
            uri: ApplicationUri of the peer's ApplicationDescription; `""` if it is not known.
            peer: what the peer is to us.

        Raises:
            ua.UaStatusCodeError: BadCertificate…
        """
        leaf, *sent = checks.split(der)
        try:
            checks.check_critical(leaf)
            checks.check_strength(leaf)
            chain = self._chain(leaf, sent)
            if not all(map(checks.in_time, chain)):
                refuse(BAD.BadCertificateIssuerTimeInvalid if checks.in_time(leaf) else BAD.BadCertificateTimeInvalid)
            if uri and uri not in checks.uris(leaf):
                refuse(BAD.BadCertificateUriInvalid)
            checks.check_use(leaf, peer)
            self._check_revoked(chain)
        except ua.UaStatusCodeError as error:
            if error.code in (BAD.BadCertificateUntrusted, BAD.BadCertificateChainIncomplete):
                self._keep_rejected(leaf)
            raise
        except DAMAGED:
            refuse(BAD.BadCertificateInvalid)  # extensions are parsed when they are read

    def _chain(self, leaf: x509.Certificate, sent: list[x509.Certificate]) -> list[x509.Certificate]:
        """From the leaf up to a certificate that is trusted."""
        trusted = [*self._certificates("trusted/certs"), *self._certificates("own/certs")]
        known = [*trusted, *self._certificates("issuers/certs"), *sent]
        known.sort(key=lambda c: not checks.in_time(c))  # a renewed authority before its expired self
        rooted = False

        def climb(chain: list[x509.Certificate]) -> list[x509.Certificate]:
            nonlocal rooted
            last = chain[-1]
            if last in trusted:
                return chain
            rooted |= last.subject == last.issuer
            if len(chain) < LONGEST_CHAIN:
                for issuer in known:
                    if issuer not in chain and checks.has_issued(issuer, last, len(chain) - 1):
                        found = climb([*chain, issuer])
                        if found:
                            return found
            return []

        return climb([leaf]) or refuse(BAD.BadCertificateUntrusted if rooted else BAD.BadCertificateChainIncomplete)

    def _check_revoked(self, chain: list[x509.Certificate]) -> None:
        """Nothing of a chain is revoked in a list that its issuer has signed. A list may be missing."""
        lists = [*self._revocations("trusted/crl"), *self._revocations("issuers/crl")]
        authorities = [*chain[1:], *self._certificates("trusted/certs"), *self._certificates("issuers/certs")]
        for certificate in chain:
            for crl in lists:
                if crl.issuer == certificate.issuer and crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                    signed = (a.subject == crl.issuer and crl.is_signature_valid(a.public_key()) for a in authorities)  # type: ignore[arg-type]
                    if any(signed):
                        refuse(BAD.BadCertificateRevoked if certificate is chain[0] else BAD.BadCertificateIssuerRevoked)

    # --- what the administrator does

    def trust(self, what: Path | str) -> Listed:
        """Trust the certificate in a file, or a rejected one by its thumbprint (its first eight digits will do).

        A file may also hold a revocation list of an authority.

        Raises:
            AccessError: there is no such certificate, or no peer could use it.
        """
        path = Path(what)
        if not path.is_file():
            found = self._by_thumbprint(str(what), "rejected")
            self._take(load_certificate(found.file))
            found.file.unlink(missing_ok=True)
            return self._by_thumbprint(found.thumbprint, "trusted/certs")
        with suppress(AccessError):
            crl = load_crl(path)
            target = self.pki / "trusted" / "crl" / f"{thumbprint(_crl_bytes(crl))[:16]}.crl"
            write_file(target, _crl_bytes(crl))
            return _listed("trusted/crl", target)
        certificate = load_certificate(path)
        self._take(certificate)
        return self._by_thumbprint(thumbprint(certificate), "trusted/certs")

    def reject(self, which: str) -> Listed:
        """Trust a certificate no longer, named by its thumbprint; it is kept among the rejected.

        Raises:
            AccessError: no trusted certificate has that thumbprint.
        """
        found = self._by_thumbprint(which, "trusted/certs")
        self._keep_rejected(load_certificate(found.file))
        found.file.unlink(missing_ok=True)
        return found

    def listing(self) -> list[Listed]:
        """All certificates and revocation lists, ours first."""
        return [_listed(where, path) for where in PLACES for path in _files(self.pki / where)]

    def _take(self, certificate: x509.Certificate) -> None:
        try:
            checks.check_strength(certificate)
            if not checks.in_time(certificate):
                refuse(BAD.BadCertificateTimeInvalid)
        except (ua.UaStatusCodeError, *DAMAGED) as error:
            why = type(error).__name__ if isinstance(error, ua.UaStatusCodeError) else "BadCertificateInvalid"
            raise AccessError(
                (f"this certificate would be refused ({why})", f"该证书会被拒绝（{why}）"),
                (
                    "have one made that is valid now, with RSA of 2048 to 4096 bit and SHA-256",
                    "请使用当前有效、RSA 2048 至 4096 位、SHA-256 的证书",
                ),
            ) from None
        write_file(self.pki / "trusted" / "certs" / _file_name(certificate), der_of(certificate))

    def _by_thumbprint(self, which: str, where: str) -> Listed:
        wanted = re.sub(r"[\s:]", "", which).casefold()
        if re.fullmatch(r"[0-9a-f]{8,64}", wanted):
            found = [
                row for row in self.listing() if row.where == where and wanted in (row.thumbprint[: len(wanted)], row.sha1[: len(wanted)])
            ]
            if len({row.thumbprint for row in found}) == 1:
                return found[0]
        kind, kind_zh, named = where.partition("/")[0], "已信任" if where.startswith("trusted") else "已拒绝", printable(which)
        raise AccessError(
            (f"there is no {kind} certificate {named}", f"没有{kind_zh}的证书 {named}"),
            (
                f"give a file or {EIGHT}" if kind == "rejected" else f"give {EIGHT}",
                "请给出证书文件或至少 8 位指纹，见 batchtwin access certificates",
            ),
        )

    # --- files

    def _certificates(self, where: str) -> Iterator[x509.Certificate]:
        for path in _files(self.pki / where):
            with suppress(AccessError):
                yield load_certificate(path)

    def _revocations(self, where: str) -> Iterator[x509.CertificateRevocationList]:
        for path in _files(self.pki / where):
            with suppress(AccessError):
                yield load_crl(path)

    def _keep_rejected(self, certificate: x509.Certificate) -> None:
        der = der_of(certificate)
        if len(der) > MOST_REJECTED_BYTES:
            return
        with suppress(AccessError, OSError):  # a full disk must not change the answer
            folder = private_folder(self.pki / "rejected")
            target = folder / _file_name(certificate)
            others = sorted((p for p in _files(folder) if p != target), key=lambda p: p.stat().st_mtime_ns)
            for path in others[: max(0, len(others) - MOST_REJECTED + 1)]:
                path.unlink(missing_ok=True)
            write_file(target, der)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_file())
    except OSError:
        return []


def _file_name(certificate: x509.Certificate) -> str:
    """A name that people recognise and a peer cannot choose."""
    try:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        plain = re.sub(r"[^A-Za-z0-9]+", "-", str(common[0].value) if common else "").strip("-")[:40]
    except DAMAGED:
        plain = ""
    return f"{plain or 'unnamed'}-{thumbprint(certificate)[:32]}.der"


def _crl_bytes(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(serialization.Encoding.DER)


def _listed(where: str, path: Path) -> Listed:
    try:
        if where.endswith("crl"):
            crl = load_crl(path)
            data = _crl_bytes(crl)
            return Listed(where, thumbprint(data), hashlib.sha1(data).hexdigest(), "", printable(crl.issuer.rfc4514_string()), "",
                          crl.last_update_utc, crl.next_update_utc, path)  # fmt: skip
        found = load_certificate(path)
        sha1 = hashlib.sha1(der_of(found)).hexdigest()
        return Listed(where, thumbprint(found), sha1, printable(found.subject.rfc4514_string()), printable(found.issuer.rfc4514_string()),
                      printable(next(iter(checks.uris(found)), "")), found.not_valid_before_utc, found.not_valid_after_utc, path)  # fmt: skip
    except (AccessError, *DAMAGED):
        return Listed(where, "", "", "", "", "", None, None, path)
