# SPDX-License-Identifier: Apache-2.0
"""What the lints share: the list of files, and TAP on stdout."""

import os
import subprocess
import sys

SKIPPED_FOLDERS = ('build', '.')  # beginnings of the names of folders that hold no source


def tracked_files(root):
    """Paths relative to ROOT: what git tracks, or every file when ROOT is an unpacked archive."""
    git = subprocess.run(['git', '-c', 'safe.directory=*', '-C', root, 'ls-files', '-z'], capture_output=True, check=False)
    if git.returncode == 0 and git.stdout:
        names = git.stdout.decode().split('\0')
        return sorted(name for name in names if name and os.path.isfile(os.path.join(root, name)))
    found = []
    for folder, folders, names in os.walk(root):
        if folder == root:
            folders[:] = [name for name in folders if not name.startswith(SKIPPED_FOLDERS)]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def c_files(root):
    return [path for path in tracked_files(root) if path.endswith(('.c', '.h'))]


def read_lines(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='surrogateescape') as file:
        return file.read().split('\n')


class Tap:
    """Collects test results; finish() prints the plan and exits."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, problems):
        """One test: passed if PROBLEMS is empty."""
        self.count += 1
        self.failed += bool(problems)
        print(f'{"not ok" if problems else "ok"} {self.count} - {name}')
        for problem in problems:
            print(f'# {problem}')

    def skip(self, name, why):
        self.count += 1
        print(f'ok {self.count} - {name} # SKIP {why}')

    def finish(self):
        print(f'1..{self.count}')
        sys.exit(1 if self.failed else 0)
