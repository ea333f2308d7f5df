/*
 * A client that costs less than any server it measures: content goes out by sendfile(2), answers
 * are read into one buffer and forgotten. Started by load.py, which makes the plan.
 *
 *     load ADDRESS PORT CLIENTS TOTAL PLAN [CONTENT|-] [ANSWERS|-]
 *
 * CLIENTS threads, each with a connection that is kept as long as the server keeps it, take the
 * requests of PLAN one after the other, from its beginning again after its end, until TOTAL were
 * made. The first answer that is not as planned ends the program with status 1.
 *
 * PLAN is, for each request: seven numbers of 64 bits (the lengths of head, prefix and suffix, the
 * bytes of content between prefix and suffix, the expected status, the expected length of the
 * answer's body or -1, whether the answer has no body as for HEAD), then head, prefix, suffix.
 * ANSWERS gets, for each answer in the order of the requests: two numbers of 32 bits (lengths),
 * its Location and the beginning of its body. What is measured is one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER = 256 * 1024,
    KEPT_LOCATION = 2048,
    KEPT_BODY = 1024,
    TIMEOUT_SECONDS = 300,
    NUMBERS = 7,
    STATUSES = 600,
    MOST_AT_ONCE = 1 << 30,
};

struct request {
    const char *head, *prefix, *suffix;
    size_t head_length, prefix_length, suffix_length, length;
    int status;
    int64_t body;
    bool bodiless;
};

struct answer {
    char *location, *body;
    uint32_t location_length, body_length;
};

struct head {
    int status;
    int64_t length; /* -1: not said */
    bool chunked, closes;
    char location[KEPT_LOCATION];
};

struct client {
    pthread_t thread;
    int connection; /* -1: none */
    char *buffer;
    size_t from, to; /* what of the buffer is not used yet */
    uint64_t received, connections;
    double begun, ended;
    uint64_t request; /* its number, for complaints */
    bool answered;    /* whether a byte of the answer has come */
    char kept[KEPT_BODY];
    size_t kept_length;
    uint64_t body_length;
};

static struct sockaddr_in server;
static struct request *plan;
static uint64_t planned, total;
static int content = -1;
static atomic_uint_fast64_t next_request;
static atomic_uint_fast64_t by_status[STATUSES];
static uint32_t *micros;
static struct answer *answers;
static pthread_mutex_t complaining = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t beginning;

/* The first to complain ends the program; the lock is never given back. */
static _Noreturn void fail(const struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(const struct client *client, const char *format, ...) {
    va_list arguments;
    pthread_mutex_lock(&complaining);
    va_start(arguments, format);
    if (client != NULL) {
        const struct request *request = &plan[client->request % planned];
        int line = (int)(strchr(request->head, '\r') - request->head);
        fprintf(stderr, "request %ju (%.*s): ", (uintmax_t)client->request, line > 300 ? 300 : line,
                request->head);
    }
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stderr);
    _exit(1);
}

static void *claim(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) fail(NULL, "no memory");
    return memory;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- the plan ---------------------------------------------------------------------------- */

static void read_plan(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat found;
    if (file < 0 || fstat(file, &found) < 0) fail(NULL, "%s: %s", path, strerror(errno));
    size_t size = (size_t)found.st_size;
    const char *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (at == MAP_FAILED) fail(NULL, "%s: %s", path, strerror(errno));
    const char *end = at + size;
    size_t room = 0;
    while (at < end) {
        int64_t number[NUMBERS];
        if (planned == room) {
            room = room ? 2 * room : 64;
            plan = realloc(plan, room * sizeof *plan);
            if (plan == NULL) fail(NULL, "no memory");
        }
        if ((size_t)(end - at) < sizeof number) fail(NULL, "the plan is cut short");
        memcpy(number, at, sizeof number);
        at += sizeof number;
        if (end - at < number[0] + number[1] + number[2]) fail(NULL, "the plan is cut short");
        plan[planned++] = (struct request){
            .head = at,
            .prefix = at + number[0],
            .suffix = at + number[0] + number[1],
            .head_length = (size_t)number[0],
            .prefix_length = (size_t)number[1],
            .suffix_length = (size_t)number[2],
            .length = (size_t)number[3],
            .status = (int)number[4],
            .body = number[5],
            .bodiless = number[6] != 0,
        };
        at += number[0] + number[1] + number[2];
    }
    if (planned == 0) fail(NULL, "the plan is empty");
    close(file);
}

/* --- the connection ---------------------------------------------------------------------- */

static void open_connection(struct client *client) {
    int one = 1;
    struct timeval patience = {.tv_sec = TIMEOUT_SECONDS};
    int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) fail(client, "socket: %s", strerror(errno));
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(made, (struct sockaddr *)&server, sizeof server) < 0)
        fail(client, "connect: %s", strerror(errno));
    client->connection = made;
    client->from = client->to = 0;
    client->connections++;
}

static void close_connection(struct client *client) {
    close(client->connection);
    client->connection = -1;
}

static bool send_bytes(int connection, const char *bytes, size_t length, int flags) {
    while (length > 0) {
        ssize_t sent = send(connection, bytes, length, flags | MSG_NOSIGNAL);
        if (sent < 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool send_content(struct client *client, size_t length) {
    off_t at = 0;
    while ((size_t)at < length) {
        size_t rest = length - (size_t)at;
        size_t most = rest < MOST_AT_ONCE ? rest : MOST_AT_ONCE;
        ssize_t sent = sendfile(client->connection, content, &at, most);
        if (sent == 0) fail(client, "the content is shorter than the request says");
        if (sent < 0) return false;
    }
    return true;
}

/* False if the server has gone away: it may have answered before. */
static bool send_request(struct client *client, const struct request *request) {
    bool last = request->prefix_length + request->length + request->suffix_length == 0;
    int more = request->length + request->suffix_length > 0 ? MSG_MORE : 0;
    return send_bytes(client->connection, request->head, request->head_length,
                      last ? 0 : MSG_MORE) &&
           send_bytes(client->connection, request->prefix, request->prefix_length, more) &&
           send_content(client, request->length) &&
           send_bytes(client->connection, request->suffix, request->suffix_length, 0);
}

/* --- the answer -------------------------------------------------------------------------- */

/* More bytes behind those in the buffer; 0 at the end of the connection, or if it broke.
 * What came is acknowledged at once: else some servers, which send a head and wait with the body
 * (Nagle's algorithm), would be measured by this kernel's timer of 40 ms. */
static size_t fill(struct client *client) {
    int one = 1;
    if (client->from == client->to) client->from = client->to = 0;
    if (client->to == BUFFER) {
        memmove(client->buffer, client->buffer + client->from, client->to - client->from);
        client->to -= client->from;
        client->from = 0;
        if (client->to == BUFFER) fail(client, "a head of more than %d bytes", BUFFER);
    }
    setsockopt(client->connection, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
    ssize_t got = recv(client->connection, client->buffer + client->to, BUFFER - client->to, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail(client, "no byte for %d seconds", TIMEOUT_SECONDS);
    if (got < 0 && client->answered) fail(client, "receiving: %s", strerror(errno));
    if (got <= 0) return 0;
    client->to += (size_t)got;
    client->received += (uint64_t)got;
    client->answered = true;
    return (size_t)got;
}

/* The line that begins at `from`, without its end, which is cut off; NULL if none came. */
static char *take_line(struct client *client) {
    size_t looked = 0;
    for (;;) {
        char *begin = client->buffer + client->from;
        size_t there = client->to - client->from;
        char *end = memchr(begin + looked, '\n', there - looked);
        if (end != NULL) {
            client->from += (size_t)(end - begin) + 1;
            *end = '\0';
            if (end > begin && end[-1] == '\r') end[-1] = '\0';
            return begin;
        }
        looked = there;
        if (fill(client) == 0) return NULL;
    }
}

static const char *value_of(const char *line, const char *name) {
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || line[length] != ':') return NULL;
    line += length + 1;
    return line + strspn(line, " \t");
}

static void take_field(struct client *client, struct head *head, const char *line) {
    const char *value;
    if ((value = value_of(line, "Content-Length")) != NULL) {
        char *end;
        head->length = strtoll(value, &end, 10);
        if (end == value || *end != '\0' || head->length < 0) fail(client, "bad length: %s", line);
    } else if ((value = value_of(line, "Transfer-Encoding")) != NULL) {
        head->chunked = strcasestr(value, "chunked") != NULL;
    } else if ((value = value_of(line, "Connection")) != NULL) {
        if (strcasestr(value, "close") != NULL) head->closes = true;
        if (strcasestr(value, "keep-alive") != NULL) head->closes = false;
    } else if ((value = value_of(line, "Location")) != NULL) {
        snprintf(head->location, sizeof head->location, "%s", value);
    }
}

/* The final head: those before it (1xx) are read over. False if nothing came. */
static bool take_head(struct client *client, struct head *head) {
    do {
        char *line = take_line(client);
        int minor;
        if (line == NULL && !client->answered) return false;
        if (line == NULL) fail(client, "the connection ended within the head");
        *head = (struct head){.length = -1};
        if (sscanf(line, "HTTP/1.%d %d", &minor, &head->status) != 2 || head->status < 100 ||
            head->status >= STATUSES)
            fail(client, "not an answer: %.200s", line);
        head->closes = minor == 0;
        while ((line = take_line(client)) != NULL && *line != '\0') take_field(client, head, line);
        if (line == NULL) fail(client, "the connection ended within the head");
    } while (head->status < 200);
    return true;
}

/* Use up to `most` bytes of what is in the buffer as body; how many. */
static size_t use(struct client *client, uint64_t most) {
    size_t there = client->to - client->from;
    size_t used = there < most ? there : (size_t)most;
    size_t keep = KEPT_BODY - client->kept_length < used ? KEPT_BODY - client->kept_length : used;
    memcpy(client->kept + client->kept_length, client->buffer + client->from, keep);
    client->kept_length += keep;
    client->body_length += used;
    client->from += used;
    return used;
}

static void take_counted(struct client *client, uint64_t length) {
    for (length -= use(client, length); length > 0; length -= use(client, length))
        if (fill(client) == 0)
            fail(client, "the body ended %ju bytes too soon", (uintmax_t)length);
}

static void take_chunks(struct client *client) {
    uint64_t length;
    char *line;
    do {
        char *end;
        if ((line = take_line(client)) == NULL) fail(client, "the body ended before its last chunk");
        length = strtoull(line, &end, 16);
        if (end == line) fail(client, "not a chunk: %.100s", line);
        take_counted(client, length);
        if (length > 0 && (line = take_line(client)) == NULL) fail(client, "a chunk was cut short");
    } while (length > 0);
    while ((line = take_line(client)) != NULL && *line != '\0') continue;
    if (line == NULL) fail(client, "the body ended before its trailer");
}

static void take_body(struct client *client, const struct request *request, struct head *head) {
    client->kept_length = 0;
    client->body_length = 0;
    if (request->bodiless || head->status == 204 || head->status == 304) return;
    if (head->chunked) {
        take_chunks(client);
    } else if (head->length >= 0) {
        take_counted(client, (uint64_t)head->length);
    } else {
        head->closes = true;
        do use(client, UINT64_MAX);
        while (fill(client) > 0);
    }
}

/* --- the work ---------------------------------------------------------------------------- */

static void keep_answer(const struct client *client, const struct head *head) {
    struct answer *answer = &answers[client->request];
    answer->location_length = (uint32_t)strlen(head->location);
    answer->body_length = (uint32_t)client->kept_length;
    answer->location = claim(answer->location_length + client->kept_length + 1);
    answer->body = answer->location + answer->location_length;
    memcpy(answer->location, head->location, answer->location_length);
    memcpy(answer->body, client->kept, client->kept_length);
}

/* Send and read. False if a server that had kept the connection has closed it by now. */
static bool exchange(struct client *client, const struct request *request, struct head *head) {
    client->answered = false;
    bool sent = send_request(client, request);
    int why = errno;
    if (!take_head(client, head)) return false;
    take_body(client, request, head);
    if (head->status != request->status)
        fail(client, "%d, not %d: %.*s", head->status, request->status, (int)client->kept_length,
             client->kept);
    if (!sent) fail(client, "sending: %s", strerror(why));
    if (request->body >= 0 && client->body_length != (uint64_t)request->body)
        fail(client, "%ju bytes, not %jd", (uintmax_t)client->body_length, (intmax_t)request->body);
    return true;
}

static void make_request(struct client *client) {
    const struct request *request = &plan[client->request % planned];
    struct head head;
    double begun = now();
    bool fresh = client->connection < 0;
    if (fresh) open_connection(client);
    if (!exchange(client, request, &head)) {
        close_connection(client);
        if (fresh) fail(client, "the connection ended without an answer");
        open_connection(client);
        if (!exchange(client, request, &head)) fail(client, "no answer, twice");
    }
    if (head.closes) close_connection(client);
    micros[client->request] = (uint32_t)((now() - begun) * 1e6);
    by_status[head.status]++;
    if (answers != NULL) keep_answer(client, &head);
}

static void *work(void *argument) {
    struct client *client = argument;
    pthread_barrier_wait(&beginning);
    client->begun = now();
    while ((client->request = atomic_fetch_add(&next_request, 1)) < total) make_request(client);
    client->ended = now();
    if (client->connection >= 0) close_connection(client);
    return NULL;
}

/* --- what came of it --------------------------------------------------------------------- */

static int by_size(const void *left, const void *right) {
    uint32_t one = *(const uint32_t *)left, other = *(const uint32_t *)right;
    return (one > other) - (one < other);
}

/* The smallest latency that `share` of all do not exceed, in ms; `micros` is sorted. */
static double quantile(double share) {
    uint64_t at = (uint64_t)(share * (double)total);
    return micros[at < total ? at : total - 1] / 1e3;
}

static void write_answers(const char *path) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) fail(NULL, "%s: %s", path, strerror(errno));
    for (uint64_t n = 0; n < total; n++) {
        uint32_t lengths[2] = {answers[n].location_length, answers[n].body_length};
        fwrite(lengths, sizeof lengths, 1, file);
        fwrite(answers[n].location, 1, (size_t)lengths[0] + lengths[1], file);
    }
    if (fclose(file) != 0) fail(NULL, "%s: %s", path, strerror(errno));
}

static void report(const struct client *clients, long count) {
    struct rusage used;
    uint64_t received = 0, connections = 0;
    double begun = clients[0].begun, ended = 0;
    const char *comma = "";
    getrusage(RUSAGE_SELF, &used);
    for (long n = 0; n < count; n++) {
        received += clients[n].received;
        connections += clients[n].connections;
        if (clients[n].begun < begun) begun = clients[n].begun;
        if (clients[n].ended > ended) ended = clients[n].ended;
    }
    qsort(micros, total, sizeof *micros, by_size);
    printf("{\"seconds\": %.6f, \"requests\": %ju, \"received\": %ju, \"connections\": %ju, ",
           ended - begun, (uintmax_t)total, (uintmax_t)received, (uintmax_t)connections);
    printf("\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f, ", quantile(0.5),
           quantile(0.9), quantile(0.99), quantile(1));
    printf("\"cpu\": %.6f, \"statuses\": {",
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    for (int status = 0; status < STATUSES; status++) {
        if (by_status[status] == 0) continue;
        printf("%s\"%d\": %ju", comma, status, (uintmax_t)by_status[status]);
        comma = ", ";
    }
    puts("}}");
}

static uint64_t number(const char *text, uint64_t most) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > most)
        fail(NULL, "not a number from 1 to %ju: %s", (uintmax_t)most, text);
    return value;
}

static bool given(int count, char **arguments, int which) {
    return which < count && strcmp(arguments[which], "-") != 0;
}

int main(int count, char **arguments) {
    if (count < 6) fail(NULL, "load ADDRESS PORT CLIENTS TOTAL PLAN [CONTENT|-] [ANSWERS|-]");
    server.sin_family = AF_INET;
    if (inet_pton(AF_INET, arguments[1], &server.sin_addr) != 1)
        fail(NULL, "not an IPv4 address: %s", arguments[1]);
    server.sin_port = htons((uint16_t)number(arguments[2], UINT16_MAX));
    long wanted = (long)number(arguments[3], 1024);
    total = number(arguments[4], 1u << 28);
    read_plan(arguments[5]);
    if (given(count, arguments, 6) && (content = open(arguments[6], O_RDONLY)) < 0)
        fail(NULL, "%s: %s", arguments[6], strerror(errno));
    if (given(count, arguments, 7)) answers = claim(total * sizeof *answers);
    micros = claim(total * sizeof *micros);
    struct client *clients = claim((size_t)wanted * sizeof *clients);
    pthread_barrier_init(&beginning, NULL, (unsigned)wanted);
    for (long n = 0; n < wanted; n++) {
        clients[n].connection = -1;
        clients[n].buffer = claim(BUFFER);
        memset(clients[n].buffer, '?', BUFFER); /* its pages are there before the clock runs */
        if (pthread_create(&clients[n].thread, NULL, work, &clients[n]) != 0)
            fail(NULL, "no more threads than %ld", n);
    }
    for (long n = 0; n < wanted; n++) pthread_join(clients[n].thread, NULL);
    report(clients, wanted);
    if (answers != NULL) write_answers(arguments[7]);
    return 0;
}
