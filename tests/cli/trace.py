# SPDX-License-Identifier: Apache-2.0
"""Traces of real nodes: what a collector gets, what kvctl shows, what the log says.

usage: trace.py KVCTL KVD
"""

import http.server
import json
import os
import signal
import sys
import threading
import urllib.request

from cluster import Cluster, contains, equal, own_network, pause, run_tests, wait_for

ROUND_TRIP = 'replica'


class Collector:
    """An OTLP/HTTP receiver that keeps the spans it is sent."""

    def __init__(self):
        self.spans, self.lock, self.status = [], threading.Lock(), 200
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                if self.path == '/v1/traces' and self.headers['Content-Type'] == 'application/json':
                    collector.take(json.loads(body))
                self.send_response(collector.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.address = f'127.0.0.1:{self.server.server_address[1]}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request):
        with self.lock:
            for resource in request['resourceSpans']:
                node = value_of(resource['resource'], 'service.instance.id')
                for scope in resource['scopeSpans']:
                    self.spans += [dict(span, node=node) for span in scope['spans']]

    def trace(self, trace_id):
        with self.lock:
            return [span for span in self.spans if span['traceId'] == trace_id]


def value_of(holder, key):
    return next((list(a['value'].values())[0] for a in holder['attributes'] if a['key'] == key), None)


def log_lines(ctl, node, *parts):
    with open(os.path.join(ctl.dir, node, 'log'), encoding='utf-8') as file:
        return [line for line in file if all(part in line for part in parts)]


def parent(trace_id, span_id, flags):
    return f'00-{trace_id}-{span_id}-{flags}'


def a_traced_put_hangs_below_its_callers_span(ctl, collector):
    """Coordinator below the caller, round trips below the coordinator's round, replicas below the round trips."""
    trace_id, caller = '4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'
    ctl.must('put', 'k', 'v', '-c', 'strong', '--traceparent', parent(trace_id, caller, '01'))

    def complete():
        spans = collector.trace(trace_id)
        return spans if [s['name'] for s in spans].count('kvd ACCEPT') == 3 and \
            'kvd PUT' in [s['name'] for s in spans] else None
    spans = wait_for('the spans of coordinator and replicas', complete)
    by_id = {span['spanId']: span for span in spans}
    equal(len(by_id), len(spans))
    whole = next(s for s in spans if s['name'] == 'kvd PUT')
    equal(whole['parentSpanId'], caller)
    equal((whole['kind'], value_of(whole, 'kvd.status'), value_of(whole, 'kvd.level')), (2, 'OK', 'strong'))
    calls = [s for s in spans if s['name'] == ROUND_TRIP]
    equal(len(calls), 3)
    for call in calls:
        equal((by_id[call['parentSpanId']]['name'], call['node'], value_of(call, 'kvd.answer')), ('direct', whole['node'], 'ack'))
        equal(by_id[call['parentSpanId']]['parentSpanId'], whole['spanId'])
    served = [s for s in spans if s['name'] == 'kvd ACCEPT']
    equal({s['parentSpanId'] for s in served}, {call['spanId'] for call in calls})
    equal({s['node'] for s in served}, {'n1', 'n2', 'n3'})
    synced = [s for s in spans if s['name'] == 'sync']
    equal({s['parentSpanId'] for s in synced}, {s['spanId'] for s in served})
    for span in spans:
        equal((len(span['traceId']), len(span['spanId'])), (32, 16))
        if int(span['endTimeUnixNano']) < int(span['startTimeUnixNano']):
            raise AssertionError(f'{span} ends before it begins')


def what_is_not_sampled_and_quick_stays_where_it_is(ctl, collector):
    quiet, loud = '11111111111111111111111111111111', '22222222222222222222222222222222'
    ctl.must('get', 'k', '--traceparent', parent(quiet, '00f067aa0ba902b7', '00'))
    code, _, _ = ctl.run('get', 'k', KVCTL_TRACEPARENT=parent(loud, '00f067aa0ba902b7', '01'))
    equal(code, 0)
    wait_for('the sampled one', lambda: collector.trace(loud))
    equal(collector.trace(quiet), [])


def a_traceparent_that_is_none_is_refused(ctl, _):
    code, _, talk = ctl.run('get', 'k', '--traceparent', '00-xyz')
    equal(code, 2)
    contains(talk, 'traceparent')


def a_request_shows_where_its_time_went(ctl, collector):
    row = ctl.json('put', 'k', 'w', '-c', 'strong', '--trace')
    timeline = row['timeline']
    spans = timeline['spans']
    equal((timeline['operation'], timeline['level'], timeline['status'], spans[0]['name']), ('PUT', 'strong', 'OK', 'request'))
    equal(spans[0]['took_us'], timeline['took_us'])
    if timeline['client_us'] < timeline['took_us']:
        raise AssertionError('the client waited for less than the node took')
    answered = [s for s in spans if s['name'] == ROUND_TRIP and s.get('result') == 'ack']
    if len(answered) < 2:
        raise AssertionError(f'a majority must have answered: {spans}')
    for span in answered:
        equal(spans[span['parent']]['name'], 'direct')
        parts = [s for s in spans if s.get('parent') == spans.index(span)]
        contains([s['name'] for s in parts], 'sync')
        equal({s['node'] for s in parts}, {span['peer']})
    # It is part of a trace for that.
    wait_for('its trace', lambda: collector.trace(timeline['trace_id']))
    code, out, talk = ctl.run('get', 'k', '-c', 'strong', '--trace')
    equal((code, out), (0, b'w'))
    for part in ('GET at level strong', 'WHAT', 'replica', 'record', '|='):
        contains(talk, part)


def every_data_command_takes_trace(ctl, _):
    ctl.must('put', 'gone', 'v', '-c', 'strong')
    for words, name in ((['incr', 'n'], 'ADD'), (['append', 'a', 'x'], 'APPEND'), (['cas', 'c', 'v', '--if-absent'], 'CAS'),
                        (['del', 'gone'], 'DEL'), (['mget', 'k'], 'GET'), (['mput', 'k', 'w'], 'PUT')):
        row = ctl.json(*words, '--trace')
        row = row[0] if isinstance(row, list) else row
        equal(row['timeline']['operation'], name)


def a_slow_request_is_logged_with_who_did_not_answer(ctl, collector):
    """Two of three nodes stand still: the request lasts until its deadline. It is not sampled, and kept for being slow."""
    trace_id = '33333333333333333333333333333333'
    keys = (f'key{i}' for i in range(1000))
    key = next(k for k in keys if ctl.json('incr', k, '--trace')['timeline']['node'] == 'n1')
    first = ctl.environment['KVCTL_ENDPOINTS'].split(',')[0]
    stopped = []
    for node in ('n2', 'n3'):
        with open(os.path.join(ctl.dir, node, 'pid'), encoding='utf-8') as file:
            stopped.append(int(file.read()))
    for pid in stopped:
        pause(pid)
    try:
        code, out, _ = ctl.run('incr', key, '--traceparent', parent(trace_id, '00f067aa0ba902b7', '00'), '--timeout', '800ms',
                               '-e', first)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    equal((code in (5, 6, 8), out), (True, b''))
    line = wait_for('the line of the slow request',
                    lambda: log_lines(ctl, 'n1', 'event=request.slow', f'trace={trace_id}'))[0]
    for part in ('opcode=ADD', 'level=strong', 'prepare@', '=unanswered@', 'epoch=1'):
        contains(line, part)
    spans = wait_for('its trace', lambda: [s for s in collector.trace(trace_id) if s['name'] == 'kvd ADD'])
    equal((spans[0]['status']['code'], value_of(spans[0], 'kvd.slow')), (2, True))
    with open(os.path.join(ctl.dir, 'http'), encoding='utf-8') as file:
        address = file.readline().strip()
    with urllib.request.urlopen(f'http://{address}/status.json') as answer:
        slow = json.load(answer)['slow']
    contains([one['trace'] for one in slow], trace_id)
    rows = [row for row in ctl.json('trace', 'ls', '--node', 'n1') if row['trace_id'] == trace_id and not row['replica']]
    equal([(row['operation'], row['node'], row['slow'], row['level']) for row in rows], [('ADD', 'n1', True, 'strong')])


def what_nodes_kept_is_found_and_shown(ctl, _):
    """From the list to the picture: the coordinator's part first, then what each replica kept of the same trace."""
    told = ctl.json('put', 'k', 'kept', '-c', 'strong', '--trace')['timeline']
    trace_id = told['trace_id']
    rows = wait_for('it in the list', lambda: [r for r in ctl.json('trace', 'ls', '--limit', '1000') if r['trace_id'] == trace_id
                                               and not r['replica']])
    equal([(r['operation'], r['level'], r['status'], r['node'], r['partition'], r['in_doubt']) for r in rows],
          [('PUT', 'strong', 'OK', told['node'], told['partition'], False)])
    arrived = [r['arrived_us'] for r in ctl.json('trace', 'ls')]
    equal(arrived, sorted(arrived, reverse=True))
    equal(len(ctl.json('trace', 'ls', '--limit', '1')), 1)

    def complete():
        parts = ctl.json('trace', 'show', trace_id)['timelines']
        return parts if len(parts) == 4 else None
    parts = wait_for('the parts of the coordinator and three replicas', complete)
    equal([p['replica'] for p in parts], [False, True, True, True])
    equal([parts[0][name] for name in ('operation', 'node', 'ballot')], [told[name] for name in ('operation', 'node', 'ballot')])
    equal([s['name'] for s in parts[0]['spans']].count(ROUND_TRIP), 3)
    equal({p['node'] for p in parts[1:]}, {'n1', 'n2', 'n3'})
    text = ctl.must('trace', 'show', trace_id).decode()
    for part in (f'trace {trace_id}', 'PUT at level strong', 'ACCEPT served by n2', 'WHAT', 'sync', '|='):
        contains(text, part)
    code, _, talk = ctl.run('trace', 'show', 'f' * 32)
    equal(code, 3)
    contains(talk, 'no node has a timeline')
    code, _, talk = ctl.run('trace', 'show', 'xyz')
    equal(code, 2)
    contains(talk, 'no trace id')


def a_collector_that_fails_costs_only_traces(ctl, collector):
    collector.status = 503
    ctl.must('put', 'k', 'v', '-c', 'strong', '--trace')
    line = wait_for('a word about it', lambda: log_lines(ctl, 'n1', 'event=trace.export_failed'))[0]
    contains(line, 'http_status=503')
    collector.status = 200
    row = ctl.json('put', 'k', 'v', '-c', 'strong', '--trace')
    wait_for('traces again', lambda: collector.trace(row['timeline']['trace_id']))


def main():
    tests = [a_traced_put_hangs_below_its_callers_span, what_is_not_sampled_and_quick_stays_where_it_is,
             a_traceparent_that_is_none_is_refused, a_request_shows_where_its_time_went, every_data_command_takes_trace, what_nodes_kept_is_found_and_shown,
             a_collector_that_fails_costs_only_traces, a_slow_request_is_logged_with_who_did_not_answer]
    own_network()
    collector = Collector()
    cluster = Cluster(sys.argv[1], sys.argv[2])
    # What is slow on a busy machine is not what this is about, but for the one that waits for its deadline.
    cluster.environment.update(KVD_TRACE_COLLECTOR=collector.address, KVD_TRACE_SLOW='300ms')
    with cluster as ctl:
        return run_tests(tests, ctl, collector)


if __name__ == '__main__':
    sys.exit(main())
