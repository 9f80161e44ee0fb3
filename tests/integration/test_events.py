"""Events on a real API server, and how `kubectl describe` shows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from floe_operator.api.events import PER_OBJECT, EventRecorder
from floe_operator.rules.resource import Condition, FloePlugin, FloePluginStatus
from localcluster import LocalCluster
from tests.support.connections import connected
from tests.support.operator import FloePlugins
from tests.support.polling import eventually_async


def status(reason: str, message: str = "as the message says") -> FloePluginStatus:
    def condition(kind: str, status: Literal["True", "False"]) -> Condition:
        return Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=datetime.now(UTC),
        )

    if reason == "Ready":
        return FloePluginStatus(conditions=(condition("Ready", "True"),))
    return FloePluginStatus(conditions=(condition("Ready", "False"), condition("Reconciling", "True")))


class Story:
    """An object whose statuses are recorded one after the other."""

    def __init__(self, recorder: EventRecorder, raw: dict[str, Any]) -> None:
        self.recorder = recorder
        self._seen = FloePlugin.parse(raw)

    def goes_on(self, *statuses: FloePluginStatus) -> None:
        for one in statuses:
            self.recorder.record(self._seen, one)
            self._seen = replace(self._seen, status=one)


@asynccontextmanager
async def recording(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EventRecorder]:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with connected() as connection:
        recorder = EventRecorder(connection, instance="floe-operator-7d4b9")
        running = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def events_of(cluster: LocalCluster, namespace: str) -> list[dict[str, Any]]:
    listed = json.loads(cluster.kubectl("get", "events.events.k8s.io", "-n", namespace, "-o", "json"))
    return sorted(listed["items"], key=lambda event: str(event["eventTime"]))


async def until_there_are(cluster: LocalCluster, namespace: str, number: int) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        found = await asyncio.to_thread(events_of, cluster, namespace)
        assert len(found) == number, [(event["reason"], event["note"]) for event in found]
        return found

    return await eventually_async(look)


async def test_kubectl_describe_shows_the_events_in_order(
    cluster: LocalCluster, namespace: str, floeplugins: FloePlugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = floeplugins.create("identity", "keycloak")
    async with recording(cluster.kubeconfig, monkeypatch) as recorder:
        story = Story(recorder, raw)
        story.goes_on(
            status("SecretNotFound", "Secret 'keycloak' is missing"), status("Ready", "The plugin is Ready")
        )
        await until_there_are(cluster, namespace, 2)
    described = cluster.kubectl("describe", "floeplugin", "identity-keycloak", "-n", namespace)
    lines = [
        line.split(maxsplit=4) for line in described.partition("Events:")[2].splitlines() if line.strip()
    ]
    told = [(kind, reason, source, text) for kind, reason, _, source, text in lines[2:]]
    assert told == [
        ("Warning", "SecretNotFound", "floe.dev/floe-operator", "Secret 'keycloak' is missing"),
        ("Normal", "Ready", "floe.dev/floe-operator", "The plugin is Ready"),
    ]


async def test_a_repetition_is_counted_on_the_existing_event(
    cluster: LocalCluster, namespace: str, floeplugins: FloePlugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = floeplugins.create("identity", "keycloak")
    good, bad = status("Ready"), status("Unhealthy")
    async with recording(cluster.kubeconfig, monkeypatch) as recorder:
        story = Story(recorder, raw)
        story.goes_on(good, bad)
        await until_there_are(cluster, namespace, 2)
        story.goes_on(good, bad, good, bad)

        async def counted() -> list[int]:
            found = await until_there_are(cluster, namespace, 2)
            counts = [event.get("series", {}).get("count", 1) for event in found]
            assert counts == [3, 3]
            return counts

        await eventually_async(counted)
    described = cluster.kubectl("describe", "floeplugin", "identity-keycloak", "-n", namespace)
    assert "(x3 over" in described


async def test_a_plugin_that_flaps_with_ever_new_messages_causes_few_events(
    cluster: LocalCluster, namespace: str, floeplugins: FloePlugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = floeplugins.create("identity", "keycloak")
    other = floeplugins.create("identity", "okta")
    async with recording(cluster.kubeconfig, monkeypatch) as recorder:
        story = Story(recorder, raw)
        for number in range(PER_OBJECT + 10):
            story.goes_on(status("Unhealthy", f"failed at {number}"), status("Ready"))
        Story(recorder, other).goes_on(status("Ready"))
        await until_there_are(cluster, namespace, PER_OBJECT + 1)
        assert recorder.dropped > 0
    assert any(event["regarding"]["name"] == "identity-okta" for event in events_of(cluster, namespace))


async def test_a_missing_permission_is_logged_once_and_the_events_are_dropped(
    cluster: LocalCluster,
    namespace: str,
    floeplugins: FloePlugins,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = floeplugins.create("identity", "keycloak")
    async with recording(cluster.kubeconfig_for(f"nobody-{namespace}"), monkeypatch) as recorder:
        Story(recorder, raw).goes_on(status("Unhealthy"), status("Ready"))

        async def dropped() -> bool:
            return recorder.dropped == 2

        await eventually_async(dropped)
    said = capsys.readouterr().out + caplog.text
    assert said.count('must allow verb "create" on resource "events"') == 1


async def test_an_operator_that_is_not_the_leader_writes_no_events(
    cluster: LocalCluster, namespace: str, floeplugins: FloePlugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = floeplugins.create("identity", "keycloak")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    async with connected(time_to_write=lambda: 0.0) as connection:
        recorder = EventRecorder(connection)
        running = asyncio.create_task(recorder.run())
        Story(recorder, raw).goes_on(status("Ready"))

        async def dropped() -> bool:
            return recorder.dropped == 1

        await eventually_async(dropped)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert events_of(cluster, namespace) == []
