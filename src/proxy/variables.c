// SPDX-License-Identifier: MIT
/* The built-in variables: a sorted table of names and a short list of families ($http_...).
 *
 * Names are looked up while a configuration is compiled; at run time there is only the getter. A
 * getter that makes text makes it in the exchange's arena. "Not found" (ptr NULL) and empty differ:
 * a log line shows the first as "-". Pure lookup; getters run on the exchange's loop. */
#include "proxy/variables.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/writer.h"
#include "http/status.h"
#include "http/uri.h"
#include "net/loop.h"
#include "net/proxy_protocol.h"
#include "net/tally.h"
#include "proxy/exchange.h"
#include "proxy/preface.h"
#include "proxy/rate.h"
#include "proxy/variables_tls.h"

enum {
    NAME_BYTES = 256,
    NUMBER_BYTES = 20,
    TIME_BYTES = 24,
    REQUEST_ID_BYTES = 32,
    TYPO_DISTANCE = 2
};

typedef struct text getter(struct scope *scope, const struct variable *self);

/* ---- making text ---- */

static struct text from_u64(struct exchange *x, uint64_t number)
{
    struct writer writer = writer_fixed(arena_bytes(x->arena, NUMBER_BYTES), NUMBER_BYTES);

    writer_u64(&writer, number);
    return writer_done(&writer);
}

/* "12.034": seconds with milliseconds, never negative. */
static void write_ms(struct writer *writer, int64_t ms)
{
    uint64_t positive = ms < 0 ? 0 : (uint64_t)ms;
    char     fraction[4] = { '.', (char)('0' + positive / 100 % 10),
                             (char)('0' + positive / 10 % 10), (char)('0' + positive % 10) };

    writer_u64(writer, positive / 1000);
    writer_text(writer, text_of(fraction, sizeof(fraction)));
}

static struct text from_ms(struct exchange *x, int64_t ms)
{
    struct writer writer = writer_fixed(arena_bytes(x->arena, TIME_BYTES), TIME_BYTES);

    write_ms(&writer, ms);
    return writer_done(&writer);
}

static char *put_octet(char *at, unsigned octet)
{
    if (octet >= 100)
        *at++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *at++ = (char)('0' + octet / 10 % 10);
    *at++ = (char)('0' + octet % 10);
    return at;
}

/* What every log line and most proxied requests ask for: no detour through the C library. */
static struct text from_ipv4(struct exchange *x, const unsigned char *octets)
{
    char *start = arena_bytes(x->arena, INET_ADDRSTRLEN), *at = start;

    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            *at++ = '.';
        at = put_octet(at, octets[i]);
    }
    return text_of(start, (size_t)(at - start));
}

static struct text from_ip(struct exchange *x, const struct address *address)
{
    unsigned             len = 0;
    const unsigned char *octets = address == NULL ? NULL : address_bytes(address, &len);
    struct writer        writer;

    if (address == NULL)
        return TEXT_NONE;
    if (len == 4)
        return from_ipv4(x, octets);
    writer = writer_fixed(arena_bytes(x->arena, INET6_ADDRSTRLEN), INET6_ADDRSTRLEN);
    address_write_ip(&writer, address);
    return writer_done(&writer);
}

/* A unix socket has no port: empty. */
static struct text from_port(struct exchange *x, const struct address *address)
{
    unsigned port = address == NULL ? 0 : address_port(address);

    return port == 0 ? TEXT("") : from_u64(x, port);
}

static struct text found(struct text text)
{
    return text.ptr == NULL ? TEXT("") : text;
}

static struct text get_empty(struct scope *scope, const struct variable *self)
{
    (void)scope, (void)self;
    return TEXT("");
}

/* ---- client and connection ---- */

static struct text get_remote_addr(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_ip(x, exchange_remote(x));
}

static struct text get_binary_remote_addr(struct scope *scope, const struct variable *self)
{
    struct exchange     *x = exchange_of_scope(scope);
    unsigned             len = 0;
    const unsigned char *bytes = address_bytes(exchange_remote(x), &len);

    (void)self;
    return bytes == NULL ? TEXT("unix:") : text_of((const char *)bytes, len);
}

static struct text get_remote_port(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_port(x, exchange_remote(x));
}

static struct text get_realip_remote_addr(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_ip(x, exchange_sender(x));
}

static struct text get_realip_remote_port(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_port(x, exchange_sender(x));
}

/* Which end of the connection that a PROXY header tells of: in variable.slot. */
enum { PREFACE_SOURCE = 0, PREFACE_DESTINATION };

/* False: there was no header with addresses. */
static bool preface_end(struct exchange *x, unsigned which, struct address *ret_address)
{
    const struct preface *preface = exchange_preface(x);

    if (preface == NULL)
        return false;
    *ret_address =
        address_lengthen(which == PREFACE_SOURCE ? &preface->source : &preface->destination);
    return true;
}

static struct text get_proxy_protocol_addr(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    struct address   address;

    return preface_end(x, self->slot, &address) ? from_ip(x, &address) : TEXT_NONE;
}

static struct text get_proxy_protocol_port(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    struct address   address;

    return preface_end(x, self->slot, &address) ? from_port(x, &address) : TEXT_NONE;
}

static struct text get_proxy_protocol_tlv(struct scope *scope, const struct variable *self)
{
    struct exchange      *x = exchange_of_scope(scope);
    const struct preface *preface = exchange_preface(x);
    struct text           values = preface == NULL ? TEXT("") : preface_values(preface);
    uint32_t              verify;

    if (self->slot != PROXY_PROTOCOL_SSL_VERIFY)
        return proxy_protocol_value(values, self->slot);
    return proxy_protocol_ssl_verify(values, &verify) ? from_u64(x, verify) : TEXT_NONE;
}

static struct text get_server_addr(struct scope *scope, const struct variable *self)
{
    struct exchange      *x = exchange_of_scope(scope);
    const struct address *local = exchange_local(x);
    struct writer         writer;

    (void)self;
    if (address_family(local) != AF_UNIX)
        return from_ip(x, local);
    writer = writer_arena(x->arena, ADDRESS_TEXT_BYTES);
    address_write(&writer, local);
    return writer_done(&writer);
}

static struct text get_server_port(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_port(x, exchange_local(x));
}

static struct text get_connection(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_u64(x, exchange_serial(x));
}

static struct text get_connection_requests(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_u64(x, exchange_request_number(x));
}

static struct text get_connection_time(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_ms(x, loop_now_ms(x->loop) - exchange_connected_ms(x));
}

/* Which of the kernel's figures of the connection: in variable.slot. */
enum { TCPINFO_RTT = 0, TCPINFO_RTTVAR, TCPINFO_SND_CWND, TCPINFO_RCV_SPACE };

static struct text get_tcpinfo(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    struct tcp_info  tcp;
    socklen_t        len = sizeof(tcp);

    memset(&tcp, 0, sizeof(tcp));
    if (x->client == NULL || x->client->conn == NULL)
        return TEXT_NONE;
    if (getsockopt(x->client->conn->transport.fd, IPPROTO_TCP, TCP_INFO, &tcp, &len) != 0)
        return TEXT_NONE;

    const uint32_t figures[] = {
        [TCPINFO_RTT] = tcp.tcpi_rtt,
        [TCPINFO_RTTVAR] = tcp.tcpi_rttvar,
        [TCPINFO_SND_CWND] = tcp.tcpi_snd_cwnd,
        [TCPINFO_RCV_SPACE] = tcp.tcpi_rcv_space,
    };
    return from_u64(x, figures[self->slot]);
}

/* ---- Authorization: Basic ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static struct text base64_decode(struct arena *arena, struct text coded)
{
    char    *bytes;
    size_t   len = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    while (coded.len > 0 && coded.ptr[coded.len - 1] == '=')
        coded.len--;
    bytes = arena_bytes(arena, coded.len + 1);
    for (size_t i = 0; i < coded.len; i++) {
        int digit = base64_digit(coded.ptr[i]);
        if (digit < 0)
            return TEXT_NONE;
        bits = bits << 6 | (uint32_t)digit;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            bytes[len++] = (char)(bits >> bit_count & 0xff);
        }
    }
    return text_of(bytes, len);
}

static struct text get_remote_user(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    struct text      value = fields_value(&x->request->fields, FIELD_AUTHORIZATION);

    (void)self;
    if (!text_has_prefix_nocase(value, TEXT("Basic ")))
        return TEXT_NONE;

    struct text pair = base64_decode(x->arena, text_trim(text_from_offset(value, 6)));
    size_t      colon = text_find(pair, ':');
    return colon == 0 || colon == pair.len ? TEXT_NONE : text_part(pair, 0, colon);
}

/* ---- the request ---- */

static struct text get_host(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    if (x->host.len > 0)
        return x->host;
    return x->server == NULL ? TEXT("") : found(x->server->first_name);
}

/* The port that the client asked for, or -1. */
static int asked_port(const struct exchange *x)
{
    return x->request->port;
}

static struct text get_request_port(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    int              port = asked_port(x);

    (void)self;
    return port < 0 ? TEXT("") : from_u64(x, (uint64_t)port);
}

static struct text get_is_request_port(struct scope *scope, const struct variable *self)
{
    (void)self;
    return asked_port(exchange_of_scope(scope)) < 0 ? TEXT("") : TEXT(":");
}

static struct text get_args(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return x->query.len == 0 ? TEXT_NONE : x->query;
}

static struct text get_is_args(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->query.len == 0 ? TEXT("") : TEXT("?");
}

static struct text get_uri(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->path;
}

static struct text get_request_uri(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->request->path;
}

static struct text version_text(unsigned version)
{
    switch (version) {
    case 10:
        return TEXT("HTTP/1.0");
    case 11:
        return TEXT("HTTP/1.1");
    case 20:
        return TEXT("HTTP/2.0");
    default:
        return TEXT_NONE;
    }
}

/* The request line as it came. A line that could not be read has no method. */
static struct text get_request(struct scope *scope, const struct variable *self)
{
    struct text line = exchange_of_scope(scope)->request->line;

    (void)self;
    return line.len > 0 ? line : TEXT_NONE;
}

static struct text get_request_method(struct scope *scope, const struct variable *self)
{
    struct text name = exchange_of_scope(scope)->request->method_name;

    (void)self;
    return name.len == 0 ? TEXT_NONE : name;
}

static struct text get_server_protocol(struct scope *scope, const struct variable *self)
{
    (void)self;
    return version_text(exchange_of_scope(scope)->request->version);
}

static struct text get_request_time(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_ms(x, (loop_now_us(x->loop) - x->client->started_us) / 1000);
}

static struct text get_request_id(struct scope *scope, const struct variable *self)
{
    static const char digits[] = "0123456789abcdef";
    struct exchange  *x = exchange_of_scope(scope);

    (void)self;
    if (x->request_id.ptr != NULL)
        return x->request_id;

    const uint64_t random[2] = { random_u64(), random_u64() };
    char          *bytes = arena_bytes(x->arena, REQUEST_ID_BYTES);
    for (unsigned i = 0; i < REQUEST_ID_BYTES; i++)
        bytes[i] = digits[random[i / 16] >> (i % 16 * 4) & 15];
    x->request_id = text_of(bytes, REQUEST_ID_BYTES);
    return x->request_id;
}

static struct text get_request_length(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_u64(x, x->client->rx_bytes);
}

static struct text get_request_completion(struct scope *scope, const struct variable *self)
{
    const struct exchange *x = exchange_of_scope(scope);
    int                    fault = x->client->fault;
    bool                   is_whole = fault == FAULT_NONE || fault == x->refusal;

    (void)self;
    return x->client->is_tx_done && is_whole ? TEXT("OK") : TEXT("");
}

static const struct slice *body_slice(const struct pipe *pipe, unsigned number)
{
    return &pipe->slices[(pipe->first + number) % PIPE_SLICES];
}

/* Whole means: it has ended, and nothing of it has been let go of or spliced. */
static bool body_is_whole(const struct pipe *pipe)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < pipe->count; i++)
        total += body_slice(pipe, i)->len;
    return pipe->is_ended && pipe->lane == NULL && total == pipe->total_in;
}

static struct text get_request_body(struct scope *scope, const struct variable *self)
{
    struct exchange   *x = exchange_of_scope(scope);
    const struct pipe *pipe = &x->request_body;

    (void)self;
    if (x->request->body != BODY_NONE && !body_is_whole(pipe))
        x->has_missed_body = true;
    if (pipe->total_in == 0 || !body_is_whole(pipe))
        return TEXT_NONE;
    if (pipe->count == 1)
        return slice_text(*body_slice(pipe, 0));

    struct writer writer = writer_fixed(arena_bytes(x->arena, pipe->total_in), pipe->total_in);
    for (unsigned i = 0; i < pipe->count; i++)
        writer_text(&writer, slice_text(*body_slice(pipe, i)));
    return writer_done(&writer);
}

/* A field of the request by its number: in variable.slot. */
static struct text get_request_field(struct scope *scope, const struct variable *self)
{
    return fields_value(&exchange_of_scope(scope)->request->fields, (enum field_id)self->slot);
}

#define LITERAL(literal) { "" literal, sizeof(literal) - 1 }

static struct text outcome_name(enum limit_outcome outcome)
{
    static const char *const names[] = {
        [LIMIT_PASSED] = "PASSED",
        [LIMIT_DELAYED] = "DELAYED",
        [LIMIT_REJECTED] = "REJECTED",
        [LIMIT_DELAYED_DRY_RUN] = "DELAYED_DRY_RUN",
        [LIMIT_REJECTED_DRY_RUN] = "REJECTED_DRY_RUN",
    };

    return outcome == LIMIT_UNASKED ? TEXT_NONE : text_from(names[outcome]);
}

static struct text get_limit_req_status(struct scope *scope, const struct variable *self)
{
    (void)self;
    return outcome_name(exchange_of_scope(scope)->limit_req);
}

static struct text get_limit_conn_status(struct scope *scope, const struct variable *self)
{
    (void)self;
    return outcome_name(exchange_of_scope(scope)->limit_conn);
}

static struct text get_upstream_cache_status(struct scope *scope, const struct variable *self)
{
    static const struct text names[] = {
        [CACHE_MISS] = LITERAL("MISS"),
        [CACHE_BYPASS] = LITERAL("BYPASS"),
        [CACHE_EXPIRED] = LITERAL("EXPIRED"),
        [CACHE_STALE] = LITERAL("STALE"),
        [CACHE_UPDATING] = LITERAL("UPDATING"),
        [CACHE_REVALIDATED] = LITERAL("REVALIDATED"),
        [CACHE_HIT] = LITERAL("HIT"),
    };

    (void)self;
    return names[exchange_of_scope(scope)->cache_outcome];
}

static struct text get_upstream_cache_last_modified(struct scope          *scope,
                                                    const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->cache_last_modified;
}

static struct text get_upstream_cache_age(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return x->has_cache_age ? from_u64(x, x->cache_age_s) : TEXT_NONE;
}

static struct text get_slice_range(struct scope *scope, const struct variable *self)
{
    (void)self;
    return found(exchange_of_scope(scope)->slice_range);
}

/* One of enum tally: in variable.slot. */
static struct text get_tally(struct scope *scope, const struct variable *self)
{
    return from_u64(exchange_of_scope(scope), tally_sum((enum tally)self->slot));
}

static struct text get_connections_waiting(struct scope *scope, const struct variable *self)
{
    (void)self;
    return from_u64(exchange_of_scope(scope), tally_resting());
}

static struct text get_limit_rate(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_u64(x, rate_to_client(x));
}

/* ---- the answer ---- */

/* On the way to an error page it is what the client will be told. */
static unsigned status_now(const struct exchange *x)
{
    if (x->answer != NULL || !x->has_error_page || x->error_answer == 0)
        return x->status;
    return x->error_answer > 0 ? (unsigned)x->error_answer : x->error_status;
}

static struct text get_status(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    char            *bytes = arena_bytes(x->arena, 3);

    (void)self;
    for (unsigned i = 3, rest = status_now(x); i-- > 0; rest /= 10)
        bytes[i] = (char)('0' + rest % 10);
    return text_of(bytes, 3);
}

static struct text get_body_bytes_sent(struct scope *scope, const struct variable *self)
{
    struct exchange   *x = exchange_of_scope(scope);
    const struct pipe *body = x->client->tx_body;

    (void)self;
    return from_u64(x, body == NULL ? 0 : body->total_out);
}

static struct text get_bytes_sent(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_u64(x, x->client->tx_bytes);
}

/* ---- time, place, process ---- */

static struct text get_msec(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return from_ms(x, loop_wall_ms(x->loop));
}

/* The clock's own text changes with the next second. */
static struct text get_time_local(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return arena_copy(x->arena, clock_log_date(loop_wall_ms(x->loop)));
}

static struct text get_time_iso8601(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return arena_copy(x->arena, clock_iso_date(loop_wall_ms(x->loop)));
}

static struct text get_hostname(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    char            *bytes = arena_bytes(x->arena, NAME_BYTES);

    (void)self;
    if (gethostname(bytes, NAME_BYTES) != 0)
        return TEXT("");
    bytes[NAME_BYTES - 1] = '\0';
    for (char *at = bytes; *at != '\0'; at++)
        *at = text_lower_char(*at);
    return text_from(bytes);
}

static struct text get_pid(struct scope *scope, const struct variable *self)
{
    (void)self;
    return from_u64(exchange_of_scope(scope), (uint64_t)getpid());
}

static struct text get_version(struct scope *scope, const struct variable *self)
{
    (void)scope, (void)self;
    return TEXT(FRONTDESK_VERSION);
}

static struct text get_scheme(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_scheme(exchange_of_scope(scope));
}

static struct text get_https(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->is_tls ? TEXT("on") : TEXT("");
}

static struct text get_http2(struct scope *scope, const struct variable *self)
{
    const struct exchange *x = exchange_of_scope(scope);

    (void)self;
    if (x->request->version < 20)
        return TEXT("");
    return x->is_tls ? TEXT("h2") : TEXT("h2c");
}

/* Pipelining is the codec's own affair: nobody above it can tell. */
static struct text get_pipe(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->client->is_pipelined ? TEXT("p") : TEXT(".");
}

static struct text get_server_name(struct scope *scope, const struct variable *self)
{
    const struct exchange *x = exchange_of_scope(scope);

    (void)self;
    return x->server == NULL ? TEXT("") : found(x->server->first_name);
}

/* ---- proxying ---- */

static struct text get_proxy_host(struct scope *scope, const struct variable *self)
{
    const struct exchange *x = exchange_of_scope(scope);

    (void)self;
    if (x->upstream_host.ptr != NULL || x->location->proxy.pass == NULL)
        return x->upstream_host;
    return x->location->proxy.pass->host;
}

static struct text get_proxy_port(struct scope *scope, const struct variable *self)
{
    const struct exchange *x = exchange_of_scope(scope);

    (void)self;
    if (x->upstream_port.ptr != NULL || x->location->proxy.pass == NULL)
        return x->upstream_port;
    return x->location->proxy.pass->port;
}

static struct text get_proxy_add_x_forwarded_for(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    struct text      remote = from_ip(x, exchange_remote(x));
    struct text      chain = fields_joined(&x->request->fields, TEXT("X-Forwarded-For"), x->arena);
    struct writer    writer;

    (void)self;
    if (chain.ptr == NULL)
        return remote;
    writer = writer_arena(x->arena, chain.len + 2 + remote.len);
    writer_text(&writer, chain);
    writer_text(&writer, TEXT(", "));
    writer_text(&writer, remote);
    return writer_done(&writer);
}

/* ---- $upstream_...: one value per try ---- */

static void write_since(struct writer *writer, const struct attempt *attempt, int64_t reached_us)
{
    if (reached_us == 0)
        writer_char(writer, '-');
    else
        write_ms(writer, (reached_us - attempt->started_us) / 1000);
}

static void write_addr(struct writer *writer, const struct attempt *attempt)
{
    writer_text(writer, attempt->address);
}

static void write_status(struct writer *writer, const struct attempt *attempt)
{
    if (attempt->status == 0)
        writer_char(writer, '-');
    else
        writer_u64(writer, attempt->status);
}

static void write_connect_time(struct writer *writer, const struct attempt *attempt)
{
    write_since(writer, attempt, attempt->connected_us);
}

static void write_header_time(struct writer *writer, const struct attempt *attempt)
{
    write_since(writer, attempt, attempt->head_us);
}

static void write_response_time(struct writer *writer, const struct attempt *attempt)
{
    write_since(writer, attempt, attempt->done_us);
}

static void write_queue_time(struct writer *writer, const struct attempt *attempt)
{
    if (attempt->queued_us == 0)
        writer_char(writer, '-');
    else
        write_ms(writer, (attempt->started_us - attempt->queued_us) / 1000);
}

static void write_response_length(struct writer *writer, const struct attempt *attempt)
{
    writer_u64(writer, attempt->body_bytes);
}

static void write_bytes_sent(struct writer *writer, const struct attempt *attempt)
{
    writer_u64(writer, attempt->bytes_sent);
}

static void write_bytes_received(struct writer *writer, const struct attempt *attempt)
{
    writer_u64(writer, attempt->bytes_received);
}

/* Which fact of the tries: in variable.slot. */
enum {
    ATTEMPT_ADDR = 0,
    ATTEMPT_STATUS,
    ATTEMPT_CONNECT_TIME,
    ATTEMPT_HEADER_TIME,
    ATTEMPT_RESPONSE_TIME,
    ATTEMPT_QUEUE_TIME,
    ATTEMPT_RESPONSE_LENGTH,
    ATTEMPT_BYTES_SENT,
    ATTEMPT_BYTES_RECEIVED
};

static void (*const attempt_writers[])(struct writer *writer, const struct attempt *attempt) = {
    [ATTEMPT_ADDR] = write_addr,
    [ATTEMPT_STATUS] = write_status,
    [ATTEMPT_CONNECT_TIME] = write_connect_time,
    [ATTEMPT_HEADER_TIME] = write_header_time,
    [ATTEMPT_RESPONSE_TIME] = write_response_time,
    [ATTEMPT_QUEUE_TIME] = write_queue_time,
    [ATTEMPT_RESPONSE_LENGTH] = write_response_length,
    [ATTEMPT_BYTES_SENT] = write_bytes_sent,
    [ATTEMPT_BYTES_RECEIVED] = write_bytes_received,
};

/* "502, 200", and " : " before a try that an internal redirect led to. */
static struct text get_attempts(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);
    struct writer    writer;

    if (x->attempts == NULL)
        return TEXT_NONE;
    writer = writer_arena(x->arena, 32);
    for (const struct attempt *attempt = x->attempts; attempt != NULL; attempt = attempt->next) {
        if (attempt != x->attempts)
            writer_text(&writer, attempt->is_redirect ? TEXT(" : ") : TEXT(", "));
        attempt_writers[self->slot](&writer, attempt);
    }
    return writer_done(&writer);
}

/* ---- families ---- */

static char fold_char(char c)
{
    return c == '-' ? '_' : text_lower_char(c);
}

/* "X-Request-Id" and "x_request_id" are the same to a variable. */
static bool is_same_name(struct text field, struct text wanted)
{
    if (field.len != wanted.len)
        return false;
    for (size_t i = 0; i < field.len; i++)
        if (fold_char(field.ptr[i]) != fold_char(wanted.ptr[i]))
            return false;
    return true;
}

/* All values of the field that `self` names; its number, if it has one, is in self->slot. */
static struct text joined_field(const struct fields *fields, const struct variable *self,
                                struct arena *arena)
{
    if (self->slot != FIELD_OTHER) {
        const struct field *field = fields_find(fields, (enum field_id)self->slot);
        if (field == NULL)
            return TEXT_NONE;
        if (fields_find_next(fields, field) == NULL)
            return found(field->value);
        return fields_joined(fields, field->name, arena);
    }
    FIELDS_EACH(fields, field)
        if (field->id == FIELD_OTHER && is_same_name(field->name, self->argument))
            return found(fields_joined(fields, field->name, arena));
    return TEXT_NONE;
}

static struct text get_http(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    return joined_field(&x->request->fields, self, x->arena);
}

static struct text get_arg(struct scope *scope, const struct variable *self)
{
    struct text value;

    return uri_arg(exchange_of_scope(scope)->query, self->argument, &value) ? value : TEXT_NONE;
}

/* The value in "name=value", or none; names compare without case here. */
static struct text pair_value(struct text pair, struct text name)
{
    size_t equals = text_find(pair, '=');

    if (equals == pair.len || !text_is_equal_nocase(text_trim(text_part(pair, 0, equals)), name))
        return TEXT_NONE;
    return text_trim(text_from_offset(pair, equals + 1));
}

/* A pair begins behind a semicolon or a comma, as nginx has it; its value ends at a semicolon. */
static struct text cookie_in(struct text rest, struct text name)
{
    struct text value = TEXT_NONE;

    while (rest.ptr != NULL && value.ptr == NULL) {
        size_t semicolon = text_find(rest, ';'), comma = text_find(rest, ',');
        size_t end = comma < semicolon ? comma : semicolon;

        value = pair_value(text_part(rest, 0, semicolon), name);
        rest = end < rest.len ? text_from_offset(rest, end + 1) : TEXT_NONE;
    }
    return value;
}

static struct text get_cookie(struct scope *scope, const struct variable *self)
{
    const struct fields *fields = &exchange_of_scope(scope)->request->fields;
    struct text          value = TEXT_NONE;

    for (const struct field *field = fields_find(fields, FIELD_COOKIE);
         field != NULL && value.ptr == NULL; field = fields_find_next(fields, field))
        value = cookie_in(field->value, self->argument);
    return value;
}

static struct text answer_length(struct exchange *x)
{
    const struct head *answer = x->answer;

    if (!status_has_content(answer->status))
        return TEXT_NONE;
    if (answer->body == BODY_SIZED || (answer->body == BODY_NONE && answer->length > 0))
        return from_u64(x, answer->length);
    return TEXT_NONE;
}

static struct text answer_connection(const struct exchange *x)
{
    if (x->answer->upgrade.len > 0)
        return TEXT("upgrade");
    return x->client->is_last || !x->request->may_persist ? TEXT("close") : TEXT("keep-alive");
}

/* Framing and Connection are no fields of the answer: the codec writes them. */
static struct text get_sent_http(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    if (x->answer == NULL)
        return TEXT_NONE;
    if (self->slot == FIELD_CONTENT_LENGTH)
        return answer_length(x);
    if (self->slot == FIELD_CONNECTION)
        return answer_connection(x);
    if (self->slot == FIELD_TRANSFER_ENCODING)
        return x->answer->body == BODY_CHUNKED ? TEXT("chunked") : TEXT_NONE;
    return joined_field(&x->answer->fields, self, x->arena);
}

static struct text get_sent_trailer(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    if (x->client->tx_trailers == NULL)
        return TEXT_NONE;
    return joined_field(x->client->tx_trailers, self, x->arena);
}

static struct text get_upstream_http(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    return x->response == NULL ? TEXT_NONE : joined_field(&x->response->fields, self, x->arena);
}

static struct text get_upstream_trailer(struct scope *scope, const struct variable *self)
{
    struct exchange *x = exchange_of_scope(scope);

    if (x->response_trailers == NULL)
        return TEXT_NONE;
    return joined_field(x->response_trailers, self, x->arena);
}

static struct text get_upstream_last_server_name(struct scope *scope, const struct variable *self)
{
    (void)self;
    return exchange_of_scope(scope)->last_server;
}

static struct text get_upstream_cookie(struct scope *scope, const struct variable *self)
{
    const struct exchange *x = exchange_of_scope(scope);

    if (x->response == NULL)
        return TEXT_NONE;
    FIELDS_EACH(&x->response->fields, field) {
        if (field->id != FIELD_SET_COOKIE)
            continue;
        struct text pair = text_part(field->value, 0, text_find(field->value, ';'));
        struct text value = pair_value(pair, self->argument);
        if (value.ptr != NULL)
            return value;
    }
    return TEXT_NONE;
}

static bool find_field(struct text argument, unsigned *ret_slot);

struct family {
    struct text prefix;
    getter     *get;
    bool      (*find)(struct text argument, unsigned *ret_slot);   /* false: no such name; NULL: any */
};

/* Longer prefixes first where one begins with another. */
static const struct family families[] = {
    { LITERAL("http_"), get_http, find_field },
    { LITERAL("arg_"), get_arg, NULL },
    { LITERAL("cookie_"), get_cookie, NULL },
    { LITERAL("sent_http_"), get_sent_http, find_field },
    { LITERAL("sent_trailer_"), get_sent_trailer, find_field },
    { LITERAL("upstream_http_"), get_upstream_http, find_field },
    { LITERAL("upstream_trailer_"), get_upstream_trailer, find_field },
    { LITERAL("upstream_cookie_"), get_upstream_cookie, NULL },
    { LITERAL("proxy_protocol_tlv_"), get_proxy_protocol_tlv, proxy_protocol_find_name },
};

/* ---- lookup ---- */

struct row {
    struct text name;
    getter     *get;
    unsigned    slot;                    /* for the getter */
};

/* Sorted by name. */
static const struct row rows[] = {
    { LITERAL("args"), get_args, 0 },
    { LITERAL("binary_remote_addr"), get_binary_remote_addr, 0 },
    { LITERAL("body_bytes_sent"), get_body_bytes_sent, 0 },
    { LITERAL("bytes_sent"), get_bytes_sent, 0 },
    { LITERAL("connection"), get_connection, 0 },
    { LITERAL("connection_requests"), get_connection_requests, 0 },
    { LITERAL("connection_time"), get_connection_time, 0 },
    { LITERAL("connections_active"), get_tally, TALLY_OPEN },
    { LITERAL("connections_reading"), get_tally, TALLY_READING },
    { LITERAL("connections_waiting"), get_connections_waiting, 0 },
    { LITERAL("connections_writing"), get_tally, TALLY_UNDER_WAY },
    { LITERAL("content_length"), get_request_field, FIELD_CONTENT_LENGTH },
    { LITERAL("content_type"), get_request_field, FIELD_CONTENT_TYPE },
    { LITERAL("document_uri"), get_uri, 0 },
    { LITERAL("host"), get_host, 0 },
    { LITERAL("hostname"), get_hostname, 0 },
    { LITERAL("http2"), get_http2, 0 },
    { LITERAL("http3"), get_empty, 0 },
    { LITERAL("https"), get_https, 0 },
    { LITERAL("is_args"), get_is_args, 0 },
    { LITERAL("is_request_port"), get_is_request_port, 0 },
    { LITERAL("limit_conn_status"), get_limit_conn_status, 0 },
    { LITERAL("limit_rate"), get_limit_rate, 0 },
    { LITERAL("limit_req_status"), get_limit_req_status, 0 },
    { LITERAL("msec"), get_msec, 0 },
    { LITERAL("nginx_version"), get_version, 0 },
    { LITERAL("pid"), get_pid, 0 },
    { LITERAL("pipe"), get_pipe, 0 },
    { LITERAL("proxy_add_x_forwarded_for"), get_proxy_add_x_forwarded_for, 0 },
    { LITERAL("proxy_host"), get_proxy_host, 0 },
    { LITERAL("proxy_port"), get_proxy_port, 0 },
    { LITERAL("proxy_protocol_addr"), get_proxy_protocol_addr, PREFACE_SOURCE },
    { LITERAL("proxy_protocol_port"), get_proxy_protocol_port, PREFACE_SOURCE },
    { LITERAL("proxy_protocol_server_addr"), get_proxy_protocol_addr, PREFACE_DESTINATION },
    { LITERAL("proxy_protocol_server_port"), get_proxy_protocol_port, PREFACE_DESTINATION },
    { LITERAL("query_string"), get_args, 0 },
    { LITERAL("realip_remote_addr"), get_realip_remote_addr, 0 },
    { LITERAL("realip_remote_port"), get_realip_remote_port, 0 },
    { LITERAL("remote_addr"), get_remote_addr, 0 },
    { LITERAL("remote_port"), get_remote_port, 0 },
    { LITERAL("remote_user"), get_remote_user, 0 },
    { LITERAL("request"), get_request, 0 },
    { LITERAL("request_body"), get_request_body, 0 },
    { LITERAL("request_completion"), get_request_completion, 0 },
    { LITERAL("request_id"), get_request_id, 0 },
    { LITERAL("request_length"), get_request_length, 0 },
    { LITERAL("request_method"), get_request_method, 0 },
    { LITERAL("request_port"), get_request_port, 0 },
    { LITERAL("request_time"), get_request_time, 0 },
    { LITERAL("request_uri"), get_request_uri, 0 },
    { LITERAL("scheme"), get_scheme, 0 },
    { LITERAL("server_addr"), get_server_addr, 0 },
    { LITERAL("server_name"), get_server_name, 0 },
    { LITERAL("server_port"), get_server_port, 0 },
    { LITERAL("server_protocol"), get_server_protocol, 0 },
    { LITERAL("slice_range"), get_slice_range, 0 },
    { LITERAL("ssl_alpn_protocol"), variable_of_tls, SSL_ALPN },
    { LITERAL("ssl_cipher"), variable_of_tls, SSL_CIPHER },
    { LITERAL("ssl_ciphers"), variable_of_tls, SSL_CIPHERS },
    { LITERAL("ssl_client_cert"), variable_of_client, TLS_CLIENT_CERT },
    { LITERAL("ssl_client_escaped_cert"), variable_of_client, TLS_CLIENT_ESCAPED_CERT },
    { LITERAL("ssl_client_fingerprint"), variable_of_client, TLS_CLIENT_FINGERPRINT },
    { LITERAL("ssl_client_i_dn"), variable_of_client, TLS_CLIENT_I_DN },
    { LITERAL("ssl_client_i_dn_legacy"), variable_of_client, TLS_CLIENT_I_DN_LEGACY },
    { LITERAL("ssl_client_raw_cert"), variable_of_client, TLS_CLIENT_RAW_CERT },
    { LITERAL("ssl_client_s_dn"), variable_of_client, TLS_CLIENT_S_DN },
    { LITERAL("ssl_client_s_dn_legacy"), variable_of_client, TLS_CLIENT_S_DN_LEGACY },
    { LITERAL("ssl_client_serial"), variable_of_client, TLS_CLIENT_SERIAL },
    { LITERAL("ssl_client_sigalg"), variable_of_client, TLS_CLIENT_SIGALG },
    { LITERAL("ssl_client_v_end"), variable_of_client, TLS_CLIENT_V_END },
    { LITERAL("ssl_client_v_remain"), variable_of_client, TLS_CLIENT_V_REMAIN },
    { LITERAL("ssl_client_v_start"), variable_of_client, TLS_CLIENT_V_START },
    { LITERAL("ssl_client_verify"), variable_of_client, TLS_CLIENT_VERIFY },
    { LITERAL("ssl_curve"), variable_of_tls, SSL_CURVE },
    { LITERAL("ssl_curves"), variable_of_tls, SSL_CURVES },
    { LITERAL("ssl_early_data"), variable_of_tls, SSL_EARLY_DATA },
    { LITERAL("ssl_protocol"), variable_of_tls, SSL_PROTOCOL },
    { LITERAL("ssl_server_name"), variable_of_tls, SSL_SERVER_NAME },
    { LITERAL("ssl_session_id"), variable_of_tls, SSL_SESSION_ID },
    { LITERAL("ssl_session_reused"), variable_of_tls, SSL_SESSION_REUSED },
    { LITERAL("status"), get_status, 0 },
    { LITERAL("tcpinfo_rcv_space"), get_tcpinfo, TCPINFO_RCV_SPACE },
    { LITERAL("tcpinfo_rtt"), get_tcpinfo, TCPINFO_RTT },
    { LITERAL("tcpinfo_rttvar"), get_tcpinfo, TCPINFO_RTTVAR },
    { LITERAL("tcpinfo_snd_cwnd"), get_tcpinfo, TCPINFO_SND_CWND },
    { LITERAL("time_iso8601"), get_time_iso8601, 0 },
    { LITERAL("time_local"), get_time_local, 0 },
    { LITERAL("upstream_addr"), get_attempts, ATTEMPT_ADDR },
    { LITERAL("upstream_bytes_received"), get_attempts, ATTEMPT_BYTES_RECEIVED },
    { LITERAL("upstream_bytes_sent"), get_attempts, ATTEMPT_BYTES_SENT },
    { LITERAL("upstream_cache_age"), get_upstream_cache_age, 0 },
    { LITERAL("upstream_cache_last_modified"), get_upstream_cache_last_modified, 0 },
    { LITERAL("upstream_cache_status"), get_upstream_cache_status, 0 },
    { LITERAL("upstream_connect_time"), get_attempts, ATTEMPT_CONNECT_TIME },
    { LITERAL("upstream_header_time"), get_attempts, ATTEMPT_HEADER_TIME },
    { LITERAL("upstream_last_server_name"), get_upstream_last_server_name, 0 },
    { LITERAL("upstream_queue_time"), get_attempts, ATTEMPT_QUEUE_TIME },
    { LITERAL("upstream_response_length"), get_attempts, ATTEMPT_RESPONSE_LENGTH },
    { LITERAL("upstream_response_time"), get_attempts, ATTEMPT_RESPONSE_TIME },
    { LITERAL("upstream_status"), get_attempts, ATTEMPT_STATUS },
    { LITERAL("uri"), get_uri, 0 },
};

static int row_compare(const void *key, const void *row)
{
    return text_compare_nocase(*(const struct text *)key, ((const struct row *)row)->name);
}

/* The number of the field that "x_forwarded_for" stands for; any name may be one. */
static bool find_field(struct text argument, unsigned *ret_slot)
{
    char bytes[NAME_BYTES];

    *ret_slot = FIELD_OTHER;
    if (argument.len > sizeof(bytes))
        return true;
    for (size_t i = 0; i < argument.len; i++)
        bytes[i] = argument.ptr[i] == '_' ? '-' : argument.ptr[i];
    *ret_slot = field_id_of(text_of(bytes, argument.len));
    return true;
}

static bool family_find(struct text name, struct variable *ret_variable)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const struct family *family = &families[i];
        if (name.len <= family->prefix.len || !text_has_prefix_nocase(name, family->prefix))
            continue;
        struct variable found = { .get = family->get,
                                  .argument = text_from_offset(name, family->prefix.len) };
        if (family->find != NULL && !family->find(found.argument, &found.slot))
            return false;
        *ret_variable = found;
        return true;
    }
    return false;
}

bool variables_find(struct text name, struct variable *ret_variable)
{
    const struct row *row =
        bsearch(&name, rows, sizeof(rows) / sizeof(rows[0]), sizeof(rows[0]), row_compare);

    if (row == NULL)
        return family_find(name, ret_variable);
    *ret_variable = (struct variable){ .get = row->get, .slot = row->slot };
    return true;
}

struct text variables_nearest(struct text name)
{
    unsigned    best_distance = TYPO_DISTANCE + 1;
    struct text best = TEXT_NONE;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned distance = text_distance(name, rows[i].name, TYPO_DISTANCE);

        if (distance < best_distance) {
            best_distance = distance;
            best = rows[i].name;
        }
    }
    return best;
}

bool variables_is_changeable(struct text name)
{
    return text_is_equal_nocase(name, TEXT("args"))
           || text_is_equal_nocase(name, TEXT("limit_rate"));
}

/* The rate itself belongs to the exchange's pacing; what changes here is the request. */
void variables_set(struct scope *scope, struct text name, struct text value)
{
    struct exchange *x = exchange_of_scope(scope);

    if (text_is_equal_nocase(name, TEXT("limit_rate"))) {
        x->set_rate = value;
        return;
    }
    x->query = value;
    x->has_query = value.len > 0;
}
