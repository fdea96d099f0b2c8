-- How long a lock is still held that another holds, and its value: that of a cool-down can be told. Writes nothing.
--
-- KEYS  1 lock
--
-- {left in ms, value}  the value no longer than one of ours
return {redis.call('PTTL', KEYS[1]), string.sub(redis.call('MGET', KEYS[1])[1] or '', 1, 33)}
