// SPDX-License-Identifier: MIT
/* What `limit_req_zone`, `limit_conn_zone` and the directives that use them want: plain data.
 *
 * The config layer fills these structs in the arena of the configuration; they never change after
 * it is published, but for `state` and `table`, which the snapshot ties to what lives. Requests and
 * rates are counted in thousandths, as nginx does. */
#ifndef LIMIT_LIMIT_H
#define LIMIT_LIMIT_H

#include "base/zone.h"
#include "expr/template.h"
#include "limit/table.h"

enum limit_kind { LIMIT_REQUESTS = 0, LIMIT_CONNS };

struct limit_zone {
    struct limit_zone     *next;         /* of the site */
    enum limit_kind        kind;
    struct text            name;
    const struct template *key;
    uint64_t               bytes;
    uint64_t               rate;         /* REQUESTS: thousandths of a request per second, > 0 */
    struct zone           *state;        /* limit_zone_bind() */
    struct table          *table;
};

struct limit_req {
    struct limit_req      *next;
    struct limit_zone     *zone;
    uint64_t               burst, delay; /* thousandths */
};

struct limit_conn {
    struct limit_conn     *next;
    struct limit_zone     *zone;
    uint32_t               most;
};

/* Finds the table of that name, key and size, or makes it. Control thread. */
void limit_zone_bind(struct limit_zone *zone);
void limit_zone_unbind(struct limit_zone *zone);

/* The next one of those that live, whose state is a table; NULL: no more. Start with NULL. Control thread. */
const struct zone *limit_zone_next(enum limit_kind kind, const struct zone *after);

#endif
