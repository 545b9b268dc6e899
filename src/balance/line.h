// SPDX-License-Identifier: MIT
/* A connection to a server and what is spoken on it: how it comes to stand (TCP, what has to be said first, TLS,
 * the protocol). One way for requests (peer_conn.c) and for active checks (probe.c).
 *
 * Embedded in its owner, whose task is woken when there is news: line_open(), then line_go_on() until it is open
 * or the conn has ended. One loop. */
#ifndef BALANCE_LINE_H
#define BALANCE_LINE_H

#include "balance/peer.h"
#include "http/codec.h"
#include "http/h2_settings.h"
#include "tls/client.h"

/* What it is to be. What this points to lives until the line is open, or has ended. */
struct line_ask {
    const struct address    *bind_to;        /* NULL: any */
    const struct tls_client *tls;            /* NULL: in clear */
    struct text              tls_name;       /* who the peer is to be: SNI, verification */
    struct text              tls_certificate, tls_key;   /* what the templates of our pair say, if it has any */
    struct text              introduction;   /* goes before everything else */
    struct conn_timeouts     timeouts;       /* of the connection while we use it */
    uint32_t                 connect_timeout_ms;   /* until it stands; and again, for its handshake */
    bool                     is_http2;       /* over TLS: if the peer speaks it, */
    bool                     must_be_http2;  /* or not at all */
    bool                     has_socket_keepalive;
};

struct line {
    struct conn              *conn;
    struct codec             *codec;
    const struct h2_settings *settings;      /* of HTTP/2, if that is spoken; the owner sets it */
    const struct line_ask    *ask;           /* while TLS may ask for it */
    struct tls_host           host;
    char                     *words;         /* why TLS failed, or NULL; owned */
    int                       error;         /* -errno that ended it, or 0 */
    enum fault                fault;         /* or what we did not like */
    bool                      is_securing;   /* its handshake is under way, or has failed */
    bool                      is_open;       /* its protocol is known, messages may be sent */
};

/* -errno when the system refuses at once, which is then line->error, too; there is neither conn nor codec. */
int line_open(struct line *line, const struct address *address, const struct line_ask *ask,
              struct loop *loop, struct task *owner) WARN_UNUSED;
/* Over a descriptor on which HTTP/1 was spoken before: it is open. -errno, and fd is closed. */
int line_adopt(struct line *line, int fd, const struct conn_timeouts *timeouts, struct loop *loop,
               struct task *owner) WARN_UNUSED;
/* There is news. A line that cannot be as it is asked for is closed. */
void line_go_on(struct line *line, const struct line_ask *ask, struct peer *peer);
/* Why it has ended without carrying anything. */
enum fault line_fault(const struct line *line);
/* What -errno of connecting means. */
enum fault line_fault_of(int error);
/* Frees what it owns; its conn has ended. */
void line_done(struct line *line);

#endif
