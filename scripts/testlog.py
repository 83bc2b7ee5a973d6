# SPDX-License-Identifier: Apache-2.0
"""Counts test cases in the logs of `meson test`: prints "PASSED FAILED SKIPPED", and on stderr what failing tests wrote.

usage: testlog.py FILE...    (FILE: meson-logs/<name>.json, one JSON object a line)

A TAP test counts by its test points. A program that died, timed out or said less than it planned counts one failure more.
"""

import json
import re
import sys

SHOWN_LINES_MAX = 200

POINT = re.compile(r'^(not )?ok\b(?:[^#\\]|\\.)*(?:#\s*(skip|todo))?', re.IGNORECASE)
PLAN = re.compile(r'^1\.\.(\d+)(\s*#\s*skip)?', re.IGNORECASE)


def count_tap(text):
    """(passed, failed, skipped) of the test points in TEXT; None if TEXT is no TAP at all."""
    passed = failed = skipped = 0
    planned = None
    for line in text.split('\n'):
        plan = PLAN.match(line)
        if plan:
            planned = int(plan.group(1))
            skipped += bool(plan.group(2))
        point = POINT.match(line)
        if not point:
            continue
        directive = (point.group(2) or '').lower()
        if directive == 'skip':
            skipped += 1
        elif point.group(1) and directive != 'todo':
            failed += 1
        else:
            passed += 1
    if planned is None and passed + failed + skipped == 0:
        return None
    return passed, failed, skipped


def count_test(entry):
    """(passed, failed, skipped) of one test program."""
    result = entry['result']
    good = result in ('OK', 'EXPECTEDFAIL')
    tap = count_tap(entry.get('stdout') or '')
    if tap is None:
        return (int(good), int(not good and result != 'SKIP'), int(result == 'SKIP'))
    passed, failed, skipped = tap
    if not good and result != 'SKIP' and failed == 0:
        failed = 1
    return passed, failed, skipped


def show(entry):
    """The end of what a failing test wrote, without the test points that passed."""
    print(f'---- {entry["name"]}: {entry["result"]}', file=sys.stderr)
    for stream in ('stdout', 'stderr'):
        lines = [line for line in (entry.get(stream) or '').rstrip().split('\n') if not line.startswith('ok ')]
        print('\n'.join(lines[-SHOWN_LINES_MAX:]), file=sys.stderr)


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        with open(path, encoding='utf-8', errors='replace') as file:
            for line in file:
                entry = json.loads(line)
                counts = count_test(entry)
                total = [a + b for a, b in zip(total, counts)]
                if counts[1]:
                    show(entry)
    print(*total)


if __name__ == '__main__':
    main(sys.argv[1:])
