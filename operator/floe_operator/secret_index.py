"""One index of all secrets that plugins were given: what plugin text is searched for, whoever wrote it.

Of each secret it holds the pieces once, as long as somebody holds the secret. Whose they are is left to
others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping

import structlog

from floe_core.secret_pieces import PIECE, SPARSE, Pieces, windows
from floe_operator.rules.piece_set import PieceSet
from floe_operator.rules.scrub import characters_in

MOST_PIECES = 2**24
"""The most pieces that the index holds, 8 bytes each: those of 1,000 TLS Secrets are a million."""
_BATCH = 512
"""How many pieces are looked up or changed at once."""

_TOO_MANY = (
    "(the plugin's own text is withheld, because plugins have more secrets than it can be searched for)"
)

_log = structlog.get_logger(__name__)


class SecretIndex:
    """Finds the pieces of secrets of 8 characters and more; of what is long, those of 23 characters."""

    def __init__(self, most: int = MOST_PIECES) -> None:
        self._most = most
        self._users: dict[str, int] = {}
        """How often each secret is held."""
        self._missing: dict[str, None] = {}
        """Held, but not in the index yet."""
        self._unused: dict[str, None] = {}
        """In the index, but not held any more."""
        self._sets = {1: PieceSet(), SPARSE: PieceSet()}
        self._lock = threading.Lock()
        self._changing = asyncio.Lock()
        self._sweeping: asyncio.Task[None] | None = None
        self.is_full = False
        """Whether there is no room for a secret, so that not all are found."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no secret."""
        return not self._users

    @property
    def withheld(self) -> str:
        """What is said instead of any text, or nothing if all secrets are found."""
        return _TOO_MANY if self.is_full else ""

    @property
    def bytes_used(self) -> int:
        """The memory of the index, in bytes."""
        return sum(each.bytes_used for each in self._sets.values())

    async def hold(self, secrets: Iterable[str]) -> None:
        """Find these secrets from now on, until each is released as often as it was held."""
        for secret in secrets:
            if secret in self._users:
                self._users[secret] += 1
            elif characters_in(secret) >= PIECE:
                self._users[secret] = 1
                if secret in self._unused:
                    del self._unused[secret]
                else:
                    self._missing[secret] = None
        await self._bring_up_to_date()

    def hold_on(self, secrets: Iterable[str]) -> Collection[str]:
        """Hold secrets once more that are held already, and return these."""
        held = {secret for secret in secrets if secret in self._users}
        for secret in held:
            self._users[secret] += 1
        return held

    def release(self, secrets: Iterable[str]) -> None:
        """Find these secrets no longer, unless somebody else holds them."""
        for secret in secrets:
            if (users := self._users.get(secret, 0)) > 1:
                self._users[secret] = users - 1
            elif users:
                del self._users[secret]
                if secret in self._missing:
                    del self._missing[secret]
                else:
                    self._unused[secret] = None
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep(), name="secret-index")

    async def settled(self) -> None:
        """Wait until what was released is forgotten."""
        if self._sweeping is not None:
            await self._sweeping

    def find(self, content: bytes) -> Iterator[tuple[int, int, int]]:
        """Yield where pieces of secrets begin and end, and how many bytes beside each may belong to it."""
        pieces = windows(content)
        for step, known in self._sets.items():
            for first in range(0, len(pieces) if known else 0, _BATCH):
                _let_others_run()
                with self._lock:
                    found = [*known.found_in(pieces[first : first + _BATCH])]
                for at in found:
                    yield first + at, first + at + PIECE, step - 1

    async def _sweep(self) -> None:
        await self._bring_up_to_date()
        while self._unused:
            await self._bring_up_to_date()

    async def _bring_up_to_date(self) -> None:
        async with self._changing:
            while self._unused:
                secret, _ = self._unused.popitem()
                await asyncio.to_thread(self._remove, secret)
            while secret := next(iter(self._missing), ""):
                if not await asyncio.to_thread(self._add, secret):
                    break
                if secret in self._missing:
                    del self._missing[secret]
                else:
                    self._unused[secret] = None  # it was released meanwhile
            self._note(is_full=bool(self._missing))

    def _note(self, *, is_full: bool) -> None:
        if is_full == self.is_full:
            return
        self.is_full = is_full
        if is_full:
            _log.error(
                "all text of plugins is withheld, because they have more secrets than it can be searched for",
                mend="give plugins fewer or smaller Secrets, or run them in several namespaces",
            )
        else:
            _log.info("text of plugins is shown again: it can be searched for all their secrets")

    def _add(self, secret: str) -> bool:
        pieces = _pieces(secret)
        if sum(map(len, self._sets.values())) + sum(map(len, pieces.values())) > self._most:
            return False
        for known, batch in self._batches(pieces):
            with self._lock:
                known.add(batch)
        return True

    def _remove(self, secret: str) -> None:
        for known, batch in self._batches(_pieces(secret)):
            with self._lock:
                known.remove(batch)

    def _batches(self, pieces: Mapping[int, Collection[int]]) -> Iterator[tuple[PieceSet, list[int]]]:
        for step, every in pieces.items():
            ordered = sorted(every)
            for first in range(0, len(ordered), _BATCH):
                yield self._sets[step], ordered[first : first + _BATCH]
                _let_others_run()


def _let_others_run() -> None:
    """Release the interpreter's lock, for which the event loop would otherwise wait for 5 ms each time."""
    time.sleep(0)


def _pieces(secret: str) -> dict[int, Collection[int]]:
    found = Pieces.of(secret)
    return {1: found.dense, SPARSE: found.sparse}
