# SPDX-License-Identifier: GPL-2.0-or-later
"""What Python's multiprocessing makes of sockets, pipes, descriptors passed, semaphores and shared
memory."""

import multiprocessing
from multiprocessing import shared_memory


def square(number):
    return number * number


def add(counter, lock):
    for _ in range(10):
        with lock:
            counter.value += 1


def change(name):
    memory = shared_memory.SharedMemory(name)
    memory.buf[0] = 7
    memory.close()


def put(queue):
    for number in range(5):
        queue.put(number)


def main():
    context = multiprocessing.get_context("forkserver")
    with context.Pool(3) as pool:
        print("pool:", sum(pool.imap_unordered(square, range(100), 7)))
    with context.Manager() as manager:
        counter, lock = manager.Value("i", 0), manager.Lock()
        workers = [context.Process(target=add, args=(counter, lock)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print("manager:", counter.value)
    memory = shared_memory.SharedMemory(create=True, size=4096)
    worker = context.Process(target=change, args=(memory.name,))
    worker.start()
    worker.join()
    print("shared:", memory.buf[0])
    memory.close()
    memory.unlink()
    queue = context.Queue()
    worker = context.Process(target=put, args=(queue,))
    worker.start()
    print("queue:", sum(queue.get(timeout=20) for _ in range(5)))
    worker.join()


if __name__ == "__main__":
    main()
