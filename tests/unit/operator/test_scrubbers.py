"""Which secrets are scrubbed, from whose text, and for how long."""

from __future__ import annotations

import asyncio
import random

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.scrub import REDACTED, WITHHELD, WITHHELD_AS_ANOTHERS
from floe_operator.scrubbers import Scrubbers
from floe_operator.secret_index import SecretIndex
from tests.support.polling import eventually_async
from tests.support.scrubbing import HostNumbers

ONE = PluginId(PluginType.COMPUTE, "one")
TWO = PluginId(PluginType.COMPUTE, "two")


@pytest.fixture
def hosts() -> HostNumbers:
    return HostNumbers()


@pytest.fixture
def known(hosts: HostNumbers) -> Scrubbers:
    return Scrubbers(hosts, SecretIndex())


async def test_every_plugins_text_is_scrubbed_of_the_secrets_of_all(known: Scrubbers) -> None:
    await known.remember(ONE, ("secret-one",))
    await known.remember(TWO, ("secret-two",))
    for scrubber in (known.of(ONE), known.of(TWO), known.of_stopped(ONE), known.of_printed(())):
        assert scrubber.scrub("secret-one secret-two") == f"{REDACTED} {REDACTED}"


async def test_a_secret_below_eight_characters_is_scrubbed_from_its_plugins_own_text(
    known: Scrubbers,
) -> None:
    await known.remember(ONE, ("sesame", "sésame7"))
    assert known.of(ONE).scrub("sesame or sésame7?") == f"{REDACTED} or {REDACTED}?"
    assert known.of(TWO).scrub("sesame or sésame7?") == "sesame or sésame7?"


async def test_a_secret_that_is_too_short_withholds_what_its_plugin_can_have_said(known: Scrubbers) -> None:
    await known.remember(ONE, ("1234",))
    assert known.of(ONE).scrub("text") == known.of_printed([ONE]).scrub("text") == WITHHELD
    assert known.of_printed([TWO, ONE]).scrub("text") == WITHHELD
    assert known.of_printed(()).scrub("text") == WITHHELD_AS_ANOTHERS
    assert known.of(TWO).scrub("text") == known.of_printed([TWO]).scrub("text") == "text"
    assert known.withheld == 4


async def test_printed_text_is_scrubbed_of_short_secrets_of_all(known: Scrubbers) -> None:
    await known.remember(ONE, ("sesame",))
    assert known.of_printed([TWO]).scrub("sesame") == REDACTED


async def test_the_secrets_from_before_a_rotation_are_scrubbed_too(known: Scrubbers) -> None:
    await known.remember(ONE, ("first-value", "word-1"))
    assert known.of_printed(()).scrub("second-value") == "second-value"
    await known.remember(ONE, ("second-value", "word-2"))
    await known.remember(ONE, ())
    for text in ("first-value", "second-value", "word-1", "word-2"):
        assert known.of(ONE).scrub(text) == known.of_printed(()).scrub(text) == REDACTED


async def test_replaced_secrets_are_forgotten_when_the_hosts_that_had_them_are_gone(
    known: Scrubbers, hosts: HostNumbers
) -> None:
    await known.remember(ONE, ("first-value", "1234"))
    await known.remember(ONE, ("second-value",))
    hosts.newest = 2  # which may have been given what was read before
    hosts.oldest = 2
    assert known.of(ONE).scrub("first-value") == WITHHELD
    hosts.newest = hosts.oldest = 3
    assert known.of(ONE).withheld == ""
    await known.index.settled()
    assert known.of(ONE).scrub("first-value second-value") == f"first-value {REDACTED}"


async def test_after_many_rotations_the_latest_secrets_are_scrubbed_and_memory_is_bounded(
    known: Scrubbers,
) -> None:
    values = [f"{number:04}" * 64 for number in range(200)]
    for value in values:
        await known.remember(ONE, (value,))
    await known.index.settled()
    for value in values[-10:]:
        assert known.of(ONE).scrub(value) == REDACTED
    assert known.of(ONE).scrub(values[0]) == values[0]


async def test_of_large_secrets_the_last_one_that_was_replaced_is_scrubbed(known: Scrubbers) -> None:
    values = [f"{number}." * 10_000 for number in (123_456, 234_567, 345_678)]
    for value in values:
        await known.remember(ONE, (value,))
    await known.index.settled()
    assert [known.of(ONE).scrub(value[:100]) for value in values] == [values[0][:100], REDACTED, REDACTED]


async def test_remembering_twice_at_the_same_time_loses_nothing(known: Scrubbers) -> None:
    await asyncio.gather(known.remember(ONE, ("first-value",)), known.remember(ONE, ("second-value",)))
    assert known.of(ONE).scrub("first-value second-value") == f"{REDACTED} {REDACTED}"


async def test_a_deleted_objects_secrets_are_scrubbed_until_its_hosts_are_gone(
    known: Scrubbers, hosts: HostNumbers
) -> None:
    await known.remember(ONE, ("the-secret", "sesame"))
    known.forget(ONE)
    assert known.of(TWO).scrub("the-secret") == REDACTED
    assert known.of_stopped(ONE).scrub("sesame") == known.of_printed(()).scrub("sesame") == REDACTED
    hosts.newest = 2  # the next host, while the first stops its plugins
    assert known.of_printed(()).scrub("the-secret") == REDACTED
    hosts.newest = hosts.oldest = 3
    assert known.of_printed(()).withheld == ""
    await known.index.settled()
    assert known.of_printed(()).scrub("the-secret sesame") == "the-secret sesame"


async def test_an_object_that_comes_back_starts_without_its_old_short_secrets(known: Scrubbers) -> None:
    await known.remember(ONE, ("short",))
    known.forget(ONE)
    await known.remember(ONE, ("the-secret",))
    assert known.of(ONE).scrub("short the-secret") == f"short {REDACTED}"
    assert known.of_stopped(ONE).scrub("text") == WITHHELD
    assert known.of_printed(()).scrub("text") == WITHHELD_AS_ANOTHERS


async def test_only_the_latest_secrets_of_a_repeatedly_recreated_object_are_remembered(
    known: Scrubbers,
) -> None:
    for number in range(10):
        await known.remember(ONE, (f"{number}-" * 9000,))
        known.forget(ONE)
    await known.index.settled()
    assert known.of_printed(()).scrub("9-" * 20) == REDACTED
    assert known.of_printed(()).scrub("8-" * 20) == "8-" * 20


async def test_nothing_is_left_in_the_index_of_what_nobody_can_print(
    known: Scrubbers, hosts: HostNumbers
) -> None:
    for number in range(5):
        await known.remember(ONE, (f"secret-number-{number}", "the-same-in-all"))
        await known.remember(TWO, ("the-same-in-all", f"{number}" * 20_000))
    assert known.index.bytes_used > 0
    for plugin in (ONE, TWO):
        known.forget(plugin)
    hosts.newest = hosts.oldest = 3
    assert known.of(ONE).withheld == ""
    await known.index.settled()
    assert known.of(ONE).scrub("the-same-in-all") == "the-same-in-all"
    assert known.index.is_empty
    assert known.index.bytes_used == 0


async def test_all_text_is_withheld_while_there_is_no_room_for_a_secret(hosts: HostNumbers) -> None:
    known = Scrubbers(hosts, SecretIndex(most=50))
    await known.remember(ONE, ("abcdefghijklmnopqrstuvwxyz0123456789",))
    await known.remember(TWO, ("9876543210zyxwvutsrqponmlkjihgfedcba",))
    said = known.of(ONE).scrub("text")
    assert said == known.of_printed([TWO]).scrub("text")
    assert said == (
        "(the plugin's own text is withheld, because plugins have more secrets than it can be searched for)"
    )
    assert known.of(ONE).finds_any("text")
    assert known.withheld == 2
    await known.remember(ONE, ("another one",))
    await known.index.settled()
    assert known.of(TWO).withheld  # a host still has the first
    hosts.newest = hosts.oldest = 3
    assert known.of(TWO).scrub("text")
    await known.index.settled()
    assert known.of(TWO).scrub("abcdefghijklm and mlkjihgfedcba") == f"abcdefghijklm and {REDACTED}"


async def test_what_an_object_had_before_is_scrubbed_after_its_end_although_it_had_nothing_at_last(
    known: Scrubbers, hosts: HostNumbers
) -> None:
    await known.remember(ONE, ("the-secret", "sesame"))
    await known.remember(ONE, ())
    known.forget(ONE)
    assert known.of_stopped(ONE).scrub("sesame the-secret") == f"{REDACTED} {REDACTED}"
    hosts.newest = hosts.oldest = 3
    assert not known.of(ONE).withheld
    await known.index.settled()
    assert known.index.is_empty


async def test_secrets_that_come_late_do_not_replace_newer_ones(known: Scrubbers, hosts: HostNumbers) -> None:
    early = asyncio.create_task(known.remember(ONE, ("early-secret " * 5000,)))
    await asyncio.sleep(0)
    await known.remember(ONE, ("newer-secret",))
    await early
    assert known.of(TWO).scrub("early-secret early-secret") == REDACTED
    hosts.newest = hosts.oldest = 3
    assert not known.of(ONE).withheld
    await known.index.settled()
    assert known.of(ONE).scrub("newer-secret") == REDACTED
    assert known.of(ONE).scrub("early-secret early-secret") == "early-secret early-secret"


async def test_secrets_that_come_after_their_object_is_gone_are_forgotten_with_the_hosts(
    known: Scrubbers, hosts: HostNumbers
) -> None:
    late = asyncio.create_task(known.remember(ONE, ("late-secret", "1234")))
    await asyncio.sleep(0)
    known.forget(ONE)
    await late
    assert known.of(TWO).scrub("late-secret") == REDACTED
    assert known.of(ONE).scrub("text") == "text"
    assert known.of_stopped(ONE).scrub("text") == WITHHELD
    hosts.newest = hosts.oldest = 3
    assert known.of_stopped(ONE).scrub("text") == "text"
    await known.index.settled()
    assert known.index.is_empty


async def test_secrets_of_a_call_are_scrubbed_until_it_ends(known: Scrubbers, hosts: HostNumbers) -> None:
    large = ("a-large-secret-" * 2000, "another-one")
    await known.remember(ONE, large)
    with known.holding(large):
        for number in range(3):
            await known.remember(ONE, (f"{number}-large-secret-" * 2000,))
            hosts.newest = hosts.oldest = hosts.newest + 1
        await known.index.settled()
        assert known.of(ONE).scrub("another-one") == REDACTED
    hosts.newest = hosts.oldest = hosts.newest + 5
    assert not known.of(ONE).withheld
    await known.index.settled()
    assert known.of(ONE).scrub("another-one") == "another-one"


async def test_a_short_secret_beside_a_large_one_is_remembered_longer(known: Scrubbers) -> None:
    for number in range(4):
        await known.remember(ONE, (f"{number}-large-secret-" * 2000, f"password-{number}-x"))
    await known.index.settled()
    assert known.of(ONE).scrub("password-0-x") == REDACTED


async def test_any_order_of_changes_leaves_the_index_empty_when_all_is_over(
    known: Scrubbers, hosts: HostNumbers
) -> None:
    chance = random.Random(5)
    texts = [f"secret-number-{number}-{'x' * number * 50}" for number in range(12)]
    for _ in range(150):
        plugin = chance.choice((ONE, TWO))
        action = chance.random()
        if action < 0.6:
            call = asyncio.create_task(known.remember(plugin, chance.sample(texts, chance.randint(0, 4))))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
                call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        elif action < 0.8:
            known.forget(plugin)
        else:
            hosts.newest += 1
            hosts.oldest = chance.randint(hosts.oldest, hosts.newest)
    for plugin in (ONE, TWO):
        known.forget(plugin)

    async def empty() -> bool:
        hosts.newest = hosts.oldest = hosts.newest + 3
        assert not known.of(ONE).withheld
        await known.index.settled()
        assert known.index.is_empty
        return known.index.bytes_used == 0

    await eventually_async(empty)
