/* measure OUT PROGRAM [ARGUMENT...]: runs the program and writes what it and all that it started have used to OUT, in one
 * line: exit code (128 + signal), wall, user and system microseconds, peak memory of the largest process in kB.
 *
 * The kernel counts the memory of whoever forks as the child's own peak, so a Python cannot measure small programs;
 * this one has less than a megabyte. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    /* What outlives its parent becomes ours and is waited for, too. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pid_t child = fork();
    if (child < 0) return 71;
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    long long user = 0, system = 0;
    long peak = 0;
    int code = 0, status;
    struct rusage used;
    for (pid_t who; (who = wait4(-1, &status, 0, &used)) > 0;) {
        user += microseconds(used.ru_utime);
        system += microseconds(used.ru_stime);
        if (used.ru_maxrss > peak) peak = used.ru_maxrss;
        if (who == child) {
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            clock_gettime(CLOCK_MONOTONIC, &ended);
        }
    }
    long long wall = (ended.tv_sec - begun.tv_sec) * 1000000LL + (ended.tv_nsec - begun.tv_nsec) / 1000;
    FILE *out = fopen(argv[1], "w");
    if (!out) return 74;
    fprintf(out, "%d %lld %lld %lld %ld\n", code, wall, user, system, peak);
    return fclose(out) ? 74 : code;
}
