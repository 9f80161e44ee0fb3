"""FloePlugin manifests, good and bad, that our own validation and the API server must assess the same way."""

from __future__ import annotations

import json

HEAD = "apiVersion: floe.dev/v1alpha1\nkind: FloePlugin\n"
GOOD_HEAD = f"{HEAD}metadata: {{name: identity-keycloak}}\n"
_SPEC = f"{GOOD_HEAD}spec: {{type: identity, name: keycloak"


def spec(more: str = "") -> str:
    """Return a manifest whose spec has `more` besides type and name."""
    return f"{_SPEC}{', ' + more if more else ''}}}\n"


def source(text: str) -> str:
    """Return a manifest with one entry in configFrom."""
    return spec(f"configFrom: [{text}]")


def plugin(type_: str, name: str, *, called: str | None = None) -> str:
    """Return a manifest of a plugin; the object has the right name unless `called` gives another."""
    named = f"{type_}-{name}" if called is None else called
    return f"{HEAD}metadata: {{name: {named}}}\nspec: {{type: {type_}, name: {name}}}\n"


def metadata(text: str) -> str:
    """Return a manifest with `text` in its metadata."""
    return f"{HEAD}metadata: {{name: identity-keycloak, {text}}}\nspec: {{type: identity, name: keycloak}}\n"


GOOD = {
    "the smallest manifest": spec(),
    "free configuration": spec("config: {realm: floe, nested: {list: [1, a, {b: null}]}, empty: null}"),
    "an empty configuration": spec("config: {}"),
    "nulls in metadata": metadata("labels: null, annotations: {a: null}, creationTimestamp: null"),
    "null for status": spec().rstrip("\n") + "\nstatus: null\n",
    "a version range": spec("version: '>=0.1.0a1,<0.2'"),
    "a whole number with a decimal point": spec("probe: {periodSeconds: 60.0}"),
    "a whole number in octal": spec("probe: {periodSeconds: 0o17}"),
    "a number with an exponent": spec("probe: {periodSeconds: 6e1}"),
    "a probe at its lower bounds": spec("probe: {periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}"),
    "an empty probe": spec("probe: {}"),
    "a secret at a path": source("{secretKeyRef: {name: keycloak, key: client-secret}, path: a.b_c.D1}"),
    "a path into lists": source("{secretKeyRef: {name: a, key: b}, path: 'feeds[0].auth[10][9999].token'}"),
    "a key of any letters, dots and hyphens": source("{configMapKeyRef: {name: a, key: ..-_A.b}}"),
    "an optional key at the root": source(
        "{configMapKeyRef: {name: a.b-c, key: settings.yaml, optional: true}}"
    ),
    "labels and annotations": metadata(
        "labels: {app.kubernetes.io/name: floe}, annotations: {note: 'any text: at all'}"
    ),
    "an empty label": metadata("labels: {team: ''}"),
    "an annotation key in upper case": metadata("annotations: {Example.com/Note: a}"),
    "a status that is ignored": spec().rstrip("\n") + "\nstatus: {observedGeneration: 3, conditions: []}\n",
    "a status out of bounds": spec().rstrip("\n") + "\nstatus: {observedGeneration: -5, version: null}\n",
    "a name with digits and hyphens": plugin("telemetry-backend", "a-1-b"),
    "the longest name": plugin("dbt", "x" * 63),
    "an anchor and a merge": spec("config: {a: &a {b: 1}, c: {<<: *a, d: 2}}"),
    "keys that are not text": spec("config: {1: a, true: b, 1.5: c}"),
    "a tag of another tool": spec("config: {a: !vault b, c: !set {d: e}}"),
    "a date in the configuration": spec("config: {day: 2026-01-31, time: 10:30}"),
    "a namespace": metadata("namespace: default"),
}

BAD: dict[str, tuple[str, str, str]] = {
    # what is wrong: (manifest, path of the finding, its rule)
    "no spec": (GOOD_HEAD, "spec", "FieldValueRequired"),
    "null for spec": (f"{GOOD_HEAD}spec: null\n", "spec", "FieldValueTypeInvalid"),
    "text for spec": (f"{GOOD_HEAD}spec: text\n", "spec", "FieldValueTypeInvalid"),
    "no type": (f"{GOOD_HEAD}spec: {{name: keycloak}}\n", "spec.type", "FieldValueRequired"),
    "no name": (f"{GOOD_HEAD}spec: {{type: identity}}\n", "spec.name", "FieldValueRequired"),
    "no name in metadata": (
        f"{HEAD}metadata: {{}}\nspec: {{type: identity, name: keycloak}}\n",
        "metadata.name",
        "FieldValueRequired",
    ),
    "no metadata": (f"{HEAD}spec: {{type: identity, name: keycloak}}\n", "metadata", "FieldValueRequired"),
    "an unknown type": (
        plugin("catalogue", "a", called="catalogue-a"),
        "spec.type",
        "FieldValueNotSupported",
    ),
    "a name in upper case": (
        plugin("identity", "KeyCloak", called="identity-keycloak"),
        "spec.name",
        "FieldValueInvalid",
    ),
    "a name with a trailing newline": (
        f'{HEAD}metadata: {{name: identity-keycloak}}\nspec: {{type: identity, name: "keycloak\\n"}}\n',
        "spec.name",
        "FieldValueInvalid",
    ),
    "a name with runs of other characters": (
        plugin("identity", "Key_._--Cloak", called="identity-key-cloak"),
        "spec.name",
        "FieldValueInvalid",
    ),
    "a long run of other characters": (
        plugin("identity", f"a{'-' * 61}B", called="identity-a-b"),
        "spec.name",
        "FieldValueInvalid",
    ),
    "a name with a space": (plugin("dbt", "a b", called="dbt-a"), "spec.name", "FieldValueInvalid"),
    "a name with a hyphen at its end": (
        plugin("dbt", "a-", called="dbt-a"),
        "spec.name",
        "FieldValueInvalid",
    ),
    "a name of other letters": (plugin("dbt", "caf\u00e9", called="dbt-a"), "spec.name", "FieldValueInvalid"),
    "a name in upper case in metadata": (
        plugin("dbt", "core", called="dbt-Core"),
        "metadata.name",
        "FieldValueInvalid",
    ),
    "a name that is too long": (
        plugin("dbt", "x" * 64),
        "spec.name",
        "FieldValueTooLong",
    ),
    "an empty name": (
        plugin("dbt", "''", called="dbt-x"),
        "spec.name",
        "FieldValueInvalid",
    ),
    "a number for a name": (
        plugin("dbt", "1", called="dbt-1"),
        "spec.name",
        "FieldValueTypeInvalid",
    ),
    "another object's name": (
        plugin("identity", "keycloak", called="keycloak"),
        "metadata.name",
        "FieldValueInvalid",
    ),
    "an unknown field in spec": (spec("configs: {}"), "spec.configs", "UnknownField"),
    "an unknown field beside spec": (spec().rstrip("\n") + "\nspecs: {}\n", "specs", "UnknownField"),
    "an unknown field in metadata": (metadata("label: {}"), "metadata.label", "UnknownField"),
    "an unknown field in status": (
        spec().rstrip("\n") + "\nstatus: {ready: true}\n",
        "status.ready",
        "UnknownField",
    ),
    "an unknown field in a reference": (
        source("{secretKeyRef: {name: a, key: b, namespace: other}}"),
        "spec.configFrom[0].secretKeyRef.namespace",
        "UnknownField",
    ),
    "null for a field": (spec("version: null"), "spec.version", "FieldValueTypeInvalid"),
    "null for config": (spec("config: null"), "spec.config", "FieldValueTypeInvalid"),
    "a status of another type": (
        spec().rstrip("\n") + "\nstatus: {observedGeneration: three}\n",
        "status.observedGeneration",
        "FieldValueTypeInvalid",
    ),
    "a list for config": (spec("config: []"), "spec.config", "FieldValueTypeInvalid"),
    "text for config": (spec("config: hunter2"), "spec.config", "FieldValueTypeInvalid"),
    "a mapping for configFrom": (spec("configFrom: {}"), "spec.configFrom", "FieldValueTypeInvalid"),
    "null in configFrom": (source("null"), "spec.configFrom[0]", "FieldValueTypeInvalid"),
    "no reference": (source("{path: a}"), "spec.configFrom[0]", "FieldValueInvalid"),
    "two references": (
        source("{secretKeyRef: {name: a, key: b}, configMapKeyRef: {name: a, key: b}}"),
        "spec.configFrom[0]",
        "FieldValueInvalid",
    ),
    "a reference without a key": (
        source("{secretKeyRef: {name: a}}"),
        "spec.configFrom[0].secretKeyRef.key",
        "FieldValueRequired",
    ),
    "null for a key": (
        source("{secretKeyRef: {name: a, key: null}}"),
        "spec.configFrom[0].secretKeyRef.key",
        "FieldValueTypeInvalid",
    ),
    "a reference to a name that no object can have": (
        source("{secretKeyRef: {name: A_b, key: b}}"),
        "spec.configFrom[0].secretKeyRef.name",
        "FieldValueInvalid",
    ),
    "a key that no Secret can have": (
        source("{secretKeyRef: {name: a, key: 'b/c'}}"),
        "spec.configFrom[0].secretKeyRef.key",
        "FieldValueInvalid",
    ),
    "text for optional": (
        source("{secretKeyRef: {name: a, key: b, optional: 'yes'}}"),
        "spec.configFrom[0].secretKeyRef.optional",
        "FieldValueTypeInvalid",
    ),
    "a reference with an empty name": (
        source("{configMapKeyRef: {name: '', key: b}}"),
        "spec.configFrom[0].configMapKeyRef.name",
        "FieldValueInvalid",
    ),
    "a reference into another namespace": (
        source("{configMapKeyRef: {name: other/a, key: b}}"),
        "spec.configFrom[0].configMapKeyRef.name",
        "FieldValueInvalid",
    ),
    "a key that no ConfigMap can have": (
        source("{configMapKeyRef: {name: a, key: b c}}"),
        "spec.configFrom[0].configMapKeyRef.key",
        "FieldValueInvalid",
    ),
    "an empty key": (
        source("{secretKeyRef: {name: a, key: ''}}"),
        "spec.configFrom[0].secretKeyRef.key",
        "FieldValueInvalid",
    ),
    "a key that is too long": (
        source(f"{{secretKeyRef: {{name: a, key: {'b' * 254}}}}}"),
        "spec.configFrom[0].secretKeyRef.key",
        "FieldValueTooLong",
    ),
    **{
        f"the path {path!r}": (
            source(f"{{secretKeyRef: {{name: a, key: b}}, path: {json.dumps(path)}}}"),
            "spec.configFrom[0].path",
            "FieldValueInvalid",
        )
        for path in ("", "1a", "[0]", "a[]", "a[01]", "a[-1]", "a[10000]", "a[0]b", "a.[0]", "a[b]", "a\n")
    },
    "a path that is too long": (
        source(f"{{secretKeyRef: {{name: a, key: b}}, path: {'a' * 254}}}"),
        "spec.configFrom[0].path",
        "FieldValueTooLong",
    ),
    "a path with a hyphen": (
        source("{secretKeyRef: {name: a, key: b}, path: a-b}"),
        "spec.configFrom[0].path",
        "FieldValueInvalid",
    ),
    "a path with an empty part": (
        source("{secretKeyRef: {name: a, key: b}, path: a..b}"),
        "spec.configFrom[0].path",
        "FieldValueInvalid",
    ),
    "33 entries in configFrom": (
        spec(f"configFrom: [{', '.join(['{secretKeyRef: {name: a, key: b}}'] * 33)}]"),
        "spec.configFrom",
        "FieldValueTooMany",
    ),
    "a period of zero": (spec("probe: {periodSeconds: 0}"), "spec.probe.periodSeconds", "FieldValueInvalid"),
    "a period above its upper bound": (
        spec("probe: {periodSeconds: 86401}"),
        "spec.probe.periodSeconds",
        "FieldValueInvalid",
    ),
    "text for a period": (
        spec("probe: {periodSeconds: 60s}"),
        "spec.probe.periodSeconds",
        "FieldValueTypeInvalid",
    ),
    "a period that is not a whole number": (
        spec("probe: {periodSeconds: 1.5}"),
        "spec.probe.periodSeconds",
        "FieldValueTypeInvalid",
    ),
    "true for a number": (
        spec("probe: {failureThreshold: true}"),
        "spec.probe.failureThreshold",
        "FieldValueTypeInvalid",
    ),
    "a number for a version": (spec("version: 0.1"), "spec.version", "FieldValueTypeInvalid"),
    "a version that is too long": (spec(f"version: '{'>=1,' * 70}'"), "spec.version", "FieldValueTooLong"),
    "a number for a label": (metadata("labels: {a: 1}"), "metadata.labels.a", "FieldValueTypeInvalid"),
    "a label with a space": (metadata("labels: {a: b c}"), "metadata.labels.a", "FieldValueInvalid"),
    "a label key with a space": (metadata("labels: {a b: c}"), "metadata.labels", "FieldValueInvalid"),
    "true for an annotation": (
        metadata("annotations: {a: yes}"),
        "metadata.annotations.a",
        "FieldValueTypeInvalid",
    ),
    "an unknown API version": (spec().replace("v1alpha1", "v1"), "apiVersion", "UnknownKind"),
    "another group": (spec().replace("floe.dev", "floe.io"), "apiVersion", "UnknownKind"),
    "another kind in the group": (spec().replace("FloePlugin", "FloePlugins"), "kind", "UnknownKind"),
    "no kind": (spec().replace("kind: FloePlugin\n", ""), "kind", "UnknownKind"),
    "no apiVersion": (spec().replace("apiVersion: floe.dev/v1alpha1\n", ""), "apiVersion", "UnknownKind"),
    "a number that is not finite": (spec("config: {a: .inf}"), "", "InvalidYAML"),
    "an alias without an anchor": (spec("config: {a: *b}"), "", "InvalidYAML"),
    "an unclosed flow mapping": (f"{GOOD_HEAD}spec: {{type: identity\n", "", "InvalidYAML"),
}
