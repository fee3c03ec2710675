"""Which addresses a stranger's word may lead us to: public ones only.

A name is resolved by whoever owns it, and may mean something else at every look. So nothing is concluded from names or
from a look beforehand: the socket itself is refused when it is about to be opened to an address that is not public.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_NOT_GLOBAL = tuple(  # special purposes that the standard library of some versions calls global
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",
            "192.88.99.0/24",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "3fff::/20",
            "5f00::/16",
            "fec0::/10",
        ),
    )
)


class PrivateAddressError(OSError):
    """A connection was about to be made to an address that is not public; nothing was sent."""

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, f"{address} is not a public address")


def is_public(address: str) -> bool:
    """Whether ``address`` is one of the open internet, and so is every IPv4 address that it wraps.

    >>> [is_public(a) for a in ("93.184.215.14", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and (wrapped := _wrapped(found)) is not None:
        return _is_global(wrapped) and found not in _COMPATIBLE
    return _is_global(found)


def public_socket(addr_info: tuple[Any, ...]) -> socket.socket:
    """A socket for ``addr_info`` (as of ``getaddrinfo``), the last thing before connecting.

    Raises:
        PrivateAddressError: its address is not public.
    """
    family, kind, protocol, _, address = addr_info
    if not is_public(str(address[0])):
        raise PrivateAddressError(str(address[0]))
    return socket.socket(family, kind, protocol)


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside a mapped, compatible, 6to4, Teredo or NAT64 one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if any(address in network for network in _NOT_GLOBAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
