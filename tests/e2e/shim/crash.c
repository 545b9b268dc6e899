// SPDX-License-Identifier: MIT
/* Preloaded into the binary under test (fault plan F02): a connect() to 127.0.7.N does what signal N
 * is about, by the instruction that causes it where there is one, inside a real step of a real
 * request. 127.0.7.254 never returns; 127.0.7.253 overflows the stack. Others connect as ever. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEEP = 253, ENDLESS = 254 };

static volatile int zero;

static int deeper(volatile char *above)
{
    volatile char here[4096];

    memset((char *)here, above[0], sizeof(here));
    return deeper(here) + here[1];
}

static void bus_error(void)
{
    int   fd = memfd_create("empty", 0);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    zero = *(volatile char *)page;
}

static void misbehave(unsigned number)
{
    volatile char start[1] = { 0 };

    switch (number) {
    case SIGSEGV:
        *(volatile int *)16 = 1;
        break;
    case SIGBUS:
        bus_error();
        break;
    case SIGFPE:
        zero = 1000 / zero;
        break;
    case SIGILL:
        __builtin_trap();
    case SIGABRT:
        abort();
    case DEEP:
        zero = deeper(start);
        break;
    case ENDLESS:
        while (zero == 0)
            continue;
    }
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    static int (*real)(int, const struct sockaddr *, socklen_t);
    const struct sockaddr_in *v4 = (const void *)address;

    if (address->sa_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 8 == 0x7f0007)
        misbehave(ntohl(v4->sin_addr.s_addr) & 0xff);
    if (real == NULL)
        real = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    return real(fd, address, len);
}
