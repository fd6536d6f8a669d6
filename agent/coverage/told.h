/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whom an event was made about: one for each process and host at once, then one in COVERAGE_QUIET_NS. Used
 * inside this stage only. One thread. */

#include <stdbool.h>
#include <stdint.h>

struct told;

int told_new(struct told **ret_told); /* 0; -ENOMEM */
void told_free(struct told **told);

/* Of a process and a host. */
uint64_t told_key(uint64_t process, const char *host);

enum told_what {
	TOLD_NOW,   /* an event is due: *ret_connections, this one included */
	TOLD_LATER, /* counted for the next event */
	TOLD_SPARE, /* an event has been made already, by mistake: see told_undo() */
};
enum told_what told_blind(struct told *told, uint64_t key, uint64_t now_ns, uint64_t *ret_connections);

/* One turned out not to be blind; most likely another of its process and host is. with_event: it was
 * TOLD_NOW or TOLD_SPARE. True: one less is counted for the next event. */
bool told_undo(struct told *told, uint64_t key, bool with_event);
