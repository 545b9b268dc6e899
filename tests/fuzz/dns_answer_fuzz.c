// SPDX-License-Identifier: MIT
/* Answers of name servers. The first byte chooses the type that was asked for. Checked: what comes out
 * is within its bounds, and names are such as a server may have. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "net/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_target(const char *name)
{
    size_t name_len = strnlen(name, DNS_NAME_BYTES);

    must(name_len > 0 && name_len < DNS_NAME_BYTES);
    must(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
         name_len);
    must(strstr(name, "..") == NULL && name[0] != '.' && name[name_len - 1] != '.');
}

static void check(const struct dns_answer *answer, enum dns_type type)
{
    must(answer->address_count <= DNS_ADDRESSES_MOST);
    must(answer->service_count <= DNS_SERVICES_MOST);
    must(type == DNS_SRV ? answer->address_count == 0 : answer->service_count == 0);
    must(answer->ttl_s <= INT32_MAX || answer->ttl_s == UINT32_MAX);
    for (unsigned i = 0; i < answer->address_count; i++)
        must(address_family(&answer->addresses[i]) == (type == DNS_A ? AF_INET : AF_INET6));
    for (unsigned i = 0; i < answer->service_count; i++) {
        must(answer->services[i].port > 0);
        check_target(answer->services[i].target);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_SRV };
    struct dns_answer         *answer;
    unsigned char             *exact;
    enum dns_type              type;

    if (len == 0)
        return 0;
    type = types[bytes[0] % 3];
    exact = mem_new(len);
    memcpy(exact, bytes + 1, len - 1);
    exact = mem_resize(exact, len > 1 ? len - 1 : 1);
    answer = mem_new(sizeof(*answer));
    answer->ttl_s = UINT32_MAX;
    (void)!dns_answer_read(answer, type, exact, len - 1);
    check(answer, type);
    mem_free(answer);
    mem_free(exact);
    return 0;
}
