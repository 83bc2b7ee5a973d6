# SPDX-License-Identifier: Apache-2.0
"""docs/kvctl.md holds the help of every command as kvctl prints it.

usage: doc.py KVCTL DOCUMENT           checks, as TAP
       doc.py KVCTL DOCUMENT --write   writes the texts into the document's fences
"""

import os
import re
import subprocess
import sys

FENCE = re.compile(r'```text kvctl (help[^\n]*)\n(.*?)```\n', re.DOTALL)


def kvctl_help(kvctl, words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith('KVCTL_')}
    return subprocess.run([kvctl, *words.split()], env=environment, stdout=subprocess.PIPE, check=True,
                          encoding='utf-8').stdout


def commands(kvctl):
    """Names of all commands, from the list: one or two words before the operands."""
    return re.findall(r'^  ([a-z]+(?: [a-z]+)?) ', kvctl_help(kvctl, 'help'), re.MULTILINE)


def main(kvctl, path, write):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    if write:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(FENCE.sub(lambda m: f'```text kvctl {m[1]}\n{kvctl_help(kvctl, m[1])}```\n', text))
        return 0
    fences = dict(FENCE.findall(text))
    expected = ['help'] + ['help ' + name for name in commands(kvctl)]
    print(f'1..{len(expected) + 1}')
    failed = set(fences) != set(expected)
    print(('not ok' if failed else 'ok') + ' 1 - the document has every command and no other')
    for number, words in enumerate(expected, 2):
        good = fences.get(words) == kvctl_help(kvctl, words)
        failed = failed or not good
        print(f'{"ok" if good else "not ok"} {number} - kvctl {words} is as documented')
    if failed:
        print(f'# tests/cli/doc.py KVCTL {path} --write brings the document up to date', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2], '--write' in sys.argv[3:]))
