"""Checks that every installed floe-core has the version that runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from floe_core._finding.distribution import FoundDistribution
from floe_core._version import __version__

OURS = "floe-core"
_MOST_NAMED = 5
_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - importing pathlib takes longer than a scan


def fault_of(installed: Sequence[FoundDistribution]) -> str:
    """Return what is wrong with the distributions named floe-core, or an empty text; none at all is fine.

    Another project has the same name on the public index, and a broken upgrade leaves two versions behind.
    """
    versions = [each.identity().version for each in installed]
    if set(versions) <= {__version__}:
        return ""
    named = [
        f"{version or 'an unknown version'} in {each.location or '.'}"
        for version, each in zip(versions, installed, strict=True)
    ]
    places = " and ".join(named[:_MOST_NAMED]) + (", and more" if len(named) > _MOST_NAMED else "")
    return (
        f"the code in {_PACKAGE} is floe-core {__version__}, but the metadata on the path says {places}: "
        "uninstall floe-core until none is left, or take those folders off the path, "
        f"then install floe-core {__version__} from its checkout or its wheel, not by name"
    )
