"""`floe-operator schema`: JSON schemas of FloePlugin documents, for editors and kubeconform."""

from __future__ import annotations

import json
import os
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
from floe_operator.commands.schema_checks import UnusableSchema
from floe_operator.commands.standard_streams import answer, note
from floe_operator.plugin_host import ScanFailed
from floe_operator.rules.assess import load_fault_sentence
from floe_operator.rules.load_states import Described, LoadFault
from floe_operator.rules.resource import GROUP, KIND, UNNAMEABLE, VERSION, is_nameable, object_name
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
    """Print one schema, or write all; return exit code 1 if a plugin has none."""
    try:
        plugin = _asked_for(settings)
        async with installed_plugins(settings, accepted_schemas=True) as installed:
            warn(installed.warnings)
            if plugin is None:
                assert settings.dir is not None
                return await _write_all(installed, settings.dir)
            answer(_text(await _document_schema(installed, plugin)), is_json=True)
            return 0
    except _WrongCall as error:
        return _say(str(error), 2)
    except _NoSchema as error:
        return _say(str(error), 1)
    except ScanFailed as error:
        return _say(error.detail, 2)


class _WrongCall(Exception):
    pass


class _NoSchema(Exception):
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
    given = settings.plugin_type.lower().replace("_", "-")
    try:
        return plugin_id(PluginType.from_slug(given), settings.plugin_name)
    except ValueError:
        slugs = [each.slug for each in PluginType]
        meant = get_close_matches(given, slugs, n=1)
        advice = f"did you mean {meant[0]}?" if meant else f"the types are {listing(slugs, most=20)}"
        raise _WrongCall(f"unknown plugin type {settings.plugin_type!r}; {advice}") from None


async def _document_schema(installed: InstalledPlugins, plugin: PluginId) -> dict[str, Any]:
    if not installed.found and not installed.broken:
        raise _NoSchema(f"{plugin.slug} is not installed. {installed.none}")
    if plugin not in installed.found and plugin not in installed.broken:
        raise _NoSchema(f"{plugin.slug} is not installed; {_near(plugin, installed.found)}")
    return _document(plugin, await _description(installed, plugin))


async def _description(installed: InstalledPlugins, plugin: PluginId) -> Description:
    if plugin in installed.broken:
        raise _NoSchema(f"{plugin.slug} has no schema: {installed.broken[plugin].detail}")
    if not is_nameable(plugin):
        raise _NoSchema(f"{plugin.slug} has no schema: {UNNAMEABLE}")
    state = (await installed.loaded([plugin]))[plugin]
    if isinstance(state, Described):
        return state.description
    why = load_fault_sentence(state) if isinstance(state, LoadFault) else "its import did not finish"
    raise _NoSchema(f"{plugin.slug} has no schema: {why}")


def _document(plugin: PluginId, description: Description) -> dict[str, Any]:
    try:
        return document_schema(plugin, description)
    except UnusableSchema as error:
        raise _NoSchema(f"{plugin.slug} has no schema that can be used: {error}") from None


def _near(plugin: PluginId, found: Iterable[PluginId]) -> str:
    same_name = [each for each in found if each.name == plugin.name]
    same_type = {str(each.name): each for each in found if each.plugin_type is plugin.plugin_type}
    meant = same_name or [same_type[name] for name in get_close_matches(plugin.name, same_type, n=3)]
    if meant:
        return f"did you mean {listing((each.slug for each in meant), word='or')}?"
    return f"the installed plugins are {listing(sorted(each.slug for each in found), most=20)}"


async def _write_all(installed: InstalledPlugins, folder: Path) -> int:
    """Write the schema of every plugin that can have an object; name those that have no schema."""
    known: dict[PluginId, Description] = {}
    documents: dict[PluginId, dict[str, Any]] = {}
    without: list[str] = []
    for plugin in sorted(filter(is_nameable, {*installed.found, *installed.broken}), key=object_name):
        try:
            description = await _description(installed, plugin)
            documents[plugin] = _document(plugin, description)
            known[plugin] = description
        except _NoSchema as error:
            without.append(str(error))
    if not known and not without:
        raise _NoSchema(installed.none)
    target = folder / GROUP
    try:
        target.mkdir(parents=True, exist_ok=True)
        _write(target / KIND_FILE, kind_schema(known))
        for plugin, document in documents.items():
            _write(target / f"{object_name(plugin)}.json", document)
    except OSError as error:
        return _say(f"cannot write to {target}: {error.strerror}", 2)
    note(f"wrote the schemas of {len(known)} {'plugin' if len(known) == 1 else 'plugins'} to {target}")
    for each in without:
        _say(each, 1)
    return 1 if without else 0


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file whole or not at all: editors and CI read it meanwhile, and disks fill up."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(_text(content) + "\n", encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)


def _say(message: str, code: int) -> int:
    note(f"floe-operator schema: {message}")
    return code
