"""The operator's images under test: built from this repository, each with different plugins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kind.commands import run
from tests.kind.machine import Machine
from tests.support.distributions import Distribution

REPOSITORY = Path(__file__).parents[2]
EXAMPLE_PLUGINS = " ".join(
    [
        *(
            f"./{folder.relative_to(REPOSITORY)}"
            for folder in sorted((REPOSITORY / "examples" / "plugins").iterdir())
            if folder.is_dir()
        ),
        "floe-core>=0.1,<0.2",
    ]
)
"""The value of the build argument PLUGINS: folders, and a specifier that needs no index."""

_BUILD_SECONDS = 900.0
# As docs/install.md shows it.
_ADDED = """\
FROM {base}
COPY wheels /wheels
USER root
RUN pip install --no-index /wheels/*.whl
USER 65532:65532
"""


@dataclass(frozen=True)
class Image:
    """An image that docker has."""

    docker: str
    name: str

    def run(self, *arguments: str, entrypoint: str | None = None, options: Sequence[str] = ()) -> str:
        """Return what a container of the image prints, with nothing writable and no network."""
        entry = ["--entrypoint", entrypoint] if entrypoint else []
        sandbox = ["--rm", "--read-only", "--network=none"]
        return run(self.docker, "run", *sandbox, *options, *entry, self.name, *arguments)

    def shell(self, script: str, *options: str) -> str:
        """Return what a shell script prints in the image."""
        return self.run("-c", script, entrypoint="sh", options=options)

    def inspect(self) -> dict[str, Any]:
        """Return docker's description of the image."""
        found: list[dict[str, Any]] = json.loads(run(self.docker, "image", "inspect", self.name))
        return found[0]


@dataclass(frozen=True)
class Images:
    """All images that the tests need."""

    bare: Image
    """No plugins."""
    examples: Image
    """The plugins of examples/plugins, by the build argument."""
    other: Image
    """One other plugin, added to the bare image."""
    forking: Image
    """A plugin that leaves processes behind."""
    crashing: Image
    """Plugins that each end their process when they are imported."""

    @property
    def names(self) -> list[str]:
        every = (self.bare, self.examples, self.other, self.forking, self.crashing)
        return [image.name for image in every]


def build_images(
    machine: Machine,
    folder: Path,
    others: Distribution,
    forking: Distribution,
    crashing: Sequence[Distribution],
) -> Images:
    """Build the images; docker's cache makes the second time short."""
    bare = _build(machine, "test", plugins="")
    return Images(
        bare=bare,
        examples=_build(machine, "test-examples", plugins=EXAMPLE_PLUGINS),
        other=add_plugins(bare, "test-other", folder / "other", [others]),
        forking=add_plugins(bare, "test-forking", folder / "forking", [forking]),
        crashing=add_plugins(bare, "test-crashing", folder / "crashing", crashing),
    )


def add_plugins(base: Image, tag: str, folder: Path, distributions: Sequence[Distribution]) -> Image:
    """Build an image with plugins on top of another image."""
    for distribution in distributions:
        distribution.build(folder / "wheels")
    (folder / "Dockerfile").write_text(_ADDED.format(base=base.name))
    name = f"floe-operator:{tag}"
    run(base.docker, "build", "--force-rm", "--tag", name, folder, timeout=_BUILD_SECONDS)
    return Image(base.docker, name)


def _build(machine: Machine, tag: str, *, plugins: str) -> Image:
    base = ["--build-arg", f"BASE_IMAGE={machine.base_image}"] if machine.base_image else []
    labels = ["--build-arg", "VERSION=0.0.0+test", "--build-arg", "REVISION=none"]
    name = f"floe-operator:{tag}"
    arguments = ["--build-arg", f"PLUGINS={plugins}", "--tag", name]
    run(machine.docker, "build", "--force-rm", *base, *labels, *arguments, REPOSITORY, timeout=_BUILD_SECONDS)
    return Image(machine.docker, name)
