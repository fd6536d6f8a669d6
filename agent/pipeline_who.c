/* SPDX-License-Identifier: Apache-2.0 */

/* What the kernel saw of a process, on its way from the ring to the events. */

#include "pipeline_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

static size_t slot_of(uint64_t id)
{
	return map_mix(0, id) % WHOS_MAX;
}

void who_keep(struct pipeline *p, const struct record_who *who)
{
	struct record_who **slot = &p->whos[slot_of(who->id)];
	free(*slot);
	*slot = malloc(who->header.len);
	if (*slot)
		memcpy(*slot, who, who->header.len);
}

struct record_who *who_take(struct pipeline *p, uint64_t id)
{
	struct record_who **slot = &p->whos[slot_of(id)];
	return *slot && (*slot)->id == id ? TAKE_PTR(*slot) : NULL;
}

void whos_clear(struct pipeline *p)
{
	for (size_t i = 0; i < WHOS_MAX; i++) {
		free(p->whos[i]);
		p->whos[i] = NULL;
	}
}

static struct identity_seen_path path_of(const struct record_who *who, size_t start, size_t end,
					 unsigned int cut)
{
	return (struct identity_seen_path){
		.text = who->text + start,
		.len = end - start,
		.cut = who->cut & cut,
	};
}

_Static_assert(WHO_HIERARCHIES == IDENTITY_HIERARCHIES, "hierarchies");
_Static_assert(OAITAP_PARENTS_MAX == IDENTITY_PARENTS_MAX, "parents");

static int take_who(struct identity_process *process, const struct record_who *who, bool args)
{
	struct identity_parent parents[IDENTITY_PARENTS_MAX];
	struct identity_seen seen = {
		.exe = path_of(who, 0, who->exe_end, WHO_CUT_EXE),
		.parents = parents,
		.n_parents = who->n_parents,
		.args_cut = who->cut & WHO_CUT_ARGS,
	};
	for (size_t i = 0, start = who->exe_end; i < WHO_HIERARCHIES; start = who->cgroup_end[i++])
		seen.cgroups[i] = path_of(who, start, who->cgroup_end[i], WHO_CUT_CGROUP << i);
	if (args) {
		seen.args = who->text + who->cgroup_end[WHO_OTHER];
		seen.args_len = who->text_len - who->cgroup_end[WHO_OTHER];
	}
	for (size_t i = 0; i < who->n_parents; i++) {
		parents[i] = (struct identity_parent){
			.pid = who->parents[i].tgid,
			.start_boot_ns = who->parents[i].start_boot_ns,
		};
		memcpy(parents[i].comm, who->parents[i].comm, sizeof(parents[i].comm));
	}
	return identity_process_seen(process, &seen);
}

void pipeline_process(struct pipeline *p, struct identity_process *process, const struct record_who *who)
{
	struct pipeline_counters *n = &p->counters;
	int r = -ENOENT;
	/* Never of another process, whatever went wrong. */
	if (who && who->tgid == process->pid && who->start_boot_ns == process->start_boot_ns)
		r = take_who(process, who, p->options.config->args);
	atomic_fetch_add_explicit(r == 0 ? &n->seen_by_kernel : &n->looked_up, 1, memory_order_relaxed);
	(void)identity_whois_process(p->options.whois, process);
	if (!process->exe || !process->cgroup)
		atomic_fetch_add_explicit(&n->unknown_processes, 1, memory_order_relaxed);
}
