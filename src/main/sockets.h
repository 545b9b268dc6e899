// SPDX-License-Identifier: MIT
/* The worker's listening sockets by name. A socket that comes again with a newer configuration
 * keeps the descriptor it has, so that the loops that watch it need not notice. Control thread. */
#ifndef MAIN_SOCKETS_H
#define MAIN_SOCKETS_H

#include "config/bundle.h"

struct held_socket {
    struct held_socket *next;
    struct text         name;            /* allocated */
    int                 fd;
    bool                is_wanted;       /* by the newest configuration */
};

struct sockets {
    struct held_socket *first;
};

/* Takes the "listen" descriptors out of the bundle and marks what it names as wanted. */
void sockets_take(struct sockets *sockets, struct bundle *bundle);
/* Closes what is not wanted: when no loop watches it any more. */
void sockets_close_unwanted(struct sockets *sockets);
void sockets_close_all(struct sockets *sockets);
int  sockets_find(const struct sockets *sockets, struct text name);      /* or -1 */

#endif
