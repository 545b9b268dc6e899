// SPDX-License-Identifier: MIT
/* The source gives the same text for the same path, so files are not compared byte by byte; a value that
 * stands in the configuration itself is a text of its own, unless it was inherited. */
#include "config/tls_key.h"

#include "base/writer.h"
#include "expr/template.h"

static void add_text(struct writer *writer, struct text text)
{
    writer_format(writer, "%zu:%.*s ", text.len, TEXT_ARGS(text));
}

static void add_file(struct writer *writer, const struct tls_file *file)
{
    add_text(writer, file->path);
    writer_format(writer, "%p+%zu ", (const void *)file->text.ptr, file->text.len);
}

static void add_template(struct writer *writer, const struct template *template)
{
    add_text(writer, template == NULL ? TEXT("") : template_source(template));
}

static void add_pairs(struct writer *writer, const struct tls_pair *pair,
                      const struct tls_candidate *candidates)
{
    for (; pair != NULL; pair = pair->next) {
        add_file(writer, &pair->certificate);
        add_file(writer, &pair->key);
        add_template(writer, pair->certificate_template);
        add_template(writer, pair->key_template);
    }
    writer_format(writer, "%p\n", (const void *)candidates);
}

static void add_commands(struct writer *writer, const struct tls_command *command)
{
    for (; command != NULL; command = command->next) {
        add_text(writer, command->name);
        add_text(writer, command->value);
    }
    writer_char(writer, '\n');
}

static void add_list(struct writer *writer, const struct tls_text_list *at)
{
    for (; at != NULL; at = at->next)
        add_file(writer, &at->file);
    writer_char(writer, '\n');
}

struct text tls_policy_key(struct arena *arena, const struct tls_policy *policy)
{
    struct writer writer = writer_arena(arena, 512);

    add_pairs(&writer, policy->pairs, policy->candidates);
    add_commands(&writer, policy->commands);
    add_list(&writer, policy->ticket_keys);
    add_list(&writer, policy->passwords);
    add_text(&writer, policy->ciphers);
    add_text(&writer, policy->curves);
    add_text(&writer, policy->cache_name);
    add_text(&writer, policy->stapling_responder);
    add_file(&writer, &policy->dhparam);
    add_file(&writer, &policy->client_cas);
    add_file(&writer, &policy->trusted);
    add_file(&writer, &policy->crl);
    add_file(&writer, &policy->stapling_file);
    writer_format(&writer, "%u %u %llu %u %u %u %u ", policy->versions, (unsigned)policy->cache,
                  (unsigned long long)policy->cache_bytes, policy->session_timeout_s,
                  (unsigned)policy->verify, policy->verify_depth, policy->buffer_size);
    writer_format(&writer, "%d %d %d %d %d %d %d", policy->prefers_server_ciphers,
                  policy->has_tickets, policy->is_stapling, policy->is_stapling_verified,
                  policy->has_early_data, policy->is_rejecting, policy->has_http2);
    return writer_done(&writer);
}

struct text tls_peer_policy_key(struct arena *arena, const struct tls_peer_policy *policy)
{
    struct writer writer = writer_arena(arena, 512);

    add_pairs(&writer, policy->pair, policy->candidates);
    add_commands(&writer, policy->commands);
    add_list(&writer, policy->passwords);
    add_text(&writer, policy->ciphers);
    add_template(&writer, policy->name);
    add_file(&writer, &policy->trusted);
    add_file(&writer, &policy->crl);
    writer_format(&writer, "%u %u %d %d %d %d %d", policy->versions, policy->verify_depth,
                  policy->has_server_name, policy->is_verifying, policy->is_reusing,
                  policy->has_http2, policy->must_be_http2);
    return writer_done(&writer);
}
