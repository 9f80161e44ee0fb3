"""What users read: where a fault is, what is wrong, and how to fix it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from floe_core.host.protocol import ConfigFault, DistributionRef, Verdict
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.facts import (
    Checked,
    ConfigSourceFault,
    Dependencies,
    Dependency,
    DiscoveryUnknown,
    Hidden,
    NotInstalled,
    Probing,
)
from floe_operator.rules.load_states import LoadFault
from tests.unit.operator.rules.facts_builder import FOUND, broken, condition, described, judged, spec, verdict

THREADS = ("threads", "Input should be an integer", "int_parsing")
REALM = ("realm", "Field required", "missing")
FORK = FOUND.model_copy(update={"distribution": DistributionRef(name="floe-keycloak-fork", version="0.1.0")})
TWICE = FOUND.model_copy(update={"entry_point": "Keycloak = other:Plugin"})
LOCAL, VAULT = PluginId(PluginType.STORAGE, "local"), PluginId(PluginType.SECRETS, "vault")
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}, "path": "auth.secret"}
SETTINGS = {"configMapKeyRef": {"name": "c", "key": "settings.yaml"}}


def needs_secrets(reason: Any) -> Verdict:
    """Return a verdict: fields are missing, of which some are secrets or hold them."""
    missing = {"realm": (), "auth": ("auth.key",), "token": ("token",)}
    faults = (
        ConfigFault(field=field, message="Field required", type="missing", secrets=secrets)
        for field, secrets in missing.items()
    )
    return Verdict(reason=reason, faults=tuple(faults))


@pytest.mark.parametrize(
    ("faults", "fields", "message"),
    [
        (
            [THREADS],
            {"config": {"threads": "x"}},
            "spec.config.threads must be an integer; correct it",
        ),
        (
            [REALM],
            {"config": {"a": 1}},
            "spec.config.realm is required; set it in spec.config or through spec.configFrom",
        ),
        (
            [REALM],
            {"config": {"a": 1}, "configFrom": [SETTINGS]},
            "spec.config.realm is required; set it in spec.config or through spec.configFrom",
        ),
        (
            [("thread", "Extra inputs are not permitted", "extra_forbidden")],
            {"config": {"thread": 1}},
            ("spec.config.thread is not a field of the plugin's schema; did you mean threads?"),
        ),
        (
            [THREADS, ("", "40 more errors", "too_many_errors")],
            {"config": {"threads": "x"}},
            "spec.config.threads must be an integer and many more; correct spec.config",
        ),
        (
            [REALM, THREADS],
            {"config": {"threads": "x"}},
            "spec.config.realm is required and spec.config.threads must be an integer; correct spec.config",
        ),
        (
            [("auth.secret", "is too short", "string_too_short")],
            {"configFrom": [SETTINGS, SECRET]},
            "auth.secret (from spec.configFrom[1]) is too short; correct what spec.configFrom[1] refers to",
        ),
        (
            [THREADS],
            {"config": {"a": 1}, "configFrom": [SETTINGS]},
            (
                "threads (from spec.configFrom[0]) must be an integer; "
                "correct what spec.configFrom[0] refers to"
            ),
        ),
        (
            [THREADS],
            {"config": {"threads": "x"}, "configFrom": [SETTINGS]},
            "spec.config.threads must be an integer; correct it",
        ),
        (
            [
                ("pools.0.size", "must be > 0", "greater_than"),
                ("labels.*", "must be text", "string_type"),
            ],
            {"config": {"pools": [{"size": 0}], "labels": {"k": 1}}, "configFrom": [SETTINGS]},
            "spec.config.pools.0.size must be > 0 and spec.config.labels.* must be text; correct spec.config",
        ),
        (
            [REALM, ("thread", "", "extra_forbidden")],
            {"config": {"thread": 1}},
            (
                "spec.config.realm is required and "
                "spec.config.thread is not a field of the plugin's schema (did you mean threads?); "
                "correct spec.config"
            ),
        ),
        (
            [("thread", "", "extra_forbidden"), ("x", "", "extra_forbidden")],
            {"config": {"thread": 1, "x": 1}},
            (
                "spec.config.thread is not a field of the plugin's schema (did you mean threads?) and "
                "spec.config.x is not a field of the plugin's schema; "
                "correct the names, or remove them from spec.config"
            ),
        ),
        (
            [("", "needs a or b", "value_error")],
            {"config": {"c": 1}},
            "spec.config needs a or b; correct it",
        ),
        (
            [(name, "is wrong", "value_error") for name in "abcde"],
            {"config": dict.fromkeys("abcde", 1)},
            (
                "spec.config.a is wrong, spec.config.b is wrong, spec.config.c is wrong and 2 more; "
                "correct spec.config"
            ),
        ),
    ],
)
def test_a_fault_names_its_place_in_the_manifest(
    faults: list[tuple[str, str, str]], fields: dict[str, Any], message: str
) -> None:
    status = judged(
        spec=spec(**fields),
        config=verdict("ValidationFailed", *faults),
        loading=described(config_schema={"properties": {"realm": {}, "threads": {}}}),
    )
    assert condition(status, "ConfigValid").message == message


CASES: list[tuple[str, dict[str, Any], str]] = [
    (
        "Discovered",
        {"discovery": NotInstalled(), "loading": None},
        (
            "No installed distribution declares the entry point keycloak in the group floe.identity; "
            "install one that does, or delete this object"
        ),
    ),
    (
        "Discovered",
        {"discovery": broken("DuplicateEntryPoint", "", FOUND, FORK), "loading": None},
        (
            "Several entry points claim the plugin: "
            "floe-identity-keycloak 0.1.0 (keycloak = floe_identity_keycloak:KeycloakIdentityPlugin) and "
            "floe-keycloak-fork 0.1.0 (keycloak = floe_identity_keycloak:KeycloakIdentityPlugin); "
            "uninstall all but one of them"
        ),
    ),
    (
        "Discovered",
        {"discovery": broken("DuplicateEntryPoint", "", FOUND, TWICE), "loading": None},
        (
            "Several entry points claim the plugin: "
            "floe-identity-keycloak 0.1.0 (keycloak = floe_identity_keycloak:KeycloakIdentityPlugin) and "
            "floe-identity-keycloak 0.1.0 (Keycloak = other:Plugin); "
            "install a release that declares the name only once"
        ),
    ),
    (
        "Discovered",
        {"discovery": DiscoveryUnknown("no python."), "loading": None},
        "The installed distributions could not be read: no python; the next scan will try again",
    ),
    (
        "Loaded",
        {"loading": LoadFault("ImportFailed", "It failed.", "KeyError:\n   'y'")},
        "It failed: KeyError: 'y'; install another release of the plugin",
    ),
    (
        "Loaded",
        {"loading": LoadFault("ImportFailed", "It failed.", "KeyError:\n   'y'", "do this")},
        "It failed: KeyError: 'y'; do this",
    ),
    (
        "Loaded",
        {"loading": LoadFault("ImportFailed", "It failed", fix="x" * 1_000)},
        f"It failed; {'x' * 253}…",
    ),
    (
        "VersionCompatible",
        {"loading": described(floe_api_version="2.0")},
        (
            "The plugin needs plugin API 2.0, but the platform offers 1.0; upgrade the platform, "
            "or install a release of the plugin for API 1.0"
        ),
    ),
    (
        "VersionCompatible",
        {"spec": spec(version=">=0.2")},
        (
            'The plugin\'s version 0.1.0 is outside spec.version ">=0.2"; '
            "install a release within it, or change spec.version"
        ),
    ),
    (
        "VersionCompatible",
        {"spec": spec(version=">=0.1"), "loading": described(version="0.0.9")},
        (
            'The plugin\'s class declares version 0.0.9, which is outside spec.version ">=0.1", but '
            "floe-identity-keycloak 0.1.0, which is within it, is installed; the plugin's author must "
            "correct the class, and until then spec.version must admit 0.0.9"
        ),
    ),
    (
        "VersionCompatible",
        {"spec": spec(version=">=0.2"), "loading": described(version="0.0.9")},
        (
            'The plugin\'s version 0.0.9 is outside spec.version ">=0.2", as is that of the installed '
            "floe-identity-keycloak 0.1.0; install a release within it, or change spec.version"
        ),
    ),
    (
        "VersionCompatible",
        {"spec": spec(version=">=0.2"), "loading": described(version="0.1.0+local")},
        (
            'The plugin\'s version 0.1.0+local is outside spec.version ">=0.2", as is that of the installed '
            "floe-identity-keycloak 0.1.0; install a release within it, or change spec.version"
        ),
    ),
    (
        "ConfigValid",
        {"config": verdict("ConfigRequired", REALM, ("url", "is required", "missing"))},
        (
            "spec.config.realm and spec.config.url must be set, but nothing is configured; "
            "set them in spec.config or through spec.configFrom"
        ),
    ),
    (
        "ConfigValid",
        {"config": verdict("ConfigRequired", REALM, ("url", "is required", "missing")), "in_use": False},
        (
            "Nobody has configured the plugin, which requires spec.config.realm and spec.config.url; "
            "to use the plugin, set them in spec.config or through spec.configFrom"
        ),
    ),
    (
        "ConfigValid",
        {"config": needs_secrets("ConfigRequired"), "in_use": False},
        (
            "Nobody has configured the plugin, which requires spec.config.realm, spec.config.auth and token; "
            "to use the plugin, set realm and auth in spec.config, and put auth.key and token into a Secret "
            "and refer to it by spec.configFrom, path: auth.key and token"
        ),
    ),
    (
        "ConfigValid",
        {
            "config": verdict(
                "ValidationFailed", ("", "does not satisfy a rule of the plugin", "value_error")
            ),
            "in_use": False,
        },
        (
            "Nobody has configured the plugin, and without a configuration spec.config does not satisfy a "
            "rule of the plugin; to use the plugin, configure it"
        ),
    ),
    (
        "ConfigValid",
        {"config": verdict("ValidationFailed"), "in_use": False},
        (
            "Nobody has configured the plugin, which requires a configuration; to use the plugin, set it in "
            "spec.config or through spec.configFrom"
        ),
    ),
    (
        "ConfigValid",
        {"config": needs_secrets("ConfigRequired")},
        (
            "spec.config.realm, spec.config.auth and token must be set, but nothing is configured; "
            "set realm and auth in spec.config, and put auth.key and token into a Secret and refer to it by "
            "spec.configFrom, path: auth.key and token"
        ),
    ),
    (
        "ConfigValid",
        {"config": needs_secrets("ConfigRequired"), "spec": spec(configFrom=[SECRET])},
        (
            "spec.config.realm, spec.config.auth and token must be set, but spec.configFrom provides "
            "nothing; create what spec.configFrom refers to"
        ),
    ),
    (
        "ConfigValid",
        {"config": needs_secrets("ValidationFailed"), "spec": spec(config={"a": 1})},
        (
            "spec.config.realm is required, spec.config.auth is required and token is required; "
            "set realm and auth in spec.config, and put auth.key and token into a Secret and refer to it by "
            "spec.configFrom, path: auth.key and token"
        ),
    ),
    (
        "ConfigValid",
        {
            "config": verdict("PlaintextSecret", ("client_secret", "", "plaintext_secret")),
            "spec": spec(config={"client_secret": "x"}),
        },
        (
            "spec.config.client_secret is a secret in plain text; rotate it, put the new value into a "
            "Secret and refer to it by spec.configFrom, path: client_secret"
        ),
    ),
    (
        "ConfigValid",
        {
            "config": verdict("PlaintextSecret", *((name, "", "plaintext_secret") for name in "ab")),
            "spec": spec(config={"a": "x"}, configFrom=[SETTINGS]),
        },
        (
            "spec.config.a and b (from spec.configFrom[0]) are secrets in plain text; "
            "rotate each, put the new values into a Secret and refer to it by spec.configFrom, path: a and b"
        ),
    ),
    (
        "ConfigValid",
        {"config": verdict("ConfigNotAccepted"), "spec": spec(config={"a": 1}, configFrom=[SECRET])},
        "The plugin takes no configuration; remove spec.config and spec.configFrom",
    ),
    (
        "DependenciesReady",
        {
            "dependencies": Dependencies(
                (Dependency("x", (PluginId(PluginType.DBT, "x"), PluginId(PluginType.SECRETS, "x"))),)
            )
        },
        (
            "The dependency x could be dbt/x or secrets/x; "
            "the plugin must declare it with its type, as type/name"
        ),
    ),
    (
        "ConfigValid",
        {"config": verdict("ConfigRequired", REALM), "spec": spec(configFrom=[SECRET])},
        (
            "spec.config.realm must be set, but spec.configFrom provides nothing; "
            "create what spec.configFrom refers to, or set spec.config"
        ),
    ),
    (
        "ConfigValid",
        {"config": ConfigSourceFault("ValidationCrashed", "A validator did not return within 10 s.")},
        (
            "A validator did not return within 10 s; the validation will be retried; "
            "check what the plugin's validators do and how large the configuration is"
        ),
    ),
    (
        "DependenciesReady",
        {"dependencies": Dependencies((Dependency("a", ()), Dependency("dbt/b", ())))},
        "No installed plugin matches the dependency a or dbt/b; install a distribution that provides it",
    ),
    (
        "DependenciesReady",
        {"dependencies": Dependencies(tuple(Dependency(one.slug, (one,)) for one in (LOCAL, VAULT)))},
        (
            "The plugin needs storage/local and secrets/vault, which are not Ready; "
            "see FloePlugin storage-local and secrets-vault"
        ),
    ),
    (
        "Healthy",
        {"spec": spec(probe={}), "probe": Checked("unhealthy", 2, "refused")},
        "The first checks failed; the plugin is Unhealthy after failureThreshold failures in a row",
    ),
]


@pytest.mark.parametrize(("kind", "changed", "message"), CASES)
def test_a_message_says_what_is_wrong_and_how_to_fix_it(
    kind: str, changed: dict[str, Any], message: str
) -> None:
    assert condition(judged(**changed), kind).message == message


@pytest.mark.parametrize("text", ["x" * 5000, "ü" * 5000, "🦆" * 3000, "\ud800" * 2000, "a\n\tb\0" * 900])
def test_a_long_text_from_a_plugin_is_cut_and_the_fix_is_not(text: str) -> None:
    message = condition(judged(loading=LoadFault("ImportFailed", "Importing failed", text)), "Loaded").message
    assert len(message.encode()) <= 1024
    assert message.isprintable()
    assert message.endswith("…; install another release of the plugin")


@pytest.mark.parametrize(
    "missing",
    [
        {"loading": described(floe_api_version="2.0")},
        {"config": verdict("ConfigRequired")},
        {"dependencies": Dependencies((Dependency("x", ()),))},
    ],
    ids=["VersionCompatible", "ConfigValid", "DependenciesReady"],
)
def test_a_plugin_that_cannot_start_yet_says_what_it_waits_for(missing: dict[str, Any]) -> None:
    waiting = judged(spec=spec(probe={}), probe=Probing(), **missing)
    assert condition(waiting, "Healthy").message == (
        "The plugin will start once VersionCompatible, ConfigValid and DependenciesReady are True"
    )
    started = judged(spec=spec(probe={}), probe=Probing())
    assert condition(started, "Healthy").message == "The first check has not ended yet"


MATCHES = "The configuration matches the plugin's schema"


@pytest.mark.parametrize(
    ("hidden", "clause"),
    [
        ([], ""),
        ([Hidden(0, (None,), "feeds")], "spec.configFrom[0] has no effect: spec.config.feeds replaces it"),
        ([Hidden(0, (2,), "a.b")], "spec.configFrom[0] has no effect: spec.configFrom[2] replaces it"),
        ([Hidden(0, (None,))], "spec.configFrom[0] has no effect: spec.config replaces all of it"),
        (
            [Hidden(1, (None, 4, 2))],
            (
                "spec.configFrom[1] has no effect: "
                "spec.config, spec.configFrom[4] and spec.configFrom[2] replace all of it"
            ),
        ),
        (
            [Hidden(0, (None,), "a[0].b"), Hidden(1, (None, 3))],
            (
                "spec.configFrom[0] (replaced by spec.config.a[0].b) and "
                "spec.configFrom[1] (replaced by spec.config and spec.configFrom[3]) have no effect"
            ),
        ),
        (
            [Hidden(entry, (None,), "a") for entry in range(32)],
            (
                "spec.configFrom[0] (replaced by spec.config.a), "
                "spec.configFrom[1] (replaced by spec.config.a) and 30 more have no effect"
            ),
        ),
    ],
)
def test_a_valid_configuration_says_which_sources_have_no_effect(hidden: list[Hidden], clause: str) -> None:
    message = condition(judged(hidden=tuple(hidden)), "ConfigValid").message
    assert message == "; ".join(filter(None, (MATCHES, clause)))


@pytest.mark.parametrize(
    ("reason", "faults", "begins"),
    [
        ("ValidationFailed", [THREADS], "spec.config.threads must be an integer; correct it; "),
        ("ValidationFailed", [("a", "x" * 2_000, "value_error")], "spec.config.a: "),
        (
            "PlaintextSecret",
            [("a", "", "plaintext_secret")],
            "spec.config.a is a secret in plain text; rotate",
        ),
    ],
)
def test_a_fault_in_the_configuration_is_followed_by_the_sources_that_have_no_effect(
    reason: str, faults: list[tuple[str, str, str]], begins: str
) -> None:
    status = judged(
        spec=spec(config={"a": 1, "threads": "x"}),
        config=verdict(reason, *faults),
        hidden=tuple(Hidden(entry, (None, 30, 29, 28, 27), "a" * 253) for entry in range(32)),
    )
    message = condition(status, "ConfigValid").message
    assert message.startswith(begins)
    assert message.endswith(" and 30 more have no effect")
    assert len(message.encode()) <= 1024


def test_the_message_of_a_lasting_failure_stays_the_same() -> None:
    probed = spec(probe={"failureThreshold": 3})
    third, tenth = (judged(spec=probed, probe=Checked("unhealthy", n, "refused")) for n in (3, 10))
    assert third == tenth
    assert condition(third, "Healthy").message == "The last 3 checks failed: refused"


def test_a_schema_is_shown_unless_it_is_larger_than_8_kib() -> None:
    small, large = ({"type": "object", "description": "d" * length} for length in (8_000, 8_200))
    assert judged(loading=described(config_schema=small)).config_schema == small
    assert judged(loading=described(config_schema=large)).config_schema is None


def test_the_status_of_the_worst_plugin_leaves_room_in_16_kib() -> None:
    worst = '"\\' * 2_000
    status = judged(
        spec=spec(version='"' * 256, probe={}),
        loading=described(
            declared_name=worst,
            description=worst,
            dependencies=(worst,) * 100,
            config_schema={"type": "object", "description": "d" * 8_000},
        ),
        config=verdict("ValidationFailed", ("a", worst, "x")),
        dependencies=Dependencies((Dependency(worst, ()),)),
        probe=Checked("unhealthy", 3, worst),
    )
    assert len(json.dumps(status.to_json(), separators=(",", ":")).encode()) <= 13 * 1024
    assert status.version == "0.1.0"


def test_a_plugins_own_description_is_cut_to_the_limits_of_the_crd() -> None:
    said = described(description="ü" * 600, dependencies=tuple(f"{n}{'x' * 200}" for n in range(40)))
    status = judged(loading=said)
    assert status.description is not None
    assert len(status.description) <= 512
    assert status.dependencies is not None
    assert len(status.dependencies) == 32
    assert {len(one) for one in status.dependencies} <= set(range(129))


def test_a_misspelt_secret_in_plain_text_is_removed_and_rotated_and_not_renamed() -> None:
    faults = (
        ConfigFault(field="token", message="Field required", type="missing", secrets=("token",)),
        ConfigFault(field="tokken", message="", type="extra_forbidden", secrets=("token",)),
    )
    status = judged(
        spec=spec(config={"tokken": "x"}),
        config=Verdict(reason="ValidationFailed", faults=faults),
        loading=described(config_schema={"properties": {"token": {}}}),
    )
    assert condition(status, "ConfigValid").message == (
        "token is required and spec.config.tokken is not a field of the plugin's schema (did you mean "
        "token?); remove spec.config.tokken: rotate it, put the new value into a Secret and refer to it by "
        "spec.configFrom, path: token"
    )
