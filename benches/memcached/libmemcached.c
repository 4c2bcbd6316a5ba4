/* libmemcached, as a program that takes part in the bench: so many threads, each with a connection of its own, call
 * again and again for a time, and look at every answer. It prints: right wrong failed seconds, then times of calls in
 * nanoseconds.
 *
 * libmemcached PORT THREADS get|set|multi BYTES MILLISECONDS KEYS
 */
#include <libmemcached/memcached.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIMED = 16, TIMES = 65536, MULTI = 64, KEY = 32 };

struct task {
    pthread_t thread;
    memcached_st *client;
    unsigned long number, right, wrong, failed;
    size_t times;
    uint64_t *time;
};

static atomic_bool stop;
static pthread_barrier_t begin;
static const char *operation;
static size_t bytes, keys;
static char (*key)[KEY];
static char **value;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int belongs(const char *found, size_t length, const char *name) {
    return length == bytes && memcmp(found, name, strlen(name)) == 0 && found[strlen(name)] == '=';
}

/* 1: right, 0: wrong, -1: failed. */
static int get(memcached_st *client, size_t at) {
    size_t length = 0;
    uint32_t flags;
    memcached_return_t code;
    char *found = memcached_get(client, key[at], strlen(key[at]), &length, &flags, &code);
    int verdict = found == NULL ? -1 : belongs(found, length, key[at]);
    free(found);
    return verdict;
}

static int set(memcached_st *client, size_t at) {
    memcached_return_t code = memcached_set(client, key[at], strlen(key[at]), value[at], bytes, 0, 0);
    return code == MEMCACHED_SUCCESS ? 1 : -1;
}

static int multi(memcached_st *client, size_t at, memcached_result_st *result) {
    const char *names[MULTI];
    size_t lengths[MULTI], count = 0;
    for (size_t i = 0; i < MULTI; i++) {
        names[i] = key[(at + i) % keys];
        lengths[i] = strlen(names[i]);
    }
    if (memcached_mget(client, names, lengths, MULTI) != MEMCACHED_SUCCESS) return -1;
    memcached_return_t code;
    int verdict = 1;
    while (memcached_fetch_result(client, result, &code) != NULL) {
        char name[KEY] = {0};
        memcpy(name, memcached_result_key_value(result), memcached_result_key_length(result));
        if (!belongs(memcached_result_value(result), memcached_result_length(result), name)) verdict = 0;
        count++;
    }
    return count == MULTI ? verdict : -1;
}

static void *run(void *argument) {
    struct task *task = argument;
    memcached_result_st result;
    memcached_result_create(task->client, &result);
    /* The connection is opened before the time begins. */
    get(task->client, 0);
    pthread_barrier_wait(&begin);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        size_t at = task->number % keys;
        uint64_t began = task->number % TIMED == 0 ? now() : 0;
        int verdict = *operation == 'g'   ? get(task->client, at)
                      : *operation == 's' ? set(task->client, at)
                                          : multi(task->client, at, &result);
        if (began != 0 && verdict == 1 && task->times < TIMES) task->time[task->times++] = now() - began;
        if (verdict == 1) task->right++;
        else if (verdict == 0) task->wrong++;
        else task->failed++;
        task->number++;
    }
    memcached_result_free(&result);
    return NULL;
}

int main(int count, char **argument) {
    if (count != 7) return 2;
    size_t threads = strtoul(argument[2], NULL, 10);
    operation = argument[3];
    bytes = strtoul(argument[4], NULL, 10);
    unsigned long window = strtoul(argument[5], NULL, 10);
    keys = strtoul(argument[6], NULL, 10);
    key = calloc(keys, KEY);
    value = calloc(keys, sizeof *value);
    struct task *tasks = calloc(threads, sizeof *tasks);
    if (key == NULL || value == NULL || tasks == NULL) return 1;
    for (size_t i = 0; i < keys; i++) {
        snprintf(key[i], KEY, "key:%zu:%06zu", bytes, i);
        value[i] = malloc(bytes);
        if (value[i] == NULL) return 1;
        memset(value[i], '.', bytes);
        size_t length = strlen(key[i]);
        memcpy(value[i], key[i], length);
        value[i][length] = '=';
    }
    pthread_barrier_init(&begin, NULL, (unsigned)threads + 1);
    for (size_t i = 0; i < threads; i++) {
        memcached_st *client = memcached_create(NULL);
        memcached_server_add(client, "127.0.0.1", (in_port_t)strtoul(argument[1], NULL, 10));
        memcached_behavior_set(client, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
        tasks[i] = (struct task){.client = client, .number = i * 7919, .time = malloc(TIMES * sizeof(uint64_t))};
        if (tasks[i].time == NULL || pthread_create(&tasks[i].thread, NULL, run, &tasks[i]) != 0) return 1;
    }
    pthread_barrier_wait(&begin);
    uint64_t began = now();
    struct timespec pause = {.tv_sec = (time_t)(window / 1000), .tv_nsec = (long)(window % 1000) * 1000000};
    nanosleep(&pause, NULL);
    atomic_store(&stop, 1);
    unsigned long right = 0, wrong = 0, failed = 0;
    for (size_t i = 0; i < threads; i++) {
        pthread_join(tasks[i].thread, NULL);
        right += tasks[i].right;
        wrong += tasks[i].wrong;
        failed += tasks[i].failed;
    }
    printf("%lu %lu %lu %.9f\n", right, wrong, failed, (double)(now() - began) / 1e9);
    for (size_t i = 0; i < threads; i++)
        for (size_t j = 0; j < tasks[i].times; j++) printf("%lu\n", (unsigned long)tasks[i].time[j]);
    return 0;
}
