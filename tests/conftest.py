"""What every test relies on: closed sockets. And one small audit that many tests look at."""

import itertools
import os
import socket

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from farsighted.signals import registry

# Doctests are looked for in every file: an oracle that is imported twice would register its selectors twice.
collect_ignore_glob = ["oracles/*"]

# A busy machine draws examples slowly: that is no finding about the code under test.
settings.register_profile("farsighted", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("farsighted")


@pytest.fixture(autouse=True, scope="session")
def closed_sockets():
    """No test reaches the network: connecting is an error that names the address; a test's own server is no network."""
    connect = socket.socket.connect

    def refuse(self, address):
        if isinstance(address, tuple) and address[0] == "127.0.0.1":
            return connect(self, address)
        raise AssertionError(f"A test must not connect to anything, but tried to reach {address!r}.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        yield


_caches = itertools.count()


@pytest.fixture(autouse=True, scope="session")
def no_users_cache(tmp_path_factory):
    """No test reads or writes what a user keeps between commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FARSIGHTED_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def own_cache(no_users_cache, monkeypatch, tmp_path_factory):
    """No test finds what another one kept."""
    monkeypatch.setenv("FARSIGHTED_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{next(_caches)}"))


@pytest.fixture(scope="session")
def micro(tmp_path_factory):
    """All seven selectors and two of a user's own, audited once by the command line; to be read only."""
    # Tests of the inner folders start without the outer ones.
    from oracles.micro import run_micro_audit

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "micro.lock"):
        return run_micro_audit(shared / "micro")


@pytest.fixture
def signal_table():
    """The table of signals; what a test registers is gone after it."""
    before = dict(registry._TABLE)
    yield registry._TABLE
    registry._TABLE.clear()
    registry._TABLE.update(before)
