"""What the end of a plugin host reveals about the calls that were running."""

from __future__ import annotations

import pytest

from floe_operator.plugin_host.triage import Blame, Diagnosis, triage


@pytest.mark.parametrize(
    ("blame", "hung", "alone", "diagnosis"),
    [
        (Blame.INNOCENT, False, False, Diagnosis.UNHARMED),
        (Blame.INNOCENT, True, True, Diagnosis.UNHARMED),
        (Blame.SUSPECT, False, False, Diagnosis.SUSPECT),
        (Blame.SUSPECT, True, False, Diagnosis.SUSPECT),
        (Blame.SUSPECT, False, True, Diagnosis.CRASHED),
        (Blame.SUSPECT, True, True, Diagnosis.HUNG),
        (Blame.CAUSE, False, False, Diagnosis.CRASHED),
        (Blame.CAUSE, True, False, Diagnosis.HUNG),
        (Blame.CAUSE, False, True, Diagnosis.CRASHED),
        (Blame.CAUSE, True, True, Diagnosis.HUNG),
    ],
)
def test_a_call_is_blamed_only_if_nothing_else_can_be_the_cause(
    blame: Blame, hung: bool, alone: bool, diagnosis: Diagnosis
) -> None:
    assert triage(blame, hung=hung, alone=alone) is diagnosis
