# SPDX-License-Identifier: Apache-2.0
"""Every fence of every page says what it is (blocks.py), and pages with commands are among those whose commands are run.

usage: fences.py ROOT RUN...      (TAP on stdout; RUN: the pages that blocks.py runs)
"""

import glob
import os
import sys

from blocks import is_known, read_blocks


def main(root, run):
    pages = [os.path.join(root, name) for name in ('README.md', 'CONTRIBUTING.md')]
    pages += sorted(glob.glob(os.path.join(root, 'docs', '**', '*.md'), recursive=True))
    failed = False
    print(f'1..{len(pages)}')
    for number, page in enumerate(pages, 1):
        blocks = read_blocks(page)
        strange = [f'line {block.line}: {block.info!r}' for block in blocks if not is_known(block.info)]
        if any(block.info in ('sh', 'yaml') for block in blocks) and page not in run:
            strange.append('has commands or a configuration, and no test runs them (tests/docs/meson.build)')
        failed = failed or bool(strange)
        print(f'{"not ok" if strange else "ok"} {number} - {os.path.relpath(page, root)}')
        for line in strange:
            print('# ' + line)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(os.path.abspath(sys.argv[1]), [os.path.abspath(page) for page in sys.argv[2:]]))
