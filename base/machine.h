/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the machine gives this process.
 */
#ifndef KV_BASE_MACHINE_H
#define KV_BASE_MACHINE_H

#include <stdint.h>

/** Bytes of memory: the machine's, or what the control group of the process may have, if that is less. */
uint64_t machine_memory(void);

/** The smaller of PHYSICAL and what LIMIT says, the text of a memory.max: a number of bytes, or "max". */
uint64_t machine_memory_within(uint64_t physical, const char *limit);

#endif
