// SPDX-License-Identifier: MIT
/* A client's connection as the front keeps it (front_parts.h), and what an exchange may ask of it. */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "http/codec.h"
#include "net/timer.h"
#include "proxy/snapshot.h"

struct door;
struct exchange;
struct preface;

/* Owner: its front; dies when its conn has ended and its exchange is over. One loop. */
struct client {
    struct codec_host host;
    struct task       task;              /* woken when the conn has ended, rests, or is parked */
    struct conn      *conn;              /* NULL: ended or parked */
    struct door      *door;
    struct exchange  *unattended;        /* of a stand-in; else NULL */
    struct snapshot  *secured_by;        /* pinned: whose contexts of TLS it uses; NULL: in clear */
    unsigned          exchanges;         /* under way */
    struct link       link;              /* of the front's clients, oldest first */
    int64_t           connected_ms;
    uint64_t          serial;
    /* parked: without conn and codec, since a connection that rests needs neither */
    struct timer      timer;             /* how long it may rest */
    union {
        struct watch  watch;             /* the descriptor; fd -1: not parked */
        struct corpse corpse;            /* once dead */
    };
    uint32_t          keepalive_ms;      /* how long it may rest between two requests */
    unsigned          requests : 30;     /* while parked: how many it has made */
    bool              is_stand_in : 1;   /* client_stand_in() */
    bool              has_preface : 1;   /* which of these two: most clients have none */
    union {
        struct address_short remote;
        struct preface      *preface;    /* owned */
    };
};

/* ---- for the front ---- */

/* Who has come in at `door`: `fd` is the client's from now on. Nobody joins the door when the poller refuses. */
void client_new(struct door *door, int fd, const struct address *remote);
/* Between two requests, with at least one made. */
bool client_is_at_rest(const struct client *client);
/* Without a word, wherever it is. */
void client_close(struct client *client);
/* The requests under way are its last. */
void client_drain(struct client *client);
/* There is a new configuration. A connection that carries many requests would outlive many of them, with the
 * handshake of the first: it is drained. */
void client_renew(struct client *client);
/* We end: its exchanges fail, those for nobody too. */
void client_cut(struct client *client);

/* ---- for exchanges, and others who have one ---- */

/* Whose task this is, or NULL: some other task. */
const struct client *client_of_task(const struct task *task);
/* Of a client that has a conn; NULL: it is not known yet what the client speaks. */
struct codec *client_codec(const struct client *client);
/* As the listen's default server says it: what the client speaks now. `is_h2`: by ALPN or its first bytes. */
void client_speaks(struct client *client, bool is_h2);
/* A handshake begins: what it is made with stays for as long as the client does. */
void client_secures(struct client *client);
/* Who is connected, whatever a preface or a field says. */
struct address client_remote(const struct client *client);
const struct listen *client_listen(const struct client *client);
/* The location's deadlines hold for that stream of the client's from now on. */
void client_use(struct client *client, struct stream *stream, const struct location *location);
/* No keep-alive for anybody: the front drains, or the door is gone. */
bool client_is_draining(const struct client *client);
/* After this answer? Under pressure it may not, or another one that rests is closed for it. */
bool client_may_rest(struct client *client);
/* For a connection to an upstream: closes clients that rest. False: there were none. */
bool client_make_room(struct client *client);
/* Another client of the same door, with the same addresses and serial, but without a connection: for an
 * exchange that goes on without one. Ends with client_exchange_over(). */
struct client *client_stand_in(const struct client *like, struct exchange *exchange);
/* The exchange is over; the client may now go. */
void client_exchange_over(struct client *client);

#endif
