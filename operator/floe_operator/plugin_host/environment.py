"""The environment variables of a plugin host: the operator's own, without access to the cluster.

Pure. This is tidiness, not a security boundary: a plugin runs as the operator's user and can read its files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OURS = re.compile(r"(KUBERNETES|FLOE)_|KUBECONFIG$", re.IGNORECASE)
_SERVICE_HOST = "_SERVICE_HOST"
_SERVICE_LINK = re.compile(
    r"SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)


def plugin_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return `own` without KUBERNETES_*, KUBECONFIG, FLOE_* and the links Kubernetes makes for Services.

    Names of service links: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    services = {name.removesuffix(_SERVICE_HOST) for name in own if name.endswith(_SERVICE_HOST)}
    return {
        name: value
        for name, value in own.items()
        if not _OURS.match(name) and not _is_service_link(name, services)
    }


def _is_service_link(name: str, services: set[str]) -> bool:
    return any(
        name.startswith(f"{service}_") and _SERVICE_LINK.fullmatch(name, len(service) + 1)
        for service in services
    )
