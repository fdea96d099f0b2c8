-- Who holds a lock, for how long, and the highest token seen. Writes nothing.
--
-- KEYS  1 lock  2 fence
--
-- {owner or nil, left in ms, fence}
local was = redis.call('MGET', KEYS[1], KEYS[2])
return {was[1], redis.call('PTTL', KEYS[1]), was[2] or '0'}
