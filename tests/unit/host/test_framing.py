"""Both ends of the pipes that carry lines between the operator and a plugin host."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator

import pytest

from floe_core.host.channel import Channel
from floe_core.host.protocol import MAX_LINE_BYTES
from floe_operator.plugin_host.rpc import MalformedLineError, RequestTooLargeError, RpcConnection, RpcError
from tests.support.polling import eventually


class Pipes:
    """The channel of a plugin host, and the operator's ends of its pipes."""

    def __init__(self) -> None:
        calls, self.to_host = os.pipe()
        self.from_host, answers = os.pipe()
        self.channel = Channel(calls, answers)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    os.close(pipes.to_host)


def test_lines_arrive_whole_and_end_with_the_input(pipes: Pipes) -> None:
    other, pipes.to_host = pipes.to_host, os.dup(pipes.to_host)
    os.write(other, b"one\ntw")
    os.write(other, b"o\nhalf")
    os.close(other)
    lines = pipes.channel.lines()
    assert [next(lines), next(lines)] == [b"one\n", b"two\n"]


def test_a_line_that_is_too_long_ends_the_reading(pipes: Pipes) -> None:
    def write() -> None:
        rest = memoryview(b"x" * MAX_LINE_BYTES + b"\n")
        while rest:
            rest = rest[os.write(pipes.to_host, rest) :]

    writer = threading.Thread(target=write)
    writer.start()
    assert list(pipes.channel.lines()) == []
    writer.join()


def test_a_channel_keeps_reading_while_nobody_reads_what_it_sends(pipes: Pipes) -> None:
    for _ in range(100):
        pipes.channel.send(b"x" * 100_000 + b"\n")
    os.write(pipes.to_host, b"still heard\n")
    assert next(pipes.channel.lines()) == b"still heard\n"
    with os.fdopen(pipes.from_host, "rb") as answers:
        assert [len(answers.readline()) for _ in range(100)] == [100_001] * 100


def test_flush_waits_until_everything_is_sent(pipes: Pipes) -> None:
    pipes.channel.send(b"last words\n")
    pipes.channel.flush(30.0)
    assert os.read(pipes.from_host, 100) == b"last words\n"


def test_a_forked_child_cannot_write_to_the_pipes(pipes: Pipes) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.write(pipes.channel._answers, b"x")
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Operator:
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.connection = RpcConnection(self.sent.append)
        self.stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)

    async def hear(self, *lines: bytes | dict[str, object]) -> None:
        for line in lines:
            self.stream.feed_data(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        self.stream.feed_eof()
        await self.connection.read(self.stream)


def _answer(call_id: object, **content: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": call_id, **content}


async def test_the_id_of_a_call_comes_before_its_parameters() -> None:
    operator = Operator()
    operator.connection.call("validate", '{"a":1}')
    assert operator.sent == [b'{"jsonrpc":"2.0","id":1,"method":"validate","params":{"a":1}}\n']


async def test_answers_are_matched_to_their_calls_in_any_order() -> None:
    operator = Operator()
    calls = [operator.connection.call("ping") for _ in range(3)]
    await operator.hear(_answer(3, result="c"), _answer(1, result="a"), _answer(2, result="b"))
    assert [await call for call in calls] == ["a", "b", "c"]


async def test_an_error_is_raised_with_its_code_and_data() -> None:
    operator = Operator()
    call = operator.connection.call("ping")
    await operator.hear(_answer(1, error={"code": 4, "message": "no", "data": {"a": 1}}))
    with pytest.raises(RpcError, match="no") as raised:
        await call
    assert (raised.value.code, raised.value.data) == (4, {"a": 1})


@pytest.mark.parametrize("content", [{}, {"error": "text"}, {"error": {"code": "x"}}, {"error": None}])
async def test_a_malformed_answer_is_an_error_of_its_call(content: dict[str, object]) -> None:
    operator = Operator()
    call = operator.connection.call("ping")
    await operator.hear(_answer(1, **content))
    with pytest.raises(RpcError):
        await call


@pytest.mark.parametrize(
    "line",
    [
        b"}{\n",
        b"\n",
        b"\xff\n",
        b"[]\n",
        b"{}\n",
        b'{"jsonrpc":"1.0","id":1,"result":1}\n',
        b'{"jsonrpc":"2.0","id":true,"result":1}\n',
        b'{"jsonrpc":"2.0","id":null,"result":1}\n',
        b'{"jsonrpc":"2.0","id":2,"result":1}\n',
        b'{"jsonrpc":"2.0","method":"ready"}\n',
        b"[" * 100_000 + b"\n",
        b"x" * (MAX_LINE_BYTES + 1) + b"\n",
    ],
    ids=lambda line: repr(line[:40]),
)
async def test_a_malformed_line_is_a_fault_of_the_host(line: bytes) -> None:
    operator = Operator()
    operator.connection.call("ping")
    with pytest.raises(MalformedLineError):
        await operator.hear(line)


async def test_a_line_cut_off_by_the_end_of_the_host_is_not_an_error() -> None:
    operator = Operator()
    await operator.hear(b'{"jsonrpc":"2.0","id":1,"res')


async def test_a_call_that_is_too_large_is_not_sent() -> None:
    operator = Operator()
    with pytest.raises(RequestTooLargeError):
        operator.connection.call("validate", f'"{"x" * MAX_LINE_BYTES}"')
    assert operator.sent == []


async def test_the_end_of_the_host_ends_all_calls_even_those_nobody_waits_for() -> None:
    operator = Operator()
    waited_for, abandoned = operator.connection.call("check"), operator.connection.call("check")
    operator.connection.fail(lambda: RuntimeError("gone"))
    with pytest.raises(RuntimeError, match="gone"):
        await waited_for
    assert abandoned.done()


async def test_an_answer_to_an_abandoned_call_is_ignored() -> None:
    operator = Operator()
    operator.connection.call("check").cancel()
    await operator.hear(_answer(1, result=None))


def test_a_channel_without_its_operator_ends_the_process() -> None:
    child = os.fork()
    if child == 0:
        calls, _ = os.pipe()
        from_host, answers = os.pipe()
        os.close(from_host)
        Channel(calls, answers).send(b"x\n")
        threading.Event().wait()
    eventually(lambda: os.waitpid(child, os.WNOHANG)[0] == child, saying="the child ends")
