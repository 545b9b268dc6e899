// SPDX-License-Identifier: MIT
/* The access log: one line per exchange and log, into the sink of its file. */
#ifndef PROXY_ACCESS_LOG_H
#define PROXY_ACCESS_LOG_H

struct exchange;

/* Writes x's lines to every access_log of its location whose condition holds. */
void access_log_write(struct exchange *x);

#endif
