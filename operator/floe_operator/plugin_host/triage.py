"""What the end of a host says about a call that was under way in it. Pure.

What follows from a diagnosis is left to whoever made the call: for example, a suspect import that hung in a
pass with a short limit is retried alone anyway.
"""

from __future__ import annotations

from enum import Enum


class Blame(Enum):
    """What a call has to do with the end of its host."""

    CAUSE = "nothing else can have ended the host"
    SUSPECT = "it was under way, but something else may have ended the host"
    INNOCENT = "something else ended the host"


class Diagnosis(Enum):
    """What is now known about the call."""

    UNHARMED = "it did nothing wrong: repeat it"
    SUSPECT = "not known yet: a run alone in a host will show"
    HUNG = "it kept its host from answering"
    CRASHED = "it ended its host"


def triage(blame: Blame, *, hung: bool, alone: bool) -> Diagnosis:
    """Return what the end of a host says about a call.

    `hung`: the host was killed because it did not answer; `alone`: no other call was under way.
    """
    if blame is Blame.INNOCENT:
        return Diagnosis.UNHARMED
    if blame is Blame.SUSPECT and not alone:
        return Diagnosis.SUSPECT
    return Diagnosis.HUNG if hung else Diagnosis.CRASHED
