/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: one thread reads rows and sends them, the client's thread counts what becomes of them. A window of requests bounds
 * what is under way, in number and bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/rows.h"

enum { INFLIGHT_DEFAULT = 256, ERRORS_SHOWN = 20, WAKE_MS = 100 };

#define INFLIGHT_BYTES_MAX ((size_t)64 << 20)

struct load;

/** A request under way. */
struct ticket {
	struct load *load;
	struct ticket *next_free;
	uint64_t line;
	size_t size; /* bytes of key and value */
};

struct load {
	struct ctl *ctl;
	struct kv_options options; /* of each row */
	struct rows_reader reader;
	struct progress progress;
	uint64_t file_size; /* 0: not known */
	struct ticket *tickets;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock. */
	struct ticket *free_tickets;
	uint32_t inflight;
	size_t inflight_bytes;
	uint64_t records, bytes; /* stored */
	uint64_t failed, bad_lines;
	int code; /* the worst so far */
};

/** Tells what went wrong with a line. Under lock. */
static void say_line(struct load *load, uint64_t line, const char *name, const char *message)
{
	uint64_t told = load->failed + load->bad_lines;
	if (told > ERRORS_SHOWN)
		return;
	progress_clear(&load->progress);
	if (told == ERRORS_SHOWN)
		ctl_say(load->ctl, "further errors are counted and not shown");
	else
		ctl_say(load->ctl, "line %llu: %s: %s", (unsigned long long)line, name, message);
}

static void note_failure(struct load *load, uint64_t line, const struct kv_error *err)
{
	say_line(load, line, kv_status_name(err->status),
		 *err->message ? err->message : kv_status_text(err->status));
	load->failed++;
	load->code = ctl_worse(load->code, ctl_exit_code(err));
}

static void give_back(struct load *load, struct ticket *ticket)
{
	KV_ASSERT(load->inflight > 0);
	load->inflight--;
	load->inflight_bytes -= ticket->size;
	ticket->next_free = load->free_tickets;
	load->free_tickets = ticket;
	pthread_cond_signal(&load->changed);
}

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg)
{
	(void)client, (void)item;
	struct ticket *ticket = arg;
	struct load *load = ticket->load;
	pthread_mutex_lock(&load->lock);
	if (err->status == KV_OK) {
		load->records++;
		load->bytes += ticket->size;
	} else {
		note_failure(load, ticket->line, err);
	}
	give_back(load, ticket);
	pthread_mutex_unlock(&load->lock);
}

/** Waits for a change, a moment at most, and shows how far it is. Under lock. */
static void wait_a_moment(struct load *load)
{
	struct timespec until;
	usec_t at_us = clock_mono_us() + WAKE_MS * USEC_PER_MSEC;
	until.tv_sec = (time_t)(at_us / USEC_PER_SEC);
	until.tv_nsec = (long)(at_us % USEC_PER_SEC * 1000);
	pthread_cond_timedwait(&load->changed, &load->lock, &until);
	progress_update(&load->progress, load->records, load->reader.size, load->file_size);
}

/** A ticket for SIZE bytes, when there is room. NULL after Ctrl-C. */
static struct ticket *take_ticket(struct load *load, uint64_t line, size_t size)
{
	pthread_mutex_lock(&load->lock);
	while (!interrupt_pending() &&
	       (!load->free_tickets || (load->inflight > 0 && load->inflight_bytes + size > INFLIGHT_BYTES_MAX)))
		wait_a_moment(load);
	struct ticket *ticket = interrupt_pending() ? NULL : load->free_tickets;
	if (ticket) {
		load->free_tickets = ticket->next_free;
		load->inflight++;
		load->inflight_bytes += size;
		ticket->line = line;
		ticket->size = size;
		progress_update(&load->progress, load->records, load->reader.size, load->file_size);
	}
	pthread_mutex_unlock(&load->lock);
	return ticket;
}

static void send_row(struct load *load, const struct row *row)
{
	size_t size = row->key.size + row->value.size;
	struct ticket *ticket = take_ticket(load, load->reader.line_count, size);
	if (!ticket)
		return;
	struct kv_options options = load->options;
	if (row->ttl_ms)
		options.ttl_ms = row->ttl_ms;
	struct kv_slice key = ctl_slice(buf_slice(&row->key)), value = ctl_slice(buf_slice(&row->value));
	struct kv_error err;
	enum kv_status status =
		row->tombstone ? kv_del_async(load->ctl->client, &options, key, on_answer, ticket, &err)
			       : kv_put_async(load->ctl->client, &options, key, value, on_answer, ticket, &err);
	if (status == KV_OK)
		return;
	pthread_mutex_lock(&load->lock);
	note_failure(load, ticket->line, &err);
	give_back(load, ticket);
	pthread_mutex_unlock(&load->lock);
}

static void note_bad_line(struct load *load, const struct error *why)
{
	pthread_mutex_lock(&load->lock);
	say_line(load, load->reader.line_count, "not stored", why->message);
	load->bad_lines++;
	load->code = ctl_worse(load->code, why->status == KV_IO ? 1 : 2);
	pthread_mutex_unlock(&load->lock);
}

static void read_rows(struct load *load)
{
	CLEANUP(row_release) struct row row = {0};
	enum kv_status status = KV_OK;
	while ((status == KV_OK || status == KV_INVALID) && !interrupt_pending()) {
		struct error why;
		status = rows_read(&load->reader, &row, &why);
		if (status == KV_OK)
			send_row(load, &row);
		else if (status != KV_NOT_FOUND && !interrupt_pending())
			note_bad_line(load, &why);
	}
	pthread_mutex_lock(&load->lock);
	while (load->inflight > 0)
		wait_a_moment(load);
	pthread_mutex_unlock(&load->lock);
}

static void summarise(const struct load *load)
{
	static const struct output_column columns[] = {
		{"RECORDS", "records", COLUMN_RIGHT},     {"FAILED", "failed", COLUMN_RIGHT},
		{"BAD_LINES", "bad_lines", COLUMN_RIGHT}, {"BYTES", "bytes", COLUMN_RIGHT},
		{"SECONDS", "seconds", COLUMN_RIGHT},     {"RECORDS/S", "records_per_second", COLUMN_RIGHT}};
	double seconds = (double)progress_elapsed_us(&load->progress) / (double)USEC_PER_SEC;
	json_t *row = json_object();
	json_set_number(row, "records", load->records);
	json_set_number(row, "failed", load->failed);
	json_set_number(row, "bad_lines", load->bad_lines);
	json_set_number(row, "bytes", load->bytes);
	json_set(row, "seconds", json_real(seconds));
	json_set(row, "records_per_second", json_real(seconds > 0 ? (double)load->records / seconds : 0));
	json_set_bool(row, "interrupted", interrupt_pending());
	output_one(load->ctl->args.output, columns, ARRAY_SIZE(columns), row);
}

static void init(struct load *load, struct ctl *ctl, int fd, const char *name)
{
	uint32_t count = ctl->args.inflight ? ctl->args.inflight : INFLIGHT_DEFAULT;
	struct stat info;
	*load = (struct load){.ctl = ctl};
	if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
		load->file_size = (uint64_t)info.st_size;
	rows_reader_init(&load->reader, fd, name, ctl->args.format);
	load->tickets = xcalloc(count, sizeof *load->tickets);
	for (uint32_t i = 0; i < count; i++) {
		load->tickets[i] = (struct ticket){.load = load, .next_free = load->free_tickets};
		load->free_tickets = &load->tickets[i];
	}
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&load->lock, NULL);
	pthread_cond_init(&load->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

int cmd_load(struct ctl *ctl)
{
	const char *path = ctl->operands[0];
	struct kv_options options;
	if (!ctl_write_options(ctl, /* strong_only= */ false, &options))
		return 2;
	bool is_stream = strcmp(path, "-") == 0;
	int fd = is_stream ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ctl_say(ctl, "%s: %s", path, strerror(errno));
		return 1;
	}
	int code = 1;
	if (ctl_open(ctl, NULL)) {
		struct load load;
		init(&load, ctl, fd, is_stream ? NULL : path);
		load.options = options;
		interrupt_defer();
		progress_start(&load.progress, "load", "records");
		read_rows(&load);
		progress_clear(&load.progress);
		summarise(&load);
		code = interrupt_pending() ? INTERRUPT_EXIT_CODE : load.code;
		rows_reader_release(&load.reader);
		free(load.tickets);
		pthread_cond_destroy(&load.changed);
		pthread_mutex_destroy(&load.lock);
	}
	if (!is_stream)
		close(fd);
	return code;
}
