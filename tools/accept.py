"""The whole suite of acceptance cases over OPC UA: a served plant, the reference controller as a client, and `accept` as three processes.

    python tools/accept.py                     # every packaged case
    python tools/accept.py hold storm          # some; names, files or folders

Runs, logs of server and controller, JUnit XML, page and JSON are left in `runs/acceptance-N`. Leaves with the exit code of `accept`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TWIN = [sys.executable, "-m", "batchtwin"]
ENV = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def new_folder() -> Path:
    """The next `runs/acceptance-N`."""
    for n in count(1):
        folder = Path("runs", f"acceptance-{n}").resolve()
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise AssertionError


def endpoint_of(server: subprocess.Popen[str]) -> str:
    """Where a server listens, once it does."""
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.match(r"opc\.tcp://\S+", line)
    if not found:
        sys.exit(f"the plant is not served: {line or 'see server.log'}")
    return found[0]


def main(suite: list[str]) -> int:
    """Play a suite; returns the exit code of `accept`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no process is left behind
    folder, began = new_folder(), time.monotonic()
    own = [name for name in suite if Path(name).is_dir()]
    options = ["--insecure", "--speed", "lockstep", "--paused", "--no-record", "--endpoint", "opc.tcp://127.0.0.1:0"]
    for cases in own[:1]:
        options += ["--cases", str(Path(cases).resolve())]
    names = [str(Path(name).resolve()) if Path(name).exists() else name for name in suite] or ["standard"]
    with (folder / "server.log").open("w") as told, (folder / "controller.log").open("w") as heard:
        server = subprocess.Popen(
            [*TWIN, "serve", "working-day", *options], cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=told, text=True
        )
        controller = None
        try:
            url = endpoint_of(server)
            controller = subprocess.Popen([*TWIN, "control", "--endpoint", url], cwd=folder, env=ENV, stdout=heard, stderr=heard)
            files = ["--junit", "verdict.xml", "--html", "verdict.html", "--json"]
            with (folder / "verdict.json").open("w", encoding="utf-8") as verdict:
                code = subprocess.run([*TWIN, "accept", *names, "--endpoint", url, *files], cwd=folder, env=ENV, stdout=verdict).returncode
        finally:
            for process in (controller, server):
                if process is not None:
                    process.kill()
                    process.wait()
    print(f"{'every case passed' if code == 0 else 'NOT every case passed'} in {time.monotonic() - began:.0f} s; {folder}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
