"""Plugin hosts die at bad moments; every object ends as in a calm run, and nothing happens twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import LocalCluster
from tests.support.audit import Audit, now
from tests.support.diarist import calls, diarist, tell
from tests.support.operator import FloePlugins, ready_reason
from tests.support.polling import eventually
from tests.support.processes import plugin_hosts
from tests.support.standing import Standing, standing_operator

NAMES = [f"p{number:02}" for number in range(20)]
PROBE = {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3}


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diary")


@pytest.fixture(scope="module")
def standing(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, diary: Path
) -> Iterator[Standing]:
    plugins = [diarist(name, diary, validating=0.3 if name < "p05" else 0.0) for name in NAMES]
    for name in NAMES[:10]:
        tell(diary, "check", "sleep 0.3", name)
    with standing_operator(cluster, tmp_path_factory.mktemp("hosts"), *plugins) as standing:
        for name in NAMES:
            standing.plugins.merge(f"compute-{name}", {"spec": {"probe": PROBE}})
        yield standing


def _all_ready(plugins: FloePlugins) -> bool:
    others = {
        name: reason for name, found in plugins.all().items() if (reason := ready_reason(found)) != "Ready"
    }
    assert not others, f"not Ready: {others}"
    return True


def _kill_host(standing: Standing) -> int:
    (pid,) = eventually(lambda: plugin_hosts(standing.operator.process.pid))
    os.kill(pid, signal.SIGKILL)
    return pid


def _calls(diary: Path) -> Counter[tuple[str, str, int]]:
    return Counter((name, what, pid) for name in NAMES for what, pid in calls(diary, name))


def test_after_a_host_with_twenty_started_plugins_dies_a_new_one_starts_each_of_them_once(
    standing: Standing, diary: Path, audit: Audit
) -> None:
    plugins = standing.plugins
    eventually(lambda: _all_ready(plugins), within=60)
    since = now()
    old = _kill_host(standing)

    def checked_again() -> bool:
        called = _calls(diary)
        hosts = {pid for _, _, pid in called} - {old}
        missing = [name for name in NAMES if not any(called[name, "checked", pid] for pid in hosts)]
        assert not missing, f"not checked in a new host: {missing}"
        return True

    eventually(checked_again, within=60)
    eventually(lambda: _all_ready(plugins), within=60)
    starts = {key: count for key, count in _calls(diary).items() if key[1] == "startup"}
    assert set(starts.values()) == {1}, "started twice in one host"
    crashed = [name for _, name in audit.writes(namespace=plugins.namespace, since=since)]
    # Plugins with a running check may have been blamed and then cleared: two writes. Others are untouched.
    assert all(count <= 2 for count in Counter(crashed).values())


def test_every_object_becomes_ready_even_if_a_host_dies_while_it_validates(
    standing: Standing, audit: Audit
) -> None:
    plugins = standing.plugins
    eventually(lambda: _all_ready(plugins), within=60)
    since = now()
    for name in NAMES:
        plugins.merge(f"compute-{name}", {"spec": {"config": {"word": "new"}, "probe": None}})
    _kill_host(standing)
    eventually(lambda: _all_ready(plugins), within=60)
    for name in NAMES:
        found = plugins.get(f"compute-{name}")
        assert found is not None
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    writes = Counter(name for _, name in audit.writes(namespace=plugins.namespace, since=since))
    assert all(count <= 2 for count in writes.values()), writes


def test_a_new_operator_completes_the_work_of_a_killed_one(
    standing: Standing,
) -> None:
    plugins = standing.plugins
    for name in NAMES:
        plugins.merge(f"compute-{name}", {"spec": {"config": {"word": "again"}, "probe": PROBE}})
    standing.operator.kill()
    hosts = plugin_hosts(standing.operator.process.pid)
    assert not hosts
    standing.operator.start()
    eventually(lambda: _all_ready(plugins), within=60)
