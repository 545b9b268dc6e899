// SPDX-License-Identifier: MIT
/* proxy_ssl_* and grpc_ssl_*: TLS towards upstreams, by the same rows. */
#include <stddef.h>

#include "config/tls_values.h"
#include "config/values.h"

#define ROWS(scheme, TLS, ITEMS) \
    { scheme "_ssl_certificate", EVERYWHERE, 1, 1, 0, apply_tls_certificate, \
      FIELD_LEVEL(ITEMS.certificates), "file | data:value", "", \
      "Certificate that is shown to upstreams that ask for one. Variables as in " \
      "`ssl_certificate`; empty: none." }, \
    { scheme "_ssl_certificate_key", EVERYWHERE, 1, 1, 0, apply_tls_key, \
      FIELD_LEVEL(ITEMS.keys), "file | data:value", "", "Its key." }, \
    { scheme "_ssl_password_file", EVERYWHERE, 1, 1, 0, apply_tls_passwords, TLS(passwords), \
      "file", "", "Passwords of the key, one per line, tried in turn." }, \
    { scheme "_ssl_protocols", EVERYWHERE, 1, ARGS_MANY, 0, apply_tls_protocols, TLS(versions), \
      "[TLSv1] [TLSv1.1] [TLSv1.2] [TLSv1.3]", "TLSv1.2 TLSv1.3", "Versions that are spoken." }, \
    { scheme "_ssl_ciphers", EVERYWHERE, 1, 1, 0, apply_text, TLS(ciphers), "ciphers", "DEFAULT", \
      "Ciphers up to TLS 1.2, in OpenSSL's words." }, \
    { scheme "_ssl_conf_command", EVERYWHERE, 2, 2, IS_LIST, apply_tls_command, TLS(commands), \
      "name value", "", "A command of OpenSSL's configuration (SSL_CONF_cmd)." }, \
    { scheme "_ssl_name", EVERYWHERE, 1, 1, 0, apply_template, TLS(name), "name", \
      "host of `" scheme "_pass`", "Who the upstream is to be: for `" scheme "_ssl_verify` and " \
      "`" scheme "_ssl_server_name`." }, \
    { scheme "_ssl_server_name", EVERYWHERE, 1, 1, 0, apply_flag, TLS(has_server_name), \
      "on | off", "off", "The upstream is told that name (SNI)." }, \
    { scheme "_ssl_session_reuse", EVERYWHERE, 1, 1, 0, apply_flag, TLS(is_reusing), "on | off", \
      "on", "Sessions of earlier connections are resumed." }, \
    { scheme "_ssl_verify", EVERYWHERE, 1, 1, 0, apply_flag, TLS(is_verifying), "on | off", \
      "off", "An upstream whose certificate is not its own, or from nobody who is trusted, is " \
      "not talked to." }, \
    { scheme "_ssl_verify_depth", EVERYWHERE, 1, 1, 0, apply_number, TLS(verify_depth), "number", \
      "1", "Most certificates between an upstream's and one that is trusted." }, \
    { scheme "_ssl_trusted_certificate", EVERYWHERE, 1, 1, 0, apply_tls_ca, TLS(trusted), "file", \
      "", "Who is trusted; without: whom the system trusts (nginx insists on a file)." }, \
    { scheme "_ssl_crl", EVERYWHERE, 1, 1, 0, apply_tls_crl, TLS(crl), "file", "", \
      "Revoked certificates." }

#define PROXY_TLS(member) FIELD_LOCATION(proxy.tls_policy.member)
#define GRPC_TLS(member) FIELD_LEVEL(grpc.tls_policy.member)

static const struct directive proxy_rows[] = { ROWS("proxy", PROXY_TLS, proxy_tls) };
static const struct directive grpc_rows[] = { ROWS("grpc", GRPC_TLS, grpc_tls) };

const struct directive_rows rows_proxy_tls = DIRECTIVE_ROWS("Proxying: TLS", proxy_rows);
const struct directive_rows rows_grpc_tls = DIRECTIVE_ROWS("gRPC: TLS", grpc_rows);
