// SPDX-License-Identifier: MIT
/* The health of servers: outlier_ejection and health_check. */
#include <inttypes.h>
#include <stddef.h>

#include "balance/check.h"
#include "base/map.h"
#include "config/http_block.h"
#include "config/values.h"
#include "http/uri.h"

enum { COUNT_MOST = 1000 * 1000, PERCENT_MOST = 100, EJECTED_MOST = 50, PORT_MOST = 65535 };

/* ---- "name=value" ---- */

/* Takes "name=" off; false: it is another parameter. */
static bool is_parameter(struct text text, const char *name, struct text *ret_value)
{
    struct text prefix = text_from(name);

    if (!text_has_prefix(text, prefix))
        return false;
    *ret_value = text_from_offset(text, prefix.len);
    return true;
}

static bool take_number(struct text value, uint64_t least, uint64_t most, unsigned *field)
{
    uint64_t number;

    if (value_number(value, most, &number) < 0 || number < least)
        return false;
    *field = (unsigned)number;
    return true;
}

static bool take_percent(struct text value, uint64_t least, uint64_t most, unsigned *field)
{
    return value.len > 1 && value.ptr[value.len - 1] == '%' &&
           take_number(text_part(value, 0, value.len - 1), least, most, field);
}

static bool take_length(struct text value, uint32_t *field)
{
    uint32_t ms;

    if (value_msec(value, &ms) < 0 || ms == 0)
        return false;
    *field = ms;
    return true;
}

/* ---- outlier_ejection ---- */

static bool take_ejection(struct text text, struct ejection *ejection)
{
    struct text value;

    if (is_parameter(text, "consecutive=", &value))
        return take_number(value, 0, COUNT_MOST, &ejection->consecutive);
    if (is_parameter(text, "rate=", &value))
        return text_is_equal(value, TEXT("off"))
                   ? (ejection->rate = 0, true)
                   : take_percent(value, 1, PERCENT_MOST - 1, &ejection->rate);
    if (is_parameter(text, "requests=", &value))
        return take_number(value, 1, COUNT_MOST, &ejection->requests);
    if (is_parameter(text, "interval=", &value))
        return take_length(value, &ejection->interval_ms);
    if (is_parameter(text, "base=", &value))
        return take_length(value, &ejection->base_ms);
    if (is_parameter(text, "most=", &value))
        return take_percent(value, 1, EJECTED_MOST, &ejection->most);
    return false;
}

static void apply_ejection(struct compiler *compiler, const struct node *node, void *field)
{
    struct ejection ejection = { .is_on = true, .consecutive = 5, .rate = 30, .requests = 20,
                                 .interval_ms = 10 * 1000, .base_ms = 30 * 1000,
                                 .most = EJECTED_MOST };

    if (node->arg_count == 1 && text_is_equal(node->args[0].text, TEXT("off")))
        return;
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!take_ejection(node->args[i].text, &ejection))
            complain_parameter(compiler, &node->args[i]);
    *(struct ejection *)field = ejection;
}

/* ---- health_check ---- */

/* What its arguments say, and whether they may stand together. */
struct check_reader {
    struct compiler *compiler;
    struct check    *check;
    bool             has_uri, has_match, has_grpc;
};

static bool take_match(struct check_reader *reader, const struct word *word, struct text name)
{
    reader->has_match = true;
    reader->check->match = map_get(reader->compiler->matches, name);
    if (reader->check->match == NULL)
        complain(reader->compiler, word, "match \"%.*s\" is not found", TEXT_ARGS(name));
    return true;
}

static bool take_uri(struct check_reader *reader, struct text uri)
{
    reader->has_uri = true;
    reader->check->uri = arena_copy(reader->compiler->arena, uri);
    return text_has_prefix(uri, TEXT("/")) && uri_target_is_valid(uri);
}

static bool take_type(struct check *check, struct text type)
{
    static const struct { const char *word; enum check_type type; } types[] = {
        { "http", CHECK_HTTP }, { "tcp", CHECK_TCP }, { "grpc", CHECK_GRPC }
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (text_is_equal(type, text_from(types[i].word))) {
            check->type = types[i].type;
            return true;
        }
    return false;
}

static bool take_flag(struct check *check, struct text text)
{
    if (text_is_equal(text, TEXT("mandatory")))
        check->is_mandatory = true;
    else if (text_is_equal(text, TEXT("persistent")))
        check->is_persistent = true;
    else
        return false;
    return true;
}

/* False: it is no good. */
static bool take_check(struct check_reader *reader, const struct word *word)
{
    struct check *check = reader->check;
    struct text   text = word->text, value;

    if (is_parameter(text, "interval=", &value))
        return take_length(value, &check->interval_ms);
    if (is_parameter(text, "jitter=", &value))
        return value_msec(value, &check->jitter_ms) == 0;
    if (is_parameter(text, "fails=", &value))
        return take_number(value, 1, COUNT_MOST, &check->fails);
    if (is_parameter(text, "passes=", &value))
        return take_number(value, 1, COUNT_MOST, &check->passes);
    if (is_parameter(text, "port=", &value))
        return take_number(value, 1, PORT_MOST, &check->port);
    if (is_parameter(text, "keepalive_time=", &value))
        return value_msec(value, &check->keepalive_time_ms) == 0;
    if (is_parameter(text, "uri=", &value))
        return take_uri(reader, value);
    if (is_parameter(text, "match=", &value))
        return take_match(reader, word, value);
    if (is_parameter(text, "type=", &value))
        return take_type(check, value);
    if (is_parameter(text, "grpc_service=", &value)) {
        reader->has_grpc = true;
        check->grpc_service = arena_copy(reader->compiler->arena, value);
        return value.len > 0;
    }
    if (is_parameter(text, "grpc_status=", &value)) {
        reader->has_grpc = true;
        return take_number(value, 1, COUNT_MOST, &check->grpc_status);
    }
    return take_flag(check, text);
}

static void complain_of_contradictions(struct check_reader *reader, const struct node *node)
{
    const struct check *check = reader->check;

    if (check->is_persistent && !check->is_mandatory)
        complain(reader->compiler, &node->name,
                 "\"persistent\" of \"health_check\" needs \"mandatory\"");
    if (check->type == CHECK_TCP &&
        (reader->has_uri || reader->has_match || check->keepalive_time_ms > 0))
        complain(reader->compiler, &node->name,
                 "\"uri\", \"match\" and \"keepalive_time\" of \"health_check\" need "
                 "\"type=http\"");
    if (check->type == CHECK_GRPC && (reader->has_uri || reader->has_match))
        complain(reader->compiler, &node->name,
                 "\"uri\" and \"match\" of \"health_check\" need \"type=http\"");
    if (check->type != CHECK_GRPC && reader->has_grpc)
        complain(reader->compiler, &node->name,
                 "\"grpc_service\" and \"grpc_status\" of \"health_check\" need \"type=grpc\"");
}

static void apply_health_check(struct compiler *compiler, const struct node *node, void *field)
{
    struct check       *check = ARENA_NEW(compiler->arena, struct check), **end;
    struct check_reader reader = { .compiler = compiler, .check = check };

    (void)field;
    *check = (struct check){ .uri = TEXT("/"), .interval_ms = 5000, .fails = 1, .passes = 1 };
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!take_check(&reader, &node->args[i]))
            complain_parameter(compiler, &node->args[i]);
    complain_of_contradictions(&reader, node);
    for (end = &compiler->level->checks; *end != NULL; end = &(*end)->next)
        continue;
    *end = check;
    compiler->level->check_place = node;
}

/* ---- what a check has from its location ---- */

/* What is known without a request: literals and $proxy_host. Empty: the rest. */
static struct text known_value(const struct template *value, const struct pass *pass)
{
    if (template_is_constant(value))
        return template_eval(value, NULL);
    return text_is_equal(template_source(value), TEXT("$proxy_host")) ? pass->host : TEXT("");
}

static void take_fields(struct compiler *compiler, struct check *check,
                        const struct proxy_policy *policy)
{
    struct check_field **end = &check->fields;

    check->host = policy->pass->host;
    for (const struct set_header *at = policy->set_headers; at != NULL; at = at->next) {
        struct text value = known_value(at->value, policy->pass);

        if (value.len == 0 || (field_flags(at->id) & (FIELD_HOP | FIELD_FRAMING)) != 0)
            continue;
        if (at->id == FIELD_HOST) {
            check->host = value;
            continue;
        }
        *end = ARENA_NEW(compiler->arena, struct check_field);
        (*end)->name = at->name;
        (*end)->value = value;
        end = &(*end)->next;
    }
}

static void take_bind(struct check *check, const struct template *bind)
{
    if (bind != NULL && template_is_constant(bind))
        check->has_bind = address_parse_ip_port(template_eval(bind, NULL), &check->bind) == 0;
}

/* Who the server is to be: as far as that is known without a request. */
static void take_tls(struct check *check, const struct proxy_policy *policy)
{
    const struct template *name = policy->tls_policy.name;
    struct text            host;
    int                    port;

    check->tls_name = TEXT("");
    if (!policy->pass->is_tls)
        return;
    check->tls = policy->tls;
    if (name != NULL)
        check->tls_name = known_value(name, policy->pass);
    if (check->tls_name.len == 0)
        check->tls_name = policy->pass->host;
    if (uri_host_parse(check->tls_name, &host, &port) == 0)
        check->tls_name = host;
}

static void take_policy(struct compiler *compiler, struct check *check,
                        const struct proxy_policy *policy)
{
    take_fields(compiler, check, policy);
    take_bind(check, policy->bind);
    check->connect_timeout_ms = policy->connect_timeout_ms;
    check->send_timeout_ms = policy->send_timeout_ms;
    check->read_timeout_ms = policy->read_timeout_ms;
    check->head_bytes = (uint32_t)policy->buffer_size;
    check->proxy_protocol = policy->proxy_protocol;
    take_tls(check, policy);
    check->is_http2 = check->type == CHECK_GRPC || policy->http_version >= 20;
    check->must_be_http2 = check->type == CHECK_GRPC;
    check->key = arena_format(
        compiler->arena, "%d %u %d %" PRIx64 " %.*s %.*s %.*s %.*s %.*s %u", check->type,
        check->port, check->is_http2, check->tls != NULL ? tls_client_identity(check->tls) : 0,
        TEXT_ARGS(check->tls_name), TEXT_ARGS(check->host), TEXT_ARGS(check->uri),
                              TEXT_ARGS(check->match == NULL ? TEXT("") : check->match->name),
                              TEXT_ARGS(check->grpc_service), check->grpc_status);
}

/* Two locations with the same check of one group make one. */
static void check_add(struct upstream *upstream, struct check *check)
{
    struct check **end = &upstream->checks;

    for (; *end != NULL; end = &(*end)->next)
        if (text_is_equal((*end)->key, check->key))
            return;
    *end = check;
}

void health_checks_finish(struct compiler *compiler)
{
    const struct level        *level = compiler->level;
    const struct proxy_policy *policy =
        level->grpc.pass != NULL ? &level->grpc : &level->location->proxy;
    struct check              *next;

    if (level->checks == NULL)
        return;
    if (policy->pass == NULL || policy->pass->upstream == NULL ||
        policy->pass->upstream->is_implicit) {
        complain(compiler, &level->check_place->name,
                 "\"health_check\" needs a \"proxy_pass\" or \"grpc_pass\" to an \"upstream\" in "
                 "its location");
        return;
    }
    for (struct check *check = level->checks; check != NULL; check = next) {
        next = check->next;
        check->next = NULL;
        take_policy(compiler, check, policy);
        check_add(policy->pass->upstream, check);
    }
}

static const struct directive rows[] = {
    { "outlier_ejection", IN_UPSTREAM, 0, 6, 0, apply_ejection, FIELD_UPSTREAM(ejection),
      "[consecutive=number] [rate=percent% | rate=off] [requests=number] [interval=time] "
      "[base=time] [most=percent%] | off",
      "off",
      "Leaves out whoever answers much worse than the others, twice as long each time; see "
      "docs/health.md." },
    { "health_check", IN_LOCATION, 0, ARGS_MANY, IS_LIST, apply_health_check, FIELD_NONE,
      "[interval=time] [jitter=time] [fails=number] [passes=number] [uri=uri] [port=number] "
      "[match=name] [mandatory [persistent]] [type=http | type=tcp] [keepalive_time=time] "
      "[type=grpc [grpc_service=name] [grpc_status=code]]",
      "", "Asks the servers of the group regularly; see docs/health.md." },
};

const struct directive_rows rows_health = DIRECTIVE_ROWS("Health of servers", rows);
