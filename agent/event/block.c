/* SPDX-License-Identifier: Apache-2.0 */
#include "event/common.h"

#include "base/clock.h"
#include "base/macro.h"

#define REASON_MAX 8192

static void put_time(struct json_text *w, const char *key, uint64_t real_ns)
{
	char text[CLOCK_RFC3339_LEN];
	clock_format_rfc3339(real_ns, text);
	json_text_string(w, key, text);
}

/* In words, for people. */
static int reason_add(struct buf *out, const struct event_context *ctx, const struct event_block *b)
{
	int r = b->process_only ? buf_appendf(out, "process %u", ctx->process ? ctx->process->pid : 0)
				: buf_appendf(out, "cgroup %s", b->cgroup ? b->cgroup : "?");
	if (r == 0 && b->over)
		r = buf_appendf(out, " may connect to AI hosts again%s: %llu connections were refused",
				b->lifted ? ", before its time" : "",
				(unsigned long long)b->refused_connects);
	else if (r == 0)
		r = buf_append_str(out, " may not connect to AI hosts for now");
	if (r == 0 && !b->over && b->not_ended)
		r = buf_appendf(out, "; the connection could not be ended: %s", b->not_ended);
	return r;
}

static void put_reason(struct json_text *w, const struct event_context *ctx, const struct event_block *b)
{
	struct buf reason;
	buf_init(&reason, REASON_MAX);
	int r = reason_add(&reason, ctx, b);
	if (r < 0)
		w->error = r;
	else
		json_text_stringn(w, "reason", (const char *)reason.data, reason.len);
	buf_done(&reason);
}

static void put_block(struct json_text *w, const struct event_block *b)
{
	json_text_open(w, "block", '{');
	json_text_string(w, "state", b->over ? b->lifted ? "lifted" : "over" : "begun");
	json_text_string(w, "scope", b->process_only ? "process" : "cgroup");
	json_text_string(w, "cgroup", b->cgroup);
	put_time(w, "since", b->begun_ns);
	put_time(w, "until", b->until_ns);
	json_text_uint(w, "violations", b->violations);
	json_text_uint(w, "ended-connections", b->ended);
	if (b->over) {
		json_text_uint(w, "refused-connections", b->refused_connects);
		json_text_uint(w, "refused-datagrams", b->refused_datagrams);
	}
	json_text_close(w, '}');
}

int event_build_block(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
		      const struct event_block *block)
{
	_cleanup_(event_abandon) struct event_maker m = {0};
	int r = event_start(&m, ctx, time_ns, "Policy");
	if (r < 0)
		return r;
	event_put_operation(&m.json, ctx, NULL);
	event_put_who(&m.json, ctx);
	json_text_string(&m.json, "rule", block->rule);
	json_text_string(&m.json, "action", "block");
	put_block(&m.json, block);
	put_reason(&m.json, ctx, block);
	return event_finish(&m, ret_event);
}
