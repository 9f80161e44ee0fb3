"""Kubeconfig files: each field that kubectl knows is kept or refused by name; files are merged as it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from floe_operator.rules.kubeconfig import Chosen, KubeconfigError, cannot_replace, chosen
from floe_operator.rules.kubeconfig_fields import AuthProvider, Cluster, Context, Exec, User

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
    ({"server": "https://api.example:6443o"}, {}, "HOST:6443, not https://api.example:6443o"),
    ({"server": "ftp://api.example"}, {}, "server must be a URL"),
    ({"server": "https://"}, {}, "server must be a URL"),
    ({"server": "ftp://jane:secret@api.example"}, {}, "server must be a URL such as https://HOST:6443"),
    ({"server": None}, {}, "server is not set"),
    ({"server": "https://jane:secret@api.example"}, {}, "server must be a URL without a user"),
    ({"server": "https://api.example/?a=b"}, {}, "server must be a URL without a user, a query"),
    ({"proxy-url": "socks5://127.0.0.1:1080"}, {}, "proxy-url has the scheme 'socks5': only http and https"),
    ({"proxy-url": "127.0.0.1:3128"}, {}, "proxy-url has the scheme"),
    ({"proxy-url": "http://:3128"}, {}, "proxy-url names no host"),
    ({"proxy-url": "http://ja%3Ane:secret@proxy"}, {}, "proxy-url has a user with a colon"),
    ({"proxy-url": "http://proxy:port"}, {}, "proxy-url is not a URL"),
    (
        {"insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"},
        {},
        "insecure-skip-tls-verify and certificate-authority exclude each other",
    ),
    ({}, {"username": "ja:ne"}, "username has a colon"),
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
    ({}, {"exec": {"command": "", "apiVersion": "v1"}}, "user 'u': exec.command"),
    ({}, {"exec": {"command": "a"}}, "user 'u': exec.apiVersion"),
    ({}, {"token": 7}, "user 'u': token: Input should be a valid string"),
    ({"insecure-skip-tls-verify": "perhaps"}, {}, "cluster 'c': insecure-skip-tls-verify"),
]


@pytest.mark.parametrize(("cluster", "user", "words"), REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(
    cluster: dict[str, Any], user: dict[str, Any], words: str
) -> None:
    with pytest.raises(KubeconfigError) as refusal:
        choose(cluster, user)
    assert words in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "user",
    [
        {"token": "s3cret", "client-certificate-data": "YQ==", "client-key-data": "s3cret"},
        {"username": "jane", "password": "s3cret"},
        {
            "exec": {
                "command": "a",
                "apiVersion": "v1",
                "args": ["--secret=s3cret"],
                "env": [{"name": "A", "value": "s3cret"}],
            }
        },
    ],
)
def test_secrets_do_not_show(user: dict[str, Any]) -> None:
    assert "s3cret" not in repr(choose({"proxy-url": "http://jane:s3cret@proxy"}, user))


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
        ([{"current-context": "c"}], "there is no context 'c' in /home/jane/.kube/config"),
        (
            [{**content(), "clusters": []}],
            "context 'c' uses cluster 'c', which is not in /home/jane/.kube/config",
        ),
        (
            [{**content(), "users": None}],
            "context 'c' uses user 'u', which is not in /home/jane/.kube/config",
        ),
        ([{**content(), "contexts": {}}], "/home/jane/.kube/config: contexts is not a list"),
        ([{**content(), "users": [{"user": {}}]}], "context 'c' uses user 'u', which is not in"),
        ([{**content(), "users": [{"name": "u", "user": []}]}], "/home/jane/.kube/config: user 'u': Input"),
    ],
)
def test_a_kubeconfig_without_what_it_needs_is_refused(files: list[object], words: str) -> None:
    with pytest.raises(KubeconfigError) as refusal:
        chosen([(HOME, file) for file in files])
    assert words in str(refusal.value)


@pytest.mark.parametrize("entry", [None, 7, {}, {"name": "other"}, {"name": "other", "user": {"token": 7}}])
def test_entries_that_are_not_in_use_do_not_matter(entry: object) -> None:
    file = content(user={"token": "t"})
    for section in ("clusters", "users", "contexts"):
        file[section].insert(0, entry)
    assert chosen([(HOME, file)]).user.token is not None


REPLACED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"token": "new", "as": "robot"}, ""),
    ({}, {"exec": {"command": "a", "apiVersion": "v1"}, "as": "robot"}, ""),
    ({"certificate-authority-data": "YQ=="}, {"token": "t", "as": "robot"}, ""),
    ({"proxy-url": "http://jane:new@proxy"}, {"token": "t", "as": "robot"}, ""),
    ({"disable-compression": True}, {"token": "t", "as": "robot"}, ""),
    ({"server": "https://other"}, {"token": "t", "as": "robot"}, "server changed"),
    ({"tls-server-name": "other"}, {"token": "t", "as": "robot"}, "tls-server-name changed"),
    ({"proxy-url": None}, {"token": "t", "as": "robot"}, "proxy-url changed"),
    ({"proxy-url": "http://other"}, {"token": "t", "as": "robot"}, "proxy-url changed"),
    (
        {"certificate-authority": None, "insecure-skip-tls-verify": True},
        {"token": "t", "as": "robot"},
        "insecure-skip-tls-verify changed",
    ),
    (
        {"certificate-authority": None},
        {"token": "t", "as": "robot"},
        "certificate-authority is no longer set",
    ),
    ({}, {"token": "t"}, "as changed"),
    ({}, {"token": "t", "as": "other"}, "as changed"),
    ({}, {"token": "t", "as": "robot", "as-groups": ["admins"]}, "as-groups changed"),
    ({}, {"as": "robot"}, "the user no longer has any credentials"),
]


@pytest.mark.parametrize(("cluster", "user", "words"), REPLACED)
def test_a_running_operator_keeps_to_its_server_and_does_not_lose_who_it_is(
    cluster: dict[str, Any], user: dict[str, Any], words: str
) -> None:
    trusted = {"certificate-authority": "ca.crt", "proxy-url": "http://jane:old@proxy"}
    before = choose(trusted, {"token": "t", "as": "robot"})
    fault = cannot_replace(before, choose({**trusted, **cluster}, user))
    assert fault.startswith(words)
    assert bool(fault) == bool(words)


def test_a_user_without_credentials_and_a_context_without_a_user_are_accepted() -> None:
    assert choose(user=None).user == User()
    files = content()
    del files["contexts"][0]["context"]["user"]
    assert chosen([(HOME, {**files, "users": None})]).user == User()
