"""Withholds from faults what holds a value of a secret field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from floe_core._configuring.faults import Fault
from floe_core._configuring.secret_texts import holding_secrets
from floe_core._configuring.secret_values import secret_values
from floe_core._loading.loading import is_users_interrupt

if TYPE_CHECKING:
    from pydantic import BaseModel


def without_secrets(
    faults: Sequence[Fault], schema: type[BaseModel], config: Mapping[str, Any]
) -> list[Fault]:
    """Return the faults, those that quote a secret without what they quote and what a validator said."""
    said, quoted = [fault.plugin_text for fault in faults], [fault.quoted for fault in faults]
    if not any(said) and not any(quoted):
        return list(faults)
    try:
        secrets = secret_values(schema, config)
        holding = holding_secrets(said, secrets, quoted)
    except BaseException as error:
        if is_users_interrupt(error):
            raise
        holding = set(range(len(faults)))  # values can be objects of anybody's class
    return [_withheld(fault) if index in holding else fault for index, fault in enumerate(faults)]


def _withheld(fault: Fault) -> Fault:
    if not fault.plugin_text and not fault.quoted:
        return fault
    bare = fault.without_texts
    said = f"{bare.message}, and what it says is withheld because it might hold a secret"
    return replace(bare, message=said)
