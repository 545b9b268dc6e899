// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test: a connect() to 127.0.8.1 does what somebody would try who
 * has taken over the worker, and says on standard error how far it came. INTRUDER_DIR is a directory
 * that every user may write to, with a file `bait` in it that every user may read. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, int result)
{
    dprintf(STDERR_FILENO, "intruder %s: %s\n", what, result >= 0 ? "done" : strerrorname_np(errno));
}

static int run_program(void)
{
    int   status = 0;
    pid_t child = fork();

    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(errno == EACCES ? 1 : 2);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    errno = WEXITSTATUS(status) == 1 ? EACCES : EIO;
    return WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void intrude(void)
{
    const char *directory = getenv("INTRUDER_DIR");
    DIR        *root;

    if (directory == NULL || chdir(directory) < 0)
        return;
    say("read", open("bait", O_RDONLY));
    say("write", open("bait", O_WRONLY));
    say("create", open("new", O_WRONLY | O_CREAT, 0600));
    say("mkdir", mkdir("folder", 0700));
    say("symlink", symlink("bait", "link"));
    say("unlink", unlink("bait"));
    say("list", (root = opendir("/")) != NULL ? 0 : -1);
    say("execute", run_program());
    say("privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1);
    say("root", geteuid() == 0 ? 0 : (errno = EPERM, -1));
    say("names", open("/etc/hosts", O_RDONLY));
    say("null", open("/dev/null", O_WRONLY));
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    const struct sockaddr_in *v4 = (const void *)address;

    if (address->sa_family == AF_INET && v4->sin_addr.s_addr == inet_addr("127.0.8.1"))
        intrude();
    if (real == NULL)
        real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    return real(fd, address, len);
}
