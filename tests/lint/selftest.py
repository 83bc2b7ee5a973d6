# SPDX-License-Identifier: Apache-2.0
"""Tests of the lints: each rule must catch a violation made for it, and must let the allowed thing pass.

usage: selftest.py ROOT CLANG_FORMAT
"""

import os
import sys
import tempfile

import format as format_lint
import layers
import pure
import style
from lint import Tap

# (file, include line) that layers.py must refuse.
BAD_INCLUDES = [
    # base includes only itself
    ('base/buf.c', '#include "proto/frame.h"'),
    ('base/buf.c', '#include "replication/step.h"'),
    ('base/buf.c', '#include "storage/store.h"'),
    ('base/buf.c', '#include "server/conn.h"'),
    ('base/buf.c', '#include "client/pool.h"'),
    ('base/buf.c', '#include <kv/client.h>'),
    ('base/buf.c', '#include "tests/support/test.h"'),
    ('base/buf.c', '#include <sys/socket.h>'),
    ('base/buf.c', '#include <time.h>'),
    # proto: base only, no machine
    ('proto/frame.c', '#include "replication/step.h"'),
    ('proto/frame.c', '#include "storage/store.h"'),
    ('proto/frame.c', '#include "server/conn.h"'),
    ('proto/frame.c', '#include "client/pool.h"'),
    ('proto/frame.c', '#include <sys/socket.h>'),
    ('proto/frame.c', '#include <pthread.h>'),
    # replication: base and three headers of proto, no machine
    ('replication/op_get.c', '#include "proto/frame.h"'),
    ('replication/op_get.c', '#include "proto/codec.h"'),
    ('replication/op_get.c', '#include "storage/store.h"'),
    ('replication/op_get.c', '#include "storage/store_mem.h"'),
    ('replication/op_get.c', '#include "server/node.h"'),
    ('replication/op_get.c', '#include "client/pool.h"'),
    ('replication/op_get.c', '#include <pthread.h>'),
    ('replication/op_get.c', '#include <time.h>'),
    ('replication/op_get.c', '#include <unistd.h>'),
    ('replication/op_get.c', '#include <stdio.h>'),
    # storage: base only
    ('storage/store_mem.c', '#include "proto/limits.h"'),
    ('storage/store_mem.c', '#include "proto/msg.h"'),
    ('storage/store_mem.c', '#include "replication/record.h"'),
    ('storage/store_mem.c', '#include "server/commit.h"'),
    ('storage/store_mem.c', '#include "client/pool.h"'),
    ('storage/store_mem.c', '#include <netinet/in.h>'),
    ('storage/store_mem.c', '#include <time.h>'),
    # server: everything but client and cli
    ('server/node.c', '#include "client/pool.h"'),
    ('server/node.c', '#include <kv/client.h>'),
    ('server/node.c', '#include "cli/output.h"'),
    ('server/node.c', '#include "tests/support/test.h"'),
    # client: base and proto
    ('client/pool.c', '#include "server/conn.h"'),
    ('client/pool.c', '#include "replication/version.h"'),
    ('client/pool.c', '#include "storage/store.h"'),
    ('client/pool.c', '#include "cli/output.h"'),
    ('client/include/kv/client.h', '#include "base/buf.h"'),
    ('client/include/kv/client.h', '#include "proto/msg.h"'),
    # cli: the public headers and base
    ('cli/cmd_get.c', '#include "client/pool.h"'),
    ('cli/cmd_get.c', '#include "proto/msg.h"'),
    ('cli/cmd_get.c', '#include "proto/limits.h"'),
    ('cli/cmd_get.c', '#include "server/config.h"'),
    ('cli/cmd_get.c', '#include "replication/placement.h"'),
    ('cli/cmd_get.c', '#include "storage/store.h"'),
    # verify: base only
    ('verify/history.h', '#include "proto/msg.h"'),
    ('verify/check_linear.c', '#include "replication/version.h"'),
    ('verify/check_linear.c', '#include "tests/sim/sim.h"'),
    ('replication/op_get.c', '#include "verify/history.h"'),
    # tests and examples
    ('cli/output.c', '#include <histedit.h>'),
    ('tests/sim/sim.c', '#include "server/node.h"'),
    ('tests/cluster/plant.c', '#include "server/node.h"'),
    ('tests/cluster/plant_record.c', '#include "replication/core.h"'),
    ('tests/cluster/release_next.c', '#include "server/node.h"'),
    ('tests/sim/sim.c', '#include "storage/store_rocks.h"'),
    ('tests/sim/sim.c', '#include "storage/rocks_options.h"'),
    ('tests/sim/sim.c', '#include "client/pool.h"'),
    ('tests/storage/conformance.c', '#include "replication/record.h"'),
    ('tests/cluster/test_kill.c', '#include "server/node.h"'),
    ('tests/cluster/test_kill.c', '#include "replication/step.h"'),
    ('tests/cluster/test_kill.c', '#include "proto/msg.h"'),
    ('tests/cli/test_load.c', '#include "client/pool.h"'),
    ('tests/unit/test_buf.c', '#include "tests/sim/sim.h"'),
    ('tests/support/test.h', '#include "server/node.h"'),
    ('tests/fuzz/fuzz_frame.c', '#include "tests/sim/sim.h"'),
    ('bench/kvbench.c', '#include "server/node.h"'),
    ('bench/micro/micro_ring.c', '#include "server/node.h"'),
    ('docs/example.c', '#include "base/buf.h"'),
    # one library, its own files
    ('base/buf.c', '#include <xxhash.h>'),
    ('storage/keyspace.c', '#include <xxhash.h>'),
    ('proto/frame.c', '#include <protobuf-c/protobuf-c.h>'),
    ('replication/step.h', '#include <protobuf-c/protobuf-c.h>'),
    ('proto/frame.c', '#include "proto/peer.pb-c.h"'),
    ('server/node.c', '#include "proto/peer.pb-c.h"'),
    ('server/node.c', '#include <peer.pb-c.h>'),
    ('storage/store_mem.c', '#include <rocksdb/c.h>'),
    ('server/commit.c', '#include <rocksdb/c.h>'),
    ('tests/sim/sim.c', '#include <rocksdb/c.h>'),
    ('replication/op_get.c', '#include <event2/event.h>'),
    ('storage/store_rocks.c', '#include <event2/event.h>'),
    ('cli/cmd_get.c', '#include <event2/event.h>'),
    ('bench/compare/echo_server.c', '#include "server/node.h"'),
    ('bench/compare/rocks_alone.c', '#include "server/loop.h"'),
    ('bench/compare/load.c', '#include <nghttp2/nghttp2.h>'),
    ('client/link.c', '#include <nghttp2/nghttp2.h>'),
    ('tests/sim/sim.c', '#include <event2/event.h>'),
    ('server/node.c', '#include <cyaml/cyaml.h>'),
    ('cli/cmd_get.c', '#include <cyaml/cyaml.h>'),
    ('server/node.c', '#include <yaml.h>'),
    ('server/conn.c', '#include <openssl/ssl.h>'),
    ('base/hash.c', '#include <openssl/sha.h>'),
    ('server/node.c', '#include <jansson.h>'),
    ('server/node.c', '#include <libsmartcols/libsmartcols.h>'),
    ('base/buf.c', '#include <cmocka.h>'),
    ('server/node.c', '#include <cmocka.h>'),
    ('base/buf.c', '#include <glib.h>'),
    # forms that would hide an include
    ('base/buf.c', '#include "slice.h"'),
    ('base/buf.c', '#include "../proto/frame.h"'),
    ('base/buf.c', '#include "base/../proto/frame.h"'),
    ('base/buf.c', '  #  include   "proto/frame.h"'),
    ('base/buf.c', '#include PROTO_FRAME'),
    ('base/buf.c', '#include_next <string.h>'),
    ('base/buf.c', '#import "base/buf.h"'),
    ('unknown/file.c', '#include "base/buf.h"'),
    ('main.c', '#include "base/buf.h"'),
]

GOOD_INCLUDES = [
    ('base/buf.c', '#include "base/bytes.h"'),
    ('base/hash.c', '#include <xxhash.h>'),
    ('base/clock.c', '#include <time.h>'),
    ('base/klog.c', '#include <unistd.h>'),
    ('proto/frame.c', '#include "base/buf.h"'),
    ('proto/codec.c', '#include "proto/peer.pb-c.h"'),
    ('proto/codec_internal.h', '#include <protobuf-c/protobuf-c.h>'),
    ('replication/op_get.c', '#include "proto/msg.h"'),
    ('replication/op_get.c', '#include "proto/limits.h"'),
    ('replication/op_get.c', '#include "proto/keyhash.h"'),
    ('replication/op_get.c', '#include "replication/quorum.h"'),
    ('storage/store_rocks.c', '#include <rocksdb/c.h>'),
    ('storage/rocks_options.h', '#include <rocksdb/c.h>'),
    ('storage/store_rocks.c', '#include "base/buf.h"'),
    ('server/node.c', '#include "replication/step.h"'),
    ('tests/cluster/plant.c', '#include "storage/store_rocks.h"'),
    ('tests/cluster/plant_record.c', '#include "storage/store_rocks.h"'),
    ('tests/cluster/release_next.c', '#include "server/release.h"'),
    ('server/node.c', '#include "storage/store.h"'),
    ('server/loop.c', '#include <event2/event.h>'),
    ('server/config_yaml.c', '#include <cyaml/cyaml.h>'),
    ('server/tls.c', '#include <openssl/ssl.h>'),
    ('client/pool.c', '#include "proto/frame.h"'),
    ('client/pool.c', '#include <event2/event.h>'),
    ('client/pool.c', '#include <kv/client.h>'),
    ('client/include/kv/client.h', '#include <kv/status.h>'),
    ('client/include/kv/client.h', '#include <stdint.h>'),
    ('cli/cmd_get.c', '#include <kv/client.h>'),
    ('cli/cmd_verify.c', '#include "verify/check_linear.h"'),
    ('cli/output.c', '#include <jansson.h>'),
    ('cli/bench_worker.c', '#include <event2/event.h>'),
    ('bench/compare/echo_server.c', '#include "server/loop.h"'),
    ('bench/compare/load_etcd.c', '#include <nghttp2/nghttp2.h>'),
    ('cli/output.c', '#include <libsmartcols/libsmartcols.h>'),
    ('tests/unit/test_buf.c', '#include "tests/support/test.h"'),
    ('tests/support/test.h', '#include <cmocka.h>'),
    ('tests/sim/sim.c', '#include "storage/store_mem.h"'),
    ('tests/cluster/test_kill.c', '#include <kv/client.h>'),
    ('docs/example.c', '#include <kv/client.h>'),
    ('base/buf.c', ' * #include "proto/frame.h" in a comment'),
    ('base/buf.c', '#include <stdarg.h> /* va_list */'),
]

IMPURE_SYMBOLS = '''
    clock_mono_us clock_wall_us rng_entropy rng_entropy_bytes log_event log_enabled
    clock_gettime gettimeofday time nanosleep usleep poll select getrandom getentropy rand random arc4random
    read write open openat fopen fwrite printf fprintf puts stderr stdout fsync socket connect send recv
    pthread_create pthread_self pthread_mutex_lock thrd_create getenv getpid fork system exit
    event_base_new rocksdb_put peer__pack kv_get codec_encode'''.split()

PURE_SYMBOLS = 'memcpy memcmp strlen malloc free qsort abort kv_panic_at xmalloc rng_next hash64 buf_append'.split()

BASE_NM = '\n'.join(f'{name} T 0 10' for name in '''
    clock_mono_us clock_wall_us rng_entropy rng_entropy_bytes log_event log_enabled kv_panic_at xmalloc rng_next hash64
    buf_append'''.split())


def test_layers(tap):
    for path, line in BAD_INCLUDES:
        tap.check(f'{path} may not say {line.strip()}', [] if layers.check(path, [line]) else ['it was let through'])
    for path, line in GOOD_INCLUDES:
        tap.check(f'{path} may say {line.strip()}', layers.check(path, [line]))
    every_row = [folder for folder in layers.PROJECT if not any(
        layers.folder_rule(path, layers.PROJECT) is layers.PROJECT[folder] for path, _ in BAD_INCLUDES)]
    tap.check('every row of the table has a bad include here', every_row)
    every_library = [pattern for pattern in layers.EXTERNAL if not any(
        '<' + pattern.rstrip('*') in line for _, line in BAD_INCLUDES)]
    tap.check('every external library has a bad include here', every_library)


def test_pure(tap):
    def found(name):
        return pure.impure(f'libreplication.a[op.c.o]:\nop_get T 0 10\n{name} U         \n', BASE_NM)
    for name in IMPURE_SYMBOLS:
        tap.check(f'replication may not call {name}', [] if found(name) == [name] else ['it was let through'])
    for name in PURE_SYMBOLS:
        tap.check(f'replication may call {name}', found(name))
    tap.check('a symbol of another member of the archive is no dependency',
              pure.impure('a[x.o]:\nop_get U         \na[y.o]:\nop_get T 0 10\n', BASE_NM))


def test_style(tap):
    good = ['/* SPDX-License-Identifier: Apache-2.0 */', 'int x;', '']
    tap.check('a good file passes', style.spdx_problem(good) + style.space_problems(good))
    for name, problems in (
            ('a missing licence line', style.spdx_problem(['int x;', ''])),
            ('another licence', style.spdx_problem(['/* SPDX-License-Identifier: MIT */', ''])),
            ('a licence line that is not the first', style.spdx_problem([''] + good)),
            ('a space at the end', style.space_problems(['int x; ', ''])),
            ('a tab at the end', style.space_problems(['int x;\t', ''])),
            ('a carriage return', style.space_problems(['int x;\r', ''])),
            ('a missing last newline', style.space_problems(['int x;'])),
            ('an empty last line', style.space_problems(['int x;', '', ''])),
            ('sleep in C', style.sleep_problems('tests/unit/test_x.c', ['\tsleep(1);'])),
            ('usleep in C', style.sleep_problems('tests/unit/test_x.c', ['\tusleep (10);'])),
            ('nanosleep in C', style.sleep_problems('tests/support/x.h', ['\tnanosleep(&ts, NULL);'])),
            ('sleep in Python', style.sleep_problems('tests/cli/x.py', ['    time.sleep(0.1)'])),
            ('sleep in a shell script', style.sleep_problems('tests/cli/x.sh', ['kvctl get x; sleep 1'])),
            ('sleep in a loop of a shell script', style.sleep_problems('tests/cli/run', ['while x; do sleep 0.1; done']))):
        tap.check(f'{name} is found', [] if problems else ['it was let through'])
    tap.check('a word that contains sleep passes', style.sleep_problems(
        'tests/unit/test_x.c', ['static void a_sleeping_node_wakes(void)', 'wakes_from_sleep = 1;']))


def test_format(tap, root, clang_format):
    if not clang_format:
        tap.skip('a file out of format is found', 'clang-format-14 is not installed')
        return
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(os.path.abspath(root), '.clang-format'), os.path.join(folder, '.clang-format'))
        for name, text in (('good.c', 'int x;\n'), ('bad.c', 'int   x ;\n')):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                file.write(text)
        tap.check('a file in format passes', format_lint.problems(folder, clang_format, ['good.c']))
        bad = format_lint.problems(folder, clang_format, ['good.c', 'bad.c'])
        tap.check('a file out of format is found', [] if any('bad.c' in problem for problem in bad) else ['let through'])


def main(root, clang_format):
    tap = Tap()
    test_layers(tap)
    test_pure(tap)
    test_style(tap)
    test_format(tap, root, clang_format)
    tap.finish()


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2])
