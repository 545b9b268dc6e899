// SPDX-License-Identifier: MIT
/* Latency at a fixed rate, open loop: a request is due when the clock says so, whether or not the
 * one before it was answered, and its latency counts from that moment. A closed loop (wrk) would
 * send less while the server stalls, and so hide the stall.
 *
 * One thread; a due request takes a free keep-alive connection, or waits for one.
 * Usage: bench_pace PORT CONNECTIONS RATE SECONDS TARGET
 * Prints: answered N p50 US p99 US p999 US max US */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 65536, EVENTS = 256, NS_PER_S = 1000000000 };

struct conn {
    int          fd;
    int64_t      due_ns;                 /* of the request in flight */
    size_t       have;                   /* bytes of the answer */
    size_t       want;                   /* its length; 0: its head is not complete */
    struct conn *next_free;
    char         head[4096];
};

static struct conn *free_conns;
static int          poller;
static char         request[1024];
static size_t       request_len;
static uint32_t    *latencies_us;
static size_t       answered, in_flight;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void conn_open(struct conn *conn, unsigned short port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };

    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(conn->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("bench_pace: connect");
        exit(1);
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event);
    conn->next_free = free_conns;
    free_conns = conn;
}

static void request_send(int64_t due_ns)
{
    struct conn *conn = free_conns;

    free_conns = conn->next_free;
    conn->due_ns = due_ns;
    conn->have = conn->want = 0;
    in_flight++;
    if (send(conn->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) {
        perror("bench_pace: send");
        exit(1);
    }
}

/* The whole answer's length once its head is there; 0 before. */
static size_t answer_len(const char *head, size_t have)
{
    const char *end = memmem(head, have, "\r\n\r\n", 4);
    const char *length;

    if (end == NULL)
        return 0;
    length = strcasestr(head, "\r\nContent-Length:");
    if (length == NULL || length > end || strncmp(head, "HTTP/1.1 200", 12) != 0) {
        (void)fprintf(stderr, "bench_pace: unexpected answer: %.80s\n", head);
        exit(1);
    }
    return (size_t)(end + 4 - head) + strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

static void conn_read(struct conn *conn)
{
    static char rest[READ_BYTES];
    bool        is_head = conn->want == 0;
    char       *at = is_head ? conn->head + conn->have : rest;
    size_t      room = is_head ? sizeof(conn->head) - 1 - conn->have : READ_BYTES;
    ssize_t     n = recv(conn->fd, at, room, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        (void)fprintf(stderr, "bench_pace: the proxy closed a connection\n");
        exit(1);
    }
    conn->have += (size_t)n;
    if (is_head) {
        conn->head[conn->have] = '\0';
        conn->want = answer_len(conn->head, conn->have);
    }
    if (conn->want == 0 || conn->have < conn->want)
        return;
    latencies_us[answered++] = (uint32_t)((now_ns() - conn->due_ns) / 1000);
    in_flight--;
    conn->next_free = free_conns;
    free_conns = conn;
}

/* Sends what is due, sleeps until the next is due or an answer comes. */
static void run(int64_t interval_ns, size_t count)
{
    struct epoll_event events[EVENTS];
    int64_t            start_ns = now_ns() + 1000000;
    size_t             sent = 0;

    while (sent < count || in_flight > 0) {
        int64_t         due_ns = start_ns + (int64_t)sent * interval_ns;
        int64_t         wait_ns = due_ns - now_ns();
        struct timespec timeout = { .tv_sec = 1 };
        int             ready;

        if (sent < count && wait_ns <= 0 && free_conns != NULL) {
            request_send(due_ns);
            sent++;
            continue;
        }
        if (sent < count && free_conns != NULL)
            timeout = (struct timespec){ .tv_sec = wait_ns / NS_PER_S,
                                         .tv_nsec = wait_ns % NS_PER_S };
        ready = epoll_pwait2(poller, events, EVENTS, &timeout, NULL);
        for (int i = 0; i < ready; i++)
            conn_read(events[i].data.ptr);
    }
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

static uint32_t percentile(double share)
{
    return latencies_us[(size_t)((double)(answered - 1) * share)];
}

int main(int count, char **arguments)
{
    unsigned long conn_count, rate, seconds;
    struct conn  *conns;

    if (count != 6)
        return 2;
    conn_count = strtoul(arguments[2], NULL, 10);
    rate = strtoul(arguments[3], NULL, 10);
    seconds = strtoul(arguments[4], NULL, 10);
    request_len = (size_t)snprintf(request, sizeof(request),
                                   "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", arguments[5]);
    conns = calloc(conn_count, sizeof(*conns));
    latencies_us = calloc(rate * seconds, sizeof(*latencies_us));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || latencies_us == NULL || poller < 0)
        return 1;
    for (unsigned long i = 0; i < conn_count; i++)
        conn_open(&conns[i], (unsigned short)strtoul(arguments[1], NULL, 10));
    run(NS_PER_S / (int64_t)rate, rate * seconds);
    qsort(latencies_us, answered, sizeof(*latencies_us), by_size);
    printf("answered %zu p50 %" PRIu32 " p99 %" PRIu32 " p999 %" PRIu32 " max %" PRIu32
           "\n", answered, percentile(0.5), percentile(0.99), percentile(0.999),
           latencies_us[answered - 1]);
    return 0;
}
