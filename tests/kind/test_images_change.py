"""What happens to objects if the operator's image is replaced by one with other, no or bad plugins."""

from __future__ import annotations

from floe_operator.rules.mirror import SCANS_UNTIL_GONE
from tests.kind.conftest import Note
from tests.kind.deployments import Deployed
from tests.kind.images import Images
from tests.support.polling import eventually

READY_SECONDS = 10.0
"""Several times as long as it takes on a busy machine."""


def test_the_mirrors_follow_the_image_and_users_objects_stay(
    operator: Deployed, images: Images, note: Note
) -> None:
    operator.apply(images.examples)
    operator.rolled_out()
    seconds = operator.seconds_to_ready()
    note(f"Ready {seconds:.0f} s after its container started")
    assert seconds < READY_SECONDS
    floeplugins = operator.floeplugins
    floeplugins.until("compute-duckdb", "Ready", "Ready", within=60)
    kept = floeplugins.apply("compute", "duckdb", config={"threads": 2})

    operator.apply(images.other)
    operator.rolled_out()
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    floeplugins.until("compute-duckdb", "Discovered", "NotInstalled")

    def look() -> bool:
        assert set(floeplugins.all()) == {"compute-other", "compute-duckdb"}
        return True

    eventually(look, within=60)
    found = floeplugins.get("compute-duckdb") or {}
    assert (found["metadata"]["uid"], found["spec"]) == (kept["metadata"]["uid"], kept["spec"])


def test_an_image_without_plugins_runs_and_deletes_nothing(operator: Deployed, images: Images) -> None:
    operator.apply(images.other)
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.until("compute-other", "Ready", "Ready", within=60)

    operator.apply(images.bare)
    operator.rolled_out()
    floeplugins.until("compute-other", "Discovered", "NotInstalled")

    scans: set[str] = set()

    def look() -> bool:
        lines = operator.page("metrics").splitlines()
        scans.update(line for line in lines if line.startswith("floe_operator_scan_last_success_timestamp"))
        return len(scans) > SCANS_UNTIL_GONE + 1

    eventually(look, within=60, every=1.0)
    assert set(floeplugins.all()) == {"compute-other"}
    assert operator.restarts() == 0


def test_an_image_whose_plugins_all_crash_does_not_restart_the_operator(
    operator: Deployed, images: Images
) -> None:
    operator.apply(images.crashing)
    operator.rolled_out()
    for name in ("compute-aborts", "compute-exits", "compute-segfaults"):
        operator.floeplugins.until(name, "Loaded", "CrashedOnLoad", within=60)
    assert operator.restarts() == 0
