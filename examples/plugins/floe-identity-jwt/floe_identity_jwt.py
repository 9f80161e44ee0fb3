"""An identity plugin that issues and validates JSON Web Tokens with one shared key, without a server."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from floe_core import IdentityPlugin
from floe_core.plugins import TokenValidationResult, UserInfo


class JWTConfig(BaseModel):
    """Secret fields come from a Secret through `configFrom`; they are rejected in `spec.config`."""

    model_config = ConfigDict(extra="forbid")

    issuer: str
    audience: str = "floe"
    signing_key: SecretStr = Field(min_length=32, description="The HMAC key, shared with token validators")
    lifetime_seconds: int = Field(default=3600, ge=1)
    clients: dict[str, SecretStr] = Field(default={}, description="Client secrets by client id")


class JWTIdentityPlugin(IdentityPlugin):
    """Cannot exist before it is configured: its constructor requires the configuration."""

    name = "jwt"
    version = "0.1.0"
    floe_api_version = "1.0"
    description = "Tokens signed with a shared key"

    def __init__(self, config: JWTConfig) -> None:
        self._settings = config
        self._key = config.signing_key.get_secret_value()

    def get_config_schema(self) -> type[JWTConfig]:
        return JWTConfig

    def authenticate(self, credentials: dict[str, Any]) -> str | None:
        client = str(credentials.get("client_id", ""))
        known = self._settings.clients.get(client)
        given = str(credentials.get("client_secret", ""))
        if known is None or not hmac.compare_digest(known.get_secret_value().encode(), given.encode()):
            return None
        now = datetime.now(timezone.utc)
        expires = now + timedelta(seconds=self._settings.lifetime_seconds)
        claims = {"sub": client, "iss": self._settings.issuer, "aud": self._settings.audience}
        return jwt.encode({**claims, "iat": now, "exp": expires}, self._key, algorithm="HS256")

    def get_user_info(self, token: str) -> UserInfo | None:
        return self.validate_token(token).user_info

    def validate_token(self, token: str) -> TokenValidationResult:
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=settings.issuer,
                audience=settings.audience,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            return TokenValidationResult(valid=False, error=str(error))
        user = UserInfo(
            subject=claims["sub"],
            email=claims.get("email", ""),
            name=claims.get("name", ""),
            roles=claims.get("roles", []),
            groups=claims.get("groups", []),
            claims=claims,
        )
        expires = datetime.fromtimestamp(claims["exp"], timezone.utc)
        return TokenValidationResult(valid=True, user_info=user, expires_at=expires.isoformat())
