// SPDX-License-Identifier: MIT
/* ssl_*: TLS towards clients. What they say ends up in the server's tls_policy (tls_block.c). */
#include <stddef.h>

#include "base/map.h"
#include "config/tls_block.h"
#include "config/tls_values.h"
#include "config/values.h"

enum {
    CACHE_LEAST = 8 * 4096,              /* nginx's: eight pages */
    SESSION_BYTES = 256,                 /* of one in a cache, as nginx counts: 4000 in 1 MB */
    BUILTIN_SESSIONS = 20480,
    SESSIONS_MOST = 1 << 22,
    RECORD_LEAST = 512, RECORD_MOST = 16384,   /* of TLS */
};

/* ---- ssl ---- */

static void apply_ssl(struct compiler *compiler, const struct node *node, void *field)
{
    if (!word_flag(compiler, &node->args[0], field))
        return;
    warn(compiler, &node->name,
         "the \"ssl\" directive is deprecated, use the \"listen ... ssl\" directive instead")
        ->hint = *(bool *)field ? TEXT("listen 443 ssl;") : TEXT("it may go");
}

/* ---- sessions ---- */

/* One size for a name in the whole configuration. */
static bool cache_is_alike(struct compiler *compiler, const struct word *word, struct text name,
                           uint64_t bytes)
{
    uint64_t *size = map_get(compiler->tls->caches, name);

    if (size == NULL) {
        size = ARENA_NEW(compiler->arena, uint64_t);
        *size = bytes;
        must(map_add(compiler->tls->caches, name, size));
    }
    if (*size == bytes)
        return true;
    complain(compiler, word,
             "the size %llu of shared memory zone \"%.*s\" conflicts with already declared size "
             "%llu",
             (unsigned long long)bytes, TEXT_ARGS(name), (unsigned long long)*size);
    return false;
}

static bool take_shared(struct compiler *compiler, const struct word *word,
                        struct tls_policy *policy)
{
    struct text rest = text_from_offset(word->text, sizeof("shared:") - 1), name;
    uint64_t    bytes;

    if (text_find(rest, ':') == rest.len)
        return false;
    (void)text_split(&rest, ':', &name);
    if (name.len == 0 || value_size(rest, &bytes) < 0)
        return false;
    if (bytes < CACHE_LEAST) {
        complain(compiler, word, "session cache \"%.*s\" is too small", TEXT_ARGS(word->text));
        return true;
    }
    name = arena_copy(compiler->arena, name);
    if (cache_is_alike(compiler, word, name, bytes)) {
        policy->cache = TLS_CACHE_SHARED;
        policy->cache_name = name;
        policy->cache_bytes = bytes;
    }
    return true;
}

/* Beside "shared" it says nothing: there is one cache, for all loops. */
static bool take_builtin(const struct word *word, struct tls_policy *policy)
{
    uint64_t sessions = BUILTIN_SESSIONS;

    if (word->text.len > sizeof("builtin") - 1 &&
        value_number(text_from_offset(word->text, sizeof("builtin:") - 1), SESSIONS_MOST,
                     &sessions) < 0)
        return false;
    if (policy->cache != TLS_CACHE_SHARED) {
        policy->cache = TLS_CACHE_SHARED;
        policy->cache_bytes = (sessions == 0 ? BUILTIN_SESSIONS : sessions) * SESSION_BYTES;
    }
    return true;
}

static bool take_cache(struct compiler *compiler, const struct word *word,
                       struct tls_policy *policy)
{
    if (text_is_equal(word->text, TEXT("off")))
        policy->cache = TLS_CACHE_OFF;
    else if (text_is_equal(word->text, TEXT("none")))
        policy->cache = TLS_CACHE_NONE;
    else if (text_is_equal(word->text, TEXT("builtin")) ||
             text_has_prefix(word->text, TEXT("builtin:")))
        return take_builtin(word, policy);
    else
        return text_has_prefix(word->text, TEXT("shared:")) && take_shared(compiler, word, policy);
    return true;
}

static void apply_resume_cache(struct compiler *compiler, const struct node *node, void *field)
{
    struct tls_policy *policy = &compiler->level->server->tls_policy;

    (void)field;
    policy->cache = TLS_CACHE_NONE;
    policy->cache_name = TEXT("");
    policy->cache_bytes = 0;
    for (unsigned i = 0; i < node->arg_count; i++)
        if (!take_cache(compiler, &node->args[i], policy)) {
            complain(compiler, &node->args[i], "invalid session cache \"%.*s\"",
                     TEXT_ARGS(node->args[i].text))
                ->hint = TEXT("off, none, builtin, builtin:sessions, or shared:name:size");
            return;
        }
}

static void apply_resume_timeout(struct compiler *compiler, const struct node *node, void *field)
{
    uint64_t seconds;

    if (value_sec(node->args[0].text, &seconds) < 0 || seconds > INT32_MAX)
        complain_value(compiler, &node->args[0]);
    else
        *(uint32_t *)field = (uint32_t)seconds;
}

static void apply_ticket_key(struct compiler *compiler, const struct node *node, void *field)
{
    struct tls_text_list **end = field;
    struct tls_file        file;

    if (compiler->is_first)
        *end = NULL;
    if (!tls_file_read(compiler, &node->args[0], TLS_FILE_PLAIN, &file))
        return;
    if (file.text.len != 48 && file.text.len != 80) {
        complain(compiler, &node->args[0], "\"%.*s\" must be 48 or 80 bytes", TEXT_ARGS(file.path))
            ->hint = TEXT("openssl rand 80 > FILE");
        return;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = ARENA_NEW(compiler->arena, struct tls_text_list);
    (*end)->file = file;
}

/* ---- the rest ---- */

static void apply_curves(struct compiler *compiler, const struct node *node, void *field)
{
    if (text_is_equal(node->args[0].text, TEXT("auto")))
        *(struct text *)field = TEXT("");
    else
        apply_text(compiler, node, field);
}

static void apply_verify_client(struct compiler *compiler, const struct node *node, void *field)
{
    static const struct choice choices[] = { { "off", TLS_VERIFY_OFF },
                                             { "on", TLS_VERIFY_ON },
                                             { "optional", TLS_VERIFY_OPTIONAL },
                                             { "optional_no_ca", TLS_VERIFY_OPTIONAL_NO_CA } };
    unsigned                   value;

    if (!WORD_CHOICE(compiler, &node->args[0], choices, &value))
        return;
    *(enum tls_verify *)field = (enum tls_verify)value;
    compiler->level->verify_place = &node->args[0];
}

static void apply_buffer_size(struct compiler *compiler, const struct node *node, void *field)
{
    uint32_t *bytes = field;

    apply_buffer32(compiler, node, field);
    *bytes = *bytes < RECORD_LEAST ? RECORD_LEAST : *bytes > RECORD_MOST ? RECORD_MOST : *bytes;
}

static void apply_responder(struct compiler *compiler, const struct node *node, void *field)
{
    if (text_has_prefix_nocase(node->args[0].text, TEXT("http://")))
        apply_text(compiler, node, field);
    else
        complain(compiler, &node->args[0], "invalid URL prefix in OCSP responder \"%.*s\"",
                 TEXT_ARGS(node->args[0].text))
            ->hint = TEXT("the URL begins with http://");
}

#define BOTH (IN_HTTP | IN_SERVER)
#define TLS(member) FIELD_SERVER(tls_policy.member)

static const struct directive rows[] = {
    { "ssl_certificate", BOTH, 1, 1, IS_LIST, apply_tls_certificate, FIELD_LEVEL(tls.certificates),
      "file | data:value", "",
      "The server's certificate, then those that lead to the one that clients know. Several: of "
      "different kinds of keys. With variables: one of the files that match, each variable being "
      "a `*`, when the configuration is read." },
    { "ssl_certificate_key", BOTH, 1, 1, IS_LIST, apply_tls_key, FIELD_LEVEL(tls.keys),
      "file | data:value", "", "Its key; one for each certificate, in the same order." },
    { "ssl_password_file", BOTH, 1, 1, 0, apply_tls_passwords, TLS(passwords), "file", "",
      "Passwords of keys, one per line, tried in turn." },
    { "ssl_protocols", BOTH, 1, ARGS_MANY, 0, apply_tls_protocols, TLS(versions),
      "[TLSv1] [TLSv1.1] [TLSv1.2] [TLSv1.3]", "TLSv1.2 TLSv1.3", "Versions that are spoken." },
    { "ssl_ciphers", BOTH, 1, 1, 0, apply_text, TLS(ciphers), "ciphers", "",
      "Ciphers up to TLS 1.2, in OpenSSL's words. Without: those with forward secrecy and AEAD." },
    { "ssl_prefer_server_ciphers", BOTH, 1, 1, 0, apply_flag, TLS(prefers_server_ciphers),
      "on | off", "off", "Our order counts, not the client's." },
    { "ssl_ecdh_curve", BOTH, 1, 1, 0, apply_curves, TLS(curves), "curve[:curve ...] | auto",
      "auto", "Groups of the key exchange, in order of preference." },
    { "ssl_dhparam", BOTH, 1, 1, 0, apply_tls_file, TLS(dhparam), "file", "",
      "Parameters of DHE ciphers, which are off without them." },
    { "ssl_conf_command", BOTH, 2, 2, IS_LIST, apply_tls_command, TLS(commands), "name value", "",
      "A command of OpenSSL's configuration (SSL_CONF_cmd)." },
    { "ssl_session_cache", BOTH, 1, 2, 0, apply_resume_cache, TLS(cache),
      "off | none | builtin[:sessions] | shared:name:size ...", "none",
      "Sessions that can be resumed without tickets. Servers that say the same name share it." },
    { "ssl_session_timeout", BOTH, 1, 1, 0, apply_resume_timeout, TLS(session_timeout_s), "time",
      "5m", "How long a session can be resumed." },
    { "ssl_session_tickets", BOTH, 1, 1, 0, apply_flag, TLS(has_tickets), "on | off", "on",
      "Sessions are resumed by tickets that the client keeps." },
    { "ssl_session_ticket_key", BOTH, 1, 1, IS_LIST, apply_ticket_key, TLS(ticket_keys), "file", "",
      "Keys of tickets, 48 or 80 bytes; the first one makes them, all can read them. Without: keys "
      "of our own, which are changed every 12 hours and outlive reloads." },
    { "ssl_stapling", BOTH, 1, 1, 0, apply_flag, TLS(is_stapling), "on | off", "off",
      "OCSP responses are fetched and sent along with the certificate." },
    { "ssl_stapling_verify", BOTH, 1, 1, 0, apply_flag, TLS(is_stapling_verified), "on | off",
      "off", "They are verified first." },
    { "ssl_stapling_file", BOTH, 1, 1, 0, apply_tls_file, TLS(stapling_file), "file", "",
      "The response (DER) is read from here and not fetched." },
    { "ssl_stapling_responder", BOTH, 1, 1, 0, apply_responder, TLS(stapling_responder), "URL", "",
      "Who is asked, instead of whom the certificate names." },
    { "ssl_verify_client", BOTH, 1, 1, 0, apply_verify_client, TLS(verify),
      "on | off | optional | optional_no_ca", "off",
      "Clients are asked for a certificate; `on`: those without get 400." },
    { "ssl_verify_depth", BOTH, 1, 1, 0, apply_number, TLS(verify_depth), "number", "1",
      "Most certificates between a client's and one that is trusted." },
    { "ssl_client_certificate", BOTH, 1, 1, 0, apply_tls_ca, TLS(client_cas), "file", "",
      "Who may have issued clients' certificates; their names are sent to clients." },
    { "ssl_trusted_certificate", BOTH, 1, 1, 0, apply_tls_ca, TLS(trusted), "file", "",
      "The same, without their names; also for OCSP responses." },
    { "ssl_crl", BOTH, 1, 1, 0, apply_tls_crl, TLS(crl), "file", "",
      "Revoked certificates of clients." },
    { "ssl_early_data", BOTH, 1, 1, 0, apply_flag, TLS(has_early_data), "on | off", "off",
      "Requests of safe methods may come in the first flight of TLS 1.3, where they can be "
      "repeated by others." },
    { "ssl_buffer_size", BOTH, 1, 1, 0, apply_buffer_size, TLS(buffer_size), "size", "16k",
      "Largest record that is sent; 512 to 16k." },
    { "ssl_reject_handshake", BOTH, 1, 1, 0, apply_flag, TLS(is_rejecting), "on | off", "off",
      "Handshakes for this server are refused." },
    { "ssl", BOTH, 1, 1, 0, apply_ssl, FIELD_LEVEL(is_ssl), "on | off", "off",
      "The old way to say `listen ... ssl`." },
};

const struct directive_rows rows_tls = DIRECTIVE_ROWS("TLS towards clients", rows);
