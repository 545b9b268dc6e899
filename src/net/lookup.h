// SPDX-License-Identifier: MIT
/* Names to addresses at once, by the system's own resolver: for configurations that are being read.
 * Blocks; never on a loop. */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include "net/address.h"

enum { LOOKUP_ADDRESSES_MOST = 64, LOOKUP_NAME_BYTES = 256 };

/* Fills at most LOOKUP_ADDRESSES_MOST addresses, each once, in the system's order, with port 0.
 * -ENOENT: no such name; -EAGAIN, -EIO: nobody could be asked. */
int lookup_now(const char *name, struct address *ret_addresses, unsigned *ret_count) WARN_UNUSED;

#endif
