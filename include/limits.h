/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Bounds that the kernel side and the agent share. */

/* A piece is what one data record carries. 16 KiB is the largest TLS record, so most reads fit one piece. */
#define OAITAP_PIECE_MAX 16384U
#define OAITAP_PIECE_MIN 256U

/* Pieces sent by one run of a program, and runs per call: the kernel allows 33 chained tail calls. */
#define OAITAP_PIECES_PER_RUN 32U
#define OAITAP_RUNS_PER_CALL  32U

/* Most bytes of one SSL_read or SSL_write call that are copied; the configuration may set less. */
#define OAITAP_CALL_MAX (OAITAP_PIECES_PER_RUN * OAITAP_RUNS_PER_CALL * OAITAP_PIECE_MAX)

/* A DNS name has at most 253 characters (RFC 1035 section 2.3.4, in text form); with NUL. */
#define OAITAP_NAME_MAX 256U

/* Longest host pattern, in bytes; a key of the suffix trie holds one more for the terminator. */
#define OAITAP_PATTERN_MAX 127U
#define OAITAP_HOSTS_MAX   256U

/* Bytes of a first write that are looked at for a Host header when no server name was set. */
#define OAITAP_HEAD_MAX 1024U

/* Calls of an unnamed connection that are looked at, because they could be part of a request head, before it
 * is left alone for good: a head may come byte by byte. */
#define OAITAP_TRIES_MAX 2048U

#define OAITAP_CONNS_MAX   65536U
#define OAITAP_PROCS_MAX   16384U
#define OAITAP_THREADS_MAX 32768U
#define OAITAP_SCRATCH_MAX 1024U

/* Sockets whose ClientHello named an AI host and about which nothing has been decided yet. */
#define OAITAP_FLOWS_MAX 16384U

/* What is told of a process: text bytes of its paths and arguments, of the arguments alone, and parents. */
#define OAITAP_WHO_TEXT_MAX 4096U
#define OAITAP_WHO_ARGS_MAX 1024U
#define OAITAP_PARENTS_MAX  8U
#define OAITAP_WHO_MAX	    256U
