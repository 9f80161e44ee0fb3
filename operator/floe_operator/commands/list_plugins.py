"""`floe-operator list`: the installed plugins and whether they are compatible, as a table or as JSON.

Needs no cluster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from floe_core.host.protocol import BrokenClaim, FoundPlugin
from floe_core.plugin_types import PluginId
from floe_core.version_compat import FLOE_PLUGIN_API_MIN_VERSION, FLOE_PLUGIN_API_VERSION
from floe_operator.commands.installed import InstalledPlugins, installed_plugins, warn
from floe_operator.commands.standard_streams import answer, note
from floe_operator.plugin_host import ScanFailed
from floe_operator.rules.assess import load_fault_sentence
from floe_operator.rules.conditions import VersionCompatible, bounded
from floe_operator.rules.load_states import Described, LoadFault, LoadState
from floe_operator.rules.remarks import remarks
from floe_operator.rules.resource import UNNAMEABLE, is_nameable
from floe_operator.rules.sentences import printable
from floe_operator.rules.versions import check_versions
from floe_operator.settings import CommandSettings

_WIDEST = 100
"""The maximum number of characters in a column; the last column, the message, has no limit."""


class ListSettings(CommandSettings):
    """The settings of `list`."""

    model_config = SettingsConfigDict(cli_shortcuts={"output": "o"})

    output: Literal["table", "json"] = Field(default="table", description="Output format.")


@dataclass(frozen=True)
class Row:
    """One plugin, as `--output json` shows it; missing values are empty.

    `status` is Loaded, or the reason that keeps the plugin's object from becoming Ready.
    """

    type: str
    name: str
    version: str
    api: str
    status: str
    message: str
    distribution: str
    entry_point: str


async def list_plugins(settings: ListSettings) -> int:
    """Print every plugin in the environment; return exit code 2 if the environment cannot be scanned."""
    try:
        async with installed_plugins(settings) as installed:
            rows = await _rows(installed)
            warnings = installed.warnings if rows else [*installed.warnings, installed.none]
    except ScanFailed as error:
        note(f"floe-operator list: {error.detail}")
        return 2
    if settings.output == "json":
        answer(as_json(rows), is_json=True)
    elif rows:
        answer(as_table(rows))
    warn(warnings)
    return 0


async def _rows(installed: InstalledPlugins) -> list[Row]:
    states: Mapping[PluginId, LoadState] = await installed.loaded(installed.found)
    rows = [_found_row(found, states[found.plugin]) for found in installed.scan.plugins]
    rows += map(_broken_row, installed.scan.broken)
    return sorted(rows, key=lambda row: (row.type, row.name))


def _found_row(found: FoundPlugin, state: LoadState) -> Row:
    version, api, status, message = "", "", "Loaded", ""
    if isinstance(state, Described):
        version, api = state.description.version, state.description.floe_api_version
        judged = check_versions(
            state.description,
            found.distribution,
            accepted=None,
            platform=FLOE_PLUGIN_API_VERSION,
            minimum=FLOE_PLUGIN_API_MIN_VERSION,
        )
        if judged.reason is not VersionCompatible.COMPATIBLE:
            status, message = judged.reason.text, judged.message
        elif state.description.schema_error is not None:
            status, message = "SchemaFailed", state.description.schema_error
        else:
            message = bounded("; ".join(remarks(found.plugin, state, found.distribution)))
    elif isinstance(state, LoadFault):
        status, message = state.reason, load_fault_sentence(state)
    if not is_nameable(found.plugin):
        status, message = "Unnameable", UNNAMEABLE
    return Row(found.type, found.name, version, api, status, message, _distribution(found), found.entry_point)


def _broken_row(claim: BrokenClaim) -> Row:
    distributions = ", ".join(sorted({_distribution(one) for one in claim.claims}))
    points = ", ".join(sorted({one.entry_point for one in claim.claims}))
    return Row(claim.type, claim.name, "", "", claim.reason, claim.detail, distributions, points)


def _distribution(found: FoundPlugin) -> str:
    return f"{found.distribution.name} {found.distribution.version}"


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as JSON, for programs."""
    return json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False)


def as_table(rows: Sequence[Row]) -> str:
    """Return the rows as a table, for people."""
    head = ("TYPE", "NAME", "VERSION", "API", "STATUS", "DISTRIBUTION", "MESSAGE")
    lines = [head] + [
        (
            *map(_cell, (row.type, row.name, row.version, row.api, row.status, row.distribution)),
            _printable(row.message),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(text: str) -> str:
    shown = _printable(text)
    return shown if len(shown) <= _WIDEST else f"{shown[: _WIDEST - 1]}…"


def _printable(text: str) -> str:
    return printable(" ".join(text.split()))
