"""docs/security.md lists exactly the permissions that manifests/base grants, rule by rule."""

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


def test_the_page_lists_exactly_the_permissions_that_the_manifests_grant() -> None:
    documented = [
        (group.strip("`").replace("core", ""), resources, name, verbs)
        for group, resources, name, verbs in _ROW.findall(PAGE)
    ]
    assert documented == [granted(rule) for rule in roles()["Role"]["rules"]]


def test_no_permission_is_granted_outside_the_namespace() -> None:
    assert set(roles()) == {"Role", "RoleBinding"}


def roles() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all(ROLE.read_text())}


def granted(rule: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return a rule in the form that the page uses."""
    parts = (rule["apiGroups"], rule["resources"], rule.get("resourceNames", []), rule["verbs"])
    return tuple(", ".join(part) for part in parts)  # type: ignore[return-value]
