"""Each field of a kubeconfig that is kept changes what is sent, how, or what a credential plugin is told."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from floe_operator.api.credential_plugin import issue
from floe_operator.api.credentials import Credentials, credentials
from floe_operator.rules.kubeconfig import Chosen, KubeconfigError, chosen
from localcluster.certificates import CertificateAuthority
from tests.support.unprivileged import run_unprivileged

AUTHORITY = CertificateAuthority()
PAIR = AUTHORITY.issue_client("jane", [])
VERSION = "client.authentication.k8s.io/v1"
CLUSTER = {"server": "https://api.example"}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def choose(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Chosen:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    return chosen([(folder / "kubeconfig", content)])


def sent(made: Credentials) -> tuple[object, ...]:
    """Return all that a server can notice."""
    return made.transport, made.transport.key, made.transport.proxy_authorization, made.headers


PAIR_DATA = {"client-certificate-data": encoded(PAIR.certificate), "client-key-data": encoded(PAIR.key)}
PAIR_FILES = {"client-certificate": "client.crt", "client-key": "client.key"}
KEPT: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # the field, then a cluster and a user with it, then what they are without it
    ("server", {"server": "https://api.example/path"}, {}, CLUSTER, {}),
    ("tls-server-name", {**CLUSTER, "tls-server-name": "other"}, {}, CLUSTER, {}),
    ("insecure-skip-tls-verify", {**CLUSTER, "insecure-skip-tls-verify": True}, {}, CLUSTER, {}),
    ("certificate-authority", {**CLUSTER, "certificate-authority": "ca.crt"}, {}, CLUSTER, {}),
    (
        "certificate-authority-data",
        {**CLUSTER, "certificate-authority-data": encoded(AUTHORITY.certificate)},
        {},
        CLUSTER,
        {},
    ),
    ("proxy-url", {**CLUSTER, "proxy-url": "http://jane:word@proxy.example"}, {}, CLUSTER, {}),
    ("disable-compression", {**CLUSTER, "disable-compression": True}, {}, CLUSTER, {}),
    ("client-certificate, client-key", CLUSTER, PAIR_FILES, CLUSTER, {}),
    ("client-certificate-data, client-key-data", CLUSTER, PAIR_DATA, CLUSTER, {}),
    ("token", CLUSTER, {"token": "t"}, CLUSTER, {}),
    ("tokenFile", CLUSTER, {"tokenFile": "token"}, CLUSTER, {}),
    ("tokenFile before token", CLUSTER, {"tokenFile": "token", "token": "t"}, CLUSTER, {"token": "t"}),
    ("username", CLUSTER, {"username": "jane"}, CLUSTER, {}),
    ("password", CLUSTER, {"username": "jane", "password": "p"}, CLUSTER, {"username": "jane"}),
    ("as", CLUSTER, {"as": "robot"}, CLUSTER, {}),
    ("as-uid", CLUSTER, {"as": "robot", "as-uid": "7"}, CLUSTER, {"as": "robot"}),
    ("as-groups", CLUSTER, {"as": "robot", "as-groups": ["a"]}, CLUSTER, {"as": "robot"}),
    ("as-user-extra", CLUSTER, {"as": "robot", "as-user-extra": {"a": ["b"]}}, CLUSTER, {"as": "robot"}),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "ca.crt").write_bytes(AUTHORITY.certificate)
    (tmp_path / "client.crt").write_bytes(PAIR.certificate)
    (tmp_path / "client.key").write_bytes(PAIR.key)
    (tmp_path / "token").write_text("in-a-file")
    return tmp_path


@pytest.mark.parametrize(
    ("cluster", "user", "cluster_without", "user_without"),
    [pytest.param(*rest, id=field) for field, *rest in KEPT],
)
def test_each_field_that_is_kept_changes_what_the_server_notices(
    folder: Path,
    cluster: dict[str, Any],
    user: dict[str, Any],
    cluster_without: dict[str, Any],
    user_without: dict[str, Any],
) -> None:
    with_it = sent(credentials(choose(folder, cluster, user)))
    assert with_it != sent(credentials(choose(folder, cluster_without, user_without)))
    null = {**cluster_without, **dict.fromkeys(cluster.keys() - cluster_without.keys())}
    nobody = {**user_without, **dict.fromkeys(user.keys() - user_without.keys())}
    assert sent(credentials(choose(folder, null, nobody))) != with_it, "null counts as not given"


@pytest.mark.parametrize(
    ("field", "cluster", "program"),
    [
        ("args", {}, {"args": ["a"]}),
        ("env", {}, {"env": [{"name": "WORD", "value": "word"}]}),
        ("apiVersion", {}, {"apiVersion": f"{VERSION}beta1"}),
        ("provideClusterInfo", {}, {"provideClusterInfo": True}),
        (
            "extensions",
            {"extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"a": "b"}}]},
            {"provideClusterInfo": True},
        ),
    ],
)
async def test_each_field_about_a_credential_plugin_reaches_it(
    folder: Path, field: str, cluster: dict[str, Any], program: dict[str, Any]
) -> None:
    tell = 'printf "%s|" "$@" "$WORD" "$KUBERNETES_EXEC_INFO" > told; echo {}'

    async def told(cluster: dict[str, Any], program: dict[str, Any]) -> str:
        user = {
            "exec": {
                "command": "sh",
                "apiVersion": VERSION,
                **program,
                "args": ["-c", f"cd {folder}; {tell}", "sh", *program.get("args", [])],
            }
        }
        found = choose(folder, {**CLUSTER, **cluster}, user)
        assert found.user.exec is not None
        with pytest.raises(KubeconfigError, match="printed no"):
            await issue(found.user.exec, found.cluster)
        return (folder / "told").read_text()

    without = {"provideClusterInfo": True} if field == "extensions" else {}
    assert await told(cluster, program) != await told({}, without)


async def test_a_date_in_the_configuration_of_a_plugin_is_passed_on_as_text(folder: Path) -> None:
    from datetime import date

    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"since": date(2026, 1, 2)}}
    program = {"command": "printenv", "args": ["KUBERNETES_EXEC_INFO"], "apiVersion": VERSION}
    found = choose(
        folder,
        {**CLUSTER, "extensions": [extension]},
        {"exec": {**program, "provideClusterInfo": True}},
    )
    assert found.user.exec is not None
    with pytest.raises(KubeconfigError, match="neither a token nor a certificate"):
        await issue(found.user.exec, found.cluster)


def test_a_pair_of_user_and_password_is_sent_as_utf_8(folder: Path) -> None:
    headers = dict(credentials(choose(folder, CLUSTER, {"username": "jané", "password": "ü:"})).headers)
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "jané:ü:"
    assert json.dumps(headers).isascii()


def test_client_certificates_can_be_used_in_a_process_that_may_not_be_dumped() -> None:
    said = run_unprivileged(
        "from floe_core.host.core_dumps import forbid_core_dumps\n"
        "from floe_operator.api.credentials import Transport, tls_context",
        "forbid_core_dumps()\n"
        f"transport = Transport('https://api.example', certificate={PAIR.certificate!r}, key={PAIR.key!r})\n"
        "os.environ['TMPDIR'] = '/nowhere'\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), tls_context(transport))",
    )
    assert said.startswith("0 <ssl.SSLContext")
