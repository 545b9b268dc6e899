// SPDX-License-Identifier: MIT
/* The keys with which one server block seals and opens session tickets: those of its files, or derived
 * from the process's secrets and the block's own identity. Inside the layer. Any thread, no lock on
 * the way of a handshake, but at the first one after a rotation. */
#ifndef TLS_TICKET_SEALS_H
#define TLS_TICKET_SEALS_H

#include "tls/setup.h"

struct tls_ticket_seals;

enum { TLS_IDENTITY_BYTES = 32 };

/* NULL with the complaint filled in: a file is neither 48 nor 80 bytes long. Freed with the arena. */
struct tls_ticket_seals *tls_ticket_seals_new(struct tls_setup *setup, const struct tls_text_list *files,
                                              const unsigned char identity[TLS_IDENTITY_BYTES]);
/* As SSL_CTX_set_tlsext_ticket_key_evp_cb() wants it; 0: no such key. */
int tls_ticket_seals_use(struct tls_ticket_seals *seals, unsigned char name[16], unsigned char *iv,
                         EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing);

/* tls/tickets.c: what tls_tickets_use() was given last, and the number of that call. */
struct tls_ticket_keys;
uint64_t tls_tickets_age(void);
uint64_t tls_tickets_copy(struct tls_ticket_keys *ret_keys);

#endif
