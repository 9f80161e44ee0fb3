"""Which secrets are scrubbed, from whose text, and for how long."""

from __future__ import annotations

import asyncio

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.scrub import REDACTED, WITHHELD
from floe_operator.scrubbers import Scrubbers

ONE = PluginId(PluginType.COMPUTE, "one")
TWO = PluginId(PluginType.COMPUTE, "two")


def scrubbers() -> Scrubbers:
    return Scrubbers(lambda: 1)


async def test_a_plugins_own_text_is_scrubbed_of_its_own_secrets_and_printed_text_of_all() -> None:
    known = scrubbers()
    await known.remember(ONE, ("secret-one",))
    await known.remember(TWO, ("secret-two",))
    assert known.of(ONE).scrub("secret-one secret-two") == f"{REDACTED} secret-two"
    assert known.common().scrub("secret-one secret-two") == f"{REDACTED} {REDACTED}"


async def test_the_secrets_from_before_a_rotation_are_scrubbed_too() -> None:
    known = scrubbers()
    await known.remember(ONE, ("first-value",))
    assert known.common().scrub("second-value") == "second-value"
    await known.remember(ONE, ("second-value",))
    for text in ("first-value", "second-value"):
        assert known.of(ONE).scrub(text) == known.common().scrub(text) == REDACTED
    await known.remember(ONE, ())
    assert known.of(ONE).scrub("second-value") == REDACTED


async def test_after_many_rotations_the_latest_secrets_are_scrubbed_and_memory_is_bounded() -> None:
    known = scrubbers()
    values = [f"{number:04}" * 64 for number in range(200)]
    for value in values:
        await known.remember(ONE, (value,))
    for value in values[-10:]:
        assert known.of(ONE).scrub(value) == REDACTED
    assert known.of(ONE).scrub(values[0]) == values[0]


async def test_remembering_twice_at_the_same_time_loses_nothing() -> None:
    known = scrubbers()
    await asyncio.gather(known.remember(ONE, ("first-value",)), known.remember(ONE, ("second-value",)))
    assert known.of(ONE).scrub("first-value second-value") == f"{REDACTED} {REDACTED}"


async def test_printed_text_is_scrubbed_of_a_deleted_objects_secrets_until_its_host_is_gone() -> None:
    generation = 1
    known = Scrubbers(lambda: generation)
    await known.remember(ONE, ("the-secret",))
    known.forget(ONE)
    assert known.common().scrub("the-secret") == REDACTED
    generation = 2  # the next host, while the first stops its plugins
    assert known.common().scrub("the-secret") == REDACTED
    generation = 3
    assert known.common().scrub("the-secret") == "the-secret"


async def test_an_object_that_comes_back_starts_without_its_old_secrets() -> None:
    known = scrubbers()
    await known.remember(ONE, ("short",))
    known.forget(ONE)
    await known.remember(ONE, ("the-secret",))
    assert known.of(ONE).scrub("short the-secret") == f"short {REDACTED}"
    assert known.common().scrub("text") == WITHHELD


async def test_only_the_latest_secrets_of_a_repeatedly_recreated_object_are_remembered() -> None:
    known = scrubbers()
    for number in range(10):
        await known.remember(ONE, (f"secret-number-{number}",))
        known.forget(ONE)
    assert known.common().scrub("secret-number-9") == REDACTED
    assert len(known._departed[ONE].scrubbers) == 4
