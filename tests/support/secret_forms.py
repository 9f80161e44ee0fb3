"""The forms in which programs print a secret, each with a fresh secret of the kind that shows it.

Knows what a printed form gives away: `reveals` compares it with the same form of another secret, and shares
no code with what removes secrets. It needs the standard library only, apart from the kinds of secrets and the
functions that print them, so that plugins can use its source.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import html
import json
import quopri
import re
import reprlib
import shlex
import textwrap
import unicodedata
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote, urlencode, urlsplit

from tests.support.secret_kinds import (
    a_uuid,
    accented,
    docker_config,
    document,
    foreign,
    hexadecimal,
    in_base64,
    json_in_base64,
    lines,
    mixed,
    pem,
    percent_encoded,
    short_hexadecimal,
    text_in_hex,
    token,
    url,
    words,
)
from tests.support.secret_printing import (
    b64,
    backslashed,
    basic,
    body_of,
    claims,
    cut,
    der_of,
    doubled,
    each_byte,
    each_character,
    grouped,
    html_name,
    in_turn,
    lower_percent,
    numbered,
    octal,
    password_in,
    password_of,
    registry_auth,
    rot47,
    sevens,
    string_in,
    syntax_error,
    yaml_folded,
)

_PIECE = 8
"""How many consecutive characters of a secret must not stay readable."""
_QUOTED, _FOREIGN, _BASE64, _HEX, _PERCENT, _ESCAPES = 12, 24, 11, 16, 24, 32
"""How many printed characters hold about as many of the secret, in these encodings."""


@dataclass(frozen=True)
class Form:
    """One way to print one kind of secret."""

    name: str
    secret: Callable[[], str]
    """Makes a new secret: random, and different in every part from the one before."""
    printed: Callable[[str], str]
    """Returns the text that a program prints."""
    piece: int = _PIECE
    """How many consecutive characters of the text must not stay."""
    by_design_not: str = ""
    """Why the secret is not looked for in this form; empty if it must be removed."""

    def __str__(self) -> str:
        return self.name


def reveals(form: Form, secret: str, text: str) -> set[str]:
    """Return the telling pieces of the printed secret that are in a text."""
    return telling_pieces(form, secret) & _pieces(text, form.piece)


def telling_pieces(form: Form, secret: str) -> set[str]:
    """Return the pieces of the printed secret, without those of which half looks the same with another one.

    White space counts as collapsed too.
    """
    half = form.piece // 2
    common = {piece for _ in range(5) for piece in _pieces(form.printed(form.secret()), half)}
    pieces = _pieces(form.printed(secret), form.piece)
    return {piece for piece in pieces if not common & _pieces(piece, half)}


def _pieces(text: str, length: int) -> set[str]:
    return {
        each[at : at + length]
        for each in (text, " ".join(text.split()))
        for at in range(len(each) - length + 1)
    }


AS_IT_IS = (
    Form("raw", token, str),
    Form("raw, of words", words, str),
    Form("raw, beyond ASCII", foreign, str),
    Form("in a sentence", mixed, lambda text: f"cannot log in as floe with {text}, try again"),
    Form("between other characters", mixed, lambda text: f"xx{text}yy"),
    Form("of a configuration file", token, lambda text: f"api_key={text};"),
)

QUOTED = (
    Form("repr", words, repr, _QUOTED),
    Form("repr of foreign words", foreign, repr),
    Form("ascii", foreign, ascii, _FOREIGN),
    Form("bytes", foreign, lambda text: repr(text.encode()), _FOREIGN),
    Form("bytes in a repr", words, lambda text: repr(repr(text.encode())), _QUOTED),
    Form("repr of a dictionary", words, lambda text: repr({"password": text}), _QUOTED),
    Form("key of a dictionary", words, lambda text: repr({text: {text: None}}), _QUOTED),
    Form("repr of a repr", words, lambda text: repr(repr(text)), _QUOTED),
    Form("repr of a repr of a repr", words, lambda text: repr(repr(repr(text))), _QUOTED),
    Form("f-string with !r", words, lambda text: f"connect(password={text!r}) failed", _QUOTED),
    Form("json", words, lambda text: json.dumps({"password": text}), _QUOTED),
    Form("json of foreign words", foreign, json.dumps, _FOREIGN),
    Form("json as it is", foreign, lambda text: json.dumps(text, ensure_ascii=False)),
    Form("json of lines", lines, json.dumps),
    Form("json in json", words, lambda text: json.dumps(json.dumps({"k": text})), _QUOTED),
    Form("json in json in json", foreign, lambda text: json.dumps(json.dumps(json.dumps(text))), 32),
    Form("repr in json", words, lambda text: json.dumps(repr(text)), _QUOTED),
    Form("json in a repr", words, lambda text: repr(json.dumps(text)), _QUOTED),
    Form(
        "json for html",
        words,
        lambda text: re.sub("[<>&']", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text)),
        16,
    ),
    Form("json of php", words, lambda text: json.dumps(text).replace("/", "\\/"), _QUOTED),
    Form("escapes of every character", mixed, lambda text: each_character(text, "\\u{:04x}"), 48),
    Form("hex escapes of every byte", foreign, lambda text: each_byte(text, "\\x{:02x}"), _ESCAPES),
    Form("octal escapes", foreign, lambda text: re.sub(r"[^ -~]", octal, text), _FOREIGN),
    Form(
        "long escapes",
        foreign,
        lambda text: re.sub(r"[^ -~]", lambda at: f"\\U{ord(at[0]):08x}", text),
        _FOREIGN,
    ),
    Form(
        "escapes with braces",
        foreign,
        lambda text: re.sub(r"[^ -~]", lambda at: f"\\u{{{ord(at[0]):x}}}", text),
        _FOREIGN,
    ),
    Form("shell", words, shlex.quote, _QUOTED),
    Form(
        "shell, double quotes", words, lambda text: '"' + re.sub(r'(["\\$`])', r"\\\1", text) + '"', _QUOTED
    ),
    Form("shell, escapes", words, lambda text: "$" + repr(text + "'\""), _QUOTED),
    Form("sql", words, lambda text: f"ALTER ROLE floe PASSWORD '{doubled(text)}'", _QUOTED),
    Form("csv", words, lambda text: '"' + text.replace('"', '""') + '"', _QUOTED),
    Form("regular expression", words, re.escape, _QUOTED),
    Form("yaml, plain", mixed, lambda text: f"token: {text}\nuser: floe\n"),
    Form("yaml, single quotes", words, lambda text: f"token: '{doubled(text)}'\n", _QUOTED),
    Form("yaml, double quotes", foreign, lambda text: f"token: {json.dumps(text)}\n", _FOREIGN),
    Form("yaml, folded", words, yaml_folded, _QUOTED),
    Form("yaml, block", lines, lambda text: "token: |\n" + textwrap.indent(text, "    ")),
    Form("toml", words, lambda text: f"token = {json.dumps(text, ensure_ascii=False)}", _QUOTED),
    Form("toml, three quotes", lines, lambda text: f'token = """\n{text}"""'),
    Form("ini", words, lambda text: f"token = {text.replace('%', '%%')}", _QUOTED),
    Form("html text", words, lambda text: f"<p>{html.escape(text, quote=False)}</p>", 16),
    Form("html attribute", words, lambda text: f'<input value="{html.escape(text)}">', 16),
    Form("html, decimal", mixed, lambda text: each_character(text, "&#{};"), 40),
    Form("html, hex", mixed, lambda text: each_character(text, "&#x{:x};"), 48),
    Form(
        "xml beyond ASCII", foreign, lambda text: text.encode("ascii", "xmlcharrefreplace").decode(), _FOREIGN
    ),
    Form("html, names", foreign, lambda text: re.sub("[éöñß]", html_name, text), _FOREIGN),
    Form("html, twice", words, lambda text: html.escape(html.escape(text)), _FOREIGN),
    Form("libpq", words, lambda text: f"user=floe password='{backslashed(text)}' host=db", _QUOTED),
    Form("odbc", words, lambda text: "UID=floe;PWD={" + text.replace("}", "}}") + "}"),
)

ENCODED = (
    Form("percent", words, lambda text: quote(text, safe=""), _QUOTED),
    Form("percent, slashes", words, quote, _QUOTED),
    Form("percent, lower case", words, lambda text: lower_percent(quote(text, safe="")), _QUOTED),
    Form("percent, foreign", foreign, lambda text: quote(text, safe=""), _FOREIGN),
    Form("percent of everything", mixed, lambda text: each_byte(text, "%{:02X}"), _PERCENT),
    Form("percent, twice", words, lambda text: quote(quote(text, safe=""), safe=""), 16),
    Form("query", words, lambda text: f"https://db.example/?{urlencode({'token': text})}", _QUOTED),
    Form("form", words, lambda text: quote_plus(text, safe="/"), _QUOTED),
    Form(
        "password of a url", words, lambda text: f"postgresql://floe:{quote(text, safe='')}@db/floe", _QUOTED
    ),
    Form(
        "user of a url", words, lambda text: f"https://{quote(text, safe='')}@git.example/floe.git", _QUOTED
    ),
    Form(
        "jdbc",
        words,
        lambda text: f"jdbc:postgresql://db/floe?user=floe&password={quote_plus(text)}",
        _QUOTED,
    ),
    Form("hex", mixed, lambda text: text.encode().hex(), _HEX),
    Form("HEX", foreign, lambda text: text.encode().hex().upper(), _HEX),
    Form("hex, colons", mixed, lambda text: each_byte(text, "{:02x}", ":"), 23),
    Form("HEX, spaces", mixed, lambda text: each_byte(text, "{:02X}", " "), 23),
    Form("hex, dashes", mixed, lambda text: each_byte(text, "{:02x}", "-"), 23),
    Form("hex, a list", mixed, lambda text: f"[{each_byte(text, '0x{:02x}', ', ')}]", 46),
    Form("hex, a number", mixed, lambda text: hex(int.from_bytes(text.encode(), "big")), _HEX),
    Form("hex of utf-16", mixed, lambda text: text.encode("utf-16-le").hex(), 32),
    Form("utf-16 read as latin-1", mixed, lambda text: text.encode("utf-16-le").decode("latin-1"), 16),
    Form("utf-16 bytes", mixed, lambda text: repr(text.encode("utf-16-le")), 40),
    Form("utf-8 read as latin-1", foreign, lambda text: text.encode().decode("latin-1"), 16),
    Form("utf-8 read as windows-1252", foreign, lambda text: text.encode().decode("cp1252", "replace"), 16),
    Form(
        "utf-8 read as ascii",
        foreign,
        lambda text: text.encode().decode("ascii", "backslashreplace"),
        _FOREIGN,
    ),
)

BASE64 = (
    Form("base64", words, b64, _BASE64),
    Form("base64 of foreign words", foreign, b64, _BASE64),
    Form("basic authentication", words, basic("user"), _BASE64),
    Form("basic authentication of another", words, basic("me"), _BASE64),
    Form("basic authentication of a third", words, basic("you"), _BASE64),
    Form("base64, followed", mixed, lambda text: b64(f"{text}@db"), _BASE64),
    Form("base64, url-safe", words, lambda text: base64.urlsafe_b64encode(text.encode()).decode(), _BASE64),
    Form("base64, mime", lines, lambda text: base64.encodebytes(text.encode()).decode(), _BASE64),
    Form("base64, without padding", words, lambda text: b64(text).rstrip("="), _BASE64),
    Form("base64 of json", words, lambda text: b64(json.dumps({"user": "floe", "pass": text})), _BASE64),
    Form("base64 in json", words, lambda text: json.dumps({"auth": b64(f"floe:{text}")}), _BASE64),
    Form("base64 in json of php", words, lambda text: json.dumps(b64(text)).replace("/", "\\/"), _BASE64),
    Form("base64 in a url", words, lambda text: quote(b64(text), safe=""), _BASE64),
    Form("base64, bytes", words, lambda text: repr(base64.b64encode(text.encode())), _BASE64),
    Form("base64 of base64", words, lambda text: b64(b64(text)), 15),
    Form("base64 of utf-16", mixed, lambda text: b64(text.encode("utf-16-le")), 22),
    Form("base64 of hex", mixed, lambda text: b64(text.encode().hex()), 22),
    Form("base64 of a url", words, lambda text: b64(f"https://u:{quote(text, safe='')}@h/"), 16),
    Form("hex of base64", words, lambda text: b64(text).encode().hex(), 22),
    Form("base64 of lines", lines, b64, _BASE64),
    Form("base64, cut", words, lambda text: cut(b64(text), 0.2, 0.9), _BASE64),
    Form("token of a session", mixed, lambda text: f"eyJhbGciOiJub25lIn0.{claims(text)}.", _BASE64),
)

RESHAPED = (
    Form("upper case", mixed, str.upper),
    Form("lower case", mixed, str.lower),
    Form("title case", words, str.title),
    Form("swapped case", mixed, str.swapcase),
    Form("upper case of a uuid", a_uuid, str.upper, 12),
    Form("swapped case of hex", hexadecimal, str.swapcase),
    Form("upper case of base64", in_base64, str.upper),
    Form("uuid of hex", short_hexadecimal, lambda text: str(uuid.UUID(text)), 12),
    Form("groups of four, spaces", hexadecimal, lambda text: grouped(text, 4, " ")),
    Form("groups of four, dashes", mixed, lambda text: grouped(text, 4, "-").upper()),
    Form("pairs, colons", hexadecimal, lambda text: grouped(text, 2, ":")),
    Form("a space after each character", mixed, " ".join, 15),
    Form("list of characters", mixed, lambda text: repr(list(text)), 38),
    Form("hex of a uuid", a_uuid, lambda text: text.replace("-", ""), 12),
    Form("urn of a uuid", a_uuid, lambda text: uuid.UUID(text).urn, 12),
    Form("words without punctuation", words, lambda text: re.sub(r"\W", "", text)),
    Form("a name made of words", words, lambda text: re.sub(r"\W+", "_", text).upper()),
    Form("lines of 20", hexadecimal, lambda text: grouped(text, 20, "\n")),
    Form("lines of 64", pem, lambda text: grouped(body_of(text), 64, "\n"), _BASE64),
    Form("lines of 76", pem, lambda text: grouped(body_of(text), 76, "\r\n"), _BASE64),
    Form("wrapped and indented", hexadecimal, lambda text: "\n        ".join(textwrap.wrap(text, 24))),
    Form("white space collapsed", lines, lambda text: " ".join(text.split())),
    Form("lines joined", lines, lambda text: "".join(text.split())),
    Form("lines with a margin", lines, lambda text: textwrap.indent(text, "| ")),
    Form("lines with crlf", lines, lambda text: text.replace("\n", "\r\n")),
    Form("diff", lines, lambda text: textwrap.indent(text, "- ")),
)

PARTS = (
    Form("the front", words, lambda text: cut(text, 0, 0.67) + "..."),
    Form("the end", words, lambda text: "..." + cut(text, 0.33, 1)),
    Form("the middle", words, lambda text: "…" + cut(text, 0.17, 0.83) + "…"),
    Form("the ends", mixed, lambda text: f"{text[:12]}…{text[-12:]}"),
    Form("the ends, as pydantic", mixed, lambda text: f"[input_value='{text[:12]}...{text[-11:]}']"),
    Form("the ends, as reprlib", words, reprlib.repr),
    Form("the front of a repr", words, lambda text: cut(repr(repr(text)), 0, 0.67), _QUOTED),
    Form("a line", lines, lambda text: text.splitlines()[1]),
    Form("lines in a different order", lines, lambda text: "; ".join(reversed(text.splitlines()))),
    Form("name of an exception", mixed, lambda text: f"{type(text, (Exception,), {}).__name__}: it failed"),
    Form("repr of an exception", words, lambda text: repr(ValueError(text, "no")), _QUOTED),
    Form(
        "source in a traceback",
        words,
        lambda text: f'File "p.py", line 3\n    connect({text!r})\n    ^^^',
        _QUOTED,
    ),
    Form("a syntax error", words, syntax_error),
    Form("an int() error", mixed, lambda text: f"invalid literal for int() with base 10: {text!r}"),
    Form("words of a passphrase", lines, lambda text: " / ".join(text.split())),
)

DECODED = (
    Form("password of a url, decoded", url, lambda text: f"login failed: {password_of(text)}"),
    Form(
        "password of a url, decoded, repr", url, lambda text: f"login failed: {password_of(text)!r}", _QUOTED
    ),
    Form(
        "password of a url, as it is", url, lambda text: f"login failed: {urlsplit(text).password}", _QUOTED
    ),
    Form("user of a url, apart", url, lambda text: f'no role "{urlsplit(text).username}"'),
    Form("url, decoded", url, lambda text: f"connection refused: {unquote(text)}"),
    Form(
        "libpq of a url", url, lambda text: f"user=floe password='{backslashed(password_of(text))}'", _QUOTED
    ),
    Form("base64 of a url's password", url, lambda text: b64(f"floe:{password_of(text)}"), _BASE64),
    Form("percent, decoded", percent_encoded, unquote),
    Form("base64, decoded", in_base64, lambda text: f"bad key {base64.b64decode(text).decode()}"),
    Form("base64, decoded, bytes", in_base64, lambda text: repr(base64.b64decode(text))),
    Form("base64, decoded, hex", in_base64, lambda text: base64.b64decode(text).hex(), _HEX),
    Form("base64 of json, decoded", json_in_base64, lambda text: base64.b64decode(text).decode()),
    Form("base64 of json, a string", json_in_base64, lambda text: string_in(base64.b64decode(text), "id")),
    Form("base64, url-safe, of base64", in_base64, lambda text: text.replace("+", "-").rstrip("="), _BASE64),
    Form("hex, decoded", text_in_hex, lambda text: bytes.fromhex(text).decode()),
    Form("hex, decoded, base64", text_in_hex, lambda text: b64(bytes.fromhex(text)), _BASE64),
    Form("key in hex, as bytes", hexadecimal, lambda text: repr(bytes.fromhex(text)), _ESCAPES),
    Form("key in hex, base64", hexadecimal, lambda text: b64(bytes.fromhex(text)), _BASE64),
    Form("json, a string", document, lambda text: f"unknown account {string_in(text, 'id')}"),
    Form("json, a string with escapes", document, lambda text: string_in(text, "private_key"), _QUOTED),
    Form("json, a dictionary", document, lambda text: repr(json.loads(text)), _QUOTED),
    Form("json, indented", document, lambda text: json.dumps(json.loads(text), indent=4)),
    Form("json, base64", document, b64, _BASE64),
    Form("docker, decoded", docker_config, lambda text: base64.b64decode(registry_auth(text)).decode()),
    Form(
        "docker, the password", docker_config, lambda text: password_in(base64.b64decode(registry_auth(text)))
    ),
    Form("pem", pem, str, _BASE64),
    Form("pem, repr", pem, repr, _BASE64),
    Form("pem, an inner line", pem, lambda text: text.splitlines()[3], _BASE64),
    Form("pem, the last line", pem, lambda text: text.splitlines()[-2], _BASE64),
    Form("pem, the body", pem, body_of, _BASE64),
    Form("pem, on one line", pem, lambda text: " ".join(text.split()), _BASE64),
    Form("pem, base64", pem, b64, 15),
    Form("der, hex", pem, lambda text: der_of(text).hex(), _HEX),
    Form("der, pairs", pem, lambda text: der_of(text).hex(":"), 23),
    Form("der, bytes", pem, lambda text: repr(der_of(text)), _ESCAPES),
    Form("der, base64 url-safe", pem, lambda text: base64.urlsafe_b64encode(der_of(text)).decode(), _BASE64),
)

_REWRITTEN = (
    "a plugin that rewrites a value letter by letter means to hide it, and can always find another way"
)
_RARE = "an encoding that no driver or framework uses for messages"
_ASCII_ONLY = "only ASCII letters are the same in another shape"
_ONE_WAY = "nobody can read the value from it"

BY_DESIGN_NOT = tuple(
    Form(name, secret, printed, by_design_not=reason)
    for name, secret, printed, reason in (
        ("reversed", mixed, lambda text: text[::-1], _REWRITTEN),
        ("rot13", mixed, lambda text: codecs.encode(text, "rot13"), _REWRITTEN),
        ("rot47", mixed, rot47, _REWRITTEN),
        ("other letters between", mixed, in_turn, _REWRITTEN),
        ("a numbered line for each character", mixed, numbered, _REWRITTEN),
        ("characters by index", mixed, lambda text: repr(dict(enumerate(text))), _REWRITTEN),
        ("names of letters", mixed, lambda text: ", ".join(map(unicodedata.name, text)), _REWRITTEN),
        ("list of numbers", mixed, lambda text: repr(list(text.encode())), _REWRITTEN),
        ("a decimal number", mixed, lambda text: str(int.from_bytes(text.encode(), "big")), _REWRITTEN),
        ("binary", mixed, lambda text: each_byte(text, "{:08b}"), _REWRITTEN),
        ("encrypted", mixed, lambda text: bytes(ord(c) ^ 0x55 for c in text).hex(), _REWRITTEN),
        (
            "pieces of seven",
            mixed,
            lambda text: " § ".join(sevens(text)),
            "as short as many harmless words",
        ),
        ("sha256", mixed, lambda text: hashlib.sha256(text.encode()).hexdigest(), _ONE_WAY),
        ("length", mixed, lambda text: f"a token of {len(text)} characters", _ONE_WAY),
        ("compressed", mixed, lambda text: b64(zlib.compress(text.encode() * 2)), _RARE),
        ("gzip", mixed, lambda text: b64(gzip.compress(text.encode() * 2, mtime=0)), _RARE),
        ("base32", mixed, lambda text: base64.b32encode(text.encode()).decode(), _RARE),
        ("base85", mixed, lambda text: base64.b85encode(text.encode()).decode(), _RARE),
        ("quoted-printable", accented, lambda text: quopri.encodestring(text.encode()).decode(), _RARE),
        ("upper case beyond ASCII", accented, str.upper, _ASCII_ONLY),
        ("decomposed", accented, lambda text: unicodedata.normalize("NFD", text), _ASCII_ONLY),
    )
)
"""What nobody prints by accident, or what does not give the secret away."""

FOUND = (*AS_IT_IS, *QUOTED, *ENCODED, *BASE64, *RESHAPED, *PARTS, *DECODED)
FORMS = (*FOUND, *BY_DESIGN_NOT)
