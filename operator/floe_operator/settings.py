"""The settings of the operator: each field is a flag of `floe-operator run` and a FLOE_* variable.

A flag wins over its variable, the variable over the default. Commands that need no cluster share some fields.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from floe_operator.rules.labels import label_fault

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_QUANTITY = re.compile(r"([0-9]+)(k|M|G|Ki|Mi|Gi)?", re.ASCII)
_LEAST_HOST_MEMORY = 2**26
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        found = _QUANTITY.fullmatch(value.strip())
        if not found:
            raise ValueError("must be a number of bytes, such as 512Mi or 1Gi")
        return int(found[1]) * _UNITS[found[2] or ""]
    return value


def _host_memory(value: int) -> int:
    if value < _LEAST_HOST_MEMORY:
        raise ValueError("must be at least 64Mi")
    return value


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if not found:
            raise ValueError("must be a duration, such as 30s, 1m or 0.5")
        return float(found[1]) * _SECONDS[found[2]]
    return value


def _namespace(value: str | None) -> str | None:
    if value is not None and not _NAMESPACE.fullmatch(value):
        raise ValueError("must be a namespace: lower case letters, digits and '-', at most 63 characters")
    return value


SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token, CA and namespace of its ServiceAccount."""


def _label_pairs(value: str) -> list[tuple[str, str, str]]:
    """Return the name, "=" (empty if it is missing) and value of each label."""
    return [each.strip().partition("=") for each in value.split(",") if each.strip()]


def _labels(value: str) -> str:
    pairs = _label_pairs(value)
    names = [name for name, _, _ in pairs]
    for name, equals, content in pairs:
        fault = label_fault(name, content) or ("is given twice" if names.count(name) > 1 else "")
        if fault:
            raise ValueError(f"must be labels such as team=data,cost-centre=7 ({name}={content} {fault})")
        if not equals:
            raise ValueError(f"must be labels such as team=data,cost-centre=7 ({name} has no =)")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
LogLevel = Literal["debug", "info", "warning", "error"]

_LOG_LEVEL = "The lowest severity of log lines to print."


class PluginEnvironment(BaseSettings):
    """Where the plugins are and how long they may take: the settings of every command that runs them."""

    model_config = SettingsConfigDict(
        env_prefix="FLOE_",
        env_ignore_empty=True,  # a template can leave variables empty
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        extra="ignore",
    )

    plugin_python: Path = Field(
        default=Path(sys.executable),
        description="The Python of the environment that contains the plugins; by default the operator's own.",
    )
    load_timeout: Seconds = Field(
        default=10.0, gt=0, le=600, description="How long a plugin's import may take, such as 10s."
    )
    host_memory: Annotated[Bytes, AfterValidator(_host_memory)] = Field(
        default=2**30,
        description="Resident memory above which the plugin host is replaced, such as 1Gi.",
    )
    log_level: LogLevel = Field(default="info", description=_LOG_LEVEL)
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text, or auto: text on a terminal, json elsewhere."
    )

    @classmethod
    def variables(cls) -> Collection[str]:
        """Return the fields that have a FLOE_* variable."""
        return cls.model_fields


class CommandSettings(PluginEnvironment):
    """The settings of a command that prints an answer and ends; besides the answer it logs only errors.

    Its own flags have no variables: FLOE_OUTPUT would mean something different to each command of a CI job.
    """

    log_level: LogLevel = Field(default="error", description=_LOG_LEVEL)

    @classmethod
    def variables(cls) -> Collection[str]:
        return PluginEnvironment.model_fields

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _SharedVariables(settings_cls)


class _SharedVariables(EnvSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in super().__call__().items()
            if name in PluginEnvironment.model_fields
        }


class RunSettings(PluginEnvironment):
    """The settings of `run`, which mirrors plugins into FloePlugins and assesses them until told to stop."""

    namespace: Annotated[str | None, AfterValidator(_namespace)] = Field(
        default=None,
        description="The namespace to watch; by default the pod's own, or that of the kubeconfig's context.",
    )
    scan_interval: Seconds = Field(
        default=60.0, ge=0.1, le=86400, description="The time between two scans, such as 60s."
    )
    leader_elect: bool = Field(
        default=True,
        description="Elect a leader among the operators of the namespace, using the Lease floe-operator; "
        "only the leader writes.",
    )
    mirror_labels: Annotated[str, AfterValidator(_labels)] = Field(
        default="",
        description="Labels for every FloePlugin beside that of its type, such as team=data,cost-centre=7; "
        "objects that people have created get them, too.",
    )
    http_port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="The port of /healthz, /readyz and /metrics; 0 disables them.",
    )

    @property
    def labels(self) -> dict[str, str]:
        """The labels that mirrors have beside the type."""
        return {name: content for name, _, content in _label_pairs(self.mirror_labels)}


def service_account_namespace() -> str | None:
    """Return the namespace of the pod that this process runs in, or None outside a cluster."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip() or None
    except OSError:
        return None
