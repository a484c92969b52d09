"""`batchtwin access`, as an administrator types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from asyncua import ua
from typer.testing import CliRunner

from batchtwin import access, options
from opcua_server.access.audit import Audit
from opcua_server.access.certificates import own_certificate
from opcua_server.access.state import state_folder
from opcua_server.access.trust import TrustList
from opcua_server.access.users import UserStore
from opcua_server.access.x509_checks import thumbprint
from twin.errors import BatchtwinError

PASSWORD = "open sesame"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The state folder of a user with an empty one."""
    monkeypatch.setenv("BATCHTWIN_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(options, "language", "en")
    return state_folder()


@pytest.fixture(scope="session")
def badge(tmp_path_factory):
    """File of a certificate."""
    return own_certificate(tmp_path_factory.mktemp("badge"), "urn:here:badge", [], "client").certificate


app = typer.Typer()
app.add_typer(access.app, name="access")


def run(*words, stdin=""):
    return CliRunner().invoke(app, ["access", *map(str, words)], input=stdin)


def done(*words, **more):
    """What a command printed; it must have gone well."""
    result = run(*words, **more)
    assert (result.exit_code, result.stderr) == (0, ""), result
    return result.stdout


def refused(*words, language="en", **more):
    """The one line with which a command was refused; the front door prints it and leaves with 2."""
    result = run(*words, **more)
    assert isinstance(result.exception, BatchtwinError) and result.exception.exit_code == 2 and result.stdout == "", result
    line = result.exception.text(language)
    assert "\n" not in line
    return line


def audited():
    return [(e["name"], e["value"]) for e in json.loads(done("audit", "--json")) if e["kind"] == "access"]


def test_the_first_user(folder):
    assert done("users").strip() == "no users yet; add one: batchtwin access add NAME --role operator"
    assert not folder.exists()
    assert done("add", "li", "--role", "operator", "--password-stdin", stdin=f"{PASSWORD}\nrest\n").strip() == "li may log in as operator"
    assert UserStore(folder / "users.json").verify("li", PASSWORD).role == "operator"
    assert done("users").split() == ["name", "role", "password", "certificates", "li", "operator", "yes"]
    assert json.loads(done("users", "--json")) == [{"name": "li", "role": "operator", "password": True, "certificates": []}]
    assert PASSWORD not in done("audit") + done("audit", "--json") + (folder / "users.json").read_text()


def test_a_password_is_asked_for_twice(folder):
    result = run("add", "li", "--role", "observer", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert (
        result.exit_code == 0
        and result.stdout.strip() == "li may log in as observer"
        and result.stderr.count("assword") == 1
        and "Repeat" in result.stderr
    )
    assert UserStore(folder / "users.json").verify("li", PASSWORD)
    assert run("add", "wang", "--role", "observer", stdin=f"{PASSWORD}\nanother\n").exit_code == 1  # and asked anew, until stdin ends
    assert list(UserStore(folder / "users.json").accounts) == ["li"]


def test_a_user_changes(folder, badge):
    done("add", "li", "--role", "operator", "--password-stdin", stdin=PASSWORD)
    store = UserStore(folder / "users.json")
    done("password", "li", "--password-stdin", stdin="another one\n")
    assert store.verify("li", PASSWORD) is None and store.verify("li", "another one")
    done("add", "li", "--certificate", badge)
    assert store.by_certificate(badge.read_bytes()).name == "li"
    done("remove", "li")
    assert store.accounts == {} and store.by_certificate(badge.read_bytes()) is None
    assert [what for what, _ in audited()] == ["add user", "change password", "add certificate", "remove user"]
    assert audited()[2] == ("add certificate", f"li: {thumbprint(badge.read_bytes())}")


def test_a_user_may_have_a_certificate_only(folder, badge):
    done("add", "li", "--role", "controller", "--certificate", badge)
    store = UserStore(folder / "users.json")
    assert store.by_certificate(badge.read_bytes()).role == "controller" and store.accounts["li"].hash == ""
    assert json.loads(done("users", "--json"))[0]["certificates"] == [thumbprint(badge.read_bytes())[:16]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "wang", "--role", "king"], "no role named 'king'"),
        (["add", "wang", "--role", "operater"], "did you mean 'operator'"),
        (["add", "wang"], "no role named ''"),
        (["add", "a b", "--role", "operator"], "cannot be a user's name"),
        (["add", "li", "--role", "operator"], "a user li already"),
        (["add", "wang", "--role", "operator", "--certificate", "/nowhere"], "No such file"),
        (["add", "wang", "--role", "operator", "--certificate", "README.md"], "holds no certificate"),
        (["remove", "lii"], "no user named 'lii'; did you mean 'li'"),
        (["password", "nobody"], "no user named 'nobody'"),
        (["trust", "/nowhere"], "no rejected certificate"),
        (["trust", "README.md"], "holds no certificate"),
        (["reject", "abcdef01"], "no trusted certificate"),
    ],
)
def test_wrong_input_is_one_line_before_a_password_is_asked_for(words, said, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    done("add", "li", "--role", "operator", "--password-stdin", stdin=PASSWORD)
    line = refused(*words)
    assert said in line
    assert re.search("[一-鿿]", refused(*words, language="zh")) or said.startswith("no role")
    assert audited() == [("add user", "li: operator")]


@pytest.mark.parametrize("stdin", ["", "\n", "short\n", "x" * 300, b"\xff\xfe12345678\n"])
def test_a_password_that_will_not_do_is_refused(folder, stdin):
    refused("add", "li", "--role", "operator", "--password-stdin", stdin=stdin)
    assert not (folder / "users.json").exists()


@pytest.mark.parametrize(
    "words", [["add"], ["remove"], ["trust"], ["audit", "--tail", "0"], ["audit", "--tail", "x"], ["users", "--lang", "fr"], ["rubbish"]]
)
def test_a_wrong_command_line_leaves_with_2(words):
    assert run(*words).exit_code == 2


def test_a_secret_that_others_can_read_is_refused(folder):
    done("add", "li", "--role", "operator", "--password-stdin", stdin=PASSWORD)
    (folder / "users.json").chmod(0o644)
    assert f"chmod 600 {folder / 'users.json'}" in refused("users") and "chmod 600" in refused("add", "wang", "--role", "admin")
    (folder / "users.json").chmod(0o600)
    (folder / "audit.jsonl").chmod(0o644)
    for words in (["add", "wang", "--role", "admin", "--password-stdin"], ["remove", "li"], ["audit"], ["audit", "--verify"]):
        assert "audit.jsonl" in refused(*words, stdin=PASSWORD)
    assert list(UserStore(folder / "users.json").accounts) == ["li"]  # nothing is done that cannot be noted


def test_a_stranger_is_trusted_by_thumbprint_and_rejected_again(folder, badge):
    assert done("certificates").strip() == "no certificates yet"
    der = badge.read_bytes()
    server = TrustList(folder)
    with pytest.raises(ua.UaStatusCodeError, match="BadCertificateUntrusted"):
        server.check(der)
    (row,) = json.loads(done("certificates", "--json"))
    assert (row["where"], row["thumbprint"], row["uri"]) == ("rejected", thumbprint(der), "urn:here:badge")
    assert thumbprint(der)[:16] in done("trust", row["thumbprint"][:8])
    server.check(der)
    own_certificate(folder, "urn:here:batchtwin:server", ["here"])
    listed = done("certificates").splitlines()
    assert [line.split()[:2] for line in listed[1:]][1] == ["trusted/certs", thumbprint(der)[:16]] and listed[1].startswith("own/certs")
    assert re.search(r"CN=batchtwin client.* urn:here:badge +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d", listed[2])
    done("reject", thumbprint(der)[:16])
    with pytest.raises(ua.UaStatusCodeError, match="BadCertificateUntrusted"):
        server.check(der)
    done("trust", badge)
    server.check(der)
    assert [what for what, _ in audited()] == ["trust", "reject", "trust"]


def test_the_ledger_is_shown_and_checked(folder):
    assert done("audit").strip() == "the audit ledger is empty"
    assert done("audit", "--verify").startswith("0 lines")
    ledger = Audit(folder / "audit.jsonl")
    for n in range(30):
        ledger.record("write", user="li", peer="192.0.2.1", name=["a", "b"], value=[n, "\x1b[2J\n日"], status=[0, 0x803C0000])
    ledger.close()
    shown = done("audit")
    assert len(shown.splitlines()) == 21 and "\x1b" not in shown and "日" in shown
    assert "BadOutOfRange" in shown and "[29, " in shown.splitlines()[-1]
    assert len(done("audit", "--tail", "3").splitlines()) == 4
    assert [e["value"][0] for e in json.loads(done("audit", "--tail", "2", "--json"))] == [28, 29]
    last = json.loads(done("audit", "--tail", "1", "--json"))[0]["sum"]
    assert done("audit", "--verify").strip() == f"31 lines, none changed; the last sum is {last}"
    path = folder / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"li"', b'"me"', 1))
    result = run("audit", "--verify")
    assert (result.exit_code, result.stdout.strip()) == (1, "the chain breaks at audit.jsonl:2, after 1 right lines")
    assert json.loads(run("audit", "--verify", "--json").stdout)["fault"] == "audit.jsonl:2"


def test_every_message_is_there_in_chinese():
    assert all(
        en != zh and re.search("[一-鿿]", zh) and set(re.findall(r"{\w+}", en)) == set(re.findall(r"{\w+}", zh))
        for en, zh in access.TEXTS.values()
    )
    assert "尚无用户" in done("users", "--lang", "zh")


def test_help_is_shown_without_a_command():
    assert "certificates" in done() and "--password-stdin" in done("add", "--help")


def test_the_subcommands_load_no_compiler_and_listing_users_no_opc_ua():
    import subprocess
    import sys

    code = (
        "import sys; from batchtwin import access; access.users(); print([m for m in ('numba', 'asyncua', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2]
    )
    assert result.stdout.splitlines()[-1] == "[]"
