"""Credentials that rotate under a leader and a standby, on an API server that really refuses the old ones."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from localcluster import LocalCluster
from localcluster.binaries import DEFAULT_VERSION
from localcluster.certificates import CertificateAuthority, KeyPair
from tests.support.control_planes import install_crd, new_namespace, write_kubeconfig
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually
from tests.support.tcp_proxy import TcpProxy

NAME = "rotating.example"
"""The name under which the API server shows a certificate of its own to those who ask for it."""
RARELY = ("--scan-interval", "1h")
"""Scans list the objects, too; with these flags only the watch brings changes."""
WITHIN = 30.0


@dataclass(frozen=True)
class Server:
    """A control plane whose serving certificate and authorities of clients tests replace."""

    cluster: LocalCluster
    folder: Path
    proxy: TcpProxy
    clients: bytes
    """The authority of the administrators, who must go on being accepted."""

    def show(self, pair: KeyPair) -> None:
        """Show another certificate to connections that begin from now on."""
        write_pair(self.folder, "server", pair)
        eventually(
            lambda: self._shown() == pair.certificate, within=90, saying="the API server reads its files"
        )

    def _shown(self) -> bytes:
        """Return the certificate that the API server shows."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.proxy.port)) as connection,
            context.wrap_socket(connection, server_hostname=NAME) as wrapped,
        ):
            shown = wrapped.getpeercert(binary_form=True)
        assert shown is not None
        return ssl.DER_cert_to_PEM_cert(shown).encode()

    def accept(self, authority: CertificateAuthority) -> None:
        """Accept only this authority's clients from now on, beside the administrators."""
        bundle = self.cluster.folder / "pki" / "ca.crt"
        replace(bundle, self.clients + authority.certificate)


def replace(path: Path, content: bytes) -> None:
    """Replace a file at once, as a kubelet does."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.rename(path)


def write_pair(folder: Path, name: str, pair: KeyPair) -> dict[str, str]:
    replace(folder / f"{name}.key", pair.key)
    replace(folder / f"{name}.crt", pair.certificate)
    return {"client-certificate": str(folder / f"{name}.crt"), "client-key": str(folder / f"{name}.key")}


def serving(authority: CertificateAuthority) -> KeyPair:
    return authority.issue_server([NAME], ["127.0.0.1"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rotation")
    write_pair(folder, "server", serving(CertificateAuthority()))
    flags = [f"--tls-sni-cert-key={folder}/server.crt,{folder}/server.key:{NAME}"]
    version = os.environ.get("FLOE_KUBERNETES", DEFAULT_VERSION)
    with LocalCluster(version=version, api_server_flags=flags) as cluster:
        install_crd(cluster)
        port = urlsplit(cluster.url).port
        assert port is not None
        with TcpProxy("127.0.0.1", port) as proxy:
            yield Server(cluster, folder, proxy, cluster.certificate_authority.read_bytes())


class Rotating:
    """A leader, a standby, and the files with their credentials."""

    def __init__(self, server: Server, folder: Path, stack: ExitStack) -> None:
        self.server = server
        self.folder = folder
        self.namespace = new_namespace(server.cluster)
        self.plugins = FloePlugins(server.cluster.kubeconfig, self.namespace)
        self.authority = CertificateAuthority()
        replace(folder / "ca.crt", self.authority.certificate)
        server.show(serving(self.authority))
        self._stack = stack

    def start(self, user: dict[str, Any]) -> None:
        """Start both operators as a user."""
        cluster = {
            "server": f"https://127.0.0.1:{self.server.proxy.port}",
            "certificate-authority": str(self.folder / "ca.crt"),
            "tls-server-name": NAME,
        }
        kubeconfig = write_kubeconfig(self.folder / "kubeconfig", cluster, user)
        environment = Environment.create(self.folder / "plugins")
        environment.install(plugin_distribution("one", config="word: str = 'none'"))
        self.leader, self.standby = (
            OperatorProcess(
                kubeconfig, self.namespace, environment.python, self.folder / f"{name}.log", *RARELY
            )
            for name in ("leader", "standby")
        )
        self._stack.enter_context(self.leader)
        self.plugins.until("compute-one", "Ready", "Ready", within=60)
        self._stack.enter_context(self.standby)
        eventually(lambda: self.standby.logged("standing by") and self.standby.logged("watching FloePlugins"))

    def judges(self, within: float = WITHIN) -> None:
        """Check that a change is judged in time, and so is the one that puts it right."""
        self.plugins.merge("compute-one", {"spec": {"config": {"word": 7}}})
        self.plugins.until("compute-one", "Ready", "ValidationFailed", within=within)
        self.plugins.merge("compute-one", {"spec": {"config": {"word": "seven"}}})
        self.plugins.until("compute-one", "Ready", "Ready")

    def token_of(self, account: str) -> bytes:
        """Return a token of a new ServiceAccount that may do everything."""
        kubectl, namespace = self.server.cluster.kubectl, self.namespace
        kubectl("create", "serviceaccount", account, "-n", namespace)
        subject = f"{namespace}:{account}"
        binding = f"{namespace}-{account}"
        kubectl(
            "create",
            "clusterrolebinding",
            binding,
            "--clusterrole=cluster-admin",
            f"--serviceaccount={subject}",
        )
        return kubectl("create", "token", account, "-n", namespace).encode()


@pytest.fixture
def rotating(server: Server, tmp_path: Path) -> Iterator[Rotating]:
    with ExitStack() as stack:
        yield Rotating(server, tmp_path, stack)


def client_of(rotating: Rotating, authority: CertificateAuthority) -> dict[str, str]:
    return write_pair(rotating.folder, "client", authority.issue_client("robot", ["system:masters"]))


def authority_of_the_server(rotating: Rotating, meanwhile: Callable[[], None]) -> None:
    rotating.authority = CertificateAuthority()
    rotating.server.show(serving(rotating.authority))
    meanwhile()
    replace(rotating.folder / "ca.crt", rotating.authority.certificate)


def client_certificate(rotating: Rotating, meanwhile: Callable[[], None]) -> None:
    authority = CertificateAuthority()
    rotating.server.accept(authority)
    meanwhile()
    client_of(rotating, authority)


def token(rotating: Rotating, meanwhile: Callable[[], None]) -> None:
    following = rotating.token_of("following")
    rotating.server.cluster.kubectl("delete", "serviceaccount", "first", "-n", rotating.namespace)
    meanwhile()
    replace(rotating.folder / "token", following)


def nothing() -> None:
    pass


@pytest.mark.parametrize("connections", ["cut", "kept"])
@pytest.mark.parametrize("rotate", [authority_of_the_server, client_certificate, token])
def test_leader_and_standby_go_on_after_a_rotation_without_a_restart(
    rotating: Rotating, rotate: Callable[[Rotating, Callable[[], None]], None], connections: str
) -> None:
    # Connections that are kept go on with the credentials of before, as far as the API server lets them.
    if rotate is token:
        replace(rotating.folder / "token", rotating.token_of("first"))
        user = {"tokenFile": str(rotating.folder / "token")}
    else:
        authority = CertificateAuthority()
        rotating.server.accept(authority)
        user = client_of(rotating, authority)
    rotating.start(user)
    rotate(rotating, rotating.server.proxy.cut if connections == "cut" else nothing)
    rotating.judges()
    for operator in (rotating.leader, rotating.standby):
        eventually(lambda of=operator: of.logged("the credentials were renewed"))  # type: ignore[misc]
        assert operator.process.poll() is None
    rotating.leader.stop()
    rotating.judges()
