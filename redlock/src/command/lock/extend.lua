-- Raises the ttl of a held lock, never lowers it: reads the arguments of steps/extend.lua, which follows.
--
-- KEYS  1 lock  [2 fence  [3 marker  4 quarantine]]
-- ARGV  1 owner  2 ttl in ms  [3 token  4 retention of the fence in ms  5 last token
--       [6 value of the marker  7 guard time in ms]]
local abstains = KEYS[3] and no_vote(KEYS[3], KEYS[4], ARGV[6], ARGV[7])
local lock_key, fence_key = KEYS[1], KEYS[2]
local owner, ttl, token, retention, last = unpack(ARGV)
local was = redis.call('MGET', lock_key, fence_key or lock_key)
local holder, fence = was[1], fence_key and was[2]
local ok = redis.status_reply('OK')

