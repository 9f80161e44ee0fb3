"""Kubeconfig files: what kubectl knows in them, how several are merged, and what this operator refuses. Pure.

The format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Each field that kubectl acts on
is kept, or refused by its name; a field that kubectl does not know is ignored, as kubectl does. Reading the
files, and those that they refer to, is left to others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

T = TypeVar("T")
PROXY_SCHEMES = ("http", "https")


class KubeconfigError(ValueError):
    """A kubeconfig cannot be used; the message names the field and the way out."""


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _empty_if_null(value: Any) -> Any:
    return [] if value is None else value


Entries = Annotated[list[T], BeforeValidator(_empty_if_null)]


class _Section(BaseModel):
    """A part of a kubeconfig; null counts as not given."""

    model_config = ConfigDict(frozen=True, alias_generator=_kebab, hide_input_in_errors=True)


class Variable(_Section):
    """A variable of the environment of a credential plugin."""

    name: str
    value: str


class Exec(_Section):
    """A credential plugin: a program that prints credentials."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    command: str = Field(min_length=1)
    args: Entries[str] = []
    env: Entries[Variable] = []
    api_version: str
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: Literal["Never", "IfAvailable", "Always"] | None = None


class AuthProvider(_Section):
    """A way to get credentials that is built into kubectl."""

    name: str
    config: dict[str, str] | None = None


class User(_Section):
    """Who sends the requests."""

    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: SecretStr | None = None
    token: SecretStr | None = None
    token_file: str | None = Field(default=None, alias="tokenFile")
    username: str | None = None
    password: SecretStr | None = None
    as_user: str | None = Field(default=None, alias="as")
    as_uid: str | None = None
    as_groups: Entries[str] = []
    as_user_extra: dict[str, list[str]] | None = None
    auth_provider: AuthProvider | None = None
    exec: Exec | None = None


class Cluster(_Section):
    """Where the requests go."""

    server: str = ""
    tls_server_name: str | None = None
    insecure_skip_tls_verify: bool | None = None
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    proxy_url: str | None = None
    disable_compression: bool | None = None
    extensions: Entries[dict[str, Any]] = []


class Context(_Section):
    """A user of a cluster, and a namespace."""

    cluster: str = ""
    user: str = ""
    namespace: str | None = None


class _NamedCluster(_Section):
    name: str
    cluster: Cluster


class _NamedUser(_Section):
    name: str
    user: Annotated[User, BeforeValidator(lambda value: {} if value is None else value)]


class _NamedContext(_Section):
    name: str
    context: Context


class _File(_Section):
    current_context: str | None = None
    clusters: Entries[_NamedCluster] = []
    users: Entries[_NamedUser] = []
    contexts: Entries[_NamedContext] = []


@dataclass(frozen=True, slots=True)
class Chosen:
    """The context in use; the paths in it are absolute."""

    context: str
    cluster: Cluster
    user: User
    namespace: str


def chosen(files: Sequence[tuple[Path, object]], context: str = "") -> Chosen:
    """Return a context of the merged files, by default the current one.

    `files` are the paths and contents, in the order of KUBECONFIG: of equal names the first counts.

    Raises:
        KubeconfigError: The context is not there, or something in it cannot be used.
    """
    parsed = [(path.parent, _parsed(path, content)) for path, content in files]
    context = context or next((file.current_context for _, file in parsed if file.current_context), "")
    if not context:
        raise KubeconfigError("no current-context is set: choose one with `kubectl config use-context`")
    in_use = _first(
        ((each.name, each.context) for _, file in parsed for each in file.contexts), "context", context
    )
    cluster = _first(
        (
            (each.name, _absolute(each.cluster, folder, "certificate_authority"))
            for folder, file in parsed
            for each in file.clusters
        ),
        "cluster",
        in_use.cluster,
    )
    user = User()
    if in_use.user:
        user = _first(
            (
                (each.name, _absolute_user(each.user, folder))
                for folder, file in parsed
                for each in file.users
            ),
            "user",
            in_use.user,
        )
    _refuse(in_use.cluster, cluster, in_use.user, user)
    return Chosen(context, cluster, user, in_use.namespace or "default")


def _parsed(path: Path, content: object) -> _File:
    if content is None:
        return _File()
    if not isinstance(content, Mapping):
        raise KubeconfigError(f"{path} is not a kubeconfig: it holds no mapping")
    try:
        return _File.model_validate({key: value for key, value in content.items() if value is not None})
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise KubeconfigError(f"{path}: {where}: {fault['msg']}") from None


def _first(named: Iterable[tuple[str, T]], what: str, name: str) -> T:
    for found, entry in named:
        if found == name:
            return entry
    raise KubeconfigError(f"the kubeconfig has no {what} {name!r}")


Paths = TypeVar("Paths", Cluster, User)


def _absolute(entry: Paths, folder: Path, *fields: str) -> Paths:
    """Return an entry whose paths do not depend on the folder of the file that it came from."""
    given = {field: value for field in fields if (value := getattr(entry, field))}
    return entry.model_copy(update={field: str(folder / value) for field, value in given.items()})


def _absolute_user(user: User, folder: Path) -> User:
    user = _absolute(user, folder, "client_certificate", "client_key", "token_file")
    program = user.exec
    if program is not None and "/" in program.command:  # another one is looked for in PATH
        program = program.model_copy(update={"command": str(folder / program.command)})
    return user.model_copy(update={"exec": program})


def _refuse(cluster_name: str, cluster: Cluster, user_name: str, user: User) -> None:
    """Raise what is wrong with a cluster and a user, if anything is."""
    faults = [f"cluster {cluster_name!r}: {fault}" for fault in _faults_of_cluster(cluster)]
    faults += [f"user {user_name!r}: {fault}" for fault in _faults_of_user(user)]
    if faults:
        raise KubeconfigError("; ".join(faults))


def _faults_of_cluster(cluster: Cluster) -> Iterator[str]:
    try:
        server = urlsplit(cluster.server)
        _ = server.port
    except ValueError:
        yield "server is not a URL"
        return
    if not cluster.server:
        yield "server is not set"
    elif server.scheme not in ("http", "https") or not server.hostname:
        yield f"server must be a URL such as https://HOST:6443, not {cluster.server}"
    elif server.query or server.fragment or server.username:
        yield "server must be a URL without a user, a query or a fragment"
    if cluster.insecure_skip_tls_verify and (
        cluster.certificate_authority or cluster.certificate_authority_data
    ):
        yield "insecure-skip-tls-verify and certificate-authority exclude each other"
    if cluster.proxy_url and (fault := proxy_fault(cluster.proxy_url)):
        yield f"proxy-url {fault}"


def proxy_fault(url: str) -> str:
    """Return what is wrong with a proxy's URL, to be read after what it is called; empty if nothing is."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in PROXY_SCHEMES:
        return f"has the scheme {parts.scheme!r}: only http and https proxies are supported"
    return "" if parts.hostname else "names no host"


def _faults_of_user(user: User) -> Iterator[str]:
    ways = {
        "token or tokenFile": user.token or user.token_file,
        "username": user.username,
        "exec": user.exec,
        "auth-provider": user.auth_provider,
    }
    given = [way for way, value in ways.items() if value]
    if len(given) > 1:
        yield f"{' and '.join(given)} exclude each other"
    if bool(user.client_certificate or user.client_certificate_data) != bool(
        user.client_key or user.client_key_data
    ):
        yield "client-certificate and client-key belong together, and one of them is not set"
    if not user.as_user and (user.as_uid or user.as_groups or user.as_user_extra):
        yield "as-uid, as-groups and as-user-extra need `as`"
    if user.auth_provider is not None:
        yield (
            f"auth-provider {user.auth_provider.name!r} is not supported: use a credential plugin (exec), "
            "such as kubelogin"
        )
    if user.exec is not None and user.exec.interactive_mode == "Always":
        yield "exec.interactiveMode Always is not supported: an operator has no terminal"
