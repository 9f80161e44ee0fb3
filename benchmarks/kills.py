"""What the death of the leader costs: two real operators in one namespace, and one death after another.

In turns, the leader is killed (SIGKILL), or stopped and continued after its Lease has expired (SIGSTOP,
SIGCONT). All the while a FloePlugin is changed ten times a second, so that there is always something to
write. Each process is a separate user: the API server's audit log shows who wrote when, and so how long
nobody wrote, and whether two ever wrote at the same time. Timings are the defaults.

    python -m benchmarks.kills [--kills 20] [--json FILE]     (about 6 minutes)
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.audited import AuditedCluster, Request, audited_cluster
from tests.support.control_planes import new_namespace
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually

KILLS = 20
LIMIT = 30.0
"""Seconds within which another operator must write."""
_USERS = "operator-"
_PLUGINS = 10
_STOPPED_AFTER_TAKEOVER = 2.0


@dataclass(frozen=True, slots=True)
class Death:
    """One leader's end: seconds from the signal, and from its last write, to its successor's first write."""

    how: str
    after_signal: float
    without_writes: float
    late_writes: int
    """Writes of the former leader after the next leader began to write."""


@dataclass(frozen=True)
class Report:
    """What `run` measured."""

    deaths: Sequence[Death]
    overlaps: int
    """Pairs of processes that each wrote before the other had finished writing."""
    writes: int

    @property
    def is_good(self) -> bool:
        """Whether the result is as promised."""
        return (
            not self.overlaps
            and all(death.after_signal < LIMIT for death in self.deaths)
            and not any(death.late_writes for death in self.deaths)
        )

    def table(self) -> str:
        """Return the table for people."""
        lines = [f"{'end of the leader':20} {'n':>4} {'until next write':>26} {'without writes':>22}"]
        lines += [f"{'':25} {'median':>14} {'max':>11} {'median':>11} {'max':>10}"]
        for how in sorted({death.how for death in self.deaths}):
            found = [death for death in self.deaths if death.how == how]
            signals, gaps = [each.after_signal for each in found], [each.without_writes for each in found]
            lines.append(
                f"{how:20} {len(found):4} {statistics.median(signals):13.1f}s {max(signals):10.1f}s "
                f"{statistics.median(gaps):10.1f}s {max(gaps):9.1f}s"
            )
        late = sum(death.late_writes for death in self.deaths)
        lines += [
            f"{self.writes} writes, {late} by a former leader, {self.overlaps} overlapping pairs of writers"
        ]
        return "\n".join(lines)


class Replicas:
    """The two operators; each process is a separate user."""

    def __init__(self, audited: AuditedCluster, namespace: str, plugins: Path, stack: ExitStack) -> None:
        self._audited = audited
        self._namespace = namespace
        self._plugins = plugins
        self._stack = stack
        self._numbers = itertools.count(1)

    def start(self) -> tuple[str, OperatorProcess]:
        """Start another operator, and wait until it leads or stands by."""
        user = f"{_USERS}{next(self._numbers):03}"
        kubeconfig = self._audited.cluster.kubeconfig_for(user, groups=["system:masters"])
        log = self._audited.folder / f"{user}.log"
        operator = OperatorProcess(kubeconfig, self._namespace, self._plugins, log)
        self._stack.enter_context(_running(operator))
        eventually(lambda: operator.logged("standing by for") or operator.logged("leading"), within=60)
        return user, operator


@contextmanager
def _running(operator: OperatorProcess) -> Iterator[None]:
    operator.start()
    try:
        yield
    finally:
        if operator.process.poll() is None:
            operator.process.send_signal(signal.SIGCONT)
            operator.kill()


def run(kills: int = KILLS) -> Report:
    """Run the benchmark: at most half a minute per kill."""
    with audited_cluster() as audited, ExitStack() as stack:
        environment = Environment.create(audited.folder / "plugins")
        environment.install(
            *(plugin_distribution(f"p{number}", config="step: int = 0") for number in range(_PLUGINS))
        )
        namespace = new_namespace(audited.cluster)
        replicas = Replicas(audited, namespace, environment.python, stack)
        leader, standby = replicas.start(), replicas.start()
        plugins = FloePlugins(audited.cluster.kubeconfig, namespace)
        plugins.until_judged(_PLUGINS, within=60)
        deaths = []
        with changes(plugins):
            for number in range(kills):
                _wait_for_writes(audited, leader[0], since=time.time())
                how = ("SIGKILL", "SIGSTOP, SIGCONT")[number % 2]
                deaths.append(_death(audited, how, leader, standby[0]))
                print(f"{number + 1:3}: {deaths[-1]}", flush=True)
                leader, standby = standby, replicas.start()
        requests = [request for request in audited.requests(_USERS) if request.is_write]
        return Report(deaths, overlaps(requests), len(requests))


def _death(audited: AuditedCluster, how: str, leader: tuple[str, OperatorProcess], standby: str) -> Death:
    user, operator = leader
    at = time.time()
    operator.process.send_signal(signal.SIGKILL if how == "SIGKILL" else signal.SIGSTOP)
    first = _wait_for_writes(audited, standby)[0].at
    if how != "SIGKILL":
        time.sleep(_STOPPED_AFTER_TAKEOVER)
        operator.process.send_signal(signal.SIGCONT)
    with suppress(subprocess.TimeoutExpired):
        operator.process.wait(30)
    assert operator.process.poll() is not None, f"{user} still runs without the Lease"
    time.sleep(0.5)  # its last requests may not be in the log yet
    written = _writes(audited, user)
    late = [write for write in written if write.at > first]
    last = max(write.at for write in written if write.at <= first)
    return Death(how, first - at, first - last, len(late))


def _wait_for_writes(audited: AuditedCluster, user: str, since: float = 0.0) -> list[Request]:
    def written() -> list[Request] | None:
        return [write for write in _writes(audited, user) if write.at > since] or None

    return eventually(written, within=120, every=0.5)


def _writes(audited: AuditedCluster, user: str) -> list[Request]:
    return [request for request in audited.requests(user) if request.is_write]


def overlaps(writes: Sequence[Request]) -> int:
    """Return how many pairs of users overlap: neither had finished writing when the other began."""
    spans: dict[str, tuple[float, float]] = {}
    for write in writes:
        begin, end = spans.get(write.user, (write.at, write.at))
        spans[write.user] = min(begin, write.at), max(end, write.at)
    return sum(
        max(one[0], other[0]) <= min(one[1], other[1])
        for one, other in itertools.combinations(spans.values(), 2)
    )


@contextmanager
def changes(plugins: FloePlugins) -> Iterator[None]:
    """Change a FloePlugin ten times a second."""
    ended = threading.Event()

    def change() -> None:
        for step in itertools.count():
            if ended.wait(0.1):
                return
            plugins.merge(f"compute-p{step % _PLUGINS}", {"spec": {"config": {"step": step}}})

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main() -> int:
    """Print the table; return 1 if the result is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    report = run(arguments.kills)
    print(report.table())
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(report), indent=2) + "\n")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
