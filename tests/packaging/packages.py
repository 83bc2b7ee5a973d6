# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: checked by lintian and systemd, then installed, upgraded, removed and purged in a Debian of their own.

usage: packages.py DEBS SOURCE CACHE      (as root; TAP on stdout)
       packages.py --prepare CACHE        only fills CACHE, which takes longest

DEBS holds the packages as scripts/package leaves them. The Debian is unpacked in memory, inside name spaces of this program:
mounts, processes and ports are gone with it, whatever happens. CACHE keeps its tar file, so that the next run takes seconds.
"""

import glob
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'docs'))
from blocks import read_blocks, run_script, script  # noqa: E402
from cluster import contains, equal, run_tests, wait_for  # noqa: E402

MIRROR = os.environ.get('KVD_MIRROR', '')  # empty: debootstrap's own
SUITE = 'bookworm'
EXPOSURE_MAX = 15  # tenths, of systemd-analyze security; docs/operating.md names it
INSIDE = 'KVD_PACKAGE_TEST_INSIDE'
# What the packages depend on, so that the Debian need not be asked again. An empty list only makes its first run slower.
DEPENDENCIES = ('librocksdb7.8', 'libevent-core-2.1-7', 'libprotobuf-c1', 'libxxhash0', 'libcyaml1', 'libyaml-0-2',
                'libjansson4', 'libsmartcols1', 'libedit2', 'libevent-extra-2.1-7', 'libjemalloc2', 'systemd-standalone-sysusers')


def run(*words, **options):
    """Gives the exit code and what was said, both streams as one."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', errors='replace',
                          **options)
    return done.returncode, done.stdout


def must(*words, **options):
    code, said = run(*words, **options)
    if code != 0:
        raise AssertionError(f'{" ".join(words)} ended with {code}:\n{said}')
    return said


def tar_in(cache):
    """Another list of dependencies is another file."""
    return os.path.join(cache, f'{SUITE}-{zlib.crc32(" ".join(DEPENDENCIES).encode()):08x}.tar')


def bootstrap(cache):
    """Leaves a minimal Debian with what the packages depend on as a tar file in CACHE, unless it is there."""
    tar, debs = tar_in(cache), os.path.join(cache, 'debs')
    if os.path.exists(tar):
        return
    os.makedirs(debs, exist_ok=True)
    must('unshare', '--mount', 'sh', '-euc',
         'mount -t tmpfs -o mode=0755,size=2g kvd-test /mnt && mkdir /mnt/debian\n'
         'debootstrap --variant=minbase --cache-dir="$1" --include="$2" "$3" /mnt/debian ${4:+"$4"}\n'
         'tar -cf "$5.new" --exclude=./var/cache/apt/archives/*.deb -C /mnt/debian . && mv "$5.new" "$5"\n',
         'sh', debs, ','.join(DEPENDENCIES), SUITE, MIRROR, tar)


def listens(host, port):
    with socket.socket() as door:
        return door.connect_ex((host, port)) == 0


class Debian:
    """A minimal Debian at a path, with nothing of kvd in it at first."""

    def __init__(self, root, debs):
        self.root, self.debs, self.node = root, debs, None

    def unpack(self, cache):
        os.makedirs(self.root, exist_ok=True)
        must('mount', '-t', 'tmpfs', '-o', 'mode=0755,size=2g', 'kvd-test', self.root)
        must('tar', '-xf', tar_in(cache), '-C', self.root)
        must('mount', '-t', 'proc', 'proc', self.path('proc'))
        must('mount', '--bind', '/dev', self.path('dev'))

    def path(self, name):
        return os.path.join(self.root, name.lstrip('/'))

    def inside(self, *words):
        return run('chroot', self.root, *words, env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8',
                                                     'DEBIAN_FRONTEND': 'noninteractive'})

    def must(self, *words):
        code, said = self.inside(*words)
        if code != 0:
            raise AssertionError(f'{" ".join(words)} ended with {code}:\n{said}')
        return said

    def install(self, *files):
        """With dpkg, as a script of an operator does: the configuration that is there stays."""
        for file in files:
            shutil.copy(file, self.path('tmp'))
        return self.must('dpkg', '--force-confdef', '--force-confold', '-i', *('/tmp/' + os.path.basename(f) for f in files))

    def start(self):
        """kvd by hand, as the unit starts it."""
        with open(self.path('/tmp/kvd.log'), 'ab') as log:
            self.node = subprocess.Popen(['chroot', '--userspec=kvd:kvd', self.root, '/usr/bin/kvd', '--config',
                                          '/etc/kvd/kvd.yaml'], stdout=log, stderr=log)
        wait_for('a node that listens', lambda: self.node.poll() is not None or listens('127.0.0.1', 7001))
        equal(self.node.poll(), None)

    def stop(self):
        self.node.terminate()
        equal(self.node.wait(60), 0)
        self.node = None

    def is_installed(self, package):
        return self.inside('dpkg-query', '-W', '-f=${db:Status-Status}', package)[1] == 'installed'


def package(debs, name):
    found = glob.glob(f'{debs}/{name}_*.deb')
    equal(len(found), 1)
    return found[0]


def older(debs, name, scratch):
    """The package as an earlier release might have been: an older version, and another comment in its configuration."""
    tree = os.path.join(scratch, name)
    must('dpkg-deb', '-R', package(debs, name), tree)
    control = os.path.join(tree, 'DEBIAN', 'control')
    with open(control, encoding='utf-8') as file:
        text = file.read()
    version = re.search(r'^Version: (.*)$', text, re.M)[1]
    with open(control, 'w', encoding='utf-8') as file:
        file.write(text.replace(version, '0.0.9'))
    configuration = os.path.join(tree, 'etc/kvd/kvd.yaml')
    if os.path.exists(configuration):
        with open(configuration, 'a', encoding='utf-8') as file:
            file.write('# as it was in 0.0.9\n')
    file = os.path.join(scratch, f'{name}_0.0.9.deb')
    must('dpkg-deb', '-Zgzip', '-z1', '-b', tree, file)
    return file


class World:
    def __init__(self, debs, source, cache):
        self.debs, self.source, self.cache = debs, source, cache
        self.debian = Debian('/mnt/debian', debs)
        self.scratch = '/mnt/scratch'


# ---- without a Debian ----


def lintian_finds_no_error(w):
    code, said = run('lintian', '--fail-on', 'error', '--tag-display-limit', '0', '--allow-root', glob.glob(w.debs + '/*.changes')[0])
    print('\n'.join('# ' + line for line in said.splitlines()))
    equal(code, 0)


def unit(w):
    """The unit as it is packaged, unpacked."""
    tree = os.path.join(w.scratch, 'unit')
    if not os.path.exists(tree):
        must('dpkg-deb', '-x', package(w.debs, 'kvd'), tree)
    return os.path.join(tree, 'lib/systemd/system/kvd.service')


def the_unit_is_understood_and_closed(w):
    code, said = run('systemd-analyze', 'security', '--offline=true', f'--threshold={EXPOSURE_MAX}', '--no-pager', unit(w))
    level = re.search(r'exposure level for kvd.service: ([0-9.]+)', said)
    equal((code, bool(level)), (0, True))
    with open(os.path.join(w.source, 'docs/operating.md'), encoding='utf-8') as file:
        contains(file.read(), f'exposure level {level[1]} ')
    said = run('systemd-analyze', 'verify', '--man=no', unit(w))[1]
    told = [line for line in said.splitlines() if 'kvd.service' in line and 'is not executable' not in line]
    equal(told, [])


def the_unit_stops_reloads_and_watches_as_kvd_does(w):
    with open(unit(w), encoding='utf-8') as file:
        text = file.read()
    for line in ['Type=notify', 'WatchdogSec=20s', 'ExecReload=/bin/kill -HUP $MAINPID', 'User=kvd', 'StateDirectory=kvd',
                 'RestartPreventExitStatus=2 11', 'ExecStart=/usr/bin/kvd --config /etc/kvd/kvd.yaml']:
        contains(text, line + '\n')


def the_documents_are_there_with_all_they_lead_to(w):
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(unit(w)))))
    for name in 'grafana/kvd.json', 'prometheus/kvd.rules.yml':
        equal(os.path.exists(os.path.join(tree, 'usr/share/kvd', name)), True)
    home = os.path.join(tree, 'usr/share/doc/kvd')
    pages = glob.glob(home + '/**/*.md', recursive=True)
    equal({'README.md', 'operating.md', 'monitoring.md'} <= {os.path.basename(page) for page in pages}, True)
    missing = []
    for page in pages:
        with open(page, encoding='utf-8') as file:
            for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', file.read()):
                place = os.path.normpath(os.path.join(os.path.dirname(page), link))
                # What leads into the sources stays there.
                if place.startswith(home + '/docs') and not os.path.exists(place):
                    missing.append((os.path.basename(page), link))
    equal(missing, [])


def symbols_of_the_library_are_those_of_its_map(w):
    with open(os.path.join(w.source, 'client/libkvclient.map'), encoding='utf-8') as file:
        exported = set(re.findall(r'^\t(kv_\w+);$', file.read(), re.M))
    with open(os.path.join(w.source, 'packaging/debian/libkvclient1.symbols'), encoding='utf-8') as file:
        listed = set(re.findall(r'^ (kv_\w+)@', file.read(), re.M))
    equal(sorted(exported - listed), [])  # to be added to packaging/debian/libkvclient1.symbols
    equal(sorted(listed - exported), [])  # removed from the library: no longer libkvclient1


# ---- in one ----


def an_older_release_installs_and_waits_to_be_formed(w):
    d = w.debian
    d.install(*(older(w.debs, name, w.scratch) for name in ('kvd', 'kvctl')))
    equal(d.inside('dpkg-query', '-W', '-f=${Version}', 'kvd')[1], '0.0.9')
    contains(d.must('getent', 'passwd', 'kvd'), '/var/lib/kvd')
    contains(d.must('kvd', '--config', '/etc/kvd/kvd.yaml', '--check-config'), 'good')
    equal(os.path.exists(d.path('/var/lib/kvd')), False)
    d.must('install', '-d', '-o', 'kvd', '-g', 'kvd', '-m', '0700', '/var/lib/kvd')  # systemd: StateDirectory=kvd
    d.start()
    equal(d.inside('kvctl', 'status')[0], 5)
    d.must('kvctl', 'cluster', 'init', '127.0.0.1:7101', '--partitions', '16')
    wait_for('a cluster that serves', lambda: d.inside('kvctl', 'put', 'before', 'upgrade', '-c', 'strong')[0] == 0)


def an_upgrade_keeps_data_and_the_configuration_that_was_changed(w):
    d = w.debian
    with open(d.path('/etc/kvd/kvd.yaml'), 'a', encoding='utf-8') as file:
        file.write('log: {level: warn}\n')
    d.install(package(w.debs, 'kvd'), package(w.debs, 'kvctl'))
    with open(d.path('/etc/kvd/kvd.yaml'), encoding='utf-8') as file:
        text = file.read()
    contains(text, 'log: {level: warn}\n')
    contains(text, '# as it was in 0.0.9\n')
    equal(os.path.exists(d.path('/etc/kvd/kvd.yaml.dpkg-dist')), True)
    equal(d.inside('kvctl', 'get', 'before', '-c', 'strong'), (0, 'upgrade'))  # the process of before goes on
    d.stop()
    d.start()
    wait_for('the data of before', lambda: d.inside('kvctl', 'get', 'before', '-c', 'strong') == (0, 'upgrade'))


def a_configuration_that_does_not_hold_is_told_and_stays(w):
    d = w.debian
    with open(d.path('/etc/kvd/kvd.yaml'), encoding='utf-8') as file:
        good = file.read()
    with open(d.path('/etc/kvd/kvd.yaml'), 'w', encoding='utf-8') as file:
        file.write(good + 'limmits: {}\n')
    contains(d.install(package(w.debs, 'kvd')), 'did you mean "limits"?')
    with open(d.path('/etc/kvd/kvd.yaml'), 'w', encoding='utf-8') as file:
        file.write(good)


def removing_leaves_configuration_and_data(w):
    d = w.debian
    d.stop()
    d.must('dpkg', '-r', 'kvd')
    equal(os.path.exists(d.path('/usr/bin/kvd')), False)
    equal(os.path.exists(d.path('/etc/kvd/kvd.yaml')), True)
    equal(os.path.exists(d.path('/var/lib/kvd/IDENTITY')), True)


def purging_takes_the_configuration_and_says_that_data_is_left(w):
    d = w.debian
    contains(d.must('dpkg', '-P', 'kvd'), "data is left in /var/lib/kvd")
    equal(os.path.exists(d.path('/etc/kvd/kvd.yaml')), False)
    equal(os.path.exists(d.path('/var/lib/kvd/IDENTITY')), True)


def installed_again_the_node_has_all_it_had(w):
    d = w.debian
    d.install(package(w.debs, 'kvd'))
    d.start()
    wait_for('the data of before', lambda: d.inside('kvctl', 'get', 'before', '-c', 'strong') == (0, 'upgrade'))


def a_program_builds_with_the_development_package_and_runs(w):
    d = w.debian
    tree = os.path.join(w.scratch, 'dev')
    for name in ('libkvclient1', 'libkvclient-dev'):
        must('dpkg-deb', '-x', package(w.debs, name), tree)
    library = os.path.dirname(glob.glob(tree + '/usr/lib/*/libkvclient.so.1')[0])
    environment = {**os.environ, 'PKG_CONFIG_PATH': library + '/pkgconfig', 'PKG_CONFIG_SYSROOT_DIR': tree}
    flags = must('pkg-config', '--cflags', '--libs', 'kvclient', env=environment).split()
    must('gcc', '-Wall', '-Wextra', '-Werror', os.path.join(w.source, 'docs/examples/hello.c'), '-o', w.scratch + '/hello', *flags)
    d.install(package(w.debs, 'libkvclient1'))
    shutil.copy(w.scratch + '/hello', d.path('/tmp/hello'))
    contains(d.must('/tmp/hello', '127.0.0.1:7001'), 'strong read: world')
    d.stop()


def the_newcomers_page_runs_from_the_packages(w):
    """docs/getting-started.md, whole, in a Debian that never had kvd."""
    d = w.debian
    d.must('dpkg', '-P', 'kvd', 'kvctl', 'libkvclient1')
    shutil.rmtree(d.path('/var/lib/kvd'))
    home = d.path('/root/page')
    os.makedirs(home)
    for name in ('kvd', 'kvctl'):
        shutil.copy(package(w.debs, name), home)
    blocks = [b for b in read_blocks(os.path.join(w.source, 'docs/getting-started.md')) if b.info in ('sh', 'sh install')]
    done, said = run_script(script(blocks, 'cd /root/page\n'), home,
                            ['chroot', d.root, 'sh', '-c', 'exec sh "/root/page/${1##*/}"', 'sh'],
                            {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'HOME': '/root',
                             'DEBIAN_FRONTEND': 'noninteractive'})
    if done != len(blocks):
        raise AssertionError(f'line {blocks[done].line}: {blocks[done].text}\n{said}')


ALONE = [lintian_finds_no_error, the_documents_are_there_with_all_they_lead_to, the_unit_is_understood_and_closed, the_unit_stops_reloads_and_watches_as_kvd_does,
         symbols_of_the_library_are_those_of_its_map]
INSTALLED = [an_older_release_installs_and_waits_to_be_formed, an_upgrade_keeps_data_and_the_configuration_that_was_changed,
             a_configuration_that_does_not_hold_is_told_and_stays, removing_leaves_configuration_and_data,
             purging_takes_the_configuration_and_says_that_data_is_left, installed_again_the_node_has_all_it_had,
             a_program_builds_with_the_development_package_and_runs, the_newcomers_page_runs_from_the_packages]


def missing():
    """Why no Debian can be unpacked here, or None."""
    if os.geteuid() != 0:
        return 'root is needed'
    for program in ('debootstrap', 'unshare', 'dpkg-deb'):
        if not shutil.which(program):
            return program + ' is not there'
    if run('unshare', '--mount', '--net', '--pid', '--fork', 'mount', '-t', 'tmpfs', 'kvd-test', '/mnt')[0] != 0:
        return 'name spaces cannot be made here'
    return None


def without_a_debian(w, why):
    w.scratch = tempfile.mkdtemp(prefix='kvd-packages-')
    try:
        code = run_tests(ALONE, w)
    finally:
        shutil.rmtree(w.scratch)
    for number, test in enumerate(INSTALLED, len(ALONE) + 1):
        print(f'ok {number} - {test.__name__.replace("_", " ")} # SKIP {why}')
    return code


def prepare(cache):
    if not missing():
        bootstrap(cache)


def main(debs, source, cache):
    if os.environ.get(INSIDE) is None:
        why = missing()
        if why:
            return without_a_debian(World(debs, source, cache), why)
        bootstrap(cache)
        os.environ[INSIDE] = '1'
        os.execvp('unshare', ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc',
                              sys.executable, '-B', *sys.argv])
    began = time.monotonic()
    w = World(debs, source, cache)
    # In a mount name space of its own: nobody else sees either.
    must('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'kvd-test', '/mnt')
    os.makedirs(w.scratch)
    must('ip', 'link', 'set', 'lo', 'up')
    w.debian.unpack(cache)
    print(f'# a Debian after {time.monotonic() - began:.0f} s', flush=True)
    return run_tests(ALONE + INSTALLED, w)


if __name__ == '__main__':
    if sys.argv[1] == '--prepare':
        sys.exit(prepare(os.path.abspath(sys.argv[2])))
    sys.exit(main(*map(os.path.abspath, sys.argv[1:4])))
