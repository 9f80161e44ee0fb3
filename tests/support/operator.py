"""A real operator process, and access to the FloePlugins of one namespace."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.support.polling import eventually

GROUP, VERSION, PLURAL = "floe.dev", "v1alpha1", "floeplugins"


class OperatorProcess:
    """`floe-operator run`, started as users start it; its log is written to a file."""

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        plugin_python: Path,
        log: Path,
        *flags: str,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
    ) -> None:
        self.log = log
        # With an environment of its own, nothing comes from the folder in which it is started.
        interpreter = [str(python), "-P"] if python else [sys.executable]
        self._command = [*interpreter, "-m", "floe_operator", "run"]
        self._command += ["--namespace", namespace, "--plugin-python", str(plugin_python)]
        self._command += ["--log-format", "json", *flags]
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "FLOE_HTTP_PORT": "0",
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the operator, which appends to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "the operator was not started"
        return self._process

    def stop(self, *, within: float = 40.0) -> int:
        """Stop the operator as a kubelet does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        """Kill the operator immediately, as the kernel does."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the operator stand still until the block ends."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log so far; a line that is not a JSON object becomes `{"raw": line}`."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [_parsed(line) for line in text.splitlines() if line.strip()]

    def logged(self, *words: str) -> bool:
        """Return True if a single line of the log contains all these words."""
        return any(all(word in json.dumps(line) for word in words) for line in self.lines())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"raw": line}


@dataclass
class FloePlugins:
    """The FloePlugins of one namespace on a real API server."""

    kubeconfig: Path
    namespace: str
    _api: client.ApiClient = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._api = config.new_client_from_config(str(self.kubeconfig))  # type: ignore[no-untyped-call]
        self.custom = client.CustomObjectsApi(self._api)
        self.core = client.CoreV1Api(self._api)

    def get(self, name: str) -> dict[str, Any] | None:
        """Return an object, or None if it does not exist."""
        try:
            found: Any = self.custom.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return dict(found)

    def all(self) -> dict[str, dict[str, Any]]:
        """Return every object, by name."""
        listed: Any = self.custom.list_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL)
        return {item["metadata"]["name"]: item for item in listed["items"]}

    def create(self, kind: str, name: str, **spec: Any) -> dict[str, Any]:
        """Create the object of a plugin, with these further fields of the spec."""
        body = manifest(kind, name, **spec)
        created: Any = self.custom.create_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, body
        )
        return dict(created)

    def apply(
        self, kind: str, name: str, *, manager: str = "gitops", force: bool = False, **spec: Any
    ) -> dict[str, Any]:
        """Apply the object of a plugin server-side, as a GitOps tool does."""
        return self._patch(
            f"{kind}-{name}",
            manifest(kind, name, **spec),
            "application/apply-patch+yaml",
            manager,
            force=force,
        )

    def merge(self, name: str, body: Mapping[str, Any], *, subresource: str = "") -> dict[str, Any]:
        """Send a JSON merge patch, as `kubectl patch --type merge` does."""
        return self._patch(
            name, body, "application/merge-patch+json", "kubectl-patch", subresource=subresource
        )

    def delete(self, name: str) -> None:
        """Delete an object."""
        self.custom.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    def secret(self, name: str, **data: str | bytes) -> None:
        """Create a Secret, or replace its data."""
        encoded = {key: _base64(value) for key, value in data.items()}
        body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), data=encoded)
        self._create_or_replace("secret", name, body)

    def config_map(self, name: str, **data: str) -> None:
        """Create a ConfigMap, or replace its data."""
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)
        self._create_or_replace("config_map", name, body)

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition.

        Raises:
            AssertionError: The object or the condition does not exist (yet).
        """
        found = self.get(name)
        assert found is not None, f"there is no {name}"
        conditions = {one["type"]: one for one in found.get("status", {}).get("conditions", ())}
        assert kind in conditions, f"{name} has no condition {kind}, only {sorted(conditions)}"
        one = conditions[kind]
        return one["status"], one["reason"], one["message"]

    def until(
        self, name: str, kind: str, reason: str, *, within: float = 30.0, current: bool = True
    ) -> tuple[str, str, str]:
        """Wait until a condition has a reason at the object's current generation; return the condition."""

        def look() -> tuple[str, str, str]:
            found = self.get(name)
            assert found is not None, f"there is no {name}"
            status = found.get("status", {})
            if current:
                observed, generation = status.get("observedGeneration"), found["metadata"]["generation"]
                assert observed == generation, f"generation {observed} of {generation} is assessed"
            condition = self.condition(name, kind)
            assert condition[1] == reason, f"{kind} of {name} is {condition}"
            return condition

        return eventually(look, within=within, saying=f"{name} gets {kind} {reason}")

    def until_all(
        self, check: Callable[[dict[str, Any]], bool], names: Sequence[str], *, within: float
    ) -> None:
        """Wait until every named object exists and passes the check."""

        def look() -> bool:
            present = self.all()
            missing = [name for name in names if name not in present or not check(present[name])]
            assert not missing, f"{len(missing)} of {len(names)} are not ready yet, such as {missing[:5]}"
            return True

        eventually(look, within=within, every=0.3)

    def until_labelled(self, name: str) -> dict[str, Any]:
        """Wait for the operator's label, which objects created by others get after their first assessment."""

        def look() -> dict[str, Any] | None:
            found = self.get(name)
            assert found is not None, f"there is no {name}"
            return found if "floe.dev/plugin-type" in found["metadata"].get("labels", {}) else None

        return eventually(look)

    def until_judged(
        self, count: int, *, apart_from: Collection[str] = (), within: float
    ) -> dict[str, dict[str, Any]]:
        """Wait until `count` objects, except `apart_from`, have a Ready other than Unknown; return them."""

        def look() -> dict[str, dict[str, Any]]:
            judged = {
                name: found
                for name, found in self.all().items()
                if name not in apart_from and is_judged(found)
            }
            assert len(judged) >= count, f"{len(judged)} of {count} are assessed"
            return judged

        return eventually(look, within=within, every=0.2)

    def _create_or_replace(self, kind: str, name: str, body: Any) -> None:
        try:
            getattr(self.core, f"create_namespaced_{kind}")(self.namespace, body)
        except ApiException as error:
            if error.status != 409:
                raise
            getattr(self.core, f"replace_namespaced_{kind}")(name, self.namespace, body)

    def _patch(
        self,
        name: str,
        body: Mapping[str, Any],
        content_type: str,
        manager: str,
        *,
        force: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}/{name}"
        path += f"/{subresource}" if subresource else ""
        query = [("fieldManager", manager)] + ([("force", "true")] if force else [])
        answer = self._api.call_api(
            *self._api.param_serialize(
                "PATCH",
                path,
                query_params=query,
                header_params={"Content-Type": content_type, "Accept": "application/json"},
                body=dict(body),
                auth_settings=["BearerToken"],
            )
        )
        payload: bytes = answer.read()  # type: ignore[no-untyped-call]
        if answer.status >= 300:
            raise ApiException(status=answer.status, reason=answer.reason, body=payload.decode())
        return dict(json.loads(payload))


def manifest(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """Return the manifest of a FloePlugin."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "FloePlugin",
        "metadata": {"name": f"{kind}-{name}"},
        "spec": {"type": kind, "name": name, **spec},
    }


def ready_reason(found: Mapping[str, Any]) -> str:
    """Return the reason of an object's Ready at its current generation, or "" if it is not assessed yet."""
    status = found.get("status", {})
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return ""
    return next((str(one["reason"]) for one in status.get("conditions", ()) if one["type"] == "Ready"), "")


def is_judged(found: Mapping[str, Any]) -> bool:
    """Return True if an object's Ready is True or False at its current generation."""
    status = found.get("status", {})
    return status.get("observedGeneration") == found["metadata"]["generation"] and any(
        one["type"] == "Ready" and one["status"] != "Unknown" for one in status.get("conditions", ())
    )


def _base64(value: str | bytes) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
