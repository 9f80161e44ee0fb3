"""What a label of a Kubernetes object may be, and which the operator must not set. Pure.

The syntax: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set.
"""

from __future__ import annotations

import re

_PART = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_NAME = re.compile(rf"(?:(?P<prefix>{_DOMAIN})/)?{_PART}", re.ASCII)
_VALUE = re.compile(rf"(?:{_PART})?", re.ASCII)
_LONGEST_PREFIX = 253
_OURS = "floe.dev"
_OWNERS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/instance")
_OWNERS_PREFIXES = ("fluxcd.io", "argoproj.io", "applyset.kubernetes.io")


def label_fault(name: str, value: str) -> str:
    """Return what is wrong with a label to be set, as the rest of a sentence; empty if nothing is."""
    found = _NAME.fullmatch(name)
    if not found or len(found["prefix"] or "") > _LONGEST_PREFIX:
        return "does not begin with the name of a label and ="
    if not _VALUE.fullmatch(value):
        return "has a value that no label can have: at most 63 letters, digits, '-', '_' and '.'"
    prefix = found["prefix"] or ""
    if prefix == _OURS or prefix.endswith(f".{_OURS}"):
        return "is a label of the operator's own"
    if name in _OWNERS or any(prefix == owner or prefix.endswith(f".{owner}") for owner in _OWNERS_PREFIXES):
        return "is a label by which Helm, Flux, Argo CD or kubectl's --prune tell what belongs to them"
    return ""
