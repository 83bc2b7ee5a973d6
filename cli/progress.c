/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/output.h"
#include "cli/text.h"

enum { BAR_WIDTH = 30 };

#define REDRAW_US (100 * USEC_PER_MSEC)

void progress_start(struct progress *p, const char *what, const char *unit)
{
	*p = (struct progress){.what = what, .unit = unit, .start_us = clock_mono_us()};
	p->terminal = output_is_terminal() && isatty(STDERR_FILENO);
	p->next_us = p->start_us + (p->terminal ? REDRAW_US : USEC_PER_SEC);
}

usec_t progress_elapsed_us(const struct progress *p) { return clock_mono_us() - p->start_us; }

static void append_bar(struct buf *line, uint64_t part, uint64_t whole)
{
	unsigned full = (unsigned)((double)part * BAR_WIDTH / (double)whole);
	buf_append_u8(line, '[');
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		buf_append_u8(line, i < full ? '=' : i == full ? '>' : ' ');
	buf_append_str(line, "] ");
}

void progress_update(struct progress *p, uint64_t count, uint64_t part, uint64_t whole)
{
	usec_t now_us = clock_mono_us();
	if (now_us < p->next_us)
		return;
	p->next_us = now_us + (p->terminal ? REDRAW_US : USEC_PER_SEC);
	usec_t elapsed_us = MAX(now_us - p->start_us, (usec_t)1);
	part = MIN(part, whole);

	CLEANUP(buf_release) struct buf line = BUF_INIT;
	buf_append_str(&line, p->terminal ? "\r" : "");
	buf_printf(&line, "%s: ", p->what);
	if (p->terminal && whole > 0)
		append_bar(&line, part, whole);
	if (whole > 0)
		buf_printf(&line, "%.0f%%, ", (double)part * 100 / (double)whole);
	buf_printf(&line, "%llu %s, %.0f/s", (unsigned long long)count, p->unit,
		   (double)count * (double)USEC_PER_SEC / (double)elapsed_us);
	if (part > 0 && part < whole) {
		buf_append_str(&line, ", ");
		text_append_us(&line, (usec_t)((double)elapsed_us / (double)part * (double)(whole - part)));
		buf_append_str(&line, " left");
	}
	buf_append_str(&line, p->terminal ? "\033[K" : "\n");
	fwrite(line.data, 1, line.size, stderr);
	fflush(stderr);
	p->drawn = p->terminal;
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
