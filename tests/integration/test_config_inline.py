"""spec.config and spec.version on a real API server, and users' objects throughout the life of a plugin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.support.audit import Audit, now
from tests.support.control_planes import new_namespace
from tests.support.distributions import Distribution, Environment, plugin_distribution, plugin_source
from tests.support.operator import FloePlugins, OperatorProcess, is_judged
from tests.support.polling import eventually

CANARY = "canary-9f3b-do-not-show"
"""A configuration value that must not be shown anywhere."""

NAME = "compute-strict"
DEFAULTS: dict[str, Any] = {"threads": 2}
SCHEMA = plugin_source(
    "strict",
    version="1.4.0a2",
    before="""
        from typing import Any
        from pydantic import ConfigDict

        class Node(BaseModel):
            children: "list[Node]" = []
            label: str = ""
    """,
    config="""
        model_config = ConfigDict(extra="forbid")
        threads: int
        mode: str = Field(default="fast", max_length=8)
        tree: Node = Node()
        free: dict[str, Any] = {}
        password: SecretStr | None = Field(default=None, alias="pass-word")
        accounts: list[dict[str, SecretBytes]] = []
    """,
)


def nested(depth: int) -> dict[str, Any]:
    """Return a tree of this depth with a label of the wrong type at its end."""
    found: dict[str, Any] = {"label": [CANARY]}
    for _ in range(depth):
        found = {"children": [found]}
    return found


class Running:
    """An operator with the strict plugin and some others."""

    def __init__(self, operator: OperatorProcess, floeplugins: FloePlugins, environment: Environment) -> None:
        self.operator = operator
        self.floeplugins = floeplugins
        self.environment = environment

    def judged(self, name: str = NAME, **spec: Any) -> dict[str, dict[str, Any]]:
        """Replace the object's spec, wait until it is assessed and return the conditions by type."""
        there = self.floeplugins.get(name)
        assert there is not None
        cleared = {field: None for field in there["spec"] if field not in ("type", "name")}
        # Fields cleared one by one would be assessed in between; a mere merge would keep parts of a mapping.
        if cleared:
            self.floeplugins.merge(name, {"spec": cleared})
        self.floeplugins.merge(name, {"spec": spec})

        def look() -> dict[str, Any]:
            found = self.floeplugins.get(name)
            assert found is not None
            assert is_judged(found)
            return found

        found = eventually(look, saying=f"{name} is assessed")
        return {each["type"]: each for each in found["status"]["conditions"]}


@pytest.fixture(scope="module")
def running(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("inline")
    environment = Environment.create(folder / "plugins")
    environment.install(
        plugin_distribution("strict", source=SCHEMA), plugin_distribution("none"), plugin_distribution("goes")
    )
    floeplugins = FloePlugins(cluster.kubeconfig, new_namespace(cluster))
    flags = ("--scan-interval", "500ms", "--log-level", "debug")
    arguments = (cluster.kubeconfig, floeplugins.namespace, environment.python, folder / "operator.log")
    with OperatorProcess(*arguments, *flags) as operator:
        floeplugins.until(NAME, "ConfigValid", "NotConfigured", within=60)
        yield Running(operator, floeplugins, environment)
    assert CANARY not in operator.log.read_text()


FAULTY: dict[str, tuple[dict[str, Any], str, str]] = {
    "a wrong type": ({"threads": CANARY}, "ValidationFailed", "threads"),
    "a list instead of a number": ({"threads": [2]}, "ValidationFailed", "threads"),
    "an unknown field": ({"threads": 2, "thread": CANARY}, "ValidationFailed", "thread"),
    "a missing field beside others": ({"mode": "slow"}, "ValidationFailed", "threads"),
    "a text that is too long": ({"threads": 2, "mode": CANARY}, "ValidationFailed", "mode"),
    "a fault deep inside": ({"threads": 2, "tree": nested(20)}, "ValidationFailed", "tree.children.0"),
    "a hundred faults": (
        {"threads": 2, **{f"field-{number}": CANARY for number in range(100)}},
        "ValidationFailed",
        "field-0",
    ),
    "a plaintext secret, by its alias": ({"threads": 2, "pass-word": CANARY}, "PlaintextSecret", "pass-word"),
    "a plaintext secret, by the name that is not accepted": (
        {"threads": 2, "password": CANARY},
        "PlaintextSecret",
        "password",
    ),
    "a plaintext secret, in a mapping in a list": (
        {"threads": 2, "accounts": [{"someone": CANARY}]},
        "PlaintextSecret",
        "accounts.0",
    ),
    "a plaintext secret beside a fault": (
        {"threads": "many", "pass-word": CANARY},
        "PlaintextSecret",
        "rotate",
    ),
    "an empty configuration": ({}, "ConfigRequired", "threads"),
}


@pytest.mark.parametrize(("config", "reason", "says"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_configuration_is_reported_by_path_and_rule_and_never_by_value(
    running: Running, config: dict[str, Any], reason: str, says: str
) -> None:
    conditions = running.judged(config=config)
    assert (conditions["ConfigValid"]["reason"], conditions["Ready"]["reason"]) == (reason, reason)
    assert says in conditions["ConfigValid"]["message"]
    assert "Stalled" in conditions
    status = (running.floeplugins.get(NAME) or {})["status"]
    assert CANARY not in json.dumps(status)


GOOD: dict[str, dict[str, Any]] = {
    "only what is required": DEFAULTS,
    "everything": {**DEFAULTS, "mode": "slow", "tree": {"children": [{"label": "leaf"}]}, "free": {"a": [1]}},
    "keys that look like paths": {**DEFAULTS, "free": {"a.b": {"": 1, "ö": 2}}},
    "a deep tree": {**DEFAULTS, "tree": {"children": [{"children": [{"children": []}]}]}},
}


@pytest.mark.parametrize("config", GOOD.values(), ids=GOOD)
def test_a_good_configuration_makes_the_plugin_ready(running: Running, config: dict[str, Any]) -> None:
    conditions = running.judged(config=config)
    assert conditions["ConfigValid"]["reason"] == "Valid"
    assert conditions["Ready"]["status"] == "True"
    assert not {"Stalled", "Reconciling"} & conditions.keys()


def test_a_configuration_as_large_as_the_api_server_accepts_is_assessed(running: Running) -> None:
    filling = {f"key-{number:05}": "x" * 50 for number in range(10_000)}
    assert running.judged(config={**DEFAULTS, "free": filling})["Ready"]["status"] == "True"
    lines = "".join(f"{number:019}\n" for number in range(60_000))
    conditions = running.judged(config={**DEFAULTS, "mode": lines})
    assert conditions["ConfigValid"]["reason"] == "ValidationFailed"
    with pytest.raises(ApiException) as refused:
        running.floeplugins.merge(NAME, {"spec": {"config": {"mode": "x" * 4_000_000}}})
    assert refused.value.status in (400, 413, 422, 500)


@pytest.mark.parametrize("depth", [65, 500])
def test_a_configuration_that_is_nested_too_deeply_is_invalid_and_the_limit_is_named(
    running: Running, cluster: LocalCluster, depth: int
) -> None:
    name = create_nested(running, cluster, depth)
    message = running.floeplugins.until(name, "ConfigValid", "ValidationFailed", within=60)[2]
    assert "nested deeper than 64 levels" in message


def test_an_object_nested_as_deeply_as_the_api_server_accepts_affects_only_itself(
    running: Running, cluster: LocalCluster
) -> None:
    """For such an object the API server needs longer for a server-side apply than a request may take."""
    name = create_nested(running, cluster, 9_000)
    running.floeplugins.until("compute-none", "Ready", "Ready")
    assert running.judged(config={**DEFAULTS, "mode": "deep"})["Ready"]["status"] == "True"
    running.environment.uninstall("floe-dbt-deep-9000")  # or its bare mirror would come back
    cluster.kubectl("delete", "floeplugin", name, "--namespace", running.floeplugins.namespace)
    assert running.judged(config=DEFAULTS)["Ready"]["status"] == "True"


def create_nested(running: Running, cluster: LocalCluster, depth: int) -> str:
    """Create an object whose configuration Python's client could not send, and return its name."""
    namespace = running.floeplugins.namespace
    config = '{"a":' * (depth - 1) + f'{{"a": "{CANARY}"}}' + "}" * (depth - 1)
    name = f"dbt-deep-{depth}"
    body = (
        f'{{"apiVersion": "floe.dev/v1alpha1", "kind": "FloePlugin", "metadata": {{"name": "{name}"}}, '
        f'"spec": {{"type": "dbt", "name": "deep-{depth}", "config": {config}}}}}'
    )
    path = f"/apis/floe.dev/v1alpha1/namespaces/{namespace}/floeplugins"
    cluster.kubectl("create", "--raw", path, "-f", "-", input=body)
    schema = {"config": "a: dict[str, Any]", "before": "from typing import Any"}
    running.environment.install(plugin_distribution(f"deep-{depth}", PluginType.DBT, **schema))
    return name


@pytest.mark.parametrize("config", ["text", ["list"], 7, True], ids=str)
def test_a_configuration_that_is_not_a_mapping_is_refused_by_the_api_server(
    running: Running, config: Any
) -> None:
    with pytest.raises(ApiException) as refused:
        running.floeplugins.merge(NAME, {"spec": {"config": config}})
    assert refused.value.status == 422


def test_a_configuration_for_a_plugin_that_takes_none_is_not_accepted(running: Running) -> None:
    assert running.judged("compute-none", config={"a": CANARY})["Ready"]["reason"] == "ConfigNotAccepted"
    conditions = running.judged("compute-none", config={})
    assert conditions["ConfigValid"]["reason"] == "NothingToConfigure"


RANGES = {
    ">=1.4.0a1,<2": "Compatible",
    ">=1.4": "OutsideVersionRange",
    "==1.*": "Compatible",
    "<1.4.0a1": "OutsideVersionRange",
    "1.4": "InvalidVersionRange",
    "~=": "InvalidVersionRange",
    "latest": "InvalidVersionRange",
    " >= 1.0 ": "Compatible",
    "": "Compatible",
}


@pytest.mark.parametrize(("accepted", "reason"), RANGES.items())
def test_spec_version_is_a_specifier_set_for_the_plugins_version_and_allows_pre_releases(
    running: Running, accepted: str, reason: str
) -> None:
    conditions = running.judged(config=DEFAULTS, version=accepted)
    assert conditions["VersionCompatible"]["reason"] == reason
    assert ("Stalled" in conditions) == (reason != "Compatible")


def test_deleting_the_object_of_an_installed_plugin_brings_the_bare_mirror_back(running: Running) -> None:
    conditions = running.judged(config={**DEFAULTS, "mode": "slow"})
    assert conditions["Ready"]["status"] == "True"
    before = running.floeplugins.get(NAME)
    running.floeplugins.delete(NAME)
    running.floeplugins.until(NAME, "ConfigValid", "NotConfigured")
    after = running.floeplugins.get(NAME)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"] == {"type": "compute", "name": "strict"}
    managers = {(each["manager"], each.get("subresource", "")) for each in after["metadata"]["managedFields"]}
    assert managers == {("floe-operator", ""), ("floe-operator-status", "status")}
    assert not after["metadata"].keys() & {"finalizers", "ownerReferences", "annotations"}
    assert after["metadata"]["labels"] == {"floe.dev/plugin-type": "compute"}


def test_an_object_follows_its_plugin_from_before_the_installation_to_after_the_removal(
    running: Running,
) -> None:
    floeplugins, environment = running.floeplugins, running.environment
    floeplugins.apply("storage", "late", config={"root": "/data"})
    assert floeplugins.until("storage-late", "Discovered", "NotInstalled")[0] == "False"
    labels = floeplugins.until_labelled("storage-late")["metadata"]["labels"]
    assert labels == {"floe.dev/plugin-type": "storage"}, "the operator's label beside a person's object"

    environment.install(late("0.1.0"))
    floeplugins.until("storage-late", "Ready", "Ready", within=60)
    assert (floeplugins.get("storage-late") or {})["status"]["version"] == "0.1.0"

    environment.install(late("0.2.0"))

    def upgraded() -> bool:
        status = (floeplugins.get("storage-late") or {})["status"]
        assert (status["version"], status["distribution"]["version"]) == ("0.2.0", "0.2.0")
        return True

    eventually(upgraded, within=60)

    environment.uninstall("floe-storage-late")
    floeplugins.until("storage-late", "Discovered", "NotInstalled", within=60)
    assert (floeplugins.get("storage-late") or {})["spec"]["config"] == {"root": "/data"}


def test_a_bare_mirror_is_deleted_after_three_scans_and_a_users_object_stays(
    running: Running, audit: Audit
) -> None:
    floeplugins, environment = running.floeplugins, running.environment
    environment.install(
        plugin_distribution("bare", PluginType.DBT), plugin_distribution("touched", PluginType.DBT)
    )
    for name in ("dbt-bare", "dbt-touched"):
        floeplugins.until(name, "Ready", "Ready", within=60)
    floeplugins.merge("dbt-touched", {"metadata": {"annotations": {"team": "data"}}})
    before = now()
    environment.uninstall("floe-dbt-bare", "floe-dbt-touched")

    def gone() -> bool:
        return floeplugins.get("dbt-bare") is None

    eventually(gone, within=60)
    deletions = audit.requests(namespace=floeplugins.namespace, since=before, verb="delete")
    assert [each["objectRef"]["name"] for each in deletions] == ["dbt-bare"]
    floeplugins.until("dbt-touched", "Discovered", "NotInstalled")

    def three_more_scans() -> bool:
        return len(audit.requests(namespace=floeplugins.namespace, since=moment, verb="list")) >= 4

    moment = now()
    eventually(three_more_scans)
    assert floeplugins.get("dbt-touched") is not None


def late(version: str) -> Distribution:
    """Return a storage plugin that is installed late."""
    return plugin_distribution("late", PluginType.STORAGE, version=version, config="root: str")
