"""What Secrets and ConfigMaps contain: read by name, and told apart by a digest.

A new resourceVersion does not mean new contents: labels and annotations change it, too. So what is known of a
source is the digest of its contents, keyed by a secret of this process. The contents are not kept.
"""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

from floe_operator.api.sources import Sources
from floe_operator.rules.config_merge import Absent, Contents, Denied, SourceObject


class _Read(NamedTuple):
    version: str
    """The resourceVersion known before the contents were read, which may be newer."""
    digest: bytes


class SourceContents:
    """The contents of the Secrets and ConfigMaps that objects refer to."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._salt = os.urandom(16)
        self._reads: dict[SourceObject, _Read] = {}

    async def read(self, source: SourceObject) -> tuple[Contents, bytes]:
        """Return what the source contains now, and the digest of it.

        Raises:
            ClusterError: The API server did not answer.
        """
        version = self._sources.version(source)
        contents = await self._sources.read(source)
        digest = self._digest(contents)
        if version is None:
            self._reads.pop(source, None)
        else:
            self._reads[source] = _Read(version, digest)
        return contents, digest

    def digest(self, source: SourceObject) -> bytes | None:
        """Return the digest of what the source contains, or None if that must be read to be known."""
        version, read = self._sources.version(source), self._reads.get(source)
        return read.digest if read is not None and read.version == version else None

    def forget(self, source: SourceObject) -> None:
        """Forget a source to which no object refers."""
        self._reads.pop(source, None)

    def _digest(self, contents: Contents) -> bytes:
        made = hashlib.blake2b(key=self._salt)
        if isinstance(contents, Absent | Denied):
            made.update(type(contents).__name__.encode())
            return made.digest()
        for key in sorted(contents):
            for part in (key.encode("utf-8", "surrogatepass"), contents[key]):
                made.update(len(part).to_bytes(8, "big") + part)
        return made.digest()
