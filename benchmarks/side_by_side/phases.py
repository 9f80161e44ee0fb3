"""The phases that each contestant goes through, in their order.

The first process runs with the operator's defaults, and is left alone at the end. The second judges what
changed before its start, and scans often.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks.side_by_side.contestants import SCAN_OFTEN
from benchmarks.side_by_side.measuring import Contest
from benchmarks.side_by_side.observer import gone, judged, ready_because
from benchmarks.side_by_side.workload import later, later_names

SAMPLES = 300
SECRETS = 50
RESTART_CHANGES = 100
_SETTLE = 5.0
"""Seconds without a write before a minute counts as idle."""


async def first_pass(contest: Contest) -> None:
    """Measure from the start of the process until all objects, which are there before, are judged."""

    async def work() -> Sequence[float]:
        began = time.monotonic()
        contest.running.start()
        return [await contest.until(dict.fromkeys(contest.names, judged())) - began]

    await contest.measure("first-pass", work, changes=contest.objects)


async def specs(contest: Contest) -> None:
    """Measure a change of every spec, sixteen at a time."""
    changed = {name: {"config": {"threads": 2 + number}} for number, name in enumerate(contest.names)}
    await contest.measure("specs", lambda: _change(contest, changed), changes=contest.objects)


async def idle(contest: Contest) -> None:
    """Measure while nothing happens; those who do nothing from time to time need no whole minute for that."""
    scans = contest.running.contestant.has_plugins
    seconds = contest.idle_seconds if scans else min(15.0, contest.idle_seconds)
    await contest.silence(_SETTLE)

    async def work() -> Sequence[float]:
        await asyncio.sleep(seconds)
        return [seconds]

    await contest.measure("idle", work, changes=0, until_quiet=False)


async def restart(contest: Contest) -> None:
    """Measure from the start of the process until what changed while there was none is judged."""
    contest.running.stop()
    chosen = random.Random(contest.run).sample(contest.names, min(RESTART_CHANGES, contest.objects // 10))
    changed = {name: {"config": {"threads": 2_000_000 + number}} for number, name in enumerate(chosen)}
    generations = await contest.observer.change_all(changed)

    async def work() -> Sequence[float]:
        began = time.monotonic()
        contest.running.start(scans_often=True)
        return [await _until(contest, generations) - began]

    await contest.measure("restart", work, changes=len(changed))


async def singles(contest: Contest) -> None:
    """Measure one change after the other while the operator scans often."""
    dice, least = random.Random(contest.run), 2 * SCAN_OFTEN if contest.running.contestant.has_plugins else 0

    async def work() -> Sequence[float]:
        found: list[float] = []
        began = time.monotonic()
        while len(found) < SAMPLES or time.monotonic() - began < least:
            changed = {dice.choice(contest.names): {"config": {"threads": 1_000_000 + len(found)}}}
            found += await _change(contest, changed)
        return found

    await contest.measure("singles", work)


async def touched(contest: Contest) -> None:
    """Measure Secrets whose labels change, and nothing else, one after the other without a pause."""
    used = await _with_secrets(contest)

    async def work() -> Sequence[float]:
        began = time.monotonic()
        for name in used:
            await contest.observer.label_secret(name, str(contest.run))
        return [time.monotonic() - began]

    await contest.measure("touched", work, changes=len(used))


async def secrets(contest: Contest) -> None:
    """Measure one change of a Secret after the other, to a wrong value and back."""
    used = await _with_secrets(contest)

    async def work() -> Sequence[float]:
        found: list[float] = []
        for number in range(SAMPLES):
            name, is_valid = used[number % len(used)], number // len(used) % 2
            began = time.monotonic()
            await contest.observer.change_secret(name, "7" if is_valid else "no number")
            check = ready_because("Ready" if is_valid else "ValidationFailed")
            found.append(await contest.until({name: check}) - began)
        return found

    await contest.measure("secrets", work)


async def distributions(contest: Contest) -> None:
    """Measure a distribution that comes, from the end of pip to the last judged mirror, and goes again."""
    mirrors = later_names()

    async def come() -> Sequence[float]:
        await asyncio.to_thread(contest.environment.install, later())
        began = time.monotonic()
        return [await contest.until(dict.fromkeys(mirrors, judged())) - began]

    async def go() -> Sequence[float]:
        await asyncio.to_thread(contest.environment.uninstall, later().name)
        began = time.monotonic()
        return [await contest.until(dict.fromkeys(mirrors, gone)) - began]

    # Each configuration is validated again within ten minutes after that.
    await contest.measure("distribution-comes", come, changes=len(mirrors), until_quiet=False)
    await contest.measure("distribution-goes", go, changes=len(mirrors), until_quiet=False)


PHASES: Mapping[str, Callable[[Contest], Awaitable[None]]] = {
    "first-pass": first_pass,
    "specs": specs,
    "idle": idle,
    "restart": restart,
    "singles": singles,
    "touched": touched,
    "secrets": secrets,
    "distributions": distributions,
}
"""By name, in the order in which they run."""
_SCANS_OFTEN = ("singles", "touched", "secrets", "distributions")
_PLUGINS_ONLY = frozenset({"distributions"})
_SLOW = frozenset({"distributions", "idle"})
FEWEST = 10
"""With fewer objects, a restart would find none that has changed."""
MANY = 1_000
"""So many objects are worth minutes of waiting for scans."""


def usual(objects: int) -> list[str]:
    """Return the phases to measure with so many objects."""
    return [phase for phase in PHASES if objects >= MANY or phase not in _SLOW]


async def go_through(contest: Contest, wanted: Sequence[str]) -> None:
    """Run those of the wanted phases that the contestant can take part in.

    Raises:
        RuntimeError: The contestant failed in a phase.
    """
    who, running = contest.running.contestant, contest.running
    for phase, run in PHASES.items():
        cannot = (who.only is not None and phase not in who.only) or (
            phase in _PLUGINS_ONLY and not who.has_plugins
        )
        if phase not in wanted or cannot:
            continue
        is_as_wanted = running.scans_often is (phase in _SCANS_OFTEN)
        starts_itself = phase == "first-pass" or (phase == "restart" and running.is_running)
        try:
            if not starts_itself and not is_as_wanted:
                await _start(contest, scans_often=phase in _SCANS_OFTEN)
            await run(contest)
        except RuntimeError as error:
            raise RuntimeError(f"{phase}: {error}") from error


async def _start(contest: Contest, *, scans_often: bool) -> None:
    """Start a process again, and wait until it has judged what it finds and one change more."""
    contest.running.stop()
    contest.running.start(scans_often=scans_often)
    await contest.until(dict.fromkeys(contest.names, judged()))
    await _change(contest, {contest.names[0]: {"config": {"threads": 3_000_000}}})
    await contest.quiet()


async def _change(contest: Contest, specs: Mapping[str, Mapping[str, object]]) -> Sequence[float]:
    began = time.monotonic()
    return [await _until(contest, await contest.observer.change_all(specs)) - began]


async def _until(contest: Contest, generations: Mapping[str, int]) -> float:
    return await contest.until({name: judged(at) for name, at in generations.items()})


async def _with_secrets(contest: Contest) -> list[str]:
    """Give some objects a Secret each, unless they have it, and return their names."""
    if not contest.with_secrets:
        used = contest.names[: min(SECRETS, contest.objects // 2)]
        for name in used:
            await contest.observer.create_secret(name, "12")
        sources = {
            name: {"configFrom": [{"secretKeyRef": {"name": name, "key": "value"}, "path": "port"}]}
            for name in used
        }
        await _change(contest, sources)
        await contest.quiet()
        contest.with_secrets = used
    return contest.with_secrets
