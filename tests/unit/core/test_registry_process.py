"""The registry in its own process: hanging plugins, interrupts and the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.distributions import Distribution, plugin_distribution
from tests.unit.core.conftest import Site


def run(code: str, site: Site) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site.folder), *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_hanging_hook_never_keeps_the_process_from_exiting(site: Site) -> None:
    hang = "import time\ntime.sleep(3600)"
    site.add(
        plugin_distribution("hung-import", before=hang),
        plugin_distribution(
            "hung-start", body=f"def startup(self):\n    {hang.splitlines()[0]}; time.sleep(3600)"
        ),
    )
    done = run(
        """
        from floe_core import PluginType, get_registry
        from floe_core._running import plugin_records
        for name, load_timeout in (("hung-import", 0.2), ("hung-start", 30)):
            plugin_records.LOAD_TIMEOUT = load_timeout
            try:
                get_registry().activate_plugin(PluginType.COMPUTE, name, timeout=0.2)
            except Exception as error:
                print(type(error).__name__)
        """,
        site,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["PluginLoadTimeoutError", "PluginStartupError"]


PYDANTIC_PLUGINS = {
    "entry points that are not text": Distribution("foreign", entry_points_txt=b"[x]\ny = \xff\xfe\n"),
    "a plugin that raises": Distribution(
        "foreign",
        "1.0",
        {"pydantic": {"bad": "bad_plugin:plugin"}},
        {"bad_plugin.py": "raise RuntimeError('bad')"},
    ),
    "a plugin that exits": Distribution(
        "foreign", "1.0", {"pydantic": {"bad": "bad_plugin:plugin"}}, {"bad_plugin.py": "raise SystemExit"}
    ),
}


@pytest.mark.parametrize("foreign", PYDANTIC_PLUGINS.values(), ids=PYDANTIC_PLUGINS)
def test_a_failed_search_for_pydantics_plugins_is_charged_to_no_plugin(
    site: Site, foreign: Distribution
) -> None:
    site.add(foreign, *(plugin_distribution(name, config="word: str = ''") for name in ("one", "two")))
    done = run(
        """
        from floe_core import PluginType, get_registry
        print(*(plugin.name for plugin in get_registry().list(PluginType.COMPUTE)))
        """,
        site,
    )
    assert done.stdout.splitlines()[-1] == "one two", done.stderr
    # pydantic 2.0 to 2.4 have no plugins.
    assert done.stdout.count("pydantic cannot look for its plugins") <= 1


WAITING = """
import os, signal, time
print("waiting", flush=True)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(3600)
"""


def test_an_interrupt_by_the_user_ends_the_wait_for_a_plugin(site: Site) -> None:
    site.add(plugin_distribution("hung", before=WAITING))
    done = run(
        """
        from floe_core import PluginType, get_registry
        try:
            get_registry().get(PluginType.COMPUTE, "hung")
        except KeyboardInterrupt:
            print("interrupted")
        """,
        site,
    )
    assert done.stdout.split() == ["waiting", "interrupted"]
    assert done.returncode == 0


def test_plugins_can_be_shut_down_at_exit(site: Site) -> None:
    site.add(plugin_distribution("closing", body="def shutdown(self): print('closed', flush=True)"))
    done = run(
        """
        import atexit
        from floe_core import PluginType, get_registry
        registry = get_registry()
        atexit.register(registry.shutdown_all)
        registry.activate_plugin(PluginType.COMPUTE, "closing")
        """,
        site,
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["closed"], "")


def test_broken_plugins_are_left_out_even_if_nothing_can_be_logged(site: Site) -> None:
    site.add(plugin_distribution("broken", source="raise RuntimeError"), plugin_distribution("fine"))
    site.add(Distribution("odd", entry_points={"floe.computes": {"malformed": "nothing"}}))
    done = run(
        """
        import os, sys
        sys.stdout = None  # as the interpreter sets it if the descriptor is closed
        from floe_core import PluginType, get_registry
        names = [plugin.name for plugin in get_registry().list(PluginType.COMPUTE)]
        os.write(1, " ".join(names).encode())
        """,
        site,
    )
    assert (done.stdout, done.stderr) == ("fine", "")


def test_discovery_writes_no_files(site: Site, tmp_path: Path) -> None:
    site.add(plugin_distribution("fine"))
    home = tmp_path / "home"
    home.mkdir()
    before = sorted(site.folder.rglob("*"))
    done = run(
        f"""
        import os, tempfile
        os.environ.update(HOME={str(home)!r}, XDG_CACHE_HOME={str(home)!r}, TMPDIR={str(home)!r})
        os.chdir({str(home)!r})
        from floe_core import get_registry
        print(sum(map(len, get_registry().list_all().values())))
        """,
        site,
    )
    assert int(done.stdout) >= 1, done.stderr
    assert sorted(site.folder.rglob("*")) == before
    assert list(home.iterdir()) == []
