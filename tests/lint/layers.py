# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: the layers of the tree, and which files may see which external library.

usage: layers.py ROOT
"""

import fnmatch
import os
import re
import sys

from lint import Tap, c_files, read_lines

# Folder or file -> what may be included there of this project, as patterns of paths. The longest that matches counts.
PROJECT = {
    'base': ['base/*'],
    'verify': ['base/*', 'verify/*'],
    'proto': ['base/*', 'proto/*'],
    'replication': ['base/*', 'replication/*', 'proto/msg.h', 'proto/limits.h', 'proto/keyhash.h'],
    'storage': ['base/*', 'storage/*'],
    'server': ['base/*', 'proto/*', 'replication/*', 'storage/*', 'server/*'],
    'client': ['base/*', 'proto/*', 'client/*', 'kv/*'],
    'client/include': ['kv/*'],
    'cli': ['base/*', 'cli/*', 'verify/*', 'kv/*'],
    'docs': ['kv/*'],
    'bench': ['base/*', 'bench/*', 'kv/*'],
    'bench/compare/echo_server.c': ['base/*', 'server/listener.h', 'server/loop.h', 'server/transport.h'],
    'bench/compare/rocks_alone.c': ['base/*', 'storage/*'],
    # Counts what single parts cost, so it calls them.
    'bench/micro': ['base/*', 'proto/*', 'replication/*', 'bench/micro/*'],
    'tests/support': ['base/*', 'proto/*', 'tests/support/*', 'kv/*'],
    'tests/unit': ['base/*', 'proto/*', 'replication/*', 'storage/*', 'server/*', 'client/*', 'cli/*', 'verify/*',
                   'kv/*', 'tests/support/*', 'tests/unit/*'],
    'tests/storage': ['base/*', 'storage/*', 'tests/support/*', 'tests/storage/*'],
    'tests/sim': ['base/*', 'proto/*', 'replication/*', 'storage/store.h', 'storage/store_mem.h', 'storage/keyspace.h',
                  'server/dispatch.h', 'verify/*', 'tests/support/*', 'tests/sim/*'],
    'tests/cluster': ['base/*', 'verify/*', 'kv/*', 'tests/support/*', 'tests/cluster/*'],
    # Put or damage records below a node that is down; the tests themselves know what clients know.
    'tests/cluster/plant_record.c': ['base/*', 'storage/keyspace.h', 'storage/store_rocks.h'],
    'tests/cluster/plant.c': ['base/*', 'replication/record.h', 'storage/keyspace.h', 'storage/store_rocks.h',
                              'tests/cluster/*'],
    # What the next release can do, linked in the place of server/release.c.
    'tests/cluster/release_next.c': ['proto/frame.h', 'server/release.h'],
    'tests/cli': ['base/*', 'kv/*', 'tests/support/*', 'tests/cli/*'],
    'tests/fuzz': ['base/*', 'proto/*', 'replication/*', 'storage/*', 'server/*', 'client/*', 'cli/*',
                   'tests/support/*', 'tests/fuzz/*'],
}

# Headers the build makes, and the only files that may include them.
GENERATED = {'*.pb-c.h': ['proto/codec*.[ch]', 'tests/unit/test_codec_wire.c']}

# External header -> the only files that may include it.
EXTERNAL = {
    'xxhash.h': ['base/hash.c'],
    'protobuf-c/*': ['proto/codec*.[ch]', 'tests/unit/test_codec_wire.c'],
    'rocksdb/*': ['storage/store_rocks.c', 'storage/rocks_options.[ch]', 'tests/cluster/plant_record.c'],
    'event2/*': ['server/*', 'client/*', 'cli/bench_worker.c', 'docs/*', 'tests/unit/*', 'tests/cluster/*'],
    'cyaml/*': ['server/config*.[ch]', 'cli/context.c'],
    'yaml.h': ['server/config*.[ch]'],
    'openssl/*': ['server/tls.[ch]', 'client/*'],
    'jansson.h': ['cli/*', 'tests/*'],
    'libsmartcols/*': ['cli/*'],
    'nghttp2/*': ['bench/compare/load_etcd.c'],
    'histedit.h': ['cli/editor.c'],
    'cmocka.h': ['tests/*'],
}

# The C library and the kernel's interface. Anything else in <> is a library nobody declared above.
SYSTEM = set('''
    assert.h ctype.h errno.h float.h inttypes.h limits.h locale.h math.h setjmp.h signal.h stdalign.h stdarg.h stdatomic.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h threads.h time.h wchar.h
    arpa/inet.h dirent.h dlfcn.h endian.h fcntl.h fnmatch.h ftw.h getopt.h glob.h grp.h langinfo.h libgen.h malloc.h netdb.h
    net/if.h netinet/in.h netinet/ip.h netinet/tcp.h poll.h pthread.h pwd.h regex.h sched.h semaphore.h spawn.h strings.h
    sys/auxv.h sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h sys/ioctl.h sys/mman.h sys/mount.h sys/pidfd.h sys/prctl.h sys/ptrace.h sys/random.h
    sys/resource.h sys/select.h sys/signalfd.h sys/socket.h sys/stat.h sys/statvfs.h sys/syscall.h sys/time.h
    sys/timerfd.h sys/types.h sys/uio.h sys/un.h sys/utsname.h sys/vfs.h sys/wait.h sysexits.h syslog.h termios.h
    unistd.h linux/limits.h'''.split())

# Folder -> the system headers it is limited to: these layers compute and have no way to reach the machine.
COMPUTING = set('''
    assert.h ctype.h errno.h inttypes.h limits.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdlib.h
    string.h strings.h'''.split())
SYSTEM_ONLY = {'proto': COMPUTING, 'replication': COMPUTING}

# Folder -> the system headers it must not have: base and storage know no network.
NETWORK = {'arpa/inet.h', 'netdb.h', 'netinet/in.h', 'netinet/ip.h', 'netinet/tcp.h', 'sys/socket.h', 'sys/un.h',
           'sys/epoll.h', 'poll.h'}
SYSTEM_NOT = {'base': NETWORK, 'storage': NETWORK}

# Where clocks are read: one file, and the header that bans the rest.
CLOCK_HEADERS = {'time.h', 'sys/time.h', 'sys/timerfd.h'}
CLOCK_FREE = ['proto/*', 'replication/*', 'storage/*', 'base/*']
CLOCK_FILES = ['base/clock.[ch]', 'base/banned.h']

DIRECTIVE = re.compile(r'^\s*#\s*(include\w*|import)\s*(.*?)\s*$')
TARGET = re.compile(r'^(?:"([^"]+)"|<([^>]+)>)')


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def folder_rule(path, table):
    """The row of TABLE for PATH or the longest folder that holds it, or None."""
    folder = path
    while folder:
        if folder in table:
            return table[folder]
        folder = os.path.dirname(folder)
    return None


def generated_problem(path, target):
    for pattern, users in GENERATED.items():
        if fnmatch.fnmatchcase(os.path.basename(target), pattern):
            return None if matches(path, users) else 'generated code, which only ' + ', '.join(users) + ' may include'
    return 'unknown'


def project_problem(path, target):
    """What is wrong with PATH including TARGET of this project, or None."""
    problem = generated_problem(path, target)
    if problem != 'unknown':
        return problem
    if '..' in target.split('/') or '/' not in target:
        return 'the path does not begin at a folder of the root'
    allowed = folder_rule(path, PROJECT)
    if allowed is None:
        return 'its folder has no row in the table of layers'
    if not matches(target, allowed):
        return 'this layer may include only ' + ', '.join(allowed)
    return None


def system_problem(path, target):
    only = folder_rule(path, SYSTEM_ONLY)
    if only is not None and target not in only:
        return 'this layer computes only and may not reach the machine'
    if target in (folder_rule(path, SYSTEM_NOT) or set()):
        return 'this layer knows no network'
    if target in CLOCK_HEADERS and matches(path, CLOCK_FREE) and not matches(path, CLOCK_FILES):
        return 'clocks are read in base/clock.c only'
    return None


def external_problem(path, target):
    """What is wrong with PATH including <TARGET>, or None."""
    if target.startswith('kv/'):
        return project_problem(path, target)
    problem = generated_problem(path, target)
    if problem != 'unknown':
        return problem
    if target in SYSTEM:
        return system_problem(path, target)
    for pattern, users in EXTERNAL.items():
        if fnmatch.fnmatchcase(target, pattern):
            return None if matches(path, users) else 'only ' + ', '.join(users) + ' may use that library'
    return 'neither the C library nor a library this project declares'


def line_problem(path, line):
    """What is wrong with one line of the file PATH, or None."""
    directive = DIRECTIVE.match(line)
    if not directive:
        return None
    if directive.group(1) != 'include':
        return '#' + directive.group(1) + ' is not C'
    target = TARGET.match(directive.group(2))
    if not target:
        return 'an include that is a macro cannot be checked'
    if target.group(1):
        return project_problem(path, target.group(1))
    return external_problem(path, target.group(2))


def check(path, lines):
    problems = []
    for number, line in enumerate(lines, 1):
        problem = line_problem(path, line)
        if problem:
            problems.append(f'{path}:{number}: {line.strip()}: {problem}')
    return problems


def main(root):
    tap = Tap()
    files = c_files(root)
    tap.check('there are files to check', [] if len(files) > 20 else [f'only {len(files)} found'])
    folders = {}
    for path in files:
        folders.setdefault(os.path.dirname(path), []).append(path)
    for folder, paths in sorted(folders.items()):
        problems = [problem for path in paths for problem in check(path, read_lines(root, path))]
        tap.check(f'{folder or "."} includes only what its layer may', problems)
    tap.finish()


if __name__ == '__main__':
    main(sys.argv[1])
