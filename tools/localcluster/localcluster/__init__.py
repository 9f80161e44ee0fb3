"""A Kubernetes control plane on loopback, for developing and testing operators.

    with LocalCluster() as cluster:
        cluster.kubectl("create", "namespace", "demo")

etcd, kube-apiserver and kubectl are built once from pinned Go modules into the user's cache, or
taken from the folder in KUBEBUILDER_ASSETS. There are no nodes: objects are stored, validated,
authorized and watched as in any cluster, but no Pod ever runs.
"""

from localcluster.cluster import LocalCluster
from localcluster.errors import (
    BuildError,
    DeadlineExceeded,
    KubectlError,
    LocalClusterError,
    MissingBinary,
    StartError,
    ToolchainError,
    UnknownVersion,
    VersionMismatch,
)
from localcluster.polling import wait_until

__all__ = [
    "BuildError",
    "DeadlineExceeded",
    "KubectlError",
    "LocalCluster",
    "LocalClusterError",
    "MissingBinary",
    "StartError",
    "ToolchainError",
    "UnknownVersion",
    "VersionMismatch",
    "wait_until",
]
