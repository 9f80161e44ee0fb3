"""Secrets plugins: where the platform's secrets are kept, such as Vault or Kubernetes Secrets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


class SecretsPlugin(PluginMetadata):
    """A keeper of secrets."""

    @abstractmethod
    def get_secret(self, key: str) -> str | None:
        """A secret's value; None where there is none."""

    @abstractmethod
    def set_secret(self, key: str, value: str, metadata: dict[str, Any] | None = None) -> None:
        """Creates or replaces a secret."""

    @abstractmethod
    def list_secrets(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`."""
