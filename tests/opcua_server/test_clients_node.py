"""node-opcua, a client of another maker in another language, against a served plant. Installed into a cache folder when first needed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from served import CLIENT_URI, NAMES, PASSWORD, VALUES

HERE = Path(__file__).with_name("clients")
DAY = "2026-05-11T"

pytestmark = pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not installed")


@pytest.fixture(scope="module")
def modules():
    """Folder of the packages that `package.json` names."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "batchtwin" if os.environ.get("XDG_CACHE_HOME") else Path.home() / ".cache" / "batchtwin"
    folder = cache / "npm" / "-".join(f"{name}-{version}" for name, version in wanted.items())
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"npm install failed:\n{done.stderr}"
        (folder / "complete").touch()
    return folder / "node_modules"


async def ran(modules, **how):
    """What the client saw."""
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "node_client.js"), json.dumps(how | {"names": NAMES, "from": f"{DAY}05:59:00Z", "to": f"{DAY}07:00:00Z"}),
        env=os.environ | {"NODE_PATH": str(modules), "NODEOPCUADEBUG": ""}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert out, err.decode()
    seen = json.loads(out.decode().splitlines()[-1])
    assert "error" not in seen, f"{seen['error']}\n{err.decode()[-2000:]}"
    return seen


def check(seen, plant, *, instructor):
    """Whatever the security, the client has seen the plant, and was refused what it may not."""
    assert seen["namespaces"][2] == "urn:batchtwin:plant"
    assert "Plant" in seen["objects"] and {"Line1", "Image", "Time", "Faults", "Run"} <= set(seen["plant"])
    assert {"Mode", "Start", "Stop", "EStop"} <= set(seen["station"]) and len(set(seen["station"])) == len(seen["station"])
    assert seen["pieces"] == -(-len(seen["station"]) // 5)
    assert seen["translated"] == ["ns=2;s=Line1.Weigher.Cement.Gross"]
    assert seen["values"] == seen["again"] == [["Good", v] for v in VALUES]
    assert seen["unknown"] == "BadNodeIdUnknown"
    assert seen["sensors"] == len([t for t in plant.live.sim.plant.table if t.direction == "sensor"])
    tag = plant.live.sim.plant.table["Line1.Weigher.Cement.Gross"]
    assert seen["range"] == pytest.approx([tag.low, tag.high], rel=1e-11)
    assert seen["product"] == "batchtwin"
    output = "Good" if instructor else "BadUserAccessDenied"
    assert seen["written"] == {
        "moisture": "Good",
        "sensor": "BadNotWritable",
        "type": "BadTypeMismatch",
        "range": "BadOutOfRange",
        "output": output,
    }
    assert seen["arguments"] == [["Scans"], ["Scan"]]
    if instructor:
        assert seen["step"] == ["Good", [[0, 10]]]  # node-opcua shows a UInt64 as high and low
        assert seen["change"][-1] == 7.25
        assert seen["wrong"][0] == "BadInvalidArgument"
        assert seen["history"][0] == "Good" and 7.25 in seen["history"][1]
    else:
        assert seen["step"][0] == seen["wrong"][0] == "BadUserAccessDenied"


async def test_without_security(plant, loop, modules, tmp_path):
    plant.record(tmp_path / "run")
    check(await ran(modules, url=plant.url, secure=False), plant, instructor=True)


@pytest.mark.parametrize(("user", "policy", "mode"), [("instructor", "Basic256Sha256", "SignAndEncrypt"), ("operator", "Aes128_Sha256_RsaOaep", "Sign"),
                                                      ("operator", "Aes256_Sha256_RsaPss", "SignAndEncrypt")])  # fmt: skip
async def test_with_security(guarded, loop, modules, tmp_path, user, policy, mode):
    guarded.record(tmp_path / "run")
    seen = await ran(modules, url=guarded.url, user=user, password=PASSWORD, policy=policy, mode=mode, **secured(guarded, tmp_path))
    check(seen, guarded, instructor=user == "instructor")


async def test_a_wrong_password_is_refused(guarded, loop, modules, tmp_path):
    how = secured(guarded, tmp_path)
    seen = await ran(
        modules, url=guarded.url, user="operator", password="wrong password", policy="Basic256Sha256", mode="SignAndEncrypt", **how
    )
    assert "BadUserAccessDenied" in seen["refused"]


def secured(plant, folder):
    """How the client protects itself: its certificate as PEM."""
    own, pem = plant.own(), folder / "client.pem"
    pem.write_bytes(x509.load_der_x509_certificate(own.der).public_bytes(serialization.Encoding.PEM))
    return {"secure": True, "certificate": str(pem), "key": str(own.key), "pki": str(folder / "pki"), "uri": CLIENT_URI}
