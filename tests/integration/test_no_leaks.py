"""No value from a Secret leaves the operator.

Marked values enter in every way, and are searched for in every form in statuses, events and the log at debug
level.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from kubernetes import client

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.support.distributions import Distribution, plugin_distribution
from tests.support.operator import FloePlugins, ready_reason
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

_SAYS = """
import base64, json, sys, traceback, urllib.parse
def says(config):
    value = config.token
    return " ".join([
        f"plain {value}", repr(config), repr(value), ascii(value), json.dumps({"k": value}),
        str(value.encode()),
        base64.b64encode(value.encode()).decode(), urllib.parse.quote(value), urllib.parse.quote_plus(value),
        base64.urlsafe_b64encode(("user:" + value).encode()).decode(),
        value[:len(value) * 2 // 3] + "...", *value.splitlines(),
    ])
"""
_TOKEN = "token: str\npassword: SecretStr = SecretStr('unused-default')"

# What each plugin does with its configuration, and the reason with which its object ends.
WAYS: dict[str, tuple[dict[str, str], str]] = {
    "wrong-type": ({"config": "token: int"}, "ValidationFailed"),
    "wrong-length": ({"config": "token: str = Field(max_length=2)"}, "ValidationFailed"),
    "wrong-literal": (
        {"before": "from typing import Literal", "config": "token: Literal['a', 'b']"},
        "ValidationFailed",
    ),
    "wrong-pattern": ({"config": "token: str = Field(pattern='^[0-9]$')"}, "ValidationFailed"),
    "validator-quotes": (
        {
            "before": f"from pydantic import field_validator\n{_SAYS}",
            "config": f"{_TOKEN}\n@field_validator('token')\n@classmethod\ndef check(cls, value):\n"
            "    raise ValueError('no good: ' + value)",
        },
        "ValidationFailed",
    ),
    "validator-asserts": (
        {
            "before": "from pydantic import model_validator",
            "config": f"{_TOKEN}\n@model_validator(mode='after')\ndef check(self):\n"
            "    assert not self.token, repr(self)\n    return self",
        },
        "ValidationFailed",
    ),
    "validator-crashes": (
        {
            "before": "from pydantic import field_validator",
            "config": f"{_TOKEN}\n@field_validator('token')\n@classmethod\ndef check(cls, value):\n"
            "    raise RuntimeError('no good: ' + value)",
        },
        "SchemaFailed|ValidationFailed|ValidationCrashed",
    ),
    "validator-prints": (
        {
            "before": f"from pydantic import field_validator\n{_SAYS}",
            "config": f"{_TOKEN}\n@field_validator('token')\n@classmethod\ndef check(cls, value):\n"
            "    print('checking', value, file=sys.stderr); print(value); return value",
        },
        "Ready",
    ),
    "constructor": (
        {
            "before": _SAYS,
            "config": _TOKEN,
            "body": "def __init__(self, config: Config): raise ValueError(says(config))",
        },
        "StartupFailed",
    ),
    "constructor-chained": (
        {
            "before": _SAYS,
            "config": _TOKEN,
            "body": "def __init__(self, config: Config):\n    try:\n        {}[config.token]\n"
            "    except KeyError as error:\n        traceback.print_exc()\n"
            "        raise ValueError('no') from error",
        },
        "StartupFailed",
    ),
    "configure": (
        {
            "before": _SAYS,
            "config": _TOKEN,
            "body": "def configure(self, config): raise ValueError(says(config))",
        },
        "StartupFailed",
    ),
    "startup": (
        {
            "before": _SAYS,
            "config": _TOKEN,
            "body": "def startup(self): raise ValueError(says(self._config))",
        },
        "StartupFailed",
    ),
    "startup-exits": (
        {"before": _SAYS, "config": _TOKEN, "body": "def startup(self): sys.exit(says(self._config))"},
        "StartupFailed",
    ),
    "check-raises": (
        {
            "before": _SAYS,
            "config": _TOKEN,
            "body": "def health_check(self): raise ValueError(says(self._config))",
        },
        "Unhealthy",
    ),
    "check-says": (
        {
            "before": _SAYS,
            "config": _TOKEN,
            "body": "def health_check(self):\n"
            "    return HealthStatus(HealthState.UNHEALTHY, says(self._config), {'d': self._config})",
        },
        "Unhealthy",
    ),
    "check-logs": (
        {
            "before": f"import logging\n{_SAYS}",
            "config": _TOKEN,
            "body": "def health_check(self):\n    logging.basicConfig(level=10)\n"
            "    logging.debug(says(self._config)); print(self._config, says(self._config))\n"
            "    return HealthStatus(HealthState.HEALTHY)",
        },
        "Ready",
    ),
}


def _marks() -> dict[str, str]:
    rare = secrets.token_hex(12)
    return {
        "long": f'MARK"{rare}\\é&=/+',
        "lines": f"MARK {rare} one\nMARK {rare} two\n",
        "short": f"{secrets.token_hex(1)}§{secrets.token_hex(1)}"[:5],
        "symbols": "".join(secrets.choice("§¤¬¶±÷¦") for _ in range(5)),
    }


def _forms(mark: str) -> set[str]:
    """Return the forms that the design names, computed here independently."""
    forms = set()
    for text in {mark, mark.strip(), *filter(None, map(str.strip, mark.splitlines()))}:
        raw = text.encode()
        forms |= {text, repr(text)[1:-1], ascii(text)[1:-1], json.dumps(text)[1:-1], str(raw)[2:-1]}
        forms |= {
            json.dumps(text, ensure_ascii=False)[1:-1],
            quote(text),
            quote(text, safe=""),
            quote_plus(text),
        }
        forms |= {
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
        }
    # The log is JSON: a text in it is escaped once more.
    return forms | {json.dumps(form)[1:-1] for form in forms}


def _plugins() -> list[Distribution]:
    found = [plugin_distribution(name, PluginType.COMPUTE, **parts) for name, (parts, _) in WAYS.items()]
    last_words = plugin_distribution(
        "last-words",
        before=_SAYS,
        config=_TOKEN,
        body="def shutdown(self):\n    print(says(self._config)); raise ValueError(says(self._config))",
    )
    return [*found, last_words]


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_operator(cluster, tmp_path_factory.mktemp("leaks"), *_plugins()) as standing:
        yield standing


@pytest.mark.parametrize("kind", ["long", "lines", "short", "symbols"])
def test_no_form_of_a_secret_is_in_any_status_event_or_log_line(standing: Standing, kind: str) -> None:
    plugins = standing.reset()
    mark = _marks()[kind]
    plugins.secret(
        "marked", token=mark, root=json.dumps({"token": mark}), keyed=json.dumps({mark: {mark: mark}})
    )
    for index, name in enumerate(WAYS):
        # Half get the value at a path, half merged at the root.
        source: dict[str, Any] = {"secretKeyRef": {"name": "marked", "key": "token"}, "path": "token"}
        if index % 2:
            source = {"secretKeyRef": {"name": "marked", "key": "root"}}
        probe = {"periodSeconds": 1, "failureThreshold": 1}
        plugins.merge(f"compute-{name}", {"spec": {"configFrom": [source], "probe": probe}})

    def settled() -> bool:
        present = plugins.all()
        wrong = {
            name: found
            for name, (_, reason) in WAYS.items()
            if (found := ready_reason(present[f"compute-{name}"])) not in reason.split("|")
        }
        assert not wrong, f"not settled: {wrong}"
        return True

    eventually(settled, within=60)
    places = {
        "objects": json.dumps(plugins.all(), ensure_ascii=False),
        "objects, escaped": json.dumps(plugins.all()),
        "events": json.dumps(_events(plugins), ensure_ascii=False),
        "log": standing.operator.log.read_text(errors="replace"),
    }
    found = [(place, form) for place, text in places.items() for form in _forms(mark) if form in text]
    assert not found
    # The values did get there: what replaced them in the plugins' messages shows where they were.
    instead = "withheld" if kind in ("short", "symbols") else "[redacted]"
    for name in ("constructor", "startup", "check-raises", "check-says"):
        assert instead in plugins.condition(f"compute-{name}", "Healthy")[2]
    assert instead in places["log"]


def test_a_value_that_is_also_its_own_key_is_shown_nowhere(standing: Standing) -> None:
    plugins = standing.reset()
    mark = _marks()["long"]
    plugins.secret("keyed", content=json.dumps({mark: {mark: mark}, "token": [mark]}))
    plugins.merge(
        "compute-startup", {"spec": {"configFrom": [{"secretKeyRef": {"name": "keyed", "key": "content"}}]}}
    )
    plugins.until("compute-startup", "ConfigValid", "ValidationFailed")
    text = json.dumps(plugins.all(), ensure_ascii=False) + standing.operator.log.read_text()
    assert not [form for form in _forms(mark) if form in text]


def test_what_a_plugin_says_when_it_is_stopped_is_scrubbed_though_its_object_is_gone(
    standing: Standing,
) -> None:
    plugins = standing.reset()
    mark = _marks()["long"]
    plugins.secret("marked", token=mark)
    source = {"secretKeyRef": {"name": "marked", "key": "token"}, "path": "token"}
    plugins.merge("compute-last-words", {"spec": {"configFrom": [source], "probe": {}}})
    plugins.until("compute-last-words", "Ready", "Ready")
    said = len(standing.operator.lines())
    plugins.delete("compute-last-words")

    def told() -> str:
        text = json.dumps(standing.operator.lines()[said:], ensure_ascii=False)
        assert "plugin output" in text
        assert "did not stop cleanly" in text
        return text

    text = eventually(told)
    assert not [form for form in _forms(mark) if form in text]


def test_what_a_plugin_says_about_plain_values_is_shown(standing: Standing) -> None:
    plugins = standing.reset()
    plugins.merge("compute-startup", {"spec": {"config": {"token": "plain-word"}, "probe": {}}})
    _, _, message = plugins.until("compute-startup", "Healthy", "StartupFailed")
    assert "plain plain-word" in message


def _events(plugins: FloePlugins) -> list[Any]:
    api: Any = client.ApiClient()
    listed = plugins.core.list_namespaced_event(plugins.namespace)
    return [api.sanitize_for_serialization(item) for item in listed.items]
