"""Which words of a plugin are shown, so that words that change with every check are not written every time.

A plugin says what it likes, such as the seconds since it lost a connection. While what is known means the
same, other words than the first are shown at once, but then no others for `QUIET_SECONDS`. Pure: the time is
handed in.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from floe_operator.rules.facts import Checked, ConfigDigest, CrashedWhileRunning, StartupFailed

QUIET_SECONDS = 600.0
"""Seconds after a change of words in which they do not change again."""

Known = Checked | StartupFailed | CrashedWhileRunning


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known about a plugin that runs or should run, in the newest words."""

    fact: Known
    ours: str
    """The part of the words that is the operator's own."""
    threshold: int
    """How many checks in a row must fail before the status says so."""
    digest: ConfigDigest
    """The configuration that the fact is about."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The words that are shown, and what they mean."""

    words: str
    ours: str
    meaning: tuple[object, ...]
    changed: float | None = None
    """When words of the plugin replaced others of the same meaning, or None if none did."""


def steady(
    heard: Heard, generation: int | None, shown: Shown | None, now: float
) -> tuple[Known, Shown | None]:
    """Return what is known in the words to show, and what is shown from now on.

    `generation` is that of the object, `shown` is what was shown before, and `now` is in seconds of a
    monotonic clock.
    """
    fact = heard.fact
    state = fact.state if isinstance(fact, Checked) else None
    if isinstance(fact, Checked) and state == "unhealthy" and fact.failures < heard.threshold:
        return fact, shown  # the status goes on showing what it shows
    meaning = type(fact), state, heard.digest, generation
    if shown is None or shown.meaning != meaning:
        shown = Shown(fact.message, heard.ours, meaning)
    elif heard.ours and heard.ours != shown.ours:
        shown = Shown(fact.message, heard.ours, meaning, shown.changed)
    elif shown.words != fact.message and (shown.changed is None or now - shown.changed >= QUIET_SECONDS):
        shown = Shown(fact.message, heard.ours, meaning, now)
    return dataclasses.replace(fact, message=shown.words), shown
