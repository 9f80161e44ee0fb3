"""Credential plugins that print what they should, garbage or nothing, fail, hang or are not there."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from floe_operator.api import login as logins
from floe_operator.api.credential_plugin import issue
from floe_operator.api.errors import ClusterConfigError
from floe_operator.api.login import login
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.kubeconfig import KubeconfigError
from floe_operator.rules.kubeconfig_fields import Cluster, Exec
from tests.support.control_planes import write_kubeconfig
from tests.support.polling import eventually

VERSION = "client.authentication.k8s.io/v1"
CLUSTER = Cluster.model_validate(
    {
        "server": "https://api.example",
        "tls-server-name": "api",
        "extensions": [
            {"name": "other", "extension": {"audience": "no"}},
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "api"}},
        ],
    }
)


def script(folder: Path, body: str) -> str:
    """Write a program of the shell, and return its path."""
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def replace(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def program(command: str, **more: Any) -> Exec:
    return Exec.model_validate({"command": command, "apiVersion": VERSION, **more})


def credential(**status: Any) -> str:
    """Return what a plugin prints that issues this."""
    return json.dumps({"kind": "ExecCredential", "apiVersion": VERSION, "status": status})


def echo(text: str) -> str:
    return f"cat <<'END'\n{text}\nEND"


async def test_a_token_and_its_end_are_read(tmp_path: Path) -> None:
    printed = credential(token="t0ken", expirationTimestamp="2030-01-01T00:00:00Z")
    issued = await issue(program(script(tmp_path, echo(printed))), CLUSTER)
    assert (issued.token, issued.expires_at) == ("t0ken", 1893456000.0)
    assert "t0ken" not in repr(issued)


async def test_a_certificate_and_its_key_are_read(tmp_path: Path) -> None:
    printed = credential(clientCertificateData="pem", clientKeyData="key")
    issued = await issue(program(script(tmp_path, echo(printed))), CLUSTER)
    assert (issued.certificate, issued.key) == (b"pem", b"key")


@pytest.mark.parametrize("cluster", [True, False])
async def test_a_plugin_is_told_what_is_asked_for(tmp_path: Path, cluster: bool) -> None:
    body = f'printf "%s" "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; echo "$1 $WORD" >> {tmp_path}/info\n'
    command = script(tmp_path, body + echo(credential(token="t")))
    env = [{"name": "WORD", "value": "word"}]
    await issue(program(command, args=["first"], env=env, provideClusterInfo=cluster), CLUSTER)
    info, _, rest = (tmp_path / "info").read_text().partition("}first word")
    spec: dict[str, Any] = {"interactive": False}
    if cluster:
        spec["cluster"] = {
            "server": "https://api.example",
            "tls-server-name": "api",
            "config": {"audience": "api"},
        }
    assert json.loads(info + "}") == {"apiVersion": VERSION, "kind": "ExecCredential", "spec": spec}
    assert rest == "\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (echo("garbage"), "printed no JSON object"),
        (echo("[]"), "printed no JSON object"),
        ("", "printed no JSON object"),
        ("head -c 3000000 /dev/zero", "printed no JSON object"),
        (echo('{"kind": "Pod"}'), f"printed no ExecCredential of {VERSION}"),
        (
            echo(
                json.dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1"})
            ),
            f"printed no ExecCredential of {VERSION}",
        ),
        (echo(credential()), "printed neither a token nor a certificate"),
        (echo(credential(token=7)), "printed neither a token nor a certificate"),
        (echo(credential(clientCertificateData="a")), "without the other"),
        (
            echo(credential(token="t", expirationTimestamp="soon")),
            "an expirationTimestamp that is no time: soon",
        ),
        ("exit 1", "ended with code 1"),
        ("kill -9 $$", "ended with code -9"),
    ],
)
async def test_what_a_plugin_did_instead_is_said(tmp_path: Path, body: str, words: str) -> None:
    command = script(tmp_path, body)
    with pytest.raises(KubeconfigError) as refusal:
        await issue(program(command), CLUSTER)
    assert str(refusal.value).startswith(f"exec.command {command} ")
    assert str(refusal.value).endswith(words) or words in str(refusal.value)


async def test_what_a_plugin_says_is_kept_apart_because_it_may_be_secret(tmp_path: Path) -> None:
    command = script(tmp_path, "echo 'log in  first' >&2\nexit 1")
    with pytest.raises(KubeconfigError) as refusal:
        await issue(program(command), CLUSTER)
    assert refusal.value.output == "log in first"
    assert "log in" not in str(refusal.value)


async def test_a_plugin_whose_child_keeps_its_pipes_issues_what_it_printed(tmp_path: Path) -> None:
    printed = echo(credential(token="t0ken"))
    command = script(tmp_path, f"sleep 3600 &\necho $! > {tmp_path}/child\n{printed}")
    open_before = open_files()
    began = time.monotonic()
    assert (await issue(program(command), CLUSTER)).token == "t0ken"
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not is_running(child))
    async with asyncio.timeout(5.0):
        while open_files() > open_before:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.01)


async def test_a_plugin_is_told_the_authority_that_is_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("pem")
    cluster = Cluster.model_validate(
        {"server": "https://api.example", "certificate-authority": str(tmp_path / "ca.crt")}
    )
    body = f'printf "%s" "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\n'
    command = script(tmp_path, body + echo(credential(token="t")))
    await issue(program(command, provideClusterInfo=True), cluster)
    info = json.loads((tmp_path / "info").read_text())
    assert info["spec"]["cluster"]["certificate-authority-data"] == "cGVt"


async def test_a_plugin_that_is_not_there_is_named_with_its_hint() -> None:
    missing = program("/nowhere/aws", installHint="Install it\nfrom here.")
    with pytest.raises(
        KubeconfigError, match=r"/nowhere/aws cannot be run: No such file.*; Install it from here\."
    ):
        await issue(missing, CLUSTER)


async def test_a_version_of_the_protocol_that_is_not_known_is_refused() -> None:
    with pytest.raises(KubeconfigError, match=r"exec\.apiVersion must be one of"):
        await issue(program("true", apiVersion="client.authentication.k8s.io/v1alpha1"), CLUSTER)


async def test_a_plugin_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    command = script(tmp_path, f"sleep 3600 &\necho $! > {tmp_path}/child\nwait")
    began = time.monotonic()
    with pytest.raises(KubeconfigError, match=r"did not end within 0\.5 s"):
        await issue(program(command), CLUSTER, seconds=0.5)
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_plugin_runs_again_when_what_it_issued_expires_or_is_rejected_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(logins, "_PAUSES", Backoff(0.0, 0.0))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    runs = tmp_path / "runs"
    printed = credential(token="t$(wc -l < RUNS)", expirationTimestamp="EXPIRES")
    command = script(
        tmp_path, f"echo run >> {runs}\n" + f"cat <<END\n{printed}\nEND".replace("RUNS", str(runs))
    )
    replace(Path(command), "EXPIRES", "2100-01-01T00:00:00Z")
    user: Any = {"exec": {"command": command, "apiVersion": VERSION}}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", {"server": "https://api.example"}, user)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    def count() -> int:
        return len(runs.read_text().splitlines())

    made = await login()
    for _ in range(3):
        assert await made.fresh() is made.current
    assert count() == 1
    first = made.current
    second = await made.renew(first)
    assert second != first
    assert count() == 2
    assert await made.renew(first) is second, "somebody else has renewed them"
    assert count() == 2
    replace(Path(command), "2100", "2000")
    expired = await made.renew(second)
    assert await made.fresh() != expired, "whoever would get expired credentials waits"
    assert count() == 4


async def test_a_plugin_that_fails_at_the_start_keeps_the_operator_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    user: Any = {"exec": {"command": script(tmp_path, "exit 3"), "apiVersion": VERSION}}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", {"server": "https://api.example"}, user)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with pytest.raises(ClusterConfigError, match="ended with code 3"):
        await login()
