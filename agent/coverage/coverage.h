/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Finds the AI traffic that cannot be read: connections whose ClientHello named an AI host, set against those
 * whose plaintext (or at least whose TLS object) was seen. No I/O, no clock: records and times in, judgements
 * out. One thread; the statistics are for any.
 *
 * A connection of which the kernel found the socket answers for exactly that socket. One whose socket is not
 * known answers for one ClientHello of its process that names the same host; one picked up without a server
 * name, for one to any AI host. What nobody answers for within COVERAGE_GRACE_NS is blind. Records may come
 * in any order: a program that is gone after some milliseconds has answered all the same. A socket that
 * becomes known later corrects what was answered by host alone. */

#include <stddef.h>
#include <stdint.h>

#include "ring/record.h"

#define COVERAGE_GRACE_NS (5ULL * 1000 * 1000 * 1000)
/* A process that cannot be read makes one event for each host at once, then one in this time. */
#define COVERAGE_QUIET_NS (3600ULL * 1000 * 1000 * 1000)

#define COVERAGE_FLOWS_MAX   16384U /* ClientHellos that wait for their judgement; as many blind ones */
#define COVERAGE_CONNS_MAX   65536U /* connections that can answer for one */
#define COVERAGE_VOUCHED_MAX 4096U  /* ClientHellos answered for by host alone that a socket may correct */
#define COVERAGE_SOURCES_MAX 4096U  /* pairs of process and host whose last event is remembered */

struct coverage_ops {
	/* Nobody answered for this ClientHello. connections: to this host by this process since the last
	 * event about them, this one included. hello is borrowed. */
	void (*on_blind)(void *ctx, const struct record_hello *hello, uint64_t connections);
	/* hello needs no more attention, whether it was blind or not; comes last, and once. */
	void (*on_judged)(void *ctx, const struct record_hello *hello);
};

struct coverage_stats {
	uint64_t connections; /* to AI hosts, judged; and those that were open before the agent was */
	uint64_t readable;
	uint64_t decrypted; /* readable, and gave plaintext */
	uint64_t silent;    /* readable, and gave none (yet): a handshake that failed, a connection kept */
	uint64_t blind;
	uint64_t suppressed; /* blind, told with a later event */
	uint64_t undecided;  /* not judged: the agent ended, or records that could answer were lost */
	uint64_t waiting;    /* not judged yet */
	uint64_t table_full; /* records for which there was no room */
};

struct coverage;

/* ops and ctx are borrowed. 0; -ENOMEM. */
int coverage_new(struct coverage **ret_coverage, const struct coverage_ops *ops, void *ctx);
void coverage_free(struct coverage **coverage); /* without judgements: coverage_finish() first */

void coverage_hello(struct coverage *coverage, const struct record_hello *hello);
void coverage_open(struct coverage *coverage, const struct record_open *open);
void coverage_socket(struct coverage *coverage, uint64_t conn_id, uint64_t cookie);
/* It has given plaintext; more than once does no harm. */
void coverage_plaintext(struct coverage *coverage, uint64_t conn_id);
void coverage_close(struct coverage *coverage, uint64_t conn_id); /* it may answer still */

/* A record was lost just now that may have told of a readable connection: a ClientHello of this time that
 * nobody answers for is undecided, not blind. */
void coverage_lost(struct coverage *coverage, uint64_t now_ns);

/* Judges what has waited long enough. now_ns: monotonic. */
void coverage_tick(struct coverage *coverage, uint64_t now_ns);
/* At the end: judges all that has waited a second; the rest, for which somebody may have been about to
 * answer, is undecided. */
void coverage_finish(struct coverage *coverage, uint64_t now_ns);

struct coverage_stats coverage_stats(const struct coverage *coverage);
