/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rocks_options.h"

#define MIB ((uint64_t)1 << 20)

/* Of table files below the first level: all of them stay open. */
#define FILE_SIZE_MIN (32 * MIB)

enum {
	BLOOM_BITS_PER_KEY = 10,
	LEVELS_BASE_FILES = 4, /* memtables' worth of a table file */
	/* Files of the first level that are compacted together, that slow writes down, and that stop them. Memtables are small,
	   so the files are: each compaction writes anew what lies below them, 128 MiB by default. */
	LEVEL0_COMPACT = 8,
	LEVEL0_SLOW = 32,
	LEVEL0_STOP = 48,
	CHECKSUM_XXH3 = 4,  /* ChecksumType of RocksDB's table format; c.h has no name for it */
	FORMAT_VERSION = 5, /* of table files: full bloom filters that stay accurate when large */
	/* WARN. A line that RocksDB cannot write into its own log, because the disk is full, makes its next line fail an
	   assertion in builds that have them, Debian's for one. At INFO it writes one on the way back from the write
	   that found the disk full, and the node ends before it can say why. */
	INFO_LOG_LEVEL = 2,
};

const char *rocks_table_name(enum store_table table)
{
	static const char *const names[STORE_TABLE_COUNT] = {
		[STORE_DATA] = "data", [STORE_META] = "meta",     [STORE_TREE] = "tree",
		[STORE_HINT] = "hint", [STORE_LEDGER] = "ledger",
	};
	KV_ASSERT(table < STORE_TABLE_COUNT);
	return names[table];
}

/** What keeps acknowledged writes. */
static void set_safety(rocksdb_options_t *o)
{
	/* A log that is damaged before its end is refused; the default drops everything behind the damage in silence,
	   and a replica that forgets what it accepted breaks its quorum's promises. */
	rocksdb_options_set_wal_recovery_mode(o, rocksdb_tolerate_corrupted_tail_records_recovery);
	/* Reused log files end in old records, which that recovery mode cannot tell from damage. */
	rocksdb_options_set_recycle_log_file_num(o, 0);
	rocksdb_options_set_paranoid_checks(o, 1);
	/* All table files stay open: with a limit, a cache-only read of a closed file answers OK and an empty value. */
	rocksdb_options_set_max_open_files(o, -1);
	rocksdb_options_set_manual_wal_flush(o, 0);
	rocksdb_options_set_unordered_write(o, 0);
	rocksdb_options_set_enable_pipelined_write(o, 0);
	rocksdb_options_set_wal_compression(o, rocksdb_no_compression);
}

/** What bounds memory, disk and noise. */
static void set_resources(rocksdb_options_t *o, const struct rocks_config *config)
{
	rocksdb_options_set_max_background_jobs(o, 2);
	/* All memtables of all tables together: near it the largest is written out, however little it holds. */
	rocksdb_options_set_db_write_buffer_size(o, config->memory - config->cache_size);
	/* Small steps of write-back, so that a commit's sync does not wait behind a whole compaction's pages. */
	rocksdb_options_set_bytes_per_sync(o, MIB);
	/* A table that is hardly written would else keep old logs, and make the next start replay them. */
	rocksdb_options_set_max_total_wal_size(o, 2 * config->write_buffer_size + 32 * MIB);
	rocksdb_options_set_max_manifest_file_size(o, 16 * MIB);
	rocksdb_options_set_keep_log_file_num(o, 4);
	rocksdb_options_set_max_log_file_size(o, 8 * MIB);
	rocksdb_options_set_info_log_level(o, INFO_LOG_LEVEL);
	rocksdb_options_set_stats_dump_period_sec(o, 0);
	rocksdb_options_set_stats_persist_period_sec(o, 0);
}

/** What every table has. The block cache is always on: without one, cache-only reads answer wrongly. */
static void set_blocks(rocksdb_options_t *o, rocksdb_cache_t *cache, size_t block_size, bool bloom)
{
	rocksdb_block_based_table_options_t *blocks = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(blocks, cache);
	rocksdb_block_based_options_set_no_block_cache(blocks, 0);
	rocksdb_block_based_options_set_block_size(blocks, block_size);
	rocksdb_block_based_options_set_checksum(blocks, CHECKSUM_XXH3);
	rocksdb_block_based_options_set_format_version(blocks, FORMAT_VERSION);
	/* The block options own the filter; one policy is never set twice. */
	if (bloom)
		rocksdb_block_based_options_set_filter_policy(
			blocks, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY));
	rocksdb_options_set_block_based_table_factory(o, blocks);
	rocksdb_block_based_options_destroy(blocks);
}

static rocksdb_options_t *table_options(rocksdb_cache_t *cache, uint64_t write_buffer_size, size_t block_size,
					bool bloom)
{
	rocksdb_options_t *o = rocksdb_options_create();
	set_blocks(o, cache, block_size, bloom);
	rocksdb_options_set_write_buffer_size(o, write_buffer_size);
	rocksdb_options_set_max_write_buffer_number(o, 3);
	rocksdb_options_set_level0_file_num_compaction_trigger(o, LEVEL0_COMPACT);
	rocksdb_options_set_level0_slowdown_writes_trigger(o, LEVEL0_SLOW);
	rocksdb_options_set_level0_stop_writes_trigger(o, LEVEL0_STOP);
	rocksdb_options_set_target_file_size_base(o, MAX(write_buffer_size, FILE_SIZE_MIN));
	rocksdb_options_set_max_bytes_for_level_base(o, LEVELS_BASE_FILES * MAX(write_buffer_size, FILE_SIZE_MIN));
	/* Levels sized from the last one up: about a tenth of dead space instead of a half. */
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	rocksdb_options_set_bottommost_compression(o, rocksdb_zstd_compression);
	return o;
}

void rocks_options_init(struct rocks_options *o, const struct rocks_config *config)
{
	KV_ASSERT(config->cache_size > 0);
	KV_ASSERT(config->write_buffer_size > 0);
	KV_ASSERT(config->memory > config->cache_size);
	uint64_t small = MAX(config->write_buffer_size / 8, MIB);

	*o = (struct rocks_options){.cache = rocksdb_cache_create_lru(config->cache_size)};
	o->db = table_options(o->cache, MIB, 4096, /* bloom= */ false);
	set_safety(o->db);
	set_resources(o->db, config);
	rocksdb_options_set_create_if_missing(o->db, config->create_if_missing);
	/* A store may be older than a table, or a crash while it was made left some out; a damaged one fails its own checks. */
	rocksdb_options_set_create_missing_column_families(o->db, 1);

	/* Most reads of data are for one key, and many for keys that do not exist yet. */
	o->tables[STORE_DATA] = table_options(o->cache, config->write_buffer_size, 8192, /* bloom= */ true);
	o->tables[STORE_META] = table_options(o->cache, MIB, 4096, /* bloom= */ false);
	o->tables[STORE_TREE] = table_options(o->cache, small, 4096, /* bloom= */ false);
	o->tables[STORE_HINT] = table_options(o->cache, small, 4096, /* bloom= */ false);
	o->tables[STORE_LEDGER] = table_options(o->cache, small, 4096, /* bloom= */ false);
}

void rocks_options_release(struct rocks_options *o)
{
	if (o->db)
		rocksdb_options_destroy(o->db);
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		if (o->tables[i])
			rocksdb_options_destroy(o->tables[i]);
	if (o->cache)
		rocksdb_cache_destroy(o->cache);
	*o = (struct rocks_options){0};
}
