"""What a running operator holds stays in memory."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins


def test_no_client_key_is_ever_in_a_folder_for_temporary_files_so_none_is_left_by_a_kill(
    cluster: LocalCluster,
    environment: Environment,
    floeplugins: FloePlugins,
    start_operator: StartOperator,
    tmp_path: Path,
) -> None:
    (user,) = json.loads(cluster.kubeconfig.read_text())["users"]
    kubeconfig, folder = tmp_path / "kubeconfig", tmp_path / "tmp"
    kubeconfig.write_bytes(cluster.kubeconfig.read_bytes())
    folder.mkdir()
    os.utime(folder, (0, 0))
    environment.install(plugin_distribution("duckdb"))
    operator = start_operator(kubeconfig=kubeconfig, environment={"TMPDIR": str(folder)})
    floeplugins.until("compute-duckdb", "Ready", "Ready", within=60)
    operator.kill()
    assert list(folder.iterdir()) == []
    # Any file would have changed it, even one that is gone: a kill at another moment leaves nothing either.
    assert folder.stat().st_mtime == 0
    kubeconfig.unlink()
    key = base64.b64decode(user["user"]["client-key-data"])
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert holders == []
