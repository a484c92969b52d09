"""What protects one server: policies, certificate, trust list, users, audit; or nothing of it, on loopback only."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyFactory, SecurityPolicyNone
from cryptography import x509

from opcua_server.access.audit import Audit
from opcua_server.access.certificates import own_certificate
from opcua_server.access.identity import SECURE, Identity, token_policies
from opcua_server.access.login import Gate
from opcua_server.access.state import AccessError, state_folder
from opcua_server.access.trust import TrustList
from opcua_server.access.users import UserStore
from opcua_server.address.nodes import APPLICATION_URI

Mode = ua.MessageSecurityMode
NO_POLICY = SecurityPolicyNone.URI


@dataclass
class Security:
    """Security of one server.

    Attributes:
        insecure: policy None and an anonymous instructor.
        policies: on offer for sessions.
        notices: what the user should be told at the start, en and zh.
    """

    insecure: bool
    policies: list[SecurityPolicyFactory]
    identity: Identity
    trust: TrustList | None = None
    audit: Audit | None = None
    gate: Gate | None = None
    certificate: bytes | None = None
    notices: list[tuple[str, str]] = field(default_factory=list)

    def token_policies(self, policy_uri: str) -> list[ua.UserTokenPolicy]:
        """Kinds of identity on an endpoint."""
        return token_policies(self.insecure, policy_uri)

    def check(self, der: bytes, uri: str = "") -> None:
        """Check a client's certificate; see `TrustList.check`."""
        if self.trust is not None:
            self.trust.check(der, uri)

    def close(self) -> None:
        """Write out the audit ledger."""
        if self.gate is not None:
            self.gate.close()
        if self.audit is not None:
            self.audit.close()


def loopback(host: str) -> bool:
    """Does a host name or address stay on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def insecure(endpoint: str, folder: Path | None = None) -> Security:
    """No security, for a first trial.

    Args:
        folder: state folder for the audit ledger, which tells what was written, called and refused here, too; None keeps none.

    Raises:
        AccessError: the endpoint is not on loopback, or the ledger cannot be kept.
    """
    host = urlparse(endpoint).hostname or ""
    if not loopback(host):
        raise AccessError(
            (f"--insecure on {host}", f"在 {host} 上使用 --insecure"),
            ("use it on 127.0.0.1 only, or leave it out and add users", "仅可用于 127.0.0.1；否则请去掉并添加用户"),
        )
    audit = Audit(folder / "audit.jsonl") if folder else None
    return Security(True, [SecurityPolicyFactory(SecurityPolicyNone, Mode.None_)], Identity(None, None), audit=audit)


def secure(endpoint: str, folder: Path | None = None) -> Security:
    """Signed and encrypted channels, users, audit; files are in the state folder.

    Raises:
        AccessError: a secret is damaged or readable by others.
    """
    folder = folder or state_folder()
    host = urlparse(endpoint).hostname or "127.0.0.1"
    hosts = ["localhost", "127.0.0.1", socket.gethostname(), *([host] if host not in ("0.0.0.0", "::") else [])]
    own = own_certificate(folder, APPLICATION_URI, hosts)
    certificate = x509.load_der_x509_certificate(own.der)
    policies = [
        SecurityPolicyFactory(policy, mode, certificate, own.private_key) for policy in SECURE for mode in (Mode.SignAndEncrypt, Mode.Sign)
    ]
    trust = TrustList(folder)
    trust.prepare()
    store = UserStore(folder / "users.json")
    audit = Audit(folder / "audit.jsonl")
    gate = Gate(store)
    notices = [own.notice] if own.notice else []
    if not store.accounts:
        notices.append(
            (
                "nobody can log in yet: add a user with 'batchtwin access add NAME --role instructor'",
                "尚无用户：请运行 'batchtwin access add 名称 --role instructor'",
            )
        )
    return Security(False, policies, Identity(gate, own.private_key), trust, audit, gate, own.der, notices)
