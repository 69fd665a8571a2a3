# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The table of client programs: its rows, what came of them, and why."""

import fnmatch
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
HEADING = '# Verdicts of ./run clients --save: row, kernel, device, verdict, seconds, page faults, driver/ (git tree), reason'
DEVICES = ('softodp', 'rxe')


class Row:
    """A line of list.sh."""

    def __init__(self, line):
        self.name, self.seconds, self.odp, self.data, self.features = line.rstrip('\n').split('\t')
        self.family = self.name.split('/')[0]


class Result:
    """What came of a row on a device."""

    def __init__(self, row, kernel, device, verdict, seconds, faults, driver, reason=''):
        self.row, self.kernel, self.device, self.verdict = row, kernel, device, verdict
        self.seconds, self.faults, self.driver, self.reason = seconds, faults, driver, reason

    @property
    def key(self):
        return self.row, self.kernel, self.device

    def __str__(self):
        words = (self.row, self.kernel, self.device, self.verdict, self.seconds, self.faults, self.driver, self.reason)
        return ' '.join(words).rstrip()


def read_rows(command=None):
    listing = subprocess.run(command or [os.path.join(HERE, 'list.sh')], check=True, capture_output=True, text=True)
    return [Row(line) for line in listing.stdout.splitlines()]


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8', errors='replace') as file:
        return [line.strip() for line in file if line.strip() and not line.startswith('#')]


def read_results(path):
    """The file RESULTS, by row, kernel and device."""
    results = {}
    for line in lines_of(path):
        result = Result(*line.split(None, 7))
        results[result.key] = result
    return results


def read_new(path, kernel, driver):
    """Lines of guests: result DEVICE ROW VERDICT SECONDS FAULTS REASON."""
    results = {}
    for line in lines_of(path):
        _, device, row, verdict, seconds, faults, *reason = line.split(None, 6)
        tree = driver if device == 'softodp' else '-'
        result = Result(row, kernel, device, verdict, seconds, faults, tree, *reason)
        results[result.key] = result
    return results


def write_results(path, results, rows):
    order = {row.name: i for i, row in enumerate(rows)}
    known = [result for result in results.values() if result.row in order]
    known.sort(key=lambda r: (r.kernel, order[r.row], DEVICES.index(r.device)))
    with open(path, 'w', encoding='utf-8') as file:
        file.write(HEADING + '\n')
        file.writelines(f'{result}\n' for result in known)


class Causes:
    """The file CAUSES."""

    def __init__(self, path):
        self.lines = [line.split(None, 2) for line in lines_of(path)]

    def of(self, device, row):
        for where, pattern, cause in self.lines:
            if where == device and fnmatch.fnmatchcase(row, pattern):
                return cause
        return ''


def excused(result, results, causes):
    """A failure of ours that is none: it has a cause elsewhere, and stock rxe fails as well."""
    reference = results.get((result.row, result.kernel, 'rxe'))
    return bool(causes.of('softodp', result.row)) and reference is not None and reference.verdict == 'fail'
