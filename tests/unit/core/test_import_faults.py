"""Why an import failed, and the way out that fits the cause."""

from __future__ import annotations

import pickle
import sys

import pytest

from floe_core import __version__
from floe_core._loading.loading import load_class
from floe_core.plugin_errors import PluginImportError
from floe_core.plugin_types import PluginType, plugin_id
from tests.support.distributions import Distribution, plugin_distribution
from tests.unit.core.conftest import Site

PLUGIN = plugin_id(PluginType.COMPUTE, "tried")
MODULE = "floe_compute_tried"

CORE = "install another release of the plugin, or another release of floe-core and the platform"
REQUIREMENT = (
    "install the distribution that provides it in the same environment, or another release of the plugin"
)
MISFIT = "install a release of that library that fits, or another release of the plugin"
PYTHON = "install another release of the plugin, or use a Python that has it"
PATCH = (
    "a plugin must not patch a running process at import; install a release that does so in a process of its "
    "own"
)
ENTRY_POINT = "install a release whose entry point names what is in it"
OTHER = "resolve what the error says, or install another release of the plugin"

LIBRARIES = Distribution(
    "libraries",
    modules={
        "old_library/__init__.py": "",
        "shared_space/there.py": "",
        "gevent/__init__.py": "",
        "gevent/monkey/__init__.py": "from gevent.monkey._state import patch_all",
        "gevent/monkey/_state.py": "def patch_all(): raise KeyError('too late')",
        "eventlet/__init__.py": "",
        "eventlet/patcher.py": "def monkey_patch(): import thing_that_eventlet_lacks",
    },
)
NEWER = f"but this is {__version__}"
THIS_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"

CAUSES = {
    # Something of floe_core's own.
    "import floe_core.newer": (f"is written for a floe_core that has floe_core.newer, {NEWER}", CORE),
    "from floe_core import Newer": (f"is written for a floe_core that has floe_core.Newer, {NEWER}", CORE),
    "from floe_core.plugins.compute import Newer": (
        f"is written for a floe_core that has floe_core.plugins.compute.Newer, {NEWER}",
        CORE,
    ),
    "import floe_core\nfloe_core.Newer": (
        f"is written for a floe_core that has floe_core.Newer, {NEWER}",
        CORE,
    ),
    "from floe_core import PluginType\nPluginType.NEWER": (
        f"is written for a floe_core that has floe_core.plugin_types.PluginType.NEWER, {NEWER}",
        CORE,
    ),
    # A requirement that is missing.
    "import a_library_nobody_has.inner": (
        f"importing {MODULE} needs a_library_nobody_has, which is not installed",
        REQUIREMENT,
    ),
    "import shared_space.missing": (
        f"importing {MODULE} needs shared_space.missing, which is not installed",
        REQUIREMENT,
    ),
    "import eventlet.patcher; eventlet.patcher.monkey_patch()": (
        f"importing {MODULE} needs thing_that_eventlet_lacks, which is not installed",
        REQUIREMENT,
    ),
    # A requirement that does not fit.
    "from old_library import newer": (
        f"importing {MODULE} needs old_library.newer, which the installed old_library does not have",
        MISFIT,
    ),
    "import old_library.newer": (
        f"importing {MODULE} needs old_library.newer, which the installed old_library does not have",
        MISFIT,
    ),
    # The standard library of another Python.
    "import winreg": (f"importing {MODULE} needs winreg, which {THIS_PYTHON} does not have here", PYTHON),
    "from collections import Mapping": (
        f"importing {MODULE} needs collections.Mapping, which {THIS_PYTHON} does not have here",
        PYTHON,
    ),
    "raise ModuleNotFoundError(name='imp')": (
        f"importing {MODULE} needs imp, which {THIS_PYTHON} does not have here",
        PYTHON,
    ),
    # A patch of the process.
    "from gevent import monkey; monkey.patch_all()": (
        f"importing {MODULE} raised KeyError after patching the process",
        PATCH,
    ),
    # Anything else.
    "import gevent.monkey\nraise KeyError": (f"importing {MODULE} raised KeyError", OTHER),
    "raise OSError('no disk')": (f"importing {MODULE} raised OSError", OTHER),
    "raise ImportError": (f"importing {MODULE} raised ImportError", OTHER),
    "raise ImportError(3, name=3)": (f"importing {MODULE} raised ImportError", OTHER),
    "import json\njson.newer": (f"importing {MODULE} raised AttributeError", OTHER),
    f"import {MODULE}.inner": (f"importing {MODULE} raised ModuleNotFoundError", OTHER),
    f"from {MODULE} import Later": (f"importing {MODULE} raised ImportError", OTHER),
}


def failure(site: Site) -> PluginImportError:
    """Return the error of loading the plugin."""
    with pytest.raises(PluginImportError) as caught:
        load_class(site.claim(PLUGIN))
    return caught.value


@pytest.mark.parametrize("source", CAUSES)
def test_the_way_out_fits_the_cause(site: Site, source: str) -> None:
    site.add(LIBRARIES, plugin_distribution("tried", source=source))
    reason, fix = CAUSES[source]
    error = failure(site)
    assert reason in error.reason
    assert error.fix == fix
    assert str(error).endswith(f"; {fix}")


@pytest.mark.parametrize("value", ["nowhere_at_all:Plugin", "tried.nowhere:Plugin", "tried:Nothing"])
def test_an_entry_point_that_names_what_is_not_there_needs_another_release(site: Site, value: str) -> None:
    claims = {"floe.computes": {"tried": value}}
    site.add(Distribution("floe-tried", entry_points=claims, modules={"tried/__init__.py": ""}))
    assert failure(site).fix == ENTRY_POINT


def test_a_module_that_imports_its_attributes_on_demand_can_lack_a_requirement(site: Site) -> None:
    source = "def __getattr__(name): import a_library_nobody_has"
    site.add(plugin_distribution("tried", source=source))
    error = failure(site)
    assert error.reason == f"{MODULE}:Plugin needs a_library_nobody_has, which is not installed"
    assert error.fix == REQUIREMENT


def test_the_way_out_passes_between_processes() -> None:
    error = PluginImportError(PluginType.COMPUTE, "tried", "it failed", fix="do this")
    arrived = pickle.loads(pickle.dumps(error))
    assert (str(arrived), arrived.fix) == ("Cannot load COMPUTE:tried: it failed; do this", "do this")
    assert str(PluginImportError(PluginType.COMPUTE, "tried", "it failed")).endswith("it failed")
