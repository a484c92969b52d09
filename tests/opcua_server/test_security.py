"""Who gets in and what they may do there: policies, certificates, users, roles, the audit ledger, and sessions that change connections."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
    encrypt_asymmetric,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from served import CLIENT_URI, PASSWORD, ROLES, WAIT_S, here, name_of, quietly, until

from opcua_server.access.certificates import Own, own_certificate
from opcua_server.access.x509_checks import thumbprint
from opcua_server.clients.client import Login, Twin, connected
from opcua_server.protocol import channel
from twin.errors import BatchtwinError

GROSS, MOISTURE, ORDER, DOOR = "Line1.Weigher.Cement.Gross", "Line1.Bin.Sand1.LabMoisture", "Line1.Bay.Order", "Line1.Mixer.Door"
POLICIES = {p.__name__.removeprefix("SecurityPolicy"): p for p in (SecurityPolicyBasic256Sha256, SecurityPolicyAes128Sha256RsaOaep, SecurityPolicyAes256Sha256RsaPss)}  # fmt: skip
Mode = ua.MessageSecurityMode
NOW = datetime.now(UTC)


async def refusal(context) -> str:
    """Name of the StatusCode with which a client is refused, "" when it gets in."""
    try:
        async with context:
            return ""
    except ua.UaStatusCodeError as error:
        return name_of(error.code)


def made(folder, uri=CLIENT_URI, days=(-1, 30), name="stranger") -> Own:
    """A certificate of a client that nobody knows."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = {u: u in ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment") for u in (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
        "encipher_only", "decipher_only")}  # fmt: skip
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    out = Own(folder / f"{name}.der", folder / f"{name}.pem", der, key, None)
    out.certificate.write_bytes(der)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    out.key.write_bytes(pem)
    return out


@pytest.fixture
def stranger(guarded, tmp_path):
    """A certificate that the server does not trust, and will not after the test."""
    own = made(tmp_path)
    yield own
    trust = guarded.server.security.trust
    for row in trust.listing():
        if row.thumbprint == thumbprint(own.der):
            row.file.unlink()


# --- channels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.Sign, Mode.SignAndEncrypt], ids=["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize("policy", POLICIES)
async def test_login_by_name_over_each_policy(guarded, loop, policy, mode):
    async with guarded.client("operator", policy=POLICIES[policy], mode=mode) as peer:
        (connection,) = guarded.server._connections
        assert (connection._channel.policy.URI, connection._channel.policy.Mode) == (POLICIES[policy].URI, mode)
        assert await peer.read("Time.State") == "paused"
        assert await peer.write(MOISTURE, 3.0) == "Good"


async def test_without_security_there_is_discovery_and_nothing_else(guarded, loop):
    client = Client(guarded.url, timeout=WAIT_S)
    endpoints = await client.connect_and_get_server_endpoints()
    offers = {(e.SecurityPolicyUri, e.SecurityMode) for e in endpoints}
    assert offers == {(p.URI, m) for p in POLICIES.values() for m in (Mode.Sign, Mode.SignAndEncrypt)}
    assert {t.TokenType for e in endpoints for t in e.UserIdentityTokens} == {ua.UserTokenType.UserName, ua.UserTokenType.Certificate}
    assert all(
        t.SecurityPolicyUri in [p.URI for p in POLICIES.values()] for e in endpoints for t in e.UserIdentityTokens
    )  # no password in the clear
    assert {e.EndpointUrl for e in endpoints} == {guarded.url}
    (server,) = await client.connect_and_find_servers()
    assert server.ApplicationUri == "urn:batchtwin:server"
    assert await refusal(guarded.client()) == "BadSecurityPolicyRejected"
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    for service in (ua.ReadRequest(), ua.BrowseRequest(), ua.CallRequest(), ua.ActivateSessionRequest(), ua.CreateSubscriptionRequest()):
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await client.uaclient.protocol.send_request(service)
        assert name_of(refused.value.code) in ("BadSessionIdInvalid", "BadSecurityChecksFailed")
    client.disconnect_socket()


async def test_a_channel_in_a_mode_that_is_not_offered_is_refused(plant, loop):
    async with plant.client() as peer:
        assert await peer.read("Time.State") == "paused"
    client = Client(plant.url, timeout=WAIT_S)
    assert [e.SecurityMode for e in await client.connect_and_get_server_endpoints()] == [Mode.None_]


# --- certificates of clients ------------------------------------------------------------------------------


async def test_an_unknown_client_is_refused_and_kept_then_trusted_without_a_restart(guarded, loop, stranger):
    trust = guarded.server.security.trust
    assert await refusal(guarded.client("operator", own=stranger)) == "BadCertificateUntrusted"
    (kept,) = [row for row in trust.listing() if row.where == "rejected"]
    assert kept.thumbprint == thumbprint(stranger.der)
    trust.trust(kept.thumbprint[:8])
    async with guarded.client("operator", own=stranger) as peer:
        assert await peer.read("Time.State") == "paused"
    trust.reject(kept.thumbprint[:8])
    assert await refusal(guarded.client("operator", own=stranger)) == "BadCertificateUntrusted"


@pytest.mark.parametrize(
    ("days", "uri", "code"),
    [
        ((-30, -1), CLIENT_URI, "BadCertificateTimeInvalid"), ((1, 30), CLIENT_URI, "BadCertificateTimeInvalid"),
        ((-1, 30), "urn:somebody:else", "BadCertificateUriInvalid"),
    ],
    ids=["expired", "not yet valid", "of another application"],
)  # fmt: skip
async def test_a_trusted_certificate_that_is_not_right_is_refused(guarded, loop, tmp_path, days, uri, code):
    own = made(tmp_path, uri, days, "wrong")
    place = guarded.folder / "pki" / "trusted" / "certs" / "wrong.der"
    place.write_bytes(own.der)
    try:
        assert await refusal(guarded.client("operator", own=own)) == code
    finally:
        place.unlink()


# --- users ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "password", "code"),
    [
        ("operator", "wrong password", "BadUserAccessDenied"), ("nobody", PASSWORD, "BadUserAccessDenied"), ("Operator", PASSWORD, "BadUserAccessDenied"),
        ("operator", PASSWORD + " ", "BadUserAccessDenied"), ("n" * 5000, PASSWORD, "BadUserAccessDenied"),
    ],
    ids=["wrong password", "unknown user", "another case", "a blank more", "long name"],
)  # fmt: skip
async def test_a_wrong_login_is_refused(guarded, loop, user, password, code):
    assert await refusal(guarded.client(user, password)) == code
    assert len(guarded.server.sessions) <= 1  # what was not activated is swept away
    async with guarded.client("operator") as peer:
        assert await peer.read("Time.State") == "paused"


@pytest.fixture
def long_password(guarded):
    """The observer's, for this test: as long as one may be, and longer than a block of RSA."""
    store = guarded.server.security.gate.store
    before = store.accounts["observer"]
    store.set_password("observer", "密" * 256)
    yield "密" * 256
    store.save({**store.accounts, "observer": before})


def in_blocks(client):
    """Encrypts as OPC 10000-4 7.41.2.2 asks, which the library does for one block only."""
    whole = client._encrypt_password

    def encrypt(password, policy_uri):
        plain = password.encode() + client._server_nonce
        plain = struct.pack("<I", len(plain)) + plain
        key = x509.load_der_x509_certificate(client.security_policy.peer_certificate).public_key()
        parts = [encrypt_asymmetric(key, plain[i : i + 190], policy_uri) for i in range(0, len(plain), 190)]
        return b"".join(data for data, _ in parts), parts[0][1]

    client._encrypt_password = encrypt
    return whole


async def test_a_long_password_comes_in_several_blocks(guarded, loop, long_password):
    async with guarded.client("operator") as peer:
        in_blocks(peer.client)
        await peer.client.activate_session("observer", long_password)
        assert await peer.write(MOISTURE, 3.0) == "BadUserAccessDenied"  # another user from here on
        for wrong in (long_password[:-1], long_password * 8):
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await peer.client.activate_session("observer", wrong)
            assert name_of(refused.value.code) == ("BadUserAccessDenied" if wrong == long_password[:-1] else "BadIdentityTokenInvalid")


async def test_a_password_that_was_overheard_opens_no_other_session(guarded, loop):
    async with guarded.client("instructor") as victim, guarded.client("observer") as thief:
        overheard = victim.client._encrypt_password(PASSWORD, SecurityPolicyBasic256Sha256.URI)  # bound to the victim's last nonce
        thief.client._encrypt_password = lambda password, policy_uri: overheard
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await thief.client.activate_session("instructor", "unknown to the thief")
        assert name_of(refused.value.code) == "BadIdentityTokenInvalid"
        assert await thief.call("Time.Start") == "BadUserAccessDenied"


async def test_anonymous_is_refused(guarded, loop):
    assert await refusal(guarded.client(own=guarded.own())) == "BadIdentityTokenRejected"


async def test_a_session_does_nothing_before_it_is_activated(guarded, loop):
    client = Client(guarded.url, timeout=WAIT_S)
    client.application_uri = CLIENT_URI
    own = guarded.own()
    await client.set_security(SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key))
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await client.nodes.server_state.read_value()
    assert name_of(refused.value.code) == "BadSessionNotActivated"
    client.disconnect_socket()


@pytest.fixture
def card(guarded, tmp_path):
    """A certificate by which the operator may log in."""
    own = made(tmp_path, "urn:card", name="card")
    store = guarded.server.security.gate.store
    before = store.accounts["operator"]
    store.add_certificate("operator", own.der)
    yield own
    store.save({**store.accounts, "operator": before})


@pytest.mark.parametrize("policy", POLICIES)
async def test_login_by_certificate(guarded, loop, card, policy):
    async with guarded.client(certificate=card, policy=POLICIES[policy]) as peer:
        (session,) = guarded.server.sessions
        assert (session.user.name, session.user.role, session.user.certificate) == ("operator", "operator", thumbprint(card.der))
        assert await peer.write(MOISTURE, 3.0) == "Good"


async def test_a_certificate_of_nobody_or_without_its_key_is_no_login(guarded, loop, card, tmp_path):
    other = made(tmp_path, "urn:card", name="other")
    assert await refusal(guarded.client(certificate=other)) == "BadUserAccessDenied"
    assert await refusal(guarded.client(certificate=card._replace(key=other.key))) == "BadUserSignatureInvalid"


# --- roles ------------------------------------------------------------------------------------------------

GOOD, DENIED = "Good", "BadUserAccessDenied"
WRITES = {  # who may write what; nobody writes what the plant shows
    MOISTURE: (3.0, ua.VariantType.Double, {"operator", "instructor", "admin"}),
    "Line1.Station.LocalDoor": (5.0, ua.VariantType.Double, {"operator", "instructor", "admin"}),
    ORDER: (3, ua.VariantType.Int32, {"controller", "instructor", "admin"}),
    DOOR: (5.0, ua.VariantType.Double, {"controller", "instructor", "admin"}),
    "Line1.Weigher.Cement.Phase": (1, ua.VariantType.UInt32, {"controller", "instructor", "admin"}),
}
STEERS = {"instructor", "admin"}
CALLS = {  # method: arguments, who may call it
    "Time.Start": ((), STEERS), "Time.Pause": ((), STEERS), "Time.SetSpeed": (("10",), STEERS), "Time.RunUntil": ((0.0,), STEERS), "Time.Reset": (("", 1), STEERS),
    "Time.Step": ((1,), {"controller", *STEERS}), "Time.Join": (("me", 1), {"controller", *STEERS}), "Faults.Inject": (("trip", "Line1.Mixer", float("nan"), 0.0, 0.0), STEERS),
    "Faults.Clear": (("trip", "Line1.Mixer"), STEERS), "Run.PlaceOrder": (("C30", 6.0, "yard"), {"operator", "controller", *STEERS}),
    "Run.BookOrder": (("{}",), {"operator", "controller", *STEERS}), "Run.CancelOrder": ((0,), {"operator", "controller", *STEERS}),
    "Run.ChangeOrder": ((0, 1.0, 1.0), {"operator", "controller", *STEERS}), "Run.StartRecording": (("../x",), STEERS), "Run.AcknowledgeAlarm": (("Line1.Mixer.Tripped", ""), {"operator", *STEERS}),
    "Run.Verdict": (("",), {"operator", "controller", *STEERS}), "Run.LoadRecipe": (("{}",), {"operator", "controller", *STEERS}),
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
async def test_what_a_role_may_write(guarded, loop, role):
    async with guarded.client(role) as peer:
        for node, (value, kind, roles) in WRITES.items():
            assert (node, await peer.write(node, value, kind)) == (node, GOOD if role in roles else DENIED)
            access = await peer.read(node, ua.AttributeIds.UserAccessLevel)
            assert bool(access & 2) == (role in roles)
            assert await peer.read(node, ua.AttributeIds.AccessLevel) & 2
        assert await peer.write(GROSS, 1.0) == "BadNotWritable"
        assert await peer.write("Line1.Weigher.Cement.Capacity", 1.0) == "BadNotWritable"
        assert await peer.write("Time.Scan", 1, ua.VariantType.UInt64) == "BadNotWritable"
        assert await peer.write(GROSS, "mine", attribute=ua.AttributeIds.DisplayName) == "BadNotWritable"
        for node in WRITES:
            assert name_of((await peer.value(node)).StatusCode) == "Good"


@pytest.mark.parametrize("role", ROLES)
async def test_what_a_role_may_call(guarded, loop, role):
    async with guarded.client(role) as peer:
        for method, (arguments, roles) in CALLS.items():
            answer = await peer.call(method, *arguments)
            assert (method, answer == DENIED) == (method, role not in roles)
            assert (method, await peer.read(method, ua.AttributeIds.UserExecutable)) == (method, role in roles)
        assert (await peer.read("Faults.Active") == DENIED) == (role not in STEERS)


async def test_an_array_is_written_only_where_the_role_may(guarded, loop):
    async with guarded.client("operator") as peer:
        names, values = await peer.read("Image.Setpoints.Names"), await peer.read("Image.Setpoints")
        mine, others = names.index(MOISTURE), names.index("Line1.Bay.MixTime")
        values[mine] = 4.0
        assert await peer.write("Image.Setpoints", values) == GOOD  # what stays as it is counts for nothing
        values[mine], values[others] = 5.0, 60.0
        assert await peer.write("Image.Setpoints", values) == DENIED
        assert await peer.read(MOISTURE) == 4.0  # nothing is written in part
        assert await peer.write("Image.Actuators", await peer.read("Image.Actuators")) == DENIED


START = "Line1.Station.Start"


async def test_a_controller_sets_a_command_back_and_presses_nothing(guarded, loop):
    async with guarded.client("operator") as operator, guarded.client("controller") as peer:
        assert await operator.write(START, True) == GOOD
        assert await peer.write(START, False) == DENIED  # it has not announced itself
        assert not isinstance(await peer.call("Time.Join", "me", 1), str)
        assert await peer.write(START, True) == DENIED
        assert await peer.write("Line1.Station.Mode", 0, ua.VariantType.UInt32) == DENIED
        assert await peer.write(MOISTURE, 0.0) == DENIED
        names, values = await peer.read("Image.Setpoints.Names"), await peer.read("Image.Setpoints")
        values[names.index("Line1.Station.Stop")] = 1.0
        assert await peer.write("Image.Setpoints", values) == DENIED
        assert await peer.write(START, False) == GOOD
        values[names.index("Line1.Station.Stop")] = values[names.index(START)] = 0.0
        assert await operator.write(START, True) == GOOD
        assert await peer.write("Image.Setpoints", values) == GOOD
        assert await peer.read(START) is False
        await peer.client.activate_session("observer", PASSWORD)  # somebody else: nothing is left of the controller
        assert not guarded.live.lockstep.partners
        assert await peer.write(START, False) == DENIED


async def test_a_connection_has_one_session(guarded, loop):
    async with guarded.client("operator") as peer:
        token, nonce = peer.protocol.authentication_token, peer.client._server_nonce
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await peer.client.create_session()
        assert name_of(refused.value.code) == "BadTooManySessions"
        peer.client.uaclient.session.restore_authentication_token(token)
        peer.client._server_nonce = nonce
        assert await peer.read("Time.State") == "paused"


# --- audit ------------------------------------------------------------------------------------------------


async def test_the_ledger_has_logins_writes_and_calls(guarded, loop):
    audit = guarded.server.security.audit
    audit.flush()
    path = guarded.folder / "audit.jsonl"
    before = len(path.read_text().splitlines())
    await refusal(guarded.client("operator", "wrong password"))
    async with guarded.client("operator") as peer:
        await peer.write(MOISTURE, 3.5)
        await peer.write(GROSS, 1.0)
        await peer.call("Faults.Inject", "trip", "Line1.Mixer", float("nan"), 0.0, 0.0)
        await peer.call("Run.PlaceOrder", "C30", 6.0, "yard")
    await until(lambda: not guarded.server.sessions._by_token)
    audit.flush()
    rows = [json.loads(line) for line in path.read_text().splitlines()[before:]]
    seen = [(r["kind"], r.get("user", ""), r.get("name", ""), r.get("value"), r.get("status")) for r in rows]
    assert [s for s in seen if s[0] == "login"] == [
        ("login", "", "operator", None, "BadUserAccessDenied"), ("login", "operator", seen[1][2], None, "Good"),
    ]  # fmt: skip
    assert ("write", "operator", [MOISTURE], [3.5], "Good") in seen
    assert ("write", "operator", [GROSS], [1.0], "BadNotWritable") in seen
    assert ("call", "operator", "Faults.Inject", ["trip", "Line1.Mixer", "nan", 0.0, 0.0], "BadUserAccessDenied") in seen
    assert ("call", "operator", "Run.PlaceOrder", ["C30", 6.0, "yard"], "Good") in seen
    assert seen[-1][:2] == ("logout", "operator")
    assert {r.get("peer") for r in rows if r["kind"] in ("login", "write", "call")} == {"127.0.0.1"}
    assert PASSWORD not in path.read_text() and "wrong password" not in path.read_text()


async def test_the_ledger_has_refused_certificates_and_broken_channels(guarded, loop, stranger):
    audit = guarded.server.security.audit
    audit.flush()
    path = guarded.folder / "audit.jsonl"
    before = len(path.read_text().splitlines())
    await refusal(guarded.client("operator", own=stranger))
    _, writer = await asyncio.open_connection("127.0.0.1", int(guarded.url.rsplit(":", 1)[1]))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await until(lambda: not guarded.server._connections)
    writer.close()
    audit.flush()
    seen = {(r["kind"], r.get("status")) for r in map(json.loads, path.read_text().splitlines()[before:])}
    assert {("certificate", "BadCertificateUntrusted"), ("channel", "BadTcpMessageTypeInvalid")} <= seen


# --- channels that last -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.Sign, Mode.SignAndEncrypt], ids=["Sign", "SignAndEncrypt"])
async def test_a_channel_is_renewed_again_and_again(guarded, loop, monkeypatch, mode):
    monkeypatch.setattr(channel, "LIFETIME_MIN_MS", 100)
    async with guarded.client("operator", mode=mode) as peer:
        await quietly(peer.client._cancel_task(peer.client._renew_channel_task))
        peer.client.secure_channel_timeout = 100  # from here on the client renews every 75 ms
        await peer.client.open_secure_channel(renew=True)
        peer.client._renew_channel_task = None
        peer.client._start_renew_loop()
        await peer.subscribe(GROSS)
        tokens, value, ends = set(), 0.0, loop.time() + WAIT_S
        while len(tokens) < 6:
            assert loop.time() < ends
            value += 1.0
            guarded.show(Line1__Weigher__Cement__Gross=value)
            assert (await peer.publish()).data[-1] == (0, value)
            assert await peer.read(GROSS) == value
            tokens.add(peer.protocol._connection.security_token.TokenId)


async def test_a_renewed_channel_takes_the_old_token_until_the_new_one_is_used(guarded, loop):
    async with guarded.client("operator") as peer:
        before = peer.protocol._connection.security_token.TokenId
        await peer.client.open_secure_channel(renew=True)
        keep, peer.protocol.revolve_security_token = peer.protocol.revolve_security_token, lambda: None
        assert await peer.read("Time.State") == "paused"
        assert peer.protocol._connection.security_token.TokenId == before
        peer.protocol.revolve_security_token = keep
        assert await peer.read("Time.State") == "paused"
        assert peer.protocol._connection.security_token.TokenId == before + 1


@pytest.mark.parametrize("what", ["replayed", "skipped", "changed"])
@pytest.mark.parametrize("mode", [Mode.Sign, Mode.SignAndEncrypt], ids=["Sign", "SignAndEncrypt"])
async def test_what_is_not_next_or_not_genuine_ends_the_connection(guarded, loop, what, mode):
    async with guarded.client("operator", mode=mode) as peer, guarded.client("operator") as other:
        sent, write = [], peer.protocol.transport.write
        peer.protocol.transport = Tap(peer.protocol.transport, sent)
        await peer.read("Time.State")
        if what == "replayed":
            write(sent[-1])
        elif what == "changed":
            peer.protocol.transport.change = True
        else:
            peer.protocol._connection._sequence_number += 3
        answer = await peer.send("Read", NodesToRead=[ua.ReadValueId(here("Time.State"), 13)])
        assert answer == "BadSecurityChecksFailed"
        await until(lambda: len(guarded.server._connections) == 1)
        assert await other.read("Time.State") == "paused"


class Tap:
    """A transport that notes what is sent, and can change a bit of it."""

    def __init__(self, transport, sent):
        self._transport, self._sent, self.change = transport, sent, False

    def write(self, data):
        self._sent.append(data)
        self._transport.write(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:] if self.change else data)

    def __getattr__(self, name):
        return getattr(self._transport, name)


# --- sessions and connections -----------------------------------------------------------------------------


async def test_a_session_cannot_be_taken_from_another_connection(guarded, loop, stranger):
    async with guarded.client("instructor") as victim, guarded.client("operator") as thief:
        stolen = victim.protocol.authentication_token
        own, thief.protocol.authentication_token = thief.protocol.authentication_token, stolen
        assert await thief.send("Read", NodesToRead=[ua.ReadValueId(here("Time.State"), 13)]) == "BadSessionIdInvalid"
        assert await thief.send("CloseSession") == "BadSessionIdInvalid"
        thief.client.uaclient.session.restore_authentication_token(stolen)
        with pytest.raises(ua.UaStatusCodeError) as refused:  # the victim's last nonce is not known
            await thief.client.activate_session("operator", PASSWORD)
        assert name_of(refused.value.code) == "BadApplicationSignatureInvalid"
        thief.client._server_nonce = victim.client._server_nonce  # and if it were: another user
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await thief.client.activate_session("operator", PASSWORD)
        assert name_of(refused.value.code) == "BadIdentityTokenRejected"
        thief.protocol.authentication_token = own
        assert await victim.read("Time.State") == "paused"
    guarded.server.security.trust.trust(stranger.certificate)
    async with guarded.client("instructor") as victim, guarded.client("instructor", own=stranger) as thief:  # or another application
        thief.client.uaclient.session.restore_authentication_token(victim.protocol.authentication_token)
        thief.client._server_nonce = victim.client._server_nonce
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await thief.client.activate_session("instructor", PASSWORD)
        assert name_of(refused.value.code) == "BadSecurityChecksFailed"


async def cut(plant, peer):
    """Let the network fail."""
    peer.protocol.transport.abort()
    await until(lambda: not plant.server._connections, "the server does not notice")


async def come_back(peer):
    """The client connects again and goes on with its session."""
    await peer.client.connect_socket()
    await peer.client.send_hello()
    await peer.client.open_secure_channel()
    peer.client.uaclient.session.rebind_authentication_token()
    await peer.client._activate_with_credentials()


async def test_after_a_cut_the_session_goes_on_with_what_was_missed(guarded, loop):
    guarded.show(Line1__Weigher__Cement__Gross=0.0)
    async with guarded.client("operator") as peer:
        subscription = await peer.subscribe(GROSS, queue=10)
        first = await peer.publish()
        waiting = asyncio.ensure_future(peer.publish())
        await cut(guarded, peer)
        await asyncio.gather(waiting, return_exceptions=True)
        for value in (1.0, 2.0, 3.0):
            guarded.show(Line1__Weigher__Cement__Gross=value)
        await come_back(peer)
        again = await peer.send("Republish", SubscriptionId=subscription, RetransmitSequenceNumber=first.sequence)
        assert again.NotificationMessage.SequenceNumber == first.sequence
        missed = await peer.publish((subscription, first.sequence))
        assert (missed.sequence, missed.results, missed.data) == (first.sequence + 1, ["Good"], [(0, 1.0), (0, 2.0), (0, 3.0)])
        assert await peer.write(MOISTURE, 3.0) == "Good"


async def test_a_message_that_was_lost_with_the_connection_can_be_had_again(guarded, loop):
    guarded.show(Line1__Weigher__Cement__Gross=0.0)
    async with guarded.client("operator") as peer:
        subscription = await peer.subscribe(GROSS, queue=10)
        await peer.publish()
        waiting = asyncio.ensure_future(peer.publish())
        await peer.read("Time.State")  # the publish request is there
        peer.protocol.transport.pause_reading()
        guarded.show(Line1__Weigher__Cement__Gross=7.0)
        await until(lambda: len(guarded.server.subscriptions._subscriptions[subscription].sent) == 2)  # it is on its way
        await cut(guarded, peer)
        await asyncio.gather(waiting, return_exceptions=True)
        await come_back(peer)
        again = await peer.send("Republish", SubscriptionId=subscription, RetransmitSequenceNumber=2)
        assert [i.Value.Value.Value for i in again.NotificationMessage.NotificationData[0].MonitoredItems] == [7.0]


async def test_a_session_that_goes_on_elsewhere_leaves_its_old_connection(guarded, loop):
    async with guarded.client("operator") as peer, guarded.client("operator") as other:
        subscription = await peer.subscribe(GROSS)
        await peer.publish()
        other.client.uaclient.session.restore_authentication_token(peer.protocol.authentication_token)
        other.client._server_nonce = peer.client._server_nonce
        await other.client.activate_session("operator", PASSWORD)
        await until(lambda: peer.protocol is None or peer.protocol.is_closed, "the old connection stays")
        guarded.show(Line1__Weigher__Cement__Gross=7.0)
        assert (await other.publish((subscription, 1))).data == [(0, 7.0)]


async def test_a_session_whose_client_does_not_come_back_ends(guarded, loop):
    async with guarded.client("operator") as peer:
        await peer.subscribe(GROSS)
        await cut(guarded, peer)
        (session,) = guarded.server.sessions
        session.last -= session.timeout_s + 1.0
        await until(lambda: not len(guarded.server.sessions), "it never ends")
        assert not guarded.server.subscriptions.rows()
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await come_back(peer)
        assert name_of(refused.value.code) == "BadSessionIdInvalid"


@pytest.mark.parametrize(
    ("asked", "given"), [(0.0, 600_000.0), (1.0, 5_000.0), (float("nan"), 600_000.0), (1e12, 600_000.0), (30_000.0, 30_000.0)]
)
async def test_session_timeouts_are_bounded(plant, loop, asked, given):
    client = Client(plant.url, timeout=WAIT_S)
    client.session_timeout = asked
    await client.connect()
    assert client.session_timeout == given
    await client.disconnect()


async def test_sessions_are_bounded(plant, loop, monkeypatch):
    monkeypatch.setattr(plant.server.sessions, "_limits", dataclasses.replace(plant.server.limits, sessions=2))
    async with plant.client(), plant.client():
        assert await refusal(plant.client()) == "BadTooManySessions"
    async with plant.client() as peer:
        assert await peer.read("Time.State") == "paused"


async def test_our_own_tools_log_in(guarded, loop, monkeypatch):
    """`batchtwin control` and the others connect by `opcua_server.clients.client`."""
    monkeypatch.setenv("BATCHTWIN_STATE", str(guarded.folder.parent / "none"))
    monkeypatch.setattr("opcua_server.access.state.state_folder", lambda: guarded.folder)
    own_certificate(guarded.folder, "urn:batchtwin:client", ["localhost"], "bridge")
    async with connected(guarded.url, Login("controller", PASSWORD)) as client:
        twin = await Twin.of(client)
        assert await twin.read("Time.State") == ["paused"]
        with pytest.raises(BatchtwinError, match="BadUserAccessDenied.*controller lacks the right 'time'"):
            await twin.call("Time.Start")
    with pytest.raises(BatchtwinError, match="BadUserAccessDenied"):
        async with connected(guarded.url, Login("controller", "wrong password")):
            pass
    with pytest.raises(BatchtwinError, match="BadSecurityPolicyRejected"):
        async with connected(guarded.url):
            pass


# --- requests that were seen before -----------------------------------------------------------------------

STILL = "Line1.Weigher.Cement.OverTolerance"  # stays as it is: requests are told apart by how they begin
OUTPUTS = (DOOR, "Line1.Weigher.Cement.Phase", "Line1.Station.Heartbeat", "Line1.Mixer.Run")
KINDS = (ua.VariantType.Double, ua.VariantType.UInt32, ua.VariantType.Int32, ua.VariantType.Boolean)


async def write_all(peer, *values):
    """One request with a value for each of the outputs above; StatusCodes by name."""
    pairs = [(STILL, False, ua.VariantType.Boolean), *zip(OUTPUTS, values, KINDS, strict=True)]
    writes = [ua.WriteValue(here(n), ua.AttributeIds.Value, None, ua.DataValue(ua.Variant(v, k))) for n, v, k in pairs]
    return [name_of(r) for r in (await peer.send("Write", NodesToWrite=writes)).Results][1:]


@pytest.fixture
def shortened(guarded, monkeypatch):
    """Whether each write request went the short way."""
    short, answer = [], guarded.server.services.fast_write.answer

    def noting(body, session):
        found = answer(body, session)
        short.append(found is not None)
        return found

    monkeypatch.setattr(guarded.server.services.fast_write, "answer", noting)
    return short


async def test_a_write_like_one_before_is_checked_like_the_first(guarded, loop, shortened):
    good = [GOOD] * 4
    async with guarded.client("controller") as peer, guarded.client("operator") as other, guarded.client("observer") as third:
        for i in range(4):
            assert await write_all(peer, float(i), i, i, bool(i % 2)) == good
            assert [await peer.read(n) for n in OUTPUTS] == [float(i), i, i, bool(i % 2)]
            await guarded.live.step(1)
            assert [guarded.live.sim.image[n] for n in OUTPUTS] == [float(i), i, i, bool(i % 2)]
        assert shortened[-1]
        outside = "BadOutOfRange"
        assert await write_all(peer, math.nan, 5, 5, True) == [outside, GOOD, GOOD, GOOD]
        assert await write_all(peer, 100.5, 10, -1, True) == [outside, outside, outside, GOOD]
        assert [await peer.read(n) for n in OUTPUTS] == [3.0, 5, 5, True]
        assert await write_all(other, 1.0, 1, 1, False) == await write_all(third, 1.0, 1, 1, False) == [DENIED] * 4
        assert [await peer.read(n) for n in OUTPUTS] == [3.0, 5, 5, True]
        assert await write_all(peer, 4.0, 4, 4, False) == good and shortened[-1]
        await peer.client.activate_session("observer", PASSWORD)
        assert await write_all(peer, 1.0, 1, 1, True) == [DENIED] * 4
        await peer.client.activate_session("controller", PASSWORD)
        guarded.live.sim.end_tick = guarded.live.tick + 10
        await guarded.live.step(5)
        assert await write_all(peer, 1.0, 1, 1, True) == ["BadInvalidState"] * 4


async def test_a_write_like_one_before_is_in_the_ledger(guarded, loop, shortened):
    audit, path = guarded.server.security.audit, guarded.folder / "audit.jsonl"
    audit.flush()
    before = len(path.read_text().splitlines())
    async with guarded.client("controller") as peer:
        for i in range(5):
            await write_all(peer, float(i), i, i, bool(i % 2))
        assert shortened[-1]
        audit.flush()
    rows = [json.loads(line) for line in path.read_text().splitlines()[before:]]
    last = {}
    for r in rows:
        if r["kind"] == "write":
            names, values = (v if isinstance(v, list) else [v] for v in (r["name"], r["value"]))
            last |= dict(zip(names, values, strict=True))
            assert r["user"] == "controller" and r["status"] == GOOD
    assert [last[n] for n in OUTPUTS] == [4.0, 4, 4, False]
