"""The registry's own errors hold no secret, in whatever form a validator quotes it."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from floe_core import PluginConfigurationError, PluginMetadata, PluginRegistry, PluginType
from tests.support.secret_forms import FOUND, Form, reveals

_WITHHELD = "what it says is withheld because it might hold a secret"


def _error(printed: str, how: str) -> Exception:
    return {
        "value error": ValueError(printed),
        "custom message": PydanticCustomError("login", "{said}", {"said": printed}),
        "custom type": PydanticCustomError(printed, "no"),
        "known error": PydanticKnownError("literal_error", {"expected": printed}),
    }[how]


def _refusal(form: Form, secret: str, how: str) -> PluginConfigurationError:
    """Return the error with which the registry refuses a configuration whose validator quotes the secret."""

    class Config(BaseModel):
        token: SecretStr

        @model_validator(mode="before")
        @classmethod
        def quote(cls, given: dict[str, Any]) -> Any:
            raise _error(form.printed(given["token"]), how)

    class Plugin(PluginMetadata):
        name, version, floe_api_version = "quoting", "0.1.0", "1.0"

        def get_config_schema(self) -> type[BaseModel]:
            return Config

    registry = PluginRegistry()
    registry.register(PluginType.COMPUTE, Plugin())
    with pytest.raises(PluginConfigurationError) as caught:
        registry.configure(PluginType.COMPUTE, "quoting", {"token": secret})
    return caught.value


@pytest.mark.parametrize("form", FOUND, ids=str)
@pytest.mark.parametrize("how", ["value error", "custom message", "custom type", "known error"])
def test_what_a_validator_says_is_withheld_if_it_quotes_a_secret(form: Form, how: str) -> None:
    secret = form.secret()
    error = _refusal(form, secret, how)
    told = [str(error), repr(error), repr(error.errors), "".join(traceback.format_exception(error))]
    assert not [left for text in told if (left := reveals(form, secret, text))]
    if how == "value error" and len(form.printed(secret)) < 500:
        assert _WITHHELD in error.errors[0]["message"]
