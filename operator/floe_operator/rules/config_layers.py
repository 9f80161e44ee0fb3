"""Puts the parts of a configuration over one another.

Pure. Each part has a rank; where several give a value to the same place, the highest rank wins. A part is
never changed, nor anything in it: the result shares its lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from floe_operator.rules.config_paths import Steps, has_at, with_value


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
        self._ranks: dict[str, Any] = {}
        """The mappings of `_merged`, with the rank of whoever gave it in place of every other value."""
        self._config = self._merged
        self._put: dict[Steps, int] = {}

    @property
    def config(self) -> dict[str, Any]:
        """Everything given so far."""
        return self._config

    def merge(self, part: Mapping[str, Any], rank: int, *, forced: bool = True) -> Steps | None:
        """Merge a part over all that were merged before: mappings deeply, anything else is replaced.

        Unless `forced`, a mapping does not replace anything else: return the place where it would.
        """
        todo: list[tuple[Steps, dict[str, Any], dict[str, Any], Mapping[str, Any]]] = [
            ((), self._merged, self._ranks, part)
        ]
        while todo:
            place, target, ranks, source = todo.pop()
            for key, value in source.items():
                if not isinstance(value, Mapping):
                    target[key], ranks[key] = value, rank
                    continue
                if not isinstance(ranks.get(key), dict):
                    if key in ranks and not forced:
                        return (*place, key)
                    target[key], ranks[key] = {}, {}
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
        if not has_at(self._merged, steps) or self._rank_of_list(steps) < rank:
            self._config = with_value(self._config, steps, value)
        return None

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
