# SPDX-License-Identifier: Apache-2.0
"""The HTTP port of real nodes: metrics, health, status, and what it does not put up with.

usage: insight.py KVCTL KVD ROOT
"""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

from cluster import Cluster, equal, run_tests, wait_for
from promtool import find_promtool

ROOT = sys.argv[3]


def addresses(cluster):
    with open(os.path.join(cluster.dir, 'http'), encoding='utf-8') as file:
        return file.read().split()


def get(address, path, method='GET'):
    """Code, headers and body."""
    request = urllib.request.Request(f'http://{address}{path}', method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def status(address):
    code, _, body = get(address, '/status.json')
    equal(code, 200)
    return json.loads(body)


def samples(address):
    """Name with labels -> value."""
    code, headers, body = get(address, '/metrics')
    equal(code, 200)
    equal(headers['Content-Type'], 'text/plain; version=0.0.4; charset=utf-8')
    lines = [line.rsplit(' ', 1) for line in body.splitlines() if not line.startswith('#')]
    return {name: float(value) for name, value in lines}


def raw(address, text, count=1):
    """What the other side says to these bytes until it closes, or until it has answered COUNT times."""
    host, port = address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        sock.sendall(text)
        said = b''
        while said.count(b'HTTP/1.1 ') < count or not said.endswith(b'\n'):
            more = sock.recv(65536)
            if not more:
                break
            said += more
        return said.decode()


def the_addresses_are_written_down(cluster):
    found = addresses(cluster)
    equal(len(set(found)), 3)
    with open(os.path.join(cluster.dir, 'n1', 'data', 'addresses'), encoding='utf-8') as file:
        equal(f'http={found[0]}' in file.read().splitlines(), True)
    equal(cluster.json('dev', 'ls', '--dir', cluster.dir)[0]['http_address'], found[0])


def a_node_in_good_order_says_so(cluster):
    address = addresses(cluster)[0]
    equal(get(address, '/healthz')[0], 200)
    code, headers, body = get(address, '/readyz')
    equal((code, body), (200, 'ready\n'))
    equal(headers['X-Content-Type-Options'], 'nosniff')
    code, headers, body = get(address, '/readyz', method='HEAD')
    equal((code, headers['Content-Length'], body), (200, '6', ''))
    equal(get(address, '/nothing')[0], 404)


def a_request_is_counted_where_it_was_answered(cluster):
    nodes = addresses(cluster)
    cluster.must('put', '-c', 'strong', 'counted', 'value')
    cluster.must('get', '-c', 'strong', 'counted')
    cluster.run('get', '-c', 'strong', 'counted/not')

    def total(name):
        return sum(samples(node).get(name, 0) for node in nodes)
    wait_for('the put shows', lambda: total('kvd_requests_total{op="put",level="strong",result="ok"}') == 1)
    equal(total('kvd_requests_total{op="get",level="strong",result="not_found"}'), 1)
    equal(total('kvd_request_duration_seconds_count{op="get",level="strong"}'), 2)
    equal(total('kvd_request_duration_seconds_bucket{op="get",level="strong",le="+Inf"}'), 2)
    equal(total('kvd_request_latency_seconds{op="put",level="strong",stat="max"}') > 0, True)


def waiting_and_the_answers_of_replicas_are_measured(cluster):
    nodes, names = addresses(cluster), ['n1', 'n2', 'n3']
    for i in range(10):
        cluster.must('put', '-c', 'strong', f'measured/{i}', 'value')

    def took(what, op):
        return sum(samples(node).get(f'kvd_replica_duration_seconds_{what}{{peer="{peer}",op="{op}"}}', 0)
                   for node in nodes for peer in names)
    # Each put had two other replicas, both of which answer in the end.
    wait_for('the answers show', lambda: took('count', 'write') >= 20)
    equal(took('sum', 'write') > 0, True)
    for node, own in zip(nodes, names):
        told = samples(node)
        equal([name for name in told if name.startswith('kvd_replica_duration') and f'peer="{own}"' in name], [])
        equal(told['kvd_queue_limit'], 4096 * told['kvd_shards'])
        equal(told['kvd_queue_delay_seconds_count{class="peer"}'] > 0, True)
    equal(sum(samples(node)['kvd_queue_delay_seconds_count{class="client"}'] for node in nodes) >= 10, True)


def the_metrics_are_what_prometheus_takes(cluster):
    tool = find_promtool(ROOT)
    if not tool:
        return 'promtool is not installed'
    for node in addresses(cluster):
        text = get(node, '/metrics')[2]
        done = subprocess.run([tool, 'check', 'metrics'], input=text.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        equal((done.returncode, done.stdout.decode()), (0, ''))
    return None


def every_metric_is_in_the_document(cluster):
    with open(os.path.join(ROOT, 'docs', 'metrics.md'), encoding='utf-8') as file:
        documented = {line.split('`')[1] for line in file if line.startswith('| `')}
    text = get(addresses(cluster)[0], '/metrics')[2]
    equal({line.split()[2] for line in text.splitlines() if line.startswith('# TYPE ')}, documented)


def status_json_is_the_same_model_as_status(cluster):
    wait_for('the core has told of its partitions', lambda: status(addresses(cluster)[0])['repair']['partitions'] == 16)
    told = status(addresses(cluster)[0])
    equal(told['verdict']['state'], 'healthy')
    equal([node['name'] for node in told['nodes']], ['n1', 'n2', 'n3'])
    equal([node['liveness'] for node in told['nodes']], ['myself', 'up', 'up'])
    equal(len(told['rows']), 16)
    equal(all(sorted(row) == [0, 1, 2] for row in told['rows']), True)
    equal(told['repair']['partitions'], 16)
    equal(told['moves'], {'waiting': 0, 'paused': False, 'items': []})
    shown = cluster.json('status')
    equal(shown['state'], told['verdict']['state'])
    equal(sorted(node['name'] for node in shown['nodes']), sorted(node['name'] for node in told['nodes']))
    wait_for('the history grows', lambda: len(status(addresses(cluster)[0])['history']['reads_p99_us']) > 0)


def what_is_no_reading_is_refused(cluster):
    address = addresses(cluster)[1]
    for text, code in ((b'POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n\r\n', 405),
                       (b'GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello', 413),
                       (b'GET /healthz HTTP/1.1\r\nA: ' + b'x' * 9000 + b'\r\n\r\n', 431),
                       (b'GET / HTTP/3\r\n\r\n', 505),
                       (b'\x16\x03\x01\x02\x00', 400)):
        said = raw(address, text)
        equal(said.split(' ')[1], str(code))
        equal('Connection: close\r\n' in said, True)
    equal('Allow: GET, HEAD' in raw(address, b'DELETE / HTTP/1.1\r\n\r\n'), True)


def requests_in_one_packet_are_answered_in_turn(cluster):
    said = raw(addresses(cluster)[1], b'GET /healthz HTTP/1.1\r\n\r\nHEAD /readyz HTTP/1.1\r\n\r\n'
               b'GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n', count=4)
    equal([line.split(' ')[1] for line in said.splitlines() if line.startswith('HTTP/1.1 ')], ['200', '200', '404'])


def there_is_a_limit_of_connections(cluster):
    host, port = addresses(cluster)[1].rsplit(':', 1)
    held = [socket.create_connection((host, int(port)), timeout=20) for _ in range(64)]
    try:
        equal(raw(f'{host}:{port}', b'GET /healthz HTTP/1.1\r\n\r\n').split(' ')[1], '503')
    finally:
        for sock in held:
            sock.close()
    wait_for('there is room again',
             lambda: raw(f'{host}:{port}', b'GET /healthz HTTP/1.0\r\n\r\n').split(' ')[1] == '200')


def a_port_that_is_taken_does_not_keep_a_node_from_serving(cluster):
    directory = cluster.path('alone')
    os.mkdir(directory)
    config = os.path.join(directory, 'kvd.yaml')
    taken = addresses(cluster)[0]
    with open(config, 'w', encoding='utf-8') as file:
        file.write(f'node: {{name: alone, data_dir: "{directory}/data"}}\n'
                   f'listen: {{client: "127.0.0.1:0", peer: "127.0.0.1:0", http: "{taken}"}}\n')
    node = subprocess.Popen([cluster.environment['KVD'], '--config', config], stderr=subprocess.PIPE)
    try:
        events = []
        for line in node.stderr:
            events.append(line.decode())
            if 'event=server.started' in events[-1]:
                break
        equal(any('event=http.unavailable' in line for line in events), True)
        equal('http=off' in events[-1], True)
        with open(os.path.join(directory, 'data', 'addresses'), encoding='utf-8') as file:
            equal('http=' in file.read(), False)
    finally:
        node.terminate()
        node.communicate(timeout=60)


def a_node_without_a_cluster_is_alive_and_not_ready(cluster):
    directory = cluster.path('empty')
    os.mkdir(directory)
    config = os.path.join(directory, 'kvd.yaml')
    with open(config, 'w', encoding='utf-8') as file:
        file.write(f'node: {{name: empty, data_dir: "{directory}/data"}}\n'
                   'listen: {client: "127.0.0.1:0", peer: "127.0.0.1:0", http: "127.0.0.1:0"}\n')
    node = subprocess.Popen([cluster.environment['KVD'], '--config', config], stderr=subprocess.PIPE)
    try:
        for line in node.stderr:
            if b'event=server.started' in line:
                break
        with open(os.path.join(directory, 'data', 'addresses'), encoding='utf-8') as file:
            http = dict(line.split('=') for line in file.read().split())['http']
        equal(get(http, '/healthz')[0], 200)
        code, _, text = get(http, '/readyz')
        equal((code, 'the node is part of no cluster' in text), (503, True))
        equal(status(http)['verdict']['state'], 'no_cluster')
        equal((status(http)['node']['fit'], status(http)['node']['unfit_because']), (False, 'the node is part of no cluster'))
    finally:
        node.terminate()
        node.communicate(timeout=60)


def a_node_that_dies_shows_on_the_others(cluster):
    alive, _, dead = addresses(cluster)
    cluster.kill('n3')
    wait_for('n1 sees n3 down', lambda: samples(alive)['kvd_peer_up{peer="n3"}'] == 0)
    told = status(alive)
    equal(told['verdict']['state'], 'degraded')
    equal('n3 is down' in told['verdict']['words'], True)
    equal(told['verdict']['losable'], 0)
    equal(samples(alive)['kvd_losable_nodes'], 0)
    equal(get(alive, '/readyz')[0], 200)
    cluster.must('put', 'missed', 'value')
    wait_for('somebody keeps it for n3', lambda: any(
        samples(node).get('kvd_hints_pending{target="n3"}', 0) > 0 for node in addresses(cluster) if node != dead))
    cluster.start('n3')
    equal(addresses(cluster)[2], dead)
    wait_for('all is well again', lambda: all(
        status(node)['verdict']['state'] == 'healthy' for node in addresses(cluster)), seconds=60)


def main():
    tests = [the_addresses_are_written_down, a_node_in_good_order_says_so,
             a_request_is_counted_where_it_was_answered, waiting_and_the_answers_of_replicas_are_measured,
             the_metrics_are_what_prometheus_takes, every_metric_is_in_the_document, status_json_is_the_same_model_as_status,
             what_is_no_reading_is_refused, requests_in_one_packet_are_answered_in_turn,
             there_is_a_limit_of_connections, a_port_that_is_taken_does_not_keep_a_node_from_serving,
             a_node_without_a_cluster_is_alive_and_not_ready, a_node_that_dies_shows_on_the_others]
    with Cluster(sys.argv[1], sys.argv[2]) as cluster:
        return run_tests(tests, cluster)


if __name__ == '__main__':
    sys.exit(main())
