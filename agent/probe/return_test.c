/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/return_test.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"

#define UPROBE_TYPE "/sys/bus/event_source/devices/uprobe/type"
#define RETPROBE    1ULL /* format/retprobe of that device is config bit 0 */
#define WAIT_MS	    1000

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#else
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

/* Carries the probe. */
__attribute__((noinline)) static long probed(bool forbidden)
{
	long r = 1;
	__asm__ volatile("" : "+r"(r));
	return forbidden ? syscall(SYS_getppid) : r;
}

/* Through memory, or the compiler might call a copy that it has made for one argument. */
static long (*volatile call_probed)(bool) = probed;

struct place {
	uintptr_t address;
	uint64_t offset; /* in the program's file; 0: not found */
};

static int find_offset(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct place *place = ctx;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type == PT_LOAD && place->address >= start && place->address - start < ph->p_filesz)
			place->offset = place->address - start + ph->p_offset;
	}
	return 1; /* the first object is the program itself */
}

static int allow_little(void)
{
#define ALLOW(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_exit_group),
		ALLOW(SYS_rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
#undef ALLOW
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0 ? -errno : 0;
}

/* Exit code 0: came back from the probed function. No core file is left if it is killed: it is not dumpable.
 */
static _Noreturn void child_run(int go, enum return_test_child child)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	if (read(go, &byte, 1) != 1)
		syscall(SYS_exit_group, 2);
	while (child == RETURN_TEST_CHILD_HANGS)
		poll(NULL, 0, -1);
	if (allow_little() < 0)
		syscall(SYS_exit_group, 2);
	if (child == RETURN_TEST_CHILD_ELSEWHERE)
		syscall(SYS_exit_group, 0);
	syscall(SYS_exit_group, call_probed(child == RETURN_TEST_CHILD_FORBIDDEN) == 1 ? 0 : 1);
	__builtin_unreachable();
}

static int read_number(const char *path)
{
	char text[16] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -ENOENT;
	return atoi(text);
}

static int probe_return(pid_t pid, uint64_t offset)
{
	int type = read_number(UPROBE_TYPE);
	if (type < 0)
		return type;
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = (uint32_t)type,
		.config = RETPROBE,
		.config1 = (uintptr_t) "/proc/self/exe",
		.config2 = offset,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Its wait status, or negative if it did not end. */
static int wait_for(pid_t pid)
{
	int status = 0;
	for (int ms = 0; ms < WAIT_MS; ms++) {
		pid_t r = waitpid(pid, &status, WNOHANG);
		if (r == pid)
			return status;
		if (r < 0 && errno != EINTR)
			return -errno;
		poll(NULL, 0, 1);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

/* A child that ended well says nothing unless the probe was hit. */
static enum return_test_result judge(int status, int probe)
{
	uint64_t hits = 0;

	if (status < 0)
		return RETURN_TEST_FAILED;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return RETURN_TEST_KILLED;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return RETURN_TEST_FAILED;
	return read(probe, &hits, sizeof(hits)) == sizeof(hits) && hits ? RETURN_TEST_SAFE
									: RETURN_TEST_FAILED;
}

static enum return_test_result try_child(uint64_t offset, enum return_test_child child)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return RETURN_TEST_FAILED;
	_cleanup_close_ int from = go[0], to = go[1];
	pid_t pid = fork();
	if (pid == 0)
		child_run(from, child);
	if (pid < 0)
		return RETURN_TEST_FAILED;
	_cleanup_close_ int probe = probe_return(pid, offset);
	bool told = probe >= 0 && write(to, "x", 1) == 1;
	if (!told)
		kill(pid, SIGKILL);
	int status = wait_for(pid);
	return told ? judge(status, probe) : RETURN_TEST_FAILED;
}

enum return_test_result return_test_run(enum return_test_child child)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};
	struct place place = {.address = (uintptr_t)probed};
	struct sigaction before;

	dl_iterate_phdr(find_offset, &place);
	/* If it is ignored, as some starters leave it, a child leaves no status. */
	if (!place.offset || sigaction(SIGCHLD, &plain, &before) < 0)
		return RETURN_TEST_FAILED;
	enum return_test_result result = try_child(place.offset, child);
	sigaction(SIGCHLD, &before, NULL);
	return result;
}
