"""Tells which texts contain a secret, or a piece of one, in a form in which programs print it.

Of a secret that is shorter than a piece, the whole is searched for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from floe_core.readings import readings
from floe_core.secret_pieces import PIECE, needles_of, pieces_of, windows

_MOST_SECRETS = 32 * 1024
"""How many characters of secrets are searched for; with more, every text counts as holding one."""
_LEAST_CHARACTERS = 16
"""As how many characters a secret counts at least: each takes some work."""


def holding_secrets(texts: Sequence[str], secrets: Collection[str], quoted: Sequence[str] = ()) -> set[int]:
    """Return the indices of the texts that hold one of the secrets or a piece of it, in any form and case.

    `quoted` goes with the texts, and counts if it holds a piece of 8 characters: a short secret is like a
    bound or a word of an enumeration, which the schema shows anyway.
    """
    told = {index for index, text in enumerate(texts) if text}
    too_many = sum(max(len(secret), _LEAST_CHARACTERS) for secret in secrets) > _MOST_SECRETS
    searched = [secret for secret in secrets if len(secret) >= PIECE] if too_many else secrets
    pieces = {piece for secret in searched for piece in pieces_of(secret)}
    needles = set() if too_many else {needle for secret in secrets for needle in needles_of(secret)}

    def holds(text: str, needles: Collection[bytes]) -> bool:
        contents = (reading.content for reading in readings(text) if text)
        return any(
            not pieces.isdisjoint(windows(content)) or any(needle in content for needle in needles)
            for content in contents
        )

    if not too_many:
        told = {index for index in told if holds(texts[index], needles)}
    return told | {index for index, text in enumerate(quoted) if holds(text, ())}
