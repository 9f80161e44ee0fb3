"""What an idle operator costs with default settings: requests to the API server, and memory.

A thousand plugins are installed, each with its assessed FloePlugin, and a hundred are probed; then the
operator is left alone. Requests are counted from the API server's audit log; memory is what the kernel
reports for the operator's process and for its plugin host. An empty environment shows how much of the memory
is the host's own. The operator runs as in the image: with only its own requirements, and with the image's
malloc settings.

    python -m benchmarks.idle [--minutes 5] [--json FILE]     (plus a few minutes of preparation)
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.audited import AuditedCluster, audited_cluster
from benchmarks.image import IMAGE_ENVIRONMENT, operator_python
from tests.support.control_planes import new_namespace
from tests.support.distributions import Distribution, Environment, plugin_source
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually
from tests.support.processes import Openable, plugin_hosts

MINUTES = 5.0
PLUGINS = 1_000
PROBED = 100
"""How many of them are started, and checked at the default period, with steady results."""
_PER_DISTRIBUTION = 20
_SETTLE = 20.0
_SAMPLE_EVERY = 5.0
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of one process, in bytes."""

    resident: int
    peak: int
    private: int
    """What would be freed if the process ended."""


@dataclass(frozen=True)
class Idle:
    """What an idle operator cost."""

    plugins: int
    seconds: float
    requests: dict[str, int]
    """Counts by verb and resource."""
    writes: int
    operator: Memory
    host: Memory

    @property
    def requests_per_second(self) -> float:
        """All requests, including Lease renewals and restarted watches."""
        return sum(self.requests.values()) / self.seconds

    def table(self) -> str:
        """Return the table for people."""
        rate = f"{self.requests_per_second:.2f} requests/s"
        lines = [f"{self.plugins} plugins, {self.seconds:.0f} s: {rate}, {self.writes} writes"]
        lines += [f"  {number:6} {what}" for what, number in sorted(self.requests.items())]
        for name, memory in (("operator", self.operator), ("plugin host", self.host)):
            figures = (f"{what} {size / MEGABYTE:6.1f} MB" for what, size in asdict(memory).items())
            lines.append(f"  {name:12} {', '.join(figures)}")
        return "\n".join(lines)


def run(minutes: float = MINUTES) -> Iterator[Idle]:
    """Measure with plugins, then without any."""
    with audited_cluster() as audited:
        python = operator_python(audited.folder / "operator")
        yield _idle(audited, python, PLUGINS, minutes * 60)
        yield _idle(audited, python, 0, min(minutes, 2) * 60)


def _idle(audited: AuditedCluster, python: Path, plugins: int, seconds: float) -> Idle:
    environment = Environment.create(audited.folder / f"plugins-{plugins}")
    if plugins:
        environment.install(*_distributions(plugins))
    namespace, user = new_namespace(audited.cluster), f"idle-{plugins}"
    kubeconfig = audited.cluster.kubeconfig_for(user, groups=["system:masters"])
    log = audited.folder / f"{user}.log"
    openable = Openable(audited.folder / f"{user}-openable")
    variables = {**IMAGE_ENVIRONMENT, **openable.variables}
    with OperatorProcess(
        kubeconfig, namespace, environment.python, log, environment=variables, python=python
    ) as operator:
        objects = FloePlugins(audited.cluster.kubeconfig, namespace)
        objects.until_judged(plugins, within=300)
        for name in sorted(objects.all())[:PROBED]:
            objects.merge(name, {"spec": {"probe": {}}})
        pid = operator.process.pid
        (host,) = eventually(lambda: plugin_hosts(pid) or None)
        _until_quiet(audited, user)
        began = time.time()
        time.sleep(seconds)
        requests = [request for request in audited.requests(user) if request.at > began]
        idle = time.time() - began
        for process in (pid, host):
            openable.open(process)  # only then has its own user its smaps_rollup
        return Idle(
            plugins=plugins,
            seconds=idle,
            requests=dict(Counter(f"{request.verb} {request.resource}".strip() for request in requests)),
            writes=sum(request.is_write for request in requests),
            operator=memory_of(pid),
            host=memory_of(host),
        )


def _until_quiet(audited: AuditedCluster, user: str) -> None:
    """Wait until the operator has written nothing for some time: Events are written late."""

    def quiet() -> bool:
        last = max((request.at for request in audited.requests(user) if request.is_write), default=0.0)
        return time.time() - last > _SETTLE

    eventually(quiet, within=300, every=_SAMPLE_EVERY)


def memory_of(pid: int) -> Memory:
    """Return the memory of a process as the kernel reports it."""
    status = kilobytes(Path(f"/proc/{pid}/status"))
    rollup = kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
    private = rollup["Private_Clean"] + rollup["Private_Dirty"]
    return Memory(status["VmRSS"] * 1024, status["VmHWM"] * 1024, private * 1024)


def kilobytes(path: Path) -> dict[str, int]:
    """Return the sizes in a file of /proc, by name."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1] == "kB"}


def _distributions(plugins: int) -> Iterator[Distribution]:
    names = [f"p{number:04}" for number in range(plugins)]
    for first in range(0, plugins, _PER_DISTRIBUTION):
        part = names[first : first + _PER_DISTRIBUTION]
        modules = {f"floe_{name}.py": plugin_source(name, config="threads: int = 1") for name in part}
        claims = {"floe.computes": {name: f"floe_{name}:Plugin" for name in part}}
        yield Distribution(f"floe-{part[0]}", "0.1.0", claims, modules)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    found = []
    for idle in run(arguments.minutes):
        print(idle.table(), flush=True)
        found.append(idle)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(idle) for idle in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
