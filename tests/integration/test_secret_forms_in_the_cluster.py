"""No Secret leaves the operator in any form in which programs print it, whichever way a plugin prints it.

There is a plugin for each form. All of them print in one way at a time, and everything that people can read
is searched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.integration.test_cli_commands import run_cli
from tests.support import secret_forms, secret_kinds, secret_printing
from tests.support.distributions import Distribution, members_source
from tests.support.http_pages import page
from tests.support.operator import FloePlugins, manifest, ready_reason
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.secret_forms import FOUND, telling_pieces
from tests.support.standing import Standing, standing_operator

# With which reason the objects end if their plugins print in this way.
WAYS = {
    "errors of validators": "ValidationFailed",
    "output and startup": "StartupFailed",
    "health message": "Unhealthy",
    "health error": "Unhealthy",
    # The last, because it makes the printed forms parts of the Secret.
    "key": "ValidationFailed",
}
_NAMES = {f"form-{number:03}": form for number, form in enumerate(FOUND)}
_SOURCE = """
import logging, sys, warnings
from floe_core import ComputePlugin, HealthState, HealthStatus
from pydantic import BaseModel, SecretStr, field_validator
from pydantic_core import PydanticCustomError, PydanticKnownError
from tests.support.secret_forms import FOUND

warnings.simplefilter("always")
logging.basicConfig(level=logging.DEBUG)

def plugin(number, form):
    class Config(BaseModel):
        model_config = {"extra": "forbid", "validate_default": True}
        token: SecretStr
        way: str = ""

        value: int = 1
        message: int = 2
        kind: int = 3
        known: int = 4

        @field_validator("value", "message", "kind", "known")
        @classmethod
        def raises(cls, value, info):
            printed = form.printed(info.data["token"].get_secret_value())
            if info.data["way"] == "errors of validators":
                raise {
                    "value": ValueError(printed),
                    "message": PydanticCustomError("login", "{said}", {"said": printed}),
                    "kind": PydanticCustomError(printed, "no"),
                    "known": PydanticKnownError("literal_error", {"expected": printed}),
                }[info.field_name]
            if info.data["way"] == "output and startup":
                print(printed)
                print(printed, file=sys.stderr)
                warnings.warn(printed)
                logging.error("%s", printed)
            return value

        @property
        def printed(self):
            return form.printed(self.token.get_secret_value())

    class Plugin(ComputePlugin):
        name, version, floe_api_version = f"form-{number:03}", "0.1.0", "1.0"
        MEMBERS

        def get_config_schema(self):
            return Config

        def startup(self):
            if self._config.way == "output and startup":
                printed = self._config.printed
                raise type(printed.replace("\\0", ""), (Exception,), {})(printed)

        def health_check(self):
            if self._config.way == "health error":
                raise ValueError(self._config.printed)
            if self._config.way == "health message":
                printed = self._config.printed
                return HealthStatus(HealthState.UNHEALTHY, printed, {printed[:40]: printed})
            return HealthStatus(HealthState.HEALTHY)

    return Plugin

globals().update({f"Plugin{number:03}": plugin(number, form) for number, form in enumerate(FOUND)})
"""


def _distribution() -> Distribution:
    source = _SOURCE.replace("MEMBERS", members_source(PluginType.COMPUTE))
    modules = {"floe_secret_forms.py": source}
    for module in (secret_forms, secret_kinds, secret_printing):
        modules[module.__name__.replace(".", "/") + ".py"] = Path(str(module.__file__)).read_text()
    claims = {name: f"floe_secret_forms:Plugin{name.removeprefix('form-')}" for name in _NAMES}
    return Distribution("floe-secret-forms", "0.1.0", {"floe.computes": claims}, modules)


@dataclass(frozen=True)
class Told:
    """An operator with a plugin for each form, and the secret of each."""

    standing: Standing
    port: int
    secrets: Mapping[str, str]
    pieces: Mapping[int, Mapping[str, str]]
    """By length: which pieces of text tell which plugin's secret."""

    def told_by(self, text: str) -> set[str]:
        """Return the forms in which a secret is in the text."""
        found = set()
        for length, pieces in self.pieces.items():
            here = {text[at : at + length] for at in range(len(text) - length + 1)}
            found |= {pieces[piece] for piece in here & pieces.keys()}
        return found


@pytest.fixture(scope="module")
def told(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    secrets = {name: form.secret() for name, form in _NAMES.items()}
    pieces: dict[int, dict[str, str]] = {}
    for name, form in _NAMES.items():
        pieces.setdefault(form.piece, {}).update(
            dict.fromkeys(telling_pieces(form, secrets[name]), form.name)
        )
    port = free_port()
    folder, flags = tmp_path_factory.mktemp("forms"), ("--http-port", str(port))
    with standing_operator(cluster, folder, _distribution(), flags=flags) as standing:
        for name, secret in secrets.items():
            keyed = {"token": secret, _NAMES[name].printed(secret): "unexpected-value"}
            standing.plugins.secret(name, token=secret, keyed=yaml.safe_dump(keyed, allow_unicode=True))
        yield Told(standing, port, secrets, pieces)


@pytest.mark.parametrize("way", WAYS)
def test_no_form_of_a_secret_is_told_in_any_way(told: Told, way: str) -> None:
    plugins = told.standing.plugins
    plugins.core.delete_collection_namespaced_event(plugins.namespace)
    logged = told.standing.operator.log.stat().st_size
    for name in _NAMES:
        reference = {"name": name, "key": "keyed" if way == "key" else "token"}
        source = {"secretKeyRef": reference, **({} if way == "key" else {"path": "token"})}
        spec = {
            "config": {"way": way},
            "configFrom": [source],
            "probe": {"periodSeconds": 1, "failureThreshold": 1},
        }
        plugins.merge(f"compute-{name}", {"spec": spec})

    def settled() -> bool:
        wrong = {
            name: found for name, each in plugins.all().items() if (found := ready_reason(each)) != WAYS[way]
        }
        assert not wrong, f"{len(wrong)} are not settled, such as {dict(list(wrong.items())[:5])}"
        return True

    eventually(settled, within=90, every=0.5)
    with told.standing.operator.log.open("rb") as log:
        log.seek(logged)
        lines = log.read().decode(errors="replace").splitlines()
    places = {
        "objects": _strings([{**each, "spec": None} for each in plugins.all().values()]),
        "events": _strings(_events(plugins)),
        "log": _strings([json.loads(line) if line.startswith("{") else line for line in lines]),
        "metrics": page(told.port, "metrics")[1],
        "readyz": page(told.port, "readyz")[1],
    }
    found = {place: sorted(told.told_by(text)) for place, text in places.items()}
    told_in = {place: forms for place, forms in found.items() if forms}
    assert not told_in, json.dumps(told_in)


def test_the_commands_tell_no_form_of_a_secret(told: Told, tmp_path: Path) -> None:
    config = {"way": "errors of validators"}
    documents = [
        manifest("compute", name, config={"token": secret, **config}) for name, secret in told.secrets.items()
    ]
    (tmp_path / "plugins.yaml").write_text(yaml.safe_dump_all(documents))
    validate = ("validate", "-f", "plugins.yaml", "-o")
    texts = []
    for arguments in ((*validate, "json"), (*validate, "github"), ("list", "-o", "json")):
        done = run_cli(told.standing.environment, tmp_path, *arguments)
        assert done.returncode == (0 if "list" in arguments else 1), done.stderr
        texts += [done.stdout, done.stderr]
        if "json" in arguments:
            texts.append(_strings(json.loads(done.stdout)))
    forms = sorted({form for text in texts for form in told.told_by(text)})
    assert not forms, json.dumps(forms)


def _strings(found: Any) -> str:
    """Return all strings in some JSON, also as they are when white space is collapsed."""
    parts = list(_each_string(found))
    return "\n".join([*parts, *(" ".join(part.split()) for part in parts)])


def _each_string(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, Mapping):
        for key, value in found.items():
            if key != "uid":  # as random as a secret
                yield from (key, *_each_string(value))
    elif isinstance(found, list):
        for each in found:
            yield from _each_string(each)


def _events(plugins: FloePlugins) -> list[Any]:
    api: Any = client.ApiClient()
    listed = plugins.core.list_namespaced_event(plugins.namespace)
    return [api.sanitize_for_serialization(item) for item in listed.items]
