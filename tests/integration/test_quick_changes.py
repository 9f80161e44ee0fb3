"""Changes that cross the operator's own writes: all are assessed, whatever happens to their events.

Scans cannot help: their interval is an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from tests.support.distributions import plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.standing import standing_operator

NAMES = ("compute-one", "compute-two", "compute-three")
CHANGES = 200


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where the plugin `held` notes its validations; a file `hold` there blocks them."""
    return tmp_path_factory.mktemp("diary")


@pytest.fixture(scope="module")
def plugins(
    cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory, diary: Path
) -> Iterator[FloePlugins]:
    picky = [plugin_distribution(name, config="number: int = 0") for name in ("one", "two", "three")]
    held = plugin_distribution(
        "held",
        config=f"""
        word: str = ""
        def model_post_init(self, context):
            import pathlib, time
            diary = pathlib.Path({str(diary)!r})
            (diary / self.word).touch() if self.word else None
            while (diary / "hold").exists():
                time.sleep(0.002)
        """,
    )
    with standing_operator(
        cluster, tmp_path_factory.mktemp("quick"), held, *picky, flags=("--scan-interval", "1h")
    ) as standing:
        for name in ("compute-held", *NAMES):
            standing.plugins.until(name, "Ready", "Ready")
        yield standing.plugins


@pytest.mark.parametrize("number", range(5))
def test_a_change_made_at_the_same_time_as_a_status_write_is_assessed(
    plugins: FloePlugins, diary: Path, number: int
) -> None:
    (diary / "hold").touch()
    plugins.merge("compute-held", {"spec": {"config": {"word": f"first-{number}"}}})
    eventually((diary / f"first-{number}").exists, every=0.01)
    # The status is written immediately after this, and its answer may come before this change's event.
    plugins.merge("compute-held", {"spec": {"config": {"word": f"second-{number}"}}})
    (diary / "hold").unlink()
    plugins.until("compute-held", "Ready", "Ready")
    assert (diary / f"second-{number}").exists()


def _change(plugins: FloePlugins, name: str) -> None:
    """Change the object often, each time to a new status, so that each change can cross a status write."""
    for number in range(CHANGES):
        plugins.merge(name, {"spec": {"config": {"number": number if number % 2 else f"no {number}"}}})


def test_every_object_ends_with_a_current_status_however_quickly_its_spec_changes(
    plugins: FloePlugins,
) -> None:
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(_change, plugins, name) for name in NAMES]:
            done.result()
    for name in NAMES:
        # The last number is odd, and an integer.
        plugins.until(name, "Ready", "Ready")
        found = plugins.get(name)
        assert found is not None
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"] > CHANGES


def _edited() -> dict[str, Any]:
    condition = {"type": "Ready", "status": "False", "reason": "Edited", "message": "by hand"}
    return {"status": {"conditions": [{**condition, "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}


def test_status_and_label_are_right_in_the_end_however_quickly_others_change_them(
    plugins: FloePlugins,
) -> None:
    for number in range(CHANGES // 4):
        plugins.merge("compute-one", {"metadata": {"labels": {"floe.dev/plugin-type": None}}})
        plugins.merge("compute-one", _edited(), subresource="status")
        plugins.merge("compute-one", {"spec": {"config": {"number": number}}})
        plugins.merge("compute-one", _edited(), subresource="status")

    def is_right() -> bool:
        found = plugins.get("compute-one")
        assert found is not None
        assert found["metadata"].get("labels") == {"floe.dev/plugin-type": "compute"}
        assert [one["reason"] for one in found["status"]["conditions"] if one["type"] == "Ready"] == ["Ready"]
        assert len(found["status"]["conditions"]) > 1
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
        return True

    eventually(is_right)
