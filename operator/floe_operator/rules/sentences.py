"""Sentences for people: one line, what is wrong first, how to fix it last and never cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from floe_operator.rules.conditions import MESSAGE_BYTES, bounded
from floe_operator.rules.load_states import FailedBeside

_MOST_NAMES = 3
"""The most plugins that a clause names; the others are counted."""


def sentence(wrong: str, mend: str = "") -> str:
    """Return what is wrong, then how to fix it; a long `wrong` is cut so that the fix still fits."""
    if not mend:
        return bounded(_open(wrong))
    room = MESSAGE_BYTES - len(mend.encode()) - len("; ")
    return f"{bounded(_open(wrong), room)}; {mend}"


def with_detail(wrong: str, detail: str) -> str:
    """Return what is wrong and, after a colon, the detail, if there is one."""
    detail = " ".join(detail.split())
    return f"{_open(wrong)}: {detail}" if detail else _open(wrong)


def listing(items: Iterable[str], *, most: int = 5, word: str = "and") -> str:
    """Return the items as `a, b and c`; those beyond `most` are only counted."""
    shown = list(items)
    if len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
        word = "and"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def loads_only_alone(beside: FailedBeside) -> str:
    """Return a clause that says after which plugins another one failed, and how."""
    names = [plugin.slug for plugin in beside.after[:_MOST_NAMES]]
    if others := len(beside.after) - len(names):
        names.append("1 other" if others == 1 else f"{others} others")
    wrong = f"it loads in a process of its own, but failed after {listing(names)} had been imported"
    return with_detail(wrong, beside.summary)


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as people write it: spec.configFrom[0].path."""
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown


def _open(text: str) -> str:
    """Return a text without its final punctuation, so that the sentence can continue."""
    return " ".join(text.split()).rstrip(".:; ")


def followed_by(text: str, more: str) -> str:
    """Return somebody's text, whose last sentence may lack its end, and a sentence of ours after it."""
    text = text.rstrip()
    if not text:
        return more
    return f"{text} {more}" if text.endswith((".", "!", "?", ":")) else f"{text}. {more}"


def printable(text: str) -> str:
    """Return a text with spaces for what a terminal would not print but obey; lines stay lines.

    Bytes in the name of a file that Python could not decode (surrogates) stay, too.
    """
    return "".join(
        each if each.isprintable() or each == "\n" or "\udc80" <= each <= "\udcff" else " " for each in text
    )
