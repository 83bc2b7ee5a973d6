# SPDX-License-Identifier: Apache-2.0
"""Runs many seeds of the simulator on all processors and adds up what they reached.

usage: seeds.py KVSIM COUNT [--first N] [--jobs N] [--batch N] [--nodes M] [--membership] [--marks]

Prints each failing seed with the command that replays it, and figures for docs/testing.md. Fails if a seed violates a check, and
with --marks if a COVER mark was never hit: clusters that do not change hit none of those about changes.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import subprocess
import sys
import time


def run_batch(kvsim, first, count, more):
    command = [kvsim, '--seed', str(first), '--count', str(count), '--keep-going', '--shrink', '0']
    done = subprocess.run(command + more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    text = done.stdout
    cover = re.search(r'^COVER (.*)$', text, re.MULTILINE)
    marks = re.search(r'^MARKS \d+, never hit \d+:(.*)$', text, re.MULTILINE)
    speed = re.search(r'^SPEED ([0-9.]+) CPU seconds', text, re.MULTILINE)
    if done.returncode not in (0, 1) or not (cover and marks and speed):
        raise RuntimeError(f'kvsim --seed {first} --count {count} ended with {done.returncode}: {text[-2000:]}')
    counters = {name: int(value) for name, value in (pair.split('=') for pair in cover[1].split())}
    failed = re.findall(r'^seed (\d+): VIOLATION.*$', text, re.MULTILINE)
    checks = re.findall(r'^violated: .*$', text, re.MULTILINE)
    return counters, set(marks[1].split()), float(speed[1]), failed, checks


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument('kvsim')
    parser.add_argument('count', type=int)
    parser.add_argument('--first', type=int, default=1)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--batch', type=int, default=500)
    parser.add_argument('--nodes', type=int, default=0)
    parser.add_argument('--membership', action='store_true')
    parser.add_argument('--marks', action='store_true')
    return parser.parse_intermixed_args()


def main():
    args = arguments()
    began = time.monotonic()
    more = ['--nodes', str(args.nodes)] if args.nodes else []
    more += ['--membership'] if args.membership else []
    total, missed, cpu, failed = collections.Counter(), None, 0.0, []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        batches = [pool.submit(run_batch, args.kvsim, first, min(args.batch, args.first + args.count - first), more)
                   for first in range(args.first, args.first + args.count, args.batch)]
        for future in concurrent.futures.as_completed(batches):
            counters, never, seconds, seeds, checks = future.result()
            total.update(counters)
            missed = never if missed is None else missed & never
            cpu += seconds
            failed += seeds
            for seed in seeds:
                print(f'seed {seed} violated a check; again: kvsim --seed {seed} {" ".join(more)}', flush=True)
            for check in checks:
                print(f'  {check}', flush=True)
            print(f'{total["runs"]} runs, {len(failed)} failed', file=sys.stderr, flush=True)
    print('COVER ' + ' '.join(f'{name}={value}' for name, value in total.items()))
    print(f'{total["runs"]} runs, {len(failed)} failed, {total["virtual_seconds"]} virtual seconds, {total["events"]} events, '
          f'{total["ops_done"] + total["ops_absent"] + total["ops_failed"]} operations answered, {cpu:.0f} CPU seconds, '
          f'{time.monotonic() - began:.0f} seconds; marks never hit: {" ".join(sorted(missed or [])) or "none"}')
    sys.exit(1 if failed or (args.marks and missed) else 0)


if __name__ == '__main__':
    main()
