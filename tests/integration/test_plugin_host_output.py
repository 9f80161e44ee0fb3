"""Each line that plugins print names its plugin, whatever prints it and whatever else runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from floe_operator.plugin_host import Described, HookTimedOut
from tests.support.distributions import Environment, plugin_distribution
from tests.support.plugin_hosts import Reports, all_loaded, compute, outcome, running
from tests.support.polling import eventually_async

SAY = """
import asyncio, ctypes, logging, os, subprocess, sys, threading, time, warnings
from pathlib import Path
from pydantic import field_validator
handler = logging.StreamHandler()
log = logging.getLogger(__name__)
log.addHandler(handler)
def say(where):
    words = f"said:{__name__}-{where}"
    print(f"{words}-print")
    print(f"{words}-err", file=sys.stderr)
    print(f"{words}-pi", end="", flush=True)
    print("ece")
    print(f"{words}-long", "x" * 10_000)
    sys.stdout.buffer.write(f"{words}-buffer\\n".encode())
    warnings.warn(f"{words}-warn")
    log.warning(f"{words}-log")
def say_beneath(where):
    words = f"said:{__name__}-{where}"
    os.write(2, f"{words}-write\\n".encode())
    ctypes.CDLL(None).write(1, f"{words}-C\\n".encode(), len(words) + 3)
    subprocess.run(["echo", f"{words}-child"])
    thread = threading.Thread(target=print, args=(f"{words}-thread",))
    thread.start()
    thread.join()
"""
WAYS = ("print", "err", "piece", "long", "buffer", "warn", "log")
WAYS_BENEATH = ("write", "C", "child", "thread")
CONFIG = """
wait: str = ""
@field_validator("wait", mode="before")
@classmethod
def check(cls, value):
    say("validate")
    return value
"""
BODY = """
def __init__(self, config):
    self.config = config
def startup(self):
    say("startup")
def health_check(self):
    if self.config.wait:
        Path(self.config.wait, __name__).touch()
        while not Path(self.config.wait, "go").exists():
            time.sleep(0.01)
    say("health")
    if self.config.wait:
        time.sleep(3600)
    return HealthStatus(HealthState.HEALTHY)
def shutdown(self):
    say("shutdown")
"""
PLACES = ("import", "validate", "startup", "health", "shutdown")
BENEATH = "say_beneath('{}')"
NAMES = ("a", "b", "c")


def talker(name: str, *, beneath: bool) -> tuple[str, str, str]:
    """Return the arguments of a plugin's source that prints in each place."""
    more = (
        "\nsay_python = say\ndef say(where):\n    say_python(where)\n    say_beneath(where)\n"
        if beneath
        else ""
    )
    return f"{SAY}{more}\nsay('import')\n", CONFIG, BODY


def talkers(environment: Environment, *, beneath: bool) -> None:
    for name in NAMES:
        before, config, body = talker(name, beneath=beneath)
        environment.add(plugin_distribution(name, before=before, config=config, body=body))


def named(reports: Reports) -> dict[str, dict[str, list[str]]]:
    """Return whom each line that plugin `say` printed names, by plugin and by the rest of the line."""
    found: dict[str, dict[str, list[str]]] = {name: {} for name in NAMES}
    for line, plugins in reports.printed:
        _, said, words = line.partition("said:floe_compute_")
        if said:
            name, _, rest = words.partition("-")
            found[name][rest.partition(" ")[0]] = plugins
    return found


async def test_a_line_names_the_plugin_in_whose_call_it_was_printed(environment: Environment) -> None:
    talkers(environment, beneath=True)
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        for name in NAMES:
            assert (await host.validate(compute(name), {"wait": ""}, {})).reason == "Valid"
            await host.start_plugin(compute(name), {"wait": ""}, 10)
            await host.check(compute(name), 10)
            await host.stop_plugin(compute(name), 10)
    found = named(reports)
    for name in NAMES:
        expected = {f"{place}-{way}" for place in PLACES for way in (*WAYS, *WAYS_BENEATH)}
        assert found[name].keys() == expected
        wrong = {line: plugins for line, plugins in found[name].items() if plugins != [f"compute/{name}"]}
        assert not wrong


async def test_a_line_from_one_of_several_calls_side_by_side_names_its_plugin_alone(
    environment: Environment, tmp_path: Path
) -> None:
    talkers(environment, beneath=False)
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        for name in NAMES:
            await host.start_plugin(compute(name), {"wait": str(tmp_path)}, 10)
        checks = [asyncio.create_task(host.check(compute(name), 20)) for name in NAMES]

        async def all_wait() -> bool:
            return all((tmp_path / f"floe_compute_{name}").exists() for name in NAMES)

        await eventually_async(all_wait)
        (tmp_path / "go").touch()

        async def all_said() -> bool:
            return all(f"health-{WAYS[-1]}" in found for found in named(reports).values())

        await eventually_async(all_said)
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
    found = named(reports)
    for name in NAMES:
        said = {line: plugins for line, plugins in found[name].items() if line.startswith("health")}
        assert said == {f"health-{way}": [f"compute/{name}"] for way in WAYS}


async def test_a_line_of_unknown_origin_names_all_plugins_whose_calls_have_not_returned(
    environment: Environment,
) -> None:
    hang = "def health_check(self):\n    time.sleep(3600)"
    tell = (
        "def health_check(self):\n    os.write(2, b'told\\n')\n    return HealthStatus(HealthState.HEALTHY)"
    )
    for name, body in {"hangs": hang, "hangs-too": hang, "returns": "", "tells": tell}.items():
        environment.add(plugin_distribution(name, before="import os, time", body=body))
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
        for name in ("returns", "hangs", "hangs-too", "tells"):
            await host.start_plugin(compute(name), {}, 10)
        await host.check(compute("returns"), 10)
        for name in ("hangs-too", "hangs"):
            with pytest.raises(HookTimedOut):
                await host.check(compute(name), 1.5)
        await host.check(compute("tells"), 10)
    assert ("told", ["compute/hangs", "compute/hangs-too", "compute/tells"]) in reports.printed


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import os\nif os.fork() == 0:\n    raise SystemExit\nos.wait()\nos.write(2, b'said\\n')", "said"),
        ("import os\nif os.fork() == 0:\n    print('child')\n    os._exit(0)\nos.wait()", "child"),
        ("import os, fcntl\nfcntl.fcntl(2, fcntl.F_SETFL, os.O_NONBLOCK)\nprint('x' * 15_000)", "x" * 15_000),
        ("import os\nos.close(2)\nos.close(1)\nos.open('/dev/null', 1)\nprint('lost')", None),
        ("import sys, io\nold, sys.stdout = sys.stdout, io.StringIO()\nold.write('kept\\n')", "kept"),
        ("import sys\nsys.stdout.reconfigure(line_buffering=False)\nprint('reconfigured')", "reconfigured"),
        ("import sys\nsys.__stderr__.write('own\\n')\nassert sys.stderr.fileno() == 2", "own"),
        ("import sys\nprint('not ended', end='')", "not ended"),
        ("import sys\nassert sys.argv == ['-c'], sys.argv\nprint('bare')", "bare"),
        ("import asyncio\nasyncio.run(asyncio.to_thread(print, 'threaded'))", "threaded"),
    ],
)
async def test_names_survive_what_plugins_do_to_the_streams(
    environment: Environment, code: str, line: str | None
) -> None:
    environment.add(plugin_distribution("rude", before=code))
    then = "import sys\ntry:\n    sys.__stderr__.write('then\\n')\nexcept OSError: ..."
    environment.add(plugin_distribution("then", before=then))
    reports = Reports()
    async with running(environment.python, reports) as host:
        assert isinstance(await outcome(host, compute("rude")), Described)
        assert isinstance(await outcome(host, compute("then")), Described)
    rude = [said for said, plugins in reports.printed if plugins == ["compute/rude"]]
    assert rude == ([] if line is None else [line])
    assert line is None or ("then", ["compute/then"]) in reports.printed
    assert "\x1e" not in "".join(reports.lines)


async def test_what_goes_elsewhere_than_to_the_log_has_no_marks(
    environment: Environment, tmp_path: Path
) -> None:
    file = str(tmp_path / "file")
    code = f"import os\nkept = os.dup(1)\nos.dup2(os.open({file!r}, os.O_CREAT | os.O_WRONLY), 1)"
    environment.add(
        plugin_distribution("redirects", before=f"{code}\nprint('to the file')\nos.dup2(kept, 1)")
    )
    async with running(environment.python) as host:
        assert isinstance(await outcome(host, compute("redirects")), Described)
    assert (tmp_path / "file").read_text() == "to the file\n"


async def test_a_plugin_that_floods_the_log_while_others_work_is_the_one_that_is_named(
    environment: Environment,
) -> None:
    environment.add(plugin_distribution("flood", before="for number in range(50_000):\n    print(number)"))
    environment.add(*(plugin_distribution(f"quiet{number}") for number in range(3)))
    reports = Reports()
    async with running(environment.python, reports) as host:
        await all_loaded(host)
    assert reports.printed
    assert {tuple(plugins) for _, plugins in reports.printed} == {("compute/flood",)}
