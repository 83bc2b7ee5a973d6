# SPDX-License-Identifier: Apache-2.0
"""Runs the simulator with one seeded bug after the other: each must be noticed by a checker within a number of seeds.

usage: mutants.py KVSIM [--seeds N] [--first N] [--jobs N] [--table] [--quick] [NAME...]

  --seeds N   runs a mutant at most N seeds (100000)
  --first N   begins at seed N (1)
  --jobs N    mutants at a time (as many as there are processors)
  --table     prints a table for docs/testing.md instead of TAP
  --quick     leaves out those that take long: scripts/mutants hunts them, and unit tests know most of them
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

# Noticed only after many seeds, or not yet: scripts/mutants hunts them.
SLOW = {
    'failshort', 'prepver', 'linack', 'deadprom', 'crashprom', 'yfail',
    'noepoch', 'nofloor', 'phasemix', 'pushepoch', 'nosession', 'earlysource', 'nodrop', 'dropearly',
    'gcweak', 'gcabsent', 'gcnovirt', 'gclin', 'losedisk2', 'treetwice', 'treeunready',
}
# What only a cluster that changes can show: hunted with --membership.
MEMBERSHIP = {
    'noepoch', 'nojoint', 'noxfer', 'ingest', 'nofloor', 'phasemix', 'pushepoch', 'nosession', 'earlysource', 'onesource', 'nodrop',
    'restdrop', 'dropearly', 'gcnoall', 'gcnoseal', 'gcnosync', 'gctime', 'gcweak', 'gcabsent', 'gcnovirt', 'gclin', 'losedisk2',
    'treehalf', 'treetwice', 'treeunready',
}

# Nothing in the simulator is known to notice them (docs/testing.md): holes in the workload, hunted like the others but expected to survive.
OPEN = {'nosession', 'nofloor', 'dropearly', 'gcweak', 'gcabsent', 'phasemix', 'pushepoch'}

# Rules of the map's register, which tests/unit/test_map_register.c knows, and of trees, which test_tree.c and test_exchange.c know.
ELSEWHERE = {'mapearly', 'mapforget', 'mapvoters', 'mapfresh', 'mapnojoint', 'treemarked', 'treeahead', 'exchangeold'}


def list_mutants(kvsim):
    """[(name, rule)] of this build."""
    text = subprocess.run([kvsim, '--list-mutants'], stdout=subprocess.PIPE, check=True, text=True).stdout
    return [tuple(line.split(None, 1)) for line in text.splitlines()]


def hunt(kvsim, name, first, seeds):
    """What noticed the mutant and after how many seeds, and the CPU seconds that took; (None, None, seconds) if nothing."""
    kind = ['--membership'] if name in MEMBERSHIP else []
    done = subprocess.run([kvsim, '--mutant', name, '--seed', str(first), '--count', str(seeds), '--shrink', '0'] + kind,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = re.search(r'^FIRST seed=\d+ run=(\d+) check=(\S+)$', done.stdout, re.MULTILINE)
    speed = re.search(r'^SPEED ([0-9.]+) CPU seconds', done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or not speed:
        raise RuntimeError(f'kvsim --mutant {name} ended with {done.returncode}: {done.stdout[-2000:]}')
    if done.returncode == 0:
        return None, None, float(speed[1])
    return found[2], int(found[1]), float(speed[1])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument('kvsim')
    parser.add_argument('names', nargs='*')
    parser.add_argument('--seeds', type=int, default=100000)
    parser.add_argument('--first', type=int, default=1)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--table', action='store_true')
    parser.add_argument('--quick', action='store_true')
    return parser.parse_intermixed_args()


def print_table(rows, seeds):
    print('| mutant | rule it breaks | checker that noticed | seeds to kill |')
    print('| --- | --- | --- | ---: |')
    for name, text, check, count in rows:
        print(f'| `{name}` | {text} | {check or "**none**"} | {count or f"more than {seeds}"} |', flush=True)


def main():
    args = arguments()
    mutants = [m for m in list_mutants(args.kvsim)
               if (m[0] in args.names if args.names else m[0] not in ELSEWHERE) and
               not (args.quick and m[0] in SLOW)]
    unknown = set(args.names) - {name for name, _ in mutants}
    if unknown:
        sys.exit(f'mutants.py: no mutant {", ".join(sorted(unknown))}')
    rows = []
    if not args.table:
        print(f'1..{len(mutants)}', flush=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        hunts = [pool.submit(hunt, args.kvsim, name, args.first, args.seeds) for name, _ in mutants]
        for number, ((name, text), future) in enumerate(zip(mutants, hunts), 1):
            check, count, seconds = future.result()
            rows.append((name, text, check, count))
            if not args.table:
                how = f'{check} after {count} seeds' if check else f'survived {args.seeds} seeds'
                todo = ' # TODO nothing is known to notice it' if name in OPEN else ''
                print(f'{"ok" if check else "not ok"} {number} - {name}: {how}, {seconds:.1f} s{todo}', flush=True)
    if args.table:
        print_table(rows, args.seeds)
    sys.exit(0 if all(check or name in OPEN for name, _, check, _ in rows) else 1)


if __name__ == '__main__':
    main()
