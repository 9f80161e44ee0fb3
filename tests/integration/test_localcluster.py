"""The control plane of tools/localcluster: what tests can rely on, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcluster import (
    BuildError,
    KubectlError,
    LocalCluster,
    MissingBinary,
    StartError,
    UnknownVersion,
    VersionMismatch,
    wait_until,
)
from localcluster.binaries import CONTROL_PLANE, GoModule, build, find_binaries
from localcluster.folders import new_folder
from localcluster.toolchain import go_version, parse_go_version

ENDS_WITHIN = 30.0


def pids_of(folder: Path) -> dict[int, str]:
    """Return the command lines that mention a cluster's folder, by pid: components and their supervisors."""
    table = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=1) for line in table.stdout.splitlines()]
    return {int(pid): command for pid, command in rows if str(folder) in command}


def processes_of(folder: Path) -> list[str]:
    return list(pids_of(folder).values())


def supervisors_of(folder: Path) -> list[int]:
    return [pid for pid, command in pids_of(folder).items() if "supervisor.py" in command]


def component_of(folder: Path, name: str) -> list[int]:
    return [pid for pid, command in pids_of(folder).items() if Path(command.split()[0]).name == name]


def leftovers(folder: Path) -> list[str]:
    return [*processes_of(folder), *([str(folder)] if folder.exists() else [])]


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


PINNED = {"1.37": "v1.37.1", "1.34": "v1.34.1"}[os.environ.get("FLOE_KUBERNETES", "1.37")]


def test_the_api_server_says_the_pinned_version(localcluster: LocalCluster) -> None:
    assert json.loads(localcluster.kubectl("get", "--raw", "/version"))["gitVersion"] == PINNED


def test_kubectl_says_the_pinned_version(localcluster: LocalCluster) -> None:
    version = json.loads(localcluster.kubectl("version", "--client", "-o", "json"))
    assert version["clientVersion"]["gitVersion"] == PINNED


def test_the_administrator_may_do_everything(localcluster: LocalCluster) -> None:
    assert localcluster.kubectl("auth", "can-i", "*", "*", "--all-namespaces").strip() == "yes"


def test_objects_can_be_written_as_soon_as_the_cluster_is_started() -> None:
    with LocalCluster() as cluster:
        cluster.kubectl("create", "configmap", "first", "--namespace=default")
        folder = cluster.folder
    assert leftovers(folder) == []


def test_only_the_owner_can_read_kubeconfigs_and_keys(localcluster: LocalCluster) -> None:
    localcluster.kubeconfig_for("reader")
    secrets = [*localcluster.folder.glob("kubeconfigs/*"), *localcluster.folder.glob("pki/*.key")]
    assert len(secrets) > 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(localcluster.folder.stat().st_mode) == 0o700


def test_a_user_without_permissions_is_refused(localcluster: LocalCluster) -> None:
    nobody = localcluster.kubeconfig_for("nobody-in-particular")
    with pytest.raises(KubectlError, match='User "nobody-in-particular" cannot list resource "secrets"'):
        localcluster.kubectl("get", "secrets", kubeconfig=nobody)


def test_a_user_has_the_permissions_of_its_groups(localcluster: LocalCluster) -> None:
    name = "localcluster-auditors"
    localcluster.kubectl("create", "clusterrole", name, "--verb=list", "--resource=configmaps")
    localcluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", "--group=auditors")
    auditor = localcluster.kubeconfig_for("ann", groups=["auditors", "others"])

    def may(verb: str) -> bool:
        try:
            localcluster.kubectl("auth", "can-i", verb, "configmaps", kubeconfig=auditor)
        except KubectlError:
            return False
        return True

    wait_until(lambda: may("list"), "the binding is in force")
    assert not may("create")


def test_two_clusters_at_the_same_time_share_nothing() -> None:
    with LocalCluster() as one, LocalCluster() as other:
        one.kubectl("create", "namespace", "only-here")
        assert one.url != other.url
        with pytest.raises(KubectlError, match="NotFound"):
            other.kubectl("get", "namespace", "only-here")
        with pytest.raises(KubectlError, match="certificate"):
            other.kubectl("get", "ns", f"--server={one.url}")


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver"])
def test_a_killed_component_can_be_started_again_with_its_data(component: str) -> None:
    with LocalCluster() as cluster:
        cluster.kubectl("create", "configmap", "kept")
        [pid] = component_of(cluster.folder, component)
        os.kill(pid, signal.SIGKILL)
        {"etcd": cluster.start_etcd, "kube-apiserver": cluster.start_api_server}[component]()
        wait_until(lambda: kept(cluster), "the API server answers with what was there")


def kept(cluster: LocalCluster) -> bool:
    try:
        return "kept" in cluster.kubectl("get", "configmap", "kept", "--output=name", "--request-timeout=5s")
    except KubectlError:
        return False


def test_half_written_data_breaks_its_cluster_but_not_the_next_start() -> None:
    cluster = LocalCluster()
    with cluster:
        cluster.stop_api_server(kill=True)
        cluster.stop_etcd(kill=True)
        [log] = cluster.folder.glob("etcd/member/wal/*.wal")
        log.write_bytes(b"half")
        cluster.start_etcd()
        with pytest.raises(StartError, match=r"etcd ended with exit status"):
            cluster.start_api_server()
    with cluster:
        cluster.kubectl("create", "configmap", "first", "--namespace=default")


def test_a_running_component_is_not_started_a_second_time() -> None:
    with LocalCluster() as cluster, pytest.raises(RuntimeError, match="etcd is already running"):
        cluster.start_etcd()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_the_api_server_comes_back_at_the_same_url_with_its_data(kill: bool) -> None:
    with LocalCluster() as cluster:
        url = cluster.url
        cluster.kubectl("create", "configmap", "kept")
        cluster.stop_api_server(kill=kill)
        with pytest.raises(KubectlError, match="connection refused"):
            cluster.kubectl("get", "configmap", "kept")
        cluster.start_api_server()
        assert cluster.url == url
        cluster.kubectl("get", "configmap", "kept")


def test_the_controller_manager_deletes_namespaces_and_owned_objects() -> None:
    with LocalCluster(controller_manager=True) as cluster:
        cluster.kubectl("create", "namespace", "short-lived")
        cluster.kubectl("create", "deployment", "owner", "--image=none", "--namespace=short-lived")
        get = ("get", "replicasets", "--namespace=short-lived", "--output=name")
        wait_until(lambda: cluster.kubectl(*get), "the Deployment's ReplicaSet exists")
        cluster.kubectl("delete", "deployment", "owner", "--namespace=short-lived")
        wait_until(lambda: not cluster.kubectl(*get), "the ReplicaSet is collected")
        cluster.kubectl("delete", "namespace", "short-lived", "--timeout=60s")


def test_every_response_is_in_the_audit_log(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    with LocalCluster(audit_log=log) as cluster:
        cluster.kubectl("create", "configmap", "written")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    created = [e for e in events if e["verb"] == "create" and e.get("objectRef", {}).get("name") == "written"]
    assert [(event["user"]["username"], event["responseStatus"]["code"]) for event in created] == [
        ("admin", 201)
    ]


def test_a_failed_start_shows_the_end_of_the_components_log_and_leaves_nothing() -> None:
    cluster = LocalCluster(api_server_flags=["--no-such-flag"])
    with pytest.raises(StartError, match=r"kube-apiserver ended (?s:.*) unknown flag: --no-such-flag"):
        cluster.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = cluster.folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_prints_its_kubeconfig_and_ends_cleanly_by_signal(number: signal.Signals) -> None:
    with python("-m", "localcluster", "up") as (process, line):
        assert line.startswith("export KUBECONFIG=")
        folder = Path(line.removeprefix("export KUBECONFIG=")).parent.parent
        assert len(processes_of(folder)) == 4
        os.killpg(process.pid, number)  # as a terminal does
        assert process.wait(ENDS_WITHIN) == 0
        assert leftovers(folder) == []


STARTS_A_CLUSTER = """
import os, signal
from localcluster import LocalCluster
cluster = LocalCluster()
cluster.start()
{fork}
print(cluster.folder, flush=True)
signal.pause()
"""


def test_a_killed_parent_leaves_neither_processes_nor_files() -> None:
    with python("-c", STARTS_A_CLUSTER.format(fork="")) as (process, line):
        assert len(processes_of(Path(line))) == 4
        os.kill(process.pid, signal.SIGKILL)
        assert_nothing_is_left(Path(line))


def test_a_killed_parent_leaves_nothing_though_a_fork_of_it_lives() -> None:
    fork = "if os.fork() == 0: signal.pause()"
    with python("-c", STARTS_A_CLUSTER.format(fork=fork)) as (process, line):
        os.kill(process.pid, signal.SIGKILL)
        try:
            assert_nothing_is_left(Path(line))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_leftovers_of_a_machine_crash_are_removed_by_the_next_start_and_do_not_harm_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Away from the clusters of other tests, whose starts would remove it as well.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with python("-c", STARTS_A_CLUSTER.format(fork="")) as (process, line):
        left = Path(line)
        # Supervisors first, because they would clean up; on Linux their components die with them.
        for supervisor in supervisors_of(left):
            os.kill(supervisor, signal.SIGKILL)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not processes_of(left), "every process is gone", timeout=ENDS_WITHIN)
    assert {"etcd.sock", "etcd", "kube-apiserver.log"} <= {path.name for path in left.iterdir()}
    with LocalCluster() as cluster:
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


def test_binaries_come_from_kubebuilder_assets_and_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in CONTROL_PLANE:
        (assets / name).symlink_to(find_binaries() / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with LocalCluster() as cluster:
        assert any(line.startswith(str(assets / "etcd")) for line in processes_of(cluster.folder))
    assert not (tmp_path / "cache").exists()


def test_a_binary_that_kubebuilder_assets_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sys.executable, tmp_path / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(MissingBinary, match=f"{tmp_path} lacks kube-apiserver, kubectl:"):
        LocalCluster().start()


@pytest.fixture
def other_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set KUBEBUILDER_ASSETS to a folder with programs of Kubernetes 1.33, and return the folder."""
    for name in CONTROL_PLANE:
        (tmp_path / name).write_text("#!/bin/sh\necho Kubernetes v1.33.4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    return tmp_path


def test_kubebuilder_assets_of_another_version_than_requested_are_refused(
    other_assets: Path,
) -> None:
    says = rf"KUBEBUILDER_ASSETS={other_assets} has Kubernetes 1\.33, but 1\.37 was requested: unset it"
    with pytest.raises(VersionMismatch, match=says):
        LocalCluster(version="1.37").start()


def test_any_version_in_kubebuilder_assets_is_used_if_none_is_requested(other_assets: Path) -> None:
    assert find_binaries() == find_binaries(version="1.33") == other_assets


@pytest.mark.parametrize(("flags", "code"), [(["--version", "1.37"], 1), ([], 0)])
def test_the_command_line_refuses_another_version_too(
    other_assets: Path, flags: list[str], code: int
) -> None:
    command = [sys.executable, "-m", "localcluster", "build", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("has Kubernetes 1.33, but 1.37 was requested" in done.stderr) == bool(code)


def test_an_api_server_in_kubebuilder_assets_that_does_not_run_is_named(other_assets: Path) -> None:
    (other_assets / "kube-apiserver").write_text("not a program")
    with pytest.raises(MissingBinary, match=r"kube-apiserver does not run"):
        find_binaries(version="1.37")


def test_a_second_search_for_binaries_builds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = find_binaries()
    monkeypatch.setenv("PATH", str(tmp_path))  # no Go
    assert find_binaries() == folder


def test_an_unknown_version_of_kubernetes_is_an_error_that_names_the_known_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(UnknownVersion, match=r"'1\.9', only .*1\.37"):
        LocalCluster(version="1.9").start()


def test_what_go_says_is_in_the_error_of_a_failed_build(tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.com/module\n\ngo 1.26.0\n")
    (module / "go.sum").touch()
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(BuildError, match=r"no required module provides package example\.com/absent"):
        build(GoModule(module, {"absent": "example.com/absent"}, {}), ["absent"], output)
    assert not (output / "absent").exists()


def test_a_build_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/module\n\ngo 1.26.0\n")
    (tmp_path / "go.sum").touch()
    (tmp_path / "build-work-killed" / "bin").mkdir(parents=True)
    with pytest.raises(BuildError):
        build(GoModule(tmp_path, {"absent": "example.com/absent"}, {}), ["absent"], tmp_path)
    assert not list(tmp_path.glob("build-work-*"))


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.26.8", (1, 26, 8)), ("1.26", (1, 26)), ("1.27rc1", ()), ("devel +abc", ()), ("", ())],
)
def test_only_releases_of_go_have_a_version(text: str, version: tuple[int, ...]) -> None:
    assert parse_go_version(text) == version


def test_a_go_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    broken = tmp_path / "go"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert go_version(broken) == ()
