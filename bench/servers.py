# SPDX-License-Identifier: Apache-2.0
"""kvd and the systems it is compared with: start, preload, ask, stop. All on loopback, at ports the system chose."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(('127.0.0.1', 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            result = condition()
        except OSError:
            result = None
        if result:
            return result
        if time.monotonic() > end:
            raise RuntimeError(f'not within {seconds} s: {what}')
        time.sleep(0.05)


class Server:
    """Processes that serve together. Keys and values are those of kvctl bench."""

    name = ''
    promise = ''

    def __init__(self, tools, folder):
        self.tools = tools
        self.dir = os.path.join(folder, f'{self.name}-{len(os.listdir(folder))}')
        os.mkdir(self.dir)
        self.processes = []

    def spawn(self, argv, **options):
        with open(os.path.join(self.dir, f'log-{len(self.processes)}'), 'wb') as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                                       start_new_session=True, **options)
        self.processes.append(process)
        return process

    def pids(self):
        return [process.pid for process in self.processes]

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def load(self, operation, clients, depth, keys, size, seconds, interval_ms):
        """The command line of the load."""
        raise NotImplementedError

    def preload(self, keys, size):
        raise NotImplementedError

    def syncs(self):
        """Syncs of all processes so far; None: it does not count them."""
        return None

    def peerload(self, protocol, verb, addresses, *options):
        return [self.tools.path('bench/compare/peerload'), protocol, verb, *map(str, options), *addresses]

    def run(self, argv, seconds=3000):
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, env=self.environment())
        if done.returncode != 0:
            raise RuntimeError(f'{" ".join(argv)} ended with {done.returncode}: {done.stderr.decode(errors="replace")[-1000:]}')
        return done.stdout.decode()

    def environment(self):
        return {name: value for name, value in os.environ.items() if not name.startswith(('KVCTL_', 'KVD_'))}


class Kvd(Server):
    """A cluster made by kvctl dev up. VARIABLES are settings, as kvd takes them from the environment."""

    name = 'kvd'

    # What is measured -> the mix that asks for it.
    MIXES = {'put_strong': 'put@strong=1', 'get_strong': 'get@strong=1', 'put_eventual': 'put@eventual=1',
             'get_eventual': 'get@eventual=1', 'put': 'put@strong=1', 'get': 'get@strong=1',
             'mixed': 'get@strong=1,put@strong=1'}

    def __init__(self, tools, folder, nodes=3, **variables):
        super().__init__(tools, folder)
        self.nodes, self.variables = nodes, variables
        self.run([tools.path('cli/kvctl'), 'dev', 'up', str(nodes), '--dir', self.dir])
        self.addresses = open(os.path.join(self.dir, 'endpoints'), encoding='utf-8').read().strip()

    def environment(self):
        return {**super().environment(), 'KVD': self.tools.path('server/kvd'), **self.variables}

    def pids(self):
        return [int(open(os.path.join(self.dir, f'n{i + 1}', 'pid'), encoding='utf-8').read()) for i in range(self.nodes)]

    def stop(self):
        try:
            self.run([self.tools.path('cli/kvctl'), 'dev', 'down', '--dir', self.dir])
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def bench(self, mix, *options):
        return [self.tools.path('cli/kvctl'), 'bench', '-e', self.addresses, '--mix', mix, '--key-size', '16', '--timeout',
                '10s', *map(str, options)]

    def load(self, operation, clients, depth, keys, size, seconds, interval_ms):
        return self.bench(self.MIXES[operation], '--clients', clients, '--threads', 1, '--inflight', depth, '--keys', keys,
                          '--size', size, '--seconds', seconds, '--interval', f'{interval_ms}ms', '-o', 'jsonl')

    def preload(self, keys, size):
        self.run(self.bench('get@strong=1', '--preload', '--ops', 1, '--clients', 4, '--inflight', 64, '--keys', keys,
                            '--size', size))

    def join(self):
        """Starts one node more and lets it join: the process that ends when it has its share."""
        return subprocess.Popen([self.tools.path('cli/kvctl'), 'dev', 'add', '--dir', self.dir], env=self.environment(),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def counters(self):
        import json
        return json.loads(self.run([self.tools.path('bench/compare/counters'), *self.addresses.split(',')]))

    def syncs(self):
        return self.counters().get('store_syncs')

    def tables(self):
        """The engines' files of all nodes. One that was there and is not any more was merged into others."""
        return {os.path.join(folder, name) for folder, _, names in os.walk(self.dir) for name in names if name.endswith('.sst')}


class Etcd(Server):
    """Three members. Puts and linearizable gets go to the leader, which is cheapest for etcd; serializable gets to all."""

    name = 'etcd'
    promise = 'a put is synced by a majority; a get is linearizable, or with "serializable" what one member knows'

    def __init__(self, tools, folder):
        super().__init__(tools, folder)
        ports = free_ports(6)
        self.client_ports, peer_ports = ports[:3], ports[3:]
        everyone = ','.join(f'm{i}=http://127.0.0.1:{port}' for i, port in enumerate(peer_ports))
        for i in range(3):
            client, peer = (f'http://127.0.0.1:{port}' for port in (self.client_ports[i], peer_ports[i]))
            self.spawn([tools.etcd(), '--name', f'm{i}', '--data-dir', os.path.join(self.dir, f'm{i}'),
                        '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer,
                        '--initial-advertise-peer-urls', peer, '--initial-cluster', everyone, '--initial-cluster-state', 'new',
                        '--quota-backend-bytes', str(8 << 30), '--log-level', 'error'], env=self.environment())
        self.leader = wait_for('a leader of etcd', self.find_leader)

    def metrics(self, port):
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics', timeout=5) as answer:
            return dict(re.findall(r'^(etcd_\w+) (\S+)$', answer.read().decode(), re.MULTILINE))

    def find_leader(self):
        views = [self.metrics(port) for port in self.client_ports]
        if any(float(view.get('etcd_server_has_leader', 0)) != 1 for view in views):
            return None
        leaders = [port for port, view in zip(self.client_ports, views) if float(view['etcd_server_is_leader']) == 1]
        return f'127.0.0.1:{leaders[0]}' if leaders else None

    def load(self, operation, clients, depth, keys, size, seconds, interval_ms):
        eventual = operation == 'get_eventual'
        addresses = [f'127.0.0.1:{port}' for port in self.client_ports] if eventual else [self.find_leader() or self.leader]
        return self.peerload('etcd', operation.split('_')[0], addresses, '--clients', clients, '--depth', depth, '--keys', keys,
                             '--size', size, '--seconds', seconds, '--interval-ms', interval_ms, '--serializable',
                             int(eventual))

    def preload(self, keys, size):
        self.run(self.peerload('etcd', 'preload', [self.leader], '--clients', 8, '--depth', 2, '--keys', keys, '--size', size))

    def syncs(self):
        names = ('etcd_disk_wal_fsync_duration_seconds_count', 'etcd_disk_backend_commit_duration_seconds_count')
        return sum(int(float(self.metrics(port)[name])) for port in self.client_ports for name in names)


class Redis(Server):
    """One server, or one and its replicas, every one with an append-only file that is synced before the answer."""

    name = 'redis'
    promise = 'a put is synced by the primary and has reached one replica, not its disk; a failover may lose it; a get may be stale'

    def __init__(self, tools, folder, replicas=0):
        super().__init__(tools, folder)
        self.replicas = replicas
        ports = free_ports(1 + replicas)
        self.address = f'127.0.0.1:{ports[0]}'
        self.port = ports[0]
        for i, port in enumerate(ports):
            home = os.path.join(self.dir, f'r{i}')
            os.mkdir(home)
            argv = [tools.redis(), '--port', str(port), '--bind', '127.0.0.1', '--dir', home, '--appendonly', 'yes',
                    '--appendfsync', 'always', '--save', '', '--auto-aof-rewrite-percentage', '0', '--daemonize', 'no']
            if i > 0:
                argv += ['--replicaof', '127.0.0.1', str(ports[0]), '--repl-diskless-sync-delay', '0']
            self.spawn(argv)
        wait_for('redis', self.is_ready)

    def ask(self, command):
        with socket.create_connection(('127.0.0.1', self.port), 5) as link:
            link.sendall(command.encode() + b'\r\n')
            link.shutdown(socket.SHUT_WR)
            text = b''
            while True:
                part = link.recv(65536)
                if not part:
                    return text.decode(errors='replace')
                text += part

    def is_ready(self):
        return self.ask('INFO replication').count('state=online') == self.replicas and '+PONG' in self.ask('PING')

    def load(self, operation, clients, depth, keys, size, seconds, interval_ms):
        return self.peerload('redis', operation.split('_')[0], [self.address], '--clients', clients, '--depth', depth, '--keys',
                             keys, '--size', size, '--seconds', seconds, '--interval-ms', interval_ms, '--wait',
                             min(1, self.replicas))

    def preload(self, keys, size):
        self.run(self.peerload('redis', 'preload', [self.address], '--clients', 4, '--depth', 64, '--keys', keys, '--size', size))


class Echo(Server):
    """Sends back what it is sent, on kvd's event loop: what any server of this kind costs."""

    name = 'echo'
    promise = 'nothing: it sends back what it is sent'

    def __init__(self, tools, folder):
        super().__init__(tools, folder)
        process = subprocess.Popen([tools.path('bench/compare/echo_server')], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   start_new_session=True)
        self.processes.append(process)
        self.address = process.stdout.readline().decode().strip()

    def load(self, operation, clients, depth, keys, size, seconds, interval_ms):
        return self.peerload('echo', operation.split('_')[0], [self.address], '--clients', clients, '--depth', depth, '--keys',
                             keys, '--size', size, '--seconds', seconds, '--interval-ms', interval_ms)

    def preload(self, keys, size):
        pass

    def syncs(self):
        return 0
