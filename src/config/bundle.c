// SPDX-License-Identifier: MIT
/* Recording reads regular files only, of bounded size: a configuration that includes /dev/zero or a
 * pipe must not hang or swell the supervisor. The encoded form is numbers and lengths in text, then
 * bytes: simple to check, and checked, since it comes through a socket. */
#include "config/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/lookup.h"

enum { FILE_MOST = 16 * 1024 * 1024, PATHS_MOST = 10000, ERRNO_MOST = 4095 };

/* ---- reading the disk ---- */

static int read_all(int fd, char *bytes, size_t len, size_t *ret_len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = read(fd, bytes + done, len - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_len = done;
    return 0;
}

static uint64_t stamp_of(const struct stat *status)
{
    uint64_t parts[] = { status->st_dev, status->st_ino, (uint64_t)status->st_size,
                         (uint64_t)status->st_mtim.tv_sec, (uint64_t)status->st_mtim.tv_nsec };

    return hash_text(text_of((const char *)parts, sizeof(parts)));
}

uint64_t bundle_stamp_now(struct text path)
{
    struct arena *arena = arena_new();
    struct stat   status;
    uint64_t      stamp = stat(arena_string(arena, path), &status) < 0 ? 0 : stamp_of(&status);

    arena_free(&arena);
    return stamp;
}

static int read_open_file(struct arena *arena, int fd, struct text *ret_text, uint64_t *ret_stamp)
{
    struct stat status;
    size_t      len;
    char       *bytes;
    int         error;

    if (fstat(fd, &status) < 0)
        return -errno;
    *ret_stamp = stamp_of(&status);
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    /* An empty configuration is often spelled /dev/null. */
    if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)) {
        *ret_text = TEXT("");
        return 0;
    }
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size > FILE_MOST)
        return -EFBIG;
    bytes = arena_bytes(arena, (size_t)status.st_size + 1);
    error = read_all(fd, bytes, (size_t)status.st_size, &len);
    if (error == 0)
        *ret_text = text_of(bytes, len);
    return error;
}

static int read_disk(struct arena *arena, struct text path, struct text *ret_text,
                     uint64_t *ret_stamp)
{
    int fd, error;

    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    fd = open(arena_string(arena, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    error = read_open_file(arena, fd, ret_text, ret_stamp);
    (void)close(fd);
    return error;
}

static int glob_disk(struct arena *arena, struct text pattern, struct text **ret_paths,
                     unsigned *ret_count)
{
    glob_t found;
    int    result = glob(arena_string(arena, pattern), 0, NULL, &found);
    int    error = 0;

    *ret_paths = NULL;
    *ret_count = 0;
    if (result == GLOB_NOMATCH)
        return 0;
    if (result != 0)
        return result == GLOB_NOSPACE ? -ENOMEM : -EIO;
    if (found.gl_pathc > PATHS_MOST) {
        error = -E2BIG;
    } else {
        *ret_paths = ARENA_ARRAY(arena, struct text, found.gl_pathc);
        for (size_t i = 0; i < found.gl_pathc; i++)
            (*ret_paths)[i] = arena_copy(arena, text_from(found.gl_pathv[i]));
        *ret_count = (unsigned)found.gl_pathc;
    }
    globfree(&found);
    return error;
}

/* ---- asking for names ---- */

static void name_resolve(struct arena *arena, struct bundle_name *record)
{
    struct address found[LOOKUP_ADDRESSES_MOST];

    record->error = record->name.len < LOOKUP_NAME_BYTES
                        ? lookup_now(arena_string(arena, record->name), found, &record->count)
                        : -ENAMETOOLONG;
    record->addresses = ARENA_ARRAY(arena, struct address, record->count);
    for (unsigned i = 0; i < record->count; i++)
        record->addresses[i] = found[i];
}

/* ---- the record ---- */

static void file_append(struct bundle *bundle, struct bundle_file *file)
{
    *bundle->files_end = file;
    bundle->files_end = &file->next;
    (void)map_add(bundle->by_path, file->path, file);
}

static int source_read(struct config_source *source, struct text path, struct text *ret_text)
{
    struct bundle      *bundle = container_of(source, struct bundle, source);
    struct bundle_file *file = map_get(bundle->by_path, path);

    if (file == NULL && !bundle->is_recording)
        return -ENOENT;
    if (file == NULL) {
        file = ARENA_NEW(bundle->arena, struct bundle_file);
        file->path = arena_copy(bundle->arena, path);
        file->text = TEXT("");
        file->error = read_disk(bundle->arena, path, &file->text, &file->stamp);
        file_append(bundle, file);
    }
    if (file->error == 0)
        *ret_text = file->text;
    return file->error;
}

static int source_glob(struct config_source *source, struct text pattern, struct text **ret_paths,
                       unsigned *ret_count)
{
    struct bundle       *bundle = container_of(source, struct bundle, source);
    struct bundle_glob **at = &bundle->globs, *record;
    int                  error;

    for (; *at != NULL; at = &(*at)->next)
        if (text_is_equal((*at)->pattern, pattern)) {
            *ret_paths = (*at)->paths;
            *ret_count = (*at)->count;
            return 0;
        }
    if (!bundle->is_recording)
        return -ENOENT;
    record = ARENA_NEW(bundle->arena, struct bundle_glob);
    record->pattern = arena_copy(bundle->arena, pattern);
    error = glob_disk(bundle->arena, pattern, &record->paths, &record->count);
    if (error < 0)
        return error;
    *at = record;
    *ret_paths = record->paths;
    *ret_count = record->count;
    return 0;
}

static int source_resolve(struct config_source *source, struct text name,
                          const struct address **ret_addresses, unsigned *ret_count)
{
    struct bundle       *bundle = container_of(source, struct bundle, source);
    struct bundle_name **at = &bundle->names;

    while (*at != NULL && !text_is_equal((*at)->name, name))
        at = &(*at)->next;
    if (*at == NULL && !bundle->is_recording)
        return -ENOENT;
    if (*at == NULL) {
        *at = ARENA_NEW(bundle->arena, struct bundle_name);
        (*at)->name = arena_copy(bundle->arena, name);
        name_resolve(bundle->arena, *at);
    }
    *ret_addresses = (*at)->addresses;
    *ret_count = (*at)->count;
    return (*at)->error;
}

static struct config_options options_copy(struct arena *arena, const struct config_options *options)
{
    return (struct config_options){
        .prefix = arena_copy(arena, options->prefix),
        .path = arena_copy(arena, options->path),
        .error_log = arena_copy(arena, options->error_log),
        .globals = arena_copy(arena, options->globals),
        .is_unprivileged = options->is_unprivileged,
    };
}

struct bundle *bundle_new(const struct config_options *options, bool is_recording)
{
    struct bundle *bundle = mem_new(sizeof(*bundle));

    bundle->source = (struct config_source){ .read = source_read,
                                             .glob = source_glob,
                                             .resolve = source_resolve };
    bundle->arena = arena_new();
    bundle->options = options_copy(bundle->arena, options);
    bundle->is_recording = is_recording;
    bundle->by_path = map_new(false);
    bundle->files_end = &bundle->files;
    bundle->fds_end = &bundle->fds;
    return bundle;
}

void bundle_free(struct bundle **bundle)
{
    struct bundle *dead = *bundle;

    if (dead == NULL)
        return;
    *bundle = NULL;
    for (struct bundle_fd *at = dead->fds; at != NULL; at = at->next)
        if (at->fd >= 0)
            (void)close(at->fd);
    map_free(&dead->by_path);
    for (struct bundle_file *at = dead->files; at != NULL; at = at->next)
        if (at->text.len > 0)
            explicit_bzero((char *)(uintptr_t)at->text.ptr, at->text.len);
    arena_free(&dead->arena);
    mem_free(dead);
}

void bundle_add_file(struct bundle *bundle, struct text path, struct text text)
{
    struct bundle_file *file = ARENA_NEW(bundle->arena, struct bundle_file);

    file->path = arena_copy(bundle->arena, path);
    file->text = arena_copy(bundle->arena, text);
    file_append(bundle, file);
}

/* ---- descriptors ---- */

void bundle_add_fd(struct bundle *bundle, const char *kind, struct text name, int fd)
{
    struct bundle_fd *entry = ARENA_NEW(bundle->arena, struct bundle_fd);

    entry->kind = arena_copy(bundle->arena, text_from(kind));
    entry->name = arena_copy(bundle->arena, name);
    entry->fd = fd;
    *bundle->fds_end = entry;
    bundle->fds_end = &entry->next;
}

static struct bundle_fd *fd_find(const struct bundle *bundle, const char *kind, struct text name)
{
    for (struct bundle_fd *at = bundle->fds; at != NULL; at = at->next)
        if (text_is_equal(at->kind, text_from(kind)) && text_is_equal(at->name, name))
            return at;
    return NULL;
}

int bundle_fd(const struct bundle *bundle, const char *kind, struct text name)
{
    const struct bundle_fd *entry = fd_find(bundle, kind, name);

    return entry == NULL ? -1 : entry->fd;
}

int bundle_take_fd(struct bundle *bundle, const char *kind, struct text name)
{
    struct bundle_fd *entry = fd_find(bundle, kind, name);
    int               fd = entry == NULL ? -1 : entry->fd;

    if (entry != NULL)
        entry->fd = -1;
    return fd;
}

/* ---- encoding ---- */

static const char first_line[] = "frontdesk bundle 1\n";

/* "len:bytes\n" */
static void write_text(struct writer *writer, struct text text)
{
    writer_u64(writer, text.len);
    writer_char(writer, ':');
    writer_text(writer, text);
    writer_char(writer, '\n');
}

static void write_number(struct writer *writer, uint64_t number)
{
    writer_u64(writer, number);
    writer_char(writer, '\n');
}

static void write_files(struct writer *writer, const struct bundle *bundle)
{
    for (const struct bundle_file *at = bundle->files; at != NULL; at = at->next) {
        writer_string(writer, "file\n");
        write_text(writer, at->path);
        write_number(writer, (uint64_t)-at->error);
        write_text(writer, at->text);
    }
}

static void write_globs(struct writer *writer, const struct bundle *bundle)
{
    for (const struct bundle_glob *at = bundle->globs; at != NULL; at = at->next) {
        writer_string(writer, "glob\n");
        write_text(writer, at->pattern);
        write_number(writer, at->count);
        for (unsigned i = 0; i < at->count; i++)
            write_text(writer, at->paths[i]);
    }
}

static void write_names(struct writer *writer, const struct bundle *bundle)
{
    char ip[ADDRESS_TEXT_BYTES];

    for (const struct bundle_name *at = bundle->names; at != NULL; at = at->next) {
        writer_string(writer, "name\n");
        write_text(writer, at->name);
        write_number(writer, (uint64_t)-at->error);
        write_number(writer, at->count);
        for (unsigned i = 0; i < at->count; i++) {
            struct writer text = writer_fixed(ip, sizeof(ip));

            address_write_ip(&text, &at->addresses[i]);
            write_text(writer, writer_done(&text));
        }
    }
}

static void write_fds(struct writer *writer, const struct bundle *bundle)
{
    for (const struct bundle_fd *at = bundle->fds; at != NULL; at = at->next) {
        writer_string(writer, "fd\n");
        write_text(writer, at->kind);
        write_text(writer, at->name);
    }
}

/* Enough for the files, so that no piece of a key is left behind where the text has grown. */
static size_t size_estimate(const struct bundle *bundle)
{
    size_t size = 64 * 1024;

    for (const struct bundle_file *at = bundle->files; at != NULL; at = at->next)
        size += at->path.len + at->text.len + 64;
    return size;
}

struct text bundle_encode(const struct bundle *bundle, struct arena *arena)
{
    struct writer writer = writer_arena(arena, size_estimate(bundle));

    writer_string(&writer, first_line);
    write_text(&writer, bundle->options.prefix);
    write_text(&writer, bundle->options.path);
    write_text(&writer, bundle->options.error_log);
    write_text(&writer, bundle->options.globals);
    write_number(&writer, bundle->options.is_unprivileged);
    write_files(&writer, bundle);
    write_globs(&writer, bundle);
    write_names(&writer, bundle);
    write_fds(&writer, bundle);
    writer_string(&writer, "end\n");
    return writer_done(&writer);
}

/* ---- decoding ---- */

static bool read_number(struct text *rest, char end, uint64_t most, uint64_t *ret_number)
{
    size_t len = text_find(*rest, end);

    if (len == rest->len || text_to_u64(text_part(*rest, 0, len), ret_number) < 0 ||
        *ret_number > most)
        return false;
    *rest = text_from_offset(*rest, len + 1);
    return true;
}

static bool read_text(struct text *rest, struct text *ret_text)
{
    uint64_t len;

    if (!read_number(rest, ':', rest->len, &len) || len >= rest->len || rest->ptr[len] != '\n')
        return false;
    *ret_text = text_part(*rest, 0, len);
    *rest = text_from_offset(*rest, len + 1);
    return true;
}

static bool read_options(struct text *rest, struct config_options *options)
{
    uint64_t is_unprivileged;

    if (!read_text(rest, &options->prefix) || !read_text(rest, &options->path) ||
        !read_text(rest, &options->error_log) || !read_text(rest, &options->globals) ||
        !read_number(rest, '\n', 1, &is_unprivileged))
        return false;
    options->is_unprivileged = is_unprivileged != 0;
    return true;
}

static bool read_file(struct bundle *bundle, struct text *rest)
{
    struct text path, text;
    uint64_t    error;

    if (!read_text(rest, &path) || !read_number(rest, '\n', ERRNO_MOST, &error) ||
        !read_text(rest, &text))
        return false;
    bundle_add_file(bundle, path, text);
    container_of(bundle->files_end, struct bundle_file, next)->error = -(int)error;
    return true;
}

static bool read_glob(struct bundle *bundle, struct text *rest)
{
    struct bundle_glob *record = ARENA_NEW(bundle->arena, struct bundle_glob), **end;
    struct text         pattern, path;
    uint64_t            count;

    if (!read_text(rest, &pattern) || !read_number(rest, '\n', PATHS_MOST, &count))
        return false;
    record->pattern = arena_copy(bundle->arena, pattern);
    record->paths = ARENA_ARRAY(bundle->arena, struct text, count);
    for (; record->count < count; record->count++) {
        if (!read_text(rest, &path))
            return false;
        record->paths[record->count] = arena_copy(bundle->arena, path);
    }
    for (end = &bundle->globs; *end != NULL; end = &(*end)->next)
        ;
    *end = record;
    return true;
}

static bool read_name(struct bundle *bundle, struct text *rest)
{
    struct bundle_name *record = ARENA_NEW(bundle->arena, struct bundle_name), **end;
    struct text         name, ip;
    uint64_t            error, count;

    if (!read_text(rest, &name) || !read_number(rest, '\n', ERRNO_MOST, &error) ||
        !read_number(rest, '\n', LOOKUP_ADDRESSES_MOST, &count))
        return false;
    record->name = arena_copy(bundle->arena, name);
    record->error = -(int)error;
    record->addresses = ARENA_ARRAY(bundle->arena, struct address, count);
    for (; record->count < count; record->count++)
        if (!read_text(rest, &ip) || address_parse_ip(ip, 0, &record->addresses[record->count]) < 0)
            return false;
    for (end = &bundle->names; *end != NULL; end = &(*end)->next)
        ;
    *end = record;
    return true;
}

static bool read_fd(struct bundle *bundle, struct text *rest)
{
    struct text kind, name;

    if (!read_text(rest, &kind) || !read_text(rest, &name))
        return false;
    bundle_add_fd(bundle, arena_string(bundle->arena, kind), name, -1);
    return true;
}

static bool read_records(struct bundle *bundle, struct text *rest)
{
    struct text kind;

    while (!text_is_equal(*rest, TEXT("end\n")) && text_split(rest, '\n', &kind)) {
        bool is_good;

        if (text_is_equal(kind, TEXT("file")))
            is_good = read_file(bundle, rest);
        else if (text_is_equal(kind, TEXT("glob")))
            is_good = read_glob(bundle, rest);
        else if (text_is_equal(kind, TEXT("name")))
            is_good = read_name(bundle, rest);
        else
            is_good = text_is_equal(kind, TEXT("fd")) && read_fd(bundle, rest);
        if (!is_good)
            return false;
    }
    return rest->len > 0;
}

int bundle_decode(struct text bytes, struct bundle **ret_bundle)
{
    struct config_options options;
    struct bundle        *bundle;

    if (!text_has_prefix(bytes, text_from(first_line)))
        return -EINVAL;
    bytes = text_from_offset(bytes, sizeof(first_line) - 1);
    if (!read_options(&bytes, &options))
        return -EINVAL;
    bundle = bundle_new(&options, false);
    if (!read_records(bundle, &bytes)) {
        bundle_free(&bundle);
        return -EINVAL;
    }
    *ret_bundle = bundle;
    return 0;
}
