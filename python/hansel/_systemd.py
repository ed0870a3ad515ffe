"""The service manager, such as systemd: the sockets that it passes, and what it is told (sd_listen_fds(3), sd_notify(3))."""

from __future__ import annotations

import logging
import os

_PASSED = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
READY = "READY=1"
STOPPING = "STOPPING=1"

_LOGGER = logging.getLogger("hansel")


def has_passed_sockets() -> bool:
    """Returns true if there are sockets for this process."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"


def forget_passed_sockets() -> None:
    """Keeps processes that are started from here from taking them."""
    for name in _PASSED:
        os.environ.pop(name, None)


def notify(state: str) -> None:
    """Tells the service manager, if there is one. It is not waited for: one that can't be told now is not told."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # Half a megabyte that is not needed without a service manager.
    import socket

    # "a leading "@" refers to an abstract socket".
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)
            manager.sendto(state.encode(), name)
    except OSError as error:
        _LOGGER.warning("can't send %s to the service manager at %s: %s", state, address, error)
