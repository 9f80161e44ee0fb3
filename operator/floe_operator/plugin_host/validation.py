"""Assesses configurations with the plugins' schemas, and finds out which validation ends or hangs a host.

Many validations are under way at the same time. A validation that did nothing wrong is repeated if its host
was replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from floe_core.host.protocol import ANSWER_TOO_LARGE, NOT_FOUND, Verdict
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.errors import (
    HostUnavailable,
    PluginGone,
    PluginHostError,
    ValidationCrashed,
)
from floe_operator.plugin_host.gate import Gate
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import CallTimedOut, Host, HostLost
from floe_operator.plugin_host.importing import Importing, LoadsOnlyAlone, SuspectImport
from floe_operator.plugin_host.knowledge import SET_ASIDE, Knowledge
from floe_operator.plugin_host.parameters import digest_of, json_params
from floe_operator.plugin_host.rpc import RequestTooLargeError, RpcError
from floe_operator.plugin_host.supervisor import Supervisor
from floe_operator.plugin_host.triage import Blame, Diagnosis, triage
from floe_operator.plugin_host.trials import Order, Trials

SIDE_BY_SIDE = 32
_VALID = Verdict(reason="Valid")
"""The verdict on most configurations, once for all of them."""
_ATTEMPTS = 10


@dataclass(slots=True)
class _Crash:
    """What a plugin's validation did to a host."""

    digest: bytes
    fingerprint: str | None
    detail: str
    again_at: float
    failures: int
    verdict: Verdict | None = None
    """The verdict of a later attempt, kept until it is asked for."""


class Validation:
    """Assesses configurations in the current host, or alone if the plugin's last one ended or hung a host.

    That configuration is retried from time to time, in the background: a validator that always hangs must not
    hold up the reconcile that finds the retry due. `on_change` gets the plugin when a retry has a verdict.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        trials: Trials,
        importing: Importing,
        knowledge: Knowledge,
        gate: Gate,
        limit: float,
        on_change: Callable[[Collection[PluginId]], None],
    ) -> None:
        self._supervisor = supervisor
        self._trials = trials
        self._importing = importing
        self._knowledge = knowledge
        self._gate = gate
        self._limit = limit
        self._on_change = on_change
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self._crashes: dict[PluginId, _Crash] = {}
        self._retries: dict[PluginId, asyncio.Task[None]] = {}
        self._confirmed: dict[PluginId, tuple[str | None, bytes]] = {}
        """The last configuration for which a plugin's code raised in a host of its own, too, by release."""

    async def validate(
        self, plugin: PluginId, config: Mapping[str, Any], plain: Mapping[str, Any]
    ) -> Verdict:
        """Return the verdict on `config`; `plain` is the part of it that is not from a Secret.

        Raises:
            ValidationCrashed: The plugin's code ended or hung the host, or a limit was exceeded.
            PluginGone: The plugin is no longer installed.
            HostUnavailable: No host could answer; retry later.
        """
        try:
            params = json.dumps({**json_params(plugin), "config": config, "plain": plain})
        except RecursionError:
            raise ValidationCrashed("The configuration is nested too deeply to be assessed") from None
        crash = self._crashes.get(plugin)
        if crash is not None:
            if crash.fingerprint != self._knowledge.fingerprint(plugin):
                del self._crashes[plugin]
            elif crash.digest != digest_of(params):
                return await self._alone(plugin, params)
            elif crash.verdict is not None:
                del self._crashes[plugin]
                return crash.verdict
            else:
                if _now() >= crash.again_at and plugin not in self._retries:
                    retry = self._retry(plugin, params, crash)
                    self._retries[plugin] = asyncio.create_task(retry, name=f"validate {plugin.slug}")
                raise ValidationCrashed(crash.detail)
        if not self._knowledge.loads_only_alone(plugin):
            with contextlib.suppress(SuspectImport, _SuspectError, LoadsOnlyAlone):
                verdict = await self._in_present_host(plugin, params)
                if self._is_doubtful(plugin, params, verdict):
                    return await self._confirm(plugin, params)
                return verdict
        return await self._alone(plugin, params)

    def close(self) -> None:
        """Cancel the retries."""
        for retry in self._retries.values():
            retry.cancel()

    async def _retry(self, plugin: PluginId, params: str, crash: _Crash) -> None:
        try:
            verdict = await self._try(Order.RETRY, plugin, params)
        except PluginHostError:
            return  # the outcome, if any, is recorded
        finally:
            del self._retries[plugin]
        if self._crashes.get(plugin) is crash:
            crash.verdict = verdict
            self._on_change({plugin})

    async def _in_present_host(self, plugin: PluginId, params: str) -> Verdict:
        for _ in range(_ATTEMPTS):
            try:
                host = await self._supervisor.current()
            except HostStartError as error:
                raise HostUnavailable(str(error)) from None
            try:
                await self._importing.on_demand(host, plugin)
                async with self._slots, self._gate.shared():
                    return await self._ask(host, plugin, params)
            except CallTimedOut:
                crash = self._crashed(plugin, params, self._did_not_return)
                try:
                    await self._supervisor.replace(host, f"validating {plugin.slug} did not return")
                except HostStartError:
                    host.condemn("a validation did not return", Blame.INNOCENT)
                raise crash from None
            except HostLost as lost:
                match triage(lost.blame, hung=lost.hung, alone=False):
                    case Diagnosis.SUSPECT:
                        raise _SuspectError from None
                    case Diagnosis.HUNG | Diagnosis.CRASHED:
                        raise self._crashed(plugin, params, self._what_happened(lost)) from None
            except HostUnavailable:
                if not host.is_ending:
                    raise
        raise HostUnavailable("The plugin host was replaced too often")

    def _is_doubtful(self, plugin: PluginId, params: str, verdict: Verdict) -> bool:
        """Return True if another plugin of the host may have caused the verdict: the plugin's code raised."""
        host = self._supervisor.host
        if host is not None and not host.has_others(plugin):
            return False
        raised = any(fault.type in ("validator_error", "schema_error") for fault in verdict.faults)
        confirmed = self._knowledge.fingerprint(plugin), digest_of(params)
        return raised and self._confirmed.get(plugin) != confirmed

    async def _confirm(self, plugin: PluginId, params: str) -> Verdict:
        """Assess a configuration in a host that nobody used before, once for each release."""
        fingerprint = self._knowledge.fingerprint(plugin)
        verdict = await self._try(Order.VALIDATION, plugin, params, fresh=True)
        self._confirmed[plugin] = fingerprint, digest_of(params)
        return verdict

    async def _alone(self, plugin: PluginId, params: str) -> Verdict:
        verdict = await self._try(Order.VALIDATION, plugin, params)
        self._crashes.pop(plugin, None)
        return verdict

    async def _try(self, order: Order, plugin: PluginId, params: str, *, fresh: bool = False) -> Verdict:
        try:
            return await self._trials.run(
                order,
                lambda host: self._import_and_ask(host, plugin, params),
                fresh=fresh or self._knowledge.loads_only_alone(plugin),
            )
        except CallTimedOut:
            raise self._crashed(plugin, params, self._did_not_return) from None
        except HostLost as lost:
            raise self._crashed(plugin, params, self._what_happened(lost)) from None
        except HostStartError as error:
            raise HostUnavailable(str(error)) from None

    async def _import_and_ask(self, host: Host, plugin: PluginId, params: str) -> Verdict:
        await self._importing.into_trial(host, plugin)
        return await self._ask(host, plugin, params)

    async def _ask(self, host: Host, plugin: PluginId, params: str) -> Verdict:
        try:
            verdict = Verdict.model_validate(await host.call("validate", plugin, params, self._limit))
            return _VALID if verdict == _VALID else verdict
        except RequestTooLargeError as error:
            raise ValidationCrashed(f"The configuration is too large to be assessed: {error}") from None
        except ValidationError:
            host.condemn(f"it sent a malformed verdict on {plugin.slug}")
            raise HostUnavailable(f"The verdict on {plugin.slug} cannot be read") from None
        except RpcError as error:
            if error.code == NOT_FOUND:
                raise PluginGone(f"{plugin.slug} is no longer installed") from None
            if error.code == ANSWER_TOO_LARGE:
                raise ValidationCrashed("The verdict is too large for a message") from None
            raise ValidationCrashed(f"The configuration cannot be assessed: {error}") from None

    @property
    def _did_not_return(self) -> str:
        return f"did not return within {self._limit:g} s"

    def _what_happened(self, lost: HostLost) -> str:
        return self._did_not_return if lost.hung else f"ended the plugin host: {lost.how}"

    def _crashed(self, plugin: PluginId, params: str, what: str) -> ValidationCrashed:
        before = self._crashes.get(plugin)
        failures = 1 + (before.failures if before is not None else 0)
        detail = f"The plugin's schema or one of its validators {what}"
        again_at = _now() + SET_ASIDE.after(failures)
        self._crashes[plugin] = _Crash(
            digest_of(params), self._knowledge.fingerprint(plugin), detail, again_at, failures
        )
        return ValidationCrashed(detail)


class _SuspectError(Exception):
    """The host ended with this validation and other calls under way."""


def _now() -> float:
    return asyncio.get_running_loop().time()
