/* SPDX-License-Identifier: Apache-2.0 */

/* The workers: messages become exchanges, exchanges become events. */

#include "pipeline_worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "identity/claimed.h"

#define JOBS_MAX	65536
#define JOBS_WEIGHT_MAX (64ULL << 20)
#define EXCHANGES_MAX	2048 /* more than http_limits.max_pending */

/* Browsers cannot set headers on a WebSocket: the API takes the key as the name of a subprotocol. */
#define SUBPROTOCOL_KEY "openai-insecure-api-key."

/* --- exchanges and connections ------------------------------------------------------- */

static void exchange_free(struct exchange **exchange)
{
	if (!*exchange)
		return;
	openai_request_free(&(*exchange)->request);
	identity_caller_done(&(*exchange)->caller);
	json_decref((*exchange)->claimed);
	event_secrets_free(&(*exchange)->secrets);
	policy_decision_done(&(*exchange)->decision);
	free((*exchange)->upgrade_target);
	free(*exchange);
	*exchange = NULL;
}

/* Takes the exchange of that number out of the list; NULL if it is not there. */
static struct exchange *exchange_take(struct worker_conn *conn, uint64_t number)
{
	for (struct exchange **at = &conn->exchanges; *at; at = &(*at)->next) {
		if ((*at)->number != number)
			continue;
		struct exchange *found = *at;
		*at = found->next;
		conn->n_exchanges--;
		return found;
	}
	return NULL;
}

static void exchange_append(struct worker_conn *conn, struct exchange *exchange)
{
	struct exchange **at = &conn->exchanges;
	if (conn->n_exchanges >= EXCHANGES_MAX) {
		struct exchange *oldest = exchange_take(conn, conn->exchanges->number);
		exchange_free(&oldest);
	}
	while (*at)
		at = &(*at)->next;
	*at = exchange;
	conn->n_exchanges++;
}

static void worker_conn_free(struct worker_conn **conn)
{
	if (!*conn)
		return;
	while ((*conn)->exchanges) {
		struct exchange *e = exchange_take(*conn, (*conn)->exchanges->number);
		exchange_free(&e);
	}
	exchange_free(&(*conn)->unanswered);
	pipeline_session_free(&(*conn)->session);
	identity_place_done(&(*conn)->place);
	identity_process_done(&(*conn)->process);
	free((*conn)->tls_library);
	free(*conn);
	*conn = NULL;
}

static void conn_open(struct worker *w, struct job *job)
{
	struct worker_conn *conn = calloc(1, sizeof(*conn));
	if (!conn)
		return;
	conn->process = job->process;
	job->process = (struct identity_process){0};
	conn->role = job->role == RECORD_CLIENT ? "client" : "server";
	memcpy(conn->sni, job->sni, sizeof(conn->sni));
	conn->cgroup_id = job->cgroup_id;
	char library[PATH_MAX];
	if (probe_file_name(w->pipeline->options.probe, job->file_id, library, sizeof(library)) == 0)
		conn->tls_library = strdup(library);
	pipeline_process(w->pipeline, &conn->process, job->who);
	if (map_put(w->conns, job->conn_id, conn) < 0)
		worker_conn_free(&conn);
}

static void conn_name(struct worker *w, const struct job *job)
{
	struct worker_conn *conn = map_get(w->conns, job->conn_id);
	if (conn)
		memcpy(conn->sni, job->sni, sizeof(conn->sni));
}

static void conn_close(struct worker *w, uint64_t conn_id)
{
	struct worker_conn *conn = map_remove(w->conns, conn_id);
	if (conn && conn->session)
		pipeline_session_end(conn->session, clock_mono_ns());
	worker_conn_free(&conn);
}

/* --- events -------------------------------------------------------------------------- */

/* An IPv4 peer of an IPv6 socket is an IPv4 peer (RFC 4291 section 2.5.5.2). */
const char *pipeline_format_address(const struct record_socket *socket, const uint8_t address[16],
				    uint16_t port, char ret_text[static ADDRESS_MAX])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v6 = socket->family == AF_INET6;
	char ip[INET6_ADDRSTRLEN];

	if (is_v6 && memcmp(address, mapped, sizeof(mapped)) == 0) {
		is_v6 = false;
		address += sizeof(mapped);
	}
	if (!socket->family || !inet_ntop(is_v6 ? AF_INET6 : AF_INET, address, ip, sizeof(ip)))
		return NULL;
	snprintf(ret_text, ADDRESS_MAX, is_v6 ? "[%s]:%u" : "%s:%u", ip, port);
	return ret_text;
}

/* "Bearer KEY" for a key that stands among the subprotocols; *ret_text is NULL if none does. */
static int subprotocol_key(const struct http_message *msg, char **ret_text)
{
	const char *offered = http_message_header(msg, "sec-websocket-protocol");
	const char *key = offered ? strstr(offered, SUBPROTOCOL_KEY) : NULL;
	*ret_text = NULL;
	if (!key)
		return 0;
	key += strlen(SUBPROTOCOL_KEY);
	return asprintf(ret_text, "Bearer %.*s", (int)strcspn(key, ", \t"), key) < 0 ? -ENOMEM : 0;
}

static int read_caller(struct worker *w, const struct http_message *msg, struct identity_caller *ret_caller)
{
	_cleanup_free_ char *subprotocol = NULL;
	struct identity_headers headers = {
		.authorization = http_message_header(msg, "authorization"),
		.api_key = http_message_header(msg, "api-key"),
		.subscription_key = http_message_header(msg, "ocp-apim-subscription-key"),
	};
	int r = headers.authorization ? 0 : subprotocol_key(msg, &subprotocol);
	if (r < 0)
		return r;
	if (subprotocol)
		headers.authorization = subprotocol;
	int64_t now_s = (int64_t)(clock_mono_to_real_ns(msg->first_ts_ns) / NSEC_PER_SEC);
	r = identity_reader_read(w->reader, &headers, now_s, ret_caller);
	if (subprotocol)
		OPENSSL_cleanse(subprotocol, strlen(subprotocol));
	return r;
}

int worker_read_claimed(const struct worker *worker, const struct http_message *msg,
			const struct openai_request *req, json_t **ret_claimed)
{
	const struct config_texts *names = &worker->pipeline->options.config->claimed_headers;
	struct identity_header headers[CLAIMED_HEADERS_MAX];
	size_t n = MIN(names->n, (size_t)CLAIMED_HEADERS_MAX);

	for (size_t i = 0; i < n; i++)
		headers[i] =
			(struct identity_header){names->items[i], http_message_header(msg, names->items[i])};
	return identity_claimed_read(req->parameters, headers, n, ret_claimed);
}

/* A request that asks to go on as a WebSocket (RFC 6455 section 4.1). */
static int read_upgrade(const struct http_message *msg, char **ret_target)
{
	const char *upgrade = http_message_header(msg, "upgrade");
	if (!upgrade || !msg->target || !strcasestr(upgrade, "websocket"))
		return 0;
	*ret_target = strdup(msg->target);
	return *ret_target ? 0 : -ENOMEM;
}

static int exchange_new(struct worker *w, const struct http_message *msg, struct exchange **ret_exchange)
{
	_cleanup_(exchange_free) struct exchange *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->number = msg->exchange;
	int r = uuid_v7(clock_mono_to_real_ns(msg->first_ts_ns), e->message_id);
	if (r >= 0 && msg->role == HTTP_REQUEST) {
		e->first_ts_ns = msg->first_ts_ns;
		r = openai_request_new(&e->request, msg);
		if (r >= 0)
			r = read_caller(w, msg, &e->caller);
		if (r >= 0)
			r = worker_read_claimed(w, msg, e->request, &e->claimed);
		if (r >= 0)
			r = event_secrets_new(&e->secrets, msg);
		if (r >= 0)
			r = read_upgrade(msg, &e->upgrade_target);
	}
	if (r < 0)
		return r;
	*ret_exchange = TAKE_PTR(e);
	return 0;
}

void worker_facts_fill(struct worker_facts *ret_facts, const struct worker *w, struct worker_conn *conn,
		       uint64_t conn_id, const struct record_socket *socket)
{
	struct worker_facts *f = ret_facts;
	const struct pipeline *p = w->pipeline;

	*f = (struct worker_facts){0};
	f->socket = socket;
	f->cgroup_id = conn->cgroup_id;
	f->connection.id = conn_id;
	f->connection.sni = conn->sni[0] ? conn->sni : NULL;
	f->connection.role = conn->role;
	f->connection.tls_library = conn->tls_library;
	f->connection.local = pipeline_format_address(socket, socket->local, socket->local_port, f->local);
	f->connection.remote =
		pipeline_format_address(socket, socket->remote, socket->remote_port, f->remote);
	f->ctx.connection = &f->connection;
	f->ctx.process = &conn->process;
	/* As long as something is missing each event looks again; a pod's names may come a second later. */
	if (conn->process.pid) {
		(void)identity_whois_place(p->options.whois, &conn->process, &conn->place);
		f->ctx.place = &conn->place;
	}
	f->ctx.host_name = p->host_name;
	f->ctx.machine_id = p->machine_id[0] ? p->machine_id : NULL;
}

const char *worker_protocol_name(enum http_protocol protocol)
{
	static const char *const names[] = {
		[HTTP_1] = "http/1.1",
		[HTTP_2] = "h2",
		[HTTP_WEBSOCKET] = "websocket",
	};
	return names[protocol];
}

static int answer(struct worker *w, struct worker_facts *facts, const struct http_message *msg,
		  struct exchange *e)
{
	struct openai_response *resp = NULL;
	int r = openai_response_new(&resp, e->request, msg);
	if (r < 0)
		return r;
	if (!e->decision.policy) /* its request was not captured */
		worker_decide(w, &e->decision, facts, NULL);
	r = worker_response(w, facts, &e->decision, msg, e->request, resp, e->first_ts_ns);
	openai_response_free(&resp);
	return r;
}

/* The message becomes events. */
static int tell(struct worker *w, struct worker_conn *conn, const struct job *job, struct exchange *e)
{
	struct worker_facts facts;

	worker_facts_fill(&facts, w, conn, job->conn_id, &job->socket);
	facts.connection.protocol = worker_protocol_name(job->msg->protocol);
	facts.connection.stream_id = job->msg->stream_id;
	facts.ctx.message_id = e->message_id;
	facts.ctx.caller = &e->caller;
	facts.claimed = e->claimed;
	facts.ctx.secrets = e->secrets;
	if (job->msg->role != HTTP_REQUEST)
		return answer(w, &facts, job->msg, e);
	worker_decide(w, &e->decision, &facts, e->request);
	return worker_request(w, &facts, &e->decision, job->msg, e->request);
}

void worker_publish(struct worker *w, enum http_role role, struct event *event)
{
	struct pipeline_counters *n = &w->pipeline->counters;
	pipeline_publish(w->pipeline, event);
	atomic_fetch_add_explicit(role == HTTP_REQUEST ? &n->requests : &n->responses, 1,
				  memory_order_relaxed);
}

/* The connection goes on as a WebSocket. */
static int switch_protocol(struct worker *w, struct worker_conn *conn, const struct job *job,
			   struct exchange *e)
{
	if (conn->session || !e->request)
		return 0;
	return pipeline_session_new(&conn->session, w, conn, job, e);
}

static int handle_websocket(struct worker *w, struct worker_conn *conn, const struct job *job)
{
	int r = 0;
	if (conn->unanswered) {
		r = switch_protocol(w, conn, job, conn->unanswered);
		exchange_free(&conn->unanswered);
	}
	return r < 0 ? r : pipeline_session_message(w, conn->session, job);
}

/* What the exchange leads to on its connection. */
static int follow(struct worker *w, struct worker_conn *conn, const struct job *job,
		  struct exchange **exchange)
{
	struct exchange *e = *exchange;

	if (job->msg->role == HTTP_REQUEST) {
		openai_request_shed(e->request);
		exchange_append(conn, TAKE_PTR(*exchange));
		return 0;
	}
	if (!e->upgrade_target)
		return 0;
	if (job->msg->status == 101)
		return switch_protocol(w, conn, job, e);
	if (job->msg->end == HTTP_END_UNSEEN && !conn->unanswered)
		conn->unanswered = TAKE_PTR(*exchange); /* frames tell whether it was granted */
	return 0;
}

static int handle_message(struct worker *w, struct job *job)
{
	static struct worker_conn unknown = {.role = "client"};
	struct worker_conn *conn = map_get(w->conns, job->conn_id);
	_cleanup_(exchange_free) struct exchange *e = NULL;
	int r = 0;

	if (!conn)
		conn = &unknown; /* out of memory when it opened */
	if (job->msg->protocol == HTTP_WEBSOCKET)
		return handle_websocket(w, conn, job);
	if (job->msg->role == HTTP_RESPONSE)
		e = exchange_take(conn, job->msg->exchange);
	if (!e)
		r = exchange_new(w, job->msg, &e);
	if (r >= 0)
		r = tell(w, conn, job, e);
	if (r < 0)
		return r;
	return conn == &unknown ? 0 : follow(w, conn, job, &e);
}

/* --- thread -------------------------------------------------------------------------- */

static void handle(struct worker *w, struct job *job)
{
	int r = 0;
	switch (job->kind) {
	case JOB_OPEN:
		conn_open(w, job);
		break;
	case JOB_NAME:
		conn_name(w, job);
		break;
	case JOB_MESSAGE:
		r = handle_message(w, job);
		break;
	case JOB_CLOSE:
		conn_close(w, job->conn_id);
		break;
	}
	if (r < 0) {
		atomic_fetch_add(&w->pipeline->counters.build_failed, 1);
		log_error("an event could not be built and is lost: %s", strerror(-r));
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	void *items[64];
	bool closed = false;
	int nice_value = BEHIND_NICE;

	thread_begin("worker", nice_value);
	while (!closed) {
		hurry(&w->pipeline->hurry, &nice_value, queue_fill(w->jobs));
		size_t n = queue_pop(w->jobs, items, ARRAY_SIZE(items), -1, &closed);
		for (size_t i = 0; i < n; i++) {
			struct job *job = items[i];
			handle(w, job);
			job_free(&job);
		}
		if (n < ARRAY_SIZE(items) / 2 && !closed)
			thread_gather_us(WORKER_GATHER_US);
	}
	return NULL;
}

int worker_init(struct worker *w, struct pipeline *pipeline)
{
	w->pipeline = pipeline;
	int r = map_new(&w->conns);
	if (r >= 0)
		r = identity_reader_new(&w->reader, pipeline->options.key, pipeline->options.verifier,
					pipeline->options.known_keys);
	if (r >= 0)
		r = queue_new(&w->jobs, JOBS_MAX, JOBS_WEIGHT_MAX);
	if (r >= 0)
		r = worker_policy_init(&w->policy);
	if (r >= 0)
		r = -pthread_create(&w->thread, NULL, worker_main, w);
	if (r < 0) {
		worker_policy_done(&w->policy);
		queue_free(&w->jobs);
		identity_reader_free(&w->reader);
		map_free(&w->conns);
	}
	return r;
}

void worker_done(struct worker *w)
{
	size_t cursor = 0;
	uint64_t key;
	void *value;

	pthread_join(w->thread, NULL);
	while (map_next(w->conns, &cursor, &key, &value)) {
		struct worker_conn *conn = value;
		worker_conn_free(&conn);
	}
	map_free(&w->conns);
	identity_reader_free(&w->reader);
	queue_free(&w->jobs);
	worker_policy_done(&w->policy);
}
