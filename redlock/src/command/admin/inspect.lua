-- Who holds a lock, for how long, the highest token seen, and how many processes wait. Writes nothing.
--
-- KEYS  1 lock  2 fence  3 waiters
--
-- {owner, left in ms, fence, waiting}  the owner is nil if nobody holds it, and empty if the value is too long for one
local was = redis.call('MGET', KEYS[1], KEYS[2])
local owner, fence = was[1], was[2]
if owner and #owner > 64 then owner = '' end
-- With pcall: a user may lack the permission, and a value of another type is no waitlist. An error has no elements.
local inboxes = redis.pcall('ZRANGE', KEYS[3], 0, 999)
return {owner, redis.call('PTTL', KEYS[1]), fence and #fence <= 16 and fence or '0', #inboxes}
