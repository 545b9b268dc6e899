// SPDX-License-Identifier: MIT
/* A certificate, its chain and its key, read from texts. Inside the layer. Immutable and counted. */
#ifndef TLS_KEYPAIR_H
#define TLS_KEYPAIR_H

#include "tls/setup.h"

struct tls_keypair {
    _Atomic uint64_t refs;
    X509            *leaf;
    STACK_OF(X509)  *chain;              /* without the leaf; perhaps empty */
    EVP_PKEY        *key;
};

/* 0, or -EINVAL with the setup's complaint filled in (setup->made is not used). */
int  tls_keypair_read(struct tls_setup *setup, const struct tls_file *certificate,
                      const struct tls_file *key, const struct tls_text_list *passwords,
                      struct tls_keypair **ret_pair);
void tls_keypair_ref(struct tls_keypair *pair);
void tls_keypair_unref(struct tls_keypair **pair);

#endif
