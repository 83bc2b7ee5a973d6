/* SPDX-License-Identifier: Apache-2.0 */
/** Connections on this machine. */
#ifndef KV_BENCH_COMPARE_DIAL_H
#define KV_BENCH_COMPARE_DIAL_H

/** A non-blocking connection without delay to "127.0.0.1:port"; -1 with errno. Waits for it. */
int dial(const char *address);

/** A listening socket on a port of the system's choice, which it writes to *RET_PORT; -1 with errno. */
int dial_listen(unsigned short *ret_port);

#endif
