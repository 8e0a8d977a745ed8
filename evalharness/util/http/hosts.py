"""The host names under which clients may address a service: the protection against DNS rebinding.

A web page of another site can have its own name resolved to 127.0.0.1, so that its scripts may read what a service of
this machine answers. Such requests have the site's name in their Host header. Source: OWASP, DNS rebinding; the
header is that of RFC 9110, section 7.2.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from evalharness.errors import UserError
from evalharness.util.http.address import is_loopback


def allowed_hosts(host: str, allowed: Sequence[str] = ()) -> frozenset[str]:
    """Returns the host names by which clients may address a service; an empty set allows any name.

    `host` is the address that the service listens on. Without `allowed`, any name is allowed if other machines can
    reach `host`, because the service then needs a token. Raises UserError for a name with a scheme or a port.
    """
    for name in allowed:
        if not name or any(letter in name for letter in "/:@[] "):
            raise UserError(
                f"--allowed-host {name} is not a host name; give it without scheme and port, such as models.example.org"
            )
    if not allowed and not is_loopback(host):
        return frozenset()
    return frozenset(name.lower().rstrip(".") for name in (host, *allowed))


def is_allowed_host(header: str, hosts: frozenset[str]) -> bool:
    """Returns whether a request's Host header, such as `localhost:8378`, names an allowed host or a loopback address.

    Requests without the header are served, because no browser sends one.
    """
    if not hosts or not header:
        return True
    try:
        name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in hosts or is_loopback(name)
