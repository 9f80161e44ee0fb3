"""What `import floe_core` provides and what it imports, frozen as plugin-api.md defines it."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from packaging.specifiers import SpecifierSet

import floe_core

EXPORTS = {
    "plugin_types": ["PluginType"],
    "plugin_metadata": ["HealthState", "HealthStatus", "PluginMetadata"],
    "plugin_errors": [
        "CircularDependencyError",
        "DuplicatePluginError",
        "MissingDependencyError",
        "PluginConfigurationError",
        "PluginError",
        "PluginIncompatibleError",
        "PluginNotFoundError",
        "PluginStartupError",
    ],
    "version_compat": ["FLOE_PLUGIN_API_VERSION", "FLOE_PLUGIN_API_MIN_VERSION", "is_compatible"],
    "plugin_registry": ["PluginRegistry", "get_registry"],
    "plugins": [
        "CatalogPlugin",
        "ComputePlugin",
        "DBTPlugin",
        "IdentityPlugin",
        "IngestionPlugin",
        "LineageBackendPlugin",
        "OrchestratorPlugin",
        "SecretsPlugin",
        "SemanticLayerPlugin",
        "StoragePlugin",
        "TelemetryBackendPlugin",
    ],
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in EXPORTS.items() for name in names]
)
def test_floe_core_exports_every_name_of_the_contract(module: str, name: str) -> None:
    assert getattr(floe_core, name) is getattr(importlib.import_module(f"floe_core.{module}"), name)
    assert name in floe_core.__all__
    assert name in dir(floe_core)


def test_the_version_meets_the_requirement_of_published_plugins() -> None:
    assert SpecifierSet(">=0.1.0a1,<0.2.0").contains(floe_core.__version__, prereleases=True)
    assert floe_core.__version__.startswith("0.1.")


def test_an_unknown_name_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchThing"):
        floe_core.NoSuchThing  # noqa: B018


def test_everything_is_importable_without_kubernetes() -> None:
    code = (
        "import sys; sys.modules.update(kopf=None, kubernetes=None, floe_operator=None)\n"
        "from floe_core import *\n"
        "import floe_core.plugins, floe_core.plugin_registry, floe_core.host\n"
        "floe_core.get_registry().list_all()"
    )

    assert _python(code) == ""


def test_a_kind_can_be_imported_without_pydantic() -> None:
    code = "import sys, floe_core.plugins.compute\nprint('pydantic' in sys.modules)"

    assert _python(code) == "False\n"


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
