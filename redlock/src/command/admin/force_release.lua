-- Deletes a lock if one of the given owners holds it, makes their later commands stale, and notifies waiters. A later holder
-- keeps the lock, because this script may run late or twice.
--
-- KEYS  1 lock  2 fence  3 waiters
-- ARGV  1 retention of the fence in ms  2 channel prefix  3 the owner to name in notifications
--       4 ... owners that were seen; an empty one stands for all values that are too long for an owner
--
-- OK                none of those owners holds it
-- {WRONGTYPE, key}  the key holds a hash, a list or the like; nothing was written
local was = redis.call('MGET', KEYS[1], KEYS[2])
if not was[1] and redis.call('EXISTS', KEYS[1]) == 1 then return {'WRONGTYPE', KEYS[1]} end
local meant = not was[1]
for place = 4, #ARGV do
  meant = meant or was[1] == ARGV[place] or (ARGV[place] == '' and #was[1] > 64)
end
if not meant then return redis.status_reply('OK') end
local held = redis.call('DEL', KEYS[1]) == 1
local fence = was[2]
if fence and string.match(fence, '^%d+$') and #fence <= 16 then
  put(KEYS[2], string.format('%.0f', tonumber(fence) + 1), ARGV[1])
end
if held then notify(KEYS[3], ARGV[2], ARGV[3], KEYS[1]) end
return redis.status_reply('OK')
