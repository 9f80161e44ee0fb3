"""What the answer to an import says about a plugin, and when that answer is in doubt. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ValidationError

from floe_core.host.protocol import (
    ANSWER_TOO_LARGE,
    LOAD_FAILED,
    NOT_FOUND,
    Description,
    LoadFailure,
)
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.errors import PluginGone
from floe_operator.plugin_host.rpc import RpcError
from floe_operator.rules.load_states import Described, FailedBeside, LoadFault

Outcome = Described | LoadFault


@dataclass(frozen=True, slots=True)
class Doubt:
    """A failure that an earlier import in the same host may have caused."""

    seen: Outcome
    after: tuple[PluginId, ...]
    """The plugins whose import was attempted in that host before, in order."""
    fingerprint: str | None
    """That of the failed plugin's distribution."""

    def settled_by(self, alone: Outcome) -> Outcome:
        """Return what to believe, given the outcome in a host that nobody used before."""
        if isinstance(alone, LoadFault) or failure_in(alone):
            return alone
        return replace(alone, beside=FailedBeside(self.after, failure_in(self.seen)))


def failure_in(outcome: Outcome) -> str:
    """Return what another plugin may have caused, in our own words; empty if there is nothing."""
    if isinstance(outcome, LoadFault):
        return outcome.message if outcome.reason in ("ImportFailed", "NotAPlugin") else ""
    wrong = outcome.description.schema_error
    return f"its schema cannot be used: {wrong}" if wrong is not None else ""


def outcome_of(plugin: PluginId, answer: object) -> Outcome:
    """Return what a host's description of a plugin says."""
    try:
        return Described(Description.model_validate(answer))
    except ValidationError:
        return LoadFault("NotAPlugin", f"The description of {plugin.slug} cannot be read")


def fault_of(plugin: PluginId, error: RpcError) -> LoadFault:
    """Return why a host did not describe a plugin.

    Raises:
        PluginGone: The plugin is no longer installed.
    """
    if error.code == NOT_FOUND:
        raise PluginGone(f"{plugin.slug} is no longer installed")
    if error.code == LOAD_FAILED:
        try:
            failure = LoadFailure.model_validate(error.data)
        except ValidationError:
            return LoadFault("ImportFailed", f"{plugin.slug} does not load, and the reason cannot be read")
        return LoadFault(failure.reason, failure.summary, failure.plugin_text, failure.fix, failure.quoted)
    if error.code == ANSWER_TOO_LARGE:
        return LoadFault("NotAPlugin", f"The description of {plugin.slug} is too large for a message")
    return LoadFault("NotAPlugin", f"{plugin.slug} cannot be described: {error}")


def crashed(plugin: PluginId, how: str) -> LoadFault:
    """Return the fault of a plugin whose import ended its host."""
    return LoadFault(
        "CrashedOnLoad",
        f"Importing {plugin.slug} ended the plugin host: {how}; the plugin is set aside and "
        "retried from time to time, and whenever a distribution changes",
    )


def timed_out_after(plugin: PluginId, limit: float) -> LoadFault:
    """Return the fault of a plugin whose import did not return."""
    return LoadFault(
        "LoadTimedOut",
        f"Importing {plugin.slug} did not return within {limit:g} s (--load-timeout); the plugin is set "
        "aside and retried from time to time, and whenever a distribution changes",
    )
