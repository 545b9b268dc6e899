// SPDX-License-Identifier: MIT
/* Certificates and keys are two lists, which servers may inherit from different blocks; only here they
 * become pairs, and policies become contexts. */
#include "config/tls_block.h"

#include "base/map.h"
#include "config/http_block.h"
#include "config/tls_key.h"
#include "tls/client.h"

void tls_table_init(struct compiler *compiler)
{
    struct tls_table *table = ARENA_NEW(compiler->arena, struct tls_table);

    table->files = map_new(false);
    table->candidates = map_new(false);
    table->candidate_lists = map_new(false);
    table->caches = map_new(false);
    table->servers = map_new(false);
    table->clients = map_new(false);
    table->complaints = map_new(false);
    table->drafts_end = &table->drafts;
    compiler->tls = table;
}

void tls_table_done(struct compiler *compiler)
{
    map_free(&compiler->tls->files);
    map_free(&compiler->tls->candidates);
    map_free(&compiler->tls->candidate_lists);
    map_free(&compiler->tls->caches);
    map_free(&compiler->tls->servers);
    map_free(&compiler->tls->clients);
    map_free(&compiler->tls->complaints);
}

/* ---- complaints of the library ---- */

/* `x("/conf/a.pem") failed` quotes "a.pem". */
static bool is_quoted(struct compiler *compiler, struct text words, struct text value)
{
    struct text ending = arena_format(compiler->arena, "%.*s\"", TEXT_ARGS(value));
    size_t      at = text_find_text(words, ending);

    return value.len > 0 && at > 0 && at < words.len &&
           (words.ptr[at - 1] == '"' || words.ptr[at - 1] == '/');
}

/* The directive whose arguments are all in the words; NULL: none. */
static const struct word *blame_in(struct compiler *compiler, const struct node *nodes,
                                   struct text words)
{
    for (; nodes != NULL; nodes = nodes->next) {
        unsigned count = 0;

        if (text_find_text(nodes->name.text, TEXT("ssl_")) == nodes->name.text.len)
            continue;
        while (count < nodes->arg_count && is_quoted(compiler, words, nodes->args[count].text))
            count++;
        if (count > 0 && count == nodes->arg_count)
            return &nodes->args[0];
    }
    return NULL;
}

/* In the block, in those around it, or else the block itself. */
static const struct word *blame(struct compiler *compiler, const struct node *node,
                                struct text words)
{
    const struct word  *word = blame_in(compiler, node->children, words);
    const struct level *level = compiler->level;

    for (; word == NULL && level != NULL; level = level->outer)
        if (level->node != NULL)
            word = blame_in(compiler, level->node->children, words);
    if (word == NULL)
        word = blame_in(compiler, compiler->tls->http, words);
    return word != NULL ? word : &node->name;
}

/* Blocks that inherit a mistake make it again. */
static void complain_of(struct compiler *compiler, const struct node *node,
                        const struct tls_complaint *complaint)
{
    const struct word *word = blame(compiler, node, complaint->words);
    struct text        key = arena_format(compiler->arena, "%s:%u:%u %.*s", word->file->path, word->line,
                                          word->column, TEXT_ARGS(complaint->words));

    if (map_add(compiler->tls->complaints, key, compiler))
        complain(compiler, word, "%.*s", TEXT_ARGS(complaint->words));
}

/* A file that could not be read has been complained of. */
static bool has_all(const struct tls_pair *pair)
{
    for (; pair != NULL; pair = pair->next)
        if ((pair->certificate_template == NULL && pair->certificate.text.ptr == NULL) ||
            (pair->key_template == NULL && pair->key.text.ptr == NULL))
            return false;
    return true;
}

/* ---- servers ---- */

static void check_verify(struct compiler *compiler, const struct tls_policy *policy)
{
    if (policy->verify == TLS_VERIFY_OFF || policy->verify == TLS_VERIFY_OPTIONAL_NO_CA ||
        policy->client_cas.path.len > 0 || policy->trusted.path.len > 0)
        return;
    complain(compiler, compiler->level->verify_place,
             "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client");
}

/* "ssl on": whatever the server listens on. */
static void listens_become_ssl(struct compiler *compiler, const struct server *server)
{
    for (struct listen *at = compiler->config->site.listens; at != NULL; at = at->next)
        for (unsigned i = 0; i < at->server_count; i++)
            at->is_ssl = at->is_ssl || at->servers[i] == server;
}

void tls_server_finish(struct compiler *compiler, const struct node *node)
{
    struct server     *server = compiler->level->server;
    struct tls_policy *policy = &server->tls_policy;
    struct tls_draft  *draft = ARENA_NEW(compiler->arena, struct tls_draft);

    policy->file = server->place.file;
    policy->line = server->place.line;
    if (compiler->level->is_ssl)
        listens_become_ssl(compiler, server);
    draft->is_fine =
        tls_items_pair(compiler, &compiler->level->tls, &policy->pairs, &policy->candidates) &&
        has_all(policy->pairs);
    if (!draft->is_fine)
        policy->is_rejecting = true;     /* for no more complaints */
    if (policy->pairs != NULL || policy->is_rejecting)
        check_verify(compiler, policy);
    draft->server = server;
    draft->node = node;
    *compiler->tls->drafts_end = draft;
    compiler->tls->drafts_end = &draft->next;
}

static const struct node *node_of(const struct compiler *compiler, const struct server *server)
{
    const struct tls_draft *draft = compiler->tls->drafts;

    while (draft->server != server)
        draft = draft->next;
    return draft->node;
}

static bool may_shake_hands(const struct server *server)
{
    return server->tls_policy.pairs != NULL || server->tls_policy.is_rejecting;
}

/* nginx's rule: the default server decides for those that have a certificate; if it rejects all who
 * come without a known name, each of the others needs one. */
static void check_listen(struct compiler *compiler, const struct listen *listen)
{
    const struct server *first = listen->servers[0], *bad = NULL;

    if (!may_shake_hands(first))
        bad = first;
    else if (first->tls_policy.pairs == NULL)
        for (unsigned i = 1; i < listen->server_count && bad == NULL; i++)
            bad = may_shake_hands(listen->servers[i]) ? NULL : listen->servers[i];
    if (bad != NULL)
        complain(compiler, &node_of(compiler, bad)->name,
                 "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive");
}

/* "listen ... http2" is for all servers of the address; "http2 on" for one, in a handshake for its name. */
static void offer_http2(const struct listen *listen)
{
    for (unsigned i = 0; i < listen->server_count; i++)
        listen->servers[i]->tls_policy.has_http2 =
            listen->servers[i]->tls_policy.has_http2 || listen->is_http2;
}

static void allow_http2(struct listen *listen)
{
    for (unsigned i = 0; i < listen->server_count; i++)
        listen->is_http2 = listen->is_http2 || listen->servers[i]->is_http2;
}

/* A context that does not come about is complained of once. */
static void server_make(struct compiler *compiler, const struct tls_draft *draft)
{
    struct server       *server = draft->server;
    struct text          key = tls_policy_key(compiler->arena, &server->tls_policy);
    struct tls_complaint complaint;
    struct tls_server   *made = map_get(compiler->tls->servers, key);

    if (made == NULL) {
        made = tls_server_new(compiler->arena, &server->tls_policy, &complaint);
        if (made == NULL) {
            complain_of(compiler, draft->node, &complaint);
            return;
        }
        must(map_add(compiler->tls->servers, key, made));
    }
    server->tls = made;
}

void tls_site_finish(struct compiler *compiler)
{
    for (struct tls_draft *at = compiler->tls->drafts; at != NULL; at = at->next)
        at->server->tls_policy.has_http2 = at->server->is_http2;
    for (struct listen *at = compiler->config->site.listens; at != NULL; at = at->next) {
        offer_http2(at);
        allow_http2(at);
        if (at->is_ssl)
            check_listen(compiler, at);
    }
    for (const struct tls_draft *at = compiler->tls->drafts; at != NULL; at = at->next)
        if (at->is_fine && may_shake_hands(at->server))
            server_make(compiler, at);
}

/* ---- locations ---- */

static const struct word *word_in(const struct level *level, const char *directive)
{
    const struct node *at = level->node->children;

    while (at != NULL && !text_is_equal(at->name.text, text_from(directive)))
        at = at->next;
    return at != NULL ? &at->name : &level->node->name;
}

/* Where the system keeps those whom it trusts (ours: nginx insists on the directive). */
static void trust_system(struct compiler *compiler, const char *prefix, struct tls_file *trusted)
{
    struct text path = TEXT(TLS_SYSTEM_CAS);

    if (tls_path_read(compiler, path, &trusted->text) == 0)
        trusted->path = path;
    else
        complain(compiler, word_in(compiler->level, prefix[0] == 'g' ? "grpc_pass" : "proxy_pass"),
                 "no %s_ssl_trusted_certificate for %s_ssl_verify", prefix, prefix)
            ->hint = TEXT("the system's are not in " TLS_SYSTEM_CAS);
}

/* With variables: as far as the text before the first one tells. */
static bool may_be_tls(const struct pass *pass, const char *scheme)
{
    struct text before = text_part(pass->url, 0, text_find(pass->url, '$'));

    return pass->is_tls ||
           (pass->url_template != NULL && text_has_prefix_nocase(text_from(scheme), before));
}

/* The policy moves once more (location_take_grpc), so the context has a copy. */
static const struct tls_client *client_of(struct compiler *compiler,
                                          const struct tls_peer_policy *policy)
{
    struct text             key = tls_peer_policy_key(compiler->arena, policy);
    struct tls_client      *client = map_get(compiler->tls->clients, key);
    struct tls_peer_policy *copy;
    struct tls_complaint    complaint;

    if (client != NULL)
        return client;
    copy = ARENA_NEW(compiler->arena, struct tls_peer_policy);
    *copy = *policy;
    client = tls_client_new(compiler->arena, copy, &complaint);
    if (client == NULL)
        complain_of(compiler, compiler->level->node, &complaint);
    else
        must(map_add(compiler->tls->clients, key, client));
    return client;
}

static void peers_finish(struct compiler *compiler, struct proxy_policy *proxy,
                         const struct tls_items *items)
{
    struct tls_peer_policy *policy = &proxy->tls_policy;

    proxy->tls = NULL;
    policy->pair = NULL;
    policy->candidates = NULL;
    if (proxy->pass == NULL || !may_be_tls(proxy->pass, proxy->is_grpc ? "grpcs://" : "https://"))
        return;
    policy->file = proxy->pass->place.file;
    policy->line = proxy->pass->place.line;
    policy->has_http2 = proxy->http_version == 20;
    policy->must_be_http2 = proxy->is_grpc;
    if (!tls_items_pair(compiler, items, &policy->pair, &policy->candidates))
        return;
    if (policy->is_verifying && policy->trusted.path.len == 0)
        trust_system(compiler, proxy->is_grpc ? "grpc" : "proxy", &policy->trusted);
    if (has_all(policy->pair))
        proxy->tls = client_of(compiler, policy);
}

void tls_location_finish(struct compiler *compiler)
{
    struct level *level = compiler->level;

    peers_finish(compiler, &level->location->proxy, &level->proxy_tls);
    peers_finish(compiler, &level->grpc, &level->grpc_tls);
}
