# SPDX-License-Identifier: Apache-2.0
"""kvctl's shell at a terminal and from a file, and the commands that hold a key, against real nodes.

usage: shell.py KVCTL KVD
"""

import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time

from cluster import Cluster, contains, equal, or_skip, run_tests, wait_for

PROMPT = 'kvctl> '
# What a line editor sends besides text: colours, movements, modes.
CONTROL = re.compile(r'\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])')


class Terminal:
    """kvctl at a terminal of its own."""

    def __init__(self, ctl, *words, **variables):
        self.out = ''
        self.pid, self.fd = or_skip(pty.fork)
        if self.pid == 0:
            os.execve(ctl.kvctl, [ctl.kvctl, *words], {**ctl.environment, 'TERM': 'xterm', **variables})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def send(self, text):
        os.write(self.fd, text.encode())

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            part = os.read(self.fd, 65536).decode('utf-8', 'replace')
        except OSError:  # the terminal has nobody to write to it any more
            return False
        self.out += CONTROL.sub('', part).replace('\r', '')
        return True

    def expect(self, text, seconds=30):
        """Reads until TEXT was written; gives what stood before it and takes both away."""
        end = time.monotonic() + seconds
        while text not in self.out:
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f'{text!r} did not come, but {self.out!r}')
        before, _, self.out = self.out.partition(text)
        return before

    def line(self, text):
        """Runs a line; gives what it wrote."""
        self.send(text + '\r')
        return self.expect(PROMPT)

    def complete(self, typed, expected):
        """Types and presses Tab, again if the cluster did not tell in time; takes away what was written up to EXPECTED."""
        for _ in range(30):
            self.send('\x15' + typed + '\t')
            end = time.monotonic() + 10
            while expected not in self.out and '\x07' not in self.out and time.monotonic() < end:
                self.read(1)
            if expected in self.out:
                return self.expect(expected)
            self.out = ''
        raise AssertionError(f'{typed!r} was not completed to {expected!r}')

    def end(self, seconds=30):
        """The exit code, when it has ended by itself."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f'it did not end; {self.out!r}')


def lines_run_over_one_client_and_errors_do_not_end_it(ctl):
    with Terminal(ctl) as t:
        t.expect(PROMPT)
        t.line('put shell/a "two words" -c strong')
        contains(t.line("get 'shell/a' -c strong"), 'two words')
        contains(t.line('get shell/none'), 'NOT_FOUND')
        contains(t.line('nonsense'), 'unknown command')
        contains(t.line('put "open'), 'a quote is left open')
        contains(t.line('shell'), 'this is one')
        contains(t.line('kvctl get shell/a -c strong  # as pasted'), 'two words')
        t.send('exit\r')
        equal(t.end(), 0)


def ctrl_c_gives_the_line_up_and_ctrl_d_leaves(ctl):
    with Terminal(ctl, 'shell') as t:
        t.expect(PROMPT)
        t.send('put shell/never "x\x03')
        t.expect(PROMPT)
        contains(t.line('get shell/never'), 'NOT_FOUND')
        t.send('\x04')
        equal(t.end(), 3)


def ctrl_c_ends_a_command_that_waits_and_not_the_shell(ctl):
    with Terminal(ctl) as t:
        t.expect(PROMPT)
        t.send('lock shell/lock\r')
        wait_for('the lock is held', lambda: ctl.run('get', 'shell/lock', '-c', 'strong')[0] == 0)
        t.send('\x03')
        t.expect(PROMPT)
        equal(ctl.run('get', 'shell/lock', '-c', 'strong')[0], 3)
        contains(t.line('status'), 'nodes up')


def tab_completes_commands_flags_keys_and_nodes(ctl):
    ctl.must('mput', 'long/key-one', '1', 'long/key-two', '2', 'spaced key', '3', '-c', 'strong', '--acks', 'all')
    with Terminal(ctl) as t:
        t.expect(PROMPT)
        t.complete('partition loc', 'partition locate ')
        t.complete('get lo', 'get long/key-')
        t.complete('get long/key-', 'long/key-one  long/key-two')  # what is common stands there already: the list
        t.complete('get long/key-o', 'long/key-one ')
        contains(t.line('--out\tjson -c stro\t'), '"value": "1"')
        t.complete('get spa', 'get spaced\\ key ')
        contains(t.line('-c strong'), '3')
        t.complete('scan --replica n', 'n1  n2  n3')
        t.send('\x15')
        t.send('exit\r')
        equal(t.end(), 0)


def history_is_kept_for_its_owner_alone(ctl):
    path = os.path.join(ctl.base, 'kvctl', 'history')
    if os.path.exists(path):
        os.remove(path)
    with Terminal(ctl) as t:
        t.expect(PROMPT)
        t.line('put shell/history one -c strong')
        t.line(' put shell/secret two -c strong')
        t.send('quit\r')
        equal(t.end(), 0)
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    with open(path, encoding='utf-8') as file:
        equal(file.read(), 'put shell/history one -c strong\nquit\n')
    ctl.must('del', 'shell/history', '-c', 'strong')
    with Terminal(ctl) as t:
        t.expect(PROMPT)
        t.line('\x1b[A\x1b[A')  # two lines back
        equal(ctl.must('get', 'shell/history', '-c', 'strong'), b'one')


def a_context_holds_from_the_next_line_on(ctl):
    with Terminal(ctl) as t:
        t.expect(PROMPT)
        t.send('ctx add nowhere -e 127.0.0.1:1 --timeout 20s -o json\r')
        t.expect('kvctl nowhere> ')
        ctl.must('put', 'shell/c', 'v', '-c', 'strong')
        # The variable KVCTL_ENDPOINTS goes before the context's endpoints, but nothing before its format.
        t.send('get shell/c -c strong\r')
        contains(t.expect('kvctl nowhere> '), '"value": "v"')
        t.send('ctx rm nowhere\r')
        t.expect(PROMPT)


def lines_of_a_file_run_like_a_script(ctl):
    script = b'put shell/b 1 -c strong\n\n# nothing\nincr shell/b 4; echo\nincr shell/b 4\nget shell/none\nget shell/b -c strong\n'
    code, out, talk = ctl.run('shell', stdin=script)
    equal((code, out.splitlines()[1:]), (0, [b'5', b'5']))
    contains(talk, '"echo" is too much')
    contains(talk, 'NOT_FOUND')
    equal(ctl.run('shell', '-c', 'strong', stdin=b'get shell/b\nget shell/none\n')[:2], (3, b'5'))


# ---- Holding a key -----------------------------------------------------------------------------------------------------

def start(ctl, *words):
    return subprocess.Popen([ctl.kvctl, *words], env=ctl.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, encoding='utf-8')


def a_lock_runs_its_command_alone_and_gives_the_key_back(ctl):
    script = 'test "$KVCTL_LOCK_KEY" = hold/a || exit 9; "$0" get hold/a -c strong; exit 7'
    code, out, _ = ctl.run('lock', 'hold/a', '--', 'sh', '-c', script, ctl.kvctl)
    equal((code, out != b''), (7, True))
    equal(ctl.run('get', 'hold/a', '-c', 'strong')[0], 3)
    equal(ctl.run('lock', 'hold/a', 'no-such-program')[0], 1)
    equal(ctl.run('lock', 'hold/a', '--ttl', '1s')[0], 2)
    # Those who come at once go one after the other: each adds one to what it reads.
    ctl.must('put', 'hold/count', '0', '-c', 'strong')
    add = 'n=$("$0" get hold/count -c strong) && "$0" put hold/count $((n + 1)) --fence $KVCTL_LOCK_FENCE'
    started = [start(ctl, 'lock', 'hold/a', '--', 'sh', '-c', add, ctl.kvctl) for _ in range(4)]
    for process in started:
        _, talk = process.communicate(timeout=60)
        equal((process.returncode, [line for line in talk.splitlines() if not line.endswith('has it; waiting')]), (0, []))
    equal(ctl.must('get', 'hold/count', '-c', 'strong'), b'4')


def a_later_holder_has_a_greater_fence(ctl):
    first = start(ctl, 'elect', 'hold/b', 'alice', '--ttl', '2s', '-o', 'raw')
    fence = int(first.stdout.readline())
    equal(ctl.must('get', 'hold/b', '-c', 'strong'), b'alice')
    code, _, talk = ctl.run('elect', 'hold/b', 'bob', '--within', '300ms')
    equal(code, 4)
    contains(talk, 'alice has it; waiting')
    second = start(ctl, 'elect', 'hold/b', 'bob', '--ttl', '2s', '-o', 'json')
    first.kill()  # it cannot give the key back: its time has to end
    first.communicate()
    document = ''.join(iter(second.stdout.readline, '}\n'))
    later = int(re.search(r'"fence": (\d+)', document)[1])
    equal(later > fence, True)
    equal(ctl.must('put', 'hold/guarded', 'bob', '--fence', str(later)) != b'', True)
    equal(ctl.run('put', 'hold/guarded', 'alice', '--fence', str(fence))[0], 4)
    # It is renewed for longer than it was taken for, until it is asked to end.
    before = ctl.json('get', 'hold/b', '-c', 'strong')['version']
    wait_for('it is renewed', lambda: ctl.json('get', 'hold/b', '-c', 'strong')['version'] > before)
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=30)
    equal(second.returncode, 0)
    equal(ctl.run('get', 'hold/b', '-c', 'strong')[0], 3)


def who_lost_the_key_ends_its_command(ctl):
    holder = start(ctl, 'lock', 'hold/c', '--ttl', '2s', '--', 'sleep', '600')
    wait_for('it is held', lambda: ctl.run('get', 'hold/c', '-c', 'strong')[0] == 0)
    ctl.must('put', 'hold/c', 'somebody else', '-c', 'strong')
    _, talk = holder.communicate(timeout=30)
    equal(holder.returncode, 4)
    contains(talk, 'is lost')
    equal(ctl.must('get', 'hold/c', '-c', 'strong'), b'somebody else')


def main():
    tests = [lines_run_over_one_client_and_errors_do_not_end_it, ctrl_c_gives_the_line_up_and_ctrl_d_leaves,
             ctrl_c_ends_a_command_that_waits_and_not_the_shell, tab_completes_commands_flags_keys_and_nodes,
             history_is_kept_for_its_owner_alone, a_context_holds_from_the_next_line_on, lines_of_a_file_run_like_a_script,
             a_lock_runs_its_command_alone_and_gives_the_key_back, a_later_holder_has_a_greater_fence,
             who_lost_the_key_ends_its_command]
    with Cluster(sys.argv[1], sys.argv[2]) as cluster:
        return run_tests(tests, cluster)


if __name__ == '__main__':
    sys.exit(main())
