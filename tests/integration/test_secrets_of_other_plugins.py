"""A plugin's Secret is not told by another plugin either, though both run in one process."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from localcluster import LocalCluster
from tests.support.distributions import Distribution, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.secret_kinds import mixed
from tests.support.standing import Standing, standing_operator

_ENVIRONMENT = """
import base64, os, time
def environment():
    found = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    encoded = base64.b64encode(os.environ.get("PGPASSWORD", "").encode()).decode()
    return f"environment: {found} {encoded}"
"""
_HOLDER = """
def startup(self):
    os.environ["PGPASSWORD"] = self._config.password.get_secret_value()
"""
_REPORTER = """
def health_check(self):
    print(environment())
    return HealthStatus(HealthState.UNHEALTHY, environment())
"""
_RAISER = """
def startup(self):
    raise ValueError(environment())
"""
# Its import lasts until the holder has started.
_DESCRIBER = """
until = time.monotonic() + 25
while "PGPASSWORD" not in os.environ and time.monotonic() < until:
    time.sleep(0.05)
"""
_DESCRIBES = """
description = environment()
dependencies = []
"""


def _distributions() -> list[Distribution]:
    return [
        plugin_distribution("holder", before="import os", config="password: SecretStr", body=_HOLDER),
        plugin_distribution("reporter", before=_ENVIRONMENT, body=_REPORTER),
        plugin_distribution("raiser", before=_ENVIRONMENT, body=_RAISER),
        plugin_distribution(
            "zz-describer",
            before=_ENVIRONMENT + _DESCRIBER,
            config="database: str = Field(default=environment(), description=environment())",
            body=_DESCRIBES,
        ),
    ]


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_operator(cluster, tmp_path_factory.mktemp("others"), *_distributions()) as standing:
        yield standing


@pytest.fixture(scope="module")
def password(standing: Standing) -> str:
    """Return the password that the holder got from its Secret and put into the environment of all."""
    secret, plugins = mixed(), standing.plugins
    plugins.secret("holder", password=secret)
    source = {"secretKeyRef": {"name": "holder", "key": "password"}, "path": "password"}
    plugins.merge("compute-holder", {"spec": {"configFrom": [source], "probe": {}}})
    plugins.until("compute-holder", "Ready", "Ready", within=60)
    return secret


@pytest.mark.parametrize(
    ("name", "reason"), [("reporter", "Unhealthy"), ("raiser", "StartupFailed")], ids=["health", "startup"]
)
def test_what_a_plugin_says_holds_no_secret_of_another(
    standing: Standing, password: str, name: str, reason: str
) -> None:
    plugins = standing.plugins
    probe = {"periodSeconds": 1, "failureThreshold": 1}
    plugins.merge(f"compute-{name}", {"spec": {"probe": probe}})
    _, _, message = plugins.until(f"compute-{name}", "Healthy", reason)
    assert "PGPASSWORD" in message or "withheld" in message
    eventually(lambda: any(reason in json.dumps(each) for each in _events(plugins, name)))
    _assert_told_nowhere(standing, name, password)


def test_what_a_plugin_declares_holds_no_secret_of_another(standing: Standing, password: str) -> None:
    def described() -> dict[str, Any]:
        found = standing.plugins.get("compute-zz-describer") or {}
        status: dict[str, Any] = found.get("status", {})
        assert status.get("configSchema"), f"not described yet: {status}"
        return status

    status = eventually(described, within=60)
    assert "PGPASSWORD" in json.dumps(status) or "withheld" in json.dumps(status)
    _assert_told_nowhere(standing, "zz-describer", password)


def _assert_told_nowhere(standing: Standing, name: str, password: str) -> None:
    places = {
        "object": json.dumps(standing.plugins.get(f"compute-{name}")),
        "events": json.dumps(_events(standing.plugins, name)),
        "log": standing.operator.log.read_text(errors="replace"),
    }
    forms = password, base64.b64encode(password.encode()).decode().rstrip("=")
    assert not [place for place, text in places.items() if any(form in text for form in forms)]


def _events(plugins: FloePlugins, name: str) -> list[Any]:
    api: Any = client.ApiClient()
    about = f"involvedObject.name=compute-{name}"
    listed = plugins.core.list_namespaced_event(plugins.namespace, field_selector=about)
    return [api.sanitize_for_serialization(item) for item in listed.items]
