# SPDX-License-Identifier: Apache-2.0
"""
What is measured. A row compares kvd with one peer doing the same work, in alternation: A B B A, so that what drifts (heat, disk,
neighbours) meets both alike.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import machine
import servers
import slices

CLIENTS = 64
VALUE_SIZE = 100


class Plan:
    """How large and how long."""

    def __init__(self, keys, interval_ms, seconds, tries, deadline_seconds):
        self.keys, self.interval_ms, self.seconds, self.tries = keys, interval_ms, seconds, tries
        self.deadline = time.monotonic() + deadline_seconds


QUICK = {'keys': 100000, 'interval_ms': 500, 'seconds': 3, 'tries': 1, 'deadline_seconds': 240}
FULL = {'keys': 1000000, 'interval_ms': 1000, 'seconds': 11, 'tries': 3, 'deadline_seconds': 3 * 3600}


def say(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)


def target(what, value, limit, at_least=False):
    """A figure beside what it should be."""
    met = None if value is None else value >= limit if at_least else value <= limit
    return {'what': what, 'value': value, 'limit': limit, 'at_least': at_least, 'met': met}


def rounded(value):
    return value if not isinstance(value, float) else float(f'{value:.4g}')


def row(name, peer, kvd, other, targets=(), ratio=None, ratio_of='cpu', **more):
    """One result. KVD and OTHER are summaries, or None where nothing was measured; the ratio of CPU tells how often kvd fits in."""
    kvd, other = kvd or {}, other or {}
    if ratio is None and kvd.get('cpu_us') and other.get('cpu_us'):
        ratio = other['cpu_us'] / kvd['cpu_us']
    result = {'row': name, 'kvd_cpu_us': kvd.get('cpu_us'), 'peer': peer, 'peer_cpu_us': other.get('cpu_us'), 'ratio': ratio,
              'kvd_ops': kvd.get('ops'), 'peer_ops': other.get('ops'), 'ratio_of': ratio_of}
    for field in ('p50_us', 'p99_us', 'p999_us', 'max_us', 'syncs_per_op', 'bytes_per_op', 'errors'):
        for who, figures in (('kvd', kvd), ('peer', other)):
            result[f'{who}_{field}'] = figures.get(field)
    result['slices_kept'] = sum(figures.get('slices_kept', 0) for figures in (kvd, other))
    result['slices_thrown'] = sum(figures.get('slices_thrown', 0) for figures in (kvd, other))
    result['disturbed'] = any(figures.get('disturbed', False) for figures in (kvd, other))
    result.update(more)
    result = {key: rounded(value) for key, value in result.items()}
    result['targets'] = [{key: rounded(value) for key, value in one.items()} for one in targets]
    return result


class Side:
    """One of the two, and what was measured of it so far."""

    def __init__(self, server):
        self.server, self.slices, self.syncs = server, [], []

    def run(self, load, bystanders):
        got, whole = slices.take(self.server, load, bystanders)
        self.slices += got
        if whole['syncs_per_op'] is not None:
            self.syncs.append(whole['syncs_per_op'])

    def summary(self):
        result = slices.summary(self.slices)
        result['syncs_per_op'] = sum(self.syncs) / len(self.syncs) if self.syncs else None
        return result


def pair(plan, kvd, peer, operation, depth=1, clients=CLIENTS, size=VALUE_SIZE, keys=None, peer_keys=None):
    """Summaries of both, from A B B A, again while too much was disturbed and there is time."""
    all_keys = keys or plan.keys, peer_keys or keys or plan.keys
    sides = Side(kvd), Side(peer)
    for attempt in range(plan.tries):
        for index in (0, 1, 1, 0):
            side = sides[index]
            load = side.server.load(operation, clients, depth, all_keys[index], size, plan.seconds, plan.interval_ms)
            side.run(load, sides[1 - index].server.pids())
        results = [side.summary() for side in sides]
        if not any(result['disturbed'] for result in results) or time.monotonic() > plan.deadline:
            break
        say(f'{operation}: too much was disturbed ({attempt + 1} of {plan.tries})')
    return results


def alone(plan, kvd, operation, depth=1, clients=CLIENTS, size=VALUE_SIZE, keys=None):
    """A summary of kvd without a peer."""
    side = Side(kvd)
    for _ in range(plan.tries):
        side.run(kvd.load(operation, clients, depth, keys or plan.keys, size, plan.seconds, plan.interval_ms), ())
        if not side.summary()['disturbed'] or time.monotonic() > plan.deadline:
            break
    return side.summary()


def program(argv, seconds=600):
    """What one of our own programs tells, as JSON, and how much the machine was disturbed meanwhile."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    try:
        others = machine.Others([process.pid])
        out, _ = process.communicate(timeout=seconds)
        foreign, steal = others.shares()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise RuntimeError(f'{argv[0]} ended with {process.returncode}')
    return json.loads(out), foreign > machine.FOREIGN_MAX or steal > machine.STEAL_MAX


def rocks_alone(plan, tools, folder, size, batch, keys):
    """A summary of RocksDB in a process of its own."""
    home = os.path.join(folder, 'rocks')
    try:
        found, disturbed = program([tools.path('bench/compare/rocks_alone'), home, str(keys), str(size), str(batch),
                                    str(plan.seconds)])
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return {'cpu_us': found['cpu_us'], 'ops': found['per_second'], 'p50_us': found['p50_us'], 'p99_us': found['p99_us'],
            'p999_us': found['p999_us'], 'max_us': found['max_us'], 'syncs_per_op': found['syncs'] / found['puts'],
            'slices_kept': int(not disturbed), 'slices_thrown': int(disturbed), 'disturbed': disturbed}


class Bench:
    """The servers that are up, and the rows they serve."""

    def __init__(self, plan, tools, folder, emit, only=None):
        self.plan, self.tools, self.folder, self.emit, self.only = plan, tools, folder, emit, only
        self.up = []

    def start(self, kind, keys=None, size=VALUE_SIZE, **options):
        keys = keys or self.plan.keys
        say(f'{kind.name} starts, with {keys} keys')
        server = kind(self.tools, self.folder, **options)
        self.up.append(server)
        server.preload(keys, size)
        return server

    def stop(self, *those):
        for server in those or list(self.up):
            self.up.remove(server)
            server.stop()

    def wants(self, *names):
        if time.monotonic() > self.plan.deadline:
            say(f'{", ".join(names)}: left out, there is no time left')
            return False
        return self.only is None or any(name in self.only for name in names)

    def compare(self, name, kvd, peer, peer_name, operation, targets=lambda kvd, peer: (), **load):
        if not self.wants(name):
            return
        say(f'{name}: kvd and {peer_name} in turn')
        ours, theirs = pair(self.plan, kvd, peer, operation, **load)
        self.emit(row(name, peer_name, ours, theirs, targets(ours, theirs)))

    # ---- Points 1 and 2: three nodes ----

    def three_nodes(self):
        names = ('put_strong', 'get_strong', 'get_eventual', 'put_eventual', 'put_strong_redis', 'unpipelined')
        if not self.wants(*names):
            return
        kvd = self.start(servers.Kvd)
        if self.wants('put_strong', 'get_strong', 'get_eventual'):
            self.against_etcd(kvd)
        if self.wants('put_strong_redis', 'put_eventual'):
            self.against_replicated_redis(kvd)
        self.unpipelined(kvd)
        self.stop(kvd)

    def against_etcd(self, kvd):
        etcd = self.start(servers.Etcd)
        self.compare('put_strong', kvd, etcd, 'etcd', 'put_strong', lambda ours, theirs: [
            target('CPU us a put', ours['cpu_us'], 56),
            target('times etcd per CPU', theirs['cpu_us'] / ours['cpu_us'], 4, at_least=True),
            target("times etcd's throughput", ours['ops'] / theirs['ops'], 3.5, at_least=True),
            target('p50 us', ours['p50_us'], 3000), target('p99 us', ours['p99_us'], 10000)])
        self.compare('get_strong', kvd, etcd, 'etcd', 'get_strong', lambda ours, theirs: [
            target('CPU us a get', ours['cpu_us'], 27),
            target('times etcd per CPU', theirs['cpu_us'] / ours['cpu_us'], 7, at_least=True)])
        self.compare('get_eventual', kvd, etcd, 'etcd serializable', 'get_eventual',
                     lambda ours, theirs: [target('CPU us a get', ours['cpu_us'], 17)])
        self.stop(etcd)

    def against_replicated_redis(self, kvd):
        redis = self.start(servers.Redis, replicas=2)
        self.compare('put_strong_redis', kvd, redis, 'redis 1+2 WAIT 1', 'put_strong', lambda ours, theirs: [
            target('times redis per CPU', theirs['cpu_us'] / ours['cpu_us'], 1, at_least=True)])
        self.compare('put_eventual', kvd, redis, 'redis 1+2 WAIT 1', 'put_eventual',
                     lambda ours, theirs: [target('CPU us a put, synced', ours['cpu_us'], 46)])
        self.stop(redis)

    # ---- Point 4: one client ----

    def unpipelined(self, kvd):
        if not self.wants('unpipelined'):
            return
        say('unpipelined: one client, and the round trip and sync of this machine')
        probe = [self.tools.path('bench/compare/probe'), self.folder, '2']
        before, disturbed_before = program(probe)
        ours = alone(self.plan, kvd, 'put_strong', clients=1)
        after, disturbed_after = program(probe)
        trip, sync = ((before[name] + after[name]) / 2 for name in ('round_trip_p50_us', 'sync_p50_us'))
        floor = {'p50_us': trip + sync, 'disturbed': disturbed_before or disturbed_after}
        ratio = ours['p50_us'] / floor['p50_us']
        self.emit(row('unpipelined', 'round trip + sync', ours, floor, [target('times round trip + sync', ratio, 1.3)],
                      ratio=ratio, ratio_of='p50', round_trip_p50_us=trip, sync_p50_us=sync))

    # ---- Point 3: one node ----

    def one_node(self):
        names = ('one_node_put', 'one_node_get', 'one_node_get_16', 'echo', 'echo_16', 'one_node_rocksdb')
        if not self.wants(*names):
            return
        kvd = self.start(servers.Kvd, nodes=1)
        if self.wants('one_node_put', 'one_node_get', 'one_node_get_16'):
            redis = self.start(servers.Redis)
            for name, operation, depth, limit in (('one_node_put', 'put', 1, 24), ('one_node_get', 'get', 1, 15),
                                                  ('one_node_get_16', 'get', 16, 6)):
                self.compare(name, kvd, redis, 'redis', operation,
                             lambda ours, theirs, limit=limit: [target('CPU us', ours['cpu_us'], limit)], depth=depth)
            self.stop(redis)
        if self.wants('echo', 'echo_16'):
            echo = self.start(servers.Echo)
            self.compare('echo', kvd, echo, 'echo', 'get')
            self.compare('echo_16', kvd, echo, 'echo', 'get', depth=16)
            self.stop(echo)
        if self.wants('one_node_rocksdb'):
            say('one_node_rocksdb: kvd and the engine alone in turn, 32 puts a sync')
            side = Side(kvd)
            load = kvd.load('put', CLIENTS, 1, self.plan.keys, VALUE_SIZE, self.plan.seconds, self.plan.interval_ms)
            side.run(load, ())
            engine = rocks_alone(self.plan, self.tools, self.folder, VALUE_SIZE, 32, self.plan.keys)
            side.run(load, ())
            ours = side.summary()
            self.emit(row('one_node_rocksdb', 'rocksdb alone, batches of 32', ours, engine))
        self.stop(kvd)

    # ---- Point 5: cost growth ----

    def growth(self, name, peer_name, operation, kvd, peer, limit, **load):
        """How much dearer an operation is with more of something: kvd has more, its peer is kvd with less."""
        if not self.wants(name):
            return
        say(f'{name}: kvd with more and with less in turn')
        more, less = pair(self.plan, kvd, peer, operation, **load)
        ratio = more['cpu_us'] / less['cpu_us']
        self.emit(row(name, peer_name, more, less, [target('times the CPU of the smaller', ratio, limit)], ratio=ratio,
                      ratio_of='cost'))

    def more_keys(self):
        if not self.wants('ten_times_the_keys_put', 'ten_times_the_keys_get'):
            return
        few, many = self.plan.keys, 10 * self.plan.keys
        less, more = self.start(servers.Kvd, keys=few), self.start(servers.Kvd, keys=many)
        for name, operation in (('ten_times_the_keys_put', 'put_strong'), ('ten_times_the_keys_get', 'get_strong')):
            self.growth(name, f'kvd with {few} keys', operation, more, less, 1.25, keys=many, peer_keys=few)
        self.stop(less, more)

    def more_nodes(self):
        if not self.wants('nine_nodes_put', 'nine_nodes_get'):
            return
        less, more = self.start(servers.Kvd), self.start(servers.Kvd, nodes=9)
        for name, operation in (('nine_nodes_put', 'put_strong'), ('nine_nodes_get', 'get_strong')):
            self.growth(name, 'kvd with 3 nodes', operation, more, less, 1.1)
        self.stop(less, more)

    def anti_entropy(self):
        """Comparing all replicas every ten seconds, six times as often as by default, beside never. Trees are kept up by both."""
        if not self.wants('anti_entropy'):
            return
        never, often = self.start(servers.Kvd, KVD_TEST_COMPARE_INTERVAL='60m'), self.start(servers.Kvd, KVD_TEST_COMPARE_INTERVAL='10s')
        say('anti_entropy: kvd that compares and kvd that does not in turn')
        ours, theirs = pair(self.plan, often, never, 'put_strong')
        ratio = ours['ops'] / theirs['ops']
        self.emit(row('anti_entropy', 'kvd that never compares', ours, theirs, [
            target('times its throughput', ratio, 0.9, at_least=True),
            target('times its CPU', ours['cpu_us'] / theirs['cpu_us'], 1.1)], ratio=ratio, ratio_of='throughput'))
        self.stop(never, often)

    def moving(self):
        """How long requests take that are due while a fourth node joins, beside before."""
        if not self.wants('moving'):
            return
        size, rate = 1024, 500
        kvd = self.start(servers.Kvd, size=size)

        def ask(seconds):
            got, _ = slices.take(kvd, kvd.bench('get@strong=7,put@strong=3', '--clients', 16, '--threads', 1, '--inflight', 16, '--keys',
                                                self.plan.keys, '--size', size, '--seconds', seconds, '--rate', rate, '--interval', '1s',
                                                '-o', 'jsonl'))
            for one in got:
                one.foreign = 0  # the fourth node's work is what is to be seen
            return got
        say(f'moving: {rate} requests a second, before a node joins and while it does')
        before = slices.summary(ask(max(10, self.plan.seconds)))
        joining, got = kvd.join(), []
        try:
            while not got or (joining.poll() is None and time.monotonic() < self.plan.deadline):
                got += ask(5)
            code = joining.wait(600)
        finally:
            if joining.poll() is None:
                joining.kill()
        if code != 0:
            raise RuntimeError(f'kvctl dev add ended with {code}')
        during = slices.summary(got)
        ratio = during['p99_us'] / before['p99_us']
        self.emit(row('moving', 'the same before', during, before, [target('times the p99 of before', ratio, 3)], ratio=ratio,
                      ratio_of='p99', seconds=len(got)))
        self.stop(kvd)

    def large_values(self):
        """Per node: three nodes write each value three times, to the same disk."""
        size, keys = 64 << 10, min(self.plan.keys, 2000)
        for name, nodes in (('large_values', 1), ('large_values_3', 3)):
            if not self.wants(name):
                continue
            kvd = self.start(servers.Kvd, keys=keys, size=size, nodes=nodes)
            say(f'{name}: kvd and the engine alone in turn, values of 64 KiB')
            side = Side(kvd)
            load = kvd.load('put', 16, 1, keys, size, self.plan.seconds, self.plan.interval_ms)
            side.run(load, ())
            engine = rocks_alone(self.plan, self.tools, self.folder, size, 8, keys)
            side.run(load, ())
            ours = side.summary()
            ratio = ours['ops'] * nodes / engine['ops']
            self.emit(row(name, 'rocksdb alone, batches of 8', ours, engine,
                          [target('share of what the engine alone writes', ratio, 0.6, at_least=True)], ratio=ratio,
                          ratio_of='bytes written'))
            self.stop(kvd)

    # ---- Point 6: latency under load ----

    def open_loop(self):
        if not self.wants('open_loop'):
            return
        size = 1024
        kvd = self.start(servers.Kvd, size=size, KVD_STORAGE_WRITE_BUFFER_SIZE='4MiB')
        capacity = alone(self.plan, kvd, 'mixed', size=size)['ops']
        rate, seconds = max(1, int(0.7 * capacity)), max(60, self.plan.seconds) if self.plan.seconds > 3 else 5
        say(f'open_loop: {rate} requests a second are due, for {seconds} s')
        before = kvd.tables()
        got, whole = slices.take(kvd, kvd.bench(kvd.MIXES['mixed'], '--clients', CLIENTS, '--threads', 1, '--inflight', 64, '--keys',
                                                self.plan.keys, '--size', size, '--seconds', seconds, '--rate', rate,
                                                '--interval', '1s', '-o', 'jsonl'))
        ours = slices.summary(got)
        longest = max(one.max_us for one in got)
        self.emit(row('open_loop', None, ours, None, [
            target('p99.9 in times of p50', ours['p999_us'] / ours['p50_us'], 20),
            target('longest stall, us', longest, 250000),
            target('files compacted meanwhile', len(before - kvd.tables()), 1, at_least=True)],
            rate=rate, unsent=whole['unsent'], longest_us=longest))
        self.stop(kvd)

    # ---- Point 7: memory ----

    def memory(self):
        if not self.wants('memory_idle', 'memory_connections'):
            return
        kvd = self.start(servers.Kvd, keys=1, nodes=1)
        idle = machine.resident_bytes(kvd.pids()[0]) / (1 << 20)
        self.emit(row('memory_idle', None, None, None, [target('MiB resident', idle, 64)]))
        if self.wants('memory_connections'):
            clients, most = 10000, 0
            say(f'memory_connections: {clients} clients')
            load = subprocess.Popen(kvd.bench('get@strong=1', '--clients', clients, '--threads', 1, '--inflight', 1, '--keys', 1,
                                              '--rate', 1000, '--seconds', 25, '-o', 'json'),
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
            connections = 0
            while load.poll() is None:
                most = max(most, machine.resident_bytes(kvd.pids()[0]) / (1 << 20))
                connections = max(connections, kvd.counters().get('connections', 0))
                time.sleep(0.3)
            load.stdout.close()
            self.emit(row('memory_connections', None, None, None, [
                target(f'MiB more at {clients} connections', most - idle, 256),
                target('connections', connections, clients, at_least=True)]))
        self.stop(kvd)

    def run(self, quick):
        """All rows, or the main ones. A group that fails is left out; False then."""
        groups = [self.three_nodes, self.one_node]
        if not quick:
            groups += [self.memory, self.large_values, self.open_loop, self.anti_entropy, self.moving, self.more_nodes, self.more_keys]
        good = True
        for group in groups:
            try:
                group()
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                say(f'{group.__name__} failed: {error}')
                good = False
                self.stop()
        return good
