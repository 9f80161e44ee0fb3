"""What others wrote into a status is removed, and only that."""

from __future__ import annotations

from typing import Any

from floe_operator.rules.status_removals import removal_patch
from tests.unit.operator.rules.facts_builder import judged


def raw(**status: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7"}, "status": {**judged().to_json(), **status}}


def test_a_status_that_reads_as_written_needs_no_patch() -> None:
    assert removal_patch(raw(), judged()) == []
    assert removal_patch({"metadata": {"resourceVersion": "7"}}, judged()) == []


def test_conditions_and_fields_that_others_added_are_removed_from_this_version_only() -> None:
    foreign = {"type": "example.com/Audited"}
    conditions = [{"type": "Stalled"}, foreign, *judged().to_json()["conditions"], {"type": "Healthy"}]
    last = len(conditions) - 1
    assert removal_patch(raw(conditions=conditions, configSchema={}), judged()) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "remove", "path": "/status/configSchema"},
        {"op": "remove", "path": f"/status/conditions/{last}"},
        {"op": "remove", "path": "/status/conditions/0"},
    ]
