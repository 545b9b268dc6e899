// SPDX-License-Identifier: MIT
/* The `configure arguments` name only modules that are really there: certbot, for one, refuses a
 * server without --with-http_ssl_module, and should. */
#include "main/about.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <string.h>

#include "main/options.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#define CONFIGURE_ARGUMENTS                                                                        \
    "--prefix=" FRONTDESK_PREFIX " --conf-path=" FRONTDESK_CONF                                    \
    " --error-log-path=" FRONTDESK_ERROR_LOG " --pid-path=" FRONTDESK_PID                          \
    " --with-threads --with-pcre --with-pcre-jit"

void about_version(void)
{
    (void)fprintf(stderr, "frontdesk version: frontdesk/" FRONTDESK_VERSION "\n");
}

static void openssl_print(void)
{
    const char *running = OpenSSL_version(OPENSSL_VERSION);

    (void)fprintf(stderr, "built with %s", OPENSSL_VERSION_TEXT);
    if (strcmp(running, OPENSSL_VERSION_TEXT) != 0)
        (void)fprintf(stderr, " (running with %s)", running);
    (void)fputc('\n', stderr);
}

void about_build(void)
{
    about_version();
    (void)fprintf(stderr, "built by " COMPILER "\n");
    openssl_print();
    (void)fprintf(stderr, "TLS SNI support enabled\n"
                          "configure arguments: " CONFIGURE_ARGUMENTS "\n");
}

void about_help(void)
{
    about_version();
    (void)fprintf(
        stderr,
        "Usage: frontdesk [-?hvVtTq] [-s signal] [-p prefix]\n"
        "                 [-e filename] [-c filename] [-g directives]\n"
        "       frontdesk [-p prefix] [-c filename] [--socket path] status [--json] | cache ...\n"
        "\n"
        "Options:\n"
        "  -?,-h         : this help\n"
        "  -v            : show version and exit\n"
        "  -V            : show version and configure options then exit\n"
        "  -t            : test configuration and exit\n"
        "  -T            : test configuration, dump it and exit\n"
        "  -q            : suppress non-error messages during configuration testing\n"
        "  -s signal     : send signal to a master process: stop, quit, reopen, reload\n"
        "  -p prefix     : set prefix path (default: " FRONTDESK_PREFIX ")\n"
        "  -e filename   : set error log file (default: " FRONTDESK_ERROR_LOG ")\n"
        "  -c filename   : set configuration file (default: " FRONTDESK_CONF ")\n"
        "  -g directives : set global directives out of configuration file\n"
        "  --dump-directives : print the table of known directives as Markdown and exit\n"
        "\n"
        "Of the running frontdesk:\n"
        "  status [--json] : what it serves and how its upstreams are\n"
        "  cache purge | show | stat : its caches; `frontdesk cache --help` tells more\n"
        "  --socket path : where it listens for this (default: as the configuration says)\n"
        "\n");
}
