-- Removes an inbox from the waitlist of a lock, and passes an unused notification on to the next waiters.
--
-- KEYS  1 waiters
-- ARGV  1 inbox  2 channel prefix  3 owner that released the lock, or empty  4 lock
--
-- OK
redis.pcall('ZREM', KEYS[1], ARGV[1])
if ARGV[3] ~= '' then notify(KEYS[1], ARGV[2], ARGV[3], ARGV[4]) end
return redis.status_reply('OK')
