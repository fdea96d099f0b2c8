-- Strikes an inbox off the waiters of a lock, and tells the next ones what it was told itself.
--
-- KEYS  1 waiters
-- ARGV  1 inbox  2 channel prefix  3 message
--
-- OK
redis.pcall('ZREM', KEYS[1], ARGV[1])
wake(KEYS[1], ARGV[2], ARGV[3])
return redis.status_reply('OK')
