"""Regular expressions for property tests: put together from what the dialects share and what they do not."""

from __future__ import annotations

import random

from hypothesis import strategies as st

_SHARED = (
    "a",
    "é",
    "-",
    ".",
    r"\d",
    r"\.",
    r"\-",
    "[a-z]",
    "[^a-z]",
    r"[-\d]",
    "[a^]",
    r"[^\s]",
    r"\x41",
    r"\D",
    r"\W",
    r"\S",
)
_UNSHARED = (
    r"\w", r"\s", r"\b", r"\p{L}", r"\u00e9", r"\x{41}", r"\A", r"\z", r"\1", "[[:alpha:]]", "[a&&b]", "[]a]",
    "[", "(?=a)", "(?!a)", "(?<=a)", "(?i)", "(?P<n>a)", "(?<n>a)", "a{,3}", "a{3,1}", "a{1001}", "a++",
    "a**", "{", "}", "]", "[!--]", "[!--a]", r"\<", r"\>", "{ 2}",
)  # fmt: skip
_QUANTIFIERS = ("", "", "", "*", "+?", "?", "{2}", "{1,3}", "{2,}", "{40}")
_FRAMES = ("%", "(%)", "(?:%)", "^%$", "%|a", "(%){2}", "(%){40}")
atoms = st.one_of(st.sampled_from(_SHARED), st.sampled_from(_UNSHARED), st.characters(codec="utf-8"))
patterns = st.recursive(
    st.lists(st.tuples(atoms, st.sampled_from(_QUANTIFIERS)), max_size=4).map(
        lambda parts: "".join(f"{atom}{quantifier}" for atom, quantifier in parts)
    ),
    lambda inner: st.tuples(st.sampled_from(_FRAMES), inner).map(
        lambda parts: parts[0].replace("%", parts[1])
    ),
    max_leaves=4,
)
"""Patterns, most of which at least one dialect refuses."""


def random_patterns(seed: int, number: int) -> list[str]:
    """Return patterns like those of `patterns`, the same for the same seed."""
    chance = random.Random(seed)
    found = []
    for _ in range(number):
        parts = (chance.choice((*_SHARED, *_SHARED, *_UNSHARED)) for _ in range(chance.randint(1, 4)))
        found.append(
            chance.choice(_FRAMES).replace("%", "".join(each + chance.choice(_QUANTIFIERS) for each in parts))
        )
    return found
