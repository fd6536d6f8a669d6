/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The coverage thread: sets ClientHellos to AI hosts against the connections that can be read, looks at the
 * processes of those that cannot while they live, and publishes Blind events. */

#include <jansson.h>

#include "ring/record.h"

struct pipeline;
struct pipeline_coverage;

/* 0; -ENOMEM; negative errno of pthread_create. */
int pipeline_coverage_start(struct pipeline_coverage **ret_coverage, struct pipeline *pipeline);
/* Judges what waits, publishes it, ends the thread. */
void pipeline_coverage_stop(struct pipeline_coverage **coverage);

/* Takes records of other types as well, and leaves them. Never waits: what finds no room is counted. From the
 * capture thread; coverage may be NULL. who: of a RECORD_HELLO, or NULL; is taken. */
void pipeline_coverage_record(struct pipeline_coverage *coverage, const struct ring_record *record,
			      struct record_who *who);

/* Any thread. NULL: out of memory. */
json_t *pipeline_coverage_status(const struct pipeline_coverage *coverage);
