"""Hypothesis strategies for facts and histories of facts."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from hypothesis import settings
from hypothesis import strategies as st

from floe_core.host.protocol import ConfigFault, Description, DistributionRef, FoundPlugin, Verdict
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.facts import (
    Checked,
    ConfigSourceFault,
    CrashedWhileRunning,
    Dependencies,
    Dependency,
    Discovery,
    DiscoveryUnknown,
    Facts,
    Hidden,
    Installed,
    NotInstalled,
    Probe,
    Probing,
    Readiness,
    StartupFailed,
)
from floe_operator.rules.load_states import Described, LoadFault, Loading, LoadState
from floe_operator.rules.resource import FloePluginSpec
from tests.unit.operator.rules.facts_builder import FOUND, KEYCLOAK, broken, described, spec

few_examples = settings(max_examples=60)
"""Settings for tests whose examples take long."""

texts = st.one_of(
    st.sampled_from(["", "x", "a: b.\n c", "é" * 700, '"\\' * 700, "\ud800", "\0\t\n"]), st.text(max_size=40)
)
short = st.sampled_from(["1.0", "0.1.0", "2.0", "1.0.0", "x", "9" * 300, "keycloak"])
plugins = st.builds(PluginId, st.sampled_from(PluginType), st.sampled_from(["a", "b", "c" * 63]))
paths = st.sampled_from(["", "a", "a.b", "a.0.c", "items.*", "z" * 300])


def reasons_of(fault: type) -> st.SearchStrategy[str]:
    """Return a strategy for the reasons that a fault can have."""
    return st.sampled_from(get_args(get_type_hints(fault)["reason"]))


discoveries: st.SearchStrategy[Discovery] = st.one_of(
    st.just(Installed(FOUND)),
    st.builds(
        lambda name, version, entry: Installed(
            FoundPlugin(
                type="identity",
                name="keycloak",
                entry_point=entry,
                distribution=DistributionRef(name=name, version=version),
                fingerprint="",
            )
        ),
        texts,
        texts,
        texts,
    ),
    st.builds(
        lambda reason, detail, claims: broken(reason, detail, *claims),
        st.sampled_from(["DuplicateEntryPoint", "MalformedEntryPoint"]),
        texts,
        st.lists(st.just(FOUND), min_size=1, max_size=2),
    ),
    st.just(NotInstalled()),
    st.builds(DiscoveryUnknown, texts),
)

descriptions = st.builds(
    Description,
    declared_name=st.one_of(st.just("keycloak"), texts),
    version=st.one_of(st.just("0.1.0"), short),
    floe_api_version=st.one_of(st.just("1.0"), short),
    description=texts,
    dependencies=st.lists(texts, max_size=40).map(tuple),
    takes_config=st.booleans(),
    config_schema=st.one_of(
        st.none(),
        st.sampled_from([{}, {"type": "object", "default": None}, {"x": "y" * 9000}, {"x": 2**80}]),
        st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.floats() | st.text(), st.lists)),
    ),
    schema_error=st.one_of(st.none(), texts),
)
loadings: st.SearchStrategy[LoadState | None] = st.one_of(
    st.builds(Described, descriptions),
    st.builds(LoadFault, reasons_of(LoadFault), texts, texts),
    st.just(Loading()),
    st.none(),
)
config_faults = st.builds(
    ConfigFault, field=paths, message=texts, type=st.sampled_from(["missing", "int_type"])
)
verdicts = st.one_of(
    st.none(),
    st.just(Verdict(reason="Valid")),
    st.builds(
        Verdict,
        reason=st.sampled_from(get_args(Verdict.model_fields["reason"].annotation)),
        faults=st.lists(config_faults, max_size=5).map(tuple),
    ),
    st.builds(ConfigSourceFault, reasons_of(ConfigSourceFault), texts),
)
hidden = st.lists(
    st.builds(
        Hidden,
        st.integers(0, 31),
        st.lists(st.one_of(st.none(), st.integers(0, 31)), min_size=1, max_size=5).map(tuple),
        st.sampled_from(["", "a.b", "a" * 253]),
    ),
    max_size=32,
).map(tuple)
dependencies = st.one_of(
    st.none(),
    st.just(Dependencies()),
    st.builds(
        Dependencies,
        st.lists(
            st.builds(
                Dependency, texts, st.lists(plugins, max_size=8).map(tuple), st.sampled_from(Readiness)
            ),
            max_size=4,
        ).map(tuple),
        st.lists(plugins, max_size=40).map(tuple),
    ),
)
probes: st.SearchStrategy[Probe | None] = st.one_of(
    st.none(),
    st.builds(Probing, st.booleans()),
    st.builds(Checked, st.sampled_from(["healthy", "degraded", "unhealthy"]), st.integers(0, 5), texts),
    st.builds(StartupFailed, texts),
    st.builds(CrashedWhileRunning, texts),
)
specs: st.SearchStrategy[FloePluginSpec] = st.builds(
    lambda version, config, sources, probe: spec(
        version=version, config=config, configFrom=sources, probe=probe
    ),
    st.sampled_from([None, ">=0.1", "<0.1", "nonsense"]),
    st.sampled_from([None, {}, {"a": {"b": 1}}, {"items": {"k": [1]}}]),
    st.lists(
        st.sampled_from(
            [
                {"secretKeyRef": {"name": "s", "key": "k"}, "path": "a.b"},
                {"configMapKeyRef": {"name": "c", "key": "k"}},
            ]
        ),
        max_size=2,
    ),
    st.sampled_from([None, {}, {"failureThreshold": 1}]),
)


def mostly(good: Any, bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw the good value three times out of four, so that cases that need several good facts occur too."""
    return st.integers(0, 3).flatmap(lambda dice: bad if dice == 0 else st.just(good))


any_facts = st.builds(
    Facts,
    plugin=st.just(KEYCLOAK),
    generation=st.integers(1, 3),
    spec=mostly(spec(probe={}), specs),
    platform_api_version=st.just("1.0"),
    discovery=mostly(Installed(FOUND), discoveries),
    in_use=mostly(True, st.just(False)),
    loading=mostly(described(), loadings),
    config=mostly(Verdict(reason="Valid"), verdicts),
    hidden=mostly((), hidden),
    dependencies=mostly(Dependencies(), dependencies),
    probe=probes,
)
histories = st.lists(any_facts, min_size=1, max_size=5)
"""What the operator knew at consecutive reconciles; generations can even go backwards."""
