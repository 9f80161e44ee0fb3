"""`floe-operator validate` and the API server accept and refuse the same manifests."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from floe_operator.commands.findings import Finding
from floe_operator.commands.manifest_rules import is_floe_plugin, manifest_findings
from floe_operator.commands.manifests import Document, read_manifests
from floe_operator.rules.crd import CEL, openapi_schema
from floe_operator.rules.plain_yaml import parse_mapping
from localcluster import LocalCluster
from tests.support.manifest_table import BAD, GOOD, spec

TABLE = {**GOOD, **{what: row[0] for what, row in BAD.items()}}

# YAML scalars, in which | stands for a space.
SCALARS = """
y Y n yes No on True tRue 08 0777 0o17 0o9 0x1F 0b11 1_000 1__0 _1 +1 -0 9223372036854775807
9223372036854775808 -9223372036854775809 18446744073709551616 123456789012345678901 1e20 1e21 0b1_1 0X1f
0xffffffffffffffff 0xffffffffffffffffff 07777777777777777777777777 0b2 0x 0x_ 0_ _1.5 +0x1F -0b11 -_1
685_230.15 12345678901234567890.5
0.1 .5 5. 1e3 1.5e3 5.670915014801481e+16 1E+30 1e-400 1E400 1.2.3
10.0.0.1 22:22:22 1:30 12:30:45 2026-01-31 2026-01-31T10:00:00Z = '' "1" !!str|1 !x|1
""".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def verdicts(cluster: LocalCluster) -> dict[str, subprocess.CompletedProcess[str]]:
    """Return the API server's answer to each manifest of the table.

    Use server-side apply, as Flux and Argo CD do; client-side apply drops some nulls before it sends them.
    """
    with ThreadPoolExecutor(4) as several:
        return dict(zip(TABLE, several.map(lambda text: dry_run(cluster, text), TABLE.values()), strict=True))


def dry_run(cluster: LocalCluster, text: str) -> subprocess.CompletedProcess[str]:
    # Strict field validation is kubectl's default.
    command = ["apply", "--server-side", "--dry-run=server", "--namespace=default", "-f", "-", "-o", "json"]
    return subprocess.run(
        [str(cluster.binary("kubectl")), "--kubeconfig", str(cluster.kubeconfig), *command],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )


def plugins_in(text: str) -> list[Document]:
    found = read_manifests(["-"], stdin=text.encode)
    return [document for document in found.documents if is_floe_plugin(document)]


def accepts(text: str) -> bool:
    unreadable = read_manifests(["-"], stdin=text.encode).findings
    return not unreadable and not any(manifest_findings(document) for document in plugins_in(text))


@pytest.mark.parametrize("what", TABLE)
def test_validate_and_the_api_server_agree_on_each_manifest(
    what: str, verdicts: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    said = verdicts[what]
    assert (said.returncode == 0) is accepts(TABLE[what]), said.stderr


OTHERWISE = {
    # what is wrong: the field and the cause that the API server names instead
    "null for spec": ("spec", "FieldValueRequired"),
    "no metadata": ("metadata.name", "FieldValueRequired"),
    "null for a key": ("spec.configFrom[0].secretKeyRef.key", "FieldValueRequired"),
    "a label with a space": ("metadata.labels", "FieldValueInvalid"),
}
CAUSELESS = {
    # what only server-side apply refuses, and what cannot even be decoded
    "null for a field",
    "null for config",
    "a status of another type",
    "a number for a label",
    "true for an annotation",
    *(what for what, (_, _, rule) in BAD.items() if rule in ("UnknownField", "UnknownKind", "InvalidYAML")),
}
JUDGED = sorted(BAD.keys() - CAUSELESS)


@pytest.fixture(scope="module")
def causes(cluster: LocalCluster) -> dict[str, dict[tuple[str, str], str]]:
    """Return, for each bad manifest, the API server's messages by field and cause."""
    connection = config.new_client_from_config(str(cluster.kubeconfig))  # type: ignore[no-untyped-call]
    api = client.CustomObjectsApi(connection)

    def told(what: str) -> dict[tuple[str, str], str]:
        (document,) = plugins_in(BAD[what][0])
        where = ("floe.dev", "v1alpha1", "default", "floeplugins")
        with pytest.raises(ApiException) as refused:
            api.create_namespaced_custom_object(
                *where, dict(document.value), dry_run="All", field_validation="Strict"
            )
        causes = json.loads(refused.value.body or "")["details"]["causes"]
        # The one without a field says that rules were left out because of the others.
        return {
            (each["field"], each["reason"]): each["message"] for each in causes if each["field"] != "<nil>"
        }

    return {what: told(what) for what in JUDGED}


@pytest.mark.parametrize("what", JUDGED)
def test_validate_and_the_api_server_name_the_same_field_and_cause(
    what: str, causes: dict[str, dict[tuple[str, str], str]]
) -> None:
    assert set(causes[what]) == {OTHERWISE.get(what, BAD[what][1:])}


def test_what_breaks_a_rule_of_the_crd_is_said_in_the_api_servers_words(
    causes: dict[str, dict[tuple[str, str], str]],
) -> None:
    ruled = 0
    for what, told in causes.items():
        (finding,) = findings_in(BAD[what][0])
        said = told.get((finding.path, finding.rule), "")
        if any(finding.message.startswith(message) for message in RULE_MESSAGES):
            ruled += 1
            # It puts the value, or the value's type, before the words of the rule.
            assert re.fullmatch(r'Invalid value: ("(.|\n)*": )?' + re.escape(finding.message), said), what
        else:
            assert not any(message in said for message in RULE_MESSAGES), what
    assert ruled > len(RULE_MESSAGES)


def findings_in(text: str) -> list[Finding]:
    return [finding for document in plugins_in(text) for finding in manifest_findings(document)]


def messages_of(schema: Any) -> set[str]:
    """Return the messages of all CEL rules in a schema."""
    if isinstance(schema, list):
        return set().union(*map(messages_of, schema))
    if not isinstance(schema, dict):
        return set()
    own = {rule["message"] for rule in schema.get(CEL, ())}
    return own.union(*map(messages_of, schema.values()))


RULE_MESSAGES = messages_of(openapi_schema())


def test_yaml_in_manifests_and_config_maps_means_what_it_means_to_kubectl(cluster: LocalCluster) -> None:
    values = [scalar.replace("|", " ") for scalar in SCALARS]
    named = {f"v{index}": value for index, value in enumerate(values)}
    lines = [f"{name}: {value}" for name, value in named.items()]
    text = spec(f"config: {{{', '.join(lines)}, yes: key, 1: key, 0x1F: key, 1.50: key}}")
    said = dry_run(cluster, text)
    assert said.returncode == 0, said.stderr
    sent: dict[str, Any] = json.loads(said.stdout)["spec"]["config"]
    (document,) = read_manifests(["-"], stdin=text.encode).documents
    read = document.value["spec"]["config"]
    assert typed(read) == typed(sent)
    # YAML in a ConfigMap must have string keys and no tags.
    plain = {name: value for name, value in named.items() if "!" not in value}
    moved = parse_mapping("\n".join(f"{name}: {value}" for name, value in plain.items()))
    assert typed(moved) == {name: told for name, told in typed(sent).items() if name in plain}


def typed(values: dict[str, Any]) -> dict[str, tuple[Any, type]]:
    return {name: (value, type(value)) for name, value in values.items()}
