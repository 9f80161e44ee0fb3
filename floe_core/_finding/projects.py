"""Decides which distribution stands for each project that declares plugins, as an import would.

The metadata names the project, not the name of its directory. The first entry of the path that has the
project counts. If several distributions in that entry are the project's, as after an interrupted upgrade, one
is chosen, whatever the order of the directory, and the choice is reported as damage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from floe_core._finding.distribution import FoundDistribution, Identity, UnreadableDistribution
from floe_core._finding.entry_points_file import NOTHING, Parsed, split_reference
from floe_core._release_version import release_version


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a distribution declares in its entry_points.txt, and its position on the path."""

    position: int
    distribution: FoundDistribution
    identity: Identity
    stamp: str
    """The distribution's stamp, which changes with the content of the file, too."""
    parsed: Parsed = NOTHING
    failure: str = ""
    """Why the file cannot be read; empty if it was read."""

    def damage(self, detail: str, *, hides_plugins: bool = True) -> UnreadableDistribution:
        """Return the record of damage to this distribution."""
        where = self.distribution.where
        return UnreadableDistribution(where, detail, hides_plugins, self.identity.project)


def choose(
    declarations: Iterable[Declaration],
    found: Sequence[FoundDistribution],
    unreadable: list[UnreadableDistribution],
) -> list[Declaration]:
    """Return the declaration that counts for each project; what had to be chosen goes into `unreadable`.

    `found` has all distributions in the order of the path: one that declares nothing can be a project's, too.
    """
    by_project: dict[str, dict[int, Declaration]] = defaultdict(dict)
    uncertain = []
    for declaration in declarations:
        if project := declaration.identity.project:
            by_project[project][declaration.position] = declaration
        else:
            uncertain.append(declaration)
    for declaration in uncertain:
        # What its directory calls like a project that is installed is a leftover of it, not another project.
        guess = declaration.distribution.key
        project = guess if guess in by_project else f"?{declaration.position}"
        by_project[project][declaration.position] = declaration
    namesakes = [(at, each) for at, each in enumerate(found) if each.key in by_project]
    for position, distribution in namesakes:
        declaring = by_project[distribution.key]
        if position not in declaring:
            identity = distribution.identity()
            if identity.project == distribution.key and not distribution.is_remnant():
                stamp = distribution.stamp
                declaring[position] = Declaration(position, distribution, identity, stamp)
    return [_first(list(rivals.values()), unreadable) for rivals in by_project.values()]


def _first(rivals: list[Declaration], unreadable: list[UnreadableDistribution]) -> Declaration:
    rivals.sort(key=lambda each: each.position)
    location = rivals[0].distribution.location
    together = [each for each in rivals if each.distribution.location == location]
    best = together[0] if len(together) == 1 else _chosen(together, unreadable)
    for each in together:
        unreadable.extend(each.damage(detail) for detail in (each.failure, each.identity.fault) if detail)
    return best


def _chosen(together: Sequence[Declaration], unreadable: list[UnreadableDistribution]) -> Declaration:
    best, because = _installed_last(together)
    location = best.distribution.location
    if any(_content(each) != _content(best) for each in together):
        name = best.identity.name
        names = sorted(_short(each) for each in together)
        detail = (
            f"{name} is installed here several times: {' and '.join(names)}; {_short(best)} is used, "
            f"{because}: uninstall {name} until none is left, then install it again"
        )
        project = best.identity.project
        unreadable.append(
            UnreadableDistribution(location or ".", detail, plugins_unknown=True, project=project)
        )
    return best


def _content(declaration: Declaration) -> tuple[object, ...]:
    """Return what a choice between two distributions decides: the version and the plugins."""
    parsed = declaration.parsed
    version = release_version(declaration.identity.version) or declaration.identity.version
    return version, set(parsed.entries), set(parsed.unknown_groups), set(parsed.damage), declaration.failure


def _installed_last(together: Sequence[Declaration]) -> tuple[Declaration, str]:
    """Return the distribution whose files an import finds, or else the newest readable one, and why."""
    modules = {
        split_reference(entry.value)[0]
        for each in together
        for entry in each.parsed.entries
        if not entry.fault
    }

    matching = [each for each in together if each.distribution.installed_files_match(modules)]

    def rank(declaration: Declaration) -> tuple[object, ...]:
        identity, version = declaration.identity, release_version(declaration.identity.version)
        readable = not identity.fault and not declaration.failure
        return readable, version is not None, version or identity.version, declaration.distribution.where

    best = max(matching or together, key=rank)
    return best, "as its files are the installed ones" if matching == [best] else "as the newest"


def _short(declaration: Declaration) -> str:
    distribution = declaration.distribution
    return distribution.where.removeprefix(distribution.location).lstrip("/")
