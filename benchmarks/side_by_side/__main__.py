"""The operator beside a small controller-runtime operator and a bare kopf loop, on one API server.

    python -m benchmarks.side_by_side --objects 100 1000 --runs 3 --json FILE

The contestants of a run work on the same API server, one after the other, in an order that alternates from
run to run. Each has new objects in a new namespace, which are deleted before the next has its turn.
`benchmarks.side_by_side.page` makes a page of the numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.audited import AuditedCluster, audited_cluster
from benchmarks.image import operator_python
from benchmarks.side_by_side import machine, page
from benchmarks.side_by_side.audit_tail import AuditTail, rules
from benchmarks.side_by_side.contestants import CONTESTANTS, PEER, Contestant, Place, Running
from benchmarks.side_by_side.measuring import Contest, Row
from benchmarks.side_by_side.observer import observing
from benchmarks.side_by_side.phases import FEWEST, MANY, PHASES, go_through, usual
from benchmarks.side_by_side.workload import installed, manifests
from tests.support.control_planes import new_namespace
from tests.support.distributions import Environment
from tests.support.go_programs import go_program

_USER = "bench-{}"
"""The name by which the API server knows a contestant."""


@dataclass
class _Bench:
    options: argparse.Namespace
    began: float = field(default_factory=time.monotonic)
    result: dict[str, Any] = field(default_factory=lambda: {"facts": {}, "rows": []})

    def run(self) -> None:
        if "peer" in self.options.contestants:
            go_program(PEER, None)
        with tempfile.TemporaryDirectory(prefix="floe-bench-") as folder:
            self.say("installing the operator")
            operator = operator_python(Path(folder) / "operator")
            for objects, runs in zip(self.options.objects, cycle(self.options.runs), strict=False):
                self.say(f"installing {objects} plugins")
                plugins = installed(Path(folder) / f"plugins-{objects}", objects)
                for run in range(runs):
                    self.one_run(operator, plugins, objects, run)

    def one_run(self, operator: Path, plugins: Environment, objects: int, run: int) -> None:
        """Let all contestants work on a new API server, one after the other."""
        asked = [CONTESTANTS[name] for name in self.options.contestants]
        fit = [each for each in asked if objects <= each.most_objects]
        with audited_cluster(rules([_USER.format(each.name) for each in fit])) as cluster:
            self.result["facts"] = self.result["facts"] or machine.facts(cluster.cluster)
            for left, who in enumerate(fit if run % 2 == 0 else reversed(fit), 1 - len(fit)):
                asyncio.run(self.contest(cluster, operator, plugins, who, objects, run, is_last=left == 0))

    async def contest(
        self,
        cluster: AuditedCluster,
        operator: Path,
        plugins: Environment,
        who: Contestant,
        objects: int,
        run: int,
        *,
        is_last: bool,
    ) -> None:
        user = _USER.format(who.name)
        namespace = new_namespace(cluster.cluster)
        running = Running(
            who,
            cluster.cluster.kubeconfig_for(user, groups=["system:masters"]),
            cluster.folder / f"{namespace}.log",
            Place(namespace, operator, plugins.python),
        )
        async with observing(cluster.cluster.kubeconfig, namespace) as observer:
            self.say(f"run {run + 1}: creating {objects} objects for {who.name}")
            await observer.create(manifests(objects))
            audit = AuditTail(cluster.folder / "audit.log", user)
            contest = Contest(
                objects, run, running, observer, audit, plugins, self.options.idle, self.measured
            )
            try:
                await go_through(contest, self.options.only or usual(objects))
            except RuntimeError as error:
                words = running.last_words() or "It has logged nothing."
                raise SystemExit(f"{words}\n{who.name} with {objects} objects: {error}") from None
            finally:
                running.stop()
            if not is_last:
                await observer.delete_all()

    def measured(self, row: Row) -> None:
        self.result["rows"].append(asdict(row))
        self.save()
        figures = f"{row.seconds:8.2f}s  cpu {row.cpu:7.2f}s  {sum(row.requests.values()):6} requests"
        if row.p99 is not None and row.p50 is not None:
            figures += f"  p50 {row.p50 * 1000:.0f} ms  p99 {row.p99 * 1000:.0f} ms"
        self.say(f"{row.objects:6} {row.contestant:10} {row.phase:18} {figures}")

    def say(self, what: str) -> None:
        print(f"[{time.monotonic() - self.began:5.0f}s] {what}", flush=True)

    def save(self) -> None:
        if self.options.json:
            self.options.json.parent.mkdir(parents=True, exist_ok=True)
            self.options.json.write_text(json.dumps(self.result, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side",
        description="Measure the operator beside a small one in Go and a bare kopf loop, and print a page.",
    )
    parser.add_argument(
        "--objects", type=_enough, nargs="+", default=[100, 1_000], metavar="N", help="default: 100 1000"
    )
    parser.add_argument(
        "--runs",
        type=_positive,
        nargs="+",
        default=[3],
        metavar="N",
        help="how often: one number, or one for each of --objects; default: 3",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(PHASES),
        metavar="PHASE",
        help=f"some of {', '.join(PHASES)}; default: all, the slow ones only with {MANY:,} objects or more",
    )
    parser.add_argument(
        "--contestants",
        nargs="+",
        choices=list(CONTESTANTS),
        default=list(CONTESTANTS),
        metavar="NAME",
        help=f"some of {', '.join(CONTESTANTS)}; default: all",
    )
    parser.add_argument(
        "--idle", type=_positive, default=60, metavar="SECONDS", help="how long idle lasts; default: 60"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here as they come")
    options = parser.parse_args(arguments)
    if len(options.runs) not in (1, len(options.objects)):
        parser.error("--runs takes one number, or as many as --objects")
    bench = _Bench(options)
    # Whoever ends this process, or closes its terminal, ends the contestant, too: asyncio then cancels what
    # runs. A shell lets what it starts in the background ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # as under nohup
            signal.signal(ending, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        bench.run()
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(page.page(bench.result))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _enough(text: str) -> int:
    number = _positive(text)
    if number < FEWEST:
        raise argparse.ArgumentTypeError(f"{number} objects are too few; take {FEWEST} or more")
    return number


if __name__ == "__main__":
    main()
