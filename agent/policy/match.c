/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/match.h"

#include <stdio.h>

/* What is not known matches nothing, "*" included: a rule about namespaces is not about programs of none. */
static bool asked(const struct config_list *list, const char *text, bool any_case)
{
	if (list->n == 0)
		return true;
	for (size_t i = 0; text && i < list->n; i++)
		if (glob_match(list->items[i], text, any_case))
			return true;
	return false;
}

/* By name or by number. */
static bool asked_user(const struct config_list *list, const struct policy_facts *facts)
{
	char number[16];
	if (list->n == 0 || asked(list, facts->user, false))
		return true;
	if (!facts->uid)
		return false;
	snprintf(number, sizeof(number), "%u", *facts->uid);
	return asked(list, number, false);
}

bool when_matches(const struct config_when *when, const struct policy_facts *facts,
		  const struct openai_request *req, const struct identity_caller *caller)
{
	static const struct policy_facts nothing;
	static const struct openai_request no_request;
	const struct policy_facts *f = facts ? facts : &nothing;
	const struct openai_request *q = req ? req : &no_request;

	return asked(&when->namespaces, f->k8s_namespace, false) && asked(&when->pods, f->pod, false) &&
	       asked(&when->images, f->image, false) && asked(&when->units, f->unit, false) &&
	       asked_user(&when->users, f) && asked(&when->executables, f->executable, false) &&
	       asked(&when->operations, q->operation, true) && asked(&when->hosts, q->backend, true) &&
	       asked(&when->deployments, q->deployment_id, true) && asked(&when->models, q->model, true) &&
	       asked(&when->tenants, caller->tenant_id, true) &&
	       asked(&when->applications, caller->app_id, true) &&
	       asked(&when->kinds, identity_kind_name(caller->kind), false);
}
