/* SPDX-License-Identifier: Apache-2.0 */

/* Whose process spoke: process, container, pod, host, and the name it is counted under. */

#include "event/common.h"

#include <string.h>

static void put_parents(struct json_text *w, const struct identity_process *p)
{
	if (!p->n_parents)
		return;
	json_text_open(w, "parents", '[');
	for (size_t i = 0; i < p->n_parents; i++) {
		json_text_open(w, NULL, '{');
		json_text_uint(w, "pid", p->parents[i].pid);
		json_text_stringn(w, "comm", p->parents[i].comm,
				  strnlen(p->parents[i].comm, sizeof(p->parents[i].comm)));
		json_text_close(w, '}');
	}
	json_text_close(w, ']');
}

static void put_process(struct json_text *w, const struct identity_process *p)
{
	if (!p)
		return;
	json_text_open(w, "process", '{');
	json_text_uint(w, "pid", p->pid);
	if (p->start_real_ns)
		event_put_time(w, "start-time", p->start_real_ns);
	json_text_uint(w, "parent-pid", p->parent_pid);
	json_text_stringn(w, "comm", p->comm, strnlen(p->comm, sizeof(p->comm)));
	json_text_string(w, "exe", p->exe);
	json_text_value(w, "args", p->args);
	if (p->args && p->args_cut)
		json_text_bool(w, "args-cut", true);
	json_text_uint(w, "uid", p->uid);
	json_text_string(w, "user", p->user);
	json_text_string(w, "unit", p->unit);
	json_text_string(w, "cgroup", p->cgroup);
	put_parents(w, p);
	json_text_close(w, '}');
}

static void put_labels(struct json_text *w, const struct identity_labels *labels)
{
	if (labels->n) {
		json_text_open(w, "labels", '{');
		for (size_t i = 0; i < labels->n; i++)
			json_text_string(w, labels->items[i].name, labels->items[i].value);
		json_text_close(w, '}');
	}
	if (labels->left_out)
		json_text_uint(w, "labels-left-out", labels->left_out);
}

static void put_container(struct json_text *w, const struct identity_container *c)
{
	if (!c)
		return;
	json_text_open(w, "container", '{');
	json_text_string(w, "id", c->id);
	json_text_string(w, "name", c->name);
	json_text_string(w, "image", c->image);
	json_text_string(w, "runtime", c->runtime);
	put_labels(w, &c->labels);
	json_text_string(w, "problem", c->problem);
	json_text_close(w, '}');
}

/* What the kubelet does not tell, the container's runtime may. */
static void put_pod_names(struct json_text *w, const struct identity_place *place)
{
	const struct identity_pod *pod = place->pod;
	const struct identity_container *c = place->container;
	json_text_string(w, "namespace", pod ? pod->namespace : c ? c->pod_namespace : NULL);
	json_text_string(w, "pod", pod ? pod->name : c ? c->pod_name : NULL);
	json_text_string(w, "pod-uid", pod ? pod->uid : place->pod_uid);
	json_text_string(w, "container", place->pod_container);
}

static void put_k8s(struct json_text *w, const struct identity_place *place)
{
	const struct identity_pod *pod = place->pod;
	if (!place->pod_uid)
		return;
	json_text_open(w, "k8s", '{');
	put_pod_names(w, place);
	if (pod) {
		json_text_string(w, "service-account", pod->service_account);
		json_text_string(w, "workload", pod->workload);
		json_text_string(w, "workload-kind", pod->workload_kind);
		json_text_string(w, "node", pod->node);
		put_labels(w, &pod->labels);
	} else {
		json_text_string(w, "problem", place->pod_problem);
	}
	json_text_close(w, '}');
}

void event_put_place(struct json_text *w, const struct event_context *ctx)
{
	const struct identity_place *place = ctx->place;

	put_process(w, ctx->process);
	if (place) {
		put_container(w, place->container);
		put_k8s(w, place);
	}
	if (ctx->host_name || ctx->machine_id) {
		json_text_open(w, "host", '{');
		json_text_string(w, "name", ctx->host_name);
		json_text_string(w, "machine-id", ctx->machine_id);
		json_text_close(w, '}');
	}
	if (place && place->app[0])
		json_text_string(w, "app", place->app);
}
