#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
Runs the verbs tests of rdma-core's own suite, as Debian packages it, each in a process of its own with a time limit,
and compares what comes out with a list of what is expected.

    rdmacore_run.py --dev DEV --gid N [--expected FILE] [--limit S] [MODULE...]

FILE has a line for each test: NAME RESULT [REASON]; RESULT is pass, skip or fail. A test that is expected to pass and
does not is a failure; one that does better is reported. Without FILE the results are printed in that format.
"""

import argparse
import glob
import gzip
import os
import shutil
import signal
import sys
import tempfile
import time
import unittest

PACKAGED = '/usr/share/doc/rdma-core/tests'
MODULES = ['test_mr', 'test_cq', 'test_qp', 'test_odp']


def unpack():
    """The suite as a package "tests", its files unpacked."""
    top = tempfile.mkdtemp()
    target = os.path.join(top, 'tests')
    os.mkdir(target)
    for path in glob.glob(PACKAGED + '/*.py*'):
        name = os.path.basename(path)
        if name.endswith('.gz'):
            with gzip.open(path) as packed, open(os.path.join(target, name[:-3]), 'wb') as plain:
                shutil.copyfileobj(packed, plain)
        elif name != '__init__.py':
            shutil.copy(path, target)
    # The real one loads every module of every vendor.
    open(os.path.join(target, '__init__.py'), 'w').close()
    sys.path.insert(0, top)
    sys.path.insert(0, target)


def find(modules):
    """The tests of the modules, by name."""
    found = {}
    for module in modules:
        for suite in unittest.defaultTestLoader.loadTestsFromName('tests.' + module):
            for test in suite:
                found[test.id().removeprefix('tests.')] = test
    return found


def run_here(test, report):
    """In the child: runs it, writes its result."""
    result = unittest.TestResult()
    test.run(result)
    if result.failures or result.errors:
        trace = (result.failures + result.errors)[0][1].strip().splitlines()
        lines = [line.split()[3].rstrip(',') for line in trace if '/tests/' + type(test).__module__.split('.')[-1] in line]
        text = 'fail line %s: %s' % (lines[-1] if lines else '?', trace[-1])
    elif result.skipped:
        text = 'skip ' + result.skipped[0][1]
    else:
        text = 'pass'
    os.write(report, text.replace('\n', ' ').encode()[:400])


def run_one(test, limit):
    """Runs it in a child; result and reason."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            devnull = os.open('/dev/null', os.O_WRONLY)
            os.dup2(devnull, 1)
            os.dup2(devnull, 2)
            run_here(test, writer)
        finally:
            os._exit(0)
    os.close(writer)
    end = time.monotonic() + limit
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            return 'fail', 'no end within %d s' % limit
        time.sleep(0.01)
    text = os.read(reader, 1000).decode(errors='replace')
    os.close(reader)
    result, _, reason = text.partition(' ')
    return result or 'fail', reason or ('' if result else 'the process died')


def read_expected(path):
    expected = {}
    with open(path) as lines:
        for line in lines:
            words = line.split(None, 2)
            if words and not words[0].startswith('#'):
                expected[words[0]] = (words[1], words[2].strip() if len(words) > 2 else '')
    return expected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--dev', required=True)
    parser.add_argument('--gid', required=True)
    parser.add_argument('--expected')
    parser.add_argument('--limit', type=int, default=20)
    parser.add_argument('modules', nargs='*')
    args = parser.parse_args()

    unpack()
    sys.argv = [sys.argv[0], '--dev', args.dev, '--gid', args.gid, '--port', '1']
    from args_parser import parser as suite_parser
    suite_parser.parse_args()
    # The suite's modules import it under both names.
    import tests.args_parser
    tests.args_parser.parser.args = suite_parser.args

    expected = read_expected(args.expected) if args.expected else {}
    counts = {'pass': 0, 'skip': 0, 'fail': 0}
    wrong = number = 0
    for name, test in find(args.modules or MODULES).items():
        result, reason = run_one(test, args.limit)
        counts[result] += 1
        number += 1
        if not args.expected:
            print(name, result, reason, flush=True)
            continue
        want, why = expected.get(name, ('pass', 'not in the list'))
        bad = want == 'pass' and result != 'pass'
        wrong += bad
        note = '' if result == want else ', expected to %s' % want
        print('%sok %d - %s: %s%s%s' % ('not ' if bad else '', number, name, result, note,
                                       ' (%s)' % reason if reason else ''), flush=True)
        if result != 'pass' and not bad and why:
            print('#   ' + why)
    print('1..%d' % number)
    print('# %(pass)d passed, %(skip)d skipped, %(fail)d failed' % counts)
    sys.exit(1 if wrong else 0)


main()
