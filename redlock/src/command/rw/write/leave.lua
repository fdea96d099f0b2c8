-- Removes an inbox and its intent from the waiting writers. Passes an unused notification on to the next writers, and notifies
-- the readers that the intent kept out.
--
-- KEYS  1 waiting writers  2 intent  3 waiting readers  4 writer  5 readers
-- ARGV  1 inbox  2 channel prefix  3 owner that released the lock, or empty
--
-- OK
local left = redis.pcall('ZREM', KEYS[1], ARGV[1])
local intent = redis.call('MGET', KEYS[2])[1]
if intent and string.sub(intent, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' and redis.pcall('DEL', KEYS[2]) == 1 then
  notify_all(KEYS[3], ARGV[2], string.rep('0', 32), KEYS[5])
end
-- If the server refuses writes, the inbox is still listed. Nobody is notified then: it could be the inbox itself, which would
-- leave again and again.
if ARGV[3] ~= '' and type(left) == 'number' then notify(KEYS[1], ARGV[2], ARGV[3], KEYS[4]) end
return redis.status_reply('OK')
