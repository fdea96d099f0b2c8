-- How long another holds a lock, and the value, which shows a cool-down. Writes nothing.
--
-- KEYS  1 lock
--
-- {left in ms, value}  the value is cut where it is longer than one of ours
return {redis.call('PTTL', KEYS[1]), string.sub(redis.call('MGET', KEYS[1])[1] or '', 1, 65)}
