"""The message of ConfigValid: what is wrong with a configuration, where to look and what to change.

Pure. `config_faults` says what each fault is, and where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from floe_core.host.protocol import ConfigFault, Verdict
from floe_operator.rules.conditions import MESSAGE_BYTES, bounded
from floe_operator.rules.config_faults import (
    MISSING,
    PLAINTEXT_SECRET,
    UNKNOWN_FIELD,
    ExplainedFault,
    explain,
    what,
)
from floe_operator.rules.config_mends import by_secret, rotate, set_all
from floe_operator.rules.facts import Hidden
from floe_operator.rules.resource import FloePluginSpec
from floe_operator.rules.sentences import listing, sentence, with_detail

_SHOWN = 3
_SHOWN_HIDDEN = 2
_LONGEST_PLACE = 96
_MORE = "too_many_errors"
_RAISED = "validator_error"
_Schema = Mapping[str, Any] | None


def config_sentence(
    verdict: Verdict, spec: FloePluginSpec, schema: _Schema = None, hidden: Sequence[Hidden] = ()
) -> str:
    """Return a verdict as the message of ConfigValid; the plugin's JSON schema shows what was meant.

    The message ends with the entries of spec.configFrom that have no effect, if they can be the cause.
    """
    match verdict.reason:
        case "Valid":
            return sentence("The configuration matches the plugin's schema", has_no_effect(hidden))
        case "NothingToConfigure":
            return "There is nothing to configure"
        case "ConfigRequired":
            return _config_required(verdict.faults, spec)
        case "ValidationFailed":
            return _and_hidden(*_validation_failed(verdict.faults, spec, schema, hidden), hidden)
        case "PlaintextSecret":
            return _and_hidden(*_plaintext_secret(verdict.faults, spec, hidden), hidden)
        case "ConfigNotAccepted":
            return _config_not_accepted(spec)
        case "SchemaFailed":
            return schema_failed(verdict.faults[0].message if verdict.faults else "")


def lacks_a_configuration(verdict: Verdict) -> bool:
    """Return True if the verdict on an empty configuration is that there must be one.

    A schema without required fields may still have rules, such as that one of two fields must be set. But a
    validator that raises anything other than a validation error is the plugin's own fault.
    """
    if verdict.reason == "ValidationFailed":
        return all(fault.type != _RAISED for fault in verdict.faults)
    return verdict.reason == "ConfigRequired"


def not_configured(verdict: Verdict, spec: FloePluginSpec, schema: _Schema = None) -> str:
    """Return the message for a plugin that nobody asked for and that needs a configuration."""
    nobody = "Nobody has configured the plugin"
    if verdict.reason != "ConfigRequired" and verdict.faults:
        wrong, _ = _validation_failed(verdict.faults, spec, schema, ())
        return sentence(f"{nobody}, and without a configuration {wrong}", "to use the plugin, configure it")
    missing = [explain(fault, spec) for fault in verdict.faults if fault.field]
    places = listing(fault.place for fault in missing) or "a configuration"
    return sentence(f"{nobody}, which requires {places}", f"to use the plugin, {_set_missing(missing)}")


def has_no_effect(hidden: Sequence[Hidden]) -> str:
    """Return a clause that says which entries have no effect, and why; empty for none."""
    if len(hidden) == 1:
        (one,) = hidden
        replace = "replaces" if len(one.by) == 1 else "replace"
        what = "it" if one.place else "all of it"
        return f"{_entry(one.entry)} has no effect: {_replacers(one)} {replace} {what}"
    said = [f"{_entry(each.entry)} (replaced by {_replacers(each)})" for each in hidden]
    return f"{listing(said, most=_SHOWN_HIDDEN)} have no effect" if said else ""


def schema_failed(detail: str) -> str:
    """Return the message for a plugin schema that cannot be used with any configuration."""
    wrong = with_detail("The plugin's configuration schema cannot be used", detail)
    return sentence(wrong, "install another release of the plugin")


def _config_required(faults: Sequence[ConfigFault], spec: FloePluginSpec) -> str:
    missing = [explain(fault, spec) for fault in faults if fault.field]
    places = listing(fault.place for fault in missing)
    wrong = f"{places} must be set" if places else "The plugin requires a configuration"
    if not spec.config_from:
        return sentence(f"{wrong}, but nothing is configured", _set_missing(missing))
    mend = "create what spec.configFrom refers to"
    if not any(fault.secrets for fault in missing):
        mend += ", or set spec.config"
    return sentence(f"{wrong}, but spec.configFrom provides nothing", mend)


def _entry(entry: int | None) -> str:
    return "spec.config" if entry is None else f"spec.configFrom[{entry}]"


def _replacers(hidden: Hidden) -> str:
    if hidden.by == (None,) and hidden.place:
        return bounded(f"spec.config.{hidden.place}", _LONGEST_PLACE)
    return listing(map(_entry, hidden.by), most=_SHOWN)


def _and_hidden(wrong: str, mend: str, hidden: Sequence[Hidden]) -> str:
    """Return what is wrong, how to fix it and, if there is room, what has no effect."""
    both = "; ".join(filter(None, (mend, has_no_effect(hidden))))
    return sentence(wrong, both if len(both.encode()) <= MESSAGE_BYTES // 2 else mend)


def _validation_failed(
    faults: Sequence[ConfigFault], spec: FloePluginSpec, schema: _Schema, hidden: Sequence[Hidden]
) -> tuple[str, str]:
    """Return the first faults, each with its place, and how to fix them all."""
    if not faults:
        return "The configuration does not match the plugin's schema", "correct spec.config"
    named = [fault for fault in faults if fault.type != _MORE] or list(faults)
    explained = [explain(fault, spec, schema, hidden) for fault in named]
    if len(faults) == 1:
        return explained[0].said_of(explained[0].place), explained[0].mend
    more = " and many more" if len(named) < len(faults) else ""
    return listing(map(_with_hint, explained), most=_SHOWN) + more, _mend(explained)


def _with_hint(fault: ExplainedFault) -> str:
    said = fault.said_of(fault.place)
    return f"{said} (did you mean {fault.meant}?)" if fault.meant else said


def _mend(faults: Sequence[ExplainedFault]) -> str:
    """Return how to fix several faults, including those that are not shown."""
    if all(fault.type == MISSING for fault in faults):
        return _set_missing(faults)
    parts = listing(dict.fromkeys(what(fault.part) for fault in faults))
    mend = f"correct {parts}"
    if all(fault.type == UNKNOWN_FIELD for fault in faults):
        mend = f"correct the names, or remove them from {parts}"
    if exposed := [fault for fault in faults if fault.type == UNKNOWN_FIELD and fault.secrets]:
        others = any(fault.type != MISSING and fault not in exposed for fault in faults)
        remove = f"remove {listing(fault.place for fault in exposed)}: {rotate(_secrets(faults))}"
        return f"{mend}, and {remove}" if others else remove
    secrets = _secrets(faults)
    return f"{mend}, and {by_secret(secrets, its=True)}" if secrets else mend


def _set_missing(faults: Sequence[ExplainedFault]) -> str:
    return set_all([fault.field for fault in faults if not fault.is_of_secret], _secrets(faults))


def _secrets(faults: Sequence[ExplainedFault]) -> list[str]:
    return list(dict.fromkeys(secret for fault in faults for secret in fault.secrets))


def _plaintext_secret(
    faults: Sequence[ConfigFault], spec: FloePluginSpec, hidden: Sequence[Hidden]
) -> tuple[str, str]:
    """Return which secrets are in plain text, and the fix: everyone who can read the manifest knows them."""
    secrets = [explain(fault, spec, None, hidden) for fault in faults if fault.type == PLAINTEXT_SECRET]
    if len(secrets) == 1:
        return secrets[0].said_of(secrets[0].place), secrets[0].mend
    places = listing(secret.place for secret in secrets) or "Values of spec.config"
    return f"{places} are secrets in plain text", rotate([secret.field for secret in secrets])


def _config_not_accepted(spec: FloePluginSpec) -> str:
    parts = {"spec.config": spec.config, "spec.configFrom": spec.config_from}
    given = listing(name for name, value in parts.items() if value)
    return sentence("The plugin takes no configuration", f"remove {given or 'spec.config'}")
