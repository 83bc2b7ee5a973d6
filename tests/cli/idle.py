# SPDX-License-Identifier: Apache-2.0
"""What a cluster that nobody asks for anything says to itself: the nodes' own counts of bytes on their connections.

usage: idle.py KVCTL KVD
"""

import os
import re
import sys
import urllib.request

from cluster import Cluster, equal, run_tests, wait_for

BYTES_A_SECOND_MAX = 2000
KEYS, WINDOW_S, WINDOWS_MAX = 2000, 15, 4

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


def measure(cluster):
    """The samples of the beginning and the end of a window in which every range was compared."""
    before = samples(cluster)

    def all_have_compared():
        now = samples(cluster)
        passed = [node[0] - then[0] for node, then in zip(now, before)]
        return now if all(s >= WINDOW_S and node[3] < s for s, node in zip(passed, now)) else None
    return before, wait_for('every range has been compared meanwhile', all_have_compared, seconds=240)


def most_a_second(before, after):
    """Of all nodes and both directions; it is never nothing, as nodes keep in touch."""
    rates = [(now[i] - then[i]) / (now[0] - then[0]) for then, now in zip(before, after) for i in (1, 2)]
    equal(min(rates) > 0, True)
    return max(rates)


def an_idle_node_says_and_hears_less_than_two_kilobytes_a_second(cluster):
    rows = b''.join(b'key-%d\t%s\n' % (i, b'v' * 100) for i in range(KEYS))
    cluster.must('load', '-', stdin=rows)
    wait_for('the cluster is healthy', lambda: is_at_rest(cluster), seconds=120)
    # A loaded machine may have let a replica miss some rows, which comparing brings: idle is what comes after.
    rates = []
    while len(rates) < WINDOWS_MAX and (not rates or rates[-1] >= BYTES_A_SECOND_MAX):
        rates.append(most_a_second(*measure(cluster)))
    print('# bytes a second, windows: ' + ', '.join(f'{rate:.0f}' for rate in rates))
    equal(rates[-1] < BYTES_A_SECOND_MAX, True)


def main():
    os.environ['KVD_TEST_COMPARE_INTERVAL'] = COMPARE
    with Cluster(sys.argv[1], sys.argv[2], partitions=1024) as cluster:
        return run_tests([an_idle_node_says_and_hears_less_than_two_kilobytes_a_second], cluster)


if __name__ == '__main__':
    sys.exit(main())
