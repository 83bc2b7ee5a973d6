# SPDX-License-Identifier: Apache-2.0
"""What no compiler checks: the licence line, white space, and that tests wait for conditions and not for time.

usage: style.py ROOT
"""

import re
import sys

from lint import Tap, read_lines, tracked_files

SPDX = 'SPDX-License-Identifier: Apache-2.0'
TEXT = ('.c', '.h', '.py', '.sh', '.md', '.proto', '.build', '.txt', '.yaml', '.yml', '.conf', '.map', '.in', '.supp',
        '.clang-format', '.clang-tidy', '.editorconfig', '.gitignore')

# A pause in C, in Python, and as a command of a shell script.
SLEEP_CALL = re.compile(r'\b(u|nano|clock_nano|thrd_)?sleep\s*\(')
SLEEP_COMMAND = re.compile(r'(^|[;&|({]|\b(do|then|else)\b)\s*sleep\s+\S')


def spdx_problem(lines):
    if lines[0] == f'/* {SPDX} */':
        return []
    return [f'1: the first line is not /* {SPDX} */']


def space_problems(lines):
    problems = [f'{n}: white space at the end' for n, line in enumerate(lines, 1) if line != line.rstrip(' \t\r')]
    if lines[-1] != '':
        problems.append(f'{len(lines)}: no newline at the end')
    elif len(lines) > 1 and lines[-2] == '':
        problems.append(f'{len(lines) - 1}: an empty line at the end')
    return problems


def sleep_problems(path, lines):
    pattern = SLEEP_CALL if path.endswith(('.c', '.h', '.py')) else SLEEP_COMMAND
    return [f'{n}: {line.strip()}' for n, line in enumerate(lines, 1) if pattern.search(line)]


def is_text(path):
    return path.endswith(TEXT) or '.' not in path.rsplit('/', 1)[-1]


def is_test_code(path):
    return path.startswith('tests/') and not path.startswith('tests/lint/') and not path.endswith(('.md', '.build'))


def collect(root, paths, find):
    return [f'{path}:{problem}' for path in paths for problem in find(path, read_lines(root, path))]


def main(root):
    tap = Tap()
    files = tracked_files(root)
    text = [path for path in files if is_text(path)]
    sources = [path for path in files if path.endswith(('.c', '.h'))]
    tap.check('every source file names its licence', collect(root, sources, lambda path, lines: spdx_problem(lines)))
    tap.check('no line ends in white space and every file in one newline',
              collect(root, text, lambda path, lines: space_problems(lines) if lines != [''] else []))
    tap.check('no test sleeps', collect(root, [path for path in text if is_test_code(path)], sleep_problems))
    tap.finish()


if __name__ == '__main__':
    main(sys.argv[1])
