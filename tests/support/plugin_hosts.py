"""Plugin hosts for tests: a host that runs while a block runs, and what it reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.plugin_host import Described, LoadFault, PluginHost, Printed
from tests.support.polling import eventually_async

MIB = 1024 * 1024


@dataclass
class Reports:
    """What a plugin host reported without being asked."""

    lines: list[str] = field(default_factory=list)
    printed: list[tuple[str, list[str]]] = field(default_factory=list)
    """The lines, each with the slugs of the plugins that may have printed it."""
    changed: list[PluginId] = field(default_factory=list)

    def on_output(self, printed: Printed) -> None:
        self.lines.append(printed.text)
        self.printed.append((printed.text, [plugin.slug for plugin in printed.plugins]))

    def on_change(self, plugins: Collection[PluginId]) -> None:
        self.changed.extend(plugins)


@contextlib.asynccontextmanager
async def running(
    python: Path | str,
    reports: Reports | None = None,
    *,
    load_timeout: float = 10.0,
    memory_limit: int = 1024 * MIB,
) -> AsyncIterator[PluginHost]:
    """Yield a plugin host that has scanned once."""
    reports = reports or Reports()
    host = PluginHost(
        python=str(python),
        load_timeout=load_timeout,
        memory_limit=memory_limit,
        on_change=reports.on_change,
        on_output=reports.on_output,
    )
    background = asyncio.create_task(host.run())
    try:
        await host.scan()
        yield host
    finally:
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await host.close(5.0)


async def outcome(host: PluginHost, plugin: PluginId, *, within: float = 60.0) -> Described | LoadFault:
    """Wait until the plugin has loaded or failed to load, and return the outcome."""

    async def known() -> Described | LoadFault:
        state = host.load_state(plugin)
        assert isinstance(state, (Described, LoadFault)), f"{plugin}: {state}"
        return state

    return await eventually_async(known, within=within)


async def all_loaded(host: PluginHost, *, within: float = 60.0) -> None:
    """Wait until no plugin of the last scan is still loading."""

    async def none_loading() -> bool:
        assert not host.loading(), f"still loading: {sorted(map(str, host.loading()))}"
        return True

    await eventually_async(none_loading, within=within)


def compute(name: str) -> PluginId:
    """Return the id of the compute plugin with this name."""
    return PluginId(PluginType.COMPUTE, name)
