"""Only the open internet may be connected to, however an address is spelt."""

from __future__ import annotations

import socket

import pytest

from streams.feeds.addresses import PrivateAddressError, is_public, public_socket

PRIVATE = """
127.0.0.1 127.9.9.9 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 169.254.169.254 100.64.0.1 192.0.0.8
192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 ::8.8.8.8 fe80::1 fe80::1%eth0 fc00::1
fd00:ec2::254 ff02::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::1 2001:0:4136:e378:8000:63bf:f5ff:fffe
""".split()  # noqa: SIM905
PUBLIC = "8.8.8.8 93.184.215.14 172.32.0.1 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808".split()  # noqa: SIM905


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_of_the_open_internet_is_refused(address: str) -> None:
    assert not is_public(address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pytest.raises(PrivateAddressError, match="not a public address"):
        public_socket((family, socket.SOCK_STREAM, 0, "", (address, 80)))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_gets_a_socket(address: str) -> None:
    assert is_public(address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    public_socket((family, socket.SOCK_STREAM, 0, "", (address, 80))).close()
