#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
Judges a run of the client programs, and keeps the table in docs/clients.md.

    report.py --kernel K --driver TREE --log FOLDER [--save]    after ./run clients
    report.py --check                                           is the document what RESULTS says?
    report.py --write                                           makes it so

With --save the verdicts go to RESULTS and SUITE, logs of what fails on stock rxe to logs/KERNEL, and the document is made anew.
"""

import argparse
import glob
import os
import sys

sys.dont_write_bytecode = True  # the sources stay clean

from suite import Suite, read_saved, write_saved
from table import HERE, Causes, excused, read_new, read_results, read_rows, write_results

DOCUMENT = os.path.join(HERE, '..', '..', 'docs', 'clients.md')
RESULTS, SUITE, CAUSES, LOGS = (os.path.join(HERE, name) for name in ('RESULTS', 'SUITE', 'CAUSES', 'logs'))
BEGIN, END = '<!-- begin {} -->', '<!-- end {} -->'
ON_DEMAND = {'switch': 'yes, by `odp_mode`', 'own': 'yes, asks for it', 'kernel': 'no: kernel memory', 'none': 'nothing to page'}
DOCUMENTED = 'stock'  # the kernel of the document
LOG_BYTES = 20000


# --- the document ------------------------------------------------------------


def verdict_cell(result):
    if result is None:
        return 'not run'
    if result.verdict == 'ok':
        faults = f', {result.faults} faults' if result.faults != '0' else ''
        return f'pass ({result.seconds} s{faults})'
    return {'fail': '**fail**', 'skip': 'skipped'}[result.verdict]


def log_name(row, kernel):
    return os.path.join(kernel, row.replace('/', '.') + '.log')


def why(row, ours, theirs, causes, kernel):
    """Causes, reasons, and a link to the reference's log."""
    parts = []
    for name, result in (('softodp', ours), ('rxe', theirs)):
        if result is None or result.verdict == 'ok':
            continue
        text = causes.of(name, row) or result.reason or 'no reason given'
        parts.append(f'{name}: {text}'.replace('|', '\\|'))
    log = log_name(row, kernel)
    if theirs is not None and theirs.verdict == 'fail' and os.path.exists(os.path.join(LOGS, log)):
        parts.append(f'[log on rxe](../tests/clients/logs/{log})')
    return '; '.join(parts)


def programs(rows, results, causes, kernel=DOCUMENTED):
    """The table, a part for each family."""
    lines = []
    family = None
    for row in rows:
        if row.family != family:
            family = row.family
            lines += ['', f'### {family}', '', '| program | verbs features | data compared | on demand | softodp | stock rxe | why not |',
                      '|---|---|---|---|---|---|---|']
        ours, theirs = (results.get((row.name, kernel, device)) for device in ('softodp', 'rxe'))
        cells = [f'`{row.name.split("/", 1)[1]}`', row.features, 'yes' if row.data == 'data' else 'no', ON_DEMAND[row.odp],
                 verdict_cell(ours), verdict_cell(theirs), why(row.name, ours, theirs, causes, kernel)]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines[1:]


def suite_part(suite):
    if not suite.results:
        return ['Not run yet.']
    lines = ['| | pass | skipped | fail |', '|---|--:|--:|--:|']
    for device, name in (('softodp', 'softodp'), ('rxe', 'stock rxe')):
        count = suite.count(device)
        lines.append(f'| {name} | {count["pass"]} | {count["skip"]} | {count["fail"]} |')
    worse = suite.worse()
    lines += ['', 'Pass on stock rxe and not here: ' + (', '.join(f'`{test}`' for test in worse) or 'none') + '.', '',
              'Skipped on softodp, by the cause that the test gives:', '', '| tests | cause |', '|--:|---|']
    lines += [f'| {n} | {reason} |' for reason, n in suite.reasons('softodp').most_common()]
    return lines


def put(text, name, lines):
    """The text with other lines between two marks."""
    begin, end = BEGIN.format(name), END.format(name)
    before, rest = text.split(begin + '\n')
    _, after = rest.split(end)
    return before + begin + '\n' + '\n'.join(lines) + '\n' + end + after


def made_anew(text):
    rows = read_rows()
    text = put(text, 'programs', programs(rows, read_results(RESULTS), Causes(CAUSES)))
    return put(text, 'suite', suite_part(read_saved(SUITE, DOCUMENTED)))


def document(write):
    """False if it is not as it should be."""
    with open(DOCUMENT, encoding='utf-8') as file:
        text = file.read()
    anew = made_anew(text)
    if write and anew != text:
        with open(DOCUMENT, 'w', encoding='utf-8') as file:
            file.write(anew)
    return write or anew == text


# --- a run -------------------------------------------------------------------


class Count:
    """Prints verdicts of the whole, counts all."""

    def __init__(self):
        self.passed = self.skipped = 0
        self.failures = []

    def print_end(self):
        for failure in self.failures:
            print(f'failed: {failure}', file=sys.stderr)
        skipped = f', {self.skipped} skipped' if self.skipped else ''
        print(f'{self.passed} passed, {len(self.failures)} failed{skipped}')
        return not self.failures and self.passed > 0


def judge(new, known, causes, suite):
    """True if all is well: of softodp. Stock rxe is only reported."""
    count = Count()
    reference = {'ok': 0, 'fail': 0, 'skip': 0}
    for result in new.values():
        if result.device != 'softodp':
            reference[result.verdict] += 1
            if result.verdict == 'fail':
                print(f'# stock rxe fails: {result.row}: {causes.of("rxe", result.row) or result.reason}')
        elif result.verdict == 'ok':
            count.passed += 1
        elif result.verdict == 'skip':
            count.skipped += 1
        elif excused(result, known, causes):
            count.skipped += 1
            print(f'# fails as on stock rxe: {result.row}: {causes.of("softodp", result.row)}')
        else:
            count.failures.append(f'{result.row}: {result.reason}')
    for what, good, note in suite.verdicts():
        print(f'{"ok" if good else "not ok"} - {what}' + (f' # {note}' if note else ''))
        if good:
            count.passed += 1
        else:
            count.failures.append(f'{what}: {note}')
    print('# stock rxe: {ok} passed, {fail} failed, {skip} skipped'.format(**reference))
    if not any(result.device == 'softodp' for result in new.values()):
        print(f'{reference["ok"]} passed, 0 failed')  # it was only to be looked at
        return reference['ok'] > 0
    return count.print_end()


def keep_logs(new, folder, kernel):
    """Of each row that fails on stock rxe the end of its log; of the others none."""
    for result in new.values():
        if result.device != 'rxe':
            continue
        kept = os.path.join(LOGS, log_name(result.row, kernel))
        found = glob.glob(os.path.join(folder, 'rxe', result.row.replace('/', '.') + '.log'))
        if result.verdict == 'fail' and found:
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            with open(found[0], 'rb') as log, open(kept, 'wb') as copy:
                text = log.read()
                copy.write(text[:LOG_BYTES // 4] + b'\n...\n' + text[-LOG_BYTES:] if len(text) > LOG_BYTES else text)
        elif os.path.exists(kept):
            os.remove(kept)


def after_run(args):
    new = read_new(os.path.join(args.log, 'results'), args.kernel, args.driver)
    suite = Suite.read_new(os.path.join(args.log, 'suite'))
    known = read_results(RESULTS)
    known.update(new)
    good = judge(new, known, Causes(CAUSES), suite)
    if args.save:
        write_results(RESULTS, known, read_rows())
        if suite.results:
            write_saved(SUITE, suite, args.kernel)
        keep_logs(new, args.log, args.kernel)
        document(write=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--kernel')
    parser.add_argument('--driver')
    parser.add_argument('--log')
    parser.add_argument('--save', action='store_true')
    args = parser.parse_args()
    if args.check or args.write:
        good = document(args.write)
        if not good:
            print('docs/clients.md is not what the table and RESULTS say: tests/clients/report.py --write')
    elif args.kernel and args.driver and args.log:
        good = after_run(args)
    else:
        parser.error('--check, --write, or --kernel, --driver and --log')
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main()
