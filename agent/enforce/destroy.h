/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Ends TCP connections of other processes (SOCK_DESTROY, sock_diag(7)): the program's next call on the socket
 * fails with ECONNABORTED, and the peer gets a reset. Used inside this stage only. */

#include <stdint.h>

struct destroy_target {
	uint32_t tgid;		/* whose network namespace it is in */
	uint64_t start_boot_ns; /* 0: not known; otherwise tells apart processes that reuse a pid */
	uint64_t cookie;	/* of the socket; 0: whatever socket has these addresses */
	uint16_t family;	/* AF_INET or AF_INET6 */
	uint16_t local_port, remote_port;
	uint8_t local[16]; /* network byte order; IPv4 in the first four bytes */
	uint8_t remote[16];
};

/* Enters the other network namespace with the calling thread for a moment, so that thread must not do
 * anything else with the network; needs CAP_NET_ADMIN, and for another namespace CAP_SYS_ADMIN. Takes some
 * tens of microseconds. 0; -ENOENT: there is no such connection (any more); -ESRCH: the process has ended;
 * -EINVAL: no address; -EOPNOTSUPP: this kernel cannot (CONFIG_INET_DIAG_DESTROY); -EPERM; negative errno. */
int destroy_connection(const struct destroy_target *target);

/* Tries it on a socket of our own, in this namespace. As above. */
int destroy_try(void);
