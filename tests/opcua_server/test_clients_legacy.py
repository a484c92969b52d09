"""The `opcua` package, which asyncua has replaced and which is in use everywhere, against a served plant."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from served import CLIENT_URI, NAMES, PASSWORD, VALUES

CLIENT = Path(__file__).with_name("clients") / "legacy_client.py"


async def ran(**how):
    """What the client saw."""
    span = {"from": "2026-05-11T05:59:00", "to": "2026-05-11T07:00:00"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), json.dumps(how | span | {"names": NAMES, "uri": CLIENT_URI}), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()[-3000:]
    return json.loads(out)


def check(seen, *, instructor):
    """Whatever the security, the client has seen the plant, and was refused what it may not."""
    assert "Plant" in seen["objects"] and {"Line1", "Image", "Time", "Faults", "Run"} <= set(seen["plant"])
    assert seen["found"] == "ns=2;s=Line1.Weigher.Cement.Gross"
    assert seen["values"] == VALUES and [type(v) for v in seen["values"]] == [type(v) for v in VALUES]
    assert seen["unknown"] == "BadNodeIdUnknown"
    assert {"EURange", "EngineeringUnits"} <= set(seen["properties"])
    output = "Good" if instructor else "BadUserAccessDenied"
    assert seen["written"] == {
        "moisture": "Good",
        "sensor": "BadNotWritable",
        "type": "BadTypeMismatch",
        "range": "BadOutOfRange",
        "output": output,
    }
    if instructor:
        assert (seen["step"], seen["wrong"]) == ("Good", "BadInvalidArgument")
        assert seen["change"][-1] == 7.25
        assert 7.25 in seen["history"]
    else:
        assert seen["step"] == seen["wrong"] == "BadUserAccessDenied"


async def test_without_security(plant, loop, tmp_path):
    plant.record(tmp_path / "run")
    check(await ran(url=plant.url), instructor=True)


@pytest.mark.parametrize(("user", "mode"), [("instructor", "SignAndEncrypt"), ("operator", "Sign")])
async def test_with_security(guarded, loop, tmp_path, user, mode):
    guarded.record(tmp_path / "run")
    own = guarded.own()
    check(
        await ran(url=guarded.url, user=user, password=PASSWORD, certificate=str(own.certificate), key=str(own.key), mode=mode),
        instructor=user == "instructor",
    )


async def test_refused(guarded, loop):
    own = guarded.own()
    how = {"url": guarded.url, "certificate": str(own.certificate), "key": str(own.key), "mode": "SignAndEncrypt"}
    assert await ran(**how, user="operator", password="wrong password") == {"refused": "BadUserAccessDenied"}
    assert await ran(url=guarded.url) == {"refused": "BadSecurityPolicyRejected"}
