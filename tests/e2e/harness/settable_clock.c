/* The clock of one process, set by a test (LD_PRELOAD): what clock_gettime(2) says, and what
 * timerfd_create(2) says of a timer with TFD_TIMER_CANCEL_ON_SET when the clock is set. For a
 * program with one thread and one such timer. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Seconds ahead of the machine's clocks, in the file $SETTABLE_CLOCK. */
struct clocks {
  int64_t boottime, realtime;
};

static const volatile struct clocks* ahead;
static int timer = -1;      /* since it is armed */
static int64_t timer_ahead; /* when it last said that the clock was set, or was armed first */

__attribute__((constructor)) static void open_clocks(void) {
  int file = open(getenv("SETTABLE_CLOCK"), O_RDONLY | O_CLOEXEC);
  ahead = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  if (ahead == MAP_FAILED) abort();
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  if (syscall(SYS_clock_gettime, clock, now) < 0) return -1;
  if (clock == CLOCK_REALTIME) now->tv_sec += ahead->realtime;
  if (clock == CLOCK_BOOTTIME) now->tv_sec += ahead->boottime;
  return 0;
}

static int clock_was_set(void) { return timer_ahead != ahead->realtime; }

static int say_so(void) {
  timer_ahead = ahead->realtime;
  errno = ECANCELED;
  return -1;
}

/* Says so, too, and arms the timer all the same (timerfd_create(2), NOTES). */
int timerfd_settime(int fd, int flags, const struct itimerspec* when, struct itimerspec* before) {
  struct itimerspec real = *when;
  real.it_value.tv_sec -= ahead->realtime;
  if (real.it_value.tv_sec < 1) real.it_value.tv_sec = 1;
  if (syscall(SYS_timerfd_settime, fd, flags, &real, before) < 0) return -1;
  if (timer != fd) timer_ahead = ahead->realtime;
  timer = fd;
  return clock_was_set() ? say_so() : 0;
}

ssize_t read(int fd, void* buffer, size_t size) {
  if (fd == timer && clock_was_set()) return say_so();
  return syscall(SYS_read, fd, buffer, size);
}

/* The timer can be read when the clock was set: it is looked at every 20 ms. */
int ppoll(struct pollfd* files, nfds_t count, const struct timespec* timeout, const sigset_t* mask) {
  const int64_t slice = 20 * 1000 * 1000;
  int64_t left = timeout ? timeout->tv_sec * 1000000000 + timeout->tv_nsec : INT64_MAX;
  for (;;) {
    if (count == 1 && files->fd == timer && clock_was_set()) return files->revents = POLLIN;
    struct timespec wait = {0, left < slice ? left : slice};
    int ready = (int)syscall(SYS_ppoll, files, count, &wait, mask, sizeof(int64_t));
    left -= slice;
    if (ready != 0 || left <= 0) return ready;
  }
}
