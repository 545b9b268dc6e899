// SPDX-License-Identifier: MIT
/* socket: the options that reach the kernel, what is done with socket files that exist already, and
 * connections over loopback. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>

#include "net/socket.h"

static const struct listen_options defaults;

static char directory[] = "/tmp/frontdesk-socket-XXXXXX";

static struct address loopback(unsigned port)
{
    struct address address;

    assert_int_equal(address_parse_ip(TEXT("127.0.0.1"), port, &address), 0);
    return address;
}

static struct address in_directory(const char *name)
{
    struct address address;
    char           path[100];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(address_parse_unix(text_from(path), &address), 0);
    return address;
}

static int listen_on(struct address *address, const struct listen_options *options)
{
    const char *call = NULL;
    int         fd = -1, r = socket_listen(address, options, &fd, &call);

    if (r != 0)
        fail_msg("%s: %s", call, strerror(-r));
    assert_int_equal(socket_local(fd, address), 0);
    return fd;
}

static int option(int fd, int level, int name)
{
    int       value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int connect_to(const struct address *address)
{
    int           fd = -1;
    bool          is_in_progress = false;
    struct pollfd pollfd = { .events = POLLOUT };

    assert_int_equal(socket_connect(address, NULL, &fd, &is_in_progress), 0);
    pollfd.fd = fd;
    assert_int_equal(poll(&pollfd, 1, 5000), 1);
    return fd;
}

static int accept_from(int listener, struct address *ret_remote)
{
    struct pollfd pollfd = { .fd = listener, .events = POLLIN };
    int           fd = -1;

    assert_int_equal(poll(&pollfd, 1, 5000), 1);
    assert_int_equal(socket_accept(listener, &fd, ret_remote), 0);
    return fd;
}

static bool is_fd_ours(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static void a_connection_over_loopback(void **state)
{
    struct address listening = loopback(0), remote, local;
    int            listener = listen_on(&listening, &defaults);
    int            client, accepted;
    char           byte;

    (void)state;
    assert_true(address_port(&listening) > 0);
    client = connect_to(&listening);
    assert_int_equal(socket_error(client), 0);
    accepted = accept_from(listener, &remote);
    assert_int_equal(socket_local(client, &local), 0);
    assert_true(address_is_equal(&remote, &local));
    assert_int_equal(socket_local(accepted, &local), 0);
    assert_true(address_is_equal(&listening, &local));
    assert_true(is_fd_ours(listener) && is_fd_ours(client) && is_fd_ours(accepted));
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(client, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(listener, SOL_SOCKET, SO_REUSEADDR), 1);
    assert_int_equal(write(client, "a", 1), 1);
    assert_int_equal(poll(&(struct pollfd){ .fd = accepted, .events = POLLIN }, 1, 5000), 1);
    assert_int_equal(read(accepted, &byte, 1), 1);
    assert_int_equal(socket_accept(listener, &accepted, &remote), -EAGAIN);
    (void)close(client);
    (void)close(accepted);
    (void)close(listener);
}

static void options_reach_the_kernel(void **state)
{
    struct listen_options options = {
        .backlog = 7, .receive_bytes = 65536, .send_bytes = 32768, .fastopen = 5,
        .has_reuseport = true, .is_deferred = true, .keepalive = 1,
        .keepalive_idle_s = 100, .keepalive_interval_s = 20, .keepalive_count = 3,
    };
    struct address  listening = loopback(0);
    struct tcp_info state_of;
    socklen_t       len = sizeof(state_of);
    int             fd = listen_on(&listening, &options), second;

    (void)state;
    assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEPORT), 1);
    assert_int_equal(option(fd, SOL_SOCKET, SO_RCVBUF), 2 * 65536);
    assert_int_equal(option(fd, SOL_SOCKET, SO_SNDBUF), 2 * 32768);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 100);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 20);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_FASTOPEN), 5);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 1);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state_of, &len), 0);
    assert_int_equal(state_of.tcpi_sacked, 7);   /* of a listening socket: its backlog */
    second = listen_on(&listening, &options);    /* reuseport */
    (void)close(second);
    (void)close(fd);
}

static void options_change_while_listening(void **state)
{
    struct listen_options options = { .is_deferred = true, .keepalive = 1 };
    struct address        listening = loopback(0);
    struct tcp_info       state_of;
    socklen_t             len = sizeof(state_of);
    int                   fd = listen_on(&listening, &options);

    (void)state;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state_of, &len), 0);
    assert_int_equal(state_of.tcpi_sacked, 511);
    options = (struct listen_options){ .backlog = 20, .receive_bytes = 40000, .keepalive = -1 };
    assert_int_equal(socket_listen_again(fd, &options), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state_of, &len), 0);
    assert_int_equal(state_of.tcpi_sacked, 20);
    assert_int_equal(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    assert_int_equal(option(fd, SOL_SOCKET, SO_RCVBUF), 80000);
    assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    (void)close(fd);
}

static void a_taken_port_names_the_call(void **state)
{
    struct address listening = loopback(0);
    const char    *call = "";
    int            fd = listen_on(&listening, &defaults), other = -7;

    (void)state;
    assert_int_equal(socket_listen(&listening, &defaults, &other, &call), -EADDRINUSE);
    assert_string_equal(call, "bind()");
    assert_int_equal(other, -7);
    (void)close(fd);
}

static void ipv6_keeps_to_itself_unless_told(void **state)
{
    struct listen_options both = { .is_ipv6_only_off = true };
    struct address        address;
    int                   fd;
    const char           *call;

    (void)state;
    assert_int_equal(address_parse_ip(TEXT("::"), 0, &address), 0);
    if (socket_listen(&address, &defaults, &fd, &call) != 0)
        skip();   /* a system without IPv6 */
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    (void)close(fd);
    fd = listen_on(&address, &both);
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    (void)close(fd);
}

static void refused_and_bound_connections(void **state)
{
    struct address listening = loopback(0), from, remote;
    int            listener = listen_on(&listening, &defaults), client = -1, accepted, error;
    bool           is_in_progress = false;

    (void)state;
    assert_int_equal(address_parse_ip(TEXT("127.0.0.77"), 0, &from), 0);
    assert_int_equal(socket_connect(&listening, &from, &client, &is_in_progress), 0);
    accepted = accept_from(listener, &remote);
    address_set_port(&remote, 0);
    assert_true(address_is_equal(&remote, &from));
    (void)close(client);
    (void)close(accepted);
    (void)close(listener);
    error = socket_connect(&listening, NULL, &client, &is_in_progress);
    if (error == 0) {
        assert_true(is_in_progress);
        assert_int_equal(poll(&(struct pollfd){ .fd = client, .events = POLLOUT }, 1, 5000), 1);
        error = socket_error(client);
        (void)close(client);
    }
    assert_int_equal(error, -ECONNREFUSED);
    assert_int_equal(address_parse_ip(TEXT("192.0.2.1"), 0, &from), 0);
    assert_int_equal(socket_connect(&listening, &from, &client, &is_in_progress), -EADDRNOTAVAIL);
}

static void a_reset_is_a_reset(void **state)
{
    struct address listening = loopback(0), remote;
    int            listener = listen_on(&listening, &defaults);
    int            client = connect_to(&listening), accepted = accept_from(listener, &remote);
    char           byte;

    (void)state;
    socket_set_keepalive(accepted);
    assert_int_equal(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    socket_set_reset(accepted);
    (void)close(accepted);
    assert_int_equal(poll(&(struct pollfd){ .fd = client, .events = POLLIN }, 1, 5000), 1);
    assert_int_equal(read(client, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    (void)close(client);
    (void)close(listener);
}

static void a_stale_socket_file_is_replaced(void **state)
{
    struct address address = in_directory("stale"), remote;
    struct stat    stat;
    int            client, accepted, fd = listen_on(&address, &defaults);

    (void)state;
    (void)close(fd);
    assert_int_equal(lstat(address.raw.un.sun_path, &stat), 0);
    fd = listen_on(&address, &defaults);
    assert_int_equal(lstat(address.raw.un.sun_path, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0666);
    client = connect_to(&address);
    accepted = accept_from(fd, &remote);
    assert_int_equal(address_family(&remote), AF_UNIX);
    (void)close(client);
    (void)close(accepted);
    (void)close(fd);
}

static void a_live_socket_file_is_not(void **state)
{
    struct address address = in_directory("live");
    const char    *call = "";
    int            fd = listen_on(&address, &defaults), other, client;

    (void)state;
    assert_int_equal(socket_listen(&address, &defaults, &other, &call), -EADDRINUSE);
    assert_string_equal(call, "bind()");
    client = connect_to(&address);
    (void)close(client);
    (void)close(fd);
}

static void another_kind_of_file_is_not(void **state)
{
    struct address address = in_directory("file");
    const char    *call = "";
    int            fd = open(address.raw.un.sun_path, O_CREAT | O_WRONLY, 0600), other;

    (void)state;
    assert_int_equal(write(fd, "dear", 4), 4);
    (void)close(fd);
    assert_int_equal(socket_listen(&address, &defaults, &other, &call), -EADDRINUSE);
    fd = open(address.raw.un.sun_path, O_RDONLY);
    assert_true(fd >= 0);
    (void)close(fd);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "stale", "live", "file" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct address address = in_directory(names[i]);

        (void)unlink(address.raw.un.sun_path);
    }
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_over_loopback),
        cmocka_unit_test(options_reach_the_kernel),
        cmocka_unit_test(options_change_while_listening),
        cmocka_unit_test(a_taken_port_names_the_call),
        cmocka_unit_test(ipv6_keeps_to_itself_unless_told),
        cmocka_unit_test(refused_and_bound_connections),
        cmocka_unit_test(a_reset_is_a_reset),
        cmocka_unit_test(a_stale_socket_file_is_replaced),
        cmocka_unit_test(a_live_socket_file_is_not),
        cmocka_unit_test(another_kind_of_file_is_not),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
