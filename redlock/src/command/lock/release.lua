-- Releases a lock if the owner still holds it: reads the arguments of steps/release.lua, which follows.
--
-- KEYS  1 lock  2 waiters  [3 fence]
-- ARGV  1 owner  2 channel prefix  [3 tombstone  4 retention of the fence in ms]
local lock_key, waiters_key, fence_key = KEYS[1], KEYS[2], KEYS[3]
local owner, channel, tombstone, retention = unpack(ARGV)
local was = redis.call('MGET', lock_key, fence_key or lock_key)
local holder, fence = was[1], was[2]
-- Usually nobody waits, which EXISTS shows at less cost than a range of the waitlist.
local nobody_waits = redis.pcall('EXISTS', waiters_key) == 0
local ok = redis.status_reply('OK')

