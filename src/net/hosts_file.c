// SPDX-License-Identifier: MIT
/* A line is an address and names that it goes by; the same name may stand on several lines. */
#include "net/hosts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { FILE_MOST = 4 * 1024 * 1024 };

void hosts_file_init(struct hosts_file *file, const char *path)
{
    *file = (struct hosts_file){ .path = path };
}

void hosts_file_done(struct hosts_file *file)
{
    MEM_FREE(&file->bytes);
    file->len = 0;
}

bool file_has_changed(const char *path, struct stat *seen)
{
    struct stat now = { .st_size = 0 };

    if (stat(path, &now) < 0)
        now = (struct stat){ .st_size = -1 };
    if (now.st_ino == seen->st_ino && now.st_dev == seen->st_dev && now.st_size == seen->st_size &&
        now.st_mtim.tv_sec == seen->st_mtim.tv_sec && now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec)
        return false;
    *seen = now;
    return true;
}

static size_t read_all(int fd, char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = read(fd, bytes + done, len - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

/* What cannot be read is empty. */
static void file_read(struct hosts_file *file)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    hosts_file_done(file);
    if (fd < 0)
        return;
    if (S_ISREG(file->seen.st_mode) && file->seen.st_size > 0 && file->seen.st_size <= FILE_MOST) {
        file->bytes = mem_try((size_t)file->seen.st_size);
        if (file->bytes != NULL)
            file->len = read_all(fd, file->bytes, (size_t)file->seen.st_size);
    }
    (void)close(fd);
}

/* The next word of the line, or false. */
static bool take_word(struct text *line, struct text *ret_word)
{
    size_t start = 0, end;

    while (start < line->len &&
           (line->ptr[start] == ' ' || line->ptr[start] == '\t' || line->ptr[start] == '\r'))
        start++;
    end = start;
    while (end < line->len && line->ptr[end] != ' ' && line->ptr[end] != '\t' &&
           line->ptr[end] != '\r')
        end++;
    *ret_word = text_part(*line, start, end - start);
    *line = text_from_offset(*line, end);
    return ret_word->len > 0;
}

static bool is_line_of(struct text line, struct text name, struct address *ret_address)
{
    struct text ip, word;

    line = text_part(line, 0, text_find(line, '#'));
    if (!take_word(&line, &ip))
        return false;
    while (take_word(&line, &word))
        if (text_is_equal_nocase(word, name))
            return address_parse_ip(ip, 0, ret_address) == 0;
    return false;
}

static bool is_known(const struct address *addresses, unsigned count, const struct address *address)
{
    for (unsigned i = 0; i < count; i++)
        if (address_is_equal(&addresses[i], address))
            return true;
    return false;
}

unsigned hosts_text_find(struct text text, struct text name, struct address *addresses,
                         unsigned room)
{
    struct address address;
    struct text    line;
    unsigned       count = 0;

    while (count < room && text_split(&text, '\n', &line))
        if (is_line_of(line, name, &address) && !is_known(addresses, count, &address))
            addresses[count++] = address;
    return count;
}

unsigned hosts_file_find(struct hosts_file *file, struct text name, struct address *addresses,
                         unsigned room)
{
    if (file_has_changed(file->path, &file->seen))
        file_read(file);
    return hosts_text_find(text_of(file->bytes, file->len), name, addresses, room);
}
