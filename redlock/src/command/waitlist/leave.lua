-- Removes an inbox from the waitlist of a lock, and passes an unused notification on to the next waiters.
--
-- KEYS  1 waiters
-- ARGV  1 inbox  2 channel prefix  3 owner that released the lock, or empty  4 lock
--
-- OK
local left = redis.pcall('ZREM', KEYS[1], ARGV[1])
-- If the server refuses writes, the inbox is still listed. Nobody is notified then: it could be the inbox itself, which would
-- leave again and again.
if ARGV[3] ~= '' and type(left) == 'number' then notify(KEYS[1], ARGV[2], ARGV[3], ARGV[4]) end
return redis.status_reply('OK')
