"""How long discovery takes, compared with the minimum: `python -m benchmarks.discovery [--json FILE]`.

The floor is listing every directory on the path and reading every entry_points.txt. Each measurement runs in
its own process, the candidates take turns, and medians are compared, so that the operating system's caches
and any other load on the machine affect all candidates alike.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PLUGINS = 50
SIZES = (300, 1000)
ROUNDS = 15

_TIMED = """
import os, sys, time
{before}
began = time.perf_counter()
{code}
print(time.perf_counter() - began)
assert found == {plugins}, found
"""
_FLOOR = """
found = 0
for folder in sys.path:
    try:
        with os.scandir(folder or ".") as children:
            names = [child.path for child in children if child.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        continue
    for name in names:
        try:
            with open(name + "/entry_points.txt", "rb") as file:
                found += file.read().count(b"[floe.")
        except OSError:
            pass
"""
_DISCOVER_ALL = """
registry.discover_all()
found = len(registry.list_all()[PluginType.COMPUTE])
"""
_ENTRY_POINTS = """
declared = entry_points()
found = sum(len(declared.select(group=group)) for group in PluginType.all_entry_point_groups())
"""
_STEVEDORE = """
found = len(_cache.get_group_all("floe.computes"))
"""
_REGISTRY = "from floe_core import PluginRegistry, PluginType; registry = PluginRegistry()"
_METADATA = "from importlib.metadata import entry_points; from floe_core import PluginType"
_STEVEDORE_CACHE = "from stevedore._cache import Cache; _cache = Cache()"
CANDIDATES: Mapping[str, tuple[str, str]] = {
    "floor": ("", _FLOOR),
    "discover_all()": (_REGISTRY, _DISCOVER_ALL),
    "importlib.metadata.entry_points()": (_METADATA, _ENTRY_POINTS),
    "stevedore, cache off": (
        _STEVEDORE_CACHE.replace("Cache()", "Cache('nowhere')") + "; _cache._disable_caching = True",
        _STEVEDORE,
    ),
    "stevedore, cache hit": (_STEVEDORE_CACHE, _STEVEDORE),
}
_GET = """
import sys, timeit
from floe_core import PluginMetadata, PluginRegistry, PluginType
class Loaded(PluginMetadata):
    name, version, floe_api_version = "loaded", "1.0.0", "1.0"
registry = PluginRegistry()
registry.register(PluginType.COMPUTE, Loaded())
get, kind, table = registry.get, PluginType.COMPUTE, {(PluginType.COMPUTE, "loaded"): 1}
print(min(timeit.repeat(lambda: get(kind, "loaded"), number=20000, repeat=5)) / 20000)
print(min(timeit.repeat(lambda: table[kind, "loaded"], number=20000, repeat=5)) / 20000)
"""


def main() -> None:
    """Measure, print a table, and write the numbers as JSON if asked to."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    options = arguments.parse_args()
    result = {
        "discovery_seconds": {str(size): _discovery(size, options.rounds) for size in SIZES},
        **_import_cost(options.rounds),
        **_look_up(),
    }
    for line in _table(result):
        print(line)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _discovery(size: int, rounds: int) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="floe-bench-"))
    try:
        _fill(folder / "site", size)
        for name in CANDIDATES:  # fills the page cache, and stevedore's cache on disk
            _measure(folder, name)
        times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
        for _ in range(rounds):
            for name in CANDIDATES:
                times[name].append(_measure(folder, name))
        return {name: statistics.median(each) for name, each in times.items()}
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, name: str) -> float:
    before, code = CANDIDATES[name]
    script = _TIMED.format(before=before, code=code, plugins=PLUGINS)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(Path(__file__).resolve().parents[1])]),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _fill(site: Path, size: int) -> None:
    """Create realistic distributions, with their packages: half have console scripts, 50 have a plugin."""
    for number in range(size):
        name = f"package_{number:04d}"
        info = site / f"{name}-1.{number}.0.dist-info"
        info.mkdir(parents=True)
        header = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{number}.0\n"
        (info / "METADATA").write_text(header + "Classifier: x\n" * 40 + "\n" + "A line of a readme.\n" * 200)
        (info / "RECORD").write_text("file,,\n" * 50)
        (info / "WHEEL").write_text("Wheel-Version: 1.0\n")
        (site / name).mkdir()
        (site / name / "__init__.py").touch()
        if number % (size // PLUGINS) == 0:
            declared = f"[floe.computes]\nplugin_{number} = {name}:Plugin\n"
            (info / "entry_points.txt").write_text(declared)
        elif number % 2:
            (info / "entry_points.txt").write_text(f"[console_scripts]\ncommand_{number} = {name}:main\n")


def _import_cost(rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {"pass": [], "import floe_core": []}
    script = "import sys, time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
    for _ in range(rounds):
        for code, each in times.items():
            done = subprocess.run(
                [sys.executable, "-c", script.format(code)], capture_output=True, text=True, check=True
            )
            each.append(float(done.stdout))
    cost = statistics.median(times["import floe_core"]) - statistics.median(times["pass"])
    return {"import_floe_core_seconds": cost}


def _look_up() -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", _GET], capture_output=True, text=True, check=True)
    get, dictionary = map(float, done.stdout.split())
    return {"get_seconds": get, "dictionary_look_up_seconds": dictionary}


def _table(result: Mapping[str, Any]) -> Iterator[str]:
    for size, times in result["discovery_seconds"].items():
        yield f"{size} distributions, {PLUGINS} plugins"
        for name, seconds in times.items():
            yield f"  {name:<36}{seconds * 1e3:9.2f} ms {seconds / times['floor']:7.2f} x floor"
    yield f"import floe_core, beyond bare Python  {result['import_floe_core_seconds'] * 1e3:9.2f} ms"
    yield f"get() of a loaded plugin              {result['get_seconds'] * 1e6:9.2f} µs"
    yield f"lookup in a dict with the same keys   {result['dictionary_look_up_seconds'] * 1e6:9.2f} µs"


if __name__ == "__main__":
    main()
