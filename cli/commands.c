/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "cli/text.h"

#define CONNECT (FLAG_BIT(FLAG_ENDPOINTS) | FLAG_BIT(FLAG_ZONE) | FLAG_BIT(FLAG_CONTEXT) | FLAG_BIT(FLAG_TIMEOUT))
#define ASK     (CONNECT | FLAG_BIT(FLAG_OUTPUT))
#define BUCKET  FLAG_BIT(FLAG_BUCKET)
#define TRACE   (FLAG_BIT(FLAG_TRACE) | FLAG_BIT(FLAG_TRACEPARENT))
#define READ                                                                                                       \
	(ASK | BUCKET | TRACE | FLAG_BIT(FLAG_CONSISTENCY) | FLAG_BIT(FLAG_RECEIPT) | FLAG_BIT(FLAG_SESSION_FILE))
#define WRITE (READ | FLAG_BIT(FLAG_ACKS))
#define IF                                                                                                         \
	(FLAG_BIT(FLAG_IF_ABSENT) | FLAG_BIT(FLAG_IF_PRESENT) | FLAG_BIT(FLAG_IF_VERSION) |                        \
	 FLAG_BIT(FLAG_IF_VALUE) | FLAG_BIT(FLAG_IF_HASH))
#define UPDATE (READ | FLAG_BIT(FLAG_FENCE))
#define CHANGE (ASK | FLAG_BIT(FLAG_PLAN))
#define PAGES  (BUCKET | FLAG_BIT(FLAG_REPLICA) | FLAG_BIT(FLAG_RAW))

#define ALL_OUTPUTS (OUTPUT_TABLE | OUTPUT_JSON | OUTPUT_JSONL | OUTPUT_RAW)
#define DOCUMENTS   (OUTPUT_TABLE | OUTPUT_JSON | OUTPUT_JSONL)

#define DATA    "Data"
#define CLUSTER "Cluster"
#define DEV     "Cluster on this machine, for development"
#define TOOL    "kvctl itself"
#define HIDDEN  ""

static const struct command table[] = {
	{DATA, "get", "KEY", "print the value of a key",
	 "The value is written as it is; a newline follows on a terminal only.\n"
	 "Exit code 3 if there is no such key.\n",
	 READ, ALL_OUTPUTS, OUTPUT_RAW, 0, 1, 1, cmd_get},
	{DATA, "put", "KEY [VALUE | -]", "store a value and print its version",
	 "The value comes from the command line, from standard input (-) or from --file.\n"
	 "With a condition or a fence the write is strong, and nothing is changed if it does not hold (exit code 4).\n"
	 "Exit code 8 if the write may or may not have happened; a strong one then tells its id for kvctl outcome.\n",
	 WRITE | IF | FLAG_BIT(FLAG_FENCE) | FLAG_BIT(FLAG_TTL) | FLAG_BIT(FLAG_FILE), ALL_OUTPUTS, OUTPUT_RAW, 0,
	 1, 2, cmd_put},
	{DATA, "del", "KEY...", "delete keys",
	 "Deleting what is not there is no error. Several keys are deleted independently of each other, each under the\n"
	 "conditions given, which make it strong (exit code 4 if one does not hold).\n",
	 WRITE | IF | FLAG_BIT(FLAG_FENCE), ALL_OUTPUTS, OUTPUT_RAW, 0, 1, -1, cmd_del},
	{DATA, "cas", "KEY [NEW | -]", "store a value in the place of the one expected, and print its version",
	 "What is expected is said by --if-version, --if-value, --if-hash, --if-absent or --if-present: one at least, and\n"
	 "all must hold. Always strong. Exit code 4 if the condition does not hold; standard error and -o json tell what is\n"
	 "there. NEW comes from the command line, from standard input (-) or from --file.\n",
	 UPDATE | IF | FLAG_BIT(FLAG_TTL) | FLAG_BIT(FLAG_FILE), ALL_OUTPUTS, OUTPUT_RAW, 0, 1, 2, cmd_cas},
	{DATA, "incr", "KEY [N]", "add N (1) to a number and print the sum",
	 "N may be negative. A key that is not there is 0. Always strong, and added once however often it had to be sent.\n"
	 "Exit code 4 if the value is no number of 64 bits or the sum would be none.\n",
	 UPDATE, ALL_OUTPUTS, OUTPUT_RAW, 0, 1, 2, cmd_incr},
	{DATA, "append", "KEY [VALUE | -]", "append to a value and print its new size",
	 "A key that is not there is empty. Always strong, and appended once however often it had to be sent.\n"
	 "VALUE comes from the command line, from standard input (-) or from --file.\n",
	 UPDATE | FLAG_BIT(FLAG_FILE), ALL_OUTPUTS, OUTPUT_RAW, 0, 1, 2, cmd_append},
	{DATA, "ttl", "KEY", "print how many milliseconds a value has left",
	 "-1 if it is kept for ever. Exit code 3 if there is no such key. By this machine's clock. Strong unless -c says\n"
	 "otherwise.\n",
	 READ, ALL_OUTPUTS, OUTPUT_RAW, 0, 1, 1, cmd_ttl},
	{DATA, "expire", "KEY TIME | never", "change how long a value is kept",
	 "Reads the value and puts it again under the condition that it is still that one, until that holds. Always strong.\n",
	 UPDATE, ALL_OUTPUTS, OUTPUT_RAW, 0, 2, 2, cmd_expire},
	{DATA, "outcome", "ID", "tell what became of a strong write that was in doubt",
	 "ID is what the write told. committed (exit code 0): it took effect, once. not_applied (3): it did not, and this\n"
	 "answer makes sure that it never will. expired (8): too long ago to tell.\n",
	 ASK | BUCKET, ALL_OUTPUTS, OUTPUT_RAW, 0, 1, 1, cmd_outcome},
	{DATA, "lock", "KEY [COMMAND]...", "hold a key that one holder has at a time",
	 "Waits until the key is free, then runs COMMAND and gives the key back; the exit code is the command's. Without\n"
	 "COMMAND the fence is printed and the key is held until Ctrl-C. The key ends --ttl (10s) after its holder is\n"
	 "gone; while it is held it is renewed. KVCTL_LOCK_FENCE is a number that every later holder has a greater one\n"
	 "of: give it to kvctl put --fence and the like, and a holder that lost the key without knowing changes nothing.\n"
	 "If the key is lost COMMAND is sent SIGTERM (exit code 4, as when --within ends the waiting). Flags of COMMAND\n"
	 "stand behind --. Nothing else may write the key.\n",
	 ASK | BUCKET | FLAG_BIT(FLAG_TTL) | FLAG_BIT(FLAG_WITHIN), ALL_OUTPUTS, OUTPUT_RAW, 0, 1, -1, cmd_lock},
	{DATA, "elect", "KEY NAME [COMMAND]...", "lead, if nobody does",
	 "As kvctl lock, the key's value being NAME while this is the leader: kvctl get KEY -c strong tells who leads.\n",
	 ASK | BUCKET | FLAG_BIT(FLAG_TTL) | FLAG_BIT(FLAG_WITHIN), ALL_OUTPUTS, OUTPUT_RAW, 0, 2, -1, cmd_elect},
	{DATA, "mget", "KEY...", "print the values of several keys",
	 "Each key is read on its own. Exit code 3 if one of them does not exist.\n"
	 "-o raw prints key TAB value for those that do, escaped as in TSV.\n",
	 READ, ALL_OUTPUTS, OUTPUT_TABLE, 0, 1, -1, cmd_mget},
	{DATA, "mput", "KEY VALUE [KEY VALUE]...", "store several values",
	 "Each key is written on its own: some may succeed and others fail.\n", WRITE | FLAG_BIT(FLAG_TTL),
	 ALL_OUTPUTS, OUTPUT_TABLE, 0, 2, -1, cmd_mput},
	{DATA, "scan", "[PREFIX]", "list keys and values, partition by partition",
	 "Keys come in no order across partitions. A table stops after 1000 entries, or --limit, and tells the cursor\n"
	 "to go on with; other formats list everything. -o raw prints key TAB value, escaped as in TSV.\n"
	 "--replica reads what one node itself holds, and --raw shows deletions, expired values and marks as well.\n",
	 ASK | PAGES | FLAG_BIT(FLAG_LIMIT) | FLAG_BIT(FLAG_CURSOR) | FLAG_BIT(FLAG_KEYS_ONLY), ALL_OUTPUTS,
	 OUTPUT_TABLE, 5000, 0, 1, cmd_scan},
	{DATA, "ledger ls", "[KEY]", "list eventual values that lost to concurrent ones",
	 "Asks all replicas. late: a newer version was there when it came. overwritten: an eventual write that had not seen\n"
	 "it took its place. strong: a strong write did. Entries expire. -o raw prints key TAB value TAB version, escaped as\n"
	 "in TSV. The exit code is that of the worst failure if a node could not be asked.\n",
	 ASK | BUCKET | FLAG_BIT(FLAG_LIMIT), ALL_OUTPUTS, OUTPUT_TABLE, 5000, 0, 1, cmd_ledger_ls},
	{DATA, "ledger restore", "KEY VERSION", "store a value of the ledger again and print its new version",
	 "VERSION is that of the entry, as kvctl ledger ls shows it. A put of its value, strong unless -c says otherwise.\n"
	 "Exit code 3 if there is no such entry.\n",
	 WRITE | IF | FLAG_BIT(FLAG_FENCE) | FLAG_BIT(FLAG_TTL), ALL_OUTPUTS, OUTPUT_RAW, 5000, 2, 2,
	 cmd_ledger_restore},
	{DATA, "load", "FILE | -", "store the rows of a file",
	 "JSON lines:  {\"key\":\"k\",\"value\":\"v\"}\n"
	 "  key_b64, value_b64   instead, in base64, for bytes that are not UTF-8\n"
	 "  value                may be an object or array: its text without white space is stored\n"
	 "  ttl_ms               forget the value after so many milliseconds\n"
	 "  tombstone            true, instead of a value: delete the key\n"
	 "TSV:         key TAB value [TAB ttl_ms]\n"
	 "  with \\t \\n \\r \\\\ for tab, newline, carriage return and backslash\n"
	 "The format is told by --format, else by the name (.jsonl, .ndjson, .json, .tsv), else by the first byte: { is JSON.\n"
	 "Bad lines are reported with their numbers and the rest is loaded. If a key stands in several rows, any of them\n"
	 "may win. The exit code is that of the worst row; 2 if a line was bad. Each request may take 10s (--timeout).\n",
	 ASK | BUCKET | FLAG_BIT(FLAG_CONSISTENCY) | FLAG_BIT(FLAG_ACKS) | FLAG_BIT(FLAG_TTL) |
		 FLAG_BIT(FLAG_FORMAT) | FLAG_BIT(FLAG_INFLIGHT),
	 DOCUMENTS, OUTPUT_TABLE, 10000, 1, 1, cmd_load},
	{DATA, "export", "", "write rows as kvctl load reads them",
	 "Rows are JSON lines, or TSV with --format tsv. A value that expires has its remaining time as ttl_ms.\n"
	 "--replica writes what one node itself holds. --raw adds versions and tells deletions, as JSON lines only; two\n"
	 "replicas in step give the same lines, sorted.\n",
	 CONNECT | PAGES | FLAG_BIT(FLAG_PREFIX) | FLAG_BIT(FLAG_FORMAT), 0, OUTPUT_JSONL, 10000, 0, 0, cmd_export},
	{DATA, "bench", "", "measure throughput and latency",
	 "Closed loop: each of --clients clients (1) keeps --inflight requests (16) under way and sends the next one when one\n"
	 "is answered. Open loop, with --rate: so many requests a second are due whatever becomes of them, and latency counts\n"
	 "from the moment a request was due; --inflight bounds what a client has under way (256), the rest waits its turn.\n"
	 "What is asked is --mix, kinds get, put, del, cas, incr and append with level and share, like\n"
	 "get@strong=70,get@bounded=2s=20,put=10; or --ratio and --write. Where no level stands -c counts, but cas, incr and\n"
	 "append are strong, and so are the reads beside --write cas, incr or append.\n"
	 "Keys are bench/00000000 and up (--keys 10000), and stay; writes other than put have keys of their own. Reads of\n"
	 "keys not written yet count as not found; --preload writes all keys first. With --distribution zipf, key 0 is\n"
	 "asked for most, and the others as Zipf's law says (exponent 0.99). A cas reads the version first; in a closed loop\n"
	 "only the cas is measured.\n"
	 "With -o jsonl and --interval there is a line an interval, with histograms: pairs of least latency (us) and count.\n",
	 ASK | FLAG_BIT(FLAG_CONSISTENCY) | FLAG_BIT(FLAG_ACKS) | FLAG_BIT(FLAG_CLIENTS) | FLAG_BIT(FLAG_INFLIGHT) |
		 FLAG_BIT(FLAG_OPS) | FLAG_BIT(FLAG_SECONDS) | FLAG_BIT(FLAG_RATIO) | FLAG_BIT(FLAG_WRITE) |
		 FLAG_BIT(FLAG_MIX) | FLAG_BIT(FLAG_SIZE) | FLAG_BIT(FLAG_KEYS) | FLAG_BIT(FLAG_KEY_SIZE) |
		 FLAG_BIT(FLAG_DISTRIBUTION) | FLAG_BIT(FLAG_PRELOAD) | FLAG_BIT(FLAG_RATE) |
		 FLAG_BIT(FLAG_THREADS) | FLAG_BIT(FLAG_INTERVAL),
	 DOCUMENTS, OUTPUT_TABLE, 0, 0, 0, cmd_bench},
	{CLUSTER, "status", "", "tell how the cluster is and what it can lose",
	 "Asks every node. Exit code 0 while every key has a majority of its replicas, though nodes may be down; 5 if some\n"
	 "keys have not, or if there is no cluster or no node answers.\n",
	 ASK, DOCUMENTS, OUTPUT_TABLE, 0, 0, 0, cmd_status},
	{CLUSTER, "health", "", "tell in one line whether the cluster serves, for scripts and probes",
	 "Exit code 0 while every key has a majority of its replicas, 5 if not, as kvctl status. With --node: whether that\n"
	 "node (a name, or host:port) answers and serves requests; 5 if not.\n",
	 ASK | FLAG_BIT(FLAG_NODE), DOCUMENTS, OUTPUT_TABLE, 2000, 0, 0, cmd_health},
	{CLUSTER, "top", "", "show what the nodes are doing, each second",
	 "Rates are of the last second, from the nodes' counters. Latencies are of each node's last whole window of five\n"
	 "seconds, from a request's arrival to its answer's leaving. HOT_KEY: keys asked for most within that window, as the\n"
	 "nodes that clients asked counted them, each on 64 counters: a key that makes up more than one request in 64 is\n"
	 "there, and its figures are never too high. On a terminal it goes on until Ctrl-C; elsewhere it shows --count of\n"
	 "them (1).\n",
	 ASK | FLAG_BIT(FLAG_TIMES), DOCUMENTS, OUTPUT_TABLE, 2000, 0, 0, cmd_top},
	{CLUSTER, "trace ls", "", "list requests whose timelines the nodes kept, newest first",
	 "Kept are requests that were sampled or traced (--trace), that failed, or that took trace.slow or longer: the last\n"
	 "256 a shard. What a node served as a replica is listed only if it was slow. AT is by the clock of NODE. At most\n"
	 "--limit (50) are listed. The exit code is that of the worst failure if a node could not be asked.\n",
	 ASK | FLAG_BIT(FLAG_NODE) | FLAG_BIT(FLAG_LIMIT), ALL_OUTPUTS, OUTPUT_TABLE, 2000, 0, 0, cmd_trace_ls},
	{CLUSTER, "trace show", "ID", "tell where the time of a kept request went",
	 "ID is that of kvctl trace ls, of the log's request.slow, or your own trace's. What each node kept of it, the\n"
	 "coordinator's part first. See docs/tracing.md. Exit code 3 if no node has it, or has it any more.\n",
	 ASK | FLAG_BIT(FLAG_NODE), DOCUMENTS, OUTPUT_TABLE, 2000, 1, 1, cmd_trace_show},
	{CLUSTER, "explain", "KEY", "tell what every node holds of a key, and why",
	 "A verdict first, then what is behind, damaged, promised or on its way, and a line for each node that has a part in\n"
	 "the key. MARK: a weak copy came below a promise and counts for no majority. HINTS_FOR: nodes that this one will\n"
	 "tell of the key. EQUAL: how long ago its partition was the same as the other replicas'. -o json tells more.\n"
	 "Asks the nodes what they hold; changes nothing. Exit code 3 if no replica has the key, 5 if no majority serves it,\n"
	 "10 if a record is damaged.\n",
	 ASK | BUCKET, DOCUMENTS, OUTPUT_TABLE, 2000, 1, 1, cmd_explain},
	{CLUSTER, "doctor", "", "look for what is wrong or will be, and tell what to do about it",
	 "Asks every node twice, a second apart, and applies rules to the answers: nodes, links, clocks, disks, settings,\n"
	 "hints, repair, moves, deletions. Each finding tells what it is, why it matters and what to do next. Exit code 10 if\n"
	 "there is something to mend, 0 if there are only hints or nothing.\n",
	 ASK, DOCUMENTS, OUTPUT_TABLE, 5000, 0, 0, cmd_doctor},
	{CLUSTER, "verify", "", "check that the cluster keeps its promises",
	 "Runs a small mixed load on keys of its own, in a bucket of its own, and checks what it was told: that strong\n"
	 "operations are linearizable, that each write took effect once or never as told, that sessions and bounds are kept,\n"
	 "that nothing comes back that was deleted; and at the end that all replicas hold the same. Prints PASS with figures,\n"
	 "or the shortest counter-example it could find (exit code 10). Takes its keys away afterwards, also when interrupted.\n"
	 "--clients clients (8) ask one thing after the other for --duration (10s) or --ops operations, through different\n"
	 "nodes, on --keys keys at a time (5). Some requests have deadlines that are too short, and some are sent twice.\n"
	 "--timeout is that of the others. What is drawn follows from --seed; how the cluster answers does not.\n",
	 ASK | FLAG_BIT(FLAG_CLIENTS) | FLAG_BIT(FLAG_OPS) | FLAG_BIT(FLAG_DURATION) | FLAG_BIT(FLAG_KEYS) |
		 FLAG_BIT(FLAG_SEED) | FLAG_BIT(FLAG_KEEP),
	 DOCUMENTS, OUTPUT_TABLE, 2000, 0, 0, cmd_verify},
	{CLUSTER, "cluster init", "ADDRESS...", "form a cluster of empty nodes",
	 "The addresses are those the nodes listen on for each other (listen.peer). The first node reached forms it.\n",
	 CONNECT | FLAG_BIT(FLAG_NAME) | FLAG_BIT(FLAG_PARTITIONS) | FLAG_BIT(FLAG_REPLICAS), 0, OUTPUT_TABLE,
	 30000, 1, 256, cmd_cluster_init},
	{CLUSTER, "cluster plan", "", "tell what the staged change will do, or the one under way",
	 "What moves, how many bytes, how long that takes about, alone and at worst while clients are served, and how many\n"
	 "nodes may fail meanwhile. Changes nothing.\n",
	 ASK, DOCUMENTS, OUTPUT_TABLE, 10000, 0, 0, cmd_cluster_plan},
	{CLUSTER, "cluster commit", "", "let the staged change begin",
	 "What begins is what kvctl cluster plan told: if the map changed since, nothing does. With --wait it tells how far\n"
	 "the moves are and ends when every node has arrived or left; Ctrl-C ends the waiting, not the change.\n",
	 CHANGE | FLAG_BIT(FLAG_WAIT), DOCUMENTS, OUTPUT_TABLE, 10000, 0, 0, cmd_cluster_commit},
	{CLUSTER, "cluster discard", "", "forget the staged change",
	 "Nodes that were to be added have spent their identities: they start again with empty directories.\n",
	 CHANGE, DOCUMENTS, OUTPUT_TABLE, 10000, 0, 0, cmd_cluster_discard},
	{CLUSTER, "cluster pause", "", "give up the moves under way and begin no more",
	 "Every key stays where it is. What was copied is not lost for good: moves begin anew with kvctl cluster resume.\n",
	 CHANGE, DOCUMENTS, OUTPUT_TABLE, 10000, 0, 0, cmd_cluster_pause},
	{CLUSTER, "cluster resume", "", "let moves go on after a pause", "", CHANGE, DOCUMENTS, OUTPUT_TABLE, 10000,
	 0, 0, cmd_cluster_resume},
	{CLUSTER, "cluster token", "", "make a token that admits one node",
	 "For a node that asks by itself (join.seeds and join.token_file in its configuration). Good for one node, for an hour\n"
	 "or as long as --ttl says. The node is staged then, as by kvctl node add.\n",
	 ASK | FLAG_BIT(FLAG_TTL), ALL_OUTPUTS, OUTPUT_RAW, 10000, 0, 0, cmd_cluster_token},
	{CLUSTER, "node ls", "", "list the nodes of the cluster map",
	 "CHANGE tells what a commit does to a node: it joins, leaves, stays, is gone, or takes another one's place.\n",
	 ASK, ALL_OUTPUTS, OUTPUT_TABLE, 0, 0, 0, cmd_node_ls},
	{CLUSTER, "node add", "ADDRESS", "stage an empty node that is to join",
	 "ADDRESS is the one it listens on for other nodes (listen.peer). Nothing moves until kvctl cluster commit; what will\n"
	 "is shown. With --replace it takes the place of a dead node, which never comes back then.\n",
	 ASK | FLAG_BIT(FLAG_REPLACE), DOCUMENTS, OUTPUT_TABLE, 10000, 1, 1, cmd_node_add},
	{CLUSTER, "node replace", "OLD ADDRESS", "stage an empty node in the place of a dead one",
	 "As kvctl node add ADDRESS --replace OLD: it gets the partitions of OLD, which never comes back.\n", ASK,
	 DOCUMENTS, OUTPUT_TABLE, 10000, 2, 2, cmd_node_replace},
	{CLUSTER, "node remove", "NODE", "stage the removal of a node",
	 "It gives its partitions away and then leaves: its process ends. With --gone it is dead: nothing is copied from it.\n"
	 "Nothing moves until kvctl cluster commit; what will is shown. Its identity never comes back.\n",
	 ASK | FLAG_BIT(FLAG_GONE), DOCUMENTS, OUTPUT_TABLE, 10000, 1, 1, cmd_node_remove},
	{CLUSTER, "node keep", "NODE", "take back the removal of a node",
	 "If it is only staged it is forgotten. If it was committed and the node has not left yet, that it stays is staged:\n"
	 "with kvctl cluster commit nothing more is taken from it, and what it gave away it gets back. A node that is gone,\n"
	 "or has left, cannot be kept. One that joins is stopped with kvctl node remove.\n",
	 ASK, DOCUMENTS, OUTPUT_TABLE, 10000, 1, 1, cmd_node_keep},
	{CLUSTER, "move ls", "", "list the partitions that are moving",
	 "One line for each new replica: from which replicas to which, how far, how fast, and what went wrong last.\n",
	 ASK, ALL_OUTPUTS, OUTPUT_TABLE, 0, 0, 0, cmd_move_ls},
	{CLUSTER, "repair status", "", "tell how equal the replicas are",
	 "OLDEST is how long ago the least recently verified partition of the node was the same as another replica's.\n"
	 "BLOCKED are partitions with old deletions that cannot be purged, and BY the node they wait for.\n",
	 ASK, ALL_OUTPUTS, OUTPUT_TABLE, 5000, 0, 0, cmd_repair_status},
	{CLUSTER, "repair run", "", "compare all replicas now",
	 "What differs is repaired, as it is in the background anyway. With --wait it ends when every partition of every node\n"
	 "was found equal to its other replicas.\n",
	 CONNECT | FLAG_BIT(FLAG_SCRUB) | FLAG_BIT(FLAG_WAIT), 0, OUTPUT_TABLE, 5000, 0, 0, cmd_repair_run},
	{CLUSTER, "partition ls", "", "list the partitions and their replicas", "", ASK, ALL_OUTPUTS, OUTPUT_TABLE,
	 0, 0, 0, cmd_partition_ls},
	{CLUSTER, "partition locate", "KEY", "tell where a key lives", "", ASK, ALL_OUTPUTS, OUTPUT_TABLE, 0, 1, 1,
	 cmd_partition_locate},
	{CLUSTER, "hint ls", "", "list what nodes keep for others to be told",
	 "A hint is a key that a node must be told about when it is back. A dirty partition had more changes than hints\n"
	 "could hold.\n",
	 ASK, ALL_OUTPUTS, OUTPUT_TABLE, 0, 0, 0, cmd_hint_ls},
	{CLUSTER, "upgrade status", "", "tell which version each node has and what the cluster may use",
	 "final: the cluster uses what every node can do. ready: all nodes can do more. rolling: some can. Exit code 5 if a\n"
	 "node does not answer.\n",
	 ASK, DOCUMENTS, OUTPUT_TABLE, 0, 0, 0, cmd_upgrade_status},
	{CLUSTER, "upgrade finalize", "", "let the cluster use what every node can do since an upgrade",
	 "Until then any node may go back to the version it had; afterwards the old one refuses to start. Refused (exit code\n"
	 "11) while a node can do less than others.\n",
	 CONNECT | FLAG_BIT(FLAG_PLAN), 0, OUTPUT_TABLE, 10000, 0, 0, cmd_upgrade_finalize},
	{CLUSTER, "config get", "[SETTING]", "list the settings the nodes run with",
	 "CHANGES: live while the node runs, by a restart, or never, because the cluster was formed with it. SOURCE: default,\n"
	 "file, environment, set (kvctl config set) or cluster. WAITS: what the file says since it was read again, and needs a\n"
	 "restart. One line for all nodes that have the same.\n",
	 ASK | FLAG_BIT(FLAG_NODE), ALL_OUTPUTS, OUTPUT_TABLE, 2000, 0, 1, cmd_config_get},
	{CLUSTER, "config set", "SETTING VALUE", "change a live setting of the nodes",
	 "It lasts until the node restarts or reads its file again (SIGHUP): to keep it, write it to the file. All nodes, or\n"
	 "--node. Exit code 11 if the setting needs a restart, 2 if there is no such setting or value.\n",
	 ASK | FLAG_BIT(FLAG_NODE), ALL_OUTPUTS, OUTPUT_TABLE, 2000, 2, 2, cmd_config_set},
	{CLUSTER, "config diff", "", "list the settings in which nodes differ from each other or from the defaults",
	 "Names, addresses and directories are each node's own and passed over.\n", ASK | FLAG_BIT(FLAG_NODE),
	 ALL_OUTPUTS, OUTPUT_TABLE, 2000, 0, 0, cmd_config_diff},
	{CLUSTER, "config check", "FILE", "check a configuration file of kvd on this machine",
	 "As kvd --check-config does: exit code 0 if it is good, 2 if not, with every mistake by its line. kvd is $KVD, else\n"
	 "the one beside kvctl, else the one in PATH.\n",
	 0, 0, OUTPUT_TABLE, 0, 1, 1, cmd_config_check},
	{CLUSTER, "log level", "[LEVEL]", "show or change how much the nodes log",
	 "LEVEL is debug, info, warn or error. The same as kvctl config set log.level: it lasts until the node restarts or\n"
	 "reads its file again.\n",
	 ASK | FLAG_BIT(FLAG_NODE), ALL_OUTPUTS, OUTPUT_TABLE, 2000, 0, 1, cmd_log_level},
	{CLUSTER, "unsafe recover", "", "make a cluster of the nodes that survived, whatever is lost",
	 "The last resort, when so many nodes are gone for ever that the rest cannot go on. On each survivor, kvd stopped:\n"
	 "rewrites the cluster map in its data directory. What only the lost nodes had is lost, also if it was acknowledged.\n"
	 "Without --yes it only tells what would happen (exit code 11). See docs/configuration.md.\n",
	 FLAG_BIT(FLAG_CONFIG) | FLAG_BIT(FLAG_SURVIVORS) | FLAG_BIT(FLAG_CLUSTER) | FLAG_BIT(FLAG_YES), 0,
	 OUTPUT_TABLE, 0, 0, 0, cmd_unsafe_recover},
	{DEV, "dev up", "[N]", "start N nodes (3) and form a cluster of them",
	 "Node n1 lives in DIR/n1: kvd.yaml, data, log and pid. DIR/endpoints holds the client addresses, as KVCTL_ENDPOINTS\n"
	 "takes them, and DIR/http the addresses of status pages, one a line. Nodes that exist already are started again on\n"
	 "the same ports. kvd is $KVD, else the one beside kvctl, else the one in PATH.\n",
	 FLAG_BIT(FLAG_DIR) | FLAG_BIT(FLAG_PARTITIONS), 0, OUTPUT_TABLE, 0, 0, 1, cmd_dev_up},
	{DEV, "dev down", "", "stop all nodes, keeping their data", "", FLAG_BIT(FLAG_DIR), 0, OUTPUT_TABLE, 0, 0,
	 0, cmd_dev_down},
	{DEV, "dev kill", "NODE", "kill a node without warning (SIGKILL)", "", FLAG_BIT(FLAG_DIR), 0, OUTPUT_TABLE,
	 0, 1, 1, cmd_dev_kill},
	{DEV, "dev start", "NODE", "start a node again", "", FLAG_BIT(FLAG_DIR), 0, OUTPUT_TABLE, 0, 1, 1,
	 cmd_dev_start},
	{DEV, "dev add", "", "start another node and let it join",
	 "Waits until it has its partitions, telling how far it is. With --replace it takes the place of a dead node.\n",
	 FLAG_BIT(FLAG_DIR) | FLAG_BIT(FLAG_REPLACE), 0, OUTPUT_TABLE, 10000, 0, 0, cmd_dev_add},
	{DEV, "dev remove", "NODE", "let a node leave",
	 "Waits until it has given its partitions away and its process has ended. A node that does not run is removed as\n"
	 "gone: the others copy from each other.\n",
	 FLAG_BIT(FLAG_DIR), 0, OUTPUT_TABLE, 10000, 1, 1, cmd_dev_remove},
	{DEV, "dev ls", "", "list the nodes", "", FLAG_BIT(FLAG_DIR) | FLAG_BIT(FLAG_OUTPUT), ALL_OUTPUTS,
	 OUTPUT_TABLE, 0, 0, 0, cmd_dev_ls},
	{TOOL, "shell", "", "read commands line by line, over one connection",
	 "What kvctl without a command does on a terminal. Lines are cut into words as a shell does: \"...\", '...', \\ and\n"
	 "comments from #. Tab completes commands, flags, keys and nodes. An error ends the line, not the shell; Ctrl-C\n"
	 "gives up the line; exit, quit or Ctrl-D leave. Flags of kvctl shell hold for all lines that do not say\n"
	 "otherwise. Lines are kept in ~/.local/state/kvctl/history, but for those that begin with a blank. The exit\n"
	 "code is that of the last line.\n",
	 CONNECT | FLAG_BIT(FLAG_CONSISTENCY) | FLAG_BIT(FLAG_ACKS) | FLAG_BIT(FLAG_RECEIPT), 0, OUTPUT_TABLE, 0, 0,
	 0, cmd_shell},
	{TOOL, "ctx add", "NAME", "keep flags under a name, or change them",
	 "What is given of -e, --zone, -c, --timeout and -o is kept in ~/.config/kvctl/config.yaml and holds for\n"
	 "commands run with --context NAME, or when NAME is the current context, where neither a flag nor a variable\n"
	 "says otherwise. The first context is the current one until kvctl ctx use.\n",
	 FLAG_BIT(FLAG_OUTPUT) | FLAG_BIT(FLAG_ENDPOINTS) | FLAG_BIT(FLAG_ZONE) | FLAG_BIT(FLAG_TIMEOUT) |
		 FLAG_BIT(FLAG_CONSISTENCY),
	 ALL_OUTPUTS, OUTPUT_TABLE, 0, 1, 1, cmd_ctx_add},
	{TOOL, "ctx use", "NAME", "make a context the current one",
	 "The context \"default\" is that without any flags.\n", 0, 0, OUTPUT_TABLE, 0, 1, 1, cmd_ctx_use},
	{TOOL, "ctx ls", "", "list the contexts", "", FLAG_BIT(FLAG_OUTPUT), ALL_OUTPUTS, OUTPUT_TABLE, 0, 0, 0,
	 cmd_ctx_ls},
	{TOOL, "ctx rm", "NAME", "remove a context", "", 0, 0, OUTPUT_TABLE, 0, 1, 1, cmd_ctx_rm},
	{TOOL, "completion", "SHELL", "write the completion script of bash, zsh or fish",
	 "Packages install it. To try it: . <(kvctl completion bash), or kvctl completion fish | source.\n", 0, 0,
	 OUTPUT_TABLE, 0, 1, 1, cmd_completion},
	{HIDDEN, "complete", "[WORD]...", "tell what may stand in the place of the last word",
	 "For completion scripts: one a line, a tab, and what it is. The line \":files\" stands for names of files.\n",
	 0, 0, OUTPUT_TABLE, 0, 0, -1, cmd_complete},
	{HIDDEN, "man", "PAGE", "write a manual page as scdoc reads it", "For the build.\n", 0, 0, OUTPUT_TABLE, 0,
	 1, 1, cmd_man},
};

const struct command *commands_all(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(table);
	return table;
}

/** True if NAME has two words and WORD is the first. */
static bool is_noun_of(const char *name, const char *word)
{
	size_t size = strlen(word);
	return strncmp(name, word, size) == 0 && name[size] == ' ';
}

static void list_verbs(const char *noun, struct buf *out)
{
	const char *separator = "";
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!is_noun_of(table[i].name, noun))
			continue;
		buf_printf(out, "%s%s", separator, table[i].name);
		separator = ", ";
	}
}

/** What people know from elsewhere and look for here, with what there is instead. */
static const struct {
	const char *command, *instead;
} elsewhere[] = {
	{"backup",
	 "there are no backups by kvctl; docs/operating.md says how to copy a node, kvctl export writes all values"},
	{"bucket", "buckets are not made: --bucket NUMBER names one, of 2^32"},
	{"user", "there are no users: whoever reaches a node's ports may do everything"},
	{"role", "there are no users: whoever reaches a node's ports may do everything"},
	{"fault",
	 "nodes have no faults on demand; kvctl dev kill ends one, docs/testing.md tells how faults are tested"},
	{"node drain",
	 "a node drains when it is told to end (SIGTERM, systemctl stop); kvctl node remove lets it leave"},
	{"set", "kvctl put stores a value"},
	{"delete", "kvctl del deletes keys"},
};

static bool explain_elsewhere(const char *command, struct buf *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		if (strcmp(command, elsewhere[i].command) == 0) {
			buf_printf(why, "no command \"%s\": %s", command, elsewhere[i].instead);
			return true;
		}
	}
	return false;
}

/** A noun was given, and VERB (NULL: none) is none of its verbs. */
static void explain_verb(const char *noun, const char *verb, struct buf *why)
{
	const char *verbs[ARRAY_SIZE(table)] = {NULL};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (is_noun_of(table[i].name, noun))
			verbs[i] = table[i].name + strlen(noun) + 1;
	}
	char both[64];
	snprintf(both, sizeof both, "%s %s", noun, verb ? verb : "");
	if (explain_elsewhere(both, why))
		return;
	const char *nearest = verb ? text_nearest(verb, verbs, ARRAY_SIZE(verbs)) : NULL;
	if (nearest) {
		buf_printf(why, "unknown command \"%s %s\"; did you mean \"%s %s\"?", noun, verb, noun, nearest);
		return;
	}
	if (verb)
		buf_printf(why, "unknown command \"%s %s\"; there are: ", noun, verb);
	else
		buf_printf(why, "\"%s\" needs a second word; there are: ", noun);
	list_verbs(noun, why);
}

static void explain_word(const char *word, struct buf *why)
{
	const char *words[ARRAY_SIZE(table) + 1];
	char nouns[ARRAY_SIZE(table)][32];
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		snprintf(nouns[i], sizeof nouns[i], "%s", table[i].name);
		nouns[i][strcspn(nouns[i], " ")] = '\0';
		words[i] = nouns[i];
	}
	words[ARRAY_SIZE(table)] = "help";
	if (explain_elsewhere(word, why))
		return;
	const char *nearest = text_nearest(word, words, ARRAY_SIZE(words));
	buf_printf(why, "unknown command \"%s\"", word);
	if (nearest)
		buf_printf(why, "; did you mean \"%s\"?", nearest);
}

const struct command *commands_find(int argc, char **argv, int *ret_words, struct buf *why)
{
	KV_ASSERT(argc > 0);
	bool noun = false;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *name = table[i].name;
		*ret_words = 1;
		if (strcmp(name, argv[0]) == 0)
			return &table[i];
		if (!is_noun_of(name, argv[0]))
			continue;
		noun = true;
		*ret_words = 2;
		if (argc > 1 && strcmp(name + strlen(argv[0]) + 1, argv[1]) == 0)
			return &table[i];
	}
	if (noun)
		explain_verb(argv[0], argc > 1 ? argv[1] : NULL, why);
	else
		explain_word(argv[0], why);
	return NULL;
}
