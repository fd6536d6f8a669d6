/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The format of the store, for its writer (store.c) and its readers (agent/ops). */

#include <stdint.h>

struct sqlite3;

#define STORE_APPLICATION_ID 0x6f617470 /* "oatp", PRAGMA application_id */
#define STORE_VERSION	     1		/* PRAGMA user_version */

/* seq: order of arrival, never reused. body: the event's JSON text, whole. time_ns: event-time, since 1970.
 */
#define STORE_SCHEMA                                                                                         \
	"CREATE TABLE events("                                                                               \
	"seq INTEGER PRIMARY KEY AUTOINCREMENT,"                                                             \
	"event_id TEXT NOT NULL UNIQUE,"                                                                     \
	"message_id TEXT NOT NULL,"                                                                          \
	"type TEXT NOT NULL,"                                                                                \
	"time_ns INTEGER NOT NULL,"                                                                          \
	"body TEXT NOT NULL);"                                                                               \
	"CREATE INDEX events_message_id ON events(message_id);"

enum store_kind {
	STORE_EMPTY,   /* a database without tables: a store that is about to be made */
	STORE_OURS,    /* of this version */
	STORE_NEWER,   /* made by a newer program */
	STORE_FOREIGN, /* another program's database */
};

/* What an open database is. 0; negative errno as of store_errno(). */
int store_identify(struct sqlite3 *db, enum store_kind *ret_kind, int64_t *ret_version);

/* The negative errno of the last failure on db. */
int store_errno(struct sqlite3 *db);

/* Connection settings of writer and readers: waits up to busy_ms for a lock, trusts nothing the file brings
 * along. 0; negative errno. */
int store_prepare(struct sqlite3 *db, int busy_ms);
