"""Texts in YAML and JSON, plain and odd, that `validate` and kubectl must accept, refuse and read alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

HEAD = "apiVersion: floe.dev/v1alpha1\nkind: FloePlugin\nmetadata: {name: dbt-a}\n"
ONE = f"{HEAD}spec: {{type: dbt, name: a}}\n"
OTHER = ONE.replace("dbt-a", "dbt-b").replace("name: a}", "name: b}")
BAD = ONE.replace("name: a}", "name: A}")
OBJECT: dict[str, Any] = {
    "apiVersion": "floe.dev/v1alpha1",
    "kind": "FloePlugin",
    "metadata": {"name": "dbt-a"},
    "spec": {"type": "dbt", "name": "a"},
}
JSON = json.dumps(OBJECT)
OTHER_JSON = JSON.replace("dbt-a", "dbt-b").replace('"a"', '"b"')


def config(text: str) -> str:
    """Return a manifest with some lines of YAML in its configuration."""
    inside = text.replace("\n", "\n    ")
    return f"{HEAD}spec:\n  type: dbt\n  name: a\n  config:\n    {inside}\n"


def flow(text: str) -> str:
    """Return a manifest with more in its spec, which is in braces."""
    return f"{HEAD}spec: {{type: dbt, name: a, {text}}}\n"


def value(text: str) -> str:
    """Return a manifest with one value in its configuration."""
    return config(f"v: {text}")


def json_value(text: str) -> str:
    """Return a manifest in JSON with one value in its configuration."""
    return f'{JSON[:-2]}, "config": {{"v": {text}}}}}}}'


def listed(text: str, head: str = "apiVersion: v1\nkind: List") -> str:
    """Return a list with a manifest in it."""
    inside = text.rstrip("\n").replace("\n", "\n  ")
    return f"{head}\nitems:\n- {inside}\n"


def apart(texts: str) -> list[str]:
    """Return the texts that two spaces or a line feed separate."""
    return re.split(r"\s*\n\s*|  +", texts.strip())


_DIRECTIVES = {
    "%YAML 1.1": f"%YAML 1.1\n---\n{ONE}",
    "%YAML 1.2": f"%YAML 1.2\n---\n{ONE}",
    "%TAG": f"%TAG ! tag:x,2000:\n---\n{ONE}",
    "an unknown directive": f"# a\n%FOO bar\n---\n{ONE}",
    "a directive for the second document": f"{ONE}---\n%YAML 1.1\n---\n{OTHER}",
}
_SEPARATORS: dict[str, str | bytes] = {
    "one document": ONE,
    "two documents": f"{ONE}---\n{OTHER}",
    "a bad second document": f"{ONE}---\n{BAD}",
    "a leading ---": f"---\n{ONE}",
    "a trailing ---": f"{ONE}---\n",
    "--- with a comment": f"--- # a\n{ONE}",
    "--- with spaces": f"---  \n{ONE}",
    "--- with content": f"{ONE}--- {{a: b}}\n---\n{OTHER}",
    "--- with a tag": f"--- !!map\n{ONE}",
    "--- with a letter": f"{ONE}---x\n",
    "--- in a block": value("|\n  ---\n  a"),
    "--- in a quoted text": flow("config: {v: 'x\n---\ny'}"),
    "--- in a quoted text, indented": flow("config: {v: 'x\n --- y'}"),
    "an empty document between others": f"{ONE}---\n---\n{OTHER}",
    "a document of comments between others": f"{ONE}---\n# a\n---\n{OTHER}",
    "comments before the first document": f"# a\n\n---\n{ONE}",
    "null as a document": f"---\n~\n---\n{ONE}",
    "the end of a document": f"{ONE}...\n# a\n",
    "the end of a document before ---": f"{ONE}...\n---\n{OTHER}",
    "carriage returns": f"{ONE}---\n{OTHER}".replace("\n", "\r\n"),
    "no line feeds": ONE.replace("\n", "\r"),
    "a byte order mark": f"\ufeff{ONE}",
    "a byte order mark in the middle": f"{ONE}---\n\ufeff{OTHER}",
    "UTF-16": ONE.encode("utf-16"),
    "UTF-16 without a byte order mark": ONE.encode("utf-16-le"),
}
_CHARACTERS = (
    {
        f"the character U+{ord(each):04X}, {how}": value(written.format(each))
        for each in "\x00\x01\x1b\x7f\x80\x85\u00a0\u2028\u2029\ud7ff\ufeff\ufffe\uffff\U0001f600"
        for how, written in (("plain", "a{}b"), ("quoted", '"a{}b"'))
    }
    | {
        f"the escape {written}": value(f'"a{written}b"')
        for written in apart(r"""
    \0  \e  \x1f  \x7f  \x80  \xa0  \ud800  \udc00  \ud83d\ude00  \ufffe  \U0001f600  \UFFFFFFFF  \_\L\P
    \/  \\/  \q  \u12
""")
    }
    | {"the escape of a line": value('"a\\\n  b"')}
)
_TABS = {
    "tabs for indentation": f"{HEAD}spec:\n\ttype: dbt\n\tname: a\n",
    "a tab after a colon": f"{HEAD}spec:\n  type:\tdbt\n  name:\ta\n",
    "tabs in braces": f"{HEAD}spec: {{\ttype: dbt,\n\tname: a}}\n",
    "a tab at the end of a line": f"{HEAD}spec:\t\n  type: dbt\n  name: a\n",
    "a line of a tab": f"{ONE}\t\n\t# a\n",
    "a tab after a hyphen": value("\n-\ta"),
    "a tab in a block": value("|\n  a\n  \tb"),
}
_JSON = {
    "JSON": JSON,
    "JSON with line feeds": f"\n {json.dumps(OBJECT, indent=2)}\n",
    "JSON with tabs": json.dumps(OBJECT, indent="\t"),
    "JSON after a byte order mark": f"\ufeff{JSON}",
    "JSON after a form feed": f"\f{JSON}",
    "JSON with a trailing comma": f"{JSON[:-1]},}}",
    "JSON with a missing comma": json_value('1 "w": 2'),
    "JSON with a comment": f"{JSON}\n# a\n",
    "JSON with a comment inside": f"{{\n# a\n{JSON[1:]}",
    "JSON with a comment of JavaScript": f"// a\n{JSON}",
    "JSON with single quotes": JSON.replace('"', "'"),
    "JSON that is not closed": JSON[:-1],
    "JSON that is closed twice": f"{JSON}}}",
    "two documents of JSON": f"{JSON}{OTHER_JSON}",
    "two lines of JSON": f"{JSON}\n{OTHER_JSON}\n",
    "two documents of JSON and then YAML": f"{JSON}{OTHER_JSON}\n---\n{ONE}",
    "two documents of JSON with ---": f"{JSON}\n---\n{OTHER_JSON}",
    "JSON and then YAML": f"{JSON}\n---\n{OTHER}",
    **{
        f"the JSON {text}": json_value(text)
        for text in apart(r"""
    "\ud800"  "\ud83d\ude00"  "\u0000"  "\u0080"  "\/"  "\q"  "\x41"  {"\ud800": 1}  NaN  -Infinity
    True  1e999  1e3  -0.0  01  +1  .5  0x10  [1,]  9223372036854775808  1.0
""")
    },
    "a tab in JSON": json_value('"a\tb"'),
    "a line feed in JSON": json_value('"a\nb"'),
    "a long number in JSON": json_value("1" * 400),
}
_ALIASES = {
    "an anchor and its alias": config("v: &a {x: 1}\nw: *a"),
    "an anchor that is used twice": config("v: &a 1\nw: &a 2\nz: *a"),
    "an alias without an anchor": value("*a"),
    "an alias of another document": f"{ONE.replace('dbt, ', '&a dbt, ')}---\n{OTHER.replace('dbt,', '*a ,')}",
    "a list in itself": value("&a [*a]"),
    "a mapping in itself": value("&a {b: *a}"),
    "an alias as a key": config("v: &a x\n*a : 1"),
    "an alias of a mapping as a key": config("v: &a {x: 1}\n*a : 1"),
    "a merge": config("v: &a {x: 1}\nw: {<<: *a, y: 2}"),
    "a merge of several": config("v: &a {x: 1}\nw: {<<: [*a, {x: 2, z: 1}]}"),
    "a merge of an alias of a list": config("v: &a [{x: 1}]\nw: {<<: *a}"),
    "a merge after its key": value("{a: 1, <<: {a: 2}}"),
    "two merges": value("{<<: {a: 1}, <<: {b: 1}}"),
    "a merge of merges": config("v: &a {x: 1}\nw: &b {<<: *a}\nz: {<<: *b}"),
    "a merge into the spec": f"{HEAD}spec: {{<<: {{type: dbt}}, name: a}}\n",
    "a quoted merge": value('{"<<": {a: 1}}'),
    "a merge with a tag": value("{!!merge <<: {b: 1}}"),
    "the tag of a merge": value("{!!merge a: {b: 1}}"),
    "a merge of lists": value("{<<: [[{a: 1}]]}"),
    **{
        f"a merge of {text or 'nothing'}": value(f"{{<<: {text}}}") for text in ("", "a", "null", "[a]", "[]")
    },
}
_KEYS = {
    f"the key {text}": config(f"{text}: a")
    for text in apart(r"""
    ~  null  '~'  [a]  {a: b}  1  0x1F  1.5  1e10  -0.0  1e-7  .inf  .nan  18446744073709551615  yes
    !x y  123456789012345678901234567890  2020-01-01  !!null ''  !!binary YQ==  !!int '1'
""")
} | {
    "an empty key": config(": a"),
    "a long key": config(f"{'k' * 1100}: a"),
    "a key of two lines": config('"a\n b": c'),
    "a key after a question mark": config("? a\n: b"),
}
_SCALARS = {
    f"the value {text}": value(text)
    for text in apart(r"""
    010  0o7  0o9  08  1e3  +1  1_0  1__0  _1  0x  0b11  -0b11  .  .5  ._5  .1_0  .5e3  .1e999  1e999
    .inf  -.inf  .nan  inf  NaN  yes  on  y  'yes'  2020-01-01  2020-1-1 1:2:3  12:30  '1'  null
    [null, ~]  =  <<  [<<]  a#b  a: b  - a  @a  `a  %a  'a  'a' b  [a: b, c]  {a, b: }  [a,,b]  [,a]
    {"a":1}  {a:1}  {a: b}#c  [http://a/b]  [a?b]  a?b  {? a : b}  [-]  [- a]  -a  ? a
    99999999999999999999
""")
} | {
    "no value": value(""),
    "a value of two lines": value("a\n  b"),
    "a block": value(">-\n  a\n  b"),
    "a block with a wide indentation": value("|2\n    a"),
    "a block without indentation": value("|0\n  a"),
    "a long line": value("x" * 200_000),
    "a long number": value("9" * 400),
    "a long hexadecimal number": value(f"0x{'f' * 400}"),
}
_TAGS = {
    f"the value {text}": value(text)
    for text in apart(r"""
    !!str 1  !!str ~  !!str  !!str [a]  !!str {a: b}  !!int '1'  !!int x  !!int 1.0  !!int ''  !!int [a]
    !!float 1  !!float x  !!float 1e999  !!float .inf  !!float {a: b}  !!bool yes  !!bool 'true'
    !!bool x  !!bool ''  !!bool [a]  !!bool {a: b}  !!null  !!null ''  !!null x  !!null [a]  !!seq [a]
    !!seq {a: b}  !!seq x  !!map {a: b}  !!map [a]  !!map x  !!map  !!binary YQ==  !!binary '*'
    !!binary /w==  !!timestamp 2020-01-01  !!timestamp x  !!set {a, b}  !!omap [a: 1]  !!merge x
    !!value =  !!python/object:os.system ls  !x 1  !x {a: b}  !x  !x ~  ! 1  ! '1'  !
    !<tag:yaml.org,2002:str> 1  !<> 1  !a!b 1  !! 1  !!%73tr 1  !a%zz 1  !%00number 1
""")
} | {
    "several lines of base64": value("!!binary |\n  YQ\n  =="),
    "a tag on the document": f"!x\n{ONE}",
    "a tag on the spec": f"{HEAD}spec: !x {{type: !x dbt, name: a}}\n",
    "a name in base64": ONE.replace("name: a}", "name: !!binary YQ==}"),
}
_FIELDS = {
    f"the field {text}": flow(text)
    for text in apart("""
    probe: {periodSeconds: 010}  probe: {periodSeconds: 0o17}  probe: {periodSeconds: 1e1}
    probe: {periodSeconds: '10'}  probe: {periodSeconds: !!int '10'}  probe: {periodSeconds: !!str 10}
    probe: {periodSeconds: 1:00}  probe: {periodSeconds: 4294967297}  probe: {periodSeconds: 10.0}
    version: yes  version: 1.0  version: ==1  version: null  config: 1  config: {a: null}
    configFrom: [null]  configFrom: null  unknown: 1
""")
}
_LISTS = {
    "a list": listed(ONE),
    "a list with a bad item": listed(BAD),
    "a list with another field": listed(ONE, "apiVersion: v1\nkind: List\nmetadata: {}\nx: y"),
    "a list of FloePlugins": listed(ONE, "apiVersion: floe.dev/v1alpha1\nkind: FloePluginList"),
    "a list of FloePlugins of another version": listed(ONE, "apiVersion: floe.dev/v1\nkind: FloePluginList"),
    "a list that gives the kind": listed(
        ONE.partition("\n")[2].partition("\n")[2], "apiVersion: floe.dev/v1alpha1\nkind: FloePluginList"
    ),
    "a list that gives the kind of a bad item": listed(
        BAD.partition("\n")[2].partition("\n")[2], "apiVersion: floe.dev/v1alpha1\nkind: FloePluginList"
    ),
    "a list without apiVersion": listed(ONE, "kind: List"),
    "a list with another apiVersion": listed(ONE, "apiVersion: x/v1\nkind: List"),
    "a list of something else": listed(ONE, "apiVersion: v1\nkind: OtherList"),
    "a list of something else in the group": listed(ONE, "apiVersion: floe.dev/v1alpha1\nkind: OtherList"),
    "a list with null": listed(ONE) + "- null\n",
    "a list with a text": listed(ONE) + "- a\n",
    "a list in a list": listed(listed(ONE)),
    "items in a FloePlugin": f"{ONE}items: []\n",
    "a list in a FloePlugin": f"{ONE}items: [{{a: b}}]\n",
}

STRICTER: dict[str, tuple[str | bytes, str]] = {
    # what only validate refuses: (text, why)
    "a repeated key": (config("v: 1\nv: 2"), "kubectl keeps the last; kustomize and Flux refuse it"),
    "a repeated field": (flow("name: a"), "the same"),
    "the same key as a number and a text": (config("1: a\n'1': b"), "kubectl keeps either, at random"),
    "the same key in two words": (config("yes: a\ntrue: b"), "kubectl keeps either, at random"),
    "a repeated key in JSON": (json_value('1, "v": 2'), "kubectl keeps the last"),
    "a document after the end of another": (f"{ONE}...\n{OTHER}", "kubectl ignores it"),
    "nonsense after the end of a document": (f"{ONE}...\n[\n", "kubectl ignores it"),
    "a directive after the end of a document": (f"{ONE}...\n%YAML 1.2\n---\n{OTHER}", "kubectl ignores it"),
    "a directive after ---": (f"---\n%YAML 1.2\n---\n{ONE}", "kubectl ignores it"),
    "bytes that are not UTF-8": (ONE.encode() + b"# \xe9\n", "kubectl replaces them"),
    "the escape of a next line": (value('"a\\N"'), "server-side apply makes a space of it"),
    "201 levels": (value("[" * 199 + "]" * 199), "no configuration needs them"),
    "201 levels of JSON": (json_value("[" * 198 + "]" * 198), "no configuration needs them"),
    "an escaped single quote": (value('"\\\'"'), "no YAML: only kubectl's parser knows it"),
    "a colon before a brace": (value("{a:}"), "other parsers disagree on what it means"),
}
_GROUPS: list[Mapping[str, str | bytes]] = [
    *(_DIRECTIVES, _SEPARATORS, _CHARACTERS, _TABS, _JSON, _ALIASES, _KEYS, _SCALARS, _TAGS, _FIELDS, _LISTS)
]
TEXTS = {what: text for group in _GROUPS for what, text in group.items()}
