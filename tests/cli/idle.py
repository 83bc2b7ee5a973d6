# SPDX-License-Identifier: Apache-2.0
"""What a cluster that nobody asks for anything says to itself: the nodes' own counts of bytes on their connections.

usage: idle.py KVCTL KVD
"""

import os
import re
import sys
import urllib.request

from cluster import Cluster, run_tests, wait_for

BYTES_A_SECOND_MAX = 2000
KEYS, WINDOW_S = 2000, 15

# Six comparisons where a node makes one by default: the window holds some.
COMPARE = '10s'


def samples(cluster):
    """Of each node: seconds it has been up, bytes it received and sent, how long ago the oldest range was last seen equal."""
    with open(os.path.join(cluster.dir, 'http'), encoding='utf-8') as file:
        nodes = file.read().split()
    result = []
    for node in nodes:
        with urllib.request.urlopen(f'http://{node}/metrics', timeout=20) as answer:
            text = answer.read().decode()

        def value(name, text=text):
            return float(re.search(f'^{re.escape(name)} (.*)$', text, re.MULTILINE)[1])
        result.append((value('kvd_uptime_seconds'), value('kvd_network_bytes_total{direction="in"}'),
                       value('kvd_network_bytes_total{direction="out"}'), value('kvd_aae_oldest_equal_seconds')))
    return result


def is_at_rest(cluster):
    return cluster.json('status', codes=(0, 1))['state'] == 'healthy'


def an_idle_node_says_and_hears_less_than_two_kilobytes_a_second(cluster):
    rows = b''.join(b'key-%d\t%s\n' % (i, b'v' * 100) for i in range(KEYS))
    cluster.must('load', '-', stdin=rows)
    wait_for('the cluster is healthy', lambda: is_at_rest(cluster), seconds=120)
    before = samples(cluster)

    def all_have_compared():
        now = samples(cluster)
        passed = [node[0] - then[0] for node, then in zip(now, before)]
        return now if all(s >= WINDOW_S and node[3] < s for s, node in zip(passed, now)) else None
    after = wait_for('every range has been compared meanwhile', all_have_compared, seconds=240)
    for then, now in zip(before, after):
        seconds = now[0] - then[0]
        for what, count in ('received', now[1] - then[1]), ('sent', now[2] - then[2]):
            if not 0 < count < seconds * BYTES_A_SECOND_MAX:
                raise AssertionError(f'an idle node has {what} {count:.0f} bytes in {seconds:.0f} s')


def main():
    os.environ['KVD_TEST_COMPARE_INTERVAL'] = COMPARE
    with Cluster(sys.argv[1], sys.argv[2], partitions=1024) as cluster:
        return run_tests([an_idle_node_says_and_hears_less_than_two_kilobytes_a_second], cluster)


if __name__ == '__main__':
    sys.exit(main())
