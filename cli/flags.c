/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <ctype.h>

static const struct flag_info flags[FLAG_COUNT] = {
	[FLAG_OUTPUT] = {"output", 'o', "FORMAT", true, "table, json, jsonl or raw"},
	[FLAG_ENDPOINTS] = {"endpoints", 'e', "LIST", true, "client addresses of any nodes (127.0.0.1:7001)"},
	[FLAG_ZONE] = {"zone", 0, "ZONE", true, "where you are: nodes of that zone are asked first"},
	[FLAG_CONTEXT] = {"context", 0, "NAME", true, "the context to take other flags from (the current one)"},
	[FLAG_TIMEOUT] = {"timeout", 0, "TIME", true, "for each request, like 500ms or 5s"},
	[FLAG_BUCKET] = {"bucket", 0, "N", false, "number of the bucket the keys are in (0)"},
	[FLAG_CONSISTENCY] = {"consistency", 'c', "LEVEL", true,
			      "strong, session, bounded=TIME or eventual (eventual)"},
	[FLAG_ACKS] = {"acks", 0, "N", true, "replicas an eventual write waits for: 1, majority, all (1)"},
	[FLAG_RECEIPT] = {"receipt", 0, NULL, true, "tell how the request was carried out"},
	[FLAG_TTL] = {"ttl", 0, "TIME", false, "forget it after that time, like 30s or 7d"},
	[FLAG_IF_ABSENT] = {"if-absent", 0, NULL, false, "only if the key is not there"},
	[FLAG_IF_PRESENT] = {"if-present", 0, NULL, false, "only if the key is there"},
	[FLAG_IF_VERSION] = {"if-version", 0, "VERSION", false, "only if this is the present version"},
	[FLAG_IF_VALUE] = {"if-value", 0, "VALUE", false, "only if this is the present value"},
	[FLAG_IF_HASH] = {"if-hash", 0, "HASH", false,
			  "only if this is the XXH3 of the present value, in hexadecimal"},
	[FLAG_FENCE] = {"fence", 0, "N", false, "only if no higher fence was used on the key"},
	[FLAG_SESSION_FILE] = {"session-file", 0, "PATH", true, "where the session is kept; implies -c session"},
	[FLAG_FILE] = {"file", 0, "PATH", false, "take the value from a file"},
	[FLAG_LIMIT] = {"limit", 0, "N", false, "at most so many entries"},
	[FLAG_CURSOR] = {"cursor", 0, "CURSOR", false, "go on where an earlier scan stopped"},
	[FLAG_KEYS_ONLY] = {"keys-only", 0, NULL, false, "leave the values out"},
	[FLAG_FORMAT] = {"format", 0, "FORMAT", true, "of the rows: jsonl or tsv"},
	[FLAG_PREFIX] = {"prefix", 0, "PREFIX", false, "only keys that begin with it"},
	[FLAG_REPLICA] = {"replica", 0, "NODE", false, "only what this node itself holds"},
	[FLAG_RAW] = {"raw", 0, NULL, false, "also deletions and expired values, with versions"},
	[FLAG_INFLIGHT] = {"inflight", 0, "N", true, "requests under way at once"},
	[FLAG_CLIENTS] = {"clients", 0, "N", true, "clients, each with connections of its own"},
	[FLAG_OPS] = {"ops", 0, "N", false, "stop after so many requests"},
	[FLAG_SECONDS] = {"seconds", 0, "N", false, "stop after so many seconds (10)"},
	[FLAG_DURATION] = {"duration", 0, "TIME", false, "stop after that time, like 30s or 5m"},
	[FLAG_RATIO] = {"ratio", 0, "PUT:GET", false, "how many writes to how many reads (1:1)"},
	[FLAG_WRITE] = {"write", 0, "KIND", false, "what the writes are: put, cas, incr or append (put)"},
	[FLAG_SIZE] = {"size", 0, "SIZE", false, "of each value, like 100 or 4KiB (100)"},
	[FLAG_KEYS] = {"keys", 0, "N", false, "different keys, chosen at random"},
	[FLAG_SEED] = {"seed", 0, "N", false, "of what is drawn at random (another one each time)"},
	[FLAG_KEEP] = {"keep", 0, NULL, false, "leave the keys behind"},
	[FLAG_NAME] = {"name", 0, "NAME", false, "of the cluster"},
	[FLAG_PARTITIONS] = {"partitions", 0, "N", false, "a power of two, 16 to 4096 (1024)"},
	[FLAG_REPLICAS] = {"replicas", 0, "N", false, "of each key: odd, 1 to 7 (3, or fewer with fewer nodes)"},
	[FLAG_REPLACE] = {"replace", 0, "NODE", false, "a dead node, in whose place it comes"},
	[FLAG_GONE] = {"gone", 0, NULL, false, "it is dead for ever: nothing is copied from it"},
	[FLAG_PLAN] = {"plan", 0, NULL, false, "only tell what would happen"},
	[FLAG_WAIT] = {"wait", 0, NULL, false, "wait until it is done, telling how far it is"},
	[FLAG_SCRUB] = {"scrub", 0, NULL, false, "and read every record and check it"},
	[FLAG_NODE] = {"node", 0, "NODE", false, "only this node"},
	[FLAG_TIMES] = {"count", 0, "N", false, "stop after so many looks (1 unless on a terminal)"},
	[FLAG_CONFIG] = {"config", 0, "FILE", false, "kvd's configuration on this machine"},
	[FLAG_SURVIVORS] = {"survivors", 0, "LIST", false, "all nodes that stay, separated by commas"},
	[FLAG_CLUSTER] = {"cluster", 0, "NAME", false,
			  "the cluster's name or identity, so that no other one is meant"},
	[FLAG_YES] = {"yes", 0, NULL, false, "do it"},
	[FLAG_WITHIN] = {"within", 0, "TIME", false, "give up if it takes longer (waits for ever)"},
	[FLAG_DIR] = {"dir", 0, "DIR", true, "where the nodes live (kvd-dev)"},
	[FLAG_TRACE] = {"trace", 0, NULL, true, "tell where the request's time went"},
	[FLAG_TRACEPARENT] = {"traceparent", 0, "CONTEXT", true, "W3C trace context that the request belongs to"},
	[FLAG_MIX] = {"mix", 0, "LIST", false, "kinds of requests with their shares, like get@strong=70,incr=30"},
	[FLAG_DISTRIBUTION] = {"distribution", 0, "NAME", false,
			       "of the keys: uniform, zipf or zipf=EXPONENT (uniform)"},
	[FLAG_KEY_SIZE] = {"key-size", 0, "N", false, "bytes of each key: leading zeros fill it"},
	[FLAG_PRELOAD] = {"preload", 0, NULL, false, "store every key first, unmeasured"},
	[FLAG_RATE] = {"rate", 0, "N", false, "requests a second that are due, answered or not"},
	[FLAG_THREADS] = {"threads", 0, "N", false, "that share the clients (as many as cores)"},
	[FLAG_INTERVAL] = {"interval", 0, "TIME", false,
			   "with -o jsonl, tell every so often what was measured since"},
	[FLAG_HELP] = {"help", 'h', NULL, false, "show this text"},
	[FLAG_VERSION] = {"version", 0, NULL, false, "show the version"},
};

const struct flag_info *flag_info(enum flag flag)
{
	KV_ASSERT(flag < FLAG_COUNT);
	return &flags[flag];
}

void flag_variable(enum flag flag, struct buf *out)
{
	buf_append_str(out, "KVCTL_");
	for (const char *at = flag_info(flag)->name; *at; at++)
		buf_append_u8(out, *at == '-' ? '_' : (uint8_t)toupper((unsigned char)*at));
}

const char *flag_choices(enum flag flag)
{
	switch ((int)flag) {
	case FLAG_OUTPUT:
		return "table json jsonl raw";
	case FLAG_CONSISTENCY:
		return "strong session bounded= eventual";
	case FLAG_ACKS:
		return "1 majority all";
	case FLAG_FORMAT:
		return "jsonl tsv";
	case FLAG_WRITE:
		return "put cas incr append";
	default:
		return NULL;
	}
}
