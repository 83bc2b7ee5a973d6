# SPDX-License-Identifier: Apache-2.0
"""kvctl without a cluster: usage errors, exit codes, where help and errors go.

usage: usage.py KVCTL KVD
"""

import signal
import socket
import subprocess
import sys
import tempfile

from cluster import Cluster, contains, equal, run_tests


def mistakes_end_with_2_and_say_what_was_meant(ctl):
    for words, says in [(['gett', 'k'], 'did you mean "get"?'), (['partition', 'lss'], 'did you mean "partition ls"?'),
                        (['cluster'], 'cluster init'), (['get'], 'usage: kvctl get KEY'), (['get', 'a', 'b'], '"b" is too much'),
                        (['get', 'k', '--tiemout', '1s'], 'did you mean --timeout?'), (['get', 'k', '--acks', '1'], '--acks'),
                        (['--acks', '1', 'get', 'k'], 'takes no --acks'), (['put', 'k'], 'there is no value'),
                        (['put', 'k', 'v', '--file', 'f'], 'two values'), (['mput', 'k', 'v', 'l'], '"l" has no value'),
                        (['get', 'k', '-c', 'bounded'], 'like bounded=2s'), (['get', 'k', '--bucket', '-1'], 'up to 4294967295'),
                        (['bench', '--bucket', '1'], 'unknown flag --bucket'),
                        (['get', 'k', '-c', 'session'], 'needs --session-file'),
                        (['put', 'k', 'v', '-c', 'bounded=2s'], 'for reads'),
                        (['put', 'k', 'v', '--if-absent', '-c', 'eventual'], 'strong: leave -c out'),
                        (['put', 'k', 'v', '--fence', '3', '-c', 'eventual'], 'strong: leave -c out'),
                        (['del', 'k', '--if-absent', '--if-present'], 'excludes every other'),
                        (['put', 'k', 'v', '--if-value', 'a', '--if-hash', '1'], 'in two ways'),
                        (['put', 'k', 'v', '--if-version', '7'], 'write a version'),
                        (['cas', 'k', 'v'], 'what is expected?'), (['cas', 'k', '--if-absent'], 'there is no value'),
                        (['incr', 'k', '1.5'], 'no whole number'), (['incr', 'k', '-c', 'eventual'], 'always strong'),
                        (['append', 'k'], 'there is no value'), (['append', 'k', 'v', '--if-absent'], 'unknown flag --if-absent'),
                        (['expire', 'k', '5'], 'with its unit'), (['outcome', 'k'], 'no id of a write'),
                        (['ledger'], 'ledger ls, ledger restore'), (['ledger', 'restore', 'k', '7'], 'no version'),
                        (['bench', '--write', 'del'], 'put, cas, incr, append'),
                        (['bench', '--mix', 'get'], 'KIND[@LEVEL]=SHARE'), (['bench', '--distribution', 'zipf=0'], 'exponent'),
                        (['bench', '--mix', 'get=1', '--ratio', '1:1'], 'all that'), (['bench', '--key-size', '4'], '--key-size'),
                        (['status', '-o', 'raw'], 'does not write that output format'),
                        (['scan', '--cursor', '!'], '--cursor'), (['export', '--raw', '--format', 'tsv'], 'JSON lines only'),
                        (['cluster', 'init', 'a:1', '--replicas', '3'], 'as many nodes'),
                        (['cluster', 'init', 'a:1', '--partitions', '17'], 'no power of two'),
                        (['node', 'add'], 'usage: kvctl node add ADDRESS'), (['node', 'remove'], 'usage: kvctl node remove NODE'),
                        (['node', 'add', 'a:1', '--gone'], 'unknown flag --gone'), (['move'], 'move ls'),
                        (['repair'], 'repair status, repair run'), (['cluster', 'comit'], 'did you mean "cluster commit"?'),
                        (['unsafe', 'recover', '--config', 'f'], 'are all needed'), (['help', 'nonsense'], 'unknown')]:
        code, out, talk = ctl.run(*words)
        equal((code, out), (2, b''))
        contains(talk, says)


def help_and_version_go_to_standard_output(ctl):
    for words in [['help'], ['--help'], ['-h'], ['help', 'get'], ['get', '--help'], ['dev', 'up', '-h'], ['--version']]:
        code, out, talk = ctl.run(*words)
        equal((code, talk), (0, ''))
        contains(out, b'kvctl')
    code, out, talk = ctl.run()
    equal((code, out), (2, b''))
    contains(talk, 'usage: kvctl')


def a_file_that_holds_no_session_is_refused(ctl):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b'{}')
        file.flush()
        code, out, talk = ctl.run('get', 'k', '--session-file', file.name)
        equal((code, out), (2, b''))
        contains(talk, 'holds no session')


def a_bad_variable_is_a_usage_error(ctl):
    code, _, talk = ctl.run('get', 'k', KVCTL_TIMEOUT='soon')
    equal(code, 2)
    contains(talk, 'KVCTL_TIMEOUT=soon')


def without_a_node_the_answer_is_unavailable(ctl):
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        nobody = f'127.0.0.1:{unused.getsockname()[1]}'
        for words in [['get', 'k'], ['put', 'k', 'v'], ['incr', 'k', '-5'], ['cas', 'k', 'v', '--if-absent'], ['ledger', 'ls'],
                      ['outcome', '1-2-3:k'], ['status'], ['node', 'ls'], ['export'], ['cluster', 'plan'], ['cluster', 'commit'],
                      ['move', 'ls'], ['repair', 'status'], ['node', 'remove', 'n1']]:
            code, out, talk = ctl.run(*words, '-e', nobody, '--timeout', '200ms')
            equal((code, out), (5, b''))
            contains(talk, 'UNAVAILABLE')


def ctrl_c_ends_with_130(ctl):
    """A node that accepts and never answers keeps the request waiting."""
    with socket.create_server(('127.0.0.1', 0)) as silent:
        for words in [['get', 'k'], ['load', '-']]:
            process = subprocess.Popen([ctl.kvctl, *words, '-e', f'127.0.0.1:{silent.getsockname()[1]}', '--timeout', '60s'],
                                       env=ctl.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            if words[0] == 'load':
                process.stdin.write(b'k\tv\n' * 1000)
                process.stdin.flush()
            silent.accept()
            process.send_signal(signal.SIGINT)
            if words[0] == 'load':
                # What is under way is waited for; a second one ends that.
                while process.poll() is None:
                    process.send_signal(signal.SIGINT)
            process.communicate()
            equal(process.returncode, 130)


def main():
    tests = [mistakes_end_with_2_and_say_what_was_meant, help_and_version_go_to_standard_output,
             a_file_that_holds_no_session_is_refused,
             a_bad_variable_is_a_usage_error, without_a_node_the_answer_is_unavailable, ctrl_c_ends_with_130]
    return run_tests(tests, Cluster(sys.argv[1], sys.argv[2]))


if __name__ == '__main__':
    sys.exit(main())
