-- Puts an inbox among the waiters of a lock, without asking for it.
--
-- KEYS  1 waiters
-- ARGV  1 inbox  2 since when, in us
--
-- OK
--
-- Who waits asks again long before it is forgotten. Others may have put the end further off.
redis.pcall('ZADD', KEYS[1], ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 10000 then redis.pcall('PEXPIRE', KEYS[1], 10000) end
return redis.status_reply('OK')
