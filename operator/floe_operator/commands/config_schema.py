"""A plugin's configuration as draft-07, for a place inside a larger schema. Pure.

Nothing is required, because configFrom can supply it, and secrets are refused. What validators understand
differently, or check although validation does not, is left out, and the field's description says that
`validate` checks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from floe_operator.commands.common_patterns import common_pattern
from floe_operator.commands.refusals import NULL, is_secret, secret, typed
from floe_operator.commands.schema_checks import UnusableSchema, check, check_depth
from floe_operator.rules.sentences import followed_by, printable

_Schema = dict[str, Any]
_ABOUT = ("title", "description")
_KEPT = frozenset(
    """
    type minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems maxItems
    allOf readOnly writeOnly deprecated
    """.split()  # noqa: SIM905
)
_DATA = ("default", "const", "examples")
_KINDS = ("scalar", "array", "object")
_ADDRESSES = ("ipv4", "ipv6", "ipvanyaddress", "ipv4network", "ipv6network", "ipvanynetwork")
_INTERFACES = ("ipv4interface", "ipv6interface", "ipvanyinterface")
_OTHER_TYPES: Mapping[str, str] = {
    **dict.fromkeys((*_ADDRESSES, *_INTERFACES), "integer"),
    **dict.fromkeys(("date", "time", "date-time", "duration"), "number"),
    "color": "array",
}
"""The type that a configuration can have besides a string of this format."""


def draft_07(schema: Mapping[str, Any], *, root: str, prefix: str) -> tuple[_Schema, dict[str, _Schema]]:
    """Return the schema of spec.config, to be placed at the pointer `root`, and its definitions by name.

    `prefix` begins the definitions' names.

    Raises:
        UnusableSchema: No validator could use it.
    """
    check_depth(schema)
    try:
        given = schema.get("$defs", {})
        translate = _Translation(given, root, prefix)
        definitions = {f"{prefix}{name}": translate(inner) for name, inner in given.items()}
        config = translate(schema)
        check(config, definitions, root, translate.references)
    except RecursionError:
        raise UnusableSchema("it is nested too deeply") from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnusableSchema(f"it is not a JSON schema ({type(error).__name__})") from None
    return config, definitions


class _Translation:
    """Translates from pydantic's 2020-12; collects the references."""

    def __init__(self, given: Mapping[str, Any], root: str, prefix: str) -> None:
        self._given = given
        self._root = root
        self._prefix = prefix
        self.references: set[str] = set()
        self._words: Mapping[str, Callable[[Any, Mapping[str, Any]], _Schema]] = {
            "$ref": self._reference,
            "anyOf": self._choice,
            "oneOf": self._choice,
            "items": self._items,
            "prefixItems": self._prefix_items,
            "properties": self._properties,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "propertyNames": self._property_names,
            "multipleOf": _multiple,
            "pattern": _pattern,
            "format": _type_of_format,
        }

    def __call__(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self(item) for item in schema]
        if not isinstance(schema, Mapping):
            return schema
        if is_secret(schema):
            return secret(schema)
        done = self._words_of(schema)
        if left_out := _left_out(schema):
            rest = f"`floe-operator validate` also checks the {' and the '.join(left_out)}."
            done["description"] = followed_by(done.get("description", ""), rest)
        if schema.get("type") in ("array", "object") and "if" not in done and self._holds_secrets(schema):
            bounds = ("minItems", "maxItems", "additionalItems")  # with which the value would be printed, too
            done = {word: value for word, value in done.items() if word not in bounds}
            done |= typed(done.pop("type"))
        reference = done.pop("$ref", None)
        if reference is None:
            return done
        # Draft-07 ignores everything beside $ref.
        return (
            {**done, "allOf": [*done.get("allOf", []), {"$ref": reference}]} if done else {"$ref": reference}
        )

    def _words_of(self, schema: Mapping[str, Any]) -> _Schema:
        done = {word: printable(str(schema[word])) for word in _ABOUT if word in schema}
        done |= {word: schema[word] for word in _DATA if word in schema}
        if "enum" in schema:
            done |= _enum(schema["enum"])
        done |= {word: self(schema[word]) for word in schema if word in _KEPT}
        for word, value in schema.items():
            if word in self._words:
                more = self._words[word](value, schema)
                if "description" in done and "description" in more:
                    more["description"] = followed_by(done["description"], more["description"])
                done |= more
        if done.get("default", self) is None:  # which editors would insert
            del done["default"]
        return done

    def _reference(self, reference: str, _: Mapping[str, Any]) -> _Schema:
        if reference.startswith("#/$defs/"):
            reference = f"#/definitions/{self._prefix}{reference.removeprefix('#/$defs/')}"
        elif reference.startswith("#"):
            reference = f"{self._root}{reference[1:]}"
        self.references.add(reference)
        return {"$ref": reference}

    def _choice(self, members: list[Any], schema: Mapping[str, Any]) -> _Schema:
        """Translate alternatives, if possible to conditions, because a failed `anyOf` prints the value.

        Without `required`, a value can match several alternatives, and `oneOf` would refuse it.
        """
        if not all(isinstance(each, Mapping) for each in members):
            return {"anyOf": self(members)}
        if tags := self._tags(members, schema):
            return self._tagged(members, tags)
        if len(members) == 2 and NULL in members:
            return self._or_null(next(each for each in members if each != NULL), schema)
        kinds = {kind: [each for each in members if self._kind(each) == kind] for kind in _KINDS}
        if sum(map(len, kinds.values())) < len(members):  # one can be of several kinds
            return {"anyOf": self(members)}
        scalars = kinds.pop("scalar")
        secrets = [each for each in scalars if is_secret(each)]
        done = self._any_of(
            secrets[:1] or scalars or [{"type": [kind for kind, found in kinds.items() if found]}]
        )
        for kind, found in kinds.items():
            if found:
                done = {"if": {"type": kind}, "then": self._any_of(found), "else": done}
        return done

    def _any_of(self, members: list[Any]) -> _Schema:
        translated: list[_Schema] = self(members)
        return translated[0] if len(members) == 1 else {"anyOf": translated}

    def _or_null(self, member: Any, schema: Mapping[str, Any]) -> _Schema:
        """Translate an alternative to null."""
        other: _Schema = self(member)
        if is_secret(member):
            return other
        if "type" not in other or other.keys() & {"const", "enum", "if", "allOf"}:
            return {"if": NULL, "else": other}
        types = other["type"] if isinstance(other["type"], list) else [other["type"]]
        own = {word: schema[word] for word in ("title", "default") if word in schema}
        return {**other, **own, "type": [*types, "null"]}

    def _kind(self, member: Any) -> str:
        """Return whether an alternative is an array, an object or a scalar; empty if it can be several."""
        types = self._definition(member).get("type", [])
        kinds = {
            each if each in _KINDS else "scalar" for each in ([types] if isinstance(types, str) else types)
        }
        return kinds.pop() if len(kinds) == 1 else ""

    def _definition(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._given.get(
            str(schema.get("$ref", "")).removeprefix("#/$defs/"), schema
        )
        return found

    def _tags(self, members: list[Any], schema: Mapping[str, Any]) -> list[_Schema]:
        """Return a schema of the field that tells each alternative from the others; none if unknown."""
        name = schema.get("discriminator", {}).get("propertyName")
        tags = []
        for member in members if name is not None else ():
            tag = self._definition(member).get("properties", {}).get(name, {})
            if not isinstance(tag, Mapping) or not tag.keys() & {"const", "enum"}:
                return []
            allowed = tag["enum"] if "enum" in tag else [tag["const"]]
            tags.append({"properties": {name: _enum(allowed)}})
        return tags

    def _tagged(self, members: list[Any], tags: list[_Schema]) -> _Schema:
        """Check a value against the alternative that its tag names, so that a fault has its own place."""
        (name,) = tags[0]["properties"]
        rules = [
            {"if": {**tag, "required": [name]}, "then": self(member)}
            for member, tag in zip(members, tags, strict=True)
        ]
        untagged = {"if": {"not": {"required": [name]}}, "then": {"properties": self._secrets_of(members)}}
        every = [each for tag in tags for each in tag["properties"][name]["enum"]]
        demand = typed("object") if self._holds_secrets(members) else {"type": "object"}
        return {**demand, "properties": {name: _enum(every)}, "allOf": [*rules, untagged]}

    def _secrets_of(self, members: list[Any]) -> _Schema:
        """Return the fields that are secret in every alternative that has them."""
        fields = [self._definition(member).get("properties", {}) for member in members]
        names = {name: None for each in fields for name in each}
        return {
            name: secret(next(each[name] for each in fields if name in each))
            for name in names
            if all(is_secret(each[name]) for each in fields if name in each)
        }

    def _holds_secrets(self, schema: Any) -> bool:
        """Return True if a value of this schema can have a secret in it."""
        todo, seen = [schema], set()
        while todo:
            each = todo.pop()
            if isinstance(each, list):
                todo.extend(each)
            elif isinstance(each, Mapping) and id(each) not in seen:
                seen.add(id(each))
                if is_secret(each):
                    return True
                todo.extend(inner for word, inner in each.items() if word not in _DATA)
                if self._definition(each) is not each:
                    todo.append(self._definition(each))
        return False

    def _items(self, items: Any, schema: Mapping[str, Any]) -> _Schema:
        return {} if "prefixItems" in schema else {"items": self(items)}

    def _prefix_items(self, items: Any, schema: Mapping[str, Any]) -> _Schema:
        others = self(schema.get("items", True))
        return {"items": self(items), "additionalItems": others} if items else {"items": others}

    def _properties(self, properties: Mapping[str, Any], _: Mapping[str, Any]) -> _Schema:
        return {"properties": {name: self(inner) for name, inner in properties.items()}}

    def _pattern_properties(self, properties: Mapping[str, Any], schema: Mapping[str, Any]) -> _Schema:
        common = {common_pattern(name): self(inner) for name, inner in properties.items()}
        done: _Schema = {
            "patternProperties": {name: inner for name, inner in common.items() if name is not None}
        }
        uncommon = [properties[name] for name in _uncommon_names(schema)]
        if uncommon:  # whose names are other names to the schema
            also = schema.get("additionalProperties", False)
            done["additionalProperties"] = self._any_of([*uncommon, also] if also is not False else uncommon)
        elif not schema.keys() & {"additionalProperties", "properties"}:
            done["additionalProperties"] = False
        return done

    def _additional_properties(self, additional: Any, schema: Mapping[str, Any]) -> _Schema:
        return {} if _uncommon_names(schema) else {"additionalProperties": self(additional)}

    def _property_names(self, names: Any, _: Mapping[str, Any]) -> _Schema:
        # A number or a date is a string where it is a name.
        return {"propertyNames": self(names)} if self._definition(names).get("type") == "string" else {}


def _enum(values: list[Any]) -> _Schema:
    """Return a choice of values, each once; kubeconform refuses a schema with one twice, or with none."""
    # Names of one value in Python, and 1 and 1.0, are equal in JSON.
    unique = {json.dumps(each, sort_keys=True): each for each in map(_plain_number, values)}
    return {"enum": list(unique.values())} if unique else {}


def _plain_number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _multiple(number: Any, _: Mapping[str, Any]) -> _Schema:
    # Plugins allow for rounding, JSON Schema does not: 0.3 is no multiple of 0.1 there.
    return {"multipleOf": number} if isinstance(number, int) else {}


def _pattern(pattern: str, _: Mapping[str, Any]) -> _Schema:
    common = common_pattern(pattern)
    return {} if common is None else {"pattern": common}


def _type_of_format(format_: Any, schema: Mapping[str, Any]) -> _Schema:
    is_wider = schema.get("type") == "string" and format_ in _OTHER_TYPES
    return {"type": ["string", _OTHER_TYPES[format_]]} if is_wider else {}


def _left_out(schema: Mapping[str, Any]) -> list[str]:
    """Return what only `validate` checks."""
    left_out = []
    if "format" in schema:
        left_out.append(f"format {printable(str(schema['format']))}")
    if "pattern" in schema and common_pattern(schema["pattern"]) is None:
        left_out.append(f"pattern {_shown(schema['pattern'])}")
    return [*left_out, *(f"names, pattern {_shown(name)}" for name in _uncommon_names(schema))]


def _shown(pattern: str) -> str:
    return f"`{printable(pattern.removeprefix('(?u)'))}`"


def _uncommon_names(schema: Mapping[str, Any]) -> list[str]:
    return [name for name in schema.get("patternProperties", {}) if common_pattern(name) is None]
