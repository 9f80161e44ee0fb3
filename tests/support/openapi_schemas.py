"""JSON schema files for kubeconform, made from the OpenAPI documents of an API server of any version.

An API server publishes OpenAPI v3 for every group that it serves, including those of CRDs. kubeconform needs
a file for each kind. Both are JSON schema, with one difference: unknown fields, which the API server drops or
refuses, are errors here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from localcluster import LocalCluster

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"
"""The names of the files, for kubeconform's -schema-location."""


class Kind(NamedTuple):
    """A kind and its API version, as written in manifests."""

    api_version: str
    name: str

    @property
    def file(self) -> str:
        """The file name that LOCATION gives, with only the group's first word: `deployment-apps-v1.json`."""
        group, _, version = self.api_version.rpartition("/")
        return "-".join(filter(None, (self.name, group.partition(".")[0], version))).lower() + ".json"


def write_schemas(cluster: LocalCluster, folder: Path, kinds: Collection[Kind]) -> None:
    """Write the schema of each of these kinds.

    Raises:
        AssertionError: The API server does not serve a kind.
    """
    for api_version in {kind.api_version for kind in kinds}:
        path = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
        document = json.loads(cluster.kubectl("get", "--raw", f"/openapi/v3/{path}"))
        components = {"schemas": _strict(document["components"]["schemas"])}
        served = dict(_served(components["schemas"]))
        for kind in kinds:
            if kind.api_version == api_version:
                assert kind in served, f"{cluster.url} serves no {kind}"
                schema = {"$ref": f"#/components/schemas/{served[kind]}", "components": components}
                (folder / kind.file).write_text(json.dumps(schema))


def _served(schemas: Mapping[str, Any]) -> Iterator[tuple[Kind, str]]:
    for name, schema in schemas.items():
        for each in schema.get("x-kubernetes-group-version-kind", ()):
            yield Kind("/".join(filter(None, (each["group"], each["version"]))), each["kind"]), name


def _strict(schema: Any) -> Any:
    """Return the same schema, except that its objects can only have the fields that it names."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    is_object = isinstance(strict.get("properties"), dict) and schema.get("type", "object") == "object"
    is_open = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if is_object and not is_open:
        strict["additionalProperties"] = False
    return strict
