/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Records in the ring buffer, from the BPF programs to the agent. All integers are in host byte order unless
 * named _be. Times are CLOCK_MONOTONIC nanoseconds unless named _boot_ns. Every byte of a record is written.
 */

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "limits.h"

enum record_type {
	RECORD_OPEN = 1, /* struct record_open */
	RECORD_DATA,	 /* struct record_data and its payload */
	RECORD_GAP,	 /* struct record_data without payload: gap_len bytes were not copied */
	RECORD_SOCKET,	 /* struct record_socket */
	RECORD_CLOSE,	 /* struct record_close */
	RECORD_EXEC,	 /* struct record_process: the connections of the old image are gone */
	RECORD_EXIT,	 /* struct record_process: the process has no thread left */
	RECORD_HELLO,	 /* struct record_hello: a TLS ClientHello that names an AI host has left */
	RECORD_WHO, /* struct record_who: comes before RECORD_OPEN or RECORD_HELLO and tells of its process */
};

enum record_dir { RECORD_WRITE = 0, RECORD_READ = 1 };

enum record_role { RECORD_CLIENT = 0, RECORD_SERVER = 1 };

/* Why bytes are missing. */
enum record_loss {
	RECORD_LOSS_NONE = 0,
	RECORD_LOSS_RING_FULL,
	RECORD_LOSS_CALL_LIMIT,
	RECORD_LOSS_FAULT,
	RECORD_LOSS_SENDFILE, /* sent from a file by the kernel (SSL_sendfile): never in the process's memory
			       */
	RECORD_LOSS_SKIPPED,  /* the agent asked for it */
};

struct record_header {
	__u32 type; /* enum record_type */
	__u32 len;  /* bytes of the whole record; the reservation may be longer (zeros) */
};

/* First record of a connection. */
struct record_open {
	struct record_header header;
	__u64 conn_id;
	__u64 ts_ns;
	__u64 ssl;	   /* address of the SSL object */
	__u64 process_gen; /* tells apart processes and program images that share a pid */
	__u64 start_boot_ns;
	__u64 cgroup_id;
	__u32 tgid;
	__u32 tid;
	__u32 parent_tgid;
	__u32 uid;
	__u32 gid;
	__u32 file_id; /* of the probed file, as attachment_new() was told; 0: this kernel cannot tell */
	__u8 role;     /* enum record_role */
	__u8 named;    /* 1: chosen by its server name; 0: by its first bytes */
	__u16 sni_len; /* without NUL */
	char comm[16]; /* of the thread group leader */
	char sni[OAITAP_NAME_MAX];
};

/* A piece of one call, or a gap. */
struct record_data {
	struct record_header header;
	__u64 conn_id;
	__u64 offset;	   /* of the first byte, in its direction */
	__u64 peer_offset; /* where the other direction stood */
	__u64 ts_ns;	   /* entry of a write call, return of a read call */
	__u64 gap_len;	   /* RECORD_GAP */
	__u32 payload_len; /* RECORD_DATA: at most OAITAP_PIECE_MAX */
	__u32 tgid;
	__u8 dir;	 /* enum record_dir */
	__u8 call_start; /* 1: first piece of its call */
	__u8 loss;	 /* enum record_loss: why bytes just before this record are missing, if any are */
	__u8 gap_loss;	 /* RECORD_GAP: enum record_loss of the gap itself */
	__u8 pad[4];
	__u8 payload[]; /* RECORD_DATA */
};

/* The socket under a connection. Sent once, when it is certain. */
struct record_socket {
	struct record_header header;
	__u64 conn_id;
	__u64 cookie;	/* of the socket, as in struct record_hello; 0: it has none (yet) */
	__u8 local[16]; /* network byte order; IPv4 in the first four bytes */
	__u8 remote[16];
	__u16 family; /* AF_INET or AF_INET6 */
	__u16 local_port;
	__u16 remote_port;
	__u16 pad;
};

struct record_close {
	struct record_header header;
	__u64 conn_id;
	__u64 ts_ns;
	__u64 end[2]; /* bytes that went each way, by enum record_dir */
	__u8 loss[2]; /* enum record_loss: why the last bytes are missing, if they are */
	__u8 pad[6];
};

struct record_process {
	struct record_header header;
	__u64 process_gen;
	__u64 ts_ns;
	__u32 tgid;
	__u32 pad;
};

/* A connection to an AI host, seen on its way out whether or not the program can be read. */
struct record_hello {
	struct record_header header;
	__u64 cookie; /* of the socket: unique until reboot (SO_COOKIE of socket(7)); key of map `flows` */
	__u64 ts_ns;
	__u64 process_gen; /* of the process that called connect(); 0: not known, and so the next six */
	__u64 start_boot_ns;
	__u64 cgroup_id;
	__u32 tgid;
	__u32 parent_tgid;
	__u32 uid;
	__u32 gid;
	char comm[16];	/* of the thread group leader */
	__u8 local[16]; /* as in struct record_socket */
	__u8 remote[16];
	__u16 family;
	__u16 local_port;
	__u16 remote_port;
	__u16 sni_len; /* without NUL, at least 1 */
	__u32 before;  /* packets with data that left before it, as to a proxy that is asked to connect */
	__u32 pad;
	char sni[OAITAP_NAME_MAX];
};

/* The hierarchies whose cgroups are told, as far as the process is not at their root: version 2's, that of
 * systemd's own (version 1, "name=systemd"), and one of the controllers' (version 1). */
enum who_hierarchy { WHO_UNIFIED, WHO_SYSTEMD, WHO_OTHER, WHO_HIERARCHIES };

/* What was not read to its end. */
enum who_cut { WHO_CUT_EXE = 1, WHO_CUT_ARGS = 2, WHO_CUT_CGROUP = 4 /* shifted by enum who_hierarchy */ };

struct record_parent {
	__u64 start_boot_ns;
	__u32 tgid;
	__u32 pad;
	char comm[16];
};

/* A process, as the kernel had it when it opened a connection. Paths are given by their components, each with
 * its NUL, from the last to the first. */
struct record_who {
	struct record_header header;
	__u64 id; /* of the connection, or the socket cookie of the ClientHello */
	__u64 start_boot_ns;
	__u32 tgid;
	__u16 exe_end;			   /* in text: where the executable's path ends */
	__u16 cgroup_end[WHO_HIERARCHIES]; /* where each cgroup's path ends */
	__u16 text_len;			   /* the rest: arguments, each with its NUL */
	__u8 cut;			   /* bits of enum who_cut */
	__u8 n_parents;
	struct record_parent parents[OAITAP_PARENTS_MAX]; /* nearest first */
	char text[OAITAP_WHO_TEXT_MAX + OAITAP_WHO_ARGS_MAX];
};

/* Map `flows`: by socket cookie, for sockets that a record_hello told of. The agent removes what it is done
 * with; the oldest go when it is full. */
struct flow {
	__u64 bytes_out; /* TCP payload that the peer has acknowledged */
	__u64 bytes_in;	 /* TCP payload received */
};

/* Counters of the BPF programs, one slot each in the map `counters`. */
enum counter {
	COUNTER_RING_FULL_DATA,	   /* data records for which the ring had no room */
	COUNTER_RING_FULL_CONTROL, /* other records */
	COUNTER_CALL_LIMIT,	   /* calls longer than the limit; bytes beyond it */
	COUNTER_FAULT,		   /* pieces whose memory could not be read */
	COUNTER_CONN_TABLE_FULL,   /* calls on connections that found no place in the table */
	COUNTER_PROC_TABLE_FULL,
	COUNTER_THREAD_TABLE_FULL, /* calls of threads that found no place */
	COUNTER_SCRATCH_FULL,	   /* names and first writes that could not be looked at */
	COUNTER_HELLO_CUT,	   /* ClientHellos whose server name is not in their first packet */
	COUNTER_NESTED,	   /* calls within a call on the same connection: counted once, in the outer one */
	COUNTER_UNDECIDED, /* unnamed connections given up: first writes too long, or too many */
	COUNTER_TWICE,	   /* calls for which two attachments fired: one file under two identities */
	COUNTER_HELLOS,	   /* ClientHellos seen, of any host */
	COUNTER_SKIPPED,   /* calls, and bytes in them, that the agent asked to skip */
	COUNTER_SENDFILE,  /* calls of SSL_sendfile; bytes */
	COUNTER_HTTP2_UNNAMED, /* unnamed connections that speak HTTP/2: their host cannot be read here */
	COUNTER_MAX,
};

struct counter_value {
	__u64 count;
	__u64 bytes; /* where bytes were lost */
};

/* Map `conns`: key and value. The agent reads end offsets from it when a process is gone. */
struct conn_key {
	__u64 ssl;
	__u32 tgid;
	__u32 pad;
};

enum conn_verdict {
	CONN_UNDECIDED = 0,
	CONN_IGNORE,
	CONN_MONITOR,
};

struct conn {
	__u64 id;
	__u64 process_gen;
	__u64 end[2];	     /* bytes so far, by enum record_dir */
	__u64 skip_until[2]; /* bytes before these offsets are not wanted, by enum record_dir */
	__u64 name_call;     /* tells the call that set the server name from another; 0: none did */
	__s32 fd;	     /* from SSL_set_fd, or -1 */
	__u32 file_id;
	__u8 verdict; /* enum conn_verdict */
	__u8 role;
	__u8 open_sent;	  /* the agent knows the connection */
	__u8 socket_done; /* addresses sent, or not to be had */
	__u8 loss[2];	  /* enum record_loss of bytes lost since the last record */
	__u16 tries;	  /* calls looked at while undecided */
	__u8 http2_seen;  /* counted as an unnamed connection of HTTP/2 */
	__u8 pad[7];
};

/* What the agent asks for, by running the program conn_order. */
enum conn_order {
	ORDER_IGNORE,
	ORDER_SKIP,
};

/* Map `procs`: what is known of a process that has connections. The agent removes entries marked dead, and
 * connections whose process has no entry, or one of another image. */
struct proc {
	__u64 process_gen;
	__u32 conns;	/* entries in `conns` */
	__u8 monitored; /* its end is told by a record */
	__u8 dead;	/* it has ended, leaving connections that nobody was told about */
	__u8 pad[2];
};

/* Map `hosts`: a trie of reversed names. "api.openai.com" is the whole name and a NUL, "*.openai.azure.com"
 * ends in the dot: a match needs at least one more character. */
struct host_key {
	__u32 prefix_bits;
	char reversed[OAITAP_PATTERN_MAX + 1];
};

_Static_assert(sizeof(struct record_header) == 8, "record_header");
_Static_assert(sizeof(struct record_open) == 360, "record_open");
_Static_assert(__builtin_offsetof(struct record_open, comm) == 84, "record_open.comm");
_Static_assert(sizeof(struct record_data) == 64, "record_data");
_Static_assert(__builtin_offsetof(struct record_data, payload) == 64, "record_data.payload");
_Static_assert(sizeof(struct record_socket) == 64, "record_socket");
_Static_assert(sizeof(struct record_close) == 48, "record_close");
_Static_assert(sizeof(struct record_hello) == 384, "record_hello");
_Static_assert(sizeof(struct record_parent) == 32, "record_parent");
_Static_assert(sizeof(struct record_who) == 5416, "record_who");
_Static_assert(__builtin_offsetof(struct record_who, text) == 296, "record_who.text");
_Static_assert(sizeof(struct flow) == 16, "flow");
_Static_assert(sizeof(struct record_process) == 32, "record_process");
_Static_assert(sizeof(struct conn_key) == 16, "conn_key");
_Static_assert(sizeof(struct conn) == 80, "conn");
_Static_assert(sizeof(struct proc) == 16, "proc");
_Static_assert(sizeof(struct host_key) == 132, "host_key");
