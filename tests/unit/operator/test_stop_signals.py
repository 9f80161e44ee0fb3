"""What signals do to a process that takes them as the operator does, and what it knows of who sent them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.default_signals import default_signals
from tests.support.polling import eventually

PROGRAM = """
import asyncio, subprocess, sys
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.logs import configure_logging
from floe_operator.stop_signals import StopSignals, Suspects, unblocked

PLUGIN = PluginId(PluginType.COMPUTE, "one")

async def main():
    signals = StopSignals()
    if "deaf" in sys.argv:
        print("ready", flush=True)
        import time
        time.sleep(60)
    with unblocked():
        child = subprocess.Popen(sys.argv[1:], start_new_session=True) if sys.argv[1:] else None

    def suspects_of(arrival):
        if child is None or child.pid not in (arrival.sender, arrival.session):
            return None
        return Suspects(child.pid, [PLUGIN], "it is a test")

    signals.heed(suspects_of)
    print("ready", child.pid if child else "", flush=True)
    await signals.stop.wait()
    return signals.exit_code

configure_logging("info", "json")
sys.exit(asyncio.run(main()))
"""
FATAL = ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR")


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    with default_signals():
        yield


@contextmanager
def program(log: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=file, text=True
        )
    assert process.stdout
    try:
        assert process.stdout.readline().startswith("ready"), log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lines(log: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in json.loads(line).items() if key not in ("time", "logger", "level")}
        for line in log.read_text().splitlines()
    ]


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 0), ("SIGHUP", 129), ("SIGUSR1", 138)])
def test_a_signal_of_somebody_else_stops_the_process_and_blames_no_plugin(
    tmp_path: Path, name: str, code: int
) -> None:
    log = tmp_path / "log"
    with program(log) as process:
        process.send_signal(signal.Signals[name])
        assert process.wait(10) == code
    assert lines(log) == [{"message": "received a signal", "signal": name, "pid": os.getpid()}]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", *FATAL])
@pytest.mark.parametrize("beneath", [False, True])
def test_a_signal_of_a_plugin_is_told_by_the_log_and_by_the_exit_code(
    tmp_path: Path, name: str, beneath: bool
) -> None:
    log = tmp_path / "log"
    kill = f"import os, signal, time; os.kill({{}}, signal.{name}); time.sleep(60)"
    if beneath:
        grandchild = kill.format("int(sys.argv[1])").replace("import", "import sys,")
        command = f"[sys.executable, '-c', {grandchild!r}, str(os.getppid())]"
        code = f"import os, subprocess, sys; subprocess.run({command})"
    else:
        code = kill.format("os.getppid()")
    with program(log, sys.executable, "-c", code) as process:
        assert process.wait(10) == 128 + signal.Signals[name]
    (said,) = lines(log)
    assert said["message"] == "a plugin sent the operator a signal"
    assert (said["signal"], said["plugin"], said["reason"]) == (name, "compute/one", "it is a test")
    assert (said["pid"] == said["host"]) is not beneath
    os.killpg(said["host"], signal.SIGKILL)


def test_before_a_signal_can_be_heeded_it_ends_the_process_at_once(tmp_path: Path) -> None:
    with program(tmp_path / "log", "deaf") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM


def test_a_signal_that_was_ignored_from_the_start_is_ignored(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with program(log) as process:
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert [line["signal"] for line in lines(log)] == ["SIGTERM"]


def test_child_processes_have_no_blocked_signals(tmp_path: Path) -> None:
    code = "import pathlib; print(pathlib.Path('/proc/self/status').read_text()); print('END')"
    with program(tmp_path / "log", sys.executable, "-c", code) as process:
        assert process.stdout
        said = eventually(lambda: _until_end(process))
    assert "SigBlk:\t0000000000000000" in said


def _until_end(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return "".join(iter(process.stdout.readline, "END\n"))
