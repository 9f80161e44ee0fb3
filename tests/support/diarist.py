"""A plugin that writes down which of its hooks are called, and does in each what it is told meanwhile."""

from __future__ import annotations

from pathlib import Path

from tests.support.distributions import Distribution, plugin_distribution


def diarist(name: str, diary: Path, *, validating: float = 0.0) -> Distribution:
    """The compute plugin `name`, whose diary is `<name>.log` in the folder `diary`.

    A line is what was called and the process that it was called in: `startup 4711`, `started <word> 4711`
    when it is over, `check`, `checked`, `shutdown`. Its configuration is a `word`, which takes `validating`
    seconds to validate. What a hook shall do, `tell` says.
    """
    return plugin_distribution(
        name,
        before=f"""
        import os, pathlib, time
        from pydantic import field_validator
        DIARY = pathlib.Path({str(diary)!r})
        def note(word):
            with (DIARY / "{name}.log").open("a") as log:
                log.write(f"{{word}} {{os.getpid()}}\\n")
        def told(hook):
            file = DIARY / f"{name}.{{hook}}"
            match file.read_text().split() if file.exists() else []:
                case ["raise"]: raise RuntimeError("told to raise")
                case ["hang"]: time.sleep(3600)
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
            return HealthStatus(HealthState(text or "healthy"), f"told {text}")
        """,
    )


def tell(diary: Path, hook: str, text: str, name: str = "one") -> None:
    """What the next `startup`, `check` or `shutdown` does: `raise`, `hang`, `crash`, `sleep 1.5`.

    A check may be told a health state, too; an empty text is nothing special.
    """
    (diary / f"{name}.{hook}").write_text(text)


def calls(diary: Path, name: str) -> list[tuple[str, int]]:
    """The lines of a plugin's diary: what was called, and in which process."""
    file = diary / f"{name}.log"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(what, int(pid)) for what, _, pid in (line.rpartition(" ") for line in lines)]
