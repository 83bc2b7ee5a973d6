# SPDX-License-Identifier: Apache-2.0
"""
Measures kvd and its peers.

usage: run.py BUILD [--quick] [--json] [--only ROW,ROW] [--keys N] [--seconds N] [--dir DIR]
       run.py BUILD --report FILE

BUILD is a build directory with -Dbench=true. Run through scripts/bench, which makes it.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time

import machine
import report
import rows


class Tools:
    """Where programs are."""

    def __init__(self, build):
        self.build = os.path.abspath(build)

    def path(self, name):
        return os.path.join(self.build, name)

    def etcd(self):
        return self.path('peers/usr/bin/etcd')

    def redis(self):
        return self.path('peers/redis-server')


def parse(words):
    parser = argparse.ArgumentParser(prog='scripts/bench', description='Measures kvd, and its peers beside it.')
    parser.add_argument('build', help=argparse.SUPPRESS)
    parser.add_argument('--quick', action='store_true', help='the main rows only, briefly: under five minutes')
    parser.add_argument('--json', action='store_true', help='one JSON object a row, as soon as it is known')
    parser.add_argument('--only', metavar='ROW,...', help='these rows only; without --quick they take the place of earlier ones in docs/benchmarks.md')
    parser.add_argument('--keys', type=int, metavar='N', help='different keys')
    parser.add_argument('--seconds', type=int, metavar='N', help='of each of the four runs of a row')
    parser.add_argument('--dir', metavar='DIR', help='where data goes: the disk to measure')
    parser.add_argument('--report', metavar='FILE', help='measure nothing: write docs/benchmarks.md from the results in FILE')
    return parser.parse_args(words)


def save(path, plan, row):
    """Keeps a result for the report, in place of an earlier one of that row, with what it was measured on."""
    kept = []
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            kept = json.load(file)['rows']
    at = next((i for i, one in enumerate(kept) if one['row'] == row['row']), len(kept))
    kept[at:at + 1] = [row]
    about = {**machine.settings(), 'keys': plan.keys, 'value_size': rows.VALUE_SIZE, 'clients': rows.CLIENTS,
             'seconds_a_run': plan.seconds, 'when': time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}
    with open(path, 'w', encoding='utf-8') as file:
        json.dump({'about': about, 'rows': kept}, file, indent=1)
        file.write('\n')


def show(row):
    """A row for people."""
    def number(value):
        return '-' if value is None else f'{value:.1f}' if isinstance(value, float) and value < 1000 else f'{value:.0f}'
    print(f'{row["row"]:<18} {row["peer"] or "":<28} cpu us/op {number(row["kvd_cpu_us"]):>7} / {number(row["peer_cpu_us"]):<7} '
          f'ratio {number(row["ratio"]):>6}  ops/s {number(row["kvd_ops"]):>7} / {number(row["peer_ops"]):<7} '
          f'p50 {number(row["kvd_p50_us"])} p99 {number(row["kvd_p99_us"])}'
          f'{"  DISTURBED" if row["disturbed"] else ""}', flush=True)


def main(words):
    options = parse(words)
    plan = rows.Plan(**{**(rows.QUICK if options.quick else rows.FULL),
                        **({'keys': options.keys} if options.keys else {}),
                        **({'seconds': options.seconds} if options.seconds else {})})
    if options.report:
        report.write(options.report)
        return 0
    tools = Tools(options.build)
    saved = tools.path('results-quick.json' if options.quick else 'results.json')
    only = options.only.split(',') if options.only else None
    folder = tempfile.mkdtemp(prefix='bench-', dir=options.dir or tools.build)
    results = []

    if not only and os.path.exists(saved):
        os.unlink(saved)

    def emit(row):
        row['keys'] = plan.keys
        results.append(row)
        if options.json:
            print(json.dumps(row), flush=True)
        else:
            show(row)
        save(saved, plan, row)

    def end(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    bench = rows.Bench(plan, tools, folder, emit, only)
    began = time.monotonic()
    try:
        good = bench.run(options.quick and not only)
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    rows.say(f'{len(results)} rows in {time.monotonic() - began:.0f} s; kept in {saved}')
    if results and not options.quick:
        report.write(saved)
    return 0 if good and results else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
