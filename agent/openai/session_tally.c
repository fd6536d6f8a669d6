/* SPDX-License-Identifier: Apache-2.0 */
#include "openai/session_tally.h"

static int hash(struct session_tally *t, const struct http_message *msg)
{
	if (!t->sha) {
		int r = sha256_new(&t->sha);
		if (r < 0)
			return r;
	}
	if (msg->body_len)
		sha256_update(t->sha, msg->body, msg->body_len);
	return 0;
}

int session_tally_add(struct session_tally *tally, const struct http_message *msg)
{
	struct session_tally *t = tally;

	if (!t->messages++)
		t->first_ts_ns = msg->first_ts_ns;
	t->last_ts_ns = msg->last_ts_ns;
	t->bytes += msg->body_total;
	t->kept += msg->body_len;
	t->wire += msg->wire_bytes;
	if (msg->missing_bytes && !t->missing)
		t->reason = msg->missing_reason;
	t->missing += msg->missing_bytes;
	if (t->end == HTTP_END_COMPLETE)
		t->end = msg->end;
	if (!t->problem)
		t->problem = msg->problem;
	t->inexact |= msg->missing_bytes || msg->body_total != msg->body_len || msg->end != HTTP_END_COMPLETE;

	int r = t->inexact ? 0 : hash(t, msg);
	t->inexact |= r < 0;
	return r;
}

void session_tally_take(struct session_tally *tally, struct http_message *msg)
{
	msg->body_len = (size_t)tally->kept;
	msg->body_total = msg->coded_total = tally->bytes;
	msg->wire_bytes = tally->wire;
	msg->missing_bytes = tally->missing;
	msg->missing_reason = tally->reason;
	msg->end = tally->end;
	msg->problem = tally->problem;
	msg->reads = tally->messages;
	if (!tally->inexact && (tally->sha || sha256_new(&tally->sha) == 0)) {
		sha256_final(tally->sha, msg->body_sha256);
		msg->body_sha256_valid = true;
	}
	session_tally_done(tally);
}

void session_tally_done(struct session_tally *tally)
{
	sha256_free(&tally->sha);
	*tally = (struct session_tally){0};
}
