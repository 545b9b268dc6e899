// SPDX-License-Identifier: MIT
/* Buffers that must fit each other, redirects that need a URL, names that several servers claim. */
#include "config/validate.h"

#include "base/map.h"
#include "base/writer.h"
#include "config/defaults.h"
#include "config/http_block.h"
#include "config/tls_block.h"

/* ---- one level ---- */

static const char *buffers_fault(const struct proxy_policy *policy)
{
    uint64_t largest = policy->buffer_size > policy->buffers_size ? policy->buffer_size
                                                                  : policy->buffers_size;

    if (policy->buffers_count < 2)
        return "there must be at least 2 \"proxy_buffers\"";
    if (policy->busy_size < largest)
        return "\"proxy_busy_buffers_size\" must be equal to or greater than the maximum of the "
               "value of \"proxy_buffer_size\" and one of the \"proxy_buffers\"";
    if (policy->busy_size > (policy->buffers_count - 1) * policy->buffers_size)
        return "\"proxy_busy_buffers_size\" must be less than the size of all \"proxy_buffers\" "
               "minus one buffer";
    return NULL;
}

/* The busy size follows the others unless it was given. */
static void validate_buffers(struct compiler *compiler)
{
    struct level        *level = compiler->level;
    struct proxy_policy *policy = &level->location->proxy;
    uint64_t             largest;
    const char          *fault;
    bool                 is_own;

    if (level->busy_place.file == NULL)
        return;
    is_own = level->outer == NULL || level->outer->busy_place.file != level->busy_place.file ||
             level->outer->busy_place.line != level->busy_place.line ||
             level->outer->busy_place.column != level->busy_place.column;
    largest =
        policy->buffer_size > policy->buffers_size ? policy->buffer_size : policy->buffers_size;
    policy->busy_size = level->busy_size > 0 ? level->busy_size : 2 * largest;
    /* The http level alone needs not fit: servers may add what is missing. */
    if (level->where == IN_HTTP || (level->where == IN_LOCATION && !is_own))
        return;
    fault = buffers_fault(policy);
    if (fault != NULL && !compiler->has_buffers_fault)
        complain(compiler, &level->busy_place, "%s", fault);
    compiler->has_buffers_fault = compiler->has_buffers_fault || (fault != NULL && !is_own);
}

static void validate_redirect(struct compiler *compiler)
{
    const struct level *level = compiler->level;
    const struct pass  *pass = level->location->proxy.pass;

    if (level->where == IN_LOCATION && level->has_default_redirect && pass != NULL &&
        pass->url_template != NULL)
        complain(compiler, &level->node->name,
                 "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with "
                 "variables");
}

void validate_level(struct compiler *compiler)
{
    if (compiler->level->where == IN_MAIN) {
        defaults_set_error_log(compiler);
        defaults_set_control(compiler);
    }
    if ((compiler->level->where & EVERYWHERE) == 0)
        return;
    validate_buffers(compiler);
    validate_redirect(compiler);
    if (compiler->level->where == IN_LOCATION)
        tls_location_finish(compiler);
    health_checks_finish(compiler);
}

/* ---- names of servers ---- */

/* ".x" is "x" and "*.x". */
static bool name_claim(struct compiler *compiler, struct map *owners, struct text name,
                       const struct server *server)
{
    struct text star;
    bool        is_free;

    if (!text_has_prefix(name, TEXT(".")))
        return map_add(owners, name, (void *)server);
    star = arena_format(compiler->arena, "*%.*s", TEXT_ARGS(name));
    is_free = map_add(owners, text_from_offset(name, 1), (void *)server);
    return map_add(owners, star, (void *)server) && is_free;
}

static void validate_names(struct compiler *compiler, const struct listen *listen,
                           const struct server *server, struct map *owners)
{
    char address[ADDRESS_TEXT_BYTES];

    for (const struct server_name *name = server->names; name != NULL; name = name->next) {
        struct diagnosis *diagnosis;

        if (name->regex != NULL || name_claim(compiler, owners, name->name, server))
            continue;
        diagnosis = warn(compiler, NULL, "conflicting server name \"%.*s\" on %s, ignored",
                         TEXT_ARGS(name->name), address_string(&listen->address, address));
        diagnosis->file = arena_string(compiler->diagnoses->arena, text_from(server->place.file));
        diagnosis->line = server->place.line;
    }
}

static void validate_listen(struct compiler *compiler, const struct listen *listen)
{
    struct map *owners = map_new(true);

    for (const struct server *server = compiler->config->site.servers; server != NULL;
         server = server->next)
        for (unsigned i = 0; i < listen->server_count; i++)
            if (listen->servers[i] == server)
                validate_names(compiler, listen, server, owners);
    map_free(&owners);
}

void validate_whole(struct compiler *compiler)
{
    for (const struct listen *listen = compiler->config->site.listens; listen != NULL;
         listen = listen->next)
        validate_listen(compiler, listen);
    tls_site_finish(compiler);
    variables_table_check(&compiler->variables);
}
