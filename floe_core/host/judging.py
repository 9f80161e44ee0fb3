"""What a plugin's schema says of a configuration, as a verdict; called by the server, many at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floe_core.configuration import required_fields, validate
from floe_core.host.inventory import LoadedPlugin
from floe_core.host.protocol import ConfigFault, Verdict
from floe_core.plugin_errors import PluginConfigurationError, PluginSchemaError
from floe_core.plugin_types import PluginId
from floe_core.secret_fields import plaintext_secrets

_MOST_FAULTS = 100


def judge(
    plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any], plain: Mapping[str, Any]
) -> Verdict:
    """The verdict on `config`, of which `plain` was not given in a Secret; holds no value of either."""
    if loaded.message.schema_error is not None:
        return _verdict("SchemaFailed", [_fault("", loaded.message.schema_error, "schema_error")])
    schema = loaded.description.config_schema
    if schema is None:
        return Verdict(reason="ConfigNotAccepted" if config else "NothingToConfigure")
    try:
        if plaintext := plaintext_secrets(schema, plain):
            return _verdict("PlaintextSecret", [_plaintext(field) for field in plaintext])
        if not config and (required := required_fields(schema)):
            return _verdict("ConfigRequired", [_fault(field, "is required", "missing") for field in required])
        validate(schema, config, plugin=plugin, json_mode=True, plain=plain)
    except PluginSchemaError as error:
        return _verdict("SchemaFailed", map(_from, error.errors))
    except PluginConfigurationError as error:
        return _verdict("ValidationFailed", map(_from, error.errors))
    except BaseException as error:  # noqa: BLE001 - validators are plugin code
        said = f"a validator raised {type(error).__name__}"
        return _verdict("ValidationFailed", [_fault("", said, "validator_error")])
    return Verdict(reason="Valid")


def _verdict(reason: Any, faults: Any) -> Verdict:
    every = list(faults)
    kept = every[:_MOST_FAULTS]
    if len(every) > len(kept):
        kept.append(_fault("", f"{len(every) - len(kept)} more faults", "too_many_errors"))
    return Verdict(reason=reason, faults=tuple(kept))


def _plaintext(field: str) -> ConfigFault:
    return _fault(
        field, "is secret and given in plain: give it by configFrom, and rotate the value", "plaintext_secret"
    )


def _from(error: Mapping[str, str]) -> ConfigFault:
    return _fault(error.get("field", ""), error.get("message", ""), error.get("type", ""))


def _fault(field: str, message: str, kind: str) -> ConfigFault:
    return ConfigFault(field=field, message=message, type=kind)
