/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/store.h"

#include <errno.h>
#include <stddef.h>

#include <sqlite3.h>

/* errno of the last failed system call. For a failed COMMIT SQLite does not pass it on: the files know it. */
static int last_errno(struct sqlite3 *db)
{
	int error = sqlite3_system_errno(db);
	sqlite3_file *log = NULL;

	if (error == 0 && sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
	    log && log->pMethods)
		log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
	if (error == 0)
		sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
	return error;
}

int store_errno(struct sqlite3 *db)
{
	int code = sqlite3_errcode(db) & 0xff;
	int system = code == SQLITE_IOERR || code == SQLITE_CANTOPEN ? last_errno(db) : 0;

	switch (code) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our statements are right: the schema is not what it says it is */
	case SQLITE_SCHEMA:
		return -EBADMSG;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CANTOPEN:
		return system == ENOSPC || system == EMFILE || system == ENFILE ? -system : -EACCES;
	case SQLITE_IOERR:
		if (system == ENOSPC || system == EDQUOT || system == EFBIG)
			return -ENOSPC;
		return system == ENOMEM ? -ENOMEM : -EIO;
	default:
		return -EIO;
	}
}

static int read_number(struct sqlite3 *db, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *stmt = NULL;
	int r = 0;
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK || sqlite3_step(stmt) != SQLITE_ROW)
		r = store_errno(db);
	else
		*ret_number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return r;
}

int store_identify(struct sqlite3 *db, enum store_kind *ret_kind, int64_t *ret_version)
{
	int64_t application, version, objects;
	int r = read_number(db, "PRAGMA application_id", &application);
	if (r == 0)
		r = read_number(db, "PRAGMA user_version", &version);
	if (r == 0)
		r = read_number(db, "SELECT count(*) FROM sqlite_master", &objects);
	if (r < 0)
		return r;
	*ret_version = version;
	if (application == 0 && version == 0 && objects == 0)
		*ret_kind = STORE_EMPTY;
	else if (application != STORE_APPLICATION_ID || version < 1)
		*ret_kind = STORE_FOREIGN;
	else
		*ret_kind = version > STORE_VERSION ? STORE_NEWER : STORE_OURS;
	return 0;
}

int store_prepare(struct sqlite3 *db, int busy_ms)
{
	sqlite3_extended_result_codes(db, 1);
	if (sqlite3_busy_timeout(db, busy_ms) != SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) != SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL) != SQLITE_OK)
		return store_errno(db);
	return 0;
}
