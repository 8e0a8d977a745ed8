"""Checks the address that an HTTP service listens on: it needs an access token where other machines can reach it."""

import ipaddress
import socket

from evalharness.errors import UserError

TOKEN_VARIABLE = "EVALHARNESS_TOKEN"
"""The environment variable of the access token. There is no option for the token itself: every user of the machine can
read command lines.
"""


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach a server that listens on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_service_address(host: str, port: int, access_token: str, access_token_variable: str = TOKEN_VARIABLE) -> None:
    """Raises UserError for an invalid port, and if other machines can reach the address but no access token is set.

    `access_token_variable` is the name of the environment variable of the access token, for the message.
    """
    if not 0 < port < 1 << 16:
        raise UserError(f"--port {port} is not a valid port; choose one from 1 to 65535")
    if not access_token and not is_loopback(host):
        raise UserError(
            f"other machines can reach --host {host}; set ${access_token_variable} to a secret that clients must send, "
            "or use --host 127.0.0.1"
        )


def open_listening_socket(host: str, port: int, backlog: int) -> socket.socket:
    """Opens a TCP socket that listens on the address; returns it. Raises UserError if the address is not available.

    Accepted connections send each write at once (TCP_NODELAY): the body of an answer is written after its headers, and
    would otherwise be sent up to 40 ms later, when the client has acknowledged the headers.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=backlog)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another --port or --host"
        ) from None
