"""Served plants for tests with real clients. A test that is a coroutine runs on the loop of the servers, and for 30 s at most."""

from __future__ import annotations

import asyncio
import inspect
import logging

import pytest
from served import insecure_plant, secure_plant

LONGEST_S = 30.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loop = pyfuncitem.funcargs["loop"]
    loop.run_until_complete(asyncio.wait_for(pyfuncitem.obj(**arguments), LONGEST_S))
    return True


@pytest.fixture(scope="session")
def loop():
    """The loop of all servers; their time goes on only while a test runs."""
    loop = asyncio.new_event_loop()
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # what clients say of refusals, which are what is tested
    yield loop
    loop.close()


def _served(loop, plant):
    loop.run_until_complete(plant.start())
    yield plant
    loop.run_until_complete(plant.stop())


@pytest.fixture(scope="session")
def _open(loop, tmp_path_factory):
    yield from _served(loop, insecure_plant(tmp_path_factory.mktemp("open")))


@pytest.fixture(scope="session")
def _closed(loop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    folder.chmod(0o700)
    yield from _served(loop, secure_plant(folder))


@pytest.fixture
def plant(loop, _open):
    """A plant without security, as at its start; its time stands still."""
    yield _open
    loop.run_until_complete(_open.renew())


@pytest.fixture
def guarded(loop, _closed):
    """A plant with security and a user of each role, as at its start; its time stands still."""
    yield _closed
    loop.run_until_complete(_closed.renew())
