"""Running the application with uvicorn: the socket, TLS, and the address that is told when it can be reached."""

from __future__ import annotations

import ipaddress
import logging
import socket
import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from retrieval.errors import BadArgument
from retrieval.service.patience import PatientProtocol
from retrieval.service.settings import Settings
from retrieval.service.tls import Certificate

BACKLOG = 256
CLOSING_SECONDS = 5
"""How long requests may go on after the service was told to end."""
IDLE_SECONDS = 15
"""After which a connection that asks nothing is closed."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address.

    Raises:
        BadArgument: when it is neither an address nor ``localhost``.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise BadArgument(
            f"'{host}' is no address to listen at; take 127.0.0.1, 0.0.0.0 or one of this machine"
        ) from error


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        BadArgument: when the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        bound.close()
        raise BadArgument(
            f"{host}:{port} cannot be listened at ({error}); choose another --host or --port"
        ) from error
    return bound


def run(
    app: FastAPI, bound: socket.socket, settings: Settings, certificate: Certificate | None, told: Callable[[], None]
) -> None:
    """Serve until the process is told to end.

    Args:
        app: the application.
        bound: a socket that listens.
        settings: of the service.
        certificate: for TLS.
        told: called when requests are taken.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=settings.limits.at_once * 4 + settings.limits.streams,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=CLOSING_SECONDS,
        ssl_certfile=None if certificate is None else str(certificate.cert),
        ssl_keyfile=None if certificate is None else str(certificate.key),
    )
    server = _Server(config, told)
    try:
        server.run(sockets=[bound])
    except KeyboardInterrupt:  # it ended in order; the key need not be told of
        return


class _Server(uvicorn.Server):
    """Uvicorn's server, which says when it takes requests."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests, and say so."""
        await super().startup(sockets)
        if self.started:
            self._told()
