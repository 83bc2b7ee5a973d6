# SPDX-License-Identifier: Apache-2.0
"""Every C file is as clang-format leaves it.

usage: format.py ROOT CLANG_FORMAT    (an empty CLANG_FORMAT skips the test)
"""

import os
import re
import subprocess
import sys

from lint import Tap, c_files

VIOLATION = re.compile(r'^(.+?):(\d+):\d+: (?:error|warning): code should be clang-formatted')


def problems(root, clang_format, paths):
    run = subprocess.run([clang_format, '--dry-run', '--Werror', '--style=file', *paths], cwd=root, capture_output=True,
                         check=False)
    if run.returncode == 0:
        return []
    output = run.stderr.decode(errors='replace').split('\n')
    found = [f'{match.group(1)}:{match.group(2)}' for match in map(VIOLATION.match, output) if match]
    return found or output[:20]


def main(root, clang_format):
    tap = Tap()
    folders = {}
    for path in c_files(root):
        folders.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in sorted(folders.items()):
        name = f'{folder} is formatted'
        if clang_format:
            tap.check(name, problems(root, clang_format, paths))
        else:
            tap.skip(name, 'clang-format-14 is not installed')
    tap.finish()


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2])
