"""What the Secrets of many plugins cost the operator: memory, and the longest time that its loop stood still.

Each plugin is configured from its own TLS Secret of about 6.7 KB; then all Secrets are rotated, and removed.
One more plugin prints a line per second, so that there is text to scrub. The loop is measured from outside:
a process of its own asks for /healthz every 5 ms, and a loop that stands still answers late.

    python -m benchmarks.secrets [--long] [--json FILE]

Takes about a minute for 1 and 40 plugins; with `--long`, many more for 1,000.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import multiprocessing
import os
import socket
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.idle import MEGABYTE, memory_of
from benchmarks.image import IMAGE_ENVIRONMENT, operator_python
from localcluster import LocalCluster
from tests.support.control_planes import install_crd, new_namespace
from tests.support.distributions import Distribution, Environment, plugin_distribution, plugin_source
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually
from tests.support.ports import free_port

OBJECTS = (1, 40)
LONG = (*OBJECTS, 1_000)
LARGEST = 6 * 1024**3
"""Bytes of memory at which the operator is stopped, and the measurement ends."""
_CERTIFICATE, _KEY = 3_650, 1_230
"""Bytes of random data in each file, which has about 5 KB and 1.7 KB with its armor."""
_PER_DISTRIBUTION = 20
_WITHIN = 600.0
_SETTLE = 5.0
_ASK_EVERY = 0.005

# Each plugin leaves a file for each configuration that it has seen.
_BEFORE = """
import hashlib
from pathlib import Path
from pydantic import model_validator
"""
_CONFIG = """
crt: SecretStr = SecretStr("")
key: SecretStr = SecretStr("")
@model_validator(mode="after")
def leave_a_file(self):
    digest = hashlib.sha256(self.key.get_secret_value().encode()).hexdigest()
    Path({folder!r}, {name!r} + "-" + digest).touch()
    return self
"""
_TALKS = """
def health_check(self):
    print("still connected to the warehouse, 3 sessions")
    return HealthStatus(HealthState.HEALTHY)
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """The operator after one step."""

    what: str
    resident: int
    """Bytes."""
    seconds: float
    """Until all plugins were validated with what the step gave them."""
    longest_block: float
    """The longest time for an answer during the step, in seconds."""


@dataclass
class Measured:
    """The steps with a number of plugins; the last is missing if the operator grew too large before."""

    objects: int
    phases: list[Phase] = field(default_factory=list)
    peak: int = 0
    ended: str = ""
    """Why it was not measured to the end."""

    def table(self) -> str:
        """Return the table for people."""
        lines = [f"{self.objects} plugins{'':24} {'RSS':>10} {'took':>9} {'longest block':>14}"]
        lines += [
            f"  {each.what:30} {each.resident / MEGABYTE:7.1f} MB {each.seconds:8.1f}s "
            f"{each.longest_block * 1000:11.0f} ms"
            for each in self.phases
        ]
        lines += [f"  {'peak':30} {self.peak / MEGABYTE:7.1f} MB"]
        return "\n".join([*lines, *([f"  {self.ended}"] if self.ended else [])])


class _EndedError(Exception):
    """The operator needs more memory than the benchmark allows, or ended itself."""


def run(objects: int) -> Measured:
    """Measure with this many plugins."""
    with tempfile.TemporaryDirectory(prefix="floe-secrets-") as temporary, LocalCluster() as cluster:
        folder = Path(temporary)
        install_crd(cluster)
        seen = folder / "seen"
        seen.mkdir()
        environment = Environment.create(folder / "plugins")
        environment.install(*_distributions(objects, seen))
        namespace, port = new_namespace(cluster), free_port()
        settings = {**IMAGE_ENVIRONMENT, "FLOE_HTTP_PORT": str(port)}
        log = folder / "operator.log"
        measured = Measured(objects)
        operator = OperatorProcess(
            cluster.kubeconfig,
            namespace,
            environment.python,
            log,
            environment=settings,
            python=operator_python(folder / "operator"),
        )
        try:
            with operator, _asked(port) as longest:
                plugins = FloePlugins(cluster.kubeconfig, namespace)
                _Bench(measured, plugins, operator, seen, longest).run()
        except _EndedError as error:
            measured.ended = str(error)
        return measured


@dataclass
class _Bench:
    measured: Measured
    plugins: FloePlugins
    operator: OperatorProcess
    seen: Path
    longest: Callable[[], float]

    @property
    def names(self) -> list[str]:
        return _names(self.measured.objects)

    def run(self) -> None:
        with self._phase("without Secrets"):
            self.plugins.until_judged(self.measured.objects + 1, within=_WITHIN)
            self.plugins.merge("compute-talker", {"spec": {"probe": {"periodSeconds": 1}}})
        with self._phase("with Secrets"):
            keys = self._write_secrets()
            for name in self.names:
                source = {
                    "configFrom": [
                        {"secretKeyRef": {"name": name, "key": f"tls.{part}"}, "path": part}
                        for part in ("crt", "key")
                    ]
                }
                self.plugins.merge(f"compute-{name}", {"spec": source})
            self._until_seen(keys)
        with self._phase("after a rotation of all"):
            self._until_seen(self._write_secrets())
        with self._phase("after their removal"):
            for path in self.seen.iterdir():
                path.unlink()
            for name in self.names:
                self.plugins.merge(f"compute-{name}", {"spec": {"configFrom": None}})
            self.plugins.core.delete_collection_namespaced_secret(self.plugins.namespace)
            self._until_seen(dict.fromkeys(self.names, ""))

    @contextmanager
    def _phase(self, what: str) -> Iterator[None]:
        self.longest()
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        time.sleep(_SETTLE)
        resident = self._check()
        self.measured.phases.append(Phase(what, resident, seconds, self.longest()))

    def _write_secrets(self) -> dict[str, str]:
        """Give each plugin a new Secret, and return their keys."""
        keys = {}
        for name in self.names:
            keys[name] = _pem("PRIVATE KEY", _KEY)
            self.plugins.secret(name, **{"tls.crt": _pem("CERTIFICATE", _CERTIFICATE), "tls.key": keys[name]})
            self._check()
        return keys

    def _until_seen(self, keys: dict[str, str]) -> None:
        """Wait until each plugin was validated with its key."""
        digests = {f"{name}-{hashlib.sha256(key.encode()).hexdigest()}" for name, key in keys.items()}

        def seen() -> bool:
            self._check()
            missing = digests - {path.name for path in self.seen.iterdir()}
            assert not missing, f"{len(missing)} of {len(keys)} are not validated yet"
            return True

        try:
            eventually(seen, within=_WITHIN, every=0.2)
        except AssertionError as error:
            size = self._check() / MEGABYTE
            self.operator.kill()
            raise _EndedError(f"{error}; the operator had {size:.0f} MB") from None

    def _check(self) -> int:
        """Return the operator's memory.

        Raises:
            _EndedError: There is too much of it, or the operator has ended.
        """
        try:
            memory = memory_of(self.operator.process.pid)
        except OSError:
            code = self.operator.process.wait(10)
            last = self.operator.log.read_text(errors="replace").splitlines()[-1]
            why = f"the operator ended itself with exit code {code}: {last[:500]}"
        else:
            self.measured.peak = memory.peak
            if memory.resident <= LARGEST:
                return memory.resident
            why = "the operator had become too large"
            self.operator.kill()
        raise _EndedError(f"{why}; longest block before: {self.longest():.1f} s")


@contextmanager
def _asked(port: int) -> Iterator[Callable[[], float]]:
    """Ask for /healthz all the time; yield a function that returns the longest answer since its last call."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_ask, args=(port, theirs), daemon=True)
    process.start()

    def longest() -> float:
        ours.send(None)
        return float(ours.recv())

    try:
        yield longest
    finally:
        process.terminate()
        process.join()


def _ask(port: int, questions: Connection) -> None:
    longest = 0.0
    while True:
        # The operator closes each connection after its answer.
        began = time.perf_counter()
        # An error can mean that it does not serve yet, or that it ended without an answer.
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_WITHIN) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while connection.recv(4096):
                pass
        longest = max(longest, time.perf_counter() - began)
        if questions.poll(_ASK_EVERY):
            questions.recv()
            questions.send(longest)
            longest = 0.0


def _pem(label: str, size: int) -> str:
    lines = textwrap.wrap(base64.b64encode(os.urandom(size)).decode(), 64)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _names(objects: int) -> list[str]:
    return [f"p{number:04}" for number in range(objects)]


def _distributions(objects: int, seen: Path) -> Iterator[Distribution]:
    names = _names(objects)
    for first in range(0, objects, _PER_DISTRIBUTION):
        part = names[first : first + _PER_DISTRIBUTION]
        modules = {
            f"floe_{name}.py": plugin_source(
                name, before=_BEFORE, config=_CONFIG.format(folder=str(seen), name=name)
            )
            for name in part
        }
        claims = {"floe.computes": {name: f"floe_{name}:Plugin" for name in part}}
        yield Distribution(f"floe-{part[0]}", "0.1.0", claims, modules)
    yield plugin_distribution("talker", body=_TALKS)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.secrets")
    parser.add_argument("--long", action="store_true", help="measure with 1,000 plugins, too")
    parser.add_argument("--objects", type=int, nargs="+", metavar="N", help="measure with these numbers")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    found = []
    for objects in arguments.objects or (LONG if arguments.long else OBJECTS):
        measured = run(objects)
        print(measured.table(), flush=True)
        found.append(asdict(measured))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
