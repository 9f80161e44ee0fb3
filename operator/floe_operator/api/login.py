"""The credentials in use, kept up to date: read again when their files change, expire or are rejected.

Nothing is half-kept: what cannot be read whole leaves the credentials of before in use. Requests are left to
`session`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
import yaml

from floe_operator.api import credential_plugin, errors
from floe_operator.api.credentials import Credentials, Issued, credentials, referenced
from floe_operator.rules.kubeconfig import Chosen, Cluster, Exec, KubeconfigError, User, chosen
from floe_operator.said import Said
from floe_operator.settings import SERVICE_ACCOUNT, service_account_namespace

_LOOK_SECONDS = 10.0
"""Seconds between two looks at the files."""
_PAUSE_SECONDS = 2.0
"""Seconds for which credentials that were just read are not read again, whoever rejects them."""
_EARLY_SECONDS = 10.0
"""Seconds before the end of their validity when credentials are renewed."""

_log = structlog.get_logger(__name__)


class Login:
    """The credentials of one process; `load` reads the context in use."""

    def __init__(self, load: Callable[[], tuple[Chosen, Sequence[Path]]]) -> None:
        self._load = load
        self._files: Sequence[Path] = ()
        self._seen: tuple[object, ...] = ()
        self._look_at = 0.0
        self._read_at = 0.0
        self._issued: tuple[Exec, Cluster, Issued] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: Said[str] = Said()
        self._current: Credentials | None = None
        self.namespace = "default"
        """The namespace of the kubeconfig's context or of the pod's ServiceAccount."""
        self.fault = ""
        """Why the credentials could not be read again the last time; empty if they could."""
        self.refused_since: float | None = None
        """Since when no request was accepted with these credentials, in seconds of the monotonic clock."""

    @property
    def current(self) -> Credentials:
        """The credentials as last read."""
        if self._current is None:
            raise RuntimeError("the credentials have not been read yet")
        return self._current

    async def begin(self) -> None:
        """Read the credentials for the first time.

        Raises:
            KubeconfigError: They cannot be used; the message says why.
        """
        await self._read(again=False)

    async def fresh(self) -> Credentials:
        """Return the credentials, read again if their files have changed or they are about to expire."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            if self._look() != self._seen or self._expires():
                await self._read_once(again=False)
        return self.current

    async def renew(self, rejected: Credentials) -> Credentials:
        """Read the credentials again because these were rejected, unless that was done just now.

        Return the newest credentials: the rejected ones if there are no others.
        """
        if self.current is rejected and time.monotonic() - self._read_at >= _PAUSE_SECONDS:
            await self._read_once(again=True)
        return self.current

    def accepted(self) -> None:
        """Note that the API server accepted the credentials."""
        self.refused_since = None

    def refused(self) -> None:
        """Note that the API server refused the credentials."""
        if self.refused_since is None:
            self.refused_since = time.monotonic()

    def _expires(self) -> bool:
        expires_at = self.current.expires_at
        return expires_at is not None and time.time() >= expires_at - _EARLY_SECONDS

    def _look(self) -> tuple[object, ...]:
        """Return what tells one state of the files from another."""
        return tuple(_state(path) for path in self._files)

    async def _read_once(self, *, again: bool) -> None:
        """Read the credentials; if that fails, say so and keep those of before.

        Whoever asks meanwhile waits for the same attempt, which goes on if one of them gives up.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._try_to_read(again=again), name="read credentials")
            self._reading.add_done_callback(self._has_read)
        await asyncio.shield(self._reading)

    def _has_read(self, _: object) -> None:
        self._reading = None

    async def _try_to_read(self, *, again: bool) -> None:
        try:
            await self._read(again=again)
        except Exception as error:  # noqa: BLE001 -- whatever is in the files, those of before go on
            self.fault = _words(error)
            if self._said.is_new("fault", self.fault):
                _log.warning("cannot read the credentials again, keeping those of before", reason=self.fault)
        else:
            self.fault = ""
            self._said.is_over("fault")
        finally:
            self._read_at = time.monotonic()

    async def _read(self, *, again: bool) -> None:
        """Read the context, its files and, if need be, what its credential plugin issues."""
        found, files = self._load()
        self._files = [*files, *referenced(found)]
        seen = self._look()
        made = credentials(found, await self._issue(found, again=again))
        self.namespace = found.namespace
        # A file that changed meanwhile is noticed at the next look.
        self._seen = seen
        if made != self._current:
            if self._current is not None:
                _log.info("the credentials were renewed", transport=made.transport != self._current.transport)
            self._current = made

    async def _issue(self, found: Chosen, *, again: bool) -> Issued | None:
        program = found.user.exec
        if program is None:
            return None
        if not again and self._issued is not None and self._issued[:2] == (program, found.cluster):
            expires_at = self._issued[2].expires_at
            if expires_at is None or time.time() < expires_at - _EARLY_SECONDS:
                return self._issued[2]
        issued = await credential_plugin.issue(program, found.cluster)
        self._issued = program, found.cluster, issued
        return issued


async def login() -> Login:
    """Return the credentials of the pod's ServiceAccount or of the kubeconfig.

    Raises:
        ClusterConfigError: There are none, or they cannot be used.
    """
    namespace = service_account_namespace()
    hint = "" if namespace is not None else " (KUBECONFIG names the file to use; `kubectl version` tests it)"
    try:
        made = Login((lambda: (_in_cluster(namespace), ())) if namespace is not None else _Kubeconfig().load)
        await made.begin()
    except Exception as error:  # noqa: BLE001 -- a damaged file can make a reader raise anything
        raise errors.ClusterConfigError(f"no usable cluster configuration: {_words(error)}{hint}") from None
    return made


def _words(error: Exception) -> str:
    """Return what an error says; the text of one that is not ours might quote a secret."""
    return str(error) if isinstance(error, KubeconfigError) else f"it cannot be read ({type(error).__name__})"


class _Kubeconfig:
    """The files that kubectl would read, and the context in use, which stays the one of the start."""

    def __init__(self) -> None:
        named = os.environ.get("KUBECONFIG") or "~/.kube/config"
        self._named = named
        self._paths = [Path(name).expanduser() for name in named.split(os.pathsep) if name]
        self._context = ""

    def load(self) -> tuple[Chosen, Sequence[Path]]:
        """Return the context and the files it came from.

        Raises:
            KubeconfigError: There is no such file, or it cannot be used.
        """
        found = [(path.absolute(), _yaml(path)) for path in self._paths if path.exists()]
        if not found:
            raise KubeconfigError(
                f"the file {self._named} does not exist, and this process does not run in a pod"
            )
        context = chosen(found, self._context)
        self._context = context.context
        return context, [path for path, _ in found]


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 -- it is a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"cannot read {path}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise KubeconfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _in_cluster(namespace: str) -> Chosen:
    """Return the pod's ServiceAccount, written like a context of a kubeconfig."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise KubeconfigError("KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set in this pod")
    cluster = Cluster.model_validate(
        {
            "server": f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            "certificate-authority": str(SERVICE_ACCOUNT / "ca.crt"),
        }
    )
    user = User.model_validate({"tokenFile": str(SERVICE_ACCOUNT / "token")})
    return Chosen("in-cluster", cluster, user, namespace)


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
