/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the ring stage gives: a record whose length and fields have been checked against include/records.h.
 * Pointers go into the ring buffer and die when the callback returns. */

#include "include/records.h"

struct ring_record {
	enum record_type type;
	union {
		const struct record_open
			*open; /* sni is NUL-terminated within sni_len, comm within its size */
		const struct record_data
			*data; /* RECORD_DATA: payload_len bytes follow; RECORD_GAP: gap_len > 0 */
		const struct record_socket *socket;
		const struct record_close *close;
		const struct record_hello *hello;     /* sni and comm as above, sni not empty */
		const struct record_process *process; /* RECORD_EXEC, RECORD_EXIT */
		const struct record_who *who; /* ends in order and within text_len; names NUL-terminated */
	};
};
