"""The context in use of kubeconfig files, merged as kubectl does, and what this operator refuses. Pure.

Each field that kubectl acts on is kept, or refused by its name. Reading the files, and those that they refer
to, is left to others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ValidationError

from floe_operator.rules.kubeconfig_fields import Cluster, Context, User

PROXY_SCHEMES = ("http", "https")
_File = tuple[Path, Mapping[str, Any]]


class KubeconfigError(ValueError):
    """A kubeconfig cannot be used; the message names the field and the way out."""

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output
        """What a credential plugin said: for the log only, because anybody in the cluster may see /readyz."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The context in use; the paths in it are absolute."""

    context: str
    cluster: Cluster
    user: User
    namespace: str


def chosen(files: Sequence[tuple[Path, object]], context: str = "") -> Chosen:
    """Return a context of the merged files, by default the current one.

    `files` are the paths and contents, in the order of KUBECONFIG: of equal names the first counts. Entries
    that the context does not use may be of any shape.

    Raises:
        KubeconfigError: The context is not there, or something in it cannot be used.
    """
    mappings = [(path, _mapping(path, content)) for path, content in files]
    context = context or next((name for _, file in mappings if (name := _current(file))), "")
    if not context:
        where = ", ".join(str(path) for path, _ in files)
        raise KubeconfigError(
            f"no current-context is set in {where}: choose one with `kubectl config use-context`"
        )
    in_use = _entry(mappings, "contexts", "context", context, Context, "")[1]
    used = f"context {context!r} uses"
    folder, cluster = _entry(mappings, "clusters", "cluster", in_use.cluster, Cluster, used)
    cluster = _absolute(cluster, folder, "certificate_authority")
    user = User()
    if in_use.user:
        folder, user = _entry(mappings, "users", "user", in_use.user, User, used)
        user = _absolute_user(user, folder)
    _refuse(in_use.cluster, cluster, in_use.user, user)
    return Chosen(context, cluster, user, in_use.namespace or "default")


def cannot_replace(old: Chosen, new: Chosen) -> str:
    """Return why a running operator must not go on with another context; empty if it may.

    Another way to the server may lead to another cluster, where this operator does not hold the Lease. A file
    that is cut off may lack the part that says whom to trust, who sends the requests, or as whom.
    """
    before, now = _lasting(old), _lasting(new)
    if changed := [name for name in before if before[name] != now[name]]:
        return f"{' and '.join(changed)} changed: restart the operator if this is meant"
    if _trusts_somebody(old.cluster) and not _trusts_somebody(new.cluster):
        return "certificate-authority is no longer set: restart the operator if this is meant"
    if _proves_something(old.user) and not _proves_something(new.user):
        return "the user no longer has any credentials: restart the operator if this is meant"
    return ""


def _lasting(chosen: Chosen) -> dict[str, object]:
    """Return the fields that say where requests go and as whom they are sent, which stay as they were."""
    cluster, user = chosen.cluster, chosen.user
    proxy = urlsplit(cluster.proxy_url or "")
    return {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name or "",
        "insecure-skip-tls-verify": bool(cluster.insecure_skip_tls_verify),
        "proxy-url": (proxy.scheme, proxy.hostname, proxy.port),  # its password may change
        "as": user.as_user or "",
        "as-uid": user.as_uid or "",
        "as-groups": user.as_groups,
        "as-user-extra": user.as_user_extra or {},
    }


def _trusts_somebody(cluster: Cluster) -> bool:
    return bool(cluster.certificate_authority or cluster.certificate_authority_data)


def _proves_something(user: User) -> bool:
    return any(
        (
            user.token,
            user.token_file,
            user.username,
            user.exec,
            user.client_certificate,
            user.client_certificate_data,
        )
    )


def _mapping(path: Path, content: object) -> Mapping[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise KubeconfigError(f"{path} is not a kubeconfig: it holds no mapping")
    return content


def _current(file: Mapping[str, Any]) -> str:
    name = file.get("current-context")
    return name if isinstance(name, str) else ""


Section = TypeVar("Section", bound=BaseModel)


def _entry(
    files: Sequence[_File], section: str, what: str, name: str, model: type[Section], used: str
) -> tuple[Path, Section]:
    """Return the first entry with a name, and the folder of its file; `used` says what needs it."""
    for path, file in files:
        entries = file.get(section)
        if not isinstance(entries, list | None):
            raise KubeconfigError(f"{path}: {section} is not a list")
        for entry in entries or ():
            if isinstance(entry, Mapping) and entry.get("name") == name:
                return path.parent, _parsed(entry.get(what), f"{path}: {what} {name!r}", model)
    where = ", ".join(str(path) for path, _ in files)
    if used:
        raise KubeconfigError(f"{used} {what} {name!r}, which is not in {where}")
    raise KubeconfigError(f"there is no {what} {name!r} in {where}")


def _parsed(content: object, where: str, model: type[Section]) -> Section:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, fault["loc"]))
        raise KubeconfigError(f"{where}: {field}{field and ': '}{fault['msg']}") from None


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
        given = "" if "@" in cluster.server else f", not {cluster.server}"  # what is before @ may be secret
        yield f"server must be a URL such as https://HOST:6443{given}"
        return
    if not cluster.server:
        yield "server is not set"
    elif server.scheme not in ("http", "https") or not server.hostname:
        given = "" if "@" in cluster.server else f", not {cluster.server}"  # what is before @ may be secret
        yield f"server must be a URL such as https://HOST:6443{given}"
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
    if ":" in unquote(parts.username or ""):
        return "has a user with a colon, which no proxy can tell from the password"
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
    if ":" in (user.username or ""):
        yield "username has a colon, which no server can tell from the password"
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
            "such as kubelogin or gke-gcloud-auth-plugin"
        )
    if user.exec is not None and user.exec.interactive_mode == "Always":
        yield "exec.interactiveMode Always is not supported: an operator has no terminal; set it to Never"
