// SPDX-License-Identifier: GPL-2.0-or-later
/* A program to look at: two functions, a child, a thread, and with an argument an endless wait. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int answer;

__attribute__((noinline)) static int twice(int number)
{
	int doubled = 2 * number;

	answer = doubled;
	return doubled;
}

__attribute__((noinline)) static long work(long rounds)
{
	long sum = 0;

	for (volatile long i = 0; i < rounds; i++)
		sum += i % 7;
	return sum;
}

static void *thread(void *argument)
{
	(void)argument;
	return (void *)work(1000);
}

int main(int argc, char **argv)
{
	pthread_t other;
	char *lost = malloc(77);

	if (argc > 1 && strcmp(argv[1], "wait") == 0) {
		/* so that a debugger that is no parent of this may look, whatever Yama says */
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
		puts("waiting");
		fflush(stdout);
		for (;;)
			usleep(10000);
	}
	memset(lost, 1, 77);
	lost = NULL;
	printf("twice 21 is %d\n", twice(21));
	printf("work is %ld\n", work(argc > 1 ? atol(argv[1]) : 100000));
	fflush(stdout);
	if (pthread_create(&other, NULL, thread, lost) == 0)
		pthread_join(other, NULL);
	if (fork() == 0) {
		execl("/bin/echo", "echo", "the child", (char *)NULL);
		_exit(127);
	}
	wait(NULL);
	return 3;
}
