// SPDX-License-Identifier: MIT
/* The attacker of `make bench-abuse`: on a few connections it says again and again what it has prepared, as
 * fast as one core can, and begins anew as soon as it is told to go. It pays for nothing: no HPACK, no
 * arithmetic of TLS, nobody reads the answers.
 *
 * What it can say stands in `attacks`. One thread; no request of its own ever ends well.
 * Usage: bench_attack PORT CONNECTIONS SECONDS ATTACK
 * SECONDS 0: one connection, slowly, to see after how many frames it is cut off.
 * Prints: connections N goaways N bytes N frames N */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_S = 1000000000,
    EVENTS = 256,
    READ_BYTES = 65536,
    SEND_BYTES = 65536,
    SCRIPT_BYTES = 4 << 20,
    ROOM_BYTES = 128 * 1024,             /* that a round of an attack may need */
    HEAD_BYTES = 9,
    STREAMS_HELD = 100,
    PROBE_FRAMES = 20000, PROBE_PIECE = 4
};

enum type {
    DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION,
    PRIORITY_UPDATE = 16, UNKNOWN = 0xfa
};

enum { NO_FLAGS = 0, END_STREAM = 1, END_HEADERS = 4 };

static const char get[] = "\x82\x86\x04\x04/64b\x01\x09localhost";
static const char get_large[] = "\x82\x86\x04\x03/1m\x01\x09localhost";
static const char post[] = "\x83\x86\x04\x04/64b\x01\x09localhost";

/* What is said: `prelude` bytes once, the rest once more from there when it is at its end. */
static struct {
    unsigned char *bytes;
    size_t         len, prelude;
    uint32_t       id;                   /* of the newest stream */
    bool           is_unread;            /* nothing of what comes is read */
    bool           is_deaf;              /* neither GOAWAY nor the end means anything to it */
    bool           is_held;              /* said once, then it waits */
    bool           is_hello;             /* TLS: the first byte of an answer is enough */
} script;

struct conn {
    int           fd;
    size_t        at;                    /* in the script */
    uint64_t      frames;                /* all of them that have begun */
    size_t        next;                  /* where the next one begins */
    unsigned char head[HEAD_BYTES];      /* of the frame that comes */
    size_t        have, skip;
    bool          is_over;               /* nothing more comes */
};

static struct sockaddr_in address;
static int                poller;
static uint64_t           opened, goaways, sent_bytes, sent_frames;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- the script ---- */

static void say(const void *bytes, size_t len)
{
    memcpy(script.bytes + script.len, bytes, len);
    script.len += len;
}

static void say_frame(enum type type, unsigned flags, uint32_t id, const void *payload, size_t len)
{
    unsigned char head[HEAD_BYTES] = { (unsigned char)(len >> 16), (unsigned char)(len >> 8),
                                       (unsigned char)len, (unsigned char)type, (unsigned char)flags,
                                       (unsigned char)(id >> 24), (unsigned char)(id >> 16),
                                       (unsigned char)(id >> 8), (unsigned char)id };

    say(head, sizeof(head));
    say(payload, len);
}

static uint32_t say_request(const char *block, unsigned flags)
{
    script.id = script.id == 0 ? 1 : script.id + 2;
    say_frame(HEADERS, flags, script.id, block, strlen(block));
    return script.id;
}

static void say_window(uint32_t id, uint32_t increment)
{
    uint32_t number = htonl(increment);

    say_frame(WINDOW_UPDATE, NO_FLAGS, id, &number, sizeof(number));
}

static void do_rapid_reset(void)
{
    uint32_t id = say_request(get, END_STREAM | END_HEADERS);

    say_frame(RST_STREAM, NO_FLAGS, id, "\0\0\0\x08", 4);
}

static void do_made_reset(void)
{
    say_window(say_request(get, END_STREAM | END_HEADERS), 0);
}

static void do_continuation(void)
{
    static const char field[] = "\x00\x01x\x64";
    char              payload[4 + 100];

    memset(payload, 'a', sizeof(payload));
    memcpy(payload, field, 4);
    if (script.id == 0)
        say_request(get, END_STREAM);
    script.prelude = script.prelude == 0 ? script.len : script.prelude;
    say_frame(CONTINUATION, NO_FLAGS, script.id, payload, sizeof(payload));
}

static void do_continuation_empty(void)
{
    if (script.id == 0)
        say_request(get, END_STREAM);
    script.prelude = script.prelude == 0 ? script.len : script.prelude;
    say_frame(CONTINUATION, NO_FLAGS, script.id, "", 0);
}

/* One field of nearly the table's size, then it a thousand times over, by a byte each. */
static void do_bomb(unsigned references)
{
    static char block[16384];
    size_t      at = strlen(get), value = 3800;

    memcpy(block, get, at);
    if (script.id == 0) {
        memcpy(block + at, "\x40\x01x\x7f\xd9\x1c", 6);   /* 127 + 0x59 + 0x1c * 128 = 3800 */
        memset(block + at + 6, 'b', value);
        at += 6 + value;
    }
    memset(block + at, 0xbe, references);
    script.id = script.id == 0 ? 1 : script.id + 2;
    say_frame(HEADERS, END_STREAM | END_HEADERS, script.id, block, at + references);
}

static void do_hpack_bomb(void)
{
    do_bomb(12000);
}

/* Just within what ends the connection. */
static void do_hpack_small_bomb(void)
{
    do_bomb(40);
}

static void do_empty_data(void)
{
    if (script.id == 0)
        say_request(post, END_HEADERS);
    script.prelude = script.prelude == 0 ? script.len : script.prelude;
    say_frame(DATA, NO_FLAGS, script.id, "", 0);
}

/* One byte at a time is allowed; what it costs is what is asked here. */
static void do_tiny_data(void)
{
    if (script.id == 0)
        say_request(post, END_HEADERS);
    script.prelude = script.prelude == 0 ? script.len : script.prelude;
    say_frame(DATA, NO_FLAGS, script.id, "x", 1);
}

static void do_settings(void)
{
    say_frame(SETTINGS, NO_FLAGS, 0, "\0\x04\0\1\0\0", 6);
}

static void do_ping(void)
{
    say_frame(PING, NO_FLAGS, 0, "12345678", 8);
}

static void do_window_update(void)
{
    say_window(0, 1);
}

static void do_priority(void)
{
    say_frame(PRIORITY, NO_FLAGS, 1, "\0\0\0\0\x10", 5);
}

static void do_priority_update(void)
{
    say_frame(PRIORITY_UPDATE, NO_FLAGS, 0, "\0\0\0\1u=1", 7);
}

static void do_unknown(void)
{
    say_frame(UNKNOWN, NO_FLAGS, 0, "", 0);
}

/* 48 KB in three frames: over every limit of a head, under that of a connection. */
static void do_large_heads(void)
{
    static char   piece[16000];
    size_t        at = 0;
    unsigned      i;
    const uint32_t id = say_request(get, END_STREAM);

    for (i = 0; at + 104 <= sizeof(piece); i++, at += 104) {
        memset(piece + at, 'a', 104);
        memcpy(piece + at, "\x00\x01x\x64", 4);
    }
    for (i = 0; i < 3; i++)
        say_frame(CONTINUATION, i == 2 ? END_HEADERS : NO_FLAGS, id, piece, at);
}

/* A megabyte is asked for in each stream, and no window is opened. */
static void do_stalled_windows(void)
{
    say_frame(SETTINGS, NO_FLAGS, 0, "\0\x04\0\0\0\0", 6);
    for (int i = 0; i < STREAMS_HELD; i++)
        say_request(get_large, END_STREAM | END_HEADERS);
    script.is_held = true;
}

/* All windows are open, and nothing is read. */
static void do_unread(void)
{
    say_frame(SETTINGS, NO_FLAGS, 0, "\0\x04\x7f\xff\xff\xff", 6);
    say_window(0, 0x7fff0000 - 65535);
    for (int i = 0; i < STREAMS_HELD; i++)
        say_request(get_large, END_STREAM | END_HEADERS);
    script.is_held = script.is_unread = true;
}

static void do_ping_unread(void)
{
    script.is_unread = true;
    do_ping();
}

static void do_ping_deaf(void)
{
    script.is_deaf = true;
    do_ping();
}

/* A ClientHello as OpenSSL makes it; who repeats it computes nothing. */
static void do_hello(void)
{
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    SSL     *ssl = settings == NULL ? NULL : SSL_new(settings);
    BIO     *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
    int      n;

    if (ssl == NULL || in == NULL || out == NULL)
        exit(1);
    SSL_set_bio(ssl, in, out);
    (void)SSL_set_tlsext_host_name(ssl, "localhost");
    (void)SSL_set1_groups_list(ssl, "X25519:P-256");
    (void)SSL_connect(ssl);
    script.len = 0;
    n = BIO_read(out, script.bytes, SCRIPT_BYTES);
    script.len = n > 0 ? (size_t)n : 0;
    script.is_hello = script.is_held = true;
    SSL_free(ssl);
    SSL_CTX_free(settings);
}

static const struct attack {
    const char *name;
    void      (*say)(void);
} attacks[] = {
    { "rapid-reset", do_rapid_reset },
    { "made-reset", do_made_reset },
    { "continuation", do_continuation },
    { "continuation-empty", do_continuation_empty },
    { "hpack-bomb", do_hpack_bomb },
    { "hpack-small-bomb", do_hpack_small_bomb },
    { "large-heads", do_large_heads },
    { "empty-data", do_empty_data },
    { "tiny-data", do_tiny_data },
    { "settings", do_settings },
    { "ping", do_ping },
    { "ping-unread", do_ping_unread },
    { "ping-deaf", do_ping_deaf },
    { "window-update", do_window_update },
    { "priority", do_priority },
    { "priority-update", do_priority_update },
    { "unknown", do_unknown },
    { "stalled-windows", do_stalled_windows },
    { "unread", do_unread },
    { "hello", do_hello },
};

static void script_write(const char *name)
{
    const struct attack *attack = NULL;
    size_t               start;

    script.bytes = malloc(SCRIPT_BYTES);
    if (script.bytes == NULL)
        fail("bench_attack");
    for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
        if (strcmp(attacks[i].name, name) == 0)
            attack = &attacks[i];
    if (attack == NULL) {
        (void)fprintf(stderr, "bench_attack: no such attack: %s\n", name);
        exit(2);
    }
    say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    say_frame(SETTINGS, NO_FLAGS, 0, "", 0);
    start = script.len;
    do {
        attack->say();
    } while (!script.is_held && script.len < SCRIPT_BYTES - ROOM_BYTES);
    if (script.id == 0)
        script.prelude = start;
}

/* ---- connections ---- */

static void conn_open(struct conn *conn)
{
    struct epoll_event event = { .events = EPOLLOUT | (script.is_unread ? EPOLLRDHUP : EPOLLIN),
                                 .data.ptr = conn };

    memset(conn, 0, sizeof(*conn));
    conn->next = script.is_hello ? SIZE_MAX : 24;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (conn->fd < 0 || (connect(conn->fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
                         errno != EINPROGRESS))
        fail("bench_attack: connect");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
               sizeof(struct linger));
    epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event);
    opened++;
}

static void conn_renew(struct conn *conn)
{
    close(conn->fd);
    conn_open(conn);
}

static void conn_watch(struct conn *conn, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = conn };

    epoll_ctl(poller, EPOLL_CTL_MOD, conn->fd, &event);
}

/* Where the frames in the script begin is known by walking along. */
static void conn_count(struct conn *conn)
{
    while (conn->next + 3 <= script.len && conn->next < conn->at) {
        const unsigned char *head = script.bytes + conn->next;

        conn->next += HEAD_BYTES + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
        conn->frames++;
        sent_frames++;
    }
}

/* False: cut off. */
static bool conn_send(struct conn *conn, size_t most)
{
    size_t  left = script.len - conn->at;
    ssize_t n = send(conn->fd, script.bytes + conn->at, left < most ? left : most, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN;
    sent_bytes += (size_t)n;
    conn->at += (size_t)n;
    conn_count(conn);
    if (conn->at < script.len)
        return true;
    if (script.is_held) {
        conn_watch(conn, script.is_unread ? EPOLLRDHUP : EPOLLIN);
        return true;
    }
    conn->at = conn->next = script.prelude;
    return script.prelude > 0;           /* numbers of streams do not come twice */
}

/* True: there is a GOAWAY among these. */
static bool conn_look(struct conn *conn, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = conn->skip < len ? conn->skip : len;

        conn->skip -= n;
        bytes += n;
        len -= n;
        while (conn->skip == 0 && len > 0 && conn->have < HEAD_BYTES) {
            conn->head[conn->have++] = *bytes++;
            len--;
        }
        if (conn->have < HEAD_BYTES)
            continue;
        if (conn->head[3] == GOAWAY)
            return true;
        conn->skip = (size_t)conn->head[0] << 16 | (size_t)conn->head[1] << 8 | conn->head[2];
        conn->have = 0;
    }
    return false;
}

/* False: cut off, or told to go. */
static bool conn_read(struct conn *conn)
{
    static unsigned char bytes[READ_BYTES];
    ssize_t              n = recv(conn->fd, bytes, sizeof(bytes), 0);

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n == 0 && script.is_deaf && !conn->is_over) {
        conn->is_over = true;
        conn_watch(conn, EPOLLOUT);
        return true;
    }
    if (n <= 0 || script.is_hello)
        return false;
    if (!conn_look(conn, bytes, (size_t)n))
        return true;
    goaways++;
    return script.is_deaf;
}

static void conn_run(struct conn *conn, uint32_t events)
{
    bool is_up = true;

    if (events & EPOLLIN)
        is_up = conn_read(conn);
    else if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
        is_up = false;
    if (is_up && (events & EPOLLOUT))
        is_up = conn_send(conn, SEND_BYTES);
    if (!is_up)
        conn_renew(conn);
}

static void run(struct conn *conns, unsigned long count, double seconds)
{
    struct epoll_event events[EVENTS];
    int64_t            end_ns = now_ns() + (int64_t)(seconds * NS_PER_S);

    for (unsigned long i = 0; i < count; i++)
        conn_open(&conns[i]);
    while (now_ns() < end_ns) {
        int ready = epoll_wait(poller, events, EVENTS, 100);

        for (int i = 0; i < ready; i++)
            conn_run(events[i].data.ptr, events[i].events);
    }
}

/* A few frames a millisecond, so that none is sent that could have been answered. */
static void probe(struct conn *conn)
{
    conn_open(conn);
    while (conn->frames < PROBE_FRAMES) {
        struct pollfd ready = { .fd = conn->fd, .events = POLLIN };
        size_t        most;

        if (poll(&ready, 1, 1) > 0 && !conn_read(conn))
            return;
        for (int i = 0; i < PROBE_PIECE && conn->next + 3 <= script.len; i++) {
            const unsigned char *head = script.bytes + conn->next;

            conn->next += HEAD_BYTES + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
            conn->frames++;
            sent_frames++;
        }
        most = conn->next - conn->at;
        if (most == 0 || script.is_hello)
            return;
        if (!conn_send(conn, most))
            return;
    }
}

int main(int count, char **arguments)
{
    unsigned long conn_count;
    double        seconds;
    struct conn  *conns;

    if (count != 5)
        return 2;
    address = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)strtoul(arguments[1], NULL, 10)),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    conn_count = strtoul(arguments[2], NULL, 10);
    seconds = strtod(arguments[3], NULL);
    script_write(arguments[4]);
    conns = calloc(conn_count, sizeof(*conns));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || poller < 0)
        fail("bench_attack");
    if (seconds > 0)
        run(conns, conn_count, seconds);
    else
        probe(conns);
    printf("connections %lu goaways %lu bytes %lu frames %lu\n", opened, goaways, sent_bytes,
           sent_frames);
    return 0;
}
