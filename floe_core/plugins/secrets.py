"""Secrets plugins: stores of the platform's secrets, such as Vault or Kubernetes Secrets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


class SecretsPlugin(PluginMetadata):
    """A store of secrets."""

    @abstractmethod
    def get_secret(self, key: str) -> str | None:
        """Return a secret's value, or None if there is none."""

    @abstractmethod
    def set_secret(self, key: str, value: str, metadata: dict[str, Any] | None = None) -> None:
        """Create or replace a secret; `metadata` describes it, for example `{"owner": "finance"}`."""

    @abstractmethod
    def list_secrets(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with `prefix`."""
