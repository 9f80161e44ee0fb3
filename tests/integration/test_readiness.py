"""docs/readiness.md and examples/waiting on a real API server: commands and programs that wait for plugins.

No operator runs: the statuses are those that `assess` returns, written where the operator writes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from floe_operator.rules.assess import assess
from floe_operator.rules.facts import Checked, Facts, Probing
from floe_operator.rules.resource import TYPE_LABEL, FloePlugin
from localcluster import KubectlError, LocalCluster
from tests.support.audit import Audit
from tests.support.documents import Session, blocks
from tests.support.go_programs import go_program
from tests.support.kstatus import FOLDER, Judge
from tests.support.operator import FloePlugins
from tests.support.polling import eventually
from tests.unit.operator.rules.facts_builder import facts, verdict

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "readiness.md"
WAITING = REPOSITORY / "examples" / "waiting"
SOURCES = {"python": WAITING / "wait_until_ready.py", "go": WAITING / "go" / "main.go"}
SECONDS = {"python": "{}", "go": "{}s"}
NAME = "storage-local"
READY = (0, f"{NAME} is ready\n")
STALLED: dict[str, Any] = {"config": verdict("ConfigRequired")}
HEALTHY: dict[str, Any] = {"probe": Checked("healthy")}
SECRET_CHANGED: dict[str, Any] = {"probe": Probing(changed=True)}


def judge(floeplugins: FloePlugins, name: str = NAME, **changed: Any) -> None:
    """Write the status that an object gets from the facts of a Ready plugin, with the given ones changed."""
    raw = floeplugins.get(name)
    assert raw is not None, f"there is no {name}"
    seen = FloePlugin.parse(raw)
    known: Facts = facts(**{"spec": seen.spec, "generation": seen.metadata.generation, **changed})
    status = assess(known, seen.status, datetime.now(UTC))
    if status != seen.status:
        floeplugins.merge(name, {"status": status.to_json()}, subresource="status")


@pytest.fixture
def judged_all_the_time(floeplugins: FloePlugins) -> Iterator[None]:
    """Make every object of the namespace Ready, as an operator would."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.2):
            for name in floeplugins.all():
                judge(floeplugins, name)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_the_commands_of_the_page_print_what_the_page_says(
    cluster: LocalCluster, floeplugins: FloePlugins, judged_all_the_time: None, tmp_path: Path
) -> None:
    for kind, name in (("compute", "duckdb"), ("storage", "local")):
        floeplugins.create(kind, name)
        floeplugins.merge(f"{kind}-{name}", {"metadata": {"labels": {TYPE_LABEL: kind}}})
    kubeconfig = cluster.kubeconfig_for("reader", groups=["system:masters"], namespace=floeplugins.namespace)
    path = f"{cluster.binary('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
    session = Session(tmp_path, environment={"PATH": path, "KUBECONFIG": str(kubeconfig)}, instead_of={})
    commands = [block for block in blocks(PAGE) if block.language == "console"]
    assert len(commands) > 4
    for block in commands:
        session.follow(block)


@pytest.mark.parametrize("language", SOURCES)
def test_the_code_of_the_page_is_that_of_the_examples(language: str) -> None:
    (code,) = [block.text for block in blocks(PAGE) if block.language == language]
    assert code in SOURCES[language].read_text()


def test_kubectl_wait_does_not_accept_a_condition_of_an_older_spec(
    cluster: LocalCluster, floeplugins: FloePlugins
) -> None:
    floeplugins.create("storage", "local")
    look = ["wait", "-n", floeplugins.namespace, "--for=condition=Ready", f"floeplugin/{NAME}", "--timeout=0"]
    judge(floeplugins)
    cluster.kubectl(*look)
    floeplugins.merge(NAME, {"spec": {"config": {"path": "/data"}}})
    with pytest.raises(KubectlError):
        cluster.kubectl(*look)
    judge(floeplugins)
    cluster.kubectl(*look)


def test_kstatus_considers_an_object_done_only_once_it_is_assessed(
    floeplugins: FloePlugins, request: pytest.FixtureRequest
) -> None:
    with Judge(go_program(FOLDER, request.config), "kstatus") as kstatus:
        created = floeplugins.create("storage", "local")
        assert created["status"] == {"observedGeneration": -1}
        assert kstatus(created).status == "InProgress"
        judge(floeplugins, **STALLED)
        assert kstatus(floeplugins.get(NAME) or {}).status == "Failed"
        floeplugins.merge(NAME, {"spec": {"config": {"path": "/data"}}})
        assert kstatus(floeplugins.get(NAME) or {}).status == "InProgress"
        judge(floeplugins)
        assert kstatus(floeplugins.get(NAME) or {}).status == "Current"


class Waiter:
    """One of the examples, in its own namespace."""

    def __init__(self, command: list[str], seconds: str, namespace: str, kubeconfig: Path) -> None:
        self._command, self._seconds, self._namespace = command, seconds, namespace
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self._running = ExitStack()

    def start(self, name: str = NAME, *, seconds: int = 60) -> Callable[[], tuple[int, str]]:
        """Start waiting for an object; return a function that waits for the exit status and the output."""
        process = subprocess.Popen(
            [*self._command, self._namespace, name, self._seconds.format(seconds)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.enter_context(process)
        self._running.callback(process.kill)

        def end() -> tuple[int, str]:
            output, _ = process.communicate(timeout=120)
            return process.returncode, output

        return end

    def close(self) -> None:
        self._running.close()


@pytest.fixture(params=list(SOURCES))
def waiter(cluster: LocalCluster, namespace: str, request: pytest.FixtureRequest) -> Iterator[Waiter]:
    """Yield each of the examples in turn."""
    language = request.param
    source = SOURCES[language]
    command = (
        [sys.executable, str(source)]
        if language == "python"
        else [str(go_program(source.parent, request.config))]
    )
    waiter = Waiter(command, SECONDS[language], namespace, cluster.kubeconfig)
    yield waiter
    waiter.close()


def until_it_watches(audit: Audit, namespace: str) -> None:
    eventually(
        lambda: audit.requests(namespace=namespace, verb="watch", user_agent=""),
        saying="the example watches",
    )


def test_a_ready_plugin_is_not_waited_for(waiter: Waiter, floeplugins: FloePlugins) -> None:
    floeplugins.create("storage", "local")
    judge(floeplugins)
    assert waiter.start()() == READY


def test_a_plugin_can_be_waited_for_before_its_object_exists(
    waiter: Waiter, floeplugins: FloePlugins, audit: Audit
) -> None:
    end = waiter.start()
    until_it_watches(audit, floeplugins.namespace)
    floeplugins.create("storage", "local")
    floeplugins.delete(NAME)
    floeplugins.create("storage", "local")
    judge(floeplugins)
    assert end() == READY


def test_the_wait_for_a_stalled_plugin_ends_immediately_with_its_reason(
    waiter: Waiter, floeplugins: FloePlugins, audit: Audit
) -> None:
    floeplugins.create("storage", "local")
    end = waiter.start(seconds=600)
    until_it_watches(audit, floeplugins.namespace)
    judge(floeplugins, **STALLED)
    message = floeplugins.condition(NAME, "Stalled")[2]
    assert end() == (1, f"{NAME} is stalled: ConfigRequired: {message}\n")


def never_judged(floeplugins: FloePlugins, name: str) -> None:
    floeplugins.create("storage", name)


def of_an_older_spec(floeplugins: FloePlugins, name: str) -> None:
    floeplugins.create("storage", name)
    judge(floeplugins, f"storage-{name}")
    floeplugins.merge(f"storage-{name}", {"spec": {"config": {"path": "/data"}}})


def stalled_with_an_older_spec(floeplugins: FloePlugins, name: str) -> None:
    floeplugins.create("storage", name)
    judge(floeplugins, f"storage-{name}", **STALLED)
    floeplugins.merge(f"storage-{name}", {"spec": {"config": {"path": "/data"}}})


def trying_a_changed_secret(floeplugins: FloePlugins, name: str) -> None:
    floeplugins.create("storage", name, probe={})
    judge(floeplugins, f"storage-{name}", **HEALTHY)
    judge(floeplugins, f"storage-{name}", **SECRET_CHANGED)
    assert floeplugins.condition(f"storage-{name}", "Ready")[0] == "True"


def being_deleted(floeplugins: FloePlugins, name: str) -> None:
    floeplugins.create("storage", name)
    judge(floeplugins, f"storage-{name}")
    floeplugins.merge(f"storage-{name}", {"metadata": {"finalizers": ["example.com/held"]}})
    floeplugins.delete(f"storage-{name}")


NOT_READY: Mapping[str, Callable[[FloePlugins, str], None]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        never_judged,
        of_an_older_spec,
        stalled_with_an_older_spec,
        trying_a_changed_secret,
        being_deleted,
    )
}


def test_a_plugin_that_is_not_ready_is_waited_for_until_the_timeout(
    waiter: Waiter, floeplugins: FloePlugins
) -> None:
    for name, make in NOT_READY.items():
        make(floeplugins, name)
    ends = {name: waiter.start(f"storage-{name}", seconds=4) for name in NOT_READY}
    ended = {name: end() for name, end in ends.items()}
    floeplugins.merge("storage-being-deleted", {"metadata": {"finalizers": None}})
    assert ended == {name: (1, f"storage-{name} is not ready after 4s\n") for name in NOT_READY}


def test_an_outage_of_the_api_server_is_waited_out(
    waiter: Waiter, floeplugins: FloePlugins, cluster: LocalCluster, audit: Audit
) -> None:
    floeplugins.create("storage", "local")
    end = waiter.start(seconds=120)
    until_it_watches(audit, floeplugins.namespace)
    cluster.stop_api_server(kill=True)
    cluster.start_api_server()
    judge(floeplugins)
    status, said = end()
    # client-go may log first that its watch broke.
    assert (status, said.splitlines()[-1:]) == (0, [f"{NAME} is ready"]), said
