"""The same as examples/src/bin/sharing.rs, in Python: pip install pottery, then
REDIS_URLS=redis://127.0.0.1:7001,.. python counter.py FILE 10
"""

import os
import sys
import time

from pottery import Redlock
from redis import Redis

path, times = sys.argv[1], int(sys.argv[2])
nodes = {Redis.from_url(url, socket_timeout=5) for url in os.environ["REDIS_URLS"].split(",")}

for turn in range(times):
    # pottery writes `redlock:` in front of the key.
    with Redlock(key="counter", masters=nodes, auto_release_time=10):
        with open(path) as file:
            number = int(file.read())
        time.sleep(0.002)  # without the lock, another service would read the same number now
        with open(path, "w") as file:
            file.write(str(number + 1))
print(f"Python added {times}")
