"""JSON-RPC 2.0 over a pair of pipes, on the calling side; knows nothing about processes or plugins.

Incoming bytes are handed in. Timeouts are left to the caller: a call that nobody waits for any longer stays
under way until it is answered or the connection fails.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

from floe_core.host.protocol import MAX_LINE_BYTES


class RpcError(Exception):
    """The host answered a call with an error. The message is the host's: no plugin text, no values."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        self.code = code
        self.data = data
        super().__init__(message)


class RequestTooLargeError(Exception):
    """The call does not fit in a line; nothing was sent."""


class MalformedLineError(Exception):
    """The host sent something that is not a message of the protocol."""


class RpcConnection:
    """The calls under way over a pipe, and their answers as they arrive."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._ids = itertools.count(1)
        self._under_way: dict[int, asyncio.Future[Any]] = {}

    def call(self, method: str, params: str | None = None) -> asyncio.Future[Any]:
        """Send a call, `params` as JSON text; the future gets the result, RpcError or the error from `fail`.

        Raises:
            RequestTooLargeError: The call does not fit in a line.
        """
        call_id = next(self._ids)
        body = "" if params is None else f',"params":{params}'
        # The id comes first, so that the host can answer a call that it cannot read.
        line = f'{{"jsonrpc":"2.0","id":{call_id},"method":{json.dumps(method)}{body}}}\n'.encode()
        if len(line) > MAX_LINE_BYTES:
            raise RequestTooLargeError(f"{len(line)} bytes; the limit is {MAX_LINE_BYTES}")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._under_way[call_id] = answer
        self._write(line)
        return answer

    def fail(self, error: Callable[[], BaseException]) -> None:
        """End all calls under way, each with its own error."""
        under_way, self._under_way = self._under_way, {}
        for answer in under_way.values():
            if not answer.done():
                answer.set_exception(error())
                answer.exception()  # perhaps nobody is waiting any longer

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Take answers until the end of the stream.

        Raises:
            MalformedLineError: The host sent something that is not an answer.
        """
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                raise MalformedLineError(f"a line of more than {MAX_LINE_BYTES} bytes") from None
            if not line.endswith(b"\n"):
                return
            self._take(line)

    def _take(self, line: bytes) -> None:
        message = parse_message(line)
        call_id = message.get("id")
        if isinstance(call_id, bool) or not isinstance(call_id, int):
            raise MalformedLineError("a message without a call id")
        answer = self._under_way.pop(call_id, None)
        if answer is None:
            raise MalformedLineError(f"an answer to a call that is not under way (id {call_id})")
        if answer.done():
            return
        if "error" in message:
            answer.set_exception(_error(message["error"]))
            answer.exception()
        elif "result" in message:
            answer.set_result(message["result"])
        else:
            answer.set_exception(RpcError(0, "an answer with neither result nor error"))
            answer.exception()


def parse_message(line: bytes) -> dict[str, Any]:
    """Return a line as a JSON-RPC message.

    Raises:
        MalformedLineError: The line is not a JSON-RPC message.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise MalformedLineError("a line that is not JSON") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise MalformedLineError("a line that is not a JSON-RPC 2.0 message")
    return message


def _error(error: Any) -> RpcError:
    match error:
        case {"code": int(code), "message": str(message)}:
            return RpcError(code, message, error.get("data"))
        case _:
            return RpcError(0, "a malformed error")
