/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/msg.h"

const char *span_name(enum span_kind kind)
{
	switch (kind) {
	case SPAN_REQUEST:
		return "request";
	case SPAN_QUEUE:
		return "queue";
	case SPAN_BACKOFF:
		return "backoff";
	case SPAN_TURN:
		return "turn";
	case SPAN_READ:
		return "read";
	case SPAN_COPY:
		return "copy";
	case SPAN_PREPARE:
		return "prepare";
	case SPAN_ACCEPT:
		return "accept";
	case SPAN_DIRECT:
		return "direct";
	case SPAN_PUSH:
		return "push";
	case SPAN_FORWARD:
		return "forward";
	case SPAN_SCAN:
		return "scan";
	case SPAN_REPLICA:
		return "replica";
	case SPAN_SERVE:
		return "serve";
	case SPAN_DISK:
		return "disk";
	case SPAN_COMMIT:
		return "commit";
	case SPAN_SYNC:
		return "sync";
	}
	return "unknown"; /* of a newer node */
}

const char *level_text(enum msg_level level)
{
	switch (level) {
	case LEVEL_DEFAULT:
		return "default";
	case LEVEL_EVENTUAL:
		return "eventual";
	case LEVEL_SESSION:
		return "session";
	case LEVEL_BOUNDED:
		return "bounded";
	case LEVEL_STRONG:
		return "strong";
	}
	return "unknown";
}

const char *answer_name(enum replica_answer answer)
{
	switch (answer) {
	case ANSWER_RECORD:
		return "record";
	case ANSWER_PROMISE:
		return "promise";
	case ANSWER_ACK:
		return "ack";
	case ANSWER_REJECT:
		return "reject";
	case ANSWER_STORED:
		return "stored";
	case ANSWER_OLD:
		return "old";
	case ANSWER_EPOCH:
		return "epoch";
	case ANSWER_CLOCK:
		return "clock";
	case ANSWER_BUSY:
		return "busy";
	}
	return "unknown";
}
