"""Checks that floe-core itself is installed once, in the version that runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from floe_core._finding.distribution import FoundDistribution
from floe_core._version import __version__

OURS = "floe-core"
_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - importing pathlib takes longer than a scan


def fault_of(installed: Sequence[FoundDistribution]) -> str:
    """Return what is wrong with the distributions named floe-core, or an empty text; none at all is fine.

    Another project has the same name on the public index, and a broken upgrade leaves two versions behind.
    """
    versions = [each.name_and_version()[1] for each in installed]
    if set(versions) <= {__version__}:
        return ""
    places = [
        f"{version or 'of an unknown version'} in {each.location}"
        for version, each in zip(versions, installed, strict=True)
    ]
    return (
        f"version {__version__} runs, from {_PACKAGE}, but installed is {' and '.join(places)}: "
        f"uninstall floe-core until none is left, then install {__version__}"
    )
