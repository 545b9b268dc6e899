// SPDX-License-Identifier: MIT
/* A question is a few queries at a time (A and AAAA; or SRV, then A and AAAA of each target) and the
 * sum of their answers. A query belongs to c-ares until it is answered, so a question that is done or
 * given up lets go of those that are still on their way. */
#include "net/resolver.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

#include "base/mem.h"
#include "net/dns_answer.h"
#include "net/dns_channel.h"
#include "net/hosts_file.h"

enum {
    HOSTS_TTL_MS = 5000,                 /* of what /etc/hosts says */
    TTL_MOST_MS = 24 * 3600 * 1000,
    PARTIAL_TTL_MS = 5000,               /* of an answer that something is missing of */
    REST_MS = 1000                       /* the other answers may come so much later than the first */
};

#define HOSTS_PATH "/etc/hosts"
#define RESOLV_CONF_PATH "/etc/resolv.conf"

/* All resolvers of a loop. Owner: the loop's locals, while there is a resolver. */
struct registry {
    struct link       resolvers;
    struct hosts_file hosts;
    struct dns_answer answer;            /* room to read one */
};

/* Owner: those who hold a reference, its questions among them. */
struct resolver {
    struct link            link;
    struct loop           *loop;
    struct registry       *registry;
    unsigned               refs;
    struct resolver_policy policy;
    struct dns_channel    *channel;
    struct stat            resolv_conf;  /* as it was when the channel was made */
};

/* The whole of a question. */
struct asking {
    struct question     question;
    struct resolver    *resolver;
    struct task         task;
    struct timer        timer;
    struct link         queries;         /* that are on their way */
    struct dns_service *services;        /* found; asked for next */
    unsigned            service_count, next_service;
    unsigned            port;
    uint32_t            ttl_s;
    int64_t             deadline_ms;
    bool                is_lost;         /* a query had no useful answer */
    char                name[RESOLVER_NAME_BYTES];
};

/* Owner: c-ares until it is answered. */
struct query {
    struct dns_query dns;
    struct link      link;               /* in asking->queries */
    struct asking   *asking;             /* NULL: nobody waits for it any more */
    struct resolved  like;               /* port, priority and weight of what it finds */
};

static const char registry_key;

/* ---- resolvers ---- */

static bool is_system(const struct resolver *resolver)
{
    return resolver->policy.server_count == 0;
}

static bool is_policy(const struct resolver_policy *a, const struct resolver_policy *b)
{
    if (a->server_count != b->server_count || a->valid_ms != b->valid_ms ||
        a->is_v4_off != b->is_v4_off || a->is_v6_off != b->is_v6_off)
        return false;
    for (unsigned i = 0; i < a->server_count; i++)
        if (!address_is_equal(&a->servers[i], &b->servers[i]))
            return false;
    return true;
}

static struct registry *registry_of(struct loop *loop)
{
    struct registry *registry = loop_local(loop, &registry_key);

    if (registry == NULL) {
        registry = mem_new(sizeof(*registry));
        list_init(&registry->resolvers);
        hosts_file_init(&registry->hosts, HOSTS_PATH);
        loop_local_set(loop, &registry_key, registry);
    }
    return registry;
}

static struct resolver *resolver_new(struct loop *loop, const struct resolver_policy *policy)
{
    struct resolver *resolver = mem_new(sizeof(*resolver));
    struct address  *servers = NULL;

    if (policy->server_count > 0) {
        servers = mem_new(policy->server_count * sizeof(*servers));
        memcpy(servers, policy->servers, policy->server_count * sizeof(*servers));
    }
    resolver->loop = loop;
    resolver->registry = registry_of(loop);
    resolver->policy = *policy;
    resolver->policy.servers = servers;
    list_append(&resolver->registry->resolvers, &resolver->link);
    return resolver;
}

struct resolver *resolver_ref(struct loop *loop, const struct resolver_policy *policy)
{
    static const struct resolver_policy systems = { .server_count = 0 };
    struct registry *registry = registry_of(loop);
    struct resolver *resolver = NULL;

    if (policy == NULL)
        policy = &systems;
    LIST_EACH(&registry->resolvers, at)
        if (is_policy(&container_of(at, struct resolver, link)->policy, policy))
            resolver = container_of(at, struct resolver, link);
    if (resolver == NULL)
        resolver = resolver_new(loop, policy);
    resolver->refs++;
    return resolver;
}

static void registry_release(struct loop *loop, struct registry *registry)
{
    if (!list_is_empty(&registry->resolvers))
        return;
    loop_local_set(loop, &registry_key, NULL);
    hosts_file_done(&registry->hosts);
    mem_free(registry);
}

void resolver_unref(struct resolver **resolver)
{
    struct resolver *done = *resolver;

    *resolver = NULL;
    if (done == NULL || --done->refs > 0)
        return;
    dns_channel_free(&done->channel);
    list_remove(&done->link);
    registry_release(done->loop, done->registry);
    mem_free((void *)done->policy.servers);
    mem_free(done);
}

/* NULL: there is no memory for one. */
static struct dns_channel *channel_of(struct resolver *resolver)
{
    if (is_system(resolver) && file_has_changed(RESOLV_CONF_PATH, &resolver->resolv_conf))
        dns_channel_free(&resolver->channel);
    if (resolver->channel == NULL)
        resolver->channel = dns_channel_new(resolver->loop, resolver->policy.servers,
                                            resolver->policy.server_count);
    return resolver->channel;
}

/* ---- what is found ---- */

static bool is_known(const struct question *question, const struct address *address)
{
    for (unsigned i = 0; i < question->count; i++)
        if (address_is_equal(&question->found[i].address, address))
            return true;
    return false;
}

/* Like `like`, but for the address. */
static void found_add(struct question *question, const struct resolved *like,
                      const struct address *address)
{
    struct resolved resolved = *like;

    resolved.address = *address;
    address_set_port(&resolved.address, address_port(&like->address));
    if (is_known(question, &resolved.address))
        return;
    if (question->count == RESOLVER_ADDRESSES_MOST) {
        question->is_cut = true;
        return;
    }
    if ((question->count & (question->count - 1)) == 0)
        question->found =
            mem_resize(question->found,
                       (question->count == 0 ? 1 : 2 * question->count) * sizeof(*question->found));
    question->found[question->count++] = resolved;
}

static struct resolved like_of(unsigned port, uint16_t priority, uint16_t weight)
{
    struct resolved like = { .priority = priority, .weight = weight };

    like.address = address_any_v4(port);
    return like;
}

static void services_take(struct asking *asking, const struct dns_answer *answer)
{
    if (answer->service_count == 0)
        return;
    asking->services = mem_new(answer->service_count * sizeof(*asking->services));
    memcpy(asking->services, answer->services, answer->service_count * sizeof(*asking->services));
    asking->service_count = answer->service_count;
}

/* ---- queries ---- */

static void lost(struct asking *asking, unsigned type)
{
    asking->is_lost = true;
    asking->question.is_v4_lost |= type == DNS_A;
    asking->question.is_v6_lost |= type == DNS_AAAA;
}

/* What is whole of a malformed answer counts, since it may be all that there is. */
static void query_take(struct query *query, const unsigned char *bytes, size_t len)
{
    struct asking     *asking = query->asking;
    struct dns_answer *answer = &asking->resolver->registry->answer;

    answer->address_count = answer->service_count = 0;
    answer->ttl_s = UINT32_MAX;
    answer->is_cut = false;
    if (dns_answer_read(answer, (enum dns_type)query->dns.type, bytes, len) < 0)
        lost(asking, query->dns.type);
    if (answer->ttl_s < asking->ttl_s)
        asking->ttl_s = answer->ttl_s;
    asking->question.is_cut |= answer->is_cut;
    for (unsigned i = 0; i < answer->address_count; i++)
        found_add(&asking->question, &query->like, &answer->addresses[i]);
    if (query->dns.type == DNS_SRV)
        services_take(asking, answer);
}

static void query_answered(struct dns_query *dns, int error, const unsigned char *bytes, size_t len)
{
    struct query  *query = container_of(dns, struct query, dns);
    struct asking *asking = query->asking;

    list_remove(&query->link);
    if (asking != NULL) {
        if (error == 0)
            query_take(query, bytes, len);
        else if (error != -ENOENT)
            lost(asking, dns->type);
        task_wake(&asking->task, WAKE_LETTER);
    }
    mem_free(query);
}

static void query_send(struct asking *asking, const char *name, enum dns_type type,
                       const struct resolved *like)
{
    struct dns_channel *channel = channel_of(asking->resolver);
    struct query       *query;

    if (channel == NULL) {
        lost(asking, type);
        return;
    }
    query = mem_new(sizeof(*query));
    query->dns = (struct dns_query){ .name = name, .type = type, .answered = query_answered };
    query->asking = asking;
    query->like = *like;
    list_append(&asking->queries, &query->link);
    dns_channel_ask(channel, &query->dns);
}

static void queries_drop(struct asking *asking)
{
    LIST_EACH_SAFE(&asking->queries, at, after) {
        struct query *query = container_of(at, struct query, link);

        lost(asking, query->dns.type);
        query->asking = NULL;
        list_remove(at);
    }
}

/* ---- addresses ---- */

/* Where there are addresses of one family only (but for loopback), those of the other are of no use:
 * what getaddrinfo() calls AI_ADDRCONFIG. */
static void families_of_system(bool *ret_has_v4, bool *ret_has_v6)
{
    struct ifaddrs *list;

    *ret_has_v4 = *ret_has_v6 = false;
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        if (at->ifa_addr == NULL || (at->ifa_flags & IFF_LOOPBACK) != 0)
            continue;
        *ret_has_v4 |= at->ifa_addr->sa_family == AF_INET;
        *ret_has_v6 |= at->ifa_addr->sa_family == AF_INET6;
    }
    freeifaddrs(list);
}

static void addresses_ask(struct asking *asking, const char *name, const struct resolved *like)
{
    const struct resolver_policy *policy = &asking->resolver->policy;
    bool                          has_v4 = true, has_v6 = true;

    if (is_system(asking->resolver))
        families_of_system(&has_v4, &has_v6);
    if (!policy->is_v4_off && (has_v4 || !has_v6))
        query_send(asking, name, DNS_A, like);
    if (!policy->is_v6_off && (has_v6 || !has_v4))
        query_send(asking, name, DNS_AAAA, like);
}

static bool is_localhost(struct text name)
{
    return text_is_equal_nocase(name, TEXT("localhost")) ||
           text_has_suffix_nocase(name, TEXT(".localhost"));
}

/* Without asking anybody (localhost: RFC 6761 6.3); false: somebody must be asked. */
static bool is_found_here(struct asking *asking, const struct resolved *like)
{
    struct text     name = text_from(asking->name);
    struct address  addresses[RESOLVER_ADDRESSES_MOST];
    struct question *question = &asking->question;
    unsigned        count;

    if (!is_system(asking->resolver))
        return false;
    count = hosts_file_find(&asking->resolver->registry->hosts, name, addresses,
                            RESOLVER_ADDRESSES_MOST);
    if (count == 0 && is_localhost(name))
        count = address_parse_ip(TEXT("127.0.0.1"), 0, &addresses[0]) == 0;
    for (unsigned i = 0; i < count; i++)
        found_add(question, like, &addresses[i]);
    if (count > 0)
        asking->ttl_s = HOSTS_TTL_MS / 1000;
    return count > 0;
}

/* ---- questions ---- */

static uint32_t ttl_ms_of(const struct asking *asking)
{
    uint32_t valid_ms = asking->resolver->policy.valid_ms;
    uint64_t ttl_ms = valid_ms > 0 ? valid_ms : (uint64_t)asking->ttl_s * 1000;

    if (asking->is_lost && ttl_ms > PARTIAL_TTL_MS)
        ttl_ms = PARTIAL_TTL_MS;
    if (ttl_ms < RESOLVER_TTL_LEAST_MS)
        ttl_ms = RESOLVER_TTL_LEAST_MS;
    return (uint32_t)(ttl_ms < TTL_MOST_MS ? ttl_ms : TTL_MOST_MS);
}

static int error_of(const struct asking *asking, bool is_late)
{
    if (asking->question.count > 0)
        return 0;
    return is_late ? -ETIMEDOUT : asking->is_lost ? -EAGAIN : -ENOENT;
}

static void asking_end(struct asking *asking, bool is_late)
{
    queries_drop(asking);
    timer_remove(loop_timers(asking->resolver->loop), &asking->timer);
    MEM_FREE(&asking->services);
    asking->service_count = asking->next_service = 0;
    asking->question.error = error_of(asking, is_late);
    asking->question.ttl_ms = ttl_ms_of(asking);
    asking->question.is_answered = true;
    if (asking->question.waiter != NULL)
        task_wake(asking->question.waiter, WAKE_LETTER);
}

static void services_ask(struct asking *asking)
{
    while (asking->next_service < asking->service_count) {
        const struct dns_service *service = &asking->services[asking->next_service++];
        struct resolved like = like_of(service->port, service->priority, service->weight);

        addresses_ask(asking, service->target, &like);
    }
}

/* One server that does not answer about one family, or about one of many targets, must not hold up
 * what is known by now. */
static void deadline_renew(struct asking *asking)
{
    int64_t now_ms = loop_now_ms(asking->resolver->loop);

    if (asking->question.count > 0 && asking->deadline_ms > now_ms + REST_MS)
        asking->deadline_ms = now_ms + REST_MS;
    timer_set(loop_timers(asking->resolver->loop), &asking->timer, asking->deadline_ms);
}

static void asking_run(struct task *task, unsigned wakes)
{
    struct asking *asking = container_of(task, struct asking, task);

    (void)wakes;
    if (asking->question.is_answered)
        return;
    services_ask(asking);
    if (list_is_empty(&asking->queries))
        asking_end(asking, false);
    else if (loop_now_ms(asking->resolver->loop) >= asking->deadline_ms)
        asking_end(asking, true);
    else
        deadline_renew(asking);
}

static struct asking *asking_new(struct resolver *resolver, struct text name, uint32_t timeout_ms,
                                 struct task *waiter)
{
    struct asking *asking = mem_new(sizeof(*asking));

    asking->question.waiter = waiter;
    asking->resolver = resolver;
    resolver->refs++;
    task_init(&asking->task, asking_run);
    timer_init(&asking->timer, &asking->task);
    list_init(&asking->queries);
    asking->ttl_s = UINT32_MAX;
    asking->deadline_ms = loop_now_ms(resolver->loop) + timeout_ms;
    if (name.len < sizeof(asking->name))
        memcpy(asking->name, name.ptr, name.len);
    task_wake(&asking->task, WAKE_LETTER);
    return asking;
}

struct question *resolver_ask(struct resolver *resolver, struct text name, unsigned port,
                              uint32_t timeout_ms, struct task *waiter)
{
    struct asking  *asking = asking_new(resolver, name, timeout_ms, waiter);
    struct resolved like = like_of(port, 0, 0);

    if (asking->name[0] != '\0' && !is_found_here(asking, &like))
        addresses_ask(asking, asking->name, &like);
    return &asking->question;
}

struct question *resolver_ask_service(struct resolver *resolver, struct text name,
                                      uint32_t timeout_ms, struct task *waiter)
{
    struct asking  *asking = asking_new(resolver, name, timeout_ms, waiter);
    struct resolved like = like_of(0, 0, 0);

    if (asking->name[0] != '\0')
        query_send(asking, asking->name, DNS_SRV, &like);
    return &asking->question;
}

void question_free(struct question **question)
{
    struct asking *dead;

    if (*question == NULL)
        return;
    dead = container_of(*question, struct asking, question);
    *question = NULL;
    queries_drop(dead);
    timer_remove(loop_timers(dead->resolver->loop), &dead->timer);
    task_cancel(&dead->task);
    resolver_unref(&dead->resolver);
    mem_free(dead->services);
    mem_free(dead->question.found);
    mem_free(dead);
}
