"""What a result was measured on and with."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.side_by_side.contestants import PEER
from floe_core import __version__
from localcluster import LocalCluster
from localcluster.toolchain import find_go, go_version

_REPOSITORY = Path(__file__).parents[2]
_GIB = 1024 * 1024


def facts(cluster: LocalCluster) -> Mapping[str, str]:
    """Return what a reader has to know of the machine, the commit and the versions, by name."""
    server = re.search(r"Server Version: v(\S+)", cluster.kubectl("version"))
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _git("rev-parse", "--short=12", "HEAD") + (" with changes" if _git("status", "-s") else ""),
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / _GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Kubernetes": server[1] if server else "unknown",
        "floe": __version__,
        "Python": platform.python_version(),
        "kopf": version("kopf"),
        "Go": ".".join(map(str, go_version(find_go(())))),
        "controller-runtime": _pinned("sigs.k8s.io/controller-runtime"),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=_REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _first(path: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.+)$", Path(path).read_text(), re.MULTILINE)
    return found[1] if found else "0 unknown"


def _pinned(module: str) -> str:
    found = re.search(rf"^\s*{re.escape(module)} v(\S+)", (PEER / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"
