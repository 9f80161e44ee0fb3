"""How clusters end: signals, killed parents, a crashed machine. Nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcluster import LocalCluster, wait_until
from localcluster.folders import new_folder
from process_table import leftovers, processes_of, supervisors_of

ENDS_WITHIN = 30.0


def assert_nothing_is_left(folder: Path) -> None:
    wait_until(lambda: not leftovers(folder), f"nothing is left of {folder}", timeout=ENDS_WITHIN)


@contextmanager
def python(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a Python process in its own session, and the first line that it prints."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_prints_its_kubeconfig_and_ends_cleanly_by_signal(number: signal.Signals, version: str) -> None:
    with python("-m", "localcluster", "up", "--version", version) as (process, line):
        assert line.startswith("export KUBECONFIG=")
        folder = Path(line.removeprefix("export KUBECONFIG=")).parent.parent
        assert len(processes_of(folder)) == 4
        os.killpg(process.pid, number)  # as a terminal does
        assert process.wait(ENDS_WITHIN) == 0
        assert leftovers(folder) == []


STARTS_A_CLUSTER = """
import os, signal
from localcluster import LocalCluster
cluster = LocalCluster(version="{version}")
cluster.start()
{fork}
print(cluster.folder, flush=True)
signal.pause()
"""


def test_a_killed_parent_leaves_neither_processes_nor_files(version: str) -> None:
    with python("-c", STARTS_A_CLUSTER.format(version=version, fork="")) as (process, line):
        assert len(processes_of(Path(line))) == 4
        os.kill(process.pid, signal.SIGKILL)
        assert_nothing_is_left(Path(line))


def test_a_killed_parent_leaves_nothing_though_a_fork_of_it_lives(version: str) -> None:
    fork = "if os.fork() == 0: signal.pause()"
    with python("-c", STARTS_A_CLUSTER.format(version=version, fork=fork)) as (process, line):
        os.kill(process.pid, signal.SIGKILL)
        try:
            assert_nothing_is_left(Path(line))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_leftovers_of_a_machine_crash_are_removed_by_the_next_start_and_do_not_harm_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    # Away from the clusters of other tests, whose starts would remove it as well.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with python("-c", STARTS_A_CLUSTER.format(version=version, fork="")) as (process, line):
        left = Path(line)
        # Supervisors first, because they would clean up; on Linux their components die with them.
        for supervisor in supervisors_of(left):
            os.kill(supervisor, signal.SIGKILL)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not processes_of(left), "every process is gone", timeout=ENDS_WITHIN)
    assert {"etcd.sock", "etcd", "kube-apiserver.log"} <= {path.name for path in left.iterdir()}
    with LocalCluster(version=version) as cluster:
        cluster.kubectl("create", "configmap", "first", "--namespace=default")
        assert not left.exists()


def test_a_start_leaves_the_folders_of_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alive, unfinished = new_folder(), tmp_path / "localcluster-unfinished"
    abandoned, foreign = tmp_path / "localcluster-abandoned", tmp_path / "localcluster.log"
    for folder in (unfinished, abandoned):
        folder.mkdir()
    (abandoned / "owner.lock").touch()
    foreign.touch()
    odd = tmp_path / "localcluster-odd"
    odd.mkdir()
    os.mkfifo(odd / "owner.lock")
    (tmp_path / "localcluster-link").symlink_to(tmp_path)
    half_removed = tmp_path / "localcluster-half-removed"
    half_removed.mkdir()
    os.utime(half_removed, (0, 0))

    mine = new_folder()

    assert {path.name for path in tmp_path.iterdir()} == {
        alive.path.name,
        mine.path.name,
        unfinished.name,
        foreign.name,
        odd.name,
        "localcluster-link",
    }
    for owned in (alive, mine):
        owned.release()
        assert not owned.path.exists()
