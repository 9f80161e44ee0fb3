"""Where credentials are read: the files that kubectl would read, or those that every pod has.

Each source is read anew each time. Telling when that is due is left to others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from floe_operator.api.errors import why
from floe_operator.rules.kubeconfig import Chosen, KubeconfigError, chosen
from floe_operator.rules.kubeconfig_fields import Cluster, User
from floe_operator.settings import SERVICE_ACCOUNT

_NOT_FOUND = (FileNotFoundError, NotADirectoryError)
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Source(Protocol):
    """Where the context in use is read."""

    @property
    def files(self) -> Sequence[Path]:
        """The files that are read, whether they exist or not; not those that they refer to."""

    def load(self) -> Chosen:
        """Return the context in use.

        Raises:
            KubeconfigError: It cannot be used; the message says why.
        """


class Kubeconfig:
    """The kubeconfig files; the context in use stays the one of the first time."""

    def __init__(self) -> None:
        self._named = os.environ.get("KUBECONFIG") or "~/.kube/config"
        try:
            paths = [Path(name).expanduser().absolute() for name in self._named.split(os.pathsep) if name]
        except RuntimeError:
            raise KubeconfigError("the home folder is not known: set KUBECONFIG to the file to use") from None
        self.files: Sequence[Path] = paths
        self._context = ""

    def load(self) -> Chosen:
        """Return the context in use; see `Source`."""
        found = [(path, text) for path in self.files if (text := _text(path)) is not None]
        if not found:
            raise KubeconfigError(
                f"the file {self._named} does not exist, and this process does not run in a pod"
            )
        context = chosen([(path, _yaml(path, text)) for path, text in found], self._context)
        self._context = context.context
        return context


class InCluster:
    """The ServiceAccount of the pod that this process runs in, as a context."""

    files: Sequence[Path] = ()

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def load(self) -> Chosen:
        """Return the context; see `Source`."""
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not host or not port:
            raise KubeconfigError("KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set in this pod")
        cluster = Cluster.model_validate(
            {
                "server": f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
                "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt"),
            }
        )
        user = User.model_validate({"tokenFile": str(SERVICE_ACCOUNT / "token")})
        return Chosen("in-cluster", cluster, user, self._namespace)


def states(paths: Iterable[Path]) -> tuple[object, ...]:
    """Return what tells one state of these files from another."""
    return tuple(map(_state, paths))


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _text(path: Path) -> str | None:
    """Return the content of a file, or None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except _NOT_FOUND:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"cannot read {path}: {why(error)}") from None


def _yaml(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- it is a safe loader
    except yaml.MarkedYAMLError as error:  # its own words quote the file, which may hold secrets
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise KubeconfigError(f"{path} is not YAML: {where}{error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError) as error:
        raise KubeconfigError(f"{path} is not YAML ({type(error).__name__})") from None
