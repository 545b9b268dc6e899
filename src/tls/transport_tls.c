// SPDX-License-Identifier: MIT
/* The transport that a conn sees: plaintext in, plaintext out.
 *
 * One call of read() or write() is at most one recv() more than needed and one send(). Records are small at first,
 * so that a client can use the first bytes before the whole of a record has come through its congestion
 * window, and large once that does not matter. */
#include "net/transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "tls/info.h"
#include "tls/library.h"
#include "tls/link.h"

enum {
    RECORD_SMALL = 1369,
    RECORD_MOST = 16384,
    RAMP_BYTES = 10 * RECORD_SMALL,      /* the initial congestion window (RFC 6928) */
    SILENCE_MS = 1000,
    EARLY_SHORT = 4096
};

static struct pool link_pool = POOL("tls link", struct tls_link, 64);

bool tls_is_tls(const struct transport *transport)
{
    return transport->ops == &transport_tls;
}

struct tls_link *tls_link_new(void)
{
    return pool_take(&link_pool);
}

struct transport tls_accept(int fd, const struct tls_server *first, struct tls_host *host,
                            struct text early)
{
    struct transport transport = { .ops = NULL, .fd = fd };
    struct tls_link *link = tls_link_new();

    *link = (struct tls_link){ .fd = fd, .server = first, .host = host };
    if (!tls_bytes_add(&link->left, early.ptr, early.len)) {
        pool_give(&link_pool, link);
        return transport;
    }
    transport.is_quiet = early.len > 0 && early.len < EARLY_SHORT;
    transport.ops = &transport_tls;
    transport.state = link;
    return transport;
}

void tls_link_count(struct tls_link *link, uint32_t bytes)
{
    budget_add((int64_t)bytes - link->counted);
    link->counted = bytes;
}

static void link_unref(struct tls_link *link)
{
    if (link->keepers > 0) {
        link->keepers--;
        return;
    }
    tls_link_count(link, 0);
    SSL_free(link->ssl);
    mem_free(link->name);
    pool_give(&link_pool, link);
}

void tls_link_free(struct tls_link *link)
{
    link->host = NULL;
    tls_bytes_free(&link->left);
    tls_bytes_free(&link->unsent);
    tls_bytes_free(&link->early);
    link_unref(link);
}

struct transport tls_facts_ref(const struct transport *transport)
{
    if (!tls_is_tls(transport) || transport->state == NULL)
        return (struct transport){ .fd = -1 };
    link_of(transport)->keepers++;
    return (struct transport){ .ops = &transport_tls, .fd = -1, .state = transport->state };
}

void tls_facts_unref(struct transport *facts)
{
    if (facts->state != NULL)
        link_unref(facts->state);
    *facts = (struct transport){ .fd = -1 };
}

void tls_forget_host(struct transport *transport, struct tls_host *host)
{
    if (tls_is_tls(transport) && link_of(transport)->host == host)
        link_of(transport)->host = NULL;
}

static void unsent_show(struct transport *transport)
{
    struct tls_link *link = link_of(transport);

    transport->has_unsent = link->unsent.len > 0 && !link->is_held;
}

/* A ticket may wait for the answer that follows it. */
static bool may_hold(const struct tls_link *link, bool was_finished)
{
    return !was_finished && !link->is_client && SSL_is_init_finished(link->ssl) &&
           SSL_version(link->ssl) == TLS1_3_VERSION;
}

static int tls_handshake(struct transport *transport)
{
    struct tls_link *link = link_of(transport);
    int              error, sent;

    if (link->stage == TLS_STAGE_OPEN)
        return 0;
    if (link->stage == TLS_STAGE_BROKEN)
        return link->error;
    tls_errors_drop();
    sent = wire_flush(link);
    if (sent != 0 && sent != -EAGAIN)
        return sent;
    wire_begin(link, 0, transport->is_quiet);
    error = !link->is_client ? tls_accept_step(link) : tls_connect_step(link);
    sent = wire_end(link, error == 0 && may_hold(link, false));
    transport->is_quiet = error == 0 && link->is_drained;
    if (error == 0)
        tls_link_count(link, TLS_HELD_OPEN);
    unsent_show(transport);
    return error == 0 || error == -EAGAIN ? (sent != 0 ? sent : error) : error;
}

static ssize_t early_take(struct tls_link *link, void *bytes, size_t room)
{
    size_t len = link->early.len < room ? link->early.len : room;

    memcpy(bytes, link->early.ptr + link->early.from, len);
    link->early.from += (uint32_t)len;
    link->early.len -= (uint32_t)len;
    if (link->early.len == 0)
        tls_bytes_free(&link->early);
    return (ssize_t)len;
}

/* 1: *ret_len bytes; otherwise as SSL_read_ex(). */
static int read_some(struct tls_link *link, unsigned char *bytes, size_t room, size_t *ret_len)
{
    if (link->is_reading_early)
        switch (SSL_read_early_data(link->ssl, bytes, room, ret_len)) {
        case SSL_READ_EARLY_DATA_SUCCESS:
            return 1;
        case SSL_READ_EARLY_DATA_FINISH:
            link->is_reading_early = false;
            break;
        default:
            return 0;
        }
    return SSL_read_ex(link->ssl, bytes, room, ret_len);
}

/* A server that ends without close_notify may have been cut off by somebody on the way, and what has no length
 * of its own would pass for whole (RFC 8446 6.1). Clients often just leave; what they say has a length. */
static bool is_cut(const struct tls_link *link)
{
    return link->is_client && link->has_end && (SSL_get_shutdown(link->ssl) & SSL_SENT_SHUTDOWN) == 0;
}

/* Nothing could be read: 0 (the end), -EAGAIN, -errno. */
static ssize_t read_failed(struct tls_link *link, int result)
{
    int error = SSL_get_error(link->ssl, result);

    if (link->error != 0)
        return link->error;
    if (error == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    if (error == SSL_ERROR_ZERO_RETURN || (link->has_end && ERR_peek_error() == 0)) {
        link->error = is_cut(link) ? -ECONNRESET : 0;
        return link->error;
    }
    tls_errors_drop();
    link->error = -EPROTO;
    return -EPROTO;
}

/* An end or an error behind the last bytes is for the next call; the socket may never say a word of it. */
static ssize_t read_all(struct transport *transport, unsigned char *bytes, size_t room)
{
    struct tls_link *link = link_of(transport);
    ssize_t          taken = 0, failed;
    size_t           len;
    int              result;

    if (link->early.len > 0)
        taken = early_take(link, bytes, room);
    while ((size_t)taken < room) {
        result = read_some(link, bytes + taken, room - (size_t)taken, &len);
        if (result != 1) {
            failed = read_failed(link, result);
            transport->is_over = failed != -EAGAIN;
            return taken > 0 ? taken : failed;
        }
        taken += (ssize_t)len;
    }
    return taken;
}

static ssize_t tls_read(struct transport *transport, void *bytes, size_t room)
{
    struct tls_link *link = link_of(transport);
    bool             was_finished;
    ssize_t          taken;
    int              error;

    if (link->stage != TLS_STAGE_OPEN)
        return link->error != 0 ? link->error : -EAGAIN;
    tls_errors_drop();
    was_finished = SSL_is_init_finished(link->ssl) != 0;
    wire_begin(link, room, transport->is_quiet);
    transport->is_quiet = false;
    taken = read_all(transport, bytes, room);
    error = wire_end(link, may_hold(link, was_finished));
    unsent_show(transport);
    return error != 0 && taken <= 0 ? error : taken;
}

static size_t record_size(const struct tls_link *link)
{
    size_t most = link->record_most == 0 || link->record_most > RECORD_MOST ? RECORD_MOST
                                                                            : link->record_most;

    if (link->is_client || link->sent >= RAMP_BYTES || most < RECORD_SMALL)
        return most;
    return RECORD_SMALL;
}

static void silence_note(struct tls_link *link)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - link->wrote_ms > SILENCE_MS)
        link->sent = 0;
    link->wrote_ms = now_ms;
}

struct source {
    const struct iovec *iov;
    int                 count;
    size_t              from;            /* in the first of them */
};

/* The next `most` bytes, where they lie if they lie together, else copied to `room`. */
static struct text source_take(struct source *source, size_t most, char *room)
{
    size_t len = 0, n;

    while (source->count > 0 && source->iov->iov_len == source->from) {
        source->iov++;
        source->count--;
        source->from = 0;
    }
    if (source->count == 0)
        return TEXT_NONE;
    if (source->count == 1 || source->iov->iov_len - source->from >= most) {
        n = source->iov->iov_len - source->from < most ? source->iov->iov_len - source->from : most;
        source->from += n;
        return text_of((const char *)source->iov->iov_base + source->from - n, n);
    }
    while (source->count > 0 && len < most) {
        n = source->iov->iov_len - source->from < most - len ? source->iov->iov_len - source->from
                                                             : most - len;
        memcpy(room + len, (const char *)source->iov->iov_base + source->from, n);
        len += n;
        source->from += n;
        if (source->from == source->iov->iov_len) {
            source->iov++;
            source->count--;
            source->from = 0;
        }
    }
    return text_of(room, len);
}

/* Before the client has finished its handshake, answers to early data go out as OpenSSL's early data. */
static bool write_record(struct tls_link *link, struct text record)
{
    size_t written;
    int    result = link->was_early && !SSL_is_init_finished(link->ssl)
                        ? SSL_write_early_data(link->ssl, record.ptr, record.len, &written)
                        : SSL_write_ex(link->ssl, record.ptr, record.len, &written);

    return result == 1 && written == record.len;
}

static ssize_t write_all(struct tls_link *link, const struct iovec *iov, int count)
{
    char UNINITIALIZED room[RECORD_MOST];
    struct source      source = { .iov = iov, .count = count };
    struct text        record;
    size_t             most, taken = 0;

    while (wire_has_room(most = record_size(link))) {
        record = source_take(&source, most, room);
        if (record.len == 0)
            break;
        if (!write_record(link, record)) {
            tls_errors_drop();
            link->error = link->error != 0 ? link->error : -EPROTO;
            return link->error;
        }
        taken += record.len;
        link->sent += link->sent < RAMP_BYTES ? (uint32_t)record.len : 0;
    }
    return (ssize_t)taken;
}

static ssize_t tls_write(struct transport *transport, const struct iovec *iov, int count)
{
    struct tls_link *link = link_of(transport);
    ssize_t          taken;
    int              error;

    if (link->stage != TLS_STAGE_OPEN || link->error != 0)
        return link->error != 0 ? link->error : -EAGAIN;
    error = transport->has_unsent ? wire_flush(link) : 0;
    unsent_show(transport);
    if (error != 0)
        return error;
    tls_errors_drop();
    silence_note(link);
    link->wrote_late |= (SSL_get_shutdown(link->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    wire_begin(link, 0, false);
    taken = write_all(link, iov, count);
    error = wire_end(link, false);
    unsent_show(transport);
    return error != 0 ? error : taken;
}

static int tls_flush(struct transport *transport)
{
    int error = wire_flush(link_of(transport));

    unsent_show(transport);
    return error;
}

/* What was held back goes now, since nothing came to go with it. */
static void tls_rest(struct transport *transport)
{
    struct tls_link *link = link_of(transport);

    if (link->stage != TLS_STAGE_OPEN)
        return;
    (void)wire_flush(link);
    link->is_held = false;
    unsent_show(transport);
    (void)SSL_free_buffers(link->ssl);
}

/* close_notify, once; behind whatever is unsent. */
static void notify(struct tls_link *link)
{
    if (link->stage != TLS_STAGE_OPEN || link->error != 0 || !SSL_is_init_finished(link->ssl) ||
        (SSL_get_shutdown(link->ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    tls_errors_drop();
    wire_begin(link, 0, false);
    (void)SSL_shutdown(link->ssl);
    (void)wire_end(link, false);
    tls_errors_drop();
}

static void tls_shutdown(struct transport *transport)
{
    struct tls_link *link = link_of(transport);

    notify(link);
    link->is_held = false;
    link->is_closing = true;
    (void)wire_flush(link);
    unsent_show(transport);
}

/* Who has said goodbye and was told nothing since has most likely closed, and would answer with a reset. */
static bool is_listening(const struct tls_link *link)
{
    return !link->has_end && link->ssl != NULL &&
           (link->wrote_late || (SSL_get_shutdown(link->ssl) & SSL_RECEIVED_SHUTDOWN) == 0);
}

/* Goodbye said or not, the session stays good: without the marks OpenSSL would throw it away. */
static void tls_close(struct transport *transport)
{
    struct tls_link *link = link_of(transport);

    if (is_listening(link))
        notify(link);
    if (link->ssl != NULL)
        SSL_set_shutdown(link->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    (void)close(transport->fd);
    tls_link_free(link);
    transport->fd = -1;
    transport->state = NULL;
    transport->has_unsent = false;
}

const struct transport_ops transport_tls = {
    .name = "tls",
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .flush = tls_flush,
    .rest = tls_rest,
    .shutdown = tls_shutdown,
    .close = tls_close,
};
