# SPDX-License-Identifier: Apache-2.0
"""Nodes that join, leave and are replaced, as an operator lets them: through kvctl, on real nodes.

usage: members.py KVCTL KVD
"""

import os
import signal
import socket
import subprocess
import sys

from cluster import Cluster, contains, equal, run_tests, wait_for

ROWS = {f'key{i}': f'value{i}' for i in range(300)}
PATIENCE = 120


class Node:
    """A kvd of its own beside those of kvctl dev."""

    def __init__(self, cluster, name, extra=''):
        self.dir = cluster.path(name)
        os.makedirs(self.dir)
        self.config = os.path.join(self.dir, 'kvd.yaml')
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(f'node: {{name: {name}, data_dir: "{self.dir}/data"}}\n'
                       'listen: {client: "127.0.0.1:0", peer: "127.0.0.1:0", http: "off"}\n' + extra)
        self.log = open(os.path.join(self.dir, 'log'), 'ab')
        self.process = subprocess.Popen([cluster.environment['KVD'], '--config', self.config], stderr=self.log)

    def peer(self):
        return wait_for('the addresses', self.addresses)['peer']

    def addresses(self):
        path = os.path.join(self.dir, 'data', 'addresses')
        if not os.path.exists(path):
            return None
        with open(path, encoding='utf-8') as file:
            return dict(line.split('=') for line in file.read().split())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


def load(ctl):
    ctl.must('load', '-', '--format', 'tsv', '--acks', 'all',
             stdin=''.join(f'{k}\t{v}\n' for k, v in ROWS.items()).encode())


def assert_all_there(ctl):
    out = ctl.must('mget', *ROWS, '-c', 'strong', '--timeout', '20s', '-o', 'raw').decode()
    equal(dict(line.split('\t') for line in out.splitlines()), ROWS)


def states(ctl):
    return {node['name']: node['state'] for node in ctl.json('node', 'ls')}


def partitions(ctl):
    return {node['name']: node['partitions'] for node in ctl.json('node', 'ls') if node['state'] == 'normal'}


def commit(ctl):
    code, _, talk = ctl.run('cluster', 'commit', '--wait', seconds=PATIENCE)
    if code != 0:
        raise AssertionError(f'cluster commit ended with {code}: {talk}')
    return talk


def nothing_staged_is_said_and_no_error(ctl):
    load(ctl)
    plan = ctl.json('cluster', 'plan')
    equal((plan['staged'], plan['moves']), (False, 0))
    code, _, talk = ctl.run('cluster', 'commit')
    equal(code, 0)
    contains(talk, 'nothing is staged')
    moves = ctl.json('move', 'ls')
    equal((moves['waiting'], moves['paused'], moves['moves']), (0, False, []))


def a_plan_is_told_before_anything_moves_and_can_be_discarded(ctl):
    node = Node(ctl, 'spare')
    ctl.must('put', 'large', 'x' * 100000, '--acks', 'all')
    try:
        plan = ctl.json('node', 'add', node.peer())
        equal(plan['staged'], True)
        equal(plan['bytes'] > 50000, True)
        equal(plan['duration_busy_ms'] > plan['duration_ms'] > 0, True)
        equal([n['moves_in'] for n in plan['nodes'] if n['name'] == 'spare'], [12])
        equal(plan['moves'], 12)
        equal(states(ctl)['spare'], 'staged')
        before = partitions(ctl)
        words = ctl.must('cluster', 'commit', '--plan').decode()
        contains(words, 'staged: 12 partitions')
        contains(words, ' if clients keep the nodes busy; ')
        equal(partitions(ctl), before)
        ctl.must('cluster', 'discard')
        wait_for('the discarded node is removed', lambda: states(ctl)['spare'] == 'removed')
        equal(ctl.json('cluster', 'plan')['staged'], False)
    finally:
        node.stop()


def a_node_that_is_no_node_cannot_be_added(ctl):
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        code, _, talk = ctl.run('node', 'add', f'127.0.0.1:{unused.getsockname()[1]}', '--timeout', '2s')
    if code == 0:
        raise AssertionError('it was added')
    contains(talk, 'kvctl node add')
    code, _, talk = ctl.run('node', 'remove', 'n9')
    equal(code, 2)
    contains(talk, 'there is no node "n9"')


def a_node_joins_and_has_its_share(ctl):
    ctl.must('dev', 'add', '--dir', ctl.dir, seconds=PATIENCE)
    ctl.find_nodes()
    equal(partitions(ctl), {'n1': 12, 'n2': 12, 'n3': 12, 'n4': 12})
    assert_all_there(ctl)


def a_node_that_leaves_can_be_kept(ctl):
    ctl.must('cluster', 'pause')  # so that it has not left before it is kept
    wait_for('the pause is known', lambda: ctl.json('move', 'ls')['paused'])
    ctl.must('node', 'remove', 'n2')
    ctl.must('cluster', 'commit')
    wait_for('it is leaving', lambda: states(ctl)['n2'] == 'leaving')
    ctl.must('node', 'keep', 'n2')
    equal([n.get('change') for n in ctl.json('node', 'ls') if n['name'] == 'n2'], ['stays'])
    ctl.must('cluster', 'commit')
    wait_for('it stays', lambda: states(ctl)['n2'] == 'normal')
    ctl.must('cluster', 'resume')
    wait_for('all have their share', lambda: set(partitions(ctl).values()) == {12} and len(partitions(ctl)) == 4, PATIENCE)
    assert_all_there(ctl)


def a_node_leaves_and_its_process_ends_well(ctl):
    plan = ctl.json('node', 'remove', 'n2')
    equal([n['partitions_after'] for n in plan['nodes'] if n['name'] == 'n2'], [0])
    equal([n.get('change') for n in ctl.json('node', 'ls') if n['name'] == 'n2'], ['leaves'])
    ctl.must('cluster', 'discard')
    wait_for('nothing is staged', lambda: not ctl.json('cluster', 'plan')['staged'])
    ctl.must('dev', 'remove', 'n2', '--dir', ctl.dir, seconds=PATIENCE)
    ctl.find_nodes()
    equal(states(ctl)['n2'], 'removed')
    equal(partitions(ctl), {'n1': 16, 'n3': 16, 'n4': 16})
    equal([n['name'] for n in ctl.json('dev', 'ls', '--dir', ctl.dir)], ['n1', 'n3', 'n4'])
    with open(os.path.join(ctl.dir, 'n2', 'log'), encoding='utf-8') as file:
        contains(file.read(), 'event=server.left')
    assert_all_there(ctl)


def a_node_that_left_does_not_come_back_under_its_identity(ctl):
    config = os.path.join(ctl.dir, 'n2', 'kvd.yaml')
    done = subprocess.run([ctl.environment['KVD'], '--config', config], stderr=subprocess.PIPE, timeout=60)
    equal(done.returncode, 11)
    contains(done.stderr.decode(), 'was removed from the cluster; to come back, start with an empty data directory')


def a_dead_node_is_replaced(ctl):
    ctl.kill('n3')
    ctl.must('dev', 'add', '--replace', 'n3', '--dir', ctl.dir, seconds=PATIENCE)
    ctl.find_nodes()
    equal(partitions(ctl), {'n1': 16, 'n4': 16, 'n5': 16})
    equal(ctl.json('status')['nodes_total'], 3)
    assert_all_there(ctl)


def a_node_with_a_token_admits_itself_once(ctl):
    token = ctl.must('cluster', 'token', '--ttl', '10m')
    path = ctl.path('token')
    with open(path, 'wb') as file:
        file.write(token)
    os.chmod(path, 0o600)
    seeds = ','.join(n['peer_address'] for n in ctl.json('node', 'ls') if n['state'] == 'normal')
    join = f'join: {{seeds: "{seeds}", token_file: "{path}"}}\n'
    first, second = Node(ctl, 'first', join), None
    try:
        wait_for('it is staged', lambda: states(ctl).get('first') == 'staged')
        second = Node(ctl, 'second', join)
        equal(second.process.wait(60), 1)
        with open(os.path.join(second.dir, 'log'), encoding='utf-8') as file:
            contains(file.read(), 'was not admitted')
        ctl.must('cluster', 'discard')
    finally:
        first.stop()
        if second:
            second.stop()


def moves_pause_and_go_on(ctl):
    ctl.must('cluster', 'pause')
    wait_for('the pause is known', lambda: ctl.json('move', 'ls')['paused'])
    ctl.must('cluster', 'resume')
    wait_for('the end of it is known', lambda: not ctl.json('move', 'ls')['paused'])


def repair_tells_every_node(ctl):
    rows = wait_for('every partition was compared', lambda: compared(ctl), PATIENCE)
    equal(sorted(row['name'] for row in rows), ['n1', 'n4', 'n5'])
    equal([row['partitions'] for row in rows], [16, 16, 16])
    equal([row['corrupt'] for row in rows], [0, 0, 0])


def a_node_that_moved_tells_the_others(ctl):
    config = os.path.join(ctl.dir, 'n4', 'kvd.yaml')
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{unused.getsockname()[1]}'
    with open(config, encoding='utf-8') as file:
        text = file.read()
    ctl.kill('n4')
    with open(config, 'w', encoding='utf-8') as file:
        file.write(text.replace('  peer: 127.0.0.1:0', f'  peer: {address}'))
    kvd = [ctl.environment['KVD'], '--config', config]
    done = subprocess.run(kvd, stderr=subprocess.PIPE, timeout=60)
    equal(done.returncode, 11)
    contains(done.stderr.decode(), 'copied data directory?')
    moved = subprocess.Popen([*kvd, '--moved'], stderr=subprocess.DEVNULL)
    try:
        wait_for('the map has the new address', lambda: address in
                 [n['peer_address'] for n in ctl.json('node', 'ls') if n['name'] == 'n4'])
        wait_for('it is reached there', lambda: ctl.json('status')['state'] == 'healthy')
    finally:
        moved.send_signal(signal.SIGTERM)
        moved.wait(60)
    ctl.start('n4')
    wait_for('it is reached there', lambda: ctl.json('status')['state'] == 'healthy')


def compared(ctl):
    ctl.must('repair', 'run')
    rows = ctl.json('repair', 'status')
    return rows if all(row['oldest_ms'] is not None for row in rows) else None


def survivors_go_on_when_told_to(ctl):
    """Two of three nodes are gone for ever. n1 has a copy of every key."""
    config = os.path.join(ctl.dir, 'n1', 'kvd.yaml')
    words = ['unsafe', 'recover', '--config', config, '--survivors', 'n1', '--cluster']
    code, _, talk = ctl.run(*words, 'dev')
    equal(code, 11)  # it runs
    for node in ['n1', 'n4', 'n5']:
        ctl.kill(node)
    code, _, talk = ctl.run(*words, 'other')
    equal(code, 11)
    contains(talk, 'not of "other"')
    code, out, talk = ctl.run(*words, 'dev')
    equal(code, 11)
    contains(talk, 'nothing was written')
    contains(out.decode(), 'replicas:    3 -> 1')
    ctl.must(*words, 'dev', '--yes')
    ctl.start('n1')
    ctl.environment['KVCTL_ENDPOINTS'] = [n['client_address'] for n in ctl.json('dev', 'ls', '--dir', ctl.dir)
                                          if n['name'] == 'n1'][0]
    equal(partitions(ctl), {'n1': 16})
    assert_all_there(ctl)
    with open(os.path.join(ctl.dir, 'n1', 'data', 'recoveries'), encoding='utf-8') as file:
        contains(file.read(), 'removed:     n4')


def a_cluster_without_an_upgrade_under_way_is_final(ctl):
    status = ctl.json('upgrade', 'status')
    equal((status['state'], status['feature_level'] >= 1, len(status['nodes'])), ('final', True, 3))
    version = ctl.must('--version').decode().split()[-1]
    equal({(n['version'], n['feature_level'], n['answers']) for n in status['nodes']},
          {(version, status['feature_level'], True)})
    contains(ctl.must('upgrade', 'status').decode(), 'the cluster uses what every node can do')
    epoch = ctl.json('status')['cluster']['map_epoch']
    ctl.must('upgrade', 'finalize')
    equal(ctl.json('status')['cluster']['map_epoch'], epoch)


def main():
    tests = [a_cluster_without_an_upgrade_under_way_is_final, nothing_staged_is_said_and_no_error,
             a_plan_is_told_before_anything_moves_and_can_be_discarded,
             a_node_that_is_no_node_cannot_be_added, a_node_joins_and_has_its_share, a_node_that_leaves_can_be_kept,
             a_node_leaves_and_its_process_ends_well, a_node_that_left_does_not_come_back_under_its_identity,
             a_dead_node_is_replaced, a_node_with_a_token_admits_itself_once,
             moves_pause_and_go_on, repair_tells_every_node,
             a_node_that_moved_tells_the_others, survivors_go_on_when_told_to]
    with Cluster(sys.argv[1], sys.argv[2]) as ctl:
        return run_tests(tests, ctl)


if __name__ == '__main__':
    sys.exit(main())
