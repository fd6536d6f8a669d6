/* SPDX-License-Identifier: Apache-2.0 */

#include "pipeline_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/uuid.h"
#include "enforce/enforcer.h"
#include "pipeline_internal.h"

struct pipeline_block {
	const char *cgroup;
	struct policy_enforcer face;
	_Atomic(struct enforcer *) enforcer; /* NULL: nothing asked for it so far */
	_Atomic(struct pipeline *) pipeline; /* NULL: it does not run */
};

/* What the events of a block say beside the enforcer's facts. */
struct offender {
	struct identity_process process;
	char message_id[UUID_LEN];
	char *rule;
};

/* --- offenders ----------------------------------------------------------------------- */

static void offender_free(void *data)
{
	struct offender *o = data;
	if (!o)
		return;
	identity_process_done(&o->process);
	free(o->rule);
	free(o);
}

static void cleanup_offender(struct offender **o)
{
	offender_free(*o);
}

static int copy_text(char **ret_text, const char *text)
{
	*ret_text = text ? strdup(text) : NULL;
	return text && !*ret_text ? -ENOMEM : 0;
}

static int offender_new(struct offender **ret_offender, const struct policy_offence *offence)
{
	_cleanup_(cleanup_offender) struct offender *o = calloc(1, sizeof(*o));
	const struct identity_process *from = offence->process;

	if (!o)
		return -ENOMEM;
	memcpy(o->message_id, offence->message_id, sizeof(o->message_id));
	o->process = (struct identity_process){.pid = from->pid,
					       .parent_pid = from->parent_pid,
					       .uid = from->uid,
					       .start_boot_ns = from->start_boot_ns,
					       .start_real_ns = from->start_real_ns};
	memcpy(o->process.comm, from->comm, sizeof(o->process.comm));
	memcpy(o->process.parents, from->parents, sizeof(o->process.parents));
	o->process.n_parents = from->n_parents;
	o->process.in = from->in;
	if (copy_text(&o->process.exe, from->exe) < 0 || copy_text(&o->process.user, from->user) < 0 ||
	    copy_text(&o->process.cgroup, from->cgroup) < 0 || copy_text(&o->process.unit, from->unit) < 0 ||
	    copy_text(&o->rule, offence->rule) < 0)
		return -ENOMEM;
	*ret_offender = TAKE_PTR(o);
	return 0;
}

/* --- events -------------------------------------------------------------------------- */

static void on_report(void *ctx, const struct enforcer_report *r)
{
	struct pipeline_block *b = ctx;
	struct pipeline *p = atomic_load(&b->pipeline);
	const struct offender *o = r->data;
	struct event *event = NULL;

	if (!p || !o)
		return;
	const struct event_context context = {
		.message_id = o->message_id,
		.process = &o->process,
		.host_name = p->host_name,
		.machine_id = p->machine_id[0] ? p->machine_id : NULL,
	};
	const struct event_block block = {
		.over = r->what == ENFORCER_END,
		.lifted = r->lifted,
		.process_only = r->scope == ENFORCER_PROCESS,
		.rule = o->rule,
		.cgroup = r->cgroup[0] ? r->cgroup : NULL,
		.begun_ns = clock_mono_to_real_ns(r->begun_ns),
		.until_ns = clock_mono_to_real_ns(r->until_ns),
		.violations = r->violations,
		.ended = r->ended,
		.not_ended = r->end_error < 0 ? strerror(-r->end_error) : NULL,
		.refused_connects = r->refused_connects,
		.refused_datagrams = r->refused_datagrams,
	};
	if (event_build_block(&event, &context, clock_real_ns(), &block) < 0)
		atomic_fetch_add(&p->counters.build_failed, 1);
	else
		pipeline_publish(p, event);
}

static const struct enforcer_ops enforcer_ops = {.on_report = on_report, .data_free = offender_free};

/* --- from the pipeline --------------------------------------------------------------- */

static int on_offence(void *ctx, const struct policy_offence *offence)
{
	struct pipeline_block *b = ctx;
	struct enforcer *e = atomic_load(&b->enforcer);
	struct offender *offender = NULL;

	if (!e)
		return -ENODEV;
	int r = offender_new(&offender, offence);
	if (r < 0)
		return r;
	const struct enforcer_subject subject = {
		.pid = offence->process->pid,
		.start_boot_ns = offence->process->start_boot_ns,
		.cgroup_id = offence->cgroup_id,
		.scope = offence->scope == CONFIG_BLOCK_PROCESS ? ENFORCER_PROCESS : ENFORCER_CGROUP,
		.socket = *offence->socket,
	};
	return enforcer_block(e, &subject, offence->for_s, offence->rule, offender);
}

static void on_hello(void *ctx, const struct record_hello *hello)
{
	struct pipeline_block *b = ctx;
	struct enforcer *e = atomic_load(&b->enforcer);
	if (e)
		enforcer_hello(e, hello);
}

static void on_start(void *ctx, struct pipeline *pipeline)
{
	struct pipeline_block *b = ctx;
	atomic_store(&b->pipeline, pipeline);
}

/* With a record of each block that is lifted. */
static void on_stop(void *ctx)
{
	struct pipeline_block *b = ctx;
	struct enforcer *e = atomic_exchange(&b->enforcer, NULL);
	enforcer_free(&e);
	atomic_store(&b->pipeline, NULL);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *status(void *ctx)
{
	struct pipeline_block *b = ctx;
	struct enforcer *e = atomic_load(&b->enforcer);
	if (!e)
		return NULL;
	struct enforcer_stats s = enforcer_stats(e);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "blocks", number(s.blocks),
			 "blocked", number(s.blocked), "violations", number(s.violations), "ended",
			 number(s.ended), "not-ended", number(s.not_ended), "refused", number(s.refused),
			 "not-blocked", number(s.not_blocked), "addresses", number(s.addresses), "proxied",
			 number(s.proxied), "lost", number(s.lost));
}

/* --- from the main thread ------------------------------------------------------------ */

int pipeline_block_new(struct pipeline_block **ret_block, const char *cgroup)
{
	struct pipeline_block *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->cgroup = cgroup;
	b->face = (struct policy_enforcer){.block = on_offence,
					   .hello = on_hello,
					   .start = on_start,
					   .stop = on_stop,
					   .status = status,
					   .ctx = b};
	*ret_block = b;
	return 0;
}

void pipeline_block_free(struct pipeline_block **block)
{
	if (!*block)
		return;
	on_stop(*block);
	free(*block);
	*block = NULL;
}

int pipeline_block_enable(struct pipeline_block *b, char **ret_error)
{
	const struct enforcer_options options = {.cgroup = b->cgroup,
						 .address_age_ns = ENFORCER_ADDRESS_AGE_NS};
	struct enforcer *e = NULL;

	if (atomic_load(&b->enforcer))
		return 0;
	int r = enforcer_new(&e, &options, &enforcer_ops, b, ret_error);
	if (r == 0)
		atomic_store(&b->enforcer, e);
	return r;
}

bool pipeline_block_enabled(const struct pipeline_block *b)
{
	return atomic_load(&b->enforcer) != NULL;
}

void pipeline_block_lift(struct pipeline_block *b)
{
	struct enforcer *e = atomic_load(&b->enforcer);
	if (e)
		(void)enforcer_lift(e);
}

const struct policy_enforcer *pipeline_block_enforcer(struct pipeline_block *b)
{
	return &b->face;
}
