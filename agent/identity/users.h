/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Names of users. */

#include <stdint.h>

/* The host's name for a uid from the user database, which may be slow; the caller frees it. *ret_user is NULL
 * if it has none. 0; -ENOMEM. Any thread. */
int identity_user_read(uint32_t uid, char **ret_user);

/* The same from a cache of names that are at most a minute old. */
struct users;
int users_new(struct users **ret_users); /* 0; -ENOMEM */
void users_free(struct users **users);
int users_name(struct users *users, uint32_t uid, char **ret_user);
