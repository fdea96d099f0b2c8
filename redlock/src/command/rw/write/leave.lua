-- Removes an inbox and its intent from the waiting writers, unless they are those of a later wait. Passes an unused notification on to the next writers, and notifies
-- the readers that the intent kept out.
--
-- KEYS  1 waiting writers  2 intent  3 waiting readers  4 writer  5 readers
-- ARGV  1 inbox  2 channel prefix  3 owner that released the lock, or empty  4 since when the inbox waits, in us
--
-- OK
local inbox, channel, by, since = unpack(ARGV)
since = tonumber(since)
local listed = tonumber(redis.pcall('ZSCORE', KEYS[1], inbox))
local left = listed and listed > since and 0 or redis.pcall('ZREM', KEYS[1], inbox)
local intent = redis.call('MGET', KEYS[2])[1]
local began = intent and tonumber(string.match(intent, ' (%d+)$'))
local is_own = intent and string.sub(intent, 1, #inbox + 1) == inbox .. ' ' and not (began and began > since)
if is_own and redis.pcall('DEL', KEYS[2]) == 1 then
  notify_all(KEYS[3], channel, string.rep('0', 32), KEYS[5])
end
-- If the server refuses writes, the inbox is still listed. Nobody is notified then: it could be the inbox itself, which would
-- leave again and again.
if by ~= '' and type(left) == 'number' then notify(KEYS[1], channel, by, KEYS[4]) end
return redis.status_reply('OK')
