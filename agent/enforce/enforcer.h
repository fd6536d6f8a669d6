/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The action `block` of a policy: ends the connection of a violation, and has the kernel refuse further
 * connections from that cgroup or process to AI hosts for a time (docs/blocking.md). A thread of its own;
 * whoever tells it something never waits. Fails open: what does not find room is let through and counted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/records.h"

#define ENFORCER_ADDRESS_AGE_NS (3600ULL * 1000 * 1000 * 1000)
#define ENFORCER_REASON_MAX	256
#define ENFORCER_PATH_MAX	4096

enum enforcer_scope {
	ENFORCER_CGROUP,  /* and all below it; a process where the cgroup is everybody's */
	ENFORCER_PROCESS, /* and its descendants */
};

/* Whose violation, and on which connection; as the kernel's records say it (record_open, record_socket). */
struct enforcer_subject {
	uint32_t pid;
	uint64_t start_boot_ns;	     /* 0: not known; then a process cannot be blocked */
	uint64_t cgroup_id;	     /* v2; 0: not known */
	enum enforcer_scope scope;   /* wanted */
	struct record_socket socket; /* family 0: not known, so that it cannot be ended */
};

enum enforcer_what { ENFORCER_BEGIN, ENFORCER_END };

/* What happened. Borrowed for the call. */
struct enforcer_report {
	enum enforcer_what what;
	enum enforcer_scope scope;
	const char *cgroup;			/* its path; "" if it could not be found out */
	const struct enforcer_subject *subject; /* of the violation that began it */
	const char *reason;			/* of that violation */
	void *data;				/* as given with it */
	uint64_t begun_ns, until_ns;		/* monotonic */
	uint64_t violations;
	uint64_t ended;		    /* connections that were ended */
	int end_error;		    /* ENFORCER_BEGIN: why the first one was not, negative errno; or 0 */
	uint64_t refused_connects;  /* ENFORCER_END: of TCP */
	uint64_t refused_datagrams; /* ENFORCER_END: QUIC, and resolvers that ask for a route */
	bool lifted;		    /* ENFORCER_END: before its time */
};

struct enforcer_ops {
	/* From the enforcer's thread: must not wait long, nor call the enforcer. */
	void (*on_report)(void *ctx, const struct enforcer_report *report);
	/* Any thread. May be NULL if no data is given. */
	void (*data_free)(void *data);
};

struct enforcer_options {
	const char *cgroup;	 /* where cgroup v2 is mounted (struct features); copied */
	uint64_t address_age_ns; /* for how long an address counts as an AI host's after a ClientHello went
				    there */
};

struct enforcer;

/* Whether the action is possible here, found out by trying: takes some milliseconds and leaves nothing. NULL:
 * it is; otherwise what is missing, in plain words (static). */
const char *enforcer_why_not(const char *cgroup);

/* Loads and attaches the programs and starts the thread. ops and ctx are borrowed. 0; -EOPNOTSUPP: not
 * possible on this host; negative errno; with one line in *ret_error, which the caller frees. */
int enforcer_new(struct enforcer **ret_enforcer, const struct enforcer_options *options,
		 const struct enforcer_ops *ops, void *ctx, char **ret_error);

/* Lifts every block, with its report, and ends the thread. */
void enforcer_free(struct enforcer **enforcer);

/* A ClientHello to an AI host: its address is remembered, and if it is a blocked subject's, the connection is
 * ended. Any thread. */
void enforcer_hello(struct enforcer *enforcer, const struct record_hello *hello);

/* A violation. Takes data (or NULL) whatever it returns, and frees it when the block's end has been reported;
 * that of a violation that only extends a block at once. Any thread. 0; -EAGAIN: no room, nothing will be
 * blocked; -ENOMEM. */
int enforcer_block(struct enforcer *enforcer, const struct enforcer_subject *subject, uint64_t seconds,
		   const char *reason, void *data);

/* Ends all blocks there are, soon. Any thread. 0; -EAGAIN; -ENOMEM. */
int enforcer_lift(struct enforcer *enforcer);

struct enforcer_stats {
	uint64_t blocks;      /* begun */
	uint64_t blocked;     /* now */
	uint64_t violations;  /* that were told */
	uint64_t ended;	      /* connections */
	uint64_t not_ended;   /* connections that could not be ended, or were over */
	uint64_t refused;     /* connects and datagrams, of blocks that are over */
	uint64_t not_blocked; /* violations after which nobody could be blocked */
	uint64_t addresses;   /* times that an address was learned */
	uint64_t proxied;     /* ClientHellos through a proxy, whose address is not an AI host's */
	uint64_t lost;	      /* of what was told, for want of room */
};

struct enforcer_stats enforcer_stats(const struct enforcer *enforcer);
