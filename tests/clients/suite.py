# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""rdma-core's own suite, test by test, on softodp and on stock rxe."""

from collections import Counter

from table import lines_of

HEADING = '# rdma-core\'s suite, of ./run clients --save: test, kernel, on softodp, on stock rxe, reason (of the first that does not pass)'
ENOUGH = 100


class Suite:
    """Results by test and device."""

    def __init__(self):
        self.results = {}  # test -> device -> (result, reason)

    def add(self, test, device, result, reason=''):
        self.results.setdefault(test, {})[device] = (result, reason)

    @classmethod
    def read_new(cls, path):
        """Lines DEVICE TEST RESULT REASON, as suite rows leave them."""
        suite = cls()
        for line in lines_of(path):
            device, test, result, *reason = line.split(None, 3)
            if result in ('pass', 'skip', 'fail'):
                suite.add(test, device, result, *reason)
        return suite

    def count(self, device):
        return Counter(devices[device][0] for devices in self.results.values() if device in devices)

    def worse(self):
        """Tests that pass on stock rxe and not here."""
        return [test for test, devices in sorted(self.results.items())
                if 'softodp' in devices and devices.get('rxe', ('',))[0] == 'pass' and devices['softodp'][0] != 'pass']

    def verdicts(self):
        """(what, passed, note) of what must hold; nothing for what was not run."""
        ours, theirs = self.count('softodp'), self.count('rxe')
        if ours and theirs:
            worse = self.worse()
            yield 'suite: all that pass on stock rxe pass', not worse, ', '.join(worse)
        if sum(ours.values()) > ENOUGH:
            yield f'suite: at least {ENOUGH} pass', ours['pass'] >= ENOUGH, f'{ours["pass"]} of {sum(ours.values())}'

    def reasons(self, device):
        """How many tests are skipped, by reason."""
        return Counter(devices[device][1] or 'no reason given' for devices in self.results.values()
                       if devices.get(device, ('',))[0] == 'skip')


def read_saved(path, kernel):
    """The file SUITE."""
    suite = Suite()
    for line in lines_of(path):
        test, which, ours, theirs, *reason = line.split(None, 4)
        if which != kernel:
            continue
        for device, result in (('softodp', ours), ('rxe', theirs)):
            if result != '-':
                suite.add(test, device, result, *reason)
    return suite


def write_saved(path, suite, kernel):
    """What other kernels came to stays."""
    lines = [line for line in lines_of(path) if line.split()[1] != kernel]
    saved = read_saved(path, kernel)
    for test, devices in suite.results.items():
        for device, (result, reason) in devices.items():
            saved.add(test, device, result, reason)
    for test, devices in sorted(saved.results.items()):
        results = [devices.get(device, ('-', '')) for device in ('softodp', 'rxe')]
        reason = next((why for result, why in results if result not in ('pass', '-')), '')
        lines.append(' '.join([test, kernel, results[0][0], results[1][0], reason]).rstrip())
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join([HEADING] + sorted(lines)) + '\n')
