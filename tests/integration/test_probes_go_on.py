"""What restarts a probed plugin, and how often: a restart or an upgrade once, a partial scan never."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.diarist import calls, diarist
from tests.support.distributions import Environment
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.partial_scans import hidden
from tests.support.polling import eventually

FAST = {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3}


@pytest.fixture
def probed(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, tmp_path: Path
) -> OperatorProcess:
    """Start an operator for this test that probes a plugin, whose diary is in `tmp_path`."""
    environment.install(diarist("one", tmp_path), diarist("two", tmp_path))
    operator = start_operator()
    floeplugins.until("compute-one", "Ready", "Ready")
    floeplugins.merge("compute-one", {"spec": {"probe": FAST}})
    floeplugins.until("compute-one", "Ready", "Ready")
    return operator


def test_a_restart_of_the_operator_starts_a_probed_plugin_once_and_writes_nothing(
    probed: OperatorProcess,
    start_operator: StartOperator,
    floeplugins: FloePlugins,
    audit: Audit,
    tmp_path: Path,
) -> None:
    assert probed.stop() == 0
    before, since = _called(tmp_path).count("startup"), now()
    start_operator()
    checks = _called(tmp_path).count("checked")
    eventually(lambda: _called(tmp_path).count("checked") >= checks + 3)
    assert _called(tmp_path).count("startup") == before + 1
    assert audit.writes(namespace=floeplugins.namespace, since=since) == []


def test_a_partial_scan_restarts_no_probed_plugin_and_writes_nothing(
    probed: OperatorProcess,
    environment: Environment,
    floeplugins: FloePlugins,
    audit: Audit,
    tmp_path: Path,
) -> None:
    since = now()

    def rounds() -> int:
        return len(audit.requests(namespace=floeplugins.namespace, verb="list", since=since))

    with hidden(environment, "floe_compute_one"):
        eventually(lambda: probed.logged("cannot read a distribution", "floe_compute_one"))
        before = rounds()
        eventually(lambda: rounds() >= before + 2)
    before = rounds()
    eventually(lambda: rounds() >= before + 3)
    checks = _called(tmp_path).count("checked")
    eventually(lambda: _called(tmp_path).count("checked") >= checks + 2)
    assert _called(tmp_path).count("startup") == 1
    assert audit.writes(namespace=floeplugins.namespace, since=since) == []


def test_an_upgrade_restarts_a_probed_plugin_once(
    probed: OperatorProcess, environment: Environment, floeplugins: FloePlugins, tmp_path: Path
) -> None:
    one = diarist("one", tmp_path)
    slow = {path: f"import time; time.sleep(2.5)\n{source}" for path, source in one.modules.items()}
    environment.install(dataclasses.replace(one, version="0.2.0", modules=slow))

    def upgraded() -> bool:
        found = floeplugins.get("compute-one")
        assert found is not None
        assert found["status"]["distribution"]["version"] == "0.2.0"
        return True

    eventually(upgraded)
    eventually(lambda: len(_starts(tmp_path)) >= 2, saying="the new host starts it")
    checks = _called(tmp_path).count("checked")
    eventually(lambda: _called(tmp_path).count("checked") >= checks + 3)
    floeplugins.until("compute-one", "Ready", "Ready")
    assert set(_starts(tmp_path).values()) == {1}


def _starts(diary: Path) -> Counter[int]:
    """Return how often each process started the plugin."""
    return Counter(pid for what, pid in calls(diary, "one") if what == "startup")


def _called(diary: Path) -> list[str]:
    return [what for what, _ in calls(diary, "one")]
