"""LocalCluster: one control plane, from the creation of its folder to its removal.

`binaries` provides the programs, `components` their command lines, and `processes` makes sure that
nothing outlives this process.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from localcluster import components
from localcluster.binaries import CONTROL_PLANE, CONTROLLER_MANAGER, find_binaries
from localcluster.certificates import CertificateAuthority, KeyPair, service_account_keys, write_private
from localcluster.components import HOST, Files
from localcluster.errors import DeadlineExceeded, KubectlError, StartError
from localcluster.folders import OwnedFolder, new_folder
from localcluster.kubeconfig import kubeconfig
from localcluster.polling import wait_until
from localcluster.processes import Process
from localcluster.readiness import ApiServerProbe

_SUPERVISOR_NOTICES = 1.0  # seconds until a supervisor notices that its command was killed
START_WITHIN = 120.0  # seconds; about 5 are usual, more on a busy machine
ADMINISTRATOR = "admin"
ADMINISTRATORS = "system:masters"


class LocalCluster:
    """etcd and kube-apiserver on loopback, with their own files, certificates and users.

    Use it in a `with` statement, or call `start()` and `stop()`. `version` is a minor version of Kubernetes
    ("1.37"); it defaults to the newest, or to whatever KUBEBUILDER_ASSETS has. `audit_log` is a file to which
    the API server appends an audit event for each response; `audit_policy` (a file) says which events it
    writes, by default all of them at level Metadata. With `controller_manager`, namespaces can be deleted,
    each namespace gets its ServiceAccount, and owned objects are garbage-collected. The `..._flags` are
    appended to the components' command lines.

    Every method can raise LocalClusterError; methods that need a started cluster raise RuntimeError if it is
    not started.
    """

    def __init__(
        self,
        *,
        version: str | None = None,
        controller_manager: bool = False,
        audit_log: Path | None = None,
        audit_policy: Path | None = None,
        etcd_flags: Sequence[str] = (),
        api_server_flags: Sequence[str] = (),
        controller_manager_flags: Sequence[str] = (),
    ) -> None:
        self._version = version
        self._with_controller_manager = controller_manager
        self._audit_log = audit_log.absolute() if audit_log else None
        self._audit_policy = audit_policy
        self._flags = {
            "etcd": etcd_flags,
            "kube-apiserver": api_server_flags,
            CONTROLLER_MANAGER: controller_manager_flags,
        }
        self._authority = CertificateAuthority()
        self._processes: dict[str, Process] = {}
        self._binaries: Path | None = None
        self._folder: OwnedFolder | None = None
        self._files: Files | None = None
        self._port: socket.socket | None = None

    @property
    def url(self) -> str:
        """https://127.0.0.1:PORT, unchanged for the cluster's lifetime."""
        if self._port is None:
            raise RuntimeError("the cluster is not started")
        return f"https://{HOST}:{self._port.getsockname()[1]}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig file (group system:masters, which bypasses RBAC)."""
        return self._started.kubeconfig(ADMINISTRATOR)

    @property
    def certificate_authority(self) -> Path:
        """The PEM file of the authority that signed the API server's certificate."""
        return self._started.pki("ca.crt")

    @property
    def folder(self) -> Path:
        """The folder with the cluster's data, logs (COMPONENT.log) and kubeconfigs; `stop` removes it."""
        return self._started.folder

    def kubeconfig_for(self, user: str, *, groups: Sequence[str] = (), namespace: str = "default") -> Path:
        """Return a kubeconfig file for another user, with the permissions RBAC grants to the name and groups.

        `namespace` is the default namespace of its context. A call with the same user replaces the file.
        """
        files = self._started
        content = kubeconfig(
            self.url, self._authority.certificate, user, self._authority.issue_client(user, groups), namespace
        )
        return write_private(files.kubeconfig(user.replace("/", "_")), content)

    def kubectl(self, *args: str, input: str | None = None, kubeconfig: Path | None = None) -> str:  # noqa: A002
        """Run kubectl (by default as the administrator) and return what it prints.

        Raises:
            KubectlError: kubectl failed.
        """
        files = self._started
        outcome = subprocess.run(
            [self.binary("kubectl"), *args],
            input=input,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "KUBECONFIG": str(kubeconfig or self.kubeconfig),
                # kubectl's default cache could hold what an earlier cluster on the same port served.
                "KUBECACHEDIR": str(files.folder / "kubectl"),
            },
        )
        if outcome.returncode != 0:
            raise KubectlError(args, outcome.returncode, outcome.stdout, outcome.stderr)
        return outcome.stdout

    def binary(self, name: str) -> Path:
        """Return the path of "kubectl" or of a component's binary."""
        if self._binaries is None:
            raise RuntimeError("the cluster is not started")
        return self._binaries / name

    def start(self) -> None:
        """Start the cluster and wait until the API server is ready; on failure, stop whatever was started."""
        if self._files is not None:
            raise RuntimeError("the cluster is already started")
        wanted = (*CONTROL_PLANE, CONTROLLER_MANAGER) if self._with_controller_manager else CONTROL_PLANE
        self._binaries = find_binaries(wanted, self._version)
        try:
            self._port = _reserve_port()
            self._folder = new_folder()
            self._files = Files(self._folder.path)
            self._write_files(self._files)
            self.start_etcd()
            self.start_api_server()
            if self._with_controller_manager:
                self.start_controller_manager()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every component and remove the folder. `start` then starts a new cluster."""
        for name in reversed(list(self._processes)):
            self._stop(name, kill=True)  # its data is discarded anyway
        if self._folder is not None:
            self._folder.release()
            self._folder = self._files = None
        if self._port is not None:
            self._port.close()
            self._port = None

    def start_etcd(self) -> None:
        """Start etcd again with the same data, after `stop_etcd` or after it was killed.

        Return immediately; the API server is ready again once it has reached etcd.
        """
        self._run("etcd", components.etcd(self._started), remove_when_abandoned=self.folder)

    def stop_etcd(self, *, kill: bool = False) -> None:
        """Stop etcd, gracefully or as in a crash. The API server cannot answer until etcd starts again."""
        self._stop("etcd", kill=kill)

    def start_api_server(self) -> None:
        """Start the API server again with the same port and data, and wait until it is ready.

        Call it after `stop_api_server`, or after the API server was killed.
        """
        port = int(self.url.rpartition(":")[2])
        self._run("kube-apiserver", components.kube_apiserver(self._started, port, self._audit_log))
        self._wait_for("kube-apiserver", self._probe().ready)

    def stop_api_server(self, *, kill: bool = False) -> None:
        """Stop the API server, gracefully or as in a crash. Connections are refused until it starts again."""
        self._stop("kube-apiserver", kill=kill)

    def start_controller_manager(self) -> None:
        """Start kube-controller-manager, after building it if necessary, and wait until it works."""
        self._binaries = find_binaries((*CONTROL_PLANE, CONTROLLER_MANAGER), self._version)
        own_kubeconfig = self.kubeconfig_for("system:kube-controller-manager")
        self._run(CONTROLLER_MANAGER, components.kube_controller_manager(self._started, own_kubeconfig))
        default_account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait_for(CONTROLLER_MANAGER, lambda: self._probe().found(default_account))

    def stop_controller_manager(self) -> None:
        self._stop(CONTROLLER_MANAGER)

    def wait(self) -> None:
        """Block until a component ends, or forever.

        Raises:
            StartError: A component ended.
        """
        while True:
            self._check_running()
            time.sleep(1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _started(self) -> Files:
        if self._files is None:
            raise RuntimeError("the cluster is not started")
        return self._files

    def _write_files(self, files: Files) -> None:
        files.pki("").mkdir()
        files.kubeconfig("").parent.mkdir()
        files.pki("ca.crt").write_bytes(self._authority.certificate)
        names = ["kubernetes.default.svc", "kubernetes.default", "kubernetes", "localhost"]
        server = self._authority.issue_server(names, [HOST, components.KUBERNETES_SERVICE])
        self._write_pair("apiserver", server)
        administrator = self._authority.issue_client(ADMINISTRATOR, [ADMINISTRATORS])
        self._write_pair(ADMINISTRATOR, administrator)
        private, public = service_account_keys()
        write_private(files.pki("sa.key"), private)
        files.pki("sa.pub").write_bytes(public)
        content = kubeconfig(self.url, self._authority.certificate, ADMINISTRATOR, administrator)
        write_private(files.kubeconfig(ADMINISTRATOR), content)
        policy = self._audit_policy.read_text() if self._audit_policy else components.AUDIT_POLICY
        files.audit_policy.write_text(policy)

    def _write_pair(self, name: str, pair: KeyPair) -> None:
        self._started.pki(f"{name}.crt").write_bytes(pair.certificate)
        write_private(self._started.pki(f"{name}.key"), pair.key)

    def _probe(self) -> ApiServerProbe:
        pki = self._started.pki
        port = int(self.url.rpartition(":")[2])
        certificate, key = pki(f"{ADMINISTRATOR}.crt"), pki(f"{ADMINISTRATOR}.key")
        return ApiServerProbe(HOST, port, pki("ca.crt"), certificate, key)

    def _run(self, name: str, flags: list[str], remove_when_abandoned: Path | None = None) -> None:
        if (present := self._processes.get(name)) and not present.ends_within(_SUPERVISOR_NOTICES):
            raise RuntimeError(f"{name} is already running")
        self._stop(name)  # in case it ended by itself
        self._processes[name] = Process(
            [self.binary(name), *flags, *self._flags[name]],
            log=self._started.log(name),
            cwd=self.folder,
            # The caller's ETCD_*, NOTIFY_SOCKET, proxies and GODEBUG are not meant for the components.
            env={"PATH": os.defpath, "HOME": str(self.folder), "TMPDIR": str(self.folder)},
            remove_when_abandoned=remove_when_abandoned,
        )

    def _wait_for(self, name: str, ready: Callable[[], bool]) -> None:
        def running_and_ready() -> bool:
            self._check_running()
            return ready()

        try:
            wait_until(running_and_ready, f"{name} is ready", timeout=START_WITHIN, interval=0.1)
        except DeadlineExceeded as error:
            raise self._start_error(name, "was not ready in time") from error

    def _check_running(self) -> None:
        for name, process in self._processes.items():
            if (status := process.poll()) is not None:
                raise self._start_error(name, f"ended with exit status {status}")

    def _start_error(self, name: str, what: str) -> StartError:
        process = self._processes[name]
        return StartError(f"{name} {what}; the end of its log:\n{process.last_lines()}")

    def _stop(self, name: str, *, kill: bool = False) -> None:
        if process := self._processes.get(name):
            process.kill() if kill else process.stop()
            del self._processes[name]


def _reserve_port() -> socket.socket:
    """Reserve a loopback port by binding it without listening, so that no other process gets it.

    The API server binds it as well; SO_REUSEPORT allows this for processes of the same user.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((HOST, 0))
    return reserved
