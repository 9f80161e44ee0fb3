"""Kubeconfig files: each field that kubectl knows is kept or refused by name; files are merged as it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from floe_operator.rules.kubeconfig import (
    AuthProvider,
    Chosen,
    Cluster,
    Context,
    Exec,
    KubeconfigError,
    User,
    chosen,
)

HOME = Path("/home/jane/.kube/config")

KNOWN: dict[type[BaseModel], set[str]] = {
    Cluster: {
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority",
        "certificate-authority-data",
        "proxy-url",
        "disable-compression",
        "extensions",
    },
    User: {
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
        "tokenFile",
        "as",
        "as-uid",
        "as-groups",
        "as-user-extra",
        "username",
        "password",
        "auth-provider",
        "exec",
    },
    Context: {"cluster", "user", "namespace"},
    AuthProvider: {"name", "config"},
    Exec: {
        "command",
        "args",
        "env",
        "apiVersion",
        "installHint",
        "provideClusterInfo",
        "interactiveMode",
    },
}
"""The fields of https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/, without those that kubectl
does not act on: the extensions of users and contexts."""


@pytest.mark.parametrize("model", KNOWN, ids=lambda model: model.__name__)
def test_each_field_that_kubectl_acts_on_is_known(model: type[BaseModel]) -> None:
    assert {field.alias for field in model.model_fields.values()} == KNOWN[model]


def content(cluster: Any = None, user: Any = None, **context: Any) -> dict[str, Any]:
    """Return a kubeconfig with one context."""
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", **context}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }


def choose(cluster: Any = None, user: Any = None, **context: Any) -> Chosen:
    return chosen([(HOME, content(cluster, user, **context))])


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"server": ""}, {}, "server is not set"),
    (
        {"server": "api.example:6443"},
        {},
        "server must be a URL such as https://HOST:6443, not api.example:6443",
    ),
    ({"server": "ftp://api.example"}, {}, "server must be a URL"),
    ({"server": "https://"}, {}, "server must be a URL"),
    ({"server": "https://jane:secret@api.example"}, {}, "server must be a URL without a user"),
    ({"server": "https://api.example/?a=b"}, {}, "server must be a URL without a user, a query"),
    ({"proxy-url": "socks5://127.0.0.1:1080"}, {}, "proxy-url has the scheme 'socks5': only http and https"),
    ({"proxy-url": "127.0.0.1:3128"}, {}, "proxy-url has the scheme"),
    ({"proxy-url": "http://:3128"}, {}, "proxy-url names no host"),
    ({"proxy-url": "http://proxy:port"}, {}, "proxy-url is not a URL"),
    (
        {"insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"},
        {},
        "insecure-skip-tls-verify and certificate-authority exclude each other",
    ),
    ({}, {"client-certificate": "a.crt"}, "client-certificate and client-key belong together"),
    ({}, {"client-key-data": "YQ=="}, "client-certificate and client-key belong together"),
    ({}, {"token": "t", "username": "jane"}, "token or tokenFile and username exclude each other"),
    (
        {},
        {"tokenFile": "t", "exec": {"command": "a", "apiVersion": "v1"}},
        "token or tokenFile and exec exclude each other",
    ),
    ({}, {"as-groups": ["admins"]}, "as-uid, as-groups and as-user-extra need `as`"),
    ({}, {"as-uid": "7"}, "as-uid, as-groups and as-user-extra need `as`"),
    ({}, {"as-user-extra": {"a": ["b"]}}, "as-uid, as-groups and as-user-extra need `as`"),
    (
        {},
        {"auth-provider": {"name": "oidc"}},
        "auth-provider 'oidc' is not supported: use a credential plugin",
    ),
    ({}, {"auth-provider": {"name": "gcp", "config": {}}}, "auth-provider 'gcp' is not supported"),
    (
        {},
        {"exec": {"command": "a", "apiVersion": "v1", "interactiveMode": "Always"}},
        "exec.interactiveMode Always is not supported: an operator has no terminal",
    ),
    ({}, {"exec": {"command": "", "apiVersion": "v1"}}, "users.0.user.exec.command"),
    ({}, {"exec": {"command": "a"}}, "users.0.user.exec.apiVersion"),
    ({}, {"token": 7}, "users.0.user.token: Input should be a valid string"),
    ({"insecure-skip-tls-verify": "perhaps"}, {}, "clusters.0.cluster.insecure-skip-tls-verify"),
]


@pytest.mark.parametrize(("cluster", "user", "words"), REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(
    cluster: dict[str, Any], user: dict[str, Any], words: str
) -> None:
    with pytest.raises(KubeconfigError) as refusal:
        choose(cluster, user)
    assert words in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_secrets_do_not_show() -> None:
    found = choose(user={"token": "s3cret", "client-certificate-data": "YQ==", "client-key-data": "s3cret"})
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("certificate_authority", "pki/ca.crt", "/home/jane/.kube/pki/ca.crt"),
        ("certificate_authority", "/etc/ca.crt", "/etc/ca.crt"),
        ("client_certificate", "../a.crt", "/home/jane/.kube/../a.crt"),
        ("client_key", "a.key", "/home/jane/.kube/a.key"),
        ("token_file", "token", "/home/jane/.kube/token"),
    ],
)
def test_paths_are_relative_to_the_file_that_has_them(field: str, value: str, found: str) -> None:
    cluster = {"certificate-authority": value} if field == "certificate_authority" else {}
    user = {"client-certificate": "a.crt", "client-key": "a.key"}
    user |= {"tokenFile" if field == "token_file" else field.replace("_", "-"): value}
    seen = choose(cluster, user)
    assert getattr(seen.cluster if cluster else seen.user, field) == found


@pytest.mark.parametrize(
    ("command", "found"), [("aws", "aws"), ("./aws", "/home/jane/.kube/aws"), ("/bin/aws", "/bin/aws")]
)
def test_a_credential_plugin_with_a_path_is_relative_to_the_file_that_names_it(
    command: str, found: str
) -> None:
    user = {"exec": {"command": command, "apiVersion": "client.authentication.k8s.io/v1", "args": None}}
    program = choose(user=user).user.exec
    assert program is not None
    assert program.command == found


def test_of_several_files_the_first_wins() -> None:
    first = {
        "current-context": None,
        "contexts": None,
        "users": [{"name": "u", "user": {"token": "first"}}],
    }
    second = {**content(user={"token": "second"}, namespace="data"), "current-context": "c"}
    third = {**content({"server": "https://third"}), "current-context": "d"}
    seen = chosen([(HOME, first), (HOME, None), (HOME, second), (HOME, third)])
    assert (seen.context, seen.namespace, seen.cluster.server) == ("c", "data", "https://api.example:6443")
    assert seen.user.token is not None
    assert seen.user.token.get_secret_value() == "first"


def test_the_context_in_use_can_be_another_than_the_current_one() -> None:
    files = {**content(), "current-context": "gone"}
    assert chosen([(HOME, files)], "c").context == "c"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no current-context is set"),
        ([None], "no current-context is set"),
        ([[]], "/home/jane/.kube/config is not a kubeconfig: it holds no mapping"),
        (["a"], "is not a kubeconfig"),
        ([{"current-context": "c"}], "the kubeconfig has no context 'c'"),
        ([{**content(), "clusters": []}], "the kubeconfig has no cluster 'c'"),
        ([{**content(), "users": None}], "the kubeconfig has no user 'u'"),
        ([{**content(), "contexts": {}}], "contexts: Input should be a valid list"),
        ([{**content(), "users": [{"user": {}}]}], "users.0.name: Field required"),
    ],
)
def test_a_kubeconfig_without_what_it_needs_is_refused(files: list[object], words: str) -> None:
    with pytest.raises(KubeconfigError) as refusal:
        chosen([(HOME, file) for file in files])
    assert words in str(refusal.value)


def test_a_user_without_credentials_and_a_context_without_a_user_are_accepted() -> None:
    assert choose(user=None).user == User()
    files = content()
    del files["contexts"][0]["context"]["user"]
    assert chosen([(HOME, {**files, "users": None})]).user == User()
