"""Leader election on a real API server: real processes that are killed, stopped, cut off and robbed."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from floe_operator.api.leader import LEASE, RIGHTS
from floe_operator.rules.leases import micro_time
from localcluster import LocalCluster
from tests.support.api_proxy import ApiProxy
from tests.support.audit import Audit
from tests.support.polling import eventually
from tests.support.tcp_proxy import TcpProxy

ROOT = Path(__file__).parents[2]
SHORT = (3.0, 2.0, 0.5)
"""Lease duration, renew deadline and retry period of the candidates, in seconds."""


class Candidate:
    """The process of a candidate, and what it printed."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str, timing: tuple[float, ...]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.candidate", namespace, name, *map(str, timing)],
            cwd=ROOT,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._words: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._words.put), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.log.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.says("standing-by")

    def _read(self, stream: Any, put: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                put(line.strip())

    def says(self, word: str, within: float = 30.0) -> float:
        """Wait for the word and return when it came, on our monotonic clock."""
        try:
            assert self._words.get(timeout=within) == word, self.log
        except queue.Empty:
            raise AssertionError(f"{self.name} did not say {word!r}; its log: {self.log}") from None
        return time.monotonic()

    def is_quiet(self, seconds: float) -> bool:
        """Return True if the candidate says nothing for this long."""
        try:
            self._words.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def ends(self, within: float = 30.0) -> int:
        """Wait for the end of the process and return its exit code."""
        code = self.process.wait(within)
        for reader in self._readers:
            reader.join(within)
        return code

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.ends()


@pytest.fixture
def proxy(cluster: LocalCluster) -> Iterator[TcpProxy]:
    server = urlsplit(cluster.url)
    assert server.hostname is not None
    assert server.port is not None
    with TcpProxy(server.hostname, server.port) as started:
        yield started


@pytest.fixture
def through_proxy(cluster: LocalCluster, proxy: TcpProxy, tmp_path: Path) -> Path:
    """Return the kubeconfig of a process that reaches the API server through the proxy."""
    config = json.loads(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


Start = Callable[..., Candidate]


@pytest.fixture
def start(cluster: LocalCluster, namespace: str) -> Iterator[Start]:
    """Yield a function that starts a candidate; all candidates end with the test."""
    with ExitStack() as stack:

        def begin(name: str, kubeconfig: Path | None = None, timing: tuple[float, ...] = SHORT) -> Candidate:
            candidate = Candidate(kubeconfig or cluster.kubeconfig, namespace, name, timing)
            stack.callback(candidate.close)
            return candidate

        yield begin


def lease_of(cluster: LocalCluster, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        cluster.kubectl("get", "lease", LEASE, "--namespace", namespace, "--output=json")
    )
    return found


def patch_lease(cluster: LocalCluster, namespace: str, **spec: Any) -> None:
    cluster.kubectl(
        "patch", "lease", LEASE, "-n", namespace, "--type=merge", "--patch", json.dumps({"spec": spec})
    )


def writes(audit: Audit, namespace: str, name: str) -> list[str]:
    """Return when the API server received each write of a candidate."""
    requests = audit.requests(namespace=namespace, resource="configmaps", verb="patch")
    return [
        request["requestReceivedTimestamp"]
        for request in requests
        if request["objectRef"]["name"] == f"writes-{name}"
    ]


def until_it_writes(audit: Audit, namespace: str, name: str) -> list[str]:
    return eventually(lambda: writes(audit, namespace, name) or None, saying=f"{name} writes")


def assert_one_after_the_other(audit: Audit, namespace: str, old: str, new: str) -> None:
    """Assert that no write of the old leader reached the API server after the new leader's first one."""
    of_new = until_it_writes(audit, namespace, new)
    of_old = writes(audit, namespace, old)
    assert of_old
    assert max(of_old) < min(of_new)


def test_one_leads_and_the_other_takes_over_as_soon_as_the_lease_is_released(
    cluster: LocalCluster, namespace: str, start: Start, audit: Audit
) -> None:
    long = (300.0, 200.0, 0.5)
    first = start("first", timing=long)
    first.says("leading")
    second = start("second", timing=long)
    assert second.is_quiet(2.0)
    until_it_writes(audit, namespace, "first")
    first.signal(signal.SIGTERM)
    first.says("ended")
    assert first.ends() == 0
    second.says("leading")  # long before the 300 s are over
    assert lease_of(cluster, namespace)["spec"]["leaseTransitions"] >= 1
    assert_one_after_the_other(audit, namespace, "first", "second")


def test_a_released_lease_names_nobody(cluster: LocalCluster, namespace: str, start: Start) -> None:
    only = start("only")
    only.says("leading")
    assert lease_of(cluster, namespace)["spec"]["holderIdentity"] == "only"
    only.signal(signal.SIGTERM)
    assert only.ends() == 0
    spec = lease_of(cluster, namespace)["spec"]
    assert spec.get("holderIdentity", "") == ""
    assert spec["leaseDurationSeconds"] == 1


def test_another_candidate_leads_once_the_lease_of_a_killed_leader_expires(
    cluster: LocalCluster, namespace: str, start: Start, audit: Audit
) -> None:
    first = start("first")
    first.says("leading")
    second = start("second")
    until_it_writes(audit, namespace, "first")
    first.signal(signal.SIGKILL)
    second.says("leading")
    assert_one_after_the_other(audit, namespace, "first", "second")


def test_a_paused_leader_writes_nothing_when_it_resumes(
    cluster: LocalCluster, namespace: str, start: Start, audit: Audit
) -> None:
    first = start("first")
    first.says("leading")
    second = start("second")
    until_it_writes(audit, namespace, "first")
    first.signal(signal.SIGSTOP)
    second.says("leading")
    first.signal(signal.SIGCONT)
    assert first.ends() == 1
    assert_one_after_the_other(audit, namespace, "first", "second")
    assert "leadership lost" in "".join(first.log)


def test_a_leader_whose_event_loop_hangs_ends_before_another_leads(
    cluster: LocalCluster, namespace: str, start: Start, audit: Audit
) -> None:
    first = start("first")
    first.says("leading")
    second = start("second")
    until_it_writes(audit, namespace, "first")
    first.signal(signal.SIGUSR1)
    assert first.ends() == 1
    ended = time.monotonic()
    assert second.says("leading") >= ended
    assert "leadership lost" in "".join(first.log)


def test_a_leader_that_is_cut_off_ends_before_another_leads(
    cluster: LocalCluster, namespace: str, start: Start, audit: Audit, proxy: TcpProxy, through_proxy: Path
) -> None:
    first = start("first", through_proxy)
    first.says("leading")
    second = start("second")
    until_it_writes(audit, namespace, "first")
    proxy.hold()
    assert first.ends() == 1
    ended = time.monotonic()
    assert second.says("leading") >= ended
    assert "did not answer" in "".join(first.log)
    assert_one_after_the_other(audit, namespace, "first", "second")


def test_a_connection_that_hangs_for_a_moment_does_not_cost_leadership(
    cluster: LocalCluster, namespace: str, start: Start, proxy: TcpProxy, through_proxy: Path
) -> None:
    only = start("only", through_proxy, timing=(30.0, 20.0, 1.0))
    only.says("leading")
    proxy.hold()
    eventually(lambda: "Lease not renewed" in "".join(only.log), saying="a renewal fails")
    proxy.flow()
    renewed = lease_of(cluster, namespace)["spec"]["renewTime"]
    eventually(
        lambda: lease_of(cluster, namespace)["spec"]["renewTime"] > renewed, saying="it is renewed again"
    )
    assert only.process.poll() is None


def test_a_stolen_lease_ends_the_process(cluster: LocalCluster, namespace: str, start: Start) -> None:
    first = start("first")
    first.says("leading")
    patch_lease(cluster, namespace, holderIdentity="thief")
    assert first.ends() == 1
    assert "thief holds the Lease now" in first.log[-1], first.log


@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_tampering_with_the_lease_causes_no_second_writer(
    how: str, cluster: LocalCluster, namespace: str, start: Start, audit: Audit
) -> None:
    slow = (12.0, 8.0, 3.0)
    first = start("first", timing=slow)
    first.says("leading")
    second = start("second", timing=slow)
    eventually(lambda: "standing by for first" in "".join(second.log), saying="the second saw who leads")
    if how == "emptied":
        patch_lease(cluster, namespace, holderIdentity="")
        second.says("leading", within=60)
        assert first.ends() == 1
        assert_one_after_the_other(audit, namespace, "first", "second")
    else:
        cluster.kubectl("delete", "lease", LEASE, "-n", namespace)
        assert second.is_quiet(4.0)
        assert lease_of(cluster, namespace)["spec"]["holderIdentity"] == "first"
        assert first.process.poll() is None


@pytest.fixture
def api(cluster: LocalCluster) -> Iterator[ApiProxy]:
    with ApiProxy(cluster.kubeconfig) as started:
        yield started


class Held:
    """Holds back the answer to the next Lease request with this method, after the API server handled it."""

    def __init__(self, api: ApiProxy, method: str) -> None:
        self._method = method
        self._begun = threading.Event()
        self._go_on = threading.Event()
        api.after = self._hold

    def _hold(self, method: str, path: str) -> None:
        if method == self._method and "/leases" in path and not self._begun.is_set():
            self._begun.set()
            self._go_on.wait(60)

    def begins(self) -> None:
        assert self._begun.wait(30), f"there was no {self._method}"

    def ends(self) -> None:
        self._go_on.set()


def test_leadership_is_lost_if_another_process_recreates_the_deleted_lease(
    cluster: LocalCluster, namespace: str, start: Start, api: ApiProxy, tmp_path: Path
) -> None:
    first = start("first", api.kubeconfig(tmp_path / "kubeconfig"), timing=(30.0, 20.0, 3.0))
    first.says("leading")
    thief = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": LEASE},
        "spec": {"holderIdentity": "thief", "leaseDurationSeconds": 15},
    }

    def steal(method: str, path: str) -> None:
        if method == "POST" and path.endswith("/leases"):
            cluster.kubectl("create", "-n", namespace, "--filename=-", input=json.dumps(thief))

    api.before = steal
    cluster.kubectl("delete", "lease", LEASE, "-n", namespace)
    assert first.ends() == 1
    assert "thief holds the Lease now" in first.log[-1], first.log


def test_a_leader_keeps_the_lease_it_recreated_even_if_no_answer_arrives(
    cluster: LocalCluster, namespace: str, start: Start, api: ApiProxy, tmp_path: Path
) -> None:
    first = start("first", api.kubeconfig(tmp_path / "kubeconfig"), timing=(30.0, 12.0, 2.0))
    first.says("leading")
    held = Held(api, "POST")
    cluster.kubectl("delete", "lease", LEASE, "-n", namespace)
    held.begins()
    made = lease_of(cluster, namespace)
    assert made["spec"]["holderIdentity"] == "first"
    eventually(
        lambda: lease_of(cluster, namespace)["spec"]["renewTime"] > made["spec"]["renewTime"],
        saying="it is renewed",
    )
    held.ends()
    assert first.process.poll() is None


@pytest.mark.parametrize(
    "method", [pytest.param("PUT", id="a renewal"), pytest.param("POST", id="the creation")]
)
def test_a_lease_is_released_even_while_a_request_for_it_is_under_way(
    method: str, cluster: LocalCluster, namespace: str, start: Start, api: ApiProxy, tmp_path: Path
) -> None:
    held = Held(api, method)
    only = start("only", api.kubeconfig(tmp_path / "kubeconfig"), timing=(300.0, 200.0, 5.0))
    held.begins()
    assert lease_of(cluster, namespace)["spec"]["holderIdentity"] == "only"
    only.signal(signal.SIGTERM)
    assert only.ends() == 0
    held.ends()
    assert not lease_of(cluster, namespace)["spec"].get("holderIdentity")


@pytest.mark.parametrize("hours", [-12, 12])
def test_clocks_that_differ_by_hours_change_nothing(
    hours: int, cluster: LocalCluster, namespace: str, start: Start
) -> None:
    cluster.kubectl(
        "create",
        "--namespace",
        namespace,
        "--filename=-",
        input=json.dumps(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": LEASE},
                "spec": {
                    "holderIdentity": "elsewhere",
                    "leaseDurationSeconds": 4,
                    "renewTime": micro_time(datetime.now(UTC) + timedelta(hours=hours)),
                    "leaseTransitions": 6,
                },
            }
        ),
    )
    started = time.monotonic()
    candidate = start("candidate")
    led = candidate.says("leading")
    assert led - started >= 4.0  # the other's whole term, from when it was first seen
    assert lease_of(cluster, namespace)["spec"]["leaseTransitions"] == 7


def test_a_missing_permission_is_named_and_leadership_acquired_once_it_is_granted(
    cluster: LocalCluster, namespace: str, start: Start
) -> None:
    user = f"operator-{namespace}"
    candidate = start("candidate", cluster.kubeconfig_for(user))
    eventually(lambda: any('verb \\"get\\" on resource \\"leases\\"' in line for line in candidate.log))
    rules = ("--verb=" + ",".join(RIGHTS), "--resource=leases.coordination.k8s.io", "-n", namespace)
    cluster.kubectl("create", "role", "lease", *rules)
    cluster.kubectl("create", "rolebinding", "lease", "--role=lease", f"--user={user}", "-n", namespace)
    candidate.says("leading")
