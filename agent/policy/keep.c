/* SPDX-License-Identifier: Apache-2.0 */

/* What is kept of a message: the rule's modes, field by field, and redaction of what remains. What comes in
 * is never changed, since a session shares its values between exchanges. */

#include "policy/policy_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/shape.h"

struct keeper {
	struct policy_kept *kept;
	const struct policy_decision *decision;
	const struct policy_rule *rule;
	struct redact_scratch *scratch;
	const char *no_content; /* why none is kept, or NULL */
};

/* --- helpers ------------------------------------------------------------------------- */

static void withheld(struct keeper *k, const char *path, enum config_keep how, const char *why)
{
	struct policy_report *r = &k->kept->report;
	if (r->n_withheld < POLICY_WITHHELD_MAX)
		r->withheld[r->n_withheld++] = (struct policy_withheld){path, config_keep_names[how], why};
}

/* Takes value. */
static void own_value(struct policy_kept *kept, json_t *value)
{
	if (value)
		kept->values[kept->n_values++] = value;
}

static enum config_keep how_kept(const struct keeper *k, enum config_field field, const char **ret_why,
				 uint32_t *ret_max)
{
	const struct config_field_rule *f = &k->rule->settings.fields[field];
	*ret_why = k->no_content ? k->no_content : "fields";
	*ret_max = f->max;
	return k->no_content ? CONFIG_DROP : f->how;
}

/* --- texts --------------------------------------------------------------------------- */

/* *text may be replaced by one that kept owns. */
static int redact_name(struct keeper *k, char **text, const char *path)
{
	struct policy_kept *kept = k->kept;
	char *clean = NULL;
	size_t len;

	if (!*text || !k->rule->redactor)
		return 0;
	int r = redact_text(k->rule->redactor, k->scratch, *text, strlen(*text), path, NULL,
			    &kept->report.redacted, &clean, &len);
	if (r <= 0)
		return r;
	*text = kept->texts[kept->n_texts++] = clean;
	return 0;
}

/* What has the name of a thing, not a value's: no content, but a name can hold anything. */
static int keep_names(struct keeper *k, struct openai_request *req)
{
	int r = redact_name(k, &req->model, "/model");
	if (r == 0)
		r = redact_name(k, &req->deployment_id, "/deployment-id");
	if (r == 0)
		r = redact_name(k, &req->api_version, "/api-version");
	return r;
}

static int keep_path(struct keeper *k, struct openai_request *req)
{
	const struct config_field_rule *f = &k->rule->settings.fields[CONFIG_REQUEST_PATH];
	struct policy_kept *kept = k->kept;

	if (!req->path)
		return 0;
	if (f->how == CONFIG_KEEP || f->how == CONFIG_TRUNCATE) {
		int r = redact_name(k, &req->path, "/path");
		if (r < 0 || f->how == CONFIG_KEEP)
			return r;
	}
	withheld(k, "/path", f->how, "fields");
	char *text = NULL;
	if (f->how != CONFIG_DROP) {
		text = shape_text(f->how, f->max, k->decision->policy->key, req->path, strlen(req->path));
		if (!text)
			return -ENOMEM;
		kept->texts[kept->n_texts++] = text;
	}
	req->path = text;
	return 0;
}

/* --- headers ------------------------------------------------------------------------- */

/* Most differ in the first letter already. */
static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (names[i][0] == name[0] && strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Of these the event's writer needs the values, to hide them elsewhere; it never gives them. */
static bool is_credential(const char *name)
{
	static const char *const names[] = {
		"api-key",  "authorization", "cookie", "ocp-apim-subscription-key", "proxy-authorization",
		"x-api-key"};
	return is_one_of(name, names, ARRAY_SIZE(names));
}

/* Written by the protocol, not by people: numbers, dates, and the host that is in `backend` as well. */
static bool is_protocol(const char *name)
{
	static const char *const names[] = {
		"content-encoding",	"content-length", "date",	    "host",   "transfer-encoding",
		"openai-processing-ms", "retry-after",	  "retry-after-ms", "expect", "upgrade"};
	return is_one_of(name, names, ARRAY_SIZE(names)) ||
	       strncmp(name, "x-ratelimit-", strlen("x-ratelimit-")) == 0;
}

/* *ret_value: NULL if it stays as it is. */
static int keep_header(struct keeper *k, const struct http_header *header, const struct config_field_rule *f,
		       char **ret_value)
{
	bool is_type = strcmp(header->name, "content-type") == 0;
	enum config_keep how = is_type ? CONFIG_KEEP : f->how;
	char *clean = NULL;
	size_t len = strlen(header->value);

	*ret_value = NULL;
	if (how == CONFIG_MASK || how == CONFIG_HASH) {
		*ret_value = shape_text(how, 0, k->decision->policy->key, header->value, len);
		return *ret_value ? 0 : -ENOMEM;
	}
	if (k->rule->redactor && !is_protocol(header->name)) {
		int r = redact_member(k->rule->redactor, k->scratch, header->value, len, "/headers",
				      header->name, &k->kept->report.redacted, &clean, &len);
		if (r < 0)
			return r;
	}
	if (how == CONFIG_TRUNCATE) {
		const char *whole = clean ? clean : header->value;
		char *cut = shape_text(how, f->max, NULL, whole, strlen(whole));
		free(clean);
		clean = cut;
		if (!clean)
			return -ENOMEM;
	}
	*ret_value = clean;
	return 0;
}

static int keep_headers(struct keeper *k, enum config_field field)
{
	struct policy_kept *kept = k->kept;
	struct http_message *msg = &kept->message_copy;
	const struct config_field_rule *f = &k->rule->settings.fields[field];
	size_t n = 0;

	if (!msg->n_headers || (f->how == CONFIG_KEEP && !k->rule->redactor))
		return 0;
	kept->headers = calloc(msg->n_headers, sizeof(*kept->headers));
	kept->header_values = calloc(msg->n_headers, sizeof(*kept->header_values));
	if (!kept->headers || !kept->header_values)
		return -ENOMEM;
	for (size_t i = 0; i < msg->n_headers; i++) {
		struct http_header h = msg->headers[i];
		bool stays = is_credential(h.name);
		if (f->how == CONFIG_DROP && !stays && strcmp(h.name, "content-type") != 0)
			continue;
		char **own = &kept->header_values[kept->n_header_values];
		int r = stays ? 0 : keep_header(k, &h, f, own);
		if (r < 0)
			return r;
		if (*own) {
			h.value = *own;
			kept->n_header_values++;
		}
		kept->headers[n++] = h;
	}
	if (f->how != CONFIG_KEEP)
		withheld(k, "/headers", f->how, "fields");
	msg->headers = kept->headers;
	msg->n_headers = n;
	return 0;
}

/* --- values -------------------------------------------------------------------------- */

static int redact_value(struct keeper *k, json_t **value, const char *path)
{
	json_t *clean = NULL;
	if (!k->rule->redactor)
		return 0;
	int r = redact_json_copy(k->rule->redactor, k->scratch, *value, path, NULL, &k->kept->report.redacted,
				 &clean);
	if (r < 0)
		return r;
	own_value(k->kept, clean);
	*value = clean;
	return 0;
}

/* *value is borrowed, and afterwards borrowed from kept. */
static int keep_value(struct keeper *k, enum config_field field, json_t **value, const char *path)
{
	const char *why;
	uint32_t max;
	enum config_keep how = how_kept(k, field, &why, &max);
	int r = 0;

	if (!*value)
		return 0;
	if (how == CONFIG_KEEP || how == CONFIG_TRUNCATE)
		r = redact_value(k, value, path);
	if (r < 0 || how == CONFIG_KEEP)
		return r;
	withheld(k, path, how, why);
	if (how == CONFIG_DROP) {
		*value = NULL;
		return 0;
	}
	*value = shape_value(how, max, k->decision->policy->key, *value);
	own_value(k->kept, *value);
	return *value ? 0 : -ENOMEM;
}

/* Of one file only the names are text. */
static int keep_file(struct keeper *k, enum config_keep how, uint32_t max, size_t at, json_t *file)
{
	static const char *const names[] = {"name", "file-name", "content-type"};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *value = json_object_get(file, names[i]), *before = value;
		if (!value || (i == 2 && how != CONFIG_KEEP))
			continue;
		snprintf(path, sizeof(path), "/files/%zu/%s", at, names[i]);
		json_t *owned = NULL;
		if (how == CONFIG_KEEP || how == CONFIG_TRUNCATE) {
			int r = k->rule->redactor
					? redact_json_copy(k->rule->redactor, k->scratch, value, path, NULL,
							   &k->kept->report.redacted, &owned)
					: 0;
			if (r < 0)
				return r;
			value = owned ? owned : value;
		}
		if (how != CONFIG_KEEP) {
			json_t *shaped = shape_value(how, max, k->decision->policy->key, value);
			json_decref(owned);
			value = owned = shaped;
			if (!owned)
				return -ENOMEM;
		}
		/* What is clean comes back as it is, with one reference more. */
		if (value == before)
			json_decref(owned);
		else if (json_object_set_new(file, names[i], owned) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int keep_files(struct keeper *k, enum config_field field, json_t **files)
{
	const char *why;
	uint32_t max;
	enum config_keep how = how_kept(k, field, &why, &max);
	size_t i;
	json_t *file;

	if (!*files || how == CONFIG_DROP)
		return keep_value(k, field, files, "/files");
	if (how == CONFIG_KEEP && !k->rule->redactor)
		return 0;
	json_t *copy = json_deep_copy(*files);
	if (!copy)
		return -ENOMEM;
	own_value(k->kept, copy);
	int r = 0;
	json_array_foreach (copy, i, file)
		if (r == 0)
			r = keep_file(k, how, max, i, file);
	if (how != CONFIG_KEEP)
		withheld(k, "/files", how, why);
	*files = copy;
	return r;
}

/* A body that is no JSON and no text, or a stream of events in which a text is in pieces, cannot be searched.
 */
static bool is_unreadable(const struct keeper *k, const json_t *body, bool base64)
{
	return k->rule->redactor &&
	       (base64 || (json_is_string(body) && http_message_is_type(k->kept->msg, "text/event-stream")));
}

static int keep_body(struct keeper *k, enum config_field field, json_t **body, bool *base64)
{
	const char *path = *base64 ? "/body-base64" : "/body", *why;
	uint32_t max;
	enum config_keep how = how_kept(k, field, &why, &max);

	if (!*body)
		return 0;
	if ((how == CONFIG_KEEP || how == CONFIG_TRUNCATE) && is_unreadable(k, *body, *base64)) {
		withheld(k, path, CONFIG_DROP, "unreadable");
		*body = NULL;
		return 0;
	}
	int r = keep_value(k, field, body, path);
	if (how == CONFIG_MASK || how == CONFIG_HASH)
		*base64 = false;
	return r;
}

/* Code and type say what kind of error it was; only the message is in the server's own words. */
static int keep_error(struct keeper *k, json_t **error)
{
	if (!*error || !k->no_content)
		return keep_value(k, CONFIG_RESPONSE_ERROR, error, "/error");
	int r = redact_value(k, error, "/error");
	if (r < 0 || !json_object_get(*error, "message"))
		return r;
	withheld(k, "/error/message", CONFIG_DROP, k->no_content);
	json_t *short_error = json_copy(*error);
	if (!short_error)
		return -ENOMEM;
	own_value(k->kept, short_error);
	json_object_del(short_error, "message");
	*error = json_object_size(short_error) ? short_error : NULL;
	return 0;
}

/* Results of the content filter are categories and numbers. */
static int keep_filter(struct keeper *k, json_t **filter)
{
	if (!*filter || !k->no_content)
		return keep_value(k, CONFIG_RESPONSE_CONTENT_FILTER, filter, "/content-filter");
	return redact_value(k, filter, "/content-filter");
}

/* --- messages ------------------------------------------------------------------------ */

/* False: all is kept as it is. */
static bool keeper_begin(struct keeper *k, struct policy_kept *kept, const struct policy_decision *decision,
			 struct redact_scratch *scratch)
{
	const struct policy_rule *rule = decision->rule;

	if (!rule || rule->untouched)
		return false;
	*k = (struct keeper){.kept = kept, .decision = decision, .rule = rule, .scratch = scratch};
	if (rule->settings.metadata_only)
		k->no_content = "metadata-only";
	else if (!decision->sampled)
		k->no_content = "sample";
	return true;
}

static bool keeper_init(struct keeper *k, struct policy_kept *kept, const struct policy_decision *decision,
			struct redact_scratch *scratch, const struct http_message *msg,
			const struct openai_request *req)
{
	const struct policy_rule *rule = decision->rule;

	*kept = (struct policy_kept){.msg = msg, .req = req};
	if (rule)
		kept->report.rule = rule->when ? rule->name : NULL;
	if (!keeper_begin(k, kept, decision, scratch))
		return false;
	kept->report.has_sample = rule->settings.sample < 1;
	kept->report.sampled = decision->sampled;
	kept->message_copy = *msg;
	kept->msg = &kept->message_copy;
	return true;
}

static int copy_request(struct keeper *k)
{
	struct policy_kept *kept = k->kept;
	if (!kept->req)
		return 0;
	kept->request_copy = *kept->req;
	kept->req = &kept->request_copy;
	int r = keep_names(k, &kept->request_copy);
	return r < 0 ? r : keep_path(k, &kept->request_copy);
}

static int keep_asked(struct keeper *k)
{
	struct openai_request *q = &k->kept->request_copy;
	const struct {
		enum config_field field;
		json_t **value;
		const char *path;
	} values[] = {
		{CONFIG_REQUEST_INSTRUCTIONS, &q->instructions, "/instructions"},
		{CONFIG_REQUEST_MESSAGES, &q->messages, "/messages"},
		{CONFIG_REQUEST_PROMPT, &q->prompt, "/prompt"},
		{CONFIG_REQUEST_INPUT, &q->input, "/input"},
		{CONFIG_REQUEST_TOOLS, &q->tools, "/tools"},
		{CONFIG_REQUEST_PARAMETERS, &q->parameters, "/parameters"},
	};
	int r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(values) && r == 0; i++)
		r = keep_value(k, values[i].field, values[i].value, values[i].path);
	if (r == 0)
		r = keep_files(k, CONFIG_REQUEST_FILES, &q->files);
	return r < 0 ? r : keep_body(k, CONFIG_REQUEST_BODY, &q->body, &q->body_base64);
}

int policy_keep_request(struct policy_kept *kept, const struct policy_decision *decision,
			struct redact_scratch *scratch, const struct http_message *msg,
			const struct openai_request *req)
{
	struct keeper k;
	if (!keeper_init(&k, kept, decision, scratch, msg, req))
		return 0;
	int r = keep_headers(&k, CONFIG_REQUEST_HEADERS);
	if (r == 0)
		r = copy_request(&k);
	if (r == 0 && req)
		r = keep_asked(&k);
	if (r < 0)
		policy_kept_done(kept);
	return r;
}

/* Tokens and ends are numbers and words of the API; they are searched all the same. */
static int keep_facts(struct keeper *k)
{
	struct openai_response *a = &k->kept->response_copy;
	int r = redact_name(k, &a->response_id, "/response-id");
	if (r == 0)
		r = redact_name(k, &a->model, "/model");
	if (r == 0 && a->usage)
		r = redact_value(k, &a->usage, "/usage");
	if (r == 0 && a->finish_reason)
		r = redact_value(k, &a->finish_reason, "/finish-reason");
	return r;
}

static int keep_answered(struct keeper *k)
{
	struct openai_response *a = &k->kept->response_copy;
	const struct {
		enum config_field field;
		json_t **value;
		const char *path;
	} values[] = {
		{CONFIG_RESPONSE_CHOICES, &a->choices, "/choices"},
		{CONFIG_RESPONSE_OUTPUT, &a->output, "/output"},
		{CONFIG_RESPONSE_DATA, &a->data, "/data"},
		{CONFIG_RESPONSE_TEXT, &a->text, "/text"},
		{CONFIG_RESPONSE_RESPONSE, &a->extra, "/response"},
	};
	int r = keep_facts(k);
	for (size_t i = 0; i < ARRAY_SIZE(values) && r == 0; i++)
		r = keep_value(k, values[i].field, values[i].value, values[i].path);
	if (r == 0)
		r = keep_files(k, CONFIG_RESPONSE_FILES, &a->files);
	if (r == 0)
		r = keep_filter(k, &a->content_filter);
	if (r == 0)
		r = keep_error(k, &a->error);
	return r < 0 ? r : keep_body(k, CONFIG_RESPONSE_BODY, &a->body, &a->body_base64);
}

int policy_keep_response(struct policy_kept *kept, const struct policy_decision *decision,
			 struct redact_scratch *scratch, const struct http_message *msg,
			 const struct openai_request *req, const struct openai_response *resp)
{
	struct keeper k;
	bool touched = keeper_init(&k, kept, decision, scratch, msg, req);
	kept->resp = resp;
	if (!touched)
		return 0;
	int r = keep_headers(&k, CONFIG_RESPONSE_HEADERS);
	if (r == 0)
		r = copy_request(&k);
	if (r == 0) {
		kept->response_copy = *resp;
		kept->resp = &kept->response_copy;
		r = keep_answered(&k);
	}
	if (r < 0)
		policy_kept_done(kept);
	return r;
}

int policy_keep_claimed(struct policy_kept *kept, const struct policy_decision *decision,
			struct redact_scratch *scratch, json_t *claimed)
{
	struct keeper k;
	kept->claimed = claimed;
	if (!claimed || !keeper_begin(&k, kept, decision, scratch))
		return 0;
	int r = keep_value(&k, CONFIG_REQUEST_PARAMETERS, &kept->claimed, "/identity/claimed");
	if (r < 0)
		policy_kept_done(kept);
	return r;
}

void policy_kept_done(struct policy_kept *kept)
{
	for (size_t i = 0; i < kept->n_values; i++)
		json_decref(kept->values[i]);
	for (size_t i = 0; i < kept->n_texts; i++)
		free(kept->texts[i]);
	for (size_t i = 0; i < kept->n_header_values; i++)
		free(kept->header_values[i]);
	free(kept->header_values);
	free(kept->headers);
	redact_report_done(&kept->report.redacted);
	*kept = (struct policy_kept){0};
}
