"""`floe-operator schema`: JSON schemas of FloePlugin documents, for editors and kubeconform."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import CliPositionalArg

from floe_core.host.protocol import Description
from floe_core.plugin_types import PluginId, PluginType, plugin_id
from floe_operator.commands.document_schema import document_schema, kind_schema
from floe_operator.commands.installed import InstalledPlugins, installed_plugins, warn
from floe_operator.plugin_host import ScanFailed
from floe_operator.rules.load_states import Described, LoadFault
from floe_operator.rules.resource import GROUP, KIND, VERSION, is_nameable, object_name
from floe_operator.rules.sentences import listing
from floe_operator.settings import CommandSettings

KIND_FILE = f"{KIND.lower()}_{VERSION}.json"
"""The file name that kubeconform and the CRDs catalogue use for a kind."""


class SchemaSettings(CommandSettings):
    """The settings of `schema`."""

    plugin_type: CliPositionalArg[str | None] = Field(
        default=None, description="The plugin's type, such as compute."
    )
    plugin_name: CliPositionalArg[str | None] = Field(
        default=None, description="The plugin's name, such as duckdb."
    )
    all: bool = Field(default=False, description="Write the schemas of all installed plugins to --dir.")
    dir: Path | None = Field(
        default=None,
        description=f"The folder for --all: {GROUP}/{KIND_FILE} for all plugins, "
        f"{GROUP}/TYPE-NAME.json for each.",
    )


async def schema(settings: SchemaSettings) -> int:
    """Print one schema, or write all."""
    try:
        plugin = _asked_for(settings)
        async with installed_plugins(settings) as installed:
            warn(installed.warnings)
            if plugin is None:
                assert settings.dir is not None
                return await _write_all(installed, settings.dir)
            print(_text(document_schema(plugin, await _description(installed, plugin))))  # noqa: T201
            return 0
    except _WrongCall as error:
        return _say(str(error), 2)
    except _NoSuchPlugin as error:
        return _say(str(error), 1)
    except ScanFailed as error:
        return _say(error.detail, 2)
    except OSError as error:
        return _say(f"cannot write {error.filename}: {error.strerror}", 2)


class _WrongCall(Exception):
    pass


class _NoSuchPlugin(Exception):
    pass


def _asked_for(settings: SchemaSettings) -> PluginId | None:
    """Return the requested plugin, or None for all."""
    if settings.all:
        if settings.plugin_type is not None:
            raise _WrongCall("give either TYPE and NAME, or --all")
        if settings.dir is None:
            raise _WrongCall("--all needs --dir, the folder to write to")
        return None
    if settings.dir is not None:
        raise _WrongCall("--dir works only with --all")
    if settings.plugin_type is None or settings.plugin_name is None:
        raise _WrongCall(
            "give TYPE and NAME of a plugin, or --all and --dir; floe-operator list shows the plugins"
        )
    try:
        return plugin_id(PluginType.from_slug(settings.plugin_type), settings.plugin_name)
    except ValueError:
        slugs = [each.slug for each in PluginType]
        meant = get_close_matches(settings.plugin_type.lower().replace("_", "-"), slugs, n=1)
        advice = f"did you mean {meant[0]}?" if meant else f"the types are {listing(slugs, most=20)}"
        raise _WrongCall(f"unknown plugin type {settings.plugin_type!r}; {advice}") from None


async def _description(installed: InstalledPlugins, plugin: PluginId) -> Description:
    if plugin in installed.broken:
        raise _NoSuchPlugin(f"{plugin.slug} cannot be loaded: {installed.broken[plugin].detail}")
    if plugin not in installed.found:
        raise _NoSuchPlugin(f"{plugin.slug} is not installed; {_near(plugin, installed.found)}")
    state = (await installed.loaded([plugin]))[plugin]
    if not isinstance(state, Described):
        raise _NoSuchPlugin(f"{plugin.slug} cannot be loaded: {_why(state)}")
    if state.description.schema_error is not None:
        warn([f"{plugin.slug} has no usable configuration schema: {state.description.schema_error}"])
    return state.description


def _near(plugin: PluginId, found: Iterable[PluginId]) -> str:
    slugs = sorted(each.slug for each in found)
    same_name = [each.slug for each in found if each.name == plugin.name]
    meant = same_name or get_close_matches(plugin.slug, slugs, n=3)
    if meant:
        return f"did you mean {listing(meant, word='or')}?"
    return f"the installed plugins are {listing(slugs, most=20)}" if slugs else "no plugins are installed"


async def _write_all(installed: InstalledPlugins, folder: Path) -> int:
    """Write the schema of every plugin that can have an object; warn about those that cannot be loaded."""
    target = folder / GROUP
    target.mkdir(parents=True, exist_ok=True)
    nameable = sorted(filter(is_nameable, installed.found), key=object_name)
    known: dict[PluginId, Description] = {}
    for plugin, state in (await installed.loaded(nameable)).items():
        if isinstance(state, Described):
            known[plugin] = state.description
        else:
            warn([f"{plugin.slug} cannot be loaded and gets no schema: {_why(state)}"])
    _write(target / KIND_FILE, kind_schema(known))
    for plugin, description in known.items():
        _write(target / f"{object_name(plugin)}.json", document_schema(plugin, description))
    print(f"wrote {len(known) + 1} schemas to {target}", file=sys.stderr)  # noqa: T201
    return 0


def _why(state: object) -> str:
    return state.message if isinstance(state, LoadFault) else "its import did not finish"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(_text(content) + "\n", encoding="utf-8")


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _say(message: str, code: int) -> int:
    print(f"floe-operator schema: {message}", file=sys.stderr)  # noqa: T201
    return code
