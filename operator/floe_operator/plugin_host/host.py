"""One plugin host from start to end: its process, the connection to it, and what is to blame for its end.

When to start or replace a host, and when to call it, is left to others.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from floe_core.host.protocol import Handshake, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.calls import Calls
from floe_operator.plugin_host.handshake import (
    HostStartError,
    handshake,
    is_usable,
    why_doubtful,
    why_no_host,
    why_not_executed,
    why_not_ready,
    why_not_usable,
)
from floe_operator.plugin_host.output import OnLeftOut, OnLine
from floe_operator.plugin_host.process import HostProcess, host_command
from floe_operator.plugin_host.rpc import MalformedLineError, RpcConnection, RpcError
from floe_operator.plugin_host.survey import find_core_of
from floe_operator.plugin_host.triage import Blame

START_LIMIT = 30.0
SCAN_LIMIT = 30.0
_PING_LIMIT = 1.0
"""The last second of a call's time, in which the host must show that it answers at all."""
_KILL_LIMIT = 10.0
_LAST_ANSWERS_LIMIT = 0.5


class HostLost(Exception):
    """The host ended before it answered. `how` is a clause: `it was killed by SIGSEGV`."""

    def __init__(self, how: str, blame: Blame, *, hung: bool = False) -> None:
        self.how = how
        self.blame = blame
        self.hung = hung
        """Whether it was killed because it stopped answering."""
        super().__init__(how)


class CallTimedOut(Exception):
    """The call did not return in time, but the host answers others: the call itself is at fault."""


@dataclass(frozen=True, slots=True)
class _End:
    how: str
    blame: Blame | None
    """If None, the number of calls under way decides."""
    hung: bool = False


class Host:
    """A host that has said it is ready."""

    def __init__(self, process: HostProcess, said: Handshake, doubt: str) -> None:
        self.said = said
        self._doubt = doubt
        self.process = process
        self.installed: ScanResult
        """What it found when it was new; every module in it was imported later."""
        self._scanned: ScanResult | None = None
        """Its last answer to a scan, if that arrived."""
        self.lost = asyncio.Event()
        self.imports = asyncio.Lock()
        """Held during an import; only one runs at a time."""
        self.imported: set[PluginId] = set()
        self.unusable: set[PluginId] = set()
        """Plugins whose import failed here; it would fail again."""
        self._attempted: dict[PluginId, None] = {}
        self.started: set[PluginId] = set()
        self.checks: dict[PluginId, asyncio.Future[Any]] = {}
        """The last check of each started plugin, which might still be hanging."""
        self.hung_starts: dict[tuple[PluginId, bytes], asyncio.Future[Any]] = {}
        """Starts that have not returned and that nobody waits for any longer, by plugin and digest."""
        self.predecessor: asyncio.Task[None] | None = None
        """Ends when the plugins of the previous host have stopped."""
        self.ended_idle = False
        """Whether it ended by itself while it had nothing to do."""
        self.was_killed_from_outside = False
        """Whether it ended by a SIGKILL that was not ours."""
        self.under_way: set[PluginId] = set()
        """The plugins for whose answers somebody was waiting when it ended."""
        self.on_lost: Callable[[Blame], None] | None = None
        """Called if it ends by itself, before those who wait for an answer know; gets the calls' blame."""
        self._connection = RpcConnection(process.writer.write)
        self._calls = Calls()
        self._end: _End | None = None
        self.life = asyncio.create_task(self._live(), name=f"plugin-host-{process.pid}")
        """Ends shortly after `lost` is set, when nothing of the host is left."""

    @classmethod
    async def start(cls, python: str, *, on_line: OnLine, on_left_out: OnLeftOut) -> Host:
        """Start a host and scan what is installed.

        Raises:
            HostStartError: No host could be started, or its environment could not be scanned.
        """
        nonce = secrets.token_hex(8)
        try:
            process = await HostProcess.start(
                host_command(python, nonce), on_line=on_line, on_left_out=on_left_out, nonce=nonce
            )
        except OSError as error:
            raise HostStartError(why_not_executed(python, error)) from None
        try:
            said = await _first_words(python, process)
        except BaseException:
            process.kill()
            await process.release()
            raise
        host = cls(process, said, why_doubtful(python, said))
        try:
            host.installed = await host.scan()
        except (HostLost, CallTimedOut, RpcError) as error:
            host.condemn("it could not scan its environment", Blame.INNOCENT)
            raise HostStartError(f"The environment of {python} cannot be scanned: {error}") from error
        except BaseException:
            host.condemn("its start was abandoned", Blame.INNOCENT)
            raise
        return host

    @property
    def is_ending(self) -> bool:
        """Whether it no longer accepts calls."""
        return self._end is not None or self.lost.is_set()

    @property
    def how_it_ended(self) -> str:
        """How it ended, as a clause: `it was killed by SIGSEGV`."""
        return self._end.how if self._end else self.process.how_it_ended

    async def scan(self) -> ScanResult:
        """Return what is installed now: the same object as long as nothing changes."""
        before, self._scanned = self._scanned, None
        params = '{"unless_changed":true}' if before is not None else None
        raw = await self._wait(self._connection_call("scan", params), SCAN_LIMIT)
        if raw is None and before is not None:
            self._scanned = before
            return before
        try:
            found = ScanResult.model_validate(raw)
        except ValidationError:
            raise self.condemn("it sent a malformed scan result", Blame.INNOCENT) from None
        self._scanned = found.model_copy(update={"core_fault": self._doubt}) if self._doubt else found
        return self._scanned

    def attempt(self, plugin: PluginId) -> int:
        """Note that a plugin's import is attempted; return how many others were attempted before it."""
        before = len(self._attempted) - (plugin in self._attempted)
        self._attempted[plugin] = None
        return before

    def attempted_before(self, plugin: PluginId, before: int) -> tuple[PluginId, ...]:
        """Return the plugins of which `attempt` returned the number, in order."""
        return tuple(itertools.islice((each for each in self._attempted if each != plugin), before))

    def has_others(self, plugin: PluginId) -> bool:
        """Return True if the import of any other plugin was attempted here."""
        return any(each != plugin for each in self._attempted)

    async def call(self, method: str, plugin: PluginId, params: str, limit: float) -> Any:
        """Run a plugin's code and return the result; `params` is JSON text, `limit` is in seconds.

        Raises:
            HostLost: The host ended before it answered.
            CallTimedOut: The call did not return within `limit`, but the host still answers.
            RpcError: The host answered with an error.
            RequestTooLargeError: The call is too large; nothing was sent.
        """
        return await self._wait(self.send(method, plugin, params), limit)

    def send(self, method: str, plugin: PluginId, params: str) -> asyncio.Future[Any]:
        """Send the call without waiting for its answer."""
        answer = self._connection_call(method, params)
        self._calls.add(answer, plugin)
        return answer

    def abandon(self, call: asyncio.Future[Any]) -> None:
        """Note that nobody waits for the answer to a call."""
        self._calls.abandon(call)

    def suspects(self, at: float) -> tuple[set[PluginId], str]:
        """Return the plugins that did what the host did at a moment just past, if they are known, and why."""
        if called := self._calls.plugins_at(at):
            return called, "called at that time"
        if self.started:
            return set(self.started), "started; no plugin was called at that time"
        alone = set(self._attempted) if len(self._attempted) == 1 else set()
        return alone, "no plugin was called at that time, and none is started"

    async def answer_to(self, call: asyncio.Future[Any], limit: float) -> Any:
        """Wait for the answer to a call that was sent, as `call` does."""
        return await self._wait(call, limit)

    def condemn(self, how: str, blame: Blame | None = None, *, hung: bool = False) -> HostLost:
        """Kill the host, and return the error for the caller to raise.

        `blame` applies to the calls under way; if it is None, their number decides.
        """
        if self._end is None:
            self._end = _End(how, blame, hung)
        self.process.kill()
        return HostLost(how, Blame.INNOCENT)

    def end_above(self, memory_limit: int) -> None:
        """Kill the host, and blame what is under way, if it uses more memory than this many bytes."""
        used = self.process.resident_bytes()
        if used is not None and used > memory_limit:
            self.condemn("it used more memory than --host-memory allows", Blame.CAUSE)

    async def retire(self, limit: float, blame: Blame = Blame.INNOCENT) -> None:
        """Have the host stop its plugins and end; kill it after `limit` seconds. It accepts no more calls."""
        if self._end is None:
            self._end = _End("it was replaced", blame)
            self.on_lost = None
            # The rest of the time is for the process to end.
            shutdown = self._connection.call("shutdown", f'{{"timeout":{0.9 * limit}}}')
            shutdown.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not await self.process.wait(limit):
            self.process.kill()
        await self.lost.wait()

    def _connection_call(self, method: str, params: str | None) -> asyncio.Future[Any]:
        if self.is_ending:
            raise HostLost(self.how_it_ended, Blame.INNOCENT)
        return self._connection.call(method, params)

    async def _wait(self, call: asyncio.Future[Any], limit: float) -> Any:
        self._calls.await_again(call)
        # Not wait_for, which would cancel the call: it stays under way whether or not anybody waits.
        await asyncio.wait([call], timeout=max(0.0, limit - _PING_LIMIT))
        if not call.done() and await self._answers_beside(call) and not call.done():
            self.abandon(call)
            raise CallTimedOut
        if not call.done():
            self.condemn("it stopped answering", hung=True)
            await asyncio.wait([call], timeout=_KILL_LIMIT)
        if not call.done():
            raise HostLost("it cannot be killed", Blame.SUSPECT)
        return call.result()

    async def _answers_beside(self, call: asyncio.Future[Any]) -> bool:
        """Wait for the call a last time, and return True if the host still answers.

        A plugin that holds the interpreter's lock keeps the host from answering.
        """
        try:
            ping = self._connection_call("ping", None)
        except HostLost:
            return False
        await asyncio.wait([call], timeout=_PING_LIMIT)
        return ping.done() and ping.exception() is None

    async def _live(self) -> None:
        reading = asyncio.create_task(self._connection.read(self.process.reader))
        ended = asyncio.create_task(self.process.ended.wait())
        try:
            await asyncio.wait([reading, ended], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and not await self.process.wait(_LAST_ANSWERS_LIMIT):
                self.condemn(_fault_of(reading))
                await self.process.wait(_KILL_LIMIT)
            # Its last answers may still be in the pipe, which a grandchild can keep open.
            await asyncio.wait([reading], timeout=_LAST_ANSWERS_LIMIT)
        finally:
            reading.cancel()
            reading.add_done_callback(lambda done: done.cancelled() or done.exception())
            ended.cancel()
            self._bury()
        await self.process.drain_output(_LAST_ANSWERS_LIMIT)
        await self.process.release()

    def _bury(self) -> None:
        self.process.kill()
        self.under_way = self._calls.plugins(abandoned=False)
        self.ended_idle = self._end is None and not self.under_way
        self.was_killed_from_outside = self._end is None and self.process.was_killed
        blame = self._end.blame if self._end and self._end.blame else self._blame(self._calls.plugins())
        end = self._end = _End(self.how_it_ended, blame, self._end is not None and self._end.hung)
        if blame is not Blame.INNOCENT and self.on_lost is not None:
            self.on_lost(blame)
        self.lost.set()
        self._connection.fail(lambda: HostLost(end.how, blame, hung=end.hung))

    def _blame(self, at_work: set[PluginId]) -> Blame:
        """Return CAUSE if only the one plugin under way can have ended the host, else SUSPECT.

        A started plugin can have its own threads, and the kernel or a person can kill a process.
        """
        if len(at_work) != 1 or self.started - at_work or self.was_killed_from_outside:
            return Blame.SUSPECT
        return Blame.CAUSE


def _fault_of(reading: asyncio.Task[None]) -> str:
    fault = reading.exception()
    if isinstance(fault, MalformedLineError):
        return f"it sent {fault}"
    return "it closed its end of the pipe"


async def _first_words(python: str, process: HostProcess) -> Handshake:
    try:
        line = await _first_line(python, process)
        if not line:
            raise HostStartError(why_not_ready(python, process.how_it_ended, process.output.last_lines))
        said = handshake(python, line)
    except HostStartError as error:
        core = await find_core_of(python)
        lacks_core = core is not None and not core.has_host
        raise HostStartError(why_no_host(python, str(error), core), lacks_core=lacks_core) from None
    if not is_usable(said):
        raise HostStartError(why_not_usable(python, said, await find_core_of(python)))
    return said


async def _first_line(python: str, process: HostProcess) -> bytes:
    """Return the host's first line: empty if the host ended before, no message if it is too long."""
    try:
        async with asyncio.timeout(START_LIMIT):
            line = await process.reader.readline()
            if not line:
                await process.ended.wait()
                await process.drain_output(_LAST_ANSWERS_LIMIT)
            return line
    except TimeoutError:
        raise HostStartError(f"{python} -m floe_core.host was not ready within {START_LIMIT:g} s") from None
    except ValueError:
        return b"\n"
