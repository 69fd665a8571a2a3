# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The figures drawn by gnuplot, as SVG."""

import os
import subprocess

from figures import HOWS, WHERES

COLOURS = {'rxe-pin': '#888888', 'sodp-pin': '#1f6fb4', 'sodp-odp': '#e07b00', 'rxe-odp': '#c8c8c8'}
OPS = ['write', 'read', 'send']
SIZES = {'4k': 12, '64k': 16, '1m': 20, '64m': 26, '1g': 30, '64g': 36, '1t': 40}

HEAD = '''set terminal svg size 960,480 enhanced background "white" font "sans,11"
set key outside right top
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set datafile missing "?"
'''


def value(figures, name, where, how):
    found = figures.get(name, where, how)
    return '?' if found is None else repr(found)


def block(rows):
    return '$data << END\n' + '\n'.join(rows) + '\nEND\n'


def bars(figures, title, unit, groups):
    """groups: (label, name, where), a bar in each for each device that has the figure. None when there is nothing."""
    hows = [how for how in HOWS if any(figures.get(name, where, how) is not None for _, name, where in groups)]
    groups = [group for group in groups if any(figures.get(group[1], group[2], how) is not None for how in hows)]
    if not groups:
        return None
    rows = [f'"{label}" ' + ' '.join(value(figures, name, where, how) for how in hows) for label, name, where in groups]
    plots = ', '.join(f'$data using {i + 2}:xtic(1) title "{how}" lc rgb "{COLOURS[how]}"' for i, how in enumerate(hows))
    return (HEAD + block(rows) + f'set title "{title}"\nset ylabel "{unit}"\nset yrange [0:*]\n'
            'set style data histogram\nset style histogram clustered gap 1\nset style fill solid\nset boxwidth 0.9\n'
            f'set xtics rotate by -30\nplot {plots}\n')


def lines(figures, title, unit, xlabel, columns, settings):
    """columns: (x, {title: (name, where, how)}), a line for each title. None when there is nothing."""
    titles = [name for name in columns[0][1] if any(figures.get(*column[name]) is not None for _, column in columns)]
    if not titles:
        return None
    rows = [f'{x} ' + ' '.join(value(figures, *column[name]) for name in titles) for x, column in columns]
    plots = ', '.join(f'$data using 1:{i + 2} with linespoints lw 2 title "{name}" lc rgb "{COLOURS[columns[0][1][name][2]]}"'
                      + (' dt 2' if ' touched' in name else '') for i, name in enumerate(titles))
    return (HEAD + block(rows) + f'set title "{title}"\nset ylabel "{unit}"\nset xlabel "{xlabel}"\n{settings}plot {plots}\n')


def by_op(pattern, label, wheres=WHERES):
    return [(label.format(op=op, where=where), pattern.format(op=op), where) for where in wheres for op in OPS]


def registration(figures, which):
    columns = []
    for size, log in SIZES.items():
        column = {}
        for how in HOWS:
            for state in 'untouched', 'touched':
                column[f'{how}, {state}'] = (f'{which}_{state}_{size}', 'loop', how)
        columns.append((log, column))
    ticks = ', '.join(f'"{size}" {log}' for size, log in SIZES.items())
    words = {'reg': 'Registration', 'dereg': 'Deregistration'}
    return lines(figures, words[which], 'us', 'size', columns, f'set logscale y\nset xtics ({ticks})\n')


def queue_pairs(figures, where):
    columns = [(n, {how: (f'qps_{n}', where, how) for how in HOWS}) for n in (1, 2, 4, 8, 16)]
    return lines(figures, f'4 KiB WRITEs by the number of queue pairs, {where}', 'op/s', 'queue pairs', columns,
                 'set logscale x 2\nset yrange [0:*]\n')


def scripts(figures):
    touch = [('CPU', 'touch_cpu')]
    touch += [(f'{when} {what}', f'touch_{when}_{what}') for when in ('first', 'again') for what in ('write_4k', 'write_1m')]
    touch += [(f'again read {size}', f'touch_again_read_{size}') for size in ('4k', 'far_4k', '1m')]
    touch += [(f'prefetch {how}', f'prefetch_{how}') for how in ('untouched', 'touched')]
    bandwidth = []
    for mtu in 1024, 4096:
        bandwidth += by_op(f'bw_{{op}}_64k_{mtu}', f'{{where}} {{op}} {mtu}')
    return {
        'latency': bars(figures, 'Latency of 8 bytes', 'us', by_op('lat_{op}_8', '{where} {op}')),
        'rate': bars(figures, '4 KiB, 16 in flight', 'op/s', by_op('rate_{op}_4k_d16', '{where} {op}')),
        'bandwidth': bars(figures, '64 KiB, 16 in flight, by MTU', 'MB/s', bandwidth),
        'queue_pairs_loop': queue_pairs(figures, 'loop'),
        'queue_pairs_veth': queue_pairs(figures, 'veth'),
        'registration': registration(figures, 'reg'),
        'deregistration': registration(figures, 'dereg'),
        'touch': bars(figures, 'A page that the device has not, over a warm one', 'us a page',
                      [(label.replace('_', ' '), name, 'loop') for label, name in touch]),
        'dontneed': bars(figures, 'MADV_DONTNEED of 64 MiB', 'us', [(f'{n} regions', f'dontneed_{n}', 'loop') for n in (0, 1, 8)]),
        'fork': bars(figures, 'fork of 1 GiB', 'us', [('not registered', 'fork_0', 'loop'), ('registered', 'fork_1g', 'loop')]),
        'fork_write': bars(figures, '4 KiB WRITEs before and after fork', 'op/s',
                           [(when, f'fork_write_{when}', 'loop') for when in ('before', 'after')]),
    }


def draw(figures, folder):
    os.makedirs(folder, exist_ok=True)
    for name, script in scripts(figures).items():
        path = os.path.join(folder, name)
        if os.path.exists(path + '.svg'):
            os.remove(path + '.svg')  # of another run
        if script is None:
            continue
        with open(path + '.gnuplot', 'w', encoding='utf-8') as file:
            file.write(f'set output "{path}.svg"\n{script}')
        subprocess.run(['gnuplot', path + '.gnuplot'], check=True)
