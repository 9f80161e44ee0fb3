"""A module's docstring can name what it leaves to others, but never who uses it, since that goes stale."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "floe_core", ROOT / "operator" / "floe_operator")
MODULES = {
    ".".join(file.relative_to(package.parent).with_suffix("").parts): file
    for package in PACKAGES
    for file in sorted(package.rglob("*.py"))
}


def imports(file: Path) -> set[str]:
    """Return the modules that a file imports and the names that it imports from them, both dotted."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def users_named_in(module: str) -> list[str]:
    """Return the modules that import a module and are named in its docstring."""
    head = ast.get_docstring(ast.parse(MODULES[module].read_text())) or ""
    words = set(re.findall(r"`([\w.]+)`", head))
    return [
        other
        for other, file in MODULES.items()
        if other.rpartition(".")[2] in {word.rpartition(".")[2] for word in words}
        and other.partition(".")[0] == module.partition(".")[0]
        and module in imports(file)
    ]


@pytest.mark.parametrize("module", MODULES)
def test_the_docstring_of_a_module_names_none_of_its_users(module: str) -> None:
    head = ast.get_docstring(ast.parse(MODULES[module].read_text())) or ""
    assert users_named_in(module) == []
    assert not re.search(r"\b([Cc]alled|[Uu]sed) by\b", head)


def test_a_docstring_that_names_a_user_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rule.py").write_text('"""A rule. `reconcile` asks here."""\n')
    (tmp_path / "reconcile.py").write_text("from made_up.rule import ask\n")
    for name in ("rule", "reconcile"):
        monkeypatch.setitem(MODULES, f"made_up.{name}", tmp_path / f"{name}.py")
    assert users_named_in("made_up.rule") == ["made_up.reconcile"]
