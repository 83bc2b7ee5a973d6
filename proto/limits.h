/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Every limit, time-out and default of the protocol and the replication core, in one place. What an operator may
 * change starts from these values in server/config.c; everything else is fixed.
 */
#ifndef KV_PROTO_LIMITS_H
#define KV_PROTO_LIMITS_H

#include "base/types.h"

/* Sizes of requests, in bytes. */
#define KEY_SIZE_MAX             4096u
#define VALUE_SIZE_DEFAULT_MAX   (1u << 20) /* configurable up to VALUE_SIZE_MAX */
#define VALUE_SIZE_MAX           (16u << 20)
#define META_SIZE_MAX            (64u << 10) /* protobuf part of a data frame */
#define META_SIZE_ADMIN_MAX      (1u << 20)  /* of map, scan and admin frames */
#define HELLO_SIZE_MAX           (16u << 10) /* any frame before HELLO is done */
#define BATCH_KEYS_MAX           1000u
#define BATCH_SIZE_MAX           (16u << 20)
#define SCAN_ITEMS_MAX           1000u
#define SCAN_SIZE_MAX            (256u << 10) /* bytes of keys and values a page; one item may pass it */
#define SESSION_TOKEN_SIZE_MAX   4096u
#define CURSOR_SIZE_MAX          (KEY_SIZE_MAX + 256u)
#define MESSAGE_SIZE_MAX         1024u /* text for a human in a reply */
#define AUTH_MECHANISMS_SIZE_MAX 256u
#define STATUS_COUNTERS_MAX      512u
#define PAGE_SIZE_MAX            (VALUE_SIZE_MAX + (1u << 20)) /* records between nodes: one of any size and some more */
#define TTL_MS_MAX               (1ull << 47)                  /* the sum with any clock reading fits */

/* Cluster shape. */
#define PARTITIONS_MIN       16u
#define PARTITIONS_MAX       4096u
#define PARTITIONS_DEFAULT   1024u
#define PARTITION_META       0xFFFFu /* the cluster map's own register */
#define LEAVES_PER_PARTITION 1024u
#define NODES_MAX            256u
#define REPLICAS_MAX         7u
#define REPLICAS_DEFAULT     3u
#define ROW_MAX              (2u * REPLICAS_MAX) /* old and new members together */
#define ADDRESS_SIZE_MAX     256u
#define NAME_SIZE_MAX        64u
#define VOTERS_MAX           5u
#define TOKENS_MAX           16u /* join tokens at a time */
#define SHARDS_MAX           64u /* of a node */

/* The register. Times as in `docs/consistency.md`. */
#define LIN_MAX            128u   /* lineage entries in a record */
#define LIN_AGE_MS         60000u /* older ones are dropped into lin_floor */
#define LIN_ANCHOR_MS      5000u  /* gap in a lineage that lanes may leave */
#define MEM_MAX            1024u  /* remembered overwritten copies a key */
#define MEM_AGE_US         (10 * USEC_PER_SEC)
#define ATTEMPTS_MAX       16u  /* ballots one operation may try: further ones answer CONFLICT or IN_DOUBT */
#define CARRIERS_MAX       17u  /* copies that one replica names in a promise */
#define MAX_DRIFT_MS       500u /* a version further ahead of a replica's clock is refused */
#define HLC_LIMIT_AHEAD_MS (MAX_DRIFT_MS + 500u)
#define DIRECT_WINDOW_MS   300u  /* a put without a ballot has a version at most so far above its client's t0 */
#define CACHED_WINDOW_MS   50u   /* a ballot promised ahead is used at most so far below the client's t0 */
#define DIRECT_TRIES_MAX   2u    /* puts without a ballot that one operation may try */
#define PROMISES_MAX       256u  /* keys whose next ballot a core holds promised */
#define PROMISE_VALUE_MAX  4096u /* bytes of a value kept with one */
#define PROMISE_AGE_US     (1 * USEC_PER_SEC)

/* Deadlines and time-outs. */
#define DEADLINE_DEFAULT_MS  1000u
#define DEADLINE_MIN_MS      1u
#define DEADLINE_MAX_MS      60000u
#define REPLICA_TIMEOUT_US   (500 * USEC_PER_MSEC) /* a replica that has not answered by then gets a hint */
#define PHASE_TIMEOUT_MIN_US (10 * USEC_PER_MSEC)
#define ANSWER_MARGIN_MAX_US (50 * USEC_PER_MSEC) /* answer that much before the deadline, at most a tenth of it */
#define RETRY_BACKOFF_MIN_US (2 * USEC_PER_MSEC)  /* between two ballots of one operation, doubled each time */
#define RETRY_BACKOFF_MAX_US (100 * USEC_PER_MSEC)

/* Heartbeats. */
#define PING_INTERVAL_US (500 * USEC_PER_MSEC)
#define PING_SUSPECT_US  (1500 * USEC_PER_MSEC) /* silence until SUSPECT */
#define PING_DOWN_US     (2000 * USEC_PER_MSEC) /* silence until DOWN */
#define PING_UP_COUNT    2u                     /* answers in a row until UP again */

/* Doubts about oneself and about links. */
#define HEALTH_MAX       7u                    /* worst */
#define HEALTH_POOR      3u                    /* from then on others are preferred */
#define HEALTH_LAG_US    (100 * USEC_PER_MSEC) /* a tick so late makes it worse */
#define PROBE_HELPERS    3u                    /* nodes asked about a silent one */
#define PROBE_TIMEOUT_US (500 * USEC_PER_MSEC)
#define PROBE_FRESH_US                                                                                             \
	(800 * USEC_PER_MSEC) /* a node heard within it is reached; below what PING_SUSPECT_US allows */
#define PROBE_AGAIN_US       (5 * USEC_PER_SEC) /* while it stays silent */
#define REQUEST_TIMEOUTS_MAX 5u                 /* requests in a row without an answer until SUSPECT */
#define REQUEST_TIMEOUTS_US  (5 * USEC_PER_SEC) /* and how long that is held against a node */
#define READ_EXPLORE_ONE_IN  16u /* reads sent to another replica than the nearest, to see how it does */

/* Slow disks. */
#define DISK_WINDOW_US (1 * USEC_PER_SEC) /* over which commits are measured */
#define DISK_SLOW_US                                                                                               \
	(200 * USEC_PER_MSEC) /* the slowest hundredth of commits: above it for DISK_SLOW_FOR_US is degraded */
#define DISK_SLOW_FOR_US (10 * USEC_PER_SEC)
#define DISK_STUCK_US    (20 * USEC_PER_SEC) /* a commit that takes so long ends the process */

/* Full disks. */
#define DISK_RESERVE_MAX (1u << 30) /* bytes that stay free unless limits.disk_reserve says otherwise */

/* Traces. */
#define TRACE_SLOW_US      (100 * USEC_PER_MSEC) /* an operation that takes so long is told of */
#define TIMELINE_MARKS_MAX 64u                   /* events remembered of one operation */
#define TIMELINE_SPANS_MAX 160u                  /* of a timeline on the wire */

#define OVERLOAD_RETRY_MS 20u /* what a refused client is told to wait */

/* Forming a cluster. */
#define FORM_DEADLINE_MS 30000u
#define FORM_RESEND_US   (200 * USEC_PER_MSEC)
#define FORM_RESERVE_US  (70 * USEC_PER_SEC)   /* a node that agreed to one cluster refuses others that long */
#define FORM_OFFER_US    (1 * USEC_PER_SEC)    /* map offered to nodes that lack it */
#define FORM_PULL_US     (500 * USEC_PER_MSEC) /* between two requests for a newer map */
#define FORM_GUEST_US    (5 * USEC_PER_SEC)    /* link to an asker that is no node of the cluster */

/* Changing the cluster. */
#define DRIVER_INTERVAL_US  (100 * USEC_PER_MSEC) /* between two maps that the same node proposes */
#define VOTE_TIMEOUT_US     (500 * USEC_PER_MSEC) /* of one phase of a vote on the map */
#define VOTE_LINGERS_US     (2 * USEC_PER_SEC) /* a voter that does not hear what came of its vote asks the others */
#define VOTE_RESEND_US      (100 * USEC_PER_MSEC)
#define VOTE_BACKOFF_MIN_US (10 * USEC_PER_MSEC) /* between two ballots on one map, doubled six times at most */
#define FAREWELL_US         (30 * USEC_PER_SEC)  /* a node that was removed is told so that long */
#define VOTER_SILENT_US                                                                                            \
	(30 * USEC_PER_SEC)      /* a voter that is silent for so long is replaced, if another can vote */
#define CHANGES_MAX          16u /* changes of the cluster that a node carries out at a time */
#define JOIN_RETRY_US        (1 * USEC_PER_SEC)
#define JOIN_SEEDS_MAX       16u                  /* addresses that a node tries one after the other */
#define MOVES_IN_MAX         8u                   /* partitions a node takes over at a time */
#define MOVES_OUT_MAX        8u                   /* and gives away */
#define MOVE_STUCK_US        (600 * USEC_PER_SEC) /* a move without progress for so long is given up and planned anew */
#define MOVE_REPORT_US       (500 * USEC_PER_MSEC)
#define MOVE_PAGE_SIZE       (256u << 10)
#define MOVE_MESSAGE_MAX     128u        /* bytes of a move's last error */
#define MOVE_LIST_MAX        2048u       /* moves of one list */
#define MOVE_RATE_MAX        (50u << 20) /* bytes a second a core takes in */
#define MOVE_RATE_MIN        (1u << 20)
#define CHANGE_DEADLINE_MS   10000u
#define RECOVERY_EPOCHS      1000u /* that a map by kvd --unsafe-recover is above the one it was made of */
#define TOKEN_TTL_DEFAULT_MS (3600u * 1000u)
#define TOKEN_SIZE_MAX       128u
#define WEIGHT_MAX           1000u

/* Anti-entropy and tombstones. */
#define EXCHANGE_INTERVAL_US    (60 * USEC_PER_SEC)   /* two nodes compare what they share so often */
#define EXCHANGE_SETTLE_US      (2 * USEC_PER_SEC)    /* leaves that differ now and then again are looked into */
#define EXCHANGE_SETTLE_MOVE_US (100 * USEC_PER_MSEC) /* the same for a partition that moves */
#define EXCHANGE_TIMEOUT_US     (5 * USEC_PER_SEC)    /* of one question, or one key */
#define EXCHANGES_MAX           16u                   /* of a core at a time */
#define EXCHANGE_BACKGROUND_MAX 8u                    /* of them nobody asked for */
#define EXCHANGE_WINDOW         16u                   /* keys that one exchange moves at a time */
#define TREE_SCANS_MAX          8u                    /* partitions whose trees are loaded or built at a time */
#define TREE_QUIET_US           (10 * USEC_PER_SEC)   /* without a change, until a tree's rows are written */
#define TREE_RESTS_MAX          4u                    /* trees whose rows are written at a time */
#define TREE_BUILD_ROWS         256u                  /* records a page, while building a tree */
#define TREE_KEYS_MAX           1000u                 /* keys of one page */
#define TREE_SERVED_MAX         64u                   /* questions of others that a core answers at a time */
#define TREE_LEAVES_SIZE        (LEAVES_PER_PARTITION * 8u + LEAVES_PER_PARTITION / 8u) /* of a page: hashes, weak bits */
#define SCRUB_INTERVAL_MS       (14ull * 24 * 3600 * 1000)
#define SCRUB_ROWS              128u  /* records a page */
#define SCRUB_ROWS_HURRIED      1000u /* the same for a scrub that was asked for */
#define SCRUB_ROWS_PER_SEC      2000u
#define GC_INTERVAL_US          (30 * USEC_PER_SEC)  /* a partition is looked at for tombstones so often */
#define GC_GRACE_MS             (4u * 3600u * 1000u) /* tombstones are at least so old: above HINT_AGE_MS */
#define GC_KEYS_MAX             1000u                /* tombstones of one message */
#define GC_SESSIONS_MAX         4u                   /* partitions that a core collects in at a time */
#define GC_TASKS_MAX            32u                  /* steps of others' sessions under way at a replica */
#define GC_WINDOW               64u                  /* keys of a step looked at at a time */
#define GC_RENEWALS_MAX         64u                  /* weak copies of one message that get a new version */
#define GC_RESEND_US            (1 * USEC_PER_SEC)   /* a step is sent again to who has not answered */
#define GC_STEP_US              (10 * USEC_PER_SEC)  /* and the session ends without it */
#define GC_REST_MAX_US          (900 * USEC_PER_SEC) /* at most, between two sessions that left nothing to do */
#define REPAIR_PAIRS_MAX        64u

/* Looking into a node. */
#define EXPLAIN_HINTS_MAX  16u /* nodes that one node owes a key: told in one answer */
#define EXPLAINS_MAX       64u /* under way at a time in a core */
#define CONFIG_ENTRIES_MAX 128u
#define CONFIG_VALUE_MAX   4096u /* bytes of a setting as text */
#define HOT_KEYS_MAX       32u   /* told */
#define TRACES_TOLD_MAX    1000u /* of a node, without their spans */
#define TRACES_WHOLE_MAX   32u   /* of one trace on a node, with them */

/* Hinted handoff. */
#define HINT_KEYS_MAX        1000000u /* a target; beyond it the partition is marked dirty instead */
#define HINT_AGE_MS          (3u * 3600u * 1000u)
#define HINT_REPLAY_DELAY_US (1 * USEC_PER_SEC) /* after the target came up, plus as much jitter */
#define HINT_WINDOW          64u                /* replayed pushes in flight a target */
#define HINT_RATE_PER_SEC    2000u              /* keys a second that a receiver grants in total */
#define HINT_SCAN_ITEMS      128u
#define HINT_PACE_MS         100u                  /* how often a sender asks for credit */
#define HINT_PACE_MAX_MS     10000u                /* and the longest a receiver may put it off */
#define HINT_PASS_US         (1 * USEC_PER_SEC)    /* between passes that leave something undelivered */
#define HINT_PROBE_US        (2 * USEC_PER_SEC)    /* a read of all replicas for one hint */
#define HINT_SENDER_US       (1 * USEC_PER_SEC)    /* a sender that asked within it shares the budget */
#define HINT_BUSY_US         (100 * USEC_PER_MSEC) /* a receiver whose requests wait so long grants nothing */
#define HINT_HAND_US         (1 * USEC_PER_SEC) /* between two tries to hand on what a node that is down is owed */

/* The conflict ledger (docs/consistency.md), of one shard's core. */
#define LEDGER_WINDOW_MS   1000u /* a write that follows another client's so closely has not seen it */
#define LEDGER_AGE_MS      (24u * 3600u * 1000u)
#define LEDGER_ENTRIES_MAX 1024u
#define LEDGER_BYTES_MAX   (16u << 20)
#define LEDGER_VALUE_MAX   (64u << 10) /* of a larger value only hash and size are kept */
#define LEDGER_SWEEP_ITEMS 32u         /* removed a tick */
#define LEDGER_LOAD_ITEMS  128u        /* a page at start */

/* Limits of one shard's core. */
#define OPS_MAX                  4096u        /* client operations in flight */
#define OP_BYTES_MAX             (256u << 20) /* values of client operations in flight */
#define LINGER_VALUE_MAX         4096u /* a read that was answered waits for late replicas only with a value so small */
#define WRITE_BYTES_MAX          (256u << 20) /* handed to the disk and not durable yet */
#define MEMORY_BYTES_MAX         (64u << 20)  /* remembered overwritten copies of all keys */
#define PARKED_BYTES_MAX         (64u << 20)  /* requests that wait for a key's disk read */
#define SLOTS_MAX                65536u       /* keys with volatile state */
#define SLOT_RECORD_KEEP         1024u        /* bytes of a record kept in memory beside a promise or memory */
#define SLOT_QUEUE_MAX           1024u        /* requests waiting for one key's disk read */
#define READ_REPAIR_RATE_PER_SEC 1000u
#define TICK_US                  (10 * USEC_PER_MSEC)

/* Connections. */
#define CONNECTIONS_DEFAULT_MAX 12000u
#define CONN_INFLIGHT_MAX       256u        /* requests a connection may have unanswered */
#define CONN_OUTPUT_MAX         (32u << 20) /* unsent bytes before a client that does not read is closed */
#define HELLO_TIMEOUT_US        (5 * USEC_PER_SEC)

_Static_assert(KEY_SIZE_MAX < META_SIZE_MAX, "a key travels in the meta part");
_Static_assert(VALUE_SIZE_DEFAULT_MAX <= VALUE_SIZE_MAX, "default within the hard limit");
_Static_assert(MOVE_PAGE_SIZE + KEY_SIZE_MAX + (64u << 10) < PAGE_SIZE_MAX - VALUE_SIZE_MAX,
	       "a page that is nearly full takes one more record of any size");
_Static_assert(MOVE_LIST_MAX >= MOVES_IN_MAX * NODES_MAX, "a list has room for every move at a time");
_Static_assert(HLC_LIMIT_AHEAD_MS > MAX_DRIFT_MS,
	       "the durable clock limit covers every version that is not refused");
_Static_assert(LEDGER_VALUE_MAX + KEY_SIZE_MAX < LEDGER_BYTES_MAX / 2, "one entry does not push out all others");
_Static_assert(GC_GRACE_MS > HINT_AGE_MS, "a hint is delivered or given up before what it names is sealed off");
_Static_assert(PING_SUSPECT_US < PING_DOWN_US, "suspicion comes first");
_Static_assert(PROBE_FRESH_US < PING_SUSPECT_US - PING_INTERVAL_US,
	       "what is silent to us has been silent to a helper for at least the difference");
_Static_assert(PARTITIONS_MAX < PARTITION_META, "the meta partition is none of the data partitions");

#endif
