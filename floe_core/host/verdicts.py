"""Assesses configurations against a plugin's schema; any number can be assessed at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from floe_core._class_names import error_name
from floe_core._configuring.config_errors import missing
from floe_core._configuring.configuration import assess, required_paths
from floe_core._configuring.faults import Fault, first_faults
from floe_core._configuring.secret_fields import plaintext_secrets
from floe_core._printable import printable
from floe_core.host.errors import sentence_of
from floe_core.host.inventory import LoadedPlugin
from floe_core.host.protocol import ConfigFault, Verdict
from floe_core.plugin_errors import PluginSchemaError
from floe_core.plugin_types import PluginId, PluginName


def verdict_on(
    plugin: PluginId, loaded: LoadedPlugin, config: Mapping[str, Any], plain: Mapping[str, Any]
) -> Verdict:
    """Return the verdict on `config`; `plain` is the part not given in a Secret."""
    if loaded.message.schema_error is not None:
        return _schema_failed(loaded.message.schema_error)
    schema = loaded.description.config_schema
    if schema is None:
        return Verdict(reason="ConfigNotAccepted" if config else "NothingToConfigure")
    try:
        if plaintext := plaintext_secrets(schema, plain):
            return _verdict("PlaintextSecret", first_faults(plaintext, _plaintext))
        if not config and (required := required_paths(schema)):
            return _verdict("ConfigRequired", missing(schema, required))
        assessed = assess(schema, config, plugin=PluginName(*plugin), json_mode=True, plain=plain)
    except BaseException as error:  # noqa: BLE001 - the schema is plugin code, too
        said = f"Assessing the configuration raised {error_name(error)}"
        return _verdict("ValidationFailed", [Fault("", said, "validator_error")])
    if isinstance(assessed, PluginSchemaError):
        return _schema_failed(sentence_of(assessed))
    return _verdict("ValidationFailed", assessed) if isinstance(assessed, list) else Verdict(reason="Valid")


def _schema_failed(detail: str) -> Verdict:
    return _verdict("SchemaFailed", [Fault("", detail, "schema_error")])


def _verdict(reason: Any, faults: Iterable[Fault]) -> Verdict:
    return Verdict(reason=reason, faults=tuple(map(_config_fault, faults)))


def _config_fault(fault: Fault) -> ConfigFault:
    return ConfigFault(
        field=printable(fault.field),
        message=printable(fault.message),
        type=printable(fault.type),
        plugin_text=printable(fault.plugin_text),
        quoted=printable(fault.quoted),
        secrets=tuple(map(printable, fault.secrets)),
    )


def _plaintext(field: str) -> Fault:
    said = "is a secret in plain text: give it through configFrom, and rotate the value"
    return Fault(field, said, "plaintext_secret", secrets=(field,))
