"""The configuration of a FloePlugin as far as a manifest's files tell it: Secrets stay unknown.

Pure. ConfigMaps among the files count as the operator would read them. What comes from elsewhere is unknown:
faults at, below and on account of such a path cannot be told.
"""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from floe_core.host.protocol import ConfigFault
from floe_operator.commands.manifests import Document
from floe_operator.rules.config_faults import MISSING, has
from floe_operator.rules.config_merge import (
    Contents,
    SourceObject,
    referenced,
    resolve,
    source_key,
    source_object,
)
from floe_operator.rules.facts import ConfigSourceFault
from floe_operator.rules.resource import FloePluginSpec

_CERTAIN_ABOVE_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument", "plaintext_secret")
"""Faults of a mapping that stand whatever is yet to come into it."""
_STAND_IN = b"{}"
"""In place of an unknown content: at the root a mapping with nothing in it, at a path a text."""

ConfigMaps = Mapping[str, Mapping[str, Sequence[Mapping[str, bytes]]]]
"""The contents of ConfigMaps by name and namespace (empty where a manifest names none)."""


@dataclass(frozen=True)
class GivenConfig:
    """What is known of a configuration."""

    config: dict[str, Any] = field(repr=False)
    """Without the unknown values."""
    shape: dict[str, Any] = field(repr=False)
    """With a stand-in for each unknown value: only whether there may be one can be judged by it."""
    plain: dict[str, Any] = field(repr=False)
    """The part that stands in plain; what a ConfigMap gives is plain, known or not."""
    unknown: tuple[tuple[str, ...], ...]
    """The paths of unknown values."""
    unknown_root: bool
    """Whether more is merged at the root."""

    def is_certain(self, fault: ConfigFault) -> bool:
        """Whether the fault stands whatever the unknown values are."""
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
        """Whether the fault is that there is no place for an unknown value."""
        keys = tuple(fault.field.split("."))
        return fault.type in _CERTAIN_ABOVE_UNKNOWN and any(_matches(path, keys) for path in self.unknown)


def config_maps(documents: Iterable[Document]) -> ConfigMaps:
    """The ConfigMaps among the documents; one whose data are of no use is passed over."""
    found: dict[str, dict[str, list[Mapping[str, bytes]]]] = {}
    for document in documents:
        if document.kind == "ConfigMap" and document.api_version == "v1":
            data = _data(document.value)
            if data is not None:
                found.setdefault(document.name, {}).setdefault(document.namespace, []).append(data)
    return found


def given_config(spec: FloePluginSpec, namespace: str, known: ConfigMaps) -> GivenConfig | ConfigSourceFault:
    """Merges what is known in the operator's order; the first source that cannot be merged is the fault."""
    unknown = [
        source for source in spec.config_from if _known(source_object(source), namespace, known) is None
    ]
    contents = {each: _contents(each, spec, namespace, known) for each in referenced(spec)}
    resolved = resolve(spec, contents)
    if isinstance(resolved, ConfigSourceFault):
        return resolved
    paths = tuple(tuple(source.path.split(".")) for source in unknown if source.path is not None)
    config = copy.deepcopy(resolved.config)
    for path in paths:
        if not has(spec.config, path):
            _remove(config, path)
    return GivenConfig(
        config, resolved.config, resolved.plain, paths, any(source.path is None for source in unknown)
    )


def without(value: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy without what stands at the dotted paths."""
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
    elif isinstance(value, list) and len(keys) > 1:
        for index, item in enumerate(value):
            if keys[0] in ("*", str(index)):
                _remove(item, keys[1:])


def _matches(keys: Sequence[str], beginning: Sequence[str]) -> bool:
    """Whether a path begins with another."""
    return len(keys) >= len(beginning) and all(
        one == other or "*" in (one, other) for one, other in zip(keys, beginning, strict=False)
    )


def _contents(each: SourceObject, spec: FloePluginSpec, namespace: str, known: ConfigMaps) -> Contents:
    data = _known(each, namespace, known)
    if data is not None:
        return data
    return {source_key(source): _STAND_IN for source in spec.config_from if source_object(source) == each}


def _known(source: SourceObject, namespace: str, known: ConfigMaps) -> Mapping[str, bytes] | None:
    """The one ConfigMap that is meant; without a namespace, in whichever it is."""
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
