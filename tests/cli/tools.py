# SPDX-License-Identifier: Apache-2.0
"""kvctl's own tools, without a cluster: contexts, completion in bash, zsh and fish, manual pages.

usage: tools.py KVCTL KVD SOURCE
"""

import json
import os
import shutil
import stat
import subprocess
import sys

from cluster import Cluster, Skipped, contains, equal, run_tests

NOBODY = '127.0.0.1:1'
PAGES = ['kvctl', 'kvctl-data', 'kvctl-cluster', 'kvctl-dev', 'kvctl-tool']


def config_path(ctl):
    return os.path.join(ctl.base, 'kvctl', 'config.yaml')


def forget_contexts(ctl):
    if os.path.exists(config_path(ctl)):
        os.remove(config_path(ctl))


def needs(program):
    path = shutil.which(program)
    if not path:
        raise Skipped(f'there is no {program}')
    return path


# ---- Contexts ----------------------------------------------------------------------------------------------------------

def contexts_are_kept_for_their_owner_alone(ctl):
    forget_contexts(ctl)
    equal(ctl.json('ctx', 'ls'), [])
    ctl.must('ctx', 'add', 'prod', '-e', 'a:1,b:1', '--zone', 'east', '-c', 'strong', '--timeout', '3s', '-o', 'json')
    ctl.must('ctx', 'add', 'test', '-e', 'c:1')
    equal(stat.S_IMODE(os.stat(config_path(ctl)).st_mode), 0o600)
    equal(ctl.json('ctx', 'ls'), [
        {'name': 'prod', 'current': True, 'endpoints': 'a:1,b:1', 'zone': 'east', 'consistency': 'strong', 'timeout': '3s',
         'output': 'json'},
        {'name': 'test', 'current': False, 'endpoints': 'c:1'}])
    ctl.must('ctx', 'add', 'test', '--timeout', '9s')
    ctl.must('ctx', 'use', 'test')
    equal(ctl.json('ctx', 'ls')[1], {'name': 'test', 'current': True, 'endpoints': 'c:1', 'timeout': '9s'})
    ctl.must('ctx', 'rm', 'test')
    equal([(c['name'], c['current']) for c in ctl.json('ctx', 'ls')], [('prod', False)])


def where(ctl, *words, **variables):
    """Which address kvctl asks, told by the error that nobody is there."""
    code, _, talk = ctl.run('get', 'k', '--timeout', '100ms', *words, **variables)
    equal(code, 5)
    return {port for port in '12345' if f'127.0.0.1:{port}' in talk}


def a_flag_goes_before_a_variable_and_that_before_the_context(ctl):
    forget_contexts(ctl)
    ctl.must('ctx', 'add', 'one', '-e', '127.0.0.1:1')
    ctl.must('ctx', 'add', 'two', '-e', '127.0.0.1:2')
    equal(where(ctl), {'1'})
    equal(where(ctl, '--context', 'two'), {'2'})
    equal(where(ctl, KVCTL_CONTEXT='two'), {'2'})
    equal(where(ctl, '--context', 'one', KVCTL_CONTEXT='two'), {'1'})
    equal(where(ctl, KVCTL_ENDPOINTS='127.0.0.1:3'), {'3'})
    equal(where(ctl, '-e', '127.0.0.1:4', KVCTL_ENDPOINTS='127.0.0.1:3'), {'4'})
    ctl.must('ctx', 'use', 'default')
    equal(where(ctl, KVCTL_ENDPOINTS='127.0.0.1:3'), {'3'})
    ctl.must('ctx', 'use', 'two')
    equal(where(ctl), {'2'})


def a_context_sets_level_and_output_where_a_command_has_them(ctl):
    forget_contexts(ctl)
    ctl.must('ctx', 'add', 'here', '-e', NOBODY, '-o', 'json', '-c', 'bounded=2s')
    equal(json.loads(ctl.must('ctx', 'ls', '-o', 'json'))[0]['consistency'], 'bounded=2s')
    code, out, _ = ctl.run('get', 'k', '--timeout', '100ms')
    equal((code, out), (5, b''))
    # A level for reads gives way for a write, as one from a variable does.
    equal(ctl.run('put', 'k', 'v', '--timeout', '100ms')[0], 5)


def mistakes_with_contexts_are_told(ctl):
    forget_contexts(ctl)
    ctl.must('ctx', 'add', 'prod')
    for words, says in [(['get', 'k', '--context', 'prdo'], 'did you mean "prod"?'), (['ctx', 'use', 'x'], 'no context "x"'),
                        (['ctx', 'rm', 'x'], 'no context "x"'), (['ctx', 'add', 'a b'], 'letters'),
                        (['ctx', 'add', 'default'], 'not "default"'), (['ctx', 'add', 'y', '--timeout', 'soon'], 'write a time'),
                        (['ctx'], 'ctx add, ctx use, ctx ls, ctx rm')]:
        code, _, talk = ctl.run(*words)
        equal(code, 2)
        contains(talk, says)
    for text, says in [('contexts:\n- name: a\n  endpoint: b\n', 'endpoint'), ('contexts: [', 'config.yaml:'),
                       ('contexts:\n- name: a\n- name: a\n', 'two contexts "a"')]:
        with open(config_path(ctl), 'w', encoding='utf-8') as file:
            file.write(text)
        code, _, talk = ctl.run('get', 'k')
        equal(code, 2)
        contains(talk, says)
    with open(config_path(ctl), 'w', encoding='utf-8') as file:
        file.write('# nothing yet\n')
    equal(ctl.json('ctx', 'ls'), [])
    forget_contexts(ctl)


# ---- Completion --------------------------------------------------------------------------------------------------------

def complete(ctl, *words):
    return [line.split('\t')[0] for line in ctl.must('complete', '--', *words).decode().splitlines()]


def kvctl_tells_what_may_stand_at_the_cursor(ctl):
    forget_contexts(ctl)
    ctl.must('ctx', 'add', 'prod', '-e', NOBODY)
    for words, expected in [(['pu'], ['put']), (['cluster', 'co'], ['commit']), (['help', 'mg'], ['mget']),
                            (['get', 'k', '--outp'], ['--output']), (['get', '-o', ''], ['json', 'jsonl', 'raw', 'table']),
                            (['status', '-o', 'r'], []), (['get', '--output=j'], ['--output=json', '--output=jsonl']),
                            (['-c', 'b'], ['bounded=']), (['-c', 'strong', 'ge'], ['get']), (['put', 'k', 'v', '--acks', 'm'],
                            ['majority']), (['ctx', 'use', 'p'], ['prod']), (['--context', 'prod', 'del', '--if-a'], ['--if-absent']),
                            (['completion', ''], ['bash', 'fish', 'zsh']), (['load', 'x'], [':files']),
                            (['get', '--session-file', ''], [':files']), (['get', '--', '--o'], []), (['nonsense', 'x'], [])]:
        equal(complete(ctl, *words), expected)
    first = complete(ctl, '')
    contains(first, 'partition')
    equal([word for word in ['complete', 'man'] if word in first], [])
    listed = {line.split()[0] for line in ctl.must('help').decode().splitlines() if line.startswith('  ')}
    equal(set(first), listed | {'help'})


def in_bash(ctl, line):
    """What bash offers for the last word of a line."""
    script = f'''{ctl.must('completion', 'bash').decode()}
complete -p kvctl >/dev/null
kvctl() {{ "$KVCTL" "$@"; }}
COMP_LINE=$1 COMP_POINT=${{#1}}
read -ra COMP_WORDS <<<"${{1//[:=]/ & }}"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_kvctl kvctl
((${{#COMPREPLY[@]}} == 0)) || printf '%s\\n' "${{COMPREPLY[@]}}"'''
    done = subprocess.run([needs('bash'), '-uc', script, 'bash', line], env={**ctl.environment, 'KVCTL': ctl.kvctl}, cwd=ctl.base,
                          stdout=subprocess.PIPE, check=True, encoding='utf-8')
    return done.stdout.splitlines()


def bash_completes(ctl):
    with open(ctl.path('rows one.tsv'), 'w', encoding='utf-8'):
        pass
    for line, expected in [('kvctl pu', ['put']), ('kvctl cluster co', ['commit']), ('kvctl get -o ', ['json', 'jsonl', 'raw', 'table']),
                           ('kvctl get --output=j', ['json', 'jsonl']), ('kvctl get --output=', ['json', 'jsonl', 'raw', 'table']),
                           ('kvctl -c b', ['bounded=']), ('kvctl load row', ['rows one.tsv']), ('kvctl nonsense ', [])]:
        equal(in_bash(ctl, line), expected)


def zsh_takes_the_script(ctl):
    script = ctl.must('completion', 'zsh')
    equal(script.startswith(b'#compdef kvctl\n'), True)
    subprocess.run([needs('zsh'), '-nf'], input=script, check=True)
    # Registered, as a file of fpath is.
    with open(ctl.path('_kvctl'), 'wb') as file:
        file.write(script)
    done = subprocess.run(['zsh', '-fc', f'fpath=({ctl.base} $fpath); autoload -Uz compinit; compinit -u -d {ctl.path("dump")}; '
                           'print $_comps[kvctl]; autoload +X _kvctl'], env=ctl.environment, stdout=subprocess.PIPE, check=True)
    equal(done.stdout, b'_kvctl\n')


def fish_completes(ctl):
    script = ctl.must('completion', 'fish')
    fish = needs('fish')
    subprocess.run([fish, '--no-execute'], input=script, check=True)
    bin_dir = ctl.path('bin')
    os.makedirs(bin_dir, exist_ok=True)
    if not os.path.exists(os.path.join(bin_dir, 'kvctl')):
        os.symlink(os.path.abspath(ctl.kvctl), os.path.join(bin_dir, 'kvctl'))
    done = subprocess.run([fish, '--no-config', '-c', script.decode() + "\ncomplete -C 'kvctl cluster co'\ncomplete -C 'kvctl get -o '"],
                          env={**ctl.environment, 'HOME': ctl.base, 'PATH': bin_dir + ':' + os.environ['PATH']},
                          stdout=subprocess.PIPE, check=True, encoding='utf-8')
    equal(done.stdout.splitlines(), ['commit\tlet the staged change begin', 'json', 'jsonl', 'raw', 'table'])


# ---- Manual pages ------------------------------------------------------------------------------------------------------

def render(ctl, name, source):
    page = ctl.path(name)
    with open(page, 'wb') as file:
        file.write(subprocess.run([needs('scdoc')], input=source, stdout=subprocess.PIPE, check=True).stdout)
    done = subprocess.run([needs('man'), '--warnings', '-l', page], env={**ctl.environment, 'MANWIDTH': '100'},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, encoding='utf-8')
    equal(done.stderr, '')
    return ' '.join(done.stdout.split())


def every_command_and_flag_is_in_a_manual_page_without_warnings(ctl):
    pages = {name: render(ctl, name + '.1', ctl.must('man', name)) for name in PAGES}
    equal(ctl.run('man', 'kvctl-none')[0], 2)
    whole = ' '.join(pages.values())
    for line in ctl.must('help').decode().splitlines():
        if line.startswith('  '):
            command = line[2:].split('  ')[0].split(' [')[0].split(' KEY')[0]
            contains(pages['kvctl'], command.split()[0])
    for word in ['put [FLAGS] KEY [VALUE | -]', '--if-version VERSION', 'dev kill', 'unsafe recover', 'KVCTL_ENDPOINTS',
                 'key_b64, value_b64', '-c, --consistency LEVEL', '130 interrupted', 'config.yaml']:
        contains(whole, word)


def the_other_manual_pages_are_made_of_what_is_documented(ctl):
    def made(kind, path):
        return subprocess.run([sys.executable, '-B', os.path.join(ctl.source, 'docs/man/scdoc.py'), kind,
                               os.path.join(ctl.source, path)], stdout=subprocess.PIPE, check=True).stdout
    with open(os.path.join(ctl.source, 'docs/man/kvd.8.scd'), 'rb') as file:
        kvd = render(ctl, 'kvd.8', file.read())
    usage = subprocess.run([ctl.environment['KVD'], '--help'], stdout=subprocess.PIPE, check=True, encoding='utf-8').stdout
    for word in usage.split():
        if word.startswith('--'):
            contains(kvd, word.strip(',.;'))
    contains(render(ctl, 'kvd.yaml.5', made('config', 'docs/configuration.md')), 'node.data_dir directory of identity')
    contains(render(ctl, 'kv_client.3', made('header', 'client/include/kv/client.h')), 'enum kv_status kv_get(struct kv_client')


def main():
    tests = [contexts_are_kept_for_their_owner_alone, a_flag_goes_before_a_variable_and_that_before_the_context,
             a_context_sets_level_and_output_where_a_command_has_them, mistakes_with_contexts_are_told,
             kvctl_tells_what_may_stand_at_the_cursor, bash_completes, zsh_takes_the_script, fish_completes,
             every_command_and_flag_is_in_a_manual_page_without_warnings,
             the_other_manual_pages_are_made_of_what_is_documented]
    ctl = Cluster(sys.argv[1], sys.argv[2])
    ctl.source = sys.argv[3]
    try:
        return run_tests(tests, ctl)
    finally:
        shutil.rmtree(ctl.base)


if __name__ == '__main__':
    sys.exit(main())
