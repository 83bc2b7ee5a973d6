# SPDX-License-Identifier: Apache-2.0
"""scripts/bench on kvd and the engine alone, as small as it can be, and what it makes of a disturbed machine.

usage: bench.py BENCH BUILD
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from cluster import equal, run_tests


def a_row_says_what_an_operation_costs(folder, build):
    with tempfile.TemporaryDirectory(prefix='bench-test-') as data:
        done = subprocess.run([sys.executable, '-B', os.path.join(folder, 'run.py'), build, '--quick', '--json', '--only',
                               'one_node_rocksdb', '--keys', '300', '--seconds', '2', '--dir', data],
                              stdout=subprocess.PIPE, timeout=120, check=True)
        equal(os.listdir(data), [])
    row = json.loads(done.stdout)
    equal((row['row'], row['peer'], row['ratio_of']), ('one_node_rocksdb', 'rocksdb alone, batches of 32', 'cpu'))
    for name in ('kvd_cpu_us', 'peer_cpu_us', 'kvd_ops', 'peer_ops', 'kvd_p50_us', 'kvd_p999_us', 'kvd_syncs_per_op', 'ratio'):
        equal((name, row[name] > 0), (name, True))
    equal(row['kvd_errors'], 0)
    equal(row['slices_kept'] + row['slices_thrown'] >= 3, True)


def what_other_processes_use_is_seen(*_):
    import machine
    others = machine.Others([])
    spinning = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        mine = machine.CpuMeter([spinning.pid])
        begin = time.monotonic()
        while mine.read_us() < 200000:  # it has used a fifth of a second of a core
            equal(time.monotonic() < begin + 60, True)
        foreign, _ = others.shares()
        least = 0.15 / (time.monotonic() - begin) / machine.CORES
        equal(foreign > least, True)
    finally:
        spinning.kill()
        spinning.wait()


def a_slice(count, cpu_us, foreign):
    import slices
    line = {'seconds': 1, 'statuses': {'OK': count}, 'operations': [{'count': count, 'histogram': [[100, count]], 'max_us': 110}]}
    return slices.Slice(line, cpu_us, foreign, 0.0, 0)


def disturbed_slices_are_left_out_and_counted(*_):
    import slices
    got = slices.summary([a_slice(100, 1000, 0), a_slice(100, 3000, 0.5), a_slice(100, 1200, 0.01)])
    equal((got['cpu_us'], got['slices_kept'], got['slices_thrown'], got['disturbed']), (11, 2, 1, False))
    got = slices.summary([a_slice(100, 1000, 0.5), a_slice(100, 3000, 0.5)])
    equal((got['cpu_us'], got['slices_kept'], got['slices_thrown'], got['disturbed']), (20, 0, 2, True))


def quantiles_are_of_all_slices_together(*_):
    import slices
    pairs = [[100, 500], [200, 490], [100, 5], [4000, 5]]
    equal([slices.quantile(pairs, share) for share in (0.5, 0.9, 0.995, 0.999)], [100, 200, 200, 4000])


if __name__ == '__main__':
    sys.path.insert(0, sys.argv[1])
    sys.exit(run_tests([quantiles_are_of_all_slices_together, disturbed_slices_are_left_out_and_counted,
                        what_other_processes_use_is_seen, a_row_says_what_an_operation_costs], *sys.argv[1:]))
