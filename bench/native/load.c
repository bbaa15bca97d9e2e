/*
 * load: HAProxy's side of SPOP, as fast as an agent answers.
 *
 *   load --frames FILE (--port N | --unix PATH) [-c CONNECTIONS] [-w WINDOW]
 *        [-t SECONDS] [--warmup SECONDS] [--transactions N] [--pid PID]
 *
 * A transaction is one request of HAProxy's: the frames of FILE, one after the other, each sent when the one before
 * it is acknowledged. WINDOW transactions run at once on each connection, and each is followed by the next at once.
 * So all that limits is the agent. With --transactions it ends after that many, else after SECONDS.
 *
 * FILE has lines `value TEXT` and `frame HEX`. A value is text that differs from transaction to transaction: its
 * hexadecimal digits are made anew for each. `@N` within HEX is the place of value N.
 *
 * One line of JSON comes out: what was done in the measured time, ACK latency in microseconds, and the CPU time that
 * process PID took meanwhile (all its threads, by its CPU clock: /proc counts in ticks of 10 ms). Whatever is wrong
 * in an answer ends the run with exit code 1. Only 127.0.0.1 and Unix sockets are spoken to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "spop.h"

enum { MOST_VALUES = 4, MOST_FRAMES = 16, MOST_PLACES = 12, VALUE_ROOM = 64, IN_ROOM = 1 << 16 };

/* ---- what is sent ---- */

struct value { char text[VALUE_ROOM]; size_t size; };
struct place { size_t at; int value; };
struct payload { uint8_t bytes[LARGEST_FRAME]; size_t size; struct place places[MOST_PLACES]; int n_places; };

static struct value values[MOST_VALUES];
static struct payload frames[MOST_FRAMES];
static int n_values, n_frames;

/* ---- who sends it ---- */

struct transaction {
    uint64_t stream;         /* its stream id: HAProxy's (up to 3.0) counts up too */
    uint64_t sent;           /* when the frame that is under way left, in ns */
    int frame;               /* which one that is, from 0 */
    int running;
    char texts[MOST_VALUES][VALUE_ROOM];
};

struct connection {
    int socket;
    int ready;               /* its HELLO is answered */
    uint8_t in[IN_ROOM];
    size_t held;
    uint8_t *out;
    size_t queued;
    struct transaction *lanes;
};

static struct {
    int port, connections, window, pid;
    const char *path, *frames;
    double seconds, warmup;
    uint64_t transactions;
} options = { .connections = 4, .window = 8, .seconds = 2, .warmup = 0.3 };

static struct connection *connections;
static uint64_t started, finished;       /* transactions */
static int stopping;                     /* start no more */

/* ---- what is measured ---- */

enum { TICKS = 1000000, TICK_NS = 100 };  /* latencies by 0.1 us, up to 0.1 s; the last one takes all above */

static uint32_t latencies[TICKS];
static uint64_t acks, actions, slowest, sent_bytes, ack_bytes, done;
static int measuring;
static struct { uint64_t begin, end; double agent, self; } spent;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_of(int pid)
{
    clockid_t clock;
    struct timespec t;
    if (pid == 0)
        return 0;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        fail("process %d has ended", pid);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double own_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin_measuring(void)
{
    measuring = 1;
    spent.agent = cpu_of(options.pid);
    spent.self = own_cpu();
    spent.begin = now();
}

static void end_measuring(void)
{
    spent.end = now();
    spent.agent = cpu_of(options.pid) - spent.agent;
    spent.self = own_cpu() - spent.self;
    measuring = 0;
    stopping = 1;
}

static double quantile(double share)
{
    uint64_t wanted = (uint64_t)(share * (double)acks), seen = 0;
    for (int tick = 0; tick < TICKS; tick++) {
        seen += latencies[tick];
        if (seen > wanted)
            return tick * (TICK_NS / 1e3);
    }
    return (double)slowest / 1e3;
}

/* ---- the file of frames ---- */

static int digit(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_value(const char *text)
{
    if (n_values == MOST_VALUES || strlen(text) >= VALUE_ROOM)
        fail("%s: too many values, or too long a one", options.frames);
    strcpy(values[n_values].text, text);
    values[n_values++].size = strlen(text);
}

static void read_frame(const char *hex)
{
    if (n_frames == MOST_FRAMES)
        fail("%s: more than %d frames", options.frames, MOST_FRAMES);
    struct payload *frame = &frames[n_frames++];
    while (*hex) {
        if (*hex == '@') {
            int value = digit(hex[1]);
            if (value < 0 || value >= n_values || frame->n_places == MOST_PLACES)
                fail("%s: no such value, or too many places: %.8s", options.frames, hex);
            frame->places[frame->n_places++] = (struct place){ frame->size, value };
            frame->size += values[value].size;
        } else {
            if (digit(hex[0]) < 0 || digit(hex[1]) < 0)
                fail("%s: not hexadecimal: %.8s", options.frames, hex);
            frame->bytes[frame->size++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        }
        if (frame->size > LARGEST_FRAME - 32)
            fail("%s: a frame is too long", options.frames);
        hex += 2;
    }
}

static void read_frames(void)
{
    static char line[4 * LARGEST_FRAME];
    FILE *file = fopen(options.frames, "r");
    if (file == NULL)
        fail("%s: %s", options.frames, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "value ", 6) == 0)
            read_value(line + 6);
        else if (strncmp(line, "frame ", 6) == 0)
            read_frame(line + 6);
        else
            fail("%s: neither value nor frame: %.20s", options.frames, line);
    }
    fclose(file);
    if (n_frames == 0)
        fail("%s: no frames", options.frames);
}

/* ---- sending ---- */

static uint64_t chance(void)             /* splitmix64 */
{
    static uint64_t state;
    if (state == 0)
        state = now() ^ ((uint64_t)getpid() << 32);
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void make_texts(struct transaction *t)
{
    uint64_t bits = 0;
    int left = 0;
    for (int v = 0; v < n_values; v++)
        for (size_t i = 0; i < values[v].size; i++) {
            char c = values[v].text[i];
            if (digit(c) >= 0) {
                if (left-- == 0) {
                    bits = chance();
                    left = 15;
                }
                c = "0123456789abcdef"[bits & 15];
                bits >>= 4;
            }
            t->texts[v][i] = c;
        }
}

static void send_frame(struct connection *c, struct transaction *t)
{
    const struct payload *frame = &frames[t->frame];
    uint8_t ids[20];
    size_t n_ids = (size_t)(write_varint(write_varint(ids, t->stream), (uint64_t)t->frame + 1) - ids);
    uint8_t *rest = write_head(c->out + c->queued, NOTIFY, n_ids + frame->size);
    memcpy(rest, ids, n_ids);
    rest += n_ids;
    memcpy(rest, frame->bytes, frame->size);
    for (int i = 0; i < frame->n_places; i++)
        memcpy(rest + frame->places[i].at, t->texts[frame->places[i].value], values[frame->places[i].value].size);
    c->queued = (size_t)(rest + frame->size - c->out);
    t->sent = 0;             /* not yet: flush() does it */
}

static void start(struct connection *c, struct transaction *t)
{
    if (stopping || (options.transactions && started == options.transactions))
        return;
    int lane = (int)(t - c->lanes), lanes = options.connections * options.window;
    t->stream = started++ * (uint64_t)lanes + (uint64_t)((c - connections) * options.window + lane);
    t->frame = 0;
    t->running = 1;
    make_texts(t);
    send_frame(c, t);
}

/* Send what is queued: at most one frame a lane, which every socket buffer has room for. */
static void flush(struct connection *c)
{
    if (c->queued == 0)
        return;
    uint64_t at = now();
    for (int lane = 0; lane < options.window; lane++)
        if (c->lanes[lane].sent == 0)
            c->lanes[lane].sent = at;
    if (send(c->socket, c->out, c->queued, MSG_NOSIGNAL) != (ssize_t)c->queued)
        fail("cannot send: %s", strerror(errno));
    if (measuring)
        sent_bytes += c->queued;
    c->queued = 0;
}

static void say_hello(struct connection *c)
{
    static const char body[] = "\0\0" "\x12supported-versions\x08\x03" "2.0" "\x0emax-frame-size\x03\xfc\xf0\x06"
                               "\x0c" "capabilities\x08\x0apipelining"
                               "\x09" "engine-id\x08\x24" "6d2b8a1e-0000-4000-8000-0000000000e1";
    uint8_t *rest = write_head(c->out, HAPROXY_HELLO, sizeof body - 1);
    memcpy(rest, body, sizeof body - 1);
    c->queued = (size_t)(rest + sizeof body - 1 - c->out);
    flush(c);
}

/* ---- receiving ---- */

static const uint8_t *skip_text(const uint8_t *at, const uint8_t *end)
{
    uint64_t size;
    at = read_varint(at, end, &size);
    return at && size <= (uint64_t)(end - at) ? at + size : NULL;
}

/* The agent answers with texts, booleans and NULL alone. */
static const uint8_t *skip_data(const uint8_t *at, const uint8_t *end)
{
    if (at == NULL || at >= end)
        return NULL;
    int type = *at & 15;
    return type <= 1 ? at + 1 : type == 8 ? skip_text(at + 1, end) : NULL;
}

static uint64_t count_actions(const uint8_t *at, const uint8_t *end)
{
    uint64_t n = 0;
    while (at && at < end) {
        int set = at[0] == 1;            /* set-var has a value, unset-var (2) has none */
        if (end - at < 3 || (!set && at[0] != 2) || at[1] != (set ? 3 : 2) || at[2] > 4)
            fail("an ACK with a bad action");
        at = skip_text(at + 3, end);
        if (set)
            at = skip_data(at, end);
        n++;
    }
    if (at == NULL)
        fail("an ACK that is cut");
    return n;
}

static void note(const struct transaction *t, uint64_t at, const uint8_t *rest, const uint8_t *end, size_t size)
{
    uint64_t took = at - t->sent, tick = took / TICK_NS;
    latencies[tick < TICKS ? tick : TICKS - 1]++;
    if (took > slowest)
        slowest = took;
    acks++;
    actions += count_actions(rest, end);
    ack_bytes += size;
}

static void acknowledged(struct connection *c, const uint8_t *frame, const uint8_t *end, uint64_t at)
{
    uint64_t stream, id;
    uint64_t lanes = (uint64_t)options.connections * (uint64_t)options.window;
    const uint8_t *rest = read_varint(read_varint(frame + HEAD, end, &stream), end, &id);
    uint64_t first = (uint64_t)(c - connections) * (uint64_t)options.window;
    uint64_t lane = rest ? stream % lanes - first : UINT64_MAX;
    struct transaction *t = lane < (uint64_t)options.window ? &c->lanes[lane] : NULL;

    if (t == NULL || !t->running || t->stream != stream || (uint64_t)t->frame + 1 != id || t->sent == 0)
        fail("an ACK for nothing that is under way");
    if (measuring)
        note(t, at, rest, end, (size_t)(end - frame) + LENGTH);
    if (++t->frame < n_frames) {
        send_frame(c, t);
        return;
    }
    t->running = 0;
    finished++;
    if (measuring)
        done++;
    start(c, t);
}

static void receive(struct connection *c)
{
    ssize_t came = recv(c->socket, c->in + c->held, IN_ROOM - c->held, 0);
    if (came < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (came <= 0)
        fail("the agent has closed a connection");
    uint64_t at = now();
    const uint8_t *frame = c->in, *end = c->in + c->held + came;
    while (end - frame >= LENGTH) {
        uint32_t length = read_length(frame);
        if (length < HEAD + 2 || length > LARGEST_FRAME)
            fail("a frame of %" PRIu32 " bytes", length);
        if ((size_t)(end - frame) < LENGTH + length)
            break;
        const uint8_t *body = frame + LENGTH;
        if (body[0] == ACK)
            acknowledged(c, body, body + length, at);
        else if (body[0] == AGENT_HELLO && !c->ready)
            c->ready = 1;
        else
            fail("a frame of type %d", body[0]);
        frame += LENGTH + length;
    }
    c->held = (size_t)(end - frame);
    memmove(c->in, frame, c->held);
}

/* ---- the run ---- */

static int connect_one(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int one = 1, fd = socket(options.path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    if (options.path)
        strncpy(un.sun_path, options.path, sizeof un.sun_path - 1);
    if (connect(fd, options.path ? (struct sockaddr *)&un : (struct sockaddr *)&in, options.path ? sizeof un : sizeof in))
        fail("cannot connect: %s", strerror(errno));
    if (!options.path)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void open_connections(int poll)
{
    connections = calloc((size_t)options.connections, sizeof *connections);
    for (int i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        c->lanes = calloc((size_t)options.window, sizeof *c->lanes);
        c->out = malloc((size_t)options.window * (LARGEST_FRAME + LENGTH));
        c->socket = connect_one();
        epoll_ctl(poll, EPOLL_CTL_ADD, c->socket, &event);
        say_hello(c);
    }
}

/* Serve what is readable, then send all that came of it: several connections' frames reach an agent together. */
static void turn(int poll)
{
    struct epoll_event events[64];
    int ready = epoll_wait(poll, events, 64, 5000);
    if (ready == 0)
        fail("no answer for 5 s");
    for (int i = 0; i < ready; i++)
        receive(events[i].data.ptr);
    for (int i = 0; i < options.connections; i++)
        flush(&connections[i]);
}

static int all_ready(void)
{
    for (int i = 0; i < options.connections; i++)
        if (!connections[i].ready)
            return 0;
    return 1;
}

static void run(int poll)
{
    while (!all_ready())
        turn(poll);
    if (options.transactions)
        begin_measuring();
    for (int i = 0; i < options.connections; i++)
        for (int lane = 0; lane < options.window; lane++)
            start(&connections[i], &connections[i].lanes[lane]);
    for (int i = 0; i < options.connections; i++)
        flush(&connections[i]);

    uint64_t begin = now() + (uint64_t)(options.warmup * 1e9), end = begin + (uint64_t)(options.seconds * 1e9);
    while (finished < started) {
        turn(poll);
        if (options.transactions || stopping)
            continue;
        uint64_t at = now();
        if (!measuring && at >= begin)
            begin_measuring();
        else if (measuring && at >= end)
            end_measuring();
    }
    if (!stopping)
        end_measuring();
}

static void report(void)
{
    double seconds = (double)(spent.end - spent.begin) / 1e9, n = acks ? (double)acks : 1;
    printf("{\"transactions\": %" PRIu64 ", \"all_transactions\": %" PRIu64 ", \"frames\": %" PRIu64 ", \"seconds\": %.4f, "
           "\"frames_per_s\": %.0f, \"actions\": %" PRIu64 ", \"notify_bytes\": %" PRIu64 ", \"ack_bytes\": %" PRIu64 ", "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
           "\"agent_cpu_s\": %.6f, \"agent_us_per_frame\": %.4f, \"load_us_per_frame\": %.4f}\n",
           done, finished, acks, seconds, (double)acks / seconds, actions, sent_bytes, ack_bytes,
           quantile(0.5), quantile(0.99), quantile(0.999), (double)slowest / 1e3,
           spent.agent, spent.agent / n * 1e6, spent.self / n * 1e6);
}

static void usage(void)
{
    fputs("usage: load --frames FILE (--port N | --unix PATH) [-c CONNECTIONS] [-w WINDOW] [-t SECONDS]\n"
          "            [--warmup SECONDS] [--transactions N] [--pid PID]\n", stderr);
    exit(2);
}

static void read_options(int argc, char **argv)
{
    static const struct option names[] = {
        { "frames", 1, NULL, 'f' }, { "port", 1, NULL, 'p' }, { "unix", 1, NULL, 'u' }, { "warmup", 1, NULL, 'W' },
        { "transactions", 1, NULL, 'n' }, { "pid", 1, NULL, 'P' }, { NULL, 0, NULL, 0 } };
    int c;
    while ((c = getopt_long(argc, argv, "c:w:t:", names, NULL)) != -1)
        switch (c) {
        case 'f': options.frames = optarg; break;
        case 'p': options.port = atoi(optarg); break;
        case 'u': options.path = optarg; break;
        case 'W': options.warmup = atof(optarg); break;
        case 'n': options.transactions = strtoull(optarg, NULL, 10); break;
        case 'P': options.pid = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'w': options.window = atoi(optarg); break;
        case 't': options.seconds = atof(optarg); break;
        default: usage();
        }
    if (optind != argc || !options.frames || (!options.port && !options.path) || options.connections < 1
        || options.connections > 1000 || options.window < 1 || options.window > 1000 || options.seconds > 600)
        usage();
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    read_frames();
    int poll = epoll_create1(0);
    open_connections(poll);
    run(poll);
    report();
    return 0;
}
