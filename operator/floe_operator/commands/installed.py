"""The installed plugins, for commands that need no cluster: one scan, one plugin host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from floe_core.host.protocol import BrokenClaim, FoundPlugin, ScanResult, Verdict
from floe_core.plugin_types import PluginId
from floe_operator.commands.standard_streams import note
from floe_operator.plugin_host import HostUnavailable, PluginHost, ScanFailed
from floe_operator.rules.load_states import Loading, LoadState
from floe_operator.settings import PluginEnvironment

_ATTEMPTS = 5
_RETRY_SECONDS = 0.5
_CLOSE_SECONDS = 5.0


class InstalledPlugins:
    """The plugins of one environment, as one scan found them."""

    def __init__(self, host: PluginHost, python: Path, scan: ScanResult, changed: asyncio.Event) -> None:
        self._host = host
        self._python = python
        self._changed = changed
        self.scan = scan
        self.found: Mapping[PluginId, FoundPlugin] = {found.plugin: found for found in scan.plugins}
        self.broken: Mapping[PluginId, BrokenClaim] = {claim.plugin: claim for claim in scan.broken}

    @property
    def none(self) -> str:
        """What to say if no plugin is installed, and where one might be."""
        return (
            f"No plugins are installed in the environment of {self._python}. "
            "Install them there, or name the Python of another environment with --plugin-python."
        )

    @property
    def warnings(self) -> list[str]:
        """What the scan found and no plugin can show: damage, groups that are unknown, a wrong floe-core."""
        own = [f"floe-core: {self.scan.core_fault}"] if self.scan.core_fault else []
        damaged = [f"{unreadable.where}: {unreadable.detail}" for unreadable in self.scan.unreadable]
        return [*own, *damaged, *(unknown.detail for unknown in self.scan.unknown_groups)]

    async def loaded(self, plugins: Iterable[PluginId]) -> dict[PluginId, LoadState]:
        """Return the load state of each of these plugins, once it is known."""
        states: dict[PluginId, LoadState] = {}
        for plugin in plugins:
            states[plugin] = await self._state(plugin)
        return states

    async def _state(self, plugin: PluginId) -> LoadState:
        while True:
            self._changed.clear()
            state = self._host.load_state(plugin)
            if state is not None and not isinstance(state, Loading):
                return state
            await self._changed.wait()

    async def validate(
        self, plugin: PluginId, config: Mapping[str, Any], plain: Mapping[str, Any]
    ) -> Verdict:
        """Validate a configuration in the host, retrying while the host is being replaced."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(HostUnavailable):
                return await self._host.validate(plugin, config, plain)
            await asyncio.sleep(_RETRY_SECONDS)
        return await self._host.validate(plugin, config, plain)


@asynccontextmanager
async def installed_plugins(
    settings: PluginEnvironment, *, accepted_schemas: bool = False, need_core: bool = True
) -> AsyncIterator[InstalledPlugins]:
    """Scan the environment and yield its plugins, if desired with the schemas of all that they accept.

    Without `need_core`, an environment that has no floe-core counts as one that has no plugins.

    Raises:
        ScanFailed: The environment cannot be scanned; the detail says how to fix it.
    """
    changed = asyncio.Event()
    host = PluginHost(
        python=str(settings.plugin_python),
        load_timeout=settings.load_timeout,
        memory_limit=settings.host_memory,
        accepted_schemas=accepted_schemas,
        on_change=lambda _: changed.set(),
    )
    background = asyncio.create_task(host.run())
    try:
        try:
            scan = await host.scan()
        except ScanFailed as error:
            if need_core or not error.lacks_core:
                raise
            scan = ScanResult(
                complete=True, fingerprint="", distributions=0, plugins=(), core_fault=error.detail
            )
        yield InstalledPlugins(host, settings.plugin_python, scan, changed)
    finally:
        background.cancel()
        with suppress(asyncio.CancelledError):
            await background
        await host.close(_CLOSE_SECONDS)


def warn(messages: Iterable[str]) -> None:
    """Print messages that are not part of the answer."""
    for message in messages:
        note(f"warning: {message}")
