# SPDX-License-Identifier: Apache-2.0
"""
One load against one server, cut into slices. The load generator tells each interval as a line; at that moment the CPU time of the
servers is read. The first interval connects and warms up and is left out.
"""

import json
import os
import subprocess

import machine


class Slice:
    """What happened in an interval."""

    def __init__(self, line, cpu_us, foreign, steal, written):
        operations = line['operations']
        self.seconds, self.cpu_us, self.foreign, self.steal, self.written = line['seconds'], cpu_us, foreign, steal, written
        self.count = sum(row['count'] for row in operations)
        self.histogram = [pair for row in operations for pair in row['histogram']]
        self.max_us = max(row['max_us'] for row in operations)
        self.bad = sum(count for name, count in line['statuses'].items() if name not in ('OK', 'NOT_FOUND'))

    def is_disturbed(self):
        return self.foreign > machine.FOREIGN_MAX or self.steal > machine.STEAL_MAX


def take(server, argv, bystanders=()):
    """
    Runs the load ARGV against SERVER and gives its slices, and what the whole of it was. BYSTANDERS are processes of ours that idle
    meanwhile.
    """
    syncs = server.syncs()
    pids = server.pids()
    meter = machine.CpuMeter(pids)
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=server.environment(), start_new_session=True)
    others = machine.Others([*pids, *bystanders, process.pid])
    last_cpu, last_written, slices, line = meter.read_us(), machine.written_bytes(pids), [], {}
    try:
        for text in process.stdout:
            line = json.loads(text)
            cpu, written, shares = meter.read_us(), machine.written_bytes(pids), others.shares()
            if line.get('interval', 0) > 0:
                slices.append(Slice(line, cpu - last_cpu, *shares, written - last_written))
            last_cpu, last_written = cpu, written
        talk = process.stderr.read().decode(errors='replace')
        if process.wait() != 0 and not slices:
            raise RuntimeError(f'{os.path.basename(argv[0])} ended with {process.returncode}: {talk[-1000:]}')
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
    count = sum(row['count'] for row in line['operations'])
    syncs_per_op = (server.syncs() - syncs) / count if syncs is not None and count else None
    return slices, {'syncs_per_op': syncs_per_op, 'unsent': line.get('unsent', 0)}


def quantile(pairs, share):
    """The least latency of the bucket in which the sample at SHARE lies."""
    total = sum(count for _, count in pairs)
    seen = 0
    for value, count in sorted(pairs):
        seen += count
        if seen >= share * total:
            return value
    return 0


def summary(slices):
    """Figures of the slices that were not disturbed; of all, and marked so, if there are too few of them."""
    kept = [one for one in slices if not one.is_disturbed()]
    enough = len(kept) >= max(2, len(slices) // 8)
    used = kept if enough else slices
    count = sum(one.count for one in used)
    pairs = [pair for one in used for pair in one.histogram]
    if count == 0:
        raise RuntimeError('nothing was answered within a slice')
    return {'cpu_us': sum(one.cpu_us for one in used) / count, 'ops': count / sum(one.seconds for one in used),
            'p50_us': quantile(pairs, 0.5), 'p99_us': quantile(pairs, 0.99), 'p999_us': quantile(pairs, 0.999),
            'max_us': max(one.max_us for one in used), 'bytes_per_op': sum(one.written for one in used) / count,
            'errors': sum(one.bad for one in slices), 'slices_kept': len(kept), 'slices_thrown': len(slices) - len(kept),
            'disturbed': not enough}
