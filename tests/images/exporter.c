/*
 * A stand-in for redis_exporter: answers every request with the metric `redis_up`, which is 1 while the
 * server at REDIS_ADDR (redis://HOST:PORT) answers PING, with REDIS_PASSWORD if that is set.
 * It listens on REDIS_EXPORTER_WEB_LISTEN_ADDRESS (default 0.0.0.0:9121), one request at a time.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void end(int signal) { (void)signal; _exit(0); }

static void two_seconds(int fd) {
    struct timeval limit = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Splits "redis://host:port" (the scheme may be missing), IPv4 only: no resolver in a static program. */
static int redis_socket(void) {
    const char *address = getenv("REDIS_ADDR");
    char host[64];
    unsigned port;
    unsigned char ip[4];
    if (!address) address = "redis://127.0.0.1:6379";
    if (!strncmp(address, "redis://", 8)) address += 8;
    if (sscanf(address, "%63[^:]:%u", host, &port) != 2) return -1;
    if (!strcmp(host, "localhost")) strcpy(host, "127.0.0.1");
    if (sscanf(host, "%hhu.%hhu.%hhu.%hhu", &ip[0], &ip[1], &ip[2], &ip[3]) != 4) return -1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&to.sin_addr, ip, 4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    two_seconds(fd);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    close(fd);
    return -1;
}

static int redis_up(void) {
    const char *password = getenv("REDIS_PASSWORD");
    char text[512] = "", reply[512] = "";
    int fd = redis_socket(), up = 0, size = 0;
    if (fd < 0) return 0;
    if (password && *password)
        size = snprintf(text, sizeof text, "*2\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n", strlen(password), password);
    if (size < (int)sizeof text) snprintf(text + size, sizeof text - size, "PING\r\nQUIT\r\n");
    if (write(fd, text, strlen(text)) > 0) {
        ssize_t got;
        size = 0;
        while ((got = read(fd, reply + size, sizeof reply - 1 - size)) > 0) size += got;
        reply[size] = 0;
        up = strstr(reply, "+PONG") != NULL;
    }
    close(fd);
    return up;
}

static void answer(int client) {
    char request[4096], body[128], text[512];
    if (read(client, request, sizeof request) <= 0) return;
    snprintf(body, sizeof body, "# HELP redis_up Whether the server answers.\n# TYPE redis_up gauge\nredis_up %d\n", redis_up());
    int size = snprintf(text, sizeof text,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
        strlen(body), body);
    if (write(client, text, size) != size) perror("exporter: write");
}

int main(void) {
    const char *listen_on = getenv("REDIS_EXPORTER_WEB_LISTEN_ADDRESS"), *colon = listen_on ? strrchr(listen_on, ':') : NULL;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(colon ? atoi(colon + 1) : 9121)};
    int server = socket(AF_INET, SOCK_STREAM, 0), client, yes = 1;
    signal(SIGTERM, end);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 16)) {
        perror("exporter: listen");
        return 1;
    }
    while ((client = accept(server, NULL, NULL)) >= 0) {
        two_seconds(client);
        answer(client);
        close(client);
    }
    perror("exporter: accept");
    return 1;
}
