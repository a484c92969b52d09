"""Who a client says it is, proven: anonymous, name with password, or a certificate (OPC 10000-4 7.40)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.crypto import uacrypto
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
    SecurityPolicyNone,
)
from cryptography.hazmat.primitives.asymmetric import rsa

from opcua_server.access.login import Gate
from opcua_server.access.roles import ANONYMOUS_INSTRUCTOR, User
from opcua_server.protocol.sessions import Session

Code = ua.StatusCodes
Type = ua.UserTokenType
SECURE = (SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)
DECRYPT = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
    "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
}
MOST_BLOCKS = 8  # of an encrypted password
VERIFY = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": uacrypto.verify_sha256,
    "http://opcfoundation.org/UA/security/rsa-pss-sha2-256": uacrypto.verify_pss_sha256,
}


def token_policies(insecure: bool, policy_uri: str) -> list[ua.UserTokenPolicy]:
    """Kinds of identity that an endpoint takes; a password is always encrypted, on a signed channel too."""
    if insecure:
        return [ua.UserTokenPolicy("anonymous", Type.Anonymous, None, None, None)]
    return [
        ua.UserTokenPolicy("username", Type.UserName, None, None, policy_uri),
        ua.UserTokenPolicy("certificate", Type.Certificate, None, None, policy_uri),
    ]


class Identity:
    """Proves identities.

    Args:
        gate: where users log in; None where everybody is an anonymous instructor.
        key: the server's private key.
    """

    def __init__(self, gate: Gate | None, key: rsa.RSAPrivateKey | None) -> None:
        self._gate, self._key = gate, key

    async def user(self, p: ua.ActivateSessionParameters, session: Session, policy: Any, peer: str) -> User:
        """The user whom an ActivateSession names.

        Raises:
            ua.UaStatusCodeError: BadIdentityTokenInvalid, BadIdentityTokenRejected, BadUserSignatureInvalid.
        """
        token = p.UserIdentityToken
        anonymous = (
            token is None
            or isinstance(token, ua.AnonymousIdentityToken)
            or (isinstance(token, ua.ExtensionObject) and token.TypeId.is_null())
        )
        if self._gate is None:
            if not anonymous:
                raise ua.UaStatusCodeError(Code.BadIdentityTokenRejected)
            return ANONYMOUS_INSTRUCTOR
        user: User | None = None
        if isinstance(token, ua.UserNameIdentityToken):
            user = await self._gate.login(token.UserName, self._password(token, session), peer)
        elif isinstance(token, ua.X509IdentityToken):
            user = self._by_certificate(token, p.UserTokenSignature, session, policy)
        if user is None:
            raise ua.UaStatusCodeError(Code.BadIdentityTokenRejected if anonymous else Code.BadUserAccessDenied)
        return user

    def _password(self, token: ua.UserNameIdentityToken, session: Session) -> str | None:
        """The password out of its envelope: length, password, the server's nonce."""
        decrypt = DECRYPT.get(token.EncryptionAlgorithm or "")
        if decrypt is None:
            raise ua.UaStatusCodeError(Code.BadIdentityTokenInvalid)
        try:
            plain = self._decrypted(decrypt, token.Password)
            (length,) = struct.unpack_from("<I", plain)
            secret = plain[4 : 4 + length]
            if not secret.endswith(session.nonce) or not session.nonce:
                raise ValueError
            return bytes(secret[: -len(session.nonce)]).decode("utf-8")
        except Exception:
            raise ua.UaStatusCodeError(Code.BadIdentityTokenInvalid) from None

    def _decrypted(self, decrypt: Callable[[Any, bytes], bytes], secret: bytes) -> bytes:
        """What was encrypted for us; a long password takes several blocks."""
        assert self._key is not None
        size = self._key.key_size // 8
        if not size <= len(secret) <= MOST_BLOCKS * size or len(secret) % size:
            raise ValueError
        return b"".join(decrypt(self._key, secret[i : i + size]) for i in range(0, len(secret), size))

    def _by_certificate(self, token: ua.X509IdentityToken, signature: ua.SignatureData, session: Session, policy: Any) -> User | None:
        assert self._gate is not None
        verify = VERIFY.get(signature.Algorithm or "")
        if verify is None or not signature.Signature:
            raise ua.UaStatusCodeError(Code.BadUserSignatureInvalid)
        try:
            certificate = uacrypto.x509_from_der(token.CertificateData)
            verify(certificate, (policy.host_certificate or b"") + session.nonce, signature.Signature)
        except Exception:
            raise ua.UaStatusCodeError(Code.BadUserSignatureInvalid) from None
        return self._gate.store.by_certificate(token.CertificateData)


__all__ = ["SECURE", "Identity", "SecurityPolicyNone", "token_policies"]
