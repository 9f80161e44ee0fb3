"""The credentials in use, kept up to date: read again when their files change, expire or are rejected.

Nothing is half-kept: what cannot be read whole leaves the credentials of before in use. Sending requests is
left to others.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from floe_operator.api import credential_plugin, errors
from floe_operator.api.credential_files import InCluster, Kubeconfig, Source, states
from floe_operator.api.credentials import Credentials, Issued, credentials, referenced
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.kubeconfig import Chosen, KubeconfigError, cannot_replace
from floe_operator.rules.kubeconfig_fields import Cluster, Exec
from floe_operator.said import Said
from floe_operator.settings import service_account_namespace

_LOOK_SECONDS = 10.0
"""Seconds between two looks at the files."""
_SETTLE_SECONDS = 1.0
"""Seconds for which changed files must stay as they are before they are read: they may be half-written."""
_MOST_CHANGES = 10
"""How often files may change while they are waited for."""
_PAUSES = Backoff(first=2.0, longest=20.0)
"""How long credentials that were just read are not read again, whoever rejects them."""
_CALM_SECONDS = 60.0
"""Seconds after which a rejection is a new one, whatever was rejected before."""
_EARLY_SECONDS = 40.0
"""Seconds before the end of their validity when credentials are renewed: more than a credential plugin gets
and a look takes."""

_log = structlog.get_logger(__name__)


class Login:
    """The credentials of one process."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._chosen: Chosen | None = None
        self._seen: tuple[object, ...] = ()
        """The files' states when they were last read."""
        self._files = [*source.files]
        self._look_at = 0.0
        self._read_at = 0.0
        self._rejections = 0
        """How often in a row credentials were rejected soon after they were read."""
        self._issued: tuple[Exec, Cluster, Issued] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said: Said[str] = Said()
        self._current: Credentials | None = None
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

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context or of the pod's ServiceAccount."""
        return self._chosen.namespace if self._chosen is not None else "default"

    @property
    def awaited(self) -> str:
        """What requests wait for because it brings new credentials, for users; empty if nothing is."""
        if self._reading is None or not (self.refused_since or self._expires_within(0.0)):
            return ""
        program = self._chosen.user.exec if self._chosen is not None else None
        return f"the credential plugin {program.command}" if program is not None else "the credentials' files"

    async def begin(self) -> None:
        """Read the credentials for the first time.

        Raises:
            KubeconfigError: They cannot be used; the message says why.
        """
        await self._read()

    async def fresh(self) -> Credentials:
        """Return the credentials in use; they are read again if their files have changed or they expire soon.

        Only whoever would get expired ones waits for that.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            if states(self._files) != self._seen or self._expires_within(_EARLY_SECONDS):
                self._read_in_background()
        if self._reading is not None and self._expires_within(0.0):
            await asyncio.shield(self._reading)
        return self.current

    async def renew(self, rejected: Credentials) -> Credentials:
        """Read the credentials again because these were rejected, unless that was done just now.

        Return the newest credentials: the rejected ones if there are no others.
        """
        if self.current is not rejected:
            return self.current
        if self._reading is None:
            since = time.monotonic() - self._read_at
            if since < _PAUSES.after(self._rejections + 1):
                return self.current
            self._rejections = self._rejections + 1 if since < _CALM_SECONDS else 1
        self._issued = None  # whatever a plugin issued was rejected
        await asyncio.shield(self._read_in_background())
        return self.current

    def accepted(self) -> None:
        """Note that the API server accepted the credentials."""
        self.refused_since = None

    def refused(self) -> None:
        """Note that the API server refused the credentials."""
        if self.refused_since is None:
            self.refused_since = time.monotonic()

    def _expires_within(self, seconds: float) -> bool:
        expires_at = self.current.expires_at
        return expires_at is not None and time.time() >= expires_at - seconds

    def _read_in_background(self) -> asyncio.Task[None]:
        """Read the credentials; if that fails, say so and keep those of before.

        Whoever asks meanwhile gets the same attempt, which goes on if one of them gives up.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._try_to_read(), name="read credentials")
            self._reading.add_done_callback(self._has_read)
        return self._reading

    def _has_read(self, _: object) -> None:
        self._reading = None

    async def _try_to_read(self) -> None:
        try:
            await self._settled()
            await self._read()
        except Exception as error:  # noqa: BLE001 -- whatever is in the files, those of before go on
            self.fault = _words(error)
            if self._said.is_new("fault", self.fault):
                reason = f"{self.fault}{_output(error)}"
                _log.warning("cannot read the credentials again, keeping those of before", reason=reason)
        else:
            self.fault = ""
            self._said.is_over("fault")
        finally:
            self._read_at = time.monotonic()

    async def _settled(self) -> None:
        """Wait until files that have changed are no longer being written."""
        before = self._seen
        for _ in range(_MOST_CHANGES):
            now = states(self._files)
            if now == before:
                return
            before = now
            await asyncio.sleep(_SETTLE_SECONDS)
        raise KubeconfigError("the files change all the time")

    async def _read(self) -> None:
        """Read the context, its files and, if need be, what its credential plugin issues."""
        # States are looked at before the files are read: what changes meanwhile is noticed at the next look.
        own = states(self._source.files)
        found = self._source.load()
        if states(self._source.files) != own:
            raise KubeconfigError("the files are being written")
        if self._chosen is not None and (fault := cannot_replace(self._chosen, found)):
            raise KubeconfigError(fault)
        used = referenced(found)
        seen = (*own, *states(used))
        issued = await self._issue(found)
        made = credentials(found, issued)
        # Only now: what cannot be used is not kept, and is asked for again.
        if found.user.exec is not None and issued is not None:
            self._issued = found.user.exec, found.cluster, issued
        self._chosen, self._files, self._seen = found, [*self._source.files, *used], seen
        if made != self._current:
            if self._current is not None:
                reconnects = made.transport != self._current.transport
                _log.info("the credentials were renewed", reconnects=reconnects)
            self._current = made

    async def _issue(self, found: Chosen) -> Issued | None:
        program = found.user.exec
        if program is None:
            return None
        if self._issued is not None and self._issued[:2] == (program, found.cluster):
            expires_at = self._issued[2].expires_at
            if expires_at is None or time.time() < expires_at - _EARLY_SECONDS:
                return self._issued[2]
        return await credential_plugin.issue(program, found.cluster)


async def login() -> Login:
    """Return the credentials of the pod's ServiceAccount or of the kubeconfig.

    Raises:
        ClusterConfigError: There are none, or they cannot be used.
    """
    namespace = service_account_namespace()
    hint = "" if namespace is not None else " (KUBECONFIG names the file to use)"
    try:
        made = Login(InCluster(namespace) if namespace is not None else Kubeconfig())
        await made.begin()
    except Exception as error:  # noqa: BLE001 -- a damaged file can make a reader raise anything
        reason = f"{_words(error)}{_output(error)}"
        raise errors.ClusterConfigError(f"no usable cluster configuration: {reason}{hint}") from None
    return made


def _words(error: Exception) -> str:
    """Return what an error says; the text of one that is not ours might quote a secret."""
    return str(error) if isinstance(error, KubeconfigError) else f"it cannot be read ({type(error).__name__})"


def _output(error: Exception) -> str:
    """Return what a credential plugin said, to be read after the error."""
    return f": {error.output}" if isinstance(error, KubeconfigError) and error.output else ""
