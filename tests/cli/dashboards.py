# SPDX-License-Identifier: Apache-2.0
"""The dashboard, the alert rules and the page about them name metrics that there are.

usage: dashboards.py ROOT
"""

import json
import os
import re
import subprocess
import sys
import tempfile

from cluster import equal, run_tests
from promtool import find_promtool

METRIC = re.compile(r'\bkvd_[a-z0-9_]+')
LABELS = re.compile(r'(kvd_[a-z0-9_]+)\{([^}]*)\}')


def read(root, *path):
    with open(os.path.join(root, *path), encoding='utf-8') as file:
        return file.read()


def documented(root):
    """Metric -> its labels."""
    rows = [line.split(' | ') for line in read(root, 'docs', 'metrics.md').splitlines() if line.startswith('| `')]
    return {row[0].strip('|` '): set(row[2].replace('-', '').replace(' ', '').split(',')) - {''} for row in rows}


def expressions_of_rules(root):
    text = read(root, 'conf', 'prometheus', 'kvd.rules.yml')
    return re.findall(r'expr: (?:>-\n)?((?:.*\n)(?: {10}.*\n)*)', text)


def expressions_of_dashboard(root):
    panels = json.loads(read(root, 'conf', 'grafana', 'kvd.json'))['panels']
    return [target['expr'] for panel in panels for target in panel.get('targets', [])]


def check_names(root, expressions):
    known = documented(root)
    for expression in expressions:
        for name in METRIC.findall(expression):
            base = re.sub(r'_(bucket|sum|count)$', '', name) if name not in known else name
            if base not in known:
                raise AssertionError(f'{name} in {expression!r} is no metric')
        for name, labels in LABELS.findall(expression):
            base = re.sub(r'_(bucket|sum|count)$', '', name) if name not in known else name
            used = set(re.findall(r'([a-z]+)\s*(?:=~|!~|!=|=)', labels)) - {'instance', 'job', 'le'}
            if not used <= known[base]:
                raise AssertionError(f'{name} has no label {used - known[base]}')


def alert_rules_name_metrics_that_there_are(root):
    expressions = expressions_of_rules(root)
    equal(len(expressions), read(root, 'conf', 'prometheus', 'kvd.rules.yml').count('- alert:'))
    check_names(root, expressions)


def the_dashboard_names_metrics_that_there_are(root):
    expressions = expressions_of_dashboard(root)
    equal(len(expressions) > 20, True)
    check_names(root, expressions)


def every_alert_is_explained(root):
    alerts = re.findall(r'- alert: (\w+)', read(root, 'conf', 'prometheus', 'kvd.rules.yml'))
    rows = [line.split('|')[1] for line in read(root, 'docs', 'monitoring.md').splitlines() if line.startswith('| Kvd')]
    equal(sorted(name for row in rows for name in re.findall(r'\w+', row)), sorted(alerts))


def prometheus_takes_the_rules(root):
    tool = find_promtool(root)
    if not tool:
        return 'promtool is not installed'
    done = subprocess.run([tool, 'check', 'rules', os.path.join(root, 'conf', 'prometheus', 'kvd.rules.yml')],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, encoding='utf-8')
    equal((done.returncode, 'SUCCESS' in done.stdout), (0, True))
    return None


def alerts_fire_where_they_should_and_not_beside_it(root):
    tool = find_promtool(root)
    if not tool:
        return 'promtool is not installed'
    text = read(root, 'tests', 'cli', 'alerts.yml')
    for name in re.findall(r'- alert: (\w+)', read(root, 'conf', 'prometheus', 'kvd.rules.yml')):
        equal((name, f'alertname: {name}, exp_alerts: []' in text), (name, True))
    rules = os.path.join(os.path.abspath(root), 'conf', 'prometheus', 'kvd.rules.yml')
    with tempfile.NamedTemporaryFile('w', suffix='.yml', encoding='utf-8') as file:
        file.write(text.replace('RULES', json.dumps(rules)))
        file.flush()
        done = subprocess.run([tool, 'test', 'rules', file.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              encoding='utf-8')
    if done.returncode != 0:
        raise AssertionError(done.stdout)
    return None


def prometheus_takes_the_dashboards_expressions(root):
    """As rules that record them, with Grafana's own variables filled in."""
    tool = find_promtool(root)
    if not tool:
        return 'promtool is not installed'
    rules = [{'record': f'r{i}', 'expr': e.replace('$__rate_interval', '1m').replace('$node', '.*')}
             for i, e in enumerate(expressions_of_dashboard(root))]
    document = json.dumps({'groups': [{'name': 'dashboard', 'rules': rules}]})
    done = subprocess.run([tool, 'check', 'rules', '/dev/stdin'], input=document, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, encoding='utf-8')
    if done.returncode != 0:
        raise AssertionError(done.stdout)
    return None


def main():
    tests = [alert_rules_name_metrics_that_there_are, the_dashboard_names_metrics_that_there_are,
             every_alert_is_explained, prometheus_takes_the_rules, alerts_fire_where_they_should_and_not_beside_it, prometheus_takes_the_dashboards_expressions]
    return run_tests(tests, sys.argv[1])


if __name__ == '__main__':
    sys.exit(main())
