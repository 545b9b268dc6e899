// SPDX-License-Identifier: MIT
/* The floor of `make bench-tls`: a relay that decrypts and encrypts, and looks at nothing.
 *
 * One thread, level-triggered epoll, OpenSSL with the settings that nginx gives it (read ahead,
 * buffers released at rest, stateless tickets). Each client is joined to a connection of its own to
 * the origin, which goes to a later client when this one leaves, unless bytes come for nobody.
 * Usage: bench_tls_relay PORT ORIGIN_PORT CERTIFICATE KEY */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, EVENTS = 256, BACKLOG = 4096 };

enum kind { KIND_LISTENER, KIND_CLIENT, KIND_ORIGIN };

/* What an event is about. */
struct end {
    enum kind kind;
    int fd;
    struct relay *relay; /* of an origin: NULL while it waits for a client */
    struct end *next_free;
};

/* A client and its origin; freed at the end of the turn in which it ends. */
struct relay {
    struct end client;
    struct end *origin; /* NULL before the first byte */
    SSL *ssl;
    char *late; /* bytes that the client's socket did not take; or NULL */
    size_t late_len, late_sent;
    bool is_gone;
    struct relay *next_gone;
};

static SSL_CTX *settings;
static struct end *free_origins;
static struct relay *gone;
static uint16_t origin_port;
static int poller;
static char buffer[BUFFER_BYTES];

static _Noreturn void fail(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void end_watch(struct end *end, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = end };

    if (epoll_ctl(poller, operation, end->fd, &event) < 0)
        fail("bench_tls_relay: epoll_ctl");
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static struct end *origin_take(void)
{
    struct sockaddr_in address = loopback(origin_port);
    struct end *origin = free_origins;

    if (origin != NULL) {
        free_origins = origin->next_free;
        return origin;
    }
    origin = calloc(1, sizeof(*origin));
    if (origin == NULL)
        fail("bench_tls_relay");
    origin->kind = KIND_ORIGIN;
    origin->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(origin->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail("bench_tls_relay: connect");
    setsockopt(origin->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    end_watch(origin, EPOLL_CTL_ADD, EPOLLIN);
    return origin;
}

/* A client left in the middle of an answer, and here is the rest. It is the only event of this end in
 * this turn, so it can be freed at once. */
static void free_origin_end(struct end *origin)
{
    struct end **link = &free_origins;

    while (*link != origin)
        link = &(*link)->next_free;
    *link = origin->next_free;
    close(origin->fd);
    free(origin);
}

static void relay_end(struct relay *relay)
{
    struct end *origin = relay->origin;

    if (relay->is_gone)
        return;
    relay->is_gone = true;
    relay->next_gone = gone;
    gone = relay;
    (void)SSL_shutdown(relay->ssl);
    ERR_clear_error();
    SSL_free(relay->ssl);
    close(relay->client.fd);
    if (origin == NULL)
        return;
    if (relay->late != NULL)
        end_watch(origin, EPOLL_CTL_MOD, EPOLLIN);
    origin->relay = NULL;
    origin->next_free = free_origins;
    free_origins = origin;
}

static void relays_free(void)
{
    while (gone != NULL) {
        struct relay *relay = gone;

        gone = relay->next_gone;
        free(relay->late);
        free(relay);
    }
}

/* True: try again when the socket is ready. False: the relay has ended. */
static bool relay_may_wait(struct relay *relay, int result)
{
    int why = SSL_get_error(relay->ssl, result);

    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return true;
    relay_end(relay);
    return false;
}

/* How many bytes were written: all, unless the socket was full or the relay ended. */
static size_t client_write(struct relay *relay, const char *bytes, size_t len)
{
    size_t written = 0;

    while (written < len) {
        int n = SSL_write(relay->ssl, bytes + written, (int)(len - written));

        if (n <= 0) {
            (void)relay_may_wait(relay, n);
            break;
        }
        written += (size_t)n;
    }
    return written;
}

static void late_keep(struct relay *relay, const char *bytes, size_t len)
{
    relay->late = malloc(len);
    if (relay->late == NULL)
        fail("bench_tls_relay");
    __builtin_memcpy(relay->late, bytes, len);
    relay->late_len = len;
    relay->late_sent = 0;
    end_watch(&relay->client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    end_watch(relay->origin, EPOLL_CTL_MOD, 0);
}

static void late_write(struct relay *relay)
{
    relay->late_sent +=
        client_write(relay, relay->late + relay->late_sent, relay->late_len - relay->late_sent);
    if (relay->is_gone || relay->late_sent < relay->late_len)
        return;
    free(relay->late);
    relay->late = NULL;
    end_watch(&relay->client, EPOLL_CTL_MOD, EPOLLIN);
    end_watch(relay->origin, EPOLL_CTL_MOD, EPOLLIN);
}

static void origin_read(struct end *origin)
{
    size_t written;
    ssize_t n;

    if (origin->relay == NULL) {
        free_origin_end(origin);
        return;
    }
    n = recv(origin->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        fail("bench_tls_relay: the origin");
    written = client_write(origin->relay, buffer, (size_t)n);
    if (origin->relay != NULL && written < (size_t)n)
        late_keep(origin->relay, buffer + written, (size_t)n - written);
}

/* The handshake, too: SSL_read drives it. */
static void client_read(struct relay *relay)
{
    int n = SSL_read(relay->ssl, buffer, sizeof(buffer));

    if (n <= 0) {
        (void)relay_may_wait(relay, n);
        return;
    }
    if (relay->origin == NULL) {
        relay->origin = origin_take();
        relay->origin->relay = relay;
    }
    if (send(relay->origin->fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
        fail("bench_tls_relay: send");
}

static void clients_accept(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct relay *relay;

        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        relay = calloc(1, sizeof(*relay));
        if (relay == NULL)
            fail("bench_tls_relay");
        relay->client = (struct end){ .kind = KIND_CLIENT, .fd = fd, .relay = relay };
        relay->ssl = SSL_new(settings);
        if (relay->ssl == NULL || SSL_set_fd(relay->ssl, fd) != 1)
            fail("bench_tls_relay");
        SSL_set_accept_state(relay->ssl);
        end_watch(&relay->client, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void event_run(const struct epoll_event *event)
{
    struct end *end = event->data.ptr;

    switch (end->kind) {
    case KIND_LISTENER:
        clients_accept(end->fd);
        break;
    case KIND_ORIGIN:
        origin_read(end);
        break;
    case KIND_CLIENT:
        if (!end->relay->is_gone && end->relay->late != NULL)
            late_write(end->relay);
        if (!end->relay->is_gone && (event->events & ~(uint32_t)EPOLLOUT) != 0)
            client_read(end->relay);
        break;
    }
}

static void settings_make(const char *certificate, const char *key)
{
    settings = SSL_CTX_new(TLS_server_method());
    if (settings == NULL || SSL_CTX_use_certificate_chain_file(settings, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(settings, key, SSL_FILETYPE_PEM) != 1)
        fail("bench_tls_relay: certificate");
    SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(settings, 1);
    (void)SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                         SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int listener_open(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
        fail("bench_tls_relay: listen");
    return fd;
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS];
    struct end listener = { .kind = KIND_LISTENER };

    if (count != 5)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    origin_port = (uint16_t)strtoul(arguments[2], NULL, 10);
    settings_make(arguments[3], arguments[4]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    listener.fd = listener_open((uint16_t)strtoul(arguments[1], NULL, 10));
    end_watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);

        for (int i = 0; i < ready; i++)
            event_run(&events[i]);
        relays_free();
    }
}
