// SPDX-License-Identifier: MIT
/* The poller's calls, for calls.c; -errno is the caller's to turn into errno, but for wait. */
#ifndef TESTS_SIM_KERNEL_CALLS_H
#define TESTS_SIM_KERNEL_CALLS_H

#include <sys/epoll.h>

int kernel_epoll_ctl(int operation, int fd, const struct epoll_event *event);
int kernel_epoll_wait(struct epoll_event *events, int most, int timeout_ms);

#endif
