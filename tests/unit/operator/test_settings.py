"""The operator's flags and FLOE_* variables: what they accept, which wins, and what errors say."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from floe_operator.cli import main
from floe_operator.commands.list_plugins import ListSettings
from floe_operator.settings import PluginEnvironment, RunSettings, service_account_namespace


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
def test_a_variable_is_read_in_kubernetes_units(
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
        ("host_memory", "512ki"),
        ("host_memory", "1.5Gi"),
        ("host_memory", "-1"),
        ("http_port", "65536"),
        ("namespace", "Team"),
        ("namespace", "a/b"),
        ("namespace", "x" * 64),
        ("log_level", "loud"),
        ("leader_elect", "perhaps"),
        ("mirror_labels", "a b=c"),
        ("mirror_labels", "team"),
        ("mirror_labels", "team=a,team=b"),
        ("mirror_labels", "team=data,floe.dev/plugin-type=x"),
        ("mirror_labels", "app.kubernetes.io/managed-by=Helm"),
        ("mirror_labels", "applyset.kubernetes.io/part-of=x"),
    ],
)
def test_an_invalid_value_is_refused(
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


def test_too_little_memory_is_refused_with_the_minimum(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "--host-memory", "63Mi"])
    assert "--host-memory (FLOE_HOST_MEMORY): must be at least 64Mi" in capsys.readouterr().err


@pytest.mark.parametrize(("settings", "level"), [(RunSettings, "info"), (ListSettings, "error")])
def test_run_logs_info_and_other_commands_log_only_errors(
    settings: type[PluginEnvironment], level: str
) -> None:
    assert settings().log_level == level


@pytest.mark.parametrize("command", ["run", "list", "validate", "schema"])
def test_help_shows_the_defaults_as_users_write_them(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"(default: {'info' if command == 'run' else 'error'}) [FLOE_LOG_LEVEL]" in text
    assert "(default: 10s) [FLOE_LOAD_TIMEOUT]" in text
    assert "(default: 1Gi) [FLOE_HOST_MEMORY]" in text
    assert not re.search(r"default: (null|True|False|[0-9.]+\))", text.replace("(default: 8080)", ""))


@pytest.mark.parametrize("command", ["list", "validate", "schema"])
def test_an_option_of_a_single_command_has_no_variable(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = set(re.findall(r"\[(FLOE_[A-Z_]+)\]", capsys.readouterr().out))
    assert shown == {f"FLOE_{name.upper()}" for name in PluginEnvironment.model_fields}


def test_a_variable_for_an_option_of_a_single_command_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOE_OUTPUT", "github")
    monkeypatch.setenv("FLOE_LOAD_TIMEOUT", "20s")
    settings = ListSettings()
    assert (settings.output, settings.load_timeout) == ("table", 20.0)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", {}),
        ("team=data", {"team": "data"}),
        (" team=data , example.com/cost-centre=7,", {"team": "data", "example.com/cost-centre": "7"}),
        ("empty=", {"empty": ""}),
    ],
)
def test_labels_of_mirrors_are_pairs(text: str, labels: dict[str, str]) -> None:
    assert RunSettings(mirror_labels=text).labels == labels


def test_the_defaults_are_those_of_the_design() -> None:
    settings = RunSettings()
    assert (settings.scan_interval, settings.load_timeout, settings.leader_elect) == (60.0, 10.0, True)
    assert (settings.namespace, settings.plugin_python) == (None, Path(sys.executable))


@pytest.mark.parametrize("name", RunSettings.model_fields)
def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
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
    [
        ([], "a command is required: run, list, validate or schema"),
        (["mirror"], "invalid choice"),
        (["run", "--nothing"], "--nothing"),
    ],
    ids=str,
)
def test_a_wrong_command_line_ends_with_2_and_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_outside_a_pod_there_is_no_namespace_of_a_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert service_account_namespace() is None
