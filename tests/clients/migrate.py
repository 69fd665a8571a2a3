#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
Migrates a QEMU guest that never ran to another QEMU by RDMA, and compares the two memories. The source's memory is filled
by its loader; the destination's is empty until the migration.

    migrate.py ADDRESS [--pin-all]
"""

import argparse
import filecmp
import json
import os
import random
import socket
import subprocess
import sys
import time

MEGABYTE = 1 << 20
MEMORY = 32 * MEGABYTE
FILL_AT = 2 * MEGABYTE
FILL = 24 * MEGABYTE
HERE = os.getcwd()


def fail(why):
    sys.exit('FAIL: ' + why)


class Machine:
    """An emulator, and its monitor."""

    def __init__(self, name, *options):
        self.path = os.path.join(HERE, name + '.qmp')
        self.log = open(os.path.join(HERE, name + '.log'), 'w')
        command = ['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-m', str(MEMORY // MEGABYTE), '-S', '-nodefaults',
                   '-display', 'none', '-qmp', f'unix:{self.path},server=on,wait=off', *options]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.socket = socket.socket(socket.AF_UNIX)
        self.connect()
        self.stream = self.socket.makefile('rw')
        json.loads(self.stream.readline())
        self.do('qmp_capabilities')

    def connect(self):
        end = time.monotonic() + 60
        while True:
            if self.process.poll() is not None:
                fail(f'QEMU ended with {self.process.returncode}; see {self.log.name}')
            try:
                self.socket.connect(self.path)
                return
            except OSError:
                if time.monotonic() > end:
                    fail('no monitor at ' + self.path)
                time.sleep(0.1)

    def do(self, command, **arguments):
        json.dump({'execute': command, 'arguments': arguments}, self.stream)
        self.stream.write('\n')
        self.stream.flush()
        while True:
            line = self.stream.readline()
            if not line:
                fail(f'QEMU ended in {command}; see {self.log.name}')
            answer = json.loads(line)
            if 'error' in answer:
                fail(f'{command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def save(self, path):
        self.do('pmemsave', val=0, size=MEMORY, filename=path)

    def end(self):
        self.process.kill()
        self.process.wait()


def wait_for(machine, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        info = machine.do('query-migrate')
        status = info.get('status')
        if status == 'completed':
            return info
        if status in ('failed', 'cancelled'):
            fail(f'migration {status}: {info.get("error-desc", "no reason given")}')
        time.sleep(0.2)
    return fail('the migration does not end')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('address')
    parser.add_argument('--pin-all', action='store_true')
    args = parser.parse_args()
    uri = f'rdma:{args.address}:4444'

    with open('fill', 'wb') as fill:
        fill.write(random.Random(7).randbytes(FILL))
    target = Machine('target', '-incoming', 'defer')
    source = Machine('source', '-device', f'loader,file=fill,addr={FILL_AT:#x},force-raw=on')
    capabilities = [{'capability': 'rdma-pin-all', 'state': args.pin_all}]
    for machine in (target, source):
        machine.do('migrate-set-capabilities', capabilities=capabilities)
    target.do('migrate-incoming', uri=uri)
    source.do('migrate', uri=uri)
    info = wait_for(source, 120)
    wait_for(target, 30)

    source.save(os.path.join(HERE, 'source.memory'))
    target.save(os.path.join(HERE, 'target.memory'))
    source.end()
    target.end()
    if not filecmp.cmp('source.memory', 'target.memory', shallow=False):
        fail('the memories differ')
    with open('target.memory', 'rb') as memory, open('fill', 'rb') as fill:
        memory.seek(FILL_AT)
        if memory.read(FILL) != fill.read():
            fail('what the loader put there is not in the memory')
    ram = info.get('ram', {})
    print(f'{ram.get("transferred", 0)} bytes in {info.get("total-time")} ms, {ram.get("normal", 0)} pages')
    if ram.get('transferred', 0) < FILL and not args.pin_all:
        print('note: less than was filled in')


main()
