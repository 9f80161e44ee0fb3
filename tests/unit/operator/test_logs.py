"""What log lines look like, and what they must never contain."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.logs import naming

PROGRAM = """
import logging, sys
import structlog
from floe_operator.logs import configure_logging

configure_logging("debug", sys.argv[1])

def reads(content):
    config = {"token": content}
    raise RuntimeError("a" + " bug")  # a traceback may quote this line

for say in (structlog.get_logger("ours").exception, logging.getLogger("kopf").exception):
    try:
        reads("MARKED" + "-VALUE")
    except RuntimeError:
        say("it failed")
"""


def logged(log_format: str) -> str:
    """Return what a program logs about two exceptions, one through structlog and one through logging."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, log_format], capture_output=True, text=True, check=True
    )
    return done.stderr


@pytest.mark.parametrize("log_format", ["json", "text", "auto"])
def test_a_traceback_shows_where_and_why_but_no_local_variable(log_format: str) -> None:
    text = logged(log_format)
    assert text.count("a bug") == 2
    assert "reads" in text
    assert "MARKED-VALUE" not in text


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ([], {}),
        (["one"], {"plugin": "compute/one"}),
        (["two", "one"], {"plugins": ["compute/one", "compute/two"]}),
    ],
)
def test_a_line_about_one_plugin_names_it_as_all_lines_do_and_one_about_several_lists_them(
    names: list[str], field: dict[str, object]
) -> None:
    assert naming([PluginId(PluginType.COMPUTE, name) for name in names]) == field


def test_every_line_is_json_with_the_same_fields_whoever_wrote_it() -> None:
    lines = [json.loads(line) for line in logged("auto").splitlines()]
    assert [line["logger"] for line in lines] == ["ours", "kopf"]
    for line in lines:
        assert {"message", "level", "time", "exception"} <= line.keys()
