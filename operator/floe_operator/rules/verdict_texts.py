"""Scrubs what a verdict says in the words of a plugin: its validators may quote the configuration.

Pure. A message of pydantic's is told apart from a validator's by no more than what it quotes.
"""

from __future__ import annotations

from collections.abc import Sequence

from floe_core.host.protocol import ConfigFault, Verdict
from floe_operator.rules.scrub import Scrubber, without_values


def scrubbed(verdict: Verdict, secrets: Scrubber, values: Sequence[str]) -> Verdict:
    """Return the verdict without secrets, and without these values from ConfigMaps."""
    faults = [
        _without_quotes(fault) if secrets.finds_any(fault.quoted) else fault for fault in verdict.faults
    ]
    texts = without_values((secrets.scrub(fault.plugin_text) for fault in faults), values)
    done = (
        fault.model_copy(update={"plugin_text": text, "quoted": ""})
        for fault, text in zip(faults, texts, strict=True)
    )
    return verdict.model_copy(update={"faults": tuple(done)})


def _without_quotes(fault: ConfigFault) -> ConfigFault:
    message = "Input does not satisfy a rule of the plugin"
    return fault.model_copy(update={"message": message, "type": "value_error"})
