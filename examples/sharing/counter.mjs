// The same as examples/src/bin/sharing.rs, in Node: npm install redlock@5.0.0-beta.2 ioredis, then
// REDIS_URLS=redis://127.0.0.1:7001,.. node counter.mjs FILE 10
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

// From the folder in which npm was run.
const require = createRequire(`${process.cwd()}/`);
const Redis = require("ioredis");
const { default: Redlock, ExecutionError } = require("redlock");

const [file, times] = process.argv.slice(2);
const nodes = process.env.REDIS_URLS.split(",").map((url) => new Redis(url));
// Not with the library's own retries: an attempt keeps the nodes that it won until the last of them has failed.
const redlock = new Redlock(nodes, { retryCount: 0 });

async function acquire() {
  for (;;) {
    try {
      return await redlock.acquire(["redlock:counter"], 10_000);
    } catch (error) {
      if (!(error instanceof ExecutionError)) throw error;
      await sleep(10 + 20 * Math.random());
    }
  }
}

for (let turn = 0; turn < Number(times); turn++) {
  const lock = await acquire();
  const number = Number(readFileSync(file, "utf8"));
  await sleep(2); // without the lock, another service would read the same number now
  writeFileSync(file, String(number + 1));
  await lock.release();
}
console.log(`Node added ${times}`);
process.exit(0);
