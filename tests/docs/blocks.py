# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of a documentation page as a reader does, one block after the other in one shell.

usage: blocks.py KVD KVCTL PAGE      (TAP on stdout)

What a fence of a page says after its three backquotes:
    sh                  commands, run here
    sh install          commands that install packages: run by tests/packaging, in a Debian of their own
    yaml                a configuration, checked by kvd --check-config
    console REASON      commands that cannot be run by a test, and why
    text, c, json, hex  no commands; a word more may say what it shows
The shell is alone on its network and with its processes, so that a page may use fixed ports; nothing it starts outlives it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

FENCE = re.compile(r'^```([^\n]*)\n(.*?)^```\n', re.DOTALL | re.MULTILINE)
TIMEOUT_SECONDS = 240
ALONE = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc']


class Block:
    def __init__(self, info, text, line):
        self.info, self.text, self.line = info, text, line


def read_blocks(path):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    return [Block(match[1], match[2], text.count('\n', 0, match.start()) + 1) for match in FENCE.finditer(text)]


def is_known(info):
    shown = re.fullmatch(r'(text|c|json|hex)( \S.*)?', info)
    return info in ('sh', 'sh install', 'yaml') or bool(shown) or re.fullmatch(r'console \S.*', info) is not None


def script(blocks, prelude=''):
    """A shell script that runs BLOCKS and writes a line on descriptor 3 after each that ended well."""
    parts = ['set -e\n', prelude]
    for number, block in enumerate(blocks):
        parts.append(f'{block.text}echo {number} >&3\n')
    return ''.join(parts)


def run_script(text, directory, command, environment):
    """Runs it by COMMAND, a list that takes the script's path. Gives how many blocks ended well, and what was said."""
    path, done = os.path.join(directory, '.script'), os.path.join(directory, '.done')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    with open(os.path.join(directory, '.said'), 'w+', encoding='utf-8', errors='replace') as said:
        with open(done, 'w', encoding='utf-8') as marks:
            process = subprocess.Popen(['sh', '-c', 'exec 3>&1 >&2; exec "$@"', 'sh', *command, path], cwd=directory,
                                       stdin=subprocess.DEVNULL, stdout=marks, stderr=said, env=environment)
            try:
                process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        said.seek(0)
        text = said.read()
    with open(done, encoding='utf-8') as marks:
        return len(marks.read().split()), text


def isolation():
    """Words that run a command alone on its network; None if that cannot be done here."""
    for words in (['unshare', *ALONE], ['unshare', '--user', '--map-root-user', *ALONE]):
        if shutil.which('unshare') and subprocess.run([*words, 'ip', 'link', 'set', 'lo', 'up'], capture_output=True,
                                                      check=False).returncode == 0:
            return words
    return None


def check_yaml(kvd, block, directory):
    path = os.path.join(directory, 'page.yaml')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(block.text)
    done = subprocess.run([kvd, '--config', path, '--check-config'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8', check=False)
    return done.returncode == 0, done.stdout


class Tap:
    def __init__(self, count):
        self.number, self.failed = 0, False
        print(f'1..{count}')

    def point(self, good, name, talk=''):
        self.number += 1
        self.failed = self.failed or not good
        print(f'{"ok" if good else "not ok"} {self.number} - {name}', flush=True)
        if not good and talk:
            print('\n'.join('# ' + line for line in talk.splitlines()[-60:]), flush=True)


def main(kvd, kvctl, page):
    name, blocks = os.path.basename(page), read_blocks(page)
    commands = [block for block in blocks if block.info == 'sh']
    files = [block for block in blocks if block.info == 'yaml']
    tap = Tap(1 + len(files) + len(commands))
    strange = [f'{name}:{block.line}: {block.info!r}' for block in blocks if not is_known(block.info)]
    tap.point(not strange, 'every fence says what it is, and why what cannot be run is not', '\n'.join(strange))
    alone = isolation()
    with tempfile.TemporaryDirectory(prefix='kvd-docs-') as directory:
        for block in files:
            tap.point(*check_yaml(kvd, block, directory)[:1], f'{name}:{block.line}: the configuration is good')
        if commands and not alone:
            for block in commands:
                print(f'ok {tap.number + 1} - {name}:{block.line} # SKIP name spaces cannot be made here')
                tap.number += 1
            return 1 if tap.failed else 0
        environment = {key: value for key, value in os.environ.items() if not key.startswith(('KVCTL_', 'KVD_'))}
        environment.update(LC_ALL='C.UTF-8', HOME=directory, KVD=kvd, PATH=':'.join(
            [os.path.dirname(kvd), os.path.dirname(kvctl), environment.get('PATH', '/usr/bin:/bin')]))
        done, said = run_script(script(commands, 'ip link set lo up\n'), directory, [*(alone or []), 'sh'], environment)
        for number, block in enumerate(commands):
            tap.point(number < done, f'{name}:{block.line}: {block.text.splitlines()[0][:60]}',
                      said if number == done else '')
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main(*map(os.path.abspath, sys.argv[1:4])))
