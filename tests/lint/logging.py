# SPDX-License-Identifier: Apache-2.0
"""docs/logging.md has every event that a node logs, with its level and fields in their order, and no other.

usage: logging.py ROOT
"""

import os
import re
import sys

from lint import Tap, c_files

FOLDERS = ('base/', 'proto/', 'replication/', 'storage/', 'server/')
CALL = re.compile(r'\blog_(debug|info|warn|error)\(')
EVENT = re.compile(r'"([a-z]+\.[a-z_]+)"')
FIELD = re.compile(r'\bL_(?:U64|I64|STR|BYTES)\(\s*"([a-z0-9_]+)"')
TAKES_EVENT = re.compile(r'^\S[^;{}]*?\b(\w+)\([^;{}()]*const char \*event\b', re.MULTILINE)
ROW = re.compile(r'^\| `([a-z._]+)` \| (\w+) \| ([^|]*) \|', re.MULTILINE)


def arguments(text, start):
    """The text between the bracket at START and its partner."""
    depth, at, quoted = 0, start, False
    while True:
        c = text[at]
        if c == '\\' and quoted:
            at += 1
        elif c == '"':
            quoted = not quoted
        elif not quoted and c in '()':
            depth += 1 if c == '(' else -1
            if depth == 0:
                return text[start + 1:at]
        at += 1


def first(text):
    """The first argument: up to the first comma outside brackets and strings."""
    depth, quoted = 0, False
    for at, c in enumerate(text):
        if c == '"' and text[at - 1:at] != '\\':
            quoted = not quoted
        elif not quoted and c in '()':
            depth += 1 if c == '(' else -1
        elif not quoted and depth == 0 and c == ',':
            return text[:at]
    return text


def logged(sources):
    """{event: set of (level, fields)} of all calls. A function that takes the event's name logs what its callers name."""
    found = {}
    for text in sources.values():
        for call in CALL.finditer(text):
            body = arguments(text, call.end() - 1)
            fields = ', '.join(FIELD.findall(body))
            names = EVENT.findall(first(body))
            if not names:
                taker = [m[1] for m in TAKES_EVENT.finditer(text[:call.start()])][-1:]
                names = [name for function in taker for other in sources.values()
                         for use in re.finditer(r'\b' + function + r'\((?!const)', other)
                         for name in EVENT.findall(arguments(other, use.end() - 1))]
            for name in names:
                found.setdefault(name, set()).add((call[1], fields))
    return found


def main(root):
    tap = Tap()
    sources = {}
    for path in c_files(root):
        if path.startswith(FOLDERS) and not path.startswith('base/klog'):
            with open(os.path.join(root, path), encoding='utf-8') as file:
                sources[path] = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.DOTALL)
    found = logged(sources)
    with open(os.path.join(root, 'docs/logging.md'), encoding='utf-8') as file:
        rows = {name: (level, fields.strip()) for name, level, fields in ROW.findall(file.read())}
    tap.check('an event has one level and one set of fields wherever it is logged',
              [f'{name}: {sorted(ways)}' for name, ways in sorted(found.items()) if len(ways) != 1])
    tap.check('every event that is logged has its row in docs/logging.md',
              [f'| `{name}` | {level} | {fields} |' for name, ways in sorted(found.items())
               for level, fields in sorted(ways) if rows.get(name) != (level, fields)])
    tap.check('every row of docs/logging.md is an event that is logged', sorted(set(rows) - set(found)))
    tap.check('there are events', [] if len(found) > 20 else [f'only {len(found)}'])
    tap.finish()


if __name__ == '__main__':
    main(sys.argv[1])
