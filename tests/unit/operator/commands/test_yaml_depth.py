"""How deeply YAML and JSON can be nested: our limits, in our words, whatever libyaml or Python is used.

These tests need only PyYAML: they also run with a PyYAML whose libyaml has no limit.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from floe_operator.commands.manifest_text import UnreadableText, read_text
from floe_operator.rules.plain_yaml import NotPlain, parse_mapping

TOO_DEEP = [65, 201, 999, 1000, 1001, 1500, 100_000]
FORMS: dict[str, Callable[[int], str]] = {
    "an unclosed list": lambda levels: "[" * levels,
    "mappings in lists": lambda levels: "[{" * (levels // 2) + "[" * (levels % 2),
    "a list in a value": lambda levels: "a: " + "[" * (levels - 1) + "]" * (levels - 1),
    "a line below others": lambda levels: "a: [\n" + "[" * (levels - 2) + "]" * (levels - 2) + "\n]",
    "a list before invalid YAML": lambda levels: "a: " + "[" * (levels - 1) + "]}",
    "a block": lambda levels: "- " * levels,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("levels", TOO_DEEP)
def test_configuration_deeper_than_64_levels_is_refused_in_our_words(form: str, levels: int) -> None:
    with pytest.raises(NotPlain, match=r"^line [12] is nested deeper than 64 levels$"):
        parse_mapping(FORMS[form](levels))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("levels", [levels for levels in TOO_DEEP if levels > 200])
def test_a_manifest_deeper_than_200_levels_is_refused_in_our_words(form: str, levels: int) -> None:
    with pytest.raises(UnreadableText, match=r"^it is nested deeper than 200 levels$") as refused:
        list(read_text(FORMS[form](levels)))
    assert refused.value.line in (1, 2)


@pytest.mark.parametrize("levels", [levels for levels in TOO_DEEP if levels > 200])
def test_a_json_manifest_deeper_than_200_levels_is_refused_in_our_words(levels: int) -> None:
    with pytest.raises(UnreadableText, match=r"^it is nested deeper than 200 levels$") as refused:
        list(read_text('{"a":\n' + "[" * levels))
    assert refused.value.line == 2


@pytest.mark.parametrize(("links", "deep"), [(199, False), (200, True), (1_200, True)])
def test_levels_are_counted_through_aliases(links: int, deep: bool) -> None:
    chain = ["a0: &a0 []", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, links))]
    if deep:
        with pytest.raises(UnreadableText, match=r"^it is nested deeper than 200 levels"):
            list(read_text("\n".join(chain)))
    else:
        [part] = read_text("\n".join(chain))
        assert part.value[f"a{links - 1}"]


def test_brackets_in_text_do_not_count_as_nesting() -> None:
    brackets = "[{" * 2_000
    assert parse_mapping(f'a: "{brackets}"') == {"a": brackets}
    [part] = read_text(f'a: "{brackets}"')
    assert part.value == {"a": brackets}
    [part] = read_text(f'{{"\\"{brackets}": "\\\\", "b": "{brackets}"}}')
    assert part.value == {f'"{brackets}': "\\", "b": brackets}


def test_the_maximum_number_of_levels_is_read() -> None:
    assert parse_mapping("a: " + "[" * 63 + "]" * 63)["a"][0]
    for text in ('{"a": ' + "[" * 199 + "]" * 199 + "}", "a: " + "[" * 199 + "]" * 199):
        [part] = read_text(text)
        assert part.value["a"][0]


@pytest.mark.parametrize("text", ["a: [}", "a: ]", "a: '" + "[" * 2_000, 'a: "\\q' + "[" * 2_000 + '"'])
def test_text_that_is_merely_not_yaml_is_not_called_deep(text: str) -> None:
    with pytest.raises(NotPlain, match=r"not valid YAML$"):
        parse_mapping(text)


def test_the_limit_holds_without_libyaml() -> None:
    code = """if True:
        import yaml
        del yaml.CSafeLoader
        from floe_operator.rules.plain_yaml import NotPlain, parse_mapping
        for levels in (65, 1500):
            try:
                parse_mapping("[" * levels)
            except NotPlain as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[4] / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["line 1 is nested deeper than 64 levels"] * 2, done.stderr
