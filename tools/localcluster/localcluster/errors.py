"""What can go wrong, all of it a LocalClusterError.

LocalClusterError
├── MissingBinary      KUBEBUILDER_ASSETS names a folder that lacks a binary
├── VersionMismatch    KUBEBUILDER_ASSETS has another Kubernetes than was asked for
├── UnknownVersion     no Go modules for this Kubernetes version
├── ToolchainError     no new enough Go, and none could be installed
├── BuildError         the Go build failed
├── StartError         a component ended, or was not ready in time
├── KubectlError       kubectl ended with an error
└── DeadlineExceeded   wait_until gave up
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class LocalClusterError(Exception):
    """The base of every error this package raises on purpose."""


class MissingBinary(LocalClusterError):
    """KUBEBUILDER_ASSETS names a folder that lacks a binary."""


class VersionMismatch(LocalClusterError):
    """KUBEBUILDER_ASSETS names a folder that has another version of Kubernetes than was asked for."""


class UnknownVersion(LocalClusterError):
    """This package has no Go modules for the Kubernetes version asked for."""


class ToolchainError(LocalClusterError):
    """There is no new enough Go on PATH, and none could be installed."""


class BuildError(LocalClusterError):
    """The Go build failed; the message ends with the last lines it printed."""


class StartError(LocalClusterError):
    """A component ended or was not ready in time; the message ends with the last lines of its log."""


class KubectlError(LocalClusterError):
    """kubectl ended with an error."""

    def __init__(self, args: Sequence[str], returncode: int, stdout: str, stderr: str) -> None:
        said = stderr.strip() or stdout.strip()
        super().__init__(f"kubectl {shlex.join(args)}: exit status {returncode}: {said}")
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class DeadlineExceeded(LocalClusterError):
    """What was waited for did not happen in time; the message tells what was last seen."""
