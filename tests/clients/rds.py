#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Messages of many lengths between two RDS sockets of one address, there and back, each compared."""

import hashlib
import socket
import sys

AF_RDS = 21
PORTS = (18634, 18635)
LENGTHS = [1, 7, 64, 1000, 4096, 4097, 16384, 65536, 100001]
ROUNDS = 12


def open_socket(address, port):
    sock = socket.socket(AF_RDS, socket.SOCK_SEQPACKET, 0)
    sock.settimeout(30)
    sock.bind((address, port))
    return sock


def message(number, length):
    """Bytes that depend on the number."""
    block = hashlib.sha256(b'%d' % number).digest()
    return (block * (length // len(block) + 1))[:length]


def main():
    address = sys.argv[1]
    first, second = (open_socket(address, port) for port in PORTS)
    number = 0
    for _ in range(ROUNDS):
        for length in LENGTHS:
            for sender, receiver, port in ((first, second, PORTS[1]), (second, first, PORTS[0])):
                number += 1
                sender.sendto(message(number, length), (address, port))
                got, origin = receiver.recvfrom(1 << 20)
                if got != message(number, length) or origin[0] != address:
                    sys.exit(f'FAIL: message {number}: {len(got)} bytes from {origin}, not the {length} that were sent')
    print(f'{number} messages')


main()
