"""When a configuration is read and validated again, and when the remembered outcome is used."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from floe_core.host.protocol import ConfigFault, DistributionRef, FoundPlugin, Verdict
from floe_core.plugin_types import PluginId, PluginType
from floe_operator import configurations as module
from floe_operator.api.errors import ClusterUnreachable
from floe_operator.api.sources import Sources
from floe_operator.configurations import Configurations, KnownConfig
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ValidationCrashed
from floe_operator.rules.config_merge import Absent, Contents, Denied, SourceObject
from floe_operator.rules.facts import ConfigSourceFault, Hidden
from floe_operator.rules.resource import FloePlugin
from floe_operator.rules.scrub import REDACTED, WITHHELD
from floe_operator.source_contents import SourceContents
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
SECRET = SourceObject("Secret", "s")
RECHECK = 60.0
SPEC = {"type": "compute", "name": "duckdb", "configFrom": FROM_SECRET}


@dataclass
class World:
    """One Secret, a plugin host that finds everything valid, and how often each was asked."""

    content: bytes = b"first-token"
    version: str | None = "1"
    crashes: bool = False
    forbids: bool = False
    absent: bool = False
    fails: bool = False
    says: str = ""
    during: Callable[[], Awaitable[None]] | None = None
    """What happens while the host validates."""
    while_read: Callable[[], Awaitable[None]] | None = None
    """What happens after the Secret was sent, and before it arrives."""
    heard: Callable[[], None] = lambda: None
    clock: float = 1_000.0
    reads: int = 0
    validated: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = Objects()
        sources = SimpleNamespace(version=lambda _: self.version, read=self._read)
        host = cast("PluginHost", SimpleNamespace(validate=self._validate))
        self.scrubbers = no_scrubbers()
        self.contents = SourceContents(cast("Sources", sources))
        self.configurations = Configurations(
            host, self.contents, self.objects, self.scrubbers, recheck=RECHECK
        )

    async def _read(self, source: SourceObject) -> Contents:
        self.reads += 1
        if self.fails:
            raise ClusterUnreachable("away")
        if self.absent:
            return Absent()
        content = self.content
        if self.while_read is not None:
            await self.while_read()
        return Denied('grant "get" on secrets') if self.forbids else {"k": content}

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

    def give(self, name: str, version: int = 1, **spec: Any) -> None:
        """Create or change the object of a plugin that uses the Secret."""
        metadata = {"name": f"compute-{name}", "uid": name, "resourceVersion": str(version)}
        self.objects.put({"metadata": metadata, "spec": {**SPEC, "name": name, **spec}})

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


@pytest.mark.parametrize(
    ("users", "content", "changed"),
    [
        ([], b"first-token", []),
        ([], b"second-token", []),
        (["duckdb"], b"first-token", []),
        (["duckdb"], b"second-token", ["duckdb"]),
        (["duckdb", "unjudged"], b"first-token", ["unjudged"]),
        (["duckdb", "unjudged"], b"second-token", ["duckdb", "unjudged"]),
    ],
)
async def test_a_touched_source_is_read_once_and_concerns_those_that_were_judged_by_other_contents(
    world: World, users: list[str], content: bytes, changed: list[str]
) -> None:
    for name in users:
        world.give(name)
    if users:
        await world.look_up()
    reads = world.reads
    world.version, world.content = "2", content
    assert [plugin.name for plugin in await world.configurations.changed_by(SECRET)] == changed
    assert world.reads == reads + bool(users)
    if users and content == b"first-token":
        validated = len(world.validated)
        await world.look_up()
        assert world.asked == (reads + 1, validated), "what was read just now is not read again"


async def test_a_source_that_is_deleted_or_denied_has_other_contents(world: World) -> None:
    world.give("duckdb")
    await world.look_up()
    world.absent = True
    assert await world.configurations.changed_by(SECRET) == [PLUGIN]
    world.absent, world.forbids = False, True
    assert await world.configurations.changed_by(SECRET) == [PLUGIN]


async def test_a_source_that_cannot_be_read_is_read_again_by_the_queue(world: World) -> None:
    world.give("duckdb")
    world.fails = True
    with pytest.raises(ClusterUnreachable):
        await world.configurations.changed_by(SECRET)


async def test_whoever_is_being_judged_while_a_source_changes_is_judged_again(world: World) -> None:
    world.give("duckdb")
    await world.look_up()
    changed: list[list[PluginId]] = []

    async def change() -> None:
        # Back to the contents by which it was last judged; those in between are being validated.
        world.version, world.content = "3", b"first-token"
        changed.append(await world.configurations.changed_by(SECRET))

    world.version, world.content, world.during = "2", b"second-token", change
    await world.look_up()
    assert changed == [[PLUGIN]]
    world.during = None
    assert (await world.look_up()).until == math.inf
    assert [config["token"] for config in world.validated] == ["first-token", "second-token", "first-token"]
    assert await world.configurations.changed_by(SECRET) == []


async def test_only_the_configuration_that_was_judged_is_given_to_start_with(world: World) -> None:
    judged = (await world.look_up()).digest
    assert judged is not None
    start_with = world.configurations.effective
    assert await start_with(PLUGIN, judged) is None, "there is no object"
    world.give("duckdb")
    assert await start_with(PLUGIN, judged) == {"token": "first-token"}
    world.version, world.content = "2", b"second-token"
    assert await start_with(PLUGIN, judged) is None
    world.version, world.content = "3", b"first-token"
    assert await start_with(PLUGIN, judged) == {"token": "first-token"}
    upgraded = await world.look_up(FOUND.model_copy(update={"fingerprint": "2"}))
    assert await start_with(PLUGIN, judged) is None
    assert upgraded.digest is not None
    assert await start_with(PLUGIN, upgraded.digest) == {"token": "first-token"}
    world.forbids = True
    assert await start_with(PLUGIN, upgraded.digest) is None
    world.configurations.forget(PLUGIN)
    world.forbids = False
    assert await start_with(PLUGIN, upgraded.digest) is None


async def test_a_plugin_starts_with_the_current_configuration_of_its_object(world: World) -> None:
    for version, threads in enumerate((1, 2), start=1):
        before = (await world.look_up()).digest
        assert before is not None
        world.give("duckdb", version, config={"threads": threads})
        assert await world.configurations.effective(PLUGIN, before) is None
        judged = (await world.look_up(config={"threads": threads})).digest
        assert judged is not None
        given = await world.configurations.effective(PLUGIN, judged)
        assert given is not None
        assert given["threads"] == threads


async def test_contents_that_change_while_they_are_read_are_read_again(world: World) -> None:
    world.give("duckdb")

    async def change() -> None:
        world.version, world.content, world.while_read = "2", b"second-token", None

    world.while_read = change
    await world.look_up()
    assert world.validated == [{"token": "first-token"}]
    assert await world.configurations.changed_by(SECRET) == [PLUGIN]
    await world.look_up()
    assert world.validated[1:] == [{"token": "second-token"}]


async def test_an_equal_configuration_says_anew_which_sources_have_no_effect(world: World) -> None:
    own = {"token": "own"}
    first = await world.look_up(config=own, configFrom=[])
    second = await world.look_up(config=own)
    assert (first.hidden, second.hidden) == ((), (Hidden(0, (None,), "token"),))
    assert (second.outcome, second.digest) == (first.outcome, first.digest)
    assert len(world.validated) == 1
    assert (await world.look_up(config=own)).hidden == second.hidden


async def test_without_a_watch_each_look_up_reads_and_only_the_first_asks_the_host(world: World) -> None:
    world.version = None
    for _ in range(3):
        assert (await world.look_up()).until == world.clock + RECHECK
    assert world.asked == (3, 1)
    world.says = "wrong"
    assert (await world.look_up(config={"threads": 2})).until == world.clock + RECHECK
    world.clock += 590
    assert (await world.look_up(config={"threads": 2})).until == world.clock + 10, "the verdict expires"


@pytest.mark.parametrize(
    "changed", [{"config": {"threads": 2}}, {"found": FOUND.model_copy(update={"fingerprint": "2"})}], ids=str
)
async def test_a_changed_spec_or_release_is_validated_again(world: World, changed: dict[str, Any]) -> None:
    first = await world.look_up()
    assert (await world.look_up(**changed)).digest != first.digest
    assert world.asked == (2, 2)


async def test_a_refused_verdict_expires_however_often_its_sources_were_touched(world: World) -> None:
    world.says = "the realm cannot be reached"
    expires = world.clock + 600
    for version in range(6):
        world.version = str(version)
        assert (await world.look_up()).until == expires
        world.clock += 99
    assert len(world.validated) == 1
    world.clock = expires
    assert (await world.look_up()).until == expires + 600
    assert len(world.validated) == 2
    world.clock += 600
    world.says = ""
    assert (await world.look_up()).outcome == Verdict(reason="Valid")


async def test_a_valid_verdict_does_not_expire(world: World) -> None:
    for version in range(10):
        world.version = str(version)
        assert (await world.look_up()).until == math.inf
        world.clock += 10_000
    assert len(world.validated) == 1


async def test_a_crash_is_not_remembered_because_the_host_knows_when_to_retry(world: World) -> None:
    world.crashes = True
    for _ in range(2):
        known = await world.look_up()
        assert known.outcome == ConfigSourceFault("ValidationCrashed", "It ended the host")
        assert known.until == world.clock + RECHECK
    assert len(world.validated) == 2
    world.crashes = False
    assert (await world.look_up()).outcome == Verdict(reason="Valid")


async def test_a_missing_permission_is_not_remembered_because_nothing_reports_its_grant(world: World) -> None:
    world.forbids = True
    known = await world.look_up()
    assert isinstance(known.outcome, ConfigSourceFault)
    assert (known.outcome.reason, known.until) == ("Forbidden", world.clock + RECHECK)
    world.forbids = False
    assert (await world.look_up()).outcome == Verdict(reason="Valid")


@pytest.mark.parametrize("fault", ["crashes", "forbids"])
async def test_a_source_that_changes_back_while_a_fault_lasts_is_looked_at_at_once(
    world: World, fault: str
) -> None:
    world.give("duckdb")
    await world.look_up()
    world.version, world.content = "2", b"second-token"
    setattr(world, fault, True)
    assert isinstance((await world.look_up()).outcome, ConfigSourceFault)
    setattr(world, fault, False)
    world.version, world.content = "3", b"first-token"
    assert await world.configurations.changed_by(SECRET) == [PLUGIN]


async def test_a_valid_configuration_is_validated_again_after_a_distribution_changed(world: World) -> None:
    await world.look_up()
    ((plugin, seconds),) = world.configurations.doubt_all()
    assert plugin == PLUGIN
    assert 0 <= seconds <= 600
    assert (await world.look_up()).until == world.clock + seconds
    assert world.asked == (1, 1)
    world.clock += seconds
    assert (await world.look_up()).until == math.inf
    assert world.asked == (2, 2)


async def test_a_judgement_under_way_while_a_distribution_changes_is_doubted_too(world: World) -> None:
    async def change() -> None:
        assert list(world.configurations.doubt_all()) == []

    world.during = change
    until = (await world.look_up()).until
    assert until <= world.clock + 600
    world.during = None
    world.clock = until
    assert (await world.look_up()).until == math.inf
    assert len(world.validated) == 2


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


async def test_equal_configurations_and_contents_have_different_digests_in_different_processes() -> None:
    one, other = World(), World()
    assert (await one.look_up()).digest != (await other.look_up()).digest
    assert one.contents.digest(SECRET) != other.contents.digest(SECRET)


async def test_the_configuration_of_a_deleted_object_is_forgotten(world: World) -> None:
    await world.look_up()
    world.configurations.forget(next(iter(world.configurations._kept)))
    assert not world.configurations._kept
    await world.look_up()
    assert world.asked == (2, 2)
