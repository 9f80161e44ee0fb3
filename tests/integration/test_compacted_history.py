"""The API server returns with a history from which no watch can resume (410 Gone); no change is missed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from localcluster import LocalCluster
from tests.support.control_planes import install_crd
from tests.support.distributions import plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.support.standing import standing_operator

_COMPACTION = "2s"


def test_changes_in_a_compacted_history_are_seen(tmp_path: Path) -> None:
    compacting = (f"--etcd-compaction-interval={_COMPACTION}", "--watch-cache=false")
    with LocalCluster(api_server_flags=compacting) as cluster:
        install_crd(cluster)
        needy = plugin_distribution("needy", config="password: SecretStr = Field(min_length=8)")
        plain = plugin_distribution("plain", config="word: str = 'none'")
        # Scans also list the objects, but here they must not find the changes. And a leader that is paused
        # for long would rightly end.
        flags = ("--scan-interval", "1h", "--no-leader-elect")
        with standing_operator(cluster, tmp_path, needy, plain, flags=flags) as standing:
            plugins = standing.plugins
            plugins.secret("words", password="long-enough")
            source = {"secretKeyRef": {"name": "words", "key": "password"}, "path": "password"}
            plugins.merge("compute-needy", {"spec": {"configFrom": [source]}})
            plugins.until("compute-needy", "Ready", "Ready")
            plugins.create("storage", "elsewhere")
            plugins.until("storage-elsewhere", "Ready", "NotInstalled")

            os.kill(standing.operator.process.pid, signal.SIGSTOP)
            try:
                plugins.secret("words", password="short")
                plugins.merge("compute-plain", {"spec": {"config": {"word": 7}}})
                plugins.delete("storage-elsewhere")
                _compact(plugins)
                cluster.stop_api_server(kill=True)
                cluster.start_api_server()
            finally:
                os.kill(standing.operator.process.pid, signal.SIGCONT)

            plugins.until("compute-needy", "Ready", "ValidationFailed", within=60)
            plugins.until("compute-plain", "Ready", "ValidationFailed", within=60)
            assert standing.operator.process.poll() is None
            # The operator forgot the deleted object: created again, it is assessed again.
            plugins.create("storage", "elsewhere")
            plugins.until("storage-elsewhere", "Ready", "NotInstalled", within=60)


def _compact(plugins: FloePlugins) -> None:
    """Create new versions until a watch from the oldest one is refused."""
    listed: Any = plugins.core.list_namespaced_config_map(plugins.namespace)
    oldest = str(listed.metadata.resource_version)

    def is_gone() -> bool:
        plugins.config_map("noise", text=os.urandom(4).hex())
        watched: Any = plugins.core.list_namespaced_config_map(
            plugins.namespace, watch=True, resource_version=oldest, timeout_seconds=1, _preload_content=False
        )
        return b'"code":410' in watched.data

    eventually(is_gone, within=60, every=0.5)
