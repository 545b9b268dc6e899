// SPDX-License-Identifier: MIT
/* Reason phrases, sorted by status. Where nginx has words of its own (302, 405, 408, 413, 414, 416,
 * 503, 504) they are used, since log tools and tests of our users expect them; the rest are the
 * registry's. Nothing decides by a reason. Pure functions, any thread. */
#include "http/status.h"

struct status_row {
    unsigned    status;
    struct text reason;
};

#define ROW(status, reason) { status, { "" reason, sizeof(reason) - 1 } }

static const struct status_row rows[] = {
    ROW(100, "Continue"),
    ROW(101, "Switching Protocols"),
    ROW(102, "Processing"),
    ROW(103, "Early Hints"),
    ROW(200, "OK"),
    ROW(201, "Created"),
    ROW(202, "Accepted"),
    ROW(203, "Non-Authoritative Information"),
    ROW(204, "No Content"),
    ROW(205, "Reset Content"),
    ROW(206, "Partial Content"),
    ROW(207, "Multi-Status"),
    ROW(208, "Already Reported"),
    ROW(226, "IM Used"),
    ROW(300, "Multiple Choices"),
    ROW(301, "Moved Permanently"),
    ROW(302, "Moved Temporarily"),
    ROW(303, "See Other"),
    ROW(304, "Not Modified"),
    ROW(305, "Use Proxy"),
    ROW(307, "Temporary Redirect"),
    ROW(308, "Permanent Redirect"),
    ROW(400, "Bad Request"),
    ROW(401, "Unauthorized"),
    ROW(402, "Payment Required"),
    ROW(403, "Forbidden"),
    ROW(404, "Not Found"),
    ROW(405, "Not Allowed"),
    ROW(406, "Not Acceptable"),
    ROW(407, "Proxy Authentication Required"),
    ROW(408, "Request Time-out"),
    ROW(409, "Conflict"),
    ROW(410, "Gone"),
    ROW(411, "Length Required"),
    ROW(412, "Precondition Failed"),
    ROW(413, "Request Entity Too Large"),
    ROW(414, "Request-URI Too Large"),
    ROW(415, "Unsupported Media Type"),
    ROW(416, "Requested Range Not Satisfiable"),
    ROW(417, "Expectation Failed"),
    ROW(418, "I'm a teapot"),
    ROW(421, "Misdirected Request"),
    ROW(422, "Unprocessable Content"),
    ROW(423, "Locked"),
    ROW(424, "Failed Dependency"),
    ROW(425, "Too Early"),
    ROW(426, "Upgrade Required"),
    ROW(428, "Precondition Required"),
    ROW(429, "Too Many Requests"),
    ROW(431, "Request Header Fields Too Large"),
    ROW(451, "Unavailable For Legal Reasons"),
    ROW(500, "Internal Server Error"),
    ROW(501, "Not Implemented"),
    ROW(502, "Bad Gateway"),
    ROW(503, "Service Temporarily Unavailable"),
    ROW(504, "Gateway Time-out"),
    ROW(505, "HTTP Version Not Supported"),
    ROW(506, "Variant Also Negotiates"),
    ROW(507, "Insufficient Storage"),
    ROW(508, "Loop Detected"),
    ROW(511, "Network Authentication Required"),
};

struct text status_reason(unsigned status)
{
    size_t low = 0, high = sizeof(rows) / sizeof(rows[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows[middle].status == status)
            return rows[middle].reason;
        if (rows[middle].status < status)
            low = middle + 1;
        else
            high = middle;
    }
    return TEXT("");
}

bool status_has_content(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}
