"""What is wrong with a configuration: a path, a rule, and what the plugin's own validator said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from floe_core.plugin_errors import FieldError, PluginConfigurationError
from floe_core.plugin_types import PluginName

T = TypeVar("T")

RULE = "Input does not satisfy a rule of the plugin"
_SHOWN_TEXT = 320
"""Characters of a validator's text that an error shows."""
MOST_FAULTS = 50
"""The maximum number of faults that are listed; the rest are only counted."""


@dataclass(frozen=True)
class Fault:
    """One fault; `message` is the registry's or pydantic's text and holds no value."""

    field: str
    """A dotted path, in which `*` stands for what must not be shown."""
    message: str
    type: str
    """pydantic's error type, or that of a PydanticCustomError."""
    plugin_text: str = ""
    """What the plugin's own validator said; it may quote the configuration, but no secret field."""
    quoted: str = ""
    """What the message and the type quote: parts of the schema, unless a validator chose them."""
    secrets: tuple[str, ...] = ()
    """Paths of secret fields that giving the field its value takes: its own, or some below it."""

    @property
    def without_texts(self) -> Fault:
        """The fault without what it quotes and what a validator said."""
        if not self.quoted:
            return replace(self, plugin_text="")
        return replace(self, message=RULE, type="value_error", plugin_text="", quoted="")

    @property
    def as_error(self) -> FieldError:
        """The fault as callers of the registry get it."""
        text = self.plugin_text
        if len(text) > _SHOWN_TEXT:
            text = f"{text[: _SHOWN_TEXT - 1]}…"
        message = f"{self.message}: {text}" if text else self.message
        return FieldError(field=self.field, message=message, type=self.type)


def configuration_error(plugin: PluginName, faults: Iterable[Fault]) -> PluginConfigurationError:
    """Return the error that tells of the faults."""
    errors = [fault.as_error for fault in faults]
    return PluginConfigurationError(plugin.name, errors, plugin_type=plugin.plugin_type)


def first_faults(found: Sequence[T], show: Callable[[T], Fault]) -> list[Fault]:
    """Return the first MOST_FAULTS of what was found, converted by `show`, and the number of the rest."""
    shown = [show(each) for each in found[:MOST_FAULTS]]
    if len(found) > MOST_FAULTS:
        more = f"{len(found) - MOST_FAULTS} more errors"
        shown.append(Fault("", more, "too_many_errors"))
    return shown
