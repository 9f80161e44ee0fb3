"""A thousand FloePlugins at the same time, and single changes among a thousand, on a real API server.

Each storm runs with the operator and with `bare_loop` (kopf and kubernetes.aio, eight writers, no
assessment), on the same API server in the same run. Then the time is measured from a change of a spec, and of
a Secret, to the status that reflects it: `python -m benchmarks.storm [--json FILE]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.observer import Observer, is_judged, observing, reason
from localcluster import LocalCluster
from tests.support.audit import Audit, now
from tests.support.control_planes import audited, install_crd, new_namespace
from tests.support.distributions import Distribution, Environment, plugin_source

OBJECTS = 1_000
SAMPLES = 100
WITH_SECRETS = 50
_PER_DISTRIBUTION = 20
_AUDITED = ({"level": "Metadata", "resources": [{"group": "floe.dev"}]}, {"level": "None"})
_REPOSITORY = Path(__file__).parents[1]


@dataclass
class Storm:
    """One storm: seconds until all objects are assessed, and the status writes of the busiest object."""

    what: str
    operator_seconds: float
    bare_seconds: float
    writes: int
    most_writes_of_one: int

    @property
    def ratio(self) -> float:
        """The operator's time divided by that of the bare loop."""
        return self.operator_seconds / self.bare_seconds


@dataclass
class Latency:
    """The time from a change to its assessment, in seconds."""

    what: str
    p50: float
    p99: float
    samples: int


@dataclass
class Report:
    """What `run` measured."""

    storms: list[Storm] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)

    def table(self) -> str:
        """Return the tables for people."""
        head = f"{'storm of ' + str(OBJECTS):44} {'operator':>9} {'bare loop':>10} {'ratio':>6}"
        lines = [f"{head} {'writes':>7} {'max':>5}"]
        lines += [
            f"{each.what:44} {each.operator_seconds:8.1f}s {each.bare_seconds:9.1f}s {each.ratio:6.2f} "
            f"{each.writes:7} {each.most_writes_of_one:5}"
            for each in self.storms
        ]
        lines += ["", f"{'one change among ' + str(OBJECTS):44} {'p50':>9} {'p99':>10} {'n':>6}"]
        lines += [
            f"{each.what:44} {each.p50 * 1000:7.0f}ms {each.p99 * 1000:8.0f}ms {each.samples:6}"
            for each in self.latencies
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for machines."""
        return {
            "objects": OBJECTS,
            "storms": [{**asdict(each), "ratio": each.ratio} for each in self.storms],
            "latencies": [asdict(each) for each in self.latencies],
        }


def run() -> Report:
    """Run the benchmark, in about two minutes."""
    with tempfile.TemporaryDirectory(prefix="floe-storm-") as temporary:
        folder = Path(temporary)
        options = audited(folder, _AUDITED)
        audit = Audit(options["audit_log"])
        environment = Environment.create(folder / "plugins")
        environment.install(*_distributions())
        with LocalCluster(**options) as cluster:
            install_crd(cluster)
            bench = _Bench(cluster, environment, audit, folder)
            return asyncio.run(bench.run())


@dataclass
class _Bench:
    cluster: LocalCluster
    environment: Environment
    audit: Audit
    folder: Path

    async def run(self) -> Report:
        report = Report()
        bare = await self._bare()
        for what, operator in (await self._operator(report)).items():
            report.storms.append(Storm(what, operator[0], bare[what], *operator[1:]))
        return report

    async def _bare(self) -> dict[str, float]:
        namespace = new_namespace(self.cluster)
        found: dict[str, float] = {}
        async with observing(self.cluster.kubeconfig, namespace) as observer:
            await observer.create(_manifests("compute"))
            started = time.monotonic()
            with _process(
                self.cluster.kubeconfig, self.folder / "bare.log", "benchmarks.bare_loop", namespace
            ):
                found["created before it starts"] = await _judged(observer, "compute") - started
                started = time.monotonic()
                generations = await observer.change_all(_configs())
                found["reconfigured while it runs"] = await _judged_at(observer, generations) - started
                started = time.monotonic()
                await observer.create(_manifests("storage"))
                found["created while it runs"] = await _judged(observer, "storage") - started
        return found

    async def _operator(self, report: Report) -> dict[str, tuple[float, int, int]]:
        namespace = new_namespace(self.cluster)
        found: dict[str, tuple[float, int, int]] = {}
        arguments = ["run", "--namespace", namespace, "--plugin-python", str(self.environment.python)]
        async with observing(self.cluster.kubeconfig, namespace) as observer:
            await observer.create(_manifests("compute"))
            since, started = now(), time.monotonic()
            log = self.folder / "operator.log"
            with _process(self.cluster.kubeconfig, log, "floe_operator", *arguments):
                judged = await _judged(observer, "compute")
                found["created before it starts"] = (judged - started, *self._writes(namespace, since))
                await asyncio.sleep(2)
                since, started = now(), time.monotonic()
                generations = await observer.change_all(_configs())
                judged = await _judged_at(observer, generations)
                found["reconfigured while it runs"] = (judged - started, *self._writes(namespace, since))
                report.latencies.append(await _spec_latency(observer))
                report.latencies.append(await _secret_latency(observer))
                since, started = now(), time.monotonic()
                await observer.create(_manifests("storage"))
                judged = await _judged(observer, "storage")
                found["created while it runs"] = (judged - started, *self._writes(namespace, since))
        return found

    def _writes(self, namespace: str, since: float) -> tuple[int, int]:
        """Return how many status writes there were since a moment: in all, and to the busiest object."""
        names = [
            name
            for _, name in self.audit.writes(namespace=namespace, since=since)
            if name.endswith("/status")
        ]
        return len(names), max(Counter(names).values())


async def _spec_latency(observer: Observer) -> Latency:
    found = []
    for number, name in enumerate(random.Random(1).sample(_names("compute"), SAMPLES)):
        started = time.monotonic()
        generations = await observer.change_all({name: {"config": {"threads": 100 + number}}})
        found.append(await _judged_at(observer, generations) - started)
    return _latency("from a change of spec.config to the status", found)


async def _secret_latency(observer: Observer) -> Latency:
    names = _names("compute")[:WITH_SECRETS]
    for name in names:
        await observer.secret(name, "12", create=True)
    source = {"secretKeyRef": {"name": "", "key": "value"}, "path": "port"}
    specs = {
        name: {"configFrom": [{**source, "secretKeyRef": {"name": name, "key": "value"}}]} for name in names
    }
    await _judged_at(observer, await observer.change_all(specs))
    found = []
    for number in range(SAMPLES):
        name = names[number % len(names)]
        is_valid = number // len(names) % 2
        expected = "Ready" if is_valid else "ValidationFailed"
        started = time.monotonic()
        await observer.secret(name, "7" if is_valid else "no number")
        judged = await observer.until(lambda: reason(observer.objects[name]) == expected)  # noqa: B023
        found.append(judged - started)
    return _latency("from a change of a Secret to the status", found)


def _latency(what: str, found: Sequence[float]) -> Latency:
    ordered = sorted(found)
    return Latency(what, ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], len(ordered))


async def _judged(observer: Observer, kind: str) -> float:
    names = _names(kind)
    return await observer.until(lambda: all(is_judged(observer.objects.get(name, {})) for name in names))


async def _judged_at(observer: Observer, generations: dict[str, int]) -> float:
    return await observer.until(
        lambda: all(is_judged(observer.objects[name], at) for name, at in generations.items())
    )


@contextlib.contextmanager
def _process(kubeconfig: Path, log: Path, module: str, *arguments: str) -> Iterator[None]:
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "FLOE_HTTP_PORT": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=_REPOSITORY,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    except TimeoutError:
        raise RuntimeError(f"{module} did not finish in time:\n{log.read_text()[-4000:]}") from None
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _names(kind: str) -> list[str]:
    return [f"{kind}-p{number:04}" for number in range(OBJECTS)]


def _manifests(kind: str) -> Iterator[dict[str, Any]]:
    for name in _names(kind):
        yield {
            "apiVersion": "floe.dev/v1alpha1",
            "kind": "FloePlugin",
            "metadata": {"name": name},
            "spec": {"type": kind, "name": name.removeprefix(f"{kind}-")},
        }


def _configs() -> dict[str, dict[str, Any]]:
    return {name: {"config": {"threads": number}} for number, name in enumerate(_names("compute"))}


def _distributions() -> Iterator[Distribution]:
    """Yield the distributions of the compute plugins; no storage plugin is installed."""
    names = [name.removeprefix("compute-") for name in _names("compute")]
    for first in range(0, OBJECTS, _PER_DISTRIBUTION):
        part = names[first : first + _PER_DISTRIBUTION]
        modules = {
            f"floe_{name}.py": plugin_source(name, config="threads: int = 1\nport: int = 0") for name in part
        }
        claims = {"floe.computes": {name: f"floe_{name}:Plugin" for name in part}}
        yield Distribution(f"floe-{part[0]}", "0.1.0", claims, modules)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.storm")
    arguments.add_argument("--json", type=Path, help="write the numbers to this file")
    options = arguments.parse_args()
    report = run()
    print(report.table())
    if options.json:
        options.json.write_text(json.dumps(report.to_json(), indent=2) + "\n")


if __name__ == "__main__":
    main()
