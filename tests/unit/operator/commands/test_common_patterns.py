"""Patterns that mean the same to RE2, ECMA 262 and the plugin."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pytest
import regress
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic_core import SchemaError

from floe_operator.commands.common_patterns import common_pattern
from tests.support.pattern_strategies import patterns

KEPT = [
    r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    r"^\d{3}-\d{4}$",
    r"^a+?b*c??$",
    r"\x41\t\n",
    r"[\d.]+",
    "",
    "é|ü",
    "a{1000}",
]
REWRITTEN = [
    (r"^\-\_\@\:$", "^-_@:$"),
    ("a/b", r"a\/b"),
    ("[-a]", r"[\-a]"),
    ("[a-]", r"[a\-]"),
    ("[a^b]", r"[a\^b]"),
    (r"a\{x\}", r"a\{x\}"),
    ("^s3://.+$", r"^s3:\/\/[^\n]+$"),
    (r"^\S+$", r"^[^\t\n\f\r ]+$"),
    (r"[^\s,]", r"[^\t\n\f\r ,]"),
    ("a]", r"a\]"),
]
UNCOMMON = [
    "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?P<n>a)", "(?<n>a)", "(?P=n)", r"(a)\1", r"\k<n>", "(?i)a",
    "(?i:a)", "(?>a)", "a++", "a*+", "a**", "a{2}{3}", "(?#a)", r"\w", r"\s", r"\b", r"\B", r"[\w]",
    r"[^\S]", r"[^\W]", r"[^\D]", r"\p{L}", r"\pL", r"\u00e9", r"\x{e9}", r"\x4", r"\a", r"\A", r"\z",
    r"\Z", r"\G", r"\Q", r"\cA", r"\0", r"\e", "[[:alpha:]]", "[a&&b]", "[a--b]", "[a~~b]", "[a||b]",
    "[[a]b]", "[]a]", "[^]a]", "[]", "[a", "[b-a]", r"[\d-z]",
    r"[^\s-z]", r"[a-\d]", "a{,3}", "a{1,x}", "a{3,1}",
    "a{1001}", "(?:a{40}){40}", "((a{11}){11}){11}", "(?:a{100}b{100}){60}", "*a", "(*a)", "a|*", "^*",
    "$+", "(a", "a)", "(?", "(?:", "\\", "(" * 60 + ")" * 60, "a" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("pattern", KEPT)
def test_what_all_understand_is_kept_and_at_most_escaped(pattern: str) -> None:
    common = common_pattern(pattern)
    assert common is not None
    assert common.replace(r"\/", "/").replace(r"\-", "-") == pattern


@pytest.mark.parametrize(("pattern", "common"), REWRITTEN)
def test_what_some_need_escaped_is_escaped(pattern: str, common: str) -> None:
    assert common_pattern(pattern) == common


@pytest.mark.parametrize("pattern", UNCOMMON, ids=range(len(UNCOMMON)))
def test_what_some_refuse_or_read_otherwise_is_left_out(pattern: str) -> None:
    assert common_pattern(pattern) is None


TEXTS = st.text(st.sampled_from("aAbz09-_. éß\t\n\r\u2028\ufeff\xa0{}]^x"), max_size=8)


@settings(max_examples=500)
@given(pattern=patterns, text=TEXTS, engine=st.sampled_from(["rust-regex", "python-re"]))
def test_what_the_plugin_takes_matches_the_common_pattern_too(
    pattern: str, text: str, engine: Literal["rust-regex", "python-re"]
) -> None:
    common = common_pattern(pattern)
    if common is None or (engine == "python-re" and "$" in pattern):  # whose `$` the schema tells apart
        return
    in_ecma_262 = regress.Regex(common, flags="u")
    regress.Regex(common)
    in_re2 = re.compile(common, re.ASCII)
    try:
        plugin = create_model(
            "Plugin",
            __config__=ConfigDict(regex_engine=engine),
            a=(Annotated[str, Field(pattern=pattern)], ...),
        )
    except (re.error, SchemaError, OverflowError):
        return  # no pattern for this engine
    try:
        plugin(a=text)
    except ValidationError:
        return
    assert in_re2.search(text)
    assert in_ecma_262.find(text) is not None
