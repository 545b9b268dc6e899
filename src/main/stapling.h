// SPDX-License-Identifier: MIT
/* OCSP answers for the certificates that a worker sends (ssl_stapling): asked for at their responders, renewed in
 * time, given to the contexts (tls/staple.h). Handshakes never wait for any of it: until there is an answer, and when
 * one has expired, none goes out. A reload keeps what is still good. On the control loop of a worker. */
#ifndef MAIN_STAPLING_H
#define MAIN_STAPLING_H

#include "main/report.h"
#include "net/loop.h"
#include "proxy/site.h"

struct stapling;

struct stapling *stapling_new(struct loop *loop);
/* Serves this site's contexts from now on, which outlive that, and no other's any more. */
void             stapling_turn_to(struct stapling *stapling, const struct site *site);

/* The supervisor's side: each certificate that asks for staples and cannot have any, once. */
void stapling_report(const struct site *site, const struct report *report);

#endif
