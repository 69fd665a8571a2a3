# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""targets.txt: what the figures must show, and whether they do."""

import itertools
import operator
import re
import string

from figures import HOWS, WHERES

MET, NOT_MET, NOT_RUN = 'met', 'NOT MET', 'not run'
COMPARE = {'<=': operator.le, '>=': operator.ge}
FIGURE = re.compile(r'([a-z0-9_]+)@([a-z]+):([a-z-]+)')


class Target:
    def __init__(self, line):
        fields = [field.strip() for field in line.split('|')]
        if len(fields) != 6:
            raise SystemExit(f'targets: six fields are needed: {line}')
        self.number, kernels, variables, self.expression, limit, self.what = fields
        self.kernels = kernels.split()
        self.sign, self.limit = limit.split()
        self.variables = []
        for word in variables.split():
            name, _, values = word.partition('=')
            self.variables.append([(name, value) for value in values.split(',')])

    def cases(self):
        """(text, expression) of each combination."""
        for combination in itertools.product(*self.variables):
            values = dict(combination)
            yield ' '.join(values.values()), string.Template(self.expression).substitute(values)

    def is_for(self, kernel):
        return self.kernels == ['*'] or kernel in self.kernels


def evaluate(figures, expression):
    """The number, or None if a figure is missing."""
    missing = []

    def number(match):
        value = figures.get(*match.groups())
        if value is None:
            missing.append(match.group())
        return repr(value or 0.0)

    text = FIGURE.sub(number, expression)
    if missing:
        return None
    if re.search(r'[^0-9.e+*/() -]', text):
        raise SystemExit(f'targets: not an expression: {expression}')
    try:
        return eval(text, {'__builtins__': {}})
    except ZeroDivisionError:
        return float('inf')


def worst(figures):
    """(text, factor) of each figure of softodp that has one of stock beside it."""
    for where in WHERES:
        for name in figures.names(where):
            for how in HOWS:
                factor = figures.worse(name, where, how) if how.startswith('sodp') else None
                if factor is not None:
                    yield f'{name}@{where}:{how}', factor


def judge(figures, target):
    """(verdict, value of the worst case, which it is, how many cases are beyond the limit, of how many)."""
    if target.expression == 'worst':
        cases = list(worst(figures))
    else:
        cases = [(text, evaluate(figures, expression)) for text, expression in target.cases()]
    run = [case for case in cases if case[1] is not None]
    if not run:
        return NOT_RUN, None, '', 0, len(cases)
    limit = float(target.limit)
    extreme = max if target.sign == '<=' else min
    text, value = extreme(run, key=lambda case: case[1])
    beyond = sum(not COMPARE[target.sign](case[1], limit) for case in run)
    verdict = NOT_MET if beyond else MET if len(run) == len(cases) else NOT_RUN
    return verdict, value, text, beyond, len(cases)


def read_targets(path, kernel):
    with open(path, encoding='utf-8') as lines:
        targets = [Target(line) for line in lines if line.strip() and not line.startswith('#')]
    return [target for target in targets if target.is_for(kernel)]


def verdicts(figures, targets):
    """A row for each target, for a table: number, what, limit, verdict, worst."""
    rows = []
    for target in targets:
        verdict, value, text, beyond, cases = judge(figures, target)
        seen = '' if value is None else f'{value:.4g}' + (f' ({text})' if text else '')
        if beyond:
            seen += f'; {beyond} of {cases}'
        rows.append([target.number, target.what, f'{target.sign} {target.limit}', verdict, seen])
    return rows
