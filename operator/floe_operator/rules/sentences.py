"""Sentences for people: one line, what is wrong first, what would mend it last and never cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from floe_operator.rules.conditions import MESSAGE_BYTES, bounded


def sentence(wrong: str, mend: str = "") -> str:
    """What is wrong, then what would mend it; a long `wrong` is cut so that the other still fits."""
    if not mend:
        return bounded(_open(wrong))
    room = MESSAGE_BYTES - len(mend.encode()) - len("; ")
    return f"{bounded(_open(wrong), room)}; {mend}"


def with_detail(wrong: str, detail: str) -> str:
    """What is wrong and, after a colon, how it came to light."""
    detail = " ".join(detail.split())
    return f"{_open(wrong)}: {detail}" if detail else _open(wrong)


def listing(items: Iterable[str], *, most: int = 5, word: str = "and") -> str:
    """`a, b and c`; the ones above `most` are counted."""
    shown = list(items)
    if len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
        word = "and"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it: spec.configFrom[0].path."""
    shown = ""
    for step in path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}" if shown else step
    return shown


def _open(text: str) -> str:
    """A text without the full stop at its end, so that it can go on."""
    return " ".join(text.split()).rstrip(".:; ")
