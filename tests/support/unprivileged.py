"""Python programs that run as a user without privileges, whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys

_NOBODY = 65_534
_BECOME_NOBODY = f"""
import ctypes, encodings.ascii, os
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({_NOBODY})
    os.setuid({_NOBODY})
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as if it had been started by this user
"""


def run_unprivileged(imports: str, program: str) -> str:
    """Return what a program prints; the user may be unable to read the modules, so they are imported before.

    Raises:
        AssertionError: The program failed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}\n{_BECOME_NOBODY}\n{program}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
