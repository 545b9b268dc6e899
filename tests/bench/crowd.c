// SPDX-License-Identifier: MIT
/* A crowd before one slow answer: the clients and the origin of `make bench-cache`'s coalescing.
 *
 * CLIENTS connections ask PORT for one URL at once. The origin, a thread on ORIGIN_PORT, thinks for
 * THINKING_MS, then sends BYTES over SECONDS. Measured is when each client has the first byte of the
 * body, counted from when the origin sent it (one clock for both), and when all have everything.
 * Usage: bench_crowd PORT ORIGIN_PORT CLIENTS BYTES SECONDS TARGET
 * Prints: requests N whole N wrong N p50 US p99 US max US total MS */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THINKING_MS = 1500, PIECES = 100, EVENTS = 256, BACKLOG = 1024, GIVE_UP_MS = 60000 };
enum { READ_BYTES = 1 << 20 };

struct client {
    int      fd;
    int64_t  first_ns;                   /* when its body began; 0: not yet */
    uint64_t body;                       /* bytes of it so far */
    size_t   have;                       /* bytes of the head */
    char     head[4096];
};

static uint64_t            body_bytes;
static unsigned            sending_s;
static atomic_uint         requests;
static atomic_int_least64_t sent_ns;     /* when the origin sent the first byte of a body */
static char                piece[READ_BYTES];

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void nap(int64_t ns)
{
    struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

    if (ns > 0)
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(unsigned short port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* ---- the origin ---- */

static void body_send(int fd)
{
    int64_t expected = 0, start_ns = now_ns();

    (void)atomic_compare_exchange_strong(&sent_ns, &expected, start_ns);
    for (uint64_t sent = 0, number = 0; sent < body_bytes; number++) {
        uint64_t part = body_bytes / PIECES + 1;
        ssize_t  n;

        nap(start_ns + (int64_t)number * sending_s * (1000000000 / PIECES) - now_ns());
        part = part < body_bytes - sent ? part : body_bytes - sent;
        n = send(fd, piece, part < sizeof(piece) ? part : sizeof(piece), MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (uint64_t)n;
    }
}

static void *request_serve(void *arg)
{
    int     fd = (int)(intptr_t)arg, len;
    char    head[4096];
    ssize_t n = recv(fd, head, sizeof(head), 0);

    if (n > 0) {
        (void)atomic_fetch_add(&requests, 1);
        nap((int64_t)THINKING_MS * 1000000);
        len = snprintf(head, sizeof(head),
                       "HTTP/1.1 200 OK\r\nContent-Length: %" PRIu64
                       "\r\nCache-Control: max-age=3600\r\nConnection: close\r\n\r\n",
                       body_bytes);
        (void)send(fd, head, (size_t)len, MSG_NOSIGNAL | MSG_MORE);
        body_send(fd);
    }
    (void)close(fd);
    return NULL;
}

static void *origin_run(void *arg)
{
    int listener = *(int *)arg;

    for (;;) {
        int       fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;

        if (fd < 0 || pthread_create(&thread, NULL, request_serve, (void *)(intptr_t)fd) != 0)
            fail("bench_crowd: origin");
        (void)pthread_detach(thread);
    }
    return NULL;
}

static void origin_start(unsigned short port)
{
    static int         listener;
    struct sockaddr_in address = loopback(port);
    pthread_t          thread;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, BACKLOG) < 0 ||
        pthread_create(&thread, NULL, origin_run, &listener) != 0)
        fail("bench_crowd: origin");
}

/* ---- the clients ---- */

static void client_open(struct client *client, unsigned short port, const char *target, int poller)
{
    struct sockaddr_in address = loopback(port);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
    char               head[1024];
    int                len = snprintf(head, sizeof(head),
                                      "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                                      target);

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        send(client->fd, head, (size_t)len, MSG_NOSIGNAL) != len)
        fail("bench_crowd: client");
    (void)epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
}

/* The head is read; a body is thrown away in the kernel (MSG_TRUNC), or else copying would be most
 * of what this machine does. */
static ssize_t client_read(struct client *client)
{
    const char *end;
    ssize_t     n;

    if (client->first_ns != 0) {
        n = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_TRUNC);
        client->body += n > 0 ? (uint64_t)n : 0;
        return n;
    }
    n = recv(client->fd, client->head + client->have, sizeof(client->head) - client->have,
             MSG_DONTWAIT);
    if (n <= 0)
        return n;
    client->have += (size_t)n;
    end = memmem(client->head, client->have, "\r\n\r\n", 4);
    if (end != NULL && end + 4 < client->head + client->have) {
        client->first_ns = now_ns();
        client->body = (uint64_t)(client->head + client->have - (end + 4));
    }
    return n;
}

/* How many are still reading after one event of this one. */
static unsigned client_turn(struct client *client, unsigned reading)
{
    ssize_t n = client_read(client);

    if (n > 0 || (n < 0 && errno == EAGAIN))
        return reading;
    (void)close(client->fd);
    return reading - 1;
}

static void clients_read(int poller, unsigned reading)
{
    struct epoll_event events[EVENTS];

    while (reading > 0) {
        int ready = epoll_wait(poller, events, EVENTS, GIVE_UP_MS);

        if (ready <= 0)
            fail("bench_crowd: nothing comes");
        for (int i = 0; i < ready; i++)
            reading = client_turn(events[i].data.ptr, reading);
    }
}

static int by_size(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static void print_result(const struct client *clients, unsigned count)
{
    int64_t *delays = calloc(count, sizeof(*delays));
    unsigned whole = 0;

    if (delays == NULL)
        fail("bench_crowd");
    for (unsigned i = 0; i < count; i++) {
        delays[i] = (clients[i].first_ns - atomic_load(&sent_ns)) / 1000;
        whole += clients[i].body == body_bytes;
    }
    qsort(delays, count, sizeof(*delays), by_size);
    printf("requests %u whole %u wrong %u p50 %" PRId64 " p99 %" PRId64 " max %" PRId64
           " total %" PRId64 "\n",
           atomic_load(&requests), whole, count - whole, delays[count / 2],
           delays[(count - 1) * 99 / 100], delays[count - 1],
           (now_ns() - atomic_load(&sent_ns)) / 1000000);
    free(delays);
}

int main(int count, char **arguments)
{
    int            poller = epoll_create1(EPOLL_CLOEXEC);
    unsigned       client_count;
    struct client *clients;

    if (count != 7)
        return 2;
    client_count = (unsigned)strtoul(arguments[3], NULL, 10);
    body_bytes = strtoull(arguments[4], NULL, 10);
    sending_s = (unsigned)strtoul(arguments[5], NULL, 10);
    clients = calloc(client_count, sizeof(*clients));
    if (clients == NULL || poller < 0)
        fail("bench_crowd");
    memset(piece, 'x', sizeof(piece));
    origin_start((unsigned short)strtoul(arguments[2], NULL, 10));
    for (unsigned i = 0; i < client_count; i++)
        client_open(&clients[i], (unsigned short)strtoul(arguments[1], NULL, 10), arguments[6],
                    poller);
    clients_read(poller, client_count);
    print_result(clients, client_count);
    return 0;
}
