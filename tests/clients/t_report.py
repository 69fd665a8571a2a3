#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What report.py makes of results that are made up; that the table can be read, and the document is what it says."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import report
from suite import Suite, read_saved, write_saved
from table import Causes, Row, excused, read_new, read_results, read_rows, write_results

ROWS = [Row('a/one\t60\tswitch\tdata\tRC'), Row('a/two\t60\town\t-\tUC'), Row('b/three\t60\tkernel\tdata\tUD')]


def file_with(text):
    file = tempfile.NamedTemporaryFile('w', delete=False)
    file.write(text)
    file.close()
    return file.name


def new(*lines):
    path = file_with(''.join(f'result {line}\n' for line in lines))
    try:
        return read_new(path, 'stock', 'abc')
    finally:
        os.remove(path)


def causes(text):
    path = file_with(text)
    try:
        return Causes(path)
    finally:
        os.remove(path)


def judged(results, why=None, suite=None):
    """The verdict, and what was printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        good = report.judge(results, results, why or causes(''), suite or Suite())
    return good, out.getvalue()


class Judge(unittest.TestCase):
    def test_all_pass(self):
        good, text = judged(new('softodp a/one ok 3 7', 'rxe a/one ok 2 0'))
        self.assertTrue(good)
        self.assertTrue(text.endswith('1 passed, 0 failed\n'))

    def test_a_failure_of_ours_fails(self):
        good, text = judged(new('softodp a/one ok 3 7', 'softodp a/two fail 3 0 no end within 60 s'))
        self.assertFalse(good)
        self.assertIn('failed: a/two: no end within 60 s', text)
        self.assertTrue(text.endswith('1 passed, 1 failed\n'))

    def test_a_failure_of_the_reference_does_not(self):
        good, text = judged(new('softodp a/one ok 3 7', 'rxe a/one fail 2 0 status 1'))
        self.assertTrue(good)
        self.assertIn('stock rxe fails: a/one: status 1', text)

    def test_nothing_passed(self):
        self.assertFalse(judged(new('softodp a/one skip 0 0 no program'))[0])
        self.assertFalse(judged({})[0])

    def test_a_cause_needs_the_same_failure_on_rxe(self):
        why = causes('softodp a/* the program is at fault\n')
        ours = 'softodp a/one fail 3 0 status 1'
        passing = 'softodp a/two ok 1 1'
        self.assertFalse(judged(new(ours, passing), why)[0])
        self.assertFalse(judged(new(ours, passing, 'rxe a/one ok 1 0'), why)[0])
        good, text = judged(new(ours, passing, 'rxe a/one fail 1 0 status 1'), why)
        self.assertTrue(good)
        self.assertTrue(text.endswith('1 passed, 0 failed, 1 skipped\n'))
        self.assertFalse(judged(new(ours, passing, 'rxe a/one fail 1 0 status 1'))[0])

    def test_excused_is_by_kernel(self):
        results = new('softodp a/one fail 3 0 status 1', 'rxe a/one fail 1 0 status 1')
        ours = results[('a/one', 'stock', 'softodp')]
        why = causes('softodp a/one it is broken\n')
        self.assertTrue(excused(ours, results, why))
        results[('a/one', 'stock', 'rxe')].verdict = 'ok'
        self.assertFalse(excused(ours, results, why))


class OwnSuite(unittest.TestCase):
    @staticmethod
    def suite(ours, theirs):
        made = Suite()
        for number, (here, there) in enumerate(zip(ours, theirs)):
            made.add(f'test_{number}', 'softodp', here, 'why not')
            made.add(f'test_{number}', 'rxe', there)
        return made

    def test_worse_than_the_reference(self):
        made = self.suite(['pass', 'skip', 'fail', 'pass'], ['pass', 'pass', 'fail', 'skip'])
        self.assertEqual(made.worse(), ['test_1'])
        self.assertFalse(judged(new('softodp a/one ok 1 1'), suite=made)[0])

    def test_as_good(self):
        made = self.suite(['pass', 'pass'], ['pass', 'skip'])
        self.assertTrue(judged(new('softodp a/one ok 1 1'), suite=made)[0])

    def test_enough(self):
        few = self.suite(['pass'] * 99 + ['skip'] * 10, ['skip'] * 109)
        many = self.suite(['pass'] * 100 + ['skip'] * 10, ['skip'] * 110)
        self.assertFalse(judged(new('softodp a/one ok 1 1'), suite=few)[0])
        self.assertTrue(judged(new('softodp a/one ok 1 1'), suite=many)[0])

    def test_saved_and_read(self):
        path = file_with('')
        write_saved(path, self.suite(['pass', 'skip'], ['pass', 'pass']), 'stock')
        write_saved(path, self.suite(['pass', 'pass'], ['pass', 'pass']), '7.3')
        self.assertEqual(read_saved(path, 'stock').worse(), ['test_1'])
        self.assertEqual(read_saved(path, '7.3').worse(), [])
        self.assertEqual(read_saved(path, 'stock').reasons('softodp'), {'why not': 1})
        os.remove(path)


class Document(unittest.TestCase):
    def test_results_are_read_as_written(self):
        path = file_with('')
        results = new('softodp b/three fail 9 0 two words', 'rxe a/one ok 2 0', 'softodp a/one ok 3 12', 'softodp gone/row ok 1 1')
        write_results(path, results, ROWS)
        again = read_results(path)
        os.remove(path)
        self.assertEqual([str(result) for result in again.values()], [
            'a/one stock softodp ok 3 12 abc', 'a/one stock rxe ok 2 0 -', 'b/three stock softodp fail 9 0 abc two words'])

    def test_table(self):
        results = new('softodp a/one ok 3 12', 'rxe a/one ok 2 0', 'softodp b/three fail 9 0 a | b', 'rxe a/two skip 0 0 no program')
        text = '\n'.join(report.programs(ROWS, results, causes('rxe a/two it is not there\n')))
        self.assertIn('| `one` | RC | yes | yes, by `odp_mode` | pass (3 s, 12 faults) | pass (2 s) |  |', text)
        self.assertIn('| `two` | UC | no | yes, asks for it | not run | skipped | rxe: it is not there |', text)
        self.assertIn('| **fail** | not run | softodp: a \\| b |', text)
        self.assertIn('### b', text)

    def test_put(self):
        text = 'x\n<!-- begin t -->\nold\n<!-- end t -->\ny\n'
        self.assertEqual(report.put(text, 't', ['new']), 'x\n<!-- begin t -->\nnew\n<!-- end t -->\ny\n')

    def test_the_real_table(self):
        rows = read_rows()
        self.assertEqual(len({row.name for row in rows}), len(rows))
        for row in rows:
            self.assertIn(row.odp, report.ON_DEMAND, row.name)
            self.assertIn(row.data, ('data', '-'), row.name)
            self.assertGreater(int(row.seconds), 0, row.name)

    def test_the_real_document(self):
        self.assertTrue(report.document(write=False), 'tests/clients/report.py --write')


if __name__ == '__main__':
    unittest.main()
