-- Takes a lock from whoever holds it, and bars what the holder may still send.
--
-- KEYS  1 lock  2 fence
-- ARGV  1 retention of the fence in ms
--
-- OK                nobody holds it here
-- {WRONGTYPE, key}  the key holds a hash, a list or the like, and was left alone
local was = redis.call('MGET', KEYS[1], KEYS[2])
if not was[1] and redis.call('EXISTS', KEYS[1]) == 1 then return {'WRONGTYPE', KEYS[1]} end
redis.call('DEL', KEYS[1])
local fence = was[2]
if fence and string.match(fence, '^%d+$') and #fence <= 16 then
  put(KEYS[2], string.format('%.0f', tonumber(fence) + 1), ARGV[1])
end
return redis.status_reply('OK')
