"""The command line: reads flags and variables, hands over to the command, turns errors into exit codes.

Exit codes: 0 all is well, 1 the command found or met a fault, 2 it was called wrongly or has nobody to ask.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_settings import CliSettingsSource

from floe_core._version import __version__
from floe_operator.commands.list_plugins import ListSettings, list_plugins
from floe_operator.commands.schema import SchemaSettings, schema
from floe_operator.commands.validate import ValidateSettings, validate
from floe_operator.logs import configure_logging
from floe_operator.settings import PluginEnvironment, RunSettings


@dataclass(frozen=True)
class _Command:
    settings: type[PluginEnvironment]
    execute: Callable[[Any], Any]
    help: str
    quiet: bool = False


async def _run(settings: RunSettings) -> int:
    # kopf and the Kubernetes client take most of a second to import: only where a cluster is needed.
    from floe_operator.run import run

    return await run(settings)


_COMMANDS = {
    "run": _Command(RunSettings, _run, "mirror the installed plugins into FloePlugins, and judge them"),
    "list": _Command(
        ListSettings, list_plugins, "show what is installed and whether it fits; needs no cluster", quiet=True
    ),
    "validate": _Command(
        ValidateSettings,
        validate,
        "judge the FloePlugins of manifests as the API server and the plugins would; needs no cluster",
        quiet=True,
    ),
    "schema": _Command(
        SchemaSettings,
        schema,
        "print the JSON schema of a plugin's FloePlugin for editors, or write all of them; needs no cluster",
        quiet=True,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    parser, sources = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.error("which command?")
    command = _COMMANDS[parsed.command]
    try:
        settings = command.settings(_cli_settings_source=sources[parsed.command](parsed_args=parsed))
    except ValidationError as error:
        parser.exit(2, f"floe-operator {parsed.command}: {_explain(error)}\n")
    level = "error" if command.quiet and "log_level" not in settings.model_fields_set else settings.log_level
    configure_logging(level, settings.log_format)
    try:
        return int(asyncio.run(command.execute(settings)))
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Who calls no command, or a wrong one, sees what there is."""

    def error(self, message: str) -> NoReturn:
        self.print_help(sys.stderr)
        self.exit(2, f"\n{self.prog}: error: {message}\n")


def _parser() -> tuple[argparse.ArgumentParser, dict[str, CliSettingsSource[Any]]]:
    parser = _Parser(
        prog="floe-operator",
        description="Mirrors the plugins of a floe platform into FloePlugin objects.",
        epilog="Each flag has a FLOE_* variable: --scan-interval is FLOE_SCAN_INTERVAL.",
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
            command.settings, root_parser=subparser, add_argument_method=_add_argument, cli_prog_name=name
        )
    return parser, sources


_DEFAULTS = {" (default: null)": "", f"(default: {2**30})": "(default: 1Gi)"}
"""How pydantic-settings shows defaults, and how people write them."""


def _add_argument(parser: argparse.ArgumentParser, *names: str, **options: Any) -> Any:
    """As add_argument, with the variable in the help text and the flag's own word as its value's name.

    A repeatable flag takes several values at once, too: pre-commit hands over file names so.
    """
    flag = next((name for name in names if name.startswith("--")), "")
    if flag:
        text = str(options.get("help", ""))
        for shown, meant in _DEFAULTS.items():
            text = text.replace(shown, meant)
        options["help"] = f"{text} [FLOE_{flag.strip('-').replace('-', '_').upper()}]"
        if "choices" not in options and not str(options.get("metavar", "")).startswith("{"):
            options["metavar"] = flag.rpartition("-")[2].upper()
        if options.get("action") == "append":
            options |= {"action": "extend", "nargs": "+"}
    else:
        options["metavar"] = names[0].rpartition("_")[2].upper()
    return parser.add_argument(*names, **options)


def _explain(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        flag = f"--{name.replace('_', '-')} (FLOE_{name.upper()})"
        message = str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "must be", 1)
        faults.append(
            f"{flag} is required"
            if fault["type"] == "missing"
            else f"{flag}: {message}, not {fault['input']!r}"
        )
    return "; ".join(faults)


if __name__ == "__main__":
    sys.exit(main())
