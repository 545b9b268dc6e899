// SPDX-License-Identifier: MIT
/* The origin behind the proxies of `make bench`: as little work per request as a server can do.
 *
 * One thread, level-triggered epoll, answers that were built before the first request. It reads
 * heads of GETs without bodies: a request ends at an empty line, /64b, /64k and /1m choose the answer,
 * everything else gets 1 KB. What begins with /c/ (/c/64k) may be kept for an hour, the rest may not
 * be. Usage: bench_origin PORT [BYTES that the kernel may hold of what it sends to one peer] */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 8192, EVENTS = 256, BACKLOG = 4096 };

struct answer {
    char  *bytes;
    size_t len;
};

/* Freed when the peer closes. */
struct peer {
    int                  fd;
    bool                 is_waiting;     /* for room to write */
    size_t               have;           /* bytes of requests not yet answered */
    const struct answer *answer;         /* being written; NULL: none */
    size_t               written;
    char                 head[HEAD_BYTES];
};

/* How large, and whether a cache may keep it. */
enum { TINY, SMALL, MIDDLE, LARGE, SIZES };
static struct answer answers[2][SIZES];
static int           poller;
static int           send_bytes;        /* 0: as the kernel likes */

static struct answer answer_build(size_t body_len, const char *cache_control)
{
    struct answer answer;
    int           head_len;

    answer.bytes = malloc(body_len + 256);
    if (answer.bytes == NULL)
        exit(1);
    head_len = snprintf(answer.bytes, 256,
                        "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\n"
                        "%sContent-Length: %zu\r\n\r\n",
                        cache_control, body_len);
    memset(answer.bytes + head_len, 'x', body_len);
    answer.len = (size_t)head_len + body_len;
    return answer;
}

static void peer_watch(struct peer *peer, bool is_waiting)
{
    struct epoll_event event = { .events = is_waiting ? EPOLLOUT : EPOLLIN, .data.ptr = peer };

    if (peer->is_waiting != is_waiting)
        epoll_ctl(poller, EPOLL_CTL_MOD, peer->fd, &event);
    peer->is_waiting = is_waiting;
}

static void peer_free(struct peer *peer)
{
    close(peer->fd);
    free(peer);
}

/* False: the peer is gone. */
static bool answer_write(struct peer *peer)
{
    while (peer->written < peer->answer->len) {
        ssize_t n = send(peer->fd, peer->answer->bytes + peer->written,
                         peer->answer->len - peer->written, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            peer_watch(peer, true);
            return true;
        }
        if (n < 0)
            return false;
        peer->written += (size_t)n;
    }
    peer->answer = NULL;
    peer_watch(peer, false);
    return true;
}

static const struct answer *answer_choose(const char *head)
{
    bool                 may_be_kept = strncmp(head, "GET /c/", 7) == 0;
    const struct answer *sizes = answers[may_be_kept];
    const char          *name = head + (may_be_kept ? 7 : 5);

    if (strncmp(name, "64k", 3) == 0)
        return &sizes[MIDDLE];
    if (strncmp(name, "64b", 3) == 0)
        return &sizes[TINY];
    return &sizes[strncmp(name, "1m", 2) == 0 ? LARGE : SMALL];
}

/* Answers every complete request in the buffer. False: the peer is gone. */
static bool peer_serve(struct peer *peer)
{
    char *end;

    if (peer->answer != NULL && !answer_write(peer))
        return false;
    while (peer->answer == NULL &&
           (end = memmem(peer->head, peer->have, "\r\n\r\n", 4)) != NULL) {
        peer->answer = answer_choose(peer->head);
        peer->written = 0;
        peer->have -= (size_t)(end + 4 - peer->head);
        memmove(peer->head, end + 4, peer->have);
        if (!answer_write(peer))
            return false;
    }
    return true;
}

static bool peer_read(struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->head + peer->have, HEAD_BYTES - peer->have, 0);

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    peer->have += (size_t)n;
    return peer_serve(peer);
}

static void peers_accept(int listener)
{
    for (;;) {
        int                fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct peer       *peer;
        struct epoll_event event = { .events = EPOLLIN };

        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        if (send_bytes > 0)
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(int));
        peer = calloc(1, sizeof(*peer));
        if (peer == NULL)
            exit(1);
        peer->fd = fd;
        event.data.ptr = peer;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listener_open(unsigned short port)
{
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0) {
        perror("bench_origin");
        exit(1);
    }
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS];
    int                listener;

    if (count < 2)
        return 2;
    send_bytes = count > 2 ? (int)strtol(arguments[2], NULL, 10) : 0;
    for (unsigned may_be_kept = 0; may_be_kept < 2; may_be_kept++) {
        const char *word = may_be_kept ? "Cache-Control: max-age=3600\r\nETag: \"65920080\"\r\n" : "";

        answers[may_be_kept][TINY] = answer_build(64, word);
        answers[may_be_kept][SMALL] = answer_build(1024, word);
        answers[may_be_kept][MIDDLE] = answer_build(64 * 1024, word);
        answers[may_be_kept][LARGE] = answer_build(1024 * 1024, word);
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    listener = listener_open((unsigned short)strtoul(arguments[1], NULL, 10));
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);

        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;

            if (peer == NULL)
                peers_accept(listener);
            else if (!(peer->is_waiting ? peer_serve(peer) : peer_read(peer)))
                peer_free(peer);
        }
    }
}
