"""The settings of the operator: each field is a flag of `floe-operator run` and a FLOE_* variable.

A flag wins over its variable, the variable over the default.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_QUANTITY = re.compile(r"([0-9]+)([kMG]i?|Ki)?", re.ASCII)
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


Seconds = Annotated[float, BeforeValidator(_seconds)]
Bytes = Annotated[int, BeforeValidator(_bytes)]


class PluginEnvironment(BaseSettings):
    """Where the plugins are, and how long they may take; what every command that asks them needs."""

    model_config = SettingsConfigDict(
        env_prefix="FLOE_",
        env_ignore_empty=True,  # what a template left empty
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        extra="ignore",
    )

    plugin_python: Path = Field(
        default=Path(sys.executable),
        description="The Python of the environment that has the plugins; the operator's own by default.",
    )
    load_timeout: Seconds = Field(
        default=10.0, gt=0, le=600, description="How long a plugin's import may take, such as 10s."
    )
    host_memory: Bytes = Field(
        default=2**30,
        ge=2**26,
        description="Resident memory above which the plugin host is replaced, such as 1Gi.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines to print."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text, or auto: text on a terminal and json elsewhere."
    )


class RunSettings(PluginEnvironment):
    """Mirrors the installed plugins into FloePlugin objects and judges them, until it is told to end."""

    namespace: Annotated[str | None, AfterValidator(_namespace)] = Field(
        default=None,
        description="The namespace to serve; the pod's own, or that of the kubeconfig's context.",
    )
    scan_interval: Seconds = Field(
        default=60.0, ge=0.1, le=86400, description="The time between two scans, such as 60s."
    )
    leader_elect: bool = Field(
        default=True,
        description="Whether operators of one namespace elect one that writes, by the Lease floe-operator.",
    )
    http_port: int = Field(
        default=8080,
        ge=0,
        le=65535,
        description="The port of /healthz, /readyz and /metrics; 0 serves none.",
    )


def service_account_namespace() -> str | None:
    """The namespace of the pod that this process runs in; None outside of a cluster."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None
    try:
        return _SERVICE_ACCOUNT_NAMESPACE.read_text().strip() or None
    except OSError:
        return None


_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
