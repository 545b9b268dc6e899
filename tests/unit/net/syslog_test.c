// SPDX-License-Identifier: MIT
/* syslog: the words and numbers of RFC 3164, the head of a line, and messages over both kinds of
 * socket, to a server that is there, is not, and is there again. */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/syslog.h"

static struct syslog syslog_default(void)
{
    return (struct syslog){ .facility = 23, .severity = 6, .has_hostname = false, .tag = "nginx" };
}

static void names_have_numbers(void **state)
{
    (void)state;
    assert_int_equal(syslog_facility_of(TEXT("kern")), 0);
    assert_int_equal(syslog_facility_of(TEXT("authpriv")), 10);
    assert_int_equal(syslog_facility_of(TEXT("cron")), 15);
    assert_int_equal(syslog_facility_of(TEXT("local0")), 16);
    assert_int_equal(syslog_facility_of(TEXT("local7")), 23);
    assert_int_equal(syslog_facility_of(TEXT("LOCAL7")), -1);
    assert_int_equal(syslog_severity_of(TEXT("emerg")), 0);
    assert_int_equal(syslog_severity_of(TEXT("debug")), 7);
    assert_int_equal(syslog_severity_of(TEXT("warning")), -1);
}

static void check_head(const struct syslog *syslog, int level, const char *start, const char *end)
{
    char        buffer[SYSLOG_HEAD_BYTES];
    struct text head = text_of(buffer, syslog_head(syslog, level, buffer));

    assert_true(text_has_prefix(head, text_from(start)));
    assert_true(text_has_suffix(head, text_from(end)));
}

static void a_head_says_how_bad_it_is(void **state)
{
    struct syslog syslog = syslog_default();
    char          name[65], end[80];

    (void)state;
    check_head(&syslog, -1, "<190>", " nginx: ");
    check_head(&syslog, LOG_EMERG, "<184>", " nginx: ");
    check_head(&syslog, LOG_ERROR, "<187>", " nginx: ");
    check_head(&syslog, LOG_DEBUG, "<191>", " nginx: ");
    syslog.facility = syslog.severity = 0;
    syslog.tag[0] = '\0';
    check_head(&syslog, -1, "<0>", " : ");
    syslog.has_hostname = true;
    assert_int_equal(gethostname(name, sizeof(name)), 0);
    for (char *at = name; *at != '\0'; at++)
        *at = text_lower_char(*at);
    (void)snprintf(end, sizeof(end), " %s : ", name);
    check_head(&syslog, -1, "<0>", end);
}

static int server_open(struct syslog *syslog)
{
    int fd = socket(address_family(&syslog->server), SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &syslog->server.raw.any, syslog->server.len), 0);
    assert_int_equal(getsockname(fd, &syslog->server.raw.any, &syslog->server.len), 0);
    return fd;
}

static void check_arrives(int server, const char *wanted)
{
    char    got[64];
    ssize_t n = recv(server, got, sizeof(got), 0);

    assert_true(n > 0);
    CHECK_TEXT(text_of(got, (size_t)n), wanted);
}

static void udp_arrives(void **state)
{
    struct syslog syslog = syslog_default();
    int           fd, server;

    (void)state;
    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), 0, &syslog.server), 0);
    server = server_open(&syslog);
    assert_int_equal(syslog_open(&syslog, &fd), 0);
    assert_int_equal(syslog_send(&syslog, fd, TEXT("one")), 0);
    assert_int_equal(syslog_send(&syslog, fd, TEXT("two")), 0);
    check_arrives(server, "one");
    check_arrives(server, "two");
    (void)close(server);
    (void)close(fd);
}

static void a_unix_server_may_come_and_go(void **state)
{
    char          path[] = "/tmp/syslog_test.XXXXXX";
    struct syslog syslog = syslog_default();
    int           fd, server;

    (void)state;
    assert_non_null(mkdtemp(path));
    char name[64];
    (void)snprintf(name, sizeof(name), "%s/s", path);
    assert_int_equal(address_parse_unix(text_from(name), &syslog.server), 0);
    assert_int_equal(syslog_open(&syslog, &fd), 0);
    assert_int_equal(syslog_send(&syslog, fd, TEXT("nobody")), -ENOENT);
    for (int i = 0; i < 2; i++) {
        server = server_open(&syslog);
        assert_int_equal(syslog_send(&syslog, fd, TEXT("there")), 0);
        check_arrives(server, "there");
        (void)close(server);
        assert_int_equal(syslog_send(&syslog, fd, TEXT("gone")), -ECONNREFUSED);
        (void)unlink(name);
    }
    server = server_open(&syslog);
    while (syslog_send(&syslog, fd, TEXT("full")) == 0)
        ;
    assert_int_equal(syslog_send(&syslog, fd, TEXT("full")), -EAGAIN);
    (void)close(server);
    (void)close(fd);
    (void)unlink(name);
    (void)rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_numbers),
        cmocka_unit_test(a_head_says_how_bad_it_is),
        cmocka_unit_test(udp_arrives),
        cmocka_unit_test(a_unix_server_may_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
