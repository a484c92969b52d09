"""Our certificates are those of an OPC UA application, and a peer's is taken only when it ought to be."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from asyncua import ua
from asyncua.crypto.uacrypto import load_certificate as asyncua_certificate
from asyncua.crypto.uacrypto import load_private_key as asyncua_key
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from opcua_server.access import certificates, trust, x509_checks
from opcua_server.access.certificates import own_certificate
from opcua_server.access.state import AccessError, locked, private_folder, read_secret, state_folder, write_file
from opcua_server.access.trust import TrustList
from opcua_server.access.x509_checks import der_of, thumbprint

URI = "urn:here:vendor"
OURS = "urn:here:batchtwin:server"
ALL = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign")
USAGES = (*ALL, "key_agreement", "crl_sign", "encipher_only", "decipher_only")
BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
NOW = datetime.now(UTC)


def key(label, bits=2048):
    """A key a label; making one takes a tenth of a second."""
    return _key(label, bits)


@cache
def _key(label, bits):
    return ec.generate_private_key(ec.SECP256R1()) if bits == 256 else rsa.generate_private_key(65537, bits)


def named(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificate(
    name="vendor", by=None, *, bits=2048, by_bits=0, days=(-1, 30), uri=URI, ca=False, path_length=None, usage=ALL, extended=BOTH, more=()
):
    """A certificate of `name`, signed by itself or by the authority `by`; unnamed extensions are left out."""
    builder = (
        x509.CertificateBuilder(named(by or name), named(name), key(name, bits).public_key(), x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    )
    if uri:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
    if usage:
        builder = builder.add_extension(x509.KeyUsage(**{u: u in usage for u in USAGES}), critical=True)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key(by or name, by_bits or bits), hashes.SHA256())


def authority(name="authority", by=None, **more):
    return certificate(name, by, **{"uri": "", "ca": True, "usage": ("key_cert_sign", "crl_sign"), "extended": (), **more})


def revocations(by, *revoked, signed_by=None):
    builder = x509.CertificateRevocationListBuilder(named(by), NOW - timedelta(days=1), NOW + timedelta(days=7))
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(NOW - timedelta(days=1)).build()
        )
    return builder.sign(key(signed_by or by), hashes.SHA256())


WHOLE = der_of(certificate())


@pytest.fixture
def pki(tmp_path):
    """A trust list; `pki.put(where, certificate)` lays a file into it as an administrator would."""
    found = TrustList(tmp_path / "opcua")
    found.prepare()

    def put(where, what, pem=False):
        encoding = serialization.Encoding.PEM if pem else serialization.Encoding.DER
        (found.pki / where / f"{len(list((found.pki / where).iterdir()))}.file").write_bytes(what.public_bytes(encoding))

    found.put = put
    return found


def refusal(pki, *chain, **more):
    """Name of the StatusCode with which a chain is refused, or `Good`."""
    try:
        pki.check(b"".join(c if isinstance(c, bytes) else der_of(c) for c in chain), **more)
    except ua.UaStatusCodeError as error:
        return ua.StatusCode(error.code).name
    return "Good"


def rejected(pki):
    return sorted(row.thumbprint for row in pki.listing() if row.where == "rejected")


# --- our own ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return own_certificate(tmp_path_factory.mktemp("state") / "opcua", OURS, ["here", "192.0.2.7", "::1", "here"])


def test_our_certificate_is_laid_out_as_the_standard_asks(own):
    made = x509.load_der_x509_certificate(own.der)
    get = lambda kind: made.extensions.get_extension_for_class(kind)
    names = list(get(x509.SubjectAlternativeName).value)
    assert [str(n.value) for n in names] == [OURS, "here", "192.0.2.7", "::1"]
    assert [type(n) for n in names] == [x509.UniformResourceIdentifier, x509.DNSName, x509.IPAddress, x509.IPAddress]
    usage = get(x509.KeyUsage).value
    assert all(getattr(usage, u) for u in ALL) and not usage.crl_sign and not usage.key_agreement
    assert set(get(x509.ExtendedKeyUsage).value) == set(BOTH)
    assert get(x509.BasicConstraints).value.ca is False
    assert get(x509.SubjectKeyIdentifier).value.digest == get(x509.AuthorityKeyIdentifier).value.key_identifier
    assert (made.public_key().key_size, made.signature_hash_algorithm.name, made.version) == (2048, "sha256", x509.Version.v3)
    assert made.not_valid_before_utc < datetime.now(UTC)
    assert timedelta(days=5 * 365 + 2) > made.not_valid_after_utc - datetime.now(UTC) > timedelta(days=5 * 364)
    made.verify_directly_issued_by(made)


def test_the_library_takes_our_certificate_and_key(own):
    async def both():
        return await asyncua_certificate(own.certificate), await asyncua_key(own.key)

    made, private = asyncio.run(both())
    assert private.public_key() == made.public_key()
    options = CertificateValidatorOptions.EXT_VALIDATION | CertificateValidatorOptions.PEER_SERVER
    peer = ua.ApplicationDescription(ApplicationUri=OURS, ApplicationType=ua.ApplicationType.Server)
    asyncio.run(CertificateValidator(options).validate(made, peer))


def test_our_certificate_is_kept_as_long_as_it_fits(own):
    folder = own.certificate.parents[3]
    before = own.certificate.stat().st_mtime_ns
    again = own_certificate(folder, OURS, ["192.0.2.7"])
    assert (again.der, again.notice, own.certificate.stat().st_mtime_ns) == (own.der, None, before)
    assert own.notice is None
    assert own_certificate(folder, "urn:here:batchtwin:client", ["here"], "client").certificate.name == "client.der"
    assert own_certificate(folder, OURS, ["here"]).der == own.der


@pytest.mark.parametrize(
    ("uri", "hosts", "why"), [("urn:other", ["here"], "urn:other"), (OURS, ["here", "there"], "there"), (OURS, ["192.0.2.8"], "192.0.2.8")]
)
def test_a_certificate_that_names_us_no_more_is_made_anew(tmp_path, uri, hosts, why):
    first = own_certificate(tmp_path, OURS, ["here", "192.0.2.7"])
    second = own_certificate(tmp_path, uri, hosts)
    assert second.der != first.der and second.private_key.private_numbers() == first.private_key.private_numbers()
    assert all(why in text and thumbprint(second.der)[:16] in text for text in second.notice)
    third = own_certificate(tmp_path, uri, hosts)
    assert (third.der, third.notice) == (second.der, None)


def test_hosts_of_every_kind_are_named(tmp_path):
    hosts = ["", "[::1]", "fe80::1%eth0", "搅拌站", "here"]
    first = own_certificate(tmp_path, OURS, hosts)
    names = [str(n.value) for n in x509_checks.alternative_names(x509.load_der_x509_certificate(first.der))]
    assert names == [OURS, "::1", "fe80::1", "搅拌站".encode("idna").decode(), "here"]
    assert own_certificate(tmp_path, OURS, hosts).der == first.der
    with pytest.raises(AccessError, match="no name of a host"):
        own_certificate(tmp_path, OURS, ["搅" * 100])


def test_an_expired_certificate_is_made_anew_and_one_near_its_end_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "VALIDITY", -timedelta(hours=1))
    first = own_certificate(tmp_path, OURS, ["here"])
    monkeypatch.setattr(certificates, "VALIDITY", timedelta(days=20, hours=1))
    second = own_certificate(tmp_path, OURS, ["here"])
    assert second.der != first.der and "expired" in second.notice[0]
    third = own_certificate(tmp_path, OURS, ["here"])
    assert third.der == second.der and "20 days" in third.notice[0] and "20 天" in third.notice[1]


def test_a_certificate_of_the_company_is_used_and_never_overwritten(tmp_path):
    certs, private = tmp_path / "pki/own/certs/server.der", tmp_path / "pki/own/private/server.pem"
    given = der_of(certificate("company", uri=OURS))
    write_file(certs, given)
    pem = key("company").private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(AccessError, match="lost its key"):
        own_certificate(tmp_path, OURS, [])
    write_file(private, pem)
    assert own_certificate(tmp_path, OURS, []).der == given
    with pytest.raises(AccessError, match="does not name there"):
        own_certificate(tmp_path, OURS, ["there"])
    assert (certs.read_bytes(), private.read_bytes()) == (given, pem)


def test_half_a_pair_of_ours_is_completed(tmp_path):
    first = own_certificate(tmp_path, OURS, ["here"])
    first.certificate.unlink()
    second = own_certificate(tmp_path, OURS, ["here"])
    assert second.private_key.public_key() == first.private_key.public_key() and second.notice is None
    first.key.unlink()
    third = own_certificate(tmp_path, OURS, ["here"])
    assert third.private_key.public_key() == x509.load_der_x509_certificate(third.der).public_key() and "lost its key" in third.notice[0]


@pytest.mark.parametrize(("part", "damage"), [("key", b"rubbish"), ("key", b""), ("certificate", b"rubbish")])
def test_a_damaged_pair_is_told_in_one_line(tmp_path, part, damage):
    path = getattr(own_certificate(tmp_path, OURS, ["here"]), part)
    write_file(path, damage)
    with pytest.raises(AccessError) as caught:
        own_certificate(tmp_path, OURS, ["here"])
    assert str(path) in caught.value.text("en") and str(path) in caught.value.text("zh") and "\n" not in str(caught.value)
    assert path.read_bytes() == damage


# --- the state folder -------------------------------------------------------------------------------------


def test_secrets_are_for_their_owner_only_from_the_start(tmp_path, monkeypatch):
    modes = []
    opened = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, mode=0o777, **more: (modes.append((flags, mode)), opened(path, flags, mode, **more))[1]
    )
    monkeypatch.setattr(os, "chmod", pytest.fail)
    made = own_certificate(tmp_path / "deep" / "opcua", OURS, ["here"])
    assert modes and all(mode == 0o600 for flags, mode in modes if flags & os.O_CREAT)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    folders = [p for p in (tmp_path / "deep").rglob("*") if p.is_dir()] + [tmp_path / "deep"]
    assert len(folders) == 6 and {stat.S_IMODE(p.stat().st_mode) for p in folders} == {0o700}
    assert not [p for p in made.key.parent.iterdir() if p != made.key and not p.name.endswith(".lock")]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_secret_that_others_may_use_is_refused(tmp_path, mode):
    made = own_certificate(tmp_path, OURS, ["here"])
    made.key.chmod(mode)
    with pytest.raises(AccessError, match=f"chmod 600 {made.key}") as caught:
        own_certificate(tmp_path, OURS, ["here"])
    assert f"权限 {mode:04o}" in caught.value.text("zh")


def test_a_folder_that_others_may_write_into_is_refused(tmp_path):
    (tmp_path / "opcua").mkdir()
    (tmp_path / "opcua").chmod(0o770)
    with pytest.raises(AccessError, match="chmod 700"):
        private_folder(tmp_path / "opcua")
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(AccessError):
            private_folder(path)


def test_a_secret_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_file(tmp_path / "secret", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(AccessError, match="No space left"):
        write_file(tmp_path / "secret", b"new")
    assert read_secret(tmp_path / "secret") == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_what_is_no_file_is_no_secret(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "long").touch(0o600)
    (tmp_path / "long").write_bytes(b"x" * 11)
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "long"):
        with pytest.raises(AccessError):
            read_secret(path, most=10)


def test_where_the_state_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("BATCHTWIN_STATE", raising=False)
    assert str(state_folder()) == "/home/me/.local/state/batchtwin/opcua"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/me")
    assert str(state_folder()) == "/var/lib/me/batchtwin/opcua"
    monkeypatch.setenv("BATCHTWIN_STATE", str(tmp_path))
    assert state_folder() == tmp_path / "opcua"
    monkeypatch.setenv("BATCHTWIN_STATE", "~/twin")
    assert str(state_folder()) == "/home/me/twin/opcua"


def test_a_lock_keeps_another_out(tmp_path):
    with locked(tmp_path / "users.json"), (tmp_path / ".users.json.lock").open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / ".users.json.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- whom we trust ----------------------------------------------------------------------------------------


def test_a_stranger_is_refused_kept_and_trusted_without_a_restart(pki):
    peer = certificate()
    assert refusal(pki, peer, uri=URI) == "BadCertificateUntrusted"
    assert rejected(pki) == [thumbprint(peer)]
    row = pki.trust(thumbprint(peer)[:8])
    assert (row.where, row.thumbprint, row.uri, row.subject) == ("trusted/certs", thumbprint(peer), URI, "CN=vendor")
    assert refusal(pki, peer, uri=URI) == "Good" and rejected(pki) == []
    assert pki.reject(thumbprint(peer).upper()).thumbprint == thumbprint(peer) and rejected(pki) == [thumbprint(peer)]
    assert refusal(pki, peer, uri=URI) == "BadCertificateUntrusted" and rejected(pki) == [thumbprint(peer)]
    pki.trust(thumbprint(peer))
    with pytest.raises(AccessError, match="no rejected certificate"):
        pki.trust(thumbprint(peer))  # that is among the trusted now
    assert refusal(pki, certificate(), uri=URI) == "BadCertificateUntrusted"  # same name, same key, another certificate


@pytest.mark.parametrize("pem", [False, True])
def test_a_certificate_laid_into_the_folder_is_trusted(pki, pem):
    pki.put("trusted/certs", certificate("a", uri=""), pem)
    (pki.pki / "trusted/certs/rubbish.der").write_bytes(b"rubbish")
    (pki.pki / "trusted/certs/folder").mkdir()
    (pki.pki / "trusted/certs/.hidden.der").write_bytes(der_of(peer := certificate()))
    assert refusal(pki, peer) == "BadCertificateUntrusted"
    pki.put("trusted/certs", peer, pem)
    assert refusal(pki, peer) == "Good"
    assert sorted(row.subject for row in pki.listing() if row.where == "trusted/certs") == ["", "CN=a", "CN=vendor"]


def test_our_own_applications_trust_each_other(pki):
    mine = own_certificate(pki.pki.parent, "urn:here:batchtwin:client", ["here"], "client")
    assert refusal(pki, mine.der, uri="urn:here:batchtwin:client") == "Good"
    assert refusal(pki, mine.der, uri="urn:here:batchtwin:client", peer="server") == "Good"


UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"),)


@pytest.mark.parametrize(
    ("code", "made", "asked"),
    [
        ("BadCertificateTimeInvalid", {"days": (-9, -2)}, {}),
        ("BadCertificateTimeInvalid", {"days": (2, 9)}, {}),
        ("BadCertificateUriInvalid", {}, {"uri": "urn:somebody:else"}),
        ("BadCertificateUriInvalid", {"uri": ""}, {"uri": URI}),
        ("Good", {"uri": ""}, {}),
        *(("BadCertificateUseNotAllowed", {"usage": tuple(u for u in ALL if u != missing)}, {}) for missing in ALL[:4]),
        ("Good", {"usage": ALL[:4]}, {}),
        ("BadCertificateUseNotAllowed", {"usage": ()}, {}),
        ("BadCertificateUseNotAllowed", {"extended": BOTH[:1]}, {}),
        ("BadCertificateUseNotAllowed", {"extended": BOTH[1:]}, {"peer": "server"}),
        ("Good", {"extended": BOTH[:1]}, {"peer": "server"}),
        ("Good", {"extended": BOTH[1:]}, {}),
        ("Good", {"extended": ()}, {}),
        ("BadCertificatePolicyCheckFailed", {"bits": 1024}, {}),
        ("BadCertificatePolicyCheckFailed", {"bits": 256}, {}),
        ("BadCertificateInvalid", {"more": ((UNKNOWN[0], True),)}, {}),
        ("Good", {"more": ((UNKNOWN[0], False),)}, {}),
    ],
)
def test_a_trusted_certificate_must_also_be_right(pki, code, made, asked):
    peer = certificate("peer" + str(made.get("bits", "")), **made)
    pki.put("trusted/certs", peer)
    assert refusal(pki, peer, **asked) == code
    assert rejected(pki) == []


def test_a_signature_over_sha1_is_refused(pki):
    # the library signs no SHA-1 any more: the algorithm is written into a finished certificate, twice, as RFC 5280 has it
    sha256, sha1 = (bytes.fromhex(f"06092a864886f70d0101{n}") for n in ("0b", "05"))
    old = der_of(certificate()).replace(sha256, sha1)
    (pki.pki / "trusted/certs/old.der").write_bytes(old)
    assert refusal(pki, old) == "BadCertificatePolicyCheckFailed"


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"rubbish", b"\x00" * 999, b"0" * 200_000])
def test_what_is_no_certificate_is_refused(pki, der):
    assert refusal(pki, der) == "BadCertificateInvalid"
    assert rejected(pki) == []


def test_a_certificate_of_an_unknown_version_is_refused(pki):
    assert refusal(pki, WHOLE.replace(bytes.fromhex("a003020102"), bytes.fromhex("a00302016e"), 1)) == "BadCertificateInvalid"


def test_what_follows_the_certificate_must_be_certificates(pki):
    pki.put("trusted/certs", peer := certificate())
    assert refusal(pki, peer, b"rubbish") == "BadCertificateInvalid"
    assert refusal(pki, peer, authority()) == "Good"
    assert refusal(pki, *[peer] * 100) == "BadCertificateInvalid"  # far too long


def test_keys_are_neither_weak_nor_endless(pki, monkeypatch):
    pki.put("trusted/certs", peer := certificate())
    for bits, code in (
        ((2048, 2048), "Good"),
        ((1024, 2047), "BadCertificatePolicyCheckFailed"),
        ((2049, 4096), "BadCertificatePolicyCheckFailed"),
    ):
        monkeypatch.setattr(x509_checks, "KEY_BITS", bits)
        assert refusal(pki, peer) == code
    monkeypatch.setattr(x509_checks, "KEY_BITS", (256, 4096))
    pki.put("trusted/certs", curve := certificate("peer256", bits=256))
    assert refusal(pki, curve) == "BadCertificatePolicyCheckFailed"  # no policy that we offer has elliptic curves
    monkeypatch.undo()
    assert x509_checks.KEY_BITS == (2048, 4096)


@given(place=st.integers(0, 899), byte=st.integers(0, 255), cut=st.integers(0, 899))
def test_no_damage_does_more_than_a_refusal(tmp_path_factory, place, byte, cut):
    pki = TrustList(tmp_path_factory.getbasetemp() / "fuzz")
    damaged = bytearray(WHOLE)
    damaged[place % len(WHOLE)] = byte
    assert refusal(pki, bytes(damaged), uri=URI).startswith("BadCertificate")
    assert refusal(pki, WHOLE[: cut % len(WHOLE)]) == "BadCertificateInvalid"
    write_file(pki.pki / "trusted/certs/it.der", bytes(damaged))
    refusal(pki, bytes(damaged), uri=URI)
    pki.listing()
    (pki.pki / "trusted/certs/it.der").unlink()


def test_rejected_certificates_cannot_fill_the_disk(pki, monkeypatch):
    monkeypatch.setattr(trust, "MOST_REJECTED", 3)
    peers = [certificate() for _ in range(5)]
    for age, peer in enumerate(peers):
        refusal(pki, peer)
        for file in (pki.pki / "rejected").glob(f"*{thumbprint(peer)[:32]}*"):
            os.utime(file, (age, age))
    assert rejected(pki) == sorted(map(thumbprint, peers[2:]))
    refusal(pki, peers[2])  # who comes again is young again
    refusal(pki, peers[0])
    assert rejected(pki) == sorted(map(thumbprint, (peers[0], peers[2], peers[4])))
    fat = certificate(more=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05" * 20_000), False),))
    assert refusal(pki, fat) == "BadCertificateUntrusted" and thumbprint(fat) not in rejected(pki)


def test_a_peer_cannot_choose_the_name_of_a_file(pki):
    for name in ("../../../evil", "a/b", "\x1b[2J\n", "", "日本"):
        if name:
            refusal(pki, certificate(name))
    names = [p.name for p in (pki.pki / "rejected").iterdir()]
    assert len(names) == 4 and all(n.replace("-", "").replace(".der", "").isalnum() and n.isascii() for n in names)
    assert {n.rpartition("-")[0] for n in names} == {"evil", "a-b", "2J", "unnamed"}
    assert {p.name for p in pki.pki.iterdir()} == {"own", "trusted", "issuers", "rejected"}
    assert all("\x1b" not in row.subject and "\n" not in row.subject for row in pki.listing())


def test_a_full_disk_does_not_change_the_answer(pki, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert refusal(pki, certificate()) == "BadCertificateUntrusted"
    assert list((pki.pki / "rejected").iterdir()) == []


# --- authorities ------------------------------------------------------------------------------------------


def test_who_an_authority_vouches_for_is_trusted(pki):
    pki.put("trusted/certs", authority())
    assert refusal(pki, certificate(by="authority"), uri=URI) == "Good"
    key("other")
    forged = certificate(by="other")
    assert refusal(pki, forged) == "BadCertificateChainIncomplete" and rejected(pki) == [thumbprint(forged)]


def test_the_signature_of_an_authority_is_verified(pki):
    pki.put("trusted/certs", authority())
    der = bytearray(der_of(certificate(by="authority")))
    der[-1] ^= 1
    assert refusal(pki, bytes(der)) == "BadCertificateChainIncomplete"


def test_a_chain_is_completed_from_issuers_or_from_what_the_peer_sends(pki):
    root, middle = authority("root"), authority("middle", "root")
    peer = certificate(by="middle")
    pki.put("trusted/certs", root)
    assert refusal(pki, peer) == "BadCertificateChainIncomplete"
    assert refusal(pki, peer, middle) == "Good"
    assert refusal(pki, peer) == "BadCertificateChainIncomplete"
    pki.put("issuers/certs", middle)
    assert refusal(pki, peer) == "Good"


def test_an_issuer_that_is_not_trusted_vouches_for_nobody(pki):
    pki.put("issuers/certs", authority())
    assert refusal(pki, certificate(by="authority")) == "BadCertificateUntrusted"
    assert refusal(pki, certificate(by="authority"), authority()) == "BadCertificateUntrusted"


@pytest.mark.parametrize(
    "no_authority",
    [
        {"ca": False},
        {"usage": ("crl_sign",)},
        {"usage": ()},
        {"uri": URI},  # an application; many toolkits let its certificate say that it is an authority
        {"bits": 1024},
    ],
)
def test_who_is_no_authority_vouches_for_nobody(pki, no_authority):
    bits = no_authority.get("bits", 2048)
    pki.put("trusted/certs", authority("application", **no_authority))
    assert refusal(pki, certificate(by="application", by_bits=bits)) == "BadCertificateChainIncomplete"


def test_the_length_of_a_path_is_kept(pki):
    pki.put("trusted/certs", authority("root", path_length=0))
    pki.put("issuers/certs", authority("middle", "root"))
    assert refusal(pki, certificate(by="root")) == "Good"
    assert refusal(pki, certificate(by="middle")) == "BadCertificateChainIncomplete"


def test_an_endless_chain_ends(pki):
    pki.put("trusted/certs", authority("a0"))
    for n in range(1, 5):
        pki.put("issuers/certs", authority(f"a{n}", f"a{n - 1}"))
    assert refusal(pki, certificate(by="a3")) == "Good"
    assert refusal(pki, certificate(by="a4")) == "BadCertificateChainIncomplete"
    pki.put("issuers/certs", authority("b", "c"))
    pki.put("issuers/certs", authority("c", "b"))
    assert refusal(pki, certificate(by="b")) == "BadCertificateChainIncomplete"


def test_an_authority_must_be_valid_itself(pki):
    pki.put("trusted/certs", authority(days=(-9, -2)))
    assert refusal(pki, certificate(by="authority")) == "BadCertificateIssuerTimeInvalid"
    pki.put("trusted/certs", authority())  # the same key, renewed
    assert refusal(pki, certificate(by="authority")) == "Good"


@pytest.mark.parametrize("where", ["trusted/crl", "issuers/crl"])
def test_a_revoked_certificate_is_refused(pki, where):
    pki.put("trusted/certs", authority())
    peer, other = certificate(by="authority"), certificate(by="authority")
    pki.put(where, revocations("authority", other))
    assert refusal(pki, peer) == "Good"
    pki.put(where, revocations("authority", peer), pem=True)
    assert refusal(pki, peer) == "BadCertificateRevoked"
    pki.put("trusted/certs", peer)  # trusted for itself: the authority's word still holds
    assert refusal(pki, peer) == "BadCertificateRevoked"


def test_only_its_authority_revokes_a_certificate(pki):
    pki.put("trusted/certs", authority())
    pki.put("trusted/certs", authority("other"))
    peer = certificate(by="authority")
    pki.put("trusted/crl", revocations("other", peer))
    pki.put("trusted/crl", revocations("authority", peer, signed_by="other"))
    (pki.pki / "trusted/crl/rubbish").write_bytes(b"rubbish")
    assert refusal(pki, peer) == "Good"


def test_a_revoked_authority_vouches_for_nobody(pki):
    root, middle = authority("root"), authority("middle", "root")
    pki.put("trusted/certs", root)
    pki.put("issuers/certs", middle)
    pki.put("issuers/crl", revocations("root", middle))
    assert refusal(pki, certificate(by="middle")) == "BadCertificateIssuerRevoked"


# --- what the administrator does --------------------------------------------------------------------------


def test_files_of_certificates_and_revocation_lists_are_trusted(pki, tmp_path):
    file, crl = tmp_path / "authority.pem", tmp_path / "authority.crl"
    file.write_bytes(authority().public_bytes(serialization.Encoding.PEM))
    peer = certificate(by="authority")
    crl.write_bytes(revocations("authority", peer).public_bytes(serialization.Encoding.PEM))
    assert refusal(pki, peer) == "BadCertificateChainIncomplete"
    assert pki.trust(file).where == "trusted/certs"
    assert refusal(pki, peer) == "Good"
    assert pki.trust(str(crl)).where == "trusted/crl"
    assert refusal(pki, peer) == "BadCertificateRevoked"
    assert [(row.where, row.issuer) for row in pki.listing()][:2] == [("trusted/certs", "CN=authority"), ("trusted/crl", "CN=authority")]


def test_what_would_be_refused_is_not_trusted(pki, tmp_path):
    for name, made, why in (("weak", {"bits": 1024}, "PolicyCheckFailed"), ("expired", {"days": (-9, -2)}, "TimeInvalid")):
        (tmp_path / name).write_bytes(der_of(certificate("peer" + name, **made)))
        with pytest.raises(AccessError, match=f"BadCertificate{why}"):
            pki.trust(tmp_path / name)
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    for what in ("rubbish", "missing"):
        with pytest.raises(AccessError):
            pki.trust(tmp_path / what)
    assert [row for row in pki.listing() if row.where.startswith("trusted")] == []


def test_a_thumbprint_names_one_certificate(pki):
    pki.put("rejected", peer := certificate())
    for which in ("0" * 8, "", thumbprint(peer)[:7], "../../x", thumbprint(peer) + "0"):
        with pytest.raises(AccessError, match="no rejected certificate .* give a file or at least 8 digits") as caught:
            pki.trust(which)
        assert "没有已拒绝的证书" in caught.value.text("zh")
        with pytest.raises(AccessError, match="no trusted certificate .* give at least 8 digits") as caught:
            pki.reject(which)
        assert "没有已信任的证书" in caught.value.text("zh")
    sha1 = peer.fingerprint(hashes.SHA1()).hex()
    assert pki.trust(":".join(sha1[i : i + 2] for i in range(0, 40, 2))).thumbprint == thumbprint(peer)
