"""What one rule concludes, and how it becomes a condition, given the previous assessment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from floe_operator.rules.conditions import Reason, condition, reason_of
from floe_operator.rules.resource import Condition, FloePluginStatus


@dataclass(frozen=True, slots=True)
class Decided:
    """The facts decide the condition."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """The facts do not decide now: the previous assessment stays, with the generation it was made for.

    Without a previous assessment, `reason` and `message` are shown.
    """

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The facts decide that the previous assessment also holds for this generation.

    Without a previous assessment, this is like `Undecided`.
    """

    reason: Reason
    message: str


Conclusion = Decided | Undecided | Unchanged

Shown = Mapping[str, Condition]
"""The conditions decided so far, by type."""


def is_true(shown: Shown, kind: str) -> bool:
    """Return True if the condition exists and is True."""
    return kind in shown and shown[kind].status == "True"


@dataclass(frozen=True, slots=True)
class Occasion:
    """The time, the generation and the previous status of an assessment."""

    generation: int
    previous: FloePluginStatus | None
    now: datetime

    def before(self, kind: str) -> Condition | None:
        """Return the object's condition of this type, or None."""
        return self.previous.condition(kind) if self.previous is not None else None

    def decided_before(self, kind: str) -> Condition | None:
        """Return the object's condition if it is True or False and the operator wrote it, else None."""
        before = self.before(kind)
        if before is None or not before.is_judged or reason_of(before) is None:
            return None
        return before

    def settle(self, kind: str, conclusion: Conclusion) -> Condition:
        """Return the condition that a conclusion leads to."""
        kept = None if isinstance(conclusion, Decided) else self.decided_before(kind)
        if kept is None:
            return self.condition(
                kind, conclusion.reason.outcome.status, conclusion.reason.text, conclusion.message
            )
        if isinstance(conclusion, Unchanged):
            return dataclasses.replace(kept, observed_generation=self.generation)
        return kept

    def condition(
        self, kind: str, status: Literal["True", "False", "Unknown"], reason: str, message: str
    ) -> Condition:
        """Return a condition assessed on this occasion."""
        return condition(
            kind,
            status,
            reason,
            message,
            generation=self.generation,
            before=self.before(kind),
            now=self.now,
        )
