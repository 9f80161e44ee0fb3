"""The plugin host as a process: what it says and inherits, when it ends, and why it may not start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from floe_core.host.protocol import PROTOCOL_VERSION
from floe_operator.plugin_host import Described, PluginHost, ScanFailed
from floe_operator.plugin_host.process import HostProcess
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import Reports, all_loaded, compute, outcome, running
from tests.support.polling import eventually, eventually_async

REPOSITORY = Path(__file__).parents[2]

TELLER = """
import ctypes, os, resource, sys
print("cores", resource.getrlimit(resource.RLIMIT_CORE))
print("dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
print("score", open("/proc/self/oom_score_adj").read().strip())
print("session", os.getsid(0) == os.getpid())
print("stdin", os.readlink("/proc/self/fd/0"))
print("same", os.readlink("/proc/self/fd/1") == os.readlink("/proc/self/fd/2"))
print("names", *sorted(os.environ))
print("path", *sys.path)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment.create(tmp_path_factory.mktemp("process") / "environment")
    environment.add(
        plugin_distribution("teller", before=TELLER),
        plugin_distribution("holder", before="import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')"),
    )
    return environment


@pytest.mark.parametrize("plugin", ["holder", "teller"])
def test_the_host_ends_with_its_parent_even_while_a_plugin_holds_the_interpreter(
    environment: Environment, plugin: str
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, environment.python, plugin], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        said = dict(line.split(" ", 1) for line in iter(parent.stdout.readline, "now 0\n"))
        pid = int(said["pid"])
        os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not _runs(pid), saying="the host is gone")


_PARENT = textwrap.dedent(
    """
    import asyncio, sys
    from floe_core.plugin_types import PluginId, PluginType
    from floe_operator.plugin_host import PluginHost

    async def main():
        host = PluginHost(python=sys.argv[1], on_output=lambda printed: None)
        background = asyncio.create_task(host.run())
        await host.scan()
        plugin = PluginId(PluginType.COMPUTE, sys.argv[2])
        print("pid", host._supervisor.host.process.pid)
        await asyncio.sleep(0.5)
        print("now 0", flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
    """
)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_plugin_runs_in_its_own_process_without_variables_that_lead_to_the_cluster(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBECONFIG": "/nowhere",
        "FLOE_LOG_LEVEL": "debug",
        "REDIS_SERVICE_HOST": "10.0.0.2",
        "REDIS_PORT_6379_TCP_ADDR": "10.0.0.2",
    }
    for name, value in {**taken, "AWS_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    reports = Reports()
    async with running(environment.python, reports, load_timeout=2.0) as host:
        assert isinstance(await outcome(host, compute("teller")), Described)
    told = dict(line.split(" ", 1) for line in reports.lines if " " in line)
    assert told["cores"] == "(0, 0)"
    assert told["dumpable"] == "0"
    assert told["score"] == "1000"
    assert told["session"] == "True"
    assert told["stdin"] == "/dev/null"
    assert told["same"] == "True"
    assert "AWS_REGION" in told["names"].split()
    assert not set(taken) & set(told["names"].split())
    assert str(Path.cwd()) not in told["path"].split()


async def test_nothing_is_imported_from_the_working_directory(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("floe_core", "pydantic", "signal", "nowhere_else"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('from the working directory')")
    monkeypatch.chdir(tmp_path)
    async with running(environment.python, load_timeout=2.0) as host:
        assert isinstance(await outcome(host, compute("teller")), Described)


@pytest.mark.parametrize("form", ["a path with spaces", "relative", "a link to its folder"])
async def test_the_interpreter_of_a_virtual_environment_works_by_any_form_of_its_path(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Environment.create(tmp_path / "an environment")
    environment.add(plugin_distribution("fine"))
    (tmp_path / "link").symlink_to(environment.folder)
    monkeypatch.chdir(tmp_path)
    python = {
        "a path with spaces": environment.python,
        "relative": environment.python.relative_to(tmp_path),
        "a link to its folder": tmp_path / "link" / "bin" / "python",
    }[form]
    async with running(python) as host:
        assert isinstance(await outcome(host, compute("fine")), Described)


async def test_what_a_plugin_prints_need_not_be_text(tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / "environment")
    environment.add(plugin_distribution("odd", before="import os\nos.write(1, b'caf\\xe9\\n')"))
    reports = Reports()
    async with running(environment.python, reports) as host:
        assert isinstance(await outcome(host, compute("odd")), Described)
    assert reports.lines == ["caf\\xe9"]


async def test_processes_that_a_plugin_started_end_with_its_host(tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / "environment")
    start = "import subprocess\nprint('child', subprocess.Popen(['sleep', '600']).pid)"
    environment.add(plugin_distribution("parent", before=start))
    reports = Reports()
    async with running(environment.python, reports) as host:
        assert isinstance(await outcome(host, compute("parent")), Described)
        await eventually_async(_said(reports, "child"))
    pid = int(reports.lines[0].split()[1])
    eventually(lambda: not _runs(pid), saying="the child is gone")


async def test_a_plugin_is_loaded_from_the_environment_of_the_given_interpreter(tmp_path: Path) -> None:
    for version in ("0.1.0", "0.2.0"):
        environment = Environment.create(tmp_path / version)
        environment.add(plugin_distribution("same", version=version))
        async with running(environment.python) as host:
            state = await outcome(host, compute("same"))
            assert isinstance(state, Described)
            assert state.description.version == version


async def test_a_host_killed_while_idle_comes_back(environment: Environment) -> None:
    async with running(environment.python, load_timeout=2.0) as host:
        await all_loaded(host)
        generation = host.generation
        present = host._supervisor.host
        assert present is not None
        os.kill(present.process.pid, signal.SIGKILL)
        assert (await host.validate(compute("teller"), {}, {})).reason == "NothingToConfigure"

        async def back() -> bool:
            return host.generation == generation + 1

        await eventually_async(back)


async def test_a_start_that_is_given_up_at_any_moment_leaves_no_pipe_open(environment: Environment) -> None:
    def nothing(*_: object) -> None: ...

    open_before = _open_files()
    for rounds in range(12):
        start = HostProcess.start(str(environment.python), on_line=nothing, on_left_out=nothing)
        starting = asyncio.create_task(start)
        for _ in range(rounds):
            await asyncio.sleep(0)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            process = await starting
            process.kill()
            await process.release()
        assert _open_files() == open_before


def _open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


async def test_close_leaves_no_process_behind(environment: Environment) -> None:
    async with running(environment.python, load_timeout=2.0) as host:
        await all_loaded(host)
        present = host._supervisor.host
        assert present is not None
        pid = present.process.pid
    assert not _runs(pid)


def _said(reports: Reports, word: str) -> Callable[[], Awaitable[bool]]:
    async def said() -> bool:
        return any(line.startswith(word) for line in reports.lines)

    return said


async def _scan_failure(python: Path | str) -> str:
    host = PluginHost(python=str(python))
    background = asyncio.create_task(host.run())
    try:
        with pytest.raises(ScanFailed) as failed:
            await host.scan()
        return failed.value.detail
    finally:
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await host.close(1.0)


async def test_a_missing_interpreter_is_a_failed_scan_that_names_the_setting(tmp_path: Path) -> None:
    detail = await _scan_failure(tmp_path / "python")
    assert "does not exist" in detail
    assert "--plugin-python" in detail


async def test_an_interpreter_that_cannot_be_executed_is_a_failed_scan(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("no program")
    assert "cannot be executed (Permission denied)" in await _scan_failure(tmp_path / "python")


def _says_it_is(protocol: int, api: str) -> str:
    said = {"protocol": protocol, "floe_core": "9.0", "python": "4", "platform_api_version": api}
    return f"import json; print(json.dumps({ ({'jsonrpc': '2.0', 'method': 'ready', 'params': said}) }))"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import time; time.sleep(0.1); raise SystemExit('broken on purpose')", "broken on purpose"),
        ("print('hello')", "does not begin with a handshake"),
        (_says_it_is(99, "1.0"), "speaks protocol 99"),
        (_says_it_is(PROTOCOL_VERSION, "1.10"), "floe-core 9.0 of"),
        (_says_it_is(PROTOCOL_VERSION, "1.10"), "offers plugin API 1.10, but this operator offers 1.0"),
    ],
)
async def test_a_host_without_a_matching_handshake_is_a_failed_scan(
    tmp_path: Path, program: str, says: str
) -> None:
    python = tmp_path / "python"
    (tmp_path / "program.py").write_text(program)
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/program.py\n")
    python.chmod(0o755)
    assert says in await _scan_failure(python)
