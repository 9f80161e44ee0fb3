"""Every manifest of this repository conforms to the API server's schemas; kubeconform downloads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import KubectlError, LocalCluster
from tests.support.go_tools import kubeconform, output_of, prometheus_operator_crds
from tests.support.manifests import FOLDERS, REPOSITORY, rendered
from tests.support.openapi_schemas import LOCATION, Kind, write_schemas
from tests.support.polling import eventually

EXAMPLES = sorted((REPOSITORY / "examples" / "manifests").glob("*.yaml"))


@pytest.fixture(scope="module")
def manifests(cluster: LocalCluster) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of every kustomization and every example, by path in the repository."""
    kubectl = cluster.binary("kubectl")
    found = {_place(folder): rendered(folder, kubectl) for folder in FOLDERS}
    found |= {_place(file): list(yaml.safe_load_all(file.read_text())) for file in EXAMPLES}
    return found


def _place(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.fixture(scope="module")
def schemas(
    cluster: LocalCluster,
    manifests: dict[str, list[dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Write a schema for each kind in the manifests, as this API server publishes it; return the folder."""
    folder = tmp_path_factory.mktemp("schemas")
    for crd in prometheus_operator_crds():
        cluster.kubectl("apply", "--server-side", "-f", str(crd))
    kinds = {Kind(each["apiVersion"], each["kind"]) for objects in manifests.values() for each in objects}

    def published() -> bool:
        try:
            write_schemas(cluster, folder, kinds)
        except KubectlError as error:  # a CRD's schema is published a moment later
            raise AssertionError(str(error)) from None
        return True

    eventually(published)
    return folder


@pytest.fixture(scope="module")
def kubeconform_program(request: pytest.FixtureRequest) -> Path:
    return kubeconform(request.config)


def conforms(
    program: Path, schemas: Path, folder: Path, objects: Iterable[Mapping[str, Any]]
) -> tuple[int, str]:
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return output_of(program, "-strict", "-schema-location", schemas / LOCATION, file, cwd=folder)


@pytest.mark.parametrize("place", [_place(path) for path in (*FOLDERS, *EXAMPLES)])
def test_a_manifest_conforms_to_the_schemas_of_the_api_server(
    kubeconform_program: Path,
    schemas: Path,
    manifests: dict[str, list[dict[str, Any]]],
    tmp_path: Path,
    place: str,
) -> None:
    assert manifests[place]
    code, said = conforms(kubeconform_program, schemas, tmp_path, manifests[place])
    assert code == 0, said


WRONG: list[dict[str, Any]] = [
    {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": {"name": "compute-duckdb"},
        "spec": {"type": "compute", "name": "duckdb", "configs": {}},
    },
    {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "metadata": {"name": "engine-duckdb"},
        "spec": {"type": "engine", "name": "duckdb"},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "floe-operator"},
        "spec": {"ports": [{"port": "http"}]},
    },
    {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "floe-operator"},
        "spec": {"groups": [{"name": "floe", "rules": [{"alert": "NoExpression"}]}]},
    },
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: str(each["kind"]))
def test_a_manifest_that_is_wrong_does_not_conform(
    kubeconform_program: Path, schemas: Path, tmp_path: Path, wrong: Mapping[str, Any]
) -> None:
    code, said = conforms(kubeconform_program, schemas, tmp_path, [wrong])
    assert code == 1
    assert "is invalid" in said
