"""Puts the parts of a configuration over one another, and tells which are hidden whole.

Pure. Each part has a rank; where several give a value to the same place, the highest rank wins. A part is
never changed, nor anything in it: the result shares its lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from floe_operator.rules.config_paths import Steps, gives, with_value


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where a path into a list cannot go on."""

    place: Steps
    lacks: Literal["anything", "a list", "a mapping", "items"]
    wanted: int = 0
    """How many items the path needs in a list that is too short."""
    items: int = 0
    """How many it has."""
    rank: int = -1
    """Who gave it."""


class Layers:
    """Mappings merged over one another, and then single values put into their lists."""

    def __init__(self) -> None:
        self._merged: dict[str, Any] = {}
        self._ranks: dict[str | None, Any] = {}
        """The mappings of `_merged`, with the rank of whoever gave it in place of every other value.

        Who gave an empty mapping is under the key None.
        """
        self._config = self._merged
        self._put: dict[Steps, int] = {}
        self._left: Counter[int] = Counter()
        """How much of what a rank gave is still there."""
        self._lost: dict[int, dict[int, Steps]] = {}
        """To whom a rank lost something, and at which place first."""

    @property
    def config(self) -> dict[str, Any]:
        """Everything given so far."""
        return self._config

    @property
    def hidden(self) -> Mapping[int, Mapping[int, Steps]]:
        """The ranks that gave something and have nothing left: who replaced it, and at which place first."""
        return {rank: lost for rank, lost in sorted(self._lost.items()) if not self._left[rank]}

    def merge(self, part: Mapping[str, Any], rank: int, *, forced: bool = True) -> Steps | None:
        """Merge a part over all that were merged before: mappings deeply, anything else is replaced.

        Unless `forced`, a mapping does not replace anything else: return the place where it would.
        """
        todo: list[tuple[Steps, dict[str, Any], dict[str | None, Any], Mapping[str, Any]]] = [
            ((), self._merged, self._ranks, part)
        ]
        while todo:
            place, target, ranks, source = todo.pop()
            for key, value in source.items():
                before = ranks.get(key)
                if not isinstance(value, Mapping):
                    self._replace(before, rank, place, key)
                    target[key], ranks[key] = value, rank
                    continue
                if not isinstance(before, dict):
                    if before is not None and not forced:
                        return (*place, key)
                    self._replace(before, rank, place, key, gives=not value)
                    target[key], ranks[key] = {}, {} if value else {None: rank}
                todo.append(((*place, key), target[key], ranks[key], value))
        return None

    def put(self, steps: Steps, value: object, rank: int, *, forced: bool = False) -> Conflict | None:
        """Put a value at a path into a list, once everything is merged and in the order of the ranks.

        It has no effect if a higher rank gave a value at that very path. Mappings after the last index are
        created, nothing else: return where the path cannot go on. With `forced`, it goes on anywhere.
        """
        conflict = self._conflict(steps)
        if conflict is not None and not forced:
            return conflict
        over = self._rank_of_list(steps) if gives(self._merged, steps) else -1
        if over > rank:
            self._lost.setdefault(rank, {})[over] = steps
            return None
        for other in [other for other in self._put if other[: len(steps)] == steps]:
            self._lose(self._put.pop(other), rank, steps)
        self._put[steps] = rank
        self._left[rank] += 1
        self._config = with_value(self._config, steps, value)
        return None

    def _replace(self, before: Any, rank: int, place: Steps, key: str, *, gives: bool = True) -> None:
        """Note that a rank replaces what is at a key: a rank, a mapping of ranks, or None for nothing."""
        self._left[rank] += gives
        todo = [] if before is None else [before]
        while todo:
            one = todo.pop()
            if isinstance(one, dict):
                todo.extend(one.values())
            else:
                self._lose(one, rank, (*place, key))

    def _lose(self, rank: int, to: int, place: Steps) -> None:
        self._left[rank] -= 1
        self._lost.setdefault(rank, {}).setdefault(to, place)

    def _conflict(self, steps: Steps) -> Conflict | None:
        value: Any = self._config
        for depth, step in enumerate(steps):
            place = steps[:depth]
            if isinstance(step, int):
                if not isinstance(value, list):
                    return Conflict(place, "a list")
                if step >= len(value):
                    return Conflict(place, "items", step + 1, len(value), self._rank_of_list(place))
            elif not isinstance(value, Mapping):
                return Conflict(place, "a mapping")
            elif step not in value:
                index = next((at for at in range(depth, len(steps)) if isinstance(steps[at], int)), None)
                return None if index is None else Conflict(steps[:index], "anything")
            value = value[step]
        return None

    def _rank_of_list(self, steps: Steps) -> int:
        """Return who gave the list at a path, or the first list that the path leads into."""
        ranks: Any = self._ranks
        for step in steps:
            ranks = ranks.get(step)
            if not isinstance(ranks, dict):
                break
        return ranks if isinstance(ranks, int) else -1
