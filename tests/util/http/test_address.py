"""Where a service may listen without a token, and which paths of it need one."""

import socket

import pytest

from evalharness.errors import UserError
from evalharness.util.http.address import check_service_address, is_loopback, open_listening_socket
from evalharness.util.http.request_checks import RequestLimits


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.3", False), ("localhost.example.org", False), ("", False)],
)  # fmt: skip
def test_only_loopback_addresses_need_no_token(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
    check_service_address(host, 8377, "a secret")
    if loopback:
        check_service_address(host, 8377, "")
    else:
        with pytest.raises(UserError, match="EVALHARNESS_TOKEN"):
            check_service_address(host, 8377, "")


@pytest.mark.parametrize("port", [0, -1, 1 << 16])
def test_an_impossible_port_is_refused(port: int) -> None:
    with pytest.raises(UserError, match="choose one from 1 to 65535"):
        check_service_address("127.0.0.1", port, "")


def test_accepted_connections_send_each_write_at_once() -> None:
    with open_listening_socket("127.0.0.1", 0, 1) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_refused() -> None:
    with (
        open_listening_socket("127.0.0.1", 0, 1) as taken,
        pytest.raises(UserError, match="choose another --port or --host"),
    ):
        open_listening_socket("127.0.0.1", taken.getsockname()[1], 1)


@pytest.mark.parametrize(
    ("path", "public"),
    [("/health", True), ("/healthy", False), ("/", True), ("/api/pair", False), ("/static/a.js", True),
     ("/statics", False), ("//static/a.js", False)],
)  # fmt: skip
def test_a_public_folder_is_all_below_it_and_the_root_is_itself_alone(path: str, public: bool) -> None:
    assert RequestLimits(public_paths=("/", "/health", "/static/")).is_public_path(path) == public
