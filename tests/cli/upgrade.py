# SPDX-License-Identifier: Apache-2.0
"""A rolling upgrade as an operator sees it, by kvctl upgrade: with the nodes of the next release (tests/cluster/release_next.c).

usage: upgrade.py KVCTL KVD KVD_NEXT
"""

import os
import sys

from cluster import Cluster, contains, equal, run_tests, wait_for

NEXT = os.path.abspath(sys.argv[3])


def start_next(ctl, node):
    code, _, talk = ctl.run('dev', 'start', node, '--dir', ctl.dir, KVD=NEXT)
    equal((code, talk if code else ''), (0, ''))


def upgrade(ctl, node):
    ctl.kill(node)
    start_next(ctl, node)


def state(ctl):
    status = ctl.json('upgrade', 'status')
    return status['state'], status['feature_level'], [n.get('feature_level') for n in status['nodes']]


def wait_for_state(ctl, expected):
    wait_for(f'the state is {expected}', lambda: state(ctl) == expected)


def nodes_of_two_releases_serve_and_nothing_new_is_used(ctl):
    ctl.must('put', 'before', 'value', '-c', 'strong')
    equal(state(ctl), ('final', 1, [1, 1, 1]))
    upgrade(ctl, 'n1')
    wait_for_state(ctl, ('rolling', 1, [2, 1, 1]))
    contains(ctl.must('upgrade', 'status').decode(), 'some nodes can do more than others')
    code, out, _ = ctl.run('upgrade', 'finalize', '--plan')
    equal((code, 'nothing: some nodes can do more than others' in out.decode()), (11, True))
    code, _, talk = ctl.run('upgrade', 'finalize')
    equal(code, 11)
    contains(talk, 'upgrade every node first')
    equal(ctl.must('get', 'before', '-c', 'strong'), b'value')


def a_node_may_go_back_before_the_end(ctl):
    ctl.kill('n1')
    ctl.start('n1')
    wait_for_state(ctl, ('final', 1, [1, 1, 1]))
    equal(ctl.must('get', 'before', '-c', 'strong'), b'value')


def the_end_is_said_by_an_operator_and_is_for_ever(ctl):
    for node in 'n1', 'n2', 'n3':
        upgrade(ctl, node)
    wait_for_state(ctl, ('ready', 1, [2, 2, 2]))
    contains(ctl.must('upgrade', 'status').decode(), 'kvctl upgrade finalize')
    contains(ctl.must('upgrade', 'finalize', '--plan').decode(), 'feature level 1 to 2; afterwards')
    contains(ctl.must('upgrade', 'status').decode(), 'kvctl upgrade finalize')  # nothing was done
    ctl.must('upgrade', 'finalize')
    wait_for_state(ctl, ('final', 2, [2, 2, 2]))
    contains(ctl.must('upgrade', 'finalize', '--plan').decode(), 'nothing: the cluster uses what every node can do')
    ctl.kill('n3')
    code, _, talk = ctl.run('dev', 'start', 'n3', '--dir', ctl.dir)
    equal(code != 0, True)
    contains(talk, 'finalized at feature level 2')
    start_next(ctl, 'n3')
    wait_for_state(ctl, ('final', 2, [2, 2, 2]))
    equal(ctl.must('get', 'before', '-c', 'strong'), b'value')


def main():
    with Cluster(sys.argv[1], sys.argv[2]) as ctl:
        return run_tests([nodes_of_two_releases_serve_and_nothing_new_is_used, a_node_may_go_back_before_the_end,
                          the_end_is_said_by_an_operator_and_is_for_ever], ctl)


if __name__ == '__main__':
    sys.exit(main())
