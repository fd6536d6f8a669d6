/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/functions.h"

const char *const probe_function_names[PROBE_FUNCTIONS] = {
	[PROBE_SSL_WRITE] = "SSL_write",
	[PROBE_SSL_WRITE_EX] = "SSL_write_ex",
	[PROBE_SSL_WRITE_EX2] = "SSL_write_ex2",
	[PROBE_SSL_WRITE_EARLY_DATA] = "SSL_write_early_data",
	[PROBE_SSL_SENDFILE] = "SSL_sendfile",
	[PROBE_SSL_CTRL] = "SSL_ctrl",
	[PROBE_SSL_SET_TLSEXT_HOST_NAME] = "SSL_set_tlsext_host_name",
	[PROBE_SSL_SET_ACCEPT_STATE] = "SSL_set_accept_state",
	[PROBE_SSL_READ] = "SSL_read",
	[PROBE_SSL_READ_EX] = "SSL_read_ex",
	[PROBE_SSL_READ_EARLY_DATA] = "SSL_read_early_data",
	[PROBE_SSL_SET_FD] = "SSL_set_fd",
	[PROBE_SSL_FREE] = "SSL_free",
};

bool probe_function_carries_data(enum probe_function function)
{
	switch (function) {
	case PROBE_SSL_WRITE:
	case PROBE_SSL_WRITE_EX:
	case PROBE_SSL_WRITE_EX2:
	case PROBE_SSL_WRITE_EARLY_DATA:
	case PROBE_SSL_SENDFILE:
	case PROBE_SSL_READ:
	case PROBE_SSL_READ_EX:
	case PROBE_SSL_READ_EARLY_DATA:
		return true;
	default:
		return false;
	}
}

int probe_functions_find(int fd, struct elf_symbol ret_symbols[static PROBE_FUNCTIONS])
{
	for (int i = 0; i < PROBE_FUNCTIONS; i++)
		ret_symbols[i] = (struct elf_symbol){.name = probe_function_names[i]};
	int n = elf_symbols_find(fd, ret_symbols, PROBE_FUNCTIONS);
	if (n <= 0)
		return n;
	bool writes = ret_symbols[PROBE_SSL_WRITE].file_offset || ret_symbols[PROBE_SSL_WRITE_EX].file_offset;
	bool reads = ret_symbols[PROBE_SSL_READ].file_offset || ret_symbols[PROBE_SSL_READ_EX].file_offset;
	return writes && reads ? n : 0;
}
