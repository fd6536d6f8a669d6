/* SPDX-License-Identifier: Apache-2.0 */

/* Programs that ask once and are gone.
 *   asker ask HOST ID        one chat over TLS to 127.0.0.1:443; ends in the call after the last byte was
 * read asker drive UID < PLAN   for each line "ID HOST REUSE PROGRAM CGROUP[,CGROUP]..." ("-": none): a
 * process joins the cgroups (paths of their cgroup.procs), becomes UID and executes `PROGRAM ask`. REUSE 1:
 * it gets the pid of the one before. Prints "ID PID STATUS" for each. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int ask(const char *host, const char *id)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(443)};
	char body[512], request[2048], answer[16384];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));

	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	int body_len = snprintf(body, sizeof(body),
				"{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":"
				"\"[[{\\\"id\\\": \\\"%s\\\"}]] hello\"}]}",
				id);
	int len = snprintf(request, sizeof(request),
			   "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer "
			   "sk-made-up-0123456789abcdef\r\nContent-Type: application/json\r\n"
			   "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
			   host, body_len, body);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, host);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || SSL_connect(ssl) != 1)
		return 2;
	if (SSL_write(ssl, request, len) != len)
		return 3;
	int total = 0;
	for (int n; (n = SSL_read(ssl, answer, sizeof(answer))) > 0;)
		total += n;
	_exit(total > 0 ? 0 : 4);
}

/* A child, with that pid if it is not 0. */
static pid_t clone_at(pid_t pid)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	if (pid) {
		args.set_tid = (uint64_t)(uintptr_t)&pid;
		args.set_tid_size = 1;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void join(char *cgroups)
{
	char *state = NULL;
	if (strcmp(cgroups, "-") == 0)
		return;
	for (char *path = strtok_r(cgroups, ",", &state); path; path = strtok_r(NULL, ",", &state)) {
		int fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1) {
			perror(path);
			_exit(90);
		}
		close(fd);
	}
}

static int drive(uid_t uid)
{
	static char line[8192], id[128], host[128], program[1024], cgroups[4096];
	int reuse;
	pid_t last = 0;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%127s %127s %d %1023s %4095s", id, host, &reuse, program, cgroups) != 5)
			return 1;
		pid_t pid = clone_at(reuse ? last : 0);
		if (pid < 0) {
			perror("clone3");
			return 1;
		}
		if (pid == 0) {
			join(cgroups);
			if (setgid(uid) || setuid(uid))
				_exit(91);
			execl(program, program, "ask", host, id, (char *)NULL);
			_exit(92);
		}
		int status = 0;
		waitpid(pid, &status, 0);
		printf("%s %d %d\n", id, (int)pid, status);
		fflush(stdout);
		last = pid;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "drive") == 0)
		return drive((uid_t)atoi(argv[2]));
	return 64;
}
