"""Scans that cannot see every distribution while a block runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.distributions import Environment


@contextmanager
def hidden(environment: Environment, distribution: str) -> Iterator[None]:
    """Replace a distribution with an unreadable distribution of the same name; restore it afterwards.

    Its folder is moved and not changed, because a new modification time would make it another release.
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
