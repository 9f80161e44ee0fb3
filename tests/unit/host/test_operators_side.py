"""Small rules on the operator's side of the plugin host: environment, output, handshake, answers, gate."""

from __future__ import annotations

import asyncio
import errno
import json

import pytest

import floe_core
from floe_core.host.protocol import HOOK_FAILED, LOAD_FAILED, PROTOCOL_VERSION
from floe_core.plugin_types import PluginId, PluginType
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from floe_operator.installed_core import InstalledCore
from floe_operator.plugin_host import HostUnavailable, LoadFault, hooks, outcomes
from floe_operator.plugin_host.environment import plugin_environment
from floe_operator.plugin_host.gate import Gate
from floe_operator.plugin_host.handshake import (
    HostStartError,
    handshake,
    is_usable,
    why_no_host,
    why_not_executed,
    why_not_ready,
    why_not_usable,
)
from floe_operator.plugin_host.output import BURST, LINES_PER_SECOND, MAX_LINE_BYTES, Output
from floe_operator.plugin_host.rpc import RpcError

REDIS = {"REDIS_SERVICE_HOST": "10.0.0.2", "REDIS_SERVICE_PORT": "6379"}


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"PATH": "/bin", "AWS_REGION": "x", "HTTPS_PROXY": "y"}, {"PATH", "AWS_REGION", "HTTPS_PROXY"}),
        ({"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_PORT": "p", "KUBECONFIG": "k"}, set()),
        ({"FLOE_NAMESPACE": "n", "FLOE_": "", "FLOETING": "f"}, {"FLOETING"}),
        ({**REDIS, "REDIS_PORT": "tcp://10.0.0.2:6379", "REDIS_PORT_6379_TCP_PROTO": "tcp"}, set()),
        ({**REDIS, "REDIS_SERVICE_PORT_METRICS": "1", "REDIS_URL": "u", "REDIS_PASSWORD": "p"},
         {"REDIS_URL", "REDIS_PASSWORD"}),
        ({"DB_PORT": "5432", "DB_SERVICE_PORT": "1"}, {"DB_PORT", "DB_SERVICE_PORT"}),
        ({"A_B_SERVICE_HOST": "h", "A_PORT": "1", "A_B_PORT": "2"}, {"A_PORT"}),
    ],
)  # fmt: skip
def test_only_variables_that_lead_to_the_cluster_are_removed_from_the_environment(
    own: dict[str, str], kept: set[str]
) -> None:
    assert set(plugin_environment(own)) == kept


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.left_out = 0
        self.output = Output(lambda printed: self.lines.append(printed.text), self._leave_out)

    def _leave_out(self, count: int, _: object) -> None:
        self.left_out += count


def test_lines_are_assembled_from_chunks() -> None:
    log = Log()
    for chunk in (b"on", b"e\n\ntwo\nthr", b"ee\n\xff\n"):
        log.output.feed(chunk, now=0.0)
    assert log.lines == ["one", "two", "three", "\\xff"]
    assert log.output.last_lines == ("one", "two", "three", "\\xff")


def test_a_line_that_is_too_long_is_left_out_entirely() -> None:
    log = Log()
    for _ in range(3):
        log.output.feed(b"x" * MAX_LINE_BYTES, now=0.0)
    log.output.feed(b"tail\nnext\n", now=0.0)
    assert log.lines == ["next"]
    assert log.left_out == 1


def test_lines_above_the_rate_limit_are_left_out_and_counted() -> None:
    log = Log()
    log.output.feed(b"x\n" * 10_000, now=0.0)
    assert len(log.lines) == BURST
    log.output.feed(b"later\n", now=10.0)
    assert log.lines[-1] == "later"
    assert log.left_out == 10_000 - BURST
    log.output.feed(b"x\n" * 10_000, now=10.0)
    assert len(log.lines) <= BURST + 10 * LINES_PER_SECOND + 1


async def test_the_last_line_of_a_pipe_needs_no_newline() -> None:
    log = Log()
    stream = asyncio.StreamReader()
    stream.feed_data(b"without an end")
    stream.feed_eof()
    await log.output.read(stream)
    assert log.lines == ["without an end"]


def _ready(**changes: object) -> bytes:
    said = {
        "protocol": PROTOCOL_VERSION,
        "floe_core": "0.1.0",
        "python": "3.10.1",
        "platform_api_version": FLOE_PLUGIN_API_VERSION,
    }
    return json.dumps({"jsonrpc": "2.0", "method": "ready", "params": {**said, **changes}}).encode()


def test_a_handshake_with_extra_fields_from_a_newer_host_is_understood() -> None:
    assert handshake("python", _ready(more="x")).floe_core == "0.1.0"


@pytest.mark.parametrize(
    "line", [b"hello\n", b"{}\n", _ready(python=None), _ready().replace(b"ready", b"hi")]
)
def test_a_process_that_does_not_begin_with_a_handshake_is_not_a_host(line: bytes) -> None:
    with pytest.raises(HostStartError, match="does not begin with a handshake"):
        handshake("python", line)


def test_a_host_of_the_same_protocol_and_plugin_api_is_usable() -> None:
    assert is_usable(handshake("python", _ready(floe_core="0.1.7")))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"protocol": PROTOCOL_VERSION + 1}, f"speaks protocol {PROTOCOL_VERSION + 1}"),
        (
            {"platform_api_version": "0.9"},
            f"offers plugin API 0.9, but this operator offers {FLOE_PLUGIN_API_VERSION}",
        ),
        ({"platform_api_version": "1.10"}, "offers plugin API 1.10"),
        ({"platform_api_version": "2.0"}, "offers plugin API 2.0"),
    ],
)
@pytest.mark.parametrize(
    "core", [None, InstalledCore("/v/floe_core", "floe-core 0.9.0", "0.9.0", True, (("0.9.0", "/v"),))]
)
def test_an_incompatible_floe_core_is_refused_with_where_it_is_and_what_to_install(
    changes: dict[str, object], says: str, core: InstalledCore | None
) -> None:
    said = handshake("/v/python", _ready(**changes))
    assert not is_usable(said)
    text = why_not_usable("/v/python", said, core)
    assert f"floe-core 0.1.0 of /v/python {says}" in text
    assert "run `/v/python -m pip install PATH`, where PATH is the wheel of floe-core" in text
    assert ("finds floe-core 0.9.0 in /v/floe_core (installed: floe-core 0.9.0 in /v)" in text) == bool(core)


NOTHING = InstalledCore(None, "", None, False, ())
METADATA_ONLY = InstalledCore(None, "", None, False, (("0.1.0", "/s"),))
ANOTHERS = InstalledCore("/s/floe_core", "another project's code", None, False, (("0.1.0a1", "/s"),))
MIXED = InstalledCore("/s/floe_core", "x", floe_core.__version__, True, (("0.1.0", "/s"), ("0.1.0a1", "/s")))
RIGHT = InstalledCore("/s/floe_core", "x", floe_core.__version__, True, ((floe_core.__version__, "/s"),))
TWICE = InstalledCore("/s/floe_core", "x", "0.0.9", False, (("0.0.9", "/s"), ("0.1.0", "/t")))
NOT_THERE = FileNotFoundError(errno.ENOENT, "No such file or directory")
NOT_ALLOWED = PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (why_not_executed("/p", NOT_THERE), "/p does not exist; --plugin-python"),
        (why_not_executed("/p", NOT_ALLOWED), "(Permission denied); --plugin-python"),
        (why_no_host("/p", "x", NOTHING), "but floe-core is not installed:"),
        (why_no_host("/p", "x", METADATA_ONLY), "no package floe_core (ins"),
        (
            why_no_host("/p", "x", ANOTHERS),
            "another project's code in /s/floe_core (installed: floe-core 0.1.0a1 in /s): run `/p -m pip un",
        ),
        (
            why_no_host("/p", "x", TWICE),
            "(installed: floe-core 0.0.9 in /s and floe-core 0.1.0 in /t): repeat `/p -m pip uninstall",
        ),
        (why_no_host("/p", "It failed", MIXED), "It failed; it needs floe-core"),
        (
            why_no_host("/p", "It failed", MIXED),
            "(installed: floe-core 0.1.0 in /s and floe-core 0.1.0a1 in /s)",
        ),
        (why_no_host("/p", "It failed", RIGHT), "It failed"),
        (why_no_host("/p", "It failed", None), "It failed"),
        (why_not_ready("/p", "it exited with status 1", ["Traceback", "Error: x"]), "status 1: Error: x"),
        (why_not_ready("/p", "it was killed by SIGKILL", []), "it was killed by SIGKILL"),
    ],
)
def test_a_host_that_did_not_start_is_explained_with_how_to_fix_it(text: str, says: str) -> None:
    assert says in text


async def test_no_other_call_runs_while_a_call_is_alone_behind_the_gate() -> None:
    gate = Gate()
    seen: list[str] = []
    inside = 0

    async def share() -> None:
        nonlocal inside
        async with gate.shared():
            inside += 1
            await asyncio.sleep(0)
            seen.append("shared")
            inside -= 1

    async def be_alone() -> None:
        async with gate.alone(30.0):
            assert inside == 0
            await asyncio.sleep(0)
            assert inside == 0
            seen.append("alone")

    await asyncio.gather(*(each() for each in (share, be_alone, share, be_alone, share)))
    assert sorted(seen) == ["alone"] * 2 + ["shared"] * 3


async def test_a_call_that_waits_to_be_alone_blocks_no_other_call() -> None:
    gate = Gate()
    async with gate.shared():
        waiting = asyncio.create_task(_enter(gate))
        await asyncio.sleep(0)
        async with gate.shared():
            assert not waiting.done()
    await waiting


async def test_a_call_that_cannot_be_alone_in_time_is_a_timeout() -> None:
    gate = Gate()
    async with gate.shared():
        with pytest.raises(TimeoutError):
            async with gate.alone(0.01):
                pass
    async with gate.alone(30.0):
        pass


async def _enter(gate: Gate) -> None:
    async with gate.alone(30.0):
        pass


@pytest.mark.parametrize("data", [None, [], {"reason": "OfALaterHost", "summary": "s"}])
def test_a_failure_with_malformed_details_is_still_a_failure(data: object) -> None:
    fault = outcomes.fault_of(PluginId(PluginType.COMPUTE, "x"), RpcError(LOAD_FAILED, "no", data))
    assert isinstance(fault, LoadFault)
    assert fault.reason == "ImportFailed"
    assert isinstance(hooks._failed(RpcError(HOOK_FAILED, "no", data), "startup"), HostUnavailable)
