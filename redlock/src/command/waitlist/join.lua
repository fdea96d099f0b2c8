-- Adds an inbox to the waitlist of a lock, without an attempt to take it.
--
-- KEYS  1 waiters
-- ARGV  1 inbox  2 since when it waits, in us
--
-- OK
--
-- A waiter joins again long before the list expires. The expiry is never shortened: others may wait for a longer lease.
redis.pcall('ZADD', KEYS[1], ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 10000 then redis.pcall('PEXPIRE', KEYS[1], 10000) end
return redis.status_reply('OK')
