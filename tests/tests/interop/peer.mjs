// A client of the Node library `redlock` that carries out commands of peer.rs, one per line.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const load = createRequire(`${process.cwd()}/`);
const Redis = load("ioredis");
const { default: Redlock, ExecutionError } = load("redlock");

const [, key, ...urls] = process.argv.slice(2);
const redlock = new Redlock(urls.map((url) => new Redis(url)), { retryCount: 0 });
let lock;

// What the library throws where a majority said no.
async function votes(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof ExecutionError) return null;
    throw error;
  }
}

const orders = {
  async acquire(ttl) {
    lock = await votes(redlock.acquire([key], Number(ttl)));
    return lock ? "held" : "busy";
  },
  async extend(ttl) {
    const extended = await votes(lock.extend(Number(ttl)));
    lock = extended ?? lock;
    return extended ? "extended" : "lost";
  },
  async release() {
    return (await votes(lock.release())) ? "released" : "lost";
  },
  async count(file, turns) {
    for (let turn = 0; turn < Number(turns); turn++) {
      // Not with the library's own retries: an attempt that fails keeps the nodes it won, which then
      // refuse the next attempt of the same lock until their keys expire.
      let mine = null;
      while (!(mine = await votes(redlock.acquire([key], 10_000)))) await sleep(10 + 20 * Math.random());
      const read = Number(readFileSync(file, "utf8"));
      await sleep(2);
      writeFileSync(file, String(read + 1));
      await mine.release();
    }
    return "counted";
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [order, ...words] = line.split(" ");
  console.log(await orders[order](...words));
}
process.exit(0);
