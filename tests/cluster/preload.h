/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The shared library that a faulty node is started with (preload.c), and the block of memory through which a test
 * commands it. The block is a file that both map, so commands work at once, and what it tells outlives the node.
 */
#ifndef KV_TESTS_CLUSTER_PRELOAD_H
#define KV_TESTS_CLUSTER_PRELOAD_H

#include <stdatomic.h>
#include <stdint.h>

/* Environment variable of the node: the path of the block's file. */
#define PRELOAD_CONTROL "KVD_PRELOAD_CONTROL"

#define PRELOAD_FILES_MAX 256

/** How much of a file is on the disk for certain. inode 0: unused. */
struct preload_file {
	_Atomic uint64_t inode;
	_Atomic uint64_t synced_size;
};

/** All zero: nothing is wrong. */
struct preload_control {
	_Atomic int64_t wall_offset_us; /* added to the wall clock */
	_Atomic uint32_t sync_fails;    /* fsync and fdatasync give EIO, without syncing */
	_Atomic uint32_t sync_hangs;    /* they wait until this is 0 again, before they sync */
	_Atomic uint32_t sync_delay_us; /* they take as much longer */
	_Atomic uint32_t disk_full;     /* whatever makes a file longer gives ENOSPC */
	/* Told by the node. */
	_Atomic uint32_t failures; /* faults that struck */
	struct preload_file files[PRELOAD_FILES_MAX];
};

#endif
