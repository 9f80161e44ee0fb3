"""Assesses configurations against a plugin's schema; any number can be assessed at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from floe_core._configuring.config_errors import bounded
from floe_core._configuring.configuration import required_fields, validate
from floe_core._configuring.secret_fields import plaintext_secrets
from floe_core._printable import printable
from floe_core.host.inventory import LoadedPlugin
from floe_core.host.protocol import ConfigFault, Verdict
from floe_core.plugin_errors import FieldError, PluginConfigurationError, PluginSchemaError
from floe_core.plugin_types import PluginId, PluginName


def verdict_on(
    plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any], plain: Mapping[str, Any]
) -> Verdict:
    """Return the verdict on `config`, without any value; `plain` is the part not given in a Secret."""
    if loaded.message.schema_error is not None:
        return _verdict("SchemaFailed", [_error("", loaded.message.schema_error, "schema_error")])
    schema = loaded.description.config_schema
    if schema is None:
        return Verdict(reason="ConfigNotAccepted" if config else "NothingToConfigure")
    try:
        if plaintext := plaintext_secrets(schema, plain):
            return _verdict("PlaintextSecret", bounded(plaintext, _plaintext))
        if not config and (required := required_fields(schema)):
            return _verdict("ConfigRequired", bounded(required, _required))
        validate(schema, config, plugin=PluginName(*plugin), json_mode=True, plain=plain)
    except PluginSchemaError as error:
        return _verdict("SchemaFailed", error.errors)
    except PluginConfigurationError as error:
        return _verdict("ValidationFailed", error.errors)
    except BaseException as error:  # noqa: BLE001 - validators are plugin code
        said = f"a validator raised {type(error).__name__}"
        return _verdict("ValidationFailed", [_error("", said, "validator_error")])
    return Verdict(reason="Valid")


def _verdict(reason: Any, errors: Iterable[Mapping[str, object]]) -> Verdict:
    faults = ({key: printable(str(text)) for key, text in error.items()} for error in errors)
    return Verdict(reason=reason, faults=tuple(map(ConfigFault.model_validate, faults)))


def _plaintext(field: str) -> FieldError:
    said = "is a secret in plain text: give it through configFrom, and rotate the value"
    return _error(field, said, "plaintext_secret")


def _required(field: str) -> FieldError:
    return _error(field, "is required", "missing")


def _error(field: str, message: str, kind: str) -> FieldError:
    return FieldError(field=field, message=message, type=kind)
