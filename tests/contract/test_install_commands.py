"""Nothing in the repository installs our distributions from an index: others have their names there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.install_commands import by_name

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "line",
    [
        "pip install floe-core",
        "RUN pip install --no-cache-dir floe_core==0.1.0",
        "- run: pip install 'floe-core[operator]'",
        "$ .plugins/bin/pip install -r plugins.txt floe-operator",
        "install it there (/venv/bin/python -m pip install floe-core)",
        '"$FLOE/.venv/bin/pip" install "localcluster>=0.1"',
        "pip --python /venv/bin/python install \\\n    floe-core",
        "pip --index-url https://index.example/simple --quiet install floe-core",
        "uv run --with floe-core python",
        "poetry add floe-core",
        'additional_dependencies: ["floe-operator"]',
        "uv add floe-core",
        "uv pip install Floe.Core",
        "pipx install floe-operator",
        "uvx floe-operator validate",
    ],
)
def test_an_installation_by_name_is_recognised(line: str) -> None:
    assert by_name(line) != []


@pytest.mark.parametrize(
    "line",
    [
        "pip install . ./operator ./tools/localcluster",
        "pip install ./floe-core",
        "pip install wheels/floe_core-0.1.0-py3-none-any.whl",
        'plugins/bin/pip install --quiet "$FLOE" ./floe-secrets-file',
        "pip install --require-hashes -r requirements/floe-core.txt",
        "pip install acme-floe-identity==1.4.0",
        "Never install floe-core by name.",
    ],
)
def test_an_installation_from_a_path_is_not(line: str) -> None:
    assert by_name(line) == []


def test_no_page_source_or_manifest_installs_ours_by_name() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", ".", ":!tests"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    assert files
    found = {file: by_name(file.read_text(encoding="utf-8")) for file in files if file.exists()}
    assert {file: lines for file, lines in found.items() if lines} == {}
