/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Maps of bpf/block.bpf.c: whose connections to AI hosts the kernel refuses, and until when. Integers are in
 * host byte order, times are CLOCK_MONOTONIC nanoseconds unless named _boot_ns. Every byte of a key is
 * written. */

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Subjects that can be blocked at a time. */
#define BLOCK_SUBJECTS_MAX 1024U
/* Addresses of AI hosts that are remembered; connections that have not sent their ClientHello. The oldest go.
 */
#define BLOCK_ADDRESSES_MAX 16384U
#define BLOCK_CONNECTS_MAX  16384U

/* Cgroups above the one that connects, and its parent processes, that are looked at. */
#define BLOCK_LEVELS_MAX  12
#define BLOCK_PARENTS_MAX 8

/* A cgroup with all that is below it, or a process with its descendants. */
struct block_key {
	__u64 id; /* of the cgroup (v2); of a process start_boot_ns, which tells apart those that reuse a pid
		   */
	__u32 tgid; /* 0: a cgroup */
	__u32 pad;
};

/* Map `refusals`, by block_key. */
struct block_refusals {
	__u64 connects;	 /* calls of connect() for a stream, such as TCP */
	__u64 datagrams; /* calls of connect() and sendmsg() for datagrams: QUIC, and resolvers that ask for a
			    route */
};

/* Where a program connects to, as it said it: before any translation. */
struct block_address {
	__u8 ip[16]; /* network byte order; IPv4 as ::ffff:a.b.c.d */
	__u16 port;
	__u16 pad;
};

/* Map `connects`, by socket cookie: until the socket's ClientHello tells whether it leads to an AI host. */
struct block_connect {
	struct block_address address;
	__u32 pad;
	struct block_key blocked; /* under which block it fell; id 0: under none */
};

_Static_assert(sizeof(struct block_key) == 16, "block_key");
_Static_assert(sizeof(struct block_refusals) == 16, "block_refusals");
_Static_assert(sizeof(struct block_address) == 20, "block_address");
_Static_assert(sizeof(struct block_connect) == 40, "block_connect");
