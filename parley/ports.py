"""Ports for services on one machine."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

HOST = "127.0.0.1"


def is_free(port: int, host: str = HOST) -> bool:
    """Return whether nothing listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@contextmanager
def reserved(names: Iterable[str], host: str = HOST) -> Iterator[dict[str, int]]:
    """Yield a free port for each name, kept from everyone else until the block ends.

    The reserving sockets are bound with SO_REUSEPORT and never listen: a server of the same user may bind the port
    beside them, another program may not get it.
    """
    with ExitStack() as held:
        ports = {}
        for name in names:
            holder = held.enter_context(socket.socket())
            if hasattr(socket, "SO_REUSEPORT"):
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind((host, 0))
            ports[name] = holder.getsockname()[1]
        yield ports
