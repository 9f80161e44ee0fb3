"""Keeps the memory of this process out of core dumps, and from other processes of the same user."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Let no crash leave a core dump, neither a file nor at a program such as systemd-coredump.

    What is written to files in /proc/self, as oom_score_adj is, must be written before: only root can
    afterwards. Programs that are executed from here can be dumped again, but not to files.
    """
    # Inherited by programs. core(5): the kernel does not apply this limit if it pipes dumps to a program.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # PR_SET_DUMPABLE(2const): no core dump of any kind, and no ptrace(2) without a capability.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
