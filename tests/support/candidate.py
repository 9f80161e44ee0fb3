"""A process that stands in for an operator: becomes the leader when it can, and writes while it leads.

    python -m tests.support.candidate NAMESPACE NAME DURATION RENEW_DEADLINE RETRY

It prints its state to standard output, one word per line. As the leader it keeps patching the ConfigMap
`writes-NAME`. Its log goes to standard error. SIGTERM stops it cleanly; SIGUSR1 blocks its event loop for an
hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

from floe_operator.api.connection import Connection
from floe_operator.api.errors import ClusterError
from floe_operator.api.leader import Elector
from floe_operator.logs import configure_logging
from floe_operator.rules.leases import Timing
from tests.support.connections import connected


async def main(namespace: str, name: str, *timing: str) -> None:
    async with connected(time_to_write=lambda: 0.0) as own:
        elector = Elector(own, namespace, identity=name, timing=Timing(*map(float, timing)))
        async with connected(time_to_write=elector.time_left) as connection:
            work = asyncio.create_task(lead(elector, connection, namespace, name))
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, time.sleep, 3600)
            say("standing-by")
            with contextlib.suppress(asyncio.CancelledError):
                await work
    say("ended")


async def lead(elector: Elector, connection: Connection, namespace: str, name: str) -> None:
    try:
        await elector.acquire()
        say("leading")
        while True:
            with contextlib.suppress(ClusterError):
                await connection.write(
                    "test",
                    "PATCH",
                    f"/api/v1/namespaces/{namespace}/configmaps/writes-{name}",
                    query={"fieldManager": "candidate", "force": "true"},
                    body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"writes-{name}"}},
                    content_type="application/apply-patch+yaml",
                )
            await asyncio.sleep(0.005)
    finally:
        await elector.release()


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure_logging("info", "json")
    asyncio.run(main(*sys.argv[1:]))
