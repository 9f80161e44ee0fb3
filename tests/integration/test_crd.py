"""The CRD on a real API server: what it accepts, how it explains what it refuses, and what users see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api.errors import Conflict
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.rules.assess import assess
from floe_operator.rules.facts import Checked, Dependencies, Dependency
from floe_operator.rules.mirror import is_bare
from floe_operator.rules.resource import FIELD_MANAGER, STATUS_FIELD_MANAGER, FloePlugin, FloePluginStatus
from floe_operator.rules.status_removals import removal_patch
from localcluster import KubectlError, LocalCluster
from tests.support.connections import connected
from tests.unit.operator.rules.facts_builder import LATER, NOW, described, facts, judged, spec, verdict

KEYCLOAK = PluginId(PluginType.IDENTITY, "keycloak")
SECRET = {"name": "s", "key": "k"}
LONGEST_NAME = "x" * 63


def manifest(name: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """Return a manifest of identity-keycloak, with the given fields in place of its own."""
    whole = {"type": "identity", "name": "keycloak", **fields}
    return {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": {"name": name if name is not None else f"{whole['type']}-{whole['name']}"},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


class Namespace:
    """Runs kubectl in one namespace."""

    def __init__(self, cluster: LocalCluster, name: str) -> None:
        self._cluster = cluster
        self.name = name

    def kubectl(self, *args: str, stdin: object = None) -> str:
        text = None if stdin is None else json.dumps(stdin)
        return self._cluster.kubectl("--namespace", self.name, *args, input=text)

    def apply(self, document: dict[str, Any], *flags: str) -> str:
        return self.kubectl("apply", *flags, "-f", "-", stdin=document)

    def refused(self, document: dict[str, Any], *flags: str) -> str:
        with pytest.raises(KubectlError) as refused:
            self.apply(document, *flags)
        return refused.value.stderr

    def write(self, document: dict[str, Any], status: FloePluginStatus) -> dict[str, Any]:
        """Write the status as the operator does, and return the object."""
        patch = {**document, "spec": None, "status": status.to_json()}
        del patch["spec"]
        flags = ("--server-side", "--force-conflicts", "--subresource=status")
        self.apply(patch, *flags, f"--field-manager={STATUS_FIELD_MANAGER}")
        return self.get(document["metadata"]["name"])

    def get(self, name: str) -> dict[str, Any]:
        raw: dict[str, Any] = json.loads(
            self.kubectl("get", "floeplugin", name, "-o", "json", "--show-managed-fields")
        )
        return raw


@pytest.fixture
def here(cluster: LocalCluster, namespace: str) -> Namespace:
    return Namespace(cluster, namespace)


@pytest.mark.parametrize(
    "document",
    [
        manifest(),
        manifest(type="telemetry-backend", name=LONGEST_NAME),
        manifest(name="a-1-b"),
        manifest(version=">=0.1.0a1,<0.2", config={"deep": {"list": [1, {"x": None}]}, "text": "a"}),
        manifest(version=""),
        manifest(config={}),
        manifest(configFrom=[{"secretKeyRef": {**SECRET, "optional": True}, "path": "a._b.c1"}]),
        manifest(configFrom=[{"secretKeyRef": SECRET, "path": "feeds[0].auth[9999][10]._b"}]),
        manifest(configFrom=[{"configMapKeyRef": {"name": "a.b-c", "key": "settings.yaml"}}] * 32),
        manifest(configFrom=[]),
        manifest(probe={}),
        manifest(probe={"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}),
        manifest(probe={"periodSeconds": 86_400, "timeoutSeconds": 3_600, "failureThreshold": 100}),
    ],
)
def test_a_valid_manifest_is_accepted_and_stored_unchanged(here: Namespace, document: dict[str, Any]) -> None:
    here.apply(document, "--server-side")
    raw = here.get(document["metadata"]["name"])
    assert raw["spec"] == document["spec"]
    assert FloePlugin.parse(raw).plugin.name == document["spec"]["name"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            manifest("keycloak"),
            "must be spec.type, a hyphen and spec.name; name this object identity-keycloak",
        ),
        (manifest("identity-Keycloak"), "a lowercase RFC 1123 subdomain"),
        (manifest(type="auth"), 'spec.type: Unsupported value: "auth": supported values: "compute"'),
        (manifest(type=None), "spec.type: Required value"),
        (manifest("identity-keycloak", name=None), "spec.name: Required value"),
        (manifest(name="Keycloak"), "hyphens, underscores and dots; write keycloak"),
        (manifest(name="a--b"), "hyphens, underscores and dots; write a-b"),
        (manifest(name="a_b"), "hyphens, underscores and dots; write a-b"),
        (manifest(name="a-"), "use only a-z, 0-9 and single hyphens between them"),
        (manifest(name="x" * 64), "spec.name: Too long: may not be more than 63"),
        (manifest(version="x" * 257), "spec.version: Too long: may not be more than 256"),
        (manifest(version=1), "spec.version in body must be of type string"),
        (manifest(config=["a"]), "spec.config in body must be of type object"),
        (manifest(config="a"), "spec.config in body must be of type object"),
        (
            manifest(configFrom=[{}]),
            "must be set; write one configFrom entry for each",
        ),
        (
            manifest(configFrom=[{"secretKeyRef": SECRET, "configMapKeyRef": SECRET}]),
            # Kubernetes 1.34 puts "object": before the rule's message.
            "exactly one of secretKeyRef and configMapKeyRef must be set",
        ),
        (
            manifest(configFrom=[{"secretKeyRef": SECRET}] * 33),
            "spec.configFrom: Too many: 33: must have at most 32",
        ),
        (
            manifest(configFrom=[{"secretKeyRef": {"name": "s"}}]),
            "spec.configFrom[0].secretKeyRef.key: Required",
        ),
        (manifest(configFrom=[{"configMapKeyRef": {"key": "k"}}]), "configMapKeyRef.name: Required"),
        (
            manifest(configFrom=[{"secretKeyRef": {"name": "S", "key": "k"}}]),
            "no Secret can have this name",
        ),
        (
            manifest(configFrom=[{"secretKeyRef": {"name": "a/b", "key": "k"}}]),
            "no Secret can have this name",
        ),
        (
            manifest(configFrom=[{"secretKeyRef": {"name": "s", "key": "a/b"}}]),
            "no Secret can have this key",
        ),
        (manifest(configFrom=[{"secretKeyRef": {"name": "s", "key": ""}}]), "secretKeyRef.key"),
        (manifest(configFrom=[{"secretKeyRef": SECRET, "path": "a..b"}]), "it must be dotted identifiers"),
        (manifest(configFrom=[{"secretKeyRef": SECRET, "path": "a[01]"}]), "it must be dotted identifiers"),
        (manifest(configFrom=[{"secretKeyRef": SECRET, "path": "1a"}]), "it must be dotted identifiers"),
        (manifest(configFrom=[{"secretKeyRef": SECRET, "path": ""}]), "path"),
        (manifest(configFrom=[{"secretKeyRef": SECRET, "path": "a" * 254}]), "path: Too long"),
        (
            manifest(probe={"periodSeconds": 0}),
            "spec.probe.periodSeconds in body should be greater than or equal to 1",
        ),
        (manifest(probe={"timeoutSeconds": 0}), "spec.probe.timeoutSeconds in body should be greater than"),
        (
            manifest(probe={"failureThreshold": 0}),
            "spec.probe.failureThreshold in body should be greater than",
        ),
        (
            manifest(probe={"periodSeconds": 86_401}),
            "spec.probe.periodSeconds in body should be less than or",
        ),
        (
            manifest(probe={"timeoutSeconds": 3_601}),
            "spec.probe.timeoutSeconds in body should be less than or",
        ),
        (
            manifest(probe={"failureThreshold": 101}),
            "spec.probe.failureThreshold in body should be less than",
        ),
        (manifest(probe={"periodSeconds": 1.5}), "periodSeconds in body must be of type int"),
        (manifest(unknown=1), 'unknown field "spec.unknown"'),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused_and_the_rule_is_named(
    here: Namespace, document: dict[str, Any], said: str
) -> None:
    assert said in here.refused(document, "--validate=strict")


@pytest.mark.parametrize(("field", "value"), [("type", "compute"), ("name", "dex")])
def test_the_plugin_that_an_object_stands_for_cannot_be_changed(
    here: Namespace, field: str, value: str
) -> None:
    here.apply(manifest())
    message = here.refused(manifest("identity-keycloak", **{field: value}))
    assert (
        f"spec.{field} cannot be changed; delete this object and create one for the other plugin" in message
    )


@pytest.mark.parametrize("reference", ["secretKeyRef", "configMapKeyRef"])
def test_a_reference_to_another_namespace_is_impossible(here: Namespace, reference: str) -> None:
    document = manifest(configFrom=[{reference: {**SECRET, "namespace": "kube-system"}}])
    assert f'unknown field "spec.configFrom[0].{reference}.namespace"' in here.refused(document)
    here.apply(document, "--validate=ignore")
    assert here.get("identity-keycloak")["spec"]["configFrom"] == [{reference: SECRET}]


def test_an_object_that_was_never_assessed_has_observed_generation_minus_one(here: Namespace) -> None:
    here.apply(manifest())
    assert here.get("identity-keycloak")["status"] == {"observedGeneration": -1}


def test_a_manifest_has_no_drift(here: Namespace) -> None:
    document = manifest(configFrom=[{"secretKeyRef": SECRET}], probe={})
    here.apply(document)
    assert here.get("identity-keycloak")["spec"] == document["spec"]
    here.kubectl("diff", "-f", "-", stdin=document)


def test_a_mirror_is_bare_only_while_no_other_manager_owns_a_field(here: Namespace) -> None:
    here.apply(manifest(), "--server-side", f"--field-manager={FIELD_MANAGER}")
    assert is_bare(FloePlugin.parse(here.write(manifest(), judged())))
    here.apply(manifest(config={"realm": "floe"}), "--server-side", "--field-manager=gitops")
    assert not is_bare(FloePlugin.parse(here.get("identity-keycloak")))
    nothing = {key: value for key, value in manifest().items() if key != "spec"}
    here.apply(nothing, "--server-side", "--field-manager=gitops")
    assert is_bare(FloePlugin.parse(here.get("identity-keycloak")))


NASTY_SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"default": None, "anyOf": [{"type": "null"}, {"maximum": 2**70, "minimum": -0.0}]},
        "b": {"enum": [None, 1.0, 1e-7, 1e300, 2**63, 0.1 + 0.2], "default": {}},
        "c": {"default": [], "const": "", "pattern": "\u2028\\d\ud800"},
    },
}


def test_a_status_reads_as_it_was_written_and_is_not_written_again(here: Namespace) -> None:
    here.apply(manifest())
    loaded = described(config_schema=NASTY_SCHEMA, description="é", dependencies=("a", "a"))
    known = facts(loading=loaded, dependencies=Dependencies((Dependency("a", ()),)))
    status = assess(known, None, NOW)
    first = here.write(manifest(), status)
    seen = FloePlugin.parse(first).status
    assert seen == status
    assert assess(known, seen, LATER) == seen
    assert (
        here.write(manifest(), status)["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    )


def test_the_largest_status_makes_an_object_of_at_most_16_kib(here: Namespace) -> None:
    worst = '"\\' * 2_000
    sources = [{"secretKeyRef": {"name": "keycloak", "key": "client-secret"}, "path": "client_secret"}]
    document = manifest(config={"realm": "floe"}, configFrom=sources, probe={}, version="x" * 256)
    here.apply(document, "--server-side")
    status = assess(
        facts(
            spec=spec(**{key: document["spec"][key] for key in ("config", "configFrom", "probe", "version")}),
            loading=described(
                declared_name=worst,
                description=worst,
                dependencies=(worst,) * 100,
                config_schema={"description": "d" * 8_000},
            ),
            config=verdict("ValidationFailed", ("a", worst, "x")),
            dependencies=Dependencies((Dependency(worst, ()),)),
            probe=Checked("unhealthy", 3, worst),
        ),
        None,
        NOW,
    )
    raw = here.write(document, status)
    assert FloePlugin.parse(raw).status == status
    assert len(json.dumps(raw, separators=(",", ":"), ensure_ascii=False).encode()) <= 16 * 1024


def test_what_was_written_into_a_status_by_hand_can_be_removed(here: Namespace) -> None:
    here.apply(manifest())
    before = here.write(manifest(), judged())["status"]
    stalled = {**before["conditions"][0], "type": "Stalled"}
    audited = {**stalled, "type": "example.com/Audited"}
    by_hand = {"status": {"configSchema": {"x": 1}, "conditions": [*before["conditions"], stalled, audited]}}
    here.kubectl(
        "patch", "fp", "identity-keycloak", "--subresource=status", "--type=merge", "-p", json.dumps(by_hand)
    )
    after_apply = here.write(manifest(), judged())
    assert FloePlugin.parse(after_apply).status != judged(), "an apply alone does it: the patch is not needed"
    patch = removal_patch(after_apply, judged())
    here.kubectl(
        "patch", "fp", "identity-keycloak", "--subresource=status", "--type=json", "-p", json.dumps(patch)
    )
    mended = here.get("identity-keycloak")
    assert FloePlugin.parse(mended).status == judged()
    assert audited in mended["status"]["conditions"]


async def test_a_patch_of_a_status_that_has_changed_since_is_a_conflict(
    here: Namespace, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    here.apply(manifest())
    earlier = here.get("identity-keycloak")["metadata"]["resourceVersion"]
    here.write(manifest(), judged())
    patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": earlier},
        {"op": "remove", "path": "/status/version"},
    ]
    async with connected() as connection:
        with pytest.raises(Conflict, match="no longer as the patch requires"):
            await FloePlugins(connection, here.name).patch_status(KEYCLOAK, patch)
    assert "version" in here.get("identity-keycloak")["status"]


def test_objects_are_found_by_type_and_by_name(here: Namespace) -> None:
    for document in (
        manifest(),
        manifest(type="compute", name="duckdb"),
        manifest(type="catalog", name="duckdb"),
    ):
        here.apply(document)

    def selected(selector: str) -> list[str]:
        return here.kubectl("get", "fp", "-o", "name", "--field-selector", selector).split()

    assert selected("spec.type=identity") == ["floeplugin.floe.dev/identity-keycloak"]
    assert selected("spec.name=duckdb") == [
        "floeplugin.floe.dev/catalog-duckdb",
        "floeplugin.floe.dev/compute-duckdb",
    ]
    assert selected("spec.name=duckdb,spec.type=compute") == ["floeplugin.floe.dev/compute-duckdb"]


def columns(printed: str) -> tuple[list[str], list[str]]:
    """Return the words of the header, and those of the only row without its age."""
    header, row = (line.split() for line in printed.strip().splitlines())
    return header, [cell for index, cell in enumerate(row) if header[index] != "AGE"]


def test_kubectl_get_shows_the_plugin_its_version_and_its_readiness(here: Namespace) -> None:
    here.apply(manifest(probe={}))
    here.write(manifest(), judged(spec=spec(probe={}), probe=Checked("healthy")))
    header = ["NAME", "TYPE", "PLUGIN", "VERSION", "API", "READY", "REASON", "AGE"]
    row = ["identity-keycloak", "identity", "keycloak", "0.1.0", "1.0", "True", "Ready"]
    assert columns(here.kubectl("get", "floe")) == (header, row)
    wide = here.kubectl("get", "fp", "-o", "wide").splitlines()
    assert wide[0].split() == [*header, "IN-USE", "HEALTHY", "DISTRIBUTION", "MESSAGE"]
    assert wide[1].split()[8:11] == ["true", "True", "floe-identity-keycloak"]
    assert wide[1].endswith("The plugin is installed, compatible with the platform, configured and running")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("floeplugin", "A FloePlugin represents a plugin of the floe data platform"),
        (
            "floeplugin.spec.configFrom.path",
            "dotted identifiers, such as credentials.client_secret, and indices from 0",
        ),
        ("fp.spec.probe.periodSeconds", "Defaults to 60"),
        ("fp.status.conditions", "Reconciling (wait"),
    ],
)
def test_kubectl_explains_every_field(here: Namespace, path: str, said: str) -> None:
    assert said in " ".join(here.kubectl("explain", path).split())
