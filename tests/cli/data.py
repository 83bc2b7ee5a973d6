# SPDX-License-Identifier: Apache-2.0
"""kvctl against real nodes: data verbs, load and export, status while nodes die and return.

usage: data.py KVCTL KVD
"""

import base64
import json
import os
import random
import re
import sys

from cluster import Cluster, contains, equal, run_tests, wait_for


def values_come_back_byte_for_byte(c):
    value = bytes(range(256)) * 3
    version = c.must('put', 'binary', '-', '--acks', 'all', stdin=value).decode().strip()
    equal(c.must('get', 'binary'), value)
    equal(c.must('get', 'binary', '-c', 'strong'), value)
    with open(c.path('value'), 'wb') as file:
        file.write(value[::-1])
    c.must('put', 'binary', '--file', c.path('value'), '-c', 'strong')
    equal(c.must('get', 'binary', '-c', 'strong'), value[::-1])
    if not version < c.json('get', 'binary', '-c', 'strong')['version']:
        raise AssertionError('the version did not grow')
    equal(c.must('put', 'empty', '', '--acks', 'all') and c.must('get', 'empty'), b'')


def the_environment_gives_way_to_flags(c):
    c.must('put', 'plain', 'text', '--acks', 'all')
    code, out, _ = c.run('get', 'plain', KVCTL_OUTPUT='json')
    equal((code, json.loads(out)['value']), (0, 'text'))
    equal(c.run('get', 'plain', '-o', 'raw', KVCTL_OUTPUT='json')[:2], (0, b'text'))


def a_read_asks_the_zone_that_it_is_told(c):
    c.must('put', 'near', 'value', '-c', 'strong')
    for node in c.json('node', 'ls'):
        wait_for('the copy there', lambda node=node: c.run('get', 'near', '--zone', node['zone'])[0] == 0)
        receipt = c.json('get', 'near', '--zone', node['zone'], '-c', 'eventual', '--receipt')['receipt']
        equal([r['node'] for r in receipt['replicas'] if r['status'] == 'OK'], [node['name']])


def json_field_names_are_stable(c):
    c.must('put', 'shape', 'v', '--acks', 'all', '--ttl', '1h')
    equal(sorted(c.json('get', 'shape')), ['expires_ms', 'found', 'key', 'value', 'version'])
    equal(sorted(c.json('get', 'binary', '-c', 'strong')), ['found', 'key', 'value_b64', 'version'])
    equal(sorted(c.json('get', 'none', codes=(3,))), ['found', 'key'])
    equal(sorted(c.json('put', 'shape', 'w')), ['key', 'status', 'version'])
    receipt = c.json('get', 'shape', '-c', 'strong', '--receipt')['receipt']
    equal(sorted(receipt), ['achieved', 'acks', 'asked', 'attempts', 'epoch', 'hinted', 'repaired', 'replicas', 'rounds',
                            'staleness_ms', 'version'])
    equal(sorted(receipt['replicas'][0]), ['node', 'status', 'version'])
    equal(sorted(r['node'] for r in receipt['replicas']), ['n1', 'n2', 'n3'])
    status = c.json('status')
    equal(sorted(status), ['cluster', 'hints_pending', 'nodes', 'nodes_losable', 'nodes_total', 'nodes_up',
                           'partitions_dirty', 'partitions_without_quorum', 'state', 'verdict'])
    equal(sorted(status['nodes'][0]), ['client_address', 'clock_wrong', 'degraded', 'disk_low', 'hints_pending', 'incarnation', 'index',
                                       'insecure', 'map_epoch', 'name', 'partitions_dirty', 'peer_address', 'seen_down_by', 'state', 'unreached_by',
                                       'uptime', 'uptime_ms', 'version', 'zone'])
    equal(sorted(c.json('node', 'ls')[0]), ['client_address', 'index', 'name', 'partitions', 'peer_address', 'state', 'uuid',
                                            'weight', 'zone'])
    equal(sorted(c.json('partition', 'locate', 'k')), ['hash', 'key', 'leaf', 'map_epoch', 'nodes', 'partition', 'replicas'])
    equal(len(c.json('partition', 'ls')), 16)
    equal(sorted(c.json('hint', 'ls')[0]), ['hints_pending', 'node', 'partitions_dirty', 'target', 'target_state'])
    bench = c.json('bench', '--ops', '20')
    equal(sorted(bench), ['clients', 'consistency', 'inflight', 'keys', 'operations', 'per_second', 'rate', 'seconds',
                          'statuses', 'threads', 'unsent', 'value_size', 'zipf'])
    equal(sorted(bench['operations'][0]), ['consistency', 'count', 'max_us', 'mean_us', 'operation', 'p50_us', 'p999_us',
                                           'p99_us', 'per_second'])


def exit_codes_tell_what_happened(c):
    equal(c.run('get', 'none')[:2], (3, b''))
    equal(c.run('mget', 'shape', 'none', '-o', 'raw')[0], 3)
    equal(c.run('put', '', 'v')[0], 2)
    equal(c.run('put', 'k' * 4097, 'v')[0], 2)
    equal(c.run('put', 'large', '-', stdin=b'x' * ((16 << 20) + 1))[0], 2)
    equal(c.run('del', 'none')[0], 0)
    equal(c.run('scan', '--replica', 'n9')[0], 2)


def a_value_ends_with_its_time(c):
    c.must('put', 'brief', 'v', '--ttl', '300ms', '-c', 'strong')
    wait_for('the value is gone', lambda: c.run('get', 'brief', '-c', 'strong')[0] == 3)


def several_keys_each_have_their_result(c):
    c.must('mput', 'm/1', 'a', 'm/2', 'b\tc', '-c', 'strong')
    equal(sorted(c.must('mget', 'm/1', 'm/2', '-c', 'strong', '-o', 'raw').splitlines()), [b'm/1\ta', b'm/2\tb\\tc'])
    c.must('del', 'm/1', 'm/2', '-c', 'strong')
    equal(c.run('mget', 'm/1', 'm/2', '-c', 'strong')[0], 3)


def a_scan_goes_on_at_its_cursor(c):
    expected = {f's/{i}' for i in range(50)}
    c.must('load', '-', '--acks', 'all', stdin=''.join(f'{key}\tv\n' for key in sorted(expected)).encode())
    seen, cursor, pages = set(), [], 0
    while True:
        code, out, talk = c.run('scan', 's/', '--limit', '7', '--keys-only', '-o', 'raw', *cursor)
        equal(code, 0)
        seen.update(out.decode().split())
        pages += 1
        if '--cursor' not in talk:
            break
        cursor = ['--cursor', talk.split('--cursor ')[1].split()[0]]
        if pages > 60:
            raise AssertionError('the scan does not end')
    equal(seen, expected)


def random_rows(count):
    rng = random.Random(5)
    for i in range(count):
        key = b'r/%d/' % i + rng.choice([b'', b'tab\t', b'line\nend\r', b'\\', b'\xff\x00', 'ä€😀'.encode()])
        yield key, bytes(rng.choice(b'\t\n\r\\"{}\x00\xffab') for _ in range(rng.randrange(60)))


def escape(data):
    for byte, code in [(b'\\', b'\\\\'), (b'\t', b'\\t'), (b'\n', b'\\n'), (b'\r', b'\\r')]:
        data = data.replace(byte, code)
    return data


def what_export_wrote_load_reads(c):
    rows = sorted(escape(key) + b'\t' + escape(value) for key, value in random_rows(3000))
    with open(c.path('rows.tsv'), 'wb') as file:
        file.write(b''.join(row + b'\n' for row in rows))
    summary = c.json('load', c.path('rows.tsv'), '--acks', 'all')
    equal((summary['records'], summary['failed'], summary['bad_lines']), (3000, 0, 0))
    for form in ['tsv', 'jsonl']:
        with open(c.path('out.' + form), 'wb') as file:
            file.write(c.must('export', '--prefix', 'r/', '--format', form))
        equal(sorted(c.must('export', '--prefix', 'r/', '--format', 'tsv').split(b'\n')[:-1]), rows)
        keys = [key for key, _ in random_rows(3000)]
        drop = ''.join(json.dumps({'key_b64': base64.b64encode(key).decode(), 'tombstone': True}) + '\n' for key in keys)
        c.must('load', '-', '--acks', 'all', stdin=drop.encode())
        equal(c.must('export', '--prefix', 'r/'), b'')
        c.must('load', c.path('out.' + form), '--acks', 'all')
        equal(sorted(c.must('export', '--prefix', 'r/', '--format', 'tsv').split(b'\n')[:-1]), rows)


def a_raw_export_of_each_replica_is_the_same_and_can_be_loaded(c):
    wait_for('no hints are left', lambda: c.json('status')['state'] == 'healthy')
    exports = [sorted(c.must('export', '--replica', node, '--raw').splitlines()) for node in ['n1', 'n2', 'n3']]
    equal(exports[0] == exports[1] and exports[1] == exports[2], True)
    equal(sorted(json.loads(exports[0][0]).keys() - {'key', 'key_b64', 'value', 'value_b64', 'tombstone', 'expires_ms'}),
          ['copy', 'partition', 'version'])
    before = sorted(c.must('export', '--prefix', 'r/').splitlines())
    code, _, talk = c.run('load', '-', '--acks', 'all', stdin=b'\n'.join(exports[0]))
    # Of a load that takes long it is told how far it is; of a line that is bad something else.
    told = [line for line in talk.splitlines() if not re.fullmatch(r'load: \d+ records, \d+/s', line)]
    equal((code, told), (0, []))
    equal(sorted(c.must('export', '--prefix', 'r/').splitlines()), before)


def bad_lines_are_told_and_the_rest_is_loaded(c):
    lines = b'{"key":"l/1","value":{"b": 1, "a": [2]}}\nnonsense\n{"key":"l/2","valeu":"x"}\n{"key":"l/3","value":"v"}\n'
    code, out, talk = c.run('load', '-', '-o', 'json', '-c', 'strong', stdin=lines)
    equal(code, 2)
    equal((json.loads(out)['records'], json.loads(out)['bad_lines']), (2, 2))
    contains(talk, 'line 2: ')
    contains(talk, 'line 3: ')
    contains(talk, 'did you mean "value"?')
    equal(c.must('get', 'l/1', '-c', 'strong'), b'{"b":1,"a":[2]}')


def status_says_what_can_be_lost_as_nodes_die(c):
    wait_for('the cluster is healthy', lambda: c.json('status')['state'] == 'healthy')
    contains(c.must('status').decode(), '3 of 3 nodes up; every key has 3 replicas; any 1 node can be lost')

    c.kill('n3')
    status = c.json('status')
    equal((status['state'], status['nodes_up'], status['nodes_losable']), ('degraded', 2, 0))
    contains(status['verdict'], 'n3 is down')
    c.must('put', 'one-down', 'strong', '-c', 'strong')
    c.must('put', 'missed', 'eventual', '--acks', 'majority')
    wait_for('a hint is kept', lambda: c.json('status')['hints_pending'] > 0)

    c.kill('n2')
    status = c.json('status', codes=(5,))
    equal((status['state'], status['nodes_up'], status['partitions_without_quorum']), ('quorum_lost', 1, 16))
    contains(status['verdict'], 'n2 and n3 are down')
    equal(c.run('put', 'two-down', 'v', '-c', 'strong')[0] in (5, 8), True)
    equal(c.run('get', 'one-down', '-c', 'strong')[0], 5)
    c.must('put', 'two-down-eventual', 'v')

    c.start('n2')
    c.start('n3')
    wait_for('the hints are told', lambda: c.json('status', codes=(0, 5))['state'] == 'healthy', seconds=60)
    equal(c.must('get', 'one-down', '-c', 'strong'), b'strong')
    equal(c.must('get', 'missed', '-c', 'strong'), b'eventual')


def a_development_cluster_keeps_its_ports_and_data(c):
    with open(os.path.join(c.dir, 'endpoints'), encoding='utf-8') as file:
        before = file.read()
    c.must('put', 'kept', 'v', '-c', 'strong')
    c.must('dev', 'down', '--dir', c.dir)
    equal([row['state'] for row in c.json('dev', 'ls', '--dir', c.dir)], ['stopped'] * 3)
    equal(c.run('dev', 'kill', 'n1', '--dir', c.dir)[0], 1)
    equal(c.run('dev', 'up', '2', '--dir', c.dir)[0], 2)
    contains(c.must('dev', 'up', '--dir', c.dir), before.strip().encode())
    equal(c.must('get', 'kept', '-c', 'strong'), b'v')
    equal(c.run('dev', 'start', 'n1', '--dir', c.dir)[0], 0)
    equal(c.run('dev', 'start', 'n4', '--dir', c.dir)[0], 1)


def a_bucket_is_a_key_space_of_its_own(c):
    there = ['--bucket', '7']
    c.must('put', 'both', 'in 0', '-c', 'strong')
    equal(c.run('get', 'both', '-c', 'strong', *there)[0], 3)
    c.must('put', 'both', 'in 7', '-c', 'strong', *there)
    equal((c.must('get', 'both', '-c', 'strong'), c.must('get', 'both', '-c', 'strong', *there)), (b'in 0', b'in 7'))
    c.must('mput', 'a', '1', 'b', '2', '-c', 'strong', *there)
    equal([row['value'] for row in c.json('mget', 'a', 'b', '-c', 'strong', *there)], ['1', '2'])
    equal(c.must('incr', 'a', *there), b'2\n')
    c.must('expire', 'a', '1h', *there)
    equal(0 < int(c.must('ttl', 'a', *there)) <= 3600000, True)
    wait_for('every replica has them', lambda: {row['key'] for row in c.json('scan', *there)} == {'a', 'b', 'both'})
    equal('a' in {row['key'] for row in c.json('scan')}, False)
    rows = c.must('export', '--prefix', 'b', *there)
    c.must('load', '-', '-c', 'strong', '--bucket', '8', stdin=rows)
    wait_for('they are there too', lambda: {row['key']: row['value'] for row in c.json('scan', '--bucket', '8')} ==
             {'b': '2', 'both': 'in 7'})
    # A lock holds its key there alone: the same key may be locked elsewhere meanwhile.
    equal(c.must('lock', 'l', *there, c.kvctl, 'lock', 'l', 'true'), b'')
    written = c.json('put', 'both', 'again', '-c', 'strong', '--receipt', *there)['id']
    equal(c.must('outcome', written, *there), b'committed\n')
    equal(c.run('outcome', written)[0], 3)
    told = wait_for('all agree on it', lambda: [e for e in [c.json('explain', 'both', *there)] if e['state'] == 'agree'])[0]
    equal((told['bucket'], [n['value_size'] for n in told['nodes']]), (7, [len('again')] * 3))
    equal((c.json('explain', 'both')['bucket'], c.run('explain', 'both', '--bucket', '9')[0]), (0, 3))
    contains(c.must('explain', 'both', *there), b'bucket 7, partition ')
    contains(c.must('complete', '--', 'get', '--bucket', '8', 'bo'), b'both')
    equal(c.must('complete', '--', 'get', '--bucket', '9', 'bo'), b'')
    c.must('del', 'a', 'b', 'both', '-c', 'strong', *there)
    wait_for('they are gone', lambda: c.json('scan', *there) == [])


def main():
    tests = [values_come_back_byte_for_byte, the_environment_gives_way_to_flags, a_read_asks_the_zone_that_it_is_told, json_field_names_are_stable,
             exit_codes_tell_what_happened, a_bucket_is_a_key_space_of_its_own, a_value_ends_with_its_time, several_keys_each_have_their_result,
             a_scan_goes_on_at_its_cursor, what_export_wrote_load_reads,
             a_raw_export_of_each_replica_is_the_same_and_can_be_loaded, bad_lines_are_told_and_the_rest_is_loaded,
             status_says_what_can_be_lost_as_nodes_die, a_development_cluster_keeps_its_ports_and_data]
    with Cluster(sys.argv[1], sys.argv[2]) as cluster:
        return run_tests(tests, cluster)


if __name__ == '__main__':
    sys.exit(main())
