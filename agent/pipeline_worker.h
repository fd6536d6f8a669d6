/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the workers' own files only: pipeline_worker.c and pipeline_session.c. */

#include "pipeline_internal.h"

#include "base/uuid.h"

/* A request whose response has not been seen yet. */
struct exchange {
	uint64_t number;
	char message_id[UUID_LEN];
	struct openai_request *request; /* NULL: its response came alone */
	struct identity_caller caller;
	json_t *claimed; /* or NULL */
	struct event_secrets *secrets;
	char *upgrade_target; /* of a request that asks for a WebSocket; else NULL */
	uint64_t first_ts_ns;
	struct policy_decision decision;
	struct exchange *next;
};

struct pipeline_session;

struct worker_conn {
	struct identity_process process;
	uint64_t cgroup_id;	     /* as in record_open */
	struct identity_place place; /* the process's */
	char sni[OAITAP_NAME_MAX];
	const char *role;
	char *tls_library;	    /* or NULL */
	struct exchange *exchanges; /* oldest first */
	size_t n_exchanges;
	struct pipeline_session *session; /* once the connection is a WebSocket; else NULL */
	struct exchange *unanswered;	  /* asked for a WebSocket, its answer is lost; else NULL */
};

/* What all events of a connection say. Points into itself and into conn: do not copy. */
struct worker_facts {
	char local[ADDRESS_MAX], remote[ADDRESS_MAX];
	struct event_connection connection;
	struct event_context ctx;
	const struct record_socket *socket;
	uint64_t cgroup_id;
	json_t *claimed; /* by the request, before the policy; or NULL */
};

/* The caller adds message id, caller and secrets, protocol and stream. */
void worker_facts_fill(struct worker_facts *ret_facts, const struct worker *worker, struct worker_conn *conn,
		       uint64_t conn_id, const struct record_socket *socket);
const char *worker_protocol_name(enum http_protocol protocol);

/* On whose behalf a request says it is made: its body, and the headers of msg (or of none). 0; -ENOMEM. */
int worker_read_claimed(const struct worker *worker, const struct http_message *msg,
			const struct openai_request *req, json_t **ret_claimed);

/* Takes the event, and counts it. */
void worker_publish(struct worker *worker, enum http_role role, struct event *event);

/* pipeline_session.c: the messages of one WebSocket become events. The caller and the secrets of the
 * handshake's exchange move to the session. job: of the response. 0; -ENOMEM. */
int pipeline_session_new(struct pipeline_session **ret_session, struct worker *worker,
			 struct worker_conn *conn, const struct job *job, struct exchange *handshake);
/* session may be NULL: the message counts as left out. 0; negative errno: events are lost. */
int pipeline_session_message(struct worker *worker, struct pipeline_session *session, const struct job *job);
/* What is unfinished becomes events. */
void pipeline_session_end(struct pipeline_session *session, uint64_t ts_ns);
void pipeline_session_free(struct pipeline_session **session);
