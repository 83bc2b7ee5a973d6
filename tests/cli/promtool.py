# SPDX-License-Identifier: Apache-2.0
"""Where Prometheus' own checker is."""

import os
import shutil


def find_promtool(root):
    """The program, where scripts/test put it or in PATH; or None."""
    own = os.path.join(root, 'build-test', 'tools', 'promtool')
    return own if os.access(own, os.X_OK) else shutil.which('promtool')
