"""What the end of a host tells of a call that was under way in it. Pure.

What follows from a diagnosis is left to whoever made the call: a suspect import that hung in a pass with a
short limit, say, is tried again alone anyway.
"""

from __future__ import annotations

from enum import Enum


class Blame(Enum):
    """What a call has to do with the end of its host."""

    CAUSE = "nothing else can have ended the host"
    SUSPECT = "it was under way, and something else may have ended the host"
    INNOCENT = "the host ended for another's sake"


class Diagnosis(Enum):
    """What is known of the call now."""

    UNHARMED = "it did nothing wrong: make it again"
    SUSPECT = "nobody knows yet: alone in a host it will show"
    HUNG = "it kept its host from answering"
    CRASHED = "it ended its host"


def triage(blame: Blame, *, hung: bool, alone: bool) -> Diagnosis:
    """What a host's end tells of a call.

    `hung`: the host was killed because it did not answer; `alone`: no other call was under way.
    """
    if blame is Blame.INNOCENT:
        return Diagnosis.UNHARMED
    if blame is Blame.SUSPECT and not alone:
        return Diagnosis.SUSPECT
    return Diagnosis.HUNG if hung else Diagnosis.CRASHED
