"""Each way to touch the mirror of an installed plugin, and its undoing: which of them ask for the plugin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from floe_operator.rules.in_use import is_in_use
from floe_operator.rules.resource import FloePlugin
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.distributions import Environment, plugin_distribution
from tests.support.in_use import until_told
from tests.support.operator import GROUP, PLURAL, VERSION, FloePlugins, manifest
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

NAME = "compute-quiet"
BARE = manifest("compute", "quiet")
CONFIGURED = manifest("compute", "quiet", config={"word": "x"})
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
QUIET = plugin_distribution("quiet", config="word: str")
FREE = plugin_distribution("free")
MIDDLE = plugin_distribution("middle", body="dependencies = ['quiet']")
TOP = plugin_distribution("top", body="dependencies = ['middle', 'free']")


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_operator(cluster, tmp_path_factory.mktemp("in-use"), QUIET, FREE, MIDDLE, TOP) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing) -> FloePlugins:
    return standing.reset()


@dataclass(frozen=True)
class Hands:
    """Those who can touch the mirror: a person with kubectl, and programs."""

    cluster: LocalCluster
    plugins: FloePlugins
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def kubectl(self, *arguments: str, document: Any = None) -> str:
        text = json.dumps(document) if document is not None else ""
        return self.cluster.kubectl("--namespace", self.plugins.namespace, *arguments, input=text)

    def on(self, verb: str, *arguments: str) -> str:
        """Run a kubectl command on the mirror."""
        return self.kubectl(verb, "floeplugin", NAME, *arguments)

    def edit(self, change: str) -> None:
        """Run `kubectl edit` with sed as the editor."""
        editor = self.folder / "editor"
        editor.write_text(f"#!/bin/sh\nexec sed -i -e '{change}' \"$1\"\n")
        editor.chmod(0o755)
        self.monkeypatch.setenv("KUBE_EDITOR", str(editor))
        self.on("edit")

    def update(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Read the object, change it and put it back, as most controllers do."""
        found = self.plugins.get(NAME)
        assert found is not None
        change(found)
        self.plugins.custom.replace_namespaced_custom_object(
            GROUP, VERSION, self.plugins.namespace, PLURAL, NAME, found, field_manager="a-controller"
        )

    def apply(self, manager: str, **metadata: Any) -> str:
        """Apply type and name only, or with `metadata` that alone, server-side."""
        body = {**BARE, "metadata": {"name": NAME, **metadata}}
        if metadata:
            del body["spec"]
        return self.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", document=body)


@pytest.fixture
def hands(
    cluster: LocalCluster, plugins: FloePlugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Hands:
    return Hands(cluster, plugins, tmp_path, monkeypatch)


def label(found: dict[str, Any]) -> None:
    found["metadata"]["labels"]["team"] = "data"


def configure(found: dict[str, Any]) -> None:
    found["spec"]["config"] = {"word": "x"}


def unconfigure(found: dict[str, Any]) -> None:
    del found["spec"]["config"]


Act = Callable[[Hands], object]
CONFIG = "s|^  type: compute|  type: compute\\n  config: {word: x}|"
WAYS: dict[str, tuple[Act, str, Act]] = {
    "kubectl apply": (
        lambda hands: hands.kubectl("apply", "-f", "-", document=BARE),
        "ConfigRequired",
        lambda hands: hands.on("annotate", f"{LAST_APPLIED}-"),
    ),
    "kubectl apply of a configuration": (
        lambda hands: hands.kubectl("apply", "-f", "-", document=CONFIGURED),
        "Valid",
        lambda hands: hands.on("delete"),
    ),
    "kubectl apply --server-side": (
        lambda hands: hands.apply("kubectl"),
        "ConfigRequired",
        lambda hands: hands.apply("kubectl", labels={"team": "data"}),
    ),
    "kubectl apply --server-side of a configuration": (
        lambda hands: hands.kubectl("apply", "--server-side", "-f", "-", document=CONFIGURED),
        "Valid",
        lambda hands: hands.on("delete"),
    ),
    # It leaves no trace: nothing tells it from a controller that updates labels.
    "kubectl replace": (
        lambda hands: hands.kubectl("replace", "-f", "-", document=BARE),
        "NotConfigured",
        lambda hands: None,
    ),
    "kubectl replace by a configuration": (
        lambda hands: hands.kubectl("replace", "-f", "-", document=CONFIGURED),
        "Valid",
        lambda hands: hands.kubectl("replace", "-f", "-", document=BARE),
    ),
    "kubectl edit of the spec": (
        lambda hands: hands.edit(CONFIG),
        "Valid",
        lambda hands: hands.edit("/config:/,/word:/d"),
    ),
    "kubectl edit of a label": (
        lambda hands: hands.edit("s|^  labels:|  labels:\\n    team: data|"),
        "NotConfigured",
        lambda hands: hands.edit("/team: data/d"),
    ),
    "kubectl patch": (
        lambda hands: hands.on("patch", "--type=merge", '--patch={"spec": {"version": ">=0"}}'),
        "ConfigRequired",
        lambda hands: hands.on("patch", "--type=merge", '--patch={"spec": {"version": null}}'),
    ),
    "kubectl label": (
        lambda hands: hands.on("label", "team=data"),
        "NotConfigured",
        lambda hands: hands.on("label", "team-"),
    ),
    "kubectl annotate": (
        lambda hands: hands.on("annotate", "note=ours", "argocd.argoproj.io/tracking-id=a:b"),
        "NotConfigured",
        lambda hands: hands.on("annotate", "note-", "argocd.argoproj.io/tracking-id-"),
    ),
    "a labelling controller that applies": (
        lambda hands: hands.apply("labeller", labels={"team": "data"}),
        "NotConfigured",
        lambda hands: hands.apply("labeller", annotations={}),
    ),
    "a labelling controller that updates": (
        lambda hands: hands.update(label),
        "NotConfigured",
        lambda hands: hands.update(lambda found: found["metadata"]["labels"].pop("team")),
    ),
    # The API server then calls the owner of all that was there before-first-apply.
    "a labelling controller after managedFields were cleared": (
        lambda hands: (
            hands.on("patch", "--type=merge", '--patch={"metadata": {"managedFields": [{}]}}'),
            hands.apply("labeller", labels={"team": "data"}),
        ),
        "NotConfigured",
        lambda hands: None,
    ),
    "a controller that configures": (
        lambda hands: hands.update(configure),
        "Valid",
        lambda hands: hands.update(unconfigure),
    ),
    "a controller that protects what it uses": (
        lambda hands: hands.on("patch", "--type=merge", '--patch={"metadata": {"finalizers": ["x.dev/y"]}}'),
        "NotConfigured",
        lambda hands: hands.on("patch", "--type=merge", '--patch={"metadata": {"finalizers": []}}'),
    ),
    "a person who edits the status": (
        lambda hands: hands.on(
            "patch", "--subresource=status", "--type=merge", '--patch={"status": {"inUse": true}}'
        ),
        "NotConfigured",
        lambda hands: None,
    ),
}


@pytest.mark.parametrize(("touch", "reason", "undo"), WAYS.values(), ids=list(WAYS))
def test_who_configures_or_applies_asks_for_the_plugin_until_it_is_undone_and_nobody_else_does(
    hands: Hands, touch: Act, reason: str, undo: Act
) -> None:
    plugins = hands.plugins
    until_told(plugins, NAME, "NotConfigured")
    try:
        touch(hands)
        # Without waiting for the operator, which may have nothing to write.
        touched = plugins.get(NAME)
        assert touched is not None
        assert is_in_use(FloePlugin.parse(touched)) is (reason != "NotConfigured")
        until_told(plugins, NAME, reason)
    finally:
        undo(hands)
    until_told(plugins, NAME, "NotConfigured")


def told(plugins: FloePlugins) -> dict[str, tuple[str, str]]:
    """Return, for each object, the reason of Ready, and what else is awaited, if anything."""
    found = {}
    for name, present in plugins.all().items():
        conditions = {one["type"]: one["reason"] for one in present["status"].get("conditions", ())}
        awaited = {"Reconciling", "Stalled"} & conditions.keys()
        found[name.removeprefix("compute-")] = (conditions.get("Ready", ""), "".join(awaited))
    return found


def until_all_told(plugins: FloePlugins, **expected: tuple[str, str]) -> None:
    def look() -> bool:
        found = told(plugins)
        assert found == expected, found
        return True

    eventually(look)


IDLE, WAITS, READY = ("DependencyNotReady", ""), ("DependencyNotReady", "Reconciling"), ("Ready", "")


def test_what_needs_a_plugin_that_nobody_configured_waits_only_once_somebody_asks_for_it(
    plugins: FloePlugins,
) -> None:
    until_all_told(plugins, quiet=("NotConfigured", ""), free=READY, middle=IDLE, top=IDLE)
    plugins.apply("compute", "top")
    until_all_told(plugins, quiet=("NotConfigured", ""), free=READY, middle=IDLE, top=WAITS)
    plugins.apply("compute", "quiet", config={"word": "x"})
    until_all_told(plugins, quiet=READY, free=READY, middle=READY, top=READY)
    plugins.apply("compute", "quiet", config={"word": 1})
    broken = ("ValidationFailed", "Stalled")
    until_all_told(plugins, quiet=broken, free=READY, middle=WAITS, top=WAITS)
    plugins.merge("compute-quiet", {"spec": {"config": None}})
    # Its manifest still asks for it.
    until_all_told(plugins, quiet=("ConfigRequired", "Stalled"), free=READY, middle=WAITS, top=WAITS)
    plugins.delete("compute-quiet")
    until_all_told(plugins, quiet=("NotConfigured", ""), free=READY, middle=IDLE, top=WAITS)


def test_the_plugins_in_use_are_selectable_and_can_be_waited_for(hands: Hands) -> None:
    hands.plugins.apply("compute", "quiet", config={"word": "x"})
    until_told(hands.plugins, NAME, "Valid")
    selected = ("floeplugins", "--field-selector", "status.inUse=true")
    assert hands.kubectl("get", *selected, "-o", "name") == f"floeplugin.floe.dev/{NAME}\n"
    assert (
        hands.kubectl("wait", "--for=condition=Ready", *selected, "--timeout=30s").count("condition met") == 1
    )
    others = hands.kubectl("get", "floeplugins", "--field-selector", "status.inUse=false", "-o", "name")
    assert others.split() == [f"floeplugin.floe.dev/compute-{name}" for name in ("free", "middle", "top")]
    header, *rows = hands.kubectl("get", "floeplugins", "-o", "wide").splitlines()
    column = header.index("IN-USE")
    assert {row.split()[0]: row[column:].split()[0] for row in rows} == {
        "compute-free": "false",
        "compute-middle": "false",
        "compute-quiet": "true",
        "compute-top": "false",
    }


def noted(hands: Hands) -> list[tuple[str, str, str]]:
    """Return type, reason and object of each Event."""
    events = json.loads(hands.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
    return [(one["type"], one["reason"], one["regarding"]["name"]) for one in events]


def test_an_object_is_in_use_if_it_was_created_before_its_plugin_was_installed(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    start_operator()
    floeplugins.create("compute", "quiet")
    floeplugins.until(NAME, "Ready", "NotInstalled")
    environment.install(QUIET)
    floeplugins.until(NAME, "Ready", "ConfigRequired")
    until_told(floeplugins, NAME, "ConfigRequired")


def test_a_fresh_cluster_has_no_warnings_and_a_restart_writes_nothing(
    environment: Environment,
    start_operator: StartOperator,
    floeplugins: FloePlugins,
    audit: Audit,
    cluster: LocalCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment.install(QUIET, FREE, MIDDLE, TOP)
    hands = Hands(cluster, floeplugins, tmp_path, monkeypatch)
    operator = start_operator()
    fresh: Any = {"quiet": ("NotConfigured", ""), "free": READY, "middle": IDLE, "top": IDLE}
    until_all_told(floeplugins, **fresh)
    # Events are written in order, so whatever came before this one was written before it.
    eventually(lambda: ("Normal", "Ready", "compute-free") in noted(hands))
    floeplugins.apply("compute", "quiet")
    until_all_told(floeplugins, quiet=("ConfigRequired", "Stalled"), free=READY, middle=WAITS, top=WAITS)
    floeplugins.merge("compute-free", {"spec": {"config": {"word": "x"}}})
    eventually(lambda: ("Warning", "ConfigNotAccepted", "compute-free") in noted(hands))
    assert sorted(noted(hands)) == [
        ("Normal", "Ready", "compute-free"),
        ("Warning", "ConfigNotAccepted", "compute-free"),
        ("Warning", "ConfigRequired", NAME),
    ]
    for name in (NAME, "compute-free"):
        floeplugins.delete(name)
    until_all_told(floeplugins, **fresh)

    # Nothing told above shows that top knows of free, which is Ready again.
    eventually(lambda: "free" not in floeplugins.condition("compute-top", "Ready")[2])
    assert operator.stop() == 0
    since = now()
    start_operator()
    eventually(lambda: len(audit.requests(namespace=floeplugins.namespace, since=since, verb="list")) >= 3)
    assert audit.writes(namespace=floeplugins.namespace, since=since) == []


def test_an_object_of_an_older_operator_gets_the_field_by_one_write(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    environment.install(QUIET, FREE)
    operator = start_operator()
    fresh: Any = {"quiet": ("NotConfigured", ""), "free": READY}
    until_all_told(floeplugins, **fresh)
    assert operator.stop() == 0
    for name in floeplugins.all():
        floeplugins.merge(name, {"status": {"inUse": None}}, subresource="status")
        assert "inUse" not in floeplugins.all()[name]["status"]
    since = now()
    start_operator()
    eventually(lambda: all(one["status"].get("inUse") is False for one in floeplugins.all().values()))
    eventually(lambda: len(audit.requests(namespace=floeplugins.namespace, since=since, verb="list")) >= 3)
    assert sorted(audit.writes(namespace=floeplugins.namespace, since=since)) == [
        ("patch", "compute-free/status"),
        ("patch", "compute-quiet/status"),
    ]
    assert told(floeplugins) == fresh
