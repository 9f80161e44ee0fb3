"""spec.probe on a real API server: when a plugin starts, is checked, restarts and stops."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import LocalCluster
from tests.support.audit import Audit, now
from tests.support.diarist import calls, diarist, tell
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

FAST = {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3}


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where the plugins note which hooks are called, and read what to do."""
    return tmp_path_factory.mktemp("diary")


@pytest.fixture(scope="module")
def standing(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, diary: Path
) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("probes")
    with standing_operator(
        cluster, folder, *(diarist(name, diary) for name in ("one", "two", "three"))
    ) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing, diary: Path) -> FloePlugins:
    plugins = standing.reset()
    eventually(lambda: not _running(diary), saying="the plugins of the previous test stop")
    for file in diary.iterdir():
        file.unlink()
    return plugins


def _running(diary: Path) -> set[str]:
    """Return the plugins that were started in a host that is alive, and not stopped since."""
    running = set()
    for file in diary.glob("*.log"):
        for line in file.read_text().splitlines():
            word, _, pid = line.rpartition(" ")
            if word.startswith("started") and Path(f"/proc/{pid}").exists():
                running.add(file.stem)
            elif word == "shutdown":
                running.discard(file.stem)
    return running


def _called(diary: Path, name: str = "one") -> list[str]:
    return [what for what, _ in calls(diary, name)]


def test_without_a_probe_a_plugin_is_never_constructed(plugins: FloePlugins, diary: Path) -> None:
    plugins.merge("compute-one", {"spec": {"config": {"word": "x"}}})
    plugins.until("compute-one", "Ready", "Ready")
    assert _called(diary) == []


def test_a_probed_plugin_starts_once_is_checked_repeatedly_and_stops_with_the_probe(
    plugins: FloePlugins, diary: Path
) -> None:
    plugins.merge("compute-one", {"spec": {"probe": FAST, "config": {"word": "first"}}})
    plugins.until("compute-one", "Ready", "Ready")
    eventually(lambda: _called(diary).count("checked") >= 3)
    assert _called(diary).count("startup") == 1
    assert "started first" in _called(diary)
    plugins.merge("compute-one", {"spec": {"probe": None}})
    eventually(lambda: "shutdown" in _called(diary))
    eventually(lambda: "Healthy" not in _conditions(plugins, "compute-one"))
    plugins.until("compute-one", "Ready", "Ready")


def test_a_probed_plugin_stops_with_its_object(plugins: FloePlugins, diary: Path) -> None:
    plugins.merge("compute-one", {"spec": {"probe": FAST}})
    plugins.until("compute-one", "Ready", "Ready")
    plugins.delete("compute-one")
    eventually(lambda: "shutdown" in _called(diary))


def test_a_changed_effective_config_restarts_a_plugin_and_an_unchanged_one_does_not(
    plugins: FloePlugins, diary: Path
) -> None:
    source = {"configMapKeyRef": {"name": "words", "key": "word"}, "path": "word"}
    plugins.config_map("words", word="first", other="a")
    plugins.merge("compute-one", {"spec": {"probe": FAST, "configFrom": [source]}})
    plugins.until("compute-one", "Ready", "Ready")
    plugins.config_map("words", word="first", other="b")
    plugins.merge("compute-one", {"metadata": {"labels": {"some": "label"}}})
    checks = _called(diary).count("checked")
    eventually(lambda: _called(diary).count("checked") >= checks + 2)
    assert _called(diary).count("startup") == 1
    plugins.config_map("words", word="second", other="b")
    eventually(lambda: "started second" in _called(diary))
    calls = [call for call in _called(diary) if not call.startswith("check")]
    assert calls == ["startup", "started first", "shutdown", "startup", "started second"]


def test_readiness_changes_at_the_failure_threshold_and_not_before(
    plugins: FloePlugins, diary: Path, audit: Audit
) -> None:
    plugins.merge("compute-one", {"spec": {"probe": FAST}})
    plugins.until("compute-one", "Ready", "Ready")
    since = now()
    tell(diary, "check", "unhealthy")
    checks = _called(diary).count("checked")
    eventually(lambda: _called(diary).count("checked") >= checks + 2)
    assert plugins.condition("compute-one", "Ready")[0] == "True"
    assert not audit.writes(namespace=plugins.namespace, since=since)
    _, _, message = plugins.until("compute-one", "Ready", "Unhealthy")
    assert "told unhealthy" in message
    tell(diary, "check", "degraded")
    plugins.until("compute-one", "Healthy", "Degraded")
    plugins.until("compute-one", "Ready", "Ready")


def test_a_steady_failure_is_written_once(plugins: FloePlugins, diary: Path, audit: Audit) -> None:
    tell(diary, "check", "raise")
    plugins.merge("compute-one", {"spec": {"probe": {**FAST, "failureThreshold": 1}}})
    _, _, message = plugins.until("compute-one", "Ready", "Unhealthy")
    assert "told to raise" in message
    since, checks = now(), _called(diary).count("check")
    eventually(lambda: _called(diary).count("check") >= checks + 4)
    assert not audit.writes(namespace=plugins.namespace, since=since)


@pytest.mark.parametrize(
    ("does", "reason", "said"),
    [
        ("count degraded", "Degraded", "told degraded"),
        ("count unhealthy", "Unhealthy", "told unhealthy"),
        ("count raise", "Unhealthy", "told to raise"),
    ],
)
def test_a_message_that_changes_with_every_check_is_not_written_every_time(
    plugins: FloePlugins, diary: Path, audit: Audit, does: str, reason: str, said: str
) -> None:
    plugins.merge("compute-one", {"spec": {"probe": {**FAST, "failureThreshold": 1}}})
    plugins.until("compute-one", "Ready", "Ready")
    since, checks = now(), _called(diary).count("check")
    tell(diary, "check", does)
    _, _, first = plugins.until("compute-one", "Healthy", reason)
    assert said in first
    eventually(lambda: _called(diary).count("check") >= checks + 12)
    # The state, and the first change of words.
    assert audit.writes(namespace=plugins.namespace, since=since) == [("patch", "compute-one/status")] * 2
    _, _, present = plugins.condition("compute-one", "Healthy")
    assert said in present
    assert present != first
    # A change of the object, whose status is written anyway, shows the newest words.
    plugins.merge("compute-one", {"spec": {"probe": {"timeoutSeconds": 2}}})

    def newest_words() -> bool:
        found = plugins.get("compute-one")
        assert found is not None
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
        return plugins.condition("compute-one", "Healthy")[2] not in (first, present)

    eventually(newest_words)
    tell(diary, "check", "")
    plugins.until("compute-one", "Healthy", "Healthy")


def test_a_cause_that_changes_with_every_start_is_not_written_every_time(
    plugins: FloePlugins, diary: Path, audit: Audit
) -> None:
    tell(diary, "startup", "count raise")
    plugins.merge("compute-one", {"spec": {"probe": FAST}})
    plugins.until("compute-one", "Ready", "StartupFailed")
    since, starts = now(), _called(diary).count("startup")
    eventually(lambda: _called(diary).count("startup") >= starts + 3)
    assert len(audit.writes(namespace=plugins.namespace, since=since)) <= 1


def test_a_hanging_check_is_not_repeated_and_affects_only_its_own_plugin(
    plugins: FloePlugins, diary: Path
) -> None:
    for name in ("one", "two"):
        plugins.merge(f"compute-{name}", {"spec": {"probe": FAST}})
        plugins.until(f"compute-{name}", "Ready", "Ready")
    tell(diary, "check", "hang")
    plugins.until("compute-one", "Ready", "Unhealthy")
    checks = _called(diary, "two").count("checked")
    eventually(lambda: _called(diary, "two").count("checked") >= checks + 3)
    assert plugins.condition("compute-two", "Ready")[0] == "True"
    calls = Counter(_called(diary))
    assert calls["check"] - calls["checked"] == 1


@pytest.mark.parametrize(("what", "words"), [("raise", "told to raise"), ("crash", "")])
def test_a_startup_that_fails_is_tried_again_and_the_others_keep_running(
    plugins: FloePlugins, diary: Path, what: str, words: str
) -> None:
    plugins.merge("compute-two", {"spec": {"probe": FAST}})
    plugins.until("compute-two", "Ready", "Ready")
    tell(diary, "startup", what)
    plugins.merge("compute-one", {"spec": {"probe": FAST}})
    _, _, message = plugins.until("compute-one", "Ready", "StartupFailed")
    assert words in message
    eventually(lambda: _called(diary).count("startup") >= 2)
    tell(diary, "startup", "")
    plugins.until("compute-one", "Ready", "Ready", within=60)
    assert plugins.condition("compute-two", "Ready")[0] == "True"


def test_a_crash_of_a_running_plugin_is_reported_and_the_others_are_started_again(
    plugins: FloePlugins, diary: Path
) -> None:
    for name in ("one", "two", "three"):
        plugins.merge(f"compute-{name}", {"spec": {"probe": FAST}})
        plugins.until(f"compute-{name}", "Ready", "Ready")
    tell(diary, "check", "crash")
    plugins.until("compute-one", "Ready", "CrashedWhileRunning")
    for name in ("two", "three"):
        plugins.until(f"compute-{name}", "Ready", "Ready")
        checks = _called(diary, name).count("checked")
        eventually(lambda name=name, checks=checks: _called(diary, name).count("checked") >= checks + 2)  # type: ignore[misc]
    tell(diary, "check", "")
    plugins.until("compute-one", "Ready", "Ready", within=60)


def test_the_operator_ends_in_time_even_if_the_shutdown_of_a_plugin_hangs(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    diary.mkdir()
    with standing_operator(cluster, tmp_path, diarist("one", diary), diarist("two", diary)) as standing:
        for name in ("one", "two"):
            standing.plugins.merge(f"compute-{name}", {"spec": {"probe": FAST}})
            standing.plugins.until(f"compute-{name}", "Ready", "Ready")
        tell(diary, "shutdown", "hang")
        started = time.monotonic()
        assert standing.operator.stop(within=40) == 0
        assert time.monotonic() - started < 30
    assert "shutdown" in _called(diary, "two")


def test_a_changed_config_keeps_ready_until_its_first_check(plugins: FloePlugins, diary: Path) -> None:
    plugins.merge("compute-one", {"spec": {"probe": FAST}})
    plugins.until("compute-one", "Ready", "Ready")
    tell(diary, "startup", "sleep 1.5")
    changed = plugins.merge("compute-one", {"spec": {"config": {"word": "second"}}})
    generation = changed["metadata"]["generation"]

    def between() -> bool:
        found = plugins.get("compute-one")
        assert found is not None
        conditions = _conditions(plugins, "compute-one")
        assert "Reconciling" in conditions, json.dumps(found["status"])
        assert conditions["Ready"] == "True"
        assert found["status"]["observedGeneration"] == generation - 1
        return True

    eventually(between)
    plugins.until("compute-one", "Ready", "Ready")
    assert "Reconciling" not in _conditions(plugins, "compute-one")


def _conditions(plugins: FloePlugins, name: str) -> dict[str, str]:
    found = plugins.get(name)
    assert found is not None
    return {one["type"]: one["status"] for one in found["status"].get("conditions", ())}
