# SPDX-License-Identifier: Apache-2.0
"""What processes used, and what else the machine did meanwhile, from /proc."""

import os
import time

TICK_US = 1000000 // os.sysconf('SC_CLK_TCK')
CORES = os.sysconf('SC_NPROCESSORS_ONLN')
KERNEL_THREAD = 0x00200000  # in the flags of /proc/PID/stat

# A slice is disturbed if other processes took more than this share of all cores, or the hypervisor did.
FOREIGN_MAX = 0.05
STEAL_MAX = 0.02


def _read(path):
    try:
        with open(path, encoding='ascii', errors='replace') as file:
            return file.read()
    except OSError:
        return ''


def _stat(pid):
    """The fields of /proc/PID/stat behind the name, or None."""
    text = _read(f'/proc/{pid}/stat')
    return text[text.rindex(')') + 2:].split() if text else None


def resident_bytes(pid):
    return int(_stat(pid)[21]) * os.sysconf('SC_PAGESIZE')


class CpuMeter:
    """CPU time of processes in microseconds: nanoseconds of each thread, added up. A thread that ends keeps what was seen of it."""

    def __init__(self, pids):
        self.pids, self.threads, self.total_ns = list(pids), {}, 0
        self.read_us()

    def read_us(self):
        for pid in self.pids:
            try:
                threads = os.listdir(f'/proc/{pid}/task')
            except OSError:
                continue
            for thread in threads:
                text = _read(f'/proc/{pid}/task/{thread}/schedstat')
                if text:
                    now = int(text.split()[0])
                    self.total_ns += now - self.threads.get((pid, thread), 0)
                    self.threads[(pid, thread)] = now
        return self.total_ns / 1000


def written_bytes(pids):
    """What the processes caused to be written to disk."""
    total = 0
    for pid in pids:
        for line in _read(f'/proc/{pid}/io').splitlines():
            if line.startswith('write_bytes:'):
                total += int(line.split()[1])
    return total


def children(pid):
    """PID and every process below it."""
    found, queue = [], [pid]
    while queue:
        pid = queue.pop()
        found.append(pid)
        for thread in os.listdir(f'/proc/{pid}/task') if os.path.isdir(f'/proc/{pid}/task') else []:
            queue += [int(word) for word in _read(f'/proc/{pid}/task/{thread}/children').split()]
    return found


class Others:
    """
    CPU time of all processes that are not OURS, kernel threads left out: they work for whoever caused it. Time of a process
    that ended counts too, in its parent, which waited for it.
    """

    def __init__(self, ours):
        self.ours = set(ours) | {os.getpid()}
        self.last = self._read()

    def _read(self):
        spent = {}
        for name in os.listdir('/proc'):
            fields = _stat(name) if name.isdigit() else None
            if fields and int(name) not in self.ours and not int(fields[6]) & KERNEL_THREAD:
                spent[int(name)] = sum(int(field) for field in fields[11:15])
        steal = int(_read('/proc/stat').split('\n', 1)[0].split()[8])
        return time.monotonic(), sum(spent.values()), steal

    def shares(self):
        """Shares of all cores since the last call: of other processes, and stolen."""
        at, spent, steal = self._read()
        last_at, last_spent, last_steal = self.last
        self.last = at, spent, steal
        whole = max(at - last_at, 1e-6) * 1e6 * CORES / TICK_US
        return max(spent - last_spent, 0) / whole, max(steal - last_steal, 0) / whole


def settings():
    """What the reader of a figure wants to know of the machine."""
    model = next((line.split(':', 1)[1].strip() for line in _read('/proc/cpuinfo').splitlines()
                  if line.startswith('model name')), 'unknown')
    memory = int(_read('/proc/meminfo').split()[1]) // 1024
    return {'cpu': model, 'cores': CORES, 'memory_mib': memory, 'kernel': os.uname().release}
