-- Who holds a lock, for how long, and the highest token seen. Writes nothing.
--
-- KEYS  1 lock  2 fence
--
-- {owner, left in ms, fence}  the owner is nil where nobody holds it, and empty where the value is too long for one
local was = redis.call('MGET', KEYS[1], KEYS[2])
local owner, fence = was[1], was[2]
if owner and #owner > 64 then owner = '' end
return {owner, redis.call('PTTL', KEYS[1]), fence and #fence <= 16 and fence or '0'}
