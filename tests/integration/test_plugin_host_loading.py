"""How plugins load in a plugin host: real processes, real distributions, hostile ones among them."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest

from floe_operator.plugin_host import Described, LoadFault, importing, knowledge
from floe_operator.rules.backoff import Backoff
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.plugin_hosts import Reports, all_loaded, compute, outcome, running
from tests.support.polling import eventually_async

CATASTROPHIC_REGEX = "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')"
SEGMENTATION_FAULT = "import ctypes\nctypes.string_at(0)"
GRANDCHILD = (
    "import os, subprocess\nsubprocess.Popen(['sleep', '600'], close_fds=False, stdin=0)\nos._exit(4)"
)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.create(tmp_path / "environment")


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        ("import os\nos._exit(3)", "CrashedOnLoad", "it exited with status 3"),
        ("import os\nos._exit(0)", "CrashedOnLoad", "it exited with status 0"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
            "CrashedOnLoad",
            "it was killed by SIGSEGV",
        ),
        (SEGMENTATION_FAULT, "CrashedOnLoad", "it was killed by SIGSEGV"),
        (GRANDCHILD, "CrashedOnLoad", "it exited with status 4"),
        ("import os\nos.closerange(3, 1_048_576)", "CrashedOnLoad", "ended the plugin host"),
        ("import threading\nthreading.Event().wait()", "LoadTimedOut", "did not return within 2 s"),
        (CATASTROPHIC_REGEX, "LoadTimedOut", "did not return within 2 s"),
        ("import sys\nsys.exit('no')", "ImportFailed", "raised SystemExit"),
        ("raise KeyboardInterrupt", "ImportFailed", "raised KeyboardInterrupt"),
        ("raise BaseException('no')", "ImportFailed", "raised BaseException"),
        ("import nothing_of_this_name", "ImportFailed", "needs nothing_of_this_name, which is not installed"),
    ],
    ids=lambda each: each.splitlines()[-1][:40] if isinstance(each, str) else None,
)
async def test_a_plugin_whose_import_fails_crashes_or_hangs_affects_only_itself(
    environment: Environment, code: str, reason: str, says: str
) -> None:
    environment.add(
        plugin_distribution("alpha"),
        plugin_distribution("hostile", before=code),
        plugin_distribution("omega"),
    )
    async with running(environment.python, load_timeout=2.0) as host:
        fault = await outcome(host, compute("hostile"))
        assert isinstance(fault, LoadFault)
        assert fault.reason == reason
        assert says in fault.message
        assert not re.search("[A-Z_]{2,}:", fault.message), "the message must call the plugin compute/hostile"
        assert isinstance(await outcome(host, compute("alpha")), Described)
        assert isinstance(await outcome(host, compute("omega")), Described)
        assert (await host.validate(compute("omega"), {}, {})).reason == "NothingToConfigure"


@pytest.mark.parametrize(
    "code",
    [
        """print('{"jsonrpc":"2.0","id":1,"result":null}'); print("}{", flush=True)""",
        """import os; os.write(1, b'{"jsonrpc":"2.0","id":1,"result":null}\\n' * 100)""",
        """import sys; sys.stdout.write("x" * 20_000_000); sys.stderr.write("y\\n" * 100_000)""",
        """import os; os.closerange(3, 256)""",
        """import os; os.close(0); os.close(1); os.close(2)""",
        """import sys; sys.stdin.read(); sys.stdin.close(); sys.stdout.close()""",
        """import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)""",
        """import os, time\nif os.fork() == 0:\n    time.sleep(600)""",
        """import os\nif os.fork() == 0:\n    raise SystemExit(0)""",
        """import os\nos.fork()""",
        """import sys; sys.path.clear(); sys.path.append("/nowhere")""",
        """import sys; sys.setrecursionlimit(150)""",
    ],
)
async def test_a_plugin_loads_whatever_its_import_does_to_the_process(
    environment: Environment, code: str
) -> None:
    environment.add(plugin_distribution("rude", before=code), plugin_distribution("then"))
    async with running(environment.python) as host:
        assert isinstance(await outcome(host, compute("rude")), Described)
        assert isinstance(await outcome(host, compute("then")), Described)
        assert (await host.scan()).complete
        assert host.generation == 1


async def test_what_plugins_print_is_handed_on_line_by_line_and_is_never_taken_for_an_answer(
    environment: Environment,
) -> None:
    environment.add(
        plugin_distribution("chatty", before="""print('{"id": 1}')\nimport os\nos.system("echo sub")""")
    )
    reports = Reports()
    async with running(environment.python, reports) as host:
        await outcome(host, compute("chatty"))
    assert {'{"id": 1}', "sub"} <= set(reports.lines)


async def test_a_plugin_that_prints_megabytes_does_not_flood_the_log(environment: Environment) -> None:
    environment.add(plugin_distribution("flood", before="for number in range(200_000):\n    print(number)"))
    reports = Reports()
    async with running(environment.python, reports) as host:
        assert isinstance(await outcome(host, compute("flood")), Described)
    assert 0 < len(reports.lines) < 5_000


async def test_a_slow_import_is_given_its_full_time_after_all_others_are_loaded(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "FIRST_PASS_LIMIT", 1.0)
    slow = plugin_distribution("a-slow", before="import time\ntime.sleep(2)")
    environment.add(slow, *(plugin_distribution(f"quick{number}") for number in range(5)))
    reports = Reports()
    async with running(environment.python, reports) as host:
        assert isinstance(await outcome(host, compute("a-slow")), Described)
    assert reports.changed[-1] == compute("a-slow")


async def test_five_hostile_plugins_among_a_hundred_do_not_keep_the_others_waiting(
    environment: Environment,
) -> None:
    hostile = {
        "p10": "import os\nos._exit(1)",
        "p30": SEGMENTATION_FAULT,
        "p50": "import threading\nthreading.Event().wait()",
        "p70": CATASTROPHIC_REGEX,
        "p90": "import time\nwhile True:\n    time.sleep(1)",
    }
    environment.add(
        *(
            plugin_distribution(name, before=hostile.get(name, ""))
            for name in (f"p{n:02}" for n in range(100))
        )
    )
    began = time.monotonic()
    async with running(environment.python, load_timeout=3.5) as host:
        for number in range(100):
            if f"p{number:02}" not in hostile:
                left = max(1.0, 45.0 - (time.monotonic() - began))
                assert isinstance(await outcome(host, compute(f"p{number:02}"), within=left), Described)
        await all_loaded(host, within=90.0)
        faults = {name: host.load_state(compute(name)) for name in hostile}
    reasons = [fault.reason for fault in faults.values() if isinstance(fault, LoadFault)]
    assert reasons == ["CrashedOnLoad", "CrashedOnLoad", "LoadTimedOut", "LoadTimedOut", "LoadTimedOut"]


async def test_what_a_plugin_says_is_kept_apart_from_what_we_say(environment: Environment) -> None:
    environment.add(plugin_distribution("teller", before="raise RuntimeError('the plugin said this')"))
    async with running(environment.python) as host:
        fault = await outcome(host, compute("teller"))
    assert isinstance(fault, LoadFault)
    assert "the plugin said this" in fault.plugin_text
    assert "the plugin said this" not in fault.message


async def test_a_schema_too_large_for_a_message_is_left_out_of_the_description(
    environment: Environment,
) -> None:
    config = "text: str = Field(default='', description='x' * 9_000_000)\nneeded: int"
    environment.add(plugin_distribution("huge", config=config))
    async with running(environment.python) as host:
        state = await outcome(host, compute("huge"))
        assert isinstance(state, Described)
        assert state.description.takes_config
        assert state.description.config_schema is None
        assert state.description.required_fields == ("needed",)
        assert (await host.validate(compute("huge"), {"needed": 1}, {})).reason == "Valid"


async def test_a_description_too_large_for_a_message_is_a_fault_of_that_plugin(
    environment: Environment,
) -> None:
    environment.add(
        plugin_distribution("huge", body="description = 'x' * 9_000_000"), plugin_distribution("small")
    )
    async with running(environment.python) as host:
        state = await outcome(host, compute("huge"))
        assert isinstance(state, LoadFault)
        assert state.reason == "NotAPlugin"
        assert isinstance(await outcome(host, compute("small")), Described)
        assert host.generation == 1


async def test_an_import_that_lacked_a_library_is_tried_again_when_the_library_is_installed(
    environment: Environment,
) -> None:
    environment.add(plugin_distribution("needy", before="import late_library"))
    async with running(environment.python) as host:
        assert isinstance(await outcome(host, compute("needy")), LoadFault)
        environment.install(Distribution("late-library", modules={"late_library.py": ""}))
        await host.scan()

        async def loaded() -> bool:
            return isinstance(host.load_state(compute("needy")), Described)

        await eventually_async(loaded)


async def test_a_plugin_that_was_set_aside_loads_after_its_upgrade(environment: Environment) -> None:
    environment.install(plugin_distribution("killer", before="import os\nos._exit(1)"))
    async with running(environment.python) as host:
        assert isinstance(await outcome(host, compute("killer")), LoadFault)
        environment.install(plugin_distribution("killer", version="0.2.0"))
        await host.scan()
        state = await outcome(host, compute("killer"))
        assert isinstance(state, Described)
        assert state.description.version == "0.2.0"


async def test_a_plugin_that_was_set_aside_and_uninstalled_is_not_retried_without_a_pause(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge, "SET_ASIDE", Backoff(first=0.5, longest=0.5))
    environment.install(plugin_distribution("gone", before="import os\nos._exit(3)"))
    async with running(environment.python) as host:
        assert isinstance(await outcome(host, compute("gone")), LoadFault)
        environment.uninstall("floe-compute-gone")
        run, tried = host._trials.run, itertools.count()

        async def counted(*arguments: Any, **options: Any) -> Any:
            next(tried)
            return await run(*arguments, **options)

        monkeypatch.setattr(host._trials, "run", counted)
        await asyncio.sleep(3)
        assert 0 < next(tried) <= 7
