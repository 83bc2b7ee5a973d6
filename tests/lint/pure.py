# SPDX-License-Identifier: Apache-2.0
"""The replication layer is a function of events: it calls nothing that reads a clock, draws a random number, does I/O or
starts a thread. Checked on what the compiler left: the undefined symbols of its archive.

usage: pure.py NM REPLICATION_ARCHIVE BASE_ARCHIVE
"""

import fnmatch
import subprocess
import sys

from lint import Tap

# Of the C library: memory, strings, arithmetic, sorting by a total order, formatting into memory, and the way out.
LIBC = set('''
    memcpy memmove memset memcmp memchr memrchr memmem rawmemchr
    strlen strnlen strcmp strncmp strchr strrchr strspn strcspn strstr
    malloc calloc realloc reallocarray free
    qsort bsearch snprintf vsnprintf abort
    __memcpy_chk __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk __stack_chk_fail __stack_chk_guard'''.split())

# What compilers add by themselves.
COMPILER = ['_GLOBAL_OFFSET_TABLE_', '__asan_*', '__ubsan_*', '__tsan_*', '__sanitizer_*', '__gcov_*', '__llvm_*',
            '___asan_*', '__odr_asan*', '__start___*', '__stop___*', '__lsan_*',
            '__popcount?i2', '__parity?i2', '__clz?i2', '__ctz?i2', '__udiv?i3', '__umod?i3', '__div?i3', '__mod?i3']

# Of the base layer everything but what touches the world: clocks, the machine's randomness, the log.
BASE_IMPURE = ['clock_*', 'rng_entropy*', 'log_*']


def symbols(nm_output):
    """(defined, undefined) names in the output of `nm --format=posix`."""
    defined, undefined = set(), set()
    for line in nm_output.split('\n'):
        words = line.split()
        if len(words) < 2 or len(words[1]) != 1:
            continue  # the name of an archive member
        (undefined if words[1] in 'Uwv' else defined).add(words[0])
    return defined, undefined


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def allowed(name, base_defined):
    if name in LIBC or matches(name, COMPILER):
        return True
    return name in base_defined and not matches(name, BASE_IMPURE)


def impure(replication_nm, base_nm):
    """Sorted names the replication layer needs and may not have."""
    base_defined, _ = symbols(base_nm)
    defined, undefined = symbols(replication_nm)
    return sorted(name for name in undefined - defined if not allowed(name, base_defined))


def run_nm(nm, archive):
    return subprocess.run([nm, '--format=posix', archive], capture_output=True, check=True).stdout.decode()


def users(replication_nm, name):
    """The archive members that need NAME."""
    member, found = '?', []
    for line in replication_nm.split('\n'):
        if line.endswith(']:') or line.endswith('.o:'):
            member = line.rstrip(':')
        elif line.split()[:2] == [name, 'U']:
            found.append(member)
    return ', '.join(found)


def main(nm, replication, base):
    tap = Tap()
    replication_nm, base_nm = run_nm(nm, replication), run_nm(nm, base)
    tap.check('both archives have symbols', [
        f'{archive}: none' for archive, text in ((replication, replication_nm), (base, base_nm)) if not symbols(text)[0]])
    tap.check('the replication layer is a function of its events', [
        f'{name} is called by {users(replication_nm, name)}' for name in impure(replication_nm, base_nm)])
    tap.finish()


if __name__ == '__main__':
    main(*sys.argv[1:4])
