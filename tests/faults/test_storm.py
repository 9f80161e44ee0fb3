"""A storm: kills at any moment and a connection that misbehaves, while people change things. Nothing is lost.

The seed is printed, and FLOE_STORM_SEED repeats it; FLOE_STORM_SECONDS prolongs the storm.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.faults.conftest import Faulty, StartFaulty
from tests.support.fault_proxy import Asked, Fault, answers, never
from tests.support.operator import ready_reason
from tests.support.polling import eventually

SECONDS = float(os.environ.get("FLOE_STORM_SECONDS", "12"))
SEED = int(os.environ.get("FLOE_STORM_SEED", random.randrange(10**6)))
SETTLED_WITHIN = 60.0
ABSENT = tuple(f"absent-{number}" for number in range(12))
PASSWORD = {"secretKeyRef": {"name": "words", "key": "password"}, "path": "password"}

STATUS = json.dumps({"kind": "Status", "message": "a fault"}).encode()
FAULTS: tuple[Fault, ...] = (
    answers(429, STATUS, Retry_After="1"),
    answers(500, STATUS),
    answers(503),
    answers(410, STATUS),
    answers(401, STATUS),
    answers(200, b"<html>"),
    answers(200, b'{"type":"ADDED","obj'),
    answers(200, b'{"type":"ADDED","object":{"metadata":"x"}}\n'),
    answers(200, b'{"type":"ERROR","object":{"code":410,"message":"too old"}}\n'),
    answers(200, b'{"type":"ERROR","object":{"code":500,"message":"no leader"}}\n'),
    never,
)


class Storm:
    """Changes objects and remembers what must come of it."""

    def __init__(self, faulty: Faulty, dice: random.Random) -> None:
        self._plugins = faulty.plugins
        self._dice = dice
        self.expected: dict[str, str] = {}

    def change(self) -> None:
        """Change something at random."""
        change: Callable[[], None] = self._dice.choice(
            (self._configure, self._configure, self._rotate, self._create, self._delete)
        )
        change()

    def _configure(self) -> None:
        word = self._dice.choice(["a word", 7])
        self._plugins.apply("compute", "plain", force=True, config={"word": word})
        self.expected["compute-plain"] = "Ready" if word == "a word" else "ValidationFailed"

    def _rotate(self) -> None:
        password = self._dice.choice(["long-enough", "short"])
        self._plugins.secret(
            "words", password=password + str(self._dice.randrange(99)) if password != "short" else "short"
        )
        self.expected["compute-needy"] = "ValidationFailed" if password == "short" else "Ready"

    def _create(self) -> None:
        name = self._dice.choice(ABSENT)
        self._plugins.apply("storage", name, force=True, version=f">={self._dice.randrange(99)}")
        self.expected[f"storage-{name}"] = "NotInstalled"

    def _delete(self) -> None:
        name = f"storage-{self._dice.choice(ABSENT)}"
        if self.expected.pop(name, None):
            self._plugins.delete(name)


def test_after_a_storm_everything_is_as_the_last_changes_say(start_faulty: StartFaulty) -> None:
    # pytest shows both lines if the test fails.
    sys.stdout.write(f"FLOE_STORM_SEED={SEED} FLOE_STORM_SECONDS={SECONDS:g}\n")
    dice = random.Random(SEED)
    faulty = start_faulty("--no-leader-elect", "--log-level", "info")
    storm = Storm(faulty, dice)
    faulty.plugins.secret("words", password="long-enough")
    faulty.plugins.apply("compute", "needy", force=True, configFrom=[PASSWORD])
    storm.expected["compute-needy"] = "Ready"

    def intervene(_: Asked) -> Fault | None:
        return dice.choice(FAULTS) if dice.random() < 0.1 else None

    faulty.proxy.intervene = intervene
    kills = 0
    deadline = time.monotonic() + SECONDS
    kill_at = time.monotonic() + dice.uniform(2, 8)
    while time.monotonic() < deadline:
        storm.change()
        if dice.random() < 0.05:
            dice.choice((faulty.proxy.cut, faulty.proxy.silence))()
        assert faulty.operator.process.poll() is None, "the operator has ended by itself"
        if time.monotonic() > kill_at:
            faulty.operator.kill()
            faulty.operator.start()
            kills += 1
            kill_at = time.monotonic() + dice.uniform(2, 8)
        time.sleep(dice.uniform(0, 0.1))
    faulty.proxy.intervene = lambda asked: None
    sys.stdout.write(f"{kills} kills, {len(faulty.proxy.asked)} requests\n")

    def settled() -> bool:
        present: dict[str, dict[str, Any]] = faulty.plugins.all()
        told = {name: ready_reason(found) for name, found in present.items() if name in storm.expected}
        assert told == storm.expected
        assert present.keys() <= storm.expected.keys() | {"compute-plain", "compute-needy"}
        return True

    eventually(settled, within=SETTLED_WITHIN)
    eventually(lambda: faulty.ready()[0], within=SETTLED_WITHIN)
    assert not faulty.operator.logged("Traceback")
    assert not faulty.operator.logged('"exception"')
