"""Every import contract is broken by each kind of import that it forbids."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"floe_core": Path("floe_core"), "floe_operator": Path("operator/floe_operator")}
PLANTED = {
    "The operator's rules are pure": [
        ("floe_operator.rules.versions", "kopf"),
        ("floe_operator.rules.versions", "kubernetes"),
        ("floe_operator.rules.versions", "aiohttp"),
        ("floe_operator.rules.versions", "structlog"),
        ("floe_operator.rules.versions", "asyncio"),
        ("floe_operator.rules.versions", "threading"),
        ("floe_operator.rules.versions", "subprocess"),
    ],
    "The plugin host and the offline commands do not depend on Kubernetes": [
        ("floe_operator.plugin_host.host", "kopf"),
        ("floe_operator.plugin_host.rpc", "kubernetes"),
        ("floe_operator.commands.schema", "aiohttp"),
    ],
    "Only api has access to the API server": [
        ("floe_operator.gather", "kopf"),
        ("floe_operator.metrics", "aiohttp"),
        ("floe_operator.http_server", "kubernetes"),
    ],
    "The operator's layers only import lower layers": [
        ("floe_operator.rules.facts", "floe_operator.objects"),
        ("floe_operator.api.sources", "floe_operator.reconcile"),
        ("floe_operator.plugin_host.host", "floe_operator.scanner"),
    ],
    "floe_core's layers only import lower layers": [
        ("floe_core._finding.discovery", "floe_core.plugin_registry"),
        ("floe_core._loading.loading", "floe_core._running.import_turns"),
        ("floe_core.plugin_types", "floe_core._finding.discovery"),
    ],
    "floe_core does not depend on Kubernetes or the operator": [
        ("floe_core.host.server", "prometheus_client"),
        ("floe_core.plugin_types", "floe_operator"),
        ("floe_core._running.health_checks", "kubernetes"),
    ],
}
"""For each contract (the beginning of its name), imports that it forbids, importer first."""

BY_WAY_OF_OTHERS = {
    "The operator's rules are pure": ("floe_operator.rules.versions", "floe_operator.http_server"),
    "The plugin host and the offline commands do not depend on Kubernetes": (
        "floe_operator.commands.schema",
        "floe_operator.api.connection",
    ),
}
"""Imports that are forbidden because of what the imported module itself imports."""


class Clone:
    """A copy of the two packages in which imports can be planted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copy(ROOT / "pyproject.toml", folder)
        for package in PACKAGES.values():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, folder / package, ignore=ignored)

    def plant(self, importer: str, imported: str) -> None:
        package, _, rest = importer.partition(".")
        with (self._folder / PACKAGES[package] / f"{rest.replace('.', '/')}.py").open("a") as file:
            file.write(f"\nimport {imported}\n")

    def check(self) -> tuple[list[str], str]:
        """Return the names of the broken contracts, and the whole report."""
        path = os.pathsep.join([str(self._folder), str(self._folder / "operator")])
        linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
        done = subprocess.run(
            [sys.executable, "-c", linter, "--no-cache"],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        judged = re.findall(r"^(.+) (KEPT|BROKEN)(?: \(\d+ ignored imports\))?$", done.stdout, re.MULTILINE)
        assert len(judged) == len(PLANTED), done.stdout + done.stderr
        return [name for name, outcome in judged if outcome == "BROKEN"], done.stdout


def details(report: str, contract: str) -> str:
    """Return the part of a report that describes how a contract is broken."""
    parts = re.split(r"\n([^\n]+)\n-{10,}\n", report)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[contract]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_the_code_breaks_no_contract(clone: Clone) -> None:
    broken, report = clone.check()
    assert broken == [], report


@pytest.mark.parametrize("contract", PLANTED)
def test_each_planted_import_breaks_the_contract_that_forbids_it(clone: Clone, contract: str) -> None:
    for importer, imported in PLANTED[contract]:
        clone.plant(importer, imported)
    broken, report = clone.check()
    section = next((details(report, name) for name in broken if name.startswith(contract)), "")
    for importer, imported in PLANTED[contract]:
        assert f"{importer} -> {imported} (" in section, report


@pytest.mark.parametrize("contract", BY_WAY_OF_OTHERS)
def test_an_indirect_import_of_a_forbidden_module_breaks_the_contract(clone: Clone, contract: str) -> None:
    clone.plant(*BY_WAY_OF_OTHERS[contract])
    broken, report = clone.check()
    assert any(name.startswith(contract) for name in broken), report


@pytest.mark.parametrize("package", PACKAGES)
def test_a_new_module_must_be_assigned_to_a_layer(clone: Clone, package: str) -> None:
    clone.plant(f"{package}.new_module", "typing")
    broken, report = clone.check()
    assert len(broken) == 1
    assert "layers only import lower layers" in broken[0]
    assert "new_module" in report
