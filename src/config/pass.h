// SPDX-License-Identifier: MIT
/* Where proxy_pass and grpc_pass lead: a URL becomes an upstream of the configuration, or one of its own. */
#ifndef CONFIG_PASS_H
#define CONFIG_PASS_H

#include "config/directive.h"

/* What a URL may begin with. */
struct pass_scheme {
    const char *prefix;                  /* "http://"; "": none, comes last; NULL: end of the list */
    unsigned    port;                    /* 0: must be said */
    bool        is_tls;
};

/* NULL after a complaint. `has_uri`: a path may follow. With variables only the text is taken. */
struct pass *pass_compile(struct compiler *compiler, const struct node *node,
                          const struct pass_scheme *schemes, bool has_uri);

#endif
