from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from impact_jobs._transport import socket_reader
from impact_jobs._transport.socket_reader import SocketReader

MIB = 1024 * 1024


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_bytes_before_an_early_end_count_and_the_next_call_raises(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    reader = SocketReader(ours, left=10, timeout=5)
    theirs.sendall(b"1234")
    theirs.close()
    assert bytes(reader.fill(10)) == b"1234"
    for _ in range(2):
        with pytest.raises(ConnectionError, match="ended 6 bytes before the body"):
            reader.fill(10)


def test_an_end_before_any_byte_raises_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()
    with pytest.raises(ConnectionError, match="ended 10 bytes before the body"):
        SocketReader(ours, left=10, timeout=5).fill(10)


def test_available_bytes_are_returned_without_waiting_for_the_rest(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_reader, "_MAX_FILL_SECONDS", 0.0)
    ours, theirs = ends
    reader = SocketReader(ours, left=10, timeout=5)
    theirs.sendall(b"1234")
    assert bytes(reader.fill(10)) == b"1234"
    theirs.sendall(b"567890")
    assert bytes(reader.fill(10)) == b"567890"
    assert bytes(reader.fill(10)) == b""


class Stream:
    """The `network_stream` of httpx, with or without a socket."""

    def __init__(self, found: object) -> None:
        self.found = found

    def get_extra_info(self, name: str) -> object:
        if name == "socket":
            return self.found
        return ("127.0.0.1", 80) if name == "server_addr" else None


def answer(extensions: dict[str, object]) -> httpx.Response:
    return httpx.Response(
        200,
        headers={"Content-Length": str(8 * MIB)},
        extensions={"http_version": b"HTTP/1.1"} | extensions,
        request=httpx.Request("GET", "http://127.0.0.1/"),
    )


def test_without_a_socket_there_is_no_reader(ends: tuple[socket.socket, socket.socket]) -> None:
    assert SocketReader.from_response(answer({}), left=8 * MIB, timeout=5) is None
    assert SocketReader.from_response(answer({"network_stream": Stream(None)}), left=8 * MIB, timeout=5) is None
    assert SocketReader.from_response(answer({"network_stream": Stream(ends[0])}), left=8 * MIB, timeout=5) is not None


def test_a_socket_that_was_reset_is_left_to_the_parser() -> None:
    class Reset(Stream):
        def get_extra_info(self, name: str) -> object:
            raise OSError(name)

    assert SocketReader.from_response(answer({"network_stream": Reset(None)}), left=8 * MIB, timeout=5) is None
