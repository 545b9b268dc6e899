// SPDX-License-Identifier: MIT
/* Setters that ssl_*, proxy_ssl_* and grpc_ssl_* share. */
#ifndef CONFIG_TLS_VALUES_H
#define CONFIG_TLS_VALUES_H

#include "config/directive.h"

/* The field's type is behind each; those of lists begin anew at the first of a level. */
void apply_tls_certificate(struct compiler *compiler, const struct node *node, void *field);   /* struct tls_item * */
void apply_tls_key(struct compiler *compiler, const struct node *node, void *field);           /* struct tls_item * */
void apply_tls_ca(struct compiler *compiler, const struct node *node, void *field);            /* struct tls_file */
void apply_tls_crl(struct compiler *compiler, const struct node *node, void *field);           /* struct tls_file */
void apply_tls_file(struct compiler *compiler, const struct node *node, void *field);          /* struct tls_file */
void apply_tls_passwords(struct compiler *compiler, const struct node *node, void *field);     /* struct tls_text_list *, one per line */
void apply_tls_protocols(struct compiler *compiler, const struct node *node, void *field);     /* unsigned, enum tls_version */
void apply_tls_command(struct compiler *compiler, const struct node *node, void *field);       /* struct tls_command * */

#endif
