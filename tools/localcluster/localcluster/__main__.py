"""`python -m localcluster`: start a control plane from a terminal, or only build its binaries."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from localcluster.binaries import (
    CONTROL_PLANE,
    CONTROLLER_MANAGER,
    DEFAULT_VERSION,
    available_versions,
    find_binaries,
)
from localcluster.cluster import LocalCluster
from localcluster.errors import LocalClusterError

DESCRIPTION = """\
A Kubernetes control plane (etcd and kube-apiserver) on loopback. Its binaries are taken from the
folder in KUBEBUILDER_ASSETS or, if that is not set, built once from pinned Go modules into the
user's cache (XDG_CACHE_HOME, by default ~/.cache), which takes a few minutes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parsed = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        if parsed.command == "up":
            _up(parsed)
        else:
            folder = find_binaries(_wanted(parsed), parsed.version)
            print(
                f"export KUBEBUILDER_ASSETS={shlex.quote(str(folder))}" if parsed.command == "env" else folder
            )
    except KeyboardInterrupt:
        # This is how `up` ends; the other commands were interrupted.
        return 0 if parsed.command == "up" else 128 + signal.SIGINT
    except LocalClusterError as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localcluster", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--version",
        metavar="MINOR",
        choices=available_versions(),
        help=f"Kubernetes version: {', '.join(available_versions())} "
        f"(default: {DEFAULT_VERSION}, or whatever KUBEBUILDER_ASSETS has)",
    )
    common.add_argument(
        "--controller-manager",
        action="store_true",
        help="include kube-controller-manager: namespaces can be deleted and get a ServiceAccount, "
        "and owned objects are garbage-collected",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", parents=[common], help="start a control plane; Ctrl-C stops it")
    up.add_argument("--audit-log", type=Path, metavar="FILE", help="append an audit event for each response")
    up.add_argument(
        "--api-server-flag",
        action="append",
        default=[],
        metavar="FLAG",
        help="additional flag for kube-apiserver, as in --api-server-flag=--v=4 (repeatable)",
    )
    commands.add_parser("build", parents=[common], help="build what is missing; print the folder")
    commands.add_parser(
        "env",
        parents=[common],
        help='build what is missing; print KUBEBUILDER_ASSETS for a shell: eval "$(… env)"',
    )
    return parser


def _up(parsed: argparse.Namespace) -> None:
    with LocalCluster(
        version=parsed.version,
        controller_manager=parsed.controller_manager,
        audit_log=parsed.audit_log,
        api_server_flags=parsed.api_server_flag,
    ) as cluster:
        print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}", flush=True)
        print(
            f"{cluster.url} is ready; logs: {cluster.folder}; kubectl: {cluster.binary('kubectl')}; "
            "Ctrl-C stops it",
            file=sys.stderr,
        )
        cluster.wait()


def _wanted(parsed: argparse.Namespace) -> tuple[str, ...]:
    return (*CONTROL_PLANE, CONTROLLER_MANAGER) if parsed.controller_manager else CONTROL_PLANE


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
