/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/users.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

#define PASSWD_BUF_FIRST 1024
#define PASSWD_BUF_MAX	 (1024 * 1024)

#define USERS_MAX 256U
#define AGE_NS	  (60 * NSEC_PER_SEC)

struct user {
	uint32_t uid;
	uint64_t until_ns; /* 0: free */
	char *name;	   /* or NULL: it has none */
};

/* By uid modulo its size: who collides is read again. */
struct users {
	pthread_mutex_t lock;
	struct user known[USERS_MAX];
};

int identity_user_read(uint32_t uid, char **ret_user)
{
	for (size_t size = PASSWD_BUF_FIRST; size <= PASSWD_BUF_MAX; size *= 2) {
		_cleanup_free_ char *buf = malloc(size);
		if (!buf)
			return -ENOMEM;
		struct passwd entry, *found = NULL;
		int r = getpwuid_r(uid, &entry, buf, size, &found);
		if (r == ERANGE)
			continue;
		if (r != 0 || !found)
			return 0;
		*ret_user = strdup(found->pw_name);
		return *ret_user ? 0 : -ENOMEM;
	}
	return 0;
}

int users_new(struct users **ret_users)
{
	struct users *u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	*ret_users = u;
	return 0;
}

void users_free(struct users **users)
{
	if (!*users)
		return;
	for (size_t i = 0; i < USERS_MAX; i++)
		free((*users)->known[i].name);
	pthread_mutex_destroy(&(*users)->lock);
	free(*users);
	*users = NULL;
}

static int copy(const char *name, char **ret_user)
{
	*ret_user = name ? strdup(name) : NULL;
	return name && !*ret_user ? -ENOMEM : 0;
}

/* The database is read without the lock: it may ask the network. */
int users_name(struct users *u, uint32_t uid, char **ret_user)
{
	struct user *slot = &u->known[uid % USERS_MAX];
	uint64_t now_ns = clock_mono_ns();
	_cleanup_free_ char *name = NULL;

	pthread_mutex_lock(&u->lock);
	bool fresh = slot->until_ns > now_ns && slot->uid == uid;
	int r = fresh ? copy(slot->name, ret_user) : 0;
	pthread_mutex_unlock(&u->lock);
	if (fresh)
		return r;
	r = identity_user_read(uid, &name);
	if (r == 0)
		r = copy(name, ret_user);
	if (r < 0)
		return r;
	pthread_mutex_lock(&u->lock);
	char *old = slot->name;
	*slot = (struct user){.uid = uid, .until_ns = now_ns + AGE_NS, .name = TAKE_PTR(name)};
	pthread_mutex_unlock(&u->lock);
	free(old);
	return 0;
}
