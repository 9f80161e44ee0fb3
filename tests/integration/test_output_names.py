"""The operator's log names the plugin in whose call a line was printed, as JSON and as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import LocalCluster
from tests.support.distributions import plugin_distribution
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

NAMES = ("brush", "comb", "razor")
SAY = """
import logging, os, subprocess, sys, time, warnings
from pathlib import Path
from pydantic import field_validator
def say(where):
    words = f"said:{__name__}:{where}"
    print(f"{words}:print")
    warnings.warn(f"{words}:warn")
    logging.getLogger(__name__).warning(f"{words}:log")
def say_beneath(where):
    os.write(2, f"said:{__name__}:{where}:write\\n".encode())
    subprocess.run(["echo", f"said:{__name__}:{where}:child"])
say("import")
say_beneath("import")
"""
CONFIG = """
folder: str
@field_validator("folder")
@classmethod
def check(cls, value):
    say("validator")
    return value
"""
BODY = """
def __init__(self, config):
    self.folder = Path(config.folder)
def startup(self):
    say("startup")
def health_check(self):
    say("health")
    (self.folder / __name__).touch()
    while not (self.folder / "go").exists():
        time.sleep(0.01)
    say("end of health")
    return HealthStatus(HealthState.HEALTHY)
def shutdown(self):
    say("shutdown")
"""
WAYS = {"print", "warn", "log"}


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    talkers = (plugin_distribution(name, before=SAY, config=CONFIG, body=BODY) for name in NAMES)
    with standing_operator(cluster, tmp_path_factory.mktemp("names"), *talkers) as running:
        yield running


def said(standing: Standing) -> dict[tuple[str, str, str], list[list[str]]]:
    """Return whom each line that a plugin printed names, by module, place and way."""
    found: dict[tuple[str, str, str], list[list[str]]] = {}
    for line in standing.operator.lines():
        _, marker, words = line.get("text", "").partition("said:")
        if marker:
            assert line["message"] == "plugin output"
            module, place, way = words.split(":")
            named = line["plugins"] if "plugins" in line else [line["plugin"]]
            found.setdefault((module, place, way), []).append(named)
    return found


def test_each_line_in_the_log_names_exactly_the_plugin_that_printed_it(
    standing: Standing, tmp_path: Path
) -> None:
    for name in NAMES:
        change = {"spec": {"config": {"folder": str(tmp_path)}, "probe": {"timeout": "30s"}}}
        standing.plugins.merge(f"compute-{name}", change)
    modules = {name: f"floe_compute_{name}" for name in NAMES}
    eventually(lambda: all((tmp_path / module).exists() for module in modules.values()), within=60)
    (tmp_path / "go").touch()
    for name in NAMES:
        standing.plugins.until(f"compute-{name}", "Ready", "Ready", within=60)
        standing.plugins.merge(f"compute-{name}", {"spec": {"probe": None}})
    places = ("import", "validator", "startup", "health", "end of health", "shutdown")
    wanted = {(module, place, way) for module in modules.values() for place in places for way in WAYS}
    wanted |= {(module, "import", way) for module in modules.values() for way in ("write", "child")}
    eventually(lambda: said(standing).keys() >= wanted, saying="every plugin has printed everywhere")
    assert said(standing).keys() == wanted
    for (module, place, way), lines in said(standing).items():
        plugin = f"compute/{module.removeprefix('floe_compute_')}"
        for named in lines:
            # What is printed beneath Python while another plugin is validated can be from either.
            assert named == [plugin] if way in WAYS else plugin in named, (module, place, way, named)
    assert "\\u001e" not in json.dumps(standing.operator.lines())
