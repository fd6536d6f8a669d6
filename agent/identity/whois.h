/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whose process it is: container, pod, and the name under which reports count it. Names come from files of
 * the container runtime on this host and from the kubelet's list of this node's pods, which a thread of its
 * own fetches now and then: nothing here waits for the network. What is not known is left out, and said. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity_process;

#define IDENTITY_TEXT_MAX   1024 /* bytes of a name, an image, a label */
#define IDENTITY_LABELS_MAX 64	 /* of one container or pod; the first in the order of their names */

struct identity_label {
	char *name, *value;
};

struct identity_labels {
	struct identity_label *items;
	size_t n;
	size_t left_out; /* beyond the limits */
};

/* Shared by all that hold a reference; not changed once made. Strings are owned, UTF-8, or NULL. */
struct identity_container {
	atomic_uint refs;
	char id[65];
	char *name, *image;
	const char *runtime; /* static, or NULL */
	struct identity_labels labels;
	/* What the runtime says of the container's pod, if it has one. */
	char *pod_namespace, *pod_name, *pod_uid, *pod_container;
	const char *problem; /* static: why there is no name; or NULL */
};

struct identity_pod_container {
	char *id, *name, *image;
};

struct identity_pod {
	atomic_uint refs;
	char *uid, *namespace, *name, *node, *service_account;
	char *config_hash;   /* of a static pod: the id that its cgroups bear; or NULL */
	char *workload_kind; /* "Deployment", "StatefulSet", ...; or NULL: a pod of its own */
	char *workload;
	struct identity_labels labels;
	struct identity_pod_container *containers;
	size_t n_containers;
};

/* Where one process belongs. */
struct identity_place {
	struct identity_container *container; /* NULL: in none */
	struct identity_pod *pod;	      /* NULL: in none, or not known */
	const char *pod_container;	      /* its container's name in the pod; borrowed from the others */
	const char *pod_uid;		      /* borrowed from the process; NULL: in no pod */
	const char *pod_problem;	      /* static: why the pod's metadata is missing; or NULL */
	char app[256];
	unsigned int asked; /* lists, though the pod was known */
	bool settled;	    /* nothing more will be known */
};

struct identity_options {
	const char *root;	/* "" or "/host": where this host's /var/lib and /run are */
	const char *kubelet;	/* "https://host:10250", or NULL: not asked */
	const char *token_path; /* read again for each list, since it is rotated; NULL: none */
	const char *ca_path;	/* NULL: the system's */
	uint64_t list_ms;	/* time between two lists */
	uint64_t early_ms;	/* least time between two lists, when an unknown pod asks for one */
	uint64_t keep_ms;	/* how long a pod is known after it was gone from the list */
};

extern const struct identity_options identity_options_default; /* no kubelet */

/* What is done with the kubelet, for counters. */
struct identity_whois_stats {
	uint64_t lists, failed; /* lists asked for; those that gave nothing */
	uint64_t pods;		/* known now, those that are gone included */
	uint64_t containers;	/* whose names are remembered */
};

struct identity_whois;

/* Starts the thread that asks the kubelet, if there is one to ask. Strings are copied. 0; -ENOMEM; -ENOTSUP:
 * no libcurl with TLS; negative errno of pthread_create. */
int identity_whois_new(struct identity_whois **ret_whois, const struct identity_options *options);
void identity_whois_free(struct identity_whois **whois);

/* Completes what the kernel told of a process (identity_process_read() of /proc, where it told nothing), and
 * its user's name from a cache that is at most a minute old. 0; -ENOMEM. Any thread. */
int identity_whois_process(struct identity_whois *whois, struct identity_process *process);

/* Fills place or, as long as it is not settled, completes it. process must outlive place. Reads files the
 * first time a container is met; never waits for the kubelet. Any thread, one at a time for each place. 0;
 * -ENOMEM: as far as it went. */
int identity_whois_place(struct identity_whois *whois, const struct identity_process *process,
			 struct identity_place *place);
void identity_place_done(struct identity_place *place);

struct identity_whois_stats identity_whois_stats(struct identity_whois *whois);
