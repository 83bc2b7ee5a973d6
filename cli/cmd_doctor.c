/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what is wrong, or will be, and what to do about it. */
#include "cli/checkup.h"
#include "cli/json.h"
#include "cli/output.h"

enum { CHECK_FAILED = 10 };

static json_t *finding_row(const struct doctor_finding *f)
{
	json_t *row = json_object();
	json_set_text(row, "severity", doctor_severity_name(f->severity));
	json_set_text(row, "rule", f->rule);
	json_set_text(row, "subject", f->subject);
	json_set(row, "what", json_stringn((const char *)f->what.data, f->what.size));
	json_set_text(row, "why", f->why);
	json_set(row, "next", json_stringn((const char *)f->next.data, f->next.size));
	return row;
}

static void print_finding(const struct doctor_finding *f)
{
	static const char *const colors[] = {
		[DOCTOR_NOTE] = "36", [DOCTOR_WARNING] = "33", [DOCTOR_CRITICAL] = "31"};
	const char *word = doctor_severity_name(f->severity);
	if (output_has_colors())
		printf("\033[%sm%s\033[0m", colors[f->severity], word);
	else
		printf("%s", word);
	printf(" %s: %.*s\n", f->rule, (int)f->what.size, (const char *)f->what.data);
	printf("  why:  %s\n", f->why);
	printf("  next: %.*s\n\n", (int)f->next.size, (const char *)f->next.data);
}

/** The last line: how much there is to mend. */
static void append_verdict(const struct doctor *d, const struct doctor_survey *s, struct buf *out)
{
	size_t mend = doctor_to_mend(d), notes = d->count - mend;
	if (mend == 0)
		buf_printf(out, "nothing to mend on %zu node%s", s->node_count, s->node_count == 1 ? "" : "s");
	else
		buf_printf(out, "%zu finding%s to mend", mend, mend == 1 ? "" : "s");
	if (notes > 0)
		buf_printf(out, "; %zu note%s", notes, notes == 1 ? "" : "s");
}

static void show(struct ctl *ctl, const struct doctor *d, const struct doctor_survey *s)
{
	CLEANUP(buf_release) struct buf verdict = BUF_INIT;
	append_verdict(d, s, &verdict);
	if (ctl->args.output == OUTPUT_TABLE) {
		for (size_t i = 0; i < d->count; i++)
			print_finding(&d->findings[i]);
		printf("%s\n", buf_cstr(&verdict));
		return;
	}
	if (ctl->args.output == OUTPUT_JSONL) {
		struct output out;
		output_begin(&out, OUTPUT_JSONL, NULL, 0);
		for (size_t i = 0; i < d->count; i++)
			output_add(&out, finding_row(&d->findings[i]));
		output_end(&out);
		return;
	}
	json_t *row = json_object(), *list = json_array();
	json_set_text(row, "verdict", buf_cstr(&verdict));
	json_set_number(row, "to_mend", doctor_to_mend(d));
	json_set_number(row, "notes", d->count - doctor_to_mend(d));
	json_set_number(row, "nodes", s->node_count);
	for (size_t i = 0; i < d->count; i++)
		json_array_append_new(list, finding_row(&d->findings[i]));
	json_set(row, "findings", list);
	output_one(OUTPUT_JSON, NULL, 0, row);
}

int cmd_doctor(struct ctl *ctl)
{
	if (!ctl_open(ctl, NULL))
		return ctl_not_open();
	CLEANUP(checkup_release) struct checkup checkup = {0};
	struct kv_error err;
	if (checkup_take(ctl, &checkup, &err) != KV_OK)
		return ctl_fail(ctl, NULL, &err);
	CLEANUP(doctor_release) struct doctor d;
	doctor_examine(&d, &checkup.survey);
	show(ctl, &d, &checkup.survey);
	return doctor_to_mend(&d) > 0 ? CHECK_FAILED : 0;
}
