#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""wirecheck.py INTERFACE SECONDS: looks at every RoCEv2 packet that passes an interface, as somebody in between would.

Derives everything on its own (the ICRC by zlib). Prints "ready", then after SIGTERM or the time one line for each sender:
  ADDRESS packets N opcodes 0x04:N,...
and a line for each of the first packets that are wrong. Status 1 if one was."""
import collections
import signal
import socket
import struct
import sys
import time
import zlib

ETH_P_ALL = 3
PACKET_OUTGOING = 4
HEADERS = {0x03: 4, 0x05: 4, 0x06: 16, 0x09: 4, 0x0a: 16, 0x0b: 20, 0x0c: 16, 0x0d: 4, 0x0f: 4, 0x10: 4, 0x11: 4, 0x12: 12,
           0x13: 28, 0x14: 28}
NO_PAYLOAD = {0x0c, 0x11, 0x12, 0x13, 0x14}


def ones(data, *at):
    data = bytearray(data)
    for i in at:
        data[i] = 0xff
    return bytes(data)


def faults(ip):
    """What is wrong with a packet, from its IP header on."""
    if ip[0] != 0x45:
        return ['IP header with options']
    wrong = []
    total = struct.unpack('!H', ip[2:4])[0]
    if total != len(ip):
        wrong.append(f'IP length {total} of {len(ip)}')
    if sum(struct.unpack('!10H', ip[:20])) % 0xffff:
        wrong.append('IP checksum')
    if ip[6:8] != b'\x40\x00':
        wrong.append('not DF, or a fragment')
    udp, bth, icrc = ip[20:28], ip[28:-4], ip[-4:]
    if struct.unpack('!H', udp[4:6])[0] != len(ip) - 20:
        wrong.append('UDP length')
    if udp[6:8] != b'\0\0':
        wrong.append('UDP checksum')
    if len(bth) % 4:
        wrong.append('not a multiple of four')
    body = len(bth) - 12 - HEADERS.get(bth[0], 0)
    pad = bth[1] >> 4 & 3
    if body < pad:
        wrong.append('shorter than its headers and pad')
    if body and bth[0] in NO_PAYLOAD:
        wrong.append('payload where there is none')
    if pad and any(bth[-pad:]):
        wrong.append('pad that is not zero')
    if bth[2:4] != b'\xff\xff':
        wrong.append('partition')
    pseudo = b'\xff' * 8 + ones(ip[:20], 1, 8, 10, 11) + ones(udp, 6, 7) + ones(bth, 4)
    if struct.pack('<I', zlib.crc32(pseudo)) != icrc:
        wrong.append('ICRC')
    return wrong


def main():
    interface, seconds = sys.argv[1], float(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(finish(seen, bad)))
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    sock.bind((interface, ETH_P_ALL))
    sock.settimeout(0.2)
    seen, bad = collections.defaultdict(collections.Counter), []
    print('ready', flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            packet, origin = sock.recvfrom(65536)
        except socket.timeout:
            continue
        # on lo each packet is seen twice
        if interface == 'lo' and origin[2] == PACKET_OUTGOING:
            continue
        if origin[1] != 0x0800 or len(packet) < 44 or packet[9] != 17 or packet[22:24] != b'\x12\xb7':
            continue
        source = socket.inet_ntoa(packet[12:16])
        seen[source][packet[28]] += 1
        for what in faults(packet):
            bad.append(f'{source} opcode {packet[28]:#04x} length {len(packet)}: {what}')
    sys.exit(finish(seen, bad))


def finish(seen, bad):
    for source, opcodes in sorted(seen.items()):
        counts = ','.join(f'{op:#04x}:{n}' for op, n in sorted(opcodes.items()))
        print(f'{source} packets {sum(opcodes.values())} opcodes {counts}')
    print(*bad[:20], sep='\n')
    print(f'{len(bad)} faults', flush=True)
    return 1 if bad or not seen else 0


main()
