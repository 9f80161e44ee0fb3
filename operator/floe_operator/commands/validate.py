"""`floe-operator validate`: checks the manifests of a GitOps repository without a cluster.

Checks first as the API server would (manifest_rules), then against the installed plugins (plugin_rules).
Findings go to standard output, warnings to standard error. The exit code is 0 without findings, 1 with
findings, 2 if nothing was checked: there are no files, or no plugins to check them against.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from floe_operator.commands.findings import Finding, Tally, as_github, as_json, as_text, as_warning, in_order
from floe_operator.commands.given_config import ConfigMaps, config_maps
from floe_operator.commands.installed import installed_plugins, warn
from floe_operator.commands.manifest_rules import is_floe_plugin, manifest_findings
from floe_operator.commands.manifests import Document, UsageError, read_manifests
from floe_operator.commands.plugin_rules import Checked, PluginRules
from floe_operator.commands.standard_streams import answer, note
from floe_operator.plugin_host import ScanFailed
from floe_operator.rules.resource import FloePluginSpec
from floe_operator.settings import CommandSettings

_AT_ONCE = 8
_WITHOUT = "; or pass --allow-missing-plugins to check only what the API server would"


def _names(value: Any) -> Any:
    """Accept a comma-separated list, as kubectl does."""
    return [name for name in value.split(",") if name] if isinstance(value, str) else value


class ValidateSettings(CommandSettings):
    """The settings of `validate`."""

    model_config = SettingsConfigDict(cli_shortcuts={"filename": "f", "output": "o"})

    filename: Annotated[list[str], NoDecode, BeforeValidator(_names)] = Field(
        min_length=1,
        description="Files, folders (every *.yaml, *.yml and *.json below them that is not hidden), or - for "
        "standard input.",
    )
    output: Literal["text", "json", "github"] = Field(
        default="text", description="Output format; github annotates the lines of a pull request."
    )
    allow_missing_plugins: bool = Field(
        default=False,
        description="For plugins that are not installed here, check only what the API server would. "
        "Without it, an environment without any plugins is an error.",
    )


async def validate(settings: ValidateSettings) -> int:
    """Print what is wrong with the FloePlugins in the files."""
    try:
        read = read_manifests(settings.filename)
    except UsageError as error:
        return _unchecked(str(error))
    plugins = [document for document in read.documents if is_floe_plugin(document)]
    findings = [*read.findings, *_duplicates(plugins)]
    sound: list[Document] = []
    for document in plugins:
        wrong = manifest_findings(document)
        findings += wrong
        sound += [] if wrong else [document]
    warnings: list[Finding] = []
    why = ""
    try:
        for checked in await _checked(sound, config_maps(read.documents), settings) if sound else []:
            findings += checked.findings
            warnings += checked.warnings
    except UsageError as error:
        why = str(error)
    except ScanFailed as error:
        why = f"{error.detail}{_WITHOUT if error.lacks_core else ''}"
    if findings or not why:
        tally = Tally(read.files, len(plugins))
        _answer(in_order(findings), in_order(warnings), tally, settings.output)
    if why:
        return _unchecked(why)
    return 1 if findings else 0


def _unchecked(why: str) -> int:
    note(f"floe-operator validate: {why}")
    return 2


async def _checked(
    plugins: Iterable[Document], known: ConfigMaps, settings: ValidateSettings
) -> list[Checked]:
    room = asyncio.Semaphore(_AT_ONCE)
    allow_missing = settings.allow_missing_plugins
    async with installed_plugins(settings, need_core=not allow_missing) as installed:
        warn(installed.warnings)
        if not installed.found and not installed.broken and not allow_missing:
            raise UsageError(f"{installed.none.removesuffix('.')}{_WITHOUT}")
        rules = PluginRules(installed, known, allow_missing=allow_missing)

        async def check(document: Document) -> Checked:
            async with room:
                return await rules.check(document, FloePluginSpec.model_validate(document.value["spec"]))

        return list(await asyncio.gather(*map(check, plugins)))


def _duplicates(plugins: Iterable[Document]) -> Iterator[Finding]:
    first: dict[tuple[str, str], Document] = {}
    for document in plugins:
        if not document.name:
            continue
        before = first.setdefault((document.namespace, document.name), document)
        if before is not document:
            place = before.place()
            where = f"{place.file}, document {place.document}"
            message = f"the same object is also in {where}; keep only one"
            yield Finding(document.place("metadata", "name"), "metadata.name", "DuplicateObject", message)


def _answer(findings: Sequence[Finding], warnings: Sequence[Finding], tally: Tally, output: str) -> None:
    match output:
        case "json":
            answer(as_json(findings, tally, warnings), is_json=True)
        case "github":
            _print_lines(as_github(findings, warnings))
        case _:
            warn(map(as_warning, warnings))
            _print_lines(as_text(findings))
    if output != "json":
        note(tally.sentence(len(findings)))
    if not tally.plugins and not findings:
        warn(["there is no FloePlugin in the given files; is this the right folder?"])


def _print_lines(text: str) -> None:
    if text:
        answer(text)
