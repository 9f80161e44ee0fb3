"""The plugin host alone, driven line by line: it needs floe_core and nothing from the operator."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from floe_core.host.protocol import INTERNAL_ERROR, MAX_LINE_BYTES, PROTOCOL_VERSION
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from tests.support.distributions import Environment, plugin_distribution
from tests.support.polling import eventually

STORE = {"type": "compute", "name": "store"}

STORE_CONFIG = """
    path: str
    token: SecretStr
    size: int = 3
"""
STORE_BODY = """
    def startup(self):
        print("printed where answers go")
        self.started = True
    def health_check(self):
        return HealthStatus(HealthState.HEALTHY, f"{self._config.path} of {self._config.size}")
"""


SETTINGS_BEFORE = """
from pydantic_settings import BaseSettings
class Config(BaseSettings):
    store_path: str
"""
SETTINGS_BODY = """
    def get_config_schema(self):
        return Config
    def health_check(self):
        return HealthStatus(HealthState.HEALTHY, self._config.store_path)
"""

STEADY_IMPORTS = "import sqlite3, threading, time\nfrom pathlib import Path"
STEADY_BODY = """
    def __init__(self, config: Config):
        self.connection = sqlite3.connect(":memory:")
        self.hang = config.hang
    def startup(self):
        self.connection.execute("select 1")
    def health_check(self):
        self.connection.execute("select 1")
        if self.hang:
            Path(self.hang).touch()
            time.sleep(3600)
        threads = sum(thread.name.startswith("floe: ") for thread in threading.enumerate())
        return HealthStatus(HealthState.HEALTHY, f"{threads} thread")
    def shutdown(self):
        self.connection.close()
        print("closed")
"""


SURROGATES = {
    "default": r"word: str = '\udcff'",
    "title": r"word: str = Field('', title='\udcff')",
    "example": r"word: str = Field('', examples=['\udcff'])",
}
"""Configurations whose JSON schema cannot be sent, because a lone surrogate is no text."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("host") / "environment"
    environment = Environment.create(folder, sees=["pydantic-settings"])
    environment.add(
        plugin_distribution("store", config=STORE_CONFIG, body=STORE_BODY),
        plugin_distribution("settings", before=SETTINGS_BEFORE, body=SETTINGS_BODY),
        plugin_distribution("broken", before="import nowhere_to_be_found"),
        plugin_distribution("steady", before=STEADY_IMPORTS, config="hang: str = ''", body=STEADY_BODY),
        *(plugin_distribution(f"surrogate-{name}", config=config) for name, config in SURROGATES.items()),
        plugin_distribution(
            "slow", config="def model_post_init(self, context):\n    import time; time.sleep(30)"
        ),
    )
    return environment


class RawHost:
    """A plugin host that a test drives line by line."""

    def __init__(self, *command: Path | str) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def say(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def call(self, call_id: int, method: str, params: Any = None) -> None:
        message = {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}
        self.say(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout
        heard = json.loads(self.process.stdout.readline())
        assert isinstance(heard, dict)
        return heard

    def answer(self, method: str, params: Any = None) -> dict[str, Any]:
        """Make a call and return its answer; no other call may be running."""
        self.call(1, method, params)
        return self.hear()


@pytest.fixture
def raw(environment: Environment) -> Iterator[RawHost]:
    with raw_host(environment.python, "-m", "floe_core.host") as host:
        yield host


@contextlib.contextmanager
def raw_host(*command: Path | str) -> Iterator[RawHost]:
    """Run a host while the block runs."""
    host = RawHost(*command)
    with host.process:
        yield host
        host.process.kill()
        assert host.process.stdin
        with contextlib.suppress(BrokenPipeError):  # a host that ended did not read everything
            host.process.stdin.close()


def test_the_first_message_describes_the_host(raw: RawHost) -> None:
    ready = raw.hear()
    assert ready["method"] == "ready"
    assert ready["params"]["protocol"] == PROTOCOL_VERSION
    assert ready["params"]["platform_api_version"] == FLOE_PLUGIN_API_VERSION
    assert ready["params"]["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")


def test_a_scan_finds_what_is_installed_and_imports_nothing(raw: RawHost) -> None:
    raw.hear()
    found = raw.answer("scan")["result"]
    assert found["complete"]
    assert [plugin["name"] for plugin in found["plugins"]] == [
        *("broken", "settings", "slow", "steady", "store"),
        *(f"surrogate-{name}" for name in sorted(SURROGATES)),
    ]


def test_a_scan_is_answered_with_null_only_if_asked_and_only_while_nothing_changes(tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / "environment")
    environment.add(plugin_distribution("first"))
    only_a_change = {"unless_changed": True}
    with raw_host(environment.python, "-m", "floe_core.host") as raw:
        raw.hear()
        found = raw.answer("scan", only_a_change)["result"]
        assert [plugin["name"] for plugin in found["plugins"]] == ["first"]
        assert raw.answer("scan", only_a_change)["result"] is None
        assert raw.answer("scan")["result"] == found
        environment.add(plugin_distribution("second"))
        found = raw.answer("scan", only_a_change)["result"]
        assert [plugin["name"] for plugin in found["plugins"]] == ["first", "second"]


def test_a_plugin_is_described_validated_started_checked_and_stopped(raw: RawHost) -> None:
    raw.hear()
    described = raw.answer("describe", STORE)["result"]
    assert (described["declared_name"], described["required_fields"]) == ("store", ["path", "token"])
    config = {"path": "/data", "token": "a secret", "size": "4"}
    assert raw.answer("validate", {**STORE, "config": config, "plain": {}})["result"]["reason"] == "Valid"
    plain = {**STORE, "config": config, "plain": {"token": "a secret"}}
    assert raw.answer("validate", plain)["result"]["reason"] == "PlaintextSecret"
    assert raw.answer("start", {**STORE, "config": config})["result"] is None
    assert raw.answer("check", STORE)["result"] == {"state": "healthy", "message": "/data of 4"}
    assert raw.answer("stop", STORE)["result"] is None
    assert raw.answer("shutdown", {"timeout": 5.0})["result"] is None
    assert raw.process.wait(30) == 0


def test_settings_are_validated_and_started_with_what_is_given(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_PATH", "/of/the/host")
    plugin = {"type": "compute", "name": "settings"}
    with raw_host(environment.python, "-m", "floe_core.host") as raw:
        raw.hear()
        verdict = raw.answer("validate", {**plugin, "config": {"other": 1}, "plain": {"other": 1}})["result"]
        assert [fault["field"] for fault in verdict["faults"]] == ["store_path", "other"]
        assert raw.answer("start", {**plugin, "config": {}})["error"]["data"]["hook"] == "configure"
        assert raw.answer("start", {**plugin, "config": {"store_path": "/given"}})["result"] is None
        assert raw.answer("check", plugin)["result"] == {"state": "healthy", "message": "/given"}


def test_a_configuration_fault_contains_its_path_and_no_value(raw: RawHost) -> None:
    raw.hear()
    verdict = raw.answer("validate", {**STORE, "config": {"size": "marked"}, "plain": {}})["result"]
    assert verdict["reason"] == "ValidationFailed"
    assert [fault["field"] for fault in verdict["faults"]] == ["path", "token", "size"]
    assert "marked" not in json.dumps(verdict)


def test_a_plugin_that_cannot_be_imported_affects_only_its_own_answer(raw: RawHost) -> None:
    raw.hear()
    failed = raw.answer("describe", {"type": "compute", "name": "broken"})["error"]["data"]
    assert failed["reason"] == "ImportFailed"
    assert raw.answer("describe", STORE)["result"]["declared_name"] == "store"


def test_a_slow_call_blocks_no_other_call(raw: RawHost) -> None:
    raw.hear()
    raw.call(1, "validate", {"type": "compute", "name": "slow", "config": {}, "plain": {}})
    raw.call(2, "ping")
    assert raw.hear()["id"] == 2
    raw.call(3, "scan")
    assert raw.hear()["id"] == 3


STEADY = {"type": "compute", "name": "steady"}


def test_all_hooks_of_an_instance_run_on_one_thread(raw: RawHost) -> None:
    raw.hear()
    for _ in range(2):  # each start makes a new instance, and a new thread
        assert raw.answer("start", {**STEADY, "config": {}})["result"] is None
        for _ in range(20):
            report = raw.answer("check", {**STEADY, "timeout": 5})["result"]
            assert report == {"state": "healthy", "message": "1 thread"}
    assert raw.answer("stop", STEADY)["result"] is None


def test_after_a_check_over_its_limit_another_says_so_and_stop_passes_it(
    raw: RawHost, tmp_path: Path
) -> None:
    raw.hear()
    hanging = tmp_path / "hanging"
    assert raw.answer("start", {**STEADY, "config": {"hang": str(hanging)}})["result"] is None
    raw.call(1, "check", {**STEADY, "timeout": 0})
    eventually(hanging.exists)
    refused = raw.answer("check", {**STEADY, "timeout": 5})["error"]["data"]["summary"]
    assert refused == "health_check() did not begin, because an earlier health_check has not returned"
    failed = raw.answer("stop", STEADY)["error"]["data"]
    assert failed["summary"] == "shutdown() raised ProgrammingError"  # a connection belongs to its thread
    assert raw.answer("start", {**STEADY, "config": {}})["result"] is None


CALL = b'{"jsonrpc":"2.0","id":7,"method":'
FAULTY_CALLS = {
    "unknown method": (CALL + b'"nothing"}\n', -32601),
    "missing parameter": (CALL + b'"validate","params":{"type":"compute"}}\n', -32602),
    "no parameters": (CALL + b'"describe","params":[]}\n', -32602),
    "parameters nested too deeply": (CALL + b'"validate","params":' + b"[" * 200_000 + b"\n", -32602),
    "unknown plugin": (CALL + b'"describe","params":{"type":"compute","name":"x"}}\n', 4),
    "unknown type": (CALL + b'"describe","params":{"type":"toaster","name":"x"}}\n', 4),
    "plugin not started": (CALL + b'"check","params":{"type":"compute","name":"slow"}}\n', 5),
}
NO_CALLS = {"not JSON": b"}{\n", "a list": b"[]\n", "empty": b"\n", "too long": b"x" * (MAX_LINE_BYTES + 1)}


@pytest.mark.parametrize(("line", "code"), FAULTY_CALLS.values(), ids=FAULTY_CALLS)
def test_a_faulty_call_is_answered_with_an_error(raw: RawHost, line: bytes, code: int) -> None:
    raw.hear()
    raw.say(line)
    answer = raw.hear()
    assert (answer["id"], answer["error"]["code"]) == (7, code)


@pytest.mark.parametrize("line", NO_CALLS.values(), ids=NO_CALLS)
def test_a_line_that_is_not_a_call_ends_the_host(raw: RawHost, line: bytes) -> None:
    raw.hear()
    with contextlib.suppress(BrokenPipeError):
        raw.say(line)
    raw.process.wait(30)


def test_the_host_ends_when_its_input_ends_whatever_its_plugins_do(raw: RawHost) -> None:
    raw.hear()
    raw.call(1, "validate", {"type": "compute", "name": "slow", "config": {}, "plain": {}})
    raw.call(2, "ping")
    raw.hear()
    assert raw.process.stdin
    raw.process.stdin.close()
    assert raw.process.wait(30) == 0


def test_the_host_keeps_reading_while_nobody_reads_its_answers(raw: RawHost) -> None:
    raw.hear()
    for number in range(1_000):
        raw.call(number, "scan")
    assert raw.process.stdin
    raw.process.stdin.close()
    raw.process.wait(30)


@pytest.mark.parametrize("name", SURROGATES)
def test_a_schema_that_cannot_be_sent_is_a_schema_that_failed(raw: RawHost, name: str) -> None:
    raw.hear()
    plugin = {"type": "compute", "name": f"surrogate-{name}"}
    described = raw.answer("describe", plugin)["result"]
    assert described["takes_config"]
    assert "no valid Unicode" in described["schema_error"]
    verdict = raw.answer("validate", {**plugin, "config": {"word": "a"}, "plain": {}})["result"]
    assert verdict["reason"] == "SchemaFailed"
    assert raw.answer("ping")["result"] is None


_FAULTY_ANSWERS = """
from floe_core.host import protocol
from floe_core.host.__main__ import main
def answer(self):
    {fault}
protocol.{message}.{method} = answer
main()
"""


@pytest.mark.parametrize("fault", ["raise ValueError", "raise SystemExit"])
@pytest.mark.parametrize(
    ("message", "method", "plugin", "said"),
    [
        ("Description", "model_dump_json", STORE, "describe"),
        (
            "LoadFailure",
            "model_dump",
            {"type": "compute", "name": "broken"},
            "the error cannot be serialized",
        ),
    ],
)
def test_every_call_is_answered_whatever_sending_the_answer_meets(
    environment: Environment, fault: str, message: str, method: str, plugin: dict[str, str], said: str
) -> None:
    code = _FAULTY_ANSWERS.format(fault=fault, message=message, method=method)
    with raw_host(environment.python, "-c", code) as raw:
        raw.hear()
        error = raw.answer("describe", plugin)["error"]
        assert error["code"] == INTERNAL_ERROR
        assert said in error["message"]
        assert raw.answer("ping")["result"] is None
