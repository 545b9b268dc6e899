// SPDX-License-Identifier: MIT
/* Servers by host and locations by path, in nginx's order, on sites built by hand. */
#include "proxy/route.h"

#include <string.h>

#include "desk.h"

/* ---- building ---- */

struct town {
    struct site      site;
    struct listen    listen;
    struct server  **last;
    struct location *level;              /* new locations go below it */
};

static struct town town;

static void town_begin(void)
{
    memset(&town, 0, sizeof(town));
    town.site.arena = desk->arena;
    town.site.listens = &town.listen;
    town.last = &town.site.servers;
    town.listen.servers = ARENA_ARRAY(desk->arena, struct server *, 16);
}

static struct server *town_server(const char *names)
{
    struct server *server = ARENA_NEW(desk->arena, struct server);
    struct text    rest = text_from(names), piece;
    struct server_name **at = &server->names;

    while (text_split(&rest, ' ', &piece)) {
        *at = ARENA_NEW(desk->arena, struct server_name);
        (*at)->name = piece;
        if (piece.ptr[0] == '~')
            (*at)->regex = desk_regex(arena_string(desk->arena, text_from_offset(piece, 1)));
        at = &(*at)->next;
    }
    server->first_name = text_from(names);
    server->level.kind = LOCATION_SERVER;
    *town.last = server;
    town.last = &server->next;
    town.listen.servers[town.listen.server_count++] = server;
    town.level = &server->level;
    return server;
}

/* "= /x", "^~ /x", "~ x", "/x", as in a configuration. */
static struct location *town_location(const char *words)
{
    static const struct { const char *mark; enum location_kind kind; } marks[] = {
        { "= ", LOCATION_EXACT }, { "^~ ", LOCATION_PREFIX_FINAL }, { "~ ", LOCATION_REGEX },
    };
    struct location  *location = ARENA_NEW(desk->arena, struct location);
    struct location **at = &town.level->children;

    location->name = text_from(words);
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        if (text_has_prefix(text_from(words), text_from(marks[i].mark))) {
            location->kind = marks[i].kind;
            location->name = text_from(words + strlen(marks[i].mark));
        }
    if (location->kind == LOCATION_REGEX)
        location->regex = desk_regex(arena_string(desk->arena, location->name));
    while (*at != NULL)
        at = &(*at)->next;
    *at = location;
    return location;
}

static void check_server(const char *host, const struct server *wanted)
{
    const struct server *server = route_server(&town.listen, text_from(host), &desk->x.scope);

    if (server != wanted)
        fail_msg("%s is served by \"%.*s\", not \"%.*s\"", host, TEXT_ARGS(server->first_name),
                 TEXT_ARGS(wanted->first_name));
}

static void check_location(const char *path, const struct location *wanted)
{
    const struct location *location =
        route_location(town.site.servers, text_from(path), &desk->x.scope);

    if (location != wanted)
        fail_msg("%s is at \"%.*s\", not \"%.*s\"", path, TEXT_ARGS(location->name),
                 TEXT_ARGS(wanted->name));
}

/* ---- servers ---- */

static void hosts_are_found_in_order(void **state)
{
    (void)state;
    town_begin();
    struct server *first = town_server("_");
    struct server *regex = town_server("~^www\\.");
    struct server *trailing = town_server("www.example.*");
    struct server *longer = town_server("a.example.*");
    struct server *leading = town_server("*.example.org");
    struct server *deeper = town_server("*.sub.example.org");
    struct server *exact = town_server("www.example.org other.example");
    struct server *dotted = town_server(".dotted.example");
    route_prepare(&town.site);

    check_server("www.example.org", exact);
    check_server("other.example", exact);
    check_server("mail.example.org", leading);
    check_server("a.b.example.org", leading);
    check_server("x.sub.example.org", deeper);
    check_server("sub.example.org", leading);
    check_server("a.example.org", leading);
    check_server("a.example.net", longer);
    check_server("www.example.net", trailing);
    check_server("www.example.co.uk", trailing);
    check_server("www.other.net", regex);
    check_server("dotted.example", dotted);
    check_server("deep.dotted.example", dotted);
    check_server("example.org", first);
    check_server("unknown", first);
    check_server("", first);
}

static void the_default_need_not_be_the_first_in_the_file(void **state)
{
    (void)state;
    town_begin();
    struct server *plain = town_server("~^a");
    struct server *chosen = town_server("~^a chosen");
    town.listen.servers[0] = chosen;
    town.listen.servers[1] = plain;
    route_prepare(&town.site);
    check_server("abc", plain);
    check_server("x", chosen);
}

static void the_first_of_two_alike_is_taken(void **state)
{
    (void)state;
    town_begin();
    struct server *first = town_server("x");
    struct server *one = town_server("same");
    town_server("same");
    route_prepare(&town.site);
    check_server("same", one);
    check_server("y", first);
}

static void an_empty_name_takes_requests_without_host(void **state)
{
    (void)state;
    town_begin();
    town_server("first");
    struct server *nameless = town_server("second");
    nameless->names->name = TEXT("");
    route_prepare(&town.site);
    check_server("", nameless);
}

static void captures_of_a_server_name_are_set(void **state)
{
    (void)state;
    town_begin();
    struct server *only = town_server("~^(\\w+)\\.example$");
    route_prepare(&town.site);
    check_server("abc.example", only);
    CHECK_TEXT(desk->x.scope.captures[1], "abc");
}

static void a_host_of_many_dots_is_cheap(void **state)
{
    static char host[8001];

    (void)state;
    town_begin();
    struct server *first = town_server("first");
    town_server("*.example.org www.*");
    route_prepare(&town.site);
    for (size_t i = 0; i < sizeof(host) - 1; i++)
        host[i] = i % 2 == 0 ? 'a' : '.';
    for (int i = 0; i < 1000; i++)
        check_server(host, first);
}

/* ---- locations ---- */

static void the_longest_prefix_wins(void **state)
{
    (void)state;
    town_begin();
    struct server   *server = town_server("x");
    struct location *root = town_location("/"), *docs = town_location("/docs/");
    struct location *docs_api = town_location("/docs/api"), *image = town_location("/image");
    struct location *exact = town_location("= /docs/"), *exact_root = town_location("= /");
    route_prepare(&town.site);

    check_location("/", exact_root);
    check_location("/x", root);
    check_location("/docs", root);
    check_location("/docs/", exact);
    check_location("/docs/a", docs);
    check_location("/docs/api", docs_api);
    check_location("/docs/apix", docs_api);
    check_location("/docs/apa", docs);
    check_location("/images", image);
    check_location("*", &server->level);
}

static void regexes_beat_prefixes_unless_told(void **state)
{
    (void)state;
    town_begin();
    town_server("x");
    struct location *root = town_location("/"), *final = town_location("^~ /static/");
    struct location *inner = town_location("/static/deep/"), *exact = town_location("= /a.php");
    struct location *php = town_location("~ \\.php$"), *other = town_location("~ ^/(.)/.*p");
    route_prepare(&town.site);

    check_location("/x.php", php);
    check_location("/b/x.php", php);
    check_location("/b/x.p", other);
    CHECK_TEXT(desk->x.scope.captures[1], "b");
    check_location("/static/x.php", final);
    check_location("/static/deep/x.php", php);
    check_location("/static/deep/x", inner);
    check_location("/a.php", exact);
    check_location("/x", root);
}

static void nested_locations_are_searched(void **state)
{
    (void)state;
    town_begin();
    struct server   *server = town_server("x");
    struct location *app = town_location("/app/"), *outer = town_location("~ \\.js$");
    struct location *final = town_location("^~ /final/"), *any = town_location("~ ^/rx/");
    town.level = app;
    struct location *inner = town_location("/app/in/"), *exact = town_location("= /app/one.js");
    struct location *inner_regex = town_location("~ \\.min\\.js$");
    town.level = final;
    struct location *in_final = town_location("~ \\.css$");
    town.level = any;
    struct location *below_regex = town_location("/rx/deep/");
    route_prepare(&town.site);

    check_location("/app/x", app);
    check_location("/app/in/x", inner);
    check_location("/app/one.js", exact);
    check_location("/app/x.min.js", inner_regex);
    check_location("/app/in/x.min.js", inner_regex);
    check_location("/app/x.js", outer);
    check_location("/app/in/x.js", outer);
    check_location("/final/x.js", final);
    check_location("/final/x.css", in_final);
    check_location("/rx/", any);
    check_location("/rx/deep/x", below_regex);
    check_location("/none", &server->level);
}

static void a_thousand_locations_are_told_apart(void **state)
{
    enum { COUNT = 1000 };
    struct location *locations[COUNT];

    (void)state;
    town_begin();
    town_server("x");
    for (int i = 0; i < COUNT; i++)
        locations[i] = town_location(
            arena_format(desk->arena, "/%d%s/", i * 7 % COUNT, i % 3 == 0 ? "/sub" : "").ptr);
    route_prepare(&town.site);
    for (int i = 0; i < COUNT; i++)
        check_location(arena_format(desk->arena, "%.*sfile", TEXT_ARGS(locations[i]->name)).ptr,
                       locations[i]);
}

static void proxied_folders_want_a_slash(void **state)
{
    struct pass pass = { .url = TEXT("http://a") };

    (void)state;
    town_begin();
    struct server *server = town_server("x");
    town_location("/");
    struct location *app = town_location("/app/");
    app->proxy.pass = &pass;
    town_location("/app-x");
    town_location("/plain/");
    struct location *both = town_location("/both/");
    both->proxy.pass = &pass;
    town_location("/both");
    town_location("~ ^/app$");
    town.level = app;
    town_location("/app/in/")->proxy.pass = &pass;
    route_prepare(&town.site);

    assert_true(route_wants_slash(server, TEXT("/app")));
    assert_true(route_wants_slash(server, TEXT("/app/in")));
    assert_false(route_wants_slash(server, TEXT("/app/")));
    assert_false(route_wants_slash(server, TEXT("/ap")));
    assert_false(route_wants_slash(server, TEXT("/app-")));
    assert_false(route_wants_slash(server, TEXT("/plain")));
    assert_false(route_wants_slash(server, TEXT("/both")));
    assert_false(route_wants_slash(server, TEXT("/")));
}

static void named_ones_are_found_by_name_only(void **state)
{
    (void)state;
    town_begin();
    struct server   *server = town_server("x");
    struct location *named = town_location("@back");
    named->kind = LOCATION_NAMED;
    assert_null(route_named(server, TEXT("@back")));
    server->named = map_new(false);
    assert_true(map_add(server->named, named->name, named));
    route_prepare(&town.site);
    assert_ptr_equal(route_named(server, TEXT("@back")), named);
    assert_null(route_named(server, TEXT("@other")));
    check_location("@back", &server->level);
    map_free(&server->named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(hosts_are_found_in_order),
        WITH_DESK(the_default_need_not_be_the_first_in_the_file),
        WITH_DESK(the_first_of_two_alike_is_taken),
        WITH_DESK(an_empty_name_takes_requests_without_host),
        WITH_DESK(captures_of_a_server_name_are_set),
        WITH_DESK(a_host_of_many_dots_is_cheap),
        WITH_DESK(the_longest_prefix_wins),
        WITH_DESK(regexes_beat_prefixes_unless_told),
        WITH_DESK(nested_locations_are_searched),
        WITH_DESK(a_thousand_locations_are_told_apart),
        WITH_DESK(proxied_folders_want_a_slash),
        WITH_DESK(named_ones_are_found_by_name_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
