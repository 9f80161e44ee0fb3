"""Finds the plugins that installed distributions declare, without importing them.

`scan()` looks at the whole path once for all eleven groups and reports what is there: the plugins, the names
claimed by several entry points, the entry points that cannot be loaded, and what could not be read. It keeps
nothing between scans, and raises nothing for damaged files. Finding the files is left to `installed`, parsing
them to `entry_points_file`, and choosing between several distributions of one project to `projects`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypedDict

from floe_core._finding.distribution import FoundDistribution, UnreadableDistribution, why
from floe_core._finding.entry_points_file import NOTHING, mentions_floe, parse
from floe_core._finding.files import is_damage
from floe_core._finding.installed import find_distributions
from floe_core._finding.own_installation import OURS, fault_of
from floe_core._finding.projects import Declaration, choose
from floe_core._finding.site_folders import site_stamps
from floe_core._printable import printable
from floe_core.plugin_types import PluginId, PluginName, PluginType, plugin_id

__all__ = [
    "EntryPointClaim",
    "InstalledDistribution",
    "MalformedClaim",
    "Scan",
    "UnknownGroup",
    "UnreadableDistribution",
    "scan",
]


@dataclass(frozen=True, slots=True)
class InstalledDistribution:
    """A distribution that declares plugins; its name and version are as in its metadata."""

    name: str
    version: str
    location: str
    """The entry of the path, or the finder, where it was found."""
    fingerprint: str
    """Changes whenever the distribution is reinstalled, upgraded or moved."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class EntryPointClaim:
    """One entry point: a distribution's claim to a type and name."""

    plugin_type: PluginType
    name: str
    """The normalised name."""
    raw_name: str
    value: str
    distribution: InstalledDistribution

    @property
    def id(self) -> PluginId:
        """The claimed plugin."""
        return PluginId(self.plugin_type, self.name)

    @property
    def spelled(self) -> PluginName:
        """The claimed plugin as errors name it."""
        return PluginName(self.plugin_type, self.raw_name)

    @property
    def text(self) -> str:
        """The entry as it is declared: `keycloak = floe_identity_keycloak:KeycloakIdentityPlugin`."""
        return f"{self.raw_name} = {self.value}"

    def __str__(self) -> str:
        return f"{self.distribution} ({self.text})"


@dataclass(frozen=True, slots=True)
class MalformedClaim:
    """An entry point that cannot be loaded, and why."""

    claim: EntryPointClaim
    detail: str


@dataclass(frozen=True, slots=True)
class UnknownGroup:
    """A group of entry points that is called `floe.…` and is none of the eleven."""

    group: str
    distribution: InstalledDistribution
    nearest: str
    """The one of the eleven that resembles it most; empty if none does."""

    def __str__(self) -> str:
        fix = f"; if [{self.nearest}] is meant, its author must correct it" if self.nearest else ""
        return (
            f"{self.distribution} declares entry points in the group [{self.group}], which this platform "
            f"does not know{fix}"
        )


class _Claimed(TypedDict):
    plugins: Mapping[PluginId, EntryPointClaim]
    conflicts: Mapping[PluginId, tuple[EntryPointClaim, ...]]
    malformed: Mapping[PluginId, MalformedClaim]


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of a scan. Each plugin is in exactly one of `plugins`, `conflicts` and `malformed`."""

    plugins: Mapping[PluginId, EntryPointClaim]
    conflicts: Mapping[PluginId, tuple[EntryPointClaim, ...]]
    malformed: Mapping[PluginId, MalformedClaim]
    unknown_groups: tuple[UnknownGroup, ...]
    unreadable: tuple[UnreadableDistribution, ...]
    core_fault: str
    """What is wrong with the installation of floe-core itself; empty if nothing is."""
    complete: bool
    """Whether every directory of the path was listed, every entry_points.txt was read, and nothing had to be
    chosen."""
    fingerprint: str
    """Changes whenever any distribution is added, removed, upgraded or reinstalled, and whenever a new
    interpreter would have another path."""
    path_fingerprint: str
    """Changes whenever a site directory appears or goes, or a .pth file or pyvenv.cfg changes."""
    distributions: int


def scan(path: Sequence[str] | None = None) -> Scan:
    """Return what the distributions on `path` (default: sys.path) declare.

    Raises:
        OSError: The process has no file descriptor left, so nothing can be read.
    """
    unreadable: list[UnreadableDistribution] = []
    declarations: list[Declaration] = []
    path_stamps, stamps = site_stamps()
    found = find_distributions(path, unreadable)
    for position, distribution in enumerate(found):
        declaration = None
        try:
            content = distribution.entry_points()
            if content and (mentions_floe(content) or not content.isascii()):
                declaration = _declaration(position, distribution, content, unreadable)
        except (OSError, ValueError) as error:
            if not is_damage(error):
                raise
            failure = f"entry_points.txt cannot be read: {why(error)}"
            declaration = Declaration(
                position, distribution, distribution.identity(), distribution.stamp, failure=failure
            )
        if declaration is None:
            stamps.append(distribution.stamp)
        else:
            declarations.append(declaration)
            stamps.append(declaration.stamp)
    claims: dict[PluginId, list[tuple[EntryPointClaim, str]]] = defaultdict(list)
    unknown_groups: list[UnknownGroup] = []
    for declaration in choose(declarations, found, unreadable):
        if declaration.parsed != NOTHING:
            _take(declaration, claims, unknown_groups, unreadable)
    core_fault = fault_of([each for each in found if each.key == OURS and not each.is_remnant()])
    stamps.extend(f"{entry.where}:{entry.detail}" for entry in unreadable)
    stamps.append(core_fault)
    return Scan(
        **_sorted_out(claims),
        unknown_groups=tuple(
            sorted(unknown_groups, key=lambda each: (str(each), each.distribution.location))
        ),
        unreadable=tuple(
            sorted(
                each._replace(where=printable(each.where), detail=printable(each.detail))
                for each in unreadable
            )
        ),
        core_fault=printable(core_fault),
        complete=not any(each.plugins_unknown for each in unreadable),
        fingerprint=hash_text("\n".join(sorted([*path_stamps, *stamps]))),
        path_fingerprint=hash_text("\n".join(sorted(path_stamps))),
        distributions=len({each.key for each in found}),
    )


def how_to_end(conflict: Sequence[EntryPointClaim]) -> str:
    """Return what ends a conflict between these claims to one plugin."""
    distributions = {claim.distribution for claim in conflict}
    if len(distributions) == 1:
        return f"install a release of {distributions.pop().name} that declares the name once"
    return "uninstall all but one of these distributions"


def hash_text(text: str) -> str:
    """Return a short hash of the text."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _declaration(
    position: int, distribution: FoundDistribution, content: bytes, unreadable: list[UnreadableDistribution]
) -> Declaration | None:
    """Return what the content of entry_points.txt declares for floe or hides, or None if that is nothing."""
    parsed = parse(content)
    if (
        not parsed.entries
        and not parsed.unknown_groups
        and not any(each.hides_plugins for each in parsed.damage)
    ):
        unreadable.extend(
            UnreadableDistribution(distribution.where, each.detail, plugins_unknown=False)
            for each in parsed.damage
        )
        return None
    # A development install rewrites the file in place.
    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    stamp = f"{distribution.stamp}:{digest}"
    return Declaration(position, distribution, distribution.identity(), stamp, parsed)


def _take(
    declaration: Declaration,
    claims: dict[PluginId, list[tuple[EntryPointClaim, str]]],
    unknown_groups: list[UnknownGroup],
    unreadable: list[UnreadableDistribution],
) -> None:
    identity, parsed = declaration.identity, declaration.parsed
    unreadable.extend(
        declaration.damage(each.detail, hides_plugins=each.hides_plugins) for each in parsed.damage
    )
    distribution = InstalledDistribution(
        printable(identity.name),
        printable(identity.version),
        printable(declaration.distribution.location),
        hash_text(declaration.stamp),
    )
    for entry in parsed.entries:
        plugin = plugin_id(entry.plugin_type, entry.name)
        claim = EntryPointClaim(entry.plugin_type, plugin.name, entry.name, entry.value, distribution)
        claims[plugin].append((claim, entry.fault))
    unknown_groups.extend(_unknown_group(group, distribution) for group in parsed.unknown_groups)


def _unknown_group(group: str, distribution: InstalledDistribution) -> UnknownGroup:
    from difflib import get_close_matches

    # Compared without the `floe.` that all of them have.
    known = {each.partition(".")[2]: each for each in PluginType.all_entry_point_groups()}
    close = get_close_matches(group.strip().lower().partition(".")[2], known, n=1)
    return UnknownGroup(printable(group), distribution, known[close[0]] if close else "")


def _sorted_out(claims: Mapping[PluginId, list[tuple[EntryPointClaim, str]]]) -> _Claimed:
    plugins: dict[PluginId, EntryPointClaim] = {}
    conflicts: dict[PluginId, tuple[EntryPointClaim, ...]] = {}
    malformed: dict[PluginId, MalformedClaim] = {}
    for plugin in sorted(claims, key=lambda each: (_ORDER[each.plugin_type], each.name)):
        (claim, fault), *others = claims[plugin]
        if others:
            all_claims = [claim, *(other for other, _ in others)]
            conflicts[plugin] = tuple(sorted(all_claims, key=str))
        elif fault:
            malformed[plugin] = MalformedClaim(claim, fault)
        else:
            plugins[plugin] = claim
    return {
        "plugins": MappingProxyType(plugins),
        "conflicts": MappingProxyType(conflicts),
        "malformed": MappingProxyType(malformed),
    }


_ORDER = {member: index for index, member in enumerate(PluginType)}
