/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The pods of this node: a reader of the kubelet's answer to /pods (a v1 PodList), and a table of what is
 * known. No I/O, no clock; not thread-safe but for the pods' reference counts. */

#include <stddef.h>
#include <stdint.h>

#include "identity/whois.h"

#define PODS_MAX	   4096 /* of one list; the kubelet runs 110 by default, 250 at most by its docs */
#define PODS_TEXT_MAX	   (16U << 20)
#define POD_CONTAINERS_MAX 256

void pod_ref(struct identity_pod *pod);
void pod_unref(struct identity_pod **pod);

/* The name of that container in the pod; NULL: the list did not know it. Borrowed from the pod. */
const char *pod_container_name(const struct identity_pod *pod, const char *container_id);

struct pod_list {
	struct identity_pod **pods; /* owned references */
	size_t n;
	size_t left_out; /* without a uid, or beyond PODS_MAX */
};

/* 0; -EBADMSG: not JSON, or not a list of pods; -E2BIG: over PODS_TEXT_MAX; -ENOMEM. */
int pod_list_read(const char *text, size_t len, struct pod_list *ret_list);
void pod_list_done(struct pod_list *list);

struct pods;

int pods_new(struct pods **ret_pods); /* 0; -ENOMEM */
void pods_free(struct pods **pods);

/* Takes the pods of a fresh list; those that are not in it any more stay known for keep_ns after they were
 * last listed. 0; -ENOMEM: the table may lack some. */
int pods_update(struct pods *pods, struct pod_list *list, uint64_t now_ns, uint64_t keep_ns);

/* By its uid, or by the id that a static pod's cgroups bear. A reference for the caller; NULL: not known. */
struct identity_pod *pods_get(struct pods *pods, const char *uid);
size_t pods_len(const struct pods *pods);
