// SPDX-License-Identifier: MIT
/* Request targets and hosts.
 *
 * Normalising follows nginx byte for byte, since locations are matched on its result: an escape is
 * decoded first and then means what the plain character means ("%2e%2e/" goes up, "%2F" separates),
 * except that an escaped "%", "#" or "?" is always itself. Hosts are read strictly by RFC 3986,
 * because every place that compares a host would otherwise have its own idea of it. Pure functions. */
#include "http/uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "http/h1_scan_bytes.h"

enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535, IPV6_BYTES_MAX = 45 };

/* What a byte may be, one bit per question. */
enum {
    CHAR_UNRESERVED = 1u << 0,           /* RFC 3986 2.3 */
    CHAR_SUB_DELIM = 1u << 1,            /* RFC 3986 2.2 */
    CHAR_PLAIN = 1u << 2,                /* uri_normalise() has nothing to do for it */
    CHAR_ESCAPED = 1u << 3,              /* uri_escape_path() escapes it */
};

#define WORD (CHAR_UNRESERVED | CHAR_PLAIN)
#define DELIM (CHAR_SUB_DELIM | CHAR_PLAIN)
#define REST (CHAR_PLAIN | CHAR_ESCAPED)

static const uint8_t chars[256] = {
    ['0' ... '9'] = WORD, ['A' ... 'Z'] = WORD, ['a' ... 'z'] = WORD, ['-'] = WORD, ['_'] = WORD,
    ['~'] = WORD, ['.'] = WORD,
    ['!'] = DELIM, ['$'] = DELIM, ['&'] = DELIM, ['\''] = DELIM, ['('] = DELIM, [')'] = DELIM,
    ['*'] = DELIM, ['+'] = DELIM, [','] = DELIM, [';'] = DELIM, ['='] = DELIM,
    [':'] = CHAR_PLAIN, ['@'] = CHAR_PLAIN, ['['] = CHAR_PLAIN, [']'] = CHAR_PLAIN,
    ['"'] = REST, ['<'] = REST, ['>'] = REST, ['\\'] = REST, ['^'] = REST, ['`'] = REST,
    ['{'] = REST, ['|'] = REST, ['}'] = REST, [0x01 ... 0x20] = REST, [0x7f ... 0xff] = REST,
    ['%'] = CHAR_ESCAPED, ['?'] = CHAR_ESCAPED, ['#'] = CHAR_ESCAPED, [0x00] = CHAR_ESCAPED,
};

static bool char_is(char c, unsigned class)
{
    return (chars[(unsigned char)c] & class) != 0;
}

struct uri_parts uri_split(struct text path_and_query)
{
    size_t mark = text_find(path_and_query, '?');

    return (struct uri_parts){
        .path = text_part(path_and_query, 0, mark),
        .query = text_from_offset(path_and_query, mark + 1),
        .has_query = mark < path_and_query.len,
    };
}

bool uri_target_is_valid(struct text target)
{
    return target.len > 0 && h1_scan_target(target.ptr, target.len) == target.len;
}

char *uri_put_target(char *at, struct text target)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < target.len; i++) {
        unsigned char byte = (unsigned char)target.ptr[i];
        if (byte > 0x20 && byte != 0x7f && byte != '#') {
            *at++ = target.ptr[i];
        } else {
            *at++ = '%';
            *at++ = digits[byte >> 4];
            *at++ = digits[byte & 15];
        }
    }
    return at;
}

/* ---- normalising ---- */

/* Where the bytes since the last "/" stand. */
enum place { PLACE_USUAL, PLACE_SLASH, PLACE_DOT, PLACE_DOT_DOT };

struct normaliser {
    char      *out;
    size_t     len;
    enum place place;
    bool       may_merge_slashes;
};

/* Takes "/x/.." off the end, down to the slash before x; the first byte is always a slash. */
static int leave_segment(struct normaliser *normaliser)
{
    size_t at = normaliser->len;

    if (at < 4)
        return -EINVAL;
    at -= 4;
    while (normaliser->out[at] != '/')
        at--;
    normaliser->len = at + 1;
    return 0;
}

/* A segment is complete: resolves it if it is "." or "..", and leaves the "/" before it. */
static int end_segment(struct normaliser *normaliser)
{
    if (normaliser->place == PLACE_DOT)
        normaliser->len--;
    else if (normaliser->place == PLACE_DOT_DOT)
        return leave_segment(normaliser);
    return 0;
}

static int put_slash(struct normaliser *normaliser)
{
    bool is_dots = normaliser->place == PLACE_DOT || normaliser->place == PLACE_DOT_DOT;

    if (is_dots) {
        if (end_segment(normaliser) != 0)
            return -EINVAL;
    } else if (normaliser->place == PLACE_USUAL || !normaliser->may_merge_slashes) {
        normaliser->out[normaliser->len++] = '/';
    }
    normaliser->place = PLACE_SLASH;
    return 0;
}

static void put_char(struct normaliser *normaliser, char c)
{
    if (c != '.' || normaliser->place == PLACE_USUAL || normaliser->place == PLACE_DOT_DOT)
        normaliser->place = PLACE_USUAL;
    else
        normaliser->place = normaliser->place == PLACE_SLASH ? PLACE_DOT : PLACE_DOT_DOT;
    normaliser->out[normaliser->len++] = c;
}

/* The character of a percent escape at the start of `rest`, or -1. */
static int escape_read(struct text rest)
{
    int high, low;

    if (rest.len < 3)
        return -1;
    high = text_hex_digit(rest.ptr[1]);
    low = text_hex_digit(rest.ptr[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Takes one character or escape off *rest. A decoded "?" or "#" is a character like others. */
static int normalise_step(struct normaliser *normaliser, struct text *rest)
{
    size_t used = 1;
    char   c = rest->ptr[0];

    if (c == '%') {
        int decoded = escape_read(*rest);
        if (decoded < 0)
            return -EINVAL;
        c = (char)decoded;
        used = 3;
    }
    *rest = text_from_offset(*rest, used);
    if (c == '\0')
        return -EINVAL;
    if (c == '/')
        return put_slash(normaliser);
    put_char(normaliser, c);
    return 0;
}

/* Length of the front that needs no work: no escape, no "//", no "/.". */
static size_t plain_len(struct text path)
{
    size_t i = 0;

    for (; i < path.len; i++) {
        if (char_is(path.ptr[i], CHAR_PLAIN))
            continue;
        if (path.ptr[i] != '/')
            break;
        if (i + 1 < path.len && (path.ptr[i + 1] == '/' || path.ptr[i + 1] == '.'))
            break;
    }
    return i;
}

int uri_normalise(struct arena *arena, struct text path, bool may_merge_slashes,
                  struct text *ret_path)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return -EINVAL;
    size_t plain = plain_len(path);
    if (plain == path.len) {
        *ret_path = path;
        return 0;
    }

    struct normaliser normaliser = {
        .out = arena_bytes(arena, path.len),
        .place = PLACE_USUAL,
        .may_merge_slashes = may_merge_slashes,
    };
    struct text rest = path;
    while (rest.len > 0 && rest.ptr[0] != '?' && rest.ptr[0] != '#')
        if (normalise_step(&normaliser, &rest) != 0)
            return -EINVAL;
    if (end_segment(&normaliser) != 0)
        return -EINVAL;

    struct text result = text_of(normaliser.out, normaliser.len);
    *ret_path = text_is_equal(result, path) ? path : result;
    return 0;
}

/* ---- escaping ---- */

struct text uri_escape_path(struct arena *arena, struct text path)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t            count = 0, len = 0;

    for (size_t i = 0; i < path.len; i++)
        count += char_is(path.ptr[i], CHAR_ESCAPED);
    if (count == 0)
        return path;

    char *out = arena_bytes(arena, path.len + 2 * count);
    for (size_t i = 0; i < path.len; i++) {
        unsigned char byte = (unsigned char)path.ptr[i];
        if (!char_is(path.ptr[i], CHAR_ESCAPED)) {
            out[len++] = path.ptr[i];
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[byte >> 4];
        out[len++] = digits[byte & 15];
    }
    return text_of(out, len);
}

/* ---- queries ---- */

bool uri_arg(struct text query, struct text name, struct text *ret_value)
{
    struct text rest = query, piece;

    if (name.len == 0)
        return false;
    while (text_split(&rest, '&', &piece)) {
        if (piece.len <= name.len || piece.ptr[name.len] != '=')
            continue;
        if (text_is_equal_nocase(text_part(piece, 0, name.len), name)) {
            *ret_value = text_from_offset(piece, name.len + 1);
            return true;
        }
    }
    return false;
}

/* ---- hosts and URLs ---- */

static bool is_ipv6(struct text address)
{
    char            string[IPV6_BYTES_MAX + 1];
    struct in6_addr ignored;

    if (address.len > IPV6_BYTES_MAX || memchr(address.ptr, '\0', address.len) != NULL)
        return false;
    memcpy(string, address.ptr, address.len);
    string[address.len] = '\0';
    return inet_pton(AF_INET6, string, &ignored) == 1;
}

/* Length of the host at the start of `authority`; 0: none, or not one. */
static size_t host_len(struct text authority)
{
    size_t i = 0;

    if (authority.len > 0 && authority.ptr[0] == '[') {
        size_t close = text_find(authority, ']');
        if (close == authority.len || !is_ipv6(text_part(authority, 1, close - 1)))
            return 0;
        return close + 1;
    }
    while (i < authority.len && authority.ptr[i] != ':') {
        if (authority.ptr[i] == '.' && i > 0 && authority.ptr[i - 1] == '.')
            return 0;   /* an empty label names nothing, and path-like hosts are mischief */
        if (char_is(authority.ptr[i], CHAR_UNRESERVED | CHAR_SUB_DELIM))
            i++;
        else if (authority.ptr[i] == '%' && escape_read(text_from_offset(authority, i)) >= 0)
            i += 3;
        else
            return 0;
    }
    return i;
}

int uri_host_parse(struct text authority, struct text *ret_host, int *ret_port)
{
    size_t      len = host_len(authority);
    struct text rest = text_from_offset(authority, len);
    int         port = 0;

    if (len == 0 || (rest.len > 0 && rest.ptr[0] != ':') || rest.len > PORT_DIGITS_MAX + 1)
        return -EINVAL;
    for (size_t i = 1; i < rest.len; i++) {
        if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
            return -EINVAL;
        port = port * 10 + (rest.ptr[i] - '0');
    }
    if (port > PORT_MAX)
        return -EINVAL;
    *ret_host = text_part(authority, 0, len);
    *ret_port = rest.len > 1 ? port : -1;
    return 0;
}

static bool is_letter(char c)
{
    return text_lower_char(c) >= 'a' && text_lower_char(c) <= 'z';
}

static bool scheme_is_valid(struct text scheme)
{
    if (scheme.len == 0 || !is_letter(scheme.ptr[0]))
        return false;
    for (size_t i = 1; i < scheme.len; i++) {
        char c = scheme.ptr[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
            return false;
    }
    return true;
}

int uri_url_parse(struct text url, struct uri_url *ret_url)
{
    struct text scheme = text_part(url, 0, text_find(url, ':'));
    struct text rest = text_from_offset(url, scheme.len);
    size_t      len = 0;

    if (!scheme_is_valid(scheme) || !text_has_prefix(rest, TEXT("://")))
        return -EINVAL;
    rest = text_from_offset(rest, 3);
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?' && rest.ptr[len] != '#')
        len++;
    if (len == 0)
        return -EINVAL;
    *ret_url = (struct uri_url){
        .scheme = scheme,
        .authority = text_part(rest, 0, len),
        .rest = text_from_offset(rest, len),
    };
    return 0;
}
