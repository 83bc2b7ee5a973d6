# SPDX-License-Identifier: Apache-2.0
"""kvctl against real nodes: conditions, sums, outcomes, sessions, bounds, the ledger.

usage: updates.py KVCTL KVD
"""

import json
import re
import sys
import threading

from cluster import Cluster, contains, equal, run_tests, wait_for

VERSION = re.compile(r'^[0-9a-f]{16}-[0-9a-f]{16}$')


def version_of(out):
    text = out.decode().strip()
    if not VERSION.match(text):
        raise AssertionError(f'{text!r} is no version')
    return text


def a_put_happens_only_if_its_condition_holds(c):
    equal(c.run('put', 'c/1', 'v', '--if-present')[0], 4)
    first = version_of(c.must('put', 'c/1', 'one', '--if-absent'))
    code, out, talk = c.run('put', 'c/1', 'two', '--if-absent')
    equal((code, out), (4, b''))
    contains(talk, 'CONDITION_FAILED')
    contains(talk, f'the present version is {first}')
    second = version_of(c.must('put', 'c/1', 'two', '--if-version', first))
    equal(c.run('put', 'c/1', 'three', '--if-version', first)[0], 4)
    equal(c.run('put', 'c/1', 'three', '--if-value', 'one')[0], 4)
    c.must('put', 'c/1', 'three', '--if-value', 'two', '--if-version', second, '--if-present')
    equal(c.run('del', 'c/1', '--if-version', second)[0], 4)
    equal(c.must('get', 'c/1', '-c', 'strong'), b'three')
    c.must('del', 'c/1', '--if-value', 'three')
    equal(c.run('del', 'c/1', '--if-present')[0], 4)
    c.must('put', 'c/1', '', '--if-absent')
    c.must('put', 'c/1', 'v', '--if-hash', '2d06800538d394c2')  # of the empty value
    # Strong without saying so, whatever the environment prefers.
    equal(c.run('put', 'c/1', 'w', '--if-present', KVCTL_CONSISTENCY='eventual')[0], 0)
    equal(c.must('get', 'c/1', '-c', 'strong'), b'w')


def each_key_of_a_del_has_the_condition(c):
    c.must('mput', 'c/2', 'a', 'c/3', 'b', '-c', 'strong')
    code, out, _ = c.run('del', 'c/2', 'c/3', '--if-value', 'a', '-o', 'jsonl')
    equal(code, 4)
    equal([json.loads(line)['status'] for line in out.splitlines()], ['OK', 'CONDITION_FAILED'])


def cas_tells_what_is_there_instead(c):
    first = version_of(c.must('cas', 'c/4', 'one', '--if-absent'))
    row = c.json('cas', 'c/4', 'two', '--if-value', 'none', codes=(4,))
    value = row.pop('present_value', 'one')  # told where it is at hand
    equal(sorted(row), ['key', 'present', 'present_version', 'status'])
    equal((row['status'], row['present'], value, row['present_version']), ('CONDITION_FAILED', True, 'one', first))
    row = c.json('cas', 'c/none', 'v', '--if-version', first, codes=(4,))
    equal((sorted(row), row['present']), (['key', 'present', 'status'], False))
    equal(sorted(c.json('cas', 'c/4', 'two', '--if-version', first)), ['key', 'status', 'version'])
    equal(c.must('get', 'c/4', '-c', 'strong'), b'two')


def numbers_are_added_to(c):
    equal(c.must('incr', 'n/1'), b'1\n')
    equal(c.must('incr', 'n/1', '41'), b'42\n')
    equal(c.must('incr', 'n/1', '-50'), b'-8\n')
    equal(c.must('get', 'n/1', '-c', 'strong'), b'-8')
    row = c.json('incr', 'n/1')
    equal((sorted(row), row['value']), (['key', 'status', 'value', 'version'], -7))
    c.must('put', 'n/2', 'text', '-c', 'strong')
    code, _, talk = c.run('incr', 'n/2')
    equal(code, 4)
    contains(talk, 'number')
    equal(c.must('get', 'n/2', '-c', 'strong'), b'text')
    c.must('put', 'n/3', str(2**63 - 2), '-c', 'strong')
    equal(c.must('incr', 'n/3'), b'9223372036854775807\n')
    equal(c.run('incr', 'n/3')[0], 4)


def values_grow_at_their_end(c):
    equal(c.must('append', 'a/1', 'abc'), b'3\n')
    row = c.json('append', 'a/1', '-')
    equal((sorted(row), row['size']), (['key', 'size', 'status', 'version'], 3))
    equal(c.must('append', 'a/1', '-', stdin=b'\x00\xff'), b'5\n')
    equal(c.must('get', 'a/1', '-c', 'strong'), b'abc\x00\xff')
    c.must('put', 'a/2', '-', '-c', 'strong', stdin=b'x' * (1 << 20))
    equal(c.run('append', 'a/2', 'y')[0], 2)


def what_many_add_at_once_is_added_once(c):
    """Eight processes and one with 32 requests under way, on one key."""
    def add():
        for _ in range(5):
            c.must('incr', 'bench/incr/00000000', '--timeout', '20s')
    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    result = c.json('bench', '--write', 'incr', '--keys', '1', '--ops', '300', '--clients', '4', '--inflight', '8', '--ratio',
                    '1:0', '--timeout', '20s')
    for thread in threads:
        thread.join()
    equal(result['statuses'], {'OK': 300})
    equal(result['operations'][0]['operation'], 'incr')
    equal(c.must('get', 'bench/incr/00000000', '-c', 'strong'), b'340')


def every_kind_of_write_can_be_measured(c):
    for kind in ['put', 'cas', 'append']:
        result = c.json('bench', '--write', kind, '--ops', '40', '--keys', '20', '--inflight', '1', '-c', 'strong')
        equal(set(result['statuses']) <= {'OK', 'NOT_FOUND'}, True)
        equal([row['operation'] for row in result['operations']], [kind, 'get'])


def a_mixed_load_is_measured_kind_by_kind(c):
    result = c.json('bench', '--mix', 'get@strong=2,put=1,incr=1', '--preload', '--keys', '30', '--ops', '200', '--clients', '2',
                    '--inflight', '4', '--distribution', 'zipf', '--key-size', '16', '--timeout', '20s')
    equal([(row['operation'], row['consistency']) for row in result['operations']],
          [('get', 'strong'), ('put', 'eventual'), ('incr', 'strong')])
    equal(result['statuses'], {'OK': 200})
    equal(sum(row['count'] for row in result['operations']), 200)
    equal(len(c.must('get', 'bench/0000000029', '-o', 'raw')), 100)


def an_open_loop_keeps_its_rate_and_tells_each_interval(c):
    out = c.must('bench', '--rate', '200', '--seconds', '1', '--interval', '250ms', '--keys', '30', '--timeout', '20s', '-o', 'jsonl')
    rows = [json.loads(line) for line in out.splitlines()]
    *intervals, total = rows
    equal([row['interval'] for row in intervals], list(range(len(intervals))))
    told = sum(row['count'] for row in total['operations'])
    equal(told + total['unsent'], 200)
    equal(sum(pair[1] for row in intervals for kind in row['operations'] for pair in kind['histogram']) <= told, True)
    equal(c.run('bench', '--interval', '1s', '--ops', '1')[0], 2)


def a_higher_fence_shuts_lower_ones_out(c):
    c.must('put', 'f/1', 'five', '--fence', '5')
    code, _, talk = c.run('put', 'f/1', 'four', '--fence', '4')
    equal(code, 4)
    contains(talk, 'fencing')
    c.must('incr', 'f/2', '--fence', '9')
    equal(c.run('incr', 'f/2', '--fence', '8')[0], 4)
    equal(c.run('del', 'f/1', '--fence', '4')[0], 4)
    c.must('put', 'f/1', 'again', '--fence', '5')
    equal(c.must('get', 'f/1', '-c', 'strong'), b'again')


def another_id(text):
    """Of a write of the same time and key that was never sent."""
    t0, client, rest = text.split('-', 2)
    return f'{t0}-{int(client, 16) ^ 1:x}-{rest}'


def what_became_of_a_write_is_told(c):
    row = c.json('incr', 'o/1', '7', '--receipt')
    told = c.json('outcome', row['id'])
    equal(sorted(told), ['id', 'key', 'number', 'outcome', 'version'])
    equal((told['outcome'], told['number'], told['version'], told['key']), ('committed', 7, row['version'], 'o/1'))
    equal(c.run('outcome', row['id'])[:2], (0, b'committed\n'))
    other = another_id(row['id'])
    for _ in range(2):
        equal(c.run('outcome', other)[:2], (3, b'not_applied\n'))
    equal(sorted(c.json('outcome', other, codes=(3,))), ['id', 'key', 'outcome'])


def a_strong_write_in_doubt_tells_its_id(c):
    """One node alone sends what it cannot finish, and the client gives up. Nodes that were killed have forgotten what they saw."""
    forgotten = another_id(c.json('incr', 'd/1', '--receipt')['id'])
    c.kill('n2')
    c.kill('n3')
    try:
        row = c.json('incr', 'd/2', '--timeout', '2s', codes=(5, 6, 8))
        if row.get('in_doubt'):
            equal(row['id'].endswith(':d/2'), True)
            code, _, talk = c.run('incr', 'd/2', '--timeout', '1s')
            equal(code in (5, 6, 8), True)
            equal(('kvctl outcome ' in talk) == (code == 8), True)
    finally:
        c.start('n2')
        c.start('n3')
    wait_for('the cluster is healthy', lambda: c.json('status', codes=(0, 5))['state'] == 'healthy', seconds=60)
    if row.get('in_doubt'):
        told = c.run('outcome', row['id'], '--timeout', '10s')[1]
        equal(told in (b'committed\n', b'not_applied\n', b'expired\n'), True)
    equal(c.run('outcome', forgotten, '--timeout', '10s')[:2], (8, b'expired\n'))


def a_session_never_sees_less_than_it_wrote(c):
    path = c.path('session')
    nodes = c.environment['KVCTL_ENDPOINTS'].split(',')
    for i in range(30):
        c.must('put', 's/1', str(i), '-e', nodes[i % 3], '--session-file', path)
        equal(c.must('get', 's/1', '-e', nodes[(i + 1) % 3], '--session-file', path), str(i).encode())
    c.must('incr', 's/2', '--session-file', path)
    equal(c.must('get', 's/2', '-c', 'session', '--session-file', path), b'1')
    equal(c.run('get', 's/2', KVCTL_SESSION_FILE=path)[:2], (0, b'1'))
    equal(sum(1 for _ in open(path, encoding='ascii')), 1)
    c.must('mput', *[word for i in range(200) for word in (f's/many/{i}', 'v')], '--session-file', path)
    equal(c.must('get', 's/1', '--session-file', path), b'29')


def a_bounded_read_says_how_old_it_may_be(c):
    c.must('put', 'b/1', 'v', '-c', 'strong')
    for bound, most in [('1ms', 1), ('2s', 2000), ('1h', 3600000)]:
        row = c.json('get', 'b/1', '-c', 'bounded=' + bound)
        equal(sorted(row), ['found', 'key', 'staleness_ms', 'value', 'version'])
        equal(row['value'], 'v')
        equal(1 <= row['staleness_ms'], True)


def receipts_say_how_each_level_was_kept(c):
    path = c.path('receipts')
    for level in ['strong', 'eventual', 'bounded=5s', 'session']:
        words = ['--session-file', path] if level == 'session' else []
        row = c.json('get', 'b/1', '-c', level, '--receipt', *words)
        receipt = row['receipt']
        equal((receipt['asked'], receipt['achieved']), (level.split('=')[0],) * 2)
        equal(sorted(r['node'] for r in receipt['replicas']), ['n1', 'n2', 'n3'])
    receipt = c.json('cas', 'b/2', 'v', '--if-absent', '--receipt')['receipt']
    equal((receipt['achieved'], receipt['acks'] >= 2), ('strong', True))
    talk = c.run('incr', 'b/3', '--receipt')[2]
    contains(talk, 'asked strong, achieved strong')


def a_value_that_lost_is_listed_and_restored(c):
    def lose():
        """Writers that follow each other within a second have not seen each other; on a busy machine that may take tries."""
        c.must('del', 'l/1', '-c', 'strong')
        versions = [version_of(c.must('put', 'l/1', value, '--acks', 'all')) for value in ['mine', 'yours']]
        rows = [row for row in c.json('ledger', 'ls', 'l/1') if row['version'] == versions[0]]
        return (*versions, rows) if rows else None

    first, second, rows = wait_for('a value that lost', lose, seconds=60)
    equal(len(rows), 1)
    row = rows[0]
    equal(sorted(row), ['cause', 'expires_ms', 'key', 'partition', 'value', 'version', 'winner'])
    equal((row['key'], row['value'], row['version'], row['winner'], row['cause']),
          ('l/1', 'mine', first, second, 'overwritten'))
    contains(c.must('ledger', 'ls', 'l/1', '-o', 'raw').decode(), f'l/1\tmine\t{first}\n')
    equal(c.json('ledger', 'ls', 'l/none'), [])
    equal('l/1' in [r['key'] for r in c.json('ledger', 'ls')], True)
    version_of(c.must('ledger', 'restore', 'l/1', first))
    equal(c.must('get', 'l/1', '-c', 'strong'), b'mine')
    equal(c.run('ledger', 'restore', 'l/1', '0' * 16 + '-' + '0' * 15 + '1')[0], 3)


def a_time_to_live_is_told_and_changed(c):
    c.must('put', 't/1', 'v', '-c', 'strong')
    equal(c.must('ttl', 't/1'), b'-1\n')
    c.must('expire', 't/1', '1h')
    equal(3500000 < int(c.must('ttl', 't/1')) <= 3600000, True)
    equal(c.must('get', 't/1', '-c', 'strong'), b'v')
    c.must('put', 't/2', '5', '--ttl', '1h', '-c', 'strong')
    c.must('incr', 't/2')
    equal(3500000 < int(c.must('ttl', 't/2')) <= 3600000, True)
    c.must('expire', 't/1', 'never')
    equal(sorted(c.json('ttl', 't/1')), ['key', 'ttl_ms', 'version'])
    equal(c.json('ttl', 't/1')['ttl_ms'], -1)
    equal(c.run('ttl', 't/none')[0], 3)
    equal(c.run('expire', 't/none', '1s')[0], 3)


def main():
    tests = [a_put_happens_only_if_its_condition_holds, each_key_of_a_del_has_the_condition, cas_tells_what_is_there_instead,
             numbers_are_added_to, values_grow_at_their_end, what_many_add_at_once_is_added_once,
             every_kind_of_write_can_be_measured, a_mixed_load_is_measured_kind_by_kind,
             an_open_loop_keeps_its_rate_and_tells_each_interval, a_higher_fence_shuts_lower_ones_out, what_became_of_a_write_is_told,
             a_session_never_sees_less_than_it_wrote, a_bounded_read_says_how_old_it_may_be,
             receipts_say_how_each_level_was_kept, a_value_that_lost_is_listed_and_restored,
             a_time_to_live_is_told_and_changed, a_strong_write_in_doubt_tells_its_id]
    with Cluster(sys.argv[1], sys.argv[2]) as cluster:
        return run_tests(tests, cluster)


if __name__ == '__main__':
    sys.exit(main())
