# SPDX-License-Identifier: Apache-2.0
"""Prints the targets that the tests of some suites need, one a line, as ninja names them.

usage: meson introspect --targets --tests BUILD | targets.py BUILD SUITE...
"""

import json
import os
import sys


def main(build, suites):
    told = json.load(sys.stdin)
    files = {target['id']: target['filename'] for target in told['targets']}
    wanted = {f'kvd:{suite}' for suite in suites}
    needed = {name for test in told['tests'] if wanted & set(test['suite']) for name in test['depends']}
    if not needed:
        sys.exit(f'targets.py: no test of {" ".join(suites)} needs anything built')
    print('\n'.join(sorted(os.path.relpath(file, build) for name in needed for file in files[name])))


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
