"""When credentials are read again: files that change or are cut off, and programs that take long."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from floe_operator.api import login as logins
from floe_operator.api.login import Login, login
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.kubeconfig import Chosen
from floe_operator.rules.kubeconfig_fields import Cluster, User
from tests.support.rotating_credentials import until

SERVER = "https://api.example"
EXEC_VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files whenever credentials are asked for."""
    monkeypatch.setattr(logins, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(logins, "_SETTLE_SECONDS", 0.0)
    for name in ("https_proxy", "HTTPS_PROXY", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def text(user: Mapping[str, Any], server: str = SERVER) -> str:
    """Return a kubeconfig, one field a line, whose last lines say who sends the requests."""
    lines = [
        "current-context: c",
        'contexts: [{"name": "c", "context": {"cluster": "c", "user": "u"}}]',
        f'clusters: [{{"name": "c", "cluster": {{"server": "{server}"}}}}]',
        "users:",
        "- name: u",
        "  user:",
        *(f"    {field}: {json.dumps(value)}" for field, value in user.items()),
    ]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    path.write_text(text)


def content(path: Path) -> str:
    return path.read_text()


def sent(made: Login) -> dict[str, str]:
    return dict(made.current.headers)


async def test_a_kubeconfig_that_is_being_written_is_never_used_in_part(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_SETTLE_SECONDS", 0.2)
    write(kubeconfig, text({"token": "first", "as": "robot", "as-groups": ["ops"]}))
    made = await login()
    seen = [sent(made)]
    whole = text({"token": "second", "as": "robot", "as-groups": ["ops"]})
    for end in range(0, len(whole), 8):  # many of these are YAML, and some are a kubeconfig
        write(kubeconfig, whole[:end])
        await made.fresh()
        await asyncio.sleep(0.02)
        seen.append(sent(made))
    write(kubeconfig, whole)
    assert all(each == seen[0] for each in seen)
    await until(made, lambda: sent(made) != seen[0])
    assert sent(made) == {
        "Authorization": "Bearer second",
        "Impersonate-User": "robot",
        "Impersonate-Group": "ops",
    }


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (text({"token": "t"}), "as changed: restart the operator if this is meant"),
        (text({"as": "robot"}), "the user no longer has any credentials"),
        (
            text({"token": "t", "as": "robot"}, "https://other"),
            "server changed: restart the operator if this is meant",
        ),
        ("", "there is no context 'c' in /"),
        (text({"token": "t", "as": "robot"})[:100], "is not YAML: line 3, column "),
    ],
)
async def test_a_kubeconfig_that_is_cut_off_or_names_another_server_leaves_those_of_before_in_use(
    kubeconfig: Path, changed: str, words: str
) -> None:
    write(kubeconfig, text({"token": "t", "as": "robot"}))
    made = await login()
    first = made.current
    write(kubeconfig, changed)
    await until(made, lambda: made.fault)
    assert words in made.fault
    assert made.current is first
    write(kubeconfig, text({"token": "new", "as": "robot"}))
    await until(made, lambda: made.current is not first)
    assert made.fault == ""


class Swapped:
    """A file that is replaced just after it was read."""

    def __init__(self, path: Path) -> None:
        self.files: Sequence[Path] = [path]
        self._path = path
        self.read: list[str] = []
        path.write_text("first")

    def load(self) -> Chosen:
        token = self._path.read_text()
        self.read.append(token)
        if token == "second":
            self._path.write_text("third")
        return Chosen("c", Cluster(server=SERVER), User.model_validate({"token": token}), "default")


async def test_a_file_that_is_swapped_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    source = Swapped(tmp_path / "token")
    made = Login(source)
    await made.begin()
    assert sent(made)["Authorization"] == "Bearer first"
    (tmp_path / "token").write_text("second")
    await until(made, lambda: "second" in source.read)
    assert sent(made)["Authorization"] == "Bearer first", "nobody knows which half of it was read"
    await until(made, lambda: sent(made)["Authorization"] == "Bearer third")


@pytest.fixture
async def plugin(tmp_path: Path, kubeconfig: Path) -> AsyncIterator[Path]:
    """Yield a credential plugin that counts its runs and can be made to wait for a file `go`."""
    path = tmp_path / "plugin"
    status = {"token": "t$(wc -l < runs)", "expirationTimestamp": "$(cat expires)"}
    printed = json.dumps({"kind": "ExecCredential", "apiVersion": EXEC_VERSION, "status": status})
    path.write_text(
        f"#!/bin/sh\ncd {tmp_path}\necho run >> runs\nwhile [ -e wait ]; do sleep 0.05; done\n"
        f"cat <<END\n{printed}\nEND\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "expires").write_text("2100-01-01T00:00:00Z")
    write(kubeconfig, text({"exec": {"command": str(path), "apiVersion": EXEC_VERSION}}))
    yield path
    (tmp_path / "wait").unlink(missing_ok=True)


async def about_to_expire(plugin: Path) -> tuple[Login, datetime]:
    """Return a login with what the plugin issued until soon; what it issues next lasts."""
    soon = datetime.now(UTC) + timedelta(seconds=30)
    write(plugin.parent / "expires", soon.isoformat())
    made = await login()
    write(plugin.parent / "expires", "2100-01-01T00:00:00Z")
    return made, soon


async def test_a_plugin_runs_again_before_what_it_issued_expires(plugin: Path) -> None:
    made, soon = await about_to_expire(plugin)
    first = made.current
    await until(made, lambda: made.current is not first)
    assert datetime.now(UTC) < soon


async def test_a_plugin_runs_again_after_it_issued_what_cannot_be_used(plugin: Path) -> None:
    made, _ = await about_to_expire(plugin)
    first = made.current
    good = content(plugin)
    write(plugin, good.replace('"t$', '"a b$'))
    await until(made, lambda: "the token has characters that no token has" in made.fault)
    write(plugin, good)
    await until(made, lambda: made.current is not first)
    assert made.fault == ""


async def test_a_slow_plugin_delays_nobody_while_the_credentials_are_valid(
    plugin: Path, kubeconfig: Path
) -> None:
    made = await login()
    first = made.current
    (plugin.parent / "wait").touch()
    for path in (plugin, kubeconfig):  # something changed, so that the plugin runs again
        write(path, content(path).replace(EXEC_VERSION, f"{EXEC_VERSION}beta1"))
    await until(made, lambda: len((plugin.parent / "runs").read_text().splitlines()) == 2)
    assert await made.fresh() is first
    assert made.awaited == "", "nobody waits"
    (plugin.parent / "wait").unlink()
    await until(made, lambda: made.current is not first)


async def test_whoever_would_get_expired_credentials_waits_and_can_say_for_what(plugin: Path) -> None:
    (plugin.parent / "expires").write_text("2000-01-01T00:00:00Z")
    made = await login()
    first = made.current
    (plugin.parent / "wait").touch()
    waiting = asyncio.create_task(made.fresh())
    async with asyncio.timeout(10.0):
        while not made.awaited:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.01)
    assert made.awaited == f"the credential plugin {plugin}"
    assert not waiting.done()
    (plugin.parent / "wait").unlink()
    assert await waiting is not first


class Pauses(Backoff):
    """No pause; remembers after how many failures one was due."""

    asked: list[int] = []  # noqa: RUF012 -- one test

    def after(self, failures: int) -> float:
        self.asked.append(failures)
        return 0.0


async def test_a_plugin_whose_credentials_stay_rejected_is_asked_less_and_less_often(
    plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = Pauses(1.0, 1.0)
    monkeypatch.setattr(logins, "_PAUSES", pauses)
    made = await login()
    for _ in range(3):
        await made.renew(made.current)
        made.accepted()  # by another of several API servers
    assert pauses.asked == [1, 2, 3]
    assert len((plugin.parent / "runs").read_text().splitlines()) == 4
    monkeypatch.setattr(logins, "_CALM_SECONDS", 0.0)
    for _ in range(2):
        await made.renew(made.current)
    assert pauses.asked[-1] == 2, "after a calm time, the first rejection counts as the first"


async def test_credentials_that_were_just_read_are_not_read_again(plugin: Path) -> None:
    made = await login()
    first = made.current
    second = await made.renew(first)
    assert second is not first
    assert await made.renew(second) is second
    assert len((plugin.parent / "runs").read_text().splitlines()) == 2
