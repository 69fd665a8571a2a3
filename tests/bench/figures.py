# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The lines that a run of the benchmark left, as figures."""

WHERES = ['loop', 'short', 'veth', 'smp']
HOWS = ['rxe-pin', 'sodp-pin', 'sodp-odp', 'rxe-odp']
MORE_IS_BETTER = {'op/s', 'MB/s'}
# The same without a device, or what happened: nothing to compare.
NO_CONTEST = {'touch_cpu', 'fork_0', 'dontneed_0'}


class Figures:
    """value[name, where, how] and unit[name]."""

    def __init__(self, lines):
        self.value, self.unit, self.info = {}, {}, {}
        self.native, self.wrong, self.failed = [], [], []
        for line in lines:
            self.take(line.split())

    def take(self, words):
        if not words:
            return
        if words[0] == 'bench' and len(words) == 5:
            self.take_figure(*words[1:])
        elif words[0] == 'info' and len(words) > 2:
            self.info[words[1]] = ' '.join(words[2:])
        elif words[0] == 'wrong' and len(words) == 3:
            self.wrong.append((words[1], words[2]))
        elif words[0] == 'failed' and len(words) == 3:
            self.failed.append((words[1], words[2]))

    def take_figure(self, name, config, value, unit):
        if self.unit.setdefault(name, unit) != unit:
            raise SystemExit(f'{name}: in {unit} and in {self.unit[name]}')
        if config == 'native':
            self.native.append((name, float(value), unit))
            return
        where, _, how = config.partition(':')
        if where not in WHERES or how not in HOWS:
            raise SystemExit(f"{name}: there is no configuration '{config}'")
        self.value[name, where, how] = float(value)

    def get(self, name, where, how):
        if where == 'near':
            where = 'short' if any(key[1] == 'short' for key in self.value) else 'loop'
        return self.value.get((name, where, how))

    def names(self, where):
        """By their first words, in the order in which these came: not each device has all figures."""
        names = list(dict.fromkeys(name for name, at, _ in self.value if at == where))
        words = list(dict.fromkeys(name.split('_')[0] for name in names))
        return sorted(names, key=lambda name: words.index(name.split('_')[0]))

    def stock(self, name, where):
        """What a figure is compared with: stock rdma_rxe, pinned, which has no shortcut to switch on."""
        return self.get(name, 'loop' if where == 'short' else where, 'rxe-pin')

    def ratio(self, name, where, how):
        value, stock = self.get(name, where, how), self.stock(name, where)
        if value is None or not stock or name in NO_CONTEST:
            return None
        return value / stock

    def worse(self, name, where, how):
        """By which factor it is worse than stock; below 1: better. None: nothing to compare."""
        ratio = self.ratio(name, where, how)
        if not ratio or self.unit[name] == 'count':
            return None
        return 1 / ratio if self.unit[name] in MORE_IS_BETTER else ratio

    def bad_bytes(self):
        """Bytes that arrived wrong but where stock is known for it: its pages on demand lose the offset in a page."""
        return [one for one in self.wrong if not one[1].endswith(':rxe-odp')]


def fit(figures, where, how):
    """Nanoseconds (instructions) a message, a packet, a byte of WRITEs: least squares of relative errors, or None."""
    points = []  # (packets, bytes, nanoseconds)

    def add(name, packets, size, nanoseconds):
        value = figures.get(name, where, how)
        if value:
            points.append((packets, size, nanoseconds(value)))

    add('lat_write_8', 1, 8, lambda us: us * 1e3)
    add('rate_write_4k_d16', 4, 4096, lambda rate: 1e9 / rate)
    for mtu in 1024, 4096:
        for text, size in ('64k', 65536), ('1m', 1 << 20):
            add(f'bw_write_{text}_{mtu}', size // mtu, size, lambda rate, size=size: size * 1e3 / rate)
    if len(points) < 4:
        return None
    rows = [[1 / ns, packets / ns, size / ns] for packets, size, ns in points]
    return solve([[sum(r[i] * r[j] for r in rows) for j in range(3)] + [sum(r[i] for r in rows)] for i in range(3)])


def solve(m):
    """Three equations, by elimination; None if they have no one solution."""
    for i in range(3):
        pivot = max(range(i, 3), key=lambda k: abs(m[k][i]))
        if not m[pivot][i]:
            return None
        m[i], m[pivot] = m[pivot], m[i]
        for k in range(3):
            if k != i:
                factor = m[k][i] / m[i][i]
                m[k] = [a - factor * b for a, b in zip(m[k], m[i])]
    return [m[i][3] / m[i][i] for i in range(3)]
