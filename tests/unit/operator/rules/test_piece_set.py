"""A set of many integers finds what was added as often as it was not removed."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from floe_operator.rules.piece_set import PieceSet

# Also some that share a counter of the filter.
PIECES = st.one_of(st.integers(0, 3), st.sampled_from([1_048_573, 1_048_574]), st.integers(0, 2**64 - 1))


@given(added=st.lists(PIECES), asked=st.lists(PIECES), data=st.data())
def test_what_was_added_more_often_than_removed_is_found(
    added: list[int], asked: list[int], data: st.DataObject
) -> None:
    known = PieceSet()
    known.add(added)
    removed = data.draw(st.permutations(added))[: data.draw(st.integers(0, len(added)))]
    known.remove(removed)
    left = Counter(added) - Counter(removed)
    assert len(known) == left.total()
    assert [*known.found_in(asked + added)] == [
        at for at, piece in enumerate(asked + added) if left[piece] > 0
    ]
    known.remove(left.elements())
    assert not known
    assert known.bytes_used == 0


def test_one_that_is_added_very_often_is_found_until_it_is_removed_as_often() -> None:
    known = PieceSet()
    known.add([7] * 1000)
    known.remove([7] * 999)
    assert [*known.found_in([7])] == [0]
    known.remove([7])
    known.add([8])
    assert [*known.found_in([7, 8])] == [1]


def test_millions_of_integers_take_about_eight_bytes_each() -> None:
    known = PieceSet()
    pieces = [(number * 2**40 + number * 7919) % 2**64 for number in range(100_000)]
    known.add(pieces)
    assert [*known.found_in(pieces[::997])] == [*range(len(pieces[::997]))]
    assert not [*known.found_in([piece + 1 for piece in pieces[::997]])]
    assert known.bytes_used < 2**20 + 10 * len(pieces)
    known.remove(pieces)
    assert not known
