"""Objects that are deleted or replaced while a reconcile works on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import LocalCluster
from tests.support.audit import Audit, now
from tests.support.distributions import plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

NAME = "compute-slow"


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file where the validator notes the start and the end of each validation."""
    return tmp_path_factory.mktemp("diary") / "judged"


@pytest.fixture(scope="module")
def standing(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, diary: Path
) -> Iterator[Standing]:
    slow = plugin_distribution(
        "slow",
        config=f"""
        word: str = ""
        def model_post_init(self, context):
            import pathlib, time
            for what in ("judges", "judged"):
                with pathlib.Path({str(diary)!r}).open("a") as diary:
                    diary.write(f"{{what}} {{self.word}}\\n")
                time.sleep(1.5 if self.word.startswith("slow") and what == "judges" else 0)
        """,
    )
    with standing_operator(cluster, tmp_path_factory.mktemp("deletion"), slow) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing, diary: Path) -> FloePlugins:
    plugins = standing.reset()
    plugins.until(NAME, "Ready", "Ready")
    diary.write_text("")
    return plugins


def _until(diary: Path, line: str) -> None:
    eventually(lambda: line in diary.read_text().splitlines(), every=0.01)


def _uid(plugins: FloePlugins) -> str:
    found = plugins.get(NAME)
    assert found is not None
    return str(found["metadata"]["uid"])


def test_an_object_whose_deletion_begins_while_it_is_assessed_is_no_longer_written(
    plugins: FloePlugins, diary: Path, audit: Audit, standing: Standing
) -> None:
    metadata = {"finalizers": ["floe.dev/held-by-a-test"]}
    plugins.merge(NAME, {"metadata": metadata, "spec": {"config": {"word": "slow"}}})
    _until(diary, "judges slow")
    uid, deleted = _uid(plugins), now()
    plugins.delete(NAME)
    _until(diary, "judged slow")
    lists = _lists(audit, plugins, deleted)
    eventually(lambda: _lists(audit, plugins, deleted) >= lists + 2, saying="two scans pass")
    assert audit.writes(namespace=plugins.namespace, since=deleted) == []
    plugins.merge(NAME, {"metadata": {"finalizers": None}})
    eventually(lambda: plugins.get(NAME) is not None and _uid(plugins) != uid)
    plugins.until(NAME, "Ready", "Ready")
    assert "config" not in (plugins.get(NAME) or {})["spec"]


def test_an_object_that_is_replaced_while_it_is_assessed_gets_the_status_of_its_successor(
    plugins: FloePlugins, diary: Path
) -> None:
    plugins.merge(NAME, {"spec": {"config": {"word": "slow first"}}})
    _until(diary, "judges slow first")
    first = _uid(plugins)
    plugins.delete(NAME)
    plugins.apply("compute", "slow", config={"word": 7}, force=True)
    plugins.until(NAME, "ConfigValid", "ValidationFailed")
    _until(diary, "judged slow first")
    assert _uid(plugins) != first
    plugins.until(NAME, "Ready", "ValidationFailed")


def _lists(audit: Audit, plugins: FloePlugins, since: float) -> int:
    return len(audit.requests(namespace=plugins.namespace, since=since, verb="list"))
