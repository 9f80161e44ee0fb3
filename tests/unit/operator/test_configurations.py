"""When a configuration is read and validated again, and when the remembered outcome is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from floe_core.host.protocol import ConfigFault, DistributionRef, FoundPlugin, Verdict
from floe_core.plugin_types import PluginId, PluginType
from floe_operator import configurations as module
from floe_operator.api.sources import Sources
from floe_operator.configurations import Configurations, KnownConfig
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ValidationCrashed
from floe_operator.rules.config_merge import Contents, Denied, SourceObject
from floe_operator.rules.facts import ConfigSourceFault, Hidden
from floe_operator.rules.resource import FloePlugin
from floe_operator.rules.scrub import REDACTED, WITHHELD
from tests.support.scrubbing import no_scrubbers

FOUND = FoundPlugin(
    type="compute",
    name="duckdb",
    entry_point="duckdb = floe_duckdb:Plugin",
    distribution=DistributionRef(name="floe-duckdb", version="0.1.0"),
    fingerprint="1",
)
PLUGIN = PluginId(PluginType.COMPUTE, "duckdb")
FROM_SECRET = [{"secretKeyRef": {"name": "s", "key": "k"}, "path": "token"}]
SPEC = {"type": "compute", "name": "duckdb", "configFrom": FROM_SECRET}


@dataclass
class World:
    """One Secret, a plugin host that finds everything valid, and how often each was asked."""

    content: bytes = b"first-token"
    version: str | None = "1"
    crashes: bool = False
    forbids: bool = False
    says: str = ""
    during: Callable[[], Awaitable[None]] | None = None
    heard: Callable[[], None] = lambda: None
    clock: float = 1_000.0
    reads: int = 0
    validated: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = Objects()
        sources = SimpleNamespace(version=lambda _: self.version, read=self._read)
        host = cast("PluginHost", SimpleNamespace(validate=self._validate))
        self.scrubbers = no_scrubbers()
        self.configurations = Configurations(host, cast("Sources", sources), self.objects, self.scrubbers)

    async def _read(self, source: SourceObject) -> Contents:
        self.reads += 1
        return Denied('grant "get" on secrets') if self.forbids else {"k": self.content}

    async def _validate(self, plugin: PluginId, config: dict[str, Any], plain: dict[str, Any]) -> Verdict:
        self.heard()
        self.validated.append(config)
        if self.crashes:
            raise ValidationCrashed("It ended the host")
        if self.during is not None:
            await self.during()
        if self.says:
            fault = ConfigFault(field="token", message="wrong", type="value_error", plugin_text=self.says)
            return Verdict(reason="ValidationFailed", faults=(fault,))
        return Verdict(reason="Valid")

    async def look_up(self, found: FoundPlugin = FOUND, **spec: Any) -> KnownConfig:
        spec = {**SPEC, **spec}
        return await self.configurations.look_up(
            found, FloePlugin.parse({"metadata": {"name": "compute-duckdb"}, "spec": spec})
        )

    @property
    def asked(self) -> tuple[int, int]:
        return self.reads, len(self.validated)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: world.clock))
    return world


async def test_while_nothing_changes_no_secret_is_read_and_the_host_is_not_asked(world: World) -> None:
    known_configs = [await world.look_up(probe={"periodSeconds": number}) for number in (1, 2, 3)]
    assert world.asked == (1, 1)
    assert known_configs[0] is known_configs[1] is known_configs[2]
    assert known_configs[0].outcome == Verdict(reason="Valid")


async def test_a_touched_secret_is_read_and_only_changed_content_is_validated(world: World) -> None:
    first = await world.look_up()
    world.version = "2"
    assert (await world.look_up()).digest == first.digest
    assert world.asked == (2, 1)
    world.version, world.content = "3", b"second-token"
    assert (await world.look_up()).digest != first.digest
    assert world.asked == (3, 2)


async def test_an_equal_configuration_says_anew_which_sources_have_no_effect(world: World) -> None:
    own = {"token": "own"}
    first = await world.look_up(config=own, configFrom=[])
    second = await world.look_up(config=own)
    assert (first.hidden, second.hidden) == ((), (Hidden(0, (None,), "token"),))
    assert (second.outcome, second.digest) == (first.outcome, first.digest)
    assert len(world.validated) == 1
    assert (await world.look_up(config=own)).hidden == second.hidden
    world.clock += 500
    await world.look_up(config=own, configFrom=[])
    world.clock += 500
    await world.look_up(config=own)
    assert len(world.validated) == 2, "the verdict keeps its age"


async def test_without_a_watch_each_look_up_reads_and_only_the_first_asks_the_host(world: World) -> None:
    world.version = None
    for _ in range(3):
        await world.look_up()
    assert world.asked == (3, 1)


@pytest.mark.parametrize(
    "changed", [{"config": {"threads": 2}}, {"found": FOUND.model_copy(update={"fingerprint": "2"})}], ids=str
)
async def test_a_changed_spec_or_release_is_validated_again(world: World, changed: dict[str, Any]) -> None:
    first = await world.look_up()
    assert (await world.look_up(**changed)).digest != first.digest
    assert world.asked == (2, 2)


async def test_a_verdict_expires_however_often_its_sources_were_touched(
    world: World,
) -> None:
    for version in range(10):
        world.version = str(version)
        await world.look_up()
        world.clock += 100
    assert len(world.validated) == 2


async def test_a_crash_is_not_remembered_because_the_host_knows_when_to_retry(world: World) -> None:
    world.crashes = True
    for _ in range(2):
        outcome = (await world.look_up()).outcome
        assert outcome == ConfigSourceFault("ValidationCrashed", "It ended the host")
    assert len(world.validated) == 2
    world.crashes = False
    assert (await world.look_up()).outcome == Verdict(reason="Valid")


async def test_a_missing_permission_is_not_remembered_because_nothing_reports_its_grant(world: World) -> None:
    world.forbids = True
    outcome = (await world.look_up()).outcome
    assert isinstance(outcome, ConfigSourceFault)
    assert outcome.reason == "Forbidden"
    world.forbids = False
    assert (await world.look_up()).outcome == Verdict(reason="Valid")


async def test_a_configuration_nested_too_deeply_is_refused_before_anything_is_asked(world: World) -> None:
    nested: dict[str, Any] = {}
    for _ in range(70):
        nested = {"a": nested}
    outcome = (await world.look_up(config=nested)).outcome
    assert isinstance(outcome, Verdict)
    assert outcome.reason == "ValidationFailed"
    assert world.asked == (0, 0)


async def test_the_scrubber_knows_the_secrets_before_the_host_sees_them(world: World) -> None:
    said: list[str] = []
    world.heard = lambda: said.append(world.scrubbers.of_printed(()).scrub("it is first-token"))
    known = await world.look_up()
    assert said == [f"it is {REDACTED}"]
    assert known.digest is not None
    assert b"first-token" not in bytes(known.digest)


@pytest.mark.parametrize("secret", ["first-token", "first-token\n", "s3cr3t"])
async def test_what_a_validator_says_is_scrubbed(world: World, secret: str) -> None:
    world.content = secret.encode()
    world.says = f"{secret.strip()} is no token of this realm"
    outcome = (await world.look_up()).outcome
    assert isinstance(outcome, Verdict)
    assert [fault.plugin_text for fault in outcome.faults] == [f"{REDACTED} is no token of this realm"]


async def test_what_a_validator_says_is_scrubbed_of_what_came_from_a_config_map(world: World) -> None:
    world.content = b"url: jdbc:internal\nport: 5432\nnote: |\n  two\n  words"
    world.says = "jdbc:internal:5432 has two words, jdbc is no scheme"
    source = [{"configMapKeyRef": {"name": "c", "key": "k"}}]
    outcome = (await world.look_up(configFrom=source)).outcome
    assert isinstance(outcome, Verdict)
    said = f"{REDACTED}:5432 has {REDACTED}, jdbc is no scheme"
    assert [fault.plugin_text for fault in outcome.faults] == [said]


async def test_what_a_validator_says_is_scrubbed_of_the_secret_it_was_given_even_if_that_is_replaced(
    world: World,
) -> None:
    world.content = b"first-token " * 1_000
    world.says = "first-token is no token of this realm"
    world.during = lambda: world.scrubbers.remember(PLUGIN, ("another secret",))
    outcome = (await world.look_up()).outcome
    assert isinstance(outcome, Verdict)
    [text] = [fault.plugin_text for fault in outcome.faults]
    assert text.startswith(REDACTED)
    assert "first" not in text


async def test_what_a_validator_says_is_withheld_if_a_secret_is_too_short_to_be_found(world: World) -> None:
    world.content = b"0815"
    world.says = "0815 is too easy"
    outcome = (await world.look_up()).outcome
    assert isinstance(outcome, Verdict)
    assert [fault.plugin_text for fault in outcome.faults] == [WITHHELD]


async def test_equal_configurations_have_different_digests_in_different_processes() -> None:
    assert (await World().look_up()).digest != (await World().look_up()).digest


async def test_the_configuration_of_a_deleted_object_is_forgotten(world: World) -> None:
    await world.look_up()
    world.configurations.forget(next(iter(world.configurations._kept)))
    assert not world.configurations._kept
    await world.look_up()
    assert world.asked == (2, 2)


async def test_a_plugin_starts_with_the_current_configuration_of_its_object(world: World) -> None:
    plugin = PluginId(PluginType.COMPUTE, "duckdb")
    assert await world.configurations.effective(plugin) is None

    def give(version: int, config: object) -> None:
        metadata = {"name": "compute-duckdb", "uid": "u", "resourceVersion": str(version)}
        world.objects.put({"metadata": metadata, "spec": {**SPEC, "config": config}})

    give(1, {"threads": 1})
    first = await world.configurations.effective(plugin)
    give(2, {"threads": 2})
    second = await world.configurations.effective(plugin)
    assert first is not None
    assert second is not None
    assert (first["threads"], second["threads"]) == (1, 2)
    world.forbids = True
    assert await world.configurations.effective(plugin) is None
