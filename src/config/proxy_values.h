// SPDX-License-Identifier: MIT
/* Setters that proxy_* and grpc_* share. */
#ifndef CONFIG_PROXY_VALUES_H
#define CONFIG_PROXY_VALUES_H

#include "config/directive.h"

void apply_set_header(struct compiler *compiler, const struct node *node, void *field);      /* struct set_header * */
void apply_bind(struct compiler *compiler, const struct node *node, void *field);            /* const struct template * */
void apply_next_upstream(struct compiler *compiler, const struct node *node, void *field);   /* unsigned, NEXT_* */
void apply_field_name(struct compiler *compiler, const struct node *node, void *field);      /* struct name_list * */
void apply_ignore_headers(struct compiler *compiler, const struct node *node, void *field);  /* unsigned, IGNORE_* */

#endif
