# SPDX-License-Identifier: Apache-2.0
"""Breaks one rule after the other in unit tests: each must fail by an assertion of its own, and pass with nothing broken.

usage: mutants.py TEST=NAME,NAME...  ...
"""

import os
import subprocess
import sys


def run(test, mutant):
    """The exit code of TEST with MUTANT switched on: 1 if a test failed."""
    env = dict(os.environ, KV_TEST_MUTANT=mutant, CMOCKA_MESSAGE_OUTPUT='TAP')
    return subprocess.run([test], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120).returncode


def main():
    cases = []
    for argument in sys.argv[1:]:
        test, names = argument.split('=')
        cases += [(test, 'none', 0)] + [(test, name, 1) for name in names.split(',')]
    print(f'1..{len(cases)}', flush=True)
    failed = 0
    for number, (test, name, wanted) in enumerate(cases, 1):
        code = run(test, name)
        failed += code != wanted
        print(f'{"ok" if code == wanted else "not ok"} {number} - {name} in {os.path.basename(test)}: exit code {code}',
              flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
