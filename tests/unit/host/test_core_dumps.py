"""A host, or an operator, that crashes leaves no core dump, and does its work without one, as root or not."""

from __future__ import annotations

from tests.support.unprivileged import run_unprivileged

_DUMPABLE = "ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)"
_FORBIDDEN = "from floe_core.host.core_dumps import forbid_core_dumps"


def test_a_host_is_not_dumped_even_to_a_program_and_is_still_the_first_to_go_without_memory() -> None:
    said = run_unprivileged(
        "import resource\nfrom floe_core.host.streams import isolate",
        f"before = {_DUMPABLE}\n"
        "said = open(os.dup(1), 'w')\n"
        "isolate()\n"
        f"print(before, {_DUMPABLE}, *resource.getrlimit(resource.RLIMIT_CORE), file=said)\n"
        "print(open('/proc/self/oom_score_adj').read(), file=said, flush=True)",
    )
    assert said.split() == ["1", "0", "0", "0", "1000"]


def test_programs_that_are_started_get_their_own_files_in_proc_back_but_leave_no_file_either() -> None:
    said = run_unprivileged(
        f"import subprocess\n{_FORBIDDEN}",
        "forbid_core_dumps()\n"
        "print(subprocess.run(['/bin/sh', '-c', 'ulimit -c; stat -c %U /proc/self/fd'],"
        " capture_output=True, text=True, cwd='/', check=True).stdout)\n"
        "print(os.stat('/proc/self/fd').st_uid, flush=True)",
    )
    limit, child, own = said.split()
    assert limit == "0"
    assert child != "root"
    assert own == "0"
