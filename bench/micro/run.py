#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of the micro-benchmarks and compares them with those that are kept, as TAP.

usage: run.py [--accept] COUNTS BUILD PROGRAM...

Each program is run once under callgrind. Counted are the functions named measure_* and what they call, in this project's
code and in libprotobuf-c; the C library is left out, because which memcpy it takes depends on the processor. COUNTS has
a line for each: its name and the instructions of one call. A difference of more than a tenth, up or down, fails.
With --accept the counts are kept instead.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

CALLS = 1000  # as in micro.h
TOLERANCE = 0.10
NOT_COUNTED = re.compile(r'/(libc|libm|libpthread|ld-linux|ld)[-.0-9a-z_]*\.so')


def measured_functions(program):
    lines = subprocess.run(['nm', program], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split()[-1] for line in lines if line.split()[-1].startswith('measure_')]


def instructions(profile):
    """Sum over the profile's functions of what they spent themselves, but for those of the C library."""
    total = 0
    counted = True
    is_call = False
    for line in profile:
        if line.startswith('ob='):
            counted = not NOT_COUNTED.search(line)
        elif line.startswith('calls='):
            is_call = True  # the line after it is the callee's share
        elif line[:1].isdigit() or line[:1] in '+-*':
            if not is_call and counted:
                total += int(line.split()[1])
            is_call = False
    return total


def measure(program, directory):
    """The instructions of one call of each measured function, by name."""
    functions = measured_functions(program)
    out = os.path.join(directory, 'profile')
    subprocess.run(
        ['valgrind', '--tool=callgrind', '--toggle-collect=measure_*', '--compress-strings=no', '--compress-pos=no',
         '--callgrind-out-file=' + out] + ['--dump-after=' + name for name in functions] + [program],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ, LD_BIND_NOW='1'))
    counts = {}
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        with open(path, encoding='utf-8') as file:
            profile = file.readlines()
        os.remove(path)
        trigger = next((line for line in profile if line.startswith('desc: Trigger: --dump-after=')), None)
        if trigger:
            function = trigger.split('=', 1)[1].strip()
            counts[function.removeprefix('measure_')] = round(instructions(profile) / CALLS)
    if len(counts) != len(functions):
        raise RuntimeError(f'{program}: {len(functions)} functions, {len(counts)} profiles')
    return counts


def read_counts(path):
    with open(path, encoding='utf-8') as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith('#')]
    return {name: int(count) for name, count in rows}


def keep(path, counts):
    with open(path, encoding='utf-8') as file:
        head = [line for line in file if line.startswith('#')]
    with open(path, 'w', encoding='utf-8') as file:
        file.writelines(head)
        file.writelines(f'{name} {counts[name]}\n' for name in sorted(counts))


def compare(kept, counts, build):
    """Prints a line for each count; returns how many failed."""
    names = sorted(set(kept) | set(counts))
    print(f'1..{len(names)}')
    failed = 0
    for number, name in enumerate(names, 1):
        was, now = kept.get(name), counts.get(name)
        good = was is not None and now is not None and abs(now - was) <= TOLERANCE * was
        change = f' ({(now - was) / was * 100:+.1f} %)' if was and now is not None else ''
        print(f'{"ok" if good else "not ok"} {number} - {name}: {now} instructions, kept {was}{change}')
        failed += not good
    if failed:
        print(f'# if this is meant, keep the new counts: ninja -C {build} accept-counts')
    return failed


def main():
    args = sys.argv[1:]
    accept = args[:1] == ['--accept']
    path, build, *programs = args[accept:]
    if not shutil.which('valgrind'):
        print('1..0 # SKIP valgrind is not installed')
        return 0
    counts = {}
    for program in programs:
        with tempfile.TemporaryDirectory() as directory:
            counts.update(measure(program, directory))
    if accept:
        keep(path, counts)
        return 0
    return 1 if compare(read_counts(path), counts, build) else 0


if __name__ == '__main__':
    sys.exit(main())
