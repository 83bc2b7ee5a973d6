# SPDX-License-Identifier: Apache-2.0
"""A cluster of real kvd processes for tests, run through kvctl dev, and the test driver: TAP on stdout, one line a test."""

import ctypes
import fcntl
import functools
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback


CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1


@functools.cache
def own_network():
    """
    A network of its own, where that may be had: a node that comes back finds its ports free, whatever runs beside this program. To be
    called before anything that listens is made; later calls change nothing.
    """
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            fcntl.ioctl(door, SIOCSIFFLAGS, struct.pack('16sh14x', b'lo', IFF_UP))


class Cluster:
    """Three nodes in a temporary directory, stopped and removed on leaving."""

    def __init__(self, kvctl, kvd, nodes=3, partitions=16):
        own_network()
        self.kvctl, self.nodes, self.partitions = os.path.abspath(kvctl), nodes, partitions
        self.base = tempfile.mkdtemp(prefix='kvctl-test-')
        self.dir = os.path.join(self.base, 'cluster')
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith('KVCTL_')}
        # What the user of this machine keeps for kvctl is not for tests.
        self.environment.update(KVD=os.path.abspath(kvd), LC_ALL='C.UTF-8', XDG_CONFIG_HOME=self.base, XDG_STATE_HOME=self.base)

    def __enter__(self):
        self.must('dev', 'up', str(self.nodes), '--dir', self.dir, '--partitions', str(self.partitions))
        self.find_nodes()
        return self

    def __exit__(self, *_):
        self.run('dev', 'down', '--dir', self.dir)
        shutil.rmtree(self.base)

    def run(self, *words, stdin=b'', seconds=60, **variables):
        """Runs kvctl; gives its exit code, output and talk."""
        done = subprocess.run([self.kvctl, *words], input=stdin, env={**self.environment, **variables},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)
        return done.returncode, done.stdout, done.stderr.decode('utf-8', 'replace')

    def must(self, *words, stdin=b'', seconds=60):
        """Its output; an error unless it ends with 0."""
        code, out, talk = self.run(*words, stdin=stdin, seconds=seconds)
        if code != 0:
            raise AssertionError(f'kvctl {" ".join(words)} ended with {code}: {talk}')
        return out

    def json(self, *words, codes=(0,)):
        code, out, talk = self.run(*words, '-o', 'json')
        if code not in codes:
            raise AssertionError(f'kvctl {" ".join(words)} ended with {code}: {talk}')
        return json.loads(out)

    def path(self, name):
        return os.path.join(self.base, name)

    def find_nodes(self):
        """After nodes came or went: where to ask from now on."""
        with open(os.path.join(self.dir, 'endpoints'), encoding='utf-8') as file:
            self.environment['KVCTL_ENDPOINTS'] = file.read().strip()

    def kill(self, node):
        self.must('dev', 'kill', node, '--dir', self.dir)

    def start(self, node):
        self.must('dev', 'start', node, '--dir', self.dir)


class Skipped(Exception):
    """A test that cannot run here, and why."""


def or_skip(open_terminal):
    """What OPEN_TERMINAL gives; a machine without terminals skips the test."""
    try:
        return open_terminal()
    except OSError as why:
        raise Skipped(f'no terminal can be had here: {why}') from why


def wait_for(what, condition, seconds=30):
    """Asks until CONDITION gives something true, which it returns."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: {what}')


def pause(pid):
    """Stops a process. The signal stops the thread that takes it first, and that one the others: until all stand, they go on."""
    def stands(thread):
        with open(f'/proc/{pid}/task/{thread}/stat', encoding='utf-8') as file:
            return file.read().rpartition(')')[2].split()[0] == 'T'
    os.kill(pid, signal.SIGSTOP)
    wait_for(f'all threads of {pid} to stand', lambda: all(stands(thread) for thread in os.listdir(f'/proc/{pid}/task')))


def equal(got, expected):
    if got != expected:
        raise AssertionError(f'got {got!r}, expected {expected!r}')


def contains(text, part):
    if part not in text:
        raise AssertionError(f'{part!r} is not in {text!r}')


def run_tests(tests, *arguments):
    """Runs functions whose names are sentences; one that gives a text was skipped, and why. Gives the exit code."""
    print(f'1..{len(tests)}')
    failures = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace('_', ' ')
        try:
            skipped = test(*arguments)
            print(f'ok {number} - {name}' + (f' # SKIP {skipped}' if skipped else ''), flush=True)
        except Skipped as why:
            print(f'ok {number} - {name} # SKIP {why}', flush=True)
        except Exception:
            failures += 1
            print(f'not ok {number} - {name}', flush=True)
            traceback.print_exc(file=sys.stderr)
    return 1 if failures else 0
