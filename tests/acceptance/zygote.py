"""Commands as new processes that begin with everything imported: one process imports it once and forks for each command.

A command line started from nothing spends two seconds on imports and on loading compiled kernels; a suite starts hundreds. What
is tested about starting itself is started from nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

FORKS = """
import json, os, sys, traceback
import batchtwin.accepting, batchtwin.serving
from batchtwin.cli import main
from opcua_server import scenarios, serve
from opcua_server.address.nodes import Nodes
from scenarios.simulation import Simulation

Nodes()
for fidelity in ("scan", "batch"):
    Simulation("working-day", until_s=1, fidelity=fidelity).run()
for line in sys.stdin:
    asked = json.loads(line)
    pid = os.fork()
    if not pid:
        code = 70
        try:
            os.chdir(asked["folder"])
            os.environ.clear()
            os.environ.update(asked["env"])
            for fd, path in ((1, asked["out"]), (2, asked["err"])):
                os.dup2(os.open(path, os.O_WRONLY), fd)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["batchtwin", *asked["words"]]
            code = main()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@cache
def _forks(environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FORKS], env=json.loads(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def batchtwin(folder: Path, *words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, as `subprocess.run` with captured text would."""
    base = {name: value for name, value in env.items() if name not in ("LANG", "LC_ALL", "LC_MESSAGES")} | {"LANG": "C.UTF-8"}
    own = ("PYTEST_", "BATCHTWIN_")  # of one test or one command: the process that imports is the same for all
    server = _forks(json.dumps({k: base[k] for k in sorted(base) if not k.startswith(own)}))
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as said:
        out, err = Path(said, "out"), Path(said, "err")
        out.touch()
        err.touch()
        server.stdin.write(
            json.dumps({"folder": os.fspath(folder), "words": words, "env": env, "out": os.fspath(out), "err": os.fspath(err)}) + "\n"
        )
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(["batchtwin", *words], code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))
