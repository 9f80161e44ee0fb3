"""Plugins with awkward schemas and names, and two operators on one namespace, on a real API server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.distributions import Environment, members_source, plugin_distribution, plugin_source
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

LONGEST = "n" * 63
RECURSIVE = f"""
from __future__ import annotations
from pydantic import BaseModel, SecretStr
from floe_core import ComputePlugin
class Config(BaseModel):
    name: str
    password: SecretStr | None = None
    children: list[Config] = []
class Plugin(ComputePlugin):
    name = "recursive"
    version = "0.1.0"
    floe_api_version = "1.0"
    {members_source(PluginType.COMPUTE)}
    def get_config_schema(self): return Config
"""
PLUGINS = (
    plugin_distribution("recursive", source=RECURSIVE),
    plugin_distribution(
        "slow-schema",
        source=plugin_source("slow-schema", config="word: str = 'none'").replace(
            "return Config", "import time; time.sleep(2); return Config"
        ),
    ),
    plugin_distribution(
        "raising-schema", body="def get_config_schema(self): raise RuntimeError('no schema today')"
    ),
    plugin_distribution("no-schema", body="def get_config_schema(self): return dict"),
    plugin_distribution("large-schema", config="\n".join(f"field_{n}: str = 'x'" for n in range(2000))),
    plugin_distribution(
        "raising-property", body="@property\ndef description(self): raise RuntimeError('shy')"
    ),
    plugin_distribution("chatty", body="description = 'long ' * 100_000"),
    plugin_distribution(LONGEST, PluginType.TELEMETRY_BACKEND),
    plugin_distribution("good", config="word: str = 'none'"),
)


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_operator(cluster, tmp_path_factory.mktemp("awkward"), *PLUGINS) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing) -> FloePlugins:
    return standing.plugins


@pytest.mark.parametrize(
    ("name", "kind", "reason", "words"),
    [
        ("compute-slow-schema", "Ready", "Ready", ""),
        ("compute-raising-schema", "ConfigValid", "SchemaFailed", "get_config_schema() raised RuntimeError"),
        ("compute-no-schema", "ConfigValid", "SchemaFailed", ""),
        ("compute-large-schema", "Ready", "Ready", ""),
        ("compute-raising-property", "Loaded", "NotAPlugin|Loaded", ""),
        ("compute-chatty", "Ready", "Ready", ""),
        (f"telemetry-backend-{LONGEST}", "Ready", "Ready", ""),
        ("compute-good", "Ready", "Ready", ""),
    ],
)
def test_each_awkward_plugin_is_assessed(
    plugins: FloePlugins, name: str, kind: str, reason: str, words: str
) -> None:
    def judged() -> bool:
        found = plugins.condition(name, kind)
        assert found[1] in reason.split("|"), f"{name}: {found}"
        assert words in found[2]
        return True

    eventually(judged, within=60)


def test_a_recursive_schema_is_enforced_at_every_depth(plugins: FloePlugins) -> None:
    plugins.merge(
        "compute-recursive",
        {"spec": {"config": {"name": "a", "children": [{"name": "b", "children": [{"nam": "c"}]}]}}},
    )
    _, _, message = plugins.until("compute-recursive", "ConfigValid", "ValidationFailed")
    assert "children.0.children.0.name" in message
    child = {"name": "b", "children": [{"name": "c", "password": "in-plain-sight"}]}
    plugins.merge("compute-recursive", {"spec": {"config": {"name": "a", "children": [child]}}})
    _, _, message = plugins.until("compute-recursive", "ConfigValid", "PlaintextSecret")
    assert "children.0.children.0.password" in message
    assert "plain-sight" not in message


def test_a_schema_that_is_too_large_is_left_out_and_a_long_description_is_cut(plugins: FloePlugins) -> None:
    plugins.until("compute-large-schema", "Ready", "Ready")
    large, chatty = plugins.get("compute-large-schema"), plugins.get("compute-chatty")
    assert large is not None
    assert "configSchema" not in large["status"]
    assert chatty is not None
    assert len(chatty["status"]["description"].encode()) <= 512


def test_a_slow_schema_delays_no_other_object(plugins: FloePlugins) -> None:
    plugins.merge("compute-slow-schema", {"spec": {"config": {"word": "a"}}})
    plugins.merge("compute-good", {"spec": {"config": {"word": 7}}})
    plugins.until("compute-good", "ConfigValid", "ValidationFailed")
    plugins.merge("compute-good", {"spec": {"config": {"word": "good"}}})
    plugins.until("compute-good", "Ready", "Ready")
    plugins.until("compute-slow-schema", "Ready", "Ready")


def test_one_of_two_operators_on_a_namespace_writes_and_the_other_takes_over(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    environment.install(plugin_distribution("one", config="word: str = 'none'"))
    since = now()
    first = start_operator("--leader-elect")
    floeplugins.until("compute-one", "Ready", "Ready")
    second = start_operator("--leader-elect")
    for number in range(5):
        floeplugins.merge("compute-one", {"spec": {"config": {"word": f"word-{number}"}}})
        floeplugins.until("compute-one", "Ready", "Ready")
    writes = Counter(audit.writes(namespace=floeplugins.namespace, since=since))
    # The mirror; its first status, perhaps after one that shows loading; and a status for each change.
    assert writes["patch", "compute-one"] == 1
    assert 6 <= writes["patch", "compute-one/status"] <= 7
    first.stop()
    floeplugins.merge("compute-one", {"spec": {"config": {"word": 7}}})
    floeplugins.until("compute-one", "Ready", "ValidationFailed", within=60)
    assert second.process.poll() is None
