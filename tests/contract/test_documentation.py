"""The docs match the repository: modules, condition reasons, Makefile targets and links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from floe_operator.rules.conditions import TABLE, Outcome

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), REPOSITORY / "examples" / "README.md"]
)
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
FOLDERS = {
    "floe_core": {
        "floe_core": "",
        **{
            f"floe_core/{folder}": f"{folder}/"
            for folder in ("_finding", "_loading", "_configuring", "_running", "host")
        },
    },
    "floe_operator": {
        "operator/floe_operator": "",
        **{f"operator/floe_operator/{folder}": f"{folder}/" for folder in ("rules", "api", "plugin_host")},
    },
}
"""For each product, the folders whose modules the page lists, with the prefix of the modules' names."""
COMMANDS = {"run", "list", "validate", "schema"}
STATUSES = {Outcome.TRUE: "True", Outcome.UNKNOWN: "Unknown"}


def named(product: str) -> set[str]:
    """Return the names in backticks in the product's table, without folders."""
    section = ARCHITECTURE.partition(f"### `{product}`\n")[2].partition("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([a-z_/]+)`", row) if not name.endswith("/")}


def modules(product: str) -> set[str]:
    return {
        prefix + path.stem
        for folder, prefix in FOLDERS[product].items()
        for path in (REPOSITORY / folder).glob("*.py")
        if not path.stem.startswith("_")
    }


@pytest.mark.parametrize("product", FOLDERS)
def test_the_architecture_page_lists_every_module(product: str) -> None:
    assert modules(product) - named(product) == set()


@pytest.mark.parametrize("product", FOLDERS)
def test_the_architecture_page_lists_no_module_that_does_not_exist(product: str) -> None:
    assert named(product) - modules(product) - COMMANDS == set()


def test_the_readme_lists_every_reason_of_every_condition() -> None:
    header = "| condition | True | False | Unknown |\n|---|---|---|---|\n"
    table = (REPOSITORY / "README.md").read_text().partition(header)[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]

    expected = {}
    for kind, reasons in TABLE.items():
        cells: dict[str, list[str]] = {"True": [], "False": [], "Unknown": []}
        for reason in reasons:
            cells[STATUSES.get(reason.outcome, "False")].append(reason.text)
        expected[kind] = [", ".join(cell) for cell in cells.values()]

    assert {row[0].split()[0]: row[1:] for row in rows if row[0] != "Ready"} == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_mentions_only_existing_makefile_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE)

    assert set(commands) - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_on_a_page_has_a_target(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]

    assert [link for link in links if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return False
    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else []
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return not anchor or anchor in anchors
