"""Makes docs/performance.md, whole, from the numbers: `python -m benchmarks.side_by_side.page FILE`; pure.

FILE is what `python -m benchmarks.side_by_side --json FILE` has written.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.contestants import SCAN_OFTEN
from benchmarks.side_by_side.phases import RESTART_CHANGES, SECRETS
from benchmarks.side_by_side.results import (
    NONE,
    Results,
    Row,
    a_minute,
    cpu,
    each,
    host_cpu,
    megabytes,
    seconds,
    shown,
    table,
    total,
    written,
)
from benchmarks.side_by_side.targets import targets

_HEAD = """\
# Performance

This page shows what the operator costs beside the *peer*, a small controller-runtime operator that does the
minimum that a typical one does ([benchmarks/peer](../benchmarks/peer/main.go): eight workers, no limit on
requests, no plugins, one rule, status by update), and beside a bare kopf loop that only writes a status.
The whole page is generated from the numbers that the benchmark writes:

```sh
make bench        # 100 and 1,000 objects
make bench-full   # also 10,000
.venv/bin/python -m benchmarks.side_by_side.page bench-results/side_by_side.json > docs/performance.md
```

Each contestant gets the same objects, one contestant after the other, on the same API server, which shares
the machine's cores with them. Each run has a new API server, and the order alternates from run to run. The
plugin of each object is really installed and has a schema. The operator runs with its defaults, except that
in the last sections, from *Cold restart* on, it scans every {scan:.0f} seconds.

How to read the tables:

- A figure is the median of all runs, with the lowest and the highest in parentheses. `x peer` is the ratio in
  the same run. `{none}` means that there is nothing to compare with, or that it was not measured.
- An object is *judged* once its status has a Ready condition, True or False, for its newest generation.
- Processor time and requests are counted until the contestant is at rest: no write of a FloePlugin for a
  second, and hardly any use of a processor. Processor time includes the plugin host's, which imports the
  plugins and runs their code (`host's ms`); the peer has none.
- `requests` are those that the API server's audit log shows as answered, so a watch counts when it ends.
  `writes` are those of FloePlugins, including their status; in *Idle* and in *A label of a Secret changes*
  they are all writes except those of Leases. In the first pass the operator writes each object twice, because
  it also adds labels.
- The operator writes at most twenty Events a second and keeps at most 2,000 waiting; the rest are dropped.
  Events that are written after a phase count for the next one."""


def page(result: Mapping[str, Any]) -> str:
    """Return the page."""
    results = Results(result["rows"])
    parts = [_HEAD.format(scan=SCAN_OFTEN, none=NONE), *_facts(result["facts"], results)]
    for title, text, lines in _sections(results):
        if any(lines):
            parts += [f"## {title}", *([text] if text else []), "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _facts(facts: Mapping[str, str], results: Results) -> Iterator[str]:
    runs = ", ".join(f"{results.runs(objects)} with {objects:,} objects" for objects in results.sizes)
    yield "\n".join(f"- {name}: {value}" for name, value in {**facts, "runs": runs}.items())


def _sections(results: Results) -> Iterator[tuple[str, str, list[str]]]:
    yield "Targets", "", table(("target", "for", "measured", "met"), targets(results))
    for phase, title, text in _JUDGED:
        yield title, text, _totals(results, phase, _TIMES_OF_EACH)
    yield (
        "Cost of one object",
        f"Relative to the median with {results.sizes[0]:,} objects.",
        _relative(results),
    )
    yield (
        "Idle",
        "Per minute, measured after five seconds without a write; the peer's for fifteen seconds.",
        _rows(results, "idle", _IDLE),
    )
    yield (
        "Memory",
        "Resident, in MB: the peak until all specs have changed, and at the end of the idle minute.",
        _memory(results),
    )
    yield (
        "Cold restart",
        f"A tenth of the specs, at most {RESTART_CHANGES}, change before the start, and are judged after it.",
        _totals(results, "restart", _TIMES),
    )
    for phase, title, text in _SINGLES:
        yield title, text, _singles(results, phase)
    yield (
        "A label of a Secret changes",
        f"The labels of {SECRETS} Secrets in use change, but no value does: there is nothing to write.",
        _rows(results, "touched", _TOUCHED),
    )
    yield (
        "A distribution with 20 plugins comes and goes",
        "From the end of pip until its last object is judged, or is gone: after three scans without it.",
        _distributions(results),
    )


_JUDGED = (
    (
        "first-pass",
        "First pass",
        "All objects are there before the start; from the start of the process to the last judged object.",
    ),
    ("specs", "All specs changed", "Sixteen changes at a time, until all are judged."),
)
_SINGLES = (
    (
        "singles",
        "One change after the other, while scans run",
        "From the request that changes a spec to the status in a watch. The operator's CPU includes scans.",
    ),
    (
        "secrets",
        "One change of a Secret after the other, while scans run",
        f"The values of {SECRETS} Secrets become invalid and valid again; to the status in a watch.",
    ),
)

Column = tuple[str, Callable[[Results, str, int, str], str]]


def _own(head: str, figure: Callable[[Row], float], scale: float = 1.0) -> Column:
    return head, lambda results, *where: shown(results.spread(*where, figure), scale)


def _to_peer(figure: Callable[[Row], float]) -> Column:
    return "x peer", lambda results, *where: shown(results.to_peer(*where, figure))


_TOUCHED = (_own("requests", total("requests")), _own("writes", total("writes")), _own("CPU s", cpu))
_IDLE = (
    _own("CPU s", a_minute(cpu)),
    _own("% of a core", a_minute(cpu), 100 / 60),
    _own("requests", a_minute(total("requests"))),
    _own("writes", a_minute(total("writes"))),
)


def _rows(results: Results, phase: str, columns: Sequence[Column]) -> list[str]:
    head = ("objects", "who", *(name for name, _ in columns))
    return table(
        head,
        (
            (f"{objects:,}", who, *(cell(results, phase, objects, who) for _, cell in columns))
            for objects in results.sizes
            for who in results.contestants(phase, objects)
        ),
    )


_TIMES = (_own("seconds", seconds), _to_peer(seconds), _own("CPU s", cpu), _to_peer(cpu))
_TIMES_OF_EACH = (
    *_TIMES,
    _own("CPU ms an object", each(cpu), 1000),
    _own("host's ms", each(host_cpu), 1000),
)
_REQUESTS = (
    _own("requests", total("requests")),
    _own("writes", written("floeplugins")),
    _own("Events", written("events")),
)


def _totals(results: Results, phase: str, times: Sequence[Column]) -> list[str]:
    return [*_rows(results, phase, times), "", *_rows(results, phase, _REQUESTS)]


def _singles(results: Results, phase: str) -> list[str]:
    times = (_own("p50 ms", _p50, 1000), _to_peer(_p50), _own("p99 ms", _p99, 1000), _to_peer(_p99))
    costs = (
        _own("changes", lambda row: float(row["changes"])),
        _own("CPU ms a change", each(cpu), 1000),
        _own("requests a change", each(total("requests"))),
    )
    return [*_rows(results, phase, times), "", *_rows(results, phase, costs)]


def _p50(row: Row) -> float:
    return float(row["p50"])


def _p99(row: Row) -> float:
    return float(row["p99"])


def _distributions(results: Results) -> list[str]:
    rows = [
        (
            f"{objects:,}",
            what.removeprefix("distribution-"),
            shown(results.spread(what, objects, "operator", seconds)),
            shown(results.spread(what, objects, "operator", written("floeplugins"))),
        )
        for objects in results.sizes
        for what in ("distribution-comes", "distribution-goes")
        if results.contestants(what, objects)
    ]
    return table(("objects", "distribution", "seconds", "writes"), rows)


def _memory(results: Results) -> list[str]:
    rows = []
    for objects in results.sizes:
        for who in results.contestants("specs", objects):
            for kind in ("process", "plugin host"):
                peak = results.spread("specs", objects, who, megabytes("peaks", kind))
                idle = results.spread("idle", objects, who, megabytes("resident", kind))
                if peak is not None and peak.most > 0:
                    name = who if kind == "process" else f"its {kind}"
                    rows.append((f"{objects:,}", name, shown(peak), shown(idle)))
    return table(("objects", "who", "peak", "idle"), rows)


def _relative(results: Results) -> list[str]:
    rows = []
    for phase, title, _ in _JUDGED:
        for objects in results.sizes[1:]:
            for who in results.contestants(phase, objects):
                cells = (
                    shown(results.to_smallest(phase, objects, who, each(figure))) for figure in (seconds, cpu)
                )
                rows.append((title, f"{objects:,}", who, *cells))
    return table(("phase", "objects", "who", "seconds", "CPU"), rows)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side.page", description="Print the page that FILE makes."
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="what `--json FILE` of the benchmark has written"
    )
    file = parser.parse_args().file
    try:
        result = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        parser.error(f"{file}: {error}")
    if not isinstance(result, dict) or not result.get("rows"):
        parser.error(f"{file} has no numbers of the benchmark")
    print(page(result), end="")


if __name__ == "__main__":
    main()
