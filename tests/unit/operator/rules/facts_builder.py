"""Facts about a plugin that is Ready, which tests make worse one fact at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from floe_core.host.protocol import (
    BrokenClaim,
    ConfigFault,
    Description,
    DistributionRef,
    FoundPlugin,
    Verdict,
)
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.assess import assess
from floe_operator.rules.facts import Broken, Dependencies, Facts, Installed
from floe_operator.rules.load_states import Described
from floe_operator.rules.resource import Condition, FloePluginSpec, FloePluginStatus

KEYCLOAK = PluginId(PluginType.IDENTITY, "keycloak")
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)
FOUND = FoundPlugin(
    type="identity",
    name="keycloak",
    entry_point="keycloak = floe_identity_keycloak:KeycloakIdentityPlugin",
    distribution=DistributionRef(name="floe-identity-keycloak", version="0.1.0"),
    fingerprint="f",
)


def spec(**fields: Any) -> FloePluginSpec:
    """Return a spec of identity-keycloak."""
    return FloePluginSpec.model_validate({"type": "identity", "name": "keycloak", **fields})


def described(**fields: Any) -> Described:
    """Return a loaded plugin that describes itself like this."""
    good: dict[str, Any] = {
        "declared_name": "keycloak",
        "version": "0.1.0",
        "floe_api_version": "1.0",
        "takes_config": True,
    }
    return Described(Description(**{**good, **fields}))


def facts(**changed: Any) -> Facts:
    """Return facts that make the plugin Ready, except for what is changed."""
    good: dict[str, Any] = {
        "plugin": KEYCLOAK,
        "generation": 1,
        "spec": spec(),
        "platform_api_version": "1.0",
        "discovery": Installed(FOUND),
        "loading": described(),
        "config": Verdict(reason="Valid"),
        "dependencies": Dependencies(),
    }
    return Facts(**{**good, **changed})


def broken(reason: Any, detail: str, *claims: FoundPlugin) -> Broken:
    """Return a claim that cannot be loaded."""
    return Broken(BrokenClaim(type="identity", name="keycloak", reason=reason, detail=detail, claims=claims))


def verdict(reason: Any, *faults: tuple[str, str, str]) -> Verdict:
    """Return the plugin host's verdict on a configuration."""
    return Verdict(reason=reason, faults=tuple(ConfigFault(field=f, message=m, type=t) for f, m, t in faults))


def judged(**changed: Any) -> FloePluginStatus:
    """Return the status that such facts give an object that was never assessed before."""
    return assess(facts(**changed), None, NOW)


def condition(status: FloePluginStatus, kind: str) -> Condition:
    """Return a condition that must exist."""
    found = status.condition(kind)
    assert found is not None, f"no condition {kind} in {[one.type for one in status.conditions]}"
    return found


def reasons(status: FloePluginStatus) -> dict[str, tuple[str, str]]:
    """Return the status and reason of every condition."""
    return {one.type: (one.status, one.reason) for one in status.conditions}
