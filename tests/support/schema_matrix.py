"""Types of configuration fields with values: what the plugin takes, and what its JSON schema says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from floe_core.plugin_types import PluginType
from tests.support.distributions import Distribution, plugin_distribution


@dataclass(frozen=True)
class Row:
    """A type as source code, with values that its plugin takes or refuses.

    The schema accepts `taken` and refuses `refused`. It also refuses `converted`, which the plugin takes, and
    accepts `let_through`, which the plugin refuses: the two differences that docs/gitops.md lists.
    """

    type: str
    taken: tuple[Any, ...] = ()
    refused: tuple[Any, ...] = ()
    converted: tuple[Any, ...] = ()
    let_through: tuple[Any, ...] = ()


IMPORTS = """
import collections, dataclasses, datetime as dt, decimal, enum, fractions, ipaddress, re, uuid
from pathlib import Path
from typing import Annotated, Any, Generic, Iterable, Literal, NamedTuple, Optional, Sequence, TypeVar, Union

from pydantic import (
    AfterValidator, AliasChoices, AliasPath, AnyUrl, AwareDatetime, Base64Str, BeforeValidator, ByteSize,
    ConfigDict, Discriminator, FutureDate, HttpUrl, IPvAnyAddress, IPvAnyInterface, IPvAnyNetwork, Json,
    OnErrorOmit, PastDate, PlainValidator, PostgresDsn, RootModel, Secret, SkipValidation,
    StringConstraints, Tag, WithJsonSchema, WrapValidator, model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

def split(value):
    return value.split(",") if isinstance(value, str) else value

class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"

class AnyCase(enum.Enum):
    LOW = "low"
    @classmethod
    def _missing_(cls, value):
        return next((each for each in cls if each.value == str(value).lower()), None)

class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2

class Point(NamedTuple):
    x: int
    y: int = 0

@dataclasses.dataclass
class Plain:
    size: int = 1

class Typed(TypedDict, total=False):
    size: int

class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True, extra="forbid")
    size: int = Field(1, alias="pool-size")
    host: str = Field("", validation_alias=AliasChoices("server", "address", AliasPath("at", "host")))

class Deep(BaseModel):
    model_config = ConfigDict(extra="forbid")
    named: Named = Named()
    all: list[Named] = []

@pydantic_dataclass(config=ConfigDict(populate_by_name=True, extra="forbid"))
class NamedDataclass:
    size: int = Field(1, alias="pool-size")

class OnlyName(BaseModel):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=False, extra="forbid")
    size: int = Field(1, alias="pool-size")

class Renamed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 1
    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, given):
        return {"size": given["pool"]} if isinstance(given, dict) and "pool" in given else given

class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 1

class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    code: str = Field("", max_length=3, pattern="^[a-z]*$")

class Encoded(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")
    data: bytes = Field(b"", max_length=3)

class Seconds(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    pause: dt.timedelta = dt.timedelta(0)

class PythonPattern(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    code: str = Field("", pattern=r"^(?P<first>[a-z])(?!x)[a-z]*$")

class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9

class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []

class Shared(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: list[int] = Field([], validation_alias=AliasChoices("a", "shared"))
    b: Union[str, list[int]] = Field("", validation_alias=AliasChoices("b", "shared"))
    at: int = Field(0, validation_alias=AliasPath("at", 0, "b"))
    next: int = Field(0, validation_alias=AliasChoices(AliasPath("at", 1), "at"))

class Login(NamedTuple):
    user: str
    password: SecretStr

class User(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["user"] = "user"
    name: str = ""
    password: SecretStr = SecretStr("")

class Token(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["token"] = "token"
    token: SecretStr = SecretStr("")

T = TypeVar("T")

@dataclasses.dataclass
class Generic_(Generic[T]):
    value: T = None
    size: int = 1

class Wrapped(BaseModel):
    size: int = 1
    password: SecretStr = SecretStr("")
    @model_validator(mode="wrap")
    @classmethod
    def _wrapped(cls, given, inner):
        return inner(given)

class Looks(BaseModel):
    looks: str = Field("", json_schema_extra={"format": "password", "writeOnly": True})
"""

_UUID = "0a1b2c3d-0a1b-4c3d-8a1b-0a1b2c3d4e5f"
ROWS: dict[str, Row] = {
    "timedelta": Row("dt.timedelta", ("PT90S", "P1D", "00:01:30", "1 day, 00:00:01", 90, 1.5, -3), ([],)),
    "timedelta_as_float": Row("Seconds", ({"pause": "PT90S"}, {"pause": 3})),
    "time": Row(
        "dt.time", ("10:00", "10:00:00", "10:00:00Z", "10:00:00.5+01:00", 3600, 1.5), ([],), (), ("25:00",)
    ),
    "datetime": Row(
        "dt.datetime",
        (
            "2026-01-31T10:00:00Z",
            "2026-01-31T10:00:00",
            "2026-01-31 10:00:00",
            "2026-01-31",
            1700000000,
            1.5,
            "1700000000",
        ),
        ([],),
        (),
        ("tomorrow", "2026-02-30T10:00:00Z"),
    ),
    "aware_datetime": Row("AwareDatetime", ("2026-01-31T10:00:00Z",), ([],), (), ("2026-01-31T10:00:00",)),
    "date": Row("dt.date", ("2026-01-31", "2026-01-31T00:00:00", 86400), (True,), (), ("31.1.2026", 1)),
    "past_date": Row("PastDate", ("2020-01-31",), (True,), (), ("2999-01-31",)),
    "uuid": Row(
        "uuid.UUID", (_UUID, _UUID.replace("-", ""), f"{{{_UUID}}}", f"urn:uuid:{_UUID}"), (1,), (), ("a",)
    ),
    "ipv4": Row("ipaddress.IPv4Address", ("10.0.0.1", 3232235777), (1.5,), (True,), ("::1", "10.0.0.256")),
    "ipv6": Row("ipaddress.IPv6Address", ("::1", 1), ([],), (), ("10.0.0.1",)),
    "ipv4_network": Row("ipaddress.IPv4Network", ("10.0.0.0/8", 1), ([],), (), ("10.0.0.1/8",)),
    "ipv6_network": Row("ipaddress.IPv6Network", ("::/8", 1), ([],)),
    "ipv4_interface": Row("ipaddress.IPv4Interface", ("10.0.0.1/8", 1), ([],)),
    "ipv6_interface": Row("ipaddress.IPv6Interface", ("::1/8", 1), ([],)),
    "ip_any_address": Row("IPvAnyAddress", ("10.0.0.1", "::1", 1), ([],)),
    "ip_any_network": Row("IPvAnyNetwork", ("10.0.0.0/8", 1), ([],)),
    "ip_any_interface": Row("IPvAnyInterface", ("10.0.0.1/8", 1), ([],)),
    "set": Row("set[int]", ([1, 1], [1, 2], []), (["a"], "a")),
    "set_of_one": Row("Annotated[set[int], Field(max_length=1)]", ([1, 1],), (), (), ([1, 2],)),
    "frozenset": Row("frozenset[str]", (["a", "a"],), ([1],)),
    "decimal": Row("decimal.Decimal", (1, 1.5, "1.5", "1e5", ".5", " 1 "), ([], True), (), ("a", "1,5")),
    "bounded_decimal": Row(
        "Annotated[decimal.Decimal, Field(max_digits=4, decimal_places=2, ge=0)]",
        (1, "1.25", "0001.25", "1e1"),
        (-1,),
        (),
        ("-1", "1.255", 12345),
    ),
    "fraction": Row("fractions.Fraction", ("1/2", 1, 1.5), ([],), (), ("1/0",)),
    "complex": Row("complex", ("1+2j", 1, 1.5), ([],), (), ("a",)),
    "int": Row("int", (1, 1.0, -1), ("a", 1.5, [], None), ("8", "1.0", True)),
    "bounded_int": Row("Annotated[int, Field(ge=1, le=10, multiple_of=3)]", (3, 9), (0, 12, 4), ("3",)),
    "float": Row("float", (1, 1.5), ("a", []), ("1.5", "inf", True)),
    "multiple": Row("Annotated[float, Field(multiple_of=0.1)]", (0.3, 0.7, 1), ("a",), (), (0.35,)),
    "bool": Row("bool", (True, False), ("maybe", 2, []), ("yes", "off", 1, 0.0)),
    "str": Row("str", ("a", "", "é"), (1, True, [])),
    "bounded_str": Row("Annotated[str, Field(min_length=2, max_length=3)]", ("ab", "é😀ß"), ("a", "abcd")),
    "stripped": Row(
        "Annotated[str, StringConstraints(strip_whitespace=True, max_length=3, pattern='^[a-z]+$')]",
        (" abc ", "abc"),
        (1,),
        (),
        ("abcd", "A"),
    ),
    "stripped_by_config": Row("Stripped", ({"code": " abc "},), ({"code": 1},)),
    "lower": Row(
        "Annotated[str, StringConstraints(to_lower=True, pattern='^[a-z]+$')]", ("abc",), (1, "ABC")
    ),
    "pattern": Row(r"Annotated[str, Field(pattern=r'^[a-z][-a-z0-9]{0,3}$')]", ("a", "a-1"), ("A", "abcde")),
    "digits": Row(r"Annotated[str, Field(pattern=r'^\d{3}$')]", ("123",), ("12", "a")),
    "word": Row(r"Annotated[str, Field(pattern=r'^\w+$')]", ("a", "größe"), (1,), (), ("a b",)),
    "python_pattern": Row(
        "PythonPattern", ({"code": "ab"}, {"code": "a\n"}), ({"code": 1},), (), ({"code": "ax"},)
    ),
    "compiled_pattern": Row(
        "Annotated[str, Field(pattern=re.compile('^abc$', re.I))]", ("ABC", "abc"), (1,), (), ("b",)
    ),
    "large_pattern": Row(
        r"Annotated[str, Field(pattern=r'^(?:a{30}){40}$')]", ("a" * 1200,), (1,), (), ("b",)
    ),
    "bytes": Row("Annotated[bytes, Field(min_length=2)]", ("é", "ab"), (1,), (), ("a",)),
    "base64_bytes": Row("Encoded", ({"data": "YWJj"},), ({"data": 1},), (), ({"data": "YWJjYWJj"},)),
    "base64": Row("Base64Str", ("YWJj",), (1,), (), ("a",)),
    "enum": Row("Level", ("low", "high"), ("LOW", 1)),
    "enum_of_any_case": Row("AnyCase", ("low", "LOW"), (), (), ("high",)),
    "flag": Row("Mode", (1, 2, 3, 64), (), (), ("a",)),
    "literal": Row("Literal['a', 1]", ("a", 1), ("b", 2), ()),
    "named_tuple": Row(
        "Point", ([1, 2], [1], {"x": 1}, {"x": 1, "y": 2}), (["a"], 1, {"x": "a"}), (), ({"z": 1},)
    ),
    "tuple": Row("tuple[int, str]", ([1, "a"],), (["a", 1], [1, "a", 2], [1])),
    "tuples": Row("tuple[int, ...]", ([1, 2], []), (["a"],)),
    "list": Row("Annotated[list[int], Field(min_length=1, max_length=2)]", ([1], [1, 2]), ([], [1, 2, 3])),
    "deque": Row("Annotated[collections.deque[int], Field(max_length=2)]", ([1],), (["a"],)),
    "sequence": Row("Sequence[int]", ([1],), (["a"], "a")),
    "mapping": Row("dict[str, int]", ({"a": 1}, {}), ({"a": "b"}, [])),
    "numbered": Row("dict[int, int]", ({"1": 1},), ({"1": "a"},), (), ({"a": 1},)),
    "dated": Row(
        "dict[dt.date, int]", ({"2026-01-31": 1, "86400": 1},), ({"2026-01-31": "a"},), (), ({"a": 1},)
    ),
    "patterned": Row("dict[Annotated[str, Field(pattern='^[a-z]+$')], int]", ({"a": 1},), ({"a": "b"},)),
    "worded": Row(
        r"dict[Annotated[str, Field(pattern=r'^\w+$')], int]", ({"ä": 1},), ({"a": "b"},), (), ({"a b": 1},)
    ),
    "counter": Row("collections.Counter[str]", ({"a": 1},), ({"a": "b"},)),
    "dataclass": Row("Plain", ({"size": 1}, {}), ({"size": "a"},)),
    "typed_dict": Row("Typed", ({"size": 1}, {}), ({"size": "a"},)),
    "names": Row(
        "Named",
        (
            {"pool-size": 2},
            {"size": 2},
            {"server": "a"},
            {"address": "a"},
            {"at": {"host": "a"}},
            {"host": "a"},
        ),
        ({"pool_size": 2}, {"size": "a"}, {"address": 1}),
    ),
    "deep_names": Row(
        "Deep",
        ({"named": {"size": 2}}, {"all": [{"size": 2}, {"pool-size": 2}, {"address": "a"}]}),
        ({"all": [{"sizes": 2}]},),
    ),
    "names_of_a_dataclass": Row("NamedDataclass", ({"size": 2}, {"pool-size": 2}), ({"sizes": 2},)),
    "only_its_name": Row("OnlyName", ({"size": 2},), ({"pool-size": 2},)),
    "renamed": Row("Renamed", ({"pool": 2}, {"size": 2}), (), (), ({"sizes": 2}, {"size": "a"})),
    "strict": Row("Strict", ({"size": 2},), ({"sizes": 2}, {"size": "a"}, 1)),
    "before": Row("Annotated[list[str], BeforeValidator(split)]", ("a,b", ["a"]), (), (), (1,)),
    "wrap": Row(
        "Annotated[list[str], WrapValidator(lambda value, inner: inner(split(value)))]",
        ("a,b", ["a"]),
        (),
        (),
        (1,),
    ),
    "plain": Row("Annotated[list, PlainValidator(split)]", ("a,b", 1)),
    "before_with_a_stated_input": Row(
        "Annotated[list[str], BeforeValidator(split, json_schema_input_type=Union[str, list[str]])]",
        ("a,b", ["a"]),
        (1, [1]),
    ),
    "url": Row("AnyUrl", ("http://a", " http://a/b ", "http://exämple.com", "foo:bar"), (1, ""), (), ("a",)),
    "http_url": Row("HttpUrl", ("http://a", "https:///a"), (1,), (), ("foo://a",)),
    "dsn": Row("PostgresDsn", ("postgres://a:b@c/d", "postgres://a,b/d"), (1,), (), ("a",)),
    "path": Row("Path", ("a", "/b c"), (1,)),
    "regex": Row("re.Pattern", ("(?P<a>b)", "a"), (1,), (), ("(",)),
    "json": Row("Json[list[int]]", ("[1]",), ([1],), (), ("[", '["a"]')),
    "byte_size": Row("ByteSize", ("10MB", 10, "1.5 GiB", "10"), ([],), (), ("a",)),
    "optional": Row("Optional[int]", (None, 1), ("a",), ("8",)),
    "optional_enum": Row("Optional[Level]", (None, "low"), ("LOW",)),
    "optional_model": Row("Optional[Strict]", (None, {"size": 1}), ({"size": "a"}, {"sizes": 1}, 1)),
    "union": Row("Union[int, list[str]]", (1, ["a"]), ("a", [1])),
    "tagged": Row(
        "Annotated[Union[Cat, Dog], Field(discriminator='kind')]",
        ({"kind": "cat", "lives": 7}, {"kind": "dog"}),
        ({"kind": "cat", "lives": "a"}, {"kind": "cow"}),
        (),
        ({"lives": 7},),
    ),
    "root": Row("RootModel[dict[str, dt.timedelta]]", ({"a": 90, "b": "PT1S"},), ({"a": []}, 1)),
    "generic_dataclass": Row("Generic_[SecretStr]", ({"size": 1},), ({"value": "hunter2"},)),
    "wrapped_model": Row("Wrapped", ({"size": 1},), ({"password": "hunter2"},)),
    "secret_or_secret_numbers": Row("Union[list[Secret[int]], Secret[int]]", ([],), ([70707], 70707)),
    "bounded_secrets": Row(
        "Annotated[list[SecretStr], Field(max_length=1)]", ([],), (["hunter2", "hunter2"],)
    ),
    "defaults": Row("collections.defaultdict[str, list[SecretStr]]", ({"a": []},), ({"a": ["hunter2"]},)),
    "looks_like_a_secret": Row("Looks", ({"looks": "a"},), ({"looks": 1},)),
    "secret": Row("SecretStr", (), ("hunter2-hunter2", 7)),
    "optional_secret": Row("Optional[SecretStr]", (None,), ("hunter2-hunter2",)),
    "secret_number": Row("Secret[int]", (), (70707, "70707")),
    "secrets": Row("dict[str, Secret[int]]", ({},), ({"a": 70707}, [70707])),
    "list_of_secrets": Row("list[SecretStr]", ([],), (["hunter2-hunter2"], "hunter2", {"a": "hunter2"})),
    "user": Row("Optional[User]", (None, {"name": "me"}), ({"password": "hunter2"}, "hunter2", ["hunter2"])),
    "users": Row(
        "list[User]", ([{"name": "me"}],), ([{"password": "hunter2"}], {"password": "hunter2"}, ["hunter2"])
    ),
    "tagged_user": Row(
        "Annotated[Union[User, Token], Field(discriminator='kind')]",
        ({"kind": "user", "name": "me"}, {"kind": "token"}),
        (
            {"kind": "user", "password": "hunter2"},
            {"password": "hunter2"},
            {"kind": "token", "name": "hunter2"},
            "hunter2",
        ),
    ),
    "bounded_after_a_validator": Row(
        "Annotated[str, BeforeValidator(lambda value: value.strip()), Field(max_length=3)]",
        (" abc ",),
        (),
        (),
        ("abcd",),
    ),
    "bounded_after_duplicates": Row(
        "Annotated[list[str], AfterValidator(lambda value: list(set(value))), Field(max_length=1)]",
        (["a", "a"],),
        ([1],),
        (),
        (["a", "b"],),
    ),
    "bounded_before_a_validator": Row(
        "Annotated[str, Field(max_length=3), AfterValidator(lambda value: value * 2)]", ("abc",), ("abcd",)
    ),
    "bounded_json": Row("Annotated[Json[list[int]], Field(max_length=1)]", ("[1]",), ([1],), (), ("[1, 2]",)),
    "shared_names": Row("Shared", ({"a": [1], "shared": "x"}, {"at": [{"b": 1}, 2]}), ({"c": 1},)),
    "named_by_enum": Row("dict[Mode, int]", ({"1": 1},), ({"1": "a"},), (), ({"x": 1},)),
    "merged_names": Row(
        "Annotated[dict[int, int], Field(max_length=1)]", ({"1": 1, "01": 2},), (), (), ({"1": 1, "2": 1},)
    ),
    "skipped": Row("SkipValidation[int]", (1, "a")),
    "omitted": Row("list[OnErrorOmit[int]]", ([1, "a"],), (1,)),
    "iterable": Row("Iterable[int]", ([1], ["a"], "abc")),
    "secret_or_secrets": Row(
        "Union[SecretStr, list[SecretStr], dict[str, SecretStr]]",
        ([], {}),
        ("hunter2-hunter2", ["hunter2"], {"a": "hunter2"}),
    ),
    "named_tuple_with_secret": Row(
        "Login", (), (["me", "hunter2"], {"user": "me", "password": "hunter2"}, ["me"])
    ),
    "text_or_secrets": Row("Union[str, dict[str, SecretStr]]", ("a",), ({"a": "hunter2"}, 1)),
    "root_secret": Row("RootModel[Union[SecretStr, list[str]]]", (["a"],), ("hunter2-hunter2",)),
    "secrets_of_words": Row(
        r"dict[Annotated[str, Field(pattern=r'^\w+$')], SecretStr]", ({},), ({"a": "hunter2"},)
    ),
    "any": Row("Any", (1, None, {"a": []})),
}


def field_of(name: str) -> str:
    """Return the name of a row's field, which must not hide the names that types are made of."""
    return f"a_{name}"


def matrix_plugin() -> Distribution:
    """Return a plugin with a field of each type."""
    fields = "\n".join(f"{field_of(name)}: {row.type} = None" for name, row in ROWS.items())
    config = f'model_config = ConfigDict(extra="forbid")\n{fields}'
    return plugin_distribution("matrix", PluginType.COMPUTE, before=IMPORTS, config=config)
