-- Removes a writer, and raises the bar of the writers above its tokens (the tombstone): its acquires and extensions that
-- arrive later are stale. Notifies the writer that has waited longest, and all waiting readers.
--
-- KEYS  1 writer  2 bar of the writers  3 waiting writers  4 readers  5 waiting readers
-- ARGV  1 owner  2 channel prefix  3 tombstone  4 retention of the bars in ms
--
-- OK    the owner does not hold the lock (any more)
-- WOKE  the same, and a waiting process was notified
--
-- The deletion comes first: it needs no memory.
local was = redis.call('MGET', KEYS[1], KEYS[2])
local removed = was[1] == ARGV[1]
if removed then redis.call('DEL', KEYS[1]) end
leave_tombstone(KEYS[2], was[2], ARGV[3], ARGV[4], removed)
if not removed then return redis.status_reply('OK') end
local notified = notify(KEYS[3], ARGV[2], ARGV[1], KEYS[1])
notified = notified + notify_all(KEYS[5], ARGV[2], ARGV[1], KEYS[4])
return redis.status_reply(notified > 0 and 'WOKE' or 'OK')
