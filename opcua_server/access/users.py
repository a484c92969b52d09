"""Users of the server and how they prove who they are. No user is there until somebody adds one."""

from __future__ import annotations

import hmac
import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography import x509

from opcua_server.access.roles import RESERVED, Role, User
from opcua_server.access.state import AccessError, locked, printable, read_secret, write_file
from twin.errors import unknown

LONGEST_NAME, LONGEST_PASSWORD, SHORTEST_PASSWORD = 64, 256, 8  # characters
MOST_USERS, MOST_CERTIFICATES = 1_000, 16
NAME = re.compile(r"\w[\w.@-]*")


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the file has them."""

    role: Role
    hash: str = ""
    certificates: tuple[str, ...] = ()


class UserStore:
    """The file of users; changes of the file, by whomever, hold at the next look.

    Args:
        path: `users.json`.
        hasher: how passwords are hashed from now on.
    """

    def __init__(self, path: Path, hasher: PasswordHasher | None = None) -> None:
        self.path = path
        self._hasher = hasher or PasswordHasher()
        self._dummy = ""
        self._seen: tuple[int, ...] = ()
        self._accounts: dict[str, Account] = {}

    # --- who there is

    @property
    def accounts(self) -> dict[str, Account]:
        """Users by name, as the file has them now.

        Raises:
            AccessError: the file is damaged, or others can read it.
        """
        try:
            found = self.path.stat()
            seen = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size, found.st_mode)
            if seen != self._seen:
                self._accounts, self._seen = self.load(), seen
        except FileNotFoundError:
            self._accounts, self._seen = {}, ()
        return self._accounts

    def load(self) -> dict[str, Account]:
        """Read the file.

        Raises:
            FileNotFoundError: there is none.
            AccessError: it is damaged, or others can read it.
        """
        try:
            whole = json.loads(read_secret(self.path))
            users: dict[str, Any] = whole["users"]
            if whole["version"] != 1 or not isinstance(users, dict):
                raise ValueError
            return {name: _account(name, entry) for name, entry in users.items()}
        except (KeyError, TypeError, ValueError, RecursionError):
            raise AccessError(
                (f"{self.path} is damaged", f"{self.path} 已损坏"),
                ("restore it, or remove it and add the users again", "请恢复该文件，或删除后重新添加用户"),
            ) from None

    def verify(self, name: str, password: str) -> User | None:
        """The user of that name and password, if there is one; takes equally long if not.

        Raises:
            AccessError: the file is damaged, or others can read it.
        """
        if len(password) > LONGEST_PASSWORD or len(name) > LONGEST_NAME:
            return None
        name = unicodedata.normalize("NFC", name)
        account = self.accounts.get(name)
        if not self._dummy:
            self._dummy = self._hasher.hash("nobody")
        stored = account.hash if account and account.hash else self._dummy
        try:
            self._hasher.verify(stored, _plain(password))
        except (VerificationError, InvalidHashError):
            return None
        if account is None or not account.hash:
            return None
        if self._hasher.check_needs_rehash(stored):
            self._rehash(name, stored, password)
        return User(name, account.role)

    def by_certificate(self, der: bytes) -> User | None:
        """The user who owns a certificate, if it is strong and valid now. That they hold its key is checked elsewhere.

        Raises:
            AccessError: the file is damaged, or others can read it.
        """
        from asyncua.ua import UaStatusCodeError  # a quarter of a second, which who only lists users need not wait

        from opcua_server.access.x509_checks import DAMAGED, check_strength, in_time, thumbprint

        wanted = thumbprint(der)
        owner = None
        for name, account in self.accounts.items():
            if any(hmac.compare_digest(wanted, t) for t in account.certificates):
                owner = User(name, account.role, wanted)
        if owner is None:
            return None
        try:
            certificate = x509.load_der_x509_certificate(der)
            check_strength(certificate)
            return owner if in_time(certificate) else None
        except (UaStatusCodeError, *DAMAGED):
            return None

    # --- changes

    def save(self, accounts: dict[str, Account]) -> None:
        """Write the file anew.

        Raises:
            AccessError: it cannot be written.
        """
        users = {n: {"role": a.role.value, "hash": a.hash, "certificates": list(a.certificates)} for n, a in sorted(accounts.items())}
        write_file(self.path, json.dumps({"version": 1, "users": users}, indent=1, ensure_ascii=False).encode())

    def add(self, name: str, role: str, password: str = "", certificate: bytes = b"") -> User:
        """Add a user who logs in by password, by certificate (DER), or by either.

        Raises:
            AccessError: the name is taken or not allowed, the password too short, the certificate unusable.
        """
        self.check_new(name, role)
        if not password and not certificate:
            raise AccessError(("a user needs a password or a certificate", "用户需要密码或证书"), ("give one", "请给出其一"))
        name = unicodedata.normalize("NFC", name)
        digest = self._hash(password) if password else ""
        with self._changing() as accounts:
            _check_free(name, accounts)
            prints = (_usable(certificate, accounts),) if certificate else ()
            accounts[name] = Account(Role(role), digest, prints)
        return User(name, Role(role))

    def check_new(self, name: str, role: str) -> None:
        """Whether a user of that name and role could be added; to be known before a password is asked for.

        Raises:
            BatchtwinError: E102, there is no such role.
            AccessError: the name is taken or not allowed.
        """
        name = unicodedata.normalize("NFC", name)
        if len(name) > LONGEST_NAME or NAME.fullmatch(name) is None or name.casefold() in RESERVED:
            shown = printable(name, LONGEST_NAME)
            raise AccessError(
                (f"'{shown}' cannot be a user's name", f"“{shown}”不能作为用户名"),
                (f"use at most {LONGEST_NAME} letters, digits and . _ @ -", f"请使用最多 {LONGEST_NAME} 个字母、数字或 . _ @ -"),
            )
        if role not in list(Role):
            raise unknown("role", printable(role), list(Role))
        _check_free(name, self.accounts)

    def check_known(self, name: str) -> None:
        """Whether there is a user of that name.

        Raises:
            BatchtwinError: E102, there is none.
        """
        _known(name, self.accounts)

    def remove(self, name: str) -> None:
        """Remove a user.

        Raises:
            BatchtwinError: E102, there is none of that name.
        """
        with self._changing() as accounts:
            del accounts[_known(name, accounts)]

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password.

        Raises:
            BatchtwinError: E102, there is none of that name.
            AccessError: the password is too short or too long.
        """
        self.check_known(name)
        digest = self._hash(password)
        with self._changing() as accounts:
            key = _known(name, accounts)
            accounts[key] = replace(accounts[key], hash=digest)

    def add_certificate(self, name: str, der: bytes) -> str:
        """Let a user log in by a certificate too; returns its thumbprint.

        Raises:
            BatchtwinError: E102, there is none of that name.
            AccessError: the certificate is unusable, or belongs to a user already.
        """
        with self._changing() as accounts:
            key = _known(name, accounts)
            if len(accounts[key].certificates) >= MOST_CERTIFICATES:
                raise AccessError(
                    (f"{key} has {MOST_CERTIFICATES} certificates already", f"{key} 已有 {MOST_CERTIFICATES} 个证书"),
                    ("remove the user and add them anew", "请删除该用户后重新添加"),
                )
            added = _usable(der, accounts)
            accounts[key] = replace(accounts[key], certificates=(*accounts[key].certificates, added))
            return added

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Account]]:
        with locked(self.path):
            try:
                accounts = self.load()
            except FileNotFoundError:
                accounts = {}
            yield accounts
            self.save(accounts)

    def _hash(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise AccessError(
                (f"the password has {len(password)} characters", f"密码长度为 {len(password)} 个字符"),
                (f"choose one of {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}", f"请使用 {SHORTEST_PASSWORD} 至 {LONGEST_PASSWORD} 个字符"),
            )
        return self._hasher.hash(_plain(password))

    def _rehash(self, name: str, old: str, password: str) -> None:
        """Hash with today's parameters; a login does not fail for it."""
        try:
            with self._changing() as accounts:
                if name in accounts and accounts[name].hash == old:
                    accounts[name] = replace(accounts[name], hash=self._hasher.hash(_plain(password)))
        except AccessError:
            pass


def _account(name: str, entry: dict[str, Any]) -> Account:
    digest, prints = entry["hash"], entry["certificates"]
    if not isinstance(digest, str) or not all(re.fullmatch(r"[0-9a-f]{64}", p) for p in prints) or NAME.fullmatch(name) is None:
        raise ValueError
    return Account(Role(entry["role"]), digest, tuple(prints))


def _plain(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _check_free(name: str, accounts: dict[str, Account]) -> None:
    twin = next((n for n in accounts if n.casefold() == name.casefold()), None)
    if twin is not None:
        problem = (f"there is a user {twin} already", f"用户 {twin} 已存在")
        raise AccessError(problem, ("choose another name, or remove them first", "请换一个名称，或先删除该用户"))
    if len(accounts) >= MOST_USERS:
        raise AccessError((f"there are {MOST_USERS} users already", f"用户已达 {MOST_USERS} 个"), ("remove some", "请删除部分用户"))


def _known(name: str, accounts: dict[str, Account]) -> str:
    name = unicodedata.normalize("NFC", name)
    if name not in accounts:
        raise unknown("user", printable(name, LONGEST_NAME), accounts)
    return name


def _usable(der: bytes, accounts: dict[str, Account]) -> str:
    """Thumbprint of a certificate that a user can log in with."""
    from asyncua.ua import UaStatusCodeError

    from opcua_server.access.x509_checks import DAMAGED, check_strength, in_time, thumbprint

    try:
        certificate = x509.load_der_x509_certificate(der)
        check_strength(certificate)
        fine = in_time(certificate)
    except (UaStatusCodeError, *DAMAGED):
        fine = False
    if not fine:
        raise AccessError(
            ("this certificate cannot be used", "该证书不可用"),
            ("give one that is valid now, with RSA of 2048 to 4096 bit and SHA-256", "请给出当前有效、RSA 2048 至 4096 位、SHA-256 的证书"),
        )
    wanted = thumbprint(der)
    for name, account in accounts.items():
        if wanted in account.certificates:
            raise AccessError((f"this certificate belongs to {name}", f"该证书属于用户 {name}"), ("give another", "请给出另一个证书"))
    return wanted
