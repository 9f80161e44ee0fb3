"""`floe-operator validate` and `kubectl apply` accept the same texts, and read the same from them."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from floe_operator.commands.manifest_rules import is_floe_plugin
from floe_operator.commands.manifests import read_manifests
from localcluster import LocalCluster
from tests.support.yaml_table import STRICTER, TEXTS

ALL: dict[str, str | bytes] = {**TEXTS, **{what: text for what, (text, _) in STRICTER.items()}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of each text."""
    folder = tmp_path_factory.mktemp("texts")
    found = {what: folder / f"{number}.yaml" for number, what in enumerate(ALL)}
    for what, text in ALL.items():
        found[what].write_bytes(text if isinstance(text, bytes) else text.encode())
    return found


@pytest.fixture(scope="module")
def applied(cluster: LocalCluster, files: dict[str, Path]) -> dict[str, subprocess.CompletedProcess[str]]:
    """Return kubectl's answer to each text."""
    command = [str(cluster.binary("kubectl")), "--kubeconfig", str(cluster.kubeconfig), "apply", "-o", "json"]
    command += ["--server-side", "--dry-run=server", "--namespace=default", "-f"]

    def apply(file: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, str(file)], text=True, capture_output=True, check=False)

    with ThreadPoolExecutor(4) as several:
        return dict(zip(files, several.map(apply, files.values()), strict=True))


@pytest.fixture(scope="module")
def findings(files: dict[str, Path]) -> dict[str, list[str]]:
    """Return the messages of one run of the command on all texts, by text."""
    folder = next(iter(files.values())).parent
    command = ["validate", "--allow-missing-plugins", "--output", "json", "-f", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "floe_operator", *command], text=True, capture_output=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    names = {str(file): what for what, file in files.items()}
    found: dict[str, list[str]] = {what: [] for what in files}
    for each in json.loads(done.stdout)["findings"]:
        if each["rule"] != "DuplicateObject":  # most texts are of the same object
            found[names[each["file"]]].append(each["message"])
    return found


@pytest.mark.parametrize("what", TEXTS)
def test_validate_accepts_what_kubectl_accepts_and_reads_the_same(
    what: str,
    files: dict[str, Path],
    applied: dict[str, subprocess.CompletedProcess[str]],
    findings: dict[str, list[str]],
) -> None:
    said = applied[what]
    assert (said.returncode == 0) is (not findings[what]), said.stderr or findings[what]
    if said.returncode == 0:
        assert specs_in(files[what]) == specs_of(json.loads(said.stdout))


@pytest.mark.parametrize("what", STRICTER)
def test_validate_refuses_what_kubectl_would_accept_only_to_lose_it(
    what: str, applied: dict[str, subprocess.CompletedProcess[str]], findings: dict[str, list[str]]
) -> None:
    assert applied[what].returncode == 0
    assert findings[what]


def specs_in(file: Path) -> list[Any]:
    found = read_manifests([str(file)]).documents
    return [document.value["spec"] for document in found if is_floe_plugin(document)]


def specs_of(sent: dict[str, Any]) -> list[Any]:
    return [each["spec"] for each in (sent["items"] if sent["kind"] == "List" else [sent])]
