"""The audit log as tests read it: reading waits for the end of a request that has begun."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit import Audit

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def event(stage: str, *, verb: str = "delete", identity: str = "1", received: datetime) -> str:
    """Return a line of the log."""
    content: dict[str, Any] = {
        "auditID": identity,
        "stage": stage,
        "verb": verb,
        "userAgent": "floe-operator/1",
        "objectRef": {"namespace": "data", "resource": "floeplugins", "name": "compute-one"},
        "requestReceivedTimestamp": received.isoformat(),
    }
    return json.dumps(content, separators=(",", ":")) + "\n"


def test_a_request_that_has_begun_is_returned_once_it_has_ended(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    received = datetime.now(UTC)
    log.write_text(event("RequestReceived", received=received))

    def end() -> None:
        with log.open("a") as file:
            file.write(event("ResponseComplete", received=received))

    timer = threading.Timer(0.3, end)
    timer.start()
    assert Audit(log).writes(namespace="data") == [("delete", "compute-one")]
    timer.join()


@pytest.mark.parametrize(
    ("stages", "verb", "received", "returned"),
    [
        (["RequestReceived"], "delete", LONG_AGO, []),
        (["RequestReceived"], "watch", datetime.now(UTC), []),
        (["RequestReceived", "ResponseStarted"], "watch", datetime.now(UTC), ["ResponseStarted"]),
        (["RequestReceived", "ResponseComplete"], "list", datetime.now(UTC), ["ResponseComplete"]),
    ],
    ids=["the API server died", "a watch begins", "a watch continues", "a list has ended"],
)
def test_a_request_counts_once_and_only_if_it_was_answered(
    tmp_path: Path, stages: list[str], verb: str, received: datetime, returned: list[str]
) -> None:
    log = tmp_path / "audit.log"
    log.write_text("".join(event(stage, verb=verb, received=received) for stage in stages))
    assert [each["stage"] for each in Audit(log).requests(namespace="data")] == returned
