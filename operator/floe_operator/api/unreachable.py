"""Why there was no answer, and what helps: the errors of a connection in words. Pure."""

from __future__ import annotations

import ssl

import aiohttp

from floe_operator.api.credentials import Transport
from floe_operator.api.errors import ClusterUnreachable, why

_ABOUT_CERTIFICATES = (
    "ALERT_NO_CERTIFICATE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
)
"""The ends of OpenSSL's names for these alerts."""
_PROXY_AUTHENTICATION_REQUIRED = 407


def unreachable(transport: Transport, error: BaseException) -> ClusterUnreachable:
    """Return the error for a request without an answer."""
    return ClusterUnreachable(
        f"the API server at {transport.server} cannot be reached: {_why(transport, error)}"
    )


def _why(transport: Transport, error: BaseException) -> str:
    tls = tls_fault(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        if error.status == _PROXY_AUTHENTICATION_REQUIRED:
            return (
                f"the proxy {transport.proxy} asks for a user and a password, or refuses those it got (407): "
                "its URL takes them, as in http://USER:PASSWORD@HOST:PORT"
            )
        return f"the proxy {transport.proxy} answered {error.status} {error.message}"
    if isinstance(tls, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted: {_words(tls.verify_message)}; check certificate-authority and "
            "tls-server-name"
        )
    if tls is not None:
        reason = (tls.reason or "").replace("_", " ").lower()
        if is_certificate_refused(tls):
            return f"it ended the TLS handshake: {reason}; check the client certificate"
        if "alert" in reason:
            return f"it ended the TLS handshake: {reason}"
        return f"what answers does not speak TLS as expected: {reason or _words(str(tls))}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"what answers does not speak HTTP: {_words(error.message)}"
    via = f"the proxy {transport.proxy}: " if isinstance(error, aiohttp.ClientProxyConnectionError) else ""
    return via + why(error)


def tls_fault(error: BaseException) -> ssl.SSLError | None:
    """Return what was wrong with the server's certificate, with ours, or with TLS; None if nothing was."""
    # aiohttp's own errors are SSLErrors without the attributes of one.
    for found in (error.__cause__, error):
        if isinstance(found, ssl.SSLError):
            return found
    return None


def is_certificate_refused(error: ssl.SSLError) -> bool:
    """Return True if the server sent an alert about our certificate, or the lack of one.

    The alerts: https://www.rfc-editor.org/rfc/rfc8446#section-6.2.
    """
    return (error.reason or "").endswith(_ABOUT_CERTIFICATES)


def _words(text: str) -> str:
    return " ".join(text.split())
