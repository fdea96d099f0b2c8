"""A client of a Python library that carries out commands of peer.rs, one per line."""

import sys
import time

from redis import Redis


class Pottery:
    """Writes under `redlock:` and the key that it is given."""

    def __init__(self, key, urls):
        self.key = key.removeprefix("redlock:")
        self.nodes = {Redis.from_url(url, socket_timeout=5) for url in urls}

    def acquire(self, ttl):
        from pottery import Redlock

        self.lock = Redlock(key=self.key, masters=self.nodes, auto_release_time=ttl / 1000)
        return self.lock.acquire(blocking=False)

    def extend(self, ttl):
        from pottery import ExtendUnlockedLock

        try:
            self.lock.extend()
            return True
        except ExtendUnlockedLock:
            return False

    def release(self):
        from pottery import ReleaseUnlockedLock

        try:
            self.lock.release()
            return True
        except ReleaseUnlockedLock:
            return False


class RedlockPy:
    """Cannot extend, and does not say whether a release found anything to release."""

    def __init__(self, key, urls):
        from redlock import Redlock

        self.key = key
        self.redlock = Redlock(urls, retry_count=1, retry_delay=0.02)

    def acquire(self, ttl):
        self.lock = self.redlock.lock(self.key, ttl)
        return bool(self.lock)

    def release(self):
        self.redlock.unlock(self.lock)
        return True


class RedisPy:
    """The lock of the client library itself, which knows one node only."""

    def __init__(self, key, urls):
        self.key = key
        self.node = Redis.from_url(urls[0], socket_timeout=5)

    def acquire(self, ttl):
        self.lock = self.node.lock(self.key, timeout=ttl / 1000, blocking=False)
        return self.lock.acquire()

    def extend(self, ttl):
        from redis.exceptions import LockNotOwnedError

        try:
            return self.lock.extend(ttl / 1000, replace_ttl=True)
        except LockNotOwnedError:
            return False

    def release(self):
        from redis.exceptions import LockNotOwnedError

        try:
            self.lock.release()
            return True
        except LockNotOwnedError:
            return False


def count(peer, file, turns):
    for _ in range(turns):
        while not peer.acquire(10_000):
            time.sleep(0.02)
        with open(file) as counter:
            read = int(counter.read())
        time.sleep(0.002)
        with open(file, "w") as counter:
            counter.write(str(read + 1))
        peer.release()


def obey(peer, order, *words):
    if order == "acquire":
        return "held" if peer.acquire(int(words[0])) else "busy"
    if order == "extend":
        return "extended" if peer.extend(int(words[0])) else "lost"
    if order == "release":
        return "released" if peer.release() else "lost"
    if order == "count":
        count(peer, words[0], int(words[1]))
        return "counted"
    raise ValueError(order)


library, key, *urls = sys.argv[1:]
peer = {"pottery": Pottery, "redlock-py": RedlockPy, "redis-py": RedisPy}[library](key, urls)
for line in sys.stdin:
    print(obey(peer, *line.split()), flush=True)
