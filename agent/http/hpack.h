/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Header compression of HTTP/2 (RFC 7541), one direction of a connection, as an observer reads it: the
 * decoding is libnghttp2's, but it may begin in the middle of a connection, or go on after header blocks were
 * lost, and still gives no wrong value. No I/O, no clock, no globals.
 *
 * Why no value is ever wrong. Entries of the dynamic table are numbered from the newest one (section 2.3.3),
 * and the oldest ones leave first. So a decoder that knows the last n insertions reads the references to them
 * rightly, whatever came before; any other reference is above the end of its table, and is counted as unknown
 * and left out. That asks two things of us:
 * - Each insertion is made, also one whose name is a reference that is not known. It gets an empty name, the
 *   smallest, and whatever refers to it later is unknown as well.
 * - Our table is never smaller than the sender's by more than its oldest entries. If it is larger, because
 *   the sender's size is not known or because of empty names, it keeps entries that a right sender does not
 *   refer to any more. If it is smaller, because the sender's is over HPACK_TABLE_MAX, references to what we
 *   have no room for are unknown.
 * The size in use follows from the header blocks alone: 4,096 at first, then what the size updates in them
 * say (section 4.2: a sender that was told a smaller SETTINGS_HEADER_TABLE_SIZE must say so). The settings
 * only bound those, so they need not be known; where the beginning was not seen, HPACK_TABLE_MAX is assumed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HPACK_TABLE_MAX	 65536 /* bytes of table that are kept, as section 4.1 counts them */
#define HPACK_STRING_MAX 65536 /* bytes of one name or value on the wire; libnghttp2's own limit */
#define HPACK_FIELD_COST 32    /* section 4.1: what a field counts for besides its name and value */

/* One field; the bytes are borrowed for the call and hold anything. name_len is 0 only if the sender said so.
 * 0; negative errno, which hpack_block() returns. */
typedef int (*hpack_field_fn)(void *ctx, const uint8_t *name, size_t name_len, const uint8_t *value,
			      size_t value_len);

struct hpack_limits {
	size_t max_fields;
	size_t max_size; /* of all fields, decoded, each with HPACK_FIELD_COST more */
};

struct hpack_counts {
	size_t fields;	/* given */
	size_t unknown; /* left out: name or value stand in a part of the table that was not seen */
	size_t over;	/* left out: over a limit. The table is kept right all the same */
	size_t size;	/* of the given ones, as max_size counts */
};

struct hpack;

/* fresh: the connection's first header block is still to come; otherwise nothing is known of the table.
 * 0; -ENOMEM. */
int hpack_new(struct hpack **ret_hpack, bool fresh);
void hpack_free(struct hpack **hpack);

/* A header block was lost, in whole or in part: everything inserted so far is unknown from here on. */
void hpack_reset(struct hpack *hpack);

/* One header block, without padding. cut: it ends early, perhaps within a field, and the table is unknown
 * afterwards; what is complete is given. fn may be NULL. *ret_counts is set in any case.
 * 0; -EBADMSG: not HPACK, or it refers to what a table known from the start does not hold; -E2BIG: a string
 * is longer than HPACK_STRING_MAX; -ENOMEM; what fn returned. After an error the fields before it were given,
 * and the table is unknown. Time is linear in len and max_size. */
int hpack_block(struct hpack *hpack, const uint8_t *data, size_t len, bool cut,
		const struct hpack_limits *limits, hpack_field_fn fn, void *ctx,
		struct hpack_counts *ret_counts);
