-- Takes a lock together with its fencing token, in one step: reads the arguments of steps/acquire.lua, which follows.
--
-- KEYS  1 lock  2 fence  3 waiters  [4 marker  5 quarantine]
-- ARGV  1 owner  2 ttl in ms  3 token  4 retention of the fence in ms  5 last token
--       6 inbox to notify when it is free, or empty  7 since when the inbox waits, in us
--       [8 value of the marker  9 guard time in ms]
local abstains = KEYS[4] and no_vote(KEYS[4], KEYS[5], ARGV[8], ARGV[9])
local lock_key, fence_key, waiters_key = KEYS[1], KEYS[2], KEYS[3]
local owner, ttl, token, retention, last, inbox, since = unpack(ARGV)
local was = redis.call('MGET', lock_key, fence_key)
local holder, fence = was[1], was[2]
local ok = redis.status_reply('OK')

