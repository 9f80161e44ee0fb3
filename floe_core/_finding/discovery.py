"""Finds the plugins that installed distributions declare, without importing them.

`scan()` looks at the whole path once for all eleven groups and reports what is there: the plugins, the names
claimed by several entry points, the entry points that cannot be loaded, and what could not be read. It keeps
nothing between scans and raises nothing for damaged files. Reading files is left to `installed`, parsing them
to `entry_points_file`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from floe_core._finding.distribution import FoundDistribution, UnreadableDistribution, why
from floe_core._finding.entry_points_file import DeclaredEntry, parse
from floe_core._finding.installed import find_distributions
from floe_core._finding.own_installation import OURS, fault_of
from floe_core._printable import printable
from floe_core.plugin_types import PluginId, PluginType, plugin_id

__all__ = [
    "EntryPointClaim",
    "InstalledDistribution",
    "MalformedClaim",
    "Scan",
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
class Scan:
    """The result of a scan. Each plugin is in exactly one of `plugins`, `conflicts` and `malformed`."""

    plugins: Mapping[PluginId, EntryPointClaim]
    conflicts: Mapping[PluginId, tuple[EntryPointClaim, ...]]
    malformed: Mapping[PluginId, MalformedClaim]
    unreadable: tuple[UnreadableDistribution, ...]
    core_fault: str
    """What is wrong with the installation of floe-core itself; empty if nothing is."""
    complete: bool
    """Whether every directory of the path was listed and every entry_points.txt was read."""
    fingerprint: str
    """Changes whenever any distribution is added, removed, upgraded or reinstalled."""
    distributions: int


def scan(path: Sequence[str] | None = None) -> Scan:
    """Return what the distributions on `path` (default: sys.path) declare."""
    unreadable: list[UnreadableDistribution] = []
    claims: dict[PluginId, list[tuple[EntryPointClaim, str]]] = defaultdict(list)
    stamps: list[str] = []
    found, shadowed = find_distributions(path, unreadable)
    for distribution in found.values():
        try:
            content = distribution.entry_points()
        except (OSError, ValueError) as error:
            unreadable.append(_unreadable(distribution, error))
            content = None
        stamps.append(distribution.stamp)
        if content and (b"floe." in content or not content.isascii() or b"\0" in content):
            stamps[-1] += f":{hash_text(content)}"  # a develop install rewrites the file in place
            _take(distribution, content, stamps[-1], claims, unreadable)
    stamps.extend(f"{entry.where}:{entry.detail}" for entry in unreadable)
    ours = [found[OURS]] if OURS in found else []
    core_fault = fault_of([*ours, *(each for each in shadowed if each.key == OURS)])
    stamps.append(core_fault)
    fingerprint = hash_text("\n".join(sorted(stamps)).encode("utf-8", "replace"))
    return _result(claims, unreadable, core_fault, fingerprint, len(found))


def hash_text(content: bytes) -> str:
    """Return a short hash of the content."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _take(
    found: FoundDistribution,
    content: bytes,
    stamp: str,
    claims: dict[PluginId, list[tuple[EntryPointClaim, str]]],
    unreadable: list[UnreadableDistribution],
) -> None:
    entries, damage = parse(content)
    unreadable.extend(UnreadableDistribution(found.where, *each) for each in damage)
    if not entries:
        return
    distribution = _installed(found, stamp, unreadable)
    for entry in entries:
        claim = _claim(entry, distribution)
        claims[claim.id].append((claim, entry.fault))


def _installed(
    found: FoundDistribution, stamp: str, unreadable: list[UnreadableDistribution]
) -> InstalledDistribution:
    name, version, fault = (printable(each) for each in found.name_and_version())
    if fault:
        unreadable.append(UnreadableDistribution(found.where, fault, plugins_unknown=False))
    return InstalledDistribution(
        name, version, printable(found.location), hash_text(stamp.encode("utf-8", "replace"))
    )


def _claim(entry: DeclaredEntry, distribution: InstalledDistribution) -> EntryPointClaim:
    normalized = plugin_id(entry.plugin_type, entry.name).name
    return EntryPointClaim(entry.plugin_type, normalized, entry.name, entry.value, distribution)


def _unreadable(found: FoundDistribution, error: Exception) -> UnreadableDistribution:
    detail = f"entry_points.txt cannot be read: {why(error)}"
    return UnreadableDistribution(found.where, detail, plugins_unknown=True)


def _result(
    claims: Mapping[PluginId, list[tuple[EntryPointClaim, str]]],
    unreadable: Iterable[UnreadableDistribution],
    core_fault: str,
    fingerprint: str,
    distributions: int,
) -> Scan:
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
    return Scan(
        MappingProxyType(plugins),
        MappingProxyType(conflicts),
        MappingProxyType(malformed),
        tuple(each._replace(where=printable(each.where)) for each in unreadable),
        printable(core_fault),
        not any(each.plugins_unknown for each in unreadable),
        fingerprint,
        distributions,
    )


_ORDER = {member: index for index, member in enumerate(PluginType)}
