/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How long something took, of the last thousand times: exact percentiles. Embedded by value; begins as zeros.
 */

#include <stdint.h>

#define LATENCY_KEPT 1024U

struct latency {
	uint64_t count; /* of all times */
	uint32_t max_us;
	uint32_t us[LATENCY_KEPT];
};

void latency_add(struct latency *latency, uint64_t ns);

/* The smallest value that `percent` of them do not exceed (1 to 100); 0 if there are none. */
uint32_t latency_percentile(const struct latency *latency, unsigned int percent);
