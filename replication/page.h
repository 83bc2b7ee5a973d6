/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Many keys in one message: the bytes of a page, and the cursor that says where the next one begins.
 *
 * Little-endian, one row behind the other, in the order of the disk:
 *
 *   records: bucket u32 | key size u16 | record size u32 | key | the record as stored (replication/record.h)
 *   keys:    bucket u32 | key size u16 | flags u8 | ver.hlc u64 | ver.id u64 | key
 *   cursor:  leaf u16 | bucket u32 | key: the last key that was looked at
 *
 * What comes from a peer may be damaged: readers fail, they do not trust sizes.
 */
#ifndef KV_REPLICATION_PAGE_H
#define KV_REPLICATION_PAGE_H

#include "base/bytes.h"
#include "replication/actions.h"

#define PAGE_RECORD_HEADER_SIZE 10u
#define PAGE_KEY_HEADER_SIZE    23u
#define PAGE_CURSOR_HEADER_SIZE 6u

enum page_flags { PAGE_WEAK = 1, PAGE_TOMBSTONE = 2, PAGE_STRONG = 4 };

struct page_record {
	uint32_t bucket;
	struct slice key;
	struct slice record; /* not aligned: copy before record_decode */
};

struct page_key {
	uint32_t bucket;
	struct slice key;
	struct version ver;
	uint8_t flags; /* enum page_flags */
};

static inline size_t page_record_size(const struct page_record *r)
{
	return PAGE_RECORD_HEADER_SIZE + r->key.size + r->record.size;
}

static inline size_t page_key_size(const struct page_key *k) { return PAGE_KEY_HEADER_SIZE + k->key.size; }

/** Writes a row of page_record_size / page_key_size bytes at AT and returns what is behind it. */
uint8_t *page_put_record(uint8_t *at, const struct page_record *r);
uint8_t *page_put_key(uint8_t *at, const struct page_key *k);

/**
 * Takes the next row; slices point into the page. False at the end, and with in->failed if what follows is no row: too
 * short, or a key that is empty or above KEY_SIZE_MAX.
 */
MUST_USE bool page_take_record(struct reader *in, struct page_record *ret);
MUST_USE bool page_take_key(struct reader *in, struct page_key *ret);

/** The rows of a DATA scan as a page of records, in the actions' memory. */
struct slice page_of_rows(struct actions *out, const struct disk_row *rows, uint32_t count);

/** A cursor behind KEY, in the actions' memory. */
struct slice page_cursor(struct actions *out, const struct disk_key *key);

/** Sets where SCAN, of a partition's DATA, begins. An empty cursor is the start. False if it is none of ours. */
MUST_USE bool page_seek(struct slice cursor, struct disk_scan *scan);

#endif
