"""The configuration of a FloePlugin as far as the manifest files contain it; Secrets stay unknown.

Pure. ConfigMaps among the files are read as the operator would read them. Values from elsewhere are unknown,
so a fault is not certain if it is at or below the path of such a value, or depends on it.
"""

from __future__ import annotations

import base64
import binascii
import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from floe_core.host.protocol import ConfigFault
from floe_operator.commands.manifests import Document
from floe_operator.rules.config_faults import MISSING
from floe_operator.rules.config_merge import (
    Contents,
    SourceObject,
    referenced,
    resolve,
    source_key,
    source_object,
)
from floe_operator.rules.config_paths import gives, keys_of, leads_into_list, steps_of
from floe_operator.rules.facts import ConfigSourceFault, Hidden
from floe_operator.rules.resource import ConfigSource, FloePluginSpec

_CERTAIN_ABOVE_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument", "plaintext_secret")
"""Types of faults in a mapping that remain, whatever unknown values are merged into it."""
_STAND_IN = b"{}"
"""Replaces unknown content: an empty mapping at the root, text at a path."""

ConfigMaps = Mapping[str, Mapping[str, Sequence[Mapping[str, bytes]]]]
"""The contents of ConfigMaps by name, then by namespace (empty if the manifest names no namespace)."""


@dataclass(frozen=True)
class GivenConfig:
    """What is known about a configuration."""

    config: dict[str, Any] = field(repr=False)
    """The configuration without the unknown values."""
    shape: dict[str, Any] = field(repr=False)
    """The configuration with a stand-in for each unknown value, only to check whether it is allowed there."""
    plain: dict[str, Any] = field(repr=False)
    """The part given in plain text; values from a ConfigMap are plain, known or not."""
    unknown: tuple[tuple[str, ...], ...]
    """The paths of unknown values, except those that are certainly replaced."""
    unknown_root: bool
    """Whether unknown content is merged at the root."""
    hidden: tuple[Hidden, ...] = ()
    """The entries of spec.configFrom that certainly have no effect."""

    def is_certain(self, fault: ConfigFault) -> bool:
        """Return whether the fault holds whatever the unknown values are."""
        keys = tuple(fault.field.split(".")) if fault.field else ()
        if self.unknown_root and (fault.type == MISSING or not keys):
            return fault.type in _CERTAIN_ABOVE_UNKNOWN
        for path in self.unknown:
            if _matches(keys, path):
                return False
            if _matches(path, keys) and fault.type not in _CERTAIN_ABOVE_UNKNOWN:
                return False
        return True

    def is_about_unknown(self, fault: ConfigFault) -> bool:
        """Return whether the fault is that an unknown value is not allowed at its path."""
        keys = tuple(fault.field.split("."))
        return fault.type in _CERTAIN_ABOVE_UNKNOWN and any(_matches(path, keys) for path in self.unknown)


def config_maps(documents: Iterable[Document]) -> ConfigMaps:
    """Return the ConfigMaps among the documents, ignoring those whose data is unusable."""
    found: dict[str, dict[str, list[Mapping[str, bytes]]]] = {}
    for document in documents:
        if document.kind == "ConfigMap" and document.api_version == "v1":
            data = _data(document.value)
            if data is not None:
                found.setdefault(document.name, {}).setdefault(document.namespace, []).append(data)
    return found


def given_config(spec: FloePluginSpec, namespace: str, known: ConfigMaps) -> GivenConfig | ConfigSourceFault:
    """Merge the known values in the operator's order; if a source fails, return the fault of the first."""
    unknown = {
        entry: source
        for entry, source in enumerate(spec.config_from)
        if _known(source_object(source), namespace, known) is None
    }
    unknown_root = any(source.path is None for source in unknown.values())
    contents = {each: _contents(each, spec, namespace, known) for each in referenced(spec)}
    resolved = resolve(spec, contents, uncertain=_uncertain(spec) if unknown_root else ())
    if isinstance(resolved, ConfigSourceFault):
        return resolved
    hidden = _certainly_hidden(resolved.hidden, spec, unknown)
    paths = tuple(
        keys_of(source.path)
        for entry, source in unknown.items()
        if source.path is not None and entry not in hidden
    )
    config = copy.deepcopy(resolved.config)
    for path in paths:
        _remove(config, path)
    return GivenConfig(config, resolved.config, resolved.plain, paths, unknown_root, tuple(hidden.values()))


def _certainly_hidden(
    hidden: Iterable[Hidden], spec: FloePluginSpec, unknown: Mapping[int, ConfigSource]
) -> dict[int, Hidden]:
    """Return the entries that have no effect whatever the unknown values are, by their index."""
    certain: dict[int, Hidden] = {}
    roots = [entry for entry, source in unknown.items() if source.path is None]
    # What replaces an entry comes later, so that it is settled earlier here.
    for each in sorted(hidden, key=lambda one: one.entry, reverse=True):
        by = [entry for entry in each.by if entry is not None]
        may_be_missing = any(
            entry in unknown and unknown[entry].is_optional and entry not in certain for entry in by
        )
        into_list = leads_into_list(steps_of(spec.config_from[each.entry].path or ""))
        may_be_another_list = into_list and any(entry < root for entry in by for root in roots)
        if not (may_be_missing or may_be_another_list):
            certain[each.entry] = each
    return dict(sorted(certain.items()))


def _uncertain(spec: FloePluginSpec) -> set[int]:
    """Return the entries whose path leads into a list that unknown content at the root may contain."""
    uncertain = set()
    for entry, source in enumerate(spec.config_from):
        steps = steps_of(source.path or "")
        to_list = tuple(itertools.takewhile(lambda step: isinstance(step, str), steps))
        if leads_into_list(steps) and not gives(spec.config, to_list):
            uncertain.add(entry)
    return uncertain


def without(value: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return a copy without the values at the dotted paths."""
    rest = copy.deepcopy(value)
    for path in paths:
        _remove(rest, path.split("."))
    return rest


def _remove(value: Any, keys: Sequence[str]) -> None:
    if isinstance(value, dict):
        for key in [key for key in value if keys[0] in ("*", key)]:
            if len(keys) == 1:
                del value[key]
            else:
                _remove(value[key], keys[1:])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if keys[0] not in ("*", str(index)):
                continue
            if len(keys) == 1:
                value[index] = None  # the other items keep their places
            else:
                _remove(item, keys[1:])


def _matches(keys: Sequence[str], beginning: Sequence[str]) -> bool:
    """Return whether `keys` begins with `beginning`; `*` matches any key."""
    return len(keys) >= len(beginning) and all(
        one == other or "*" in (one, other) for one, other in zip(keys, beginning, strict=False)
    )


def _contents(each: SourceObject, spec: FloePluginSpec, namespace: str, known: ConfigMaps) -> Contents:
    data = _known(each, namespace, known)
    if data is not None:
        return data
    return {source_key(source): _STAND_IN for source in spec.config_from if source_object(source) == each}


def _known(source: SourceObject, namespace: str, known: ConfigMaps) -> Mapping[str, bytes] | None:
    """Return the data if exactly one ConfigMap matches, else None; a missing namespace matches any."""
    if source.kind != "ConfigMap":
        return None
    meant = [
        data
        for there, every in known.get(source.name, {}).items()
        if not there or not namespace or there == namespace
        for data in every
    ]
    return meant[0] if len(meant) == 1 else None


def _data(value: Mapping[str, Any]) -> dict[str, bytes] | None:
    data, binary = value.get("data") or {}, value.get("binaryData") or {}
    if not isinstance(data, Mapping) or not isinstance(binary, Mapping):
        return None
    texts = [*data.values(), *binary.values()]
    if not all(isinstance(text, str) for text in texts):
        return None
    try:
        decoded = {key: base64.b64decode(text, validate=True) for key, text in binary.items()}
        return {**{key: text.encode() for key, text in data.items()}, **decoded}
    except (binascii.Error, UnicodeEncodeError):
        return None
