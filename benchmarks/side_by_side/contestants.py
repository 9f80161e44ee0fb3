"""Those who are compared, each as a process to start and stop: the operator, the peer, a bare loop."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.image import IMAGE_ENVIRONMENT
from benchmarks.side_by_side.usage import Usage, usage_of
from tests.support.go_programs import go_program

PEER = Path(__file__).parents[1] / "peer"
SCAN_OFTEN = 10.0
"""Seconds between two scans where the operator has to be measured while it scans."""
_BARE_LOOP = Path(__file__).parent / "bare_loop.py"
_STOP_WITHIN = 60.0


@dataclass(frozen=True)
class Place:
    """Where a contestant works, and with what."""

    namespace: str
    operator: Path
    """The Python of an environment with only the operator and what it needs."""
    plugins: Path
    """The Python of the environment with the plugins."""


@dataclass(frozen=True)
class Contestant:
    """One program."""

    name: str
    command: Callable[[Place, bool], list[str]]
    """Its command line, given the place, and whether to scan often."""
    has_plugins: bool = False
    """Whether it scans an environment with plugins."""
    only: frozenset[str] | None = None
    """The phases it can take part in, if not all."""
    most_objects: int = 1_000_000


@dataclass
class Running:
    """A contestant's process, if it runs, and what all its processes have used so far."""

    contestant: Contestant
    kubeconfig: Path
    log: Path
    place: Place
    scans_often: bool | None = None
    """How it was started; None while it does not run."""
    _process: subprocess.Popen[bytes] | None = None
    _ended: tuple[float, float] = (0.0, 0.0)
    """The processor time of the processes that have ended, in all and in plugin hosts."""
    peaks: dict[str, int] = field(default_factory=dict)
    """The largest resident memory since the last start, by kind of process, in bytes."""

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._process is not None

    def start(self, *, scans_often: bool = False) -> None:
        """Start the process."""
        environment = {**os.environ, **IMAGE_ENVIRONMENT, "KUBECONFIG": str(self.kubeconfig)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each start would compile everything
        self.peaks, self.scans_often = {}, scans_often
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.contestant.command(self.place, scans_often),
                env={**environment, "FLOE_HTTP_PORT": "0"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def usage(self) -> Usage:
        """Return what it has used: processor time since it was made, memory since the last start.

        Raises:
            RuntimeError: It has ended by itself.
        """
        if self._process is None:
            return Usage(*self._ended, {}, {})
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.contestant.name} has ended")
        now = usage_of(self._process.pid)
        for kind, peak in now.peaks.items():
            self.peaks[kind] = max(peak, self.peaks.get(kind, 0))
        cpu, host_cpu = self._ended
        return Usage(cpu + now.cpu, host_cpu + now.host_cpu, dict(self.peaks), now.resident)

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def stop(self) -> None:
        """End the process, if it runs."""
        if self._process is None:
            return
        if self._process.poll() is None:
            last = self.usage()
            self._ended = last.cpu, last.host_cpu
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self.scans_often = None


def _operator(place: Place, scans_often: bool) -> list[str]:
    command = [str(place.operator), "-P", "-m", "floe_operator", "run", "--namespace", place.namespace]
    command += ["--plugin-python", str(place.plugins), "--log-format", "json"]
    return [*command, "--scan-interval", str(SCAN_OFTEN)] if scans_often else command


def _peer(place: Place, _: bool) -> list[str]:
    return [str(go_program(PEER, None)), "--namespace", place.namespace]


def _bare_loop(place: Place, _: bool) -> list[str]:
    return [str(place.operator), "-P", str(_BARE_LOOP), place.namespace]


CONTESTANTS: Mapping[str, Contestant] = {
    each.name: each
    for each in (
        Contestant("operator", _operator, has_plugins=True),
        Contestant("peer", _peer),
        Contestant("bare-loop", _bare_loop, only=frozenset({"first-pass", "specs"}), most_objects=1_000),
    )
}
