"""Identity plugins: who a user is and whether a token is valid, such as Keycloak."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class UserInfo:
    """A user, as OpenID Connect claims describe one."""

    subject: str
    email: str = ""
    name: str = ""
    roles: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class TokenValidationResult:
    """Whether a token is valid: whose it is and until when (ISO 8601), or why it is not."""

    valid: bool
    user_info: UserInfo | None = None
    error: str = ""
    expires_at: str = ""


class IdentityPlugin(PluginMetadata):
    """An identity provider."""

    @abstractmethod
    def authenticate(self, credentials: dict[str, Any]) -> str | None:
        """A token for these credentials; None where they are refused."""

    @abstractmethod
    def get_user_info(self, token: str) -> UserInfo | None:
        """Whose token it is; None where it is not valid."""

    @abstractmethod
    def validate_token(self, token: str) -> TokenValidationResult:
        """Whether a token is valid; a bad token is a result, not an exception."""
