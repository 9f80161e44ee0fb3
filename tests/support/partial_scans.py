"""Scans that cannot see everything, for the length of a block."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.distributions import Environment


@contextmanager
def hidden(environment: Environment, distribution: str) -> Iterator[None]:
    """A distribution is not there, but one of its name that cannot be read; afterwards it is as it was.

    Its own folder is moved and not changed, for its time of change would make it another release.
    """
    (folder,) = environment.site_packages.glob(f"{distribution}-*.dist-info")
    damaged = environment.site_packages / f"{distribution}-0.0.dist-info"
    (damaged / "entry_points.txt").mkdir(parents=True)
    aside = folder.rename(environment.folder / folder.name)
    try:
        yield
    finally:
        aside.rename(folder)
        shutil.rmtree(damaged)
