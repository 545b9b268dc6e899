// SPDX-License-Identifier: MIT
/* The locations of the simulated site: what the configuration says of them in nginx's words, and
 * what follows from it in ours. */
#ifndef TESTS_SIM_ROOMS_H
#define TESTS_SIM_ROOMS_H

#include <stdbool.h>
#include <stddef.h>

enum { ROOM_PORT = 80, ROOM_SECOND_PORT = 81 };
enum { ROOMS_DIRECTED = 100 };           /* the edition with the rooms that chance does not enter */

struct room {
    const char *path;                    /* "/one" */
    const char *lines;                   /* of its location block */
    unsigned    local_status;            /* we answer it ourselves; 0: a peer does */
    unsigned    tries_most;              /* connections on which one request may be seen */
    size_t      body_most;               /* larger ones are refused; 0: none are */
    bool        repeats_unsafe;          /* proxy_next_upstream non_idempotent */
    bool        is_tunnel, is_paced, is_old;   /* old: HTTP/1.0 to the peer */
    bool        may_be_full;             /* its peers have few places: we may answer 503 */
    bool        is_directed;             /* only for tests of an exact order */
    const char *says;                    /* field lines of its origins' answers; NULL: none */
};

extern const struct room rooms[];
extern const size_t      room_count;

/* The whole configuration; editions differ in what does not matter to a request. The text is static. */
const char *rooms_text(unsigned edition);

#endif
