// SPDX-License-Identifier: MIT
/* Parts of a policy go into an SSL_CTX. The sentences are nginx's, since tools and people know them. */
#include "tls/setup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls/library.h"

int tls_complain(struct tls_setup *setup, const char *format, ...)
{
    struct writer writer = writer_arena(setup->arena, 256);
    char          words[512];
    va_list       arguments;

    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    writer_string(&writer, words);
    tls_errors_write(&writer);
    *setup->complaint = (struct tls_complaint){ .words = writer_done(&writer),
                                                .file = setup->file,
                                                .line = setup->line };
    return -EINVAL;
}

BIO *tls_reader(struct text text)
{
    BIO *reader = BIO_new_mem_buf(text.len > 0 ? text.ptr : "", (int)text.len);

    must(reader != NULL);
    return reader;
}

bool tls_is_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();

    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

int tls_setup_versions(struct tls_setup *setup, unsigned versions)
{
    static const struct {
        unsigned version;
        int      number;
        uint64_t ban;
    } rows[] = { { TLS_VERSION_1_0, TLS1_VERSION, SSL_OP_NO_TLSv1 },
                 { TLS_VERSION_1_1, TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
                 { TLS_VERSION_1_2, TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
                 { TLS_VERSION_1_3, TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 } };
    int least = 0, most = 0;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((versions & rows[i].version) == 0) {
            SSL_CTX_set_options(setup->made, rows[i].ban);
            continue;
        }
        least = least == 0 ? rows[i].number : least;
        most = rows[i].number;
    }
    if (SSL_CTX_set_min_proto_version(setup->made, least) == 0 ||
        SSL_CTX_set_max_proto_version(setup->made, most) == 0)
        return tls_complain(setup, "SSL_CTX_set_min_proto_version() failed");
    return 0;
}

int tls_setup_ciphers(struct tls_setup *setup, const char *ciphers)
{
    if (SSL_CTX_set_cipher_list(setup->made, ciphers) == 0)
        return tls_complain(setup, "SSL_CTX_set_cipher_list(\"%s\") failed", ciphers);
    return 0;
}

int tls_setup_curves(struct tls_setup *setup, const char *curves)
{
    if (SSL_CTX_set1_curves_list(setup->made, curves) == 0)
        return tls_complain(setup, "SSL_CTX_set1_curves_list(\"%s\") failed", curves);
    return 0;
}

/* Without SSL_CONF_FLAG_CERTIFICATE: what opens files is no command here. */
int tls_setup_commands(struct tls_setup *setup, const struct tls_command *command, unsigned side)
{
    SSL_CONF_CTX *commands;
    int           error = 0;

    if (command == NULL)
        return 0;
    commands = SSL_CONF_CTX_new();
    must(commands != NULL);
    SSL_CONF_CTX_set_flags(commands, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SHOW_ERRORS | side);
    SSL_CONF_CTX_set_ssl_ctx(commands, setup->made);
    for (; command != NULL && error == 0; command = command->next) {
        const char *name = arena_string(setup->arena, command->name);
        const char *value = arena_string(setup->arena, command->value);

        setup->file = command->file;
        setup->line = command->line;
        if (SSL_CONF_cmd(commands, name, value) <= 0)
            error = tls_complain(setup, "SSL_CONF_cmd(\"%s\", \"%s\") failed", name, value);
    }
    if (error == 0 && SSL_CONF_CTX_finish(commands) != 1)
        error = tls_complain(setup, "SSL_CONF_finish() failed");
    SSL_CONF_CTX_free(commands);
    return error;
}

static void trust(struct tls_setup *setup, X509 *certificate, bool has_names)
{
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(setup->made), certificate) == 1);
    if (has_names)
        must(SSL_CTX_add_client_CA(setup->made, certificate) == 1);
    X509_free(certificate);
}

int tls_setup_trust(struct tls_setup *setup, const struct tls_file *file, bool has_names)
{
    BIO     *reader;
    X509    *certificate;
    unsigned count = 0;

    if (file->path.len == 0)
        return 0;
    reader = tls_reader(file->text);
    while ((certificate = PEM_read_bio_X509_AUX(reader, NULL, NULL, NULL)) != NULL) {
        trust(setup, certificate, has_names);
        count++;
    }
    BIO_free(reader);
    if (count > 0 && tls_is_end_of_pem())
        return 0;
    return tls_complain(setup, "SSL_CTX_load_verify_locations(\"%.*s\") failed",
                        TEXT_ARGS(file->path));
}

int tls_setup_crl(struct tls_setup *setup, const struct tls_file *file)
{
    X509_STORE *store = SSL_CTX_get_cert_store(setup->made);
    BIO        *reader;
    X509_CRL   *crl;
    unsigned    count = 0;

    if (file->path.len == 0)
        return 0;
    reader = tls_reader(file->text);
    for (; (crl = PEM_read_bio_X509_CRL(reader, NULL, NULL, NULL)) != NULL; count++) {
        must(X509_STORE_add_crl(store, crl) == 1);
        X509_CRL_free(crl);
    }
    BIO_free(reader);
    if (count == 0 || !tls_is_end_of_pem())
        return tls_complain(setup, "X509_load_crl_file(\"%.*s\") failed", TEXT_ARGS(file->path));
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}
