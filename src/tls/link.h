// SPDX-License-Identifier: MIT
/* The state of a TLS transport, and how its ciphertext gets in and out. Inside the layer. Owner: the
 * transport, which dies with close(); what it knows lives on while somebody keeps it.
 *
 * Each call of the transport opens the thread's wire for its link (wire_begin) and closes it (wire_end): in
 * between OpenSSL reads what one recv() brought and writes into one buffer, which goes out in one send(). */
#ifndef TLS_LINK_H
#define TLS_LINK_H

#include <openssl/ssl.h>

#include "net/transport.h"
#include "tls/client.h"
#include "tls/hello.h"

enum tls_stage {
    TLS_STAGE_HELLO,                     /* server: not complete yet, there is no SSL */
    TLS_STAGE_EARLY,                     /* server: early data may come */
    TLS_STAGE_SHAKING,
    TLS_STAGE_OPEN,                      /* the conn may read and write; see is_reading_early */
    TLS_STAGE_BROKEN,
};

/* Bytes that wait; allocated while there are any. */
struct tls_bytes {
    unsigned char *ptr;
    uint32_t       from, len, capacity;  /* len counts from `from` on */
};

struct tls_link {
    SSL                     *ssl;
    struct tls_host         *host;       /* NULL: has gone */
    const struct tls_server *server;     /* the first (NULL: has no certificate), then the chosen */
    uint64_t                 identity;   /* of the client's context, which may be gone by now */
    struct tls_memory       *memory;     /* of the client's sessions, or NULL */
    char                    *name;       /* SNI that came or was sent; allocated, or NULL */
    struct tls_bytes         left;       /* ciphertext that came and was not read */
    struct tls_bytes         unsent;     /* ciphertext that the socket did not take */
    struct tls_bytes         early;      /* plaintext that came before its handshake was over */
    int                      fd, error;  /* -errno that broke it */
    int64_t                  wrote_ms;
    uint32_t                 keepers;    /* of its facts, beside the transport (info.h) */
    uint32_t                 counted;    /* bytes in the budget, for what OpenSSL holds */
    uint32_t                 sent;       /* bytes since it began, or since a silence; at most RAMP */
    unsigned char            rules[32];  /* of the chosen server, which may be gone by now */
    uint32_t                 record_most;   /* ssl_buffer_size; 0: the largest */
    uint16_t                 messages;   /* of the handshake, after it */
    uint8_t                  stage;      /* enum tls_stage */
    bool                     is_drained; /* the last recv was short: nothing more before the next call */
    bool                     has_end;    /* recv said 0: nobody has said goodbye before */
    bool                     is_reading_early, was_early;
    bool                     is_held;    /* what is unsent may wait for something to go with it */
    bool                     wrote_late; /* after the other side's goodbye */
    bool                     is_client;
    bool                     is_closing; /* shutdown() when all is out */
    bool                     is_verifying;   /* client: who the server is */
};

static inline struct tls_link *link_of(const struct transport *transport)
{
    return transport->state;
}

static inline struct tls_link *link_of_ssl(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

bool tls_bytes_add(struct tls_bytes *bytes, const void *ptr, size_t len);   /* false: memory is short */
void tls_bytes_free(struct tls_bytes *bytes);

/* The BIO through which OpenSSL sees the wire of the link whose turn it is. 0 or -ENOMEM. */
int wire_attach(struct tls_link *link);

/* `room`: how much plaintext there is room for, to know how much to ask the kernel for, unless it `is_quiet`. */
void wire_begin(struct tls_link *link, size_t room, bool is_quiet);
/* What has come in all, from the wire's first byte on; reads once more if `more`. 0; -EAGAIN, -errno. */
int         wire_gather(struct tls_link *link);
struct text wire_gathered(void);
/* Ciphertext of our own making: an alert. */
void wire_write(const void *bytes, size_t len);
/* What was written in this turn shall not go out. */
void wire_drop(void);
/* Room for that much plaintext in records of `record` bytes, before the buffer is sent. */
bool wire_has_room(size_t record);
/* Sends what was written, unless it may be held back; keeps what was not read or did not go. 0, or -errno: broken. */
int  wire_end(struct tls_link *link, bool may_hold);
/* 0: nothing is unsent; -EAGAIN; -errno. */
int  wire_flush(struct tls_link *link);

extern const struct transport_ops transport_tls;

/* What a connection holds in OpenSSL, in round figures (measured: 47 KB and 14.5 KB): to count each of its thousand
 * allocations would cost a handshake two hundredths. */
enum { TLS_HELD_SHAKING = 48 * 1024, TLS_HELD_OPEN = 15 * 1024 };
void tls_link_count(struct tls_link *link, uint32_t bytes);

/* Zeroed; freed by the transport's close(). */
struct tls_link *tls_link_new(void);
void             tls_link_free(struct tls_link *link);

/* accepting.c, connecting.c: goes on with the handshake, within an open wire. 0, -EAGAIN or -errno. */
int tls_accept_step(struct tls_link *link);
int tls_connect_step(struct tls_link *link);
/* OpenSSL said no: -EAGAIN, or the link is broken and its host hears of it. `result`: what the call returned. */
int tls_step_failed(struct tls_link *link, const char *what, int result);
void tls_say(struct tls_link *link, enum log_level level, const char *words);

/* OpenSSL's info callback of both sides. */
void tls_messages_count(const SSL *ssl, int where, int result);

#endif
