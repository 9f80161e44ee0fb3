"""Identity plugins: providers that say who a user is and whether a token is valid, such as Keycloak."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class UserInfo:
    """A user, as described by OpenID Connect claims."""

    subject: str
    email: str = ""
    name: str = ""
    roles: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    """The claims as the provider issued them, such as `{"sub": "alice", "exp": 1767225600}`."""


@dataclass
class TokenValidationResult:
    """Whether a token is valid: if so, whose it is and until when (ISO 8601); if not, why."""

    valid: bool
    user_info: UserInfo | None = None
    error: str = ""
    expires_at: str = ""


class IdentityPlugin(PluginMetadata):
    """An identity provider."""

    @abstractmethod
    def authenticate(self, credentials: dict[str, Any]) -> str | None:
        """Return a token for these credentials, or None if they are rejected.

        The keys of `credentials` depend on the provider and on the kind of login.

        Example:
            {"client_id": "dashboard", "client_secret": "..."}
        """

    @abstractmethod
    def get_user_info(self, token: str) -> UserInfo | None:
        """Return the user that the token belongs to, or None if the token is not valid."""

    @abstractmethod
    def validate_token(self, token: str) -> TokenValidationResult:
        """Validate a token; an invalid token is a result, not an exception."""
