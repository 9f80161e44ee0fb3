"""Merges spec.configFrom and spec.config into one configuration: in which order, and what can fail.

Pure: the contents are handed in. Messages contain no part of them, only names, keys, paths and line numbers.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from floe_operator.rules.config_layers import Layers
from floe_operator.rules.config_paths import Steps, leads_into_list, steps_of, with_place
from floe_operator.rules.facts import ConfigSourceFault, Hidden
from floe_operator.rules.path_conflicts import path_conflict
from floe_operator.rules.plain_yaml import NotPlain, parse_mapping
from floe_operator.rules.resource import ConfigSource, FloePluginSpec
from floe_operator.rules.sentences import dotted

LARGEST_CONFIG = 4 * 2**20
"""The largest total size of all sources, in bytes; half of what one message to the plugin host can carry."""


@dataclass(frozen=True, slots=True, order=True)
class SourceObject:
    """A Secret or ConfigMap in the FloePlugin's namespace."""

    kind: Literal["Secret", "ConfigMap"]
    name: str

    @property
    def resource(self) -> str:
        """The kind as the API server's paths and RBAC rules name it."""
        return {"Secret": "secrets", "ConfigMap": "configmaps"}[self.kind]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Absent:
    """The object does not exist."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The operator is not allowed to read the object; the message names the missing permission."""

    message: str


Contents = Mapping[str, bytes] | Absent | Denied
"""The decoded contents of an object by key, or why there are none."""


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """The configuration that the plugin's schema validates."""

    config: dict[str, Any] = field(repr=False)
    plain: dict[str, Any] = field(repr=False)
    """The part that is readable in plain text: in spec.config or in a ConfigMap.

    What a Secret gives at a path is null in it: the path is in the manifest.
    """
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Every scalar that came from a Secret, as text; each must be scrubbed from what the plugin says."""
    from_config_maps: tuple[str, ...] = field(default=(), repr=False)
    """Every scalar that came from a ConfigMap, as text; not everybody who reads the object can read that."""
    hidden: tuple[Hidden, ...] = ()
    """The entries of spec.configFrom that have no effect."""


def source_object(source: ConfigSource) -> SourceObject:
    """Return the object that an entry of spec.configFrom refers to."""
    if source.secret_key_ref is not None:
        return SourceObject("Secret", source.secret_key_ref.name)
    assert source.config_map_key_ref is not None  # the CRD requires exactly one of the two
    return SourceObject("ConfigMap", source.config_map_key_ref.name)


def source_key(source: ConfigSource) -> str:
    """Return the key that an entry of spec.configFrom refers to."""
    reference = source.secret_key_ref or source.config_map_key_ref
    assert reference is not None  # the CRD requires exactly one of the two
    return reference.key


def referenced(spec: FloePluginSpec) -> tuple[SourceObject, ...]:
    """Return the objects that a spec refers to, sorted and without duplicates."""
    return tuple(sorted({source_object(source) for source in spec.config_from}))


def resolve(
    spec: FloePluginSpec, contents: Mapping[SourceObject, Contents], *, uncertain: Collection[int] = ()
) -> ResolvedConfig | ConfigSourceFault:
    """Merge the sources in order, then spec.config over them, then put values into the lists that are there.

    Return the fault of the first source that fails; those whose path leads into a list come last. An
    `uncertain` entry without its list is no fault, but left out.
    """
    layers, plain = Layers(), Layers()
    secrets: list[str] = []
    from_config_maps: list[str] = []
    into_lists: list[_Given] = []
    for given in _given(spec, contents):
        if isinstance(given, ConfigSourceFault):
            return given
        (secrets if given.is_secret else from_config_maps).extend(_leaves(given.value))
        if leads_into_list(given.steps):
            into_lists.append(given)
        elif place := layers.merge(given.part, given.entry, forced=not given.steps):
            return ConfigSourceFault(
                "PathConflict",
                f"path {dotted(given.steps)} leads through {dotted(place)}, which an earlier source sets to "
                "something that is not a mapping; change one of the two",
                given.entry,
            )
        elif not given.is_secret:
            plain.merge(given.part, given.entry)
    own = len(spec.config_from)
    layers.merge(spec.config or {}, own)
    plain.merge(spec.config or {}, own)
    for given in into_lists:
        conflict = layers.put(given.steps, given.value, given.entry)
        if conflict is not None and given.entry not in uncertain:
            return path_conflict(given.entry, given.steps, conflict, spec)
        if not given.is_secret:
            # The list itself may come from a Secret.
            plain.put(given.steps, given.value, given.entry, forced=True)
    hidden = tuple(_hidden(layers, spec))
    return ResolvedConfig(
        layers.config,
        _with_places(plain.config, spec),
        tuple(dict.fromkeys(secrets)),
        tuple(dict.fromkeys(from_config_maps)),
        hidden,
    )


def nests_deeper(value: object, levels: int) -> bool:
    """Return True if mappings and lists are nested more than `levels` deep."""
    level = [value]
    for _ in range(levels + 1):
        containers = [each for each in level if isinstance(each, (Mapping, list))]
        if not containers:
            return False
        level = [
            inner for each in containers for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
    return True


@dataclass(frozen=True, slots=True)
class _Given:
    """What an entry of spec.configFrom gives: a mapping or, at a path, a text."""

    entry: int
    is_secret: bool
    steps: Steps
    value: Any = field(repr=False)

    @property
    def part(self) -> dict[str, Any]:
        """The value inside the mappings that its path names; the path has no index."""
        part = self.value
        for step in reversed(self.steps):
            part = {step: part}
        return cast("dict[str, Any]", part)


def _given(
    spec: FloePluginSpec, contents: Mapping[SourceObject, Contents]
) -> Iterator[_Given | ConfigSourceFault]:
    """Yield what each entry gives, or its fault; nothing for what is optional and missing."""
    size = 0
    for entry, source in enumerate(spec.config_from):
        content = _content(source, contents[source_object(source)], entry)
        if content is None:
            continue
        if isinstance(content, ConfigSourceFault):
            yield content
            continue
        size += len(content)
        if size > LARGEST_CONFIG:
            said = f"the sources together hold more than {LARGEST_CONFIG // 2**20} MiB; use smaller ones"
            yield ConfigSourceFault("NotAMapping", said, entry)
            continue
        value = _value(source, content, entry)
        if isinstance(value, ConfigSourceFault):
            yield value
        else:
            yield _Given(entry, source.secret_key_ref is not None, steps_of(source.path or ""), value)


def _hidden(layers: Layers, spec: FloePluginSpec) -> Iterator[Hidden]:
    own = len(spec.config_from)
    for entry, lost in layers.hidden.items():
        by = tuple(None if rank == own else rank for rank in sorted(lost, reverse=True))
        # The places in a mapping can be keys that nobody but its Secret shows.
        place = "" if spec.config_from[entry].path is None else dotted(next(iter(lost.values())))
        yield Hidden(entry, by, place)


def _with_places(plain: dict[str, Any], spec: FloePluginSpec) -> dict[str, Any]:
    """Return the plain part with a null for what a Secret gives at a path: that path is in the manifest."""
    for source in spec.config_from:
        if source.secret_key_ref is not None and source.path is not None:
            plain = with_place(plain, steps_of(source.path))
    return plain


def _content(source: ConfigSource, contents: Contents, entry: int) -> bytes | ConfigSourceFault | None:
    """Return the bytes under the key, or None if they are missing and optional."""
    is_secret = source.secret_key_ref is not None
    key, named = source_key(source), source_object(source)
    match contents:
        case Denied(message):
            return ConfigSourceFault("Forbidden", f"{named} cannot be read: {message}", entry)
        case Absent() if source.is_optional:
            return None
        case Absent():
            return ConfigSourceFault(
                "SecretNotFound" if is_secret else "ConfigMapNotFound",
                f"{named} does not exist in this namespace; create it, or set optional: true",
                entry,
            )
        case _ if key in contents:
            return contents[key]
        case _ if source.is_optional:
            return None
    return ConfigSourceFault(
        "SecretKeyMissing" if is_secret else "ConfigMapKeyMissing",
        f"{named} has no key {key}; add the key, or set optional: true",
        entry,
    )


def _value(source: ConfigSource, content: bytes, entry: int) -> dict[str, Any] | str | ConfigSourceFault:
    """Return what the content means: text at a path, else a mapping.

    A byte order mark at its start, as editors and shells of Windows write it, is no part of it.
    """
    stored = f"the key {source_key(source)} of {source_object(source)}"
    try:
        text = content.decode().lstrip("\ufeff")
    except UnicodeDecodeError:
        mend = "; store it as text"
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            mend = ": it looks like UTF-16; store it as UTF-8 text"
        return ConfigSourceFault("NotText", f"{stored} is not UTF-8 text{mend}", entry)
    if source.path is not None:
        return text
    try:
        return parse_mapping(text)
    except NotPlain as error:
        return ConfigSourceFault(
            "NotAMapping",
            f"{stored} cannot be merged: {error}; store a mapping of plain YAML, or set a path",
            entry,
        )


def _leaves(value: object) -> Iterator[str]:
    """Yield every scalar of a value as text, except those that reveal nothing: true, false, null and ""."""
    todo: list[object] = [value]
    while todo:
        match todo.pop():
            case Mapping() as mapping:
                todo.extend(mapping.values())
            case str() as text if text:
                yield text
            case list() as items:
                todo.extend(items)
            case bool() | None:
                pass
            case int() | float() as number:
                yield str(number)
