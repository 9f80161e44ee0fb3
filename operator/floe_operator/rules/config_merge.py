"""Merges spec.configFrom and spec.config into one configuration: in which order, and what can fail.

Pure: the contents are handed in. Messages contain no part of them, only names, keys, paths and line numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from floe_operator.rules.facts import ConfigSourceFault
from floe_operator.rules.plain_yaml import NotPlain, parse_mapping
from floe_operator.rules.resource import ConfigSource, FloePluginSpec

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
    """The part that is readable in plain text: in spec.config or in a ConfigMap."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Every scalar that came from a Secret, as text; each must be scrubbed from what the plugin says."""


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
    spec: FloePluginSpec, contents: Mapping[SourceObject, Contents]
) -> ResolvedConfig | ConfigSourceFault:
    """Merge the sources in order, then spec.config over them, or return the fault of the first that fails."""
    config: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    secrets: list[str] = []
    size = 0
    for index, source in enumerate(spec.config_from):
        content = _content(source, contents[source_object(source)], index)
        if isinstance(content, ConfigSourceFault):
            return content
        if content is None:
            continue
        size += len(content)
        if size > LARGEST_CONFIG:
            return ConfigSourceFault(
                "NotAMapping",
                f"the sources together hold more than {LARGEST_CONFIG // 2**20} MiB; use smaller ones",
                index,
            )
        value = _value(source, content, index)
        if isinstance(value, ConfigSourceFault):
            return value
        conflict = _merge(config, value, forced=source.path is None)
        if conflict:
            return ConfigSourceFault(
                "PathConflict",
                f"path {source.path} leads through {conflict}, which an earlier source sets to "
                "something that is not a mapping; change one of the two",
                index,
            )
        if source.secret_key_ref is None:
            _merge(plain, value, forced=True)
        else:
            secrets.extend(_leaves(value))
    _merge(config, spec.config or {}, forced=True)
    _merge(plain, spec.config or {}, forced=True)
    return ResolvedConfig(config, plain, tuple(dict.fromkeys(secrets)))


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


def _value(source: ConfigSource, content: bytes, entry: int) -> dict[str, Any] | ConfigSourceFault:
    """Return what the content adds to the configuration."""
    stored = f"the key {source_key(source)} of {source_object(source)}"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ConfigSourceFault("NotText", f"{stored} is not UTF-8 text; store it as text", entry)
    if source.path is None:
        try:
            return parse_mapping(text)
        except NotPlain as error:
            return ConfigSourceFault(
                "NotAMapping",
                f"{stored} cannot be merged: {error}; store a mapping of plain YAML, or set a path",
                entry,
            )
    nested: Any = text
    for part in reversed(source.path.split(".")):
        nested = {part: nested}
    value: dict[str, Any] = nested
    return value


def _merge(base: dict[str, Any], over: Mapping[str, Any], *, forced: bool = False) -> str:
    """Merge `over` into `base`: mappings are merged deeply, anything else is replaced.

    Return the path at which a mapping would replace something else, or an empty text. With `forced`, the
    mapping replaces it.
    """
    todo: list[tuple[str, dict[str, Any], Mapping[str, Any]]] = [("", base, over)]
    while todo:
        prefix, target, source = todo.pop()
        for key, value in source.items():
            present = target.get(key)
            if isinstance(value, Mapping) and isinstance(present, dict):
                todo.append((f"{prefix}{key}.", present, value))
            elif isinstance(value, Mapping):
                if key in target and not forced:
                    return f"{prefix}{key}"
                target[key] = {}
                todo.append((f"{prefix}{key}.", target[key], value))
            else:
                target[key] = value
    return ""


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
