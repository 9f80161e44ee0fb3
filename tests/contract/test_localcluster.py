"""tools/localcluster is for everybody: it is developed here, but knows nothing of floe."""

from __future__ import annotations

import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_no_file_of_localcluster_names_floe() -> None:
    folder = REPOSITORY / "tools" / "localcluster"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=folder, capture_output=True, text=True, check=True)
    files = [file for name in listed.stdout.split("\0") if name and (file := folder / name).exists()]
    assert files
    assert [file for file in files if "floe" in file.read_text(encoding="utf-8").lower()] == []
