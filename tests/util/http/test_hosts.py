"""Which host names a service answers to: those of this machine, those that are allowed, and no other site's."""

from pathlib import Path

import pytest

from evalharness.arena.service.config import ArenaConfig
from evalharness.errors import UserError
from evalharness.grading_service.config import ServiceConfig
from evalharness.model_server.config import ServerConfig
from evalharness.util.http.hosts import is_host_allowed, resolve_allowed_hosts


@pytest.mark.parametrize(
    ("header", "served"),
    [
        ("127.0.0.1:8378", True), ("127.0.0.1", True), ("localhost:8378", True), ("LOCALHOST", True),
        ("localhost.", True), ("[::1]:8378", True), ("127.8.9.1:1", True), ("", True), ("models.example.org", True),
        ("Models.Example.org:443", True), ("evil.example", False), ("evil.example:8378", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("10.0.0.3:8378", False),
        ("user@evil.example", False), ("evil.example/127.0.0.1", False), ("[::1", False), ("localhost:x", True),
        ("127.0.0.1@evil.example", False),
    ],
)  # fmt: skip
def test_only_names_of_this_machine_and_allowed_ones_are_served(header: str, served: bool) -> None:
    assert is_host_allowed(header, resolve_allowed_hosts("127.0.0.1", ("models.example.org",))) == served


def test_any_name_is_served_where_other_machines_reach_the_service() -> None:
    assert is_host_allowed("gpu-7.cluster:8378", resolve_allowed_hosts("0.0.0.0"))
    assert not is_host_allowed("evil.example", resolve_allowed_hosts("0.0.0.0", ("gpu-7.cluster",)))
    assert is_host_allowed("10.0.0.3", resolve_allowed_hosts("10.0.0.3", ("gpu-7.cluster",)))


@pytest.mark.parametrize("name", ["http://x", "x:80", "", "a b", "[::1]"])
def test_an_allowed_host_is_a_name_alone(name: str) -> None:
    with pytest.raises(UserError, match="is not a host name; give it without scheme and port"):
        resolve_allowed_hosts("127.0.0.1", (name,))


def test_all_services_check_the_host() -> None:
    for config in (ArenaConfig((), Path("votes")), ServiceConfig(), ServerConfig()):
        assert config.limits.allowed_hosts == {"127.0.0.1"}
