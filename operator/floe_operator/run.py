"""`floe-operator run`: creates all parts, connects them, and runs them until the process is told to end.

The only module that knows all parts of the running operator.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from floe_core.plugin_types import PluginId
from floe_operator import health
from floe_operator._version import __version__
from floe_operator.api import errors
from floe_operator.api.connection import Connection
from floe_operator.api.events import EventRecorder
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.api.kopf_run import Seen
from floe_operator.api.leader import Elector, NoElection
from floe_operator.api.login import login
from floe_operator.api.sources import Sources
from floe_operator.api.watch import Watch
from floe_operator.configurations import Configurations
from floe_operator.gather import Gather
from floe_operator.gauges import OperatorState
from floe_operator.http_server import Page, PortTaken, report_page, serve
from floe_operator.metrics import Metrics
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost
from floe_operator.printed_lines import PrintedLines
from floe_operator.probes import Prober
from floe_operator.queue import WorkQueue
from floe_operator.reconcile import Reconciler
from floe_operator.refusals import Refusals
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.rules.results import DONE, Result
from floe_operator.rules.scrub import NO_SHORT, Scrubber
from floe_operator.scanner import Scanner
from floe_operator.scans import Scans
from floe_operator.scrubbers import Scrubbers
from floe_operator.secret_index import SecretIndex
from floe_operator.settings import RunSettings
from floe_operator.source_contents import SourceContents
from floe_operator.stop_signals import StopSignals
from floe_operator.wakeups import Wakeups

_WORKERS = 16
_READERS = 4
"""How many touched Secrets and ConfigMaps are read at the same time."""
_SHUTDOWN_SECONDS = 20.0
"""Seconds that started plugins get to stop; below a pod's usual grace period of 30 s."""

_LAST_WORDS_SECONDS = 2.0

_log = structlog.get_logger(__name__)


async def run(settings: RunSettings) -> int:
    """Run the operator and return its exit code."""
    signals = StopSignals()
    try:
        async with connected(settings) as operator:
            signals.heed(operator.host.suspects_of)
            await operator.run(signals.stop)
    except (errors.ClusterConfigError, PortTaken) as error:
        _log.error("cannot start", reason=str(error))
        return 1
    return signals.exit_code


@contextlib.asynccontextmanager
async def connected(settings: RunSettings) -> AsyncIterator[Operator]:
    """Yield an operator that can send requests, and writes while it leads.

    Raises:
        ClusterConfigError: There is no usable configuration.
    """
    metrics = Metrics()
    credentials = await login()
    async with contextlib.AsyncExitStack() as stack:

        def connection(time_to_write: Callable[[], float]) -> Connection:
            made = Connection(
                credentials, time_to_write=time_to_write, on_answer=metrics.answered, on_write=metrics.wrote
            )
            stack.push_async_callback(made.close)
            return made

        # A separate connection, so that hanging requests do not delay a renewal of the Lease. Nothing is
        # written by it that this candidate's lead has to allow.
        election = connection(lambda: 0.0)
        namespace = settings.namespace or credentials.namespace
        elector = Elector(election, namespace) if settings.leader_elect else NoElection()
        yield Operator(settings, connection(elector.time_left), namespace, elector, metrics)


class Operator:
    """All parts of one operator, connected."""

    def __init__(
        self,
        settings: RunSettings,
        connection: Connection,
        namespace: str,
        elector: Elector | NoElection,
        metrics: Metrics,
    ) -> None:
        self.elector = elector
        self.metrics = metrics
        self._server = connection.server
        self._credentials = connection.login
        self._http_port = settings.http_port
        self.events = EventRecorder(connection)
        self.floeplugins = FloePlugins(connection, namespace)
        self.objects = Objects()
        self.scans = Scans(self.objects.all)
        dependents = Dependents()
        self.wakeups = Wakeups(
            self.objects,
            dependents,
            changed=self._changed,
            later=self._later,
            on_complete=self._objects_known,
        )
        secrets = SecretIndex()
        self.host = PluginHost(
            python=str(settings.plugin_python),
            load_timeout=settings.load_timeout,
            memory_limit=settings.host_memory,
            on_change=self.wakeups.look_at,
            on_output=lambda printed: self.printed.add(printed),
            scrubber=Scrubber(secrets, NO_SHORT),
        )
        self.sources = Sources(
            connection, namespace, lambda source: self.touched.add(source), self.wakeups.sources_lost
        )
        self.scrubbers = Scrubbers(self.host, secrets)
        self.printed = PrintedLines(self.scrubbers)
        self.configurations = Configurations(
            self.host,
            SourceContents(self.sources),
            self.objects,
            self.scrubbers,
            recheck=settings.scan_interval,
        )
        self.touched: WorkQueue[SourceObject] = WorkQueue(
            self._look_at_source, workers=_READERS, name=lambda source: f"{source.kind} {source.name}"
        )
        self.prober = Prober(self.host, self.configurations.effective, self.scrubbers, self._changed)
        self.gather = Gather(
            scans=self.scans,
            host=self.host,
            objects=self.objects,
            configurations=self.configurations,
            prober=self.prober,
            dependents=dependents,
            on_declared=self.wakeups.declared,
        )
        self.refusals = Refusals(self._later)
        self.reconciler = Reconciler(
            floeplugins=self.floeplugins,
            objects=self.objects,
            gather=self.gather,
            prober=self.prober,
            refusals=self.refusals,
            labels=settings.labels,
            on_written=self.events.record,
            writing=self.wakeups.writing,
        )
        self.queue: WorkQueue[PluginId] = WorkQueue(
            self.metrics.timed(self.reconciler.reconcile), workers=_WORKERS, name=lambda plugin: plugin.slug
        )
        self.watch = Watch(
            connection,
            self.floeplugins,
            Seen(
                moment=lambda: self.objects.moment,
                changed=self.wakeups.seen,
                found=self.wakeups.found,
                listed=self.wakeups.listed,
                knows=self.objects.knows,
            ),
            on_start=lambda: self.scanner.hurry(),
            on_gone=self._kind_gone,
            on_history_lost=self._history_lost,
        )
        self.scanner = Scanner(
            host=self.host,
            floeplugins=self.floeplugins,
            objects=self.objects,
            scans=self.scans,
            refusals=self.refusals,
            wakeups=self.wakeups,
            watch=self.watch,
            interval=settings.scan_interval,
            leads=lambda: self.elector.is_leader,
            on_environment=self._environment_changed,
        )
        self.metrics.add(
            OperatorState(
                election=self.elector,
                events=self.events,
                host=self.host,
                scans=self.scans,
                queue=self.queue,
                sources=self.sources,
                objects=self.objects,
                watch=self.watch,
                refusals=self.refusals,
                scrubbers=self.scrubbers,
            )
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then give started plugins time to stop.

        Raises:
            PortTaken: The operator cannot listen on its HTTP port.
        """
        _log.info(
            "floe-operator starting",
            version=__version__,
            namespace=self.floeplugins.namespace,
            server=self._server,
        )
        async with self._http():
            await self._work(stop)

    async def _work(self, stop: asyncio.Event) -> None:
        parts = [
            asyncio.create_task(part, name=name)
            for name, part in {
                "plugin host": self.host.run(),
                "printed lines": self.printed.run(),
                "scanner": self.scanner.run(),
                "watch": self.watch.run(),
                "sources": self.sources.run(),
                "lead": self._lead(),
                "stop": stop.wait(),
            }.items()
        ]
        try:
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
        finally:
            _log.info("floe-operator stopping")
            for part in parts:
                part.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*parts, return_exceptions=True)
            await self.prober.close()
            await self.host.close(timeout=_SHUTDOWN_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self.printed.log_all()
            await self.elector.release()

    async def _lead(self) -> None:
        """Do what only the leader does; a standby watches and scans, so that it can take over immediately."""
        await self.elector.acquire()
        self._objects_known()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run(), name="queue")
            group.create_task(self.touched.run(), name="touched sources")
            group.create_task(self.events.run(), name="events")
            group.create_task(self.refusals.run(), name="refusals")

    def _http(self) -> contextlib.AbstractAsyncContextManager[object]:
        if not self._http_port:
            return contextlib.nullcontext()
        live = health.liveness(self.watch, self._credentials)
        ready = health.readiness(
            election=self.elector,
            watch=self.watch,
            sources=self.sources,
            crd=self.floeplugins.crd,
            scans=self.scans,
            floeplugins=self.floeplugins,
        )
        pages = {
            "/healthz": lambda _: report_page(live),
            "/readyz": lambda _: report_page(ready),
            "/metrics": lambda accept: Page(200, *self.metrics.page(accept)),
        }
        return serve(pages, self._http_port)

    def _objects_known(self) -> None:
        """Note which plugins exist although a scan missed them, and make new mirrors without delay."""
        self.wakeups.scanned(self.scans.objects_listed())
        self.scanner.hurry()

    def _changed(self, plugin: PluginId) -> None:
        if self.elector.is_leader:
            self.queue.add(plugin)
        else:  # all that the leader writes looks like somebody's change
            self.queue.add_later(plugin)

    def _later(self, plugin: PluginId) -> None:
        self.queue.add_later(plugin)

    def _environment_changed(self) -> None:
        for plugin, seconds in self.configurations.doubt_all():
            self.queue.add_after(plugin, seconds, changed=False)

    async def _look_at_source(self, source: SourceObject) -> Result:
        self.wakeups.sources_changed(await self.configurations.changed_by(source))
        return DONE

    def _history_lost(self) -> None:
        """Believe no version known so far: the watches begin with new listings."""
        self.wakeups.history_lost()
        self.sources.list_again()
        self.scanner.hurry()

    def _kind_gone(self) -> None:
        """Stop all probes, because without the CRD there are no objects."""
        for plugin in self.wakeups.kind_gone():
            self.prober.drop(plugin)
