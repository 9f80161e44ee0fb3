"""What one rule concludes, and how it becomes a condition beside what was judged before."""

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
    """The facts decide."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """The facts do not decide now: what was judged before stays, with the generation it was judged for.

    Where nothing was, `reason` and `message` are shown.
    """

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The facts decide that what was judged before holds for this generation, too; else as `Undecided`."""

    reason: Reason
    message: str


Conclusion = Decided | Undecided | Unchanged

Shown = Mapping[str, Condition]
"""The conditions decided so far, by type."""


def is_true(shown: Shown, kind: str) -> bool:
    """Whether a condition is there, and True."""
    return kind in shown and shown[kind].status == "True"


@dataclass(frozen=True, slots=True)
class Occasion:
    """When, for which generation, and on top of what is judged."""

    generation: int
    previous: FloePluginStatus | None
    now: datetime

    def before(self, kind: str) -> Condition | None:
        """The condition as it is on the object."""
        return self.previous.condition(kind) if self.previous is not None else None

    def decided_before(self, kind: str) -> Condition | None:
        """The condition as it is on the object, if it says yes or no and the operator wrote it so."""
        before = self.before(kind)
        if before is None or not before.is_judged or reason_of(before) is None:
            return None
        return before

    def settle(self, kind: str, conclusion: Conclusion) -> Condition:
        """The condition that a conclusion gives."""
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
        """A condition judged on this occasion."""
        return condition(
            kind,
            status,
            reason,
            message,
            generation=self.generation,
            before=self.before(kind),
            now=self.now,
        )
