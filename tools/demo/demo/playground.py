"""A control plane, the CRD, the operator and the example manifests, started and stopped together."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localcluster import LocalCluster
from localcluster.polling import wait_until
from localcluster.processes import Process

ROOT = Path(__file__).resolve().parents[3]
PLUGIN_PYTHON = ROOT / ".venv-plugins" / "bin" / "python"
NAMESPACE = "floe"
_LOG = ROOT / ".cache" / "demo" / "operator.log"
_SETTLE_SECONDS = 120.0
_POLL_SECONDS = 0.3
_ROTATED = "identity-jwt"
_ROTATIONS = (
    ("a value that is too short", "short", "False"),
    ("a valid value", "another-demonstration-key-that-is-no-secret", "True"),
)


class PlaygroundError(Exception):
    """The demonstration cannot continue."""


class Playground:
    """A context manager: starts everything on entry and stops it on exit."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            _say("starting a control plane")
            self.cluster = self._stack.enter_context(LocalCluster())
            _say("installing the CRD")
            self.kubectl("apply", "--server-side", "-k", str(ROOT / "crds"))
            wait_until(self._crd_is_established, "the CRD is established")
            self.kubectl("create", "namespace", NAMESPACE)
            _say(f"starting the operator (log: {_LOG.relative_to(ROOT)})")
            self.operator = self._start_operator()
            self._wait_until(lambda: bool(self._items()), "the operator creates the first object")
            _say("applying examples/manifests")
            self.kubectl("apply", "--server-side", "-f", str(ROOT / "examples" / "manifests"))
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _say("stopping")
        self._stack.close()

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the demonstration's namespace and return its output."""
        return self.cluster.kubectl("--namespace", NAMESPACE, *arguments)

    def table(self) -> str:
        """Return the output of `kubectl get floeplugins`."""
        return self.kubectl("get", "floeplugins").rstrip()

    def settle(self) -> None:
        """Wait until the operator has assessed every object."""
        self._wait_until(lambda: all(map(_is_judged, self._items())), "every object is assessed")

    def rotate_secret(self) -> None:
        """Change one plugin's Secret twice, first to a wrong value, and show how each change is assessed."""
        for what, key, ready in _ROTATIONS:
            _say(f"rotating the Secret of {_ROTATED}: {what}")
            patch = json.dumps({"stringData": {"signing-key": key}})
            self.kubectl("patch", "secret", f"floe-{_ROTATED}", "--type=merge", "-p", patch)
            self._wait_until(partial(self._has_ready, _ROTATED, ready), f"{_ROTATED} has Ready={ready}")
            print(self.kubectl("get", "floeplugin", _ROTATED, "-o", "wide").rstrip(), flush=True)

    def show(self) -> None:
        """Print the table, and again after each change, until Ctrl-C."""
        self.settle()
        reader = self.cluster.kubeconfig_for("you", groups=["system:masters"], namespace=NAMESPACE)
        print(_hints(reader, self.cluster.binary("kubectl").parent))
        shown = ""
        while True:
            table = self.table()
            if _without_age(table) != _without_age(shown):
                now = time.strftime("%H:%M:%S")
                print(f"\n{now}  kubectl get floeplugins    (Ctrl-C stops)\n{table}", flush=True)
                shown = table
            self._check_operator()
            time.sleep(_POLL_SECONDS)

    def _crd_is_established(self) -> bool:
        # `kubectl wait` would fail on a CRD whose conditions are still null.
        crd = json.loads(self.kubectl("get", "crd", "floeplugins.floe.dev", "-o", "json"))
        conditions = crd.get("status", {}).get("conditions") or []
        return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

    def _items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", "floeplugins", "-o", "json"))["items"]
        return items

    def _has_ready(self, name: str, status: str) -> bool:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "floeplugin", name, "-o", f"jsonpath={path}") == status

    def _wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not holds():
            self._check_operator()
            if time.monotonic() > deadline:
                raise PlaygroundError(
                    f"gave up after {_SETTLE_SECONDS:.0f} s waiting until {what}; see {_LOG}\n{self.table()}"
                )
            time.sleep(_POLL_SECONDS)

    def _start_operator(self) -> Process:
        _LOG.parent.mkdir(parents=True, exist_ok=True)
        _LOG.write_bytes(b"")
        command = [sys.executable, "-m", "floe_operator", "run", "--namespace", NAMESPACE]
        command += ["--plugin-python", str(PLUGIN_PYTHON), "--scan-interval", "5s"]
        command += ["--log-format", "text", "--http-port", "0"]
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)}
        # Under localcluster's supervisor, so that it ends with this process, however this process ends.
        operator = Process(command, log=_LOG, cwd=ROOT, env=environment)
        self._stack.callback(operator.stop)
        return operator

    def _check_operator(self) -> None:
        if (code := self.operator.poll()) is not None:
            tail = self.operator.last_lines()
            raise PlaygroundError(f"the operator exited with code {code}:\n{tail}")


def _is_judged(item: dict[str, Any]) -> bool:
    status = item["status"]
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    return status.get("observedGeneration") == item["metadata"]["generation"] and (
        conditions.get("Ready") in ("True", "False")
    )


def _without_age(table: str) -> list[list[str]]:
    return [line.split()[:-1] for line in table.splitlines()]


def _hints(kubeconfig: Path, programs: Path) -> str:
    return f"""
The operator is running. In another terminal:

  export KUBECONFIG={shlex.quote(str(kubeconfig))}
  export PATH={shlex.quote(str(programs))}:$PATH

  kubectl get floeplugins -o wide
  kubectl describe floeplugin compute-duckdb
  kubectl delete floeplugin storage-s3   # it comes back, and nobody asks for it any more: NotConfigured
  kubectl patch floeplugin compute-duckdb --type merge -p '{{"spec":{{"config":{{"threads":0}}}}}}'"""


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)
