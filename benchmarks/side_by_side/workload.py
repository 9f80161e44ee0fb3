"""What the contestants work on: plugins that are really installed, and their objects."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.distributions import Distribution, Environment, plugin_source

PER_DISTRIBUTION = 20
_CONFIG = "threads: int = 1\nport: int = 0"


def names(objects: int) -> list[str]:
    """Return the names of the objects."""
    return [f"compute-p{number:05}" for number in range(objects)]


def later_names() -> list[str]:
    """Return the names of the mirrors of the distribution that comes and goes."""
    return [f"compute-later{number:02}" for number in range(PER_DISTRIBUTION)]


def manifests(objects: int) -> Iterator[dict[str, Any]]:
    """Yield the objects, each with a configuration."""
    for name in names(objects):
        yield {
            "apiVersion": "floe.dev/v1alpha1",
            "kind": "FloePlugin",
            "metadata": {"name": name},
            "spec": {"type": "compute", "name": name.removeprefix("compute-"), "config": {"threads": 1}},
        }


def installed(folder: Path, objects: int) -> Environment:
    """Create an environment with the plugins of the objects, twenty to a distribution, compiled as by pip."""
    environment = Environment.create(folder)
    every = names(objects)
    for first in range(0, objects, PER_DISTRIBUTION):
        environment.add(_distribution(every[first : first + PER_DISTRIBUTION]))
    compiles = [str(environment.python), "-m", "compileall", "-q", "-j", "0", str(environment.site_packages)]
    subprocess.run(compiles, check=True)
    return environment


def later() -> Distribution:
    """Return the distribution that comes and goes."""
    return _distribution(later_names())


def _distribution(objects: Sequence[str]) -> Distribution:
    plugins = [name.removeprefix("compute-") for name in objects]
    modules = {f"floe_{name}.py": plugin_source(name, config=_CONFIG) for name in plugins}
    claims = {"floe.computes": {name: f"floe_{name}:Plugin" for name in plugins}}
    return Distribution(f"floe-{plugins[0]}", "0.1.0", claims, modules)
