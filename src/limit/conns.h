// SPDX-License-Identifier: MIT
/* `limit_conn`: how many requests of a key are under way (ngx_http_limit_conn_module). Any thread. */
#ifndef LIMIT_CONNS_H
#define LIMIT_CONNS_H

#include "limit/limit.h"

enum { CONNS_KEY_MOST = 255 };           /* bytes */

/* A place that was taken: in the arena of whoever has to give it back. */
struct conns_place {
    struct conns_place *next;            /* the owner's list */
    struct table       *table;
    struct entry       *entry;
};

enum conns_verdict { CONNS_TAKEN = 0, CONNS_FULL, CONNS_NO_ROOM };

/* `key` is not empty and has at most CONNS_KEY_MOST bytes. ret_place is set when it is TAKEN; the
 * zone must live until it is given back. */
enum conns_verdict conns_take(const struct limit_conn *limit, struct text key,
                              struct conns_place *ret_place);
void               conns_give(struct conns_place *place);

#endif
