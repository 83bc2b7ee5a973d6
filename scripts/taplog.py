# SPDX-License-Identifier: Apache-2.0
"""Runs one test program and adds what it said to a log as `meson test` writes them, for testlog.py.

usage: taplog.py LOG NAME COMMAND [ARGUMENT]...
"""

import json
import subprocess
import sys


def main(log, name, command):
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding='utf-8', errors='replace', check=False)
    print(done.stdout, end='')
    with open(log, 'a', encoding='utf-8') as file:
        file.write(json.dumps({'name': name, 'result': 'FAIL' if done.returncode else 'OK', 'stdout': done.stdout}) + '\n')
    return 1 if done.returncode else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
