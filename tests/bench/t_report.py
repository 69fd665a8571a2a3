#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What report.py makes of figures that are made up: ratios, verdicts, the fit, the status, the place in a file."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

from figures import Figures, fit
from judge import MET, NOT_MET, NOT_RUN, Target, judge

HERE = os.path.dirname(os.path.abspath(__file__))


def figures(*lines):
    return Figures(f'bench {line}' for line in lines)


def verdict(row, *lines):
    return judge(figures(*lines), Target(row))[0]


class Judge(unittest.TestCase):
    ROW = '1 | 7.3 | op=write,read | lat_${op}@near:sodp-pin / lat_${op}@loop:rxe-pin | <= 0.5 | what'
    STOCK = ('lat_write loop:rxe-pin 10 us', 'lat_read loop:rxe-pin 10 us')

    def test_met(self):
        self.assertEqual(verdict(self.ROW, *self.STOCK, 'lat_write loop:sodp-pin 4 us', 'lat_read loop:sodp-pin 5 us'), MET)

    def test_one_case_of_two_is_not_met(self):
        self.assertEqual(verdict(self.ROW, *self.STOCK, 'lat_write loop:sodp-pin 4 us', 'lat_read loop:sodp-pin 6 us'), NOT_MET)

    def test_a_missing_figure_is_not_run(self):
        self.assertEqual(verdict(self.ROW, *self.STOCK, 'lat_write loop:sodp-pin 4 us'), NOT_RUN)
        self.assertEqual(verdict(self.ROW, *self.STOCK), NOT_RUN)

    def test_a_missing_figure_hides_no_failure(self):
        self.assertEqual(verdict(self.ROW, *self.STOCK, 'lat_write loop:sodp-pin 6 us'), NOT_MET)

    def test_near_is_short_if_there_is_one(self):
        self.assertEqual(verdict(self.ROW, *self.STOCK, 'lat_write loop:sodp-pin 6 us', 'lat_read loop:sodp-pin 6 us',
                                 'lat_write short:sodp-pin 4 us', 'lat_read short:sodp-pin 4 us'), MET)

    def test_at_least(self):
        row = '1 | * | | rate@veth:sodp-odp / rate@veth:rxe-pin | >= 2 | what'
        self.assertEqual(verdict(row, 'rate veth:rxe-pin 10 op/s', 'rate veth:sodp-odp 20 op/s'), MET)
        self.assertEqual(verdict(row, 'rate veth:rxe-pin 10 op/s', 'rate veth:sodp-odp 19 op/s'), NOT_MET)

    def test_worst_knows_which_way_is_better(self):
        row = '9 | * | | worst | <= 1.01 | what'
        self.assertEqual(verdict(row, 'lat loop:rxe-pin 10 us', 'lat loop:sodp-pin 11 us'), NOT_MET)
        self.assertEqual(verdict(row, 'lat loop:rxe-pin 10 us', 'lat loop:sodp-pin 9 us'), MET)
        self.assertEqual(verdict(row, 'rate loop:rxe-pin 10 op/s', 'rate loop:sodp-pin 9 op/s'), NOT_MET)
        self.assertEqual(verdict(row, 'rate loop:rxe-pin 10 op/s', 'rate loop:sodp-pin 11 op/s'), MET)
        self.assertEqual(verdict(row, 'rate loop:rxe-pin 10 op/s', 'rate veth:sodp-pin 9 op/s'), NOT_RUN)

    def test_a_division_by_nothing_is_no_success(self):
        row = '6 | * | | ( a@loop:sodp-odp - b@loop:sodp-odp ) / ( a@loop:rxe-odp - b@loop:rxe-odp ) | <= 1 | what'
        self.assertEqual(verdict(row, 'a loop:sodp-odp 2 us', 'b loop:sodp-odp 1 us', 'a loop:rxe-odp 1 us', 'b loop:rxe-odp 1 us'), NOT_MET)


class Fit(unittest.TestCase):
    def test_what_was_put_in_comes_out(self):
        def cost(packets, size):
            return 17800 + 5300 * packets + 2 * size

        lines = [f'lat_write_8 loop:rxe-pin {cost(1, 8) / 1e3} us', f'rate_write_4k_d16 loop:rxe-pin {1e9 / cost(4, 4096)} op/s']
        for mtu in 1024, 4096:
            for name, size in ('64k', 65536), ('1m', 1 << 20):
                lines.append(f'bw_write_{name}_{mtu} loop:rxe-pin {size * 1e3 / cost(size // mtu, size)} MB/s')
        for got, want in zip(fit(figures(*lines), 'loop', 'rxe-pin'), (17800, 5300, 2)):
            self.assertAlmostEqual(got, want, places=3)
        self.assertIsNone(fit(figures(*lines[:3]), 'loop', 'rxe-pin'))


class Program(unittest.TestCase):
    GOOD = 'bench lat_write_8 veth:rxe-pin 10 us\nbench lat_write_8 veth:sodp-pin 4 us\n'

    def run_it(self, text, *options):
        with tempfile.NamedTemporaryFile('w') as file:
            file.write(text)
            file.flush()
            return subprocess.run([os.path.join(HERE, 'report.py'), '--kernel', '7.3', *options, file.name],
                                  capture_output=True, text=True)

    def test_check(self):
        self.assertEqual(self.run_it(self.GOOD, '--check').returncode, 0)
        bad = self.GOOD.replace(' 4 us', ' 5 us')
        self.assertEqual(self.run_it(bad, '--check').returncode, 1)
        self.assertEqual(self.run_it(bad).returncode, 0)

    def test_a_ratio_is_shown(self):
        self.assertIn('4 (0.40)', self.run_it(self.GOOD).stdout)

    def test_wrong_bytes(self):
        self.assertEqual(self.run_it(self.GOOD + 'wrong lat_write_8 veth:sodp-pin\n').returncode, 1)
        self.assertEqual(self.run_it(self.GOOD + 'wrong lat_write_8 veth:rxe-odp\n').returncode, 0)

    def test_a_part_that_failed(self):
        self.assertEqual(self.run_it(self.GOOD + 'failed latency veth:rxe-pin\n').returncode, 1)

    def test_nothing(self):
        self.assertEqual(self.run_it('').returncode, 1)
        self.assertEqual(self.run_it('bench lat_write_8 here:rxe-pin 1 us\n').returncode, 1)

    def test_save(self):
        with tempfile.NamedTemporaryFile('w+') as page:
            page.write('before\n<!-- bench 7.3: begin -->\nstale\n<!-- bench 7.3: end -->\nafter\n')
            page.flush()
            for _ in range(2):
                self.assertEqual(self.run_it(self.GOOD, '--save', page.name).returncode, 0)
            with open(page.name, encoding='utf-8') as again:
                text = again.read()
            self.assertTrue(text.startswith('before\n<!-- bench 7.3: begin -->\n') and text.endswith('<!-- bench 7.3: end -->\nafter\n'))
            self.assertEqual(text.count('4 (0.40)'), 1)
            self.assertNotIn('stale', text)
            self.assertEqual(self.run_it(self.GOOD, '--save', os.devnull).returncode, 1)


if __name__ == '__main__':
    unittest.main()
