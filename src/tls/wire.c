// SPDX-License-Identifier: MIT
/* The wire: one per thread, since only one link at a time is at work there. A short recv() is remembered, so
 * that nobody asks the kernel again only to hear EAGAIN; a link that rests owns none of these buffers. */
#include "tls/link.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "base/mem.h"

enum { WIRE_BYTES = 64 * 1024, RECV_BYTES = 17 * 1024, UNSENT_MOST = 256 * 1024, OVERHEAD = 64 };

struct wire {
    struct tls_link *link;
    uint32_t         from, to;           /* of `in` */
    uint32_t         recv_bytes, out_len;
    unsigned char    in[WIRE_BYTES], out[WIRE_BYTES];
};

/* One for each thread that has ever had a TLS connection. */
static _Thread_local struct wire *wire;
static pthread_key_t              wire_key;
static pthread_once_t             once = PTHREAD_ONCE_INIT;
static BIO_METHOD                *method;

bool tls_bytes_add(struct tls_bytes *bytes, const void *ptr, size_t len)
{
    unsigned char *larger;
    size_t         capacity = bytes->len + len;

    if (len == 0)
        return true;
    if (bytes->from + capacity > bytes->capacity) {
        larger = mem_try(capacity);
        if (larger == NULL)
            return false;
        if (bytes->len > 0)
            memcpy(larger, bytes->ptr + bytes->from, bytes->len);
        mem_free(bytes->ptr);
        *bytes =
            (struct tls_bytes){ .ptr = larger, .len = bytes->len, .capacity = (uint32_t)capacity };
    }
    memcpy(bytes->ptr + bytes->from + bytes->len, ptr, len);
    bytes->len += (uint32_t)len;
    return true;
}

void tls_bytes_free(struct tls_bytes *bytes)
{
    mem_free(bytes->ptr);
    *bytes = (struct tls_bytes){ .ptr = NULL };
}

/* 0, -EAGAIN, -errno; the end is link->has_end. */
static int receive(struct tls_link *link)
{
    size_t  room = WIRE_BYTES - wire->to;
    ssize_t n;

    if (link->has_end || link->error != 0)
        return link->error;
    if (link->is_drained)
        return -EAGAIN;
    room = room < wire->recv_bytes ? room : wire->recv_bytes;
    do
        n = recv(link->fd, wire->in + wire->to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        link->is_drained = errno == EAGAIN;
        link->error = errno == EAGAIN ? 0 : -errno;
        return -errno;
    }
    link->has_end = n == 0;
    link->is_drained = (size_t)n < room;
    wire->to += (uint32_t)n;
    return 0;
}

int wire_gather(struct tls_link *link)
{
    return receive(link);
}

struct text wire_gathered(void)
{
    return text_of((const char *)wire->in + wire->from, wire->to - wire->from);
}

static int bio_read(BIO *bio, char *bytes, size_t room, size_t *ret_len)
{
    struct tls_link *link = BIO_get_data(bio);
    size_t           len;

    should(link == wire->link);
    BIO_clear_retry_flags(bio);
    if (link->error != 0)
        return 0;
    if (wire->from == wire->to) {
        wire->from = wire->to = 0;
        if (receive(link) == -EAGAIN)
            BIO_set_retry_read(bio);
        if (wire->to == 0)
            return 0;
    }
    len = wire->to - wire->from < room ? wire->to - wire->from : room;
    memcpy(bytes, wire->in + wire->from, len);
    wire->from += (uint32_t)len;
    *ret_len = len;
    return 1;
}

/* Never says "later": what does not fit goes to what is unsent, which is bounded. */
static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *ret_len)
{
    struct tls_link *link = BIO_get_data(bio);

    should(link == wire->link);
    BIO_clear_retry_flags(bio);
    if (len > WIRE_BYTES - wire->out_len) {
        if (link->unsent.len + wire->out_len + len > UNSENT_MOST ||
            !tls_bytes_add(&link->unsent, wire->out, wire->out_len) ||
            !tls_bytes_add(&link->unsent, bytes, len)) {
            link->error = -ENOBUFS;
            return 0;
        }
        wire->out_len = 0;
    } else
        wire_write(bytes, len);
    *ret_len = len;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_link *link = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return link->has_end;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static void once_make(void)
{
    must(pthread_key_create(&wire_key, mem_free) == 0);
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    must(method != NULL && BIO_meth_set_read_ex(method, bio_read) == 1 &&
         BIO_meth_set_write_ex(method, bio_write) == 1 &&
         BIO_meth_set_ctrl(method, bio_control) == 1);
}

int wire_attach(struct tls_link *link)
{
    BIO *bio;

    must(pthread_once(&once, once_make) == 0);
    bio = BIO_new(method);
    if (bio == NULL)
        return -ENOMEM;
    BIO_set_data(bio, link);
    BIO_set_init(bio, 1);
    SSL_set_bio(link->ssl, bio, bio);
    return 0;
}

static void wire_make(void)
{
    must(pthread_once(&once, once_make) == 0);
    wire = mem_new(sizeof(*wire));
    must(pthread_setspecific(wire_key, wire) == 0);
}

void wire_begin(struct tls_link *link, size_t room, bool is_quiet)
{
    size_t wanted = room + room / 16 + 512;   /* records have some overhead */

    if (wire == NULL)
        wire_make();
    must(wire->link == NULL);
    wire->recv_bytes = (uint32_t)(wanted < RECV_BYTES   ? RECV_BYTES
                                  : wanted > WIRE_BYTES ? WIRE_BYTES
                                                        : wanted);
    wire->link = link;
    wire->out_len = 0;
    wire->from = 0;
    wire->to = link->left.len;
    if (link->left.len > 0) {
        memcpy(wire->in, link->left.ptr + link->left.from, link->left.len);
        tls_bytes_free(&link->left);
    }
    link->is_drained = is_quiet;
}

void wire_write(const void *bytes, size_t len)
{
    must(len <= WIRE_BYTES - wire->out_len);
    memcpy(wire->out + wire->out_len, bytes, len);
    wire->out_len += (uint32_t)len;
}

void wire_drop(void)
{
    wire->out_len = 0;
}

bool wire_has_room(size_t record)
{
    return WIRE_BYTES - wire->out_len >= record + OVERHEAD;
}

static ssize_t transmit(const struct tls_link *link, const unsigned char *bytes, size_t len)
{
    ssize_t n;

    do
        n = send(link->fd, bytes, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int wire_flush(struct tls_link *link)
{
    ssize_t n = 0;

    if (link->unsent.len > 0)
        n = transmit(link, link->unsent.ptr + link->unsent.from, link->unsent.len);
    if (n < 0)
        return (int)n;
    link->unsent.from += (uint32_t)n;
    link->unsent.len -= (uint32_t)n;
    if (link->unsent.len > 0)
        return -EAGAIN;
    tls_bytes_free(&link->unsent);
    link->is_held = false;
    if (link->is_closing)
        (void)shutdown(link->fd, SHUT_WR);
    return 0;
}

/* What was held back goes first, in the same segment. */
static int out_send(struct tls_link *link, bool may_hold)
{
    ssize_t n = 0;

    if (link->unsent.len > 0 || may_hold) {
        if (!tls_bytes_add(&link->unsent, wire->out, wire->out_len))
            return -ENOMEM;
        link->is_held = may_hold && (link->is_held || link->unsent.len == wire->out_len);
        n = link->is_held ? 0 : wire_flush(link);
        return n == -EAGAIN ? 0 : (int)n;
    }
    n = transmit(link, wire->out, wire->out_len);
    if (n < 0 && n != -EAGAIN)
        return (int)n;
    n = n < 0 ? 0 : n;
    return tls_bytes_add(&link->unsent, wire->out + n, wire->out_len - (size_t)n) ? 0 : -ENOMEM;
}

int wire_end(struct tls_link *link, bool may_hold)
{
    int error = 0;

    if (wire->from < wire->to &&
        !tls_bytes_add(&link->left, wire->in + wire->from, wire->to - wire->from))
        error = -ENOMEM;
    if (wire->out_len > 0 && error == 0)
        error = out_send(link, may_hold);
    wire->link = NULL;
    if (error != 0 && link->error == 0)
        link->error = error;
    return error;
}
