"""docs/security.md says what the operator may do: just what manifests/base grants, rule by rule."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support.manifests import REPOSITORY

PAGE = (REPOSITORY / "docs" / "security.md").read_text()
ROLE = REPOSITORY / "manifests" / "base" / "role.yaml"
_ROW = re.compile(
    r"^\| (core|`[^`]+`) \| `([^`]+)`(?: named `([^`]+)`)? \| `([^`]+)` \| [^|]+ \|$", re.MULTILINE
)


def test_the_page_names_every_right_that_the_manifests_grant_and_no_other() -> None:
    documented = [
        (group.strip("`").replace("core", ""), resources, name, verbs)
        for group, resources, name, verbs in _ROW.findall(PAGE)
    ]
    assert documented == [granted(rule) for rule in roles()["Role"]["rules"]]


def test_nothing_is_granted_beyond_the_namespace() -> None:
    assert set(roles()) == {"Role", "RoleBinding"}


def roles() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(ROLE.read_text())}


def granted(rule: dict[str, Any]) -> tuple[str, str, str, str]:
    """A rule as the page writes it."""
    parts = (rule["apiGroups"], rule["resources"], rule.get("resourceNames", []), rule["verbs"])
    return tuple(", ".join(part) for part in parts)  # type: ignore[return-value]
