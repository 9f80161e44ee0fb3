"""What a running operator and its hosts hold stays in memory: no file has it, and no core dump can."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.processes import Openable, plugin_hosts


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


def test_neither_the_operator_nor_its_host_can_leave_a_core_dump(
    environment: Environment, floeplugins: FloePlugins, start_operator: StartOperator, tmp_path: Path
) -> None:
    openable = Openable(tmp_path / "openable")
    environment.install(plugin_distribution("duckdb"))
    operator = start_operator(environment=openable.variables)
    floeplugins.until("compute-duckdb", "Ready", "Ready", within=60)
    (host,) = eventually(lambda: plugin_hosts(operator.process.pid))
    assert {pid: openable.open(pid) for pid in (operator.process.pid, host)} == {
        operator.process.pid: False,
        host: False,
    }
    assert Path(f"/proc/{host}/oom_score_adj").read_text().strip() == "1000"
