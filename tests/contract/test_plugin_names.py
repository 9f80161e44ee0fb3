"""floe_core's errors call a plugin `COMPUTE:duckdb`; everything the operator shows calls it `compute/duckdb`.

The operator also shows the plugin host's answers. A `PluginId` has both forms (`str(plugin)` and
`plugin.slug`) and the wrong form is easily used, so these tests check every text that is built from a plugin.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginId, PluginType

REPOSITORY = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("floe_core/host", "operator/floe_operator")
    for path in (REPOSITORY / folder).rglob("*.py")
)
NAMES_OF_PLUGINS = {"plugin", "candidate", "dependent", "needed", "id"}


def _plugins_put_into_text(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FormattedValue(value=shown):
                yield from _if_plugin(shown)
            case ast.Call(func=ast.Name(id="str" | "repr" | "format"), args=[shown, *_]):
                yield from _if_plugin(shown)
            case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id="str"), shown, *_]):
                yield from _if_plugin(shown)


def _if_plugin(shown: ast.expr) -> Iterator[str]:
    name = shown.id if isinstance(shown, ast.Name) else shown.attr if isinstance(shown, ast.Attribute) else ""
    if name in NAMES_OF_PLUGINS:
        yield f"line {shown.lineno}: {ast.unparse(shown)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_texts_that_the_operator_shows_name_a_plugin_by_its_slug(path: Path) -> None:
    assert [*_plugins_put_into_text(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "code", ['f"{plugin} fails"', 'f"{claim.id}"', "str(self.plugin)", '", ".join(map(str, plugin))']
)
def test_the_wrong_form_is_found(code: str) -> None:
    assert [*_plugins_put_into_text(code)]


def test_a_plugin_id_has_both_forms() -> None:
    plugin = PluginId(PluginType.TELEMETRY_BACKEND, "otel")
    assert (str(plugin), plugin.slug) == ("TELEMETRY_BACKEND:otel", "telemetry-backend/otel")
