"""Writes that something between the operator and etcd refuses: how soon they are there once it stops."""

from __future__ import annotations

import json
import time

from tests.faults.conftest import RARELY, Faulty, StartFaulty
from tests.support.fault_proxy import Asked, Fault, answers
from tests.support.http_pages import metric
from tests.support.polling import eventually

SOON = 5.0
"""Seconds after the end of a refusal within which the write is there."""


def refusal(code: int, message: str) -> Fault:
    return answers(code, json.dumps({"kind": "Status", "code": code, "message": message}).encode())


REFUSALS: dict[str, tuple[Fault, str]] = {
    "400": (refusal(400, "the body is no body"), "the body is no body"),
    "409": (refusal(409, "the object has been modified"), "the object has been modified"),
    "422": (refusal(422, "a policy denied the request: no team"), "no team"),
    "403 by a quota": (refusal(403, 'floeplugins "a" is forbidden: exceeded quota: q'), "exceeded quota: q"),
    "a page instead of an answer": (answers(200, b"<html>log in</html>"), "is not a JSON object"),
    "a page with 403": (answers(403, b"<html>blocked</html>"), "(403): HTTP 403"),
    "a gateway's 404": (answers(404, b'{"message": "no such route"}'), "(404): no such route"),
    "a page with 502": (answers(502, b"<html>bad gateway</html>"), "answered 502 instead of the API server"),
    "JSON of somebody else": (answers(200, b'{"error": "log in"}'), "is no FloePlugin"),
}


def warnings(faulty: Faulty) -> list[str]:
    return [json.dumps(line) for line in faulty.operator.lines() if line.get("level") in ("warning", "error")]


def test_a_status_that_is_refused_is_there_soon_after_and_was_warned_of_once(
    start_faulty: StartFaulty,
) -> None:
    faulty = start_faulty(*RARELY)
    for fault, words in REFUSALS.values():
        faulty.plugins.merge("compute-plain", {"spec": {"config": {"word": "seven"}}})
        faulty.plugins.until("compute-plain", "Ready", "Ready")
        refuse_status(faulty, fault, words)


def refuse_status(faulty: Faulty, fault: Fault, words: str) -> None:
    def intervene(asked: Asked) -> Fault | None:
        return fault if asked.path.endswith("/compute-plain/status") else None

    refused = 'floe_operator_refused_writes_total{kind="status"}'
    before, asked_before = metric(faulty.port, refused), len(faulty.proxy.asked)
    faulty.proxy.intervene = intervene
    faulty.plugins.merge("compute-plain", {"spec": {"config": {"word": 7}}})
    eventually(lambda: metric(faulty.port, refused) >= before + 3)
    assert faulty.ready()[0], "what people must change is no reason to be unready"
    tried = [asked for asked in faulty.proxy.asked[asked_before:] if intervene(asked)]
    faulty.proxy.intervene = lambda asked: None
    ended = time.monotonic()
    faulty.plugins.until("compute-plain", "Ready", "ValidationFailed")
    assert time.monotonic() - ended < SOON
    assert len(tried) < 10
    assert len([line for line in warnings(faulty) if words in line]) == 1, warnings(faulty)


def test_a_mirror_that_is_refused_is_an_error_counted_and_there_soon_after(start_faulty: StartFaulty) -> None:
    faulty = start_faulty(*RARELY)
    faulty.plugins.until("compute-plain", "Ready", "Ready")
    fault, words = REFUSALS["403 by a quota"]

    def intervene(asked: Asked) -> Fault | None:
        return fault if asked.method == "PATCH" and asked.path.endswith("/compute-plain") else None

    faulty.proxy.intervene = intervene
    faulty.plugins.delete("compute-plain")
    eventually(lambda: metric(faulty.port, 'floe_operator_refused_writes_total{kind="object"}') >= 2)
    assert metric(faulty.port, "floe_operator_plugins_without_object") == 1
    errors = [json.dumps(line) for line in faulty.operator.lines() if line.get("level") == "error"]
    assert len(errors) == 1, errors
    assert words in errors[0]
    assert "compute/plain" in errors[0]
    assert faulty.ready()[0]
    faulty.proxy.intervene = lambda asked: None
    ended = time.monotonic()
    faulty.plugins.until("compute-plain", "Ready", "Ready")
    assert time.monotonic() - ended < SOON
    assert metric(faulty.port, "floe_operator_plugins_without_object") == 0
