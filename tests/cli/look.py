# SPDX-License-Identifier: Apache-2.0
"""Looking into a cluster: explain, doctor, health, top, config and log level, while nodes are down, partitions move and a record is
damaged by hand.

usage: look.py KVCTL KVD PLANT_RECORD
"""

import glob
import json
import os
import pty
import signal
import subprocess
import sys
import urllib.request

from cluster import Cluster, contains, equal, pause, run_tests, wait_for
from members import Node

PATIENCE = 120
PLANT = None


def explain(ctl, key, codes=(0,)):
    return ctl.json('explain', key, codes=codes)


def node_of(document, name):
    return next(n for n in document['nodes'] if n['node'] == name)


def plant(ctl, node, key, what):
    """Changes the key's record on the disk of a node that does not run."""
    subprocess.run([PLANT, os.path.join(ctl.dir, node, 'data'), key, what], check=True, timeout=60)


def rules(ctl, code):
    return {f['rule']: f for f in ctl.json('doctor', codes=(code,))['findings']}


def status_json(ctl, node=0):
    """What the page of a node, n1 if not said, is made from."""
    with open(os.path.join(ctl.dir, 'http'), encoding='utf-8') as file:
        address = file.read().split()[node]
    with urllib.request.urlopen(f'http://{address}/status.json', timeout=20) as answer:
        return json.loads(answer.read())


def pid_of(ctl, node):
    with open(os.path.join(ctl.dir, node, 'pid'), encoding='utf-8') as file:
        return int(file.read())


def log_of(ctl, node):
    with open(os.path.join(ctl.dir, node, 'log'), encoding='utf-8') as file:
        return file.read()


def a_key_on_which_all_agree(ctl):
    for key in ('key', 'damaged', 'by-hand-in-the-table', 'missing'):
        version = ctl.must('put', key, 'value-of-' + key, '-c', 'strong').decode().strip()
    told = wait_for('all replicas have it', lambda: [e for e in [explain(ctl, 'missing')] if e['state'] == 'agree'])[0]
    equal([n['version'] for n in told['nodes']], [version] * 3)
    equal({n['value_hash'] for n in told['nodes']}, {told['nodes'][0]['value_hash']})
    equal([n['value_size'] for n in told['nodes']], [len('value-of-missing')] * 3)
    equal([(n['role'], n['holds'], n['weak'], n['disk']) for n in told['nodes']],
          [('replica', 'value', False, 'record')] * 3)
    contains(ctl.must('explain', 'missing').decode(), 'all 3 replicas agree: version ' + version)
    code, out, _ = ctl.run('explain', 'nobody-wrote-it')
    equal(code, 3)
    contains(out.decode(), 'none of the 3 replicas has it')


def deletions_and_lives_are_told(ctl):
    ctl.must('put', 'short', 'x', '-c', 'strong', '--ttl', '1s')
    ctl.must('put', 'deleted', 'x', '-c', 'strong')
    ctl.must('del', 'deleted', '-c', 'strong')
    wait_for('the deletion is everywhere', lambda: [n['holds'] for n in explain(ctl, 'deleted')['nodes']] == ['deletion'] * 3)
    told = wait_for('its life ends', lambda: [e for e in [explain(ctl, 'short')]
                                              if [n['holds'] for n in e['nodes']] == ['expired'] * 3])[0]
    contains(told['verdict'], 'whose time to live has ended')
    equal(all(n['expires_ms'] <= told['clock_ms'] for n in told['nodes']), True)


def a_healthy_cluster_has_nothing_to_mend(ctl):
    document = wait_for('nothing is to mend', lambda: [d for d in [ctl.json('doctor', codes=(0, 10))] if d['to_mend'] == 0])[0]
    contains(document['verdict'], 'nothing to mend on 3 nodes')
    code, out, _ = ctl.run('health')
    equal((code, out.decode().split(':')[0]), (0, 'healthy'))
    equal(ctl.json('health', '--node', 'n2')['state'], 'up')


def top_tells_rates_and_hot_keys(ctl):
    script = 'import subprocess, sys\nfor i in range(40): subprocess.run([sys.argv[1], "get", "key"], stdout=subprocess.DEVNULL)'
    reader = subprocess.Popen(['/usr/bin/python3', '-c', script, ctl.kvctl], env=ctl.environment)
    try:
        def sample():
            code, out, talk = ctl.run('top', '--count', '1', '-o', 'json')
            equal(code, 0)
            import json
            document = json.loads(out)
            hot = [k for k in document['hot_keys'] if k['key'] == 'key' and k['reads_per_sec'] >= 0]
            timed = [n for n in document['nodes'] if n.get('reads_p99_us', 0) >= n.get('reads_p50_us', 0) > 0]
            return hot and timed and document
        document = wait_for('the key is seen to be hot', sample)
    finally:
        reader.wait(PATIENCE)
    equal([n['state'] for n in document['nodes']], ['up'] * 3)
    equal(document['state'], 'healthy')
    equal(sorted(document['cluster'])[:2], ['bytes_in_per_sec', 'bytes_out_per_sec'])


def settings_change_while_nodes_run(ctl):
    row = ctl.json('config', 'get', 'log.level')
    equal([(r['node'], r['value'], r['changes'], r['source']) for r in row], [('all', 'info', 'live', 'default')])
    code, out, talk = ctl.run('config', 'set', 'log.level', 'debug', '--node', 'n2', '-o', 'json')
    equal(code, 0)
    contains(talk, 'in force on n2, until each restarts or reads its file again (SIGHUP)')
    equal({r['node']: (r['value'], r['source']) for r in ctl.json('log', 'level')},
          {'n1': ('info', 'default'), 'n2': ('debug', 'set'), 'n3': ('info', 'default')})
    contains(ctl.must('config', 'diff').decode(), 'log.level')
    ctl.must('log', 'level', 'warn')
    equal([r['value'] for r in ctl.json('log', 'level')], ['warn'] * 3)
    for words, code, part in ((['log.levle', 'debug'], 2, 'did you mean log.level?'),
                              (['log.level', 'loud'], 2, 'allowed are debug, info, warn, error'),
                              (['limits.memory', '1MiB'], 2, 'from 64MiB'),
                              (['storage.cache_size', '1GiB'], 11, 'restart the node')):
        got, _, talk = ctl.run('config', 'set', *words)
        equal(got, code)
        contains(talk, part)
    equal([r['value'] for r in ctl.json('config', 'get', 'cluster.replicas')], ['3'])


def a_limit_that_changes_is_in_force(ctl):
    ctl.must('config', 'set', 'limits.value_size', '1KiB')
    code, _, talk = wait_for('the limit is in force', lambda: [r for r in [ctl.run('put', 'large', 'x' * 2000)] if r[0]])[0]
    contains(talk, 'TOO_LARGE')
    ctl.must('config', 'set', 'limits.value_size', '1MiB')
    wait_for('and is not any more', lambda: ctl.run('put', 'large', 'x' * 2000)[0] == 0)


def a_file_is_read_again_by_sighup(ctl):
    path = os.path.join(ctl.dir, 'n1', 'kvd.yaml')
    with open(path, encoding='utf-8') as file:
        before = file.read()
    with open(path, 'a', encoding='utf-8') as file:
        file.write('log: {level: error}\nstorage: {cache_size: 64MiB}\n')
    os.kill(pid_of(ctl, 'n1'), signal.SIGHUP)
    wait_for('the level is the file\'s', lambda: [r for r in ctl.json('log', 'level', '--node', 'n1')
                                                  if (r['value'], r['source']) == ('error', 'file')])
    row = ctl.json('config', 'get', 'storage.cache_size', '--node', 'n1')[0]
    equal((row['value'], row['waits'], row['changes']), ('128MiB', '64MiB', 'restart'))
    equal(rules(ctl, 0)['settings.waiting']['severity'], 'note')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(before + 'log: {levle: error}\n')
    os.kill(pid_of(ctl, 'n1'), signal.SIGHUP)
    wait_for('the mistake is in the log', lambda: 'did you mean \\"level\\"' in log_of(ctl, 'n1'))
    equal(ctl.json('log', 'level', '--node', 'n1')[0]['value'], 'error')
    code, out, talk = ctl.run('config', 'check', path)
    equal(code, 2)
    contains(talk, f'{path}:')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(before)
    contains(ctl.must('config', 'check', path).decode(), 'good')
    os.kill(pid_of(ctl, 'n1'), signal.SIGHUP)
    wait_for('all is as before', lambda: ctl.json('log', 'level', '--node', 'n1')[0]['source'] == 'default')
    ctl.must('log', 'level', 'info')


def key_in(ctl, partitions):
    return next(f'k{i}' for i in range(500) if ctl.json('partition', 'locate', f'k{i}')['partition'] in partitions)


def commit_and_go_away(ctl):
    """Watches on a terminal, which shows how far it is, until Ctrl-C: the change goes on."""
    ours, theirs = pty.openpty()
    watch = subprocess.Popen([ctl.kvctl, 'cluster', 'commit', '--wait'], env=ctl.environment, stdin=theirs, stdout=theirs, stderr=theirs,
                             start_new_session=True)
    os.close(theirs)
    seen = b''
    try:
        while b'%, ' not in seen:
            seen += os.read(ours, 1000)
        watch.send_signal(signal.SIGINT)
        while True:
            try:
                more = os.read(ours, 1000)
            except OSError:  # the other side is closed
                break
            if not more:
                break
            seen += more
        equal(watch.wait(60), 130)
    finally:
        watch.kill()
        watch.wait()
        os.close(ours)
    contains(seen.decode(), 'moving: [')
    contains(seen.decode(), 'the change goes on; kvctl move ls tells how far it is')


def a_partition_that_moves_is_told_with_who_comes_and_goes(ctl):
    node = Node(ctl, 'n4')
    try:
        ctl.must('node', 'add', node.peer())
        found = rules(ctl, 0)
        contains(found['changes.staged']['what'], 'n4 joins')
        pause(node.process.pid)  # moves to it begin, and go no further
        commit_and_go_away(ctl)
        moves = wait_for('moves begin', lambda: ctl.json('move', 'ls')['moves'])
        told = explain(ctl, key_in(ctl, [m['partition'] for m in moves]))
        equal((node_of(told, 'n4')['role'], node_of(told, 'n4')['holds']), ('joining', 'no answer'))
        equal(sorted(n['role'] for n in told['nodes']), ['joining', 'leaving', 'replica', 'replica'])
        equal('n4' in told['move']['to'], True)
        contains(' '.join(told['notes']), 'strong requests need a majority of its present and of its new replicas')
        contains(' '.join(told['notes']), 'n4 is becoming a replica')
        whole = ctl.json('status')
        equal((whole['state'], whole['cluster']['moves']), ('degraded', len(moves)))
        equal((whole['partitions_without_quorum'], whole['nodes_losable']), (0, 0))
        for part in ('n4 is down', 'every key has 3 replicas', f'{len(moves)} partitions are moving', 'no further node can be lost'):
            contains(whole['verdict'], part)
        equal((whole['nodes'][3]['name'], whole['nodes'][3]['state']), ('n4', 'down'))
        page = wait_for('the other nodes see it, too', lambda: [
            s for s in [status_json(ctl)] if s['verdict']['losable'] == 0 and s['verdict']['moving'] == len(moves) and
            {m['partition'] for m in s['moves']['items']} == {m['partition'] for m in moves}])[0]
        equal({(page['nodes'][m['to']]['name'], m['stage']) for m in page['moves']['items']} <=
              {('n4', 'waiting'), ('n4', 'opening'), ('n4', 'copying')}, True)
    finally:
        node.process.kill()
        node.process.wait(60)
        node.log.close()
    wait_for('n4 counts as dead', lambda: ctl.run('node', 'remove', 'n4', '--gone')[0] == 0)
    ctl.must('cluster', 'commit', '--wait', seconds=PATIENCE)
    told = wait_for('the three have it again', lambda: [e for e in [explain(ctl, 'key')] if e['state'] == 'agree'], PATIENCE)[0]
    equal([n['node'] for n in told['nodes'] if n['role'] == 'replica'], ['n1', 'n2', 'n3'])


def a_wrong_clock_counts_for_no_majority_and_is_told(ctl):
    ctl.kill('n2')
    code, _, talk = ctl.run('dev', 'start', 'n2', '--dir', ctl.dir, KVD_TEST_WALL_OFFSET_MS='-2000')
    equal((code, talk if code else ''), (0, ''))
    told = wait_for('status sees the clock', lambda: [s for s in [ctl.json('status')] if 'wrong clock' in s['verdict']])[0]
    equal((told['state'], told['nodes_losable'], [n['clock_wrong'] for n in told['nodes']]), ('degraded', 0, [False, True, False]))
    wait_for('the other nodes see it', lambda: 'n2 has a wrong clock' in status_json(ctl)['verdict']['words'])
    equal(status_json(ctl)['verdict']['losable'], 0)
    found = rules(ctl, 10)
    equal((found['clock.skew']['subject'], found['clock.skew']['severity']), ('n2', 'critical'))
    ctl.kill('n3')
    code, out, _ = ctl.run('status')
    equal(code, 5)
    contains(out.decode(), 'strong requests are refused for keys in 16 of 16 partitions')
    ctl.start('n3')
    ctl.kill('n2')
    ctl.start('n2')
    wait_for('all is well again', lambda: ctl.json('status', codes=(0, 5))['state'] == 'healthy', seconds=60)


def settings_and_levels_complete(ctl):
    def offered(*words):
        return [line.split('\t')[0] for line in ctl.must('complete', '--', *words).decode().splitlines()]
    equal('log.level' in offered('config', 'set', ''), True)
    equal('node.data_dir' in offered('config', 'set', ''), False)
    equal(offered('config', 'get', 'node.da'), ['node.data_dir'])
    equal(offered('log', 'level', ''), ['debug', 'error', 'info', 'warn'])


def a_disk_that_is_nearly_full_takes_no_new_values(ctl):
    ctl.must('put', 'kept', 'x' * 100, '--acks', 'all', '--timeout', '10s')
    ctl.must('config', 'set', 'limits.disk_reserve', '1000000GiB', '--node', 'n2')
    told = wait_for('status sees it', lambda: [s for s in [ctl.json('status')] if 'nearly full' in s['verdict']])[0]
    equal((told['state'], [n['disk_low'] for n in told['nodes']]), ('degraded', [False, True, False]))
    equal((rules(ctl, 10)['disk.full']['subject'], rules(ctl, 10)['disk.full']['severity']), ('n2', 'critical'))
    ctl.must('put', 'fresh', 'v', '-c', 'strong', '--timeout', '10s')  # two of three have room
    ctl.must('config', 'set', 'limits.disk_reserve', '1000000GiB')
    wait_for('all have heard it of all', lambda: all(n['disk_low'] for i in range(3) for n in status_json(ctl, i)['nodes']
                                                     if n['state'] == 'normal'))
    for level in ('strong', 'eventual'):
        code, _, talk = ctl.run('put', 'another', 'v', '-c', level, '--timeout', '2s')
        equal(code, 7)
        contains(talk, 'nearly full')
    equal(ctl.run('get', 'another', '-c', 'strong')[0], 3)
    equal(ctl.must('get', 'kept', '-c', 'strong', '-o', 'raw').decode().strip(), 'x' * 100)
    ctl.must('del', 'kept', '-c', 'strong', '--timeout', '10s')
    ctl.must('config', 'set', 'limits.disk_reserve', '0B')
    wait_for('there is room again', lambda: ctl.run('put', 'another', 'v', '--acks', 'all', '--timeout', '2s')[0] == 0)
    wait_for('all is well again', lambda: ctl.json('status')['state'] == 'healthy')
    contains(log_of(ctl, 'n1'), 'event=disk.low')
    contains(log_of(ctl, 'n1'), 'event=disk.enough')


def a_node_that_is_down_is_owed_a_hint(ctl):
    ctl.kill('n2')
    ctl.must('put', 'key', 'newer', '--acks', 'majority', '--timeout', '10s')
    told = wait_for('a hint for n2', lambda: [e for e in [explain(ctl, 'key')] if 'a hint waits on' in ' '.join(e['notes'])],
                    PATIENCE)[0]
    equal((told['state'], node_of(told, 'n2')['holds']), ('partial', 'no answer'))
    keepers = [n for n in told['nodes'] if any(h['target'] == 'n2' and h['key'] for h in n.get('hints', []))]
    equal(len(keepers) > 0, True)
    whole = ctl.json('status')
    equal((whole['state'], [n['state'] for n in whole['nodes']]), ('degraded', ['up', 'down', 'up']))
    contains(whole['verdict'], '2 of 3 nodes up; n2 is down; every key has 2 replicas of 3')
    found = rules(ctl, 10)
    contains(found['node.down']['next'], 'kvctl node add ADDRESS --replace n2')
    equal(ctl.run('health')[0], 0)
    equal(ctl.run('health', '--node', 'n2')[0], 5)


def without_a_majority_it_says_so(ctl):
    ctl.kill('n3')
    code, out, _ = ctl.run('explain', 'key')
    equal(code, 5)
    contains(out.decode(), '1 of 3 replicas serves it: no majority, so strong requests for it fail; eventual ones are served by n1')
    equal(rules(ctl, 10)['quorum.lost']['severity'], 'critical')
    equal(ctl.run('health')[0], 5)
    ctl.start('n2')
    ctl.start('n3')
    wait_for('all agree again', lambda: explain(ctl, 'key', (0, 5))['state'] == 'agree', PATIENCE)


def all_at_rest(ctl, keys, nodes):
    """The trees of the partitions are on disk, so that a start does not read the records."""
    told = {key: explain(ctl, key) for key in keys}
    return all(node_of(told[key], node)['tree'] == 'saved' for key in keys for node in nodes)


def a_record_that_is_missing_is_behind_until_it_is_read(ctl):
    wait_for('trees are at rest', lambda: all_at_rest(ctl, ['missing', 'damaged', 'by-hand-in-the-table'], ['n2', 'n3']),
             PATIENCE)
    ctl.kill('n2')
    plant(ctl, 'n2', 'missing', 'remove')
    ctl.start('n2')
    told = wait_for('n2 serves', lambda: [e for e in [explain(ctl, 'missing')] if node_of(e, 'n2')['holds'] != 'no answer'])[0]
    equal((told['state'], node_of(told, 'n2')['holds'], node_of(told, 'n2')['behind']), ('behind', 'nothing', True))
    contains(told['verdict'], 'n2 is behind; the newest is version')
    contains(' '.join(told['notes']), 'n2 has nothing of it; no hint waits for it: a strong read of the key brings it up to date')
    ctl.must('get', 'missing', '-c', 'strong')
    wait_for('the read has brought it up to date', lambda: ctl.run('get', 'missing', '-c', 'strong') and
             explain(ctl, 'missing')['state'] == 'agree')


def a_block_damaged_by_hand_is_told_and_not_met(ctl):
    """One byte of a table file, as a failing disk leaves it."""
    one_of_each = {ctl.json('partition', 'locate', f'k{i}')['partition']: f'k{i}' for i in range(100)}
    equal(len(one_of_each), 16)
    wait_for('trees are at rest', lambda: all(node_of(explain(ctl, key, (0, 3)), 'n2')['tree'] == 'saved'
                                              for key in one_of_each.values()), PATIENCE)
    ctl.kill('n2')
    plant(ctl, 'n2', 'missing', 'touch')  # all is in tables from here on
    needle, hits = b'by-hand-in-the-table', 0
    for path in glob.glob(os.path.join(ctl.dir, 'n2', 'data', 'store', '*.sst')):
        with open(path, 'rb') as file:
            at = file.read().find(needle)
        if at >= 0:
            hits += 1
            with open(path, 'r+b') as file:
                file.seek(at)
                file.write(b'B')
    equal(hits > 0, True)
    ctl.start('n2')
    told = wait_for('n2 answers', lambda: [e for e in [explain(ctl, 'by-hand-in-the-table', (0, 10))]
                                           if node_of(e, 'n2')['holds'] != 'no answer'])[0]
    equal((told['state'], node_of(told, 'n2')['holds']), ('damaged', 'unreadable'))
    contains(' '.join(told['notes']), 'n2 cannot read the block its record is in')
    equal(explain(ctl, 'by-hand-in-the-table', (10,))['state'], 'damaged')  # the look did not stop it
    ctl.kill('n2')


def a_damaged_record_is_told_until_the_node_meets_it(ctl):
    ctl.kill('n3')
    plant(ctl, 'n3', 'damaged', 'flip')
    ctl.start('n3')
    told = wait_for('n3 answers', lambda: [e for e in [explain(ctl, 'damaged', (0, 5, 10))]
                                           if node_of(e, 'n3')['holds'] != 'no answer'])[0]
    equal((told['state'], node_of(told, 'n3')['holds'], node_of(told, 'n3')['disk']), ('damaged', 'damaged', 'damaged'))
    contains(told['verdict'], 'the record on n3 is damaged')
    contains(' '.join(told['notes']), 'n3 has a record that does not match its checksum. It stops when it needs the record')
    contains(' '.join(told['notes']), 'n1 has it whole')
    contains(' '.join(told['notes']), '1 of 3 replicas serves it: no majority')
    found = rules(ctl, 10)['record.damaged']
    equal((found['subject'], found['severity']), ('n3', 'critical'))
    ctl.run('get', 'damaged', '-c', 'strong', '--timeout', '2s')
    wait_for('n3 stops, saying why', lambda: 'does not match its checksum; replace this node' in log_of(ctl, 'n3'))
    whole = wait_for('it is seen to be gone', lambda: [s for s in [ctl.json('status', codes=(0, 5))] if s['nodes_up'] == 1])[0]
    equal((whole['state'], whole['partitions_without_quorum']), ('quorum_lost', 16))
    contains(whole['verdict'], 'n2 and n3 are down; strong requests are refused for keys in 16 of 16 partitions')
    wait_for('its process is gone', lambda: not os.path.exists(f'/proc/{pid_of(ctl, "n3")}'))
    equal(ctl.run('dev', 'start', 'n3', '--dir', ctl.dir)[0] != 0, True)  # nor does it come back as if nothing had been
    contains(log_of(ctl, 'n3'), 'IDENTITY.damaged: this node met a damaged record: replace it with an empty one')
    equal(ctl.json('status', codes=(5,))['nodes_up'], 1)


def main():
    global PLANT
    PLANT = sys.argv[3]
    tests = [a_key_on_which_all_agree, deletions_and_lives_are_told, a_healthy_cluster_has_nothing_to_mend,
             top_tells_rates_and_hot_keys, settings_change_while_nodes_run, a_limit_that_changes_is_in_force,
             a_file_is_read_again_by_sighup, a_partition_that_moves_is_told_with_who_comes_and_goes, settings_and_levels_complete,
             a_wrong_clock_counts_for_no_majority_and_is_told, a_disk_that_is_nearly_full_takes_no_new_values,
             a_node_that_is_down_is_owed_a_hint, without_a_majority_it_says_so,
             a_record_that_is_missing_is_behind_until_it_is_read, a_block_damaged_by_hand_is_told_and_not_met,
             a_damaged_record_is_told_until_the_node_meets_it]
    with Cluster(sys.argv[1], sys.argv[2]) as ctl:
        code = run_tests(tests, ctl)
    return code


if __name__ == '__main__':
    sys.exit(main())
