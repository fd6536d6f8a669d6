/* SPDX-License-Identifier: Apache-2.0 */

/* WebSockets in a worker: each exchange of a session becomes two events, with the identity of the handshake.
 */

#include "pipeline_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "openai/session.h"

/* One more than the session has: a transcription needs no place among its responses. */
#define OPEN_MAX (SESSION_MAX_OPEN + 1)

struct open_exchange {
	uint64_t number; /* 0: free */
	char message_id[UUID_LEN];
	uint64_t first_ts_ns;
	json_t *claimed; /* the request's own, else the handshake's; or NULL */
	struct policy_decision decision;
};

struct pipeline_session {
	struct worker *worker;
	struct worker_conn *conn; /* owns this */
	uint64_t conn_id;
	struct record_socket socket;
	struct identity_caller caller;
	json_t *claimed; /* of the handshake; or NULL */
	struct event_secrets *secrets;
	struct openai_session *session;
	struct open_exchange open[OPEN_MAX];
};

static struct open_exchange *find(struct pipeline_session *s, uint64_t number)
{
	for (size_t i = 0; i < OPEN_MAX; i++)
		if (s->open[i].number == number)
			return &s->open[i];
	return NULL;
}

static void lost(struct pipeline_session *s, int r)
{
	atomic_fetch_add(&s->worker->pipeline->counters.build_failed, 1);
	log_error("an event of a session could not be built and is lost: %s", strerror(-r));
}

static void fill_facts(const struct pipeline_session *s, const struct open_exchange *open,
		       struct worker_facts *facts)
{
	worker_facts_fill(facts, s->worker, s->conn, s->conn_id, &s->socket);
	facts->connection.protocol = worker_protocol_name(HTTP_WEBSOCKET);
	facts->ctx.message_id = open->message_id;
	facts->ctx.caller = &s->caller;
	facts->claimed = open->claimed;
	facts->ctx.secrets = s->secrets;
}

static void close_exchange(struct open_exchange *open)
{
	json_decref(open->claimed);
	policy_decision_done(&open->decision);
	*open = (struct open_exchange){0};
}

static void on_request(void *ctx, const struct http_message *msg, const struct openai_request *req)
{
	struct pipeline_session *s = ctx;
	struct open_exchange *open = find(s, 0);
	struct worker_facts facts;

	if (!open) /* responses failed to come for want of memory */
		open = &s->open[0];
	close_exchange(open);
	*open = (struct open_exchange){.number = msg->exchange, .first_ts_ns = msg->first_ts_ns};
	int r = uuid_v7(clock_mono_to_real_ns(msg->first_ts_ns), open->message_id);
	if (r >= 0)
		r = worker_read_claimed(s->worker, msg, req, &open->claimed);
	if (!open->claimed)
		open->claimed = json_incref(s->claimed);
	if (r >= 0) {
		fill_facts(s, open, &facts);
		worker_decide(s->worker, &open->decision, &facts, req);
		r = worker_request(s->worker, &facts, &open->decision, msg, req);
	}
	if (r < 0)
		lost(s, r);
}

static void on_response(void *ctx, const struct http_message *msg, const struct openai_request *req,
			const struct openai_response *resp)
{
	struct pipeline_session *s = ctx;
	struct open_exchange *open = find(s, msg->exchange);
	struct worker_facts facts;

	if (!open) {
		lost(s, -ENOMEM);
		return;
	}
	fill_facts(s, open, &facts);
	int r = worker_response(s->worker, &facts, &open->decision, msg, req, resp, open->first_ts_ns);
	close_exchange(open);
	if (r < 0)
		lost(s, r);
}

int pipeline_session_new(struct pipeline_session **ret_session, struct worker *worker,
			 struct worker_conn *conn, const struct job *job, struct exchange *handshake)
{
	static const struct openai_session_ops ops = {.on_request = on_request, .on_response = on_response};
	struct pipeline_session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	int r = openai_session_new(&s->session, handshake->request, handshake->upgrade_target, job->conn_id,
				   handshake->number, &ops, s);
	if (r < 0) {
		free(s);
		return r;
	}
	s->worker = worker;
	s->conn = conn;
	s->conn_id = job->conn_id;
	s->socket = job->socket;
	s->caller = handshake->caller;
	handshake->caller = (struct identity_caller){0};
	s->claimed = TAKE_PTR(handshake->claimed);
	s->secrets = TAKE_PTR(handshake->secrets);
	atomic_fetch_add_explicit(&worker->pipeline->counters.sessions, 1, memory_order_relaxed);
	*ret_session = s;
	return 0;
}

static void count_left_out(struct worker *w, uint64_t messages, uint64_t bytes)
{
	struct pipeline_counters *n = &w->pipeline->counters;
	atomic_fetch_add_explicit(&n->session_left_out, messages, memory_order_relaxed);
	atomic_fetch_add_explicit(&n->session_left_out_bytes, bytes, memory_order_relaxed);
}

int pipeline_session_message(struct worker *worker, struct pipeline_session *session, const struct job *job)
{
	if (!session) {
		count_left_out(worker, 1, job->msg->body_total);
		return 0;
	}
	session->socket = job->socket;
	return openai_session_message(session->session, job->msg);
}

void pipeline_session_end(struct pipeline_session *session, uint64_t ts_ns)
{
	struct openai_session_counts counts;
	int r = openai_session_end(session->session, ts_ns);
	if (r < 0)
		lost(session, r);
	openai_session_counts(session->session, &counts);
	count_left_out(session->worker, counts.left_out, counts.left_out_bytes);
}

void pipeline_session_free(struct pipeline_session **session)
{
	if (!*session)
		return;
	openai_session_free(&(*session)->session);
	identity_caller_done(&(*session)->caller);
	json_decref((*session)->claimed);
	event_secrets_free(&(*session)->secrets);
	for (size_t i = 0; i < OPEN_MAX; i++)
		close_exchange(&(*session)->open[i]);
	free(*session);
	*session = NULL;
}
