"""Tells which texts contain a secret, or a piece of one, in a form in which programs print it.

Of a secret that is shorter than a piece, the whole is searched for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from floe_core.printed_forms import PIECE, printed_forms

_MOST_SECRETS = 32 * 1024
"""How many characters of secrets are searched for; with more, every text counts as holding one."""
_LEAST_CHARACTERS = 16
"""As how many characters a secret counts at least: each takes some work."""


def holding_secrets(texts: Sequence[str], secrets: Collection[str]) -> set[int]:
    """Return the indices of the texts that hold a piece of one of the secrets, in any form and case."""
    if sum(max(len(secret), _LEAST_CHARACTERS) for secret in secrets) > _MOST_SECRETS:
        return {index for index, text in enumerate(texts) if text}
    return _holding(texts, {form for secret in secrets for form in printed_forms(secret)})


def quoting_secrets(texts: Sequence[str], secrets: Collection[str]) -> set[int]:
    """Return the indices of the texts that hold a piece of 8 characters of one of the secrets, as it is."""
    return _holding(texts, [secret for secret in secrets if len(secret) >= PIECE])


def _holding(texts: Sequence[str], forms: Collection[str]) -> set[int]:
    told = [(index, text.casefold()) for index, text in enumerate(texts) if text]
    if not told:
        return set()
    every = "\n".join(text for _, text in told)
    pieces: dict[str, set[int]] = {}
    for index, text in told:
        for at in range(len(text) - PIECE + 1):
            pieces.setdefault(text[at : at + PIECE], set()).add(index)
    found: set[int] = set()
    for form in map(str.casefold, forms):
        if len(form) >= PIECE:
            for at in range(len(form) - PIECE + 1):
                found |= pieces.get(form[at : at + PIECE], set())
        elif form and form in every:
            found.update(index for index, text in told if form in text)
    return found
