"""The way out of a failed import, as a plugin host finds it and the operator shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from floe_operator.plugin_host import Described, LoadFault
from floe_operator.rules.assess import load_fault_sentence
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.plugin_hosts import compute, outcome, running

PATCHED = "a plugin must not patch a running process at import; install a release that does so in a process"
# What gevent does to the import system, and no more: threads change their identity.
GEVENT = Distribution(
    "gevent",
    modules={
        "gevent/__init__.py": "",
        "gevent/monkey.py": "import _thread\ndef patch_all():\n    _thread.get_ident = lambda: 42",
        "eventlet/__init__.py": "",
        "eventlet/patcher.py": "def monkey_patch():\n    raise RuntimeError('too late')",
    },
)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    created = Environment.create(tmp_path / "environment")
    created.add(GEVENT)
    return created


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("import floe_core.newer", "another release of floe-core and the platform"),
        ("import a_library_nobody_has", "install the distribution that provides it"),
        ("from pydantic import Newer", "a release of that library that fits"),
        ("from gevent import monkey\nmonkey.patch_all()", PATCHED),
        ("from eventlet import patcher\npatcher.monkey_patch()", PATCHED),
        ("raise OSError('no disk')", "OSError: no disk; resolve what the error says"),
    ],
)
async def test_the_way_out_fits_the_cause(environment: Environment, before: str, says: str) -> None:
    environment.add(plugin_distribution("broken", before=before), plugin_distribution("whole"))
    async with running(environment.python) as host:
        fault = await outcome(host, compute("broken"))
        assert isinstance(fault, LoadFault)
        assert fault.reason == "ImportFailed"
        assert says in load_fault_sentence(fault)
        assert isinstance(await outcome(host, compute("whole")), Described)
