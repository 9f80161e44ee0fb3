"""The command lines of the control plane's components, built from the paths in one cluster's folder; pure.

Every component runs in that folder. The API server reaches etcd through a socket in it, so etcd,
which does not authenticate clients, does not listen on any port.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
SERVICE_NETWORK = "10.0.0.0/24"
KUBERNETES_SERVICE = "10.0.0.1"  # the first address of SERVICE_NETWORK
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc"

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True, slots=True)
class Files:
    """The paths of the files that a cluster's components read and write."""

    folder: Path

    def pki(self, name: str) -> Path:
        return self.folder / "pki" / name

    def log(self, component: str) -> Path:
        return self.folder / f"{component}.log"

    def kubeconfig(self, user: str) -> Path:
        return self.folder / "kubeconfigs" / f"{user}.json"

    @property
    def audit_policy(self) -> Path:
        return self.folder / "audit-policy.yaml"


def etcd(files: Files) -> list[str]:
    """Return the flags of etcd."""
    # Relative to the folder: a socket's path cannot be longer than about 100 bytes.
    client, peer = "unix://etcd.sock", "unix://etcd-peer.sock"
    return [
        f"--data-dir={files.folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def kube_apiserver(files: Files, port: int, audit_log: Path | None) -> list[str]:
    """Return the flags of kube-apiserver; admission, priority and fairness, and so on keep their defaults."""
    flags = [
        "--etcd-servers=unix://etcd.sock",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        "--permit-port-sharing",  # with the socket that reserves the port while the server is down
        f"--advertise-address={HOST}",
        "--endpoint-reconciler-type=none",  # an EndpointSlice must not contain a loopback address
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--allow-privileged",  # as kubeadm does
        "--authorization-mode=RBAC",
        f"--client-ca-file={files.pki('ca.crt')}",
        f"--tls-cert-file={files.pki('apiserver.crt')}",
        f"--tls-private-key-file={files.pki('apiserver.key')}",
        f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        f"--service-account-key-file={files.pki('sa.pub')}",
        f"--service-account-signing-key-file={files.pki('sa.key')}",
        "--profiling=false",
    ]
    if audit_log is not None:
        flags += [
            f"--audit-policy-file={files.audit_policy}",
            f"--audit-log-path={audit_log}",
            "--audit-log-mode=blocking",  # an event is in the file before the response is sent
            "--audit-log-maxsize=100000",  # MB; keeps one file, however long the test runs
        ]
    return flags


def kube_controller_manager(files: Files, kubeconfig: Path) -> list[str]:
    """Return the flags of kube-controller-manager."""
    return [
        f"--kubeconfig={kubeconfig}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={files.pki('sa.key')}",
        f"--root-ca-file={files.pki('ca.crt')}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
