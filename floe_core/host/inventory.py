"""The plugins of the host's environment: which are installed, and the classes imported from them.

`scan` can be called in any thread, `load` in the main thread only.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from floe_core._class_names import error_name
from floe_core._configuring.configuration import json_schema, required_fields
from floe_core._finding import discovery
from floe_core._finding.discovery import EntryPointClaim, InstalledDistribution, Scan
from floe_core._loading.description import PluginDescription, describe
from floe_core._loading.import_faults import FIX_OTHER, lacking_name
from floe_core._loading.loading import load_class
from floe_core._printable import printable
from floe_core.host import protocol
from floe_core.host.errors import CallError, plugin_text, sentence_of
from floe_core.plugin_errors import (
    NotAPluginError,
    PluginConfigurationError,
    PluginImportError,
    PluginLoadError,
)
from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginId

if TYPE_CHECKING:
    from pydantic import BaseModel

_LARGEST_SCHEMA = protocol.MAX_LINE_BYTES // 2


@dataclass(frozen=True)
class LoadedPlugin:
    """An imported class, its description, and the description as a message."""

    plugin_class: type[PluginMetadata]
    description: PluginDescription
    message: protocol.Description


class Inventory:
    """The plugins of the environment. Each import is attempted once in the life of the process."""

    def __init__(self) -> None:
        # The path before any plugin code ran: plugins that change it do not affect scans.
        self._path = list(sys.path)
        self._found: Scan | None = None
        self._loaded: dict[PluginId, LoadedPlugin | CallError] = {}
        self._lock = threading.Lock()

    def scan(self, *, unless_changed: bool = False) -> protocol.ScanResult | None:
        """Return what is installed now; None if it is the same as before and only a change is asked for."""
        found = discovery.scan(self._path)
        with self._lock:
            before, self._found = self._found, found
        return None if unless_changed and found == before else scan_result(found)

    def load(self, plugin: PluginId) -> LoadedPlugin:
        """Return a plugin, imported and described on first use.

        Raises:
            CallError: LOAD_FAILED or NOT_FOUND.
        """
        outcome = self.loaded(plugin)
        if outcome is None:
            claim = self._claim(plugin)
            # Put back the path entries that other plugins removed.
            sys.path.extend(entry for entry in self._path if entry not in sys.path)
            outcome = _attempt(claim)
            self._loaded[plugin] = outcome
        if isinstance(outcome, CallError):
            raise outcome.with_traceback(None)  # keep the error, but not the frames of its traceback
        return outcome

    def loaded(self, plugin: PluginId) -> LoadedPlugin | CallError | None:
        """Return the outcome of a plugin's import, or None if it has not been attempted."""
        return self._loaded.get(plugin)

    def _claim(self, plugin: PluginId) -> EntryPointClaim:
        with self._lock:
            found = self._found
        if found is None:
            self.scan()
            return self._claim(plugin)
        if plugin not in found.plugins:
            raise CallError(protocol.NOT_FOUND, f"{plugin.slug} is not installed")
        return found.plugins[plugin]


def with_accepted_schema(loaded: LoadedPlugin) -> protocol.Description:
    """Return a plugin's description with the JSON schema of all that validation accepts."""
    schema = loaded.description.config_schema
    if schema is None or loaded.message.schema_error is not None:
        return loaded.message
    return loaded.message.model_copy(update=_written(schema, of_all_accepted=True))


def _attempt(claim: EntryPointClaim) -> LoadedPlugin | CallError:
    try:
        plugin_class = load_class(claim)
        description = describe(plugin_class, claim.spelled)
        return LoadedPlugin(plugin_class, description, _message(description))
    except PluginLoadError as error:
        return _load_failed(
            "NotAPlugin" if isinstance(error, NotAPluginError) else "ImportFailed",
            f"Cannot load {claim.id.slug}: {error.reason}",
            error.cause,
            error.fix if isinstance(error, PluginImportError) else "",
        )
    except BaseException as error:  # noqa: BLE001 - plugin code can raise anything
        said = f"Loading {claim.id.slug} raised {error_name(error)}"
        return _load_failed("ImportFailed", said, error, FIX_OTHER)


def _load_failed(reason: Any, summary: str, cause: BaseException | None, fix: str = "") -> CallError:
    text = plugin_text(cause, summary)
    name = printable(lacking_name(cause))
    failure = protocol.LoadFailure(
        reason=reason,
        summary=summary,
        plugin_text=text,
        fix=fix,
        quoted=name if name in summary else "",
    )
    return CallError(protocol.LOAD_FAILED, summary, failure)


def _message(description: PluginDescription) -> protocol.Description:
    schema = description.config_schema
    described = protocol.Description(
        declared_name=description.declared_name,
        version=description.version,
        floe_api_version=description.floe_api_version,
        description=description.description,
        dependencies=description.dependencies,
        takes_config=schema is not None or description.schema_error is not None,
        schema_error=sentence_of(description.schema_error) if description.schema_error else None,
        warnings=description.warnings,
    )
    if schema is None:
        return described
    return described.model_copy(update=_written(schema, of_all_accepted=False))


def _written(schema: type[BaseModel], *, of_all_accepted: bool) -> dict[str, Any]:
    try:
        written = json_schema(schema, of_all_accepted=of_all_accepted)
        return {"required_fields": required_fields(schema), "config_schema": _if_it_fits(written)}
    except UnicodeEncodeError:
        return {"schema_error": "the JSON schema has text that is no valid Unicode (a lone surrogate)"}
    except PluginConfigurationError as error:
        return {"schema_error": sentence_of(error)}
    except BaseException as error:  # noqa: BLE001 - a schema has hooks, which are plugin code
        return {"schema_error": f"writing the JSON schema raised {error_name(error)}"}


def _if_it_fits(schema: dict[str, Any]) -> dict[str, Any] | None:
    try:
        size = len(json.dumps(schema, ensure_ascii=False).encode())
        to_json({"config_schema": schema})  # which nests less deeply than json
        return schema if size <= _LARGEST_SCHEMA else None
    except UnicodeEncodeError:
        raise
    except (TypeError, ValueError, RecursionError):
        return None


def scan_result(found: Scan) -> protocol.ScanResult:
    """Return what a scan found as a message."""
    conflicts = [
        protocol.BrokenClaim(
            type=plugin.plugin_type.slug,
            name=plugin.name,
            reason="DuplicateEntryPoint",
            detail=f"claimed by {' and by '.join(map(str, claims))}; {discovery.how_to_end(claims)}",
            claims=tuple(map(_found, claims)),
        )
        for plugin, claims in found.conflicts.items()
    ]
    malformed = [
        protocol.BrokenClaim(
            type=plugin.plugin_type.slug,
            name=plugin.name,
            reason="MalformedEntryPoint",
            detail=f"{each.claim}: {each.detail}",
            claims=(_found(each.claim),),
        )
        for plugin, each in found.malformed.items()
    ]
    return protocol.ScanResult(
        complete=found.complete,
        fingerprint=found.fingerprint,
        path_fingerprint=found.path_fingerprint,
        distributions=found.distributions,
        plugins=tuple(map(_found, found.plugins.values())),
        broken=(*conflicts, *malformed),
        unreadable=tuple(protocol.Unreadable(**each._asdict()) for each in found.unreadable),
        unknown_groups=tuple(
            protocol.UnknownGroup(
                group=each.group, distribution=_distribution(each.distribution), detail=str(each)
            )
            for each in found.unknown_groups
        ),
        core_fault=found.core_fault,
    )


def _found(claim: EntryPointClaim) -> protocol.FoundPlugin:
    return protocol.FoundPlugin(
        type=claim.plugin_type.slug,
        name=claim.name,
        entry_point=printable(claim.text),
        distribution=_distribution(claim.distribution),
        fingerprint=claim.distribution.fingerprint,
    )


def _distribution(found: InstalledDistribution) -> protocol.DistributionRef:
    return protocol.DistributionRef(name=found.name, version=found.version)
