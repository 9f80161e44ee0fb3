"""Streams that fail, fall silent or bring nonsense: what is ready sees changes, and what is not says so."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.faults.conftest import RARELY, Faulty, StartFaulty
from tests.support.fault_proxy import Asked, Fault, answers, never
from tests.support.polling import eventually

PASSWORD = {"secretKeyRef": {"name": "words", "key": "password"}, "path": "password"}
INTERNAL = json.dumps({"kind": "Status", "message": "etcdserver: request timed out"}).encode()
SILENCE_IS_NOTICED_WITHIN = 30.0
LISTED = ("floeplugins", "secrets")


def configure(faulty: Faulty) -> None:
    """Have `needy` use a Secret, so that Secrets are watched; wait until all is well."""
    faulty.plugins.secret("words", password="long-enough")
    faulty.plugins.merge("compute-needy", {"spec": {"configFrom": [PASSWORD]}})
    faulty.plugins.until("compute-needy", "Ready", "Ready")
    eventually(lambda: faulty.ready()[0] and faulty.sees("floeplugins") and faulty.sees("secrets"))


def change(faulty: Faulty, word: Any, password: str) -> None:
    faulty.plugins.merge("compute-plain", {"spec": {"config": {"word": word}}})
    faulty.plugins.secret("words", password=password)


def warnings(faulty: Faulty, about: str) -> list[str]:
    return [
        json.dumps(line)
        for line in faulty.operator.lines()
        if line.get("level") in ("warning", "error", "critical") and about in str(line.get("message"))
    ]


def test_an_operator_whose_lists_and_watches_fail_is_not_ready_until_they_work(
    start_faulty: StartFaulty,
) -> None:
    faulty = start_faulty()
    configure(faulty)
    faulty.proxy.intervene = lambda asked: answers(500, INTERNAL) if any(map(asked.is_of, LISTED)) else None
    faulty.proxy.cut()

    def told() -> bool:
        well, text = faulty.ready()
        assert not well, text
        for check in ("watch", "listing", "sources"):
            assert f"[-]{check} failed" in text, text
        return not faulty.sees("floeplugins") and not faulty.sees("secrets")

    eventually(told, within=SILENCE_IS_NOTICED_WITHIN)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert told()
        time.sleep(0.1)
    assert faulty.operator.logged("cannot watch FloePlugins", "etcdserver: request timed out")
    for what in ("cannot watch FloePlugins", "cannot list FloePlugins"):
        assert len(warnings(faulty, what)) == 1, warnings(faulty, what)
    assert not warnings(faulty, "Request attempt"), "kopf's own words for its retries"

    faulty.proxy.intervene = lambda asked: None
    eventually(lambda: faulty.ready()[0], within=30)
    change(faulty, 7, "short")
    faulty.plugins.until("compute-plain", "Ready", "ValidationFailed")
    faulty.plugins.until("compute-needy", "Ready", "ValidationFailed")


def test_a_silent_connection_is_noticed_within_half_a_minute_and_resumed_without_a_listing(
    start_faulty: StartFaulty,
) -> None:
    faulty = start_faulty(*RARELY)
    configure(faulty)
    before = len(faulty.proxy.asked)
    faulty.proxy.silence()
    change(faulty, 7, "short")
    faulty.plugins.until("compute-plain", "Ready", "ValidationFailed", within=SILENCE_IS_NOTICED_WITHIN)
    faulty.plugins.until("compute-needy", "Ready", "ValidationFailed", within=SILENCE_IS_NOTICED_WITHIN)
    listings = [asked for asked in faulty.proxy.asked[before:] if any(map(asked.is_listing, LISTED))]
    assert not listings, listings


def test_an_operator_whose_watches_are_never_answered_is_not_ready(start_faulty: StartFaulty) -> None:
    faulty = start_faulty(*RARELY)
    configure(faulty)
    faulty.proxy.silence()
    faulty.proxy.intervene = lambda asked: never if asked.is_watch else None

    def told() -> bool:
        well, text = faulty.ready()
        assert not well, text
        assert "[-]watch failed" in text, text
        assert "[-]sources failed: secrets: " in text, text
        return not faulty.sees("floeplugins") and not faulty.sees("secrets")

    eventually(told, within=SILENCE_IS_NOTICED_WITHIN + 5)


def metadata(name: str = "x", **more: Any) -> dict[str, Any]:
    return {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "1", **more}


MALFORMED = [
    b'{"type":"ADDED","object":{"metadata":"x"}}',
    b'{"type":"ADDED","object":"x"}',
    b'{"type":"ADDED"}',
    b'["ADDED"]',
    b'{"type":{"a":1},"object":{}}',
    b'{"type":"SPLICED","object":{"metadata":{"name":"x"}}}',
    b'{"type":"BOOKMARK","object":{}}',
    b'{"type":"MODIFIED","object":{"metadata":{"name":5,"uid":[],"resourceVersion":{}}}}',
    json.dumps({"type": "ADDED", "object": {"metadata": metadata("compute-x", labels=[1])}}).encode(),
    json.dumps({"type": "ADDED", "object": {"metadata": metadata("compute-x"), "spec": "x"}}).encode(),
    b'{"type":"ADDED","object":{"metadata":{"name":"x","annotations":'
    + b"[" * 20_000
    + b"]" * 20_000
    + b"}}}",
]
GARBAGE = [b"<html>", b"\xff\xfe", b'{"type":"ADDED","object":{"meta', b"[" * 20_000]


@pytest.mark.parametrize("resource", LISTED)
def test_malformed_events_and_items_are_left_out_and_the_rest_goes_on(
    start_faulty: StartFaulty, resource: str
) -> None:
    faulty = start_faulty(*RARELY)
    configure(faulty)
    nonsense = [answers(200, b"\n".join(lines) + b"\n") for lines in (MALFORMED, GARBAGE)]
    items = b'[{"metadata":"x"},"x",5,{"metadata":{"name":"x"}},{}]'
    nonsense += [
        answers(200, b'{"metadata":{"resourceVersion":"1"},"items":' + items + b"}"),
    ]
    left = list(nonsense)

    def intervene(asked: Asked) -> Fault | None:
        return left.pop(0) if left and asked.is_of(resource) and asked.query.get("limit") != "1" else None

    if resource == "secrets":
        del left[1:3]  # after each of these, the next listing waits longer
    faulty.proxy.intervene = intervene
    faulty.proxy.cut()
    eventually(lambda: not left, within=60)
    change(faulty, 7, "short")
    faulty.plugins.until("compute-plain", "Ready", "ValidationFailed", within=40)
    faulty.plugins.until("compute-needy", "Ready", "ValidationFailed", within=40)
    assert faulty.operator.process.poll() is None
    assert not faulty.operator.logged("Traceback")
    assert not faulty.operator.logged('"exception"')


def test_watches_that_end_at_once_are_not_repeated_without_a_pause(start_faulty: StartFaulty) -> None:
    faulty = start_faulty(*RARELY)
    configure(faulty)
    faulty.proxy.intervene = lambda asked: answers(200, b"") if asked.is_watch else None
    faulty.proxy.cut()
    eventually(lambda: faulty.proxy.asked[-1].is_watch and not faulty.ready()[0], within=30)
    began = len(faulty.proxy.asked)
    time.sleep(6)
    watches = [asked for asked in faulty.proxy.asked[began:] if asked.is_watch]
    assert len(watches) <= 2 * 6, f"{len(watches)} watches of two resources in 6 s"
    assert "ended as soon as it began" in faulty.ready()[1]
