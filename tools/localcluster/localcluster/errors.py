"""The errors of this package; all of them are LocalClusterErrors.

LocalClusterError
├── MissingBinary      a binary is missing from the folder KUBEBUILDER_ASSETS, or does not work
├── VersionMismatch    KUBEBUILDER_ASSETS has a different Kubernetes than requested
├── UnknownVersion     no Go modules for this Kubernetes version
├── ToolchainError     no Go is new enough, and none could be installed
├── BuildError         the Go build failed
├── StartError         a component ended, or was not ready in time
├── KubectlError       kubectl failed
└── DeadlineExceeded   wait_until gave up
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class LocalClusterError(Exception):
    """Base class of every error this package raises on purpose."""


class MissingBinary(LocalClusterError):
    """A binary is missing from the folder KUBEBUILDER_ASSETS, or does not work."""


class VersionMismatch(LocalClusterError):
    """The folder KUBEBUILDER_ASSETS has a different version of Kubernetes than requested."""


class UnknownVersion(LocalClusterError):
    """This package has no Go modules for the requested Kubernetes version."""


class ToolchainError(LocalClusterError):
    """The Go on PATH is missing or too old, and none could be installed."""


class BuildError(LocalClusterError):
    """The Go build failed; the message ends with the last lines of its output."""


class StartError(LocalClusterError):
    """A component ended or was not ready in time; the message ends with the last lines of its log."""


class KubectlError(LocalClusterError):
    """A kubectl command failed."""

    def __init__(self, args: Sequence[str], returncode: int, stdout: str, stderr: str) -> None:
        said = stderr.strip() or stdout.strip()
        super().__init__(f"kubectl {shlex.join(args)}: exit status {returncode}: {said}")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class DeadlineExceeded(LocalClusterError):
    """What was waited for did not happen in time; the message contains what was last seen."""
