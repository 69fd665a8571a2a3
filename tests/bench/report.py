#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
Reads the lines of a run of the benchmark ("bench NAME WHERE:HOW VALUE UNIT") and prints tables with the ratio of each
figure to stock rdma_rxe's, pinned, of the same run, and whether the targets are met.

    report.py --kernel K RESULTS [--check] [--plots FOLDER] [--save FILE]
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True  # the sources stay clean

from figures import HOWS, WHERES, Figures, fit
from judge import NOT_MET, read_targets, verdicts
from plots import draw

HERE = os.path.dirname(os.path.abspath(__file__))
TITLES = {
    'loop': 'One device',
    'short': 'One device, its shortcut switched on',
    'veth': 'Two devices, in two network namespaces, with a wire (veth) between them',
    'smp': 'Counts, in a guest with two CPUs',
}
NAMES = {'rxe-pin': 'stock, pinned', 'sodp-pin': 'softodp, pinned', 'sodp-odp': 'softodp, on demand', 'rxe-odp': 'stock, on demand'}


def table(head, rows, left=1):
    """Markdown whose columns line up; the first `left` ones to the left."""
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]

    def line(cells):
        padded = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(cells, widths))]
        return '| ' + ' | '.join(padded) + ' |'

    rule = '|' + '|'.join('-' * (width + 1) + ('-' if i < left else ':') for i, width in enumerate(widths)) + '|'
    return [line(head), rule] + [line(row) for row in rows]


def number(value):
    """Four digits that mean something."""
    if value and abs(value) < 1e-3:
        return f'{value:.1e}'
    if abs(value) >= 1000:
        return f'{value:.0f}'
    return f'{value:.4g}'


def cell(figures, name, where, how):
    value = figures.get(name, where, how)
    if value is None:
        return ''
    text = number(value)
    ratio = figures.ratio(name, where, how)
    if ratio is not None and not (how == 'rxe-pin' and where != 'short'):
        text += f' ({ratio:.2f})'
    if (name, f'{where}:{how}') in figures.wrong:
        text += ' *'
    return text


def place(figures, where):
    names = figures.names(where)
    hows = [how for how in HOWS if any(figures.get(name, where, how) is not None for name in names)]
    if not names:
        return []
    rows = [[name, figures.unit[name]] + [cell(figures, name, where, how) for how in hows] for name in names]
    return ['### ' + TITLES[where], ''] + table(['figure', 'unit'] + [NAMES[how] for how in hows], rows, 2) + ['']


def fits(figures):
    rows = []
    for where in WHERES:
        for how in HOWS:
            terms = fit(figures, where, how)
            if terms:
                message, packet, byte = terms
                rows.append([where, NAMES[how], f'{message:.0f}', f'{packet:.0f}', f'{byte:.2f}'])
    if not rows:
        return []
    return (['### Where they go: instructions, by a fit of the WRITEs', '']
            + table(['where', 'device', 'a message', 'a packet', 'a byte'], rows, 2) + [''])


def native(figures):
    if not figures.native:
        return []
    rows = [[name, number(value), unit] for name, value, unit in figures.native]
    return ['### Table, fence and copy on the host', ''] + table(['figure', 'value', 'unit'], rows) + ['']


def footnotes(figures):
    lines = []
    if figures.wrong:
        lines += ['\\* What arrived was wrong: ' + ', '.join(f'{name} {config}' for name, config in figures.wrong) + '.', '']
    if figures.failed:
        lines += ['Failed, so not measured: ' + ', '.join(f'{part} {config}' for part, config in figures.failed) + '.', '']
    return lines


def report(figures, rows):
    lines = []
    if figures.info:
        lines += [f'{name}: {text}  ' for name, text in figures.info.items()] + ['']
    for where in WHERES:
        lines += place(figures, where)
    lines += footnotes(figures) + fits(figures) + native(figures)
    return lines + ['### Targets', ''] + table(['', 'target', 'limit', 'verdict', 'worst'], rows, 5) + ['']


def save(path, kernel, lines):
    """Between the two lines that are there for this kernel."""
    begin, end = f'<!-- bench {kernel}: begin -->', f'<!-- bench {kernel}: end -->'
    with open(path, encoding='utf-8') as file:
        text = file.read()
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise SystemExit(f'{path}: no place for the figures: "{begin}" and "{end}"')
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    with open(path, 'w', encoding='utf-8') as file:
        file.write(head + begin + '\n\n' + '\n'.join(lines).rstrip() + '\n\n' + end + tail)


def arguments():
    parser = argparse.ArgumentParser(description='Tables, targets and plots of a run of the benchmark.')
    parser.add_argument('results', help='its lines')
    parser.add_argument('--kernel', required=True, help='as ./run calls it: which targets hold')
    parser.add_argument('--targets', default=os.path.join(HERE, 'targets.txt'))
    parser.add_argument('--check', action='store_true', help='fail if a target is not met')
    parser.add_argument('--plots', metavar='FOLDER', help='draw into this folder')
    parser.add_argument('--save', metavar='FILE', help='put the tables into this file')
    return parser.parse_args()


def main():
    args = arguments()
    with open(args.results, encoding='utf-8') as lines:
        figures = Figures(lines)
    if not figures.value and not figures.native:
        raise SystemExit(f'{args.results}: no figures')
    rows = verdicts(figures, read_targets(args.targets, args.kernel))
    lines = report(figures, rows)
    print('\n'.join(lines))
    if args.plots:
        draw(figures, args.plots)
    if args.save:
        save(args.save, args.kernel, lines)
    bad = figures.bad_bytes()
    for name, config in bad:
        print(f'wrong bytes arrived: {name} {config}', file=sys.stderr)
    not_met = sum(row[3] == NOT_MET for row in rows)
    if args.check:
        print(f'{not_met} of {len(rows)} targets are not met', file=sys.stderr)
    sys.exit(1 if bad or figures.failed or (args.check and not_met) else 0)


if __name__ == '__main__':
    main()
