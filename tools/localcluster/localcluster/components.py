"""The command lines of the control plane's components: pure, from the files of one cluster's folder.

Every component runs in that folder. etcd and the API server meet at a socket in it, so that etcd,
which knows no users, listens on no port at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
SERVICE_NETWORK = "10.0.0.0/24"
KUBERNETES_SERVICE = "10.0.0.1"  # the first address of the network above
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc"

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a cluster keeps what its components read and write."""

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
    # Relative to the folder: a socket's path has about 100 bytes at most.
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
    """What is not named here (admission, priority and fairness, ...) is as it is by default."""
    flags = [
        "--etcd-servers=unix://etcd.sock",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        "--permit-port-sharing",  # with the socket that keeps the port ours while the server is down
        f"--advertise-address={HOST}",
        "--endpoint-reconciler-type=none",  # an EndpointSlice must not hold a loopback address
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--allow-privileged",  # as kubeadm has it
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
            "--audit-log-mode=blocking",  # a request's event is in the file before its response is sent
            "--audit-log-maxsize=100000",  # MB: one file, however long the test
        ]
    return flags


def kube_controller_manager(files: Files, kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={files.pki('sa.key')}",
        f"--root-ca-file={files.pki('ca.crt')}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
