"""A plugin that signals the operator ends it; the log names it, and the exit code tells the signal."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.integration.conftest import StartOperator
from tests.support.default_signals import default_signals
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually

WAYS = {
    "kill": "os.kill(os.getppid(), signal.{name})",
    "child": "subprocess.run([sys.executable, '-c', 'import os, signal, sys, time; "
    "os.kill(int(sys.argv[1]), signal.{name}); time.sleep(1)', str(os.getppid())])",
}


def signals(way: str, name: str) -> str:
    return WAYS[way].format(name=name)


def the_end(operator: OperatorProcess) -> tuple[int, list[dict[str, Any]]]:
    """Wait for the operator's end; return its exit code and what it says about signals."""
    code = operator.process.wait(60)
    lines = operator.lines()
    assert [line for line in lines if "raw" in line] == []
    assert lines[-1]["message"] != "floe-operator stopping", "the Lease is released"
    return code, [line for line in lines if "signal" in line["message"]]


@pytest.mark.parametrize(("name", "way"), [("SIGTERM", "kill"), ("SIGHUP", "child")])
def test_a_plugin_that_signals_its_parent_in_its_health_check_is_named(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, name: str, way: str
) -> None:
    check = f"time.sleep(1); {signals(way, name)}; return HealthStatus(HealthState.HEALTHY)"
    body = f"def health_check(self):\n    {check}"
    before = "import os, signal, subprocess, sys, time"
    environment.add(
        plugin_distribution("hostile", before=before, body=body),
        plugin_distribution("other"),
    )
    floeplugins.create("compute", "hostile", probe={})
    floeplugins.create("compute", "other")
    with default_signals():
        operator = start_operator()
    code, (said,) = the_end(operator)
    assert code == 128 + signal.Signals[name]
    assert said["message"] == "a plugin sent the operator a signal"
    assert (said["level"], said["signal"], said["plugin"]) == ("error", name, "compute/hostile")
    assert said["reason"] == "called at that time"
    assert (said["pid"] == said["host"]) is (way == "kill")


def test_a_plugin_that_signals_its_parent_at_import_is_named(
    environment: Environment, start_operator: StartOperator
) -> None:
    environment.add(
        plugin_distribution("hostile", before=f"import os, signal\n{signals('kill', 'SIGTERM')}"),
        plugin_distribution("zebra", before="import time\ntime.sleep(1)"),
    )
    code, (said,) = the_end(start_operator())
    assert code == 128 + signal.SIGTERM
    assert said["plugin"] == "compute/hostile"


def test_a_plugin_whose_thread_signals_its_parent_later_is_named_among_the_started(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    body = f"def startup(self):\n    threading.Timer(2, lambda: {signals('kill', 'SIGUSR1')}).start()"
    environment.add(
        plugin_distribution("hostile", before="import os, signal, threading", body=body),
        plugin_distribution("other"),
    )
    for name in ("hostile", "other"):
        floeplugins.create("compute", name, probe={"interval": "1h"})
    code, (said,) = the_end(start_operator())
    assert code == 128 + signal.SIGUSR1
    assert said["plugins"] == ["compute/hostile", "compute/other"]
    assert said["reason"] == "started; no plugin was called at that time"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_from_outside_stops_the_operator_as_always_and_blames_no_plugin(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, number: signal.Signals
) -> None:
    body = "def health_check(self):\n    time.sleep(3600)\ndef shutdown(self):\n    print('stopped')"
    environment.add(plugin_distribution("steady", before="import time", body=body))
    floeplugins.create("compute", "steady", probe={})
    operator = start_operator()
    eventually(lambda: operator.logged("plugin started"), within=60)
    operator.process.send_signal(number)
    code, (said,) = the_end(operator)
    assert code == 0
    assert said["message"] == "received a signal"
    assert "plugin" not in said
    assert operator.logged("plugin output", "stopped")


def test_hosts_and_what_they_start_can_be_ended_by_signals(
    environment: Environment, start_operator: StartOperator
) -> None:
    code = "import subprocess\nsubprocess.run(['grep', 'SigBlk', '/proc/self/status'])"
    environment.add(plugin_distribution("looks", before=code))
    operator = start_operator()
    blocked = eventually(lambda: operator.logged("SigBlk") and _blocked(operator), within=60)
    assert blocked == {"compute/looks": "SigBlk:\t0000000000000000"}


def _blocked(operator: OperatorProcess) -> dict[str, str]:
    return {line["plugin"]: line["text"] for line in operator.lines() if "SigBlk" in line.get("text", "")}
