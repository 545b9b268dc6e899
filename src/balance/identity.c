// SPDX-License-Identifier: MIT
/* Identities: MD5 is no secret here, only a name of fixed length that nginx's clients have already. */
#include "balance/identity.h"

#include <openssl/evp.h>
#include <string.h>

enum { DIGEST_BYTES = 16 };

static void hash_address(struct identity *identity, struct text address)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char     digest[EVP_MAX_MD_SIZE];
    unsigned          len = 0;

    must(EVP_Digest(address.ptr, address.len, digest, &len, EVP_md5(), NULL) == 1 &&
         len == DIGEST_BYTES);
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        identity->bytes[2 * i] = digits[digest[i] >> 4];
        identity->bytes[2 * i + 1] = digits[digest[i] & 15];
    }
    identity->len = IDENTITY_BYTES;
}

struct identity identity_of(struct text route, struct text address)
{
    struct identity identity = { .len = 0 };

    must(route.len <= IDENTITY_BYTES);
    if (route.len == 0) {
        hash_address(&identity, address);
        return identity;
    }
    memcpy(identity.bytes, route.ptr, route.len);
    identity.len = (uint8_t)route.len;
    return identity;
}

struct text identity_text(const struct identity *identity)
{
    return text_of(identity->bytes, identity->len);
}
