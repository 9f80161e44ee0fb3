"""Certificates that have expired: the words name it, and valid ones are used without a restart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import aiohttp
import pytest

from floe_operator.api.login import Login, login
from floe_operator.api.session import Session
from floe_operator.api.unreachable import unreachable
from localcluster.certificates import LIFETIME, CertificateAuthority
from tests.support.rotating_credentials import Rotating, session_of, status, until
from tests.support.tls_servers import ADDRESSES, NAMES, refusing

EXPIRED = dt.timedelta(minutes=-1)


async def refusal(made: Login, session: Session) -> str:
    """Send a request that gets no answer, and return why in words."""
    with pytest.raises(aiohttp.ClientError) as error:
        await status(session)
    return str(unreachable(made.current.transport, error.value))


async def test_a_client_certificate_that_has_expired_is_replaced(rotating: Rotating) -> None:
    rotating.server.ask_for_certificates_of(rotating.authority)
    rotating.names(user=rotating.client("old", lifetime=EXPIRED))
    made = await login()
    async with session_of(made) as session:
        await refusal(made, session)
        assert rotating.server.clients == []
        old = made.current
        rotating.client("new")
        await until(made, lambda: made.current is not old)
        assert await status(session) == 200
    assert rotating.server.clients == ["new"]


async def test_a_server_that_says_that_the_client_certificate_has_expired_is_quoted(
    rotating: Rotating,
) -> None:
    with refusing(rotating.folder, rotating.authority, clients=rotating.authority) as url:
        rotating.names(cluster={"server": url}, user=rotating.client("old", lifetime=EXPIRED))
        made = await login()
        async with session_of(made) as session:
            words = await refusal(made, session)
            assert "certificate expired; check the client certificate" in words
            assert made.refused_since is not None


def server_certificate(rotating: Rotating, lifetime: dt.timedelta) -> None:
    rotating.server.show(rotating.authority.issue_server(NAMES, ADDRESSES, lifetime=lifetime))


def authority(rotating: Rotating, lifetime: dt.timedelta) -> None:
    rotating.authority = CertificateAuthority(lifetime=lifetime)
    rotating.server.show(rotating.authority.issue_server(NAMES, ADDRESSES))
    rotating.write("ca.crt", rotating.authority.certificate)


def authority_beside_the_old_one(rotating: Rotating, lifetime: dt.timedelta) -> None:
    old = rotating.authority.certificate
    authority(rotating, lifetime)
    rotating.write("ca.crt", old + rotating.authority.certificate)


@pytest.mark.parametrize("replace", [server_certificate, authority, authority_beside_the_old_one])
async def test_a_server_whose_certificate_or_authority_has_expired_is_trusted_again_with_a_valid_one(
    rotating: Rotating, replace: Callable[[Rotating, dt.timedelta], None]
) -> None:
    rotating.names()
    made = await login()
    async with session_of(made) as session:
        assert await status(session) == 200
        replace(rotating, EXPIRED)
        words = await refusal(made, session)
        assert "its certificate is not trusted: certificate has expired" in words
        assert len(rotating.server.headers) == 1, "nothing was sent"
        replace(rotating, LIFETIME)
        assert await status(session) == 200
