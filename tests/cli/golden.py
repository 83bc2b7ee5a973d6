# SPDX-License-Identifier: Apache-2.0
"""What kvctl writes, word by word: a transcript of commands against three nodes, tests/cli/golden.txt.

What differs from run to run (ports, identities, versions, times, the order of replicas) stands there as its name.

usage: golden.py KVCTL KVD TRANSCRIPT            checks, as TAP
       golden.py KVCTL KVD TRANSCRIPT --write    writes what the commands of the transcript give
"""

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios

from cluster import Cluster, contains, equal, or_skip, run_tests, wait_for

# Figures that are not the same each time, by the name of their field.
VARIABLE = re.compile(r'(version|present_version|copy|uuid|cluster|peer_address|client_address|uptime|uptime_ms|expires_ms|fence|'
                      r'ttl_ms|seconds?|epoch|map_epoch|incarnation|attempts|rounds|exchanges|oldest\w*|purge\w*|bytes\w*|'
                      r'size_\w+|age_ms|hash|leaf|id|estimate\w*|duration\w*)$')
TEXT = [
    (re.compile(r'\b[0-9a-f]{16}-[0-9a-f]{16}\b'), 'VERSION'),
    (re.compile(r'\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b'), 'UUID'),
    (re.compile(r'/\S*/kvctl-test-\w+/'), 'DIRECTORY/'),
    (re.compile(r'127\.0\.0\.1:\d+'), 'ADDRESS'),
    (re.compile(r'\b\d+(\.\d+)? (us|ms|s|min|h|B|KiB|MiB)\b'), 'FIGURE'),
    (re.compile(r'\b\d+m\d\ds\b'), 'FIGURE'),
    (re.compile(r'\b\d+\.\d+\.\d+\b'), 'RELEASE'),
    (re.compile(r'\b[0-9a-f]{16}\b'), 'HASH'),
    (re.compile(r'\bn[1-3](,n[1-3])+\b'), lambda m: ','.join(sorted(m[0].split(',')))),
]


def normal_value(name, value):
    if isinstance(value, dict):
        return {key: normal_value(key, entry) for key, entry in value.items()}
    if isinstance(value, list):
        entries = [normal_value(name, entry) for entry in value]
        return sorted(entries) if all(isinstance(entry, str) for entry in entries) else entries
    if VARIABLE.match(name) and not isinstance(value, bool) and value is not None:
        return name.upper()
    return normal_text(value) if isinstance(value, str) else value


def normal_text(text):
    for pattern, name in TEXT:
        text = pattern.sub(name, text)
    return text


def normal_output(text):
    """A document as JSON is indented; columns have two blanks between them, because their widths vary."""
    if text.startswith(('{', '[')):
        lines = text.splitlines()
        if all(line.endswith(('}', ']')) for line in lines):
            return ''.join(json.dumps(normal_value('', json.loads(line)), ensure_ascii=False, separators=(',', ':')) + '\n'
                           for line in lines)
        document = json.loads(text)
        equal(text, json.dumps(document, indent=2, ensure_ascii=False) + '\n')
        return json.dumps(normal_value('', document), indent=2, ensure_ascii=False) + '\n'
    return re.sub(r'(?<=\S)  +', '  ', normal_text(text))


def run(ctl, command):
    """The transcript of one command: its output, what it says behind "! ", and its exit code unless it is 0."""
    code, out, talk = ctl.run(*shlex.split(command)[1:])
    text = normal_output(out.decode())
    if text and not text.endswith('\n'):
        text += '\n'
    text += ''.join(f'! {line}\n' for line in normal_output(talk).splitlines())
    return text + (f'[exit code {code}]\n' if code else '')


def blocks(text):
    """Pairs of a command and what it gave; comments stand before the first."""
    parts = re.split(r'^\$ (.*)\n', text, flags=re.MULTILINE)
    return parts[0], list(zip(parts[1::2], parts[2::2]))


def every_command_writes_what_the_transcript_has(ctl):
    wrong = []
    for command, expected in blocks(ctl.transcript)[1]:
        got = run(ctl, command)
        if got != expected.rstrip('\n') + '\n' and not (got == '' and not expected.strip()):
            wrong.append(f'$ {command}\n{got}')
    if wrong:
        raise AssertionError('not as in the transcript (golden.py ... --write takes them over):\n' + '\n'.join(wrong))


def in_terminal(ctl, columns, *words):
    """What kvctl writes to a terminal of that width."""
    reader, writer = or_skip(pty.openpty)
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
    with subprocess.Popen([ctl.kvctl, *words], env={**ctl.environment, 'TERM': 'xterm'}, stdin=subprocess.DEVNULL,
                          stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        out = b''
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # the terminal has nobody to write to it any more
                break
            if not part:
                break
            out += part
        talk = process.stderr.read().decode()
    os.close(reader)
    equal((process.returncode, talk), (0, ''))
    return out.decode().replace('\r\n', '\n')


def a_narrow_terminal_cuts_what_can_be_spared(ctl):
    nodes = ctl.json('node', 'ls')
    lines = in_terminal(ctl, 100, 'node', 'ls').splitlines()
    equal(len(lines), 4)
    equal([len(line) <= 100 for line in lines], [True] * 4)
    for line, node in zip(lines[1:], nodes):
        equal(line.split()[0], node['name'])
        equal((node['client_address'] in line, node['peer_address'] in line, node['uuid'] in line), (True, True, False))
    # Where there is no room at all, the addresses are whole; where there is enough, or nobody looks, everything is.
    contains(in_terminal(ctl, 20, 'node', 'ls'), nodes[2]['peer_address'])
    contains(in_terminal(ctl, 400, 'node', 'ls'), nodes[0]['uuid'])
    contains(ctl.must('node', 'ls').decode(), nodes[0]['uuid'])


def prepare(ctl):
    wait_for('the cluster is healthy', lambda: ctl.json('status')['state'] == 'healthy')


def main(kvctl, kvd, path, write):
    with open(path, encoding='utf-8') as file:
        transcript = file.read()
    with Cluster(kvctl, kvd) as ctl:
        ctl.environment['KVCTL_DIR'] = ctl.dir  # the transcript kills nodes
        prepare(ctl)
        ctl.transcript = transcript
        if write:
            head, commands = blocks(transcript)
            text = head + '\n'.join(f'$ {command}\n{run(ctl, command)}' for command, _ in commands)
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text)
            return 0
        return run_tests([every_command_writes_what_the_transcript_has, a_narrow_terminal_cuts_what_can_be_spared], ctl)


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:4], '--write' in sys.argv[4:]))
