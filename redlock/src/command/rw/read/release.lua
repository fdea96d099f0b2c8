-- Removes a reader, and raises the bar of the readers above its token (the tombstone): its acquires and extensions that arrive
-- later are stale. After the last reader, notifies the waiting writers.
--
-- KEYS  1 readers  2 bar of the readers  3 writer  4 waiting writers
-- ARGV  1 owner  2 channel prefix  3 tombstone  4 retention of the bars in ms
--
-- OK    the owner does not hold the lock (any more)
-- WOKE  the same, and a waiting process was notified
--
-- The removal comes first: it needs no memory. A server that refuses it is asked again. Under a key of another type are no
-- readers.
local was = redis.call('MGET', KEYS[2], KEYS[1])
local bar, only = was[1], was[2]
local removed = only == ARGV[1]
if removed then
  redis.call('DEL', KEYS[1])
elseif not only then
  local found = redis.pcall('ZSCORE', KEYS[1], ARGV[1])
  removed = type(found) == 'string'
  if removed then
    redis.call('ZREM', KEYS[1], ARGV[1])
  elseif found and not string.find(found.err, 'WRONGTYPE', 1, true) then
    return found
  end
end
leave_tombstone(KEYS[2], bar, ARGV[3], ARGV[4])
if removed and (only or read_for(KEYS[1]) == 0) and notify(KEYS[4], ARGV[2], ARGV[1], KEYS[3]) > 0 then
  return redis.status_reply('WOKE')
end
return redis.status_reply('OK')
