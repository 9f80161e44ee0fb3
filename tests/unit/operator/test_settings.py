"""Flags and FLOE_* variables of the operator: what they accept, which wins, and what a wrong one is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from floe_operator.cli import main
from floe_operator.settings import RunSettings, service_account_namespace


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RunSettings.model_fields:
        monkeypatch.delenv(f"FLOE_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("scan_interval", "90", 90.0),
        ("scan_interval", "1.5", 1.5),
        ("scan_interval", "500ms", 0.5),
        ("scan_interval", "30s", 30.0),
        ("scan_interval", "2m", 120.0),
        ("scan_interval", "24h", 86_400.0),
        ("host_memory", "134217728", 2**27),
        ("host_memory", "512Mi", 2**29),
        ("host_memory", "2Gi", 2**31),
        ("host_memory", "1G", 10**9),
        ("leader_elect", "false", False),
        ("http_port", "0", 0),
        ("namespace", "team-a", "team-a"),
        ("plugin_python", "/opt/plugins/bin/python", Path("/opt/plugins/bin/python")),
    ],
)
def test_a_variable_is_read_in_the_units_of_kubernetes(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, value: Any
) -> None:
    monkeypatch.setenv(f"FLOE_{variable.upper()}", text)
    assert getattr(RunSettings(), variable) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("scan_interval", "0"),
        ("scan_interval", "-1s"),
        ("scan_interval", "1d"),
        ("scan_interval", "inf"),
        ("scan_interval", "25h"),
        ("load_timeout", "0"),
        ("host_memory", "1Mi"),
        ("host_memory", "1.5Gi"),
        ("host_memory", "-1"),
        ("http_port", "65536"),
        ("namespace", "Team"),
        ("namespace", "a/b"),
        ("namespace", "x" * 64),
        ("log_level", "loud"),
        ("leader_elect", "perhaps"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, text: str
) -> None:
    monkeypatch.setenv(f"FLOE_{variable.upper()}", text)
    with pytest.raises(ValidationError):
        RunSettings()
    with pytest.raises(SystemExit) as ended:
        main(["run"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"--{variable.replace('_', '-')} (FLOE_{variable.upper()})" in said
    assert said.count("\n") == 1


def test_the_defaults_are_those_of_the_design() -> None:
    settings = RunSettings()
    assert (settings.scan_interval, settings.load_timeout, settings.leader_elect) == (60.0, 10.0, True)
    assert (settings.namespace, settings.plugin_python) == (None, Path(sys.executable))


@pytest.mark.parametrize("name", RunSettings.model_fields)
def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"FLOE_{name.upper()}", "")
    assert getattr(RunSettings(), name) == RunSettings.model_fields[name].default


def test_every_setting_of_run_is_a_flag_with_its_variable_in_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in RunSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
        assert f"[FLOE_{name.upper()}]" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "which command?"), (["mirror"], "invalid choice"), (["run", "--nothing"], "--nothing")],
    ids=str,
)
def test_a_wrong_call_ends_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_outside_of_a_pod_there_is_no_namespace_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert service_account_namespace() is None
