"""What the end of a host tells of the calls that were under way."""

from __future__ import annotations

import pytest

from floe_operator.plugin_host.triage import Blame, Finding, triage


@pytest.mark.parametrize(
    ("blame", "hung", "alone", "finding"),
    [
        (Blame.INNOCENT, False, False, Finding.UNHARMED),
        (Blame.INNOCENT, True, True, Finding.UNHARMED),
        (Blame.SUSPECT, False, False, Finding.SUSPECT),
        (Blame.SUSPECT, True, False, Finding.SUSPECT),
        (Blame.SUSPECT, False, True, Finding.CRASHED),
        (Blame.SUSPECT, True, True, Finding.HUNG),
        (Blame.CAUSE, False, False, Finding.CRASHED),
        (Blame.CAUSE, True, False, Finding.HUNG),
        (Blame.CAUSE, False, True, Finding.CRASHED),
        (Blame.CAUSE, True, True, Finding.HUNG),
    ],
)
def test_a_call_is_found_guilty_only_where_nothing_else_can_be(
    blame: Blame, hung: bool, alone: bool, finding: Finding
) -> None:
    assert triage(blame, hung=hung, alone=alone) is finding
