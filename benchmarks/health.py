"""How long a round of health checks takes, and how many threads it needs: `python -m benchmarks.health`.

1,000 rounds over 50 plugins whose checks return at once, so that only the work of the registry is measured.
Its counterpart starts a thread for each check. The two take turns, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from floe_core import HealthStatus, PluginMetadata, PluginRegistry, PluginType

PLUGINS = 50
ROUNDS = 1000


class Healthy(PluginMetadata):
    """A plugin that does nothing."""

    version, floe_api_version = "1.0.0", "1.0"

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self._name


def main() -> None:
    """Measure, print a table, and write the numbers as JSON if asked to."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", type=Path, help="write the numbers to this file")
    options = arguments.parse_args()
    plugins = [Healthy(f"p{number}") for number in range(PLUGINS)]
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(PluginType.COMPUTE, plugin)
    before = threading.active_count()
    ours: list[float] = []
    theirs: list[float] = []
    most = 0
    for _ in range(ROUNDS):
        ours.append(_timed(registry.health_check_all))
        most = max(most, threading.active_count() - before)
        theirs.append(_timed(lambda: _a_thread_for_each(plugins)))
    result = {
        "round_seconds": statistics.median(ours),
        "round_seconds_p99": statistics.quantiles(ours, n=100)[98],
        "a_thread_for_each_seconds": statistics.median(theirs),
        "threads": most,
    }
    print(f"{ROUNDS} rounds over {PLUGINS} plugins, at most {most} threads besides the program's own")
    print(f"  health_check_all()          {result['round_seconds'] * 1e3:9.2f} ms")
    print(f"  a new thread for each check {result['a_thread_for_each_seconds'] * 1e3:9.2f} ms")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _a_thread_for_each(plugins: list[Healthy]) -> list[HealthStatus]:
    answers: list[HealthStatus] = []
    threads = [
        threading.Thread(target=lambda plugin=plugin: answers.append(plugin.health_check()))
        for plugin in plugins
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


if __name__ == "__main__":
    main()
