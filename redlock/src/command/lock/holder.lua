-- How long a lock is held, and its value, which shows a cool-down. Writes nothing.
--
-- KEYS  1 lock
--
-- {left in ms, value}  the value is truncated if it is longer than one of ours
return {redis.call('PTTL', KEYS[1]), string.sub(redis.call('MGET', KEYS[1])[1] or '', 1, 65)}
