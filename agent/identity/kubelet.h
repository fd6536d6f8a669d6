/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keeps the pods of this node, from the kubelet's /pods, in a thread of its own. Whoever looks a pod up never
 * waits for the network. Any thread. */

#include "identity/whois.h"

struct kubelet;

/* options->kubelet is not NULL. Strings are copied. 0; -ENOMEM; -ENOTSUP: no libcurl with TLS; negative errno
 * of pthread_create. */
int kubelet_start(struct kubelet **ret_kubelet, const struct identity_options *options);
void kubelet_stop(struct kubelet **kubelet);

/* A reference for the caller; NULL: not known (yet), then a list is asked for soon, and *ret_problem says
 * why (static). */
struct identity_pod *kubelet_pod(struct kubelet *kubelet, const char *uid, const char **ret_problem);

/* Something is newer than the last list: asks for one soon. */
void kubelet_want(struct kubelet *kubelet);

void kubelet_stats(struct kubelet *kubelet, struct identity_whois_stats *ret_stats);
