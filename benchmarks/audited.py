"""A control plane whose audit log shows who sent what, for benchmarks that count requests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster import LocalCluster
from tests.support.audit import Audit, received
from tests.support.control_planes import audited, install_crd

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_ALL = ({"level": "Metadata"},)
_NO_WORK = frozenset({"leases", "selfsubjectaccessreviews"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as the API server received it."""

    at: float
    """Unix time, in seconds."""
    user: str
    verb: str
    resource: str
    """The API resource, such as floeplugins or leases; empty if there was none, as for discovery."""
    code: int

    @property
    def is_write(self) -> bool:
        """Whether it writes what only a leader may write: not the Lease itself, nor a query sent by POST."""
        return self.verb in _WRITES and self.resource not in _NO_WORK


@dataclass(frozen=True)
class AuditedCluster:
    """A control plane with the CRD installed, and its audit log."""

    cluster: LocalCluster
    folder: Path
    """For whatever the benchmark needs; deleted with the control plane."""

    def requests(self, users: str) -> list[Request]:
        """Return the requests of all users whose names begin with `users`, in the order received."""
        events = Audit(self.folder / "audit.log").answered(f'"username":"{users}')
        return sorted(map(request_of, events), key=lambda request: request.at)


def request_of(event: Mapping[str, Any]) -> Request:
    """Return the request that an event of the audit log describes."""
    return Request(
        at=received(event),
        user=event["user"]["username"],
        verb=event["verb"],
        resource=(event.get("objectRef") or {}).get("resource", ""),
        code=(event.get("responseStatus") or {}).get("code", 0),
    )


@contextmanager
def audited_cluster(rules: Sequence[Mapping[str, Any]] = _ALL) -> Iterator[AuditedCluster]:
    """Run a control plane that writes what these rules of an audit policy say, by default everything."""
    with tempfile.TemporaryDirectory(prefix="floe-bench-") as temporary:
        folder = Path(temporary)
        with LocalCluster(**audited(folder, rules)) as cluster:
            install_crd(cluster)
            yield AuditedCluster(cluster, folder)
