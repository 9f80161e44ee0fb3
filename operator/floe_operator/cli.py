"""The command line: reads flags and variables, runs the command, turns errors into exit codes.

Exit codes: 0 success; 1 the command failed or found a fault; 2 wrong usage, plugins that cannot be
scanned, or files or an answer that cannot be read or written; 130 Ctrl-C; 141 nobody reads the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import CliSettingsSource

from floe_core.host.core_dumps import forbid_core_dumps
from floe_operator._version import __version__
from floe_operator.commands.list_plugins import ListSettings, list_plugins
from floe_operator.commands.schema import SchemaSettings, schema
from floe_operator.commands.standard_streams import guarded
from floe_operator.commands.validate import ValidateSettings, validate
from floe_operator.logs import configure_logging
from floe_operator.rules.sentences import listing
from floe_operator.settings import PluginEnvironment, RunSettings


@dataclass(frozen=True)
class _Command:
    settings: type[PluginEnvironment]
    execute: Callable[[Any], Any]
    help: str


async def _run(settings: RunSettings) -> int:
    forbid_core_dumps()  # it will hold credentials and the contents of Secrets; the other commands hold none
    # kopf and aiohttp take half a second to import; only `run` needs a cluster.
    from floe_operator.run import run

    gc.freeze()  # what has been imported stays
    # JSON is trees, which reference counts free: to look for cycles among them takes time and finds none.
    gc.set_threshold(50_000)
    return await run(settings)


_COMMANDS = {
    "run": _Command(RunSettings, _run, "mirror the installed plugins into FloePlugins and assess them"),
    "list": _Command(
        ListSettings,
        list_plugins,
        "show the installed plugins and whether they are compatible; needs no cluster",
    ),
    "validate": _Command(
        ValidateSettings,
        validate,
        "check the FloePlugins in manifests as the API server and the plugins would; needs no cluster",
    ),
    "schema": _Command(
        SchemaSettings,
        schema,
        "print the JSON schema of a plugin's FloePlugin for editors, or write all schemas; needs no cluster",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    return guarded(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    parser, sources = _parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if parsed.command is None:
        parser.error(f"a command is required: {listing(_COMMANDS, word='or')}")
    command = _COMMANDS[parsed.command]
    if unknown:
        name = f"floe-operator {parsed.command}"
        advice = _use_of(unknown, command.settings) or f"{name} --help shows the flags"
        parser.exit(2, f"{name}: unrecognized arguments: {' '.join(unknown)}; {advice}\n")
    try:
        settings = command.settings(_cli_settings_source=sources[parsed.command](parsed_args=parsed))
    except ValidationError as error:
        parser.exit(2, f"floe-operator {parsed.command}: {_explain(error, command.settings)}\n")
    configure_logging(settings.log_level, settings.log_format)
    try:
        return int(asyncio.run(command.execute(settings)))
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Prints the help when the command is missing or unknown."""

    def error(self, message: str) -> NoReturn:
        self.print_help(sys.stderr)
        self.exit(2, f"\n{self.prog}: error: {message}\n")


def _parser() -> tuple[argparse.ArgumentParser, dict[str, CliSettingsSource[Any]]]:
    parser = _Parser(
        prog="floe-operator",
        description="Mirrors the plugins of a floe platform into FloePlugin objects.",
        epilog="A flag whose help shows a FLOE_* variable can also be set by that variable.",
    )
    parser.add_argument("--version", action="version", version=f"floe-operator {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", parser_class=argparse.ArgumentParser
    )
    sources: dict[str, CliSettingsSource[Any]] = {}
    for name, command in _COMMANDS.items():
        description = f"{command.help[0].upper()}{command.help[1:]}."
        subparser = commands.add_parser(name, help=command.help, description=description)
        sources[name] = CliSettingsSource(
            command.settings,
            root_parser=subparser,
            add_argument_method=functools.partial(_add_argument, command.settings.variables()),
            cli_prog_name=name,
        )
    return parser, sources


_DEFAULTS = (
    (r" \(default: (null|False|)\)", ""),
    (r"\(default: True\)", "(default: true)"),
    (rf"\(default: {2**30}\)", "(default: 1Gi)"),
    (r"\(default: ([0-9]+)\.0\)", r"(default: \1s)"),
)
"""How pydantic-settings shows defaults, and how people write them."""


def _add_argument(
    variables: Collection[str], parser: argparse.ArgumentParser, *names: str, **options: Any
) -> Any:
    """Add an argument, with its FLOE_* variable in the help and a metavar from the last word of its flag.

    A repeatable flag also takes several values in a row, because pre-commit passes file names that way.
    """
    flag = next((name for name in names if name.startswith("--")), "")
    for shown, meant in _DEFAULTS:
        options["help"] = re.sub(shown, meant, str(options.get("help", "")))
    if flag:
        field = flag.strip("-").replace("-", "_")
        if field in variables:
            options["help"] += f" [FLOE_{field.upper()}]"
        takes_value = options.get("action") is not argparse.BooleanOptionalAction
        if takes_value and "choices" not in options and not str(options.get("metavar", "")).startswith("{"):
            options["metavar"] = flag.rpartition("-")[2].upper()
        if options.get("action") == "append":
            options |= {"action": "extend", "nargs": "+"}
    else:
        options["metavar"] = names[0].rpartition("_")[2].upper()
    return parser.add_argument(*names, **options)


def _use_of(arguments: Sequence[str], settings: type[PluginEnvironment]) -> str:
    """Return the flag that arguments without one are meant for, as a clause, or an empty text."""
    if arguments[0].startswith("-"):
        flags = [f"--{name.replace('_', '-')}" for name in settings.model_fields]
        given = arguments[0].partition("=")[0].replace("_", "-")
        return "".join(f"did you mean {flag}?" for flag in get_close_matches(given, flags, n=1))
    names = [each for each in arguments if not each.startswith("-")]
    takes_files = "filename" in settings.model_fields
    return f"name files and folders with -f: -f {' '.join(names)}" if takes_files and names else ""


def _explain(error: ValidationError, settings: type[PluginEnvironment]) -> str:
    return "; ".join(
        _fault(settings, str(fault["loc"][0]) if fault["loc"] else "", fault)
        for fault in error.errors(include_url=False, include_context=False)
    )


def _fault(settings: type[PluginEnvironment], name: str, fault: ErrorDetails) -> str:
    shortcut = (settings.model_config.get("cli_shortcuts") or {}).get(name)
    flag = f"--{name.replace('_', '-')}" + (f", -{shortcut}" if shortcut else "")
    if name in settings.variables():
        flag += f" (FLOE_{name.upper()})"
    if fault["type"] == "missing":
        meaning = settings.model_fields[name].description or ""
        return f"{flag} is required: {meaning[:1].lower()}{meaning[1:].rstrip('.')}"
    message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    return f"{flag}: {message}, not {fault['input']!r}"


if __name__ == "__main__":
    sys.exit(main())
