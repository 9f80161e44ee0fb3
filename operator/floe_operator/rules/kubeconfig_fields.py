"""The fields of a kubeconfig that kubectl acts on, with their types. Pure.

The format: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. A field that kubectl does not know
is ignored, as kubectl does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class _Section(BaseModel):
    """A part of a kubeconfig; null counts as not given."""

    model_config = ConfigDict(frozen=True, alias_generator=_kebab, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: each for key, each in value.items() if each is not None}
        return {} if value is None else value


class Variable(_Section):
    """A variable of the environment of a credential plugin."""

    name: str
    value: str = Field(default="", repr=False)


class Exec(_Section):
    """A credential plugin: a program that prints credentials."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    command: str = Field(min_length=1)
    args: list[str] = Field(default=[], repr=False)
    env: list[Variable] = []
    api_version: str
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: Literal["Never", "IfAvailable", "Always"] | None = None


class AuthProvider(_Section):
    """A way to get credentials that is built into kubectl."""

    name: str
    config: dict[str, str] | None = Field(default=None, repr=False)


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
    as_groups: list[str] = []
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
    proxy_url: str | None = Field(default=None, repr=False)
    disable_compression: bool | None = None
    extensions: list[dict[str, Any]] = []


class Context(_Section):
    """A user of a cluster, and a namespace."""

    cluster: str = ""
    user: str = ""
    namespace: str | None = None
