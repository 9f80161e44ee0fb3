"""A plugin that records calls of its hooks in a diary, and does in each hook what a test tells it to do."""

from __future__ import annotations

from pathlib import Path

from tests.support.distributions import Distribution, plugin_distribution


def diarist(name: str, diary: Path, *, validating: float = 0.0) -> Distribution:
    """Return the compute plugin `name`, whose diary is `<name>.log` in the folder `diary`.

    A line has the called hook and its process: `startup 4711`, `started <word> 4711` when the startup has
    finished, `check`, `checked`, `shutdown`. The configuration is a `word`, which takes `validating` seconds
    to validate. `tell` determines what a hook does.
    """
    return plugin_distribution(
        name,
        before=f"""
        import os, pathlib, re, threading, time
        from pydantic import field_validator
        HELD, COUNTED = [], []
        DIARY = pathlib.Path({str(diary)!r})
        def note(word):
            with (DIARY / "{name}.log").open("a") as log:
                log.write(f"{{word}} {{os.getpid()}}\\n")
        def told(hook):
            file = DIARY / f"{name}.{{hook}}"
            match file.read_text().split() if file.exists() else []:
                case ["raise"]: raise RuntimeError("told to raise")
                case ["count", "raise"]:
                    COUNTED.append(hook)
                    raise RuntimeError(f"told to raise {{len(COUNTED)}}")
                case ["count", state]:
                    COUNTED.append(hook)
                    return state
                case ["hang"]: time.sleep(3600)
                case ["hold"]: re.match(r"(a+)+$", "a" * 64 + "b")
                case ["crash", seconds]:
                    threading.Timer(float(seconds), os._exit, [7]).start()
                case ["eat"]: HELD.append(b"x" * 300_000_000)
                case ["sleep", seconds]: time.sleep(float(seconds))
                case ["crash"]: os._exit(7)
                case [state]: return state
            return ""
        """,
        config=f"""
        word: str = "none"
        @field_validator("word")
        @classmethod
        def take_time(cls, value):
            time.sleep({validating})
            return value
        """,
        body="""
        def startup(self):
            note("startup"); told("startup"); note(f"started {self._config.word}")
        def shutdown(self):
            note("shutdown"); told("shutdown")
        def health_check(self):
            note("check"); text = told("check"); note("checked")
            return HealthStatus(HealthState(text or "healthy"), f"told {text} {len(COUNTED) or ''}")
        """,
    )


def tell(diary: Path, hook: str, text: str, name: str = "one") -> None:
    """Make `startup`, `check` or `shutdown` do this from now on: `raise`, `hang`, `crash` or `sleep 1.5`.

    `hold` hangs and keeps the process from answering, `crash 1.5` ends it later, `eat` keeps 300 MB. A check
    can also be told a health state; an empty text restores the normal behaviour.
    """
    (diary / f"{name}.{hook}").write_text(text)


def calls(diary: Path, name: str) -> list[tuple[str, int]]:
    """Return the lines of a plugin's diary, as a list of (hook, process id) pairs."""
    file = diary / f"{name}.log"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(what, int(pid)) for what, _, pid in (line.rpartition(" ") for line in lines)]
