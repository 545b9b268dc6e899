// SPDX-License-Identifier: MIT
/* TLS handshakes for `make bench-tls`: some connections at a time, each with one handshake, one
 * tiny request, its answer and a close; then the next takes its place.
 *
 * One thread, closed loop, one key exchange (X25519) and one cipher, so that every server has the
 * same work. `resumed`: a connection offers the newest ticket that came to its place; the first in
 * each place has none. Nothing is verified but what the handshake itself proves.
 * Usage: bench_handshakes PORT CONNECTIONS SECONDS full|resumed [1.2]
 * Prints: done N failed N resumed N version V cipher C */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, NS_PER_S = 1000000000, WAIT_MS = 5000, MOST_FAILURES = 1000 };

enum step { STEP_HANDSHAKE, STEP_SEND, STEP_RECEIVE };

/* A place: one connection after another. */
struct place {
    int fd;
    enum step step;
    SSL *ssl;
    SSL_SESSION *ticket; /* the newest; NULL: none, or not wanted */
    size_t have;
    char answer[2048];
};

static const char request[] = "GET /64b HTTP/1.1\r\nHost: localhost\r\n\r\n";

static struct sockaddr_in address;
static SSL_CTX *settings;
static bool is_resuming;
static int poller;
static unsigned long done, failed, resumed;
static char words[128]; /* version and cipher of the latest */

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* OpenSSL's callback: a ticket came. 1: we keep the reference. */
static int ticket_keep(SSL *ssl, SSL_SESSION *ticket)
{
    struct place *place = SSL_get_app_data(ssl);

    SSL_SESSION_free(place->ticket);
    place->ticket = ticket;
    return 1;
}

static void place_open(struct place *place)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = place };

    place->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    place->ssl = SSL_new(settings);
    if (place->fd < 0 || place->ssl == NULL || SSL_set_fd(place->ssl, place->fd) != 1)
        fail("bench_handshakes");
    if (connect(place->fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
        errno != EINPROGRESS)
        fail("bench_handshakes: connect");
    setsockopt(place->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    SSL_set_app_data(place->ssl, place);
    (void)SSL_set_tlsext_host_name(place->ssl, "localhost");
    if (place->ticket != NULL && SSL_set_session(place->ssl, place->ticket) != 1)
        fail("bench_handshakes: ticket");
    SSL_set_connect_state(place->ssl);
    place->step = STEP_HANDSHAKE;
    place->have = 0;
    epoll_ctl(poller, EPOLL_CTL_ADD, place->fd, &event);
}

/* The connection's end, good or bad, and the next in its place. */
static void place_renew(struct place *place, bool is_good)
{
    if (is_good) {
        done++;
        resumed += SSL_session_reused(place->ssl) == 1;
        (void)snprintf(words, sizeof(words), "version %s cipher %s", SSL_get_version(place->ssl),
                       SSL_get_cipher_name(place->ssl));
        (void)SSL_shutdown(place->ssl);
    } else if (++failed >= MOST_FAILURES) {
        fail("bench_handshakes: too many fail");
    }
    SSL_free(place->ssl);
    close(place->fd);
    place_open(place);
}

static bool answer_is_whole(struct place *place)
{
    const char *end, *length;

    place->answer[place->have] = '\0';
    end = strstr(place->answer, "\r\n\r\n");
    length = strcasestr(place->answer, "\r\nContent-Length:");
    return end != NULL && length != NULL && strncmp(place->answer, "HTTP/1.1 200", 12) == 0 &&
           place->have - (size_t)(end + 4 - place->answer) >= strtoul(length + 17, NULL, 10);
}

/* One call of OpenSSL's; its result. */
static int place_step(struct place *place)
{
    switch (place->step) {
    case STEP_HANDSHAKE:
        return SSL_do_handshake(place->ssl);
    case STEP_SEND:
        return SSL_write(place->ssl, request, sizeof(request) - 1);
    case STEP_RECEIVE:
        break;
    }
    return SSL_read(place->ssl, place->answer + place->have,
                    (int)(sizeof(place->answer) - 1 - place->have));
}

static void place_run(struct place *place)
{
    for (;;) {
        int n = place_step(place), why;

        if (n <= 0) {
            why = SSL_get_error(place->ssl, n);
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                place_renew(place, false);
            return;
        }
        if (place->step != STEP_RECEIVE) {
            place->step++;
            continue;
        }
        place->have += (size_t)n;
        if (answer_is_whole(place)) {
            place_renew(place, true);
            return;
        }
    }
}

/* P-256 comes second: the key exchange is by the first, but TLS 1.2 wants the certificate's curve
 * among them. */
static void settings_make(bool is_12)
{
    settings = SSL_CTX_new(TLS_client_method());
    if (settings == NULL || SSL_CTX_set1_groups_list(settings, "X25519:P-256") != 1 ||
        SSL_CTX_set_ciphersuites(settings, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(settings, "ECDHE-ECDSA-AES128-GCM-SHA256") != 1)
        fail("bench_handshakes: settings");
    SSL_CTX_set_min_proto_version(settings, is_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(settings, is_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    if (!is_resuming)
        return;
    SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(settings, ticket_keep);
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS];
    struct place *places;
    unsigned long place_count;
    int64_t end_ns;

    if (count < 5)
        return 2;
    address = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)strtoul(arguments[1], NULL, 10)),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    place_count = strtoul(arguments[2], NULL, 10);
    is_resuming = strcmp(arguments[4], "resumed") == 0;
    settings_make(count > 5 && strcmp(arguments[5], "1.2") == 0);
    places = calloc(place_count, sizeof(*places));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (places == NULL || poller < 0)
        fail("bench_handshakes");
    end_ns = now_ns() + (int64_t)(strtod(arguments[3], NULL) * NS_PER_S);
    for (unsigned long i = 0; i < place_count; i++)
        place_open(&places[i]);
    while (now_ns() < end_ns) {
        int ready = epoll_wait(poller, events, EVENTS, WAIT_MS);

        if (ready <= 0)
            fail("bench_handshakes: nothing comes");
        for (int i = 0; i < ready; i++)
            place_run(events[i].data.ptr);
    }
    printf("done %lu failed %lu resumed %lu %s\n", done, failed, resumed, words);
    return 0;
}
