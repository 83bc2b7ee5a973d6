/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/wal_check.h"

#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"

/* RocksDB's log: blocks of 32 KiB, in each records of checksum u32, length u16, type u8 (all little-endian) and the
   bytes; a rest of less than a header is zeros. The checksum is CRC-32C of type and bytes, masked. */
enum {
	TYPE_FULL = 1,
	TYPE_LAST = 4,
	LENGTH_AT = 4,
	TYPE_AT = 6,
};

static uint32_t crc32c(struct slice bytes)
{
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < bytes.size; i++) {
		crc ^= bytes.data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
	}
	return ~crc;
}

/** As RocksDB stores it. */
static uint32_t crc_masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8u; }

/** True if the bytes at AT can be a header and its record fits; then *RET_SIZE is the size of both. */
static bool header_fits(struct slice block, size_t at, size_t *ret_size)
{
	KV_ASSERT(at <= block.size);
	if (block.size - at < WAL_HEADER_SIZE)
		return false;
	const uint8_t *header = block.data + at;
	size_t size = WAL_HEADER_SIZE + (size_t)load_le16(header + LENGTH_AT);
	if (header[TYPE_AT] < TYPE_FULL || header[TYPE_AT] > TYPE_LAST || size > block.size - at)
		return false;
	*ret_size = size;
	return true;
}

size_t wal_block_break(struct slice block)
{
	size_t at = 0, size;
	while (at < block.size && header_fits(block, at, &size))
		at += size;
	bool is_padding = block.size == WAL_BLOCK_SIZE && block.size - at < WAL_HEADER_SIZE;
	return is_padding ? block.size : at;
}

bool wal_block_has_record(struct slice block, size_t from)
{
	for (size_t at = from; at < block.size; at++) {
		size_t size;
		if (!header_fits(block, at, &size))
			continue;
		const uint8_t *header = block.data + at;
		struct slice covered = slice_of(header + TYPE_AT, size - TYPE_AT);
		if (load_le32(header) == crc_masked(crc32c(covered)))
			return true;
	}
	return false;
}

/** Reads up to a block; less only at the file's end. */
static enum kv_status read_block(int fd, off_t offset, uint8_t bytes[WAL_BLOCK_SIZE], size_t *ret_size)
{
	size_t size = 0;
	while (size < WAL_BLOCK_SIZE) {
		ssize_t got = pread(fd, bytes + size, WAL_BLOCK_SIZE - size, offset + (off_t)size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return KV_IO;
		if (got == 0)
			break;
		size += (size_t)got;
	}
	*ret_size = size;
	return KV_OK;
}

enum kv_status wal_check_file(int fd)
{
	CLEANUP(free_ptr) uint8_t *bytes = xmalloc(WAL_BLOCK_SIZE);
	bool broken = false;
	size_t size = WAL_BLOCK_SIZE;
	for (off_t offset = 0; size == WAL_BLOCK_SIZE; offset += WAL_BLOCK_SIZE) {
		if (read_block(fd, offset, bytes, &size) != KV_OK)
			return KV_IO;
		struct slice block = slice_of(bytes, size);
		size_t from = broken ? 0 : wal_block_break(block);
		broken |= from < size;
		if (broken && wal_block_has_record(block, from))
			return KV_CORRUPT;
	}
	return KV_OK;
}
