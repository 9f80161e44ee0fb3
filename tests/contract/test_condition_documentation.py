"""docs/conditions.md explains every reason of every condition exactly once."""

from __future__ import annotations

import re
from pathlib import Path

from floe_operator.rules.conditions import TABLE, Outcome
from floe_operator.rules.resource import CONDITION_TYPES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "conditions.md").read_text()
_SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)

STATUS = {
    Outcome.TRUE: "True",
    Outcome.FALSE: "False, Reconciling",
    Outcome.STALLED: "False, Stalled",
    Outcome.IDLE: "False",
    Outcome.STALLED_WITHOUT_SOURCES: "False, Stalled without `configFrom`, else Reconciling",
    Outcome.UNKNOWN: "Unknown, Reconciling",
}


def sections() -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in _SECTION.finditer(PAGE)]


def test_every_condition_has_one_section_in_the_order_of_the_status() -> None:
    assert tuple(kind for kind, _ in sections()) == CONDITION_TYPES


def test_the_page_explains_each_reason_once_with_its_status_and_no_others() -> None:
    documented = [(kind, row[1], row[2]) for kind, text in sections() for row in _ROW.finditer(text)]
    assert documented == [
        (kind, reason.text, STATUS[reason.outcome]) for kind, table in TABLE.items() for reason in table
    ]


def test_the_page_says_what_to_do_about_each_reason_that_is_not_true() -> None:
    silent = [
        row[1]
        for _, text in sections()
        for row in _ROW.finditer(text)
        if row[2] != "True" and not row[4].strip()
    ]
    assert silent == []
