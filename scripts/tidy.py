# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on every C file of the project that the build directory compiles, one process a processor.

usage: tidy.py BUILD-DIRECTORY LOG    (LOG: one JSON object a file, as `meson test` writes them)
"""

import concurrent.futures
import json
import os
import subprocess
import sys

FOLDERS = ('base', 'proto', 'replication', 'storage', 'server', 'client', 'cli')


def sources(build):
    """Absolute paths of the project's own files in the compilation database, each once."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as file:
        entries = json.load(file)
    paths = {os.path.normpath(os.path.join(entry['directory'], entry['file'])) for entry in entries}
    return sorted(path for path in paths if os.path.relpath(path, root).split(os.sep)[0] in FOLDERS)


def tidy(build, path):
    run = subprocess.run(['clang-tidy-14', '--quiet', '-p', build, path], capture_output=True, check=False)
    return path, run.returncode, run.stdout.decode(errors='replace'), run.stderr.decode(errors='replace')


def main(build, log):
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, open(log, 'w', encoding='utf-8') as file:
        for path, code, findings, complaints in pool.map(lambda path: tidy(build, path), sources(build)):
            failed += code != 0
            file.write(json.dumps({'name': path, 'result': 'FAIL' if code else 'OK', 'stdout': '',
                                   'stderr': findings + complaints if code else ''}) + '\n')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:3]))
