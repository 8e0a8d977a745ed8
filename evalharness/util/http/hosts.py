"""The host names under which clients may address a service: the protection against DNS rebinding.

A web page of another site can have its own name resolved to 127.0.0.1, so that its scripts may read what a service of
this machine answers. Such requests have the site's name in their Host header. Source: OWASP, DNS rebinding; the
header is that of RFC 9110, section 7.2.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from evalharness.errors import UserError
from evalharness.util.http.address import is_loopback


def resolve_allowed_hosts(listening_host: str, further_hosts: Sequence[str] = ()) -> frozenset[str]:
    """Returns the host names by which clients may address a service; an empty set allows any name.

    `listening_host` is the address that the service listens on. Without `further_hosts`, any name is allowed if other
    machines can reach `listening_host`, because the service then needs an access token. Raises UserError for a name
    with a scheme or a port.
    """
    for name in further_hosts:
        if not name or any(letter in name for letter in "/:@[] "):
            raise UserError(
                f"--allowed-host {name} is not a host name; give it without scheme and port, such as models.example.org"
            )
    if not further_hosts and not is_loopback(listening_host):
        return frozenset()
    return frozenset(name.lower().rstrip(".") for name in (listening_host, *further_hosts))


def is_host_allowed(host_header: str, allowed_hosts: frozenset[str]) -> bool:
    """Returns whether a request's Host header, such as `localhost:8378`, names an allowed host or a loopback address.

    Requests without the header are served, because no browser sends one.
    """
    if not allowed_hosts or not host_header:
        return True
    try:
        name = (urlsplit(f"//{host_header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in allowed_hosts or is_loopback(name)
