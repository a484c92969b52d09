"""`batchtwin access`: who may do what on the OPC UA server, whom it trusts, and what was done."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchtwin import options
from batchtwin.options import DONE, FAILED, Json, Lang

if TYPE_CHECKING:
    from opcua_server.access.trust import Listed
    from opcua_server.access.users import UserStore

EPILOG = "Exit codes: 0 done, 1 the ledger was tampered with, 2 wrong input. The state folder is $BATCHTWIN_STATE."

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]

TEXTS = {
    "no users": ("no users yet; add one: batchtwin access add NAME --role operator", "尚无用户；请添加：batchtwin access add 名称 --role operator"),
    "no certificates": ("no certificates yet", "尚无证书"),
    "no audit": ("the audit ledger is empty", "审计记录为空"),
    "added": ("{name} may log in as {role}", "{name} 可以 {role} 身份登录"),
    "certificate": ("{name} may log in with certificate {thumbprint}", "{name} 可使用证书 {thumbprint} 登录"),
    "removed": ("{name} may no longer log in", "{name} 不能再登录"),
    "password": ("the password of {name} was changed", "{name} 的密码已更改"),
    "trusted": ("trusted: {what}", "已信任：{what}"),
    "rejected": ("no longer trusted: {what}", "不再信任：{what}"),
    "whole": ("{lines} lines, none changed; the last sum is {last}", "共 {lines} 行，均未改动；末行校验值为 {last}"),
    "younger": ("older lines have been dropped", "更早的行已被清除"),
    "broken": ("the chain breaks at {fault}, after {lines} right lines", "链在 {fault} 处断开，之前 {lines} 行正确"),
    "ask": ("Password", "密码"),
    "again": ("Repeat", "再次输入"),
}  # fmt: skip


@app.callback(invoke_without_command=True, epilog=EPILOG)
def root(context: typer.Context, lang: Lang = None) -> None:
    """Users, certificates and the audit ledger of the OPC UA server."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def _say(key: str, **fields: object) -> str:
    return TEXTS[key][options.language == "zh"].format(**fields)


def _table(rows: list[dict[str, Any]], as_json: bool, empty: str) -> None:
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
    elif rows:
        from batchtwin import show

        show.table(rows)
    else:
        print(_say(empty))


@contextmanager
def _audited() -> Iterator[Callable[[str, str], None]]:
    """What an administrator does here stands in the audit ledger too; it is opened first, so that nothing goes unnoted."""
    from opcua_server.access.audit import Audit

    ledger = Audit(_folder() / "audit.jsonl")
    try:
        me = os.environ.get("SUDO_USER") or os.environ.get("USER") or "?"
        yield lambda name, value: ledger.record("access", user=f"{me} (uid {os.getuid()})", name=name, value=value)
    finally:
        ledger.close()


def _folder() -> Path:
    from opcua_server.access.state import state_folder

    return state_folder()


def _store() -> UserStore:
    from opcua_server.access.users import UserStore

    return UserStore(_folder() / "users.json")


# --- users ------------------------------------------------------------------------------------------------


@app.command("users", epilog=EPILOG)
def users(as_json: Json = False, lang: Lang = None) -> None:
    """List the users."""
    rows = [
        {"name": name, "role": account.role.value, "password": bool(account.hash), "certificates": [t[:16] for t in account.certificates]}
        for name, account in _store().accounts.items()
    ]
    _table(rows, as_json, "no users")


@app.command("add", epilog=EPILOG)
def add(
    name: Name,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="observer, operator, controller, instructor or admin; a new user must have one.")
    ] = None,
    password_stdin: Stdin = False,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate to log in with, DER or PEM; no password is asked for.")
    ] = None,
    lang: Lang = None,
) -> None:
    """Add a user, or a certificate of one who is there."""
    from opcua_server.access.x509_checks import der_of, load_certificate

    store = _store()
    der = der_of(load_certificate(certificate)) if certificate else b""
    with _audited() as note:
        if der and not role and not password_stdin:
            thumbprint = store.add_certificate(name, der)
            note("add certificate", f"{name}: {thumbprint}")
            print(_say("certificate", name=name, thumbprint=thumbprint[:16]))
            return
        store.check_new(name, role or "")
        user = store.add(name, role or "", "" if der and not password_stdin else _password(password_stdin), der)
        note("add user", f"{user.name}: {user.role}")
    print(_say("added", name=user.name, role=user.role.value))


@app.command("password", epilog=EPILOG)
def password(name: Name, password_stdin: Stdin = False, lang: Lang = None) -> None:
    """Give a user another password."""
    store = _store()
    store.check_known(name)
    with _audited() as note:
        store.set_password(name, _password(password_stdin))
        note("change password", name)
    print(_say("password", name=name))


@app.command("remove", epilog=EPILOG)
def remove(name: Name, lang: Lang = None) -> None:
    """Remove a user. Sessions that are open stay so until they end."""
    with _audited() as note:
        _store().remove(name)
        note("remove user", name)
    print(_say("removed", name=name))


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        return str(typer.prompt(_say("ask"), hide_input=True, confirmation_prompt=_say("again"), err=True))
    try:
        return sys.stdin.buffer.readline(4096).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        from opcua_server.access.state import AccessError

        raise AccessError(("the password is no UTF-8", "密码不是 UTF-8 编码"), ("give it as UTF-8", "请使用 UTF-8 编码")) from None


# --- certificates -----------------------------------------------------------------------------------------


def _shown(row: Listed) -> str:
    return f"{row.thumbprint[:16]} {row.subject or row.issuer}"


@app.command("certificates", epilog=EPILOG)
def certificates(as_json: Json = False, lang: Lang = None) -> None:
    """List our own certificates, those that are trusted, and who was rejected last."""
    from opcua_server.access.trust import TrustList

    rows = [
        {
            "where": row.where,
            "thumbprint": row.thumbprint if as_json else row.thumbprint[:16] or "-",
            "sha1": row.sha1 if as_json else row.sha1[:8],
            "subject": row.subject,
            "uri": row.uri,
            "from": f"{row.valid_from:%Y-%m-%d}" if row.valid_from else "",
            "to": f"{row.valid_to:%Y-%m-%d}" if row.valid_to else "",
            "file": str(row.file) if as_json else row.file.name,
        }
        for row in TrustList(_folder()).listing()
    ]
    _table(rows, as_json, "no certificates")


@app.command("trust", epilog=EPILOG)
def trust(
    what: Annotated[str, typer.Argument(metavar="FILE|THUMBPRINT", help="A certificate or revocation list, or who was rejected.")],
    lang: Lang = None,
) -> None:
    """Trust a certificate; a server that runs does so at once."""
    from opcua_server.access.trust import TrustList

    with _audited() as note:
        row = TrustList(_folder()).trust(what)
        note("trust", _shown(row))
    print(_say("trusted", what=_shown(row)))


@app.command("reject", epilog=EPILOG)
def reject(
    which: Annotated[str, typer.Argument(metavar="THUMBPRINT", help="Thumbprint of a trusted certificate, or its first 8 digits.")],
    lang: Lang = None,
) -> None:
    """Trust a certificate no longer."""
    from opcua_server.access.trust import TrustList

    with _audited() as note:
        row = TrustList(_folder()).reject(which)
        note("reject", _shown(row))
    print(_say("rejected", what=_shown(row)))


# --- audit ------------------------------------------------------------------------------------------------


@app.command("audit", epilog=EPILOG)
def audit(
    tail: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many of the last entries to show.")] = 20,
    verify: Annotated[bool, typer.Option("--verify", help="Check that no line was changed, taken out or put in.")] = False,
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Show the last entries of the audit ledger, or check the whole."""
    from opcua_server.access import chain
    from opcua_server.access.state import printable

    path = _folder() / "audit.jsonl"
    if verify:
        found = chain.verify(path)
        if as_json:
            print(json.dumps(found._asdict()))
        else:
            print(_say("broken" if found.fault else "whole", **found._asdict()))
            if found.follows != chain.START:
                print(_say("younger"))
        raise typer.Exit(FAILED if found.fault else DONE)
    entries = chain.tail(path, tail)
    if as_json:
        print(json.dumps(entries, indent=1, ensure_ascii=True))
        return
    columns = ("t", "kind", "user", "peer", "name", "value", "status")
    _table([{c: printable(_plain(e.get(c)), 120) for c in columns} for e in entries], False, "no audit")


def _plain(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
