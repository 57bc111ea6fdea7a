/* pour BYTES: writes so many to standard output, in lines of 100. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static char lines[65500];
    memset(lines, 'x', sizeof lines);
    for (size_t end = 99; end < sizeof lines; end += 100) lines[end] = '\n';
    for (long long left = argc > 1 ? atoll(argv[1]) : 0; left > 0;) {
        ssize_t written = write(1, lines, left < (long long)sizeof lines ? (size_t)left : sizeof lines);
        if (written < 0) return 1;
        left -= written;
    }
    return 0;
}
