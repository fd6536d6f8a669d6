/* SPDX-License-Identifier: Apache-2.0 */
#include "event/common.h"

#include "base/macro.h"

int event_build_blind(struct event **ret_event, const struct event_context *ctx, uint64_t time_ns,
		      const struct event_blind *blind)
{
	_cleanup_(event_abandon) struct event_maker m = {0};
	int r = event_start(&m, ctx, time_ns, "Blind");
	if (r < 0)
		return r;
	event_put_operation(&m.json, ctx, NULL);
	event_put_who(&m.json, ctx);
	json_text_string(&m.json, "library", blind->library);
	json_text_string(&m.json, "reason", blind->reason);
	json_text_uint(&m.json, "bytes-written", blind->bytes_written);
	json_text_uint(&m.json, "bytes-read", blind->bytes_read);
	json_text_uint(&m.json, "connections", blind->connections);
	return event_finish(&m, ret_event);
}
