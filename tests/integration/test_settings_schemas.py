"""A plugin whose schema derives from BaseSettings is configured by its FloePlugin, not by its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from floe_core.host.protocol import HealthReport
from floe_operator.plugin_host import Described
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import compute, outcome, running

MARK = "from-the-process"
STORE = compute("store")
BEFORE = """
from pydantic_settings import BaseSettings

class Pool(BaseSettings):
    pool_name: str

class Config(BaseSettings):
    store_path: str
    store_token: SecretStr
    pool: Pool = Pool.model_construct(pool_name="default")
"""
BODY = """
def get_config_schema(self):
    return Config
def health_check(self):
    config = self._config
    said = f"{config.store_path} {config.store_token.get_secret_value()} {config.pool.pool_name}"
    return HealthStatus(HealthState.HEALTHY, said)
"""
GIVEN = {"store_path": "given", "store_token": "s3cr3t"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("settings") / "environment"
    environment = Environment.create(folder, sees=["pydantic-settings"])
    environment.install(plugin_distribution("store", before=BEFORE, body=BODY))
    return environment


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE_PATH", "STORE_TOKEN", "POOL_NAME"):
        monkeypatch.setenv(name, MARK)


@pytest.mark.parametrize(
    ("config", "reason", "fields"),
    [
        ({}, "ConfigRequired", ["store_path", "store_token"]),
        ({"store_token": "s3cr3t"}, "ValidationFailed", ["store_path"]),
        ({**GIVEN, "pool": {}}, "ValidationFailed", ["pool.pool_name"]),
        ({**GIVEN, "_env_file": "store.env"}, "ValidationFailed", ["_env_file"]),
        (GIVEN, "Valid", []),
    ],
)
async def test_the_plugin_host_judges_only_what_is_given(
    environment: Environment, config: dict[str, Any], reason: str, fields: list[str]
) -> None:
    plain = {key: value for key, value in config.items() if key != "store_token"}
    async with running(environment.python) as host:
        described = await outcome(host, STORE)
        verdict = await host.validate(STORE, config, plain)
    assert (verdict.reason, [fault.field for fault in verdict.faults]) == (reason, fields)
    assert isinstance(described, Described)
    assert described.description.config_schema is not None
    assert described.description.required_fields == ("store_path", "store_token")
    assert described.description.config_schema["required"] == ["store_path", "store_token"]


async def test_a_started_plugin_has_only_what_is_given(environment: Environment) -> None:
    async with running(environment.python) as host:
        await outcome(host, STORE)
        await host.start_plugin(STORE, GIVEN, 30.0)
        report = await host.check(STORE, 5.0)
    assert report == HealthReport(state="healthy", message="given s3cr3t default")


def test_validate_finds_what_is_not_given(environment: Environment, tmp_path: Path) -> None:
    manifest = "apiVersion: floe.dev/v1alpha1\nkind: FloePlugin\nmetadata: {name: compute-store}\nspec: "
    spec = "{type: compute, name: store, config: {pool: {}, _env_file: store.env}}\n"
    (tmp_path / "store.yaml").write_text(manifest + spec)
    done = run_cli(environment, tmp_path, "validate", "-f", "store.yaml", "--output", "json")
    assert done.returncode == 1, done.stderr
    assert {(each["path"], each["rule"]) for each in json.loads(done.stdout)["findings"]} == {
        ("spec.config.store_path", "ValidationFailed/missing"),
        ("spec.config.store_token", "ValidationFailed/missing"),
        ("spec.config.pool.pool_name", "ValidationFailed/missing"),
        ("spec.config._env_file", "ValidationFailed/extra_forbidden"),
    }


def test_the_document_schema_has_all_fields_and_nothing_of_the_process(
    environment: Environment, tmp_path: Path
) -> None:
    done = run_cli(environment, tmp_path, "schema", "compute", "store")
    assert done.returncode == 0, done.stderr
    assert MARK not in done.stdout
    assert {"store_path", "store_token", "pool"} <= set(find_properties(json.loads(done.stdout)))


def find_properties(document: Any) -> list[str]:
    """Return the names of all properties in a JSON schema."""
    if isinstance(document, list):
        return [name for each in document for name in find_properties(each)]
    if not isinstance(document, dict):
        return []
    own = document.get("properties")
    inner = [name for each in document.values() for name in find_properties(each)]
    return [*own, *inner] if isinstance(own, dict) else inner


def run_cli(environment: Environment, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FLOE_", "KUBE"))}
    return subprocess.run(
        [sys.executable, "-m", "floe_operator", *arguments],
        env={**own, "FLOE_PLUGIN_PYTHON": str(environment.python)},
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
