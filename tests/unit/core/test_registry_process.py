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
    said = [line for line in done.stdout.splitlines() if line.startswith("Plugin")]
    assert said == ["PluginLoadTimeoutError", "PluginStartupError"]


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


NEEDS_THE_MAIN_THREAD = {
    "a signal handler": "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)",
    "an event loop": "import asyncio\nasyncio.get_event_loop().run_until_complete(asyncio.sleep(0))",
}


@pytest.mark.parametrize("before", NEEDS_THE_MAIN_THREAD.values(), ids=NEEDS_THE_MAIN_THREAD)
def test_what_a_programs_main_thread_can_import_loads_there(site: Site, before: str) -> None:
    site.add(plugin_distribution("main", before=before))
    done = run(
        """
        import asyncio, threading
        from floe_core import PluginImportError, PluginType, get_registry
        registry = get_registry()

        def attempt():
            try:
                print(registry.get(PluginType.COMPUTE, "main").name)
            except PluginImportError as error:
                print("or load it from the main thread before an event loop runs there" in str(error))

        async def attempt_in_a_loop():
            attempt()

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
        asyncio.run(attempt_in_a_loop())
        asyncio.set_event_loop(asyncio.new_event_loop())
        attempt()
        """,
        site,
    )
    assert done.stdout.split() == ["True", "True", "main"], done.stderr


def test_an_import_that_fails_in_the_main_thread_too_is_tried_twice_and_no_more(site: Site) -> None:
    site.add(plugin_distribution("broken", before="print('tried')\nraise RuntimeError"))
    done = run(
        """
        from floe_core import PluginImportError, PluginType, get_registry
        for _ in range(3):
            try:
                get_registry().get(PluginType.COMPUTE, "broken")
            except PluginImportError:
                print("failed")
        """,
        site,
    )
    assert done.stdout.split() == ["tried", "tried", "failed", "failed", "failed"], done.stderr


HOOKS = """
def startup(self): print("start", flush=True)
def shutdown(self): print("stop", flush=True)
"""


def test_a_forked_child_runs_hooks_whatever_its_parents_threads_were_doing(site: Site) -> None:
    busy = "def health_check(self):\n    time.sleep(3600)"
    site.add(
        plugin_distribution("used", body=HOOKS),
        plugin_distribution("busy", before="import time", body=busy),
        plugin_distribution("importing", before="import time\ntime.sleep(3600)"),
        plugin_distribution("fresh"),
    )
    done = run(
        """
        import os, threading, time
        from floe_core import PluginType, get_registry
        COMPUTE = PluginType.COMPUTE
        registry = get_registry()
        registry.activate_plugin(COMPUTE, "used")
        registry.get(COMPUTE, "busy")
        for call in (lambda: registry.get(COMPUTE, "importing"), lambda: registry.health_check_all(3600)):
            threading.Thread(target=call, daemon=True).start()
        while sum(thread.name.startswith("floe: ") for thread in threading.enumerate()) < 3:
            time.sleep(0.01)
        child = os.fork()
        if child == 0:
            print(registry.health_check_all(1)["COMPUTE:used"].state.value, flush=True)
            assert registry.get(COMPUTE, "fresh").name == "fresh"
            registry.shutdown_all(5)
            print("child", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        registry.shutdown_all(5)
        """,
        site,
    )
    assert done.stdout.split() == ["start", "healthy", "stop", "child", "stop"], done.stderr


def test_a_hook_that_forks_ends_the_child_when_it_returns_there(site: Site) -> None:
    body = """
        def startup(self):
            self.child = os.fork()
            os.write(1, b"parent " if self.child else b"child ")
            if self.child:
                os.waitpid(self.child, 0)
    """
    site.add(plugin_distribution("forking", before="import os", body=body))
    done = run(
        """
        from floe_core import PluginType, get_registry
        get_registry().activate_plugin(PluginType.COMPUTE, "forking", timeout=30)
        print("started")
        """,
        site,
    )
    assert sorted(done.stdout.split()) == ["child", "parent", "started"], done.stderr
    assert done.returncode == 0


def test_a_signal_handler_can_shut_plugins_down_while_the_main_thread_waits_for_one(site: Site) -> None:
    slow = "def startup(self):\n    print('starting', flush=True); time.sleep(3600)"
    site.add(
        plugin_distribution("used", body=HOOKS),
        plugin_distribution("slow", before="import time", body=slow),
    )
    done = run(
        """
        import os, signal, threading
        from floe_core import PluginStartupError, PluginType, get_registry
        registry = get_registry()

        def handler(*_):
            print(registry.shutdown_all(timeout=5), flush=True)
            os._exit(0)

        signal.signal(signal.SIGTERM, handler)
        registry.activate_plugin(PluginType.COMPUTE, "used")
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        registry.activate_plugin(PluginType.COMPUTE, "slow", timeout=50)
        """,
        site,
    )
    assert done.stdout.splitlines() == ["start", "starting", "stop", "{'COMPUTE:used': None}"], done.stderr


def test_a_first_hook_at_exit_runs_even_if_no_thread_can_be_started_then(site: Site) -> None:
    done = run(
        """
        import atexit
        from floe_core import PluginMetadata, PluginRegistry, PluginType

        class Given(PluginMetadata):
            name, version, floe_api_version = "given", "1.0.0", "1.0"

        registry = PluginRegistry()
        registry.register(PluginType.COMPUTE, Given())
        atexit.register(lambda: print(registry.activate_all(), *registry.health_check_all()))
        """,
        site,
    )
    assert (done.stdout, done.stderr) == ("{'COMPUTE:given': None} COMPUTE:given\n", "")


def test_a_destructor_uses_the_registry_while_the_interpreter_ends_whatever_frozen_threads_hold(
    site: Site,
) -> None:
    site.add(plugin_distribution("used", body=HOOKS))
    code = """
        import builtins, threading, time
        from floe_core import PluginType, get_registry
        registry, COMPUTE = get_registry(), PluginType.COMPUTE
        registry.activate_plugin(COMPUTE, "used")

        def work():
            while True:
                registry.health_check_all()

        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)

        class Closing:
            def __init__(self):
                self.registry, self.compute = registry, COMPUTE
            def __del__(self):
                self.registry.get_config(self.compute, "used")
                self.registry.shutdown_all(timeout=5)

        builtins.closing = Closing()
    """
    for _ in range(5):
        done = run(code, site)
        assert (done.returncode, done.stdout.split()) == (0, ["start", "stop"]), done.stderr


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
